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

// Of books that were moved here: what was before. Zero: they were born here.
struct origin_of_books {
    uint64_t moved_ms;   // everything that moved is older, and nothing that is made here
    struct sha256 chain; // where the books ended that these go on from
};

// Takes the folder's lock. STATUS_busy: another process has it; `ret_why` names it.
MUST_CHECK enum status folder_lock(const char *folder, char *ret_why, size_t why_bytes,
                                   int *ret_file);
void folder_unlock(int file);

// Reads the file "books". In a folder without one, and without a journal, new books are born: their
// birth waits in "books.new" until `folder_settle`, so that books without a journal are always a
// loss and never a beginning. STATUS_invalid_request: they have moved. STATUS_damaged: the file
// does not hold, or one of the two is gone; `ret_why` says what to do.
MUST_CHECK enum status folder_birth(struct disk *disk, uint64_t now_ms, char *ret_why,
                                    size_t why_bytes, struct birth *ret_birth,
                                    struct origin_of_books *ret_origin);
// The note that these books have moved: from then on `folder_birth` refuses them.
#define FOLDER_MOVED_BYTES 256
MUST_CHECK enum status folder_moved_write(struct disk *disk, const char *text);
// False: there is none. `ret_text` ends with a zero.
bool folder_moved_read(struct disk *disk, char ret_text[FOLDER_MOVED_BYTES]);

// Reads the file "books" and nothing else.
MUST_CHECK enum status folder_birth_read(struct disk *disk, struct birth *ret_birth,
                                         struct origin_of_books *ret_origin);

// The note that books are moving in: until it is gone `folder_birth` refuses the folder. It says
// which, and the id that they have here, so that a move which broke off begins again.
struct folder_filling {
    struct id from, here;
};
MUST_CHECK enum status folder_filling_write(struct disk *disk, const struct folder_filling *note);
bool folder_filling_read(struct disk *disk, struct folder_filling *ret_note); // false: none
// They are whole: from now on they may be served. Durable when it returns.
MUST_CHECK enum status folder_filling_end(struct disk *disk);
// The file "books" of books that move in.
MUST_CHECK enum status folder_birth_write(struct disk *disk, const struct birth *birth,
                                          const struct origin_of_books *origin);
// Removes whatever a move has left here that broke off, but for its note. STATUS_invalid_request:
// there is something else, and `ret_why` names it; then nothing was removed.
MUST_CHECK enum status folder_empty(struct disk *disk, bool is_ours, char *ret_why,
                                    size_t why_bytes);
// The journal's first segment exists: the birth counts. Does nothing for older books.
MUST_CHECK enum status folder_settle(struct disk *disk);
