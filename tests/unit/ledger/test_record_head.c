// SPDX-License-Identifier: MIT
// Heads written short: they come back as they were, take what was promised, and no length that lies
// leads out of the bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "ledger/record_head.h"
#include "ledger/request.h"
#include "record_sample.h"
#include "scene.h"

static const uint8_t kinds[] = {
    RECORD_WALLET, RECORD_TRANSACTION, RECORD_HOLD,     RECORD_WITHDRAWAL, RECORD_KEY,
    RECORD_REFUSAL, RECORD_BATCH,      RECORD_NOTES,    RECORD_PARKED,     RECORD_DATA_KEY,
    RECORD_RULES,   RECORD_ALARM,      RECORD_CURSOR};

// Words of every length, some of them 0.
static void head_fill(struct head *head, uint8_t kind, uint64_t *stream) {
    struct frame frame = {.kind = kind, .version = RECORD_VERSION, .operation = 1, .role = 2};
    memset(head, 0xEE, sizeof(*head));
    frame.flags = (uint8_t)scene_random(stream);
    if (kind != RECORD_TRANSACTION)
        frame.flags &= (uint8_t)~FLAG_SUBJECT;
    head->size = record_head_size(kind, frame.flags);
    for (size_t at = HEAD_FRONT_BYTES; at < head->size; at += 8) {
        uint64_t bytes = scene_random(stream) % 9;
        uint64_t word = bytes == 0 ? 0 : scene_random(stream) >> (64 - 8 * bytes);
        memcpy(head->bytes + at, &word, sizeof(word));
    }
    memcpy(head->bytes, &frame, HEAD_FRONT_BYTES);
}

// From memory that ends with it, so that the sanitizer sees a step too far.
static const char *head_read_alone(const uint8_t *written, size_t size, struct head *ret_head) {
    uint8_t *alone = memory_take(size);
    memcpy(alone, written, size);
    memset(ret_head, 0xAA, sizeof(*ret_head));
    const char *broken = record_head_read(slice_of(alone, size), ret_head);
    memory_free(alone);
    return broken;
}

static void test_heads_come_back(void **state) {
    uint64_t stream = 31;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct head head, copy, again;
        uint8_t written[HEAD_WRITTEN_MAX];
        head_fill(&head, kinds[round % (int)sizeof(kinds)], &stream);
        copy = head;
        size_t size = record_head_write(&copy, written);
        assert_true(size <= HEAD_WRITTEN_MAX - 7);
        assert_null(head_read_alone(written, size, &again));
        assert_int_equal(again.size, head.size);
        assert_int_equal(again.frame.head_bytes + HEAD_FRONT_BYTES, size);
        again.frame.head_bytes = 0;
        assert_memory_equal(again.bytes, head.bytes, head.size);
    }
}

// What is foretold, what would become it, and what is nothing.
static void test_what_is_foretold_comes_back(void **state) {
    const uint64_t time_ms = 1764441000123;
    struct id ids[4] = {{{0}}, {{0}}, {{0}}, {{1, 2, 3, 4, 5, 6, 7, 8, 9}}};
    struct digest128 request = {.low = 77};
    const uint64_t highs[] = {0, request_textless(77), 5};
    (void)state;
    uint64_t foretold = __builtin_bswap64(time_ms << 16 | 0x7000);
    memcpy(ids[0].bytes, &foretold, sizeof(foretold));
    foretold = __builtin_bswap64(time_ms << 16 | 0x7123);
    memcpy(ids[1].bytes, &foretold, sizeof(foretold));
    for (int i = 0; i < 12; i++) {
        struct buffer buffer = {0};
        struct record decoded, record = {.kind = RECORD_TRANSACTION,
                                         .operation = COMMAND_TRANSFER,
                                         .has_key = true,
                                         .time_ms = time_ms,
                                         .origin = {.role = ROLE_ADMIN},
                                         .request = request,
                                         .transaction = {.id = ids[i % 4],
                                                         .type = TRANSACTION_TRANSFER,
                                                         .amount = 1,
                                                         .debit = {.wallet = ids[(i + 1) % 4]},
                                                         .credit = {.wallet = ids[(i + 2) % 4],
                                                                    .balance = -1,
                                                                    .previous = 3}}};
        const char *why;
        record.request.high = highs[i % 3];
        (void)record_encode(&record, &buffer);
        assert_int_equal(record_decode(buffer_slice(&buffer), &decoded, &why), STATUS_ok);
        sample_compare(&record, &decoded);
        buffer_done(&buffer);
    }
}

