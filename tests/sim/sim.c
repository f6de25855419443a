// SPDX-License-Identifier: MIT
// usage: sim [--seed N] [--worlds N] [--lives N] [--seconds N]
//
// Runs worlds, each with a seed of its own, until one fails or the time is over.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "books_dump.h"
#include "engine/wait.h"
#include "sim.h"

#define SEGMENT_BYTES  (UINT64_C(256) << 10)
#define LIFE_SECONDS   60
#define COMPARED_EVERY 3 // lives whose state is compared with a replay of the whole journal

struct arguments {
    uint64_t seed, worlds, lives, seconds;
};

static struct engine *engine_open(const struct sim_world *world, struct disk *disk) {
    char why[512];
    struct engine *engine;
    struct embedded_options options = {.disk = disk,
                                       .idempotency_days = 7,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .checkpoint_bytes = 2 * SEGMENT_BYTES};
    enum status status = embedded_open(&options, why, sizeof(why), &engine);
    if (status != STATUS_ok)
        sim_fail(world, "the books do not open (%s): %s", status_name(status), why);
    return engine;
}

// What the checkpoint and the rest of the journal give must be what the whole journal gives.
static void compare_with_replay(const struct sim_world *world, const struct sim_image *image) {
    struct buffer now = {0}, replayed = {0};
    books_dump(world->engine, &now);
    const char *broken = books_audit(world->engine);
    if (broken != NULL)
        sim_fail(world, "%s", broken);
    struct engine *other = engine_open(world, sim_image_open(image, world->seed, "checkpoint"));
    books_dump(other, &replayed);
    other->port->close(other);
    if (!books_dump_equal(&now, &replayed))
        sim_fail(world, "the checkpoint and the journal differ");
    buffer_done(&now);
    buffer_done(&replayed);
    world->shared->replays_compared++;
}

// Rules that only look, in most worlds: what wallets usually do is counted, and now and then there
// is a finding. No client sees anything of it.
static void bring_rules(struct sim_world *world) {
    static const struct rule rules[] = {{.name = "often",
                                         .action = RULE_FLAG,
                                         .kinds = 3,
                                         .operations = RULE_ON_ALL,
                                         .score = 50,
                                         .counts = {[WINDOW_HOUR] = 40}},
                                        {.name = "unlike-him",
                                         .action = RULE_HOLD,
                                         .shadow = 1,
                                         .kinds = 3,
                                         .operations = RULE_ON_DEBITS,
                                         .score = 1,
                                         .mean_percent = 200,
                                         .payments_before = 3}};
    struct command command = {.type = COMMAND_RULES,
                              .metadata = slice_of(rules, sizeof(rules)),
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    struct engine_wait wait;
    if (world->seed % 4 == 3)
        return;
    engine_wait_init(&wait, world->engine);
    engine_wait_submit(&wait, &submission);
    if (outcome.status != STATUS_ok)
        sim_fail(world, "the rules are refused: %s", status_name((enum status)outcome.status));
    engine_wait_release(&wait);
    engine_wait_done(&wait);
}

static void live(struct sim_world *world, const struct sim_image *image,
                 const struct sim_image *left) {
    static const uint64_t spans[] = {60, 500, 2000, 4000};
    world->is_slow = world->life % 4 == 3;
    uint64_t die_at = 1 + sim_below(&world->random, spans[sim_below(&world->random, 4)]);
    uint64_t dice = sim_below(&world->random, 10);
    enum sim_death death = dice < 6 ? SIM_POWER : dice < 9 ? SIM_PROCESS : SIM_CLEAN;
    uint64_t seed = sim_random(&world->random);
    uint32_t operations = 100 + (uint32_t)sim_below(&world->random, 400);
    // Counted in shared memory before the engine begins; a life that gets further takes it back.
    world->shared->deaths_open++;
    if (sim_image_has(image, "checkpoint"))
        world->shared->checkpoints++;
    uint64_t calls_before = world->shared->disk_calls;
    struct disk *disk = sim_disk_open(sim_image_open(image, seed, NULL), left, death,
                                      calls_before + die_at, seed, &world->shared->disk_calls);
    world->engine = engine_open(world, disk);
    if (!world->has_brief_holds && world->life % COMPARED_EVERY == 0)
        compare_with_replay(world, image);
    sim_verify(world);
    world->shared->deaths_open--;
    bring_rules(world);
    sim_clients_run(world, operations);
    sim_disk_closing(disk);
    world->engine->port->close(world->engine); // the disk ends the process
    UNREACHABLE("the disk outlived its engine");
}

static bool wait_for(pid_t child, const struct sim_world *world) {
    int result = 0;
    for (int i = 0; i < LIFE_SECONDS * 100; i++) {
        pid_t ended = waitpid(child, &result, WNOHANG);
        CHECK(ended >= 0 || errno == EINTR);
        if (ended == child) {
            if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
                return true;
            (void)fprintf(stderr, "seed %llu, life %u: ended with %s %d\n",
                          (unsigned long long)world->seed, world->life,
                          WIFSIGNALED(result) ? "signal" : "status",
                          WIFSIGNALED(result) ? WTERMSIG(result) : WEXITSTATUS(result));
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = i < 100 ? 1000000 : 10000000}, NULL);
    }
    (void)fprintf(stderr, "seed %llu, life %u: hangs\n", (unsigned long long)world->seed,
                  world->life);
    CHECK(kill(child, SIGABRT) == 0);
    (void)waitpid(child, &result, 0);
    return false;
}

