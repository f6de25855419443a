// SPDX-License-Identifier: MIT
// Ids: the published vector of the permutation, the layout bit by bit, the TypeID text form, and
// that what nobody made does not open.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/speck.h"
#include "expect_stop.h"

static const uint8_t key_of_the_paper[16] = {0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b,
                                             0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a, 0x1b};

static void the_permutation_is_speck(void **state) {
    uint32_t round_keys[SPECK_ROUNDS];
    speck_expand(key_of_the_paper, round_keys);
    assert_int_equal(speck_seal(round_keys, UINT64_C(0x3b7265747475432d)),
                     UINT64_C(0x8c6fa548454e028b));
    assert_int_equal(speck_open(round_keys, UINT64_C(0x8c6fa548454e028b)),
                     UINT64_C(0x3b7265747475432d));
}

static void what_is_made_opens(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    const uint64_t times[] = {0, 1, UINT64_C(1795372123123), (UINT64_C(1) << 48) - 1};
    const uint32_t slots[] = {0, 1, 511, 512, 1023};
    const uint64_t locators[] = {0, 1, 65535, UINT64_C(123456789012), ID_LOCATOR_MAX};
    for (size_t t = 0; t < 4; t++) {
        for (size_t s = 0; s < 5; s++) {
            for (size_t l = 0; l < 5; l++) {
                struct id id = id_make(&seal, times[t], slots[s], locators[l]);
                uint64_t locator = 7;
                assert_true(id_open(&seal, id, &locator));
                assert_int_equal(locator, locators[l]);
                assert_int_equal(id_time_ms(id), times[t]);
                assert_int_equal(id_slot(id), slots[s]);
                assert_false(id_is_zero(id));
            }
        }
    }
}

static void the_layout_is_a_uuid_of_version_7(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    for (uint64_t locator = 0; locator < 10000; locator++) {
        struct id id = id_make(&seal, UINT64_C(0x123456789abc), 0x2aa, locator);
        assert_memory_equal(id.bytes, "\x12\x34\x56\x78\x9a\xbc", 6);
        assert_int_equal(id.bytes[6] >> 4, 7);
        // The slot's ten bits follow the version's four.
        assert_int_equal((id.bytes[6] & 15) << 6 | id.bytes[7] >> 2, 0x2aa);
        assert_int_equal(id.bytes[8] >> 6, 2);
    }
}

static void another_key_does_not_open(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    uint8_t other_key[16];
    memcpy(other_key, key_of_the_paper, 16);
    other_key[15] ^= 1;
    struct id_seal other = id_seal_make(other_key);
    unsigned opened = 0;
    for (uint64_t locator = 0; locator < 10000; locator++) {
        uint64_t found = 0;
        opened += id_open(&other, id_make(&seal, 1000, 5, locator), &found);
    }
    assert_true(opened <= 5); // 2^-16 of them by chance
}

// Any bit that is changed makes another id, or none: time and slot are part of what is sealed.
static void forged_ids_do_not_open(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    unsigned opened = 0, tried = 0;
    for (uint64_t locator = 0; locator < 200; locator++) {
        struct id id = id_make(&seal, UINT64_C(1795372123123) + locator, 77, locator);
        for (size_t bit = 0; bit < 128; bit++) {
            struct id forged = id;
            uint64_t found = 0;
            forged.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            bool is_version_or_variant = (bit >= 48 && bit < 52) || bit == 64 || bit == 65;
            if (is_version_or_variant)
                continue; // id_parse refuses these
            tried++;
            opened += id_open(&seal, forged, &found);
        }
    }
    assert_true(tried > 20000);
    assert_true(opened <= 6);
}

static unsigned bits_apart(struct id a, struct id b) {
    unsigned count = 0;
    for (size_t i = 8; i < 16; i++)
        count += (unsigned)__builtin_popcount(a.bytes[i] ^ b.bytes[i]);
    return count;
}

static void neighbours_look_unrelated(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    unsigned by_locator = 0, by_time = 0, by_slot = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct id id = id_make(&seal, 1000 + i, 7, i);
        by_locator += bits_apart(id, id_make(&seal, 1000 + i, 7, i + 1));
        by_time += bits_apart(id, id_make(&seal, 1001 + i, 7, i));
        by_slot += bits_apart(id, id_make(&seal, 1000 + i, 8, i));
    }
    // Half of 62 bits, a thousand times, give or take.
    assert_in_range(by_locator, 29500, 32500);
    assert_in_range(by_time, 29500, 32500);
    assert_in_range(by_slot, 29500, 32500);
}

