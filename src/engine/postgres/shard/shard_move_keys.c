// SPDX-License-Identifier: MIT
// Data keys of a slot's owners, where texts are encrypted. They are handed over in the very
// transactions that change hands, and never before: of a key there is one row on all shards, so
// whoever destroys it has destroyed it, and nothing of a move that was broken off is left of it.
// Texts that stay behind in history are under keys that the other shard has then.
#include <inttypes.h>
#include <string.h>

#include "engine/postgres/lineage.h"
#include "engine/postgres/shard/shard_move_private.h"

// What stands for the master key there; "-": texts are plain.
static bool read_tag(struct mover *mover, uint32_t side, char ret_tag[64]) {
    if (!mover_ask(mover, side, "SELECT coalesce((SELECT coalesce(encode(tag, 'hex'), '?') FROM "
                                "encryption), '-')"))
        return false;
    size_t size = strnlen(mover->text, 64);
    if (size == 0 || size == 64)
        return mover_is_puzzled(mover);
    memcpy(ret_tag, mover->text, size + 1);
    return true;
}

bool mover_judge_master(struct mover *mover) {
    char tags[MOVE_SIDES][64];
    if (!read_tag(mover, MOVE_SOURCE, tags[MOVE_SOURCE]) ||
        !read_tag(mover, MOVE_TARGET, tags[MOVE_TARGET]))
        return false;
    return (tags[MOVE_SOURCE][0] != '?' &&
            strcmp(tags[MOVE_SOURCE], tags[MOVE_TARGET]) == 0) ||
           mover_fails(mover, "\"%s\" and \"%s\" are not under the same master key: start every "
                              "node with the one that is to be, and then move",
                       mover_name(mover, MOVE_SOURCE), mover_name(mover, MOVE_TARGET));
}

bool mover_find_keys(struct mover *mover) {
    return mover_ask(mover, MOVE_SOURCE, "SELECT find_slots_of_data_keys()");
}

bool mover_read_keys(struct mover *mover) {
    buffer_reset(&mover->keys);
    if (!mover_judge_master(mover) || !mover_find_keys(mover))
        return false;
    // As arrays, since there may be many, and a long list of values takes long to read.
    mover_write(mover,
                "SELECT CASE count(*) WHEN 0 THEN '' ELSE format('%%L::bigint[], %%L::bigint[], "
                "%%L::text[]', array_agg(number), array_agg(owner), array_agg(encode(wrapped, "
                "'hex'))) END FROM data_keys WHERE slot = %" PRIu32,
                mover->slot);
    if (!mover_ask_query(mover, MOVE_SOURCE))
        return false;
    buffer_add_text(&mover->keys, mover->text);
    return true;
}

void mover_write_taking_keys(struct mover *mover) {
    if (mover->keys.size == 0)
        return;
    buffer_add_format(&mover->query,
                      "INSERT INTO data_keys (number, owner, wrapped, slot) SELECT n.number, "
                      "n.owner, decode(n.wrapped, 'hex'), %" PRIu32 " FROM unnest(",
                      mover->slot);
    buffer_add(&mover->query, mover->keys.bytes, mover->keys.size);
    BUFFER_ADD(&mover->query, ") n(number, owner, wrapped); ");
}

void mover_write_letting_keys_go(struct mover *mover) {
    buffer_add_format(&mover->query, "DELETE FROM data_keys WHERE slot = %" PRIu32 "; ",
                      mover->slot);
}
