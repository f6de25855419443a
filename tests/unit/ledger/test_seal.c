// SPDX-License-Identifier: MIT
// Sealing an encoded record and taking the seal off again. The vault here has two keys and a cipher
// that anybody could break: what is tested is what stands where.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "ledger/request.h"
#include "ledger/seal.h"
#include "record_sample.h"

struct toy {
    struct text_vault port; // first
    uint64_t destroyed;     // number of a key
};

static uint64_t key_of(struct text_vault *vault, uint64_t owner) {
    (void)vault;
    return owner + 100;
}

static void scramble(uint64_t key, uint8_t *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        text[i] ^= (uint8_t)(key * 31 + i + 1);
}

static struct digest128 tag_of(uint64_t key, struct slice head, const uint8_t *text, size_t size) {
    const struct slice parts[] = {head, slice_of(text, size)};
    return hash128_parts(parts, 2, key);
}

static void seal(struct text_vault *vault, uint64_t key, struct slice head, uint8_t *place,
                 size_t text_bytes) {
    uint8_t *text = place + SEAL_NONCE_BYTES;
    (void)vault;
    memset(place, 0xaa, SEAL_NONCE_BYTES);
    scramble(key, text, text_bytes);
    struct digest128 tag = tag_of(key, head, text, text_bytes);
    memcpy(text + text_bytes, &tag, sizeof(tag));
}

static bool unseal(struct text_vault *vault, uint64_t key, struct slice head, uint8_t *place,
                   size_t text_bytes) {
    uint8_t *text = place + SEAL_NONCE_BYTES;
    struct digest128 tag = tag_of(key, head, text, text_bytes);
    if (key == ((struct toy *)vault)->destroyed ||
        memcmp(text + text_bytes, &tag, sizeof(tag)) != 0)
        return false;
    scramble(key, text, text_bytes);
    return true;
}

static struct toy toy_make(void) {
    return (struct toy){.port = {.key_of = key_of, .seal = seal, .unseal = unseal}};
}

// Encodes a sample twice: as it is, and sealed.
struct pair {
    struct arena arena;
    struct record record;
    struct buffer plain, sealed;
};

static void pair_make(struct pair *pair, struct toy *toy, uint8_t kind, uint64_t seed,
                      enum sample_size size) {
    *pair = (struct pair){0};
    arena_init(&pair->arena, 1 << 16);
    pair->record = sample_make(&pair->arena, &seed, kind, size);
    (void)record_encode(&pair->record, &pair->plain);
    buffer_add(&pair->sealed, "in front", 8); // records stand behind each other
    (void)record_encode(&pair->record, &pair->sealed);
    record_seal(&pair->sealed, 8, &toy->port, 1);
}

static struct slice sealed_of(const struct pair *pair) {
    return slice_of(pair->sealed.bytes + 8, pair->sealed.size - 8);
}

static void pair_done(struct pair *pair) {
    buffer_done(&pair->plain);
    buffer_done(&pair->sealed);
    arena_done(&pair->arena);
}

static void test_records_come_back_byte_for_byte(void **state) {
    struct toy toy = toy_make();
    uint32_t forgotten = 0;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct pair pair;
            struct record record;
            const char *why;
            pair_make(&pair, &toy, kind, seed,
                      seed < 2 ? SAMPLE_SMALLEST : seed < 4 ? SAMPLE_LARGEST : SAMPLE_RANDOM);
            struct slice sealed = sealed_of(&pair);
            assert_int_equal(record_decode(sealed, &record, &why), STATUS_ok);
            if (!record_is_sealed(sealed)) {
                // A digest of texts that are not there says nothing of them.
                struct record expected = pair.record;
                expected.request.high = 0;
                forgotten += record.has_key;
                assert_int_equal(record.sealed_by, 0);
                sample_compare(&record, &expected);
            } else {
                assert_true(record_kind_seals(kind));
                assert_int_equal(record.sealed_by, 101);
                uint8_t *place = memory_take(sealed.size);
                size_t size = record_reveal(sealed, &toy.port, place);
                assert_true(slice_equal(slice_of(place, size), buffer_slice(&pair.plain)));
                memory_free(place);
            }
            pair_done(&pair);
        }
    }
    assert_true(forgotten > 50);
}

