// SPDX-License-Identifier: MIT
// Hashes that find, and hashes that prove. XXH3 (64 and 128 bits) finds; CRC32C notices accidents;
// SHA-256 and HMAC prove. Only this file's source knows the libraries behind them (xxhash, ISA-L,
// libcrypto).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct digest128 {
    uint64_t low;
    uint64_t high;
};

struct sha256 {
    uint8_t bytes[32];
};

// Thread: any. XXH3 as specified by xxHash 0.8; stable for ever, so it may be stored.
uint64_t hash64(struct slice bytes, uint64_t seed);
struct digest128 hash128(struct slice bytes, uint64_t seed);

// Several slices as if length-prefixed one after another, so that ("ab","c") and ("a","bc") differ.
struct digest128 hash128_parts(const struct slice *parts, size_t part_count, uint64_t seed);

static inline bool digest128_equal(struct digest128 a, struct digest128 b) {
    return a.low == b.low && a.high == b.high;
}

// CRC-32C (Castagnoli, reflected, initial and final inversion; RFC 3720). "123456789" gives
// 0xE3069283.
uint32_t crc32c(struct slice bytes);
// Goes on from an earlier result, as if both slices were one.
uint32_t crc32c_extend(uint32_t crc, struct slice bytes);

// SHA-256 in pieces; a context is reusable after `sha256_end`. Fetches the algorithm once
// (MEASURED: 128 ns per 256 bytes). Thread: one at a time per context.
struct sha256_context;
struct sha256_context *sha256_open(void);
void sha256_begin(struct sha256_context *context);
void sha256_add(struct sha256_context *context, struct slice bytes);
struct sha256 sha256_end(struct sha256_context *context);
void sha256_close(struct sha256_context *context);

// Of two texts, best of about the same length: together they take less than one after the other
// where the processor has instructions for it. The context must have been ended.
void sha256_pair(struct sha256_context *context, struct slice first, struct slice second,
                 struct sha256 ret_digests[2]);

struct sha256 sha256_of(struct slice bytes);                         // one shot, any thread
struct sha256 hmac_sha256(struct slice key, struct slice bytes);     // one shot, any thread
bool equal_constant_time(const void *a, const void *b, size_t size); // CRYPTO_memcmp
void random_fill(void *bytes, size_t size);                          // from the kernel; never fails
