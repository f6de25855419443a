// SPDX-License-Identifier: MIT
// Bytes that were changed or cut: noticed by the checksum, and harmless even when somebody made the
// checksum right again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ledger/finding.h"
#include "ledger/metadata.h"
#include "ledger/note.h"
#include "ledger/parked.h"
#include "record_sample.h"
#include "scene.h"

struct sample {
    struct arena arena;
    uint8_t *bytes; // exactly `size`, so that the sanitizer sees a step too far
    size_t size;
};

static void sample_open(struct sample *sample, uint8_t kind, uint64_t seed) {
    struct buffer buffer = {0};
    struct record record;
    do { // big ones cost much and show no more
        arena_init(&sample->arena, 1 << 16);
        record = sample_make(&sample->arena, &seed, kind, SAMPLE_RANDOM);
        record.time_ms %= LIMIT_TIME_MS_MAX; // as clocks have it
        if (kind == RECORD_BATCH) {
            record.batch.count = 3;
            record.batch.positions.size = 24;
        }
        buffer_reset(&buffer);
        sample->size = record_encode(&record, &buffer);
        if (sample->size > 4096)
            arena_done(&sample->arena);
    } while (sample->size > 4096);
    sample->bytes = memory_take(sample->size);
    memcpy(sample->bytes, buffer.bytes, sample->size);
    buffer_done(&buffer);
}

static void sample_close(struct sample *sample) {
    memory_free(sample->bytes);
    arena_done(&sample->arena);
}

static enum status decode_status(struct slice bytes, const char **ret_why) {
    struct record record;
    *ret_why = NULL;
    return record_decode(bytes, &record, ret_why);
}

static void test_any_flipped_byte_is_damage(void **state) {
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    const char *why;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        struct sample sample;
        sample_open(&sample, kind, kind);
        for (size_t i = 0; i < sample.size; i++) {
            for (size_t m = 0; m < sizeof(masks); m++) {
                sample.bytes[i] ^= masks[m];
                assert_int_equal(decode_status(slice_of(sample.bytes, sample.size), &why),
                                 STATUS_damaged);
                assert_non_null(why);
                assert_true(why[0] == 'R' && (i < 4 || why[1] == '2'));
                sample.bytes[i] ^= masks[m];
            }
        }
        assert_int_equal(decode_status(slice_of(sample.bytes, sample.size), &why), STATUS_ok);
        sample_close(&sample);
    }
}

static void test_any_cut_is_damage(void **state) {
    const char *why;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        struct sample sample;
        sample_open(&sample, kind, 100 + kind);
        for (size_t size = 0; size < sample.size; size++) {
            uint8_t *copy = memory_take(size);
            memcpy(copy, sample.bytes, size);
            assert_int_equal(record_size(slice_of(copy, size)), 0);
            assert_int_equal(decode_status(slice_of(copy, size), &why), STATUS_damaged);
            memory_free(copy);
        }
        sample_close(&sample);
    }
}

static void seal(uint8_t *bytes, size_t size) {
    uint32_t crc = crc32c(slice_of(bytes + 8, size - 8));
    memcpy(bytes + 4, &crc, sizeof(crc));
}

static void check_slice(struct slice text, const struct sample *sample) {
    assert_true(text.size == 0 || (text.bytes >= sample->bytes &&
                                   text.bytes + text.size <= sample->bytes + sample->size));
}

// What decoding lets through holds known values only, and texts that lie inside.
static void check_sane(const struct record *record, const struct sample *sample) {
    assert_true(sample_is_kind(record->kind));
    assert_true(record->operation != COMMAND_NONE);
    assert_true(command_type_is_known((enum command_type)record->operation));
    assert_true(role_is_known(record->origin.role));
    check_slice(record->origin.principal, sample);
    check_slice(record->origin.request_id, sample);
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        assert_true(record->wallet.kind <= WALLET_MERCHANT);
        assert_true(record->wallet.status <= WALLET_CLOSED);
        assert_true(metadata_is_valid(record->wallet.metadata));
        check_slice(record->wallet.owner, sample);
        break;
    case RECORD_TRANSACTION:
        assert_true(record->transaction.type >= TRANSACTION_DEPOSIT &&
                    record->transaction.type <= TRANSACTION_ADJUSTMENT);
        assert_true(amount_is_valid(record->transaction.amount));
        assert_true(record->transaction.subject_status <= HOLD_EXPIRED);
        assert_true(metadata_is_valid(record->transaction.metadata));
        check_slice(record->transaction.reason, sample);
        break;
    case RECORD_HOLD:
        assert_true(record->hold.status <= HOLD_EXPIRED);
        assert_true(amount_is_valid(record->hold.amount));
        assert_true(record->hold.captured >= 0 && record->hold.captured <= record->hold.amount);
        assert_true(metadata_is_valid(record->hold.metadata));
        break;
    case RECORD_WITHDRAWAL:
        assert_true(record->withdrawal.status <= WITHDRAWAL_FAILED);
        assert_true(amount_is_valid(record->withdrawal.amount));
        break;
    case RECORD_KEY:
        assert_true(record->api_key.role >= ROLE_ADMIN && role_is_known(record->api_key.role));
        break;
    case RECORD_REFUSAL:
        assert_true(record->refusal.status != STATUS_ok && record->refusal.status < STATUS_COUNT);
        assert_true(record->refusal.id_type < ID_TYPE_COUNT);
        break;
    case RECORD_PARKED: {
        struct command kept;
        assert_true(record->parked.status <= PARKED_DISMISSED);
        if (record->parked.status == PARKED_PENDING && record->parked.cause != PARKED_FLAGGED)
            assert_true(parked_kept(&record->parked, &kept));
        if (record->parked.status == PARKED_PENDING && record->parked.cause != PARKED_FOR_APPROVAL)
            assert_true(finding_is_valid(record->parked.finding.texts));
        check_slice(record->parked.finding.texts, sample);
        break;
    }
    case RECORD_DATA_KEY: check_slice(record->data_key.owner, sample); break;
    case RECORD_RULES: {
        struct rule_set set;
        assert_true(rules_decode(record->rules.rules, record->rules.version, &set));
        break;
    }
    case RECORD_ALARM:
        assert_true(record->alarm.status <= ALARM_RESUMED);
        check_slice(record->alarm.message, sample);
        break;
    case RECORD_CURSOR: cursor_check(&record->cursor); break;
    case RECORD_NOTES:
        assert_true(notes_count(record->notes.notes) == record->notes.count);
        check_slice(record->notes.notes, sample);
        break;
    case RECORD_BATCH:
        assert_true(record->batch.positions.size == record->batch.count * sizeof(uint64_t));
        check_slice(record->batch.positions, sample);
        break;
    }
}

