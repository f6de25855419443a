// SPDX-License-Identifier: MIT
// From records to JSON. An answer is a pure function of the record that decided it (and of the
// record that opened the thing, when that was an earlier one), so a replay is the first answer byte
// for byte; reads add the live state. Fields stand in the order of the API's description, and those
// without a value are left out.
//
// Nothing here knows the engine: api/ points a struct wire_found at what an outcome or a page's
// entry has.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/id.h"
#include "base/status.h"
#include "ledger/command.h"
#include "ledger/owner.h"
#include "ledger/record.h"
#include "ledger/things.h"
#include "wire/decode.h"

// What is known of a thing. Pointers may be NULL; what is live wins over the records.
struct wire_found {
    struct slice record;  // encoded: what decided, or what last described the thing
    struct slice opening; // encoded: what opened the hold or withdrawal; empty: `record` did
    const struct wallet *wallet;
    const struct hold *hold;
    const struct withdrawal *withdrawal;
    const struct parked *parked;
    const struct id *transaction; // of a live withdrawal, when settled
    int64_t refunded;             // of a live purchase; 0 in answers to writes
    uint64_t last_used_at_ms;     // of a key; 0: never, or not known
    const char *role_name;        // of a key with a role of the configuration; else NULL
    uint8_t hidden;               // of a transaction: bits of enum hidden (ledger/owner.h)
    struct slice secret;          // of a new key; empty: not shown (replays, lists)
};

// Appends what a command answers with: the object of a write or read, nothing for
// COMMAND_KEY_REVOKE. Of a record that is a remembered refusal, its problem document. `ret_http` is
// the status code. STATUS_damaged: a record does not decode; nothing was appended.
// Things of lists are rendered as their reads are; keys with COMMAND_KEY_CREATE.
// Thread: any.
MUST_CHECK enum status wire_render_command(struct buffer *buffer, enum command_type type,
                                           const struct wire_found *found, int *ret_http);

// The same for what was done just now, from its record before it is encoded. False: the answer
// needs more than that, and nothing was appended. Thread: any.
bool wire_render_done(struct buffer *buffer, enum command_type type, const struct record *record,
                      uint8_t hidden, int *ret_http);

// The single objects, from decoded records; `opening` may be NULL, and so may what is live.
void wire_render_wallet(struct buffer *buffer, const struct record *record,
                        const struct wallet *live);
void wire_render_transaction(struct buffer *buffer, const struct record *record,
                             const struct record *opening, int64_t refunded, uint8_t hidden);
void wire_render_withdrawal(struct buffer *buffer, const struct record *record,
                            const struct record *opening, const struct withdrawal *live,
                            const struct id *transaction);
void wire_render_hold(struct buffer *buffer, const struct record *record,
                      const struct record *opening, const struct hold *live);
void wire_render_key(struct buffer *buffer, const struct record *record,
                     const struct record *opening, uint64_t last_used_at_ms,
                     const char *role_name, struct slice secret);

void wire_render_erasure(struct buffer *buffer, const struct record *record);
// `opening` is the record that opened it, when `record` is the decision.
void wire_render_approval(struct buffer *buffer, const struct record *record,
                          const struct record *opening, const struct parked *live);

// The operation and the fields of a kept command, each with a comma in front.
void wire_render_request(struct buffer *buffer, const struct command *command);
// A finding; not `whole`: as the one sees it who asked for the payment.
void wire_render_anomaly(struct buffer *buffer, const struct record *record,
                         const struct record *opening, const struct parked *live, bool whole);

// Pages: {"items":[...],"next_cursor":"..."}. `wire_page_item` goes before each item; items are
// numbered from 0. A `next_cursor` of 0 says that there is no more, and is of `list`
// (page_cursor.h).
void wire_page_begin(struct buffer *buffer);
void wire_page_item(struct buffer *buffer, uint32_t item_index);
// `archived_before_ms`: the list ends there because what is older is archived; 0: it does not.
void wire_page_end(struct buffer *buffer, const struct id_seal *seal, const struct sha256 *list,
                   uint64_t next_cursor, uint64_t archived_before_ms);

// Batches: {"results":[...]}. `wire_batch_result` goes before each object or problem, and
// `wire_batch_result_replayed` behind it, if it was a replay.
void wire_batch_begin(struct buffer *buffer);
void wire_batch_result(struct buffer *buffer, uint32_t result_index);
void wire_batch_result_replayed(struct buffer *buffer);
void wire_batch_end(struct buffer *buffer);
// Of an operation that waits in the queue: its id, that it is queued, and where to ask.
void wire_batch_result_queued(struct buffer *buffer, struct slice id);

// GET /v1/wallets/{id}/balance.
struct wire_balance {
    struct id wallet;
    struct currency currency;
    uint64_t at_ms;
    int64_t balance;
    uint64_t version; // 0: no transaction by then; left out
    bool is_now;      // shows `held` and `available` too
    int64_t held;
};
void wire_render_balance(struct buffer *buffer, const struct wire_balance *balance);

