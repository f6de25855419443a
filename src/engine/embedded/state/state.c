// SPDX-License-Identifier: MIT
// Finding things in memory. An id's locator is the thing's index in its table, so no map from ids
// exists but of things that moved in from another engine.
#include "engine/embedded/state/state.h"

#include "base/memory.h"

#define WALLETS_MAX (UINT32_C(1) << 30)
#define HOLDS_MAX   (UINT32_C(1) << 30)

void state_init(struct state *state, const struct id_seal *seal) {
    memset(state, 0, sizeof(*state));
    state->seal = *seal;
    table_init(&state->wallets, sizeof(struct wallet_item), WALLETS_MAX);
    table_init(&state->holds, sizeof(struct hold_item), HOLDS_MAX);
    table_init(&state->withdrawals, sizeof(struct withdrawal_item), HOLDS_MAX);
    table_init(&state->refunds, sizeof(struct refund_item), HOLDS_MAX);
    table_init(&state->parked, sizeof(struct parked_item), HOLDS_MAX);
    table_init(&state->spending, sizeof(struct spending_item), WALLETS_MAX);
    table_init(&state->habits, sizeof(struct habits_item), WALLETS_MAX);
    moved_ids_init(&state->moved_wallets, &state->wallets);
    moved_ids_init(&state->moved_holds, &state->holds);
    moved_ids_init(&state->moved_withdrawals, &state->withdrawals);
    moved_ids_init(&state->moved_parked, &state->parked);
    CHECK(pthread_mutex_init(&state->rules_lock, NULL) == 0);
    CHECK(pthread_rwlock_init(&state->keys_lock, NULL) == 0);
    arena_init(&state->key_texts, 4096);
    CHECK(pthread_mutex_init(&state->refunds_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&state->cursors_lock, NULL) == 0);
    state_cursors_name(state);
}

void state_done(struct state *state) {
    table_done(&state->wallets);
    table_done(&state->holds);
    table_done(&state->withdrawals);
    table_done(&state->refunds);
    table_done(&state->parked);
    table_done(&state->spending);
    table_done(&state->habits);
    moved_ids_done(&state->moved_wallets);
    moved_ids_done(&state->moved_holds);
    moved_ids_done(&state->moved_withdrawals);
    moved_ids_done(&state->moved_parked);
    (void)pthread_mutex_destroy(&state->rules_lock);
    memory_free(state->keys);
    memory_free(state->key_items);
    arena_done(&state->key_texts);
    memory_free(state->refund_slots);
    memory_free(state->due);
    (void)pthread_rwlock_destroy(&state->keys_lock);
    (void)pthread_mutex_destroy(&state->refunds_lock);
    (void)pthread_mutex_destroy(&state->cursors_lock);
}

void state_empty(struct state *state) {
    struct id_seal seal = state->seal;
    uint64_t moved_ms = state->moved_ms;
    state_done(state);
    state_init(state, &seal);
    state->moved_ms = moved_ms;
}

bool state_place(const struct state *state, const struct moved_ids *moved, struct id id,
                 uint64_t *ret_place) {
    if (id_time_ms(id) >= state->moved_ms)
        return id_open(&state->seal, id, ret_place);
    *ret_place = moved_ids_find(moved, id);
    return *ret_place != 0;
}

static void moved_refresh(const struct state *state, struct moved_ids *moved) {
    const struct table *table = moved->table;
    moved_ids_done(moved);
    for (uint32_t i = 1; state->moved_ms != 0 && i < table->count; i++) {
        struct id id;
        memcpy(&id, table_at(table, i), sizeof(id));
        if (!id_is_zero(id) && id_time_ms(id) < state->moved_ms)
            moved_ids_add(moved, id, i);
    }
}

void state_moved_refresh(struct state *state) {
    moved_refresh(state, &state->moved_wallets);
    moved_refresh(state, &state->moved_holds);
    moved_refresh(state, &state->moved_withdrawals);
    moved_refresh(state, &state->moved_parked);
}

void state_cursors_name(struct state *state) {
    for (uint32_t kind = 0; kind < CURSOR_KINDS; kind++)
        for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
            struct cursor *cursor = &state->cursors[cursor_index(kind, slot)];
            cursor->kind = (uint8_t)kind;
            cursor->slot = (uint16_t)slot;
        }
}

struct wallet_item *state_wallet(const struct state *state, struct id id) {
    uint64_t locator;
    if (!state_place(state, &state->moved_wallets, id, &locator) ||
        !table_has(&state->wallets, locator))
        return NULL;
    struct wallet_item *item = state_wallet_at(state, (uint32_t)locator);
    return id_equal(item->wallet.id, id) ? item : NULL;
}

struct parked_item *state_parked(const struct state *state, struct id id) {
    uint64_t locator;
    if (!state_place(state, &state->moved_parked, id, &locator) ||
        !table_has(&state->parked, locator))
        return NULL;
    struct parked_item *item = table_at(&state->parked, (uint32_t)locator);
    return id_equal(item->parked.id, id) ? item : NULL;
}

struct hold_item *state_hold(const struct state *state, struct id id) {
    uint64_t locator;
    if (!state_place(state, &state->moved_holds, id, &locator) ||
        !table_has(&state->holds, locator))
        return NULL;
    struct hold_item *item = state_hold_at(state, (uint32_t)locator);
    return id_equal(item->hold.id, id) ? item : NULL;
}

struct withdrawal_item *state_withdrawal(const struct state *state, struct id id) {
    uint64_t locator;
    if (!state_place(state, &state->moved_withdrawals, id, &locator) ||
        !table_has(&state->withdrawals, locator))
        return NULL;
    struct withdrawal_item *item = state_withdrawal_at(state, (uint32_t)locator);
    return id_equal(item->withdrawal.id, id) ? item : NULL;
}

