// SPDX-License-Identifier: MIT
// The writer decides, persists and publishes: one thread at a time, the one that has the turn. It
// takes all rounds that have gathered as one batch, decides them in order, makes them durable with
// one sync, and only then lets anybody know.
//
//   inbox ─▶ due holds ─▶ fetch, decide, take (per command) ─▶ commit ─▶ publish
//
// A large round is synced by a thread of its own while the next one is decided, and published when
// it has arrived, always before the next one leaves.
//
// There is a thread for it, and it sleeps while rounds are small and come one after another: then
// whoever brings a round takes the turn himself, which spares two changes of threads for each. So
// he waits for the disk, unless others have so much under way that it takes longer to read them:
// then the flight publishes the round when it arrives (`alone`), and he reads on. When the disk was
// slow a moment ago, rounds go to the thread instead.
//
// If the commit fails nobody has been answered, and the process stops: the next start may or may
// not find the round.
#include "base/ahead.h"
#include "base/check.h"
#include "base/clock.h"
#include "engine/embedded/books.h"
#include "engine/embedded/journal/journal_format.h"

#define IDLE_WAIT_NS           UINT64_C(1000000000) // holds expire within a second
#define BEHIND_WAIT_NS         1000000
#define RECORD_FIXED_BYTES_MAX 640
#define OUTCOMES_AHEAD         6
#define COMMANDS_AHEAD         8 // of where their things are asked for
#define SLOW_COMMIT_NS         UINT64_C(3000000)
// From this size on a round is synced by a thread of its own while the next is decided: smaller
// ones lose more by the change of threads than they gain, unless many others are on their way.
#define OVERLAP_BYTES_MIN      (256u << 10)
#define SYNCS_RECENT           16
#define COMMAND_NS             10000 // that a payment takes of a processor, about
#define SLOW_BATCHES           64 // after it
// Rounds are taken into a batch until it has so many: with more, large ones would all be decided
// before the first of them is on its way to the disk.
#define BATCH_COMMANDS_ENOUGH 2000

// Room that a command's record may take at most; refusals and batch entries are smaller.
static size_t bytes_of(const struct command *command) {
    return RECORD_FIXED_BYTES_MAX + command->owner.size + command->bank_id.size +
           command->order.size + command->reference.size + command->reason.size +
           command->metadata.size + command->name.size + command->origin.principal.size +
           command->origin.request_id.size + command->origin.trace.size + 1 +
           command->bound_to.size + SEAL_BYTES_MAX;
}

// What a rule may find in it.
#define FINDING_BYTES_MAX 1280

// Without findings.
static void measure(struct submission *submission) {
    bool is_whole = submission->atomic || submission->whole != NULL;
    size_t bytes = 4096 + (is_whole ? submission->count * sizeof(uint64_t) : 0);
    for (uint32_t i = 0; i < submission->count; i++) {
        bytes += bytes_of(&submission->commands[i]);
        if (submission->commands[i].type == COMMAND_APPROVE ||
            submission->commands[i].type == COMMAND_ANOMALY_APPROVE) // and what it lets go
            bytes += LIMIT_RECORD_BYTES_MAX;
        if (submission->commands[i].type == COMMAND_WALLET_CHANGE)
            bytes += 4 * LIMIT_TEXT_BYTES_MAX + // characters have up to 4 bytes
                     LIMIT_METADATA_BYTES_MAX; // what it keeps stands in its record too
    }
    submission->bytes_max = bytes;
}

void writer_measure(struct round *round) {
    for (struct submission *submission = round->first; submission != NULL;
         submission = submission->next)
        measure(submission);
}

// Rules may come within the very batch.
static size_t bytes_of_submission(const struct books *books,
                                  const struct submission *submission) {
    bool has_rules = books->state.rules.count != 0;
    return submission->bytes_max + (has_rules ? submission->count * FINDING_BYTES_MAX : 0);
}

static void refuse_full(struct outcome *outcome) {
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = STATUS_storage_full;
    outcome->refusal.status = STATUS_storage_full;
}

// Another thread wrote the commands a moment ago.
static void command_ahead(const struct submission *submission, uint32_t index) {
    if (index >= submission->count)
        return;
    const struct command *command = &submission->commands[index];
    ahead_read(command, offsetof(struct command, found));
    ahead_write(command->found, sizeof(command->found));
}

