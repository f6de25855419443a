// SPDX-License-Identifier: MIT
// The database's side of archiving history: which partitions there are, what is carried over before
// some go, and their going. The steps are taken in this order, each may be taken again after a
// crash, and nodes serve meanwhile:
//
//   plan ─▶ announce ─▶ write, keep, compare ─▶ (verify, record: watch/, the engine) ─▶ detach
//
// From the announcement on purchases before the line are not refunded any more, so that nothing new
// refers to what is about to go. Up to the record that says what was carried over nothing else has
// changed.
//
// Thread: one. Functions that return a status tell in `why` what went wrong.
#pragma once
#include "engine/engine.h"

// Where to look for whoever has locked something.
#define ARCHIVE_LOCK_HOLDER "in pg_stat_activity its state is 'idle in transaction'"
#define ARCHIVE_WHY_BYTES  512
#define ARCHIVE_NAME_BYTES 64

struct archive;

struct archive_stand {
    uint64_t announced; // records before this one are, or are about to be, archived; 0: none
    uint64_t recorded;  // checks begin at this one; 0: at the first
    uint64_t now_ms;    // the books' time
    uint32_t days;      // for how long idempotency keys are remembered
};

// What detaching everything before a month comes to.
struct archive_plan {
    uint64_t line;          // the first record that stays; 0: there is nothing to do
    uint32_t partition_count;
    uint64_t bytes;         // of disk in them
};

// With the role that owns the schema. `is_alone`: one at a time per database.
MUST_CHECK enum status archive_open(const char *url, bool is_alone, char *ret_why,
                                    struct archive **ret_archive);
void archive_close(struct archive *archive); // accepts NULL

// The table of partitions for people; `text` takes at most `text_bytes`.
MUST_CHECK enum status archive_show(struct archive *archive, char *ret_text, size_t text_bytes,
                                    char *ret_why);
MUST_CHECK enum status archive_stand(struct archive *archive, struct archive_stand *ret_stand,
                                     char *ret_why);
// `month_ms`: when the first month begins that is to stay. Refused when that is too lately.
MUST_CHECK enum status archive_plan(struct archive *archive, const struct archive_stand *stand,
                                    uint64_t month_ms, struct archive_plan *ret_plan,
                                    char *ret_why);

MUST_CHECK enum status archive_announce(struct archive *archive, uint64_t line, char *ret_why);
// Forgets what an earlier run has written for that line.
MUST_CHECK enum status archive_write_begin(struct archive *archive, const char *url, uint64_t line,
                                           char *ret_why);
// In any order; items are written in slices, each committed by itself.
MUST_CHECK bool archive_write(struct archive *archive, const struct opening_item *item);
MUST_CHECK enum status archive_write_end(struct archive *archive, char *ret_why);
// Copies the records before the line that something which stands now still needs, slot by slot.
MUST_CHECK enum status archive_keep(struct archive *archive, uint64_t line, char *ret_why);
// Whether every opening balance is what the wallet's last posting before the line says, whether
// every wallet has one, and whether everything is kept that is needed.
MUST_CHECK enum status archive_compare(struct archive *archive, uint64_t line, char *ret_why);
// Detaches the next partition before the line, or finishes detaching it. An empty name: none is
// left.
MUST_CHECK enum status archive_detach(struct archive *archive, uint64_t line,
                                      char ret_name[ARCHIVE_NAME_BYTES], char *ret_why);
// Forgets what was carried over to lines before this one.
MUST_CHECK enum status archive_forget(struct archive *archive, uint64_t line, char *ret_why);
