// SPDX-License-Identifier: MIT
// Left out is what may differ between equal books: sequences, the order within a list of open
// holds, entries of the heap of due times whose hold is closed, refund items of zero.
#include "books_dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "engine/embedded/books.h"

typedef unsigned long long wide; // what %llu takes

static void add_id(struct buffer *buffer, const char *name, struct id id) {
    buffer_add_format(buffer, " %s=", name);
    for (int i = 0; i < 16; i++)
        buffer_add_format(buffer, "%02x", id.bytes[i]);
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void dump_open_holds(const struct state *state, uint32_t first, struct buffer *buffer) {
    uint64_t *indexes = memory_take((state->holds.count + 1) * sizeof(*indexes));
    size_t count = 0;
    for (uint32_t index = first; index != 0; index = state_hold_at(state, index)->next) {
        CHECK(count < state->holds.count); // a list without end is broken
        indexes[count++] = index;
    }
    qsort(indexes, count, sizeof(*indexes), by_number);
    for (size_t i = 0; i < count; i++)
        buffer_add_format(buffer, " %llu", (wide)indexes[i]);
    memory_free(indexes);
}

static void dump_wallets(const struct state *state, struct buffer *buffer) {
    for (uint32_t i = 1; i < state->wallets.count; i++) {
        const struct wallet_item *item = state_wallet_at(state, i);
        const struct wallet *wallet = &item->wallet;
        buffer_add_format(buffer, "wallet %u", i);
        add_id(buffer, "id", wallet->id);
        buffer_add_format(
            buffer,
            " balance=%lld held=%lld credit=%lld version=%llu currency=%u kind=%u status=%u",
            (long long)wallet->balance, (long long)wallet->held, (long long)wallet->credit_limit,
            (wide)wallet->version, wallet->currency, wallet->kind, wallet->status);
        buffer_add_format(buffer, " number=%u opened=%llu details=%llu last=%llu", item->number,
                          (wide)item->opened, (wide)item->details, (wide)item->last);
        buffer_add_format(buffer, " levels=%llu,%llu,%llu holds=", (wide)item->levels[0],
                          (wide)item->levels[1], (wide)item->levels[2]);
        dump_open_holds(state, item->open_holds, buffer);
        BUFFER_ADD(buffer, "\n");
    }
}

// What a wallet usually does; who has a place for it, and nothing in it, is like who has none.
static void dump_habits(const struct state *state, uint32_t wallet, struct buffer *buffer) {
    uint32_t place = state_wallet_at(state, wallet)->habits;
    const struct habits *habits = place == 0 ? NULL : &state_habits_at(state, place)->habits;
    if (habits == NULL || habits->version == 0)
        return;
    const uint32_t *words = (const uint32_t *)habits;
    buffer_add_format(buffer, "habits of wallet %u:", wallet);
    for (size_t i = 0; i < sizeof(*habits) / sizeof(*words); i++)
        buffer_add_format(buffer, words[i] == 0 ? "," : "%x,", words[i]);
    BUFFER_ADD(buffer, "\n");
}

static void dump_review(const struct state *state, struct buffer *buffer) {
    for (uint32_t i = 1; i < state->wallets.count; i++)
        dump_habits(state, i, buffer);
    for (uint32_t i = 1; i < state->parked.count; i++) {
        const struct parked *parked = &state_parked_at(state, i)->parked;
        buffer_add_format(buffer, "parked %u", i);
        add_id(buffer, "id", parked->id);
        add_id(buffer, "wallet", parked->wallet);
        buffer_add_format(buffer, " cause=%u status=%u expires=%llu\n", parked->cause,
                          parked->status, (wide)parked->expires_at_ms);
    }
    buffer_add_format(buffer, "rules %u of version %u\n", state->rules.count,
                      state->rules.version);
}

static void dump_holds(const struct state *state, struct buffer *buffer) {
    for (uint32_t i = 1; i < state->holds.count; i++) {
        const struct hold_item *item = state_hold_at(state, i);
        buffer_add_format(buffer, "hold %u", i);
        add_id(buffer, "id", item->hold.id);
        add_id(buffer, "wallet", item->hold.wallet);
        add_id(buffer, "merchant", item->hold.merchant);
        buffer_add_format(
            buffer, " amount=%lld captured=%lld expires=%llu status=%u payer=%u shop=%u",
            (long long)item->hold.amount, (long long)item->hold.captured,
            (wide)item->hold.expires_at_ms, item->hold.status, item->wallet, item->merchant);
        buffer_add_format(buffer, " listed=%u opened=%llu closed=%llu\n", item->listed,
                          (wide)item->opened, (wide)item->closed);
    }
}

static void dump_withdrawals(const struct state *state, struct buffer *buffer) {
    for (uint32_t i = 1; i < state->withdrawals.count; i++) {
        const struct withdrawal_item *item = state_withdrawal_at(state, i);
        buffer_add_format(buffer, "withdrawal %u", i);
        add_id(buffer, "id", item->withdrawal.id);
        add_id(buffer, "wallet", item->withdrawal.wallet);
        buffer_add_format(buffer, " amount=%lld status=%u payer=%u opened=%llu closed=%llu\n",
                          (long long)item->withdrawal.amount, item->withdrawal.status, item->wallet,
                          (wide)item->opened, (wide)item->closed);
    }
}

static void dump_refunds(struct state *state, struct buffer *buffer) {
    uint64_t *purchases = memory_take((state->refunds.count + 1) * sizeof(*purchases));
    size_t count = 0;
    for (uint32_t i = 1; i < state->refunds.count; i++) {
        const struct refund_item *item = table_at(&state->refunds, i);
        if (item->refunded != 0)
            purchases[count++] = item->purchase;
    }
    qsort(purchases, count, sizeof(*purchases), by_number);
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || purchases[i] != purchases[i - 1]);
        buffer_add_format(buffer, "refunds of %llu = %lld\n", (wide)purchases[i],
                          (long long)state_refunded(state, purchases[i], false));
    }
    memory_free(purchases);
}

