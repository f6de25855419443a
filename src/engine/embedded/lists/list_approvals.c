// SPDX-License-Identifier: MIT
// Commands that wait for a decision, findings, and those that had it: from the newest down. They
// are few, so each one's record is read to see who asked for it.
#include "base/check.h"
#include "base/clock.h"
#include "engine/embedded/lists/listing.h"
#include "ledger/finding.h"

static bool is_wanted(struct books *books, const struct list_query *query,
                      const struct parked_item *item, uint64_t now_ms) {
    struct record opening;
    const char *why;
    if (id_is_zero(item->parked.id) || item->opened >= journal_published(books->journal))
        return false;
    if ((query->kind == LIST_ANOMALIES) == (item->parked.cause == PARKED_FOR_APPROVAL))
        return false;
    if (query->kind == LIST_ANOMALIES && query->type >= 0 && item->parked.cause != query->type)
        return false;
    uint64_t made_ms = id_time_ms(item->parked.id);
    if (query->kind == LIST_ANOMALIES && (made_ms < query->from_ms || made_ms >= query->to_ms))
        return false;
    if (query->status >= 0 && (int)parked_status_at(&item->parked, now_ms) != query->status)
        return false;
    if (!id_is_zero(query->wallet) && !id_equal(query->wallet, item->parked.wallet))
        return false;
    struct slice asked_by = query->bound_to.size != 0 ? query->asker : query->initiated_by;
    if (asked_by.size == 0 && query->rule.size == 0)
        return true;
    CHECK(record_decode(journal_read(books->journal, item->opened), &opening, &why) == STATUS_ok);
    if (query->rule.size != 0)
        return slice_equal(finding_rule(opening.parked.finding.texts), query->rule);
    return slice_equal(opening.origin.principal, asked_by) &&
           (query->initiated_by.size == 0 ||
            slice_equal(opening.origin.principal, query->initiated_by));
}

enum status list_approvals(struct books *books, const struct list_query *query,
                           struct page *page) {
    const struct table *table = &books->state.parked;
    uint32_t count = table_count(table);
    uint64_t now_ms = clock_now_ms();
    uint64_t index = query->cursor != 0 && query->cursor < count ? query->cursor : count;
    for (int scanned = 0;
         index > 1 && page->item_count < query->limit && scanned < LIST_SCAN_MAX; scanned++) {
        struct parked_item item;
        table_copy(table, (uint32_t)--index, offsetof(struct parked_item, sequence), &item);
        books_settle(books); // what was copied is durable from here on
        if (!is_wanted(books, query, &item, now_ms))
            continue;
        struct outcome *outcome = page_add(page);
        outcome->parked = item.parked;
        outcome->parked.status = (uint8_t)parked_status_at(&item.parked, now_ms);
        outcome->record = outcome_position(item.closed != 0 ? item.closed : item.opened);
        if (item.closed != 0)
            outcome->opening = outcome_position(item.opened);
        outcome_resolve(books, &page->arena, outcome);
    }
    page->next_cursor = index > 1 ? index : 0;
    return STATUS_ok;
}
