// SPDX-License-Identifier: MIT
// What was decided since the last copy is told by the source's records themselves: each names the
// wallets, holds, withdrawals, purchases and approvals that it has changed, so those rows alone are
// looked at, and nothing has to be searched for while nobody writes. Beside them stands what is
// open or pending, which moves last.
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "engine/postgres/shard/shard_move_private.h"

bool mover_count_since(struct mover *mover, uint64_t *ret_count) {
    uint64_t now = 0;
    if (!mover_ask_number(mover, MOVE_SOURCE, "SELECT record_count FROM books", &now))
        return false;
    *ret_count = now > mover->counted ? now - mover->counted : 0;
    return true;
}

bool mover_horizon(struct mover *mover, uint64_t *ret_horizon) {
    return mover_ask_number(
        mover, MOVE_SOURCE,
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295", ret_horizon);
}

void mover_forget_touched(struct mover *mover) {
    for (int i = 0; i < MOVE_THINGS; i++)
        buffer_reset(&mover->touched[i]);
}

bool mover_note(struct mover *mover, uint64_t last, uint64_t horizon, uint64_t counted) {
    CHECK(last >= mover->copied_to);
    mover->horizon = horizon;
    mover->copied_to = last;
    mover->counted = counted;
    mover_write(mover,
                "UPDATE slots SET copied = %" PRIu64 " WHERE slot = %" PRIu32 " AND state <> 0",
                last, mover->slot);
    return mover_ask_query(mover, MOVE_TARGET);
}

// ---- records and postings -----------------------------------------------------------------------

// Of the wallets that were touched; all at once, as there are at most two for each record.
static bool copy_postings(struct mover *mover, uint64_t last) {
    struct buffer values = {0};
    const struct buffer *wallets = &mover->touched[MOVE_WALLETS];
    if (wallets->size == 0)
        return true;
    buffer_reset(&mover->query);
    BUFFER_ADD(&mover->query,
               "SELECT coalesce(string_agg(format('(%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)', slot, wallet, "
               "record, number, time_ms, type, amount, balance, held, version), ','), '') FROM "
               "(SELECT DISTINCT unnest('{");
    buffer_add(&mover->query, wallets->bytes, wallets->size);
    buffer_add_format(&mover->query,
                      "}'::bigint[]) AS n) w CROSS JOIN LATERAL (SELECT * FROM postings x WHERE "
                      "x.slot = %" PRIu32 " AND x.wallet = w.n AND x.record > %" PRIu64
                      " AND x.record <= %" PRIu64 " OFFSET 0) p",
                      mover->slot, mover->copied_to, last);
    bool ok = mover_ask_query(mover, MOVE_SOURCE);
    buffer_add_text(&values, ok ? mover->text : "");
    if (values.size != 0) {
        buffer_reset(&mover->query);
        BUFFER_ADD(&mover->query, "INSERT INTO postings (slot, wallet, record, number, time_ms, "
                                  "type, amount, balance, held, version) VALUES ");
        buffer_add(&mover->query, values.bytes, values.size);
        BUFFER_ADD(&mover->query, " ON CONFLICT DO NOTHING");
        ok = mover_ask_query(mover, MOVE_TARGET);
    }
    buffer_done(&values);
    return ok;
}

// ---- sums ---------------------------------------------------------------------------------------

// What the target has of the slot, added to `sums`; of those wallets, or of all of them.
static bool add_sums(struct mover *mover, const char *sign, const struct buffer *keys) {
    if (keys != NULL && keys->size == 0)
        return true;
    mover_write(mover,
                "SELECT coalesce(string_agg(format('(%%s,%%s,%%s)', currency, %s n, %s s), ','), "
                "'') FROM (SELECT currency, count(*) AS n, sum(balance) AS s FROM wallets "
                "WHERE slot = %" PRIu32, sign, sign, mover->slot);
    if (keys != NULL) {
        BUFFER_ADD(&mover->query, " AND number = ANY ('{");
        buffer_add(&mover->query, keys->bytes, keys->size);
        BUFFER_ADD(&mover->query, "}'::bigint[])");
    }
    BUFFER_ADD(&mover->query, " GROUP BY currency) q");
    if (!mover_ask_query(mover, MOVE_TARGET))
        return false;
    if (mover->text[0] != '\0' && mover->sums.size != 0)
        BUFFER_ADD(&mover->sums, ",");
    buffer_add_text(&mover->sums, mover->text);
    return true;
}

bool mover_sum(struct mover *mover) {
    buffer_reset(&mover->sums);
    return add_sums(mover, "", NULL);
}

// ---- all of it ----------------------------------------------------------------------------------

// What was touched may be open: from now on it is looked at with what is.
static void keep_open(struct mover *mover) {
    for (int i = 0; i < MOVE_THINGS; i++) {
        struct buffer *open = &mover->open[i];
        const struct buffer *touched = &mover->touched[i];
        if (move_tables[i].early == NULL || touched->size == 0)
            continue;
        if (open->size != 0)
            BUFFER_ADD(open, ",");
        buffer_add(open, touched->bytes, touched->size);
    }
}

static bool copy_last_things(struct mover *mover) {
    struct buffer keys[MOVE_THINGS]; // borrowed
    for (int i = 0; i < MOVE_THINGS; i++)
        keys[i] = move_tables[i].early == NULL ? mover->touched[i] : mover->open[i];
    return add_sums(mover, "-", &mover->touched[MOVE_WALLETS]) &&
           mover_copy_things(mover, keys, true) &&
           add_sums(mover, "", &mover->touched[MOVE_WALLETS]);
}

bool mover_copy_since(struct mover *mover, uint64_t last, bool is_last) {
    uint64_t counted = 0;
    CHECK(last >= mover->copied_to && mover->horizon != 0);
    mover_forget_touched(mover);
    if (!mover_ask_number(mover, MOVE_SOURCE, "SELECT record_count FROM books", &counted) ||
        !mover_copy_records_since(mover, last) || !copy_postings(mover, last))
        return false;
    keep_open(mover);
    if (is_last)
        return copy_last_things(mover);
    // Rows that are found by the horizon alone are still those since the last look at all.
    return mover_copy_things(mover, mover->touched, false) &&
           mover_note(mover, last, mover->horizon, counted);
}
