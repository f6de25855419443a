// SPDX-License-Identifier: MIT
// The file "data_keys", little endian, in slots of 128 bytes so that none crosses a sector:
//
//   slot 0    magic "florindk", version (u32), CRC32C of what follows (u32), time until when texts
//             were plain (u64), proof of the master key (72), time until when records may name keys
//             that are not here, because somebody gave up their texts (u64), moved (u32), zero
//   slot n    CRC32C of what follows (u32), state (u32: 1 in use, 2 destroyed), number (u64: n
//             below, 31 random bits above), mark of the owner (u64), wrapped key (72), zero
//
// Slots 1 to "moved" came from other books, with any numbers of theirs.
//
// A slot is written before the first record that needs it is durable, and overwritten once, after
// the record that destroys it is. One that does not hold was never needed, or is being destroyed:
// either way it has no key. Numbers are never used twice, not even by a folder that was put back
// from a backup: its next keys have other random bits.
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "vault/vault.h"

#define DATA_KEYS_NAME "data_keys"
static const char data_keys_magic[8] = "florindk";

enum slot_state { SLOT_IN_USE = 1, SLOT_DESTROYED = 2 };

struct head_bytes {
    char magic[8];
    uint32_t version, crc;
    uint64_t plain_until_ms;
    uint8_t proof[VAULT_WRAPPED_BYTES];
    uint64_t lost_until_ms;
    uint32_t moved;
    uint8_t zero[20];
};
static_assert(sizeof(struct head_bytes) == 128, "no padding");

struct slot {
    uint32_t crc, state;
    struct vault_key key;
    uint8_t zero[32];
};
static_assert(sizeof(struct slot) == 128, "no padding");

static inline uint32_t slot_crc(const struct slot *slot) {
    return crc32c(slice_of(&slot->state, sizeof(*slot) - offsetof(struct slot, state)));
}

static inline uint32_t head_crc(const struct head_bytes *head) {
    const size_t at = offsetof(struct head_bytes, plain_until_ms);
    return crc32c(slice_of((const uint8_t *)head + at, sizeof(*head) - at));
}

static inline bool head_holds(const struct head_bytes *head) {
    return memcmp(head->magic, data_keys_magic, sizeof(data_keys_magic)) == 0 &&
           head->version == 1 && head->crc == head_crc(head);
}

// The slot at place `index` of a file whose head says so many `moved`.
static inline bool slot_holds(const struct slot *slot, uint64_t index, uint32_t moved) {
    return slot->crc == slot_crc(slot) && (index <= moved || (uint32_t)slot->key.number == index);
}
