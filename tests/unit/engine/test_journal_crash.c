// SPDX-License-Identifier: MIT
// The journal in bad weather: the power goes, or a call fails, at every single call to a disk that
// lies about everything it was not asked to sync. Whatever happens, every round that was answered
// is there, and one that was not is there as a whole or not at all.
#include "journal_support.h"

#include <string.h>

#include "base/memory.h"

#define ROUNDS 24

struct life {
    struct bench bench;
    uint64_t answered; // records that were promised
    uint64_t tried;    // records of those and of the round that failed
};

static uint32_t records_of(uint64_t round) {
    return 1 + (uint32_t)(round * 7 % 5);
}

static size_t size_of(uint64_t round) {
    return 64 + 8 * (round * 131 % 500);
}

// Commits rounds until one fails or `ROUNDS` are done. Segments of 16 blocks: some rolls are among
// them.
// Every third round is committed in two halves.
static enum status life_round(struct life *life, uint64_t round) {
    struct journal *journal = life->bench.journal;
    if (round % 3 != 0)
        return bench_round(&life->bench, 1000 + round, records_of(round), size_of(round));
    journal_round_begin(journal, 1000 + round, records_of(round) * size_of(round));
    for (uint32_t i = 0; i < records_of(round); i++)
        (void)bench_add(&life->bench, size_of(round));
    enum status status = journal_commit_begin(journal);
    return status == STATUS_ok ? journal_commit_wait(journal) : status;
}

static void life_go_on(struct life *life, uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t round = life->bench.next_number;
        if (journal_room(life->bench.journal, records_of(round) * size_of(round)) != STATUS_ok)
            return;
        enum status status = life_round(life, round);
        life->tried = life->bench.next_number - 1;
        if (status != STATUS_ok)
            return;
        life->answered = life->tried;
    }
}

// What is found after a crash begins with all that was answered.
static void life_check(struct life *life, const char *what, uint64_t call) {
    enum status status = bench_open(&life->bench);
    if (status != STATUS_ok)
        fail_msg("%s at call %llu: %s", what, (unsigned long long)call, life->bench.why);
    uint64_t seen = life->bench.seen.count;
    if (seen != life->answered && seen != life->tried)
        fail_msg("%s at call %llu: %llu records, %llu were answered, %llu tried", what,
                 (unsigned long long)call, (unsigned long long)seen,
                 (unsigned long long)life->answered, (unsigned long long)life->tried);
    bench_assert_seen(&life->bench, seen);
    life->answered = life->tried = seen;
    life->bench.next_number = seen + 1;
}

static struct life *life_new(uint64_t seed) {
    struct life *life = memory_take_zeroed(sizeof(*life));
    bench_init(&life->bench, fake_disk_open(seed));
    return life;
}

static void life_free(struct life *life) {
    bench_done(&life->bench);
    memory_free(life);
}

// How many calls a life of `ROUNDS` rounds makes when nothing goes wrong.
static uint64_t life_calls(void) {
    struct life *life = life_new(1);
    bench_open_ok(&life->bench);
    life_go_on(life, ROUNDS);
    uint64_t calls = fake_disk_calls(life->bench.disk);
    assert_int_equal(life->answered, life->bench.next_number - 1);
    life_free(life);
    return calls;
}

static void test_the_power_goes_at_every_call(void **state) {
    uint64_t calls = life_calls();
    for (uint64_t call = 1; call <= calls; call++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct life *life = life_new(seed);
            fake_disk_die_after(life->bench.disk, call);
            if (bench_open(&life->bench) == STATUS_ok)
                life_go_on(life, ROUNDS);
            else
                life->bench.journal = NULL;
            bench_crash(&life->bench, seed * 1000 + call);
            life_check(life, "power", call);
            life_go_on(life, 6);
            assert_int_equal(life->answered, life->tried);
            bench_crash(&life->bench, seed);
            life_check(life, "power later", call);
            life_free(life);
        }
}

// The power goes again while the journal recovers from the first time.
static void test_the_power_goes_during_recovery(void **state) {
    for (uint64_t seed = 1; seed <= 40; seed++)
        for (uint64_t call = 1; call <= 24; call++) {
            struct life *life = life_new(seed);
            bench_open_ok(&life->bench);
            fake_disk_die_after(life->bench.disk, 3 + seed * 3 % 90);
            life_go_on(life, ROUNDS);
            bench_crash(&life->bench, seed * 77);
            fake_disk_die_after(life->bench.disk, call);
            if (bench_open(&life->bench) != STATUS_ok)
                life->bench.journal = NULL;
            else
                assert_true(life->bench.seen.count == life->answered ||
                            life->bench.seen.count == life->tried);
            bench_crash(&life->bench, seed * 91 + call);
            life_check(life, "power during recovery", call);
            life_free(life);
        }
}

// What a failed sync leaves behind can be read, but is on no disk: recovery must not believe it. It
// writes it again before it answers from it, so that the power may go right after.
static void test_what_a_failed_call_left_is_made_durable(void **state) {
    uint64_t calls = life_calls();
    for (uint64_t call = 1; call <= calls; call++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct life *life = life_new(seed);
            fake_disk_fail_after(life->bench.disk, call, STATUS_disk_failed);
            if (bench_open(&life->bench) == STATUS_ok)
                life_go_on(life, ROUNDS);
            else
                life->bench.journal = NULL;
            bench_restart(&life->bench);
            life_check(life, "failure", call); // from here on, what was seen counts as answered
            bench_crash(&life->bench, seed * 31 + call);
            life_check(life, "power after failure", call);
            life_go_on(life, 6);
            assert_int_equal(life->answered, life->tried);
            life_free(life);
        }
}

static void test_a_disk_that_fills_up_at_every_call(void **state) {
    uint64_t calls = life_calls();
    for (uint64_t call = 1; call <= calls; call++) {
        struct life *life = life_new(call);
        fake_disk_fail_after(life->bench.disk, call, STATUS_storage_full);
        if (bench_open(&life->bench) == STATUS_ok)
            life_go_on(life, ROUNDS);
        else
            life->bench.journal = NULL;
        bench_crash(&life->bench, call);
        life_check(life, "full", call);
        life_free(life);
    }
}

// Long lives: crash after crash on the same disk.
static void test_one_journal_survives_many_crashes(void **state) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct life *life = life_new(seed);
        bench_open_ok(&life->bench);
        for (uint64_t crash = 0; crash < 40; crash++) {
            fake_disk_die_after(life->bench.disk, 1 + (seed * 7919 + crash * 104729) % 120);
            life_go_on(life, 30);
            bench_crash(&life->bench, seed ^ crash);
            life_check(life, "crash", crash);
        }
        assert_true(life->answered > 100);
        life_free(life);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_power_goes_at_every_call),
        cmocka_unit_test(test_the_power_goes_during_recovery),
        cmocka_unit_test(test_what_a_failed_call_left_is_made_durable),
        cmocka_unit_test(test_a_disk_that_fills_up_at_every_call),
        cmocka_unit_test(test_one_journal_survives_many_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
