// SPDX-License-Identifier: MIT
// What is asked of each shard, and how its lines are read.
#include "engine/postgres/shard/shard_spread.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/postgres/lineage.h"

#define SPREAD_WAIT_NS UINT64_C(30000000000)

// A line for each slot, whose row may lag behind the records. What was written lately was written
// where the slot was then; what came along with it was not.
static const char query[] =
    "SELECT string_agg(concat_ws(' ', s.slot, s.state, s.record_count + coalesce(u.n, 0), "
    "coalesce(l.n, 0), (s.copied <> 0)::integer, (s.state = 1 AND EXISTS (SELECT FROM wallets w "
    "WHERE w.slot = s.slot))::integer, (SELECT (archived <> 0)::integer FROM extent)), "
    "E'\n') FROM slots s LEFT JOIN (SELECT slot, "
    "count(*) AS n FROM records WHERE came IS NULL AND number >= greatest(0, floor(extract(epoch "
    "FROM clock_timestamp()) * 1000)::bigint - 60000) << 17 GROUP BY slot) l ON l.slot = s.slot "
    "LEFT JOIN (SELECT slot, added AS n FROM heads_behind()) u ON u.slot = s.slot";

static bool take_line(const char **text, uint32_t place, struct plan_slot *slots,
                      uint32_t *closed) {
    uint64_t slot, state, size, load, is_begun, is_left, is_archived;
    if (!lineage_take_number(text, &slot) || slot >= LIMIT_SLOTS ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &state) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &size) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &load) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &is_begun) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &is_left) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &is_archived))
        return false;
    if (is_archived != 0)
        *closed |= 1u << place;
    if (**text == '\n')
        (*text)++;
    struct plan_slot *own = &slots[slot];
    own->load += load;
    own->left |= (uint16_t)((is_begun != 0 || is_left != 0) << place);
    if (state == 0) {
        own->owner = (uint8_t)place;
        own->size = size;
        own->stays = own->stays || is_archived != 0;
    } else if (is_begun != 0) {
        own->begun = (uint8_t)place;
    }
    return true;
}

enum status shard_spread_read(struct shard_lines *lines, struct plan_slot ret_slots[LIMIT_SLOTS],
                              uint32_t *ret_closed, char *ret_why, size_t why_bytes) {
    *ret_closed = 0;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        ret_slots[i] = (struct plan_slot){
            .owner = SHARD_NOBODY, .begun = SHARD_NOBODY, .stays = i == 0}; // where keys are made
    for (uint32_t i = 0; i < lines->count; i++) {
        if (shard_lines_ask(lines, i, query, SPREAD_WAIT_NS) != LINK_OK) {
            (void)snprintf(ret_why, why_bytes, "the shard \"%s\": %s", lines->places[i].name,
                           shard_lines_why(lines, i));
            return STATUS_busy;
        }
        for (const char *text = lines->text; *text != '\0';)
            if (!take_line(&text, i, ret_slots, ret_closed)) {
                (void)snprintf(ret_why, why_bytes, "the shard \"%s\" says nothing that can be "
                                                   "understood", lines->places[i].name);
                return STATUS_busy;
            }
    }
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        if (ret_slots[i].owner == SHARD_NOBODY) {
            (void)snprintf(ret_why, why_bytes, "nobody owns slot %" PRIu32 " at this moment", i);
            return STATUS_busy;
        }
    return STATUS_ok;
}
