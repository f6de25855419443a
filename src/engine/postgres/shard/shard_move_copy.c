// SPDX-License-Identifier: MIT
// All that a slot has is copied in slices. Of records and postings, which never change, all up to a
// number (shard_move_bulk.c); of what stands now, and of bank ids, all that was written since the
// last look, told by the transactions that wrote it: these rows come as the very text that the
// target's statements take.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/shard/shard_move_private.h"

#define THING_ROWS 500
#define BANK_ROWS  5000

// What ends by itself comes last: the target looks for what is due in all slots.
const struct move_table move_tables[MOVE_THINGS] = {
    {"wallets", "number", NULL},
    {"holds", "number", "t.status <> 0"},
    {"withdrawals", "number", NULL},
    {"refunds", "record", NULL},
    {"approvals", "number", "t.status <> 0"},
};

// The first words of the answer, numbers; what follows is the rest.
static bool take_numbers(struct mover *mover, uint64_t *ret_numbers, uint32_t count,
                         const char **ret_rest) {
    const char *text = mover->text;
    *ret_rest = text;
    for (uint32_t i = 0; i < count; i++)
        if (!lineage_take_number(&text, &ret_numbers[i]) || !lineage_take_word(&text, " "))
            return mover_is_puzzled(mover);
    *ret_rest = text;
    return true;
}

// ---- ids of bank transactions -------------------------------------------------------------------

// Of rows that transactions have written since the last look; of a first look all.
static void add_since(struct mover *mover) {
    if (mover->horizon != 0)
        buffer_add_format(&mover->query, " AND age(t.xmin) <= age('%" PRIu64 "'::xid)",
                          mover->horizon);
}

// Where the transaction is on another shard its record is 0, and where it came along its own
// number stands already.
bool mover_copy_bank_ids(struct mover *mover) {
    struct buffer behind = {0};
    uint64_t rows;
    bool ok = true;
    do {
        const char *rest;
        buffer_reset(&mover->query);
        buffer_add_format(
            &mover->query,
            "SELECT concat_ws(' ', count(*), (array_agg(format('(%%L::bytea, %%L)', q.bank_id, "
            "q.currency) ORDER BY q.bank_id DESC, q.currency DESC))[1], E'\\n', "
            "coalesce(string_agg(format('(%%s,%%L,%%L,0,%%L)', slot, bank_id, currency, id), ','), "
            "'')) FROM (SELECT * FROM bank_ids t WHERE t.slot = %" PRIu32,
            mover->slot);
        if (behind.size != 0) {
            BUFFER_ADD(&mover->query, " AND (t.bank_id, t.currency) > ");
            buffer_add(&mover->query, behind.bytes, behind.size);
        }
        add_since(mover);
        buffer_add_format(&mover->query, " ORDER BY t.bank_id, t.currency LIMIT %d) q", BANK_ROWS);
        ok = mover_ask_query(mover, MOVE_SOURCE) && take_numbers(mover, &rows, 1, &rest);
        if (!ok || rows == 0)
            break;
        const char *values = strchr(rest, '\n');
        ok = values != NULL;
        if (!ok)
            break;
        buffer_reset(&behind);
        buffer_add(&behind, rest, (size_t)(values - rest));
        buffer_reset(&mover->query);
        BUFFER_ADD(&mover->query,
                   "INSERT INTO bank_ids (slot, bank_id, currency, record, id) VALUES ");
        buffer_add_text(&mover->query, values + 1);
        BUFFER_ADD(&mover->query, " ON CONFLICT DO NOTHING");
        ok = mover_ask_query(mover, MOVE_TARGET);
    } while (ok);
    buffer_done(&behind);
    return ok;
}

// ---- what stands now ----------------------------------------------------------------------------

static void add_quoted(struct buffer *query, const char *text) {
    BUFFER_ADD(query, "'");
    for (const char *end; (end = strchr(text, '\'')) != NULL; text = end + 1) {
        buffer_add(query, text, (size_t)(end - text));
        BUFFER_ADD(query, "''");
    }
    buffer_add_text(query, text);
    BUFFER_ADD(query, "'");
}

