// SPDX-License-Identifier: MIT
// Memory from the heap that is never NULL. A server that has run out of memory cannot keep a
// promise that depends on more of it, so it stops with a clear message and its journal answers for
// what was acknowledged.
#pragma once
#include <stddef.h>

// Thread: any. Sizes are in bytes; a size of zero is as good as one. The caller owns what is
// returned and gives it back with `memory_free`. Running out of memory stops the process.
void *memory_take(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_take_zeroed(size_t size) __attribute__((malloc, returns_nonnull));
// Moves `memory` (or NULL) to a place of `size` bytes and keeps the bytes that fit both.
void *memory_resize(void *memory, size_t size) __attribute__((returns_nonnull));
void memory_free(void *memory); // accepts NULL