// One byte of any value at any place, under a right checksum.
static void forge_one_kind(uint8_t kind, uint64_t seed, uint64_t *stream) {
    struct sample sample;
    sample_open(&sample, kind, seed);
    size_t refused = 0;
    for (size_t i = 8; i < sample.size; i++) {
        uint8_t before = sample.bytes[i];
        for (int value = 0; value < 256; value += i < 200 ? 1 : 37) {
            struct record record;
            const char *why;
            sample.bytes[i] = (uint8_t)value;
            seal(sample.bytes, sample.size);
            if (record_decode(slice_of(sample.bytes, sample.size), &record, &why) == STATUS_ok)
                check_sane(&record, &sample);
            else
                refused++;
        }
        sample.bytes[i] = before;
    }
    assert_true(refused > 1000);
    // Many bytes at once.
    for (int round = 0; round < 20000; round++) {
        uint8_t *copy = memory_take(sample.size);
        struct record record;
        const char *why;
        memcpy(copy, sample.bytes, sample.size);
        for (uint64_t n = 1 + scene_random(stream) % 6; n > 0; n--)
            sample.bytes[8 + scene_random(stream) % (n < 4 ? 56 : sample.size - 8)] =
                (uint8_t)scene_random(stream);
        seal(sample.bytes, sample.size);
        if (record_decode(slice_of(sample.bytes, sample.size), &record, &why) == STATUS_ok)
            check_sane(&record, &sample);
        memcpy(sample.bytes, copy, sample.size);
        memory_free(copy);
    }
    sample_close(&sample);
}

static void test_a_forged_checksum_lets_only_sane_records_through(void **state) {
    uint64_t stream = 99;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);)
        for (uint64_t i = 0; i < (kind == RECORD_PARKED ? 8 : 1); i++) // of several causes
            forge_one_kind(kind, UINT64_C(200) + kind + 1000 * i, &stream);
}

// Nobody has made the checksum right; what can be read all the same can be told, too.
static void test_what_is_left_of_a_damaged_record_can_be_told(void **state) {
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    uint64_t told = 0;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        struct sample sample;
        sample_open(&sample, kind, 300 + kind);
        for (size_t i = 0; i < sample.size; i++) {
            for (size_t m = 0; m < sizeof(masks); m++) {
                struct record record;
                char time[CLOCK_TEXT_BYTES];
                sample.bytes[i] ^= masks[m];
                if (record_guess(slice_of(sample.bytes, sample.size), &record)) {
                    check_sane(&record, &sample);
                    clock_format(record.time_ms, time);
                    told++;
                }
                sample.bytes[i] ^= masks[m];
            }
        }
        sample_close(&sample);
    }
    assert_true(told > 1000);
}

static void put32(uint8_t *bytes, size_t offset, uint32_t value) {
    memcpy(bytes + offset, &value, sizeof(value));
}

// Sizes that lie: too small, not a multiple of 8, larger than a record can be, larger than there
// is.
static void test_sizes_that_lie(void **state) {
    static const uint32_t sizes[] = {0, 8, 15, 17, 63, 1u << 30, UINT32_MAX, UINT32_MAX - 7};
    struct sample sample;
    const char *why;
    (void)state;
    sample_open(&sample, RECORD_TRANSACTION, 4);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put32(sample.bytes, 0, sizes[i]);
        assert_int_equal(record_size(slice_of(sample.bytes, sample.size)), 0);
        assert_int_equal(decode_status(slice_of(sample.bytes, sample.size), &why), STATUS_damaged);
        assert_true(why[1] == '1');
    }
    // A smaller size under a right checksum: the head or the texts no longer fit.
    for (uint32_t size = 16; size < sample.size; size += 8) {
        put32(sample.bytes, 0, size);
        seal(sample.bytes, size);
        assert_int_equal(decode_status(slice_of(sample.bytes, sample.size), &why), STATUS_damaged);
        assert_true(why[1] == '4');
    }
    sample_close(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_flipped_byte_is_damage),
        cmocka_unit_test(test_any_cut_is_damage),
        cmocka_unit_test(test_a_forged_checksum_lets_only_sane_records_through),
        cmocka_unit_test(test_what_is_left_of_a_damaged_record_can_be_told),
        cmocka_unit_test(test_sizes_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
