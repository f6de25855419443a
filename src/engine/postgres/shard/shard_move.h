// SPDX-License-Identifier: MIT
// Moves a slot from one shard to another while payments go on:
//
//   history and what stands is copied, again and again what changed since ─▶ the gates of both, so
//   that nothing is under way between shards ─▶ both turns ─▶ the last difference, PREPAREd on the
//   target ─▶ the source lets go and decides, in one commit ─▶ COMMIT PREPARED ─▶ what was left
//   behind is deleted
//
// Until the source has decided it owns the slot, and from then on the target does. Whoever breaks
// off before leaves copies that nobody sees and the next try goes on with; behind the decision any
// node finishes it (resolver.c).
#pragma once
#include "engine/postgres/shard/shard_lines.h"

struct shard_move_news {
    uint32_t slot;
    uint64_t copied, all; // records of the slot, as far as it is known
    const char *doing;    // a few words
    // In the last line alone: how long both shards wrote nothing, and how long there were no
    // payments between shards; what was decided there since the copy before; and how many rows were
    // read of both databases meanwhile.
    uint64_t paused_us, gated_us, records_since, rows_read;
};

struct shard_move {
    struct shard_lines *lines; // borrowed; connections stay open from one slot to the next
    uint32_t slot, target;     // the place of the target
    // How far it is; false: no more of this slot, as it is still where it was. May be NULL.
    bool (*tell)(void *context, const struct shard_move_news *news);
    void *context;
};

// Behind "history was archived, and": why its slots stay, and what helps.
#define SHARD_ARCHIVED_INSTEAD                                                                     \
    "what its wallets begin with is proved by the records of that shard alone, so they keep it: "  \
    "give its database a larger server, as PostgreSQL moves databases, or replicas to read from; " \
    "books whose history is yet to be archived can be spread before"

// Connections of whoever owns the schema.
void shard_move_lines(struct shard_lines *lines, const struct shard_place *places, uint32_t count);

// STATUS_ok: the target owns the slot, and nothing of it is left where it was but history; also
// when it did before. STATUS_busy: trying again goes on with it. STATUS_invalid_request: this slot
// cannot be moved there. But for STATUS_ok `ret_why` has a sentence. Thread: any, one at a time per
// slot.
MUST_CHECK enum status shard_move(const struct shard_move *move, char *ret_why, size_t why_bytes);
// Deletes what a move that broke off has brought there of a slot that another shard owns. Statuses
// likewise.
MUST_CHECK enum status shard_move_forget(const struct shard_move *move, char *ret_why,
                                         size_t why_bytes);
