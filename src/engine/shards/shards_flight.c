// SPDX-License-Identifier: MIT
// A round is taken apart by the home slots of its commands, each shard gets a round of its own, and
// the last one that is published puts the outcomes together again:
//
//   submit ─▶ parts ─▶ writers of the shards ─▶ landed ─▶ published
//               ▲                                  │
//               └── keeper reads the map again ◀───┘ turned away, or keys and rules to be copied
//
// What was decided stays: only what was turned away is sent again.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/shards/shards_books.h"
#include "ledger/seal.h"

#define FLIGHT_ARENA_BYTES 8192
#define PARTS ((uint32_t)(2 * SHARDS_MAX))
#define HOPS_MAX 4 // then the map is read again before

// ---- flights ------------------------------------------------------------------------------------

static struct flight *take_flight(struct shards *shards) {
    CHECK(pthread_mutex_lock(&shards->lock) == 0);
    struct flight *flight = shards->spare;
    if (flight != NULL)
        shards->spare = flight->next;
    CHECK(pthread_mutex_unlock(&shards->lock) == 0);
    if (flight != NULL)
        return flight;
    flight = memory_take_zeroed(sizeof(*flight));
    flight->shards = shards;
    arena_init(&flight->arena, FLIGHT_ARENA_BYTES);
    for (uint32_t i = 0; i < PARTS; i++) {
        round_init(&flight->parts[i].round);
        flight->parts[i].flight = flight;
    }
    return flight;
}

static void give_flight(struct flight *flight) {
    struct shards *shards = flight->shards;
    arena_reset(&flight->arena);
    flight->pieces = NULL;
    CHECK(pthread_mutex_lock(&shards->lock) == 0);
    flight->next = shards->spare;
    shards->spare = flight;
    CHECK(pthread_mutex_unlock(&shards->lock) == 0);
}

void shards_free_flights(struct shards *shards) {
    while (shards->spare != NULL) {
        struct flight *flight = shards->spare;
        shards->spare = flight->next;
        for (uint32_t i = 0; i < PARTS; i++)
            round_done(&flight->parts[i].round);
        arena_done(&flight->arena);
        memory_free(flight);
    }
}

// ---- taking apart -------------------------------------------------------------------------------

static uint32_t part_of(const struct flight *flight, const struct command *command) {
    return shards_owner(flight->shards, command_home_slot(command));
}

static bool goes_together(const struct submission *submission) {
    return submission->atomic || submission->guarded || submission->count <= 1;
}

static uint32_t part_of_whole(const struct flight *flight, const struct submission *submission) {
    if (submission->guarded)
        return part_of(flight, &submission->batch);
    return submission->count == 0 ? 0 : part_of(flight, &submission->commands[0]);
}

static bool was_turned_away(const struct submission *submission) {
    if (submission->atomic || submission->guarded)
        return submission->batch_outcome.elsewhere;
    for (uint32_t i = 0; i < submission->count; i++)
        if (submission->outcomes[i].elsewhere)
            return true;
    return false;
}

// Whether all that was turned away has said what it lacks.
static bool is_but_lacking(const struct submission *submission) {
    bool any = false;
    bool is_whole = submission->atomic || submission->whole != NULL;
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct outcome *outcome = &submission->outcomes[i];
        bool is_known = outcome->lacks != NULL || outcome->waits;
        if (outcome->elsewhere && !is_known && !is_whole)
            return false;
        any = any || (outcome->elsewhere && is_known);
    }
    return any;
}

// Together with what needs no other shard: the commands of a submission are decided in their order.
static uint32_t others_of(const struct flight *flight, uint32_t home,
                          const struct submission *submission) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < submission->count; i++)
        others |= cross_others(flight->shards, home, &submission->commands[i],
                               submission->outcomes[i].lacks);
    return others;
}

static void hang(struct flight *flight, struct piece *piece, struct submission *sent) {
    uint32_t others = others_of(flight, piece->part, sent);
    piece->whole->touched |= others | 1U << piece->part;
    piece_note_brings(piece, sent, &flight->arena);
    if (others != 0)
        piece->part += SHARDS_MAX;
    struct part *part = &flight->parts[piece->part];
    sent->next = NULL;
    *part->end = sent;
    part->end = &sent->next;
    part->round.command_count += sent->count;
}

static struct piece *add_piece(struct flight *flight, struct submission *whole, uint32_t part) {
    struct piece *piece = arena_take(&flight->arena, sizeof(*piece));
    memset(piece, 0, sizeof(*piece));
    piece->next = flight->pieces;
    piece->whole = whole;
    piece->part = part;
    flight->pieces = piece;
    return piece;
}

