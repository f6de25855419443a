// SPDX-License-Identifier: MIT
// What all lists share: filling a page, walking an index entry, waiting until what was copied is
// durable.
#include "engine/embedded/listing.h"

void books_settle(struct books *books) {
    uint64_t decided = __atomic_load_n(&books->decided, __ATOMIC_ACQUIRE);
    (void)signal_gate_wait(&books->published, decided, SIGNAL_GATE_WAIT_FOREVER);
}

struct outcome *page_add(struct page *page) {
    struct outcome *outcome = &page->items[page->item_count++].outcome;
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = STATUS_ok;
    return outcome;
}

enum status list_indexed(struct books *books, const struct list_query *query,
                         enum index_family family, uint64_t fingerprint,
                         bool (*wanted)(struct books *books, const struct list_query *query,
                                        uint64_t position, const struct record *record,
                                        struct page *page),
                         struct page *page) {
    struct index_snapshot snapshot;
    struct index_cursor cursor;
    uint64_t position, bound = journal_published(books->journal);
    uint64_t below = query->cursor != 0 && query->cursor < bound ? query->cursor : bound;
    index_snapshot_open(books->index, bound, &snapshot);
    enum status status =
        index_find_below(&snapshot, family, fingerprint, below, &cursor, &position);
    for (int scanned = 0; status == STATUS_ok; scanned++) {
        struct record record;
        const char *why;
        struct slice bytes = journal_read(books->journal, position);
        if (page->item_count == query->limit || scanned == LIST_SCAN_MAX) {
            page->next_cursor = position + 8; // exclusive: this one comes next
            break;
        }
        if (bytes.size != 0 && record_decode(bytes, &record, &why) == STATUS_ok)
            (void)wanted(books, query, position, &record, page);
        status = index_find_next(&cursor, &position);
    }
    index_snapshot_close(&snapshot);
    return status == STATUS_end ? STATUS_ok : status;
}
