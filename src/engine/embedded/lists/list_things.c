// SPDX-License-Identifier: MIT
// Lists of wallets, holds, withdrawals and keys: from the newest place of their table down, or
// through the index. Items are copied first; their records are read once everything that was copied
// is durable.
#include "base/check.h"
#include "engine/embedded/lists/listing.h"

// ---- wallets ----------------------------------------------------------------------------------

static bool wallet_is_wanted(const struct books *books, const struct list_query *query,
                             const struct wallet_item *item) {
    const struct wallet *wallet = &item->wallet;
    if (id_is_zero(wallet->id))
        return false;
    if (query->wallet_kind >= 0 && wallet->kind != query->wallet_kind)
        return false;
    if (query->status >= 0 && wallet->status != query->status)
        return false;
    return !currency_is_given(&query->currency) ||
           currency_equal(&query->currency, &books->state.currencies[wallet->currency].currency);
}

static void wallet_add(const struct wallet_item *item, struct page *page) {
    struct outcome *outcome = page_add(page);
    outcome->wallet = item->wallet;
    outcome->has_version = true;
    outcome->version = item->wallet.version;
    outcome->record = outcome_position(item->details);
}

static void copy_wallet(const struct books *books, uint64_t locator, struct wallet_item *ret_item) {
    table_copy(&books->state.wallets, (uint32_t)locator, offsetof(struct wallet_item, sequence),
               ret_item);
}

static bool owned_wallet(struct books *books, const struct list_query *query, uint64_t position,
                         const struct record *record, struct page *page) {
    uint64_t locator;
    struct wallet_item item;
    (void)position;
    if (record->kind != RECORD_WALLET || !slice_equal(record->wallet.owner, query->owner) ||
        !state_place(&books->state, &books->state.moved_wallets, record->wallet.id, &locator) ||
        locator >= table_count(&books->state.wallets))
        return false;
    copy_wallet(books, locator, &item);
    if (!wallet_is_wanted(books, query, &item))
        return false;
    wallet_add(&item, page);
    return true;
}

// Everything copied is durable from here on: outcomes that hold positions get their bytes.
static void resolve_page(struct books *books, struct page *page) {
    books_settle(books);
    for (uint32_t i = 0; i < page->item_count; i++)
        outcome_resolve(books, &page->arena, &page->items[i].outcome);
}

// Where a table's list begins: below the cursor, or at its newest item.
static uint64_t first_index(const struct list_query *query, const struct table *table) {
    uint32_t count = table_count(table);
    return query->cursor != 0 && query->cursor < count ? query->cursor : count;
}

enum status list_wallets(struct books *books, const struct list_query *query, struct page *page) {
    enum status status = STATUS_ok;
    if (query->owner.size != 0) {
        status = list_indexed(books, query, INDEX_OWNER, owner_fingerprint(books, query->owner),
                              owned_wallet, page);
    } else {
        uint64_t index = first_index(query, &books->state.wallets);
        for (int scanned = 0;
             index > 1 && page->item_count < query->limit && scanned < LIST_SCAN_MAX; scanned++) {
            struct wallet_item item;
            copy_wallet(books, --index, &item);
            if (wallet_is_wanted(books, query, &item))
                wallet_add(&item, page);
        }
        page->next_cursor = index > 1 ? index : 0;
    }
    resolve_page(books, page);
    return status;
}

// ---- holds ------------------------------------------------------------------------------------

static bool hold_is_wanted(const struct books *books, const struct list_query *query,
                           const struct hold *hold) {
    if (id_is_zero(hold->id) || !list_sees_wallets(books, query, hold->wallet, hold->merchant))
        return false;
    if (query->status >= 0 && hold->status != query->status)
        return false;
    if (!id_is_zero(query->wallet) && !id_equal(query->wallet, hold->wallet))
        return false;
    return id_is_zero(query->merchant) || id_equal(query->merchant, hold->merchant);
}

static void hold_add(const struct hold_item *item, struct page *page) {
    struct outcome *outcome = page_add(page);
    outcome->hold = item->hold;
    outcome->record = outcome_position(item->closed != 0 ? item->closed : item->opened);
    if (item->closed != 0)
        outcome->opening = outcome_position(item->opened);
}

static void copy_hold(const struct books *books, uint64_t locator, struct hold_item *ret_item) {
    table_copy(&books->state.holds, (uint32_t)locator, offsetof(struct hold_item, sequence),
               ret_item);
}

static bool ordered_hold(struct books *books, const struct list_query *query, uint64_t position,
                         const struct record *record, struct page *page) {
    uint64_t locator;
    struct hold_item item;
    (void)position;
    if (record->kind != RECORD_HOLD || !slice_equal(record->hold.order, query->order) ||
        !state_place(&books->state, &books->state.moved_holds, record->hold.id, &locator) ||
        locator >= table_count(&books->state.holds))
        return false;
    copy_hold(books, locator, &item);
    if (!hold_is_wanted(books, query, &item.hold))
        return false;
    hold_add(&item, page);
    return true;
}

enum status list_holds(struct books *books, const struct list_query *query, struct page *page) {
    enum status status = STATUS_ok;
    if (query->order.size != 0) {
        status = list_indexed(books, query, INDEX_ORDER, order_fingerprint(books, query->order),
                              ordered_hold, page);
    } else {
        uint64_t index = first_index(query, &books->state.holds);
        for (int scanned = 0;
             index > 1 && page->item_count < query->limit && scanned < LIST_SCAN_MAX; scanned++) {
            struct hold_item item;
            copy_hold(books, --index, &item);
            if (hold_is_wanted(books, query, &item.hold))
                hold_add(&item, page);
        }
        page->next_cursor = index > 1 ? index : 0;
    }
    resolve_page(books, page);
    return status;
}

