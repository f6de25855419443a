// SPDX-License-Identifier: MIT
// What a wallet usually does: counts and sums of what it paid in windows that move along, its
// running mean and deviation, whom it knows, and when it was last heard of. Counted from records
// alone, in integers, so that replay comes to the same numbers; what is older than what was seen
// last changes nothing.
//
// A window is some buckets of equal length: the current one and those before it. So the last hour
// is the last 50 to 60 minutes, the last day 20 to 24 hours, the last week 6 to 7 days (UTC).
//
// What is paid goes to the open ten minutes alone; they are put into the buckets of all windows
// when the wallet pays in later ones. The latest two counterparties wait likewise until there is a
// third. So most payments touch the first 56 bytes alone: one cache line of an engine's.
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

struct record;

enum habit_window { WINDOW_HOUR, WINDOW_DAY, WINDOW_WEEK, WINDOW_COUNT };

#define HABIT_KNOWN   12 // counterparties that a wallet remembers, the latest ones
#define HABIT_FRESH   2  // of them those that are not among the others yet
#define HABIT_BUCKETS 18 // 5 of ten minutes beside the open ones, 6 of four hours, 7 of a day
#define HABIT_WEEK_FIRST 11 // bucket
#define HABIT_UNITS   16 // mean and deviation count sixteenths of a minor unit
#define HABIT_OPEN_MS 600000

// Stored byte by byte, little endian; what shares 64 bits stands in them lowest bits first.
struct habits {
    uint64_t version : 48;     // the wallet's, when it came to that; 0: nothing was seen yet
    uint64_t open_count : 16;  // payments in the open ten minutes: those that last_ms lies in
    uint64_t last_ms : 48;     // when its owner last paid or put money in; 0: never
    uint64_t closed_hour : 16; // payments in the hour's buckets when the open ten minutes began
    int64_t mean;              // of what it pays, in sixteenths of a minor unit
    int64_t deviation;         // mean distance from the mean, likewise
    int64_t open_sum;          // what it paid in the open ten minutes
    uint32_t payments;         // how many it made, all in all
    uint16_t closed_day;       // like closed_hour
    uint16_t closed_week;
    uint32_t fresh[HABIT_FRESH]; // marks of counterparties, the latest first; 0: free
    // Seldom touched.
    uint32_t known[HABIT_KNOWN]; // of those before; may name fresh ones again
    int64_t sold;        // of a merchant: what came in by purchases; an eighth fades per day
    int64_t refunded;    // of a merchant: what went back by refunds, fading likewise
    uint64_t deposit_ms; // when money was last deposited; 0: never
    uint16_t withdrawals; // stops at its highest
    uint16_t faded_day;   // since 1970, UTC: the day of the last fading
    uint16_t counts[HABIT_BUCKETS]; // without the open ten minutes, and so are the sums
    int64_t sums[HABIT_BUCKETS];
};
static_assert(sizeof(struct habits) == 312, "whole cache lines with 8 more bytes, no padding");
#define HABIT_OFTEN_BYTES 56 // of what most payments touch
static_assert(offsetof(struct habits, known) == HABIT_OFTEN_BYTES, "no padding");

struct habit_sum {
    uint32_t count;
    int64_t sum; // minor units; stops at LIMIT_AMOUNT_MAX
};

// What was paid in the window that ends at `now_ms`. Thread: any, as for all here.
struct habit_sum habits_window(const struct habits *habits, enum habit_window window,
                               uint64_t now_ms);
// What was sold and refunded lately, as faded by `now_ms`.
void habits_share(const struct habits *habits, uint64_t now_ms, int64_t *ret_sold,
                  int64_t *ret_refunded);
// No window that ends later has more payments than that; looks at nothing behind the first bytes.
static inline uint32_t habits_count_most(const struct habits *habits, enum habit_window window) {
    uint32_t closed = window == WINDOW_HOUR  ? (uint32_t)habits->closed_hour
                      : window == WINDOW_DAY ? habits->closed_day
                                             : habits->closed_week;
    return closed + (uint32_t)habits->open_count;
}
static inline uint32_t habits_step_of(uint64_t now_ms) { // ten minutes since 1970
    return (uint32_t)(now_ms / HABIT_OPEN_MS);
}
// When the ten minutes began that this lies in.
static inline uint64_t habits_begin_ms(uint64_t now_ms) {
    return now_ms - now_ms % HABIT_OPEN_MS;
}
// Whether a payment in the ten minutes that began then touches all of it.
static inline bool habits_roll_at(const struct habits *habits, uint64_t begin_ms) {
    return habits->last_ms < begin_ms;
}
// Whether one to somebody new touches what is behind the first bytes.
static inline bool habits_are_full(const struct habits *habits) {
    return habits->fresh[HABIT_FRESH - 1] != 0;
}
uint32_t habits_known_count(const struct habits *habits);
bool habits_knows(const struct habits *habits, struct id counterparty);

// What a record says about the one who pays (or is deposited to), and about the merchant who is
// paid. NULL: nobody to count for.
bool habits_concern_payer(const struct record *record);
bool habits_concern_payee(const struct record *record);
void habits_see(const struct record *record, struct habits *payer, struct habits *payee);
// The bytes as engines keep them hold what habits_see may come to.
bool habits_are_valid(const struct habits *habits);

// ---- as engines keep them (habits_pack.c) -------------------------------------------------------

// A bit for each word of 64 bits, the first one lowest, and then the words that are not 0. Or all
// bytes as they are: so they were kept before, and rows that were written then still are.
#define HABITS_PACKED_MAX (5 + sizeof(struct habits))
struct habits_packed {
    uint8_t bytes[HABITS_PACKED_MAX];
};

// Returns what of `ret_packed` is used.
struct slice habits_pack(const struct habits *habits, struct habits_packed *ret_packed);
// Either kind. False: they are neither, and `*ret_habits` is empty. Whether they are valid is
// another question.
bool habits_take(struct slice bytes, struct habits *ret_habits);
// Of bytes that are neither none: a hash over all habits is another one then, as it should be.
struct habits habits_of_bytes(struct slice bytes);
