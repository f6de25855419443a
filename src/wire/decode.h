// SPDX-License-Identifier: MIT
// From bytes to commands: bodies, queries and headers are read by the rows of the operations table,
// everything that is wrong is collected with a JSON pointer each, and what is right lands in a
// struct command whose texts are copied into the asker's arena.
//
// Bounds. A text has 1 to 255 characters (Unicode code points, so at most 1,020 bytes) and no
// control character (C0, DEL, C1). Metadata has at most 32 entries, names of 1 to 64 bytes and
// values of 1 to 512, also without control characters. JSON null is never valid: a field without a
// value is left out. An empty body is as good as {}.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/id.h"
#include "base/json.h"
#include "base/status.h"
#include "ledger/command.h"
#include "ledger/money.h"
#include "wire/operations.h"
#include "wire/page_cursor.h"

#define WIRE_FAULTS_MAX 20
#define WIRE_TEXT_CHARACTERS_MAX 255

// One thing that is wrong with a request. Both texts live in the arena or for ever.
struct wire_fault {
    struct slice pointer;  // a JSON pointer; of headers and query parameters "/" and the name
    struct slice sentence; // what is expected there, such as "must be true or false"
};

// Starts zeroed.
struct wire_faults {
    struct wire_fault *items; // in the arena
    uint32_t count;           // at most WIRE_FAULTS_MAX
    uint32_t capacity;
    bool more;                // there were more than these
};

// The currencies beyond ISO 4217 that the configuration declares.
struct wire_currencies {
    const struct currency *customs;
    uint32_t custom_count;
};

// Roles beyond the house's, and which roles are bound to an owner.
struct wire_role {
    struct slice name;
    uint8_t number;
};
struct wire_roles {
    struct wire_role customs[ROLE_MAX + 1];
    uint32_t custom_count;
    uint64_t bound; // bit 1 << number
};

// What decoding needs to know. Everything is borrowed.
struct wire_context {
    struct json_parser *parser; // one per thread
    struct arena *arena;        // of the request: texts, faults and a batch's commands go there
    const struct wire_currencies *currencies;
    const struct id_seal *seal; // opens cursors
    struct origin origin;       // goes into every command
    struct id principal_key;
    uint64_t token_until_ms; // both as in struct command
    uint64_t allowed_commands;  // bit 1 << enum command_type: what the principal may do in a batch;
                                // bit 1 << COMMAND_NONE: send one
    struct slice bound_to;      // the owner whom the principal is bound to; empty: to nobody
    struct slice path_owner;    // of the path, when operation->id_is_owner
    uint8_t closed_guards;      // bit 1 << enum field_guard: fields that are not his to give
    const struct wire_roles *roles; // of the configuration; NULL: none
};

// The headers that are part of a request.
struct wire_headers {
    struct slice idempotency_key;
    struct slice if_match;
    bool has_idempotency_key; // an empty header is given, and not valid
    bool has_if_match;
};

// Filters and page of a list, or the time of a balance. What is not given is zero, but -1 for words
// and UINT64_MAX for `to_ms`.
struct wire_query {
    struct id wallet, merchant;
    struct slice owner, order, bank_id, initiated_by, rule;
    struct currency currency;      // only the code counts
    int wallet_kind, status, type; // enums of ledger/
    // Of the audit: see struct list_query.
    struct slice principal, operation;
    struct id resource;
    int outcome;
    uint64_t from_ms, to_ms;
    struct wire_cursor cursor;
    uint32_t limit;
    bool has_at;
    uint64_t at_ms;
    int depth; // of a check of the books: enum check_depth
};

enum check_depth { CHECK_TOTALS, CHECK_FULL };

// A batch, decoded. faults[i] is NULL unless commands[i] is COMMAND_INVALID and its door
// STATUS_invalid_request.
struct wire_batch {
    struct command *commands; // in the arena
    struct wire_faults **faults;
    struct json_value operations; // as they came; until the next parse
    uint32_t count;
    bool atomic;
    struct command batch; // atomic only: origin, key and request digest of the whole
};

// Decodes the request of an operation that is a command: its path id (route.id), headers and body,
// behind which JSON_PADDING bytes must be readable. Fills every field of the command but
// secret_hash, because the secret of a new key is the api's to make. STATUS_invalid_request:
// `ret_faults` says why, and `ret_command` must not be used.
// Thread: the one that owns context->parser.
MUST_CHECK enum status wire_decode_command(const struct wire_context *context,
                                           const struct operation *operation, struct id id,
                                           const struct wire_headers *headers, struct slice body,
                                           struct command *ret_command,
                                           struct wire_faults *ret_faults);

// Decodes the body of a write that makes no command of the books, and its idempotency key, into the
// fields of `ret_command`.
MUST_CHECK enum status wire_decode_fields(const struct wire_context *context,
                                          const struct operation *operation,
                                          const struct wire_headers *headers, struct slice body,
                                          struct command *ret_command,
                                          struct wire_faults *ret_faults);

// Decodes POST /v1/batches. An operation that is wrong or not allowed becomes COMMAND_INVALID with
// its `door` (invalid_request, forbidden, or not_found for an id in place of a path's that no such
// thing can have), and the rest goes on. STATUS_invalid_request: the whole is malformed (JSON,
// unknown fields, no or too many operations, headers). Of a batch that is not atomic, the header's
// key gives each operation without a key one of its own.
// Thread: the one that owns context->parser.
MUST_CHECK enum status wire_decode_batch(const struct wire_context *context,
                                         const struct wire_headers *headers, struct slice body,
                                         struct wire_batch *ret_batch,
                                         struct wire_faults *ret_faults);

// Gives an atomic batch that came without a key one.
void wire_give_batch_key(struct wire_batch *batch, struct slice key, struct arena *arena);

// A query parameter, percent-decoded.
struct wire_parameter {
    struct slice name;
    struct slice value;
};

// Decodes an operation's query; UTF-8 is checked here. Unknown and repeated parameters are not
// valid. In a time a space stands for the plus that it was before percent-decoding.
MUST_CHECK enum status wire_decode_query(const struct wire_context *context,
                                         const struct operation *operation,
                                         const struct wire_parameter *parameters,
                                         uint32_t parameter_count, struct wire_query *ret_query,
                                         struct wire_faults *ret_faults);

// Splits what stands behind "?" and decodes "+" and "%XX"; a malformed escape stays as it is.
// Returns how many parameters there are and fills at most `parameters_max`. Thread: any.
uint32_t wire_split_query(struct arena *arena, struct slice query,
                          struct wire_parameter *ret_parameters, uint32_t parameters_max);

// If-Match: exactly one strong tag that is a version, such as "7" with its quotes. False for
// anything else, * and weak tags included.
MUST_CHECK bool wire_parse_if_match(struct slice header, uint64_t *ret_version);
// Idempotency-Key: UTF-8 of 1-255 characters without control characters, taken literally: quotes
// are part of the key.
MUST_CHECK bool wire_idempotency_key_is_valid(struct slice header);
// Whether a Prefer header asks for `respond-async`, or for `wait=SECONDS`.
bool wire_prefers_async(struct slice header);
bool wire_prefers_wait(struct slice header, uint32_t *ret_seconds);

// The digest of a decoded command's request, when decoding did not need it.
struct digest128 wire_request_digest(const struct command *command, struct arena *arena);

// The digest under which an idempotency key is remembered.
struct digest128 wire_key_digest(struct slice principal, struct slice key);

// Notes one more fault; `pointer` and `sentence` must live as long as the arena.
void wire_fault_add(struct arena *arena, struct wire_faults *faults, struct slice pointer,
                    struct slice sentence);
