// SPDX-License-Identifier: MIT
// A command as it travels in the queue: the JSON of its HTTP body, as an operation of a batch has
// it, with `type`, the path's id, a mandatory `idempotency_key` and, if it was given, `if_match`.
#pragma once
#include "base/buffer.h"
#include "wire/decode.h"

// Whether an operation can be queued.
static inline bool wire_is_queueable(const struct operation *operation) {
    return operation->batch_type != NULL || operation->queue_type != NULL;
}

// The version of records of the queue that an operation needs: 1 is what batches take, 2 knows
// changes of wallets too.
static inline uint32_t wire_queue_version(const struct operation *operation) {
    return operation->batch_type != NULL ? 1 : 2;
}

// Appends the document for a request that has been decoded without faults: `body` is what came,
// `id` the path's.
void wire_render_queued(struct buffer *buffer, const struct operation *operation, struct id id,
                        struct slice idempotency_key, bool has_if_match, uint64_t if_match,
                        struct slice body);

// Decodes one; JSON_PADDING bytes must be readable behind it. STATUS_invalid_request: `ret_faults`
// says why, and it can never succeed. STATUS_forbidden, STATUS_not_found: the command is refused by
// that; `ret_command` is then a COMMAND_INVALID with key and digest, so that the refusal is
// remembered.
MUST_CHECK enum status wire_decode_queued(const struct wire_context *context, struct slice json,
                                          struct command *ret_command,
                                          struct wire_faults *ret_faults);
