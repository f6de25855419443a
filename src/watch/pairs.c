// SPDX-License-Identifier: MIT
// Both sides are gathered from all parts, sorted, and laid side by side; of very many payments some
// after the other, so that memory stays bounded.
#include "watch/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ledger/record.h"

#define FEED_BYTES ((size_t)4 << 20)
#define SIDES_MAX  (UINT32_C(1) << 20) // at a time
#define SHARES_MAX 1024

struct side {
    struct id transaction, wallet;
    int64_t amount, balance;
    uint64_t version;
    bool arrives; // its own shard says so; else the one that decided
};

struct gathering {
    struct side *items; // owned
    uint32_t count, capacity;
    uint32_t shares, share; // of the transactions, by a hash of their ids: this one
    uint64_t until_ms;
    bool is_full;
};

static void add(struct gathering *gathering, const struct transaction_facts *facts,
                const struct posting_side *side, bool arrives) {
    if (gathering->count == SIDES_MAX) {
        gathering->is_full = true;
        return;
    }
    if (gathering->count == gathering->capacity) {
        gathering->capacity = gathering->capacity == 0 ? 1024 : gathering->capacity * 2;
        gathering->items =
            memory_resize(gathering->items, gathering->capacity * sizeof(*gathering->items));
    }
    gathering->items[gathering->count++] = (struct side){.transaction = facts->id,
                                                         .wallet = side->wallet,
                                                         .amount = facts->amount,
                                                         .balance = side->balance,
                                                         .version = side->version,
                                                         .arrives = arrives};
}

static bool take(void *context, const struct feed_record *record) {
    struct gathering *gathering = context;
    struct record decoded;
    const char *broken;
    if (record->came || record_decode(record->bytes, &decoded, &broken) != STATUS_ok ||
        decoded.kind != RECORD_TRANSACTION)
        return true;
    const struct transaction_facts *facts = &decoded.transaction;
    struct slice id = slice_of(facts->id.bytes, sizeof(facts->id.bytes));
    if (id_time_ms(facts->id) >= gathering->until_ms ||
        hash128_parts(&id, 1, 0).low % gathering->shares != gathering->share)
        return true;
    const struct posting_side *const sides[] = {&facts->debit, &facts->credit};
    for (int i = 0; i < 2; i++)
        if (!id_is_zero(sides[i]->wallet) &&
            record_arrives(&decoded) != posting_is_elsewhere(sides[i]))
            add(gathering, facts, sides[i], record_arrives(&decoded));
    return !gathering->is_full;
}

static bool gather(struct gathering *gathering, struct engine *const *parts, uint32_t count) {
    gathering->count = 0;
    gathering->is_full = false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t position = 0, next = 0;
        do {
            position = next;
            if (parts[i]->port->feed(parts[i], position, FEED_BYTES, take, gathering, &next) !=
                STATUS_ok)
                return false;
        } while (next != position && !gathering->is_full);
    }
    return true;
}

static int order_of(const void *one, const void *two) {
    const struct side *first = one, *second = two;
    int order = memcmp(&first->transaction, &second->transaction, sizeof(first->transaction));
    if (order == 0)
        order = memcmp(&first->wallet, &second->wallet, sizeof(first->wallet));
    return order != 0 ? order : first->arrives - second->arrives;
}

static bool is_same_side(const struct side *one, const struct side *two) {
    return id_equal(one->transaction, two->transaction) && id_equal(one->wallet, two->wallet) &&
           one->arrives != two->arrives;
}

static bool says_the_same(const struct side *one, const struct side *two) {
    return one->amount == two->amount && one->balance == two->balance &&
           one->version == two->version;
}

static void tell(const struct side *side, const char *what, char *ret_sentence) {
    char transaction[ID_TEXT_BYTES_MAX], wallet[ID_TEXT_BYTES_MAX];
    size_t transaction_size = id_format(ID_TRANSACTION, side->transaction, transaction);
    size_t wallet_size = id_format(ID_WALLET, side->wallet, wallet);
    (void)snprintf(ret_sentence, PAIRS_SENTENCE_BYTES, "%.*s, of %lld, %s %.*s",
                   (int)transaction_size, transaction, (long long)side->amount, what,
                   (int)wallet_size, wallet);
}

static bool lay_side_by_side(const struct gathering *gathering, char *ret_sentence) {
    const struct side *items = gathering->items;
    for (uint32_t i = 0; i < gathering->count; i++) {
        bool is_pair = i + 1 < gathering->count && is_same_side(&items[i], &items[i + 1]);
        if (is_pair && says_the_same(&items[i], &items[i + 1])) {
            i++;
            continue;
        }
        tell(&items[i],
             is_pair            ? "is another on the shard of"
             : items[i].arrives ? "was decided by no shard, and is on that of"
                                : "was decided by one shard, and is not on that of",
             ret_sentence);
        return true;
    }
    return false;
}

bool pairs_name(struct engine *const *parts, uint32_t count, uint64_t until_ms,
                char ret_sentence[PAIRS_SENTENCE_BYTES]) {
    struct gathering gathering = {.shares = 1, .until_ms = until_ms};
    bool found = false, goes_on = true;
    while (goes_on && !found && gathering.share < gathering.shares) {
        goes_on = gather(&gathering, parts, count);
        if (gathering.is_full) { // what was looked at so far had no half
            gathering.shares *= 2;
            gathering.share = 0;
            goes_on = gathering.shares <= SHARES_MAX;
            continue;
        }
        if (goes_on && gathering.count != 0)
            qsort(gathering.items, gathering.count, sizeof(*gathering.items), order_of);
        found = goes_on && lay_side_by_side(&gathering, ret_sentence);
        gathering.share++;
    }
    memory_free(gathering.items);
    return found;
}