// Each shard counts its currencies in its own order. One that the target has not got a number for
// becomes NULL, which it refuses.
static void add_rows_of(struct mover *mover, const struct move_table *table) {
    struct buffer *query = &mover->query;
    bool has_currency = table == &move_tables[MOVE_WALLETS];
    buffer_add_format(query,
                      "SELECT concat_ws(' ', count(*), coalesce(max(q.%s), 0), "
                      "coalesce(array_agg(q.%s)::text, '{}'), coalesce(json_agg(q.j)::text, '[]')) "
                      "FROM (SELECT t.%s, to_jsonb(t)%s AS j FROM %s t",
                      table->key, table->key, table->key,
                      has_currency ? " || jsonb_build_object('currency', m.there)" : "",
                      table->name);
    if (has_currency) {
        BUFFER_ADD(query, " LEFT JOIN (VALUES ");
        buffer_add(query, mover->numbers.bytes, mover->numbers.size);
        BUFFER_ADD(query, ") m(here, there) ON m.here = t.currency");
    }
}

static void write_query(struct mover *mover, enum move_thing thing, uint64_t behind,
                        const struct buffer *keys, bool is_last) {
    struct buffer *query = &mover->query;
    const struct move_table *table = &move_tables[thing];
    buffer_reset(query);
    add_rows_of(mover, table);
    buffer_add_format(query, " WHERE t.slot = %" PRIu32 " AND t.%s > %" PRIu64, mover->slot,
                      table->key, behind);
    if (!is_last && table->early != NULL)
        buffer_add_format(query, " AND %s", table->early);
    if (keys == NULL) {
        add_since(mover);
    } else {
        buffer_add_format(query, " AND t.%s = ANY ('{", table->key);
        buffer_add(query, keys->bytes, keys->size);
        BUFFER_ADD(query, "}'::bigint[])");
    }
    buffer_add_format(query, " ORDER BY t.%s LIMIT %d) q", table->key, THING_ROWS);
}

static bool copy_thing(struct mover *mover, enum move_thing thing, const struct buffer *keys,
                       bool is_last) {
    const struct move_table *table = &move_tables[thing];
    uint64_t place[2] = {0}; // rows, and the key of the last
    const char *found;
    if (keys != NULL && keys->size == 0)
        return true;
    do {
        write_query(mover, thing, place[1], keys, is_last);
        if (!mover_ask_query(mover, MOVE_SOURCE) || !take_numbers(mover, place, 2, &found))
            return false;
        if (place[0] == 0)
            return true;
        const char *rows = strchr(found, ' ');
        if (rows == NULL)
            return mover_is_puzzled(mover);
        buffer_reset(&mover->query);
        buffer_add_format(&mover->query, "DELETE FROM %s WHERE slot = %" PRIu32 " AND %s = ANY ('",
                          table->name, mover->slot, table->key);
        buffer_add(&mover->query, found, (size_t)(rows - found));
        buffer_add_format(&mover->query, "'::bigint[]); INSERT INTO %s SELECT * FROM "
                          "json_populate_recordset(NULL::%s, ", table->name, table->name);
        add_quoted(&mover->query, rows + 1);
        BUFFER_ADD(&mover->query, ")");
        if (!mover_ask_query(mover, MOVE_TARGET))
            return false;
    } while (place[0] == THING_ROWS);
    return true;
}

bool mover_copy_things(struct mover *mover, const struct buffer *touched, bool is_last) {
    bool ok = true;
    for (int i = 0; ok && i < MOVE_THINGS; i++)
        ok = copy_thing(mover, i, touched == NULL ? NULL : &touched[i], is_last);
    return ok;
}

// What is open or pending comes last, so it is remembered what there is.
static bool note_open(struct mover *mover) {
    for (int i = 0; i < MOVE_THINGS; i++) {
        if (move_tables[i].early == NULL)
            continue;
        mover_write(mover,
                    "SELECT coalesce(string_agg(number::text, ','), '') FROM %s t WHERE "
                    "t.slot = %" PRIu32 " AND NOT %s",
                    move_tables[i].name, mover->slot, move_tables[i].early);
        if (!mover_ask_query(mover, MOVE_SOURCE))
            return false;
        buffer_reset(&mover->open[i]);
        buffer_add_text(&mover->open[i], mover->text);
    }
    return true;
}

bool mover_copy(struct mover *mover, uint64_t last) {
    uint64_t horizon = 0, counted = 0;
    CHECK(mover->slot < LIMIT_SLOTS && last >= mover->copied_to);
    // Whatever began before this and is not over yet comes with the next look.
    return mover_ask_number(mover, MOVE_SOURCE, "SELECT record_count FROM books", &counted) &&
           mover_horizon(mover, &horizon) && mover_copy_bulk(mover, last) &&
           mover_copy_parts(mover) && mover_copy_bank_ids(mover) &&
           mover_copy_things(mover, NULL, false) && note_open(mover) &&
           mover_note(mover, last, horizon, counted);
}
