// SPDX-License-Identifier: MIT
// Attacks the numbered invariants of journal_format.h: a torn tail must be cut, damage must be
// refused and named, and the two must never be mistaken for each other.
#include "journal_support.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

// Three rounds at 4096, 8192 (three blocks long) and 20480; what follows depends on the test.
#define FIRST     (UINT64_C(1) * JOURNAL_BLOCK_BYTES)
#define SECOND    (UINT64_C(2) * JOURNAL_BLOCK_BYTES)
#define THIRD     (UINT64_C(5) * JOURNAL_BLOCK_BYTES)
#define THIRD_END (UINT64_C(6) * JOURNAL_BLOCK_BYTES)

static struct bench *bench_with_three_rounds(void) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    bench_open_ok(bench);
    assert_int_equal(bench_round(bench, 100, 2, 64), STATUS_ok);
    assert_int_equal(bench_round(bench, 200, 20, 520), STATUS_ok);
    assert_int_equal(bench_round(bench, 300, 1, 64), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), THIRD_END);
    return bench;
}

static void bench_free(struct bench *bench) {
    bench_done(bench);
    memory_free(bench);
}

// Refused, and the reason names the invariant, the file and the offset of `position`.
static void assert_damaged(struct bench *bench, const char *invariant, uint64_t position) {
    char name[JOURNAL_SEGMENT_NAME_BYTES], place[128];
    enum status status = bench_open(bench);
    if (status == STATUS_ok)
        fail_msg("opened in spite of %s", invariant);
    assert_int_equal(status, STATUS_damaged);
    journal_segment_name(position / TEST_SEGMENT_BYTES, name);
    (void)snprintf(place, sizeof(place), "%s, offset %llu: %s", name,
                   (unsigned long long)(position % TEST_SEGMENT_BYTES), invariant);
    if (strncmp(bench->why, place, strlen(place)) != 0)
        fail_msg("expected \"%s\", got \"%s\"", place, bench->why);
}

// Opens, has records 1 to `count`, is zero behind its end, and goes on.
static void assert_cut(struct bench *bench, uint64_t count, uint64_t end) {
    static const uint8_t zeros[JOURNAL_BLOCK_BYTES];
    bench_open_ok(bench);
    bench_assert_seen(bench, count);
    assert_int_equal(journal_published(bench->journal), end);
    for (uint64_t at = end; at % TEST_SEGMENT_BYTES != 0; at += JOURNAL_BLOCK_BYTES) {
        uint8_t block[JOURNAL_BLOCK_BYTES];
        bench_peek(bench, at, block, sizeof(block));
        assert_memory_equal(block, zeros, sizeof(block));
    }
    bench->next_number = count + 1;
    assert_int_equal(bench_round(bench, 1000, 3, 64), STATUS_ok);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, count + 3);
}

// Every way in which the five blocks of a last round can be right, missing or garbage.
static void test_a_torn_tail_is_cut_wherever_it_tore(void **state) {
    for (uint32_t way = 0; way < 3 * 3 * 3 * 3 * 3; way++) {
        struct bench *bench = bench_with_three_rounds();
        uint8_t garbage[JOURNAL_BLOCK_BYTES], zeros[JOURNAL_BLOCK_BYTES] = {0};
        memset(garbage, 0xA5, sizeof(garbage));
        assert_int_equal(bench_round(bench, 400, 40, 480), STATUS_ok);
        assert_int_equal(journal_published(bench->journal), THIRD_END + 5 * JOURNAL_BLOCK_BYTES);
        bench_restart(bench);
        for (uint32_t block = 0, rest = way; block < 5; block++, rest /= 3)
            if (rest % 3 != 0)
                bench_poke(bench, THIRD_END + block * JOURNAL_BLOCK_BYTES,
                           rest % 3 == 1 ? zeros : garbage, JOURNAL_BLOCK_BYTES);
        if (way == 0)
            assert_cut(bench, 23 + 40, THIRD_END + 5 * JOURNAL_BLOCK_BYTES);
        else
            assert_cut(bench, 23, THIRD_END);
        bench_free(bench);
    }
}

static void test_garbage_far_behind_the_end_is_cut(void **state) {
    struct bench *bench = bench_with_three_rounds();
    bench_restart(bench);
    bench_poke(bench, TEST_SEGMENT_BYTES - 1, "x", 1);
    assert_cut(bench, 23, THIRD_END);
    bench_free(bench);
}

