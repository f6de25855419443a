// SPDX-License-Identifier: MIT
// What the parts of the journal share: journal.c writes rounds, journal_recover.c finds them again,
// journal_read.c reads them from any thread. Nobody else includes this.
#pragma once
#include <stdatomic.h>

#include "engine/embedded/journal/journal.h"
#include "engine/embedded/journal/journal_flight.h"
#include "engine/embedded/journal/journal_format.h"
#include "engine/embedded/journal/journal_supply.h"

#define JOURNAL_SEGMENTS_MAX                                                                       \
    (UINT64_C(1) << 18) // 64 TiB of full-size segments; the table's pages come when touched

struct journal_segment {
    struct disk_file *file; // owned
    const uint8_t *bytes;   // mapped as a whole
};

struct journal {
    struct disk *disk; // not owned
    struct journal_options options;
    struct journal_books books;
    struct journal_supply supply;
    struct sha256_context *sha; // owned; recovery's

    // Segments are only ever added: an entry stands before the count says so.
    struct journal_segment *segments; // owned, JOURNAL_SEGMENTS_MAX
    _Atomic uint64_t segment_count;
    _Atomic uint64_t published; // where the last durable round ends

    // The writer's. The last durable round:
    struct sha256 chain;
    uint64_t sequence;
    uint64_t time_ms;
    uint64_t last_round; // where it starts; 0: there is none
    uint64_t synced;     // up to where everything is known to be durable
    bool is_closed;      // it is a closing round
    // The open round:
    uint64_t place; // where the next round starts, or the open one did
    uint64_t round_time_ms;
    bool is_open;
    bool is_new;         // nothing was committed since opening
    enum status failure; // what went wrong where nothing could be returned
    struct buffer round; // header and records
    // The round before it, on its way:
    struct journal_flight flight;

    _Atomic uint64_t stat_rounds;
};

static inline uint64_t journal_segment_count(const struct journal *journal) {
    return atomic_load_explicit(&journal->segment_count, memory_order_acquire);
}

static inline void journal_add_segment(struct journal *journal, struct disk_file *file,
                                       const uint8_t *bytes) {
    uint64_t count = atomic_load_explicit(&journal->segment_count, memory_order_relaxed);
    CHECK(count < JOURNAL_SEGMENTS_MAX);
    journal->segments[count] = (struct journal_segment){.file = file, .bytes = bytes};
    atomic_store_explicit(&journal->segment_count, count + 1, memory_order_release);
}

// journal.c: takes the next segment, whose header repeats the journal's last round. Sets `place`.
MUST_CHECK enum status journal_take_segment(struct journal *journal);
// Where the chain of the first round begins.
struct sha256 journal_chain_begin(const struct journal *journal);

// journal_recover.c: reads what is there; the journal stands behind its last round then.
// STATUS_not_found: there are no segments at all.
MUST_CHECK enum status journal_recover(struct journal *journal, const struct journal_replay *replay,
                                       char *ret_why, size_t why_bytes);

// journal_again.c: writes bytes of a segment again and syncs them, such that no interruption can
// spoil them.
MUST_CHECK enum status journal_again_write(struct journal *journal, uint64_t number,
                                           uint64_t offset, uint64_t size);
// Finishes what an interrupted start began. Segments are open, their rounds not read yet.
MUST_CHECK enum status journal_again_finish(struct journal *journal);

// journal_read.c: the header of the round that covers the byte before `end`, looking back from
// there to the beginning of its segment; false when there is no round before it in that segment.
// Thread: any.
bool journal_round_before(const struct journal *journal, uint64_t end,
                          struct journal_round_header *ret_header);