// The disk's pace limits large batches, so what a payment takes of it is a promise.
static void test_a_transfer_is_short(void **state) {
    const struct id_seal seal = id_seal_make((const uint8_t[16]){1, 2, 3});
    const uint64_t now_ms = 1764441000123, month_ms = UINT64_C(30) * 24 * 3600 * 1000;
    struct buffer buffer = {0};
    struct posting_side side = {.wallet = id_make(&seal, now_ms - month_ms, 17, 123456),
                                .balance = 1234567,
                                .version = 70000,
                                .number = 70000,
                                .previous = UINT64_C(100) << 30,
                                .skip = UINT64_C(90) << 30};
    struct record record = {.kind = RECORD_TRANSACTION,
                            .operation = COMMAND_TRANSFER,
                            .has_key = true,
                            .time_ms = now_ms,
                            .origin = {.principal = SLICE("key_01m8m693hve00s2b66dsjhed7x"),
                                       .request_id = SLICE("481f571bf49b16an"),
                                       .role = ROLE_SERVICE,
                                       .address = {[10] = 255, 255, 127, 0, 0, 1}},
                            .key = {UINT64_MAX, UINT64_MAX},
                            .request = {5, request_textless(5)},
                            .transaction = {.id = id_make(&seal, now_ms, 17, 1 << 30),
                                            .type = TRANSACTION_TRANSFER,
                                            .amount = 123456,
                                            .currency = {.code = "USD", .exponent = 2},
                                            .debit = side,
                                            .credit = side}};
    (void)state;
    assert_true(record_encode(&record, &buffer) <= 208);
    buffer_done(&buffer);
}

static void test_lengths_that_lie(void **state) {
    uint64_t stream = 8;
    uint32_t refused = 0;
    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct head head, again;
        uint8_t written[HEAD_WRITTEN_MAX];
        head_fill(&head, kinds[round % (int)sizeof(kinds)], &stream);
        size_t size = record_head_write(&head, written);
        size_t at = 14 + scene_random(&stream) % (size - 14); // how long it is, and what follows
        written[at] = (uint8_t)scene_random(&stream);
        const char *broken = head_read_alone(written, size, &again);
        refused += broken != NULL;
        assert_true(broken == NULL || (broken[0] == 'R' && broken[1] == '4'));
        // What is cut off does not come back either.
        broken = head_read_alone(written, scene_random(&stream) % size, &again);
        assert_true(broken != NULL || at < 16);
    }
    assert_true(refused > 200);
}

static void test_an_odd_half_and_a_byte_of_no_meaning(void **state) {
    struct head head = {0}, again;
    uint8_t written[HEAD_WRITTEN_MAX];
    (void)state;
    head.frame = (struct frame){.kind = RECORD_BATCH, .version = RECORD_VERSION};
    head.size = record_head_size(RECORD_BATCH, 0);
    size_t words = (head.size - HEAD_FRONT_BYTES) / 8, size = record_head_write(&head, written);
    assert_true(words % 2 == 1);
    assert_null(head_read_alone(written, size, &again));
    written[13] = 1;
    assert_non_null(head_read_alone(written, size, &again));
    written[13] = 0;
    written[HEAD_FRONT_BYTES + words / 2] |= 0x10; // a word more than there is, of one byte
    written[14]++;
    written[size] = 9;
    assert_non_null(head_read_alone(written, size + 1, &again));
    written[8] = 200; // no kind
    assert_int_equal(head_read_alone(written, size, &again)[1], '3');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_come_back),
        cmocka_unit_test(test_what_is_foretold_comes_back),
        cmocka_unit_test(test_a_transfer_is_short),
        cmocka_unit_test(test_lengths_that_lie),
        cmocka_unit_test(test_an_odd_half_and_a_byte_of_no_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