// A round that a client smuggled into a text: right in everything but the books' secret id.
static void test_a_forged_round_in_the_tail_proves_nothing(void **state) {
    struct bench *bench = bench_with_three_rounds();
    bench_restart(bench);
    struct journal_round_header header;
    bench_peek(bench, THIRD, &header, sizeof(header));
    header.books.bytes[3] ^= 1;
    header.sequence = 9;
    header.position = THIRD_END + JOURNAL_BLOCK_BYTES;
    header.synced = header.position;
    header.crc = crc32c(slice_of((uint8_t *)&header + 12, sizeof(header) - 12));
    bench_poke(bench, header.position, &header, sizeof(header));
    assert_cut(bench, 23, THIRD_END);
    bench_free(bench);
}

// The round in the middle was proven durable by the one behind it: any change of any byte is
// damage.
static void test_every_byte_of_a_proven_round_counts(void **state) {
    struct bench *bench = bench_with_three_rounds();
    bench_restart(bench);
    for (uint64_t at = SECOND; at < THIRD;
         at += at < SECOND + JOURNAL_ROUND_HEADER_BYTES + 64 ? 1 : 61) {
        uint64_t offset = at - SECOND;
        const char *invariant = offset < JOURNAL_ROUND_HEADER_BYTES              ? "J4"
                                : offset < JOURNAL_ROUND_HEADER_BYTES + 20 * 520 ? "J8"
                                                                                 : "J10";
        bench_flip(bench, at, (uint8_t)(1 << at % 8));
        assert_damaged(bench, invariant, SECOND);
        assert_non_null(strstr(bench->why, "no torn tail: the round at offset 20480"));
        bench_flip(bench, at, (uint8_t)(1 << at % 8));
    }
    bench_open_ok(bench);
    bench_assert_seen(bench, 23);
    bench_free(bench);
}

static void test_a_missing_block_of_a_proven_round_is_damage(void **state) {
    for (uint64_t block = FIRST; block < THIRD; block += JOURNAL_BLOCK_BYTES) {
        struct bench *bench = bench_with_three_rounds();
        uint8_t zeros[JOURNAL_BLOCK_BYTES] = {0};
        bench_restart(bench);
        bench_poke(bench, block, zeros, sizeof(zeros));
        assert_damaged(bench, block >= SECOND + JOURNAL_BLOCK_BYTES ? "J8" : "J4",
                       block < SECOND ? FIRST : SECOND);
        bench_free(bench);
    }
}

static void test_a_closing_round_proves_the_last_one(void **state) {
    struct bench *bench = bench_with_three_rounds();
    journal_close(bench->journal);
    bench->journal = NULL;
    bench_flip(bench, THIRD + JOURNAL_ROUND_HEADER_BYTES + 20, 1);
    assert_damaged(bench, "J8", THIRD);
    bench_flip(bench, THIRD + JOURNAL_ROUND_HEADER_BYTES + 20, 1);
    // The closing round itself has nobody behind it, and nothing in it.
    bench_flip(bench, THIRD_END + 20, 1);
    assert_cut(bench, 23, THIRD_END);
    bench_free(bench);
}

static void test_the_last_round_is_cut_when_nothing_proves_it(void **state) {
    for (uint64_t at = THIRD; at < THIRD_END; at += 37) {
        struct bench *bench = bench_with_three_rounds();
        bench_restart(bench);
        bench_flip(bench, at, 0x10);
        assert_cut(bench, 22, THIRD);
        bench_free(bench);
    }
}

static void test_every_byte_of_a_segment_header_counts(void **state) {
    struct bench *bench = bench_with_three_rounds();
    for (int i = 0; i < 20; i++)
        assert_int_equal(bench_round(bench, 400, 1, 30000), STATUS_ok);
    bench_restart(bench);
    for (uint64_t at = 0; at < 2 * TEST_SEGMENT_BYTES; at += TEST_SEGMENT_BYTES)
        for (uint64_t byte = 0; byte < JOURNAL_BLOCK_BYTES; byte += byte < 130 ? 1 : 97) {
            bench_flip(bench, at + byte, 0x04);
            assert_damaged(bench, "J2", at);
            bench_flip(bench, at + byte, 0x04);
        }
    bench_open_ok(bench);
    bench_free(bench);
}

static void header_poke(struct bench *bench, uint64_t position,
                        struct journal_segment_header *header) {
    journal_segment_header_seal(header);
    bench_poke(bench, position, header, sizeof(*header));
}