static void dump_due(const struct state *state, struct buffer *buffer) {
    bool *seen = memory_take_zeroed(state->holds.count + 1);
    for (uint32_t i = 0; i < state->due_count; i++)
        if (state->due[i].thing < state->holds.count &&
            state_hold_at(state, state->due[i].thing)->hold.expires_at_ms ==
                state->due[i].expires_at_ms)
            seen[state->due[i].thing] = true;
    for (uint32_t i = 1; i < state->holds.count; i++)
        if (seen[i] && state_hold_at(state, i)->hold.status == HOLD_OPEN)
            buffer_add_format(buffer, "due %u\n", i);
    memory_free(seen);
}

void books_dump(struct engine *engine, struct buffer *buffer) {
    struct state *state = &((struct books *)engine)->state;
    // After a round the writer still drops entries of the heap that are no longer current.
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    dump_wallets(state, buffer);
    dump_holds(state, buffer);
    dump_withdrawals(state, buffer);
    dump_refunds(state, buffer);
    dump_due(state, buffer);
    dump_review(state, buffer);
    for (uint32_t i = 0; i < state->key_count; i++) {
        buffer_add_format(buffer, "key %u", i);
        add_id(buffer, "id", state->keys[i].id);
        buffer_add_format(buffer, " role=%u revoked=%d expires=%llu opened=%llu\n",
                          state->keys[i].role, state->keys[i].revoked,
                          (wide)state->keys[i].expires_at_ms, (wide)state->key_items[i].opened);
    }
    for (uint32_t i = 0; i < state->currency_count; i++) {
        const struct currency_account *account = &state->currencies[i];
        buffer_add_format(buffer, "currency %.12s/%u wallets=%u in=", account->currency.code,
                          account->currency.exponent, account->wallet_count);
        buffer_add_i128(buffer, account->deposits);
        BUFFER_ADD(buffer, " out=");
        buffer_add_i128(buffer, account->withdrawals);
        BUFFER_ADD(buffer, "\n");
    }
    for (uint32_t i = 0; i < CURSOR_COUNT; i++) {
        const struct cursor *cursor = &state->cursors[i];
        if (cursor->epoch != 0)
            buffer_add_format(buffer, "cursor %u/%u epoch=%llu next=%llu check=%llu of %llu/%u\n",
                              cursor->kind, cursor->slot, (wide)cursor->epoch, (wide)cursor->next,
                              (wide)cursor->checksum, (wide)cursor->source, cursor->partitions);
    }
    buffer_add_format(buffer, "transactions %llu, open holds %llu\n",
                      (wide)state->transaction_count, (wide)state->hold_open_count);
}

