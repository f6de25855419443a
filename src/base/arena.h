// SPDX-License-Identifier: MIT
// One lifetime for many small things: a request's fields, texts and answer are taken from its arena
// and given back together. Blocks are kept for the next use, so a steady state allocates nothing.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct arena_block;
struct arena {
    struct arena_block *first;   // owned; the chain of blocks
    struct arena_block *current; // the block being filled
    size_t used;                 // bytes taken of the current block
    size_t block_bytes;          // size of a fresh block
};

// Thread: one at a time per arena. `arena_init` allocates nothing. Memory is 16-byte aligned and
// not zeroed; it lives until `arena_reset` or `arena_done`. Running out of memory stops the
// process.
void arena_init(struct arena *arena, size_t block_bytes);
void *arena_take(struct arena *arena, size_t size);
struct slice arena_copy(struct arena *arena, struct slice bytes);
// Asks for the memory of an empty one's first `size` bytes before they are taken (ahead.h).
void arena_ahead(const struct arena *arena, size_t size);
// Forgets everything, keeps the first block for the next use and frees blocks beyond it.
void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);
