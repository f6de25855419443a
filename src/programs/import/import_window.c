// SPDX-License-Identifier: MIT
// Operations lie behind each other in one text per batch, so gathering a million of them allocates
// nothing.
#include "programs/import/import_window.h"

#include "base/check.h"

bool import_batch_is_full(const struct import_batch *batch) {
    return batch->count == IMPORT_BATCH_OPERATIONS_MAX ||
           batch->text.size >= IMPORT_BATCH_BYTES_MAX;
}

struct import_operation *import_batch_begin(struct import_batch *batch, uint64_t line) {
    CHECK(batch->count < IMPORT_BATCH_OPERATIONS_MAX);
    struct import_operation *operation = &batch->operations[batch->count];
    operation->line = line;
    operation->begin = batch->text.size;
    operation->name = IMPORT_NO_NAME;
    operation->hole_count = 0;
    return operation;
}

void import_batch_end(struct import_batch *batch) {
    struct import_operation *operation = &batch->operations[batch->count];
    CHECK(batch->text.size > operation->begin);
    operation->end = batch->text.size;
    batch->count++;
}

void import_batch_cancel(struct import_batch *batch) {
    batch->text.size = batch->operations[batch->count].begin;
}

void import_batch_reset(struct import_batch *batch) {
    buffer_reset(&batch->text);
    batch->count = 0;
}

bool import_operation_add_to(const struct import_batch *batch,
                             const struct import_operation *operation,
                             const struct import_names *names, struct buffer *body,
                             uint32_t *ret_name) {
    const uint8_t *json = batch->text.bytes + operation->begin;
    size_t size = operation->end - operation->begin;
    size_t copied = 0;
    for (uint32_t at = 0; at < operation->hole_count; at++)
        if (import_names_state(names, operation->holes[at].name) != IMPORT_NAME_MADE) {
            CHECK(import_names_state(names, operation->holes[at].name) == IMPORT_NAME_REFUSED);
            *ret_name = operation->holes[at].name;
            return false;
        }
    for (uint32_t at = 0; at < operation->hole_count; at++) {
        const struct import_hole *hole = &operation->holes[at];
        CHECK(hole->offset >= copied && hole->offset + hole->size <= size);
        buffer_add(body, json + copied, hole->offset - copied);
        buffer_add_slice(body, import_names_id(names, hole->name));
        copied = hole->offset + hole->size;
    }
    buffer_add(body, json + copied, size - copied);
    BUFFER_ADD(body, "}");
    return true;
}
