// SPDX-License-Identifier: MIT
// Entries are taken back newest first. Lists of open holds are not restored byte by byte, as
// neighbours move too, but put right afterwards from what each hold says.
#include "engine/embedded/state/undo.h"

#include "base/memory.h"

static uint32_t *sequence_of(struct state *state, enum undo_kind kind, uint32_t index) {
    switch (kind) {
    case UNDO_WALLET: return &state_wallet_at(state, index)->sequence;
    case UNDO_HOLD: return &state_hold_at(state, index)->sequence;
    case UNDO_WITHDRAWAL: return &state_withdrawal_at(state, index)->sequence;
    case UNDO_REFUND: return &((struct refund_item *)table_at(&state->refunds, index))->sequence;
    case UNDO_CURRENCY: return &state->currency_sequence;
    case UNDO_SPENDING: return &state_spending_at(state, index)->sequence;
    case UNDO_HABITS: return &state_habits_at(state, index)->sequence;
    case UNDO_PARKED: return &state_parked_at(state, index)->sequence;
    }
    UNREACHABLE("an item of no kind");
}

void undo_begin(struct undo *undo, struct state *state) {
    CHECK(!undo->active);
    undo->active = true;
    undo->count = undo->habits_count = 0;
    undo->transaction_count = state->transaction_count;
    undo->currency_count = state->currency_count;
}

static uint32_t habits_save(struct undo *undo, const struct habits *habits) {
    if (undo->habits_count == undo->habits_capacity) {
        undo->habits_capacity = undo->habits_capacity == 0 ? 256 : undo->habits_capacity * 2;
        undo->habits =
            memory_resize(undo->habits, undo->habits_capacity * sizeof(*undo->habits));
    }
    undo->habits[undo->habits_count] = *habits;
    return undo->habits_count++;
}

static struct undo_entry *entry_add(struct undo *undo, enum undo_kind kind, uint32_t index) {
    if (undo->count == undo->capacity) {
        undo->capacity = undo->capacity == 0 ? 256 : undo->capacity * 2;
        undo->entries = memory_resize(undo->entries, undo->capacity * sizeof(*undo->entries));
    }
    struct undo_entry *entry = &undo->entries[undo->count++];
    entry->kind = (uint8_t)kind;
    entry->index = index;
    entry->added = false;
    return entry;
}

void undo_added(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index) {
    CHECK(kind != UNDO_CURRENCY);
    uint32_t *sequence = sequence_of(state, kind, index);
    CHECK(*sequence % 2 == 0);
    table_change_begin(sequence);
    if (undo->active)
        entry_add(undo, kind, index)->added = true;
}

void undo_touch(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index) {
    bool saves = undo_begins(undo, sequence_of(state, kind, index));
    if (saves || (undo->active && kind == UNDO_CURRENCY)) // all currencies have one sequence
        undo_save(undo, state, kind, index);
}

void undo_save(struct undo *undo, const struct state *state, enum undo_kind kind, uint32_t index) {
    CHECK(undo->active);
    struct undo_entry *entry = entry_add(undo, kind, index);
    switch (kind) {
    case UNDO_WALLET: entry->wallet = *state_wallet_at(state, index); break;
    case UNDO_HOLD: entry->hold = *state_hold_at(state, index); break;
    case UNDO_WITHDRAWAL: entry->withdrawal = *state_withdrawal_at(state, index); break;
    case UNDO_REFUND:
        entry->refund = *(struct refund_item *)table_at(&state->refunds, index);
        break;
    case UNDO_CURRENCY: entry->currency = state->currencies[index]; break;
    case UNDO_SPENDING: entry->spending = *state_spending_at(state, index); break;
    case UNDO_HABITS:
        entry->habits = habits_save(undo, &state_habits_at(state, index)->habits);
        break;
    case UNDO_PARKED: UNREACHABLE("an atomic batch decides about no finding");
    }
}

void undo_touched(struct undo *undo, struct state *state, enum undo_kind kind, uint32_t index) {
    undo_ends(undo, sequence_of(state, kind, index));
}

void undo_keep(struct undo *undo, struct state *state) {
    CHECK(undo->active);
    undo->active = false;
    for (uint32_t i = 0; i < undo->count; i++)
        undo_touched(undo, state, undo->entries[i].kind, undo->entries[i].index);
}