static void send_whole(struct flight *flight, struct submission *submission) {
    // Who has been here before is decided only where something was set aside.
    for (uint32_t i = 0; submission->again && !submission->atomic && i < submission->count; i++)
        submission->outcomes[i].aside |= submission->outcomes[i].elsewhere;
    struct piece *piece = add_piece(flight, submission, part_of_whole(flight, submission));
    hang(flight, piece, submission);
}

// Those of its commands that are for one shard.
static void send_some(struct flight *flight, struct submission *whole, uint32_t part,
                      bool only_turned_away) {
    struct piece *piece = NULL;
    for (uint32_t i = 0; i < whole->count; i++) {
        if ((only_turned_away && !whole->outcomes[i].elsewhere) || whole->outcomes[i].waits ||
            part_of(flight, &whole->commands[i]) != part)
            continue;
        if (piece == NULL) {
            piece = add_piece(flight, whole, part);
            piece->own = (struct submission){.is_batch = whole->is_batch, .again = whole->again};
            piece->own.commands =
                arena_take(&flight->arena, whole->count * sizeof(*whole->commands));
            piece->own.outcomes =
                arena_take(&flight->arena, whole->count * sizeof(*whole->outcomes));
            piece->places = arena_take(&flight->arena, whole->count * sizeof(*piece->places));
        }
        uint32_t place = piece->own.count++;
        piece->places[place] = i;
        piece->own.commands[place] = whole->commands[i];
        piece->own.outcomes[place] = whole->outcomes[i];
        piece->own.outcomes[place].aside |= whole->outcomes[i].elsewhere;
    }
    if (piece != NULL)
        hang(flight, piece, &piece->own);
}

static void send_apart(struct flight *flight, struct submission *submission,
                       bool only_turned_away) {
    for (uint32_t i = 0; i < flight->shards->count; i++)
        send_some(flight, submission, i, only_turned_away);
}

// ---- putting together ---------------------------------------------------------------------------

static bool is_for_all(const struct command *command, const struct outcome *outcome) {
    return outcome->status == STATUS_ok &&
           (command->type == COMMAND_KEY_CREATE || command->type == COMMAND_KEY_REVOKE ||
            command->type == COMMAND_KEY_ROTATE || command->type == COMMAND_RULES ||
            command->type == COMMAND_ALARM);
}

static void take_back(struct flight *flight, struct piece *piece) {
    bool is_own = piece->places == NULL;
    struct submission *sent = is_own ? piece->whole : &piece->own;
    if (sent->atomic || sent->guarded)
        outcome_keep(&sent->batch_outcome, &flight->round->arena);
    for (uint32_t i = 0; sent->whole != NULL && i < sent->count; i++)
        if (sent->batch_outcome.elsewhere)
            outcome_keep_lacks(&sent->outcomes[i], &flight->round->arena);
    piece_keep_brings(piece, sent, &flight->round->arena);
    for (uint32_t i = 0; sent->whole == NULL && i < sent->count; i++) {
        struct outcome *outcome = &sent->outcomes[i];
        outcome_keep(outcome, &flight->round->arena);
        flight->is_carried |= is_for_all(&sent->commands[i], outcome);
        if (!is_own)
            piece->whole->outcomes[piece->places[i]] = *outcome;
    }
}

// ---- texts under keys of other shards' owners ---------------------------------------------------

static bool bytes_are_sealed(struct slice bytes) {
    return bytes.bytes != NULL && record_is_sealed(bytes);
}

static bool is_sealed(const struct submission *submission, uint32_t place) {
    const struct outcome *outcome = &submission->outcomes[place];
    // What came of a queue's orders nobody is told but by the books.
    bool is_done = !submission->guarded && outcome->status == STATUS_ok &&
                   (!submission->atomic || submission->batch_outcome.status == STATUS_ok);
    if (!is_done)
        return false;
    bool has_parts = submission->commands[place].type == COMMAND_READ_OPERATION;
    for (uint32_t i = 0; has_parts && i < outcome->part_count; i++)
        if (bytes_are_sealed(outcome->parts[i].record))
            return true;
    return bytes_are_sealed(outcome->record) || bytes_are_sealed(outcome->opening);
}

static bool any_is_sealed(const struct flight *flight) {
    if (flight->shards->parts[0]->vault == NULL)
        return false;
    for (uint32_t i = 0; i < flight->order_count; i++)
        for (uint32_t k = 0; k < flight->order[i]->count; k++)
            if (is_sealed(flight->order[i], k))
                return true;
    return false;
}