static void decide_submission(struct books *books, struct submission *submission) {
    struct record record;
    submission->taken = 0;
    bool reads = submission->count > 0 && command_is_read(submission->commands[0].type);
    if (!reads && !books->storage_full)
        books_make_room(books, bytes_of_submission(books, submission));
    if ((submission->atomic || submission->guarded) && books->storage_full) {
        for (uint32_t i = 0; submission->guarded && i < submission->count; i++)
            refuse_full(&submission->outcomes[i]);
        refuse_full(&submission->batch_outcome);
        return;
    }
    if (submission->atomic) {
        decide_atomic(books, submission);
        return;
    }
    if (submission->guarded) {
        decide_guarded(books, submission);
        return;
    }
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct command *command = &submission->commands[i];
        command_ahead(submission, i + FETCH_AHEAD + COMMANDS_AHEAD);
        if (i + FETCH_AHEAD < submission->count)
            fetch_prefetch(books, &submission->commands[i + FETCH_AHEAD]);
        if (i + HABITS_AHEAD < submission->count)
            fetch_prefetch_habits(books, &submission->commands[i + HABITS_AHEAD]);
        if (i + OUTCOMES_AHEAD < submission->count)
            ahead_write(&submission->outcomes[i + OUTCOMES_AHEAD], OUTCOME_HEAD_BYTES);
        if (command_is_read(command->type))
            read_one(books, command, &submission->outcomes[i]);
        else if (books->storage_full)
            refuse_full(&submission->outcomes[i]);
        else if (decide_one(books, command, false, &submission->outcomes[i], &record) &&
                 submission->done != NULL && submission->done(submission, i, &record))
            submission->taken++;
    }
}

static void resolve_submission(struct books *books, struct arena *arena,
                               struct submission *submission) {
    if (submission->atomic) {
        outcome_resolve(books, arena, &submission->batch_outcome);
        if (submission->batch_outcome.status != STATUS_ok)
            return; // what the operations found never was
    }
    if (submission->guarded)
        outcome_resolve(books, arena, &submission->batch_outcome);
    if (submission->whole != NULL)
        return; // what its commands came to is told by nobody here
    if (submission->taken == submission->count)
        return; // its answer is made
    for (uint32_t i = 0; i < submission->count; i++) {
        if (i + OUTCOMES_AHEAD < submission->count)
            journal_ahead(books->journal, submission->outcomes[i + OUTCOMES_AHEAD].record.size);
        outcome_resolve(books, arena, &submission->outcomes[i]);
        if (submission->commands[i].type == COMMAND_READ_OPERATION)
            outcome_resolve_parts(books, arena, &submission->commands[i],
                                  &submission->outcomes[i]);
    }
}

// By now the wallets of the first commands are on their way, and they name their habits.
static void prefetch_habits_all(const struct books *books, const struct inbox_node *first) {
    if (books->state.rules.count == 0)
        return;
    for (const struct inbox_node *node = first; node != NULL; node = node->next)
        for (const struct submission *submission = round_of((struct inbox_node *)node)->first;
             submission != NULL; submission = submission->next)
            for (uint32_t i = 0; i < submission->count && i < HABITS_AHEAD; i++)
                fetch_prefetch_habits(books, &submission->commands[i]);
}

// One behind another, and another thread may have written them: the next one's commands are asked
// for, and the head of the one behind it, which says where its own are.
static void submission_ahead(const struct submission *next) {
    if (next == NULL)
        return;
    ahead_write(next->commands, sizeof(struct command));
    if (next->next != NULL)
        ahead_write(next->next, offsetof(struct submission, batch));
}

static size_t prefetch_all(struct books *books, struct inbox_node *first) {
    size_t commands = 0, bytes = 0;
    for (struct inbox_node *node = first; node != NULL; node = node->next) {
        for (struct submission *submission = round_of(node)->first; submission != NULL;
             submission = submission->next) {
            submission_ahead(submission->next);
            commands += submission->count;
            for (uint32_t i = 0; i < submission->count && i < FETCH_AHEAD; i++) {
                command_ahead(submission, i + COMMANDS_AHEAD);
                fetch_prefetch(books, &submission->commands[i]);
            }
            bytes += bytes_of_submission(books, submission);
        }
    }
    prefetch_habits_all(books, first);
    __atomic_store_n(&books->stats.batch_commands_last, commands, __ATOMIC_RELAXED);
    return bytes;
}

static void decide_round(struct books *books, struct round *round) {
    for (struct submission *submission = round->first; submission != NULL;
         submission = submission->next) {
        if (submission->next != NULL) {
            ahead_write(submission->next->outcomes, OUTCOME_HEAD_BYTES);
            ahead_read(submission->next->commands, sizeof(struct command));
        }
        decide_submission(books, submission);
    }
}

