// SPDX-License-Identifier: MIT
// Sends a loop's notes along with its next round of writes, and ends windows that are over.
#include "api/flight.h"
#include "api/loop.h"
#include "api/notes.h"
#include "base/clock.h"

#define SWEEP_NS       UINT64_C(1000000000)
#define OPERATION_LOST SLICE("auditNotesLost")

// As many notes as one record takes.
static struct slice bundle(struct slice pending) {
    size_t size = 0;
    for (uint32_t count = 0; count < NOTES_IN_RECORD_MAX; count++) {
        size_t next = note_size(slice_of(pending.bytes + size, pending.size - size));
        if (next == 0 || size + next > NOTES_BYTES_MAX)
            break;
        size += next;
    }
    return slice_of(pending.bytes, size);
}

static bool send_bundle(struct api_loop *loop, struct slice bytes) {
    struct call *call = calls_take(loop, false);
    struct command *command = &call->command;
    memset(command, 0, sizeof(*command));
    command->type = COMMAND_NOTE;
    command->metadata = arena_copy(&call->arena, bytes);
    command->origin = (struct origin){.principal = SLICE("system"), .role = ROLE_SYSTEM};
    call->operation = NULL;
    call->started_ns = clock_monotonic_ns();
    call->submission.commands = command;
    call->submission.outcomes = &call->outcome;
    call->submission.count = 1;
    call->submission.is_batch = false;
    call->submission.atomic = false;
    call->submission.done = NULL;
    if (rounds_add(loop, call))
        return true;
    calls_release(loop, call);
    return false;
}

void notes_ride(struct api_loop *loop) {
    struct notes *notes = loop->notes;
    struct slice rest = buffer_slice(&notes->pending);
    while (rest.size != 0 && notes->flying_bytes < NOTES_FLYING_MAX) {
        struct slice bytes = bundle(rest);
        CHECK(bytes.size != 0);
        if (!send_bundle(loop, bytes))
            break;
        notes->flying_bytes += bytes.size;
        rest = slice_of(rest.bytes + bytes.size, rest.size - bytes.size);
    }
    if (rest.size != 0) // else there may be no bytes at all yet
        memmove(notes->pending.bytes, rest.bytes, rest.size);
    notes->pending.size = rest.size;
    notes->pending_since_ns = clock_monotonic_ns();
}

void notes_arrived(struct api_loop *loop, const struct call *call) {
    struct notes *notes = loop->notes;
    struct slice bytes = call->command.metadata;
    CHECK(call->command.type == COMMAND_NOTE && notes->flying_bytes >= bytes.size);
    notes->flying_bytes -= bytes.size;
    if (call->outcome.status == STATUS_ok)
        return;
    // The disk is full, or the database away: they wait for better times.
    if (notes->pending.size + bytes.size > NOTES_PENDING_MAX) {
        notes_lose(loop, notes_count(bytes));
        return;
    }
    if (notes->pending.size == 0)
        notes->pending_since_ns = clock_monotonic_ns();
    buffer_add_slice(&notes->pending, bytes);
}

bool notes_are_early(const struct api_loop *loop) {
    return loop->notes->pending.size >= NOTES_EARLY_BYTES &&
           loop->notes->flying_bytes < NOTES_FLYING_MAX;
}

bool notes_are_there(const struct api_loop *loop) {
    const struct notes *notes = loop->notes;
    return notes->pending.size != 0 || notes->repeat_count != 0 || notes->crowd_until_ns != 0 ||
           notes->lost != 0;
}

static void end_windows(struct api_loop *loop, uint64_t now_ns, bool all) {
    struct notes *notes = loop->notes;
    for (uint32_t i = 0; notes->repeat_count != 0 && i < NOTES_REPEATS; i++) {
        struct repeat *repeat = &notes->repeats[i];
        if (repeat->fingerprint == 0 || (!all && repeat->until_ns > now_ns))
            continue;
        if (repeat->note.count != 0)
            notes_put(loop, &repeat->note);
        // Whoever stands behind it may be sought past a free place: then it counts anew from one.
        repeat->fingerprint = 0;
        notes->repeat_count--;
    }
    if (notes->crowd_until_ns == 0 || (!all && notes->crowd_until_ns > now_ns))
        return;
    notes->crowd_until_ns = 0;
    for (int status = 0; status < STATUS_COUNT; status++) {
        if (notes->crowd[status].count != 0)
            notes_put(loop, &notes->crowd[status]);
        notes->crowd[status].count = 0;
    }
}

static void tell_lost(struct api_loop *loop) {
    struct notes *notes = loop->notes;
    uint64_t now_ms = clock_now_ms();
    if (notes->lost == 0 || notes->pending.size > NOTES_PENDING_MAX / 2)
        return;
    struct note note = {
        .at_ms = now_ms,
        .until_ms = now_ms,
        .count = notes->lost < UINT32_MAX ? (uint32_t)notes->lost : UINT32_MAX,
        .status = STATUS_busy,
        .operation = OPERATION_LOST,
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    notes->lost = 0;
    notes_put(loop, &note);
}

bool notes_tick(struct api_loop *loop, bool all) {
    struct notes *notes = loop->notes;
    uint64_t now_ns = clock_monotonic_ns();
    if (all || now_ns - notes->swept_ns >= SWEEP_NS) {
        notes->swept_ns = now_ns;
        end_windows(loop, now_ns, all);
        tell_lost(loop);
    }
    if (notes->pending.size == 0 ||
        (!all && now_ns - notes->pending_since_ns < NOTES_WAIT_NS && !notes_are_early(loop)))
        return false;
    notes_ride(loop);
    return loop->open != NULL;
}