// False: not now.
static bool open_text(struct engine *part, struct slice *bytes, struct arena *arena) {
    return !bytes_are_sealed(*bytes) ||
           part->port->reveal(part, *bytes, arena, bytes) == STATUS_ok;
}

static bool open_texts(struct flight *flight, struct submission *submission, uint32_t place) {
    struct engine *part = flight->shards->parts[0];
    struct arena *arena = &flight->round->arena;
    struct outcome *outcome = &submission->outcomes[place];
    bool has_parts = submission->commands[place].type == COMMAND_READ_OPERATION;
    bool ok = open_text(part, &outcome->record, arena) && open_text(part, &outcome->opening, arena);
    for (uint32_t i = 0; has_parts && i < outcome->part_count && ok; i++)
        ok = open_text(part, &outcome->parts[i].record, arena) &&
             open_text(part, &outcome->parts[i].opening, arena);
    return ok;
}

// What stays closed is busy: never shown as if it had been destroyed.
static void open_all_texts(struct flight *flight) {
    bool may_wait = !shards_are_stopping(flight->shards);
    for (uint32_t i = 0; i < flight->order_count; i++)
        for (uint32_t k = 0; k < flight->order[i]->count; k++) {
            struct submission *submission = flight->order[i];
            if (!is_sealed(submission, k) || (may_wait && open_texts(flight, submission, k)))
                continue;
            outcome_end(submission->atomic ? &submission->batch_outcome : &submission->outcomes[k],
                        STATUS_busy);
        }
}

// Alarms are written where slot 0 is; the others get them from there.
static void take_alarm(struct shards *shards) {
    struct alarm_state alarm = engine_alarm(shards_part(shards, 0));
    engine_alarm_set(&shards->engine, &alarm);
}

// Every part has answered. Thread: the last one's, or the keeper.
static void landed(struct flight *flight) {
    struct shards *shards = flight->shards;
    for (struct piece *piece = flight->pieces; piece != NULL; piece = piece->next)
        take_back(flight, piece);
    flight->pieces = NULL;
    take_alarm(shards);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct round_times times = flight->parts[i].round.times;
        if (flight->parts[i].round.first != NULL && times.synced_ns > flight->times.synced_ns)
            flight->times = times;
        round_release(&flight->parts[i].round);
    }
    flight->is_stale = false;
    flight->is_lacking = flight->hops < HOPS_MAX;
    for (uint32_t i = 0; i < flight->order_count; i++) {
        bool turned = was_turned_away(flight->order[i]);
        flight->is_stale = flight->is_stale || turned;
        flight->is_lacking = flight->is_lacking && (!turned || is_but_lacking(flight->order[i]));
    }
    flight->is_sealed = any_is_sealed(flight);
    if ((flight->is_stale || flight->is_carried || flight->is_sealed) &&
        !shards_are_stopping(shards))
        inbox_push(&shards->inbox, &flight->node);
    else
        flight_finish(flight);
}

static void part_published(struct round *round) {
    struct flight *flight = ((struct part *)round->context)->flight;
    if (__atomic_sub_fetch(&flight->left, 1, __ATOMIC_ACQ_REL) == 0)
        landed(flight);
}

static void begin_parts(struct flight *flight) {
    for (uint32_t i = 0; i < PARTS; i++) {
        struct part *part = &flight->parts[i];
        part->round.first = NULL;
        part->round.command_count = 0;
        part->round.times = (struct round_times){0};
        part->round.legs = NULL;
        part->round.published = part_published;
        part->round.context = part;
        part->end = &part->round.first;
    }
}

static void send(struct shards *shards, uint32_t part, struct round *round) {
    if (part < SHARDS_MAX)
        shards->parts[part]->port->submit(shards->parts[part], round);
    else
        cross_submit(shards->crosses[part - SHARDS_MAX], round);
}

static void launch(struct flight *flight, bool only_turned_away) {
    uint32_t sent = 0, waiting = 0;
    begin_parts(flight);
    for (uint32_t i = 0; i < flight->order_count; i++) {
        struct submission *submission = flight->order[i];
        if (only_turned_away && !was_turned_away(submission))
            continue;
        if (goes_together(submission)) {
            send_whole(flight, submission);
            continue;
        }
        waiting += shards_hold_back(flight->shards, submission, only_turned_away, &flight->arena);
        send_apart(flight, submission, only_turned_away);
    }
    if (waiting < flight->waiting) // it gets on, however many turns it takes
        flight->hops = 0;
    flight->waiting = waiting;
    for (uint32_t i = 0; i < PARTS; i++)
        sent |= (uint32_t)(flight->parts[i].round.first != NULL) << i;
    // Once the last one is on its way the flight may be somebody else's already.
    __atomic_store_n(&flight->left, (uint32_t)__builtin_popcount(sent), __ATOMIC_RELEASE);
    if (sent == 0) {
        landed(flight);
        return;
    }
    struct shards *shards = flight->shards;
    for (uint32_t i = 0; i < PARTS; i++)
        if ((sent >> i & 1) != 0)
            send(shards, i, &flight->parts[i].round);
}

