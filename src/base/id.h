// SPDX-License-Identifier: MIT
// Ids are TypeIDs (https://github.com/jetify-com/typeid, spec 0.3): a prefix, "_", and a UUIDv7
// (RFC 9562) in 26 digits of lower-case Crockford base32.
//
// The 16 bytes, most significant first:
//   48 bits  milliseconds since 1970: when the thing was made (its created_at)
//    4 bits  version 7
//   10 bits  slot (0-1023), readable by anyone: shard, order and Kafka key come from it
//    2 bits  the two highest bits of the sealed half
//    2 bits  variant 10
//   62 bits  the rest of the sealed half
//
// The sealed half is 64 bits: the engine's locator (48 bits) above a 16-bit counter-check that is
// zero, put through a keyed permutation (Speck64/128, NIST-analysed ARX block cipher) tweaked by
// time and slot. So a thing is found by its id without an index, yet ids cannot be guessed, counted
// or made up: all but 2^-16 of forged ones open to a wrong check, and the rest name a thing whose
// stored id differs.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct id {
    uint8_t bytes[16];
};

enum id_type {
    ID_WALLET,      // wallet_
    ID_TRANSACTION, // txn_
    ID_HOLD,        // hold_
    ID_WITHDRAWAL,  // wdl_
    ID_KEY,         // key_
    ID_APPROVAL,    // apr_
    ID_ANOMALY,     // anm_
    ID_TYPE_COUNT
};

#define ID_DIGITS 26
#define ID_TEXT_BYTES_MAX (8 + ID_DIGITS)
#define ID_LOCATOR_MAX ((UINT64_C(1) << 48) - 1)

// The key of the permutation: part of the books, made once, secret.
struct id_seal {
    uint32_t round_keys[27];
    uint64_t tweak_add; // made from the key as well; see id.c
    uint64_t tweak_multiply;
};

// Thread: any. All pure.
struct id_seal id_seal_make(const uint8_t key[16]);
struct id id_make(const struct id_seal *seal, uint64_t time_ms, uint32_t slot, uint64_t locator);
// False when the sealed half does not open: nobody made this id with this key.
bool id_open(const struct id_seal *seal, struct id id, uint64_t *ret_locator);

uint64_t id_time_ms(struct id id);
uint32_t id_slot(struct id id);
// XXH3-64 with seed 0, modulo 1024; the same for ever.
uint32_t id_slot_of_owner(struct slice owner);

static inline bool id_equal(struct id a, struct id b) {
    return __builtin_memcmp(a.bytes, b.bytes, 16) == 0;
}
static inline bool id_is_zero(struct id id) {
    return id_equal(id, (struct id){{0}});
}

const char *id_prefix(enum id_type type); // "wallet", without "_"
// Writes prefix, "_" and digits without a terminating zero; returns the number of bytes.
size_t id_format(enum id_type type, struct id id, char ret_text[ID_TEXT_BYTES_MAX]);
// Accepts exactly what id_format writes (lower case, version 7, variant 10); else false.
bool id_parse(enum id_type type, struct slice text, struct id *ret_id);

// Opaque 64-bit tokens (cursors): 13 base32 digits of the sealed value.
#define ID_TOKEN_BYTES 13
void id_token_format(const struct id_seal *seal, uint64_t value, char ret_text[ID_TOKEN_BYTES]);
bool id_token_parse(const struct id_seal *seal, struct slice text, uint64_t *ret_value);
