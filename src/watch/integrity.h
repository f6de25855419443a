// SPDX-License-Identifier: MIT
// What an examination of the books found, on a live engine or in a cold folder.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "ledger/money.h"

#define INTEGRITY_MESSAGE_BYTES 768
#define INTEGRITY_ABOUT_BYTES   256

struct integrity_currency {
    struct currency currency;
    uint32_t wallet_count;
    money_total wallet_balances; // added up wallet by wallet
    money_total deposits;        // added up from postings
    money_total withdrawals;
    money_total transit; // of one of several shards: from the others, less to them
    money_total difference; // wallet_balances - (deposits - withdrawals + transit); right is 0
};

// Payments between shards: how many, and a sum over what both sides must say of each, so that what
// all decided is what arrived anywhere, in whatever order the shards are examined.
struct integrity_pairs {
    uint64_t count;
    uint64_t sums[2];
};

// One thing that must be true, and how often it was looked at.
struct integrity_check {
    const char *name;     // a word; static; NULL: nobody looked at it this time
    const char *sentence; // what must be true; static
    uint64_t count;
    uint64_t differences;
};

enum {
    INTEGRITY_BALANCES, // totals per currency
    INTEGRITY_POSTINGS, // transactions
    INTEGRITY_HOLDS,    // held money
    INTEGRITY_WITHDRAWALS,
    INTEGRITY_REFUNDS,
    INTEGRITY_VERSIONS,
    INTEGRITY_WALLETS, // the live wallets, holds and withdrawals against the record
    INTEGRITY_AUDIT,   // entries of the audit
    INTEGRITY_IDEMPOTENCY, // keys, once while they are remembered
    INTEGRITY_CHAIN,       // rounds, each sealed with the one before
    INTEGRITY_CHECKS
};

struct integrity_report {
    bool consistent;
    char message[INTEGRITY_MESSAGE_BYTES]; // a sentence: all is well, or the first difference
    char about[INTEGRITY_ABOUT_BYTES]; // the end of it, what a damaged record was of; else empty
    struct integrity_currency *currencies; // owned
    uint32_t currency_count;
    struct integrity_check checks[INTEGRITY_CHECKS];
    uint32_t check_count;
    uint64_t record_count, transaction_count, wallet_count, hold_count, withdrawal_count;
    struct integrity_pairs departed, arrived; // of one of several shards: those that are old enough
    uint64_t position; // the examination covers everything before it
    int64_t slots_version; // of one of several shards: with the slots that it had then
    uint64_t as_of_ms;
    uint64_t took_us;
};

// Adds what an examination of another part of the same books found: counts and totals are summed,
// and the first difference stays. `report` may be zeroed: then it becomes a copy.
void integrity_report_add(struct integrity_report *report, const struct integrity_report *part);
// Gives back what a report owns; accepts a zeroed one. Thread: any.
void integrity_report_done(struct integrity_report *report);