// What the house says to the books it says to all of them.
static void pass_flags(struct shards *shards) {
    bool stopped = atomic_load_explicit(&shards->engine.payments_stopped, memory_order_relaxed);
    bool failed = atomic_load_explicit(&shards->engine.rules_failed, memory_order_relaxed);
    for (uint32_t i = 0; i < shards->count; i++) {
        atomic_store_explicit(&shards->parts[i]->payments_stopped, stopped, memory_order_relaxed);
        atomic_store_explicit(&shards->parts[i]->rules_failed, failed, memory_order_relaxed);
    }
}

// Memory for outcomes comes as it is, and what they lacked last time they may have by now.
static void begin_outcomes(struct submission *submission) {
    submission->touched = 0;
    if (!submission->again)
        submission->batch_outcome.elsewhere = false;
    for (uint32_t i = 0; i < submission->count; i++) {
        struct outcome *outcome = &submission->outcomes[i];
        outcome->lacks = NULL;
        if (!submission->again)
            outcome->aside = outcome->elsewhere = outcome->waits = false;
    }
}

void shards_submit(struct engine *engine, struct round *round) {
    struct shards *shards = shards_of(engine);
    struct flight *flight = take_flight(shards);
    uint32_t count = 0;
    pass_flags(shards);
    for (struct submission *s = round->first; s != NULL; s = s->next)
        count++;
    flight->round = round;
    flight->order = arena_take(&flight->arena, (count + 1) * sizeof(struct submission *));
    flight->order_count = 0;
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        flight->order[flight->order_count++] = s;
        begin_outcomes(s);
    }
    flight->hops = flight->waiting = 0;
    flight->begun_ns = clock_monotonic_ns();
    flight->is_stale = flight->is_carried = flight->is_sealed = false;
    flight->times = (struct round_times){0};
    launch(flight, false);
}

void flight_again(struct flight *flight) {
    CHECK(flight->is_stale);
    flight->hops++;
    launch(flight, true);
}

// Everything of the round is published where it was written, so what those shards have published by
// now is behind it.
static void tell_standing(const struct flight *flight) {
    struct shards *shards = flight->shards;
    struct round *round = flight->round;
    struct standing *standing = arena_take(&round->arena, sizeof(*standing));
    standing->count = 0;
    uint32_t all = 0, places[SHARDS_MAX];
    for (uint32_t i = 0; i < flight->order_count; i++)
        all |= flight->order[i]->touched;
    for (uint32_t i = 0; i < shards->count; i++) {
        places[i] = 0;
        if ((all >> i & 1) == 0)
            continue;
        int64_t version = __atomic_load_n(&shards->versions[i], __ATOMIC_ACQUIRE);
        standing->places[standing->count++] =
            (struct standing_place){.shard = shards->tags[i],
                                 .slots = (uint64_t)version + 1,
                                 .position = postgres_published(shards->parts[i])};
        if (position_is_none(standing->places[standing->count - 1].position))
            standing->count--;
        else
            places[i] = 1U << (standing->count - 1);
    }
    for (uint32_t i = 0; i < flight->order_count; i++) { // from shards to places
        uint32_t shards_of_it = flight->order[i]->touched;
        flight->order[i]->touched = 0;
        for (uint32_t k = 0; k < shards->count; k++)
            if ((shards_of_it >> k & 1) != 0)
                flight->order[i]->touched |= places[k];
    }
    round->standing = standing->count == 0 ? NULL : standing;
}

void flight_finish(struct flight *flight) {
    struct round *round = flight->round;
    if (flight->is_sealed)
        open_all_texts(flight);
    struct submission **end = &round->first;
    for (uint32_t i = 0; i < flight->order_count; i++) {
        struct submission *submission = flight->order[i];
        submission->batch_outcome.elsewhere = false;
        for (uint32_t k = 0; k < submission->count; k++)
            submission->outcomes[k].elsewhere = submission->outcomes[k].crosses =
                submission->outcomes[k].waits = false;
        *end = submission;
        end = &submission->next;
    }
    *end = NULL;
    round->position = (struct position){0};
    tell_standing(flight);
    round->times = flight->times;
    give_flight(flight);
    round->published(round);
}
