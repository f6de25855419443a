// SPDX-License-Identifier: MIT
// Items are an id, when they have one, and numbers of eight bytes, most significant first, so that
// SQL can read them too (`opening_number` in sql/). Order and count of the numbers are stored.
#include "watch/opening.h"

#include <string.h>

#include "base/check.h"

#define ITEM_BYTES_MAX 256
#define COUNTERS       11

// ---- bytes --------------------------------------------------------------------------------------

struct writing {
    uint8_t bytes[ITEM_BYTES_MAX];
    size_t size;
};

static void put(struct writing *to, const void *bytes, size_t size) {
    CHECK(to->size + size <= sizeof(to->bytes));
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void put_number(struct writing *to, uint64_t number) {
    uint64_t turned = __builtin_bswap64(number);
    put(to, &turned, sizeof(turned));
}

static void put_total(struct writing *to, money_total total) {
    put_number(to, (uint64_t)(total >> 64));
    put_number(to, (uint64_t)total);
}

struct taking {
    struct slice left;
    bool is_short;
};

static void get(struct taking *from, void *bytes, size_t size) {
    if (from->is_short || from->left.size < size) {
        from->is_short = true;
        memset(bytes, 0, size);
        return;
    }
    memcpy(bytes, from->left.bytes, size);
    from->left = slice_of(from->left.bytes + size, from->left.size - size);
}

static uint64_t get_number(struct taking *from) {
    uint64_t number;
    get(from, &number, sizeof(number));
    return __builtin_bswap64(number);
}

static money_total get_total(struct taking *from) {
    money_total high = (money_total)get_number(from);
    return (high << 64) | (money_total)get_number(from);
}

static struct id get_id(struct taking *from) {
    struct id id;
    get(from, id.bytes, sizeof(id.bytes));
    return id;
}

// ---- telling ------------------------------------------------------------------------------------

struct telling {
    const struct tally *tally;
    bool (*each)(void *context, const struct opening_item *item);
    void *context;
    bool goes_on;
};

static void tell(struct telling *telling, enum opening_what what, uint32_t slot, uint64_t number,
                 const struct writing *item) {
    const struct opening_item told = {.what = what,
                                      .slot = (uint16_t)slot,
                                      .number = number,
                                      .bytes = slice_of(item->bytes, item->size)};
    if (telling->goes_on)
        telling->goes_on = telling->each(telling->context, &told);
}

static void tell_books(struct telling *telling, const struct opening_frame *frame) {
    const struct tally *tally = telling->tally;
    const uint64_t counters[COUNTERS] = {
        tally->record_count,     tally->transaction_count, tally->hold_count,
        tally->withdrawal_count, tally->refund_count,      tally->version_count,
        tally->key_count,        tally->batch_count,       tally->refusal_count,
        tally->note_count,       tally->note_record_count};
    struct writing item = {.size = 0};
    put(&item, &frame->round_chain, sizeof(frame->round_chain));
    put(&item, &frame->bank_chain, sizeof(frame->bank_chain));
    put_number(&item, frame->round_number);
    put_number(&item, frame->last_record);
    put_number(&item, frame->last_time_ms);
    put_number(&item, tally->position);
    put_number(&item, tally->time_ms);
    for (int i = 0; i < COUNTERS; i++)
        put_number(&item, counters[i]);
    tell(telling, OPENING_BOOKS, 0, 0, &item);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct opening_head *head = &frame->heads[slot];
        item.size = 0;
        put(&item, &head->chain, sizeof(head->chain));
        put_number(&item, head->last_record);
        put_number(&item, head->record_count);
        tell(telling, OPENING_SLOT, slot, 0, &item);
    }
}

static void tell_currencies(struct telling *telling) {
    const struct tally *tally = telling->tally;
    for (uint32_t i = 0; i < tally->currency_count; i++) {
        const struct tally_currency *account = &tally->currencies[i];
        struct writing item = {.size = 0};
        put(&item, account->currency.code, sizeof(account->currency.code));
        put_number(&item, account->currency.exponent);
        put_number(&item, account->wallet_count);
        put_total(&item, account->deposits);
        put_total(&item, account->withdrawals);
        tell(telling, OPENING_CURRENCY, 0, i, &item);
    }
}

