// SPDX-License-Identifier: MIT
// Lists, newest first. What belongs to one slot is asked of its shard; all else is asked of every
// shard from the same cursor, and the pages are merged by the numbers of what they show, which
// begin with the time. So a cursor over all shards is the cursor of one: where the last thing shown
// stands. A shard that stopped early without having come to its end stops the page there.
//
// Two shards make the same number only when one has made thousands of records in a millisecond
// (postgres/link/number.h); then a page that ends between the two leaves the second one out.
#include <string.h>

#include "base/check.h"
#include "engine/audit_page.h"
#include "engine/shards/shards_books.h"

#define MOVED_PAUSE_NS UINT64_C(50000000)

struct shown { // the page of one shard
    struct page page;
    uint32_t next; // of its items
};

static uint64_t number_of(uint64_t cursor) {
    return cursor & ((UINT64_C(1) << AUDIT_CURSOR_SHIFT) - 1);
}

// Where the next thing of that shard stands; 0: it has shown all it has. The audit's cursors say
// where its list goes on behind an entry: at the next one of the same record, or at the record
// before, which another shard may have when slots have moved.
static uint64_t place_of(const struct shown *shown, enum list_kind kind) {
    if (shown->next == shown->page.item_count)
        return number_of(shown->page.next_cursor);
    uint64_t cursor = shown->page.items[shown->next].cursor;
    bool is_last_of_record = kind == LIST_AUDIT && cursor >> AUDIT_CURSOR_SHIFT == 0;
    return number_of(cursor) + is_last_of_record;
}

static void merge(struct shown *shown, uint32_t count, const struct list_query *query,
                  struct page *page) {
    for (;;) {
        struct shown *newest = &shown[0];
        for (uint32_t i = 1; i < count; i++)
            if (place_of(&shown[i], query->kind) > place_of(newest, query->kind))
                newest = &shown[i];
        if (place_of(newest, query->kind) == 0)
            return; // nobody has more
        if (newest->next == newest->page.item_count) {
            page->next_cursor = newest->page.next_cursor;
            return;
        }
        if (page->item_count == query->limit) {
            page->next_cursor = page->items[query->limit - 1].cursor;
            return;
        }
        page->items[page->item_count++] = newest->page.items[newest->next++];
    }
}

struct asked { // one page of one shard
    struct aim aim;
    struct list_query query;
};

static struct asked *add_asked(struct shards *shards, uint32_t place, const int64_t *versions,
                               const struct list_query *query, struct asked *asked) {
    shards_aim_at(shards, place, versions, &query->freshness, &asked->aim);
    asked->query = *query;
    asked->query.freshness = asked->aim.freshness;
    return asked;
}

// Holds for somebody bound lie with their payers, who may be anywhere, and only his own shard knows
// which wallets are his: of the others it is asked for each that may be a merchant's.
static enum status ask_for_holds(struct shards *shards, const int64_t *versions,
                                 const struct list_query *query, struct page *page,
                                 struct asked **ret_asked, uint32_t *ret_count) {
    uint32_t place = shards_owner(shards, id_slot_of_owner(query->bound_to));
    struct engine *own = shards->parts[place];
    const struct list_query of_owner = {.kind = LIST_WALLETS,
                                        .owner = query->bound_to,
                                        .wallet_kind = WALLET_MERCHANT,
                                        .status = -1,
                                        .type = -1,
                                        .outcome = -1,
                                        .to_ms = UINT64_MAX,
                                        .limit = LIMIT_PAGE_MAX};
    struct page wallets = {.arena = page->arena};
    enum status status = own->port->list(own, &of_owner, &wallets);
    page->arena = wallets.arena;
    if (status != STATUS_ok)
        return status;
    uint64_t most = 1 + (uint64_t)wallets.item_count * (shards->count - 1);
    struct asked *asked = arena_take(&page->arena, most * sizeof(*asked));
    uint32_t count = 0;
    (void)add_asked(shards, place, versions, query, &asked[count++]);
    for (uint32_t i = 0; i < shards->count; i++)
        for (uint32_t k = 0; shards->parts[i] != own && k < wallets.item_count; k++) {
            struct id wallet = wallets.items[k].outcome.wallet.id;
            if (!id_is_zero(query->merchant) && !id_equal(query->merchant, wallet))
                continue;
            struct asked *other = add_asked(shards, i, versions, query, &asked[count++]);
            other->query.bound_to = slice_of(NULL, 0);
            other->query.merchant = wallet;
        }
    *ret_asked = asked;
    *ret_count = count;
    return STATUS_ok;
}

