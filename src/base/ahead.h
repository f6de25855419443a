// SPDX-License-Identifier: MIT
// Asking for memory before it is needed. What another thread has read last lies in another
// processor's cache, and a store to it waits for a hundred nanoseconds; worse, loads that follow
// wait behind it. So whoever fills a large buffer front to back asks for the lines ahead.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define AHEAD_LINE_BYTES 64

// The memory need not exist: asking never fails. Lines from `begin` to `begin + size`.
static inline void ahead_write(const void *begin, size_t size) {
    for (size_t offset = 0; offset < size; offset += AHEAD_LINE_BYTES)
        __builtin_prefetch((const uint8_t *)begin + offset, 1, 3);
}

static inline void ahead_read(const void *begin, size_t size) {
    for (size_t offset = 0; offset < size; offset += AHEAD_LINE_BYTES)
        __builtin_prefetch((const uint8_t *)begin + offset, 0, 3);
}
