// SPDX-License-Identifier: MIT
// The rules, once. `decide` is pure: no disk, no clock, no memory of its own. It takes a command
// and the docket, what the engine fetched for it, and says yes with facts or no with a named
// refusal. `apply` carries a yes out on the docket.
#pragma once
#include "base/status.h"
#include "ledger/alarm.h"
#include "ledger/command.h"
#include "ledger/record.h"

struct approval_rules;  // parked.h
struct id_seal;         // base/id.h
struct spending_limits; // spending.h

// Everything a command names, as it is right now. Pointers are the engine's; NULL: there is no such
// thing.
struct docket {
    uint64_t now_ms;
    bool payments_stopped; // the books differ, and somebody must decide
    const struct alarm_state *alarm; // what the alarms so far have come to; NULL: none was raised
    struct wallet *wallet; // command.wallet, or the payer (refund: the merchant) behind `subject`
    struct wallet *counterparty; // command.counterparty, or the payee behind `subject`
    struct hold *hold;
    struct withdrawal *withdrawal;
    struct purchase *purchase;
    bool subject_is_archived; // subject may have been there: what is as old as it has been detached
    bool subject_is_other_transaction; // subject exists but is no purchase (refund)
    const struct id *bank_transaction; // who has the command's bank id already
    // Of `wallet` (or of a transaction that is no purchase), or of command.currency for an opening.
    struct currency_account *currency;
    const struct currency *counterparty_currency;
    struct cursor *cursor;  // of cursor commands: there always is one
    struct key *key;        // named by `subject` (revoke, rotate)
    const struct key *keys; // all keys: the principal's must be live
    uint32_t key_count;
    const struct key *principal; // of command.principal_key; NULL for the system and for tokens
    struct id new_id;            // for what the command makes
    struct id new_transaction;   // withdrawal settled at once: its transaction's id
    const struct spending_limits *limits;   // NULL: none
    struct spent *spent;                    // of `wallet`; NULL: nothing was ever counted
    const struct approval_rules *approvals; // NULL: only adjustments need approval
    struct parked *parked;                  // named by `subject` (approve, reject)
    struct slice parked_by;                 // the principal who asked for that
    // What a command that has to wait will be called is made when it has to (new_ids.h).
    const struct id_seal *seal;
    uint64_t parked_place;
    uint32_t parked_slot;
    // Rules that look at payments (review.h).
    const struct rule_set *rules;         // NULL: none
    uint32_t rules_version;               // of the set in force; of COMMAND_RULES
    bool rules_failed;                    // they could not be loaded, and that closes the door
    uint32_t review_expires_s;            // how long a held payment waits; 0: the standard
    struct habits *habits;                // of `wallet`; NULL: nothing was seen yet
    struct habits *counterparty_habits;   // likewise; only merchants have what is counted there
    struct verdict *verdict;              // the engine's; zeroed by it, filled in by decide
    struct buffer *words;                 // the engine's: the sentence behind a verdict
    int64_t parked_held;                  // what is held for `parked`
    uint64_t owner_seed;         // of these books' marks of owners (owner.h)
    // Of the two wallets of a transaction that is no purchase (refund by somebody bound); 0: none.
    uint64_t subject_owners[2];
    // Of COMMAND_OWNER_FORGET: whether free texts are sealed, whether any wallet is this owner's,
    // and what its record says.
    bool encrypts, owner_is_known;
    struct data_key_facts data_key; // without the owner
    struct slice owner;          // of `wallet`, for its record
    struct slice order;          // of `hold`: its captures belong to the same order
    struct slice metadata;       // of `wallet` as it is now, for its record
    // Set by apply: what the wallets have more than before, less what came in and plus what went
    // out. 0, but where a replay meets things of different ages.
    money_total unaccounted;
};

// STATUS_ok: `ret_record` has the facts (history fields are the engine's to fill). Anything else:
// `ret_refusal` says why. Idempotency is asked before, in `decide_replay`. The ladder stands in
// decide.c.
MUST_CHECK enum status decide(const struct command *command, const struct docket *docket,
                              struct record *ret_record, struct refusal *ret_refusal);

// Whether whoever asks may still do so: his key may have been revoked, or his token have run out,
// while the command waited. Of the docket only now_ms, keys and principal are looked at.
bool decide_principal_may(const struct command *command, const struct docket *docket);

// What an earlier record under the same key means: STATUS_ok when it is the same request (answer
// with that record), else STATUS_idempotency_key_reused.
MUST_CHECK enum status decide_replay(const struct command *command, const struct record *earlier);

// Carries out what was decided, on the same docket. The postings are asserted to balance. For an
// opening the engine hands in fresh, zeroed things.
void apply(const struct record *record, struct docket *docket);
