// SPDX-License-Identifier: MIT
// Most words of habits are 0: of somebody who pays now and then two thirds, of a new one more.
#include "ledger/habits.h"

#include <string.h>

#include "base/check.h"

#define WORDS      (sizeof(struct habits) / sizeof(uint64_t))
#define MASK_BYTES ((WORDS + 7) / 8)
static_assert(MASK_BYTES + sizeof(struct habits) == HABITS_PACKED_MAX, "the mask and all words");
static_assert(MASK_BYTES % sizeof(uint64_t) != 0,
              "packed ones are never as long as those that are not: their size tells them apart");

struct slice habits_pack(const struct habits *habits, struct habits_packed *ret_packed) {
    uint64_t words[WORDS], mask = 0;
    uint8_t *at = ret_packed->bytes + MASK_BYTES;
    memcpy(words, habits, sizeof(words));
    for (uint32_t i = 0; i < WORDS; i++) {
        memcpy(at, &words[i], sizeof(words[i])); // one that is 0 is written over
        at += words[i] == 0 ? 0 : sizeof(words[i]);
        mask |= (uint64_t)(words[i] != 0) << i;
    }
    memcpy(ret_packed->bytes, &mask, MASK_BYTES);
    return slice_of(ret_packed->bytes, (size_t)(at - ret_packed->bytes));
}

static bool unpack(struct slice bytes, struct habits *ret_habits) {
    uint64_t words[WORDS] = {0}, mask = 0;
    if (bytes.size < MASK_BYTES)
        return false;
    memcpy(&mask, bytes.bytes, MASK_BYTES);
    if (mask >> WORDS != 0 ||
        bytes.size != MASK_BYTES + (size_t)__builtin_popcountll(mask) * sizeof(words[0]))
        return false;
    const uint8_t *at = bytes.bytes + MASK_BYTES;
    for (; mask != 0; mask &= mask - 1, at += sizeof(words[0]))
        memcpy(&words[__builtin_ctzll(mask)], at, sizeof(words[0]));
    memcpy(ret_habits, words, sizeof(words));
    return true;
}

bool habits_take(struct slice bytes, struct habits *ret_habits) {
    *ret_habits = (struct habits){0};
    if (bytes.size != sizeof(*ret_habits))
        return unpack(bytes, ret_habits);
    memcpy(ret_habits, bytes.bytes, sizeof(*ret_habits));
    return true;
}

struct habits habits_of_bytes(struct slice bytes) {
    struct habits habits;
    (void)habits_take(bytes, &habits);
    return habits;
}