static void texts_go_there_and_back(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    const char *prefixes[ID_TYPE_COUNT] = {"wallet", "txn", "hold", "wdl", "key", "apr", "anm"};
    for (int type = 0; type < ID_TYPE_COUNT; type++) {
        assert_string_equal(id_prefix((enum id_type)type), prefixes[type]);
        for (uint64_t i = 0; i < 2000; i++) {
            char text[ID_TEXT_BYTES_MAX];
            struct id id = id_make(&seal, i * 12345678901 % 200000000000000, i % 1024, i * 977);
            size_t size = id_format((enum id_type)type, id, text);
            assert_int_equal(size, strlen(prefixes[type]) + 1 + ID_DIGITS);
            assert_memory_equal(text, prefixes[type], strlen(prefixes[type]));
            struct id back = {{0}};
            assert_true(id_parse((enum id_type)type, slice_of(text, size), &back));
            assert_true(id_equal(back, id));
            for (int other = 0; other < ID_TYPE_COUNT; other++)
                if (other != type)
                    assert_false(id_parse((enum id_type)other, slice_of(text, size), &back));
        }
    }
}

// The vectors "valid" of the TypeID specification whose UUIDs are of version 7.
static void texts_are_typeids(void **state) {
    const struct id id = {{0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b, 0xbc, 0xce, 0xb3, 0x02,
                           0x09, 0x9a, 0x80, 0x57}};
    char text[ID_TEXT_BYTES_MAX];
    size_t size = id_format(ID_KEY, id, text);
    assert_int_equal(size, 30);
    assert_memory_equal(text, "key_01h455vb4pex5vsknk084sn02q", 30);
    struct id back;
    assert_true(id_parse(ID_KEY, SLICE("key_01h455vb4pex5vsknk084sn02q"), &back));
    assert_true(id_equal(back, id));
}

static void texts_are_strict(void **state) {
    const char *bad[] = {
        "", "key_", "key", "01h455vb4pex5vsknk084sn02q", "_01h455vb4pex5vsknk084sn02q",
        "key_01h455vb4pex5vsknk084sn02", "key_01h455vb4pex5vsknk084sn02qq",
        "KEY_01h455vb4pex5vsknk084sn02q", "key_01H455VB4PEX5VSKNK084SN02Q",
        "key-01h455vb4pex5vsknk084sn02q", "kez_01h455vb4pex5vsknk084sn02q",
        "key_01h455vb4pex5vsknk084sn02i", "key_01h455vb4pex5vsknk084sn02l",
        "key_o1h455vb4pex5vsknk084sn02q", "key_01h455vb4pex5vsknk084sn0uq",
        "key_81h455vb4pex5vsknk084sn02q", "key_z1h455vb4pex5vsknk084sn02q",
        "key_01h455vb4pex5vsknk084sn0-q", "key_01h455vb4pex5vsknk084sn0 q",
        "key_01h455vb4p6x5vsknk084sn02q", // another version
        "key_01h455vb4pex51sknk084sn02q", // another variant
        "key_01h455vb4pex5vsknk084sn0\xc3\xa9", "wallet_01h455vb4pex5vsknk084sn02q",
    };
    const struct id untouched = {{1, 2, 3}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct id id = untouched;
        if (id_parse(ID_KEY, slice_of_text(bad[i]), &id))
            fail_msg("accepted: %s", bad[i]);
        assert_true(id_equal(id, untouched));
    }
    struct id id;
    assert_false(id_parse(ID_KEY, slice_of("key_01h455vb4pex5vsknk084sn0\0q", 30), &id));
}

// Of all texts that differ in one digit, at most one is the id: there is no second way to write it.
static void every_id_has_one_text(void **state) {
    char text[] = "key_01h455vb4pex5vsknk084sn02q";
    struct id original, other;
    assert_true(id_parse(ID_KEY, slice_of(text, 30), &original));
    for (size_t at = 4; at < 30; at++) {
        char kept = text[at];
        for (int byte = 0; byte < 256; byte++) {
            text[at] = (char)byte;
            char again[ID_TEXT_BYTES_MAX];
            if (!id_parse(ID_KEY, slice_of(text, 30), &other))
                continue;
            assert_int_equal(id_equal(original, other), (char)byte == kept);
            assert_int_equal(id_format(ID_KEY, other, again), 30);
            assert_memory_equal(again, text, 30);
        }
        text[at] = kept;
    }
}

