// SPDX-License-Identifier: MIT
// Large memory for tables and filters: whole pages from the kernel, huge ones where it gives them,
// because these are read at random and a huge page saves most of the address translations. Given
// back to the kernel when freed.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Thread: any. Zeroed. Running out of memory stops the process. The caller owns the pages and gives
// them back with the same size.
void *index_pages_take(size_t bytes);
// Small pages, for memory that is filled front to back and often not at all: each costs a little
// when it is first touched, where a huge one would hold up the writer.
void *index_pages_reserve(size_t bytes);
// Makes the kernel find all pages now, off the writer's thread: a first touch costs microseconds.
void index_pages_touch(void *pages, size_t bytes);
void index_pages_give(void *pages, size_t bytes); // accepts NULL
