// SPDX-License-Identifier: MIT
// How fast the embedded engine is without HTTP: transfers between random wallets, a key on each, in
// rounds of a given size, made durable. Prints one line; checks the sum of all balances at its end.
// With a file of rules these look at each, their thresholds of counts so high that nobody reaches
// them: run it under `perf stat -e instructions:u` with and without to see what rules cost.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/embedded/embedded.h"
#include "watch/rule_file.h"

enum { ROUNDS_IN_FLIGHT = 4, WALLETS_PER_ROUND = 1000 };

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
                               uint32_t wallet_count) {
    struct id *wallets = memory_take(wallet_count * sizeof(*wallets));
    for (uint32_t done = 0; done < wallet_count;) {
        uint32_t left = wallet_count - done;
        uint32_t count = left < WALLETS_PER_ROUND ? left : WALLETS_PER_ROUND;
        lane->submission.count = count;
        for (uint32_t i = 0; i < count; i++) {
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
    return wallets;
}

// What one run is about.
struct run {
    struct engine *engine;
    struct id admin;
    struct id *wallets; // owned
    uint32_t wallet_count;
    uint32_t batch;
    uint64_t generator_ns; // time spent making commands
};

static void fill(struct run *run, struct lane *lane) {
    uint64_t began = clock_monotonic_ns();
    for (uint32_t i = 0; i < run->batch; i++) {
        uint64_t from = random_next() % run->wallet_count;
        uint64_t step = 1 + random_next() % (run->wallet_count - 1);
        lane->commands[i] =
            (struct command){.type = COMMAND_TRANSFER,
                             .has_key = true,
                             .has_amount = true,
                             .amount = 1 + (int64_t)(random_next() % 100),
                             .principal_key = run->admin,
                             .wallet = run->wallets[from],
                             .counterparty = run->wallets[(from + step) % run->wallet_count],
                             .key = {random_next(), random_next()},
                             .origin = {.principal = SLICE("key_01h455vb4pex5vsknk084sn02q"),
                                        .request_id = SLICE("0123456789abcdef"),
                                        .role = ROLE_ADMIN}};
    }
    run->generator_ns += clock_monotonic_ns() - began;
}

static double cpu_seconds(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure(struct run *run, uint64_t seconds) {
    struct lane lanes[ROUNDS_IN_FLIGHT] = {0};
    struct engine_stats stats;
    uint64_t done = 0, turn = 0;
    for (int i = 0; i < ROUNDS_IN_FLIGHT; i++)
        lane_init(&lanes[i], run->batch);
    double cpu = cpu_seconds();
    uint64_t began = clock_monotonic_ns(), until = began + seconds * 1000000000u;
    for (; clock_monotonic_ns() < until; turn++, done += run->batch) {
        struct lane *lane = &lanes[turn % ROUNDS_IN_FLIGHT];
        lane_wait(lane);
        fill(run, lane);
        lane_submit(run->engine, lane);
    }
    for (int i = 0; i < ROUNDS_IN_FLIGHT; i++)
        lane_wait(&lanes[i]);
    double took = (double)(clock_monotonic_ns() - began) / 1e9;
    cpu = cpu_seconds() - cpu;
    run->engine->port->stats(run->engine, &stats);
    printf("batch %u, %u wallets: %llu transfers, %.0f/s, "
           "%.2f us CPU each (%.2f of it making them), "
           "backlog %llu bytes, %llu runs, sync %.0f us\n",
           run->batch, run->wallet_count, (unsigned long long)done, (double)done / took,
           cpu / (double)done * 1e6,
           (double)run->generator_ns / 1e3 / (double)done,
           (unsigned long long)stats.index_backlog_bytes, (unsigned long long)stats.index_run_count,
           (double)stats.sync_ns_total / 1e3 / (double)stats.sync_count);
}

static struct id admin_make(struct engine *engine, struct lane *lane) {
    struct record record;
    const char *why;
    lane->submission.count = 1;
    lane->commands[0] = (struct command){.type = COMMAND_KEY_CREATE,
                                         .key_role = ROLE_ADMIN,
                                         .name = SLICE("bench"),
                                         .origin = {.principal = SLICE("system")}};
    lane_submit(engine, lane);
    lane_wait(lane);
    CHECK(record_decode(lane->outcomes[0].record, &record, &why) == STATUS_ok);
    return record.api_key.id;
}

static bool rules_send(struct engine *engine, struct lane *lane, const char *path) {
    static struct rule_set set;
    struct rule_file_patterns patterns = {0};
    char why[512];
    if (rule_file_load(path, &set, &patterns, why, sizeof(why)) != STATUS_ok) {
        (void)fprintf(stderr, "%s\n", why);
        return false;
    }
    for (uint32_t i = 0; i < set.count; i++)
        for (int window = 0; window < WINDOW_COUNT; window++)
            if (set.rules[i].counts[window] != 0)
                set.rules[i].counts[window] = UINT16_MAX;
    lane->submission.count = 1;
    lane->commands[0] =
        (struct command){.type = COMMAND_RULES,
                         .metadata = slice_of(set.rules, set.count * sizeof(set.rules[0])),
                         .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    lane_submit(engine, lane);
    lane_wait(lane);
    return lane->outcomes[0].status == STATUS_ok;
}

static void sum_up(void *context, const struct wallet *wallet) {
    *(__int128 *)context += wallet->balance;
}

int main(int argc, char **argv) {
    struct embedded_options options = {.idempotency_days = 7};
    struct lane first = {0};
    struct run run = {0};
    char why[512];
    if (argc < 5) {
        (void)fprintf(stderr, "engine_speed EMPTY-FOLDER BATCH WALLETS SECONDS [RULES-FILE]\n");
        return 2;
    }
    options.folder = argv[1];
    run.batch = (uint32_t)atol(argv[2]);
    run.wallet_count = (uint32_t)atol(argv[3]);
    CHECK(run.batch >= 1 && run.wallet_count >= 2);
    if (embedded_open(&options, why, sizeof(why), &run.engine) != STATUS_ok) {
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    lane_init(&first, WALLETS_PER_ROUND);
    run.admin = admin_make(run.engine, &first);
    run.wallets = wallets_open(run.engine, &first, run.admin, run.wallet_count);
    if (argc > 5 && !rules_send(run.engine, &first, argv[5]))
        return 1;
    measure(&run, (uint64_t)atol(argv[4]));
    __int128 sum = 0;
    run.engine->port->wallets(run.engine, sum_up, &sum);
    CHECK(sum == 0); // nothing was deposited: transfers only shift
    run.engine->port->close(run.engine);
    return 0;
}
