// SPDX-License-Identifier: MIT
// What all lists share: filling a page, walking an index entry, waiting until what was copied is
// durable.
#include "engine/embedded/lists/listing.h"

#include <stdlib.h>

#include "base/check.h"

void books_settle(struct books *books) {
    uint64_t decided = __atomic_load_n(&books->decided, __ATOMIC_ACQUIRE);
    (void)signal_gate_wait(&books->published, decided, SIGNAL_GATE_WAIT_FOREVER);
}

uint64_t list_owner(const struct books *books, struct id wallet) {
    uint64_t locator;
    struct wallet_item item;
    if (id_is_zero(wallet) ||
        !state_place(&books->state, &books->state.moved_wallets, wallet, &locator) ||
        locator == 0 || locator >= table_count(&books->state.wallets))
        return 0;
    table_copy(&books->state.wallets, (uint32_t)locator, offsetof(struct wallet_item, sequence),
               &item);
    return id_equal(item.wallet.id, wallet) ? item.wallet.owner : 0;
}

bool list_sees_wallets(const struct books *books, const struct list_query *query, struct id first,
                       struct id second) {
    if (query->bound_to.size == 0)
        return true;
    uint64_t own = owner_mark(books->hash_seed, query->bound_to);
    return list_owner(books, first) == own || list_owner(books, second) == own;
}

bool list_sees(const struct books *books, const struct list_query *query,
               const struct record *record, struct outcome *outcome) {
    CHECK(record->kind == RECORD_TRANSACTION);
    if (query->bound_to.size == 0)
        return true;
    const struct transaction_facts *facts = &record->transaction;
    uint64_t own = owner_mark(books->hash_seed, query->bound_to);
    uint64_t debit = list_owner(books, facts->debit.wallet);
    uint64_t credit = list_owner(books, facts->credit.wallet);
    if (outcome != NULL)
        outcome->hidden =
            owner_hidden(own, debit, credit, query->asker, record->origin.principal);
    return debit == own || credit == own;
}

struct outcome *page_add(struct page *page) {
    struct outcome *outcome = &page->items[page->item_count++].outcome;
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = STATUS_ok;
    return outcome;
}

enum status list_indexed(struct books *books, const struct list_query *query,
                         enum index_family family, uint64_t fingerprint, list_take *wanted,
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

// Where the transaction with that bank id stands; 0: the currency has none.
static enum status bank_position(struct books *books, const struct index_snapshot *snapshot,
                                 const struct currency *currency, struct slice bank_id,
                                 uint64_t *ret_position) {
    struct index_cursor cursor;
    uint64_t position;
    enum status status = index_find_first(
        snapshot, INDEX_BANK, bank_fingerprint(books, currency, bank_id), &cursor, &position);
    *ret_position = 0;
    for (; status == STATUS_ok; status = index_find_next(&cursor, &position)) {
        struct record record;
        const char *why;
        struct slice bytes = journal_read(books->journal, position);
        if (bytes.size == 0 || record_decode(bytes, &record, &why) != STATUS_ok ||
            record.kind != RECORD_TRANSACTION ||
            !slice_equal(record.transaction.bank_id, bank_id) ||
            !currency_equal(&record.transaction.currency, currency))
            continue;
        *ret_position = position;
        return STATUS_ok;
    }
    return status == STATUS_end ? STATUS_ok : status;
}

static int newest_first(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left < right) - (left > right);
}

enum status list_banked(struct books *books, const struct list_query *query, list_take *wanted,
                        struct page *page) {
    struct currency_account *accounts =
        arena_take(&page->arena, LIMIT_CURRENCIES_MAX * sizeof(*accounts));
    uint64_t *positions = arena_take(&page->arena, LIMIT_CURRENCIES_MAX * sizeof(*positions));
    uint32_t count = state_currencies_copy(&books->state, accounts, LIMIT_CURRENCIES_MAX);
    struct index_snapshot snapshot;
    enum status status = STATUS_ok;
    index_snapshot_open(books->index, journal_published(books->journal), &snapshot);
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status =
            bank_position(books, &snapshot, &accounts[i].currency, query->bank_id, &positions[i]);
    index_snapshot_close(&snapshot);
    if (status != STATUS_ok)
        return status;
    qsort(positions, count, sizeof(*positions), newest_first);
    for (uint32_t i = 0; i < count && positions[i] != 0; i++) {
        struct record record;
        const char *why;
        if (query->cursor != 0 && positions[i] >= query->cursor)
            continue;
        if (page->item_count == query->limit) {
            page->next_cursor = positions[i] + 8; // exclusive: this one comes next
            break;
        }
        status = record_decode(journal_read(books->journal, positions[i]), &record, &why);
        CHECK(status == STATUS_ok);
        (void)wanted(books, query, positions[i], &record, page);
    }
    return STATUS_ok;
}
