// SPDX-License-Identifier: MIT
// The operations that are gathered before they are sent, as two batches: wallets to be opened, and
// everything else in the file's order. Opening a wallet commutes with all that does not name it, so
// a window sends its wallets first, and a file that says "wallet, deposit, wallet, deposit" still
// fills its batches. Everything else keeps the file's order.
//
// An operation is kept as the JSON that will be sent, with holes where ids of named things go that
// are not known yet; until then the name stands there.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "programs/import/import_names.h"

#define IMPORT_BATCH_OPERATIONS_MAX 1000
#define IMPORT_BATCH_BYTES_MAX (4u * 1024 * 1024) // the server takes 16 MiB
#define IMPORT_HOLES_MAX 8                        // fields of operations that hold an id

struct import_hole {
    uint32_t offset; // in the operation's JSON
    uint32_t size;   // of the name that stands there
    uint32_t name;
};

struct import_operation {
    uint64_t line;
    size_t begin, end; // of its JSON in the batch's text, without the closing brace
    uint32_t name;     // that it makes, or IMPORT_NO_NAME
    uint32_t hole_count;
    struct import_hole holes[IMPORT_HOLES_MAX];
};

struct import_batch {
    struct buffer text;
    uint32_t count;
    struct import_operation operations[IMPORT_BATCH_OPERATIONS_MAX];
};

// Large; lives on the heap.
struct import_window {
    struct import_batch wallets;
    struct import_batch others;
};

// Whether another operation may not fit. Thread: one at a time, as all below.
bool import_batch_is_full(const struct import_batch *batch);
// Begins an operation; its JSON is then written into batch->text.
struct import_operation *import_batch_begin(struct import_batch *batch, uint64_t line);
void import_batch_end(struct import_batch *batch);    // it belongs to the batch now
void import_batch_cancel(struct import_batch *batch); // it never was
void import_batch_reset(struct import_batch *batch);

// Adds an operation as a whole JSON object with its holes filled. False: one of its names was
// refused; then nothing was added and `ret_name` is that name. No name may still wait.
bool import_operation_add_to(const struct import_batch *batch,
                             const struct import_operation *operation,
                             const struct import_names *names, struct buffer *body,
                             uint32_t *ret_name);
