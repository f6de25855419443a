// SPDX-License-Identifier: MIT
// Lists: one statement per kind, newest first, one row more than asked for, which tells whether
// there is a next page. A cursor is the number of the last thing shown.
#include "base/check.h"
#include "engine/audit_page.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/postgres_books.h"
#include "ledger/finding.h"

#define ID(id) slice_of((id).bytes, id_is_zero(id) ? 0 : sizeof((id).bytes))

static int64_t bounded(uint64_t value) {
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t below(const struct list_query *query) {
    return query->cursor == 0 ? INT64_MAX : bounded(query->cursor);
}

static struct outcome *page_add(struct page *page) {
    struct entry *entry = &page->items[page->item_count++];
    struct outcome *outcome = &entry->outcome;
    memset(entry, 0, sizeof(*entry));
    outcome->status = STATUS_ok;
    return outcome;
}

// The rows that the page takes; a further one means that there is a next page.
static int rows_of(const struct list_query *query, const struct pg_result *result) {
    int rows = row_count(result);
    return rows > (int)query->limit ? (int)query->limit : rows;
}

static void end_page(struct page *page, const struct pg_result *result, int rows, int column) {
    for (int i = 0; i < rows && page->item_count == (uint32_t)rows; i++)
        page->items[i].cursor = (uint64_t)row_number(result, i, column);
    if (rows > 0 && row_count(result) > rows)
        page->next_cursor = (uint64_t)row_number(result, rows - 1, column);
}

// ---- where history begins ---------------------------------------------------------------------

static bool is_of_history(enum list_kind kind) {
    return kind == LIST_TRANSACTIONS || kind == LIST_HOLDS || kind == LIST_WITHDRAWALS ||
           kind == LIST_APPROVALS || kind == LIST_AUDIT;
}

// A list whose last page this is says so when it ends because what is older is archived; one that
// asks for nothing else is refused.
static enum status end_at_archive(struct books *books, struct link *link,
                                  const struct list_query *query, struct page *page) {
    const struct pg_result *result;
    uint64_t wallet = 0;
    if (page->next_cursor != 0 || !is_of_history(query->kind))
        return STATUS_ok;
    if (reader_ask(books, link, SQL_ARCHIVED, NULL, &result) != LINK_OK)
        return STATUS_busy;
    if (row_count(result) == 0)
        return STATUS_ok;
    uint64_t line = (uint64_t)row_number(result, 0, 0) / 8;
    uint64_t line_ms = line >> NUMBER_TIME_SHIFT;
    bool is_younger = !id_is_zero(query->wallet) &&
                      number_of_id(&books->engine.seal, query->wallet, &wallet) && wallet >= line;
    if (query->from_ms >= line_ms || is_younger)
        return STATUS_ok;
    if (query->to_ms <= line_ms && page->item_count == 0)
        return STATUS_history_archived;
    page->archived_before_ms = line_ms;
    return STATUS_ok;
}

// The cursor of a page before may have been archived since.
static enum status judge_cursor(struct books *books, struct link *link,
                                const struct list_query *query) {
    const struct pg_result *result;
    if (reader_ask(books, link, SQL_ARCHIVED, NULL, &result) != LINK_OK)
        return STATUS_busy;
    bool is_archived =
        row_count(result) != 0 && query->cursor < (uint64_t)row_number(result, 0, 0) / 8;
    return is_archived ? STATUS_history_archived : STATUS_invalid_request;
}

// ---- wallets ----------------------------------------------------------------------------------

static enum link_result list_wallets(struct books *books, struct link *link,
                                     const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->wallet_kind);
    parameter_number(&parameters, query->status);
    parameter_bytes(&parameters, currency_code(&query->currency));
    parameter_number(&parameters, (int64_t)query->limit + 1);
    if (query->owner.size != 0) {
        parameter_bytes(&parameters, query->owner);
        parameter_number(&parameters, id_slot_of_owner(query->owner));
    }
    enum link_result answer =
        reader_ask(books, link, query->owner.size != 0 ? SQL_LIST_OWNER : SQL_LIST_WALLETS,
                   &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    for (int i = 0; i < rows; i++)
        entry_wallet(&page->arena, result, i, page_add(page));
    end_page(page, result, rows, 1);
    return LINK_OK;
}

// ---- transactions -----------------------------------------------------------------------------

static void add_transactions(struct page *page, const struct pg_result *result, int rows) {
    for (int i = 0; i < rows; i++)
        entry_transaction(&page->arena, result, i, page_add(page));
}

static uint64_t mark_of(const struct pg_result *owned, struct id wallet) {
    if (id_is_zero(wallet))
        return 0;
    for (int i = 0; i < row_count(owned); i++)
        if (id_equal(row_id(owned, i, 0), wallet))
            return 1;
    return 2; // somebody else's
}

// Somebody bound sees balances on his own side only.
static enum link_result hide_sides(struct books *books, struct link *link,
                                   const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *owned;
    if (query->bound_to.size == 0)
        return LINK_OK;
    parameter_bytes(&parameters, query->bound_to);
    parameter_number(&parameters, id_slot_of_owner(query->bound_to));
    enum link_result answer = reader_ask(books, link, SQL_OWNED, &parameters, &owned);
    for (uint32_t i = 0; answer == LINK_OK && i < page->item_count; i++) {
        struct outcome *outcome = &page->items[i].outcome;
        struct record record;
        const char *why;
        CHECK(record_decode(outcome->record, &record, &why) == STATUS_ok);
        outcome->hidden = owner_hidden(1, mark_of(owned, record.transaction.debit.wallet),
                                       mark_of(owned, record.transaction.credit.wallet),
                                       query->asker, record.origin.principal);
    }
    return answer;
}

static enum link_result list_transactions(struct books *books, struct link *link,
                                          const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    enum sql statement = query->bound_to.size != 0 ? SQL_LIST_OWNED
                         : query->bank_id.size != 0 ? SQL_LIST_BANK
                         : query->order.size != 0 ? SQL_LIST_ORDER
                                                  : SQL_LIST_TRANSACTIONS;
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->type);
    parameter_number(&parameters, bounded(query->from_ms));
    parameter_number(&parameters, bounded(query->to_ms));
    parameter_number(&parameters, (int64_t)number_of_time(query->from_ms));
    parameter_number(&parameters, (int64_t)number_before_time(query->to_ms, books->number_slack));
    parameter_bytes(&parameters, query->initiated_by);
    parameter_number(&parameters, (int64_t)query->limit + 1);
    if (statement != SQL_LIST_TRANSACTIONS)
        parameter_bytes(&parameters, query->order);
    if (statement == SQL_LIST_BANK || statement == SQL_LIST_OWNED) {
        parameter_bytes(&parameters, query->bank_id);
        parameter_number(&parameters, id_slot_of_owner(query->bank_id));
    }
    if (statement == SQL_LIST_OWNED) {
        parameter_bytes(&parameters, query->bound_to);
        parameter_number(&parameters, id_slot_of_owner(query->bound_to));
    }
    enum link_result answer = reader_ask(books, link, statement, &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    add_transactions(page, result, rows);
    end_page(page, result, rows, 1);
    return hide_sides(books, link, query, page);
}

// A history's cursor is the record of a transaction of the wallet, and must be one.
static enum link_result check_cursor(struct books *books, struct link *link,
                                     const struct list_query *query, uint64_t wallet,
                                     bool *ret_fits) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, id_slot(query->wallet));
    parameter_number(&parameters, (int64_t)wallet);
    parameter_number(&parameters, bounded(query->cursor));
    enum link_result answer = reader_ask(books, link, SQL_CURSOR, &parameters, &result);
    *ret_fits = answer == LINK_OK && row_count(result) == 1;
    return answer;
}

