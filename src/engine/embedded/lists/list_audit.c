// SPDX-License-Identifier: MIT
// The audit of the embedded engine: back through the journal, whose records are its entries.
#include "engine/audit_page.h"

#include "engine/embedded/lists/listing.h"

enum status list_audit(struct books *books, const struct list_query *query, struct page *page) {
    uint64_t end = journal_published(books->journal), position;
    struct journal_walk walk;
    struct slice bytes;
    uint64_t late_ms = audit_page_late_ms(query);
    if (query->to_ms < UINT64_MAX - late_ms) {
        position = journal_find_time(books->journal, query->to_ms + late_ms);
        end = position < end ? position : end;
    }
    journal_walk_init(&walk, books->journal, audit_page_below(query, end));
    for (int scanned = 0; journal_walk_previous(&walk, &position, &bytes); scanned++) {
        if (scanned == AUDIT_SCAN_MAX) {
            page->next_cursor = audit_cursor(position, 0);
            break;
        }
        if (!audit_page_take(query, position, bytes, page))
            break;
    }
    journal_walk_done(&walk);
    return STATUS_ok;
}