static enum status ask_whom(struct shards *shards, const int64_t *versions,
                            const struct list_query *query, struct page *page,
                            struct asked **ret_asked, uint32_t *ret_count) {
    if (query->kind == LIST_HOLDS && query->bound_to.size != 0)
        return ask_for_holds(shards, versions, query, page, ret_asked, ret_count);
    struct asked *asked = arena_take(&page->arena, shards->count * sizeof(*asked));
    for (uint32_t i = 0; i < shards->count; i++)
        (void)add_asked(shards, i, versions, query, &asked[i]);
    *ret_asked = asked;
    *ret_count = shards->count;
    return STATUS_ok;
}

// `ret_settled`: no slot has come to or gone from a shard since those were its versions.
static enum status list_all(struct shards *shards, const int64_t *versions,
                            const struct list_query *query, struct page *page,
                            bool *ret_settled) {
    struct asked *asked;
    uint32_t archived = 0, count;
    uint64_t archived_ms = 0;
    enum status status = ask_whom(shards, versions, query, page, &asked, &count);
    *ret_settled = true;
    if (status != STATUS_ok)
        return status;
    struct shown *shown = arena_take(&page->arena, count * sizeof(*shown));
    memset(shown, 0, count * sizeof(*shown));
    for (uint32_t i = 0; i < count; i++) {
        struct page *part = &shown[i].page;
        part->arena = page->arena; // one after the other they use the caller's
        struct engine *engine = asked[i].aim.part;
        status = engine->port->list(engine, &asked[i].query, part);
        page->arena = part->arena;
        *ret_settled = *ret_settled && asked[i].aim.claim.holds;
        if (status == STATUS_history_archived) {
            part->item_count = 0;
            archived++;
            continue;
        }
        if (status == STATUS_busy)
            page->away = asked[i].aim.name;
        if (status != STATUS_ok)
            return status;
        if (part->archived_before_ms > archived_ms)
            archived_ms = part->archived_before_ms;
    }
    if (archived == count)
        return STATUS_history_archived;
    page->items = arena_take(&page->arena, query->limit * sizeof(*page->items));
    page->item_count = 0;
    page->next_cursor = 0;
    merge(shown, count, query, page);
    page->archived_before_ms = page->next_cursor == 0 ? archived_ms : 0;
    return STATUS_ok;
}

// Of what a wallet got from another shard its history has but that side, and what has become of a
// payment is known where its slot is: what is shown is the transaction as it stands there. A
// replica of that shard may not have it yet; then it is shown as it is now.
//
// A slot that goes takes along what was refunded of its payments, and leaves those that others
// still show: so what lies in another slot is believed to be here only if none came or went.
static enum status show_decided(struct shards *shards, uint32_t slot, struct aim *aim,
                                const struct freshness *freshness, struct page *page) {
    const struct freshness now = {0};
    int64_t versions[SHARDS_MAX];
    bool leans = false; // on what this node knows of other slots
    for (uint32_t i = 0; i < page->item_count; i++) {
        struct outcome *outcome = &page->items[i].outcome;
        struct record record;
        const char *why;
        if (record_decode(outcome->record, &record, &why) != STATUS_ok)
            continue;
        uint32_t home = id_slot(record.transaction.id);
        if (!record_arrives(&record) && shards_part(shards, home) == aim->part) {
            leans = leans || home != slot;
            continue;
        }
        struct command command = {.type = COMMAND_READ_TRANSACTION,
                                  .subject = record.transaction.id};
        uint8_t hidden = outcome->hidden;
        enum status status =
            shards_read(&shards->engine, &command, freshness, &page->arena, outcome);
        if (status == STATUS_ok && outcome->status != STATUS_ok)
            status = shards_read(&shards->engine, &command, &now, &page->arena, outcome);
        if (status != STATUS_ok || outcome->status != STATUS_ok)
            return STATUS_busy;
        outcome->hidden = hidden;
    }
    shards_versions(shards, versions);
    bool same = (uint64_t)versions[shards_owner(shards, slot)] == aim->claim.version;
    if (leans && !(aim->claim.as_known && same))
        aim->claim.holds = false;
    return STATUS_ok;
}

