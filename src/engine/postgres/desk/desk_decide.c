// SPDX-License-Identifier: MIT
// One command after another on the desk: an earlier answer again, a refusal, or facts that are
// taken at once, so that the next command is decided against them.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/desk/desk_order.h"
#include "ledger/bound.h"
#include "ledger/parked.h"
#include "ledger/review.h"

static void count(uint64_t *counter) {
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void outcome_refuse(struct outcome *outcome, const struct refusal *refusal,
                           struct engine_stats *stats) {
    count(&stats->refusals);
    outcome->status = refusal->status;
    outcome->refusal = *refusal;
}

bool desk_earlier(struct desk *desk, struct digest128 key, struct record *ret_record,
                  uint64_t *ret_position) {
    const char *why;
    const struct answer_row *answer = map_find(&desk->answer_map, key);
    if (answer == NULL || answer->position == 0)
        return false;
    const struct record_row *row = desk_record(desk, answer->position);
    CHECK(row != NULL);
    // Half of its request's digest may be sealed.
    struct slice bytes = desk_reveal(desk, &desk->arena, row->bytes);
    CHECK(record_decode(bytes, ret_record, &why) == STATUS_ok);
    CHECK(ret_record->has_key && digest128_equal(ret_record->key, key));
    *ret_position = answer->position;
    return true;
}

void desk_point_now(const struct desk *desk, const struct record *earlier,
                    struct outcome *outcome) {
    if (earlier->kind != RECORD_PARKED || earlier->parked.cause != PARKED_FOR_REVIEW)
        return;
    const struct parked_row *row = desk_parked(desk, earlier->parked.id);
    if (row == NULL)
        return; // its month was detached: the first answer again
    outcome->record = outcome_position(row->closed != 0 ? row->closed : row->opened);
    if (row->closed != 0)
        outcome->opening = outcome_position(row->opened);
}

static void outcome_replay(const struct desk *desk, const struct command *command, bool in_atomic,
                           const struct record *earlier, uint64_t position,
                           struct outcome *outcome, struct engine_stats *stats) {
    enum status status = decide_replay(command, earlier);
    if (status != STATUS_ok) {
        outcome_refuse(outcome, &(struct refusal){.status = (uint8_t)status}, stats);
        return;
    }
    if (!desk_may_see(desk, command, earlier)) { // he asked as somebody else at that time
        struct refusal refusal;
        bound_lost(command, &refusal);
        outcome_refuse(outcome, &refusal, stats);
        return;
    }
    if (in_atomic && earlier->kind == RECORD_PARKED) {
        struct refusal refusal = review_refusal_of_batch(command, earlier);
        outcome_refuse(outcome, &refusal, stats);
        return;
    }
    count(&stats->replays);
    outcome->replayed = true;
    outcome_point(outcome, earlier, position);
    desk_point_now(desk, earlier, outcome);
    desk_hide(desk, command, earlier, outcome);
    if (earlier->kind == RECORD_REFUSAL) {
        outcome->status = earlier->refusal.status;
        outcome->refusal = earlier->refusal;
    } else {
        outcome->status = STATUS_ok;
    }
}

// A refusal that an idempotency key remembers is a record too.
static void remember_refusal(struct desk *desk, const struct command *command,
                             const struct refusal *refusal, struct outcome *outcome,
                             struct engine_stats *stats) {
    struct record record = {
        .kind = RECORD_REFUSAL,
        .operation = command->type,
        .has_key = true,
        .queued = command->queued,
        .time_ms = desk->now_ms,
        .origin = command->origin,
        .key = command->key,
        .request = command->request,
        .refusal = *refusal,
    };
    outcome->record = outcome_position(desk_add_record(desk, &record, command_home_slot(command)));
    count(&stats->records);
}

// A hold of another shard whose time is over: it ends there before anything else is done to it.
static bool is_over_elsewhere(const struct desk *desk, const struct hold_row *hold) {
    return hold != NULL && hold->legs != NULL && hold->hold.status == HOLD_OPEN &&
           hold->hold.expires_at_ms <= desk->now_ms;
}

// Whether somebody else has locked a row that it may change.
static bool is_blocked(const struct desk *desk, const struct command *command,
                       const struct found *found) {
    return desk_bank_is_blocked(desk, command->bank_id) ||
           (found->wallet != NULL && found->wallet->blocked) ||
           (found->counterparty != NULL && found->counterparty->blocked) ||
           (found->wallet != NULL && found->wallet->is_behind) ||
           (found->counterparty != NULL && found->counterparty->is_behind) ||
           (found->hold != NULL && found->hold->blocked) ||
           (found->withdrawal != NULL && found->withdrawal->blocked) ||
           (found->transaction != NULL && found->transaction->blocked) ||
           (found->parked != NULL && found->parked->blocked) ||
           desk_locks_block(desk, command, found) ||
           is_over_elsewhere(desk, found->hold);
}

static void set_aside(struct outcome *outcome, struct engine_stats *stats) {
    outcome_refuse(outcome, &(struct refusal){.status = STATUS_busy}, stats);
    outcome->aside = true;
    count(&stats->set_aside);
}

static void kept_of(struct desk *desk, const struct parked_row *row,
                    struct command *ret_kept) {
    struct record opening;
    const char *why;
    const struct record_row *first = desk_record(desk, row->opened);
    CHECK(first != NULL);
    struct slice bytes = desk_reveal(desk, &desk->arena, first->bytes);
    CHECK(record_decode(bytes, &opening, &why) == STATUS_ok);
    CHECK(parked_kept(&opening.parked, ret_kept));
}

// Whether somebody else has locked what a kept command would change.
static bool kept_is_blocked(struct desk *desk, const struct parked_row *row) {
    struct command kept;
    struct found found;
    kept_of(desk, row, &kept);
    desk_find(desk, &kept, &found);
    return is_blocked(desk, &kept, &found);
}

// The kept command is decided again, on what is now; its own record comes before the approval's.
static void decide_kept(struct desk *desk, const struct parked_row *row,
                        struct parked_facts *facts, struct engine_stats *stats) {
    struct record record;
    struct command kept;
    struct found found;
    struct refusal refusal;
    kept_of(desk, row, &kept);
    desk_find(desk, &kept, &found);
    CHECK(!is_blocked(desk, &kept, &found));
    enum status status = decide(&kept, &found.docket, &record, &refusal);
    if (status == STATUS_ok) {
        (void)desk_take(desk, &record, &found);
        count(&stats->records);
    }
    parked_outcome(facts, status == STATUS_ok ? &record : NULL, &refusal);
}

// A held payment was approved: its money is free again by the record before, and it is decided
// again. Returns the position of the last record about it.
static uint64_t decide_held(struct desk *desk, const struct record *released, struct found *found,
                            struct engine_stats *stats) {
    struct record last;
    struct parked_facts facts = released->parked;
    decide_kept(desk, found->parked, &facts, stats);
    review_outcome_facts(released, &facts, &last);
    count(&stats->records);
    return desk_take(desk, &last, found);
}

// A command that has to wait, or the decision about one.
static void decide_parked(struct desk *desk, const struct command *command, bool in_atomic,
                          struct record *record, struct found *found, struct outcome *outcome,
                          struct engine_stats *stats) {
    struct buffer encoded = {0};
    if (in_atomic) {
        struct refusal refusal = review_refusal_of_batch(command, record);
        outcome_refuse(outcome, &refusal, stats);
        return;
    }
    bool held = record->parked.cause == PARKED_FOR_REVIEW;
    bool approved = record->parked.status == PARKED_APPROVED;
    if (approved && kept_is_blocked(desk, found->parked)) {
        set_aside(outcome, stats);
        return;
    }
    if (record->parked.status == PARKED_PENDING && record->parked.cause != PARKED_FLAGGED) {
        parked_keep(&record->parked, command, &encoded);
    } else if (approved && !held) {
        decide_kept(desk, found->parked, &record->parked, stats);
    }
    uint64_t position = desk_take(desk, record, found);
    if (approved && held)
        position = decide_held(desk, record, found, stats);
    outcome->status = STATUS_ok;
    outcome_point(outcome, record, position);
    count(&stats->records);
    buffer_done(&encoded);
}

// What a rule found in the payment that was just made.
static void write_finding(struct desk *desk, const struct record *made, struct found *found,
                          struct engine_stats *stats) {
    struct record record;
    uint64_t locator = number_locator(desk_next_number(desk), desk->now_ms);
    struct id id = id_make(&desk->seal, desk->now_ms, desk_slot_of_parked(desk, found), locator);
    review_flag_facts(made, &found->docket, id, &record);
    (void)desk_take(desk, &record, found);
    count(&stats->records);
}

// What another shard has came along with an operation away from its home: what it names there, and
// what is remembered under its key, which nobody else has in hand. Else it is turned away, or
// waits.
static bool guest_waits(struct desk *desk, const struct command *command, struct outcome *outcome,
                        struct engine_stats *stats) {
    if (!desk_is_guest(desk, command))
        return false;
    const struct answer_row *answer =
        command->has_key ? desk_legs_answer(desk, command->key) : NULL;
    if (!desk_legs_has_thing(desk, command) || (command->has_key && answer == NULL)) {
        desk_turn_away(outcome);
        return true;
    }
    if (answer == NULL || !answer->is_blocked)
        return false;
    set_aside(outcome, stats);
    return true;
}

// An answer that another shard remembers is told here, too, so that whoever remembers the batch has
// it.
static void tell_answer(struct desk *desk, const struct command *command, uint64_t position,
                        struct outcome *outcome) {
    struct record told;
    const char *why;
    CHECK(position >= DESK_AWAY && outcome->replayed);
    uint64_t here = desk_tell(desk, position, desk_answer(desk, command->key)->opened);
    CHECK(record_decode(desk_record(desk, here)->bytes, &told, &why) == STATUS_ok);
    outcome->opening = slice_of(NULL, 0);
    outcome_point(outcome, &told, here);
}

void desk_decide(struct desk *desk, const struct command *command, bool in_atomic,
                 struct outcome *ret_outcome, struct engine_stats *stats) {
    struct outcome *outcome = ret_outcome;
    struct record record;
    uint64_t position;
    memset(outcome, 0, sizeof(*outcome));
    count(&stats->commands);
    if (!in_atomic && desk_home_is_elsewhere(desk, command)) {
        desk_turn_away(outcome);
        return;
    }
    if (!in_atomic)
        desk->guest_slot = command_home_slot(command);
    if (in_atomic && guest_waits(desk, command, outcome, stats))
        return;
    if (command->has_key && desk_earlier(desk, command->key, &record, &position)) {
        if (desk_lacks_parties(desk, command, &record, outcome))
            return;
        outcome_replay(desk, command, in_atomic, &record, position, outcome, stats);
        if (position >= DESK_AWAY && outcome->status == STATUS_ok)
            tell_answer(desk, command, position, outcome);
        return;
    }
    struct found found;
    struct refusal refusal;
    if (command->type == COMMAND_RULES && desk_rules_are_in_force(desk, command))
        return;
    if (desk_lacks(desk, command, outcome))
        return;
    if (in_atomic && desk_is_guest(desk, command))
        desk_tell_opening(desk, command);
    uint32_t crossed = desk->crossed;
    desk_find(desk, command, &found);
    if (is_blocked(desk, command, &found)) {
        set_aside(outcome, stats);
        return;
    }
    enum status status = decide(command, &found.docket, &record, &refusal);
    desk_rules_count(desk);
    if (status != STATUS_ok) {
        outcome_refuse(outcome, &refusal, stats);
        if (!in_atomic && command_outcome_is_remembered(command, status))
            remember_refusal(desk, command, &refusal, outcome, stats);
        return;
    }
    if (record.kind == RECORD_PARKED) {
        decide_parked(desk, command, in_atomic, &record, &found, outcome, stats);
        outcome->crosses = desk->crossed != crossed;
        return;
    }
    position = desk_take(desk, &record, &found);
    outcome->status = STATUS_ok;
    outcome->crosses = desk->crossed != crossed;
    outcome_point(outcome, &record, position);
    desk_hide(desk, command, &record, outcome);
    count(&stats->records);
    if (record.judged && desk->verdict.action == RULE_FLAG)
        write_finding(desk, &record, &found, stats);
}

// ---- atomic batches ---------------------------------------------------------------------------

// One of its answers is not the asker's to see any more.
static void lose_batch(struct submission *submission, uint32_t index, struct engine_stats *stats) {
    struct refusal refusal;
    bound_lost(&submission->commands[index], &refusal);
    refusal.operation = index;
    outcome_refuse(&submission->outcomes[index], &refusal, stats);
    outcome_refuse(&submission->batch_outcome, &refusal, stats);
    submission->batch_outcome.replayed = false;
}

// The record that answered an operation of an earlier batch. Returns its position, with bit 0 as
// there.
static uint64_t answer_of(const struct desk *desk, const struct batch_facts *batch, uint32_t index,
                          struct record *ret_record) {
    const char *why;
    uint64_t at;
    memcpy(&at, batch->positions.bytes + index * sizeof(at), sizeof(at));
    const struct record_row *row = desk_record(desk, at & ~UINT64_C(7));
    CHECK(row != NULL && record_decode(row->bytes, ret_record, &why) == STATUS_ok);
    return at;
}

// What answers of an earlier batch lack makes all of it come again with that, or wait.
static bool comes_again(struct outcome *whole, bool lacks, bool waits) {
    if (lacks)
        desk_turn_away(whole);
    else if (waits)
        outcome_end(whole, STATUS_busy);
    whole->aside = waits && !lacks;
    return lacks || waits;
}

// The wallet that a batch was refused for must be known to tell somebody bound again. The refusal
// is one of all its operations; what it lacks stands with the first.
static bool refusal_lacks_parties(struct desk *desk, struct submission *submission,
                                  const struct record *earlier) {
    struct outcome *first = &submission->outcomes[0];
    memset(submission->outcomes, 0, submission->count * sizeof(*first));
    return desk_lacks_parties(desk, &submission->batch, earlier, first) &&
           comes_again(&submission->batch_outcome, first->elsewhere, first->aside);
}

// Whose a batch's answers are must be known to tell somebody bound again.
static bool answers_lack_parties(struct desk *desk, struct submission *submission,
                                 const struct batch_facts *earlier) {
    bool lacks = false, waits = false;
    if (desk->elsewhere_count == 0)
        return false; // nothing is anywhere else
    for (uint32_t i = 0; i < submission->count; i++) {
        struct record record;
        struct outcome *outcome = &submission->outcomes[i];
        (void)answer_of(desk, earlier, i, &record);
        memset(outcome, 0, sizeof(*outcome));
        if (!desk_lacks_parties(desk, &submission->commands[i], &record, outcome))
            continue;
        lacks = lacks || outcome->elsewhere;
        waits = waits || outcome->aside;
    }
    return comes_again(&submission->batch_outcome, lacks, waits);
}

static void replay_batch(struct desk *desk, struct submission *submission,
                         const struct record *earlier, uint64_t position,
                         struct engine_stats *stats) {
    struct outcome *whole = &submission->batch_outcome;
    if (earlier->kind == RECORD_REFUSAL && refusal_lacks_parties(desk, submission, earlier))
        return;
    outcome_replay(desk, &submission->batch, false, earlier, position, whole, stats);
    if (whole->status != STATUS_ok)
        return;
    CHECK(earlier->kind == RECORD_BATCH && earlier->batch.count == submission->count);
    if (answers_lack_parties(desk, submission, &earlier->batch))
        return;
    for (uint32_t i = 0; i < submission->count; i++) {
        struct record record;
        uint64_t at = answer_of(desk, &earlier->batch, i, &record);
        struct outcome *outcome = &submission->outcomes[i];
        memset(outcome, 0, sizeof(*outcome));
        if (!desk_may_see(desk, &submission->commands[i], &record)) {
            lose_batch(submission, i, stats);
            return;
        }
        outcome->status = STATUS_ok;
        outcome->replayed = (at & 1) != 0;
        outcome_point(outcome, &record, at & ~UINT64_C(7));
        desk_hide(desk, &submission->commands[i], &record, outcome);
    }
}

static void remember_batch(struct desk *desk, const struct submission *submission) {
    uint64_t *positions = arena_take(&desk->arena, submission->count * sizeof(*positions));
    struct record record = submission_batch_record(submission, desk->now_ms, positions);
    (void)desk_add_record(desk, &record, command_home_slot(&submission->commands[0]));
}

// A bank id that the batch itself has used before is nobody's once the batch is undone.
static void forget_undone(struct desk *desk, const struct command *command,
                          struct refusal *refusal) {
    struct found found;
    desk_find(desk, command, &found);
    if (found.docket.bank_transaction == NULL)
        refusal->other = (struct id){{0}};
}

static void decide_atomic(struct desk *desk, struct submission *submission,
                          struct engine_stats *stats) {
    struct outcome *whole = &submission->batch_outcome;
    struct record earlier;
    uint64_t position;
    memset(whole, 0, sizeof(*whole));
    // Answers given again may have texts under keys of other shards' owners.
    if (desk->sealing.vault != NULL && desk_lacks_in_batch(desk, submission))
        return;
    if (submission->batch.has_key &&
        desk_earlier(desk, submission->batch.key, &earlier, &position)) {
        replay_batch(desk, submission, &earlier, position, stats);
        return;
    }
    if (desk_lacks_in_batch(desk, submission))
        return;
    desk_undo_begin(desk);
    desk->guest_slot = command_home_slot(&submission->commands[0]);
    uint32_t i = 0;
    enum status status = STATUS_ok;
    for (; i < submission->count && status == STATUS_ok; i++) {
        struct outcome *outcome = &submission->outcomes[i];
        desk_decide(desk, &submission->commands[i], true, outcome, stats);
        status = outcome->status;
    }
    if (status == STATUS_ok) {
        desk_undo_keep(desk);
        if (submission->batch.has_key)
            remember_batch(desk, submission);
        return;
    }
    desk_undo_roll_back(desk);
    struct refusal refusal = submission->outcomes[i - 1].refusal;
    refusal.status = (uint8_t)status;
    refusal.operation = i - 1;
    if (status == STATUS_duplicate_bank_transaction && !submission->outcomes[i - 1].replayed)
        forget_undone(desk, &submission->commands[i - 1], &refusal);
    outcome_refuse(whole, &refusal, stats);
    whole->aside = submission->outcomes[i - 1].aside;
    whole->elsewhere = submission->outcomes[i - 1].elsewhere;
    if (command_outcome_is_remembered(&submission->batch, status)) {
        struct command batch = submission->batch;
        batch.type = submission->commands[i - 1].type;
        batch.wallet = batch.subject = (struct id){0}; // its home is its first operation's
        batch.slot = (uint16_t)command_home_slot(&submission->commands[0]);
        remember_refusal(desk, &batch, &refusal, whole, stats);
    }
}

// ---- guarded submissions ----------------------------------------------------------------------

// Its commands as the atomic batch that they are. Returns what it must wait for, or ok.
static enum status decide_whole(struct desk *desk, const struct submission *submission,
                                struct engine_stats *stats, bool *ret_elsewhere,
                                bool *ret_aside) {
    struct submission whole = *submission;
    whole.guarded = false;
    whole.atomic = true;
    whole.batch = *submission->whole;
    decide_atomic(desk, &whole, stats);
    *ret_elsewhere = whole.batch_outcome.elsewhere;
    *ret_aside = whole.batch_outcome.aside;
    return outcome_is_passing(&whole.batch_outcome) ? (enum status)whole.batch_outcome.status
                                                    : STATUS_ok;
}

// The place in the log is looked at first and moved last, behind what was done: all in one commit.
static void decide_guarded(struct desk *desk, struct submission *submission,
                           struct engine_stats *stats) {
    struct outcome *whole = &submission->batch_outcome;
    struct found found;
    struct record record;
    struct refusal refusal;
    memset(whole, 0, sizeof(*whole));
    desk_find(desk, &submission->batch, &found);
    bool is_aside = is_blocked(desk, &submission->batch, &found);
    enum status status = is_aside ? STATUS_busy
                                  : decide(&submission->batch, &found.docket, &record, &refusal);
    uint32_t done = 0;
    bool is_elsewhere = false;
    if (is_aside)
        count(&stats->set_aside);
    if (status == STATUS_ok && submission->whole != NULL) {
        status = decide_whole(desk, submission, stats, &is_elsewhere, &is_aside);
        done = status == STATUS_ok ? submission->count : 0;
    }
    for (; status == STATUS_ok && done < submission->count; done++) {
        desk_decide(desk, &submission->commands[done], false, &submission->outcomes[done], stats);
        if (outcome_is_passing(&submission->outcomes[done]))
            status = (enum status)submission->outcomes[done].status;
        is_aside = submission->outcomes[done].aside;
        is_elsewhere = done == 0 && submission->outcomes[0].elsewhere;
        if (status != STATUS_ok)
            break;
    }
    // Nothing was done, and what is lacking is known: all of it comes again with that.
    if (status != STATUS_ok && is_elsewhere) {
        desk_turn_away(whole);
        whole->cursor = *found.docket.cursor;
        return;
    }
    submission_guard_stops(submission, done, status);
    whole->cursor = *found.docket.cursor;
    whole->aside = is_aside;
    if (done == 0)
        return;
    submission_guard_ends(submission, done, &record);
    outcome_point(whole, &record, desk_take(desk, &record, &found));
    count(&stats->records);
}

// ---- one after the other ------------------------------------------------------------------------

// What has to do with what was turned away, or set aside, comes again behind it, and as it does.
struct behind {
    bool is_batch;
    struct desk_order turned_away, set_aside;
};

static void decide_in_order(struct desk *desk, struct behind *behind,
                            const struct command *command, struct outcome *outcome,
                            struct engine_stats *stats) {
    bool is_aside = desk_order_waits(desk, &behind->set_aside, command);
    bool waits = !is_aside && desk_order_waits(desk, &behind->turned_away, command);
    if (is_aside) {
        outcome_end(outcome, STATUS_busy);
        set_aside(outcome, stats);
    } else if (waits || desk_home_is_elsewhere(desk, command)) {
        desk_turn_away(outcome);
    } else if (command_is_read(command->type)) {
        desk_read(desk, command, outcome);
    } else {
        desk_decide(desk, command, false, outcome, stats);
    }
    outcome->waits = waits;
    if (behind->is_batch && outcome->elsewhere)
        desk_order_add(desk, &behind->turned_away, command);
    if (behind->is_batch && outcome->aside)
        desk_order_add(desk, &behind->set_aside, command);
}

void desk_decide_submission(struct desk *desk, struct submission *submission,
                            struct engine_stats *stats) {
    if (desk_turn_away_submission(desk, submission))
        return;
    if (submission->atomic) {
        decide_atomic(desk, submission, stats);
        return;
    }
    if (submission->guarded) {
        decide_guarded(desk, submission, stats);
        return;
    }
    struct behind behind = {.is_batch = submission->is_batch};
    for (uint32_t i = 0; i < submission->count; i++) {
        struct outcome *outcome = &submission->outcomes[i];
        if (desk_was_decided(submission, i))
            continue;
        decide_in_order(desk, &behind, &submission->commands[i], outcome, stats);
        outcome->anew = submission->again; // should the batch be begun again
    }
}

// Holds and held payments whose time is over end before anything else is decided. The statement
// that finds them looks at the clock a little after the round's time was taken: what is over only
// since then is left for the next round.
uint32_t desk_expire_due(struct desk *desk, struct engine_stats *stats) {
    uint32_t ended = 0;
    for (uint32_t i = 0; i < desk->due.count; i++) {
        const struct hold_row *hold = desk->due.items[i];
        if (hold->hold.expires_at_ms > desk->now_ms || hold->hold.status != HOLD_OPEN)
            continue; // or it has ended by what arrived just now
        struct command command = {
            .type = COMMAND_EXPIRE,
            .subject = hold->hold.id,
            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
        };
        struct outcome outcome;
        desk_decide(desk, &command, false, &outcome, stats);
        CHECK(outcome.status == STATUS_ok || outcome.status == STATUS_busy);
        ended += outcome.status == STATUS_ok;
    }
    // Nobody came to decide about a payment in time: the system turns it down.
    for (uint32_t i = 0; i < desk->due_reviews.count; i++) {
        const struct parked_row *row = desk->due_reviews.items[i];
        if (row->parked.expires_at_ms > desk->now_ms)
            continue;
        struct command command = {
            .type = COMMAND_ANOMALY_REJECT,
            .subject = row->parked.id,
            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
        };
        struct outcome outcome;
        desk_decide(desk, &command, false, &outcome, stats);
        CHECK(outcome.status == STATUS_ok || outcome.status == STATUS_busy);
        ended += outcome.status == STATUS_ok;
    }
    return ended;
}