// What SQL reads of it: balance is the first number, the version of that balance the second.
static void tell_wallets(struct telling *telling, const struct tally_map *numbers) {
    const struct tally_map *map = &telling->tally->wallets;
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct tally_wallet *wallet = tally_map_at(map, index);
        uint32_t found = tally_map_find(numbers, wallet->id);
        const struct opening_numbered *numbered = tally_map_at(numbers, found);
        struct writing item = {.size = 0};
        CHECK(found != 0);
        put(&item, wallet->id.bytes, sizeof(wallet->id.bytes));
        put_number(&item, (uint64_t)wallet->balance);
        put_number(&item, wallet->posted);
        put_number(&item, (uint64_t)wallet->held);
        put_number(&item, (uint64_t)wallet->credit_limit);
        put_number(&item, wallet->version);
        put_number(&item, wallet->last);
        for (int i = 0; i < 3; i++)
            put_number(&item, wallet->levels[i]);
        put_number(&item, wallet->number);
        put_number(&item, wallet->currency);
        put_number(&item, wallet->kind | (uint64_t)wallet->tier << 4);
        put_number(&item, wallet->status);
        tell(telling, OPENING_WALLET, id_slot(wallet->id), numbered->number, &item);
    }
}

static struct id id_of_wallet(const struct telling *telling, uint32_t index) {
    return tally_wallet_at(telling->tally, index)->id;
}

static void tell_holds(struct telling *telling) {
    const struct tally_map *map = &telling->tally->holds;
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct tally_hold *hold = tally_map_at(map, index);
        struct id wallet = id_of_wallet(telling, hold->wallet);
        struct writing item = {.size = 0};
        put(&item, hold->id.bytes, sizeof(hold->id.bytes));
        put_number(&item, (uint64_t)hold->amount);
        put_number(&item, (uint64_t)hold->captured);
        put_number(&item, hold->expires_at_ms);
        put_number(&item, hold->opening);
        put(&item, wallet.bytes, sizeof(wallet.bytes));
        put(&item, hold->merchant.bytes, sizeof(hold->merchant.bytes));
        tell(telling, OPENING_HOLD, id_slot(hold->id), hold->opening / 8, &item);
    }
}

static void tell_withdrawals(struct telling *telling, enum opening_what what,
                             const struct tally_map *map) {
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct tally_withdrawal *withdrawal = tally_map_at(map, index);
        struct id wallet = id_of_wallet(telling, withdrawal->wallet);
        struct writing item = {.size = 0};
        put(&item, withdrawal->id.bytes, sizeof(withdrawal->id.bytes));
        put_number(&item, (uint64_t)withdrawal->amount);
        put_number(&item, withdrawal->opening);
        put(&item, wallet.bytes, sizeof(wallet.bytes));
        tell(telling, what, id_slot(withdrawal->id), withdrawal->opening / 8, &item);
    }
}

static void tell_purchases(struct telling *telling) {
    const struct tally_map *map = &telling->tally->purchases;
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct tally_purchase *purchase = tally_map_at(map, index);
        struct writing item = {.size = 0};
        put(&item, purchase->id.bytes, sizeof(purchase->id.bytes));
        put_number(&item, (uint64_t)purchase->amount);
        put_number(&item, (uint64_t)purchase->refunded);
        put_number(&item, purchase->position);
        put(&item, purchase->wallet.bytes, sizeof(purchase->wallet.bytes));
        put(&item, purchase->merchant.bytes, sizeof(purchase->merchant.bytes));
        tell(telling, OPENING_PURCHASE, id_slot(purchase->id), purchase->position / 8, &item);
    }
}

static void tell_keys(struct telling *telling) {
    const struct tally_map *map = &telling->tally->keys;
    uint64_t number = 0;
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct tally_key *key = tally_map_at(map, index);
        struct writing item = {.size = 0};
        put(&item, key->id.bytes, sizeof(key->id.bytes));
        put(&item, &key->secret_hash, sizeof(key->secret_hash));
        put_number(&item, key->expires_at_ms);
        put_number(&item, key->role);
        put_number(&item, key->revoked);
        tell(telling, OPENING_KEY, 0, number++, &item);
    }
}

static void tell_cursors(struct telling *telling) {
    for (uint32_t index = 0; index < CURSOR_COUNT; index++) {
        const struct cursor *cursor = &telling->tally->cursors[index];
        struct writing item = {.size = 0};
        if (cursor->epoch == 0)
            continue;
        put_number(&item, cursor->partitions);
        put_number(&item, cursor->epoch);
        put_number(&item, cursor->next);
        put_number(&item, cursor->checksum);
        put_number(&item, cursor->source);
        tell(telling, OPENING_CURSOR, cursor->slot, cursor->kind, &item);
    }
}

