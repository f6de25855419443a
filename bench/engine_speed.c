// SPDX-License-Identifier: MIT
// How fast the embedded engine is without HTTP: transfers between random wallets, a key on each, in
// rounds of a given size, made durable. Prints one line; checks the sum of all balances at its end.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/embedded/embedded.h"

enum { ROUNDS_IN_FLIGHT = 4 };

struct lane {
    struct round round;
    struct submission submission;
    struct signal_gate gate;
    uint64_t turn;
    struct command *commands;
    struct outcome *outcomes;
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static void tell(struct round *round) {
    struct lane *lane = round->context;
    signal_gate_publish(&lane->gate, lane->turn);
}

static void lane_init(struct lane *lane, uint32_t batch) {
    round_init(&lane->round);
    signal_gate_init(&lane->gate, 0, 0);
    lane->commands = memory_take_zeroed(batch * sizeof(*lane->commands));
    lane->outcomes = memory_take_zeroed(batch * sizeof(*lane->outcomes));
    lane->submission = (struct submission){
        .commands = lane->commands, .outcomes = lane->outcomes, .count = batch, .is_batch = true};
    lane->round.published = tell;
    lane->round.context = lane;
}

static void lane_submit(struct engine *engine, struct lane *lane) {
    lane->turn++;
    lane->round.first = &lane->submission;
    lane->round.command_count = lane->submission.count;
    engine->port->submit(engine, &lane->round);
}

static void lane_wait(struct lane *lane) {
    CHECK(signal_gate_wait(&lane->gate, lane->turn, SIGNAL_GATE_WAIT_FOREVER));
}

static struct id *wallets_open(struct engine *engine, struct lane *lane, struct id admin,
                               uint32_t wallet_count, uint32_t batch) {
    struct id *wallets = memory_take(wallet_count * sizeof(*wallets));
    char owner[32], bank[32];
    for (uint32_t done = 0; done < wallet_count;) {
        uint32_t count = wallet_count - done < batch ? wallet_count - done : batch;
        lane->submission.count = count;
        for (uint32_t i = 0; i < count; i++) {
            (void)snprintf(owner, sizeof(owner), "owner-%u", done + i);
            lane->commands[i] = (struct command){.type = COMMAND_WALLET_OPEN,
                                                 .principal_key = admin,
                                                 .owner = SLICE("owner"),
                                                 .slot = (done + i) % LIMIT_SLOTS,
                                                 .credit_limit = 1000000000,
                                                 .origin = {.principal = SLICE("bench")}};
            CHECK(currency_iso_find(SLICE("USD"), &lane->commands[i].currency));
        }
        lane_submit(engine, lane);
        lane_wait(lane);
        for (uint32_t i = 0; i < count; i++) {
            struct record record;
            const char *why;
            CHECK(record_decode(lane->outcomes[i].record, &record, &why) == STATUS_ok);
            wallets[done + i] = record.wallet.id;
        }
        done += count;
    }
    (void)bank;
    lane->submission.count = batch;
    return wallets;
}

static void sum_up(void *context, const struct wallet *wallet) {
    *(__int128 *)context += wallet->balance;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        (void)fprintf(stderr, "engine_speed FOLDER BATCH WALLETS SECONDS\n");
        return 2;
    }
    uint32_t batch = (uint32_t)atol(argv[2]), wallet_count = (uint32_t)atol(argv[3]);
    uint64_t seconds = (uint64_t)atol(argv[4]);
    char why[512];
    struct engine *engine;
    struct embedded_options options = {.folder = argv[1], .idempotency_days = 7};
    if (embedded_open(&options, why, sizeof(why), &engine) != STATUS_ok) {
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    struct lane lanes[ROUNDS_IN_FLIGHT] = {0}, first = {0};
    lane_init(&first, 1000);
    first.submission.count = 1;
    first.commands[0] = (struct command){.type = COMMAND_KEY_CREATE,
                                         .key_role = ROLE_ADMIN,
                                         .name = SLICE("bench"),
                                         .origin = {.principal = SLICE("system")}};
    lane_submit(engine, &first);
    lane_wait(&first);
    struct record key;
    const char *broken;
    CHECK(record_decode(first.outcomes[0].record, &key, &broken) == STATUS_ok);
    struct id *wallets = wallets_open(engine, &first, key.api_key.id, wallet_count, 1000);
    for (int i = 0; i < ROUNDS_IN_FLIGHT; i++)
        lane_init(&lanes[i], batch);
    struct rusage before, after;
    (void)getrusage(RUSAGE_SELF, &before);
    uint64_t began = clock_monotonic_ns(), until = began + seconds * 1000000000u, done = 0;
    uint64_t in_generator = 0;
    for (uint64_t turn = 0; clock_monotonic_ns() < until; turn++) {
        struct lane *lane = &lanes[turn % ROUNDS_IN_FLIGHT];
        lane_wait(lane);
        uint64_t start = clock_monotonic_ns();
        for (uint32_t i = 0; i < batch; i++) {
            struct command *command = &lane->commands[i];
            *command =
                (struct command){.type = COMMAND_TRANSFER,
                                 .has_key = true,
                                 .has_amount = true,
                                 .amount = 1 + (int64_t)(random_next() % 100),
                                 .principal_key = key.api_key.id,
                                 .wallet = wallets[random_next() % wallet_count],
                                 .counterparty = wallets[random_next() % wallet_count],
                                 .key = {random_next(), random_next()},
                                 .origin = {.principal = SLICE("key_01h455vb4pex5vsknk084sn02q"),
                                            .request_id = SLICE("0123456789abcdef"),
                                            .role = ROLE_ADMIN}};
            if (id_equal(command->wallet, command->counterparty))
                command->counterparty = wallets[(random_next() % (wallet_count - 1))];
        }
        in_generator += clock_monotonic_ns() - start;
        lane_submit(engine, lane);
        done += batch;
    }
    for (int i = 0; i < ROUNDS_IN_FLIGHT; i++)
        lane_wait(&lanes[i]);
    double took = (double)(clock_monotonic_ns() - began) / 1e9;
    (void)getrusage(RUSAGE_SELF, &after);
    struct engine_stats stats;
    engine->port->stats(engine, &stats);
    double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
                 (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
                 (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
    printf(
        "batch %u, %u wallets: %.0f transfers/s, %.2f us CPU each (generator %.2f), backlog %llu "
        "bytes, %llu runs, sync %.0f us\n",
        batch, wallet_count, (double)done / took, cpu / (double)done * 1e6,
        (double)in_generator / 1e3 / (double)done, (unsigned long long)stats.index_backlog_bytes,
        (unsigned long long)stats.index_run_count,
        (double)stats.sync_ns_total / 1e3 / (double)stats.sync_count);
    __int128 sum = 0;
    engine->port->wallets(engine, sum_up, &sum);
    CHECK(sum == 0); // nothing was deposited: transfers only shift
    engine->port->close(engine);
    return 0;
}
