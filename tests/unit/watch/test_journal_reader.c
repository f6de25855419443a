// SPDX-License-Identifier: MIT
// Two readers of one journal, written apart: whatever a crash leaves behind, the verifier's finds
// in the cold folder exactly what the engine's finds when it starts.
#include "journal_support.h"

#include <string.h>

#include "base/memory.h"
#include "watch/journal_reader.h"

struct found {
    uint64_t records, numbers_sum, positions_sum;
    struct sha256 chain;
};

static enum status read_all(struct disk *disk, char *why, struct found *ret_found) {
    struct journal_reader *reader;
    struct journal_reader_round round;
    struct journal_reader_stand stand;
    memset(ret_found, 0, sizeof(*ret_found));
    enum status status = journal_reader_open(disk, why, &reader);
    if (status != STATUS_ok)
        return status;
    while ((status = journal_reader_next(reader, why, &round)) == STATUS_ok) {
        uint64_t place = 0;
        while (place < round.records.size) {
            uint64_t size;
            memcpy(&size, round.records.bytes + place, sizeof(size));
            struct slice record = slice_of(round.records.bytes + place, size);
            ret_found->records++;
            ret_found->numbers_sum += bench_number_of(record);
            ret_found->positions_sum += round.position + place;
            place += size;
        }
    }
    journal_reader_stand(reader, &stand);
    ret_found->chain = stand.chain;
    journal_reader_close(reader);
    return status == STATUS_end ? STATUS_ok : status;
}

static void assert_both_agree(struct bench *bench, uint64_t call) {
    char why[JOURNAL_READER_WHY_BYTES] = "";
    struct found found;
    enum status cold = read_all(bench->disk, why, &found);
    enum status status = bench_open(bench);
    if (status != STATUS_ok)
        fail_msg("call %llu: %s", (unsigned long long)call, bench->why);
    if (cold == STATUS_not_found) { // the first segment was not there yet
        assert_int_equal(bench->seen.count, 0);
        return;
    }
    if (cold != STATUS_ok)
        fail_msg("call %llu: %s", (unsigned long long)call, why);
    uint64_t numbers = 0, positions = 0, end;
    struct sha256 chain;
    for (uint64_t i = 0; i < bench->seen.count; i++) {
        numbers += bench->seen.numbers[i];
        positions += bench->seen.positions[i];
    }
    journal_head(bench->journal, &end, &chain);
    assert_int_equal(found.records, bench->seen.count);
    assert_int_equal(found.numbers_sum, numbers);
    assert_int_equal(found.positions_sum, positions);
    assert_memory_equal(&found.chain, &chain, sizeof(chain));
}

static void go_on(struct bench *bench, uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t number = bench->next_number;
        if (bench_round(bench, 1000 + number, 1 + (uint32_t)(number % 7),
                        64 + 8 * (number * 131 % 500)) != STATUS_ok)
            return;
    }
}

static void test_both_readers_agree_after_every_crash(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    for (uint64_t call = 1; call <= 120; call++) {
        bench_init(bench, fake_disk_open(call));
        fake_disk_die_after(bench->disk, call);
        if (bench_open(bench) == STATUS_ok)
            go_on(bench, 40);
        else
            bench->journal = NULL;
        bench_crash(bench, call * 7);
        // The next start is interrupted too, at every one of its first calls.
        fake_disk_die_after(bench->disk, 1 + call % 24);
        if (bench_open(bench) != STATUS_ok)
            bench->journal = NULL;
        bench_crash(bench, call * 13);
        assert_both_agree(bench, call);
        bench_done(bench);
    }
    memory_free(bench);
}

static void test_both_readers_agree_on_a_clean_journal(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    bench_open_ok(bench);
    go_on(bench, 200);
    journal_close(bench->journal);
    assert_both_agree(bench, 0);
    assert_int_equal(bench->seen.count, bench->next_number - 1);
    assert_true(bench->seen.segments_ended > 5);
    bench_done(bench);
    memory_free(bench);
}

// What one reader refuses, the other refuses.
static void test_both_readers_refuse_the_same(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    char why[JOURNAL_READER_WHY_BYTES];
    struct found found;
    bench_init(bench, fake_disk_open(1));
    bench_open_ok(bench);
    go_on(bench, 60);
    uint64_t end = journal_published(bench->journal);
    bench_restart(bench);
    for (uint64_t at = 0; at < end; at += 997) {
        bench_flip(bench, at, 0x20);
        enum status cold = read_all(bench->disk, why, &found);
        enum status warm = bench_open(bench);
        if (warm == STATUS_damaged) {
            bench->journal = NULL;
            assert_int_equal(cold, STATUS_damaged);
            assert_int_equal(strncmp(why, bench->why, strcspn(bench->why, ":")),
                             0); // the same place
        } else {
            // Zeros behind a segment's rounds, which a start has no need to read, or the last
            // round.
            assert_true(cold == STATUS_ok || strstr(why, "J12") != NULL);
            assert_int_equal(warm, STATUS_ok);
            if (cold == STATUS_ok)
                assert_int_equal(found.records, bench->seen.count);
            bench_restart(bench);
            if (bench->seen.count != bench->next_number - 1)
                break; // the last round was cut: nothing behind it can be looked at
        }
        bench_flip(bench, at, 0x20);
    }
    bench_done(bench);
    memory_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_readers_agree_after_every_crash),
        cmocka_unit_test(test_both_readers_agree_on_a_clean_journal),
        cmocka_unit_test(test_both_readers_refuse_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
