// SPDX-License-Identifier: MIT
// The feed, balances of the past, and walks over all things, each read in steps on a reader's
// connection.
#include "base/check.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/postgres_books.h"

#define FEED_RECORD_BYTES 256 // what a record takes on average, for asking for enough of them
#define FEED_RECORDS_MAX  4096

static enum status status_of(enum link_result result) {
    return result == LINK_OK ? STATUS_ok : STATUS_busy;
}

// Memory for what a feed call hands out. The last FEEDS_KEPT are kept.
static struct arena *feed_arena(struct books *books) {
    struct feeds *feeds = &books->feeds;
    CHECK(pthread_mutex_lock(&feeds->lock) == 0);
    struct arena *arena = &feeds->arenas[feeds->next++ % FEEDS_KEPT];
    CHECK(pthread_mutex_unlock(&feeds->lock) == 0);
    arena_done(arena);
    arena_init(arena, 4096);
    return arena;
}

struct feed_step {
    struct feed_record *records;
    int count;
};

static enum status feed_read(struct books *books, uint64_t position, size_t bytes_max,
                             struct arena *arena, struct feed_step *ret_step) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    bool is_one = bytes_max <= 1; // one that is asked for by its place may have been kept
    size_t most = bytes_max / FEED_RECORD_BYTES + 1;
    struct link *link = reader_take(books);
    parameter_number(&parameters, position < 8 ? 1 : (int64_t)((position + 7) / 8));
    if (!is_one)
        parameter_number(&parameters, (int64_t)(most < FEED_RECORDS_MAX ? most : FEED_RECORDS_MAX));
    enum status status = status_of(
        reader_ask(books, link, is_one ? SQL_ONE_RECORD : SQL_FEED, &parameters, &result));
    ret_step->count = status == STATUS_ok ? row_count(result) : 0;
    ret_step->records =
        arena_take(arena, ((size_t)ret_step->count + 1) * sizeof(*ret_step->records));
    for (int i = 0; i < ret_step->count; i++) {
        uint64_t at = (uint64_t)row_number(result, i, 0) * 8;
        ret_step->records[i] = (struct feed_record){
            .position = at,
            .next = at + 8,
            .bytes = arena_copy(arena, row_bytes(result, i, 1)),
            .came = !is_one && row_number(result, i, 2) != 0};
    }
    reader_give(link);
    return status;
}

enum status books_postgres_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                                bool (*each)(void *context, const struct feed_record *record),
                                void *context, uint64_t *ret_next) {
    struct books *books = (struct books *)engine;
    struct arena arena;
    struct feed_step step;
    // A single record may be kept by who asked; more are read only while they are told.
    bool is_kept = bytes_max <= 1;
    struct arena *memory = is_kept ? feed_arena(books) : &arena;
    arena_init(&arena, 1 << 16);
    *ret_next = position;
    enum status status = feed_read(books, position, bytes_max, memory, &step);
    for (int i = 0; i < step.count && status == STATUS_ok; i++) {
        *ret_next = step.records[i].next;
        if (!each(context, &step.records[i]))
            break;
    }
    arena_done(&arena);
    return status;
}

// ---- where history begins ---------------------------------------------------------------------

struct opening_step {
    int64_t what, slot, number; // of the last piece
    int rows;
    bool goes_on;
};

static enum status opening_read(struct books *books, uint64_t line, bool is_kept,
                                bool (*each)(void *context, const struct opening_item *item),
                                void *context, struct opening_step *step) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    int first = is_kept ? 0 : 1; // kept records have no column for what they are
    struct link *link = reader_take(books);
    parameter_number(&parameters, (int64_t)line);
    if (!is_kept)
        parameter_number(&parameters, step->what);
    parameter_number(&parameters, step->slot);
    parameter_number(&parameters, step->number);
    enum status status = status_of(
        reader_ask(books, link, is_kept ? SQL_KEPT : SQL_OPENING, &parameters, &result));
    step->rows = status == STATUS_ok ? row_count(result) : 0;
    for (int i = 0; i < step->rows && step->goes_on; i++) {
        step->what = is_kept ? OPENING_KEPT : row_number(result, i, 0);
        step->slot = row_number(result, i, first);
        step->number = row_number(result, i, first + 1);
        const struct opening_item item = {.what = (uint8_t)step->what,
                                          .slot = (uint16_t)step->slot,
                                          .number = (uint64_t)step->number,
                                          .bytes = row_bytes(result, i, first + 2)};
        step->goes_on = each(context, &item);
    }
    reader_give(link);
    return status;
}

