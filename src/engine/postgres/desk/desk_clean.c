// SPDX-License-Identifier: MIT
// Pages of wallets that collect old versions. A change of a wallet leaves its old version on the
// page, and who comes there by an index removes it, if nobody can see it any more; then the next
// version finds room beside it, and no index learns of it. A batch without a look (desk_ahead.c)
// comes by no index. So changes are counted by page, and where they are many one wallet of the page
// is read, behind the round and outside of its transaction. That costs less than a look at each. By
// the writer: with a session beside it there were fewer payments (docs/postgresql-measured.md).
#include "base/memory.h"
#include "engine/postgres/desk/desk.h"

#define PAGE_BITS 15
#define LIST_MAX  1024
// A page has room for some twenty versions (sql/0155), and for seven of those with habits; one that
// was filled before has room for twelve and four.
#define HABITS_WEIGH 4
#define LIST_AT      5  // it is read when others are
#define URGENT_AT    10 // or now
#define LIST_IS_MANY 64

struct wallet_page {
    uint32_t block, part;
    uint32_t old; // how many versions, roughly
    uint32_t slot;
    uint64_t number; // of a wallet there
    bool is_listed;
};

struct dirty_pages {
    struct wallet_page pages[1 << PAGE_BITS]; // one that has the same place takes it over
    uint32_t listed[LIST_MAX];
    uint32_t count;
    bool is_urgent;
};

struct noted {
    uint32_t part, slot;
    uint64_t number;
    const struct row_place *place;
    bool has_habits, was_cleaned;
};

static void note(struct dirty_pages *dirty, const struct noted *row) {
    uint32_t block, part = row->part;
    memcpy(&block, row->place->bytes, sizeof(block));
    block = __builtin_bswap32(block);
    uint32_t index = (block * SQL_PARTS + part) & ((1 << PAGE_BITS) - 1);
    struct wallet_page *page = &dirty->pages[index];
    if (page->block != block || page->part != part || row->was_cleaned)
        page->old = 0;
    page->block = block;
    page->part = part;
    page->slot = row->slot;
    page->number = row->number;
    page->old += row->has_habits ? HABITS_WEIGH : 1;
    dirty->is_urgent = dirty->is_urgent || page->old >= URGENT_AT;
    if (page->old < LIST_AT || page->is_listed || dirty->count == LIST_MAX)
        return;
    page->is_listed = true;
    dirty->listed[dirty->count++] = index;
}

static struct dirty_pages *dirty_of(struct desk *desk) {
    if (desk->dirty == NULL)
        desk->dirty = memory_take_zeroed(sizeof(*desk->dirty));
    return desk->dirty;
}

void desk_clean_note(struct desk *desk) {
    struct dirty_pages *dirty = dirty_of(desk);
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        uint32_t slot = id_slot(row->wallet.id);
        struct noted noted = {.part = desk->part_of[slot],
                              .slot = slot,
                              .number = row->number,
                              .place = &row->place,
                              .has_habits = row->habits.version != 0,
                              .was_cleaned = !desk->ahead.is_on};
        if (row->changed && row->is_placed && row->legs == NULL)
            note(dirty, &noted);
    }
}

void desk_clean_note_left(struct desk *desk, uint32_t slot, uint64_t number,
                          const struct row_place *place, bool has_habits) {
    struct noted noted = {.part = desk->part_of[slot],
                          .slot = slot,
                          .number = number,
                          .place = place,
                          .has_habits = has_habits,
                          .was_cleaned = !desk->ahead.left_was_on};
    note(dirty_of(desk), &noted);
}

void desk_clean(struct desk *desk, struct link *link) {
    struct dirty_pages *dirty = desk->dirty;
    struct column *out = desk->out;
    if (dirty == NULL || desk->has_old_versions ||
        (!dirty->is_urgent && dirty->count < LIST_IS_MANY))
        return;
    for (uint32_t part = 0; part < SQL_PARTS; part++) {
        columns_begin(out, 2, 0);
        for (uint32_t i = 0; i < dirty->count; i++) {
            const struct wallet_page *page = &dirty->pages[dirty->listed[i]];
            if (page->part != part)
                continue;
            column_add(&out[0], page->slot);
            column_add(&out[1], (int64_t)page->number);
        }
        link_send_columns(link, SQL_CLEAN_WALLETS + part, out, 2);
    }
    for (uint32_t i = 0; i < dirty->count; i++) {
        struct wallet_page *page = &dirty->pages[dirty->listed[i]];
        page->is_listed = false;
        page->old = 0;
    }
    dirty->count = 0;
    dirty->is_urgent = false;
    link_sync(link);
}

void desk_clean_done(struct desk *desk) {
    memory_free(desk->dirty);
    desk->dirty = NULL;
}
