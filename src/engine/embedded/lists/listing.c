// SPDX-License-Identifier: MIT
// The reading half of the port that lists things, on threads of its own beside the writer.
#include "engine/embedded/lists/listing.h"

#include "base/check.h"
#include "engine/embedded/wallet_history.h"

enum status books_list(struct engine *engine, const struct list_query *query,
                       struct page *ret_page) {
    struct books *books = (struct books *)engine;
    CHECK(query->limit >= 1 && query->limit <= LIMIT_PAGE_MAX);
    ret_page->items = arena_take(&ret_page->arena, query->limit * sizeof(struct entry));
    ret_page->item_count = 0;
    ret_page->next_cursor = 0;
    uint64_t place = query->kind == LIST_AUDIT ? query->cursor % CURSOR_OF_TIME_END : query->cursor;
    if (place >= CURSOR_OF_TIME)
        return STATUS_invalid_request; // what a database counts
    switch (query->kind) {
    case LIST_WALLETS: return list_wallets(books, query, ret_page);
    case LIST_TRANSACTIONS: {
        enum status status = id_is_zero(query->wallet) ? list_transactions(books, query, ret_page)
                                                       : list_history(books, query, ret_page);
        books_settle(books); // what was refunded may be newer than the records
        return status;
    }
    case LIST_HOLDS: return list_holds(books, query, ret_page);
    case LIST_WITHDRAWALS: return list_withdrawals(books, query, ret_page);
    case LIST_ANOMALIES:
    case LIST_APPROVALS: return list_approvals(books, query, ret_page);
    case LIST_KEYS: return list_keys(books, query, ret_page);
    case LIST_AUDIT: return list_audit(books, query, ret_page);
    }
    UNREACHABLE("a list of nothing");
}

// A wallet as it is now, once that is durable. False when there is none.
static bool wallet_copy(struct books *books, struct id id, struct wallet_item *ret_item) {
    uint64_t locator;
    if (!state_place(&books->state, &books->state.moved_wallets, id, &locator) || locator == 0 ||
        locator >= table_count(&books->state.wallets))
        return false;
    table_copy(&books->state.wallets, (uint32_t)locator, offsetof(struct wallet_item, sequence),
               ret_item);
    books_settle(books);
    return id_equal(ret_item->wallet.id, id);
}

enum status books_owns(struct engine *engine, struct id wallet, struct slice owner) {
    struct books *books = (struct books *)engine;
    struct wallet_item item;
    bool owns = wallet_copy(books, wallet, &item) &&
                item.wallet.owner == owner_mark(books->hash_seed, owner);
    return owns ? STATUS_ok : STATUS_not_found;
}

enum status books_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                             const struct freshness *freshness, struct balance_at *ret) {
    struct books *books = (struct books *)engine;
    struct wallet_item item;
    (void)freshness; // this is the only place where the books are
    if (!wallet_copy(books, wallet, &item))
        return STATUS_not_found;
    *ret = (struct balance_at){.currency = books->state.currencies[item.wallet.currency].currency};
    uint64_t before_ms = time_ms == UINT64_MAX ? UINT64_MAX : time_ms + 1;
    uint64_t position = history_find(books, wallet, item.last, before_ms);
    if (position != 0) {
        struct history_entry entry;
        bool found = history_read(books, wallet, position, &entry);
        CHECK(found);
        ret->balance = entry.side->balance;
        ret->version = entry.side->version;
    }
    return STATUS_ok;
}

enum status list_history(struct books *books, const struct list_query *query, struct page *page) {
    struct wallet_item item;
    struct history_entry entry;
    if (!wallet_copy(books, query->wallet, &item))
        return STATUS_not_found;
    uint64_t position = query->cursor != 0 ? query->cursor : item.last;
    if (query->cursor != 0 && !history_read(books, query->wallet, query->cursor, &entry))
        return STATUS_invalid_request; // a cursor of another list
    position = history_find(books, query->wallet, position, query->to_ms);
    for (int scanned = 0; position != 0; scanned++) {
        if (page->item_count == query->limit || scanned == LIST_SCAN_MAX) {
            page->next_cursor = position;
            break;
        }
        bool found = history_read(books, query->wallet, position, &entry);
        CHECK(found);
        if (entry.record.time_ms < query->from_ms)
            break;
        const struct transaction_facts *facts = &entry.record.transaction;
        if (query->type < 0 || facts->type == query->type) {
            struct outcome *outcome = page_add(page);
            outcome->record = outcome_position(position);
            (void)list_sees(books, query, &entry.record, outcome);
            if (facts->opening != 0)
                outcome->opening = outcome_position(facts->opening);
            if (facts->type == TRANSACTION_PURCHASE)
                outcome->refunded = state_refunded(&books->state, position, true);
            outcome_resolve(books, &page->arena, outcome);
        }
        position = entry.side->previous;
    }
    return STATUS_ok;
}
