// SPDX-License-Identifier: MIT
// How far somebody has come who works through a log beside the books: the publisher of events
// through the feed, a worker through the queue. The books keep the place, so it moves in the same
// commit as what was done up to there, and whoever has been replaced can move it no more.
//
//   claim: epoch + 1, the place stays ──▶ move: same epoch, from exactly where it stands, forwards
//     (the first one: where it wishes) └─▶ reset: epoch + 1, to any place; a person's decision, or
//                                          of whoever holds it, which names its own epoch
//
// Every change raises (epoch, next), compared in this order, so what is older changes nothing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/status.h"

#define CURSOR_OWN_TOPICS_MAX 8

// Stored: values never change.
enum cursor_kind {
    CURSOR_EVENTS = 0, // in the feed: the position of the next record to publish; slot 0
    CURSOR_QUEUE = 1,  // in the queue: the offset of the next command of a slot's partition
    CURSOR_PATTERNS = 2, // in the feed: where patterns over wallets are looked for from; slot 0
    // Before which position the books' history is archived; slot 0. Checksum and source are 128
    // bits of the digest of what was carried over (watch/opening.h).
    CURSOR_ARCHIVE = 3,
    // In a topic of a producer's own, one kind for each (docs/kafka.md): as CURSOR_QUEUE.
    CURSOR_OWN_TOPIC = 4,
    CURSOR_OWN_TOPIC_LAST = CURSOR_OWN_TOPIC + CURSOR_OWN_TOPICS_MAX - 1,
    // In the feed: the position of the next record to deliver to one endpoint of webhooks. Each has
    // a slot of its own, found by its name, which is `source`; `partitions` says whether it is
    // delivered to (events/webhook_place.h).
    CURSOR_WEBHOOK = 12,
    CURSOR_KINDS
};

// Whether it is a place in commands, one per slot; else one in the feed.
static inline bool cursor_is_of_commands(uint8_t kind) {
    return kind == CURSOR_QUEUE || (kind >= CURSOR_OWN_TOPIC && kind <= CURSOR_OWN_TOPIC_LAST);
}

// Whether there are several of them, told apart by their slots.
static inline bool cursor_has_slots(uint8_t kind) {
    return cursor_is_of_commands(kind) || kind == CURSOR_WEBHOOK;
}

struct cursor {
    uint8_t kind; // enum cursor_kind
    uint16_t slot;
    uint32_t partitions; // of the topic, as it was claimed; 0: not known yet
    uint64_t epoch;      // 0: never claimed
    uint64_t next;
    uint64_t checksum; // of the last command done (queue/); 0: none yet
    uint64_t source;   // which cluster and topic the offsets are of; 0: not known yet
};

// Where the log stands behind one command of a guarded submission.
struct cursor_place {
    uint64_t next;
    uint64_t checksum;
};

// What a cursor command asks for. Lives as long as its round.
struct cursor_wish {
    // As it is to be. `epoch` is that which it must still have: of a move always, of a reset when
    // it is not 0.
    struct cursor cursor;
    uint64_t from;        // of a move: where it must stand
    // Of a guarded submission: one per command, in order; the cursor ends behind the last one that
    // was done. NULL: at cursor.next.
    const struct cursor_place *places;
};

#define CURSOR_COUNT (CURSOR_KINDS * LIMIT_SLOTS)
static inline uint32_t cursor_index(enum cursor_kind kind, uint32_t slot) {
    return (uint32_t)kind * LIMIT_SLOTS + slot;
}

enum cursor_change { CURSOR_CLAIM, CURSOR_MOVE, CURSOR_RESET };

// What becomes of `now`. STATUS_fenced: a later epoch holds it; STATUS_out_of_place: it stands
// elsewhere, or its source or partition count is another. Pure; thread: any.
MUST_CHECK enum status cursor_decide(enum cursor_change change, const struct cursor_wish *wish,
                                     const struct cursor *now, struct cursor *ret_after);
// Takes over what is later than what stands; else nothing.
void cursor_apply(const struct cursor *after, struct cursor *cursor);
// Asserts the invariants.
void cursor_check(const struct cursor *cursor);
