// SPDX-License-Identifier: MIT
// The audit's list.
#include "engine/audit_page.h"

#include "base/check.h"
#include "ledger/audit.h"
#include "ledger/versions.h"

#define CURSOR_NUMBER ((UINT64_C(1) << AUDIT_CURSOR_SHIFT) - 1)

static_assert(NOTES_IN_RECORD_MAX <= 1 << (64 - AUDIT_CURSOR_SHIFT), "an entry's place has bits");

static bool names(const struct audit_entry *entry, struct id id) {
    for (uint32_t i = 0; i < entry->name_count; i++)
        if (id_equal(entry->names[i].id, id))
            return true;
    return false;
}

static bool is_wanted(const struct list_query *query, const struct audit_entry *entry) {
    if (entry->until_ms < query->from_ms || entry->at_ms >= query->to_ms)
        return false;
    if (query->outcome == OUTCOME_REFUSED && entry->status == STATUS_ok)
        return false;
    if (query->outcome >= 0 && query->outcome != OUTCOME_REFUSED &&
        entry->status != query->outcome)
        return false;
    if (query->initiated_by.size != 0 && !slice_equal(query->initiated_by, entry->origin.principal))
        return false;
    if (!id_is_zero(query->resource) && !names(entry, query->resource))
        return false;
    if (query->operation.size == 0)
        return true;
    if (entry->command == COMMAND_NOTE)
        return slice_equal(query->operation, entry->operation);
    return (query->commands >> entry->command & 1) != 0;
}

uint64_t audit_page_below(const struct list_query *query, uint64_t end) {
    uint64_t position = (query->cursor & CURSOR_NUMBER) * 8;
    if (query->cursor == 0 || position >= end)
        return end;
    return position + 8; // exclusive: its own record may have more
}

uint64_t audit_page_late_ms(const struct list_query *query) {
    return id_is_zero(query->versions_of) ? AUDIT_LATE_MS : 0;
}

// False: the page is full.
static bool take_version(const struct list_query *query, uint64_t position, struct slice bytes,
                         const struct record *record, struct page *page) {
    uint64_t version = record_makes_version(record, query->versions_of);
    if (version == 0 || record->time_ms >= query->to_ms)
        return true;
    if (page->item_count == query->limit) {
        page->next_cursor = audit_cursor(position, 0);
        return false;
    }
    struct entry *item = &page->items[page->item_count++];
    memset(item, 0, sizeof(*item));
    item->outcome.status = STATUS_ok;
    item->outcome.has_version = true;
    item->outcome.version = version;
    item->outcome.record = bytes;
    return true;
}

bool audit_page_take(const struct list_query *query, uint64_t position, struct slice bytes,
                     struct page *page) {
    struct record record;
    const char *why;
    CHECK(position / 8 <= CURSOR_NUMBER);
    if (record_decode(bytes, &record, &why) != STATUS_ok)
        return true; // whoever checks the books tells
    if (record.time_ms < query->from_ms)
        return false;
    if (!id_is_zero(query->versions_of))
        return take_version(query, position, bytes, &record, page);
    uint32_t count = audit_entry_count(&record);
    uint32_t first = position / 8 == (query->cursor & CURSOR_NUMBER)
                         ? (uint32_t)(query->cursor >> AUDIT_CURSOR_SHIFT)
                         : 0;
    for (uint32_t i = first; i < count; i++) {
        struct audit_entry entry;
        audit_entry_of(&record, count - 1 - i, &entry);
        if (!is_wanted(query, &entry))
            continue;
        if (page->item_count == query->limit) {
            page->next_cursor = audit_cursor(position, i);
            return false;
        }
        struct entry *item = &page->items[page->item_count++];
        memset(item, 0, sizeof(*item));
        item->outcome.status = STATUS_ok;
        item->outcome.record = bytes;
        item->note = count - 1 - i;
        item->cursor =
            i + 1 < count ? audit_cursor(position, i + 1) : audit_cursor(position - 8, 0);
    }
    return true;
}
