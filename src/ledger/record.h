// SPDX-License-Identifier: MIT
// What was decided, as facts: resulting balances and versions, so replay never runs the rules again
// and an answer is a pure function of its record. The codec's bytes are described in record.c; both
// engines store exactly them.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/id.h"
#include "base/status.h"
#include "ledger/command.h"
#include "ledger/rules.h"
#include "ledger/things.h"

// Kinds are stored: values never change.
enum record_kind {
    RECORD_WALLET = 1,      // opened or changed
    RECORD_TRANSACTION = 2, // money moved
    RECORD_HOLD = 3,        // opened, voided, expired
    RECORD_WITHDRAWAL = 4,  // asked for (pending), failed
    RECORD_KEY = 5,         // created, rotated, revoked
    RECORD_REFUSAL = 6,     // remembered under an idempotency key
    RECORD_BATCH = 7,       // an atomic batch with a key of its own, done
    RECORD_NOTES = 12,      // entries of the audit that no other record tells
    RECORD_PARKED = 8,      // a command kept for a later decision, and that decision
    RECORD_DATA_KEY = 13,   // a data key was destroyed, and with it an owner's free texts
    RECORD_RULES = 19,      // another set of rules for payments
    RECORD_ALARM = 20,      // whether the books differ, as an examination found
    RECORD_CURSOR = 16,     // how far a log beside the books has been worked through
};

enum transaction_type {
    TRANSACTION_DEPOSIT = 1,
    TRANSACTION_WITHDRAWAL = 2,
    TRANSACTION_PURCHASE = 3,
    TRANSACTION_REFUND = 4,
    TRANSACTION_TRANSFER = 5,
    TRANSACTION_ADJUSTMENT = 6, // comes from the world outside, or goes there
};
const char *transaction_type_name(enum transaction_type type);

// One side of a posting, after it. A zero wallet is the system account `external`.
struct posting_side {
    struct id wallet;
    int64_t balance;
    int64_t held;
    uint64_t version;
    // History, filled in by the engine: the wallet's transactions are numbered from 1. `previous`
    // is the position of number - 1, `skip` that of history_skip_target(number) (history.h).
    // Number 0 of a wallet: it is on another shard, which has a record of its own for this side.
    uint32_t number;
    uint64_t previous;
    uint64_t skip;
};

struct wallet_facts {
    struct id id;
    struct currency currency;
    uint8_t kind, status, tier;
    bool unchanged; // a PATCH that changed nothing
    int64_t balance, held, credit_limit;
    uint64_t version;
    struct slice owner, metadata, reason;
};

struct transaction_facts {
    struct id id;
    uint8_t type;
    int64_t amount;
    struct currency currency;
    struct posting_side debit, credit;
    money_total external_total; // deposits, or withdrawals, of the currency after this one; else 0
    // The purchase of a refund, the hold of a capture, the withdrawal of a withdrawal; else zero.
    struct id subject;
    int64_t subject_total;  // refunded, or captured, after it
    uint8_t subject_status; // enum hold_status or withdrawal_status after it
    // Position of the record that opened the captured hold, or a withdrawal settled later; else 0.
    uint64_t opening;
    struct slice bank_id, order, reference, reason, metadata;
};

struct hold_facts {
    struct id id, wallet, merchant;
    int64_t amount, captured;
    uint64_t expires_at_ms;
    uint8_t status;
    struct currency currency;
    int64_t wallet_balance, wallet_held; // of the payer, after it
    uint64_t wallet_version;
    uint64_t opening; // of a void or expiry: position of the record that opened it
    struct slice order, reference, metadata; // of an opening
};

struct withdrawal_facts {
    struct id id, wallet;
    int64_t amount;
    uint8_t status;
    struct currency currency;
    int64_t wallet_balance, wallet_held;
    uint64_t wallet_version;
    uint64_t opening;                 // of a failure
    struct slice reference, metadata; // of an opening
    struct slice reason;              // of a failure
};

struct key_facts {
    struct id id;
    uint8_t role;
    bool revoked;
    uint64_t expires_at_ms;
    struct sha256 secret_hash;
    struct sha256 previous_hash; // see struct key
    uint64_t previous_until_ms;
    uint64_t opening;         // of a rotation: position of the record that made the key
    struct slice name, owner; // of a creation
};

