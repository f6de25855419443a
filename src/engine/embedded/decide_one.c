// SPDX-License-Identifier: MIT
// One command from fetch to its place in the round: an earlier answer again, a refusal, or facts
// that are taken at once, so that the next command is decided against them.
#include "base/check.h"
#include "engine/embedded/books.h"
#include "ledger/bound.h"
#include "ledger/parked.h"
#include "ledger/review.h"

static void count(uint64_t *counter) {
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void resolve(struct books *books, struct arena *arena, struct slice *bytes) {
    if (bytes->bytes != NULL || bytes->size == 0)
        return;
    *bytes = journal_read(books->journal, bytes->size);
    *bytes = engine_reveal(&books->engine, *bytes, arena);
}

void outcome_resolve(struct books *books, struct arena *arena, struct outcome *outcome) {
    resolve(books, arena, &outcome->record);
    resolve(books, arena, &outcome->opening);
}

void outcome_resolve_parts(struct books *books, struct arena *arena,
                           const struct command *command, struct outcome *outcome) {
    outcome_take_parts(outcome, command, arena);
    for (uint32_t i = 0; i < outcome->part_count; i++) {
        struct outcome *part = &outcome->parts[i];
        struct record record;
        const char *why;
        uint64_t position = part->record.size;
        enum status status =
            record_decode(journal_read(books->journal, position), &record, &why);
        CHECK(status == STATUS_ok);
        outcome_point(part, &record, position);
        outcome_resolve(books, arena, part);
    }
}

static void outcome_refuse(struct books *books, struct outcome *outcome,
                           const struct refusal *refusal) {
    count(&books->stats.refusals);
    outcome->status = refusal->status;
    outcome->refusal = *refusal;
}

void outcome_point_now(struct books *books, const struct record *earlier,
                       struct outcome *outcome) {
    if (earlier->kind != RECORD_PARKED || earlier->parked.cause != PARKED_FOR_REVIEW)
        return;
    const struct parked_item *item = state_parked(&books->state, earlier->parked.id);
    CHECK(item != NULL);
    outcome->record = outcome_position(item->closed != 0 ? item->closed : item->opened);
    if (item->closed != 0)
        outcome->opening = outcome_position(item->opened);
}

// Answers with what an earlier record under the same key says.
static void outcome_replay(struct books *books, const struct command *command, bool in_atomic,
                           const struct record *earlier, uint64_t position,
                           struct outcome *outcome) {
    enum status status = decide_replay(command, earlier);
    if (status != STATUS_ok) {
        outcome_refuse(books, outcome, &(struct refusal){.status = (uint8_t)status});
        return;
    }
    if (!fetch_may_see(books, command, earlier)) { // he asked as somebody else at that time
        struct refusal refusal;
        bound_lost(command, &refusal);
        outcome_refuse(books, outcome, &refusal);
        return;
    }
    if (in_atomic && earlier->kind == RECORD_PARKED) {
        struct refusal refusal = review_refusal_of_batch(command, earlier);
        outcome_refuse(books, outcome, &refusal);
        return;
    }
    count(&books->stats.replays);
    outcome->replayed = true;
    outcome_point(outcome, earlier, position);
    outcome_point_now(books, earlier, outcome);
    fetch_hidden(books, command, earlier, outcome);
    if (earlier->kind == RECORD_REFUSAL) {
        outcome->status = earlier->refusal.status;
        outcome->refusal = earlier->refusal;
    } else {
        outcome->status = STATUS_ok;
    }
}

// A refusal that an idempotency key remembers is a record too.
static void remember_refusal(struct books *books, const struct command *command,
                             const struct refusal *refusal, struct outcome *outcome) {
    struct record record = {
        .kind = RECORD_REFUSAL,
        .operation = command->type,
        .has_key = true,
        .queued = command->queued,
        .time_ms = books->now_ms,
        .origin = command->origin,
        .key = command->key,
        .request = command->request,
        .refusal = *refusal,
    };
    uint64_t position = effect_add(books, &record);
    outcome->record = outcome_position(position);
    count(&books->stats.records);
}

// The kept command is decided again, on what is now; its own record comes before the approval's.
static void decide_kept(struct books *books, const struct parked_item *item,
                        struct parked_facts *facts) {
    struct record opening, record;
    struct command kept;
    struct fetched fetched;
    struct refusal refusal;
    fetch_kept(books, item, &opening);
    bool is_whole = parked_kept(&opening.parked, &kept);
    CHECK(is_whole); // the record was checked when it was read
    fetch(books, &kept, &fetched);
    enum status status = decide(&kept, &fetched.docket, &record, &refusal);
    if (status == STATUS_ok) {
        (void)effect_take(books, &record, &fetched);
        count(&books->stats.records);
    }
    parked_outcome(facts, status == STATUS_ok ? &record : NULL, &refusal);
}

// A held payment was approved: its money is free again by the record before, and it is decided
// again. Returns the position of the last record about it.
static uint64_t decide_held(struct books *books, const struct record *released,
                            struct fetched *fetched) {
    struct record last;
    struct parked_facts facts = released->parked;
    decide_kept(books, fetched->parked, &facts);
    review_outcome_facts(released, &facts, &last);
    count(&books->stats.records);
    return effect_take(books, &last, fetched);
}

// A command that has to wait, or the decision about one.
static void decide_parked(struct books *books, const struct command *command, bool in_atomic,
                          struct record *record, struct fetched *fetched,
                          struct outcome *outcome) {
    struct buffer encoded = {0};
    if (in_atomic) {
        struct refusal refusal = review_refusal_of_batch(command, record);
        outcome_refuse(books, outcome, &refusal);
        return;
    }
    bool held = record->parked.cause == PARKED_FOR_REVIEW;
    bool approved = record->parked.status == PARKED_APPROVED;
    if (record->parked.status == PARKED_PENDING && record->parked.cause != PARKED_FLAGGED) {
        parked_keep(&record->parked, command, &encoded);
    } else if (approved && !held) {
        decide_kept(books, fetched->parked, &record->parked);
    }
    uint64_t position = effect_take(books, record, fetched);
    if (approved && held)
        position = decide_held(books, record, fetched);
    outcome->status = STATUS_ok;
    outcome_point(outcome, record, position);
    count(&books->stats.records);
    buffer_done(&encoded);
}

// What a rule found in the payment that was just made.
static void write_finding(struct books *books, const struct record *made,
                          struct fetched *fetched) {
    struct state *state = &books->state;
    struct record record;
    struct id id = id_make(&state->seal, books->now_ms, id_slot(fetched->docket.wallet->id),
                           state->parked.count);
    review_flag_facts(made, &fetched->docket, id, &record);
    (void)effect_take(books, &record, fetched);
    count(&books->stats.records);
}

bool decide_one(struct books *books, const struct command *command, bool in_atomic,
                struct outcome *ret_outcome, struct record *ret_record) {
    struct outcome *outcome = ret_outcome;
    struct record *record = ret_record;
    uint64_t position;
    // What lies behind is written by whoever says that it is there.
    memset(outcome, 0, OUTCOME_HEAD_BYTES);
    count(&books->stats.commands);
    if (command->has_key && fetch_earlier(books, command, record, &position)) {
        outcome_replay(books, command, in_atomic, record, position, outcome);
        return false;
    }
    struct fetched fetched;
    struct refusal refusal;
    if (command->type == COMMAND_RULES && rules_are_in_force(books, command))
        return false;
    fetch(books, command, &fetched);
    enum status status = decide(command, &fetched.docket, record, &refusal);
    rules_count(books);
    if (status != STATUS_ok) {
        outcome_refuse(books, outcome, &refusal);
        if (!in_atomic && command_outcome_is_remembered(command, status))
            remember_refusal(books, command, &refusal, outcome);
        return false;
    }
    if (record->kind == RECORD_PARKED) {
        decide_parked(books, command, in_atomic, record, &fetched, outcome);
        return false;
    }
    position = effect_take(books, record, &fetched);
    outcome->status = STATUS_ok;
    outcome_point(outcome, record, position);
    fetch_hidden(books, command, record, outcome);
    count(&books->stats.records);
    if (record->judged && books->verdict.action == RULE_FLAG)
        write_finding(books, record, &fetched);
    return true;
}

// ---- atomic batches ---------------------------------------------------------------------------

// One of its answers is not the asker's to see any more.
static void lose_batch(struct books *books, struct submission *submission, uint32_t index) {
    struct refusal refusal;
    bound_lost(&submission->commands[index], &refusal);
    refusal.operation = index;
    outcome_refuse(books, &submission->outcomes[index], &refusal);
    outcome_refuse(books, &submission->batch_outcome, &refusal);
    submission->batch_outcome.replayed = false;
}

// The batch's own key answers with every operation's record again.
static void replay_batch(struct books *books, struct submission *submission,
                         const struct record *earlier, uint64_t position) {
    struct outcome *whole = &submission->batch_outcome;
    outcome_replay(books, &submission->batch, false, earlier, position, whole);
    if (whole->status != STATUS_ok)
        return;
    CHECK(earlier->kind == RECORD_BATCH);
    CHECK(earlier->batch.count == submission->count);
    struct slice positions = arena_copy(&books->scratch, earlier->batch.positions);
    for (uint32_t i = 0; i < submission->count; i++) {
        struct record record;
        const char *why;
        uint64_t at;
        memcpy(&at, positions.bytes + i * sizeof(at), sizeof(at));
        struct slice bytes = journal_read_open(books->journal, at & ~UINT64_C(7));
        CHECK(record_decode(bytes, &record, &why) == STATUS_ok);
        struct outcome *outcome = &submission->outcomes[i];
        memset(outcome, 0, sizeof(*outcome));
        if (!fetch_may_see(books, &submission->commands[i], &record)) {
            lose_batch(books, submission, i);
            return;
        }
        outcome->status = STATUS_ok;
        outcome->replayed = (at & 1) != 0;
        outcome_point(outcome, &record, at & ~UINT64_C(7));
        fetch_hidden(books, &submission->commands[i], &record, outcome);
    }
}

static void remember_batch(struct books *books, struct submission *submission) {
    uint64_t *positions = arena_take(&books->scratch, submission->count * sizeof(*positions));
    struct record record = submission_batch_record(submission, books->now_ms, positions);
    (void)effect_add(books, &record);
}

// A bank id that the batch itself has used before is nobody's once the batch is undone.
static void forget_undone(struct books *books, const struct command *command,
                          struct refusal *refusal) {
    struct fetched fetched;
    fetch(books, command, &fetched);
    if (fetched.docket.bank_transaction == NULL)
        refusal->other = (struct id){{0}};
}

void decide_atomic(struct books *books, struct submission *submission) {
    struct outcome *whole = &submission->batch_outcome;
    struct record earlier;
    uint64_t position;
    memset(whole, 0, sizeof(*whole));
    if (submission->batch.has_key &&
        fetch_earlier(books, &submission->batch, &earlier, &position)) {
        replay_batch(books, submission, &earlier, position);
        return;
    }
    struct buffer *buffer = journal_round_buffer(books->journal);
    size_t size = buffer->size, mark = index_mark(books->index);
    undo_begin(&books->undo, &books->state);
    uint32_t i = 0;
    enum status status = STATUS_ok;
    for (; i < submission->count && status == STATUS_ok; i++) {
        if (i + FETCH_AHEAD < submission->count)
            fetch_prefetch(books, &submission->commands[i + FETCH_AHEAD]);
        if (i + HABITS_AHEAD < submission->count)
            fetch_prefetch_habits(books, &submission->commands[i + HABITS_AHEAD]);
        struct record record;
        (void)decide_one(books, &submission->commands[i], true, &submission->outcomes[i], &record);
        status = submission->outcomes[i].status;
    }
    if (status == STATUS_ok) {
        undo_keep(&books->undo, &books->state);
        whole->status = STATUS_ok;
        if (submission->batch.has_key)
            remember_batch(books, submission);
        return;
    }
    undo_roll_back(&books->undo, &books->state);
    index_undo(books->index, mark);
    buffer->size = size;
    struct refusal refusal = submission->outcomes[i - 1].refusal;
    refusal.status = (uint8_t)status;
    refusal.operation = i - 1;
    if (status == STATUS_duplicate_bank_transaction && !submission->outcomes[i - 1].replayed)
        forget_undone(books, &submission->commands[i - 1], &refusal);
    outcome_refuse(books, whole, &refusal);
    if (command_outcome_is_remembered(&submission->batch, status)) {
        struct command batch = submission->batch;
        batch.type = submission->commands[i - 1].type;
        remember_refusal(books, &batch, &refusal, whole);
    }
}

// ---- guarded submissions ----------------------------------------------------------------------

// Its commands as the atomic batch that they are. Returns what it must wait for, or ok.
static enum status decide_whole(struct books *books, const struct submission *submission) {
    struct submission whole = *submission;
    whole.guarded = false;
    whole.atomic = true;
    whole.batch = *submission->whole;
    decide_atomic(books, &whole);
    return outcome_is_passing(&whole.batch_outcome) ? (enum status)whole.batch_outcome.status
                                                    : STATUS_ok;
}

// The place in the log is looked at first and moved last, behind what was done: all in one round.
void decide_guarded(struct books *books, struct submission *submission) {
    struct outcome *whole = &submission->batch_outcome;
    struct fetched fetched;
    struct record record;
    struct refusal refusal;
    memset(whole, 0, sizeof(*whole));
    fetch(books, &submission->batch, &fetched);
    enum status status = decide(&submission->batch, &fetched.docket, &record, &refusal);
    uint32_t done = 0;
    if (status == STATUS_ok && submission->whole != NULL) {
        status = decide_whole(books, submission);
        done = status == STATUS_ok ? submission->count : 0;
    }
    for (; status == STATUS_ok && done < submission->count; done++) {
        struct record made;
        (void)decide_one(books, &submission->commands[done], false, &submission->outcomes[done],
                         &made);
        if (outcome_is_passing(&submission->outcomes[done]))
            status = (enum status)submission->outcomes[done].status;
        if (status != STATUS_ok)
            break;
    }
    submission_guard_stops(submission, done, status);
    whole->cursor = *fetched.docket.cursor;
    if (done == 0)
        return;
    submission_guard_ends(submission, done, &record);
    outcome_point(whole, &record, effect_take(books, &record, &fetched));
    count(&books->stats.records);
}
