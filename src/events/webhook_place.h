// SPDX-License-Identifier: MIT
// How far one endpoint has been told: a cursor of kind CURSOR_WEBHOOK. Its slot is found by the
// hash of the endpoint's name, or the next ones when that is another's; a place once taken is never
// given to another name, so all nodes find the same. Which of several nodes delivers is observed,
// as with the publisher: whoever sees the cursor stand still for long although there is something
// to tell takes it over. So whoever holds it writes now and then, also while nothing gets through.
#pragma once
#include "engine/wait.h"
#include "events/event_reader.h"

// Stored in the cursor's `partitions`: values never change. Only a person's decision or whoever
// holds it changes it; `checksum` is a mark of the last decision, or says that it was let go.
enum webhook_mode { WEBHOOK_ACTIVE = 1, WEBHOOK_PAUSED = 2, WEBHOOK_GONE = 3 };

struct webhook_place {
    uint16_t slot;
    uint64_t source;    // of the name; 0: not found yet
    struct cursor seen; // as the books had it when they were asked last
    struct cursor held; // as we hold it; epoch 0: we do not
    uint64_t since_ns;  // since when it has stood still
    uint64_t untold;    // before it nothing waits to be told
    uint64_t wrote_ns;  // when we wrote it last
};

static inline bool webhook_place_is_held(const struct webhook_place *place) {
    return place->held.epoch != 0;
}

// Thread, of all that follow: the one of `wait`. They wait for the books.

// Finds the place of a name; a new one is taken, held, and begins at `begin`. Not ok: try again.
MUST_CHECK enum status webhook_place_find(struct webhook_place *place, struct engine_wait *wait,
                                          const char *name, uint64_t begin);
// How it stands. STATUS_ok, or it could not be read.
MUST_CHECK enum status webhook_place_read(const struct webhook_place *place,
                                          struct engine_wait *wait, struct cursor *ret_cursor);
// Takes note of how it stands now. True: nobody seems to deliver, and it may be claimed. When we
// held it and another holds it now, it is held no more.
bool webhook_place_look(struct webhook_place *place, const struct cursor *now, bool alone,
                        struct event_reader *reader);
MUST_CHECK enum status webhook_place_claim(struct webhook_place *place, struct engine_wait *wait);
// Of a place that is held. After any status but ok look at webhook_place_is_held: it was another
// node's already, or it is worth another try.
MUST_CHECK enum status webhook_place_move(struct webhook_place *place, struct engine_wait *wait,
                                          uint64_t next);
MUST_CHECK enum status webhook_place_renew(struct webhook_place *place, struct engine_wait *wait);
MUST_CHECK enum status webhook_place_set_gone(struct webhook_place *place,
                                              struct engine_wait *wait);
// Lets whoever looks next have it at once. Whatever comes of it, it is held no more.
void webhook_place_release(struct webhook_place *place, struct engine_wait *wait);
bool webhook_place_is_due(const struct webhook_place *place, uint64_t now_ns); // to be renewed
// A person's decision about how it stood at `from`, remembered under his key. STATUS_fenced: it
// changed meanwhile.
MUST_CHECK enum status webhook_place_decide(struct engine_wait *wait, const struct cursor *from,
                                            enum webhook_mode mode, uint64_t next,
                                            const struct origin *who,
                                            const struct decision_key *key, bool *ret_replayed);
