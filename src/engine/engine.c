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
    round->standing = NULL;
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

struct record submission_batch_record(const struct submission *submission, uint64_t now_ms,
                                      uint64_t *positions) {
    CHECK(submission->atomic && submission->batch.has_key && submission->count != 0);
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct outcome *outcome = &submission->outcomes[i];
        CHECK(outcome->record.size % 8 == 0 && outcome->record.size != 0);
        positions[i] = outcome->record.size | (outcome->replayed ? 1 : 0);
    }
    return (struct record){
        .kind = RECORD_BATCH,
        .operation = submission->commands[0].type,
        .has_key = true,
        .queued = submission->batch.queued,
        .time_ms = now_ms,
        .origin = submission->batch.origin,
        .key = submission->batch.key,
        .request = submission->batch.request,
        .batch = {.count = submission->count,
                  .positions = slice_of(positions, submission->count * sizeof(*positions))},
    };
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

void outcome_take_parts(struct outcome *outcome, const struct command *command,
                        struct arena *arena) {
    struct record record;
    const char *why;
    outcome->part_count = 0;
    if (outcome->status != STATUS_ok || outcome->record.bytes == NULL || command_is_bound(command))
        return;
    if (record_decode(outcome->record, &record, &why) != STATUS_ok || record.kind != RECORD_BATCH)
        return;
    size_t size = record.batch.count * sizeof(*outcome->parts);
    outcome->parts = arena_take(arena, size);
    outcome->part_count = record.batch.count;
    memset(outcome->parts, 0, size);
    for (uint32_t i = 0; i < record.batch.count; i++) {
        uint64_t at;
        memcpy(&at, record.batch.positions.bytes + i * sizeof(at), sizeof(at));
        outcome->parts[i].status = STATUS_ok;
        outcome->parts[i].record = outcome_position(at & ~UINT64_C(7));
    }
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

enum status engine_open_texts(struct engine *engine, struct slice bytes, struct arena *arena,
                              struct slice *ret_bytes) {
    if (engine->vault != NULL && engine->port->reveal != NULL && record_is_sealed(bytes))
        return engine->port->reveal(engine, bytes, arena, ret_bytes);
    *ret_bytes = engine_reveal(engine, bytes, arena);
    return STATUS_ok;
}

const struct standing_place *standing_find(const struct standing *standing, uint32_t shard) {
    CHECK(standing->count <= STANDING_PLACES_MAX);
    for (uint32_t i = 0; i < standing->count; i++)
        if (standing->places[i].shard == shard)
            return &standing->places[i];
    return NULL;
}

bool standing_raise(struct standing *standing, const struct standing_place *place) {
    uint32_t at = 0;
    CHECK(!position_is_none(place->position) && standing->count <= STANDING_PLACES_MAX);
    while (at < standing->count && standing->places[at].shard != place->shard)
        at++;
    if (at == STANDING_PLACES_MAX)
        return false;
    struct standing_place *own = &standing->places[at];
    if (at == standing->count) {
        *own = *place;
        standing->count++;
        return true;
    }
    if (place->slots > own->slots)
        own->slots = place->slots;
    if (!position_reaches(own->position, place->position))
        own->position = place->position;
    return true;
}
