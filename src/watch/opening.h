// SPDX-License-Identifier: MIT
// What the books add up to before a line, in items that are carried over when the history before it
// is archived: a tally, and where the chains stood. Whoever checks the books begins with them, and
// with a digest over them that is itself a record behind the line, so that none can be edited.
//
// Thread: one at a time per tally.
#pragma once
#include "base/limits.h"
#include "engine/engine.h"
#include "watch/tally.h"

// Where the chains stood in front of the line. For verifiers that follow chains.
struct opening_head {
    struct sha256 chain;
    uint64_t last_record, record_count;
};

struct opening_frame {
    struct opening_head heads[LIMIT_SLOTS];
    struct sha256 round_chain;
    struct sha256 bank_chain; // over all rows of bank ids in front of the line
    uint64_t round_number, last_record, last_time_ms;
};

// A wallet's number is not in the tally: who knows it adds it up in a map of these.
struct opening_numbered {
    struct id id;
    uint64_t number;
};

// Tells everything, in no order, until `each` returns false. What it is handed lives until it
// returns.
void opening_tell(const struct tally *tally, const struct tally_map *numbers,
                  const struct opening_frame *frame,
                  bool (*each)(void *context, const struct opening_item *item), void *context);

// Takes over one item, into a tally that has taken no record yet. `numbers` and `frame` may be
// NULL. False: it cannot be one.
MUST_CHECK bool opening_take(struct tally *tally, struct tally_map *numbers,
                             struct opening_frame *frame, const struct opening_item *item);

// The digest: items in the order of what, slot and number, kept records last.
void opening_hash(struct sha256_context *context, const struct opening_item *item);
// The halves of a digest that a cursor has room for.
void opening_halves(const struct sha256 *digest, uint64_t ret_halves[2]);
