// SPDX-License-Identifier: MIT
// Places are found by halving: records come in their order.
#include "move/places.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define PLACES_START 4096
#define REPLAY_BIT   UINT64_C(7) // of a batch's positions: what is not position

void places_done(struct places *places) {
    memory_free(places->items);
    *places = (struct places){0};
}

void places_add(struct places *places, uint64_t from, uint64_t to) {
    CHECK(places->count == 0 || (places->items[places->count - 1].from < from &&
                                 places->items[places->count - 1].to < to));
    if (places->count == places->capacity) {
        places->capacity = places->capacity == 0 ? PLACES_START : places->capacity * 2;
        places->items = memory_resize(places->items, places->capacity * sizeof(*places->items));
    }
    places->items[places->count++] = (struct place){.from = from, .to = to};
}

// The first that is not before `from`.
static uint64_t lower_bound(const struct places *places, uint64_t from) {
    uint64_t low = 0, high = places->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (places->items[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool places_find(const struct places *places, uint64_t from, uint64_t *ret_to) {
    uint64_t index = lower_bound(places, from);
    if (from != 0 && (index == places->count || places->items[index].from != from))
        return false;
    *ret_to = from == 0 ? 0 : places->items[index].to;
    return true;
}

uint64_t places_at_or_after(const struct places *places, uint64_t from, uint64_t end) {
    uint64_t index = lower_bound(places, from);
    return index == places->count ? end : places->items[index].to;
}

static bool rewrite(const struct places *places, uint64_t *position) {
    return places_find(places, *position, position);
}

static bool rewrite_side(const struct places *places, struct posting_side *side) {
    return rewrite(places, &side->previous) && rewrite(places, &side->skip);
}

static bool rewrite_batch(const struct places *places, struct batch_facts *facts,
                          struct buffer *scratch) {
    buffer_reset(scratch);
    for (uint32_t i = 0; i < facts->count; i++) {
        uint64_t position, to;
        memcpy(&position, facts->positions.bytes + i * sizeof(position), sizeof(position));
        if (!places_find(places, position & ~REPLAY_BIT, &to))
            return false;
        to |= position & REPLAY_BIT;
        buffer_add(scratch, &to, sizeof(to));
    }
    facts->positions = buffer_slice(scratch);
    return true;
}

bool places_rewrite(const struct places *places, struct record *record, struct buffer *scratch) {
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION:
        return rewrite_side(places, &record->transaction.debit) &&
               rewrite_side(places, &record->transaction.credit) &&
               rewrite(places, &record->transaction.opening);
    case RECORD_HOLD: return rewrite(places, &record->hold.opening);
    case RECORD_WITHDRAWAL: return rewrite(places, &record->withdrawal.opening);
    case RECORD_KEY: return rewrite(places, &record->api_key.opening);
    case RECORD_PARKED: return rewrite(places, &record->parked.opening);
    case RECORD_BATCH: return rewrite_batch(places, &record->batch, scratch);
    case RECORD_CURSOR:
        // A place in the feed is where the next record to publish stands: at the latest this one,
        // which is the last that the map knows.
        if (!cursor_is_of_commands(record->cursor.kind) && record->cursor.next != 0)
            record->cursor.next =
                places_at_or_after(places, record->cursor.next,
                                   places->items[places->count - 1].to + sizeof(uint64_t));
        return true;
    case RECORD_WALLET:
    case RECORD_RULES:
    case RECORD_ALARM:
    case RECORD_REFUSAL:
    case RECORD_DATA_KEY:
    case RECORD_NOTES: return true;
    }
    return false;
}