// Whether that side of a transaction is of a wallet that another shard has.
static inline bool posting_is_elsewhere(const struct posting_side *side) {
    return !id_is_zero(side->wallet) && side->number == 0;
}

// Why not, with the numbers that the sentence needs. Fields that do not matter for the status are
// zero.
struct refusal {
    uint8_t status;  // enum status
    uint8_t id_type; // enum id_type of `id`
    uint8_t detail;  // of limit_exceeded: enum spending_period
    struct id id;    // what it is about: the wallet that cannot, the thing that is missing
    struct id other; // the transaction that has the bank id (zero: an atomic batch has it twice);
                     // of a thing: the wallet that pays there
    char rule[RULE_NAME_BYTES_MAX]; // of refused_by_rule and held_for_review: which; zeros behind
    struct currency currency;
    int64_t asked;      // what was asked: an amount, a limit, a version
    int64_t has;        // what there is: spendable, remaining, refundable, the version
    uint32_t operation; // of an atomic batch: index of the operation that was refused
};

enum id_type refusal_other_type(const struct refusal *refusal);

// What a rule or a watcher found (review.h). Stands in the record that opens it.
struct finding_facts {
    uint32_t rules_version; // of the rule set in force; 0: there was none
    uint8_t score;          // 1 to 100
    uint8_t action;         // enum rule_action: flag or hold
    uint8_t subject_type;   // enum id_type of what it is about
    struct slice texts;     // rule, sentence and ids, see finding.h
};

// A command kept for a later decision (parked.h): `command` stands in the record that opens it, the
// rest of the second half in the one that ends it.
struct parked_facts {
    struct id id, wallet;
    uint8_t cause, status;
    int64_t amount;
    struct currency currency;
    uint64_t expires_at_ms;
    // Money that is held for it, or freed by its end, and the wallet after that; 0: none is.
    int64_t held, wallet_balance, wallet_held;
    bool held_away; // and it is on another shard, which has a record of its own about that
    uint64_t wallet_version;
    struct slice command;   // encoded, without its free texts
    struct slice reference, metadata; // the command's
    uint64_t opening;       // position of the record that opened it
    uint8_t result_type;    // enum id_type of `result`
    struct id result;       // what it made
    struct refusal refusal; // of PARKED_REFUSED: why
    struct slice reason;    // the command's; in the record that ends it: of who decided
    struct finding_facts finding; // of what is no approval
};

struct rules_facts {
    uint32_t version; // grows by one
    struct slice rules; // count x struct rule
};

enum alarm_status { ALARM_DIFFERS, ALARM_RIGHT_AGAIN, ALARM_RESUMED };

struct alarm_facts {
    uint8_t status;       // enum alarm_status
    bool stops;           // payments are stopped until somebody decides
    struct slice message; // a sentence of at most ALARM_BYTES_MAX
};
#define ALARM_BYTES_MAX 767

struct batch_facts {
    uint32_t count;
    // count x u64, little endian: the positions of the records that answer the operations.
    // Positions are multiples of 8; bit 0 is set where an operation was itself a replay.
    struct slice positions;
};

// What DELETE /v1/owners/{owner}/data did.
struct data_key_facts {
    uint64_t number;         // of the key that was destroyed; 0: the owner had none
    uint64_t plain_until_ms; // texts written before then were never sealed; 0: all were
    struct slice owner;
};

struct notes_facts {
    uint32_t count;
    struct slice notes; // one behind the other, see note.h
};

struct record {
    uint8_t kind;      // enum record_kind
    uint8_t operation; // enum command_type that made it
    bool has_key;
    bool queued; // the command came through the queue
    bool judged; // it counts in the habits of its wallets (habits.h)
    // But what something that another shard has decided, and has, means to one wallet here: a side
    // of a transaction, or money held for a payment that waits; to the purchase of a refund. Of a
    // wallet, hold or withdrawal: what an atomic batch did to one of another shard, told here for
    // its answer.
    bool arrives;
    // Of a wallet, hold or withdrawal: an atomic batch of another shard did it, at another time.
    // Together with `arrives`: it is but told here, for an answer.
    bool decided_away;
    uint64_t time_ms; // the round's
    struct origin origin;
    struct digest128 key, request; // zero without a key; of sealed texts half of the second
    uint64_t sealed_by; // decoded: the data key under which the free texts, empty here, are sealed
    struct spent spent; // of who pays, after it; day 0: nothing is counted
    union {
        struct wallet_facts wallet;
        struct transaction_facts transaction;
        struct hold_facts hold;
        struct withdrawal_facts withdrawal;
        struct key_facts api_key;
        struct refusal refusal;
        struct batch_facts batch;
        struct parked_facts parked;
        struct data_key_facts data_key;
        struct cursor cursor;
        struct notes_facts notes;
        struct rules_facts rules;
        struct alarm_facts alarm;
    };
};