static void tokens_go_there_and_back(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    const uint64_t values[] = {0, 1, 31, 32, UINT64_C(1) << 60, UINT64_MAX, UINT64_MAX / 3};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[ID_TOKEN_BYTES + 1];
        text[ID_TOKEN_BYTES] = '#';
        id_token_format(&seal, values[i], text);
        assert_int_equal(text[ID_TOKEN_BYTES], '#');
        uint64_t back = 5;
        assert_true(id_token_parse(&seal, slice_of(text, ID_TOKEN_BYTES), &back));
        assert_int_equal(back, values[i]);
        // Nothing but what is written is read.
        assert_false(id_token_parse(&seal, slice_of(text, ID_TOKEN_BYTES - 1), &back));
        assert_false(id_token_parse(&seal, slice_of(text, ID_TOKEN_BYTES + 1), &back));
        text[6] = 'U';
        assert_false(id_token_parse(&seal, slice_of(text, ID_TOKEN_BYTES), &back));
    }
    uint64_t value;
    assert_false(id_token_parse(&seal, SLICE("g000000000000"), &value)); // 2^64
    assert_true(id_token_parse(&seal, SLICE("fzzzzzzzzzzzz"), &value));
    assert_false(id_token_parse(&seal, slice_of(NULL, 0), &value));
}

static void tokens_are_no_ids(void **state) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    uint32_t round_keys[SPECK_ROUNDS];
    char text[ID_TOKEN_BYTES];
    uint64_t sealed = 0;
    speck_expand(key_of_the_paper, round_keys);
    id_token_format(&seal, 99, text);
    const char *digits = "0123456789abcdefghjkmnpqrstvwxyz";
    for (size_t i = 0; i < ID_TOKEN_BYTES; i++)
        sealed = sealed << 5 | (uint64_t)(strchr(digits, text[i]) - digits);
    assert_int_not_equal(speck_open(round_keys, sealed), 99);
}

// Frozen for ever: shards and Kafka keys depend on it.
static void slots_of_owners_never_change(void **state) {
    assert_int_equal(id_slot_of_owner(slice_of("", 0)), 0x2D06800538D394C2 % 1024);
    assert_int_equal(id_slot_of_owner(SLICE("alice")), hash64(SLICE("alice"), 0) % 1024);
    unsigned used[1024] = {0}, empty = 0;
    for (uint32_t i = 0; i < 20000; i++)
        used[id_slot_of_owner(slice_of(&i, sizeof(i)))]++;
    for (size_t slot = 0; slot < 1024; slot++)
        empty += used[slot] == 0;
    assert_int_equal(empty, 0);
}

static void make_with_a_large_locator(void *context) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    (void)id_make(&seal, 1, 1, ID_LOCATOR_MAX + 1);
}

static void make_with_a_large_slot(void *context) {
    struct id_seal seal = id_seal_make(key_of_the_paper);
    (void)id_make(&seal, 1, 1024, 1);
}

static void what_does_not_fit_stops(void **state) {
    expect_stop(make_with_a_large_locator, NULL, "locator <= ID_LOCATOR_MAX");
    expect_stop(make_with_a_large_slot, NULL, "slot < ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_permutation_is_speck),
        cmocka_unit_test(what_is_made_opens),
        cmocka_unit_test(the_layout_is_a_uuid_of_version_7),
        cmocka_unit_test(another_key_does_not_open),
        cmocka_unit_test(forged_ids_do_not_open),
        cmocka_unit_test(neighbours_look_unrelated),
        cmocka_unit_test(texts_go_there_and_back),
        cmocka_unit_test(texts_are_typeids),
        cmocka_unit_test(texts_are_strict),
        cmocka_unit_test(every_id_has_one_text),
        cmocka_unit_test(tokens_go_there_and_back),
        cmocka_unit_test(tokens_are_no_ids),
        cmocka_unit_test(slots_of_owners_never_change),
        cmocka_unit_test(what_does_not_fit_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
