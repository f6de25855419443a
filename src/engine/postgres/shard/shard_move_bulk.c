// SPDX-License-Identifier: MIT
// The great mass of a slot: records and postings, which never change. They go over connections of
// their own, whose statements are prepared and whose rows are binary; while the target writes a
// slice the source reads the next one. What has not come yet is copied as fast as it can be; what
// has, by an earlier try or with another slot, is found row by row and left as it is.
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/record_rows.h"
#include "engine/postgres/shard/shard_move_private.h"
#include "ledger/record.h"

#define CONNECT_WAIT_NS UINT64_C(5000000000)
#define SLICE_WAIT_NS   UINT64_C(120000000000)
#define SLICE_ROWS      4000
#define SLICE_BYTES     4000000 // of records; more only when a single one has them
#define OTHERS_ROWS     1000    // records of other slots that are asked for at once
#define HOME_MAX        (UINT32_C(32) << 20) // more are not remembered

// Tables may have been small when a plan was made, and are large at its end.
static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET lock_timeout = '5s'; "
    "SET client_min_messages = warning; SET synchronous_commit = off; SET jit = off; "
    "SET tcp_user_timeout = '4s'; SET plan_cache_mode = force_generic_plan; "
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_mergejoin = off; "
    "SET default_transaction_isolation = 'read committed'";

// Columns of records as they come from the source, in the order of SQL_SLOT_RECORDS.
enum {
    RECORD_SLOT,
    RECORD_NUMBER,
    RECORD_TIME,
    RECORD_OF_KIND,
    RECORD_TYPE,
    RECORD_PRINCIPAL,
    RECORD_ORDER,
    RECORD_OPENING,
    RECORD_CHAIN,
    RECORD_CONTENT,
    RECORD_CAME, // the slot that they come along with
    RECORD_FIELDS,
    RECORD_READ = RECORD_CAME,
    RECORD_SHORTS = COLUMN_BIT(RECORD_SLOT) | COLUMN_BIT(RECORD_OF_KIND) | COLUMN_BIT(RECORD_TYPE) |
                    COLUMN_BIT(RECORD_CAME),
    RECORD_TEXTS = COLUMN_BIT(RECORD_PRINCIPAL) | COLUMN_BIT(RECORD_ORDER) |
                   COLUMN_BIT(RECORD_CHAIN) | COLUMN_BIT(RECORD_CONTENT)
};
enum { KEY_FIELDS = IDEMPOTENCY_COLUMNS };
enum {
    POSTING_SLOT,
    POSTING_WALLET,
    POSTING_RECORD,
    POSTING_TYPE = 5,
    POSTING_FIELDS = 10,
    POSTING_SHORTS = COLUMN_BIT(POSTING_SLOT) | COLUMN_BIT(POSTING_TYPE)
};

struct bulk {
    struct mover *mover;
    uint64_t keys_since; // older ones stay behind
    bool is_first;       // nothing of the slot was there before
    struct column records[RECORD_FIELDS + KEY_FIELDS], banks[BANK_COLUMNS],
        postings[POSTING_FIELDS], some;
    struct buffer home; // numbers of records of the slot that have come this time, in their order
    struct buffer others; // numbers of records that postings at hand are of, and that are not
};

static uint64_t count_of(const struct buffer *numbers) {
    return numbers->size / sizeof(uint64_t);
}

static uint64_t number_at(const struct buffer *numbers, uint64_t place) {
    uint64_t number;
    CHECK(place < count_of(numbers));
    memcpy(&number, numbers->bytes + place * sizeof(number), sizeof(number));
    return number;
}

// ---- asking -------------------------------------------------------------------------------------

static bool fails(struct bulk *bulk, uint32_t side) {
    struct link *link = &bulk->mover->bulk[side];
    (void)mover_fails(bulk->mover, "the shard \"%s\": %s", mover_name(bulk->mover, side),
                      link->why);
    link_close(link);
    return false;
}

static bool open_both(struct bulk *bulk) {
    struct mover *mover = bulk->mover;
    for (uint32_t side = 0; side < MOVE_SIDES; side++) {
        struct link *link = &mover->bulk[side];
        link_forget(link);
        if (!link_is_open(link) &&
            link_open(link, mover->lines->places[mover->places[side]].url, settings,
                      SQL_SLOT_FIRST, SQL_SLOT_LAST, CONNECT_WAIT_NS) != LINK_OK)
            return fails(bulk, side);
    }
    return true;
}

static void begin(struct bulk *bulk, uint32_t side, enum sql statement,
                  const struct parameters *parameters) {
    struct link *link = &bulk->mover->bulk[side];
    link->deadline_ns = clock_monotonic_ns() + SLICE_WAIT_NS;
    link_send(link, statement, parameters);
}