bool books_dump_equal(const struct buffer *a, const struct buffer *b) {
    if (slice_equal(buffer_slice(a), buffer_slice(b)))
        return true;
    size_t line = 0, i = 0;
    while (i < a->size && i < b->size && a->bytes[i] == b->bytes[i])
        if (a->bytes[i++] == '\n')
            line = i;
    const struct buffer *both[] = {a, b};
    for (int side = 0; side < 2; side++) {
        size_t end = line;
        while (end < both[side]->size && both[side]->bytes[end] != '\n')
            end++;
        (void)fprintf(stderr, "%s: %.*s\n", side == 0 ? "one  " : "other", (int)(end - line),
                      (const char *)both[side]->bytes + line);
    }
    return false;
}

static const char *audit_wallet(const struct state *state, uint32_t index,
                                const int64_t *promised) {
    const struct wallet_item *item = state_wallet_at(state, index);
    uint32_t listed = 0;
    if (item->wallet.held != promised[index])
        return "what a wallet holds is not what it promised";
    if (wallet_spendable(&item->wallet) < 0 || item->wallet.balance > LIMIT_AMOUNT_MAX)
        return "a wallet is out of bounds";
    if (item->sequence % 2 != 0)
        return "a wallet is marked as changing";
    for (uint32_t hold = item->open_holds; hold != 0; hold = state_hold_at(state, hold)->next) {
        const struct hold_item *other = state_hold_at(state, hold);
        if (other->hold.status != HOLD_OPEN || other->wallet != index || !other->listed)
            return "a list of open holds has another one";
        if (++listed > state->holds.count)
            return "a list of open holds has no end";
    }
    return NULL;
}

static const char *audit_holds(const struct state *state, int64_t *promised) {
    uint64_t open = 0;
    for (uint32_t i = 1; i < state->holds.count; i++) {
        const struct hold_item *item = state_hold_at(state, i);
        if (item->sequence % 2 != 0)
            return "a hold is marked as changing";
        if ((item->hold.status == HOLD_OPEN) != (item->listed != 0))
            return "an open hold is not listed, or a closed one is";
        open += item->hold.status == HOLD_OPEN;
        promised[item->wallet] += hold_remaining(&item->hold);
    }
    for (uint32_t i = 1; i < state->withdrawals.count; i++) {
        const struct withdrawal_item *item = state_withdrawal_at(state, i);
        if (item->sequence % 2 != 0)
            return "a withdrawal is marked as changing";
        if (item->withdrawal.status == WITHDRAWAL_PENDING)
            promised[item->wallet] += item->withdrawal.amount;
    }
    return open == state->hold_open_count ? NULL : "the count of open holds is wrong";
}

const char *books_audit(struct engine *engine) {
    struct state *state = &((struct books *)engine)->state;
    int64_t *promised = memory_take_zeroed((state->wallets.count + 1) * sizeof(*promised));
    money_total *sums = memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*sums));
    uint32_t *counts = memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*counts));
    const char *broken = audit_holds(state, promised);
    for (uint32_t i = 1; broken == NULL && i < state->wallets.count; i++) {
        const struct wallet *wallet = &state_wallet_at(state, i)->wallet;
        broken = audit_wallet(state, i, promised);
        sums[wallet->currency] += wallet->balance;
        counts[wallet->currency]++;
    }
    for (uint32_t i = 0; broken == NULL && i < state->currency_count; i++) {
        const struct currency_account *account = &state->currencies[i];
        if (sums[i] != account->deposits - account->withdrawals)
            broken = "the sum over all accounts of a currency is not zero";
        else if (counts[i] != account->wallet_count)
            broken = "the count of a currency's wallets is wrong";
    }
    if (broken == NULL && state->currency_sequence % 2 != 0)
        broken = "the currencies are marked as changing";
    memory_free(promised);
    memory_free(sums);
    memory_free(counts);
    return broken;
}
