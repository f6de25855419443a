// SPDX-License-Identifier: MIT
// What the index costs the writer and the second core, apart from everything else. It fills a
// folder with keys, then finds and puts a new one per operation in rounds of a thousand, first as
// fast as it can and then at a given rate, and prints times per operation, the background's share
// of a core, and memory per key.
//
//     index_speed FOLDER [MILLIONS_OF_KEYS [OPERATIONS_PER_SECOND [SECONDS]]]
//
// The folder must exist and should be empty. Times are of the writer's own processor time, so that
// other programs on the machine disturb less; the longest round is of the clock on the wall.
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "engine/embedded/index/index.h"

#define ROUND_KEYS   1000
#define SEGMENT_KEYS 1200000 // what a journal segment of 256 MiB holds
#define RECORD_BYTES 216
#define ROUND_US_MAX 10000

struct bench {
    struct index *index;
    uint64_t position;
    uint64_t segment;
    uint64_t segment_keys;
    uint64_t key_count;
    uint64_t stalled_ns; // waiting because the background was behind
    uint64_t round_ns_max;
    uint32_t rounds_by_us[ROUND_US_MAX]; // how many rounds took how many microseconds
    uint64_t seal_ns_max;
    uint64_t backlog_max;
};

static uint64_t cpu_ns(int who) {
    struct rusage usage;
    CHECK(getrusage(who, &usage) == 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void pause_ns(uint64_t ns) {
    const struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                                   .tv_nsec = (long)(ns % 1000000000)};
    (void)nanosleep(&pause, NULL); // a signal shortens it, which does no harm
}

static uint64_t key_fingerprint(uint64_t key) { // splitmix64, as uniform as the hash of a text
    key = (key + 1) * UINT64_C(0x9e3779b97f4a7c15);
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

static void seal(struct bench *bench) {
    uint64_t begin_ns = clock_monotonic_ns();
    index_seal(bench->index, bench->segment++, bench->position + 1, clock_now_ms());
    uint64_t ns = clock_monotonic_ns() - begin_ns;
    if (bench->seal_ns_max < ns)
        bench->seal_ns_max = ns;
    bench->segment_keys = 0;
    struct index_stats stats;
    index_stats(bench->index, &stats);
    if (bench->backlog_max < stats.backlog_bytes)
        bench->backlog_max = stats.backlog_bytes;
}

// A thousand keys that nobody has seen, but for one in a hundred that is a replay.
static void run_round(struct bench *bench) {
    uint64_t begin_ns = clock_monotonic_ns();
    uint64_t fingerprints[ROUND_KEYS];
    for (size_t i = 0; i < ROUND_KEYS; i++) {
        bool replays = i % 100 == 99 && bench->key_count > 0;
        uint64_t key = replays ? key_fingerprint(bench->key_count + i) % bench->key_count
                               : bench->key_count + i;
        fingerprints[i] = key_fingerprint(key);
        index_prefetch(bench->index, INDEX_IDEMPOTENCY, fingerprints[i]);
    }
    for (size_t i = 0; i < ROUND_KEYS; i++) {
        struct index_cursor cursor;
        uint64_t position;
        enum status status = index_find_first(index_own(bench->index), INDEX_IDEMPOTENCY,
                                              fingerprints[i], &cursor, &position);
        CHECK(status == STATUS_ok || status == STATUS_end);
        if (status == STATUS_ok && i % 100 == 99)
            continue;
        bench->position += RECORD_BYTES;
        index_put(bench->index, INDEX_IDEMPOTENCY, fingerprints[i], bench->position);
    }
    index_settle(bench->index);
    bench->key_count += ROUND_KEYS;
    bench->segment_keys += ROUND_KEYS;
    uint64_t ns = clock_monotonic_ns() - begin_ns;
    if (bench->round_ns_max < ns)
        bench->round_ns_max = ns;
    bench->rounds_by_us[ns / 1000 < ROUND_US_MAX ? ns / 1000 : ROUND_US_MAX - 1]++;
    if (bench->segment_keys >= SEGMENT_KEYS)
        seal(bench);
}

// The time that half of the rounds stayed below: what a round costs when nobody else takes the
// core.
static uint64_t median_us(const struct bench *bench) {
    uint64_t count = 0, seen = 0, us = 0;
    for (size_t i = 0; i < ROUND_US_MAX; i++)
        count += bench->rounds_by_us[i];
    while (us < ROUND_US_MAX - 1 && (seen += bench->rounds_by_us[us]) * 2 < count)
        us++;
    return us;
}

static void print_stats(struct bench *bench) {
    struct index_stats stats;
    index_stats(bench->index, &stats);
    uint64_t run_entries = stats.run_entries == 0 ? 1 : stats.run_entries;
    printf("  keys in runs %.1f M in %lu runs, in tables %.1f M; per key in runs %.2f bytes of "
           "memory, "
           "%.2f on disk; tables %.0f MiB, backlog now %.0f, at most %.0f MiB\n",
           (double)stats.run_entries / 1e6, (unsigned long)stats.run_count_max,
           (double)stats.table_entries / 1e6, (double)stats.run_memory_bytes / (double)run_entries,
           (double)stats.run_file_bytes / (double)run_entries,
           (double)stats.table_memory_bytes / 1048576, (double)stats.backlog_bytes / 1048576,
           (double)bench->backlog_max / 1048576);
    printf("  flushes %lu, merges %lu, entries written %.1f M, tables made by the writer %lu\n",
           (unsigned long)stats.flush_count, (unsigned long)stats.merge_count,
           (double)stats.entries_written / 1e6, (unsigned long)stats.spare_misses);
}

// Rounds until `key_count` keys are there or `seconds` are over, whichever is given; at `rate` per
// second, 0: unpaced.
static void run_phase(struct bench *bench, const char *name, uint64_t key_count, uint64_t rate,
                      uint64_t seconds) {
    uint64_t begin_ns = clock_monotonic_ns();
    uint64_t writer_ns = cpu_ns(RUSAGE_THREAD);
    uint64_t all_ns = cpu_ns(RUSAGE_SELF);
    uint64_t begin_keys = bench->key_count;
    memset(bench->rounds_by_us, 0, sizeof(bench->rounds_by_us));
    bench->round_ns_max = bench->seal_ns_max = bench->stalled_ns = bench->backlog_max = 0;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        if (key_count != 0 ? bench->key_count >= key_count
                           : now_ns - begin_ns >= seconds * 1000000000)
            break;
        uint64_t due_ns =
            rate == 0 ? 0 : begin_ns + (bench->key_count - begin_keys) * 1000000000 / rate;
        if (due_ns > now_ns + 60000) {
            pause_ns(due_ns - now_ns - 60000);
            continue;
        }
        if (index_is_behind(bench->index)) {
            pause_ns(1000000);
            bench->stalled_ns += clock_monotonic_ns() - now_ns;
            continue;
        }
        run_round(bench);
    }
    writer_ns = cpu_ns(RUSAGE_THREAD) - writer_ns;
    all_ns = cpu_ns(RUSAGE_SELF) - all_ns;
    double wall_s = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    double keys = (double)(bench->key_count - begin_keys);
    printf("%s: %.1f M find+put in %.1f s = %.2f M/s; writer %.3f us each, median %.3f; background "
           "%.0f %% of a core "
           "(%.3f us each); longest round %.1f ms, longest seal %.2f ms, stalled %.2f s\n",
           name, keys / 1e6, wall_s, keys / wall_s / 1e6, (double)writer_ns / keys / 1e3,
           (double)median_us(bench) / ROUND_KEYS, (double)(all_ns - writer_ns) / wall_s / 1e7,
           (double)(all_ns - writer_ns) / keys / 1e3, (double)bench->round_ns_max / 1e6,
           (double)bench->seal_ns_max / 1e6, (double)bench->stalled_ns / 1e9);
    print_stats(bench);
}

static uint64_t number_of(int count, char **arguments, int place, uint64_t otherwise) {
    uint64_t number = 0;
    if (place >= count)
        return otherwise;
    for (const char *digit = arguments[place]; *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    return number;
}

static bool open_index(struct bench *bench, struct disk *disk, struct index_covered *ret_covered) {
    struct index_options options = {
        .disk = disk,
        .folder = "index/",
        .now_ms = clock_now_ms(),
        .first_segment = 1,
        .journal_end = UINT64_MAX,
        .retention_ms = {[INDEX_IDEMPOTENCY] = UINT64_C(7) * 24 * 3600 * 1000},
    };
    return index_open(&options, ret_covered, &bench->index) == STATUS_ok;
}

int main(int count, char **arguments) {
    struct disk *disk;
    struct index_covered covered;
    struct bench bench = {.segment = 1};
    uint64_t millions = number_of(count, arguments, 2, 50);
    uint64_t rate = number_of(count, arguments, 3, 1000000);
    uint64_t seconds = number_of(count, arguments, 4, 20);
    if (count < 2 || disk_posix_open(arguments[1], &disk) != STATUS_ok) {
        fprintf(stderr,
                "index_speed FOLDER [MILLIONS_OF_KEYS [OPERATIONS_PER_SECOND [SECONDS]]]\n");
        return 2;
    }
    if (!open_index(&bench, disk, &covered) || covered.position != 0) {
        fprintf(stderr, "the folder cannot be used or holds an index already\n");
        return 1;
    }
    run_phase(&bench, "filling", millions * 1000000, 0, 0);
    run_phase(&bench, "at the rate", 0, rate, seconds);
    run_phase(&bench, "as fast as it goes", 0, 0, seconds / 4);
    uint64_t begin_ns = clock_monotonic_ns();
    index_close(bench.index);
    uint64_t closed_ns = clock_monotonic_ns();
    CHECK(open_index(&bench, disk, &covered));
    printf("closing %.2f s, opening %.2f s\n", (double)(closed_ns - begin_ns) / 1e9,
           (double)(clock_monotonic_ns() - closed_ns) / 1e9);
    index_close(bench.index);
    disk->driver->done(disk);
    return 0;
}
