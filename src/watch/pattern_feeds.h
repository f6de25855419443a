// SPDX-License-Identifier: MIT
// The feeds of all shards as one, in the order of their records' times, so that patterns see what
// they would see on one server. A record is handed on once no other shard can have an earlier one:
// it has later ones at hand, or had told all it had some time after the record was read.
//
// What arrived from another shard, and what came along with a slot, is left out: the shard that
// decided it has it in its own feed, and history stays where it was made.
#pragma once
#include "base/buffer.h"
#include "engine/wait.h"

#define PATTERN_MARKS 4096

// Where a feed was at a time.
struct pattern_mark {
    uint64_t at_ms, position;
};

// A record that was read and not handed on yet.
struct pattern_pending {
    uint64_t time_ms, position, next;
    size_t at, size; // in `bytes`
};

struct pattern_feed {
    struct engine *engine; // borrowed
    struct engine_wait wait;
    struct cursor cursor; // as we hold it
    uint64_t read;        // the next record to be read
    uint64_t end;         // where it ended when it was read last
    uint64_t read_ns;     // when that was
    uint64_t empty_ns;    // when there was nothing more in it; 0: there may be
    struct buffer bytes;
    struct pattern_pending *pending; // owned
    uint32_t count, taken;
    struct pattern_mark marks[PATTERN_MARKS]; // a ring
    uint64_t mark_first, mark_count;
};

struct pattern_feeds {
    struct pattern_feed *items; // owned; one for each shard
    uint32_t count;
};

// Thread, of all of these: one. The engine must outlive it.
void pattern_feeds_open(struct pattern_feeds *feeds, struct engine *house);
void pattern_feeds_close(struct pattern_feeds *feeds);
// From where the cursors stand.
void pattern_feeds_begin(struct pattern_feeds *feeds);
// Reads on where nothing is at hand. STATUS_busy: not all could be read. `*ret_any`: something
// came.
MUST_CHECK enum status pattern_feeds_read(struct pattern_feeds *feeds, bool *ret_any);
// The feed whose next record comes first; NULL: there is none, or it must wait for another shard.
struct pattern_feed *pattern_feeds_next(struct pattern_feeds *feeds);
// The time of the oldest record at hand of those feeds that do not begin at the books' beginning,
// newest of all such feeds; 0: all begin there. Before anything was handed on.
uint64_t pattern_feeds_complete_ms(const struct pattern_feeds *feeds);
// The next record of that feed is handed on: its bytes live until the next read.
struct slice pattern_feed_take(struct pattern_feed *feed);
// How far all were handed on, and where they end, as positions that grow with time.
void pattern_feeds_stand(const struct pattern_feeds *feeds, uint64_t *ret_position,
                         uint64_t *ret_end);
// Where that feed was at about `at_ms`, as far as that was marked; 0: not known.
uint64_t pattern_feed_position_at(struct pattern_feed *feed, uint64_t at_ms);