static enum link_result wallet_exists(struct books *books, struct link *link, struct id wallet,
                                      uint64_t number, bool *ret_exists) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, id_slot(wallet));
    parameter_number(&parameters, (int64_t)number);
    parameter_number(&parameters, 0);
    parameter_number(&parameters, 0);
    enum link_result answer = reader_ask(books, link, SQL_BALANCE_AT, &parameters, &result);
    *ret_exists =
        answer == LINK_OK && row_count(result) == 1 && id_equal(row_id(result, 0, 4), wallet);
    return answer;
}

static enum status list_history(struct books *books, struct link *link,
                                const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    uint64_t wallet;
    bool fits = true;
    if (!number_of_id(&books->engine.seal, query->wallet, &wallet))
        return STATUS_not_found;
    if (wallet_exists(books, link, query->wallet, wallet, &fits) != LINK_OK)
        return STATUS_busy;
    if (!fits)
        return STATUS_not_found;
    if (query->cursor != 0 && check_cursor(books, link, query, wallet, &fits) != LINK_OK)
        return STATUS_busy;
    if (!fits)
        return judge_cursor(books, link, query); // of another list, if it is not archived
    parameter_number(&parameters, id_slot(query->wallet));
    parameter_number(&parameters, (int64_t)wallet);
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->type);
    parameter_number(&parameters, bounded(query->from_ms));
    parameter_number(&parameters, bounded(query->to_ms));
    parameter_number(&parameters, (int64_t)query->limit + 1);
    parameter_number(&parameters, (int64_t)number_of_time(query->from_ms));
    parameter_number(&parameters, (int64_t)number_before_time(query->to_ms, books->number_slack));
    if (reader_ask(books, link, SQL_LIST_HISTORY, &parameters, &result) != LINK_OK)
        return STATUS_busy;
    int rows = rows_of(query, result);
    add_transactions(page, result, rows);
    end_page(page, result, rows, 5);
    return hide_sides(books, link, query, page) == LINK_OK ? STATUS_ok : STATUS_busy;
}

