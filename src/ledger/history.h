// SPDX-License-Identifier: MIT
// How far back a transaction's skip pointer reaches. A wallet's transactions are numbered from 1,
// and each knows the place of the one before it and of one further back, so any point of a long
// history is reached in a logarithmic number of reads without a second index: up the powers of 64,
// then down again.
//
// From a number that is no multiple of 64 the skip leads to the multiple of 64 below it; from a
// multiple of 64 to the multiple of 4096 below it; from a multiple of 4096 to the multiple of
// 262144 below it; from there to the next such.
#pragma once
#include <stdint.h>

#define HISTORY_LEVELS 3

// The largest n below `number` that its skip pointer names; 0: none (there is no transaction 0).
static inline uint32_t history_skip_target(uint32_t number) {
    for (uint32_t step = 64; step < (1u << 18); step <<= 6)
        if (number % step != 0)
            return number - number % step;
    uint32_t top = 1u << 18;
    return number % top != 0 ? number - number % top : number - top;
}

// The level whose newest member that target is: 0 for multiples of 64, 1 for 4096, 2 for 262144.
static inline uint32_t history_skip_level(uint32_t number) {
    return number % 64 != 0 ? 0 : number % 4096 != 0 ? 1 : 2;
}

// The transaction with that number, at that position, is now the newest of its levels.
static inline void history_levels_take(uint64_t levels[HISTORY_LEVELS], uint64_t number,
                                       uint64_t position) {
    if (number % 64 == 0)
        levels[0] = position;
    if (number % 4096 == 0)
        levels[1] = position;
    if (number % (1u << 18) == 0)
        levels[2] = position;
}
