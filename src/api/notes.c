// SPDX-License-Identifier: MIT
// The loop's notes for the audit.
#include "api/flight.h"
#include "api/loop.h"
#include "api/metrics.h"
#include "api/notes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define PROBES_MAX 16

struct notes *notes_open(void) {
    struct notes *notes = memory_take_zeroed(sizeof(*notes));
    notes->repeats = memory_take_zeroed(NOTES_REPEATS * sizeof(*notes->repeats));
    return notes;
}

void notes_close(struct notes *notes) {
    if (notes == NULL)
        return;
    buffer_done(&notes->pending);
    memory_free(notes->repeats);
    memory_free(notes);
}

// ---- gathering --------------------------------------------------------------------------------

void notes_lose(struct api_loop *loop, uint64_t count) {
    if (loop->notes->lost == 0)
        log_line(LOG_WARNING, "audit",
                 "Notes of reads and refusals cannot be written, and memory for them is full; "
                 "they are counted.");
    loop->notes->lost += count;
    metrics_add(&loop->metrics.notes_lost, count);
}

void notes_put(struct api_loop *loop, const struct note *note) {
    struct notes *notes = loop->notes;
    if (notes->pending.size + NOTE_BYTES_MAX > NOTES_PENDING_MAX) {
        notes_lose(loop, note->count);
        return;
    }
    if (notes->pending.size == 0)
        notes->pending_since_ns = clock_monotonic_ns();
    note_encode(note, &notes->pending);
    metrics_add(&loop->metrics.notes, 1);
}

static uint64_t fingerprint_of(const struct note *note) {
    uint64_t fingerprint = note->origin.principal.size != 0
                               ? hash64(note->origin.principal, 1)
                               : hash64(slice_of(note->origin.address, 16), 2);
    fingerprint = hash64(note->operation, fingerprint);
    fingerprint = hash64(slice_of(note->resource.bytes, sizeof(note->resource.bytes)), fingerprint);
    fingerprint ^= (uint64_t)note->status * UINT64_C(0x9E3779B97F4A7C15) ^ note->replayed;
    return fingerprint != 0 ? fingerprint : 1;
}

// The place of that kind of refusal; a free one when there is none yet; NULL: no room.
static struct repeat *place_of(struct notes *notes, uint64_t fingerprint) {
    for (uint64_t probe = 0; probe < PROBES_MAX; probe++) {
        struct repeat *repeat = &notes->repeats[(fingerprint + probe) % NOTES_REPEATS];
        if (repeat->fingerprint == fingerprint || repeat->fingerprint == 0)
            return repeat;
    }
    return NULL;
}

static uint64_t window_ns(const struct api_loop *loop) {
    return (uint64_t)loop->api->options.audit_window_s * 1000000000;
}

static void claim(struct api_loop *loop, struct repeat *repeat, uint64_t fingerprint,
                  const struct note *note) {
    loop->notes->repeat_count++;
    repeat->fingerprint = fingerprint;
    repeat->until_ns = clock_monotonic_ns() + window_ns(loop);
    repeat->note = *note;
    repeat->note.count = 0;
    struct slice *principal = &repeat->note.origin.principal;
    if (principal->size != 0) // a stranger has none
        memcpy(repeat->principal, principal->bytes, principal->size);
    *principal = slice_of(repeat->principal, principal->size);
}

static void count_again(struct note *repeated, const struct note *note) {
    if (repeated->count == 0)
        repeated->at_ms = note->at_ms;
    repeated->until_ms = note->until_ms > repeated->at_ms ? note->until_ms : repeated->at_ms;
    if (repeated->count != UINT32_MAX)
        repeated->count++;
}

static void count_in_crowd(struct api_loop *loop, const struct note *note) {
    struct notes *notes = loop->notes;
    struct note *crowd = &notes->crowd[note->status];
    if (crowd->count == 0)
        *crowd = (struct note){.status = note->status, .at_ms = note->at_ms};
    count_again(crowd, note);
    if (notes->crowd_until_ns == 0)
        notes->crowd_until_ns = clock_monotonic_ns() + window_ns(loop);
}

// A refusal, or an answer given again in a batch: alone the first time, then counted.
static void put_counted(struct api_loop *loop, const struct note *given) {
    struct notes *notes = loop->notes;
    struct note note = *given;
    CHECK(note.origin.principal.size <= NOTES_PRINCIPAL_MAX);
    CHECK(note.origin.request_id.size <= LIMIT_REQUEST_ID_BYTES_MAX);
    for (int attempt = 0; attempt < 2; attempt++) {
        uint64_t fingerprint = fingerprint_of(&note);
        struct repeat *repeat = place_of(notes, fingerprint);
        if (repeat != NULL && repeat->fingerprint == fingerprint) {
            if (repeat->note.count == 0) {
                struct slice first = note.origin.request_id;
                memcpy(repeat->request_id, first.bytes, first.size);
                repeat->note.origin.request_id = slice_of(repeat->request_id, first.size);
                memcpy(repeat->note.origin.address, note.origin.address, 16);
            }
            count_again(&repeat->note, &note);
            return;
        }
        // The second half of the places is for those that leave out what they were about.
        uint32_t room = attempt == 0 ? NOTES_REPEATS / 2 : NOTES_REPEATS * 7 / 8;
        if (repeat != NULL && notes->repeat_count < room) {
            claim(loop, repeat, fingerprint, &note);
            notes_put(loop, &note);
            return;
        }
        note.resource = (struct id){{0}};
    }
    count_in_crowd(loop, &note);
}