static void publish(struct books *books, struct inbox_node *first, uint64_t decided) {
    signal_gate_publish(&books->published, decided);
    for (; first != NULL; first = first->next) {
        struct round *round = round_of(first);
        round->times = books->times;
        for (struct submission *submission = round->first; submission != NULL;
             submission = submission->next)
            resolve_submission(books, &round->arena, submission);
    }
}

// Of what is published. Needs no turn.
static void tell(struct inbox_node *first) {
    while (first != NULL) {
        struct round *round = round_of(first);
        first = first->next; // the round is the caller's again once it is told
        round->published(round);
    }
}

// How long syncs have taken lately; returns what they took since it was last asked. In ns.
static uint64_t note_syncs(struct books *books) {
    struct journal_stats stats;
    journal_stats(books->journal, &stats);
    uint64_t count = stats.sync_count - books->syncs_seen;
    uint64_t took_ns = stats.sync_ns_total - books->sync_ns_seen;
    books->syncs_seen = stats.sync_count;
    books->sync_ns_seen = stats.sync_ns_total;
    if (count != 0)
        books->sync_ns_recent = (books->sync_ns_recent * (SYNCS_RECENT - 1) + took_ns / count) /
                                SYNCS_RECENT;
    return took_ns;
}

static void note_slowness(struct books *books, uint64_t took_ns) {
    if (took_ns > SLOW_COMMIT_NS)
        books->slow_batches = SLOW_BATCHES;
    else if (books->slow_batches > 0)
        books->slow_batches--;
}

// What flies has arrived, is published, and is still to be told. NULL: nothing flies.
static struct inbox_node *land_untold(struct books *books) {
    struct inbox_node *first = books->flying;
    if (first == NULL)
        return NULL;
    books_commit_wait(books);
    uint64_t took_ns = note_syncs(books);
    if (books->flying_alone)
        note_slowness(books, took_ns);
    books->flying = NULL;
    struct round_times next = books->times; // of the batch that is decided meanwhile
    books->times = books->flying_times;
    books->times.synced_ns = clock_monotonic_ns();
    publish(books, first, books->flying_decided);
    books->times = next;
    return first;
}

// Before the next one leaves, and when nothing else is to do.
static void land(struct books *books) {
    tell(land_untold(books));
}

// Notices a slow disk.
static void commit(struct books *books) {
    (void)note_syncs(books);
    books_commit(books);
    uint64_t now_ns = clock_monotonic_ns(), sync_ns = note_syncs(books);
    uint64_t began_ns = books->times.decided_ns;
    books->times.synced_ns = now_ns;
    books->times.written_ns = now_ns - began_ns > sync_ns ? now_ns - sync_ns : began_ns;
    note_slowness(books, now_ns - began_ns);
}

// `alone`: nobody waits for its arrival here, which publishes it.
static void batch(struct books *books, struct inbox_node *first, bool alone) {
    uint64_t now = clock_now_ms(), before = journal_time_ms(books->journal);
    books->times = (struct round_times){.taken_ns = clock_monotonic_ns()};
    books->now_ms = now > before ? now : before;
    books->habits_begin_ms = habits_begin_ms(books->now_ms);
    size_t bytes = prefetch_all(books, first);
    books->storage_full = journal_room(books->journal, bytes) != STATUS_ok;
    __atomic_store_n(&books->decided, books->decided + 1, __ATOMIC_RELEASE);
    if (!books->storage_full)
        for (struct inbox_node *node = first;; node = node->next) {
            expire_due(books, node == NULL ? NULL : round_of(node)->first);
            if (node == NULL || node->next == NULL)
                break;
        }
    for (struct inbox_node *node = first; node != NULL; node = node->next) {
        decide_round(books, round_of(node));
        if (books->flying != NULL && journal_commit_is_over(books->journal))
            land(books); // whoever waits for it hears of it now
        __atomic_store_n(&books->stats.rounds, books->stats.rounds + 1, __ATOMIC_RELAXED);
    }
    land(books);
    books->times.decided_ns = clock_monotonic_ns();
    __atomic_store_n(&books->flying_alone, alone, __ATOMIC_RELAXED);
    if (first != NULL &&
        books_commit_begin(books, alone ? JOURNAL_ROUND_HEADER_BYTES + 1 : OVERLAP_BYTES_MIN)) {
        books->times.written_ns = books->times.decided_ns;
        books->flying_times = books->times;
        books->flying = first;
        books->flying_decided = books->decided;
    } else {
        commit(books);
        publish(books, first, books->decided);
        tell(first);
    }
    arena_reset(&books->scratch);
}

