// SPDX-License-Identifier: MIT
// The only file that asks the C library for heap memory: one place to stop when there is none, and
// one place to look when somebody wants to know who allocates.
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

// Beyond this a size is a subtraction gone wrong and not a wish.
#define MEMORY_BYTES_MAX ((size_t)PTRDIFF_MAX)

static void *memory_or_stop(void *memory, size_t size) {
    if (memory == NULL)
        check_failed(__FILE__, __LINE__, "out of memory");
    CHECK(size <= MEMORY_BYTES_MAX);
    return memory;
}

void *memory_take(size_t size) {
    CHECK(size <= MEMORY_BYTES_MAX);
    return memory_or_stop(malloc(size == 0 ? 1 : size), size);
}

void *memory_take_zeroed(size_t size) {
    CHECK(size <= MEMORY_BYTES_MAX);
    return memory_or_stop(calloc(1, size == 0 ? 1 : size), size);
}

void *memory_resize(void *memory, size_t size) {
    CHECK(size <= MEMORY_BYTES_MAX);
    return memory_or_stop(realloc(memory, size == 0 ? 1 : size), size);
}

void memory_free(void *memory) {
    free(memory);
}
