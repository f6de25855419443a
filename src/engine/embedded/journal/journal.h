// SPDX-License-Identifier: MIT
// The journal is the truth: rounds of records in pre-written segments, chained by SHA-256, one sync
// per round. Its bytes and numbered invariants stand at the top of journal_format.h.
//
// A position is a record's place for ever: segment number x JOURNAL_SEGMENT_BYTES + offset in the
// segment's file. It is a multiple of 8 and known while the round is still being filled, because
// ids are made of it. Position 0 is no record.
//
// Thread: the writer, but for journal_read, journal_published and journal_stats.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/disk.h"
#include "base/hash.h"
#include "base/status.h"

#define JOURNAL_SEGMENT_BYTES (UINT64_C(256) << 20)
#define JOURNAL_BLOCK_BYTES   4096

struct journal;

struct journal_options {
    uint64_t segment_bytes; // JOURNAL_SEGMENT_BYTES; tests take less. Books keep the size they were
                            // made with.
    uint64_t free_bytes_min; // below this much free disk, writes are refused (storage_full)
    bool is_single_threaded; // no thread prepares the disk, the writer does: one order of calls
                             // (simulations)
    // Called on the writer's thread when a segment is full and its successor was taken: the index
    // seals its tables.
    void (*segment_ended)(void *context, uint64_t segment, uint64_t end_position, uint64_t time_ms);
    // Called on the flight's own thread when a round that was begun has arrived or failed, and
    // `is_over` says so. Must not wait for another flight. NULL: nobody wants to know.
    void (*arrived)(void *context);
    void *context;
    // Of books that were moved here: their chain goes on from another one, and no round of theirs
    // that is made here is earlier. 0: they were born here.
    uint64_t moved_ms;
    struct sha256 moved_chain;
    bool is_moving_in; // those that move are being written, which are earlier
};

// What to do with what is found while opening.
struct journal_replay {
    uint64_t from; // 0: the beginning; else the `end` of an earlier round (a checkpoint's)
    struct sha256 from_chain; // the chain at `from`
    // One record, whose bytes live during the call. False stops with STATUS_damaged; the callback
    // may write its own reason to the caller's `ret_why`. NULL: records are only checked.
    bool (*record)(void *context, uint64_t position, struct slice bytes, uint64_t time_ms);
    // As in the options, for segments that ended at or after `from`. May be NULL.
    void (*segment_ended)(void *context, uint64_t segment, uint64_t end_position, uint64_t time_ms);
    void *context;
};

// Opens or makes the journal in `disk` (names "journal/<20 digits>.segment"), checks every round
// from `replay->from` on, hands out its records in order, writes and syncs again what lies after
// the last position proven synced, cuts a torn tail with a logged line. STATUS_damaged: a bad round
// before the last proven synced position or in front of a closing record; `ret_why` (caller's, >=
// 256 bytes) names file, offset and invariant.
MUST_CHECK enum status journal_open(struct disk *disk, const struct journal_options *options,
                                    const struct journal_replay *replay, char *ret_why,
                                    size_t why_bytes, struct journal **ret_journal);

// Writes the closing record (unless the journal failed) and closes. Accepts NULL.
void journal_close(struct journal *journal);

// The time of the last round in the journal: the next one must not be earlier.
uint64_t journal_time_ms(const struct journal *journal);

// Takes room on the disk for `bytes` more records before anything is decided. STATUS_storage_full
// when there is too little; reads go on. Thread: the writer.
MUST_CHECK enum status journal_room(struct journal *journal, size_t bytes);

// Begins a round, or goes on with the open one if `bytes_max` more bytes of records fit into the
// segment with it; else false: the caller commits the open round first and begins again (which
// takes the next segment).
bool journal_round_fits(const struct journal *journal, size_t bytes_max);
// `time_ms` is never earlier than journal_time_ms, and that of the open round when going on. Taking
// the next segment may fail; the commit returns that.
void journal_round_begin(struct journal *journal, uint64_t time_ms, size_t bytes_max);
bool journal_round_is_open(const struct journal *journal);

// The open round's records are appended here by record_encode; the next record's position is
// journal_next_position. The buffer begins with room for the round's header, so it is never empty.
// The caller may cut it back to an earlier size (undoing an atomic batch).
struct buffer *journal_round_buffer(struct journal *journal);
uint64_t journal_next_position(const struct journal *journal);

// Seals the open round (header, padding, chain) and makes it durable: one write, one fdatasync. On
// failure the process must stop: the round may or may not be found at the next start. An empty
// round is dropped without a write.
MUST_CHECK enum status journal_commit(struct journal *journal);

// The same in two halves, for big rounds: `begin` seals the open round and hands it to a thread,
// and the next one may be opened and filled while it is on its way; `wait` says what became of it.
// Only then is it published and journal_head names it. One at a time: beginning or committing
// another waits for the one before, and so does taking a segment. `is_over` asks without waiting,
// true also when nothing is on its way.
MUST_CHECK enum status journal_commit_begin(struct journal *journal);
bool journal_commit_is_over(const struct journal *journal);
MUST_CHECK enum status journal_commit_wait(struct journal *journal);

// Where the last durable round ends, and the chain there.
uint64_t journal_published(const struct journal *journal); // any thread (atomic)
void journal_head(const struct journal *journal, uint64_t *ret_end,
                  struct sha256 *ret_chain); // writer

// The bytes of the durable record at `position`, mapped: they live as long as the journal. Empty
// slice when there is no record there (a forged position). Only the frame is checked (size within
// the round area), not the checksum. Thread: any.
struct slice journal_read(const struct journal *journal, uint64_t position);
// Asks for the memory of the record's beginning, ahead of reading it. Any position.
void journal_ahead(const struct journal *journal, uint64_t position);

// The record at `position` of the open round, of the one on its way, or a durable one. Thread: the
// writer. The slice of an open round moves when more records are appended.
struct slice journal_read_open(const struct journal *journal, uint64_t position);

// Walks on: the first record at or after `position` (0: the first of all), skipping padding,
// headers and segment ends, and below journal_published. False at the end. `ret_next` is where to
// go on. Thread: any.
bool journal_next(const struct journal *journal, uint64_t position, uint64_t *ret_position,
                  struct slice *ret_bytes, uint64_t *ret_next);

// Walks back from `position` (journal_published: from the newest): each call gives the record
// before. It remembers where the records of the present round stand, so a long way back costs as
// much as the same way forward. Thread: any, one at a time per walk. `journal_walk_done` accepts a
// zeroed walk.
struct journal_walk {
    const struct journal *journal;
    uint64_t before;       // where the records still to come end
    uint64_t round_before; // start of the round before the present one; 0: none
    bool is_inside;        // a round was entered, so round_before counts
    uint64_t *positions;   // owned; records of the present round still to be given
    size_t count, capacity;
};
void journal_walk_init(struct journal_walk *walk, const struct journal *journal, uint64_t position);
// False at the beginning of the journal.
bool journal_walk_previous(struct journal_walk *walk, uint64_t *ret_position,
                           struct slice *ret_bytes);
void journal_walk_done(struct journal_walk *walk);

// A position such that every round at or after it has a time >= time_ms, and every round before it
// an earlier one (binary search over rounds). Thread: any.
uint64_t journal_find_time(const struct journal *journal, uint64_t time_ms);

struct journal_stats {
    uint64_t bytes, segments, rounds, sync_count, sync_ns_total, sync_ns_max;
    bool storage_full;
};
void journal_stats(const struct journal *journal, struct journal_stats *ret_stats);
