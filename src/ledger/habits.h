// SPDX-License-Identifier: MIT
// What a wallet usually does: counts and sums of what it paid in windows that move along, its
// running mean and deviation, whom it knows, and when it was last heard of. Counted from records
// alone, in integers, so that replay comes to the same numbers; what is older than what was seen
// last changes nothing.
//
// A window is some buckets of equal length: the current one and those before it. So the last hour
// is the last 50 to 60 minutes, the last day 20 to 24 hours, the last week 6 to 7 days (UTC).
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

struct record;

enum habit_window { WINDOW_HOUR, WINDOW_DAY, WINDOW_WEEK, WINDOW_COUNT };

#define HABIT_KNOWN   12 // counterparties that a wallet remembers, the latest ones
#define HABIT_BUCKETS 19 // 6 of ten minutes, 6 of four hours, 7 of a day
#define HABIT_WEEK_FIRST 12 // bucket
#define HABIT_UNITS   16 // mean and deviation count sixteenths of a minor unit

struct habits {
    uint64_t version;    // the wallet's, when it came to that; 0: nothing was seen yet
    uint64_t last_ms;    // when its owner last paid or put money in; 0: never
    uint64_t deposit_ms; // when money was last deposited; 0: never
    int64_t mean;        // of what it pays, in sixteenths of a minor unit
    int64_t deviation;   // mean distance from the mean, likewise
    int64_t sold;        // of a merchant: what came in by purchases; an eighth fades per day
    int64_t refunded;    // of a merchant: what went back by refunds, fading likewise
    uint32_t faded_day;  // since 1970, UTC: the day of the last fading
    uint32_t payments;   // how many it made, all in all
    uint32_t withdrawals;
    uint32_t steps[WINDOW_COUNT]; // number of each window's newest bucket, since 1970
    uint32_t known[HABIT_KNOWN];  // marks of counterparties, the latest first; 0: free
    uint16_t counts[HABIT_BUCKETS];
    uint16_t zero;
    int64_t sums[HABIT_BUCKETS];
};
static_assert(sizeof(struct habits) == 320, "five cache lines, and no padding");

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
bool habits_knows(const struct habits *habits, struct id counterparty);

// What a record says about the one who pays (or is deposited to), and about the merchant who is
// paid. NULL: nobody to count for.
bool habits_concern_payer(const struct record *record);
bool habits_concern_payee(const struct record *record);
void habits_see(const struct record *record, struct habits *payer, struct habits *payee);
// The bytes as engines keep them hold what habits_see may come to.
bool habits_are_valid(const struct habits *habits);
