// SPDX-License-Identifier: MIT
// Transactions of the whole books: by bank id or order through the index, else back through the
// journal.
#include "base/check.h"
#include "engine/embedded/lists/listing.h"

static bool transaction_is_wanted(const struct list_query *query, const struct record *record) {
    if (record->kind != RECORD_TRANSACTION)
        return false;
    const struct transaction_facts *facts = &record->transaction;
    if (query->type >= 0 && facts->type != query->type)
        return false;
    if (record->time_ms < query->from_ms || record->time_ms >= query->to_ms)
        return false;
    if (query->initiated_by.size != 0 &&
        !slice_equal(query->initiated_by, record->origin.principal))
        return false;
    if (query->order.size != 0 && !slice_equal(query->order, facts->order))
        return false;
    return query->bank_id.size == 0 || slice_equal(query->bank_id, facts->bank_id);
}

static bool transaction_add(struct books *books, const struct list_query *query, uint64_t position,
                            const struct record *record, struct page *page) {
    if (!transaction_is_wanted(query, record) || !list_sees(books, query, record, NULL))
        return false;
    struct outcome *outcome = page_add(page);
    outcome->record = outcome_position(position);
    (void)list_sees(books, query, record, outcome);
    if (record->transaction.opening != 0)
        outcome->opening = outcome_position(record->transaction.opening);
    if (record->transaction.type == TRANSACTION_PURCHASE)
        outcome->refunded = state_refunded(&books->state, position, true);
    outcome_resolve(books, &page->arena, outcome);
    return true;
}

static enum status list_journal(struct books *books, const struct list_query *query,
                                struct page *page) {
    uint64_t end = journal_published(books->journal), position;
    struct journal_walk walk;
    struct slice bytes;
    if (query->to_ms != UINT64_MAX) {
        position = journal_find_time(books->journal, query->to_ms);
        end = position < end ? position : end;
    }
    if (query->cursor != 0 && query->cursor < end)
        end = query->cursor;
    journal_walk_init(&walk, books->journal, end);
    for (int scanned = 0; journal_walk_previous(&walk, &position, &bytes); scanned++) {
        struct record record;
        const char *why;
        if (page->item_count == query->limit || scanned == LIST_SCAN_MAX) {
            page->next_cursor = position + 8; // exclusive
            break;
        }
        CHECK(record_decode(bytes, &record, &why) == STATUS_ok);
        if (record.time_ms < query->from_ms)
            break;
        (void)transaction_add(books, query, position, &record, page);
    }
    journal_walk_done(&walk);
    return STATUS_ok;
}

enum status list_transactions(struct books *books, const struct list_query *query,
                              struct page *page) {
    if (query->bank_id.size != 0)
        return list_banked(books, query, transaction_add, page);
    if (query->order.size != 0)
        return list_indexed(books, query, INDEX_ORDER, order_fingerprint(books, query->order),
                            transaction_add, page);
    return list_journal(books, query, page);
}
