// SPDX-License-Identifier: MIT
// The slot changes hands. Locks are taken in one order: the gates in the order of the shards, then
// the turns likewise; whoever works on both shards at once holds the gate of each from before his
// transaction sees anything (crossing.c), so behind the gates nothing is under way. A payment
// inside a shard needs no gate and waits for the turn alone.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/memory.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/shard/shard_move_private.h"

#define SWITCH_ASK_NS UINT64_C(5000000000) // between the gates and the decision
#define PAUSE_NS_MAX  UINT64_C(900000000)  // from the first turn to the decision
#define SINCE_MAX     50000                // records that may be looked through behind the turns
#define FINISH_TRIES  5

// Of what is there; what came with a slot may be younger than what was last written.
#define LAST_RECORD "greatest(last_record, (SELECT max(came_before) FROM slots) - 1)"

// Rows that this connection has read of tables, but for what it has told the server's statistics,
// which it does between transactions alone.
#define ROWS_READ                                                                                  \
    "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint "                  \
    "FROM pg_stat_xact_user_tables"

bool mover_last_record(struct mover *mover, uint64_t *ret_last) {
    return mover_ask_number(mover, MOVE_SOURCE, "SELECT " LAST_RECORD " FROM books", ret_last);
}

static void roll_back(struct mover *mover) {
    char why[512];
    (void)snprintf(why, sizeof(why), "%s", mover->why);
    for (uint32_t side = 0; side < MOVE_SIDES; side++)
        if (shard_lines_is_open(mover->lines, mover->places[side]) &&
            !mover_ask(mover, side, "ROLLBACK"))
            shard_lines_close(mover->lines, mover->places[side]);
    (void)snprintf(mover->why, mover->why_bytes, "%s", why);
}

// The same on both, in the order of the shards.
static bool ask_both(struct mover *mover, const char *query) {
    uint32_t first = mover->places[MOVE_SOURCE] < mover->places[MOVE_TARGET] ? MOVE_SOURCE
                                                                             : MOVE_TARGET;
    return mover_ask(mover, first, query) && mover_ask(mover, 1 - first, query);
}

// ---- what is handed over ------------------------------------------------------------------------

// What the source's rows say of the slot, for the target's. Behind `write_head` they say all.
struct handed_over {
    char slot[512];         // chain, last record, count of records and epoch, as SQL
    char currencies[16384]; // (code, wallets, balances), ...
    char places[2048];      // rows of cursors, as SQL: where the queue stands; empty: nowhere
    uint64_t wallets, open_holds, time_ms, last_record, moved_last;
};

static bool keep_text(struct mover *mover, char *ret_text, size_t bytes, const char *why) {
    size_t size = strlen(mover->text);
    if (size == 0 || size >= bytes)
        return mover_fails(mover, "%s", why);
    memcpy(ret_text, mover->text, size + 1);
    return true;
}

static bool read_slot(struct mover *mover, struct handed_over *handed) {
    mover_write(mover,
                "SELECT format('chain = %%L, last_record = %%s, record_count = %%s, epoch = %%s, "
                "began = %%L', s.chain, s.last_record, s.record_count, epoch + 1, "
                "coalesce(began, b.first_chain)) FROM slots s, books b WHERE slot = %" PRIu32
                " AND state = 0",
                mover->slot);
    if (!mover_ask_query(mover, MOVE_SOURCE) ||
        !keep_text(mover, handed->slot, sizeof(handed->slot),
                   "somebody else has moved the slot meanwhile"))
        return false;
    mover_write(mover,
                "SELECT concat_ws(' ', time_ms, moved_last, " LAST_RECORD ") FROM books");
    if (!mover_ask_query(mover, MOVE_SOURCE))
        return false;
    const char *text = mover->text;
    if (!lineage_take_number(&text, &handed->time_ms) || !lineage_take_word(&text, " ") ||
        !lineage_take_number(&text, &handed->moved_last) || !lineage_take_word(&text, " ") ||
        !lineage_take_number(&text, &handed->last_record))
        return mover_is_puzzled(mover);
    return true;
}

