// SPDX-License-Identifier: MIT
// Whose feed is told, and in which order. Of books on several shards each shard has a feed of its
// own, which is told by itself; a wallet's changes are in that of the shard which made them. When
// its slot moves, the records that came along are told where they were made and passed here; and
// what is made here waits until whoever had the slot has told what came before it:
//
//   another shard has told all that is older than this record (a slot's numbers grow, on whichever
//   shard), or all that it had when this shard learned of its slots as they are now.
//
// The shard with the oldest record that is not told waits for nobody, so two never wait for each
// other.
#pragma once
#include "engine/wait.h"

struct feed_source {
    struct engine *engine; // whose feed it is
    struct engine *house;  // the books as a whole; the same when they are on one server
    struct engine *others[STANDING_PLACES_MAX]; // the books' other shards
    uint32_t other_count;                    // 0: there are none
};

// One for each shard of the books, or one for books on one server; returns how many. Thread: any.
uint32_t feed_sources(struct engine *house, struct feed_source ret_sources[STANDING_PLACES_MAX]);

enum feed_turn {
    FEED_TELL,
    FEED_PASS, // another shard has told it, or will
    FEED_WAIT, // another shard tells something first
};

// Where somebody has told that other shard: kind and slot. False: that is not known yet.
typedef bool (*feed_place)(void *context, uint32_t other, struct cursor_wish *ret_wish);

struct feed_other {
    struct engine_wait wait;
    uint64_t reached; // its feed is told so far at least
    uint64_t mark;    // and when it is told so far this shard need not wait for it; 0: not asked
    bool is_settled;
};

struct feed_order {
    const struct feed_source *source;
    feed_place place;
    void *context;
    uint64_t end;    // records from here on are younger than what is known of the slots
    int64_t version; // of the slots; -1: not asked yet
    struct feed_other *others; // owned
};

// Thread, of all but feed_sources: one. `source` is borrowed.
void feed_order_init(struct feed_order *order, const struct feed_source *source, feed_place place,
                     void *context);
void feed_order_done(struct feed_order *order);
// Before the feed is read from there on. False: not now. Waits for the books.
bool feed_order_begin(struct feed_order *order, uint64_t position);
// Whether the next record of the feed is to be told. Waits for the books.
enum feed_turn feed_order_judge(struct feed_order *order, const struct feed_record *found);
