// SPDX-License-Identifier: MIT
// Reads of one thing beside the writer, for who says how old it may be.
#include "base/check.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/postgres_books.h"

static struct slice copy(struct arena *arena, const struct pg_result *result, int row, int column) {
    struct slice bytes = row_bytes(result, row, column);
    return bytes.size == 0 ? bytes : arena_copy(arena, bytes);
}

void entry_wallet(struct arena *arena, const struct pg_result *result, int row,
                  struct outcome *outcome) {
    row_wallet(result, row, &outcome->wallet);
    outcome->has_version = true;
    outcome->version = outcome->wallet.version;
    outcome->record = copy(arena, result, row, 16);
}

void entry_transaction(struct arena *arena, const struct pg_result *result, int row,
                       struct outcome *outcome) {
    outcome->record = copy(arena, result, row, 2);
    outcome->opening = copy(arena, result, row, 4);
    outcome->refunded = row_number(result, row, 0);
}

void entry_hold(struct arena *arena, const struct pg_result *result, int row,
                struct outcome *outcome) {
    bool is_closed = row_number(result, row, 8) != 0;
    row_hold(result, row, &outcome->hold);
    outcome->record = copy(arena, result, row, is_closed ? 10 : 9);
    if (is_closed)
        outcome->opening = copy(arena, result, row, 9);
}

void entry_withdrawal(struct arena *arena, const struct pg_result *result, int row,
                      struct outcome *outcome) {
    int64_t opened = row_number(result, row, 8), closed = row_number(result, row, 5);
    row_withdrawal(result, row, &outcome->withdrawal);
    outcome->record = copy(arena, result, row, closed != 0 ? 7 : 6);
    if (closed != 0 && closed != opened)
        outcome->opening = copy(arena, result, row, 6);
    if (outcome->withdrawal.status == WITHDRAWAL_SETTLED && outcome->record.size != 0) {
        struct record record;
        const char *why;
        CHECK(record_decode(outcome->record, &record, &why) == STATUS_ok);
        outcome->transaction = record.transaction.id;
    }
}

// ---- one thing --------------------------------------------------------------------------------

struct kind_of_thing {
    enum sql statement;
    enum id_type id_type;
    void (*take)(struct arena *arena, const struct pg_result *result, int row,
                 struct outcome *outcome);
};

static struct kind_of_thing kind_of(const struct command *command) {
    switch ((enum command_type)command->type) {
    case COMMAND_READ_WALLET:
        return (struct kind_of_thing){SQL_ONE_WALLET, ID_WALLET, entry_wallet};
    case COMMAND_READ_TRANSACTION:
        return (struct kind_of_thing){SQL_ONE_TRANSACTION, ID_TRANSACTION, entry_transaction};
    case COMMAND_READ_HOLD: return (struct kind_of_thing){SQL_ONE_HOLD, ID_HOLD, entry_hold};
    case COMMAND_READ_WITHDRAWAL:
        return (struct kind_of_thing){SQL_ONE_WITHDRAWAL, ID_WITHDRAWAL, entry_withdrawal};
    default: UNREACHABLE("not a read");
    }
}

// The id of what was found: an id that opens to the number of something else is nobody's.
static bool is_it(const struct command *command, const struct outcome *outcome) {
    struct record record;
    const char *why;
    switch ((enum command_type)command->type) {
    case COMMAND_READ_WALLET: return id_equal(outcome->wallet.id, command->subject);
    case COMMAND_READ_HOLD: return id_equal(outcome->hold.id, command->subject);
    case COMMAND_READ_WITHDRAWAL: return id_equal(outcome->withdrawal.id, command->subject);
    default:
        CHECK(record_decode(outcome->record, &record, &why) == STATUS_ok);
        return record.kind == RECORD_TRANSACTION &&
               id_equal(record.transaction.id, command->subject);
    }
}

static void refuse(const struct command *command, enum id_type type, enum status status,
                   struct outcome *outcome) {
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = (uint8_t)status;
    outcome->refusal = (struct refusal){
        .status = (uint8_t)status, .id_type = (uint8_t)type, .id = command->subject};
}

// What is not there, or has lost its records, was archived with them if it is old enough.
static enum link_result refuse_missing(struct books *books, struct link *link,
                                       const struct command *command, uint64_t number,
                                       struct outcome *outcome) {
    const struct pg_result *result;
    enum link_result answer = reader_ask(books, link, SQL_ARCHIVED, NULL, &result);
    if (answer != LINK_OK)
        return answer;
    bool is_archived = command->type != COMMAND_READ_WALLET && row_count(result) != 0 &&
                       number < (uint64_t)row_number(result, 0, 0) / 8;
    refuse(command, kind_of(command).id_type,
           is_archived ? STATUS_history_archived : STATUS_not_found, outcome);
    return LINK_OK;
}

static enum link_result read_on(struct books *books, struct link *link,
                                const struct command *command, uint64_t number,
                                struct arena *arena, struct outcome *outcome) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    struct kind_of_thing kind = kind_of(command);
    parameter_number(&parameters, id_slot(command->subject));
    parameter_number(&parameters, (int64_t)number);
    enum link_result answer = reader_ask(books, link, kind.statement, &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = STATUS_ok;
    if (row_count(result) == 1)
        kind.take(arena, result, 0, outcome);
    if (row_count(result) != 1 || outcome->record.size == 0 || !is_it(command, outcome))
        return refuse_missing(books, link, command, number, outcome);
    return LINK_OK;
}

// What is kept, is kept sealed.
static enum status reveal(struct books *books, struct arena *arena, struct outcome *outcome) {
    struct entry entry = {.outcome = *outcome};
    enum status status = sealing_reveal(books, arena, &entry, 1);
    *outcome = entry.outcome;
    return status;
}

enum status books_postgres_read(struct engine *engine, const struct command *command,
                                const struct freshness *freshness, struct arena *arena,
                                struct outcome *ret_outcome) {
    struct books *books = (struct books *)engine;
    struct reading reading = reading_of(books, freshness);
    struct slot_claim *claim = freshness->claim;
    uint64_t number;
    bool is_ours = number_of_id(&engine->seal, command->subject, &number);
    // Of transactions whose month is archived nobody learns which ids were real.
    if (!is_ours && command->type == COMMAND_READ_TRANSACTION) {
        number = number_of_time(id_time_ms(command->subject));
    } else if (!is_ours) {
        refuse(command, kind_of(command).id_type, STATUS_not_found, ret_outcome);
        if (claim != NULL)
            claim->holds = true; // of no shard
        return STATUS_ok;
    }
    freshness = &reading.freshness;
    // Who sends a position alone wants that write, and not what somebody may have kept.
    bool is_kept = command->type == COMMAND_READ_WALLET && freshness->age_ms_max != UINT64_MAX;
    if (is_kept &&
        wallet_cache_get(books->cache, command->subject, freshness, arena, ret_outcome)) {
        if (claim != NULL)
            claim->holds = true; // it did when it was read
        return reveal(books, arena, ret_outcome);
    }
    while (reading_next(books, &reading)) {
        struct position before;
        uint64_t before_ns = reading_begins(books, &reading, &before);
        if (read_on(books, reading.link, command, number, arena, ret_outcome) != LINK_OK)
            continue;
        if (!reading_done(books, &reading))
            continue;
        if (is_kept && ret_outcome->status == STATUS_ok && (claim == NULL || claim->holds))
            wallet_cache_put(books->cache, ret_outcome, before, before_ns);
        return reveal(books, arena, ret_outcome);
    }
    return STATUS_busy;
}