static void keep_result(void *context, enum sql statement, const struct pg_result *result) {
    (void)statement;
    *(const struct pg_result **)context = result;
}

// The last result of what was begun there; it stays until the next flight is collected.
static bool collect(struct bulk *bulk, uint32_t side, const struct pg_result **ret_result) {
    struct link *link = &bulk->mover->bulk[side];
    *ret_result = NULL;
    return link_collect(link, keep_result, ret_result) == LINK_OK || fails(bulk, side);
}

// ---- records ------------------------------------------------------------------------------------

static void clear_records(struct bulk *bulk) {
    columns_begin(bulk->records, RECORD_FIELDS + KEY_FIELDS,
                  RECORD_TEXTS | IDEMPOTENCY_BYTES << RECORD_FIELDS);
    columns_begin(bulk->banks, BANK_COLUMNS, BANK_BYTES);
}

static void add_key(struct bulk *bulk, uint64_t slot, uint64_t number,
                    const struct record *record) {
    if (!move_takes_key(bulk->mover, slot, record) || number < bulk->keys_since)
        return;
    struct record_place place = {.number = number, .slot = (uint32_t)slot};
    idempotency_row_add(&bulk->records[RECORD_FIELDS], place, record);
}

static void add_record(struct bulk *bulk, const struct pg_result *result, int row) {
    column_add(&bulk->records[RECORD_CAME], bulk->mover->slot);
    for (int field = 0; field < RECORD_READ; field++) {
        struct column *column = &bulk->records[field];
        if (row_is_null(result, row, field))
            column_add_null(column);
        else if ((RECORD_TEXTS & COLUMN_BIT(field)) != 0)
            column_add_bytes(column, row_bytes(result, row, field));
        else
            column_add(column, row_number(result, row, field));
    }
}

static bool take_records(struct bulk *bulk, const struct pg_result *result) {
    clear_records(bulk);
    for (int row = 0; row < row_count(result); row++) {
        struct record record;
        const char *broken;
        uint64_t slot = (uint64_t)row_number(result, row, RECORD_SLOT),
                 number = (uint64_t)row_number(result, row, RECORD_NUMBER);
        if (record_decode(row_bytes(result, row, RECORD_CONTENT), &record, &broken) != STATUS_ok)
            return mover_fails(bulk->mover, "record %" PRIu64 " cannot be read: %s", number,
                               broken);
        add_record(bulk, result, row);
        add_key(bulk, slot, number, &record);
        move_note_parts(bulk->mover, slot, &record);
        bank_row_add(bulk->banks, number, &record); // leads to the record where that is, too
    }
    return true;
}

static bool copy(struct bulk *bulk, enum sql statement, const struct column *columns,
                 uint32_t count, uint32_t shorts) {
    return link_copy(&bulk->mover->bulk[MOVE_TARGET], statement, columns, count, shorts, 0) ==
               LINK_OK ||
           fails(bulk, MOVE_TARGET);
}

static bool finish_writing(struct bulk *bulk) {
    const struct pg_result *result;
    link_sync(&bulk->mover->bulk[MOVE_TARGET]);
    bool ok = collect(bulk, MOVE_TARGET, &result);
    link_forget(&bulk->mover->bulk[MOVE_TARGET]);
    return ok;
}

// Two shards make the same number when one has made thousands of records in a millisecond; in one
// database numbers lead to records.
static bool look_at_numbers(struct bulk *bulk, bool *ret_any_are_there) {
    const struct pg_result *result;
    struct parameters parameters = {0};
    parameter_column(&parameters, &bulk->records[RECORD_SLOT]);
    parameter_column(&parameters, &bulk->records[RECORD_NUMBER]);
    begin(bulk, MOVE_TARGET, SQL_SLOT_NUMBERS_TAKEN, &parameters);
    link_sync(&bulk->mover->bulk[MOVE_TARGET]);
    if (!collect(bulk, MOVE_TARGET, &result))
        return false;
    bool are_free = row_number(result, 0, 0) == 0;
    *ret_any_are_there = row_number(result, 0, 1) != 0;
    link_forget(&bulk->mover->bulk[MOVE_TARGET]);
    return are_free || mover_fails(bulk->mover, MOVE_NUMBER_IS_TAKEN);
}