// Somebody who can compute checksums changes what a segment says about the one before it.
static void test_a_segment_must_repeat_the_round_before_it(void **state) {
    struct bench *bench = bench_with_three_rounds();
    for (int i = 0; i < 8; i++)
        assert_int_equal(bench_round(bench, 400, 1, 30000), STATUS_ok);
    bench_restart(bench);
    struct journal_segment_header right, wrong;
    bench_peek(bench, TEST_SEGMENT_BYTES, &right, sizeof(right));
    for (int field = 0; field < 5; field++) {
        wrong = right;
        wrong.previous_round += field == 0 ? JOURNAL_BLOCK_BYTES : 0;
        wrong.previous_sequence += field == 1;
        wrong.previous_time_ms += field == 2;
        wrong.chain.bytes[31] ^= field == 3;
        wrong.previous_end -= field == 4 ? JOURNAL_BLOCK_BYTES : 0;
        header_poke(bench, TEST_SEGMENT_BYTES, &wrong);
        assert_int_equal(bench_open(bench), STATUS_damaged);
    }
    wrong = right;
    wrong.number = 7;
    header_poke(bench, TEST_SEGMENT_BYTES, &wrong);
    assert_damaged(bench, "J2", TEST_SEGMENT_BYTES);
    wrong = right;
    wrong.books.bytes[0] ^= 1;
    header_poke(bench, TEST_SEGMENT_BYTES, &wrong);
    assert_damaged(bench, "J2", TEST_SEGMENT_BYTES);
    header_poke(bench, TEST_SEGMENT_BYTES, &right);
    bench_peek(bench, 0, &right, sizeof(right));
    wrong = right;
    wrong.chain.bytes[0] ^= 1;
    header_poke(bench, 0, &wrong);
    assert_damaged(bench, "J3", 0);
    wrong = right;
    wrong.previous_sequence = 5;
    header_poke(bench, 0, &wrong);
    assert_damaged(bench, "J3", 0);
    header_poke(bench, 0, &right);
    bench_open_ok(bench);
    bench_free(bench);
}

// Seals a changed round anew, as somebody would who knows the format.
static void round_reseal(struct bench *bench, uint64_t position, struct journal_round_header header,
                         const uint8_t *records) {
    uint8_t bytes[4 * JOURNAL_BLOCK_BYTES];
    struct sha256_context *sha = sha256_open();
    assert_true(JOURNAL_ROUND_HEADER_BYTES + header.size <= sizeof(bytes));
    memcpy(bytes + JOURNAL_ROUND_HEADER_BYTES, records, header.size);
    journal_round_seal(sha, &header, bytes);
    bench_poke(bench, position, bytes, JOURNAL_ROUND_HEADER_BYTES + header.size);
    sha256_close(sha);
}

static void test_a_round_sealed_anew_breaks_the_chain(void **state) {
    struct bench *bench = bench_with_three_rounds();
    uint8_t records[20 * 520];
    struct journal_round_header header;
    bench_restart(bench);
    bench_peek(bench, SECOND, &header, sizeof(header));
    bench_peek(bench, SECOND + sizeof(header), records, sizeof(records));
    records[5] ^= 1;
    round_reseal(bench, SECOND, header, records);
    // Nothing proves that the last round was durable, but no crash gives a right header another
    // past.
    assert_damaged(bench, "J7", THIRD);
    bench_free(bench);
}

static void test_a_round_sealed_anew_in_front_of_proven_ones_is_damage(void **state) {
    struct bench *bench = bench_with_three_rounds();
    uint8_t records[2 * 64];
    struct journal_round_header right, wrong;
    bench_restart(bench);
    bench_peek(bench, FIRST, &right, sizeof(right));
    bench_peek(bench, FIRST + sizeof(right), records, sizeof(records));
    records[64 + 5] ^= 1;
    round_reseal(bench, FIRST, right, records);
    assert_damaged(bench, "J7", SECOND);
    records[64 + 5] ^= 1;
    round_reseal(bench, FIRST, right, records);
    // Each field that makes sense of its place.
    bench_peek(bench, SECOND, &right, sizeof(right));
    uint8_t big[20 * 520];
    bench_peek(bench, SECOND + sizeof(right), big, sizeof(big));
    const char *const invariants[] = {"J5", "J6", "J7", "J7", "J11", "J9", "J9", "J4", "J4"};
    for (int field = 0; field < 9; field++) {
        wrong = right;
        wrong.sequence += field == 0;
        wrong.time_ms -= field == 1 ? 101 : 0;
        wrong.previous_chain.bytes[0] ^= field == 2;
        wrong.previous_round += field == 3 ? 8 : 0;
        wrong.synced = field == 4 ? 0 : wrong.synced;
        wrong.record_count += field == 5;
        wrong.flags = field == 6 ? JOURNAL_ROUND_CLOSING : 0;
        wrong.books.bytes[15] ^= field == 7;
        wrong.zero_back = field == 8;
        round_reseal(bench, SECOND, wrong, big);
        assert_damaged(bench, invariants[field], SECOND);
    }
    // A record's size that no longer fills the round.
    uint32_t size = 528;
    memcpy(big, &size, sizeof(size));
    round_reseal(bench, SECOND, right, big);
    assert_damaged(bench, "J9", SECOND);
    bench_free(bench);
}

