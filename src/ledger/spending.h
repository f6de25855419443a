// SPDX-License-Identifier: MIT
// Limits on what wallets may spend: per transaction, per day and per month, by kind, tier and
// currency.
// What counts is what a wallet's owner lets go: withdrawals, purchases, transfers and holds, when
// they are asked for; what a hold or withdrawal frees again on the same day, or in the same month,
// counts no more. Days and months are those of UTC, by the time of the round. Each record that
// counts says what was spent after it, so nothing is ever added up anew.
#pragma once
#include "base/check.h"
#include "ledger/decide.h"

#define SPENDING_LIMITS_MAX 64

struct spending_limit {
    struct currency currency;
    uint8_t kind;                                // enum wallet_kind
    bool has_tier; // only for wallets of `tier`; else for those whose tier has no limit of its own
    uint8_t tier;
    int64_t per_transaction, per_day, per_month; // minor units; 0: no limit
};

struct spending_limits {
    struct spending_limit items[SPENDING_LIMITS_MAX];
    uint32_t count;
};

enum spending_period { SPENDING_TRANSACTION = 1, SPENDING_DAY, SPENDING_MONTH };

// What holds for such a wallet; NULL: it may spend what it has. Thread: any, as for all here.
const struct spending_limit *spending_limit_of(const struct spending_limits *limits,
                                               const struct wallet *wallet,
                                               const struct currency *currency);
// What was spent so far in the day and month of `now_ms`. `spent` may be NULL: nothing ever was.
struct spent spending_now(const struct spent *spent, uint64_t now_ms);
uint64_t spending_begins_ms(uint32_t day);
// When that day ends, or that month.
uint64_t spending_ends_ms(uint32_t day, enum spending_period period);
// Months since January 1970 of a day since 1970-01-01.
uint32_t spending_month_of(uint32_t day);
// The rung: STATUS_limit_exceeded with what was asked, what is left, and the period as `detail`.
MUST_CHECK enum status spending_check(const struct command *command, const struct docket *docket,
                                      int64_t amount, struct refusal *ret_refusal);
// What the payer has spent after the command, for its record; nothing when nothing is counted.
// `freed` is what a hold or withdrawal gives back.
void spending_facts_of(const struct command *command, const struct docket *docket, int64_t amount,
                       int64_t freed, struct record *record);
