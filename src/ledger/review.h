// SPDX-License-Identifier: MIT
// What rules find in payments, and what becomes of it. A finding is kept like a command that waits
// (parked.h), under a cause of its own:
//
//   flagged  pending ──▶ dismissed                          the payment went on
//   held     pending ──▶ approved | refused (by then the rules of money said no) | rejected
//                    └─▶ expired: nobody came in time        its money is held until then
//
// What is held counts in the wallet's `held`. Its end comes first and frees that; then, when it was
// approved, the payment is decided again, and a last record says what became of it.
#pragma once
#include "base/buffer.h"
#include "base/check.h"
#include "ledger/decide.h"

#define REVIEW_EXPIRES_S_DEFAULT  (24 * 3600)
#define REVIEW_EXPIRES_S_MAX      (366 * 24 * 3600)

// The rung: looks at what passed all others. STATUS_refused_by_rule, STATUS_rules_not_loaded, or
// STATUS_ok with `docket->verdict`, which also says whether it is held. Thread: any, as for all
// here.
MUST_CHECK enum status review_check(const struct command *command, const struct docket *docket,
                                    int64_t amount, struct refusal *ret_refusal);
bool review_is_held(const struct docket *docket);
// The facts of a held payment; the engine fills in the encoded command.
void review_held_facts(const struct command *command, const struct docket *docket, int64_t amount,
                       struct record *record);
// After a payment was made that a rule flags: its finding, under the id that the engine gives. Of
// the docket the wallet stands as it is after the payment, and `words` has the sentence.
void review_flag_facts(const struct record *made, const struct docket *docket, struct id id,
                       struct record *ret_record);
// COMMAND_FINDING: what a watcher found.
void review_finding_facts(const struct command *command, const struct docket *docket,
                          struct record *record);
// The rung of the COMMAND_ANOMALY_...
MUST_CHECK enum status review_decide(const struct command *command, const struct docket *docket,
                                     struct refusal *ret_refusal);
// The facts of such a decision: what was held is freed.
void review_decision_facts(const struct command *command, const struct docket *docket,
                           struct record *record);
// The last record, after the kept payment was decided again: `facts` are those of the decision
// `released`, with what parked_outcome says.
void review_outcome_facts(const struct record *released, const struct parked_facts *facts,
                          struct record *ret_record);
// The refusal of an atomic batch, one of whose operations waits for somebody, or had to under its
// key (whatever was decided since): all or nothing cannot wait for one of its parts, and what was
// done apart is not undone with the others.
struct refusal review_refusal_of_batch(const struct command *command,
                                       const struct record *parked);
// COMMAND_RULES.
void review_rules_facts(const struct command *command, const struct docket *docket,
                        struct record *record);