// ---- holds and withdrawals --------------------------------------------------------------------

static enum link_result list_holds(struct books *books, struct link *link,
                                   const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->status);
    parameter_bytes(&parameters, ID(query->wallet));
    parameter_bytes(&parameters, ID(query->merchant));
    parameter_bytes(&parameters, query->order);
    parameter_number(&parameters, (int64_t)query->limit + 1);
    parameter_bytes(&parameters, query->bound_to);
    parameter_number(&parameters, id_slot(query->wallet));
    parameter_number(&parameters, id_slot_of_owner(query->bound_to));
    enum link_result answer = reader_ask(books, link, SQL_LIST_HOLDS, &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    for (int i = 0; i < rows; i++)
        entry_hold(&page->arena, result, i, page_add(page));
    end_page(page, result, rows, 0);
    return LINK_OK;
}

static enum link_result list_withdrawals(struct books *books, struct link *link,
                                         const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->status);
    parameter_bytes(&parameters, ID(query->wallet));
    parameter_number(&parameters, bounded(query->from_ms));
    parameter_number(&parameters, bounded(query->to_ms));
    parameter_bytes(&parameters, query->bank_id);
    parameter_number(&parameters, (int64_t)query->limit + 1);
    parameter_bytes(&parameters, query->bound_to);
    parameter_number(&parameters, id_slot(query->wallet));
    parameter_number(&parameters, id_slot_of_owner(query->bound_to));
    enum link_result answer = reader_ask(books, link, SQL_LIST_WITHDRAWALS, &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    for (int i = 0; i < rows; i++)
        entry_withdrawal(&page->arena, result, i, page_add(page));
    end_page(page, result, rows, 0);
    return LINK_OK;
}

// ---- keys -------------------------------------------------------------------------------------