static void turn_take(struct books *books) {
    CHECK(pthread_mutex_lock(&books->turn) == 0);
}

// What arrived while somebody had the turn is looked at by whoever gave it back, or by the thread
// that it arrived on: either that one finds the turn free, or this one finds the mark.
static void take_arrived(struct books *books) {
    while (__atomic_load_n(&books->arrived, __ATOMIC_SEQ_CST) &&
           pthread_mutex_trylock(&books->turn) == 0) {
        struct inbox_node *first = NULL;
        __atomic_store_n(&books->arrived, false, __ATOMIC_SEQ_CST);
        if (books->flying_alone && journal_commit_is_over(books->journal))
            first = land_untold(books);
        CHECK(pthread_mutex_unlock(&books->turn) == 0);
        tell(first); // who hears of it may want the turn at once
    }
}

static void turn_give(struct books *books) {
    CHECK(pthread_mutex_unlock(&books->turn) == 0);
    take_arrived(books);
}

void writer_arrived(void *context) {
    struct books *books = context;
    if (!__atomic_load_n(&books->flying_alone, __ATOMIC_RELAXED))
        return; // the writer's thread looks by itself
    __atomic_store_n(&books->arrived, true, __ATOMIC_SEQ_CST);
    take_arrived(books);
}

bool writer_decide_now(struct books *books, struct round *round) {
    CHECK(round->first != NULL);
    // Who waits in the inbox came first.
    if (!inbox_is_empty(&books->inbox) || pthread_mutex_trylock(&books->turn) != 0)
        return false;
    bool is_free = books->flying == NULL ||
                   (books->flying_alone && journal_commit_is_over(books->journal));
    bool now = is_free && books->slow_batches == 0 && inbox_is_empty(&books->inbox) &&
               !index_is_behind(books->index);
    if (now) {
        // While the disk works the next commands are read.
        bool alone = round->crowd * COMMAND_NS > books->sync_ns_recent;
        writer_measure(round);
        round->node.next = NULL;
        batch(books, &round->node, alone);
        if (!alone || journal_commit_is_over(books->journal))
            land(books);
    }
    turn_give(books);
    return now;
}

static uint64_t wait_ns(struct books *books) {
    uint64_t next = state_due_next_ms(&books->state), now = clock_now_ms();
    if (next == UINT64_MAX)
        return IDLE_WAIT_NS;
    if (next <= now)
        return 1000000; // more are due than one round expires
    uint64_t wait = (next - now) * 1000000;
    return wait < IDLE_WAIT_NS ? wait : IDLE_WAIT_NS;
}

// The rounds behind the first ones that are enough for a batch, cut off from them; NULL: none.
static struct inbox_node *cut_batch(struct inbox_node *first) {
    uint64_t commands = 0;
    for (struct inbox_node *node = first; node != NULL; node = node->next) {
        commands += round_of(node)->command_count;
        if (commands < BATCH_COMMANDS_ENOUGH)
            continue;
        struct inbox_node *rest = node->next;
        node->next = NULL;
        return rest;
    }
    return NULL;
}

void *writer_run(void *context) {
    struct books *books = context;
    turn_take(books);
    for (;;) {
        bool stopping = __atomic_load_n(&books->stopping, __ATOMIC_ACQUIRE);
        bool waits = !stopping && (books->flying == NULL || books->flying_alone);
        uint64_t span_ns = waits ? wait_ns(books) : 0;
        turn_give(books);
        struct inbox_node *first = inbox_take_all(&books->inbox, span_ns);
        turn_take(books);
        if (first == NULL && (stopping || !books->flying_alone))
            land(books);
        if (first == NULL && stopping)
            break; // what is due now, perhaps on a full disk, is due at the next start too
        if (first == NULL && state_due_next_ms(&books->state) <= clock_now_ms())
            batch(books, NULL, false);
        for (struct inbox_node *rest; first != NULL; first = rest) {
            rest = cut_batch(first);
            batch(books, first, false);
        }
        if (index_is_behind(books->index)) {
            // Sealed tables wait for the disk: taking writes more slowly keeps memory bounded.
            (void)signal_gate_wait(&books->published, UINT64_MAX, BEHIND_WAIT_NS);
        }
    }
    turn_give(books);
    return NULL;
}