enum status books_postgres_opening(struct engine *engine,
                                   bool (*each)(void *context, const struct opening_item *item),
                                   void *context, struct opening_mark *ret_mark) {
    struct books *books = (struct books *)engine;
    const struct pg_result *result;
    struct link *link = reader_take(books);
    *ret_mark = (struct opening_mark){.position = 0};
    enum status status = status_of(reader_ask(books, link, SQL_ARCHIVED, NULL, &result));
    if (status == STATUS_ok && row_count(result) == 1)
        *ret_mark = (struct opening_mark){.position = (uint64_t)row_number(result, 0, 0),
                                          .digest = {(uint64_t)row_number(result, 0, 1),
                                                     (uint64_t)row_number(result, 0, 2)}};
    reader_give(link);
    if (ret_mark->position == 0 || each == NULL)
        return status;
    for (int is_kept = 0; is_kept < 2 && status == STATUS_ok; is_kept++) {
        struct opening_step step = {.slot = -1, .goes_on = true};
        do
            status = opening_read(books, ret_mark->position / 8, is_kept == 1, each, context,
                                  &step);
        while (status == STATUS_ok && step.rows != 0 && step.goes_on);
    }
    return status;
}

uint64_t books_postgres_end(struct engine *engine) {
    struct books *books = (struct books *)engine;
    const struct pg_result *result;
    struct link *link = reader_take(books);
    uint64_t records = 0;
    if (reader_ask(books, link, SQL_END, NULL, &result) == LINK_OK && row_count(result) == 1)
        records = (uint64_t)row_number(result, 0, 0);
    reader_give(link);
    if (records == 0) { // what this node knows itself
        CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
        records = books->counters.last_record;
        CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    }
    return (records + 1) * 8;
}

// ---- walks ------------------------------------------------------------------------------------

// Reads all rows of a statement in steps, each from behind the last row of the one before: by slot
// and number, or by number alone.
static enum status walk(struct engine *engine, enum sql statement, bool has_slot,
                        void (*visit)(void *visitor, const struct pg_result *result, int row),
                        void *visitor) {
    struct books *books = (struct books *)engine;
    int64_t slot = -1, number = 0;
    enum status status = STATUS_ok;
    int rows = 0;
    do {
        struct parameters parameters = {0};
        const struct pg_result *result;
        struct link *link = reader_take(books);
        if (has_slot)
            parameter_number(&parameters, slot);
        parameter_number(&parameters, number);
        status = status_of(reader_ask(books, link, statement, &parameters, &result));
        rows = status == STATUS_ok ? row_count(result) : 0;
        for (int i = 0; i < rows; i++)
            visit(visitor, result, i);
        if (rows != 0) {
            slot = has_slot ? row_number(result, rows - 1, 0) : slot;
            number = row_number(result, rows - 1, has_slot ? 1 : 0);
        }
        reader_give(link);
    } while (rows != 0);
    return status;
}

struct wallet_visitor {
    void (*each)(void *context, const struct wallet *wallet);
    void *context;
};

static void visit_wallet(void *visitor, const struct pg_result *result, int row) {
    const struct wallet_visitor *of = visitor;
    struct wallet wallet;
    row_wallet(result, row, &wallet);
    of->each(of->context, &wallet);
}

enum status books_postgres_wallets(struct engine *engine,
                                   void (*each)(void *context, const struct wallet *wallet),
                                   void *context) {
    return walk(engine, SQL_ALL_WALLETS, true, visit_wallet,
                &(struct wallet_visitor){each, context});
}

struct habits_visitor {
    void (*each)(void *context, struct id wallet, const struct habits *habits);
    void *context;
};

static void visit_habits(void *visitor, const struct pg_result *result, int row) {
    const struct habits_visitor *of = visitor;
    struct habits habits = habits_of_bytes(row_bytes(result, row, 3));
    of->each(of->context, row_id(result, row, 2), &habits);
}

enum status books_postgres_habits(struct engine *engine,
                                  void (*each)(void *context,
                                               struct id wallet, const struct habits *habits),
                                  void *context) {
    return walk(engine, SQL_ALL_HABITS, true, visit_habits,
                &(struct habits_visitor){each, context});
}

struct hold_visitor {
    void (*each)(void *context, const struct hold *hold);
    void *context;
};

static void visit_hold(void *visitor, const struct pg_result *result, int row) {
    const struct hold_visitor *of = visitor;
    struct hold hold;
    row_hold(result, row, &hold);
    of->each(of->context, &hold);
}

enum status books_postgres_holds(struct engine *engine,
                                 void (*each)(void *context, const struct hold *hold),
                                 void *context) {
    return walk(engine, SQL_ALL_HOLDS, false, visit_hold, &(struct hold_visitor){each, context});
}

struct withdrawal_visitor {
    void (*each)(void *context, const struct withdrawal *withdrawal);
    void *context;
};

static void visit_withdrawal(void *visitor, const struct pg_result *result, int row) {
    const struct withdrawal_visitor *of = visitor;
    struct withdrawal withdrawal;
    row_withdrawal(result, row, &withdrawal);
    of->each(of->context, &withdrawal);
}

enum status books_postgres_withdrawals(struct engine *engine,
                                       void (*each)(void *context,
                                                    const struct withdrawal *withdrawal),
                                       void *context) {
    return walk(engine, SQL_ALL_WITHDRAWALS, false, visit_withdrawal,
         &(struct withdrawal_visitor){each, context});
}