static enum link_result list_keys(struct books *books, struct link *link,
                                  const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, (int64_t)query->limit + 1);
    parameter_bytes(&parameters, slice_of(query->key.bytes, id_is_zero(query->key) ? 0 : 16));
    enum link_result answer = reader_ask(books, link, SQL_LIST_KEYS, &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    for (int i = 0; i < rows; i++) {
        struct outcome *outcome = page_add(page);
        bool is_rotated = row_bytes(result, i, 2).size != 0;
        outcome->record = arena_copy(&page->arena, row_bytes(result, i, is_rotated ? 2 : 1));
        if (is_rotated)
            outcome->opening = arena_copy(&page->arena, row_bytes(result, i, 1));
        uint64_t here_ms = key_ring_last_used(books, (uint64_t)row_number(result, i, 0));
        uint64_t told_ms = (uint64_t)row_number(result, i, 3); // by any node
        outcome->last_used_at_ms = here_ms > told_ms ? here_ms : told_ms;
    }
    end_page(page, result, rows, 0);
    return LINK_OK;
}

// ---- the audit --------------------------------------------------------------------------------

#define AUDIT_ROWS 500 // asked for at a time

static enum link_result list_audit(struct books *books, struct link *link,
                                   const struct list_query *query, struct page *page) {
    int64_t before = bounded(audit_page_below(query, INT64_MAX - 7)) / 8;
    uint64_t late_ms = audit_page_late_ms(query);
    uint64_t until_ms =
        query->to_ms < UINT64_MAX - late_ms ? query->to_ms + late_ms : UINT64_MAX;
    for (int scanned = 0; scanned < AUDIT_SCAN_MAX; scanned += AUDIT_ROWS) {
        struct parameters parameters = {0};
        const struct pg_result *result;
        parameter_number(&parameters, before);
        parameter_number(&parameters, bounded(until_ms));
        parameter_number(&parameters, AUDIT_ROWS);
        // What has changed a wallet came along with it, wherever else its slot may be now.
        parameter_number(&parameters, !id_is_zero(query->versions_of));
        enum link_result answer = reader_ask(books, link, SQL_LIST_AUDIT, &parameters, &result);
        if (answer != LINK_OK)
            return answer;
        int rows = row_count(result);
        for (int i = 0; i < rows; i++) {
            before = row_number(result, i, 0);
            struct slice bytes = arena_copy(&page->arena, row_bytes(result, i, 1));
            if (!audit_page_take(query, (uint64_t)before * 8, bytes, page))
                return LINK_OK;
        }
        if (rows < AUDIT_ROWS)
            return LINK_OK;
    }
    page->next_cursor = audit_cursor((uint64_t)(before - 1) * 8, 0);
    return LINK_OK;
}

// ---- approvals --------------------------------------------------------------------------------

static bool is_of_rule(struct slice bytes, struct slice rule) {
    struct record record;
    const char *why;
    return record_decode(bytes, &record, &why) == STATUS_ok && record.kind == RECORD_PARKED &&
           slice_equal(finding_rule(record.parked.finding.texts), rule);
}