// GET /v1/wallets/{id}/limits.
struct spending_limits; // ledger/spending.h
struct wire_limits {
    const struct wallet *wallet;
    struct currency currency;
    struct spent spent; // as of `at_ms`
    uint64_t at_ms;
    const struct spending_limits *limits;
};
void wire_render_limits(struct buffer *buffer, const struct wire_limits *limits);

// GET /check-integrity.
struct wire_integrity_currency {
    struct currency currency;
    uint64_t wallet_count;
    money_total wallet_balances, deposits, withdrawals, difference;
};
struct wire_integrity_check {
    const char *name;     // a word, such as "held"
    const char *sentence; // what must be true
    uint64_t count;       // how many things were looked at
    uint64_t differences; // how many of them broke it
};
struct wire_in_flight {
    struct currency currency; // zeros: not known
    uint64_t count, age_ms;   // of the oldest
    money_total amount;
};
struct wire_recount {
    uint64_t finished_ms; // of the last one; 0: none yet
    uint64_t took_ms, count;
    uint32_t progress; // of the present one, in thousandths; 0: none
};
struct wire_integrity {
    bool consistent;
    struct slice message;
    const struct wire_integrity_currency *currencies;
    uint32_t currency_count;
    const struct wire_integrity_check *checks;
    uint32_t check_count;
    const struct wire_in_flight *in_flight;
    uint32_t in_flight_count;
    uint64_t as_of_ms;
    uint64_t took_us;
    struct wire_recount recount;
    bool payments_stopped;
    bool is_full; // every record was added up for this answer
};
// GET /v1/wallets/{id}/integrity.
struct wire_proof {
    struct id wallet;
    bool consistent;
    struct slice message;
    struct currency currency;
    int64_t balance, held;
    uint64_t version;
    uint64_t posting_count, hold_count, withdrawal_count; // the latter two: open, pending
    uint64_t as_of_ms;
    uint64_t took_us;
};
void wire_render_proof(struct buffer *buffer, const struct wire_proof *proof);
void wire_render_integrity(struct buffer *buffer, const struct wire_integrity *integrity);

// GET /v1/audit: one entry of a record (ledger/audit.h). STATUS_damaged: the record does not decode
// or has no such entry; nothing was appended.
MUST_CHECK enum status wire_render_audit(struct buffer *buffer, const struct wire_roles *roles,
                                         struct slice bytes, uint32_t note);
// A queued operation: still queued, refused, or done with what the command answers with.
void wire_render_operation_queued(struct buffer *buffer, struct slice id);
// `operation`: of an atomic batch, the index of the one that undid it, or PROBLEM_NO_OPERATION.
void wire_render_operation_refused(struct buffer *buffer, struct slice id,
                                   const struct refusal *refusal, uint32_t operation);
// Of an atomic batch: what comes before its results, each of which wire_batch_result begins, and
// behind them.
void wire_render_operation_batch(struct buffer *buffer, struct slice id);
void wire_render_operation_batch_end(struct buffer *buffer);
MUST_CHECK enum status wire_render_operation_done(struct buffer *buffer, struct slice id,
                                                  enum command_type type,
                                                  const struct wire_found *found);

// What operators see of the queue (GET /v1/queue, GET /v1/dead-letters) and decide there. Names of
// topics and states need no escapes.
struct wire_queue_stop {
    bool has_slot; // else the whole partition
    uint32_t slot;
    int64_t record;
    struct slice why;
};
struct wire_queue_partition {
    const char *topic, *principal, *state; // principal: NULL: of nobody alone
    uint32_t partition;
    uint64_t first, last;
    bool has_log;
    int64_t log_begins, log_ends;
    const struct wire_queue_stop *stops;
    uint32_t stop_count;
};
struct wire_letter {
    int32_t partition;
    int64_t offset;
    uint64_t time_ms;
    struct slice reason, topic, from_partition, from_offset, principal, key, value;
    int64_t repeats; // the offset of an earlier letter of the same record; -1: there is none
};
void wire_render_queue_partition(struct buffer *buffer, const struct wire_queue_partition *one);
void wire_render_queue_decision(struct buffer *buffer, const char *topic, uint32_t partition,
                                uint64_t next);
void wire_render_letter(struct buffer *buffer, const struct wire_letter *letter);

// An endpoint of webhooks. Texts are plain; times are 0 and texts NULL when there are none.
struct wire_webhook {
    const char *name, *url, *state, *oldest_event, *last_error;
    const char *types[16];
    uint32_t type_count;
    uint64_t position, feed_end, waiting, lag_s, last_error_ms, last_delivered_ms;
};
void wire_render_webhook(struct buffer *buffer, const struct wire_webhook *webhook);

// The ETag of a wallet: "7" with its quotes.
void wire_render_etag(struct buffer *buffer, uint64_t version);