uint32_t state_wallet_index(const struct state *state, const struct wallet_item *item) {
    return (uint32_t)(((const uint8_t *)item - state->wallets.bytes) / sizeof(struct wallet_item));
}

uint32_t state_hold_index(const struct state *state, const struct hold_item *item) {
    return (uint32_t)(((const uint8_t *)item - state->holds.bytes) / sizeof(struct hold_item));
}

struct currency_account *state_currency(struct state *state, const struct currency *currency,
                                        bool make, uint16_t *ret_index) {
    for (uint32_t i = 0; i < state->currency_count; i++) {
        if (currency_equal(&state->currencies[i].currency, currency)) {
            *ret_index = (uint16_t)i;
            return &state->currencies[i];
        }
    }
    if (!make || state->currency_count == LIMIT_CURRENCIES_MAX)
        return NULL;
    uint32_t index = state->currency_count;
    state->currencies[index] = (struct currency_account){.currency = *currency};
    __atomic_store_n(&state->currency_count, index + 1, __ATOMIC_RELEASE);
    *ret_index = (uint16_t)index;
    return &state->currencies[index];
}

void state_currencies_add_up(struct state *state) {
    for (uint32_t i = 0; i < state->currency_count; i++)
        state->currencies[i].balances = 0;
    for (uint32_t i = 1; i < state->wallets.count; i++) {
        const struct wallet *wallet = &state_wallet_at(state, i)->wallet;
        if (!id_is_zero(wallet->id) && wallet->currency < state->currency_count)
            state->currencies[wallet->currency].balances += wallet->balance;
    }
}

uint32_t state_currencies_copy(struct state *state, struct currency_account *ret_accounts,
                               uint32_t count_max) {
    uint32_t count = __atomic_load_n(&state->currency_count, __ATOMIC_ACQUIRE);
    if (count > count_max)
        count = count_max;
    for (;;) {
        uint32_t before = __atomic_load_n(&state->currency_sequence, __ATOMIC_ACQUIRE);
        if (before % 2 == 0) {
            memcpy(ret_accounts, state->currencies, count * sizeof(*ret_accounts));
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&state->currency_sequence, __ATOMIC_RELAXED) == before)
                return count;
        }
    }
}

// ---- refunds ----------------------------------------------------------------------------------

static uint32_t refund_slot(const struct state *state, uint64_t purchase) {
    uint32_t mask = state->refund_slot_count - 1;
    uint32_t slot = (uint32_t)(purchase * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
    for (;; slot = (slot + 1) & mask) {
        uint32_t index = state->refund_slots[slot];
        if (index == 0 ||
            ((struct refund_item *)table_at(&state->refunds, index))->purchase == purchase)
            return slot;
    }
}

static int64_t refunded_of(struct state *state, uint64_t purchase) {
    if (state->refund_slot_count == 0)
        return 0;
    uint32_t index = state->refund_slots[refund_slot(state, purchase)];
    if (index == 0)
        return 0;
    const struct refund_item *item = table_at(&state->refunds, index);
    return __atomic_load_n(&item->refunded, __ATOMIC_RELAXED);
}

int64_t state_refunded(struct state *state, uint64_t purchase, bool locked) {
    if (!locked)
        return refunded_of(state, purchase);
    // The lock guards the map alone: the writer may want it while it keeps items marked as
    // changing.
    CHECK(pthread_mutex_lock(&state->refunds_lock) == 0);
    uint32_t index =
        state->refund_slot_count == 0 ? 0 : state->refund_slots[refund_slot(state, purchase)];
    CHECK(pthread_mutex_unlock(&state->refunds_lock) == 0);
    if (index == 0)
        return 0;
    struct refund_item item;
    table_copy(&state->refunds, index, offsetof(struct refund_item, sequence), &item);
    return item.refunded;
}

static void refunds_resize(struct state *state, uint32_t count) {
    memory_free(state->refund_slots);
    state->refund_slots = memory_take_zeroed((size_t)count * sizeof(uint32_t));
    state->refund_slot_count = count;
    for (uint32_t index = 1; index < state->refunds.count; index++) {
        const struct refund_item *item = table_at(&state->refunds, index);
        state->refund_slots[refund_slot(state, item->purchase)] = index;
    }
}

struct refund_item *state_refund_item(struct state *state, uint64_t purchase) {
    CHECK(purchase != 0);
    uint32_t index =
        state->refund_slot_count == 0 ? 0 : state->refund_slots[refund_slot(state, purchase)];
    if (index == 0) {
        CHECK(pthread_mutex_lock(&state->refunds_lock) == 0);
        if ((uint64_t)state->refunds.count * 2 >= state->refund_slot_count)
            refunds_resize(state,
                           state->refund_slot_count == 0 ? 1024 : state->refund_slot_count * 2);
        uint32_t slot = refund_slot(state, purchase);
        index = table_add(&state->refunds);
        ((struct refund_item *)table_at(&state->refunds, index))->purchase = purchase;
        state->refund_slots[slot] = index;
        CHECK(pthread_mutex_unlock(&state->refunds_lock) == 0);
    }
    return table_at(&state->refunds, index);
}

void state_refunds_refresh(struct state *state) {
    uint32_t slots = 1024;
    while (slots < (uint64_t)state->refunds.count * 2)
        slots *= 2;
    refunds_resize(state, slots);
    for (uint32_t index = 1; index < state->refunds.count; index++)
        ((struct refund_item *)table_at(&state->refunds, index))->sequence = 0;
}