// A payment is decided on the shard of who pays, a refund on that of who gets it back: of the other
// side, the far one, that shard may have but what it was told.
static inline const struct posting_side *transaction_near(const struct transaction_facts *facts) {
    return facts->type == TRANSACTION_REFUND ? &facts->credit : &facts->debit;
}
static inline const struct posting_side *transaction_far(const struct transaction_facts *facts) {
    return facts->type == TRANSACTION_REFUND ? &facts->debit : &facts->credit;
}

// Whether it is but what a decision of another shard means here: that shard has the thing itself.
static inline bool record_arrives(const struct record *record) {
    return record->arrives;
}

// Whether it is the one to which the bank's id leads: the payment itself, not what it means to a
// wallet of another shard.
static inline bool record_books_bank_id(const struct record *record) {
    return record->kind == RECORD_TRANSACTION && record->transaction.bank_id.size != 0 &&
           !record_arrives(record);
}

static inline bool record_is_of_thing(const struct record *record) {
    return record->kind == RECORD_WALLET || record->kind == RECORD_HOLD ||
           record->kind == RECORD_WITHDRAWAL;
}

// Whether a refund says here what it means to its purchase, and nothing else.
#define SUBJECT_IS_HERE 1 // subject_status of its record then
static inline bool record_refunds_here(const struct record *record) {
    return record->arrives && record->kind == RECORD_TRANSACTION &&
           record->transaction.type == TRANSACTION_REFUND &&
           record->transaction.subject_status == SUBJECT_IS_HERE;
}

static inline bool posting_is_here(const struct posting_side *side) {
    return !id_is_zero(side->wallet) && side->number != 0;
}

// Whether it is told here for the answer to an atomic batch alone: another shard has it, and did it
// before.
static inline bool record_is_told(const struct record *record) {
    if (!record->arrives)
        return false;
    if (record->kind == RECORD_TRANSACTION)
        return !posting_is_here(&record->transaction.debit) &&
               !posting_is_here(&record->transaction.credit) && !record_refunds_here(record);
    return record->kind == RECORD_PARKED ? record->parked.held == 0 : record->decided_away;
}

// The side whose wallet says where a payment is at home: that which pays, or is paid from outside.
static inline const struct posting_side *transaction_home(const struct transaction_facts *facts) {
    return id_is_zero(facts->debit.wallet) ? &facts->credit : &facts->debit;
}

// Whether it was decided away from its home, in an atomic batch whose home this shard is. Then it
// is the home's shard that remembers the idempotency key. A refund is at home where its purchase
// is, which has given it its slot.
static inline bool record_is_guest(const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    if (record_is_of_thing(record))
        return record->arrives && !record->decided_away;
    if (record->kind != RECORD_TRANSACTION || record->arrives)
        return false;
    return facts->type == TRANSACTION_REFUND ? id_slot(facts->id) != id_slot(facts->subject)
                                             : posting_is_elsewhere(transaction_home(facts));
}

// Appends the record's bytes: a multiple of 8, at most LIMIT_RECORD_BYTES_MAX, with size and CRC32C
// in front. Thread: any. Returns the number of bytes.
size_t record_encode(const struct record *record, struct buffer *buffer);

// Reads one record. Slices of the result point into `bytes`. STATUS_damaged: `ret_invariant` names
// which rule of record.c the bytes break; `ret_record` is undefined then.
MUST_CHECK enum status record_decode(struct slice bytes, struct record *ret_record,
                                     const char **ret_invariant);

// What is left of a record whose checksum does not agree, when it can be read at all: any of it may
// be wrong, so it is for sentences to people alone. Thread: any.
bool record_guess(struct slice bytes, struct record *ret_record);

// The size of the record at the front of `bytes`, without checking the rest; 0 when there is none.
size_t record_size(struct slice bytes);
