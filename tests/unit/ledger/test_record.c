// SPDX-License-Identifier: MIT
// The codec: whatever is written is read again, whole, in whatever company it stands.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/memory.h"
#include "record_sample.h"
#include "scene.h"

static void round_trip(const struct record *record) {
    struct buffer buffer = {0};
    struct record decoded;
    const char *why = "";
    memset(buffer_room(&buffer, 4096), 0xEE, 4096); // what lies in the buffer must not show
    size_t size = record_encode(record, &buffer);
    assert_int_equal(size, buffer.size);
    assert_int_equal(size % 8, 0);
    assert_true(size <= LIMIT_RECORD_BYTES_MAX);
    // Exactly these bytes, nothing behind them.
    uint8_t *copy = memory_take(size);
    memcpy(copy, buffer.bytes, size);
    memset(&decoded, 0xEE, sizeof(decoded));
    assert_int_equal(record_size(slice_of(copy, size)), size);
    if (record_decode(slice_of(copy, size), &decoded, &why) != STATUS_ok)
        fail_msg("kind %u: %s", record->kind, why);
    sample_compare(record, &decoded);
    // Texts point into the bytes: nothing is copied.
    if (decoded.origin.principal.size != 0)
        assert_true(decoded.origin.principal.bytes > copy &&
                    decoded.origin.principal.bytes < copy + size);
    // Written again it is the same bytes.
    struct buffer again = {0};
    assert_int_equal(record_encode(&decoded, &again), size);
    assert_memory_equal(again.bytes, copy, size);
    memory_free(copy);
    buffer_done(&again);
    buffer_done(&buffer);
}

static void test_random_records_come_back(void **state) {
    struct arena arena;
    uint64_t stream = 20261122;
    (void)state;
    arena_init(&arena, 1 << 16);
    for (int round = 0; round < 3000; round++) {
        struct record record =
            sample_make(&arena, &stream, (uint8_t)(1 + round % 6), SAMPLE_RANDOM);
        round_trip(&record);
        arena_reset(&arena);
    }
    for (int round = 0; round < 600; round++) {
        uint8_t kind = round % 3 == 0 ? RECORD_RULES : RECORD_PARKED;
        struct record record = sample_make(&arena, &stream, kind, SAMPLE_RANDOM);
        round_trip(&record);
        arena_reset(&arena);
    }
    for (int round = 0; round < 30; round++) {
        struct record record = sample_make(&arena, &stream, RECORD_BATCH, SAMPLE_RANDOM);
        round_trip(&record);
        arena_reset(&arena);
    }
    arena_done(&arena);
}

static void test_the_smallest_and_the_largest_come_back(void **state) {
    struct arena arena;
    uint64_t stream = 1;
    (void)state;
    arena_init(&arena, 1 << 16);
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        struct record record = sample_make(&arena, &stream, kind, SAMPLE_SMALLEST);
        round_trip(&record);
        record = sample_make(&arena, &stream, kind, SAMPLE_LARGEST);
        round_trip(&record);
    }
    arena_done(&arena);
}

// Which shard has the thing, and which has decided about it.
static void test_what_is_of_another_shard_comes_back(void **state) {
    struct arena arena;
    uint64_t stream = 7;
    const uint8_t kinds[] = {RECORD_WALLET, RECORD_HOLD, RECORD_WITHDRAWAL};
    (void)state;
    arena_init(&arena, 1 << 16);
    for (int i = 0; i < 12; i++) {
        struct buffer buffer = {0};
        const char *why;
        struct record decoded, record =
                                   sample_make(&arena, &stream, kinds[i % 3], SAMPLE_RANDOM);
        record.arrives = (i / 3 & 1) != 0;
        record.decided_away = i / 6 != 0;
        round_trip(&record);
        (void)record_encode(&record, &buffer);
        assert_int_equal(record_decode(buffer_slice(&buffer), &decoded, &why), STATUS_ok);
        assert_int_equal(decoded.arrives, record.arrives);
        assert_int_equal(decoded.decided_away, record.decided_away);
        assert_int_equal(record_is_guest(&decoded), record.arrives && !record.decided_away);
        assert_int_equal(record_is_told(&decoded), record.arrives && record.decided_away);
        buffer_done(&buffer);
    }
    arena_done(&arena);
}

// The same of a payment: whose side is here, and whether it is but about its purchase.
static void test_sides_of_another_shard(void **state) {
    struct id one = {{1}}, two = {{2}};
    struct record record = {.kind = RECORD_TRANSACTION,
                            .arrives = true,
                            .transaction = {.type = TRANSACTION_REFUND,
                                            .id = one,
                                            .subject = one,
                                            .debit = {.wallet = one, .number = 3},
                                            .credit = {.wallet = two}}};
    (void)state;
    assert_false(record_is_told(&record));
    record.transaction.debit.number = 0;
    assert_true(record_is_told(&record));
    record.transaction.subject_status = SUBJECT_IS_HERE;
    assert_false(record_is_told(&record));
    assert_true(record_refunds_here(&record));
    record.arrives = false;
    assert_false(record_is_guest(&record)); // its purchase has given it its slot
    record.transaction.type = TRANSACTION_TRANSFER;
    assert_true(record_is_guest(&record));
}

static void test_records_stand_one_after_another(void **state) {
    struct arena arena;
    struct buffer buffer = {0};
    struct record records[40], decoded;
    const char *why;
    uint64_t stream = 5;
    size_t place = 0;
    (void)state;
    arena_init(&arena, 1 << 16);
    for (int i = 0; i < 40; i++) {
        records[i] = sample_make(&arena, &stream, (uint8_t)(1 + i % 7), SAMPLE_RANDOM);
        (void)record_encode(&records[i], &buffer);
    }
    for (int i = 0; i < 40; i++) {
        struct slice rest = slice_of(buffer.bytes + place, buffer.size - place);
        assert_int_equal(record_decode(rest, &decoded, &why), STATUS_ok);
        sample_compare(&records[i], &decoded);
        place += record_size(rest);
    }
    assert_int_equal(place, buffer.size);
    buffer_done(&buffer);
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_records_come_back),
        cmocka_unit_test(test_the_smallest_and_the_largest_come_back),
        cmocka_unit_test(test_what_is_of_another_shard_comes_back),
        cmocka_unit_test(test_sides_of_another_shard),
        cmocka_unit_test(test_records_stand_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
