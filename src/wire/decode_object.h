// SPDX-License-Identifier: MIT
// An object of JSON into a command, by the fields of its operation. For this folder only.
#pragma once
#include <stdbool.h>

#include "wire/decode.h"

// What an operation of a batch has besides the fields of its body.
struct decode_extras {
    struct slice idempotency_key; // empty: none
    bool is_queued; // in: it is from the queue; a field that is not his to give is noted below
    bool is_part;   // in: of an atomic batch; else `if_match` and `batch_index` are understood
    bool has_if_match;
    uint64_t if_match;
    bool has_batch_index;         // the key is that of a batch
    uint32_t batch_index;
    bool guard_is_closed;         // of one from the queue: a field is not his to give
    bool id_is_unknown;           // the id in place of a path's has a form that no such thing has
};

// Starts a command: type, who asks.
void decode_begin(const struct wire_context *context, enum command_type type,
                  struct command *ret_command);

// Decodes the members of `object`. `ret_extras` is NULL for an operation alone; else `type` (known
// already), `idempotency_key` and the path's id as a field are understood too. What is wrong is
// added to `faults`.
void decode_object(const struct wire_context *context, const struct operation *operation,
                   struct json_value object, struct command *command,
                   struct decode_extras *ret_extras, struct wire_faults *faults);

// What stands in an empty body: defaults, and faults for what is required.
void decode_nothing(const struct wire_context *context, const struct operation *operation,
                    struct command *command, struct wire_faults *faults);

// An atomic batch from the queue: as wire_decode_batch.
MUST_CHECK enum status decode_queued_batch(const struct wire_context *context,
                                           struct json_value object,
                                           struct slice idempotency_key,
                                           struct wire_batch *ret_batch,
                                           struct wire_faults *faults);

// Once all fields stand: what follows from them (the slot of an opening; the request's digest, if
// somebody will compare it).
void decode_finish(const struct wire_context *context, struct command *command,
                   bool needs_digest);

// Parses a body. False: a fault was added.
bool decode_parse(const struct wire_context *context, struct slice body,
                  struct json_value *ret_object, struct wire_faults *faults);

// Checks the form of the headers. False: faults were added.
bool decode_headers(const struct wire_context *context, const struct wire_headers *headers,
                    bool takes_if_match, uint64_t *ret_if_match, struct wire_faults *faults);
