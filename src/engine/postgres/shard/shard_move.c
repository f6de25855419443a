// SPDX-License-Identifier: MIT
// The steps of moving a slot (shard_move.h), from the first look to the last row that is deleted.
#include "engine/postgres/shard/shard_move.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/shard/shard_move_private.h"

#define TEXT_BYTES      ((size_t)24 * 1024 * 1024)
#define CONNECT_WAIT_NS UINT64_C(5000000000)
#define ASK_WAIT_NS     UINT64_C(600000000000) // in the background
#define TRIES_MAX       60
#define TRY_PAUSE_NS    UINT64_C(250000000)
#define COPIES_MAX      8     // of looking through all rows for what was written since
#define SINCE_MANY      20000 // records; more are found by looking through all rows
#define CATCH_UPS_MAX   8     // each is told by the records since the one before
#define SINCE_FEW       500
#define CLEAN_ROWS      5000
#define STILL_NS        UINT64_C(600000000000) // that a check of the books is waited for

// What is rolled back to be sure that it is had often not begun, of which PostgreSQL would warn.
static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET lock_timeout = '700ms'; "
    "SET idle_in_transaction_session_timeout = '2500ms'; SET client_min_messages = error; "
    "SET synchronous_commit = on; SET jit = off; SET tcp_user_timeout = '4s'; "
    "SET default_transaction_isolation = 'read committed'";

void shard_move_lines(struct shard_lines *lines, const struct shard_place *places,
                      uint32_t count) {
    shard_lines_init(lines, places, count, settings, CONNECT_WAIT_NS, TEXT_BYTES);
}

// ---- asking -------------------------------------------------------------------------------------

bool mover_fails(struct mover *mover, const char *format, ...) {
    va_list arguments;
    if (mover->why[0] != '\0')
        return false; // the first reason stands
    va_start(arguments, format);
    (void)vsnprintf(mover->why, mover->why_bytes, format, arguments);
    va_end(arguments);
    return false;
}

bool mover_is_puzzled(struct mover *mover) {
    return mover_fails(mover, "what a shard says cannot be understood: \"%.60s\"", mover->text);
}

const char *mover_name(const struct mover *mover, uint32_t side) {
    return mover->lines->places[mover->places[side]].name;
}

bool mover_ask(struct mover *mover, uint32_t side, const char *query) {
    uint32_t place = mover->places[side];
    struct shard_lines *lines = mover->lines;
    if (mover->is_bound && !shard_lines_is_open(lines, place))
        return mover_fails(mover, "the connection to \"%s\" was lost; the same command goes on",
                           mover_name(mover, side));
    if (shard_lines_ask(lines, place, query, mover->ask_ns) != LINK_OK)
        return mover_fails(mover, "the shard \"%s\": %s", mover_name(mover, side),
                           shard_lines_why(lines, place));
    return strnlen(mover->text, TEXT_BYTES) < TEXT_BYTES - 1 ||
           mover_fails(mover, "more of the slot has changed than fits into an answer of \"%s\"",
                       mover_name(mover, side));
}

bool mover_ask_query(struct mover *mover, uint32_t side) {
    *buffer_room(&mover->query, 1) = '\0';
    return mover_ask(mover, side, (const char *)mover->query.bytes);
}

bool mover_ask_number(struct mover *mover, uint32_t side, const char *query,
                      uint64_t *ret_number) {
    const char *text = mover->text;
    if (!mover_ask(mover, side, query))
        return false;
    return (lineage_take_number(&text, ret_number) && *text == '\0') || mover_is_puzzled(mover);
}

void mover_write(struct mover *mover, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(size > 0 && (size_t)size < sizeof(text));
    buffer_reset(&mover->query);
    buffer_add(&mover->query, text, (size_t)size);
}

bool mover_tell(struct mover *mover, const char *doing) {
    struct shard_move_news news = {
        .slot = mover->slot, .copied = mover->told_records, .doing = doing};
    const char *text = mover->text;
    if (mover->move->tell == NULL)
        return true;
    mover_write(mover, "SELECT record_count FROM slots WHERE slot = %" PRIu32, mover->slot);
    if (!mover_ask_query(mover, MOVE_SOURCE))
        return false;
    if (!lineage_take_number(&text, &news.all))
        return mover_is_puzzled(mover);
    return mover->move->tell(mover->move->context, &news) ||
           mover_fails(mover, "called off; the same command goes on");
}

// ---- getting ready ------------------------------------------------------------------------------

// Where a row stands among those of its slot; of what has no second part that is 0.
struct row_key {
    uint64_t first, second;
};