// How many wallets there are, with which balances, is what was summed before plus what has changed.
static bool read_sums(struct mover *mover, struct handed_over *handed) {
    struct buffer *query = &mover->query;
    buffer_reset(query);
    BUFFER_ADD(query, "WITH n AS (SELECT currency, sum(wallets) AS wallets, sum(balances) AS "
                      "balances FROM (VALUES (NULL::integer, 0::bigint, 0::numeric)");
    if (mover->sums.size != 0)
        BUFFER_ADD(query, ",");
    buffer_add(query, mover->sums.bytes, mover->sums.size);
    buffer_add_format(query,
                      ") v(currency, wallets, balances) GROUP BY currency) SELECT concat_ws(' ', "
                      "(SELECT sum(wallets) FROM n), (SELECT count(*) FROM holds "
                      "WHERE slot = %" PRIu32 " AND status = 0 AND number = ANY ('{",
                      mover->slot);
    buffer_add(query, mover->open[MOVE_HOLDS].bytes, mover->open[MOVE_HOLDS].size);
    BUFFER_ADD(query, "}'::bigint[])), coalesce((SELECT string_agg(format('(%L, %s, %s)', c.code, "
                      "n.wallets, n.balances), ',') FROM n JOIN currencies c ON c.number = "
                      "n.currency), '(NULL, 0, 0)'))");
    if (!mover_ask_query(mover, MOVE_TARGET))
        return false;
    const char *text = mover->text;
    if (!lineage_take_number(&text, &handed->wallets) || !lineage_take_word(&text, " ") ||
        !lineage_take_number(&text, &handed->open_holds) || !lineage_take_word(&text, " "))
        return mover_is_puzzled(mover);
    size_t size = strlen(text);
    if (size >= sizeof(handed->currencies))
        return mover_fails(mover, "the slot has more currencies than can be handed over");
    memcpy(handed->currencies, text, size + 1);
    return true;
}

// Where the slot's commands stand in logs of Kafka's (ledger/cursor.h): whoever carries them out
// goes on there under the epoch that he has, on the other shard.
#define PLACES_OF "FROM cursors WHERE slot = %" PRIu32 " AND (kind = 1 OR kind BETWEEN 4 AND 11)"

static bool read_places(struct mover *mover, struct handed_over *handed) {
    mover_write(mover,
                "SELECT coalesce(string_agg(format('(%%s,%%s,%%s,%%s,%%s,%%s,%%s)', slot, kind, "
                "partitions, epoch, next, checksum, source), ','), '') " PLACES_OF,
                mover->slot);
    if (!mover_ask_query(mover, MOVE_SOURCE))
        return false;
    size_t size = strlen(mover->text);
    if (size >= sizeof(handed->places))
        return mover_fails(mover, "the slot has more places in logs than can be handed over");
    memcpy(handed->places, mover->text, size + 1);
    return true;
}

// ---- both halves --------------------------------------------------------------------------------

static void write_slot(struct mover *mover, const char *set, uint32_t state) {
    buffer_add_format(&mover->query,
                      "WITH changed AS (UPDATE slots SET %s WHERE slot = %" PRIu32
                      " AND state = %" PRIu32 " RETURNING 1) SELECT expect((SELECT count(*) FROM "
                      "changed), 1, 'slots'); ",
                      set, mover->slot, state);
}

static void write_currencies(struct mover *mover, const struct handed_over *handed,
                             const char *sign) {
    buffer_add_format(&mover->query,
                      "WITH n(code, wallets, balances) AS (VALUES %s), changed AS (UPDATE "
                      "currencies c SET wallet_count = c.wallet_count %s n.wallets, balances = "
                      "c.balances %s n.balances, transit = c.transit %s n.balances FROM n "
                      "WHERE c.code = n.code RETURNING 1) SELECT expect((SELECT count(*) FROM "
                      "changed), (SELECT count(code) FROM n), 'currencies'); ",
                      handed->currencies, sign, sign, sign);
}

// It has had the slot before, perhaps.
static void write_places(struct mover *mover, const struct handed_over *handed) {
    buffer_add_format(&mover->query, "DELETE " PLACES_OF "; ", mover->slot);
    if (handed->places[0] == '\0')
        return;
    BUFFER_ADD(&mover->query, "INSERT INTO cursors (slot, kind, partitions, epoch, next, checksum, "
                              "source) VALUES ");
    buffer_add_text(&mover->query, handed->places);
    BUFFER_ADD(&mover->query, "; ");
}

