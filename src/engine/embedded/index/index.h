// SPDX-License-Identifier: MIT
// The index of the embedded engine: from fingerprints (64-bit hashes of keys, bank ids, orders,
// owners) to positions in the journal. It finds candidates only: whoever asks reads the record at
// the position and compares the whole text, so two texts with one fingerprint do no harm. One
// fingerprint may have any number of positions; they come newest first.
//
// Fingerprints must be hashes under a secret seed that belongs to the books (hash64 with a random
// seed), or a client could choose keys that all fall into one place.
//
// The journal is the truth. What is put goes into tables in memory; when the journal ends a
// segment, its tables are sealed and a thread of the index writes them as sorted runs beside the
// journal, merges runs into larger ones and lets runs fall away whose entries are all older than
// their family's retention. After a crash the runs cover the journal up to some position, and the
// engine puts the records behind it again.
//
// Threads: one writer calls what says so; any thread may look up through a snapshot of its own.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "base/status.h"

// What is looked up. The numbers are stored in files. Things with the same retention may share a
// family when their fingerprints are made with different prefixes.
enum index_family {
    INDEX_IDEMPOTENCY = 0, // principal and key -> the record that decided
    INDEX_BANK = 1,        // currency and bank id -> the record that booked it
    INDEX_ORDER = 2,       // order -> transactions and holds
    INDEX_OWNER = 3,       // owner -> wallets
    INDEX_FAMILY_COUNT
};

struct index;

struct index_options {
    struct disk *disk;  // borrowed
    const char *folder; // prefix of all names, "index/"
    uint64_t now_ms;
    uint64_t first_segment; // the number of the journal's very first segment
    // Where the journal's durable rounds end: runs that claim more do not belong to this journal
    // and are dropped. UINT64_MAX when not known yet.
    uint64_t journal_end;
    uint64_t retention_ms[INDEX_FAMILY_COUNT]; // at least this long; 0: for ever
    uint64_t backlog_bytes_max; // sealed tables in memory beyond which index_is_behind says true;
                                // 0: 1 GiB
    bool without_thread;        // simulation and tests: the caller drives index_work
};

// Where the engine must go on putting records.
struct index_covered {
    uint64_t position;      // every record below is in the index
    uint64_t next_segment;  // the first segment that is not whole in the index
    uint32_t damaged_count; // files that did not hold and were set aside as "<name>.damaged"
    char damaged_name[80];  // the first of them, to be logged
};

// Loads the runs, starts the thread. A damaged or missing run costs no answer: the covered position
// falls back to before it, and putting the records from there on again makes it anew (puts and
// seals that a family has already are ignored). STATUS_disk_failed, STATUS_storage_full.
MUST_CHECK enum status index_open(const struct index_options *options,
                                  struct index_covered *ret_covered, struct index **ret_index);

// Writes what is sealed if the disk lets it, stops the thread, frees everything; a disk that hangs
// holds it up. No snapshot may be open. Accepts NULL.
void index_close(struct index *index);

// --- The writer's thread -------------------------------------------------------------------------

// Gets ready for finding and putting this fingerprint in the round at hand. A batch prefetches all
// of its commands first and then decides: a lookup waits for some dozen places in memory, one after
// the other, but for those of many lookups at once when they are known before.
void index_prefetch(struct index *index, enum index_family family, uint64_t fingerprint);

// Adds an entry. Positions are not 0 and never fall within a family, but for what is undone.
void index_put(struct index *index, enum index_family family, uint64_t fingerprint,
               uint64_t position);

// A mark names the puts so far; undoing takes back all later ones, newest first. Marks may be
// nested and live until index_settle, which says that the puts so far stay: call it once per round,
// after its sync.
size_t index_mark(const struct index *index);
void index_undo(struct index *index, size_t mark);
void index_settle(struct index *index);

// The journal has ended `segment` (one more than the last time) at `end_position`, and everything
// in it is durable. The tables of all families are sealed and fresh ones take over; nothing is
// waited for. All puts must be settled; later puts are at or behind `end_position`. `time_ms` is
// the time of the segment's last round.
void index_seal(struct index *index, uint64_t segment, uint64_t end_position, uint64_t time_ms);

// Sealed tables wait in memory beyond the limit: the engine should take writes more slowly. Thread:
// any; one load.
bool index_is_behind(const struct index *index);

// --- Looking up ----------------------------------------------------------------------------------

struct index_view;

// What a lookup sees: the entries below `bound`. May be shared between threads. It keeps memory and
// files alive, so it should not be held for long.
struct index_snapshot {
    struct index *index;
    const struct index_view *view;
    uint64_t bound;
};

// `bound` is a published end of the journal that was read before this call. The caller closes.
// Thread: any.
void index_snapshot_open(struct index *index, uint64_t bound, struct index_snapshot *ret_snapshot);
void index_snapshot_close(struct index_snapshot *snapshot);

// The writer's own snapshot, without a bound: it sees its puts at once. Its cursors end with the
// next put, settle or seal. Nothing to close. Thread: the writer.
const struct index_snapshot *index_own(const struct index *index);

struct index_cursor {
    const struct index_view *view;
    uint64_t fingerprint;
    uint64_t below;   // positions at or above have been seen
    uint64_t sources; // a bit per source that may have it; those beyond the highest bit may too
    uint32_t family;
    uint32_t source; // tables from new to old, then runs from new to old
};

// The newest position under the fingerprint: ok, STATUS_end when there is none, STATUS_damaged when
// a run's entries do not hold (the engine must stop; the file is set aside, so that the next start
// makes it anew).
MUST_CHECK enum status index_find_first(const struct index_snapshot *snapshot,
                                        enum index_family family, uint64_t fingerprint,
                                        struct index_cursor *ret_cursor, uint64_t *ret_position);
// The newest one below `below`: a list goes on where its last page ended, at no more cost than for
// the first page.
MUST_CHECK enum status index_find_below(const struct index_snapshot *snapshot,
                                        enum index_family family, uint64_t fingerprint,
                                        uint64_t below, struct index_cursor *ret_cursor,
                                        uint64_t *ret_position);
// The next older one.
MUST_CHECK enum status index_find_next(struct index_cursor *cursor, uint64_t *ret_position);

// --- The background ------------------------------------------------------------------------------

// Does one piece of the background's work; false when there is none. Only with `without_thread`.
bool index_work(struct index *index);

struct index_stats {
    uint64_t covered_position; // all below lies in durable runs: a checkpoint must not be newer
    uint64_t table_entries;    // in memory, not yet in runs
    uint64_t run_entries;
    uint64_t run_count;
    uint64_t run_count_max; // of the family that has most
    uint64_t run_file_bytes;
    uint64_t run_memory_bytes; // filters and checksums
    uint64_t table_memory_bytes;
    uint64_t backlog_count; // sealed and not yet runs: one per segment and family, empty ones too
    uint64_t backlog_bytes;
    uint64_t flush_count;     // runs written from tables
    uint64_t merge_count;     // merges finished
    uint64_t entries_written; // by flushes and merges
    uint64_t drop_count;      // runs fallen away by age
    uint64_t spare_misses;    // tables the writer had to make itself because no spare was ready
    uint64_t busy_ns;         // the background's working time
    uint64_t damaged_count;   // runs found damaged since the opening
    enum status status;       // of the background's last write; not ok: it is being tried again
};
void index_stats(struct index *index, struct index_stats *ret_stats); // thread: any
