// SPDX-License-Identifier: MIT
// Hashes against published vectors: XXH3 (its own test suite's values), CRC-32C (RFC 3720, B.4),
// SHA-256 (FIPS 180-4) and HMAC (RFC 4231).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"

static void expect_hex(const struct sha256 *digest, const char *hex) {
    char text[65];
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest->bytes[i]);
    assert_string_equal(text, hex);
}

static void crc_of_the_rfc(void **state) {
    uint8_t bytes[48];
    assert_int_equal(crc32c(SLICE("123456789")), 0xE3069283);
    assert_int_equal(crc32c(slice_of(NULL, 0)), 0);
    memset(bytes, 0, 32);
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x8A9136AA);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x46DD794E);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(slice_of(bytes, 32)), 0x113FDB5C);
}

// Bit by bit, as the polynomial says.
static uint32_t crc_slowly(struct slice bytes) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82F63B78) : 0);
    }
    return ~crc;
}

static void crc_of_any_length_and_split(void **state) {
    uint8_t bytes[4096];
    random_fill(bytes, sizeof(bytes));
    for (size_t size = 0; size < sizeof(bytes); size += size < 300 ? 1 : 131) {
        struct slice whole = slice_of(bytes + 1, size); // also unaligned
        uint32_t expected = crc_slowly(whole);
        assert_int_equal(crc32c(whole), expected);
        size_t split = size / 3;
        uint32_t crc = crc32c(slice_of(whole.bytes, split));
        crc = crc32c_extend(crc, slice_of(whole.bytes + split, size - split));
        assert_int_equal(crc, expected);
        assert_int_equal(crc32c_extend(crc, slice_of(NULL, 0)), expected);
    }
}

#ifdef __x86_64__
#define UPPER(n) __asm__("vextractf128 $1, %%ymm" #n ", %0" : "=m"(upper[n]))
#endif

// The library's widest code must not leave the processor in a state where plain code is slow.
static void crc_clears_the_vectors(void **state) {
#ifdef __x86_64__
    static uint8_t bytes[1024];
    uint64_t upper[8][2];
    if (!__builtin_cpu_supports("avx"))
        return;
    memset(bytes, 0xa5, sizeof(bytes));
    for (size_t size = 64; size <= sizeof(bytes); size *= 2) {
        (void)crc32c(slice_of(bytes, size));
        UPPER(0);
        UPPER(1);
        UPPER(2);
        UPPER(3);
        UPPER(4);
        UPPER(5);
        UPPER(6);
        UPPER(7);
        for (int i = 0; i < 8; i++)
            assert_true(upper[i][0] == 0 && upper[i][1] == 0);
    }
#endif
}

static void xxh3_is_the_specified_one(void **state) {
    assert_int_equal(hash64(slice_of("", 0), 0), UINT64_C(0x2D06800538D394C2));
    struct digest128 empty = hash128(slice_of("", 0), 0);
    assert_int_equal(empty.low, UINT64_C(0x6001C324468D497F));
    assert_int_equal(empty.high, UINT64_C(0x99AA06D3014798D8));
    assert_int_not_equal(hash64(SLICE("a"), 0), hash64(SLICE("a"), 1));
    assert_false(digest128_equal(hash128(SLICE("a"), 0), hash128(SLICE("a"), 1)));
    assert_true(digest128_equal(hash128(SLICE("a"), 5), hash128(SLICE("a"), 5)));
}

static void parts_keep_their_borders(void **state) {
    const struct slice first[] = {SLICE("ab"), SLICE("c")};
    const struct slice second[] = {SLICE("a"), SLICE("bc")};
    const struct slice third[] = {SLICE("ab"), SLICE("c"), slice_of(NULL, 0)};
    struct digest128 a = hash128_parts(first, 2, 0);
    assert_false(digest128_equal(a, hash128_parts(second, 2, 0)));
    assert_false(digest128_equal(a, hash128_parts(third, 3, 0)));
    assert_false(digest128_equal(a, hash128_parts(first, 2, 1)));
    assert_true(digest128_equal(a, hash128_parts(first, 2, 0)));
    assert_true(digest128_equal(hash128_parts(NULL, 0, 3), hash128(slice_of("", 0), 3)));
}

// Short parts are gathered, long ones streamed; both must be the hash of lengths and bytes in a
// row.
static void parts_of_any_length(void **state) {
    static uint8_t bytes[3000], row[3100];
    random_fill(bytes, sizeof(bytes));
    for (size_t size = 900; size < 1100; size++) {
        const struct slice parts[] = {slice_of(bytes, 5), slice_of(bytes + 5, size)};
        const uint8_t lengths[2][8] = {{5}, {(uint8_t)size, (uint8_t)(size >> 8)}};
        memcpy(row, lengths[0], 8);
        memcpy(row + 8, bytes, 5);
        memcpy(row + 13, lengths[1], 8);
        memcpy(row + 21, bytes + 5, size);
        struct digest128 expected = hash128(slice_of(row, 21 + size), 77);
        assert_true(digest128_equal(hash128_parts(parts, 2, 77), expected));
    }
}

