// SPDX-License-Identifier: MIT
// A command that is kept for a later decision, because somebody else must look at it first. Its
// record carries the whole command, so that the decision can be made again, by the same rules, on
// what is then:
//
//   pending ──▶ approved | refused (approved, but by then the rules said no) | rejected
//           └─▶ expired: nobody came in time; no record says so, its time does
//
// Money may be held meanwhile (`held`); approvals hold none.
#pragma once
#include "base/buffer.h"
#include "base/check.h"
#include "ledger/decide.h"

#define APPROVAL_CURRENCIES_MAX 64

// What needs a second pair of eyes: adjustments always, payments above an amount.
struct approval_rules {
    struct approval_rule {
        struct currency currency;
        int64_t above; // minor units; more than that needs approval
    } items[APPROVAL_CURRENCIES_MAX];
    uint32_t count;
    uint32_t expires_in_s; // how long an approval is waited for
    // What roles may ask for now: by a role's number, bit `1 << enum command_type`. The role of who
    // asked may have lost it while the command waited.
    bool knows_roles; // else nobody asks
    uint64_t may_ask[ROLE_MAX + 1];
};

// Whether a command that passed every rung must wait. `amount` is what it moves. Thread: any.
bool parked_is_due(const struct command *command, const struct docket *docket, int64_t amount);
// Its facts; the engine fills in the encoded command.
void parked_facts_of(const struct command *command, const struct docket *docket, int64_t amount,
                     struct record *record);
// Whether the role of who asked may still do what a kept command does.
bool parked_may_still(const struct command *command, const struct docket *docket);
// The rung of COMMAND_APPROVE and COMMAND_REJECT.
MUST_CHECK enum status parked_decide(const struct command *command, const struct docket *docket,
                                     struct refusal *ret_refusal);
// After the kept command was decided again: what became of it. `made` is its record, NULL when
// `refusal` says why there is none.
void parked_outcome(struct parked_facts *facts, const struct record *made,
                    const struct refusal *refusal);

// The bytes of a command, little endian: struct command_bytes of parked.c, then the texts.
// What only the way in matters for (idempotency key, digests, secrets) is left out, and so are the
// free texts: they stand in the record beside it.
void command_encode(const struct command *command, struct buffer *buffer);
// Slices of the result point into `bytes`. False: these are no bytes of a command that can wait.
// Marked as approved. Thread: any.
bool command_decode(struct slice bytes, struct command *ret_command);

// Keeps a command, encoded into `buffer`, in the facts; and the way back, free texts and all.
// Slices point into the command, the buffer and the facts.
void parked_keep(struct parked_facts *facts, const struct command *command, struct buffer *buffer);
MUST_CHECK bool parked_kept(const struct parked_facts *facts, struct command *ret_command);