uint32_t books_postgres_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                   uint32_t count_max) {
    struct books *books = (struct books *)engine;
    const struct pg_result *result;
    struct link *link = reader_take_small(books);
    bool ok = reader_ask(books, link, SQL_ALL_CURRENCIES, NULL, &result) == LINK_OK;
    uint32_t rows = ok ? (uint32_t)row_count(result) : 0;
    uint32_t count = rows < count_max ? rows : count_max;
    for (uint32_t i = 0; i < count; i++)
        ret_accounts[i] = row_currency_account(result, (int)i);
    reader_give(link);
    return ok ? count : ENGINE_UNREAD;
}

enum status books_postgres_slots(struct engine *engine, struct engine_slots *ret_slots) {
    struct books *books = (struct books *)engine;
    const struct pg_result *result;
    struct link *link = reader_take(books);
    enum status status = status_of(reader_ask(books, link, SQL_SLOTS, NULL, &result));
    if (status == STATUS_ok && row_count(result) != LIMIT_SLOTS)
        status = STATUS_damaged;
    for (int i = 0; status == STATUS_ok && i < LIMIT_SLOTS; i++) {
        uint64_t slot = (uint64_t)row_number(result, i, 0);
        CHECK(slot < LIMIT_SLOTS);
        ret_slots->away[slot] = row_number(result, i, 1) != 0;
        ret_slots->came_before[slot] = (uint64_t)row_number(result, i, 2) * 8;
        ret_slots->version = row_number(result, i, 3);
    }
    reader_give(link);
    return status;
}

enum status postgres_slot_now(struct engine *engine, uint32_t slot, bool *ret_is_here,
                              int64_t *ret_version) {
    struct books *books = (struct books *)engine;
    struct parameters parameters = {0};
    const struct pg_result *result;
    CHECK(slot < LIMIT_SLOTS);
    parameter_number(&parameters, slot);
    struct link *link = reader_take(books);
    enum status status = status_of(reader_ask(books, link, SQL_SLOT_STATE, &parameters, &result));
    if (status == STATUS_ok && row_count(result) != 1)
        status = STATUS_damaged;
    if (status == STATUS_ok) {
        *ret_is_here = row_number(result, 0, 0) == 0;
        *ret_version = row_number(result, 0, 1);
    }
    reader_give(link);
    return status;
}

enum status books_postgres_slots_version(struct engine *engine, int64_t *ret_version) {
    bool is_here;
    return postgres_slot_now(engine, 0, &is_here, ret_version);
}

enum status books_postgres_owns(struct engine *engine, struct id wallet, struct slice owner) {
    struct books *books = (struct books *)engine;
    struct parameters parameters = {0};
    const struct pg_result *result;
    uint64_t number;
    if (!number_of_id(&engine->seal, wallet, &number))
        return STATUS_not_found;
    parameter_number(&parameters, id_slot(wallet));
    parameter_number(&parameters, (int64_t)number);
    parameter_bytes(&parameters, slice_of(wallet.bytes, sizeof(wallet.bytes)));
    parameter_bytes(&parameters, owner);
    struct link *link = reader_take(books);
    enum status status = status_of(reader_ask(books, link, SQL_OWNS, &parameters, &result));
    if (status == STATUS_ok && row_count(result) != 1)
        status = STATUS_not_found;
    reader_give(link);
    return status;
}

// Where history begins the opening balance stands in for the postings before.
static enum status balance_on(struct books *books, struct link *link, struct id wallet,
                              uint64_t number, uint64_t time_ms,
                              const struct parameters *parameters, struct balance_at *ret) {
    const struct pg_result *result;
    if (reader_ask(books, link, SQL_BALANCE_AT, parameters, &result) != LINK_OK)
        return STATUS_busy;
    if (row_count(result) != 1 || !id_equal(row_id(result, 0, 4), wallet))
        return STATUS_not_found;
    uint64_t line = (uint64_t)row_number(result, 0, 5);
    if (number < line && time_ms < line >> NUMBER_TIME_SHIFT)
        return STATUS_history_archived;
    int column = row_is_null(result, 0, 2) ? 6 : 2;
    *ret = (struct balance_at){.balance = row_number(result, 0, column),
                               .version = (uint64_t)row_number(result, 0, column + 1)};
    ret->currency = row_currency(result, 0, 0);
    return STATUS_ok;
}

enum status books_postgres_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                                      const struct freshness *freshness, struct balance_at *ret) {
    struct books *books = (struct books *)engine;
    struct reading reading = reading_of(books, freshness);
    uint64_t number;
    if (!number_of_id(&engine->seal, wallet, &number)) {
        if (freshness->claim != NULL)
            freshness->claim->holds = true; // of no shard
        return STATUS_not_found;
    }
    while (reading_next(books, &reading)) {
        struct parameters parameters = {0};
        parameter_number(&parameters, id_slot(wallet));
        parameter_number(&parameters, (int64_t)number);
        parameter_number(&parameters, time_ms > INT64_MAX ? INT64_MAX : (int64_t)time_ms);
        parameter_number(&parameters, (int64_t)number_before_time(time_ms, books->number_slack));
        enum status status =
            balance_on(books, reading.link, wallet, number, time_ms, &parameters, ret);
        if (status == STATUS_busy || !reading_done(books, &reading))
            continue;
        return status;
    }
    return STATUS_busy;
}