// ---- withdrawals ------------------------------------------------------------------------------

static void copy_withdrawal(const struct books *books, uint64_t locator,
                            struct withdrawal_item *ret_item) {
    table_copy(&books->state.withdrawals, (uint32_t)locator,
               offsetof(struct withdrawal_item, sequence), ret_item);
}

static bool withdrawal_is_wanted(const struct books *books, const struct list_query *query,
                                 const struct withdrawal *withdrawal) {
    if (id_is_zero(withdrawal->id) ||
        !list_sees_wallets(books, query, withdrawal->wallet, withdrawal->wallet))
        return false;
    if (query->status >= 0 && withdrawal->status != query->status)
        return false;
    uint64_t time_ms = id_time_ms(withdrawal->id);
    if (time_ms < query->from_ms || time_ms >= query->to_ms)
        return false;
    return id_is_zero(query->wallet) || id_equal(query->wallet, withdrawal->wallet);
}

static void withdrawal_add(const struct withdrawal_item *item, struct page *page) {
    struct outcome *outcome = page_add(page);
    uint64_t latest = item->closed != 0 ? item->closed : item->opened;
    outcome->withdrawal = item->withdrawal;
    outcome->record = outcome_position(latest);
    if (latest != item->opened)
        outcome->opening = outcome_position(item->opened);
}

static bool banked_withdrawal(struct books *books, const struct list_query *query,
                              uint64_t position, const struct record *record, struct page *page) {
    uint64_t locator;
    struct withdrawal_item item;
    (void)position;
    if (record->kind != RECORD_TRANSACTION || record->transaction.type != TRANSACTION_WITHDRAWAL ||
        !slice_equal(record->transaction.bank_id, query->bank_id) ||
        !state_place(&books->state, &books->state.moved_withdrawals, record->transaction.subject,
                     &locator) ||
        locator >= table_count(&books->state.withdrawals))
        return false;
    copy_withdrawal(books, locator, &item);
    if (!withdrawal_is_wanted(books, query, &item.withdrawal))
        return false;
    withdrawal_add(&item, page);
    return true;
}

// The first index whose withdrawal was made at or after a time: they are made in the order of their
// indexes.
static uint64_t withdrawal_at_time(const struct books *books, uint64_t end, uint64_t time_ms) {
    uint64_t low = 1, high = end;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        struct withdrawal_item item;
        copy_withdrawal(books, middle, &item);
        if (!id_is_zero(item.withdrawal.id) && id_time_ms(item.withdrawal.id) < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void transactions_of_withdrawals(struct page *page) {
    for (uint32_t i = 0; i < page->item_count; i++) {
        struct outcome *outcome = &page->items[i].outcome;
        struct record record;
        const char *why;
        if (outcome->withdrawal.status != WITHDRAWAL_SETTLED)
            continue;
        CHECK(record_decode(outcome->record, &record, &why) == STATUS_ok);
        outcome->transaction = record.transaction.id;
    }
}

enum status list_withdrawals(struct books *books, const struct list_query *query,
                             struct page *page) {
    enum status status = STATUS_ok;
    if (query->bank_id.size != 0) {
        status = list_banked(books, query, banked_withdrawal, page);
    } else {
        uint64_t index = first_index(query, &books->state.withdrawals);
        if (query->to_ms != UINT64_MAX)
            index = withdrawal_at_time(books, index, query->to_ms);
        for (int scanned = 0;
             index > 1 && page->item_count < query->limit && scanned < LIST_SCAN_MAX; scanned++) {
            struct withdrawal_item item;
            copy_withdrawal(books, --index, &item);
            if (!id_is_zero(item.withdrawal.id) && id_time_ms(item.withdrawal.id) < query->from_ms)
                index = 1; // the rest is older still
            else if (withdrawal_is_wanted(books, query, &item.withdrawal))
                withdrawal_add(&item, page);
        }
        page->next_cursor = index > 1 ? index : 0;
    }
    resolve_page(books, page);
    transactions_of_withdrawals(page);
    return status;
}

// ---- keys -------------------------------------------------------------------------------------

enum status list_keys(struct books *books, const struct list_query *query, struct page *page) {
    struct state *state = &books->state;
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    uint64_t index = query->cursor != 0 && query->cursor <= state->key_count ? query->cursor - 1
                                                                             : state->key_count;
    while (index > 0 && page->item_count < query->limit) {
        const struct key_item *item = &state->key_items[--index];
        bool is_other = !id_is_zero(query->key) && !id_equal(item->key.id, query->key);
        if (state->keys[index].revoked || item->opened == 0 || is_other)
            continue;
        struct outcome *outcome = page_add(page);
        outcome->record = outcome_position(item->rotated != 0 ? item->rotated : item->opened);
        if (item->rotated != 0)
            outcome->opening = outcome_position(item->opened);
        outcome->last_used_at_ms = __atomic_load_n(&item->last_used_ms, __ATOMIC_RELAXED);
    }
    page->next_cursor = index > 0 ? index + 1 : 0;
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    resolve_page(books, page);
    return STATUS_ok;
}
