// SPDX-License-Identifier: MIT
// Lists, newest first. What belongs to one slot is asked of its shard; all else is asked of every
// shard from the same cursor, and the pages are merged by the numbers of what they show, which
// begin with the time. So a cursor over all shards is the cursor of one: where the last thing shown
// stands. A shard that stopped early without having come to its end stops the page there.
//
// Two shards make the same number only when one has made thousands of records in a millisecond
// (postgres/number.h); then a page that ends between the two leaves the second one out.
#include <string.h>

#include "base/check.h"
#include "engine/audit_page.h"
#include "engine/shards/shards_books.h"

struct shown { // the page of one shard
    struct page page;
    uint32_t next; // of its items
};

static uint64_t number_of(uint64_t cursor) {
    return cursor & ((UINT64_C(1) << AUDIT_CURSOR_SHIFT) - 1);
}

// Where the list goes on at that shard; 0: it has shown all it has.
static uint64_t place_of(const struct shown *shown) {
    if (shown->next < shown->page.item_count)
        return number_of(shown->page.items[shown->next].cursor);
    return number_of(shown->page.next_cursor);
}

static void merge(struct shown *shown, uint32_t count, uint32_t limit, struct page *page) {
    for (;;) {
        struct shown *newest = &shown[0];
        for (uint32_t i = 1; i < count; i++)
            if (place_of(&shown[i]) > place_of(newest))
                newest = &shown[i];
        if (place_of(newest) == 0)
            return; // nobody has more
        if (newest->next == newest->page.item_count) {
            page->next_cursor = newest->page.next_cursor;
            return;
        }
        if (page->item_count == limit) {
            page->next_cursor = page->items[limit - 1].cursor;
            return;
        }
        page->items[page->item_count++] = newest->page.items[newest->next++];
    }
}

static enum status list_all(struct shards *shards, const struct list_query *query,
                            struct page *page) {
    struct shown shown[SHARDS_MAX];
    memset(shown, 0, sizeof(shown));
    uint32_t archived = 0;
    uint64_t archived_ms = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        struct page *part = &shown[i].page;
        part->arena = page->arena; // one after the other they use the caller's
        enum status status = shards->parts[i]->port->list(shards->parts[i], query, part);
        page->arena = part->arena;
        if (status == STATUS_history_archived) {
            part->item_count = 0;
            archived++;
            continue;
        }
        if (status != STATUS_ok)
            return status;
        if (part->archived_before_ms > archived_ms)
            archived_ms = part->archived_before_ms;
    }
    if (archived == shards->count)
        return STATUS_history_archived;
    page->items = arena_take(&page->arena, query->limit * sizeof(*page->items));
    page->item_count = 0;
    page->next_cursor = 0;
    merge(shown, shards->count, query->limit, page);
    page->archived_before_ms = page->next_cursor == 0 ? archived_ms : 0;
    return STATUS_ok;
}

// Of what a wallet got from another shard its history has but that side: what is shown is the
// transaction, which the payer's shard has.
static enum status show_decided(struct shards *shards, struct page *page) {
    const struct freshness now = {0};
    for (uint32_t i = 0; i < page->item_count; i++) {
        struct outcome *outcome = &page->items[i].outcome;
        struct record record;
        const char *why;
        if (record_decode(outcome->record, &record, &why) != STATUS_ok || !record_arrives(&record))
            continue;
        struct command command = {.type = COMMAND_READ_TRANSACTION,
                                  .subject = record.transaction.id};
        struct engine *part = shards_part(shards, id_slot(command.subject));
        uint8_t hidden = outcome->hidden;
        enum status status = part->port->read(part, &command, &now, &page->arena, outcome);
        if (status != STATUS_ok || outcome->status != STATUS_ok)
            return STATUS_busy;
        outcome->hidden = hidden;
    }
    return STATUS_ok;
}

// The slot that has all of it; LIMIT_SLOTS: there is none.
static uint32_t slot_of(const struct list_query *query) {
    if (query->kind == LIST_KEYS)
        return 0;
    if (query->kind == LIST_WALLETS && query->owner.size != 0)
        return id_slot_of_owner(query->owner);
    if (query->kind == LIST_AUDIT && !id_is_zero(query->versions_of))
        return id_slot(query->versions_of);
    bool is_of_wallet = query->kind != LIST_AUDIT && query->kind != LIST_WALLETS;
    if (is_of_wallet && !id_is_zero(query->wallet))
        return id_slot(query->wallet);
    return LIMIT_SLOTS;
}

enum status shards_list(struct engine *engine, const struct list_query *query,
                        struct page *ret_page) {
    struct shards *shards = shards_of(engine);
    uint32_t slot = slot_of(query);
    if (slot == LIMIT_SLOTS)
        return list_all(shards, query, ret_page);
    struct engine *part = shards_part(shards, slot);
    enum status status = part->port->list(part, query, ret_page);
    if (status == STATUS_ok && query->kind == LIST_TRANSACTIONS)
        status = show_decided(shards, ret_page);
    return status;
}
