// SPDX-License-Identifier: MIT
// Rounds: what callers of either engine share.
#include "engine/engine.h"

#include "base/check.h"
#include "ledger/seal.h"

#define ROUND_ARENA_BYTES 4096

void round_init(struct round *round) {
    *round = (struct round){0};
    arena_init(&round->arena, ROUND_ARENA_BYTES);
}

void round_release(struct round *round) {
    arena_reset(&round->arena);
    round->first = NULL;
    round->command_count = 0;
}

void round_done(struct round *round) {
    arena_done(&round->arena);
}

void submission_guard_stops(struct submission *submission, uint32_t done, enum status status) {
    struct outcome *whole = &submission->batch_outcome;
    CHECK(submission->guarded && done <= submission->count);
    whole->status = whole->refusal.status = (uint8_t)status;
    for (uint32_t i = done; i < submission->count; i++)
        outcome_end(&submission->outcomes[i], status);
}

void submission_guard_ends(const struct submission *submission, uint32_t done,
                           struct record *record) {
    const struct cursor_wish *wish = submission->batch.cursor;
    CHECK(submission->guarded && record->kind == RECORD_CURSOR);
    CHECK(done >= 1 && done <= submission->count);
    if (wish->places == NULL)
        return;
    record->cursor.next = wish->places[done - 1].next;
    record->cursor.checksum = wish->places[done - 1].checksum;
    CHECK(record->cursor.next > wish->from);
}

void outcome_point(struct outcome *outcome, const struct record *record, uint64_t position) {
    uint64_t opening = 0;
    outcome->record = outcome_position(position);
    if (record->kind == RECORD_TRANSACTION)
        opening = record->transaction.opening;
    if (record->kind == RECORD_HOLD)
        opening = record->hold.opening;
    if (record->kind == RECORD_WITHDRAWAL)
        opening = record->withdrawal.opening;
    if (record->kind == RECORD_KEY)
        opening = record->api_key.opening;
    if (record->kind == RECORD_PARKED)
        opening = record->parked.opening;
    if (opening != 0)
        outcome->opening = outcome_position(opening);
    if (record->kind == RECORD_CURSOR)
        outcome->cursor = record->cursor;
    if (record->kind == RECORD_WALLET) {
        outcome->has_version = true;
        outcome->version = record->wallet.version;
    }
}

struct slice engine_reveal(const struct engine *engine, struct slice bytes, struct arena *arena) {
    if (engine->vault == NULL || !record_is_sealed(bytes))
        return bytes;
    uint8_t *place = arena_take(arena, bytes.size);
    size_t size = record_reveal(bytes, engine->vault, place);
    return size == 0 ? bytes : slice_of(place, size);
}
