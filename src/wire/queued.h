// SPDX-License-Identifier: MIT
// A command as it travels in the queue: the JSON of its HTTP body, as an operation of a batch has
// it, with `type`, the path's id, a mandatory `idempotency_key` and, if it was given, `if_match`.
// An operation of a batch without a key of its own has the batch's and its place in the batch,
// `batch_index`: the two are its key, as they are when the batch goes straight to the books. An
// atomic batch is one record: its body with the type "batch" and a key.
#pragma once
#include "base/buffer.h"
#include "wire/decode.h"

// Whether an operation can be queued.
static inline bool wire_is_queueable(const struct operation *operation) {
    return operation->batch_type != NULL || operation->queue_type != NULL;
}

// The version of records of the queue that an operation needs: 1 is what batches take, 2 knows
// changes of wallets too, and 3 keys that are made from a batch's, and atomic batches.
static inline uint32_t wire_queue_version(const struct operation *operation) {
    if (operation->code == OPERATION_BATCH)
        return 3;
    return operation->batch_type != NULL ? 1 : 2;
}

// Appends the document for a request that has been decoded without faults: `body` is what came,
// `id` the path's.
void wire_render_queued(struct buffer *buffer, const struct operation *operation, struct id id,
                        struct slice idempotency_key, bool has_if_match, uint64_t if_match,
                        struct slice body);

#define WIRE_QUEUE_VERSION_BATCH 3
#define WIRE_NO_BATCH_INDEX      UINT32_MAX

// An operation's own key; empty: it has none. Lives as long as the document.
struct slice wire_own_key(struct json_value operation);
// Appends the document of a batch's operation that was decoded without faults. `batch_index`: its
// place in the batch whose key that is; WIRE_NO_BATCH_INDEX: the key is its own.
void wire_render_queued_operation(struct buffer *buffer, struct json_value operation,
                                  struct slice idempotency_key, uint32_t batch_index);

// Decodes one; JSON_PADDING bytes must be readable behind it. STATUS_invalid_request: `ret_faults`
// says why, and it can never succeed. STATUS_forbidden, STATUS_not_found: the command is refused by
// that; `ret_command` is then a COMMAND_INVALID with key and digest, so that the refusal is
// remembered. Of an atomic batch `ret_batch` has the operations, and `ret_command` its origin, key
// and digest; of all else its count is 0.
MUST_CHECK enum status wire_decode_queued(const struct wire_context *context, struct slice json,
                                          struct command *ret_command,
                                          struct wire_batch *ret_batch,
                                          struct wire_faults *ret_faults);
