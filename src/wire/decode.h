// SPDX-License-Identifier: MIT
// From bytes to commands: bodies, queries and headers are read by the rows of the operations table, everything that
// is wrong is collected with a JSON pointer each, and what is right lands in a struct command whose texts are copied
// into the asker's arena.
//
// Bounds. A text has 1 to 255 characters (Unicode code points, so at most 1,020 bytes) and no control character (C0, DEL,
// C1). Metadata names have 1 to 64 bytes and values 1 to 512, also without control characters. JSON null is never
// valid: a field without a value is left out. An empty body is as good as {}.
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

#define WIRE_FAULTS_MAX 20
#define WIRE_TEXT_CHARACTERS_MAX 255

// One thing that is wrong with a request. Both live in the arena or for ever.
struct wire_fault {
    struct slice pointer;  // a JSON pointer; of a header or query parameter "/" and its name; "" is the whole body
    struct slice sentence;
};

struct wire_faults {
    uint32_t count;
    bool more; // there were more than these
    struct wire_fault items[WIRE_FAULTS_MAX];
};

// The currencies beyond ISO 4217 that the configuration declares.
struct wire_currencies {
    const struct currency *customs;
    uint32_t custom_count;
};

// What decoding needs to know. Everything is borrowed.
struct wire_context {
    struct json_parser *parser; // one per thread
    struct arena *arena;        // of the request: texts, faults and a batch's commands go there
    const struct wire_currencies *currencies;
    const struct id_seal *seal; // opens cursors
    struct origin origin;       // goes into every command
    struct id principal_key;
    uint64_t allowed_commands;  // bit 1 << enum command_type: operations of a batch that the principal may do
};

// The headers that are part of a request, as far as they were given (else empty).
struct wire_headers {
    struct slice idempotency_key;
    struct slice if_match;
    bool has_idempotency_key; // an empty header is given, and invalid
    bool has_if_match;
};

// Filters and page of a list, or the time of a balance. What is not given is zero (-1 for words; 0 and UINT64_MAX for
// times).
struct wire_query {
    struct id wallet, merchant;
    struct slice owner, order, bank_id, initiated_by;
    struct currency currency; // exponent 0: only the code counts
    int wallet_kind, status, type; // enums of ledger/
    uint64_t from_ms, to_ms;
    uint64_t cursor; // 0: from the newest
    uint32_t limit;
    bool has_at;
    uint64_t at_ms;
};

// A batch, decoded. `faults[i]` is NULL unless commands[i] is COMMAND_INVALID with door STATUS_invalid_request.
struct wire_batch {
    struct command *commands; // in the arena, `count` of them
    const struct wire_faults **faults;
    uint32_t count;
    bool atomic;
    struct command batch; // atomic only: origin, key and request digest of the whole
};

// Decodes the request of an operation that is a command: body, path id (`id`, of route.id) and headers. `text` must be
// followed by JSON_PADDING readable bytes. Fills every field of `ret_command` but secret_hash (COMMAND_KEY_CREATE; the
// secret is the api's to make). STATUS_invalid_request: `ret_faults` says why; `ret_command` is undefined then.
// Thread: the one that owns context->parser.
MUST_CHECK enum status wire_decode_command(const struct wire_context *context, const struct operation *operation,
                                           struct id id, const struct wire_headers *headers, struct slice text,
                                           struct command *ret_command, struct wire_faults *ret_faults);

// Decodes POST /v1/batches. An operation that is wrong or not allowed becomes COMMAND_INVALID with its `door`, and the rest
// goes on. STATUS_invalid_request: the whole is malformed (JSON, unknown fields, no or too many operations, headers).
// An operation's own key is in its command; of a batch that is not atomic, the header's key gives each operation without
// one a key of its own.
MUST_CHECK enum status wire_decode_batch(const struct wire_context *context, const struct wire_headers *headers,
                                         struct slice text, struct wire_batch *ret_batch,
                                         struct wire_faults *ret_faults);

// A query parameter, percent-decoded. Texts live as long as what they were split from.
struct wire_parameter {
    struct slice name;
    struct slice value;
};

// Decodes an operation's query (UTF-8 is checked). Texts go to the arena. Unknown and repeated parameters are invalid.
MUST_CHECK enum status wire_decode_query(const struct wire_context *context, const struct operation *operation,
                                         const struct wire_parameter *parameters, uint32_t parameter_count,
                                         struct wire_query *ret_query, struct wire_faults *ret_faults);

// Splits what stands behind "?" and decodes percent signs; a plus is a space, but stays a plus inside a time's offset.
// Returns how many there are and fills at most `parameters_max`. False escapes are kept as they are.
uint32_t wire_split_query(struct arena *arena, struct slice query, struct wire_parameter *ret_parameters,
                          uint32_t parameters_max);

// If-Match: exactly one strong tag that is a version, such as "7" with its quotes. False for anything else, * included.
MUST_CHECK bool wire_parse_if_match(struct slice header, uint64_t *ret_version);
// Idempotency-Key: 1-255 characters of UTF-8 without control characters, taken literally, quotes included.
MUST_CHECK bool wire_idempotency_key_is_valid(struct slice header);
// Whether Prefer asks for `respond-async`.
bool wire_prefers_async(struct slice header);

// The digest under which an idempotency key is remembered: of the principal and the key.
struct digest128 wire_key_digest(struct slice principal, struct slice key);