void opening_tell(const struct tally *tally, const struct tally_map *numbers,
                  const struct opening_frame *frame,
                  bool (*each)(void *context, const struct opening_item *item), void *context) {
    struct telling telling = {.tally = tally, .each = each, .context = context, .goes_on = true};
    CHECK(!tally->is_broken);
    tell_books(&telling, frame);
    tell_currencies(&telling);
    tell_wallets(&telling, numbers);
    tell_holds(&telling);
    tell_withdrawals(&telling, OPENING_WITHDRAWAL, &tally->withdrawals);
    tell_withdrawals(&telling, OPENING_REVIEW, &tally->reviews);
    tell_purchases(&telling);
    tell_keys(&telling);
    tell_cursors(&telling);
}

// ---- taking -------------------------------------------------------------------------------------

static bool take_books(struct tally *tally, struct opening_frame *frame, struct taking *from) {
    struct opening_frame skipped;
    struct opening_frame *to = frame != NULL ? frame : &skipped;
    uint64_t *const counters[COUNTERS] = {
        &tally->record_count,     &tally->transaction_count, &tally->hold_count,
        &tally->withdrawal_count, &tally->refund_count,      &tally->version_count,
        &tally->key_count,        &tally->batch_count,       &tally->refusal_count,
        &tally->note_count,       &tally->note_record_count};
    get(from, &to->round_chain, sizeof(to->round_chain));
    get(from, &to->bank_chain, sizeof(to->bank_chain));
    to->round_number = get_number(from);
    to->last_record = get_number(from);
    to->last_time_ms = get_number(from);
    tally->position = tally->opened_behind = get_number(from);
    tally->time_ms = get_number(from);
    for (int i = 0; i < COUNTERS; i++)
        *counters[i] = get_number(from);
    return true;
}

static bool take_slot(struct opening_frame *frame, uint32_t slot, struct taking *from) {
    struct opening_head head;
    get(from, &head.chain, sizeof(head.chain));
    head.last_record = get_number(from);
    head.record_count = get_number(from);
    if (frame != NULL && slot < LIMIT_SLOTS)
        frame->heads[slot] = head;
    return slot < LIMIT_SLOTS;
}

static bool take_currency(struct tally *tally, uint64_t number, struct taking *from) {
    struct tally_currency account = {.wallet_count = 0};
    get(from, account.currency.code, sizeof(account.currency.code));
    account.currency.exponent = (uint8_t)get_number(from);
    account.wallet_count = (uint32_t)get_number(from);
    account.deposits = get_total(from);
    account.withdrawals = get_total(from);
    if (number != tally->currency_count || number >= TALLY_CURRENCIES_MAX)
        return false;
    tally->currencies[tally->currency_count++] = account;
    return true;
}

static bool is_free(const struct tally_map *map, struct id id) {
    return !id_is_zero(id) && tally_map_find(map, id) == 0;
}

static bool take_wallet(struct tally *tally, struct tally_map *numbers, uint64_t number,
                        struct taking *from) {
    struct tally_wallet read = {.id = get_id(from)};
    read.balance = (int64_t)get_number(from);
    read.posted = get_number(from);
    read.held = (int64_t)get_number(from);
    read.credit_limit = (int64_t)get_number(from);
    read.version = get_number(from);
    read.last = get_number(from);
    for (int i = 0; i < 3; i++)
        read.levels[i] = get_number(from);
    read.number = (uint32_t)get_number(from);
    read.currency = (uint16_t)get_number(from);
    uint64_t kind_and_tier = get_number(from);
    read.kind = kind_and_tier & 15;
    read.tier = (uint8_t)(kind_and_tier >> 4);
    read.status = (uint8_t)get_number(from);
    if (from->is_short || !is_free(&tally->wallets, read.id) ||
        read.currency >= tally->currency_count)
        return false;
    *tally_wallet_at(tally, tally_map_add(&tally->wallets, read.id)) = read;
    if (numbers != NULL) {
        struct opening_numbered *numbered =
            tally_map_at(numbers, tally_map_add(numbers, read.id));
        numbered->number = number;
    }
    return true;
}

static bool take_hold(struct tally *tally, struct taking *from) {
    struct tally_hold read = {.id = get_id(from)};
    read.amount = (int64_t)get_number(from);
    read.captured = (int64_t)get_number(from);
    read.expires_at_ms = get_number(from);
    read.opening = get_number(from);
    read.wallet = tally_map_find(&tally->wallets, get_id(from));
    read.merchant = get_id(from);
    if (from->is_short || !is_free(&tally->holds, read.id) || read.wallet == 0 ||
        tally_map_find(&tally->wallets, read.merchant) == 0)
        return false;
    *(struct tally_hold *)tally_map_at(&tally->holds, tally_map_add(&tally->holds, read.id)) = read;
    return true;
}

