// SPDX-License-Identifier: MIT
// Whether a slot can be moved: who owns it, what stands against it, and whether somebody else is at
// it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/postgres/lineage.h"
#include "engine/postgres/shard/shard_move_private.h"

// Every table that has a slot, and what becomes of its rows. One that is not here is refused: who
// adds a table must say how it moves.
static const char known_tables[] =
    "'records', 'postings', 'idempotency', 'bank_ids', 'wallets', 'holds', 'withdrawals', "
    "'refunds', 'approvals', 'slots', 'legs', 'cursors', 'kept_records', 'openings', 'data_keys'";

static bool look_for_owner(struct mover *mover, uint32_t *ret_place) {
    *ret_place = SHARD_NOBODY;
    for (uint32_t i = 0; i < mover->lines->count; i++) {
        uint64_t state;
        const char *name = mover->lines->places[i].name;
        mover->places[MOVE_SOURCE] = i;
        mover_write(mover,
                    "SELECT s.state FROM slots s, books b WHERE s.slot = %" PRIu32
                    " AND b.shard = '%s'", mover->slot, name);
        if (!mover_ask_query(mover, MOVE_SOURCE))
            return false;
        const char *text = mover->text;
        if (*text == '\0')
            return mover_fails(mover, "the database of \"%s\" is not that shard: florin shards "
                                      "prepare makes it one", name);
        if (!lineage_take_number(&text, &state))
            return mover_is_puzzled(mover);
        if (state == 0)
            *ret_place = i;
    }
    return true;
}

bool mover_find_source(struct mover *mover) {
    uint32_t found;
    char why[512] = "";
    if (!look_for_owner(mover, &found))
        return false;
    // Somebody was killed between letting go and taking: what was decided is carried out.
    if (found == SHARD_NOBODY &&
        shards_prepare(mover->lines->places, mover->lines->count, why, sizeof(why)) == STATUS_ok &&
        !look_for_owner(mover, &found))
        return false;
    mover->places[MOVE_SOURCE] = found;
    return found != SHARD_NOBODY ||
           mover_fails(mover, "nobody owns slot %" PRIu32 " at this moment; nodes settle that "
                              "within seconds", mover->slot);
}

// One question for each reason why not, as a number that must be 0.
struct reason {
    uint32_t side;
    const char *query, *sentence;
};

bool mover_judge(struct mover *mover, bool *ret_never) {
    char unknown[512], records[128], openings[128];
    (void)snprintf(unknown, sizeof(unknown),
                   "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
                   "WHERE c.relnamespace = 'florin'::regnamespace AND c.relkind IN ('r', 'p') AND "
                   "NOT c.relispartition AND a.attname = 'slot' AND NOT a.attisdropped AND "
                   "c.relname NOT IN (%s)", known_tables);
    (void)snprintf(records, sizeof(records),
                   "SELECT count(*) FROM kept_records WHERE slot = %" PRIu32, mover->slot);
    (void)snprintf(openings, sizeof(openings), "SELECT count(*) FROM openings WHERE slot = %" PRIu32
                   " AND what > 3", mover->slot);
    static const char newer[] = "there is a table with slots that this version cannot move: move "
                                "it with the newer florin that made the table";
    static const char archived[] =
        "history there was archived, and " SHARD_ARCHIVED_INSTEAD;
    static const char kept[] = "history of the slot was archived, and " SHARD_ARCHIVED_INSTEAD;
    static const char no_node[] =
        "nodes serve with a role that this one is no member of, so none could finish what is left "
        "of a move that is killed: GRANT that role TO this one";
    static const char nodes[] =
        "SELECT (count(*) > 0 AND NOT bool_or(pg_has_role(p.oid, 'MEMBER')))::integer FROM roles r "
        "JOIN pg_roles p ON p.rolname = r.role WHERE r.purpose = 'serving'";
    const struct reason reasons[] = {
        {MOVE_SOURCE, nodes, no_node},
        {MOVE_TARGET, nodes, no_node},
        {MOVE_SOURCE, unknown, newer},
        {MOVE_TARGET, unknown, newer},
        {MOVE_SOURCE, "SELECT archived FROM extent", archived},
        {MOVE_TARGET, "SELECT archived FROM extent", archived},
        {MOVE_SOURCE, records, kept},
        {MOVE_SOURCE, openings, kept},
    };
    *ret_never = true;
    if (mover->slot == 0)
        return mover_fails(mover, "slot 0 stays: keys, rules and notes of the audit are made where "
                                  "it is. To empty its shard move every other slot, and the "
                                  "database itself as PostgreSQL moves databases");
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        uint64_t count = 0;
        if (!mover_ask_number(mover, reasons[i].side, reasons[i].query, &count)) {
            *ret_never = false;
            return false;
        }
        if (count != 0)
            return mover_fails(mover, "slot %" PRIu32 " stays on \"%s\": of \"%s\", %s",
                               mover->slot, mover_name(mover, MOVE_SOURCE),
                               mover_name(mover, reasons[i].side), reasons[i].sentence);
    }
    *ret_never = false;
    return true;
}

// Of two that move the same slot, or another slot of these shards, one comes later. The lock lasts
// as long as the connection, which is not opened anew behind the mover's back.
bool mover_be_alone(struct mover *mover) {
    for (uint32_t side = 0; side < MOVE_SIDES; side++) {
        if (!mover_ask(mover, side, "SELECT pg_try_advisory_lock(7886722)::text"))
            return false;
        if (strcmp(mover->text, "true") != 0)
            return mover_fails(mover, "another slot of \"%s\" is being moved at this moment",
                               mover_name(mover, side));
    }
    mover->is_bound = true;
    return true;
}