// Where one of them is there already, each is looked for.
static bool write_records(struct bulk *bulk) {
    struct link *target = &bulk->mover->bulk[MOVE_TARGET];
    struct parameters parameters = {0};
    bool any_are_there;
    if (!look_at_numbers(bulk, &any_are_there) ||
        (!any_are_there &&
         !copy(bulk, SQL_SLOT_COPY_RECORDS, bulk->records, RECORD_FIELDS, RECORD_SHORTS)))
        return false;
    for (uint32_t i = 0; any_are_there && i < RECORD_FIELDS + KEY_FIELDS; i++)
        parameter_column(&parameters, &bulk->records[i]);
    target->deadline_ns = clock_monotonic_ns() + SLICE_WAIT_NS;
    if (any_are_there)
        link_send(target, SQL_SLOT_TAKE_RECORDS, &parameters);
    else
        link_send_columns(target, SQL_SLOT_TAKE_KEYS, &bulk->records[RECORD_FIELDS], KEY_FIELDS);
    link_send_columns(target, SQL_SLOT_TAKE_BANK_IDS, bulk->banks, BANK_COLUMNS);
    return finish_writing(bulk);
}

// ---- records of the slot ------------------------------------------------------------------------

static void ask_home(struct bulk *bulk, uint64_t behind, uint64_t last) {
    struct parameters parameters = {0};
    parameter_number(&parameters, bulk->mover->slot);
    parameter_number(&parameters, (int64_t)behind);
    parameter_number(&parameters, (int64_t)last);
    parameter_number(&parameters, SLICE_ROWS);
    parameter_number(&parameters, SLICE_BYTES);
    begin(bulk, MOVE_SOURCE, SQL_SLOT_RECORDS, &parameters);
    link_sync(&bulk->mover->bulk[MOVE_SOURCE]);
}

static void note_home(struct bulk *bulk, const struct pg_result *result) {
    for (int row = 0; row < row_count(result) && count_of(&bulk->home) < HOME_MAX; row++) {
        uint64_t number = (uint64_t)row_number(result, row, RECORD_NUMBER);
        buffer_add(&bulk->home, &number, sizeof(number));
    }
}

static bool copy_home_records(struct bulk *bulk, uint64_t last) {
    struct mover *mover = bulk->mover;
    struct link *source = &mover->bulk[MOVE_SOURCE];
    ask_home(bulk, mover->copied_to, last);
    for (;;) {
        const struct pg_result *result;
        if (!collect(bulk, MOVE_SOURCE, &result))
            return false;
        int rows = row_count(result);
        if (rows == 0)
            return true;
        uint64_t behind = (uint64_t)row_number(result, rows - 1, RECORD_NUMBER);
        note_home(bulk, result);
        if (!take_records(bulk, result))
            return false;
        link_forget(source);
        ask_home(bulk, behind, last); // is read while these are written
        mover->told_records += (uint64_t)rows;
        if (!write_records(bulk) || !mover_tell(mover, "copying"))
            return false;
    }
}

// ---- postings -----------------------------------------------------------------------------------

// Where a walk over the postings of the slot stands: behind that wallet's record.
struct walk {
    uint64_t wallet, record;
};

static void ask_postings(struct bulk *bulk, const struct walk *walk, uint64_t last) {
    struct parameters parameters = {0};
    parameter_number(&parameters, bulk->mover->slot);
    parameter_number(&parameters, (int64_t)walk->wallet);
    parameter_number(&parameters, (int64_t)walk->record);
    parameter_number(&parameters, (int64_t)bulk->mover->copied_to);
    parameter_number(&parameters, (int64_t)last);
    parameter_number(&parameters, SLICE_ROWS);
    begin(bulk, MOVE_SOURCE, SQL_SLOT_POSTINGS, &parameters);
    link_sync(&bulk->mover->bulk[MOVE_SOURCE]);
}