static void sha256_of_the_standard(void **state) {
    static uint8_t million[1000000];
    memset(million, 'a', sizeof(million));
    struct sha256 digest = sha256_of(SLICE("abc"));
    expect_hex(&digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest = sha256_of(slice_of(NULL, 0));
    expect_hex(&digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest = sha256_of(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
    expect_hex(&digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    digest = sha256_of(slice_of(million, sizeof(million)));
    expect_hex(&digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void sha256_in_pieces_and_again(void **state) {
    uint8_t bytes[500];
    random_fill(bytes, sizeof(bytes));
    struct sha256_context *context = sha256_open();
    for (size_t split = 0; split <= sizeof(bytes); split += 7) {
        sha256_begin(context);
        sha256_add(context, slice_of(bytes, split));
        sha256_add(context, slice_of(NULL, 0));
        sha256_add(context, slice_of(bytes + split, sizeof(bytes) - split));
        struct sha256 pieces = sha256_end(context);
        struct sha256 whole = sha256_of(slice_of(bytes, sizeof(bytes)));
        assert_memory_equal(pieces.bytes, whole.bytes, 32);
    }
    // What was begun and not ended is forgotten.
    sha256_begin(context);
    sha256_add(context, SLICE("forgotten"));
    sha256_begin(context);
    sha256_add(context, SLICE("abc"));
    struct sha256 digest = sha256_end(context);
    expect_hex(&digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_close(context);
    sha256_close(NULL);
}

static void sha256_of_two_at_once(void **state) {
    static uint8_t bytes[700];
    const size_t sizes[] = {0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 300, 639, 640};
    const size_t count = sizeof(sizes) / sizeof(sizes[0]);
    struct sha256_context *context = sha256_open();
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i + 7 * i);
    for (size_t i = 0; i < count * count; i++) {
        // At odd places, too.
        struct slice first = slice_of(bytes + i % 5, sizes[i / count]);
        struct slice second = slice_of(bytes + 13, sizes[i % count]);
        struct sha256 wanted[2] = {sha256_of(first), sha256_of(second)}, pair[2];
        sha256_pair(context, first, second, pair);
        assert_memory_equal(pair, wanted, sizeof(wanted));
    }
    sha256_close(context);
}

static void hmac_of_the_rfc(void **state) {
    uint8_t key[131], data[50];
    memset(key, 0x0b, 20);
    struct sha256 mac = hmac_sha256(slice_of(key, 20), SLICE("Hi There"));
    expect_hex(&mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    mac = hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"));
    expect_hex(&mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    mac = hmac_sha256(slice_of(key, 20), slice_of(data, 50));
    expect_hex(&mac, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    mac = hmac_sha256(slice_of(key, 131),
                      SLICE("Test Using Larger Than Block-Size Key - Hash Key First"));
    expect_hex(&mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hmac_of_nothing(void **state) {
    struct sha256 mac = hmac_sha256(slice_of(NULL, 0), slice_of(NULL, 0));
    expect_hex(&mac, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void comparisons(void **state) {
    assert_true(equal_constant_time("abc", "abc", 3));
    assert_false(equal_constant_time("abc", "abd", 3));
    assert_false(equal_constant_time("xbc", "abc", 3));
    assert_true(equal_constant_time("xbc", "abc", 0));
}

static void random_bytes_differ(void **state) {
    uint8_t first[4096], second[4096];
    memset(first, 0, sizeof(first));
    random_fill(first, sizeof(first));
    random_fill(second, sizeof(second));
    assert_memory_not_equal(first, second, sizeof(first));
    unsigned seen[256] = {0};
    for (size_t i = 0; i < sizeof(first); i++)
        seen[first[i]]++;
    for (size_t value = 0; value < 256; value++)
        assert_true(seen[value] < 64); // 16 are expected of each
    random_fill(first, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_of_the_rfc),
        cmocka_unit_test(crc_of_any_length_and_split),
        cmocka_unit_test(crc_clears_the_vectors),
        cmocka_unit_test(xxh3_is_the_specified_one),
        cmocka_unit_test(parts_keep_their_borders),
        cmocka_unit_test(parts_of_any_length),
        cmocka_unit_test(sha256_of_the_standard),
        cmocka_unit_test(sha256_in_pieces_and_again),
        cmocka_unit_test(sha256_of_two_at_once),
        cmocka_unit_test(hmac_of_the_rfc),
        cmocka_unit_test(hmac_of_nothing),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
