// SPDX-License-Identifier: MIT
// Speck64/128 (Beaulieu et al., "The Simon and Speck families of lightweight block ciphers", 2013):
// a keyed permutation of 64 bits from additions, rotations and exclusive-ors. It is here because an
// id has room for exactly 64 sealed bits, and the block ciphers of libcrypto are wider. Apart from
// id.c only its test looks here.
#pragma once
#include <stdint.h>

#define SPECK_ROUNDS 27

static inline uint32_t speck_rotate_left(uint32_t word, unsigned bits) {
    return word << bits | word >> (32 - bits);
}

static inline uint32_t speck_load_word(const uint8_t bytes[4]) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

// The key's 16 bytes are four words, each lowest byte first, the first round's word first.
static inline void speck_expand(const uint8_t key[16], uint32_t ret_round_keys[SPECK_ROUNDS]) {
    uint32_t word = speck_load_word(key);
    uint32_t others[3] = {
        speck_load_word(key + 4),
        speck_load_word(key + 8),
        speck_load_word(key + 12),
    };
    for (uint32_t i = 0; i < SPECK_ROUNDS; i++) {
        ret_round_keys[i] = word;
        uint32_t other = (speck_rotate_left(others[i % 3], 24) + word) ^ i;
        word = speck_rotate_left(word, 3) ^ other;
        others[i % 3] = other;
    }
}

// The block's high word is the paper's x, the low word its y.
static inline uint64_t speck_seal(const uint32_t round_keys[SPECK_ROUNDS], uint64_t block) {
    uint32_t x = (uint32_t)(block >> 32);
    uint32_t y = (uint32_t)block;
    for (int i = 0; i < SPECK_ROUNDS; i++) {
        x = (speck_rotate_left(x, 24) + y) ^ round_keys[i];
        y = speck_rotate_left(y, 3) ^ x;
    }
    return (uint64_t)x << 32 | y;
}

static inline uint64_t speck_open(const uint32_t round_keys[SPECK_ROUNDS], uint64_t block) {
    uint32_t x = (uint32_t)(block >> 32);
    uint32_t y = (uint32_t)block;
    for (int i = SPECK_ROUNDS - 1; i >= 0; i--) {
        y = speck_rotate_left(y ^ x, 29);
        x = speck_rotate_left((x ^ round_keys[i]) - y, 8);
    }
    return (uint64_t)x << 32 | y;
}