static enum link_result list_approvals(struct books *books, struct link *link,
                                       const struct list_query *query, struct page *page) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    uint64_t now_ms = books_now_ms(books);
    parameter_number(&parameters, below(query));
    parameter_number(&parameters, query->status);
    parameter_bytes(&parameters, ID(query->wallet));
    parameter_bytes(&parameters, query->initiated_by);
    parameter_bytes(&parameters, query->bound_to.size != 0 ? query->asker : (struct slice){0});
    parameter_number(&parameters, bounded(now_ms));
    parameter_number(&parameters, (int64_t)query->limit + 1);
    bool by_time = query->kind == LIST_ANOMALIES;
    int cause = !by_time          ? PARKED_FOR_APPROVAL
                : query->type > 0 ? query->type
                                  : 0;
    parameter_number(&parameters, cause);
    parameter_number(&parameters, by_time ? (int64_t)number_of_time(query->from_ms) : 0);
    uint64_t until = by_time && query->to_ms != UINT64_MAX
                         ? number_before_time(query->to_ms, books->number_slack)
                         : INT64_MAX;
    parameter_number(&parameters, (int64_t)until);
    // Held payments are few, and have an index of their own, among any number of findings.
    bool is_held = cause == PARKED_FOR_REVIEW && query->status == PARKED_PENDING;
    enum link_result answer = reader_ask(books, link, is_held ? SQL_LIST_HELD : SQL_LIST_APPROVALS,
                                         &parameters, &result);
    if (answer != LINK_OK)
        return answer;
    int rows = rows_of(query, result);
    for (int i = 0; i < rows; i++) {
        bool is_closed = row_number(result, i, 6) != 0;
        uint64_t made_ms = id_time_ms(row_id(result, i, 1));
        if (by_time && (made_ms < query->from_ms || made_ms >= query->to_ms))
            continue; // numbers know their time but nearly
        if (query->rule.size != 0 && !is_of_rule(row_bytes(result, i, 8), query->rule))
            continue;
        struct outcome *outcome = page_add(page);
        row_parked(result, i, &outcome->parked);
        outcome->parked.status = (uint8_t)parked_status_at(&outcome->parked, now_ms);
        outcome->record = arena_copy(&page->arena, row_bytes(result, i, is_closed ? 9 : 8));
        if (is_closed)
            outcome->opening = arena_copy(&page->arena, row_bytes(result, i, 8));
        page->items[page->item_count - 1].cursor = (uint64_t)row_number(result, i, 0);
    }
    end_page(page, result, rows, 0);
    return LINK_OK;
}

static enum status list_on(struct books *books, struct link *link, const struct list_query *query,
                           struct page *page) {
    enum link_result result = LINK_REFUSED;
    // Keys are counted; all else has numbers, which no cursor of books in a folder is like.
    uint64_t place = query->kind == LIST_AUDIT ? query->cursor % CURSOR_OF_TIME_END : query->cursor;
    if (place != 0 && (query->kind == LIST_KEYS
                           ? place >= CURSOR_OF_TIME
                           : place < CURSOR_OF_TIME || place >= CURSOR_OF_TIME_END))
        return STATUS_invalid_request;
    switch (query->kind) {
    case LIST_WALLETS: result = list_wallets(books, link, query, page); break;
    case LIST_TRANSACTIONS:
        if (!id_is_zero(query->wallet))
            return list_history(books, link, query, page);
        result = list_transactions(books, link, query, page);
        break;
    case LIST_HOLDS: result = list_holds(books, link, query, page); break;
    case LIST_WITHDRAWALS: result = list_withdrawals(books, link, query, page); break;
    case LIST_KEYS: result = list_keys(books, link, query, page); break;
    case LIST_AUDIT: result = list_audit(books, link, query, page); break;
    case LIST_ANOMALIES:
    case LIST_APPROVALS: result = list_approvals(books, link, query, page); break;
    }
    return result == LINK_OK ? STATUS_ok : STATUS_busy;
}

enum status books_postgres_list(struct engine *engine, const struct list_query *query,
                                struct page *ret_page) {
    struct books *books = (struct books *)engine;
    CHECK(query->limit >= 1 && query->limit <= LIMIT_PAGE_MAX);
    ret_page->items = arena_take(&ret_page->arena, query->limit * sizeof(struct entry));
    struct reading reading = reading_of(books, &query->freshness);
    while (reading_next(books, &reading)) {
        ret_page->item_count = 0;
        ret_page->next_cursor = 0;
        enum status status = list_on(books, reading.link, query, ret_page);
        if (status == STATUS_ok)
            status = end_at_archive(books, reading.link, query, ret_page);
        if (status == STATUS_busy || !reading_done(books, &reading))
            continue;
        if (status != STATUS_ok)
            return status;
        return sealing_reveal(books, &ret_page->arena, ret_page->items, ret_page->item_count);
    }
    return STATUS_busy;
}