// Of a request without texts all of the digest stays: it says no more than the record.
static void test_a_digest_of_no_texts_stays(void **state) {
    struct toy toy = toy_make();
    struct buffer plain = {0}, sealed = {0};
    struct record record = {.kind = RECORD_REFUSAL,
                            .operation = COMMAND_TRANSFER,
                            .has_key = true,
                            .time_ms = 7,
                            .key = {1, 2},
                            .refusal = {.status = STATUS_insufficient_funds}};
    (void)state;
    record.request.low = 17;
    record.request.high = request_textless(17);
    record_encode(&record, &plain);
    record_encode(&record, &sealed);
    record_seal(&sealed, 0, &toy.port, 0);
    assert_true(slice_equal(buffer_slice(&plain), buffer_slice(&sealed)));
    // And retries are told apart by what is known.
    struct digest128 other = {.low = 17, .high = 5}, unknown = {.low = 17, .high = 0};
    assert_true(request_fits(record.request, record.request));
    assert_false(request_fits(other, record.request));
    assert_true(request_fits(other, unknown));
    unknown.low = 18;
    assert_false(request_fits(other, unknown));
    buffer_done(&plain);
    buffer_done(&sealed);
}

// Texts and everything else of a record, by kind.
static void clear_texts(struct record *record) {
    struct slice none = {0};
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: record->wallet.reason = record->wallet.metadata = none; break;
    case RECORD_TRANSACTION:
        record->transaction.reference = record->transaction.reason = none;
        record->transaction.metadata = none;
        break;
    case RECORD_HOLD: record->hold.reference = record->hold.metadata = none; break;
    case RECORD_WITHDRAWAL:
        record->withdrawal.reference = record->withdrawal.reason = none;
        record->withdrawal.metadata = none;
        break;
    case RECORD_PARKED:
        record->parked.reference = record->parked.reason = record->parked.metadata = none;
        break;
    default: fail_msg("a kind without free texts was sealed");
    }
}

static void test_without_the_key_all_but_the_texts_is_there(void **state) {
    struct toy toy = toy_make();
    uint32_t sealed_count = 0;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        for (uint64_t seed = 0; seed < 30; seed++) {
            struct pair pair;
            struct record bare, revealed;
            const char *why;
            toy.destroyed = 0;
            pair_make(&pair, &toy, kind, seed, SAMPLE_RANDOM);
            struct slice sealed = sealed_of(&pair);
            if (record_is_sealed(sealed)) {
                uint8_t *place = memory_take(sealed.size);
                sealed_count++;
                clear_texts(&pair.record);
                pair.record.request.high = 0;
                // Whoever checks the books has no key.
                assert_int_equal(record_decode(sealed, &bare, &why), STATUS_ok);
                sample_compare(&bare, &pair.record);
                // The key was destroyed.
                toy.destroyed = 101;
                size_t size = record_reveal(sealed, &toy.port, place);
                assert_int_equal(record_decode(slice_of(place, size), &revealed, &why), STATUS_ok);
                assert_int_equal(revealed.sealed_by, 0);
                sample_compare(&revealed, &pair.record);
                memory_free(place);
            }
            pair_done(&pair);
        }
    }
    assert_true(sealed_count > 50);
}

// Where a record names others, which is no part of what it says.
static void set_positions(struct record *record, uint64_t position) {
    struct posting_side *sides[] = {&record->transaction.debit, &record->transaction.credit};
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION:
        if (!id_is_zero(record->transaction.subject))
            record->transaction.opening = position;
        for (int i = 0; i < 2; i++)
            sides[i]->previous = sides[i]->skip = position;
        break;
    case RECORD_HOLD: record->hold.opening = position; break;
    case RECORD_WITHDRAWAL: record->withdrawal.opening = position; break;
    case RECORD_PARKED: record->parked.opening = position; break;
    default: break;
    }
}

static void clear_positions(struct record *record) {
    set_positions(record, 0);
}