// ---- what becomes a note ----------------------------------------------------------------------

static struct note note_of_asking(const struct asking *asking, enum status status) {
    const struct operation *operation = asking->operation;
    uint64_t now_ms = clock_now_ms();
    struct note note = {
        .at_ms = now_ms,
        .until_ms = now_ms,
        .count = 1,
        .status = (uint8_t)status,
        .operation = operation == NULL ? slice_of(NULL, 0) : slice_of_text(operation->name),
        .origin = asker_origin(asking, http_arena(asking->request)),
    };
    if (id_is_zero(asking->principal.key) && asking->principal.token_until_ms == 0)
        note.origin.principal = slice_of(NULL, 0); // a stranger
    if (operation != NULL && operation->has_id) {
        note.resource_type = operation->id_type;
        note.resource = asking->id;
    }
    return note;
}

void notes_done(struct asking *asking) {
    struct note note = note_of_asking(asking, STATUS_ok);
    notes_put(asking->loop, &note);
}

void notes_door(struct asking *asking, enum status status) {
    const struct operation *operation = asking->operation;
    if (operation != NULL && operation->is_public && !operation->loopback_only)
        return;
    struct note note = note_of_asking(asking, status);
    put_counted(asking->loop, &note);
}

// What a command named first: as the record's entry says it when the command succeeds.
static void about(const struct command *command, struct note *note) {
    bool has_subject = !id_is_zero(command->subject);
    note->resource = has_subject ? command->subject : command->wallet;
    note->resource_type = ID_WALLET;
    if (!has_subject)
        return;
    switch ((enum command_type)command->type) {
    case COMMAND_SETTLE:
    case COMMAND_FAIL:
    case COMMAND_READ_WITHDRAWAL: note->resource_type = ID_WITHDRAWAL; break;
    case COMMAND_REFUND:
    case COMMAND_READ_TRANSACTION: note->resource_type = ID_TRANSACTION; break;
    case COMMAND_CAPTURE:
    case COMMAND_VOID:
    case COMMAND_READ_HOLD: note->resource_type = ID_HOLD; break;
    case COMMAND_KEY_REVOKE: note->resource_type = ID_KEY; break;
    default: break;
    }
}

// `operation` is that of the request, or of the command when it was one of a batch.
static void note_outcome(struct api_loop *loop, const struct operation *operation,
                         const struct command *command, enum status status, bool replayed,
                         bool counted) {
    uint64_t now_ms = clock_now_ms();
    struct note note = {
        .at_ms = now_ms,
        .until_ms = now_ms,
        .count = 1,
        .status = (uint8_t)status,
        .replayed = replayed,
        .operation = operation == NULL ? slice_of(NULL, 0) : slice_of_text(operation->name),
        .origin = command->origin,
    };
    about(command, &note);
    if (operation != NULL && operation->has_id)
        note.resource_type = operation->id_type;
    if (counted)
        put_counted(loop, &note);
    else
        notes_put(loop, &note);
}

// A write that was decided, or refused and remembered, has its record.
static bool has_record(const struct command *command, const struct outcome *outcome) {
    return !command_is_read(command->type) && !outcome->replayed && outcome->record.size != 0;
}

static void batch_outcomes(struct api_loop *loop, const struct call *call) {
    const struct submission *submission = &call->submission;
    const struct outcome *whole = &submission->batch_outcome;
    if (submission->atomic) {
        if (whole->status != STATUS_ok || whole->replayed) {
            if (!has_record(&submission->batch, whole))
                note_outcome(loop, call->operation, &submission->batch, (enum status)whole->status,
                             whole->replayed, true);
            return;
        }
    }
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct command *command = &submission->commands[i];
        const struct outcome *outcome = &submission->outcomes[i];
        if (has_record(command, outcome))
            continue;
        const struct operation *operation = operation_of_command((enum command_type)command->type);
        note_outcome(loop, operation != NULL ? operation : call->operation, command,
                     (enum status)outcome->status, outcome->replayed, true);
    }
}

void notes_call(struct api_loop *loop, const struct call *call) {
    if (call->submission.is_batch) {
        batch_outcomes(loop, call);
        return;
    }
    const struct outcome *outcome = &call->outcome;
    if (!has_record(&call->command, outcome))
        note_outcome(loop, call->operation, &call->command, (enum status)outcome->status,
                     outcome->replayed, outcome->status != STATUS_ok);
}

void notes_operation(struct api_loop *loop, const struct operation *batch,
                     const struct command *command) {
    CHECK(command->type == COMMAND_INVALID);
    note_outcome(loop, batch, command, (enum status)command->door, false, true);
}

void notes_call_busy(struct api_loop *loop, const struct call *call) {
    const struct submission *submission = &call->submission;
    note_outcome(loop, call->operation,
                 submission->atomic ? &submission->batch : &submission->commands[0], STATUS_busy,
                 false, true);
}

void notes_job(struct api_loop *loop, const struct job *job, enum status status) {
    struct note note = {
        .count = 1,
        .status = (uint8_t)status,
        .replayed = job->replayed,
        .operation = slice_of_text(job->operation->name),
        .origin = job->origin,
    };
    note.at_ms = note.until_ms = clock_now_ms();
    if (job->operation->has_id) {
        note.resource_type = job->operation->id_type;
        note.resource = job->wallet;
    }
    if (status == STATUS_ok)
        notes_put(loop, &note);
    else
        put_counted(loop, &note);
}