// The key of the last of the next rows behind that one; `*ret_any`: whether there are any.
static bool next_rows(struct mover *mover, uint32_t side, const char *table, const char *first,
                      const char *second, struct row_key *key, bool *ret_any) {
    mover_write(mover,
                "SELECT concat_ws(' ', k, m) FROM (SELECT %s AS k, %s AS m FROM %s "
                "WHERE slot = %" PRIu32 " AND (%s, %s) > (%" PRIu64 ", %" PRIu64 ") ORDER BY %s, "
                "%s LIMIT %d) q ORDER BY k DESC, m DESC LIMIT 1",
                first, second, table, mover->slot, first, second, key->first, key->second, first,
                second, CLEAN_ROWS);
    if (!mover_ask_query(mover, side))
        return false;
    const char *text = mover->text;
    *ret_any = *text != '\0';
    return !*ret_any ||
           (lineage_take_number(&text, &key->first) && lineage_take_word(&text, " ") &&
            lineage_take_number(&text, &key->second)) ||
           mover_is_puzzled(mover);
}

// In the order of the key: what is gone already is not walked over again.
static bool clean_table(struct mover *mover, uint32_t side, const char *table, const char *first,
                        const char *second) {
    struct row_key behind = {0}, key = {0};
    for (bool any = true; any; behind = key) {
        if (!next_rows(mover, side, table, first, second, &key, &any))
            return false;
        if (!any)
            break;
        mover_write(mover,
                    "DELETE FROM %s WHERE slot = %" PRIu32 " AND (%s, %s) > (%" PRIu64 ", %" PRIu64
                    ") AND (%s, %s) <= (%" PRIu64 ", %" PRIu64 ") AND EXISTS (SELECT FROM slots s "
                    "WHERE s.slot = %" PRIu32 " AND s.state = 1)",
                    table, mover->slot, first, second, behind.first, behind.second, first, second,
                    key.first, key.second, mover->slot);
        if (!mover_ask_query(mover, side))
            return false;
    }
    return true;
}

// What lies in the slot on a shard that does not own it: left behind, or copied and left. History
// stays: the rounds of the shard that made it are chained over it. Wallets, the first of the tables
// here, go last: as long as there is one, something is left (shard_spread.c).
static bool clean(struct mover *mover, uint32_t side) {
    bool ok = clean_table(mover, side, "postings", "wallet", "record");
    for (int i = MOVE_THINGS - 1; ok && i >= 0; i--)
        ok = clean_table(mover, side, move_tables[i].name, move_tables[i].key, "0::bigint");
    return ok;
}

// Currencies of the slot that the target has not seen get a number there. Behind the turn, and the
// books are written, so that a batch which has counted them already begins again.
static bool add_currencies(struct mover *mover) {
    struct buffer codes = {0};
    mover_write(mover,
                "SELECT coalesce(string_agg(format('(%%L, %%s)', code, exponent), ','), '') FROM "
                "currencies c WHERE EXISTS (SELECT FROM wallets w WHERE w.slot = %" PRIu32
                " AND w.currency = c.number)",
                mover->slot);
    bool ok = mover_ask_query(mover, MOVE_SOURCE);
    buffer_add_text(&codes, mover->text);
    if (ok && codes.size != 0) {
        buffer_reset(&mover->query);
        BUFFER_ADD(&mover->query, "SELECT count(*) FROM (VALUES ");
        buffer_add(&mover->query, codes.bytes, codes.size);
        BUFFER_ADD(&mover->query, ") v(code, exponent) WHERE NOT EXISTS (SELECT FROM currencies c "
                                  "WHERE c.code = v.code)");
        ok = mover_ask_query(mover, MOVE_TARGET);
    }
    if (ok && codes.size != 0 && strcmp(mover->text, "0") != 0) {
        buffer_reset(&mover->query);
        BUFFER_ADD(
            &mover->query,
            "BEGIN; SELECT pg_advisory_xact_lock(7886710); "
            "UPDATE books SET slots_version = slots_version + 1; INSERT INTO currencies (number, "
            "code, exponent, wallet_count, deposits, withdrawals, balances, transit) SELECT "
            "(SELECT count(*) FROM currencies) + row_number() OVER (ORDER BY v.code) - 1, "
            "v.code, v.exponent, 0, 0, 0, 0, 0 FROM (VALUES ");
        buffer_add(&mover->query, codes.bytes, codes.size);
        BUFFER_ADD(&mover->query, ") v(code, exponent) WHERE NOT EXISTS (SELECT FROM currencies c "
                                  "WHERE c.code = v.code); COMMIT");
        ok = mover_ask_query(mover, MOVE_TARGET);
    }
    buffer_done(&codes);
    return ok;
}

