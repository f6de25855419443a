// SPDX-License-Identifier: MIT
// A chain of blocks filled front to back. The first block always has the arena's own size, also
// when the first wish is larger: it is the one that is kept, and one big request must not make
// every arena big for ever.
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>

#include "base/ahead.h"
#include "base/check.h"
#include "base/memory.h"

#define ARENA_ALIGNMENT 16

struct arena_block {
    alignas(ARENA_ALIGNMENT) struct arena_block *next; // NULL in the last one
    size_t capacity;                                   // bytes that follow this header
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGNMENT == 0, "what follows is aligned");

static uint8_t *arena_block_bytes(struct arena_block *block) {
    return (uint8_t *)(block + 1);
}

static void arena_add_block(struct arena *arena, size_t capacity) {
    struct arena_block *block = memory_take(sizeof(*block) + capacity);
    block->next = NULL;
    block->capacity = capacity;
    if (arena->first == NULL)
        arena->first = block;
    else
        arena->current->next = block;
    arena->current = block;
    arena->used = 0;
}

void arena_init(struct arena *arena, size_t block_bytes) {
    CHECK(block_bytes > 0);
    size_t rounded = (block_bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    *arena = (struct arena){.block_bytes = rounded};
}

void *arena_take(struct arena *arena, size_t size) {
    CHECK(size <= PTRDIFF_MAX / 2);
    size_t rounded = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (arena->first == NULL)
        arena_add_block(arena, arena->block_bytes);
    if (arena->current->capacity - arena->used < rounded)
        arena_add_block(arena, rounded > arena->block_bytes ? rounded : arena->block_bytes);
    void *taken = arena_block_bytes(arena->current) + arena->used;
    arena->used += rounded;
    return taken;
}

struct slice arena_copy(struct arena *arena, struct slice bytes) {
    uint8_t *copy = arena_take(arena, bytes.size);
    if (bytes.size != 0)
        memcpy(copy, bytes.bytes, bytes.size);
    return slice_of(copy, bytes.size);
}

void arena_ahead(const struct arena *arena, size_t size) {
    if (arena->first != NULL)
        ahead_write(arena->first, sizeof(struct arena_block) + size);
}

static void arena_free_chain(struct arena_block *block) {
    while (block != NULL) {
        struct arena_block *next = block->next;
        memory_free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena) {
    arena->used = 0;
    if (arena->first == NULL)
        return;
    arena_free_chain(arena->first->next);
    arena->first->next = NULL;
    arena->current = arena->first;
}

void arena_done(struct arena *arena) {
    arena_free_chain(arena->first);
    arena->first = NULL;
    arena->current = NULL;
    arena->used = 0;
}
