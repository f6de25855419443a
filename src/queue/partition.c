// SPDX-License-Identifier: MIT
// MurmurHash2, 32 bits, with the seed and the sign bit that Kafka's clients use.
#include "queue/partition.h"

#include "base/check.h"
#include "base/limits.h"

#define MURMUR_SEED     UINT32_C(0x9747b28c)
#define MURMUR_MULTIPLY UINT32_C(0x5bd1e995)

uint32_t partition_hash(struct slice key) {
    uint32_t hash = MURMUR_SEED ^ (uint32_t)key.size;
    const uint8_t *at = key.bytes;
    size_t left = key.size;
    for (; left >= 4; at += 4, left -= 4) {
        uint32_t word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                        (uint32_t)at[3] << 24;
        word *= MURMUR_MULTIPLY;
        word ^= word >> 24;
        word *= MURMUR_MULTIPLY;
        hash *= MURMUR_MULTIPLY;
        hash ^= word;
    }
    if (left >= 3)
        hash ^= (uint32_t)at[2] << 16;
    if (left >= 2)
        hash ^= (uint32_t)at[1] << 8;
    if (left >= 1) {
        hash ^= at[0];
        hash *= MURMUR_MULTIPLY;
    }
    hash ^= hash >> 13;
    hash *= MURMUR_MULTIPLY;
    return hash ^ hash >> 15;
}

uint32_t partition_of_key(struct slice key, uint32_t partition_count) {
    CHECK(partition_count != 0);
    return (partition_hash(key) & UINT32_C(0x7fffffff)) % partition_count;
}

size_t partition_key_of_slot(uint32_t slot, char ret_text[8]) {
    CHECK(slot < LIMIT_SLOTS);
    char digits[8];
    size_t count = 0, size = 0;
    do {
        digits[count++] = (char)('0' + slot % 10);
        slot /= 10;
    } while (slot != 0);
    while (count != 0)
        ret_text[size++] = digits[--count];
    return size;
}

bool partition_slot_of_key(struct slice key, uint32_t *ret_slot) {
    uint64_t slot;
    if (!slice_number(key, &slot) || slot >= LIMIT_SLOTS)
        return false;
    *ret_slot = (uint32_t)slot;
    return true;
}