static void roll_back_hold(struct state *state, const struct undo_entry *entry) {
    struct hold_item *item = state_hold_at(state, entry->index);
    if (entry->added)
        item->hold.status = HOLD_VOIDED;
    else {
        item->hold = entry->hold.hold;
        item->closed = entry->hold.closed;
    }
    state_hold_list(state, item);
}

static void roll_back_wallet(struct state *state, const struct undo_entry *entry) {
    struct wallet_item *item = state_wallet_at(state, entry->index);
    uint32_t open_holds = item->open_holds, sequence = item->sequence;
    uint32_t counters = item->wallet.counters; // once it has a place it keeps it
    uint32_t habits = item->habits;            // likewise
    *item = entry->wallet;
    item->wallet.counters = counters;
    item->habits = habits;
    item->open_holds = open_holds;
    item->sequence = sequence;
}

static void roll_back_added(struct state *state, const struct undo_entry *entry) {
    struct table *table = entry->kind == UNDO_WALLET ? &state->wallets
                          : entry->kind == UNDO_HOLD ? &state->holds
                          : entry->kind == UNDO_PARKED
                              ? &state->parked
                              : &state->withdrawals;
    CHECK(entry->index + 1 == table->count);
    if (entry->kind == UNDO_WALLET)
        state->currencies[state_wallet_at(state, entry->index)->wallet.currency].wallet_count--;
    uint8_t *item = table_at(table, entry->index);
    uint32_t *sequence = sequence_of(state, entry->kind, entry->index);
    uint32_t *end = (uint32_t *)(item + table->item_bytes);
    for (uint32_t *word = (uint32_t *)item; word < end; word++)
        if (word != sequence)
            __atomic_store_n(word, 0, __ATOMIC_RELAXED);
    table_change_end(sequence);
    table_cut(table, entry->index);
}

static void roll_back_entry(const struct undo *undo, struct state *state,
                            const struct undo_entry *entry) {
    if (entry->kind == UNDO_HOLD)
        roll_back_hold(state, entry);
    if (entry->added && entry->kind != UNDO_REFUND) {
        roll_back_added(state, entry);
        return;
    }
    switch ((enum undo_kind)entry->kind) {
    case UNDO_WALLET: roll_back_wallet(state, entry); break;
    case UNDO_HOLD: break;
    case UNDO_WITHDRAWAL: {
        struct withdrawal_item *item = state_withdrawal_at(state, entry->index);
        item->withdrawal = entry->withdrawal.withdrawal;
        item->closed = entry->withdrawal.closed;
        break;
    }
    case UNDO_SPENDING:
        state_spending_at(state, entry->index)->spent = entry->spending.spent;
        break;
    case UNDO_HABITS:
        state_habits_at(state, entry->index)->habits = undo->habits[entry->habits];
        break;
    case UNDO_PARKED: UNREACHABLE("added, so it is gone");
    case UNDO_REFUND: {
        // An added one stays, as "nothing refunded": taking it out of the map would be more work
        // than it is worth.
        struct refund_item *item = table_at(&state->refunds, entry->index);
        item->refunded = entry->added ? 0 : entry->refund.refunded;
        break;
    }
    case UNDO_CURRENCY: {
        uint32_t wallet_count = state->currencies[entry->index].wallet_count;
        state->currencies[entry->index] = entry->currency;
        state->currencies[entry->index].wallet_count = wallet_count;
        break;
    }
    }
    uint32_t *sequence = sequence_of(state, entry->kind, entry->index);
    if (*sequence % 2 != 0)
        table_change_end(sequence);
}

void undo_roll_back(struct undo *undo, struct state *state) {
    CHECK(undo->active);
    for (uint32_t i = undo->count; i > 0; i--)
        roll_back_entry(undo, state, &undo->entries[i - 1]);
    state->transaction_count = undo->transaction_count;
    __atomic_store_n(&state->currency_count, undo->currency_count, __ATOMIC_RELEASE);
    undo->active = false;
    undo->count = 0;
}

void undo_done(struct undo *undo) {
    memory_free(undo->entries);
    memory_free(undo->habits);
    *undo = (struct undo){0};
}