// The target's time goes on behind the source's, so that numbers of the slot grow.
static void write_taking(struct mover *mover, const struct handed_over *handed, const char *gid) {
    struct buffer *query = &mover->query;
    char set[1024];
    uint64_t after_ms = (handed->last_record >> 17) + 1;
    (void)snprintf(set, sizeof(set),
                   "%s, state = 0, shard = NULL, copied = 0, came_before = %" PRIu64
                   ", round = (SELECT round_count FROM books)",
                   handed->slot, handed->last_record + 1);
    buffer_reset(query);
    write_slot(mover, set, 1);
    write_currencies(mover, handed, "+");
    write_places(mover, handed);
    mover_write_taking_keys(mover);
    buffer_add_format(query,
                      "UPDATE books SET slots_version = slots_version + 1, "
                      "wallet_count = wallet_count + %" PRIu64
                      ", hold_open_count = hold_open_count + %" PRIu64
                      ", time_ms = greatest(time_ms, %" PRIu64 ", %" PRIu64 "), "
                      "next_due_ms = 0 * next_due_ms, "
                      "moved_last = greatest(moved_last, %" PRIu64 "); ",
                      handed->wallets, handed->open_holds, handed->time_ms + 1, after_ms,
                      handed->moved_last);
    buffer_add_format(query,
                      "INSERT INTO legs (gid, made_ms) VALUES ('%s', %" PRIu64 "); %s"
                      "PREPARE TRANSACTION '%s'",
                      gid, clock_now_ms(), mover->becoming, gid);
}

static void write_deletion(struct mover *mover, enum move_thing thing) {
    buffer_add_format(&mover->query,
                      "DELETE FROM %s WHERE slot = %" PRIu32 " AND status = 0 AND number = ANY ('{",
                      move_tables[thing].name, mover->slot);
    buffer_add(&mover->query, mover->open[thing].bytes, mover->open[thing].size);
    BUFFER_ADD(&mover->query, "}'::bigint[]); ");
}

// The decision: the source lets go. What ends by itself must not do so here any more.
static void write_letting_go(struct mover *mover, const struct handed_over *handed,
                             const char *gid) {
    struct buffer *query = &mover->query;
    char set[128];
    (void)snprintf(set, sizeof(set), "state = 1, epoch = epoch + 1, shard = '%s', copied = 0",
                   mover_name(mover, MOVE_TARGET));
    buffer_reset(query);
    write_slot(mover, set, 0);
    write_currencies(mover, handed, "-");
    mover_write_letting_keys_go(mover);
    buffer_add_format(query,
                      "UPDATE books SET slots_version = slots_version + 1, wallet_count = "
                      "wallet_count - %" PRIu64 ", hold_open_count = hold_open_count - %" PRIu64
                      "; ",
                      handed->wallets, handed->open_holds);
    write_deletion(mover, MOVE_HOLDS);
    write_deletion(mover, MOVE_APPROVALS);
    buffer_add_format(query, "DELETE " PLACES_OF "; ", mover->slot);
    buffer_add_format(query,
                      "INSERT INTO decisions VALUES ('%s', true, '%s', %" PRIu64 "); COMMIT", gid,
                      mover_name(mover, MOVE_TARGET), clock_now_ms());
}

// ---- deciding -----------------------------------------------------------------------------------

// Who has prepared a transaction alone may finish it, and that must be nodes as well, should the
// mover be killed: where they have a role of their own it is prepared in their name.
static const char become_a_node[] =
    "SELECT coalesce((SELECT format('SET LOCAL ROLE %I; ', r.role) FROM roles r JOIN pg_roles p ON "
    "p.rolname = r.role WHERE r.purpose = 'serving' AND pg_has_role(p.oid, 'MEMBER') "
    "ORDER BY r.role <> current_user, r.role LIMIT 1), '')";

