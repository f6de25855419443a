// SPDX-License-Identifier: MIT
// The operations of the API, once: method, path, permission, fields with types and bounds, answer,
// possible refusals. The router, the decoder, the permission check, the OpenAPI document, the
// reference in docs/ and the tests that walk every operation read this table, so they cannot
// disagree. A new operation is one row here and one handler in api/.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/id.h"
#include "base/slice.h"
#include "base/status.h"
#include "ledger/command.h"

// Which operation; indexes the table. Stored nowhere, so the order may change; operations of one
// collection stand together.
enum operation_code {
    OPERATION_WALLET_OPEN,
    OPERATION_WALLET_LIST,
    OPERATION_WALLET_READ,
    OPERATION_WALLET_CHANGE,
    OPERATION_WALLET_TRANSACTIONS,
    OPERATION_WALLET_BALANCE,
    OPERATION_WALLET_LIMITS,
    OPERATION_WALLET_INTEGRITY,
    OPERATION_DEPOSIT,
    OPERATION_WITHDRAWAL,
    OPERATION_WITHDRAWAL_LIST,
    OPERATION_WITHDRAWAL_READ,
    OPERATION_SETTLE,
    OPERATION_FAIL,
    OPERATION_PURCHASE,
    OPERATION_REFUND,
    OPERATION_TRANSFER,
    OPERATION_HOLD,
    OPERATION_HOLD_LIST,
    OPERATION_HOLD_READ,
    OPERATION_CAPTURE,
    OPERATION_VOID,
    OPERATION_BATCH,
    OPERATION_TRANSACTION_LIST,
    OPERATION_TRANSACTION_READ,
    OPERATION_OPERATION_READ,
    OPERATION_QUEUE_READ,
    OPERATION_QUEUE_RESET,
    OPERATION_QUEUE_SKIP,
    OPERATION_LETTER_LIST,
    OPERATION_LETTER_RETRY,
    OPERATION_WEBHOOK_LIST,
    OPERATION_WEBHOOK_RESUME,
    OPERATION_WEBHOOK_PAUSE,
    OPERATION_WEBHOOK_SKIP,
    OPERATION_WEBHOOK_REPLAY,
    OPERATION_ADJUSTMENT,
    OPERATION_APPROVAL_LIST,
    OPERATION_APPROVAL_READ,
    OPERATION_APPROVE,
    OPERATION_REJECT,
    OPERATION_ANOMALY_LIST,
    OPERATION_ANOMALY_READ,
    OPERATION_ANOMALY_APPROVE,
    OPERATION_ANOMALY_REJECT,
    OPERATION_ANOMALY_DISMISS,
    OPERATION_CHECK_INTEGRITY,
    OPERATION_RESUME_PAYMENTS,
    OPERATION_KEY_CREATE,
    OPERATION_KEY_LIST,
    OPERATION_KEY_READ,
    OPERATION_KEY_REVOKE,
    OPERATION_KEY_ROTATE,
    OPERATION_ERASE,
    OPERATION_ME,
    OPERATION_AUDIT_LIST,
    OPERATION_HEALTH,
    OPERATION_READY,
    OPERATION_METRICS,
    OPERATION_OPENAPI,
    OPERATION_COUNT
};

enum operation_method { METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_COUNT };

// What a field of a body or query holds, and what it becomes.
enum field_kind {
    FIELD_ID,         // a TypeID of `id_type`                        -> struct id
    FIELD_TEXT,       // 1-255 characters, no control characters      -> struct slice
    FIELD_PLAIN,      // 1-64 printable characters of ASCII             -> struct slice
    FIELD_INTEGER,    // from `minimum` to `maximum`                  -> int64_t or uint32_t
    FIELD_CURRENCY,   // a code of ISO 4217 or of the configuration   -> struct currency
    FIELD_WORD,       // one of `words`: `word_base` + its index      -> uint8_t, in queries int
    FIELD_METADATA,   // an object of texts (ledger/metadata.h)       -> struct slice, encoded
    FIELD_BOOL,       //                                              -> bool
    FIELD_TIME,       // a date or RFC 3339 date-time                 -> uint64_t, milliseconds
    FIELD_CURSOR,     // the `next_cursor` of a page                  -> struct wire_cursor
    FIELD_ANY_ID,     // a TypeID of any type                         -> struct id
    FIELD_OPERATIONS, // the operations of a batch: for wire_decode_batch alone
};

#define FIELD_NO_FLAG UINT16_MAX

// Fields that need a permission of their own, beside their operation's.
enum field_guard {
    GUARD_NONE,
    GUARD_FREEZE, // a wallet's status
    GUARD_CREDIT, // a wallet's credit limit and tier
    GUARD_SETTLE, // what the bank did
    GUARD_COUNT
};

struct field {
    const char *name;
    const char *sentence;     // what it means, for documents
    const char *const *words; // of FIELD_WORD: ends with NULL
    int64_t minimum, maximum; // of FIELD_INTEGER
    int64_t standard;         // the default, of a FIELD_INTEGER, FIELD_WORD or FIELD_BOOL
    uint16_t offset;          // in struct command (bodies) or struct wire_query (queries)
    uint16_t flag;            // offset of a bool "was given", or FIELD_NO_FLAG
    uint8_t size;             // bytes of the destination
    uint8_t name_size;
    uint8_t kind;             // enum field_kind
    uint8_t id_type;          // enum id_type, of FIELD_ID
    uint8_t word_base;        // value of the first word
    uint8_t guard;            // enum field_guard
    bool required;
    bool has_standard;
    bool inverted;            // of FIELD_BOOL: stored as its opposite ("final", "keep_open")
    bool open;                // of FIELD_WORD: roles of the configuration are words too
};

