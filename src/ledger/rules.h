// SPDX-License-Identifier: MIT
// Rules that look at payments while they are decided. A rule is a list of conditions that must all
// hold, and what follows: `flag` (the payment goes on, a finding is written), `hold` (the money is
// held, a person decides) or `refuse`. A rule in the shadow is only counted. Everything is integers
// over the payment, its wallet and the wallet's habits (habits.h), so both engines, and a replay of
// history, come to the same.
//
// A rule set is part of the books: it changes by a recorded command of the system, has a version
// that grows by one each time, and every finding names it.
#pragma once
#include "base/buffer.h"
#include "base/check.h"
#include "ledger/habits.h"
#include "ledger/things.h"

#define RULES_MAX             64
#define RULE_NAME_BYTES_MAX   32
#define RULE_CURRENCIES_MAX   8
#define RULE_PERCENT_MAX      1000000
#define RULE_SECONDS_MAX      (10 * 366 * 86400)

enum rule_action { RULE_NOTHING, RULE_FLAG, RULE_HOLD, RULE_REFUSE };

// What a rule looks at: bits of struct rule.operations.
enum rule_operation {
    RULE_ON_WITHDRAWAL = 1,
    RULE_ON_PURCHASE = 2,
    RULE_ON_TRANSFER = 4,
    RULE_ON_HOLD = 8,
    RULE_ON_REFUND = 16,
    RULE_ON_DEPOSIT = 32,
    RULE_ON_DEBITS = 31,
    RULE_ON_ALL = 63
};

// Stored byte by byte (RECORD_RULES). A condition of 0 does not count.
struct rule {
    char name[RULE_NAME_BYTES_MAX]; // a-z, 0-9 and -; zeros behind
    uint8_t action;                 // enum rule_action
    uint8_t shadow;                 // 1: only counted
    uint8_t kinds;                  // bits 1 << enum wallet_kind
    uint8_t operations;             // enum rule_operation
    uint8_t score;                  // 1 to 100
    uint8_t currency_count;         // 0: every currency
    uint8_t new_counterparty;       // 1: the wallet has not paid this one lately
    uint8_t first_withdrawal;       // 1: it never withdrew before
    char currencies[RULE_CURRENCIES_MAX][12];
    int64_t amount;              // at least, minor units
    int64_t sums[WINDOW_COUNT];  // at least, this payment included, minor units
    uint32_t counts[WINDOW_COUNT]; // at least, this payment included
    uint32_t mean_percent;       // the amount is at least so much of the wallet's mean
    uint32_t deviations;         // the amount is at least so many deviations above the mean
    uint32_t payments_before;    // the wallet has paid at least so often
    uint32_t deposit_within_s;   // a deposit came at most so long ago
    uint32_t drained_percent;    // it takes at least so much of what is available
    uint32_t dormant_s;          // the wallet was silent for at least so long
    uint32_t refund_percent;     // refunds lately, this one included, are so much of the sales
};
static_assert(sizeof(struct rule) == 208, "no padding");

// Of the rules that have a condition the least that any of them asks for: a payment that falls
// short of it is out of all of them at once.
struct rule_gate {
    uint64_t rules; // bits
    uint64_t least;
};

// The rules that look at a kind of wallet and an operation, and what most payments are stopped by.
struct rule_plan {
    uint64_t rules; // bits
    struct rule_gate amount, drained_percent, mean_percent, counts[WINDOW_COUNT];
};

struct rule_set {
    uint32_t version; // 0: there never were any rules
    uint32_t count;
    struct rule rules[RULES_MAX];
    struct rule_plan plans[2][6]; // kind, place of the operation's bit: made from the rules
};

// A payment as the rules see it.
struct payment {
    uint8_t operation;   // enum rule_operation
    uint8_t wallet_kind; // of who pays, or is deposited to
    int64_t amount;
    int64_t available;   // before it
    const struct currency *currency;
    struct id counterparty; // zero: the world outside
    uint64_t now_ms;
};

struct verdict {
    uint8_t action;   // enum rule_action: the strictest of the rules that hit
    uint8_t rule;     // index of the one that decides: of the strictest, the highest score
    uint64_t hits;    // bits of all rules that hit and are not in the shadow
    uint64_t shadows; // bits of those that hit in the shadow
};

// Whether the rules may be kept: names, bounds, no name twice, only debits are held, amounts only
// with currencies. `ret_why` is a static sentence. Thread: any, as for all here.
bool rules_are_valid(const struct rule_set *set, const char **ret_why);
// Fills in `plans`. Only for valid rules.
void rules_prepare(struct rule_set *set);
bool rules_are_equal(const struct rule_set *a, const struct rule_set *b); // but for the version
// The rules of a record: count x struct rule. False: these are none.
bool rules_decode(struct slice bytes, uint32_t version, struct rule_set *ret_set);
// The plan for who pays and what; `operation` is one of enum rule_operation.
static inline const struct rule_plan *rules_plan(const struct rule_set *set, enum wallet_kind kind,
                                                 uint8_t operation) {
    CHECK(kind <= WALLET_MERCHANT && operation != 0 && operation <= RULE_ON_DEPOSIT);
    return &set->plans[kind][__builtin_ctz(operation)];
}
// The rules of a plan that a payment may still hit, by what is cheap to see: bits. Of most payments
// none is left, and nothing else needs to be known of them. `habits` may be NULL, here and below:
// nothing was seen of the wallet yet.
uint64_t rules_left(const struct rule_plan *plan, int64_t amount, int64_t available,
                    const struct habits *habits);
// Those of them that do.
void rules_judge_left(const struct rule_set *set, uint64_t left, const struct payment *payment,
                      const struct habits *habits, struct verdict *ret_verdict);
// Both.
void rules_judge(const struct rule_set *set, const struct payment *payment,
                 const struct habits *habits, struct verdict *ret_verdict);
// One sentence with the numbers that led to it: why the rule that decides has hit.
void rules_explain(const struct rule_set *set, const struct payment *payment,
                   const struct habits *habits, const struct verdict *verdict,
                   struct buffer *buffer);
struct slice rule_name(const struct rule *rule);
const char *rule_action_name(enum rule_action action);
// An amount in minor units with its currency: "15.00 EUR".
void rules_add_amount(struct buffer *buffer, int64_t amount, const struct currency *currency);
