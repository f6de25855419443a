// SPDX-License-Identifier: MIT
// The data folder: one process at a time, and the file "books" with what these books were born
// with.
#pragma once
#include "engine/embedded/books.h"

// What is made once and never changes.
struct birth {
    struct id id;         // of the books
    uint8_t seal_key[16]; // of the ids' permutation
    uint64_t hash_seed;   // of the index's fingerprints
    uint64_t created_ms;
};

// Takes the folder's lock. STATUS_busy: another process has it; `ret_why` names it.
MUST_CHECK enum status folder_lock(const char *folder, char *ret_why, size_t why_bytes,
                                   int *ret_file);
void folder_unlock(int file);

// Reads the file "books", or makes it when the folder has no journal yet. STATUS_damaged: it does
// not hold, or it is gone while there is a journal.
MUST_CHECK enum status folder_birth(struct disk *disk, uint64_t now_ms, char *ret_why,
                                    size_t why_bytes, struct birth *ret_birth);