static bool world_run(uint64_t seed, uint64_t lives, uint64_t until_ns, struct sim_shared *total) {
    struct sim_world world = {.seed = seed, .has_brief_holds = seed % 2 == 0};
    struct sim_image image = sim_image_new();
    sim_image_seal(&image);
    world.shared = mmap(NULL, sizeof(*world.shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(world.shared != MAP_FAILED);
    bool passes = true;
    for (; passes && world.life < lives && clock_monotonic_ns() < until_ns; world.life++) {
        uint64_t stream = seed * UINT64_C(1000003) + world.life;
        world.random = sim_random(&stream);
        if (world.shared->count + 2000 > SIM_OPERATIONS_MAX)
            break;
        struct sim_image left = sim_image_new();
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            live(&world, &image, &left);
        passes = wait_for(child, &world);
        sim_image_done(&image);
        image = left;
        sim_image_seal(&image);
    }
    total->lives += world.life;
    total->count += world.shared->count;
    total->verified += world.shared->verified;
    total->disk_calls += world.shared->disk_calls;
    total->deaths_open += world.shared->deaths_open;
    total->checkpoints += world.shared->checkpoints;
    total->replays_compared += world.shared->replays_compared;
    CHECK(munmap(world.shared, sizeof(*world.shared)) == 0);
    sim_image_done(&image);
    return passes;
}

static bool arguments_read(int count, char **texts, struct arguments *arguments) {
    for (int i = 1; i < count; i += 2) {
        uint64_t value = 0;
        if (i + 1 == count)
            return false;
        for (const char *digit = texts[i + 1]; *digit != 0; digit++) {
            if (*digit < '0' || *digit > '9')
                return false;
            value = value * 10 + (uint64_t)(*digit - '0');
        }
        if (strcmp(texts[i], "--seed") == 0)
            arguments->seed = value;
        else if (strcmp(texts[i], "--worlds") == 0)
            arguments->worlds = value;
        else if (strcmp(texts[i], "--lives") == 0)
            arguments->lives = value;
        else if (strcmp(texts[i], "--seconds") == 0)
            arguments->seconds = value;
        else
            return false;
    }
    return true;
}

int main(int count, char **texts) {
    struct arguments arguments = {.seed = 1, .worlds = 1000000, .lives = 30, .seconds = 30};
    static struct sim_shared total;
    if (!arguments_read(count, texts, &arguments)) {
        (void)fprintf(stderr, "usage: sim [--seed N] [--worlds N] [--lives N] [--seconds N]\n");
        return 2;
    }
    uint64_t until_ns = clock_monotonic_ns() + arguments.seconds * UINT64_C(1000000000), worlds = 0;
    bool passes = true;
    while (passes && worlds < arguments.worlds && clock_monotonic_ns() < until_ns)
        passes = world_run(arguments.seed + worlds++, arguments.lives, until_ns, &total);
    (void)printf("seeds %llu to %llu: %u lives, %u operations, %llu asked again, %llu calls of the "
                 "disk, %llu deaths before the first client, %llu starts with a checkpoint, %llu "
                 "compared with a replay\n",
                 (unsigned long long)arguments.seed,
                 (unsigned long long)(arguments.seed + worlds - 1), total.lives, total.count,
                 (unsigned long long)total.verified, (unsigned long long)total.disk_calls,
                 (unsigned long long)total.deaths_open, (unsigned long long)total.checkpoints,
                 (unsigned long long)total.replays_compared);
    return passes ? 0 : 1;
}