static bool name_work(struct mover *mover, char gid[LEGS_GID_BYTES]) {
    uint8_t random[16];
    random_fill(random, sizeof(random));
    if (!mover_ask(mover, MOVE_TARGET, become_a_node))
        return false;
    CHECK(strlen(mover->text) < sizeof(mover->becoming));
    (void)snprintf(mover->becoming, sizeof(mover->becoming), "%.159s", mover->text);
    if (!mover_ask(mover, MOVE_SOURCE, "SELECT encode(id, 'hex') FROM books"))
        return false;
    size_t used = (size_t)snprintf(gid, LEGS_GID_BYTES, "florin:%.32s:%s:", mover->text,
                                   mover_name(mover, MOVE_SOURCE));
    CHECK(used + 2 * sizeof(random) < LEGS_GID_BYTES);
    *hex_write(slice_of(random, sizeof(random)), gid + used) = '\0';
    return true;
}

// What was decided, also when nobody heard it: then it is asked, and nobody presumes.
static bool finish(struct mover *mover, const char *gid, bool is_told, bool *ret_moved) {
    *ret_moved = is_told;
    if (!is_told) {
        (void)mover_ask(mover, MOVE_TARGET, "ROLLBACK"); // if it was not even prepared
        mover->why[0] = '\0';
        // Whatever it was in the middle of.
        shard_lines_close(mover->lines, mover->places[MOVE_SOURCE]);
        legs_decide_query(&mover->query, gid);
        if (!mover_ask(mover, MOVE_SOURCE, (const char *)mover->query.bytes))
            return false;
        *ret_moved = mover->text[0] == 't';
        if (mover->text[0] != 't' && mover->text[0] != 'f')
            return mover_fails(mover, "nobody knows yet what was decided");
    }
    // A node may have been faster.
    uint32_t target = mover->places[MOVE_TARGET];
    return shard_lines_finish(mover->lines, target, gid, *ret_moved, mover->ask_ns) == LINK_OK ||
           legs_is_gone(&mover->lines->links[target]);
}

// What PostgreSQL says of a lock tells nobody what holds it.
static bool is_kept_out(struct mover *mover, const char *why) {
    for (uint32_t side = 0; side < MOVE_SIDES; side++) {
        if (strcmp(mover->lines->links[mover->places[side]].state, "55P03") != 0)
            continue;
        mover->why[0] = '\0';
        return mover_fails(mover, "on \"%s\" %s", mover_name(mover, side), why);
    }
    return false;
}

// The slot's own on both sides, which stays locked; rows of others are passed by where they are.
static bool write_head(struct mover *mover) {
    char query[64];
    (void)snprintf(query, sizeof(query), "SELECT heads_write_free(%" PRIu32 ")::text",
                   mover->slot);
    return ask_both(mover, query);
}

void mover_write_heads(struct mover *mover) {
    for (uint32_t side = 0; side < MOVE_SIDES; side++) {
        if (mover_ask(mover, side,
                      "BEGIN; SELECT pg_advisory_xact_lock(7886710); UPDATE books SET "
                      "slots_version = slots_version; SELECT heads_write_free(NULL)::text; "
                      "COMMIT"))
            continue;
        if (shard_lines_is_open(mover->lines, mover->places[side]))
            (void)mover_ask(mover, side, "ROLLBACK");
        mover->why[0] = '\0';
    }
}

static bool count_rows_read(struct mover *mover, uint64_t *ret_rows) {
    uint64_t source = 0, target = 0;
    if (!mover_ask_number(mover, MOVE_SOURCE, ROWS_READ, &source) ||
        !mover_ask_number(mover, MOVE_TARGET, ROWS_READ, &target))
        return false;
    *ret_rows = source + target;
    return true;
}