// Whether that record of the slot has come this time.
static bool is_home(const struct bulk *bulk, uint64_t number) {
    uint64_t low = 0, high = count_of(&bulk->home);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, found = number_at(&bulk->home, middle);
        if (found == number)
            return true;
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

// Records of other slots that those postings are of: a wallet of this one gets money by them, or
// gives it. A record has two postings at most here, which may come in different slices.
static void take_postings(struct bulk *bulk, const struct pg_result *result) {
    columns_begin(bulk->postings, POSTING_FIELDS, 0);
    buffer_reset(&bulk->others);
    for (int row = 0; row < row_count(result); row++) {
        if (row_is_null(result, row, POSTING_RECORD))
            continue; // a wallet that has nothing new
        for (int field = 0; field < POSTING_FIELDS; field++)
            column_add(&bulk->postings[field], row_number(result, row, field));
        uint64_t record = (uint64_t)row_number(result, row, POSTING_RECORD);
        if (!is_home(bulk, record))
            buffer_add(&bulk->others, &record, sizeof(record));
    }
}

// Some at a time.
static bool copy_others(struct bulk *bulk) {
    struct mover *mover = bulk->mover;
    const struct pg_result *result;
    uint64_t count = count_of(&bulk->others);
    for (uint64_t at = 0; at < count; at += OTHERS_ROWS) {
        struct parameters parameters = {0};
        column_begin(&bulk->some, false);
        for (uint64_t i = at; i < count && i < at + OTHERS_ROWS; i++)
            column_add(&bulk->some, (int64_t)number_at(&bulk->others, i));
        parameter_column(&parameters, &bulk->some);
        parameter_number(&parameters, mover->slot);
        begin(bulk, MOVE_SOURCE, SQL_SLOT_OTHERS, &parameters);
        link_sync(&mover->bulk[MOVE_SOURCE]);
        if (!collect(bulk, MOVE_SOURCE, &result) || !take_records(bulk, result))
            return false;
        link_forget(&mover->bulk[MOVE_SOURCE]);
        if (bulk->records[0].count == 0)
            continue;
        mover->told_records += bulk->records[0].count;
        if (!write_records(bulk))
            return false;
    }
    return true;
}

static bool write_postings(struct bulk *bulk) {
    struct parameters parameters = {0};
    if (bulk->postings[0].count == 0)
        return true;
    if (bulk->is_first)
        return copy(bulk, SQL_COPY_POSTINGS, bulk->postings, POSTING_FIELDS, POSTING_SHORTS);
    for (uint32_t i = 0; i < POSTING_FIELDS; i++)
        parameter_column(&parameters, &bulk->postings[i]);
    begin(bulk, MOVE_TARGET, SQL_SLOT_TAKE_POSTINGS, &parameters);
    return finish_writing(bulk);
}

static bool copy_postings(struct bulk *bulk, uint64_t last) {
    struct mover *mover = bulk->mover;
    struct walk walk = {.wallet = 0};
    ask_postings(bulk, &walk, last);
    for (;;) {
        const struct pg_result *result;
        if (!collect(bulk, MOVE_SOURCE, &result))
            return false;
        int rows = row_count(result);
        if (rows == 0)
            return true;
        walk = (struct walk){.wallet = (uint64_t)row_number(result, rows - 1, POSTING_WALLET),
                             .record = (uint64_t)row_number(result, rows - 1, POSTING_RECORD)};
        if (rows < SLICE_ROWS || walk.record == 0)
            walk = (struct walk){.wallet = walk.wallet + 1};
        take_postings(bulk, result);
        link_forget(&mover->bulk[MOVE_SOURCE]);
        if (!copy_others(bulk))
            return false;
        ask_postings(bulk, &walk, last); // are read while these are written
        if (!write_postings(bulk) || !mover_tell(mover, "copying postings"))
            return false;
    }
}

// ---- both ---------------------------------------------------------------------------------------

static bool learn_keys(struct bulk *bulk) {
    const struct pg_result *result;
    begin(bulk, MOVE_TARGET, SQL_SLOT_KEYS_SINCE, NULL);
    link_sync(&bulk->mover->bulk[MOVE_TARGET]);
    if (!collect(bulk, MOVE_TARGET, &result))
        return false;
    bulk->keys_since = row_number(result, 0, 0) < 0 ? 0 : (uint64_t)row_number(result, 0, 0);
    link_forget(&bulk->mover->bulk[MOVE_TARGET]);
    return true;
}

bool mover_copy_bulk(struct mover *mover, uint64_t last) {
    struct bulk *bulk = memory_take_zeroed(sizeof(*bulk));
    CHECK(last >= mover->copied_to);
    bulk->mover = mover;
    bulk->is_first = mover->copied_to == 0; // what a try before has left was deleted
    bool ok = open_both(bulk) && learn_keys(bulk) && copy_home_records(bulk, last) &&
              copy_postings(bulk, last);
    for (uint32_t side = 0; side < MOVE_SIDES; side++) {
        if (!ok) // something may still be under way
            link_close(&mover->bulk[side]);
        link_forget(&mover->bulk[side]);
    }
    for (uint32_t i = 0; i < RECORD_FIELDS + KEY_FIELDS; i++)
        column_done(&bulk->records[i]);
    for (uint32_t i = 0; i < BANK_COLUMNS; i++)
        column_done(&bulk->banks[i]);
    for (uint32_t i = 0; i < POSTING_FIELDS; i++)
        column_done(&bulk->postings[i]);
    column_done(&bulk->some);
    buffer_done(&bulk->others);
    buffer_done(&bulk->home);
    memory_free(bulk);
    return ok;
}