// Books move without a key: positions change under the seal, and nothing else could.
static void test_positions_may_change_under_the_seal(void **state) {
    struct toy toy = toy_make();
    uint32_t sealed_count = 0;
    (void)state;
    for (uint8_t kind = 0; sample_next_kind(&kind);) {
        for (uint64_t seed = 0; seed < 30; seed++) {
            struct pair pair;
            struct record record, moved;
            struct buffer again = {0}, plain = {0};
            const char *why;
            pair_make(&pair, &toy, kind, seed, SAMPLE_RANDOM);
            struct slice sealed = sealed_of(&pair);
            assert_int_equal(record_decode(sealed, &record, &why), STATUS_ok);
            assert_int_equal(record_encode_again(&record, sealed, &again), sealed.size);
            assert_true(slice_equal(buffer_slice(&again), sealed));
            clear_positions(&record);
            buffer_reset(&again);
            size_t cleared = record_encode_again(&record, sealed, &again);
            assert_true(cleared <= sealed.size);
            set_positions(&record, UINT64_MAX);
            assert_true(record_encode_again(&record, sealed, &again) <=
                        cleared + RECORD_AGAIN_BYTES_MAX);
            again.size = cleared;
            assert_int_equal(record_decode(buffer_slice(&again), &moved, &why), STATUS_ok);
            if (record_is_sealed(sealed)) {
                uint8_t *place = memory_take(sealed.size);
                size_t size = record_reveal(buffer_slice(&again), &toy.port, place);
                clear_positions(&pair.record);
                (void)record_encode(&pair.record, &plain);
                assert_true(slice_equal(slice_of(place, size), buffer_slice(&plain)));
                memory_free(place);
                sealed_count++;
            }
            buffer_done(&again);
            buffer_done(&plain);
            pair_done(&pair);
        }
    }
    assert_true(sealed_count > 50);
}

static void test_a_seal_is_good_for_one_record_alone(void **state) {
    struct toy toy = toy_make();
    uint32_t refused = 0, positions = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct pair pair;
        pair_make(&pair, &toy, RECORD_TRANSACTION, seed, SAMPLE_RANDOM);
        struct slice sealed = sealed_of(&pair);
        for (size_t at = 8; record_is_sealed(sealed) && at < 232 && at < sealed.size; at += 7) {
            uint8_t *copy = memory_take(sealed.size), *place = memory_take(sealed.size);
            memcpy(copy, sealed.bytes, sealed.size);
            if (at > 11) { // not kind or flags
                struct record record;
                const char *why;
                copy[at] ^= 0x55;
                size_t size = record_reveal(slice_of(copy, sealed.size), &toy.port, place);
                if (record_decode(slice_of(place, size), &record, &why) == STATUS_ok) {
                    struct record before = pair.record;
                    clear_positions(&before);
                    clear_positions(&record);
                    if (record.transaction.metadata.size + record.transaction.reference.size != 0) {
                        sample_compare(&record, &before); // a position alone was changed
                        positions++;
                        memory_free(copy);
                        memory_free(place);
                        continue;
                    }
                    assert_int_equal(record.transaction.reference.size, 0);
                    assert_int_equal(record.transaction.metadata.size, 0);
                }
                refused++;
            }
            memory_free(copy);
            memory_free(place);
        }
        pair_done(&pair);
    }
    assert_true(refused > 100);
    assert_true(positions < refused);
}

static void test_whose_a_record_is(void **state) {
    const struct id payer = {{1}}, payee = {{2}}, none = {{0}};
    struct record record = {.kind = RECORD_TRANSACTION};
    (void)state;
    record.transaction.type = TRANSACTION_PURCHASE;
    record.transaction.debit.wallet = payer;
    record.transaction.credit.wallet = payee;
    assert_true(id_equal(record_seal_wallet(&record), payer));
    record.transaction.type = TRANSACTION_REFUND; // the customer gets his money back
    assert_true(id_equal(record_seal_wallet(&record), payee));
    record.transaction.type = TRANSACTION_DEPOSIT;
    record.transaction.debit.wallet = none;
    assert_true(id_equal(record_seal_wallet(&record), payee));
    record = (struct record){.kind = RECORD_HOLD, .hold = {.wallet = payer, .merchant = payee}};
    assert_true(id_equal(record_seal_wallet(&record), payer));
    record = (struct record){.kind = RECORD_KEY};
    assert_true(id_is_zero(record_seal_wallet(&record)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_back_byte_for_byte),
        cmocka_unit_test(test_a_digest_of_no_texts_stays),
        cmocka_unit_test(test_without_the_key_all_but_the_texts_is_there),
        cmocka_unit_test(test_a_seal_is_good_for_one_record_alone),
        cmocka_unit_test(test_positions_may_change_under_the_seal),
        cmocka_unit_test(test_whose_a_record_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
