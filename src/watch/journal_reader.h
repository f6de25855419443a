// SPDX-License-Identifier: MIT
// Reads the embedded engine's journal from a cold folder, written anew from the description in
// engine/embedded/journal/journal_format.h, so that a mistake of the engine's own reader is not
// repeated here. It trusts no byte before its checksum and the chain have been followed from the
// beginning, and it writes nothing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"

#define JOURNAL_READER_WHY_BYTES 512

struct journal_reader;

struct journal_reader_round {
    uint64_t position; // of its first record
    uint64_t time_ms;
    struct slice records; // one behind the other; live until the next round is read
};

struct journal_reader_stand {
    uint64_t journal_bytes; // of all segments
    uint64_t bytes_done;
    uint64_t segment_count, round_count;
    uint64_t time_ms;
    struct sha256 chain;
    bool goes_on;              // the first segment says so: from other books, which moved here
    struct sha256 first_chain; // where the chain begins
    bool is_closed;            // the last round is a closing one
    uint64_t unfinished_bytes; // behind the last round; known at the end
};

// STATUS_not_found: there is no journal. `ret_why` (JOURNAL_READER_WHY_BYTES) says what is wrong
// unless STATUS_ok, here and below. The disk must outlive the reader. Thread: one at a time per
// reader.
MUST_CHECK enum status journal_reader_open(struct disk *disk, char *ret_why,
                                           struct journal_reader **ret_reader);
void journal_reader_close(struct journal_reader *reader); // accepts NULL

// Of a journal that a server is still writing: nothing is read from this position on, which was
// published before the reader was opened.
void journal_reader_limit(struct journal_reader *reader, uint64_t position);

// The next round with records. STATUS_end: there are no more; STATUS_damaged: file, offset and
// broken invariant are told.
MUST_CHECK enum status journal_reader_next(struct journal_reader *reader, char *ret_why,
                                           struct journal_reader_round *ret_round);

// The bytes of an earlier record; empty when there is none at that position. They live as long as
// the reader.
struct slice journal_reader_at(const struct journal_reader *reader, uint64_t position);

// Where a position lies: "journal/0....segment, offset 4256".
void journal_reader_place(const struct journal_reader *reader, uint64_t position, char *ret_text,
                          size_t text_bytes);
void journal_reader_stand(const struct journal_reader *reader,
                          struct journal_reader_stand *ret_stand);
