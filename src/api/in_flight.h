// SPDX-License-Identifier: MIT
// What is under way between shards, for whoever asks whether the books are right.
#pragma once
#include "engine/engine.h"
#include "watch/integrity.h"

// False: the books have no shards, or not all can be asked; `ret_found` is empty then. To be given
// to in_flight_done in either case.
bool in_flight_look(struct engine *engine, struct in_flight *ret_found);
void in_flight_done(struct in_flight *found);

// Since when the oldest is under way; `none` when nothing is.
uint64_t in_flight_oldest_ms(const struct in_flight *found, uint64_t none);
// What does not add up is a difference of the report.
void in_flight_differs(const struct in_flight *found, struct integrity_report *report);
// What has been under way for too long is a finding, though no difference.
void in_flight_is_old(const struct in_flight *found, uint64_t now_ms,
                      struct integrity_report *report);

// A slot that goes from one shard to another is on neither for a moment, or for seconds when nobody
// finishes the move, and sums are without it. This waits for it, until so long after `since_ns`.
// False: it is still on its way, and `ret_why` says so, or (empty) not all shards can be asked.
bool in_flight_has_all_slots(struct engine *engine, uint64_t since_ns,
                             struct engine_whole *ret_whole,
                             char ret_why[INTEGRITY_MESSAGE_BYTES]);
