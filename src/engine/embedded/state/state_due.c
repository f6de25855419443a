// SPDX-License-Identifier: MIT
// Open holds by payer and by time. A heap of due times answers "what is over now?"; entries of
// holds that ended early stay until they come up and are skipped then. Each payer's open holds are
// a list, for rounds that find more due holds than they can expire at once.
#include "base/memory.h"
#include "engine/embedded/state/state.h"

static void due_push(struct state *state, struct due entry) {
    if (state->due_count == state->due_capacity) {
        state->due_capacity = state->due_capacity == 0 ? 1024 : state->due_capacity * 2;
        state->due = memory_resize(state->due, state->due_capacity * sizeof(*state->due));
    }
    uint32_t place = state->due_count++;
    while (place > 0 && state->due[(place - 1) / 2].expires_at_ms > entry.expires_at_ms) {
        state->due[place] = state->due[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    state->due[place] = entry;
}

void state_due_pop(struct state *state) {
    CHECK(state->due_count > 0);
    struct due entry = state->due[--state->due_count];
    uint32_t place = 0;
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= state->due_count)
            break;
        if (child + 1 < state->due_count &&
            state->due[child + 1].expires_at_ms < state->due[child].expires_at_ms)
            child++;
        if (state->due[child].expires_at_ms >= entry.expires_at_ms)
            break;
        state->due[place] = state->due[child];
        place = child;
    }
    if (state->due_count > 0)
        state->due[place] = entry;
}

static bool due_is_current(const struct state *state, const struct due *entry) {
    if ((entry->thing & DUE_PARKED) != 0) {
        uint32_t index = entry->thing & ~DUE_PARKED;
        return table_has(&state->parked, index) &&
               state_parked_at(state, index)->parked.status == PARKED_PENDING;
    }
    if (!table_has(&state->holds, entry->thing))
        return false;
    const struct hold *hold = &state_hold_at(state, entry->thing)->hold;
    return hold->status == HOLD_OPEN && hold->expires_at_ms == entry->expires_at_ms;
}

uint64_t state_due_next_ms(struct state *state) {
    while (state->due_count > 0 && !due_is_current(state, &state->due[0]))
        state_due_pop(state);
    return state->due_count == 0 ? UINT64_MAX : state->due[0].expires_at_ms;
}

uint32_t state_due_first(struct state *state, uint64_t now_ms) {
    return state_due_next_ms(state) <= now_ms ? state->due[0].thing : 0;
}

void state_hold_list(struct state *state, struct hold_item *item) {
    bool open = item->hold.status == HOLD_OPEN && !id_is_zero(item->hold.id);
    if (open == (item->listed != 0))
        return;
    uint32_t index = state_hold_index(state, item);
    struct wallet_item *payer = state_wallet_at(state, item->wallet);
    if (open) {
        item->previous = 0;
        item->next = payer->open_holds;
        if (item->next != 0)
            state_hold_at(state, item->next)->previous = index;
        payer->open_holds = index;
        due_push(state, (struct due){.expires_at_ms = item->hold.expires_at_ms, .thing = index});
        state->hold_open_count++;
    } else {
        if (item->next != 0)
            state_hold_at(state, item->next)->previous = item->previous;
        if (item->previous != 0)
            state_hold_at(state, item->previous)->next = item->next;
        else
            payer->open_holds = item->next;
        CHECK(state->hold_open_count > 0);
        state->hold_open_count--;
    }
    item->listed = open;
}

void state_parked_list(struct state *state, struct parked_item *item) {
    const struct parked *parked = &item->parked;
    if (item->listed != 0 || id_is_zero(parked->id) || parked->cause != PARKED_FOR_REVIEW ||
        parked->status != PARKED_PENDING)
        return;
    uint32_t index = (uint32_t)(((uint8_t *)item - state->parked.bytes) / sizeof(*item));
    CHECK(index < DUE_PARKED);
    due_push(state, (struct due){.expires_at_ms = parked->expires_at_ms,
                                 .thing = index | DUE_PARKED});
    item->listed = 1;
}
