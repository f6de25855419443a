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
// may see but not do (the buyer of a purchase cannot refund it), cannot_receive for a payee that
// does not exist. STATUS_ok for everybody else.
MUST_CHECK enum status bound_check(const struct command *command, const struct docket *docket,
                                   struct refusal *ret_refusal);

// Takes out of a refusal what it tells of another's wallet; returns the status as it is then.
enum status bound_hide(const struct command *command, const struct docket *docket,
                       struct refusal *refusal);

// The wallet whose version If-Match speaks of: the one that pays or changes; for somebody bound who
// captures or voids a hold, his own.
const struct wallet *bound_versioned(const struct command *command, const struct docket *docket);