static void test_segments_are_dense_and_whole(void **state) {
    struct bench *bench = bench_with_three_rounds();
    for (int i = 0; i < 8; i++)
        assert_int_equal(bench_round(bench, 400, 1, 30000), STATUS_ok);
    bench_restart(bench);
    const struct disk_driver *driver = bench->disk->driver;
    char one[JOURNAL_SEGMENT_NAME_BYTES], two[JOURNAL_SEGMENT_NAME_BYTES];
    struct disk_file *file;
    journal_segment_name(1, one);
    journal_segment_name(2, two);
    assert_int_equal(driver->rename(bench->disk, one, "journal/aside"), STATUS_ok);
    assert_damaged(bench, "J1", TEST_SEGMENT_BYTES);
    assert_int_equal(driver->rename(bench->disk, two, one), STATUS_ok);
    assert_damaged(bench, "J1", 2 * TEST_SEGMENT_BYTES);
    assert_int_equal(driver->rename(bench->disk, "journal/aside", two), STATUS_ok);
    assert_int_equal(bench_open(bench), STATUS_damaged); // swapped
    assert_int_equal(driver->rename(bench->disk, one, "journal/aside"), STATUS_ok);
    assert_int_equal(driver->rename(bench->disk, two, one), STATUS_ok);
    assert_int_equal(driver->rename(bench->disk, "journal/aside", two), STATUS_ok);
    assert_int_equal(driver->open(bench->disk, one, false, &file), STATUS_ok);
    assert_int_equal(file->driver->truncate(file, TEST_SEGMENT_BYTES - JOURNAL_BLOCK_BYTES),
                     STATUS_ok);
    assert_damaged(bench, "J1", TEST_SEGMENT_BYTES);
    assert_int_equal(file->driver->truncate(file, 100), STATUS_ok);
    assert_damaged(bench, "J1", TEST_SEGMENT_BYTES);
    file->driver->close(file);
    bench_free(bench);
}

// In front of a later segment everything must be right, proven by a round or not.
static void test_the_end_of_a_full_segment_is_no_tail(void **state) {
    struct bench *bench = bench_with_three_rounds();
    while (journal_published(bench->journal) < TEST_SEGMENT_BYTES)
        assert_int_equal(bench_round(bench, 400, 1, 10000), STATUS_ok);
    struct journal_segment_header header;
    bench_restart(bench);
    bench_peek(bench, TEST_SEGMENT_BYTES, &header, sizeof(header));
    bench_flip(bench, header.previous_round + 200, 1);
    assert_damaged(bench, "J8", header.previous_round);
    bench_free(bench);
}

static void test_other_files_are_left_alone(void **state) {
    struct bench *bench = bench_with_three_rounds();
    const char *const names[] = {
        "journal/0000000000000000000x.segment",     "journal/1.segment",
        "journal/00000000000000000009.segments",    "journal/99999999999999999999.segment",
        "journal/00000000000000000000.segment.bak", JOURNAL_SPARE_NAME};
    bench_restart(bench);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct disk_file *file;
        assert_int_equal(bench->disk->driver->open(bench->disk, names[i], true, &file), STATUS_ok);
        assert_int_equal(file->driver->write(file, 0, SLICE("what is left of something")),
                         STATUS_ok);
        file->driver->close(file);
    }
    bench_open_ok(bench);
    bench_assert_seen(bench, 23);
    for (int i = 0; i < 8; i++)
        assert_int_equal(bench_round(bench, 400, 1, 30000), STATUS_ok);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, 31);
    bench_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_torn_tail_is_cut_wherever_it_tore),
        cmocka_unit_test(test_garbage_far_behind_the_end_is_cut),
        cmocka_unit_test(test_a_forged_round_in_the_tail_proves_nothing),
        cmocka_unit_test(test_every_byte_of_a_proven_round_counts),
        cmocka_unit_test(test_a_missing_block_of_a_proven_round_is_damage),
        cmocka_unit_test(test_a_closing_round_proves_the_last_one),
        cmocka_unit_test(test_the_last_round_is_cut_when_nothing_proves_it),
        cmocka_unit_test(test_every_byte_of_a_segment_header_counts),
        cmocka_unit_test(test_a_segment_must_repeat_the_round_before_it),
        cmocka_unit_test(test_a_round_sealed_anew_breaks_the_chain),
        cmocka_unit_test(test_a_round_sealed_anew_in_front_of_proven_ones_is_damage),
        cmocka_unit_test(test_segments_are_dense_and_whole),
        cmocka_unit_test(test_the_end_of_a_full_segment_is_no_tail),
        cmocka_unit_test(test_other_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
