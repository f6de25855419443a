// SPDX-License-Identifier: MIT
// What somebody asks the books to do, decoded and authorised, not yet decided. Texts are slices
// into the asker's arena and live until the round is released.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/status.h"
#include "ledger/cursor.h"
#include "ledger/money.h"
#include "ledger/things.h"

enum command_type {
    COMMAND_NONE,
    // Writes of the API; batches take those from COMMAND_WALLET_OPEN to COMMAND_VOID.
    COMMAND_WALLET_OPEN,
    COMMAND_DEPOSIT,
    COMMAND_WITHDRAWAL,
    COMMAND_SETTLE,
    COMMAND_FAIL,
    COMMAND_PURCHASE,
    COMMAND_REFUND,
    COMMAND_TRANSFER,
    COMMAND_HOLD,
    COMMAND_CAPTURE,
    COMMAND_VOID,
    COMMAND_WALLET_CHANGE,
    COMMAND_KEY_CREATE,
    COMMAND_KEY_REVOKE,
    // The system's own: a hold's time is over.
    COMMAND_EXPIRE,
    // Reads of what is now travel in rounds too: `subject` names the thing.
    COMMAND_READ_WALLET,
    COMMAND_READ_TRANSACTION,
    COMMAND_READ_HOLD,
    COMMAND_READ_WITHDRAWAL,
    // An operation of a batch that failed before the ledger (`door` says how).
    COMMAND_INVALID,
    // The door's own: entries of the audit that no other record tells (note.h), encoded in
    // `metadata`.
    COMMAND_NOTE = 30,
    // A key gets a new secret; the old one opens doors for a while yet.
    COMMAND_KEY_ROTATE = 35,
    // Four eyes: money that the house itself gives or takes, and what becomes of kept commands.
    COMMAND_ADJUSTMENT = 21,
    COMMAND_APPROVE = 22,
    COMMAND_REJECT = 23,
    COMMAND_READ_APPROVAL = 24,
    // The system's own: places in logs beside the books (cursor.h), and what became of a queued
    // command, found by its key.
    COMMAND_CURSOR_CLAIM = 38,
    COMMAND_CURSOR_MOVE = 39,
    COMMAND_CURSOR_RESET = 40,
    COMMAND_READ_CURSOR = 41,
    COMMAND_READ_OPERATION = 42,
    // Destroys the data key of `owner` (seal.h).
    COMMAND_OWNER_FORGET = 43,
    // The system's own: the books differ, or are right again, or somebody lets payments go on;
    // `reason` says how.
    COMMAND_ALARM = 48,
    // Findings of rules (review.h): written by whoever watches, and what people decide about them.
    COMMAND_FINDING = 52,
    COMMAND_ANOMALY_APPROVE = 53,
    COMMAND_ANOMALY_REJECT = 54, // by the system: its time is over
    COMMAND_ANOMALY_DISMISS = 55,
    COMMAND_READ_ANOMALY = 56,
    // The system's own: another set of rules, `metadata` has its bytes (rules.h).
    COMMAND_RULES = 57,
    COMMAND_TYPE_COUNT
};

enum adjustment_direction { ADJUSTMENT_CREDIT, ADJUSTMENT_DEBIT };

// Who asks, from where. Written into every record, so a write's audit entry is its record.
struct origin {
    struct slice principal;  // an API key's id as text, or "system"; <= 255 bytes
    struct slice request_id; // <= 64 bytes
    // W3C trace context: a traceparent of 55 bytes, and behind a space the tracestate if there is
    // one (<= 512 bytes); empty: none.
    struct slice trace;
    uint8_t address[16];     // IPv6, or IPv4 mapped; zero: the system
    uint8_t role;            // enum role
};

struct command {
    uint8_t type; // enum command_type
    uint8_t door; // enum status, of COMMAND_INVALID
    bool has_key; // an idempotency key came with it
    bool has_if_match;
    bool has_amount;         // else "what is left" (refund, capture)
    bool has_credit_limit;   // of a change
    bool has_tier;           // of a change
    bool has_status;         // of a change
    bool has_metadata;       // of a change: an empty object was given or not
    bool keep_open;          // of a capture: "final" is false
    bool approved;           // somebody else has approved it (parked.h)
    uint8_t direction;       // of an adjustment: enum adjustment_direction
    bool queued;             // it came through the queue: whatever it ends in is remembered
    uint8_t wallet_kind;     // of an opening
    uint8_t wallet_tier;     // of an opening or a change
    uint8_t wallet_status;   // of a change
    uint8_t alarm;           // enum alarm_status
    bool stops;              // of an alarm: payments are stopped
    uint8_t key_role;        // of a new key
    uint32_t expires_in_s;   // of a hold or key; 0 (keys only): never; of a rotation: as it was
    uint32_t overlap_s;      // of a rotation: how long the old secret still opens doors
    uint32_t slot;           // of what it opens (wallet: from the owner); else unused
    // Who asks is an API key of the books (principal_key), or somebody whom an issuer of tokens
    // vouches for (token_until_ms), or the system (neither).
    struct id principal_key;
    uint64_t token_until_ms; // the token is good before that
    struct slice bound_to;   // the owner whom the principal is bound to (bound.h); empty: to nobody
    struct id wallet;        // who pays; the receiver of a deposit; the one changed
    struct id counterparty;  // merchant of a purchase or hold, payee of a transfer
    struct id subject;       // hold, withdrawal, purchase, key or thing read
    uint64_t if_match;       // a wallet's version
    int64_t amount;          // minor units
    int64_t credit_limit;
    struct currency currency;  // of an opening: required; else optional
    struct digest128 key;      // of principal and idempotency key
    struct digest128 request;  // of operation, path and decoded fields, in two halves (request.h)
    struct sha256 secret_hash; // of a new key
    struct slice owner;
    struct slice bank_id;
    struct slice order;
    struct slice reference;
    struct slice reason;
    struct slice metadata; // encoded, see metadata.h; empty: none
    struct slice name;     // of a key
    struct origin origin;
    uint8_t score;                    // of a finding: 1 to 100
    const struct cursor_wish *cursor; // of cursor commands
    uint64_t found[2]; // the engine's own: where it found `wallet` and `counterparty`; 0: not yet
};

// The API's name of a command: "deposit", "wallet", ...; static storage.
const char *command_type_name(enum command_type type);
// Numbers between the types are kept for later ones.
bool command_type_is_known(enum command_type type);
static inline bool command_is_read(enum command_type type) {
    return (type >= COMMAND_READ_WALLET && type <= COMMAND_READ_WITHDRAWAL) ||
           type == COMMAND_READ_CURSOR || type == COMMAND_READ_OPERATION ||
           type == COMMAND_READ_APPROVAL || type == COMMAND_READ_ANOMALY;
}
static inline bool command_is_of_cursor(enum command_type type) {
    return type >= COMMAND_CURSOR_CLAIM && type <= COMMAND_READ_CURSOR;
}
// Readable from the command alone: the slot of the wallet that pays or is changed, of the hold,
// withdrawal or purchase, of the owner of what is opened, or of the cursor. Keys have slot 0.
uint32_t command_home_slot(const struct command *command);
// Whether the command's outcome is final and kept under its key.
bool command_outcome_is_remembered(const struct command *command, enum status status);