// Behind the gates and turns: what is left, and the switch. False: it did not happen, or, with
// `*ret_prepared`, nobody has heard whether it did.
static bool switch_now(struct mover *mover, char gid[LEGS_GID_BYTES], uint64_t began_ns,
                       struct shard_move_news *news, bool *ret_prepared) {
    struct handed_over *handed = memory_take_zeroed(sizeof(*handed));
    uint64_t last = 0, rows_before = 0;
    bool ok = count_rows_read(mover, &rows_before) &&
              mover_count_since(mover, &news->records_since) &&
              (news->records_since <= SINCE_MAX ||
               mover_fails(mover, "more is written than can be brought over within a second")) &&
              mover_last_record(mover, &last) && mover_copy_since(mover, last, true) &&
              (write_head(mover) ||
               is_kept_out(mover, "somebody has locked the row of the slot, or, where "
                                  "books.heads_apart is false, that of another one")) &&
              read_slot(mover, handed) &&
              read_places(mover, handed) && read_sums(mover, handed) && mover_read_keys(mover) &&
              count_rows_read(mover, &news->rows_read);
    news->rows_read -= rows_before;
    if (ok && clock_monotonic_ns() - began_ns > PAUSE_NS_MAX)
        ok = mover_fails(mover, "what changes in the slot cannot be brought over within a second");
    if (ok) {
        write_taking(mover, handed, gid);
        *ret_prepared = true;
        ok = mover_ask_query(mover, MOVE_TARGET);
    }
    if (ok) {
        write_letting_go(mover, handed, gid);
        ok = mover_ask_query(mover, MOVE_SOURCE);
    }
    memory_free(handed);
    return ok;
}

// Something that came from another shard is still to become a record of the slot's.
static bool has_arrivals(struct mover *mover, bool *ret_any) {
    uint64_t count = 0;
    mover_write(mover, "SELECT count(*) FROM legs WHERE NOT is_taken AND slot = %" PRIu32,
                mover->slot);
    *buffer_room(&mover->query, 1) = '\0';
    if (!mover_ask_number(mover, MOVE_SOURCE, (const char *)mover->query.bytes, &count))
        return false;
    *ret_any = count != 0;
    return true;
}

// Ids of bank transactions alone are also written without a record of this shard's, by those who
// hold the gate; so they are complete behind it.
static bool pass_the_gates(struct mover *mover) {
    bool any = false;
    if (!ask_both(mover, "BEGIN; LOCK TABLE gate IN SHARE MODE"))
        return is_kept_out(mover, "payments between shards are under way or in doubt: nodes finish "
                                  "them when they reach the shard that decided them");
    if (!has_arrivals(mover, &any) || !mover_copy_bank_ids(mover))
        return false;
    return !any || mover_fails(mover, "payments from other shards are still to be taken up there");
}

static void tell_switched(struct mover *mover, struct shard_move_news *news) {
    mover_write(mover, "SELECT record_count FROM slots WHERE slot = %" PRIu32, mover->slot);
    *buffer_room(&mover->query, 1) = '\0';
    news->copied = mover->told_records;
    if (mover->move->tell != NULL &&
        mover_ask_number(mover, MOVE_TARGET, (const char *)mover->query.bytes, &news->all))
        (void)mover->move->tell(mover->move->context, news);
}

bool mover_switch(struct mover *mover, bool *ret_again) {
    char gid[LEGS_GID_BYTES];
    struct shard_move_news news = {.slot = mover->slot, .doing = "switched"};
    bool is_prepared = false, is_moved = false, is_known = false;
    CHECK(mover->horizon != 0);
    *ret_again = true;
    mover->ask_ns = SWITCH_ASK_NS;
    if (!name_work(mover, gid))
        return false;
    mover_write_heads(mover);
    uint64_t gated_ns = clock_monotonic_ns();
    bool ok = pass_the_gates(mover);
    uint64_t began_ns = clock_monotonic_ns();
    ok = ok && (ask_both(mover, "SELECT pg_advisory_xact_lock(7886710); "
                                "UPDATE books SET slots_version = slots_version") ||
                is_kept_out(mover, "somebody keeps the turn of those who write")) &&
         switch_now(mover, gid, began_ns, &news, &is_prepared);
    if (!is_prepared) {
        roll_back(mover);
        return false;
    }
    mover->is_bound = false;
    for (int i = 0; i < FINISH_TRIES && !is_known; i++)
        is_known = finish(mover, gid, ok, &is_moved);
    mover->is_bound = true;
    news.paused_us = (clock_monotonic_ns() - began_ns) / 1000;
    news.gated_us = (clock_monotonic_ns() - gated_ns) / 1000;
    if (!is_known) {
        *ret_again = false;
        return mover_fails(mover,
                           "whether it moved is decided, but not heard of yet: florin shards "
                           "shows it within seconds");
    }
    if (is_moved)
        tell_switched(mover, &news);
    return is_moved;
}