static bool take_withdrawal(struct tally *tally, struct tally_map *map, struct taking *from) {
    struct tally_withdrawal read = {.id = get_id(from)};
    read.amount = (int64_t)get_number(from);
    read.opening = get_number(from);
    read.wallet = tally_map_find(&tally->wallets, get_id(from));
    if (from->is_short || !is_free(map, read.id) || read.wallet == 0)
        return false;
    *(struct tally_withdrawal *)tally_map_at(map, tally_map_add(map, read.id)) = read;
    return true;
}

static bool take_purchase(struct tally *tally, struct taking *from) {
    struct tally_purchase read = {.id = get_id(from)};
    struct tally_map *map = &tally->purchases;
    read.amount = (int64_t)get_number(from);
    read.refunded = (int64_t)get_number(from);
    read.position = get_number(from);
    read.wallet = get_id(from);
    read.merchant = get_id(from);
    if (from->is_short || !is_free(map, read.id))
        return false;
    *(struct tally_purchase *)tally_map_at(map, tally_map_add(map, read.id)) = read;
    return true;
}

static bool take_key(struct tally *tally, struct taking *from) {
    struct tally_key read = {.id = get_id(from)};
    get(from, &read.secret_hash, sizeof(read.secret_hash));
    read.expires_at_ms = get_number(from);
    read.role = (uint8_t)get_number(from);
    read.revoked = (uint8_t)get_number(from);
    if (from->is_short || !is_free(&tally->keys, read.id))
        return false;
    *(struct tally_key *)tally_map_at(&tally->keys, tally_map_add(&tally->keys, read.id)) = read;
    return true;
}

static bool take_cursor(struct tally *tally, const struct opening_item *item,
                        struct taking *from) {
    struct cursor read = {.kind = (uint8_t)item->number, .slot = item->slot};
    read.partitions = (uint32_t)get_number(from);
    read.epoch = get_number(from);
    read.next = get_number(from);
    read.checksum = get_number(from);
    read.source = get_number(from);
    if (item->number >= CURSOR_KINDS || item->slot >= LIMIT_SLOTS)
        return false;
    tally->cursors[cursor_index((enum cursor_kind)read.kind, read.slot)] = read;
    return true;
}

bool opening_take(struct tally *tally, struct tally_map *numbers, struct opening_frame *frame,
                  const struct opening_item *item) {
    struct taking from = {.left = item->bytes};
    bool fits = false;
    switch ((enum opening_what)item->what) {
    case OPENING_BOOKS: fits = take_books(tally, frame, &from); break;
    case OPENING_SLOT: fits = take_slot(frame, item->slot, &from); break;
    case OPENING_CURRENCY: fits = take_currency(tally, item->number, &from); break;
    case OPENING_WALLET: fits = take_wallet(tally, numbers, item->number, &from); break;
    case OPENING_HOLD: fits = take_hold(tally, &from); break;
    case OPENING_WITHDRAWAL: fits = take_withdrawal(tally, &tally->withdrawals, &from); break;
    case OPENING_REVIEW: fits = take_withdrawal(tally, &tally->reviews, &from); break;
    case OPENING_PURCHASE: fits = take_purchase(tally, &from); break;
    case OPENING_KEY: fits = take_key(tally, &from); break;
    case OPENING_CURSOR: fits = take_cursor(tally, item, &from); break;
    case OPENING_KEPT: return true; // for answers; the tally knows what it says
    }
    return fits && !from.is_short && from.left.size == 0;
}

// ---- the digest ---------------------------------------------------------------------------------

void opening_hash(struct sha256_context *context, const struct opening_item *item) {
    struct writing head = {.size = 0};
    put_number(&head, item->what);
    put_number(&head, item->slot);
    put_number(&head, item->number);
    put_number(&head, item->bytes.size);
    sha256_add(context, slice_of(head.bytes, head.size));
    sha256_add(context, item->bytes);
}

void opening_halves(const struct sha256 *digest, uint64_t ret_halves[2]) {
    for (int i = 0; i < 2; i++) {
        memcpy(&ret_halves[i], digest->bytes + 8 * i, sizeof(ret_halves[i]));
        ret_halves[i] = __builtin_bswap64(ret_halves[i]);
    }
}