static bool map_currencies(struct mover *mover) {
    struct buffer codes = {0};
    bool ok = mover_ask(mover, MOVE_TARGET,
                        "SELECT coalesce(string_agg(format('(%L, %s)', code, number), ','), "
                        "'(NULL, -1)') FROM currencies");
    buffer_add_text(&codes, mover->text);
    if (ok) {
        buffer_reset(&mover->query);
        BUFFER_ADD(&mover->query,
                   "SELECT coalesce(string_agg(format('(%s, %s)', c.number, v.number), ','), "
                   "'(-1, -1)') FROM currencies c JOIN (VALUES ");
        buffer_add(&mover->query, codes.bytes, codes.size);
        BUFFER_ADD(&mover->query, ") v(code, number) ON v.code = c.code");
        ok = mover_ask_query(mover, MOVE_SOURCE);
        buffer_reset(&mover->numbers);
        buffer_add_text(&mover->numbers, mover->text);
    }
    buffer_done(&codes);
    return ok;
}

static bool learn_seal(struct mover *mover) {
    uint8_t key[16];
    if (!mover_ask(mover, MOVE_SOURCE, "SELECT encode(seal_key, 'hex') FROM books"))
        return false;
    if (!hex_read(slice_of(mover->text, 2 * sizeof(key)), key))
        return mover_is_puzzled(mover);
    mover->seal = id_seal_make(key);
    explicit_bzero(key, sizeof(key));
    return true;
}

static bool begin(struct mover *mover) {
    mover_write_heads(mover);
    mover_write(mover, "SELECT copied FROM slots WHERE slot = %" PRIu32, mover->slot);
    *buffer_room(&mover->query, 1) = '\0';
    return learn_seal(mover) && mover_judge_master(mover) && mover_find_keys(mover) &&
           mover_ask_number(mover, MOVE_TARGET, (const char *)mover->query.bytes,
                            &mover->copied_to) &&
           // What stood here when the slot left is older than what comes.
           (mover->copied_to != 0 || clean(mover, MOVE_TARGET));
}

// ---- copying ------------------------------------------------------------------------------------

// One copy: of everything, or of what the records since the last one tell. `*ret_since`: how many
// these were.
static bool copy_pass(struct mover *mover, uint64_t *ret_since) {
    uint64_t last = 0, room = 0;
    *ret_since = UINT64_MAX;
    if (!add_currencies(mover) || !map_currencies(mover) || !mover_last_record(mover, &last) ||
        !mover_ask_number(mover, MOVE_TARGET, "SELECT end_record FROM extent", &room))
        return false;
    if (last + (UINT64_C(86400000) << 17) > room)
        return mover_fails(mover, "the target has no partitions for what is written now; a node "
                                  "that serves makes them within a minute");
    last = last < mover->copied_to ? mover->copied_to : last;
    if (mover->horizon != 0 && !mover_count_since(mover, ret_since))
        return false;
    return *ret_since > SINCE_MANY ? mover_copy(mover, last)
                                   : mover_copy_since(mover, last, false);
}

// Until little has been written since the copy before.
static bool catch_up(struct mover *mover) {
    uint64_t since = UINT64_MAX;
    bool ok = true;
    for (int i = 0; ok && since > SINCE_MANY && i < COPIES_MAX; i++)
        ok = copy_pass(mover, &since);
    for (int i = 0; ok && since > SINCE_FEW && i < CATCH_UPS_MAX; i++)
        ok = copy_pass(mover, &since);
    return ok;
}

// Slots that came and went have kept somebody who adds up all books from an end: as long as he is
// at it, none does (shard_still.c).
static bool is_let(struct mover *mover, bool *ret_let) {
    *ret_let = true;
    for (uint32_t side = 0; side < MOVE_SIDES && *ret_let; side++) {
        if (!mover_ask(mover, side, SHARD_STILL_TRY))
            return false;
        *ret_let = strcmp(mover->text, "true") == 0;
        if (!*ret_let && side != 0 && !mover_ask(mover, 0, SHARD_STILL_OVER))
            return false;
    }
    return *ret_let || mover_tell(mover, "waits for a check of the books");
}

// A lock that cannot be given back goes with its connection. Why it did not move still stands.
static void let_others(struct mover *mover) {
    char why[512];
    (void)snprintf(why, sizeof(why), "%s", mover->why);
    for (uint32_t side = 0; side < MOVE_SIDES; side++)
        if (shard_lines_is_open(mover->lines, mover->places[side]) &&
            !mover_ask(mover, side, SHARD_STILL_OVER))
            shard_lines_close(mover->lines, mover->places[side]);
    (void)snprintf(mover->why, mover->why_bytes, "%s", why);
}

