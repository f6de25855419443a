// SPDX-License-Identifier: MIT
// Tries rules on history: every payment that was made is judged by a rule set as a server with that
// set would have judged it, with the habits that the wallet had come to by then. What the rules
// would have held or refused does not count in the habits, as on a server where nobody approves it;
// balances stay those of history.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/disk.h"
#include "base/status.h"
#include "ledger/rules.h"
#include "watch/tally_map.h"

#define BACKTEST_EXAMPLES 3

struct backtest_example {
    struct id subject;    // what the payment made
    uint8_t subject_type; // ID_TRANSACTION, ID_HOLD or ID_WITHDRAWAL
    struct id wallet;     // of who pays, or is deposited to
    int64_t amount;       // minor units
    struct currency currency;
    uint64_t time_ms;
    struct buffer sentence; // owned; why this rule has hit
};

struct backtest_rule {
    uint64_t hits;    // payments for which all its conditions held
    uint64_t decided; // those for which it was the one that decides; 0 in the shadow
    struct backtest_example examples[BACKTEST_EXAMPLES]; // of the first hits
    uint32_t example_count;
};

// Zeroed at first but for the borrowed `set` and the span.
struct backtest {
    const struct rule_set *set;
    uint64_t from_ms, to_ms; // payments from then on, and before then, are judged
    uint64_t record_count;   // of all history that was read
    uint64_t payment_count;  // that were judged
    uint64_t outcomes[4];    // payments by enum rule_action
    uint64_t first_ms, last_ms; // of the payments that were judged; 0: none
    struct backtest_rule rules[RULES_MAX]; // as in the set
    struct tally_map wallets; // owned
};

// `set` must be prepared (rules_prepare) and outlive it. Thread: one, as for all here.
void backtest_init(struct backtest *backtest, const struct rule_set *set, uint64_t from_ms,
                   uint64_t to_ms);
void backtest_done(struct backtest *backtest);
// The next record of history, encoded. STATUS_damaged: `ret_invariant` is broken in it.
MUST_CHECK enum status backtest_take(struct backtest *backtest, struct slice bytes,
                                     const char **ret_invariant);
// Reads the journal in a cold folder to its end. Unless STATUS_ok, `ret_why`
// (JOURNAL_READER_WHY_BYTES) says what is wrong and where; STATUS_damaged: in the books.
MUST_CHECK enum status backtest_read(struct backtest *backtest, struct disk *disk, char *ret_why);
// The same of a database, whose servers may run; STATUS_busy: it cannot be read.
MUST_CHECK enum status backtest_read_postgres(struct backtest *backtest, const char *url,
                                              char *ret_why);
