// SPDX-License-Identifier: MIT
// Principals that are bound to an owner (customers, merchants) reach only that owner's wallets.
// What is not theirs looks exactly like what is not there, and a refusal that another's wallet
// causes says only that it cannot receive, or pay. The rule is asked where everything is decided,
// because the door sees ids, not owners.
#pragma once
#include "base/status.h"
#include "ledger/decide.h"
#include "ledger/owner.h"

// The first rung for those who are bound: not_found for what is not theirs, forbidden for what they
// may see but not do (the buyer of a purchase cannot refund it). STATUS_ok for everybody else.
MUST_CHECK enum status bound_check(const struct command *command, const struct docket *docket,
                                   struct refusal *ret_refusal);

// Whether a refusal is about the wallet that somebody bound wants to pay: it is not there, or it is
// another's. His own troubles are told before it, whatever their rung: so asking for what he could
// not pay anyway tells him nothing about wallets that are not his.
bool bound_blames_payee(const struct command *command, const struct docket *docket,
                        const struct refusal *refusal);

// Takes out of a refusal what it tells of another's wallet; returns the status as it is then.
enum status bound_hide(const struct command *command, const struct docket *docket,
                       struct refusal *refusal);

// Which rule it was is for those who look after rules.
void bound_hide_rule(const struct command *command, struct refusal *refusal);

// The wallet whose version If-Match speaks of: the one that pays or changes; for somebody bound who
// captures or voids a hold, his own.
const struct wallet *bound_versioned(const struct command *command, const struct docket *docket);

// The wallets that an answer is about: whoever is bound and has none of them must not see it. Zero
// ids stand for none. False: it is about no wallet. Thread: any.
bool bound_parties(const struct record *record, struct id ret_wallets[2]);

// Whether a record answers what the asker asked for himself; those who are not bound see all.
bool bound_asked(const struct command *command, const struct record *record);

// An earlier answer that is not his to see any more, since he is bound to somebody else now.
void bound_lost(const struct command *command, struct refusal *ret_refusal);