// What an operation answers with when it succeeds.
enum answer_kind {
    ANSWER_NOTHING,
    ANSWER_WALLET,
    ANSWER_TRANSACTION,
    ANSWER_WITHDRAWAL,
    ANSWER_HOLD,
    ANSWER_KEY,
    ANSWER_WALLETS, // pages
    ANSWER_TRANSACTIONS,
    ANSWER_WITHDRAWALS,
    ANSWER_HOLDS,
    ANSWER_KEYS,
    ANSWER_AUDIT,
    ANSWER_BALANCE,
    ANSWER_LIMITS, // on a wallet's spending
    ANSWER_BATCH,
    ANSWER_INTEGRITY,
    ANSWER_ME,
    ANSWER_HEALTH,
    ANSWER_METRICS, // text for Prometheus
    ANSWER_OPENAPI,
    ANSWER_OPERATION,
    ANSWER_APPROVAL,
    ANSWER_APPROVALS,
    ANSWER_PROOF, // of one wallet
    ANSWER_ERASURE,
    ANSWER_ANOMALY,
    ANSWER_ANOMALIES,
    ANSWER_QUEUE,
    ANSWER_QUEUE_DECISION,
    ANSWER_LETTERS,
    ANSWER_WEBHOOKS,
    ANSWER_WEBHOOK,
};

// What else an operation is beside a read or a write; bits.
enum operation_class {
    CLASS_MONEY = 4,    // moves money, holds it, or decides that it moves
    CLASS_WALLETS = 8,  // one wallet: opening, changing, reading
    CLASS_LISTS = 16,   // pages
    CLASS_KEYS = 32,
    CLASS_AUDIT = 64,
    CLASS_BOOKS = 128,  // the books as a whole
};

struct operation {
    const char *name;       // operationId of the OpenAPI document, such as "openWallet"
    const char *path;       // with at most one "{id}", or "{owner}"
    const char *action;     // the path's word behind "{id}/", or ""
    const char *tag;        // chapter of the reference
    const char *summary;    // one sentence
    const char *permission; // a word of access/permissions.h; "none": any live key
    const char *batch_type; // `type` in a batch; NULL: batches do not take it
    const char *batch_id;   // the name of the path's id in a batch or the queue; NULL: has none
    const char *queue_type; // `type` in the queue of what batches do not take; NULL: as in a batch
    const struct field *const *body;
    const struct field *const *query;
    status_set refusals;    // what the ledger may refuse
    uint32_t body_bytes_max;
    uint16_t http;          // status code of success
    uint16_t body_count, query_count;
    uint16_t id_offset;     // of the path's id in struct command
    uint8_t code;           // enum operation_code
    uint8_t method;         // enum operation_method
    uint8_t command;        // enum command_type; COMMAND_NONE: none (lists, batches, checks)
    uint8_t answer;         // enum answer_kind
    uint8_t id_type;        // enum id_type of the path's id
    bool has_id;            // the path has an {id}
    bool id_is_token;       // it is no TypeID but text of its own: route.token
    bool id_is_owner;       // it is the name of an owner: route.token
    bool is_public;         // needs no key
    bool loopback_only;     // is_public holds only for callers on this machine
    bool is_write;          // takes Idempotency-Key
    bool takes_if_match;    // a wallet that exists is changed or pays
    bool may_wait;          // for an approval: then it answers 202 with that
    bool takes_body;        // an empty one is as good as {}
};

// What the router found.
struct route {
    const struct operation *operation;
    struct id id;      // of the path, when operation->has_id
    struct slice token; // in place of it, when operation->id_is_token or id_is_owner
    // After STATUS_not_found: the operation whose path it is but for the id, or NULL; and whether
    // what stands in its place is the id of a thing of another kind.
    const struct operation *almost;
    bool is_other;
    enum id_type other;
    const char *allow; // after STATUS_method_not_allowed: the Allow header, such as "GET, POST"
};

// Thread: any. All pure; results are static storage.
const struct operation *operation_at(enum operation_code code);
// The operation behind `type` of a batch's operation; NULL: no such type.
const struct operation *operation_of_batch_type(struct slice type);
// The same of a record of the queue, which takes more.
const struct operation *operation_of_queue_type(struct slice type);
// The operation that makes commands of this type; NULL for COMMAND_NONE, EXPIRE and INVALID.
const struct operation *operation_of_command(enum command_type type);
// The field that a path's id becomes in a batch; only for operations with a `batch_id`.
const struct field *operation_batch_id_field(const struct operation *operation);
// The permission that a guarded field needs; "none" for GUARD_NONE.
const char *field_guard_permission(enum field_guard guard);
const char *operation_method_name(enum operation_method method); // "GET"
// Every refusal that an operation may answer with, at the door or by the ledger.
status_set operation_statuses(const struct operation *operation);

// Finds the operation behind a method and a path (percent-decoded, without query). HEAD finds what
// GET does. STATUS_not_found: no such path, or an id in it that no such thing can have.
// STATUS_method_not_allowed: `ret_route->allow` says what the path takes, whatever its id. Some
// 30 ns.
MUST_CHECK enum status operation_find(struct slice method, struct slice path,
                                      struct route *ret_route);

// Reads an id leniently: the prefix and 26 digits that fit 128 bits, whatever the bits say. A
// well-formed id that nobody made names a thing that does not exist, and that is the ledger's to
// say.
MUST_CHECK bool operation_parse_id(enum id_type type, struct slice text, struct id *ret_id);

// What has such an id, in words: "a wallet". Thread: any.
const char *operation_thing(enum id_type type);

// Its classes, by what the table says of it. Thread: any.
uint8_t operation_classes(const struct operation *operation);