static bool switch_over(struct mover *mover) {
    struct signal_gate never;
    char said[512]; // why it did not move yet
    uint64_t until_ns = UINT64_MAX; // from when on it is not waited for any more
    signal_gate_init(&never, 0, 0);
    for (int tries = 0; tries < TRIES_MAX;) {
        bool again = false, is_free;
        mover->why[0] = '\0';
        mover->ask_ns = ASK_WAIT_NS;
        if (!catch_up(mover) || !mover_sum(mover) || !is_let(mover, &is_free))
            return false;
        uint64_t now_ns = clock_monotonic_ns();
        if (!is_free && until_ns == UINT64_MAX)
            until_ns = now_ns + STILL_NS;
        if (is_free || now_ns > until_ns) {
            bool ok = mover_switch(mover, &again);
            mover->ask_ns = ASK_WAIT_NS;
            if (is_free)
                let_others(mover);
            if (ok || !again)
                return ok;
            tries++;
            (void)snprintf(said, sizeof(said), "%s", mover->why);
            if (!mover_tell(mover, said))
                return false;
        }
        (void)signal_gate_wait(&never, 1, TRY_PAUSE_NS);
    }
    return false;
}

// ---- all of it ----------------------------------------------------------------------------------

// Where it is not any more; also behind somebody who was stopped in the middle of that.
static bool clean_elsewhere(struct mover *mover) {
    bool ok = true;
    mover->is_bound = false;
    for (uint32_t i = 0; ok && i < mover->lines->count; i++) {
        if (i == mover->move->target)
            continue;
        mover->places[MOVE_SOURCE] = i;
        mover_write(mover, "UPDATE slots SET copied = 0 WHERE slot = %" PRIu32
                    " AND state = 1 AND copied <> 0", mover->slot);
        ok = mover_ask_query(mover, MOVE_SOURCE) && clean(mover, MOVE_SOURCE);
    }
    return ok;
}

// Others may move what they want from now on.
static void let_go(struct mover *mover) {
    mover->is_bound = false;
    for (uint32_t i = 0; i < mover->lines->count; i++)
        if (shard_lines_is_open(mover->lines, i) &&
            shard_lines_ask(mover->lines, i, "SELECT pg_advisory_unlock_all()", ASK_WAIT_NS) !=
                LINK_OK)
            shard_lines_close(mover->lines, i);
}

static struct mover *mover_open(const struct shard_move *move, char *ret_why, size_t why_bytes) {
    CHECK(move->slot < LIMIT_SLOTS && move->target < move->lines->count && why_bytes >= 256);
    struct mover *mover = memory_take_zeroed(sizeof(*mover));
    ret_why[0] = '\0';
    mover->move = move;
    mover->lines = move->lines;
    mover->text = move->lines->text;
    mover->slot = move->slot;
    mover->places[MOVE_TARGET] = move->target;
    mover->ask_ns = ASK_WAIT_NS;
    mover->why = ret_why;
    mover->why_bytes = why_bytes;
    return mover;
}

static void mover_close(struct mover *mover) {
    let_go(mover);
    for (int i = 0; i < MOVE_SIDES; i++)
        link_done(&mover->bulk[i]);
    for (int i = 0; i < MOVE_THINGS; i++) {
        buffer_done(&mover->touched[i]);
        buffer_done(&mover->open[i]);
    }
    buffer_done(&mover->parts);
    buffer_done(&mover->keys);
    buffer_done(&mover->sums);
    buffer_done(&mover->query);
    buffer_done(&mover->numbers);
    explicit_bzero(mover, sizeof(*mover));
    memory_free(mover);
}

enum status shard_move(const struct shard_move *move, char *ret_why, size_t why_bytes) {
    struct mover *mover = mover_open(move, ret_why, why_bytes);
    bool never = false;
    bool ok = mover_find_source(mover);
    if (ok && mover->places[MOVE_SOURCE] != move->target)
        ok = mover_judge(mover, &never) && mover_be_alone(mover) && begin(mover) &&
             switch_over(mover);
    ok = ok && clean_elsewhere(mover);
    mover_close(mover);
    return ok ? STATUS_ok : never ? STATUS_invalid_request : STATUS_busy;
}

enum status shard_move_forget(const struct shard_move *move, char *ret_why, size_t why_bytes) {
    struct mover *mover = mover_open(move, ret_why, why_bytes);
    bool ok = mover_find_source(mover) &&
              (mover->places[MOVE_SOURCE] != move->target ||
               mover_fails(mover, "slot %" PRIu32 " is owned there", mover->slot)) &&
              mover_be_alone(mover) && clean(mover, MOVE_TARGET);
    if (ok) {
        mover_write(mover, "UPDATE slots SET copied = 0 WHERE slot = %" PRIu32 " AND state = 1",
                    mover->slot);
        ok = mover_ask_query(mover, MOVE_TARGET);
    }
    mover_close(mover);
    return ok ? STATUS_ok : STATUS_busy;
}