// The slot that has all of it; LIMIT_SLOTS: there is none.
static uint32_t slot_of(const struct list_query *query) {
    if (query->kind == LIST_KEYS)
        return 0;
    if (query->kind == LIST_WALLETS && query->owner.size != 0)
        return id_slot_of_owner(query->owner);
    if (query->kind == LIST_TRANSACTIONS && id_is_zero(query->wallet) && query->bound_to.size != 0)
        return id_slot_of_owner(query->bound_to); // of all his wallets
    if (query->kind == LIST_AUDIT && !id_is_zero(query->versions_of))
        return id_slot(query->versions_of);
    // What waits for somebody about a refund lies with its purchase.
    bool is_of_wallet = query->kind == LIST_TRANSACTIONS || query->kind == LIST_HOLDS ||
                        query->kind == LIST_WITHDRAWALS;
    if (is_of_wallet && !id_is_zero(query->wallet))
        return id_slot(query->wallet);
    return LIMIT_SLOTS;
}

// Whether each slot is somebody's: one that its shard has let go, and the other one has not taken
// up yet, is on neither, and their versions stand still meanwhile.
static bool has_all_slots(const struct shards *shards) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        if (__atomic_load_n(&shards->owners[slot], __ATOMIC_RELAXED) == SHARD_NOBODY)
            return false;
    return true;
}

// From a time when no slot moved, so that what lies in one is shown, and once.
static enum status list_settled(struct shards *shards, const struct list_query *query,
                                struct page *page) {
    for (int tries = 0; tries < SHARDS_READ_TRIES; tries++) {
        int64_t versions[SHARDS_MAX];
        bool is_settled;
        shards_versions(shards, versions);
        bool is_whole = has_all_slots(shards);
        enum status status = list_all(shards, versions, query, page, &is_settled);
        if ((is_whole && is_settled) || (status != STATUS_ok && status != STATUS_history_archived))
            return status;
        (void)signal_gate_wait(&shards->stop, 1, MOVED_PAUSE_NS);
    }
    return STATUS_busy;
}

enum status shards_list(struct engine *engine, const struct list_query *query,
                        struct page *ret_page) {
    struct shards *shards = shards_of(engine);
    uint32_t slot = slot_of(query);
    int tries = SHARDS_READ_TRIES;
    enum status status;
    struct aim aim;
    struct list_query own = *query;
    ret_page->away = NULL;
    if (slot == LIMIT_SLOTS)
        return list_settled(shards, query, ret_page);
    do {
        shards_aim(shards, slot, &query->freshness, &aim);
        own.freshness = aim.freshness;
        status = aim.part->port->list(aim.part, &own, ret_page);
        if (status == STATUS_ok && aim.claim.holds && query->kind == LIST_TRANSACTIONS &&
            !query->as_stored)
            status = show_decided(shards, slot, &aim, &query->freshness, ret_page);
    } while (!shards_hit(shards, &aim, &tries, &status));
    if (status == STATUS_busy)
        ret_page->away = aim.name;
    return status;
}
