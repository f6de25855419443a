// SPDX-License-Identifier: MIT
// The writer: takes all rounds that have gathered as one batch and carries it through one database
// transaction, again from the start when the database says so, until its outcome is known.
//
//   turn ─▶ fetch ─▶ due holds, decide ─▶ write, COMMIT ─▶ publish
//                ▲        40001, 40P01 ◀──────┤
//                └── token not there ◀── lost ┴─▶ token there ─▶ publish
//
// A connection lost during COMMIT leaves the outcome open. Each round writes a token of its own;
// whoever looks it up holds the turn, which the lost backend gives up only when it has ended, so
// "not there" is final.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/postgres_books.h"

#define IDLE_WAIT_NS     UINT64_C(500000000) // keys and holds are looked at this often
#define CONNECT_WAIT_NS  UINT64_C(3000000000)
#define BATCH_WAIT_NS    UINT64_C(15000000000)
#define COMMIT_WAIT_NS   UINT64_C(5000000000) // then the connection is dropped, never cancelled
#define RETRY_NS_MAX     UINT64_C(8000000000) // a batch that the database keeps refusing is busy
#define RETRY_COUNT_MAX  100
#define RECONNECT_NS_MIN 20000000
#define TELL_NS UINT64_C(10000000000)
#define BATCH_COMMANDS_MAX 4000 // of a shard; each may make two records
#define GATHER_NS        UINT64_C(100000) // while a round is committed the next one gathers
#define PACE_NS_MIN      UINT64_C(500000)
#define AWAY_NS          UINT64_C(3000000000) // a shard that cannot be reached for so long is away

// A node that is stopped or cut off gives up turn and locks within five seconds: its session waits
// for it (the idle time-outs) or cannot send to it (the rest). In the middle of a flight who waits
// for the turn ends it, and he waits twice before he can: for the turn, and, since what is behind
// that in his flight goes on without it, for the row of books. So `lock_timeout` is 2 s.
static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '10s'; "
    "SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '4s'; "
    "SET idle_session_timeout = '4s'; SET tcp_user_timeout = '4s'; SET tcp_keepalives_idle = 2; "
    "SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2; "
    "SET client_connection_check_interval = '1s'; "
    "SET synchronous_commit = on; SET client_min_messages = warning; SET jit = off; "
    SQL_PLANS
    // Asked of every server that a node turns to, also after a promotion, and behind the settings:
    // whoever stands in between may have put others in their place.
    "DO $$ BEGIN IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN "
    "RAISE EXCEPTION 'synchronous_commit is % and cannot be set to on here: a crash would lose "
    "what was acknowledged', current_setting('synchronous_commit'); "
    "ELSIF current_setting('fsync') <> 'on' OR current_setting('full_page_writes') <> 'on' THEN "
    "RAISE EXCEPTION 'fsync or full_page_writes is off: a power cut would lose or tear the books'; "
    "END IF; END $$";

struct batch {
    struct inbox_node *first;
    const struct inbox_node *rest; // what was cut off and comes in the next one
    struct inbox_node *next; // the next one, if it was taken while this one was committed
    // It has left the desk, its outcomes resolved, before its COMMIT was answered; and left this.
    bool has_left;
    struct counters counters;
    struct round_times times;
    bool has_records, was_ahead, was_opened, was_beside;
    uint8_t token[16];
    uint64_t round, first_record; // what the token was written with
    bool is_unknown;  // a COMMIT went out and nothing came back
    bool is_expiring; // it only ends holds that were due; the batch itself is still to come
    bool will_write;  // holds are due, though nobody asked for a write
    bool is_lost;      // nobody will ever know whether it was committed
    bool lacks_master; // texts are under a master key that this node was not given
    uint64_t begun_ns;
    uint32_t tries;
};

static void count(uint64_t *counter) {
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static bool is_stopping(const struct books *books) {
    return signal_gate_sequence(&books->stop) != 0;
}

// Ends early when the house is taken down.
static void wait_ns(struct books *books, uint64_t ns) {
    (void)signal_gate_wait(&books->stop, 1, ns);
}

enum link_result books_connect(struct books *books) {
    struct link *link = &books->link;
    if (books->primary.servers.count > 1) {
        enum link_result chosen = primary_choose(&books->primary, link->why, sizeof(link->why));
        if (chosen != LINK_OK)
            return chosen;
    }
    primary_watch(&books->primary, link);
    enum link_result result = link_open(link, primary_url(&books->primary), settings, SQL_TURN,
                                        SQL_WRITER_LAST, CONNECT_WAIT_NS);
    if (result != LINK_OK)
        return result;
    books->desk.parts_known = 0;
    books->desk.arrivals_taken.next = 0; // it may be another server
    books->desk.arrivals_taken.open_count = 0;
    desk_known_forget(&books->desk);
    desk_ahead_forget(&books->desk);
    desk_turn_forget(&books->desk);
    books->desk.ahead.opened = NULL;
    desk_beside_close(&books->desk);
    return primary_admit_writer(&books->primary, link, &books->position);
}

// ---- telling ----------------------------------------------------------------------------------

static void resolve_submission(struct books *books, struct round *round,
                               struct submission *submission) {
    if (submission->atomic) {
        desk_resolve(&books->desk, &round->arena, &submission->batch_outcome);
        for (uint32_t i = 0; submission->batch_outcome.elsewhere && i < submission->count; i++)
            desk_resolve_lacks(&round->arena, &submission->outcomes[i]);
        if (submission->batch_outcome.status != STATUS_ok)
            return; // what the operations found never was
    }
    if (submission->guarded) {
        bool is_elsewhere = submission->batch_outcome.elsewhere;
        desk_resolve(&books->desk, &round->arena, &submission->batch_outcome);
        for (uint32_t i = 0; is_elsewhere && i < submission->count; i++)
            desk_resolve_lacks(&round->arena, &submission->outcomes[i]);
        if (is_elsewhere)
            return;
    }
    if (submission->whole != NULL)
        return; // what its commands came to is told by nobody here
    for (uint32_t i = 0; i < submission->count; i++) {
        desk_resolve(&books->desk, &round->arena, &submission->outcomes[i]);
        if (submission->commands[i].type == COMMAND_READ_OPERATION)
            desk_resolve_parts(&books->desk, &round->arena, &submission->commands[i],
                               &submission->outcomes[i]);
    }
}

static void resolve_all(struct books *books, struct inbox_node *node) {
    for (; node != NULL; node = node->next)
        for (struct submission *submission = round_of(node)->first; submission != NULL;
             submission = submission->next)
            resolve_submission(books, round_of(node), submission);
}

// A courtesy: what is cached is never used beyond its age.
static void drop_changed(struct books *books) {
    for (uint32_t i = 0; i < books->desk.wallets.count && books->cache != NULL; i++) {
        const struct wallet_row *row = books->desk.wallets.items[i];
        if (row->changed)
            wallet_cache_drop(books->cache, row->wallet.id);
    }
}

static void drop_left(struct books *books) {
    const struct buffer *left = &books->desk.ahead.left;
    struct id id;
    for (size_t at = 0; at < left->size && books->cache != NULL; at += sizeof(id)) {
        memcpy(&id, left->bytes + at, sizeof(id));
        wallet_cache_drop(books->cache, id);
    }
}

// What it has on other shards may be finished as it was decided.
static void tell_legs(struct round *round) {
    if (round->legs != NULL && round->legs->entry_count != 0)
        round->legs->is_committed = true;
}

static void publish(struct books *books, const struct batch *batch) {
    struct inbox_node *first = batch->first;
    CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
    books->counters = batch->has_left ? batch->counters : books->desk.counters;
    books->published = books->position;
    books->arrivals_taken = books->desk.arrivals_taken;
    CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    key_ring_refresh(books);
    if (batch->has_left) {
        drop_left(books);
    } else {
        drop_changed(books);
        resolve_all(books, first);
    }
    while (first != NULL) {
        struct round *round = round_of(first);
        first = first->next; // the round is the caller's again once it is told
        __atomic_store_n(&books->stats.rounds, books->stats.rounds + 1, __ATOMIC_RELAXED);
        tell_legs(round);
        round->position = books->position;
        round->times = batch->times;
        round->times.synced_ns = clock_monotonic_ns();
        round->published(round);
    }
}

static void refuse_all(struct inbox_node *first, enum status status) {
    while (first != NULL) {
        struct round *round = round_of(first);
        first = first->next;
        round->position = (struct position){0};
        round->times = (struct round_times){0};
        for (struct submission *submission = round->first; submission != NULL;
             submission = submission->next) {
            if (submission->atomic || submission->guarded)
                outcome_end(&submission->batch_outcome, status);
            for (uint32_t i = 0; i < submission->count; i++)
                if (!desk_was_decided(submission, i))
                    outcome_end(&submission->outcomes[i], status);
        }
        round->published(round);
    }
}

// ---- one try ----------------------------------------------------------------------------------

// Whatever was begun ends, and the turn goes back. A connection that cannot even do that is closed.
static void roll_back(struct books *books) {
    struct link *link = &books->link;
    books->desk.keys_version = UINT64_MAX; // they may have been changed
    link->deadline_ns = clock_monotonic_ns() + COMMIT_WAIT_NS;
    enum link_result result = LINK_OK;
    if (books->desk.ahead.opened != NULL) {
        result = desk_ahead_close(&books->desk, link); // which ends both
    } else {
        link_send(link, SQL_ROLLBACK, NULL);
        link_sync(link);
    }
    link_send(link, SQL_TURN_BACK, NULL);
    link_sync(link);
    desk_turn_forget(&books->desk);
    if (result == LINK_LOST || link_collect(link, NULL, NULL) != LINK_OK)
        link_close(link);
}

// Its legs were prepared and came to nothing: nothing of it is done, and it may come again.
static void set_aside(struct submission *submission) {
    if (submission->atomic || submission->guarded) {
        outcome_end(&submission->batch_outcome, STATUS_busy);
        submission->batch_outcome.aside = submission->atomic; // a worker is told of locks alone
    }
    for (uint32_t i = 0; i < submission->count; i++) {
        if (desk_was_decided(submission, i))
            continue;
        outcome_end(&submission->outcomes[i], STATUS_busy);
        submission->outcomes[i].aside = true;
        submission->outcomes[i].anew = submission->again;
    }
}

static void decide_all(struct books *books, struct inbox_node *first) {
    uint64_t commands = 0;
    for (struct inbox_node *node = first; node != NULL; node = node->next)
        for (struct submission *submission = round_of(node)->first; submission != NULL;
             submission = submission->next) {
            commands += submission->count;
            if (round_of(node)->legs != NULL && round_of(node)->legs->is_spent)
                set_aside(submission);
            else
                desk_decide_submission(&books->desk, submission, &books->stats);
        }
    __atomic_store_n(&books->stats.batch_commands_last, commands, __ATOMIC_RELAXED);
}

static void note_times(struct books *books, uint64_t taken_ns) {
    books->times = (struct round_times){.taken_ns = taken_ns, .decided_ns = clock_monotonic_ns()};
    books->times.written_ns = books->times.decided_ns; // one transaction writes and syncs
}

static void take_written(void *context, enum sql statement, const struct pg_result *result) {
    struct books *books = context;
    desk_take_places(&books->desk, statement, result);
    if (statement == SQL_LEAVE && row_count(result) == 1)
        books->position.place = (uint64_t)row_number(result, 0, 0);
}

// Whether a round that waits needs the turn, as its first command tells; NULL: none waits.
static bool has_write(const struct inbox_node *node) {
    const struct round *round = node == NULL ? NULL : round_of((struct inbox_node *)node);
    return round != NULL && round->first != NULL &&
           !command_is_read(round->first->commands[0].type);
}

// ---- while it is committed --------------------------------------------------------------------

static void read_switches(struct books *books) {
    struct desk *desk = &books->desk;
    desk->payments_stopped =
        atomic_load_explicit(&books->engine.payments_stopped, memory_order_relaxed);
    desk->alarm_changed = false;
    desk->rules_failed =
        atomic_load_explicit(&books->engine.rules_failed, memory_order_relaxed);
}

static uint32_t commands_in(const struct inbox_node *node) {
    uint32_t commands = 0;
    for (; node != NULL; node = node->next)
        commands += round_of((struct inbox_node *)node)->command_count;
    return commands;
}

// Waits until the COMMIT is about to be answered, as it took the last ones, less what it takes to
// decide the next batch, and a quarter of what is being committed waits; or until it is answered.
// False: too little waits by then.
static bool has_gathered(struct books *books, uint64_t begun_ns) {
    const struct pace *pace = &books->pace;
    uint64_t spare_ns = pace->open_ns * 2 + pace->commit_ns / 8, now_ns = clock_monotonic_ns();
    uint64_t until_ns = begun_ns + (pace->commit_ns > spare_ns ? pace->commit_ns - spare_ns : 0);
    bool is_silent = link_is_silent(&books->link, until_ns > now_ns ? until_ns - now_ns : 0);
    for (uint64_t pause_ns = GATHER_NS;; pause_ns += pause_ns / 4) {
        uint32_t waiting = commands_in(inbox_newest(&books->inbox));
        bool is_much = waiting * 4 >= books->desk.commands_wanted;
        if (is_much || !is_silent)
            return is_much;
        is_silent = link_is_silent(&books->link, pause_ns);
    }
}

// What mostly is so; one that takes much longer counts little.
static void note_pace(uint64_t *pace_ns, uint64_t span_ns) {
    uint64_t most_ns = *pace_ns * 2 + PACE_NS_MIN;
    *pace_ns = (*pace_ns * 3 + (span_ns < most_ns ? span_ns : most_ns)) / 4;
}

// What waits is the next batch: the server is at work on it while this one is told.
static void open_next(struct books *books, struct batch *batch, uint64_t begun_ns) {
    struct desk *desk = &books->desk;
    if (batch->rest != NULL || batch->next != NULL || batch->is_expiring ||
        !desk_ahead_may_leave(desk) || !has_gathered(books, begun_ns) ||
        !desk_ahead_may_open(desk, inbox_newest(&books->inbox)))
        return;
    uint64_t taken_ns = clock_monotonic_ns();
    batch->next = inbox_take_all(&books->inbox, 0);
    resolve_all(books, batch->first);
    batch->counters = desk->counters;
    batch->has_left = true;
    desk_ahead_leave(desk, batch->next);
    link_forget(&books->link); // whatever was read is told, or copied
    read_switches(books);
    if (!desk_ahead_begin_behind(desk, batch->next))
        return;
    desk_beside_open(desk, primary_url(&books->primary));
    decide_all(books, batch->next);
    if (desk_ahead_is_in_vain(desk))
        return;
    note_times(books, taken_ns);
    desk_ahead_open(desk, &books->link, batch->next);
    note_pace(&books->pace.open_ns, clock_monotonic_ns() - taken_ns);
}

// Sends all that changed and waits for the commit. LINK_LOST: nobody knows.
static enum link_result commit(struct books *books, struct batch *batch) {
    struct link *link = &books->link;
    uint64_t begun_ns = clock_monotonic_ns();
    link->deadline_ns = begun_ns + COMMIT_WAIT_NS;
    random_fill(batch->token, sizeof(batch->token));
    desk_persist(&books->desk, link, batch->token);
    batch->round = books->desk.counters.rounds;
    batch->first_record = desk_first_record(&books->desk);
    batch->has_records = books->desk.records.count != 0;
    batch->times = books->times;
    batch->was_beside = batch->was_opened && books->desk.ahead.was_beside;
    // In the same unit: where the COMMIT fails the turn is given back by who rolls back.
    if (books->desk.has_writes)
        link_send(link, SQL_LEAVE, NULL);
    link_sync(link);
    books->desk.has_turn = false;
    // What comes behind it the round does not wait for. Nodes that wait for the turn come first.
    desk_clean(&books->desk, link);
    if (books->desk.takes_turn &&
        (has_write(batch->rest) || has_write(inbox_newest(&books->inbox))))
        desk_turn_ask(&books->desk, link);
    link_flush(link);
    open_next(books, batch, begun_ns);
    enum link_result result = link_collect_unit(link, take_written, books);
    // Where something behind the COMMIT has failed, by somebody's pg_cancel_backend, the round
    // stands and must not be done again: the look-up finds it, and how far the books have come.
    if (link->committed ? result != LINK_OK || link->warned : result == LINK_OK)
        result = LINK_LOST;
    if (result == LINK_LOST)
        batch->is_unknown = batch->has_records;
    if (result == LINK_OK && batch->has_records) {
        uint64_t span_ns = clock_monotonic_ns() - begun_ns;
        note_pace(&books->pace.commit_ns, span_ns);
        __atomic_fetch_add(&books->stats.sync_ns_total, span_ns, __ATOMIC_RELAXED);
        __atomic_fetch_add(&books->stats.sync_count, 1, __ATOMIC_RELAXED);
    }
    return result;
}

// All that it names is fetched, and decided.
static enum link_result decide_batch(struct books *books, struct batch *batch) {
    struct desk *desk = &books->desk;
    batch->is_expiring = false;
    read_switches(books);
    link_forget(&books->link);
    books->link.deadline_ns = clock_monotonic_ns() + BATCH_WAIT_NS;
    enum link_result result = desk_fetch(desk, &books->link, batch->first, batch->will_write);
    if (result == LINK_AGAIN && desk->lacks_partitions)
        __atomic_store_n(&books->partitions_wanted, true, __ATOMIC_RELEASE);
    if (result != LINK_OK)
        return result;
    books_note_now(books);
    engine_alarm_set(&books->engine, &desk->alarm);
    if (desk->sealing.generation_now != desk->sealing.generation) {
        batch->lacks_master = true;
        return LINK_REFUSED;
    }
    if (!desk->has_writes && (desk->due.count != 0 || desk->due_reviews.count != 0 ||
                              desk->arrivals.count != 0)) {
        batch->will_write = true; // once more, with locks
        return LINK_AGAIN;
    }
    uint32_t arrived = desk_take_arrivals(desk, &books->stats);
    uint32_t ended = desk_expire_due(desk, &books->stats);
    batch->is_expiring = ended != 0 && (desk->due.count == DESK_DUE_MAX ||
                                        desk->due_reviews.count == DESK_DUE_MAX);
    if (desk->arrivals.count == DESK_DUE_MAX) { // there may be more, and all come first
        if (arrived == 0)
            return LINK_AGAIN;
        batch->is_expiring = true;
    }
    if (!batch->is_expiring)
        decide_all(books, batch->first);
    return LINK_OK;
}

static enum link_result decide_with_look(struct books *books, struct batch *batch) {
    enum link_result result = decide_batch(books, batch);
    if (result == LINK_OK && desk_ahead_is_in_vain(&books->desk)) {
        result = desk_ahead_take_back(&books->link);
        if (result == LINK_OK)
            result = decide_batch(books, batch);
    }
    if (result != LINK_OK)
        return result;
    note_times(books, batch->begun_ns);
    return desk_legs_prepare(&books->desk) ? LINK_OK : LINK_AGAIN;
}

// It was decided, and its rows are on their way: what was asked for in front of them.
static enum link_result go_on(struct books *books) {
    books->link.deadline_ns = clock_monotonic_ns() + BATCH_WAIT_NS;
    enum link_result result = desk_turn_settle(&books->desk, &books->link);
    if (result != LINK_OK)
        desk_forget_books(&books->desk); // heads are as if it were written
    return result;
}

static void keep(struct books *books, const struct batch *batch) {
    struct desk *desk = &books->desk;
    if (batch->was_ahead)
        count(&books->stats.ahead);
    if (batch->was_opened)
        count(&books->stats.ahead_opened);
    if (batch->was_beside)
        count(&books->stats.ahead_beside);
    if (batch->has_left) {
        desk_ahead_left_stands(desk);
        return;
    }
    desk_arrivals_settle(desk);
    desk_known_keep(desk);
    desk_rules_keep(desk);
    desk_clean_note(desk);
    desk_ahead_stands(desk);
    if (desk->alarm_changed)
        engine_alarm_set(&books->engine, &desk->alarm);
}

static enum link_result try_once(struct books *books, struct batch *batch) {
    struct desk *desk = &books->desk;
    batch->has_left = false;
    batch->was_opened = desk->ahead.opened != NULL && desk->ahead.opened == batch->first;
    enum link_result result = batch->was_opened ? go_on(books) : decide_with_look(books, batch);
    batch->was_ahead = desk->ahead.is_on;
    CHECK(batch->was_ahead || !batch->was_opened);
    if (result != LINK_OK)
        return result;
    result = commit(books, batch);
    if (result == LINK_OK)
        keep(books, batch);
    else if (batch->has_left)
        desk_ahead_left_failed(desk);
    return result;
}

// What was decided without a look, and on what is not so any more, is decided with one.
static enum link_result try_batch(struct books *books, struct batch *batch) {
    enum link_result result = try_once(books, batch);
    if (result == LINK_OK || !batch->was_ahead)
        return result;
    desk_ahead_failed(&books->desk);
    count(&books->stats.ahead_failed);
    // What somebody else has written since may have the number of one of its rows.
    bool is_otherwise =
        strcmp(books->link.state, result == LINK_AGAIN ? "40001" : "23505") == 0;
    if (result == LINK_LOST || !is_otherwise)
        return result;
    roll_back(books);
    return link_is_open(&books->link) ? try_once(books, batch) : LINK_LOST;
}

struct lookup {
    bool found;
    bool is_archived; // the months up to this round are, or are about to be, detached
};

static void take_token(void *context, enum sql statement, const struct pg_result *result) {
    struct lookup *lookup = context;
    if (statement != SQL_TOKEN)
        return;
    CHECK(row_count(result) == 1);
    lookup->found = row_number(result, 0, 0) == 1;
    lookup->is_archived = row_number(result, 0, 1) == 1;
}

// Whether the commit that nobody answered came through. The lost backend holds the row of books
// until it has ended, so behind that lock "not there" is final, turn or no turn; and this look's
// own commit waits for the synchronous replica, so what it found is there as well.
static enum link_result look_up(struct books *books, const struct batch *batch,
                                struct lookup *ret_lookup) {
    struct link *link = &books->link;
    struct lookup lookup = {0};
    struct parameters token = {0};
    bool takes_turn = books->desk.takes_turn;
    link->deadline_ns = clock_monotonic_ns() + COMMIT_WAIT_NS;
    count(&books->stats.commits_looked_up);
    if (takes_turn) {
        link_send(link, SQL_TURN, NULL);
        link_sync(link);
    }
    link_send(link, SQL_BEGIN_LOOKING, NULL);
    link_send(link, SQL_WAIT_FOR_LOST, NULL);
    parameter_bytes(&token, slice_of(batch->token, sizeof(batch->token)));
    parameter_number(&token, (int64_t)batch->round);
    parameter_number(&token, (int64_t)batch->first_record);
    link_send(link, SQL_TOKEN, &token);
    link_send(link, SQL_SEAL_LOOK, NULL);
    link_send(link, SQL_COMMIT, NULL);
    link_sync(link);
    if (takes_turn) {
        link_send(link, SQL_TURN_BACK, NULL);
        link_sync(link);
    }
    enum link_result result = link_collect(link, take_token, &lookup);
    if (result == LINK_OK && (!link->committed || link->warned))
        result = LINK_LOST;
    *ret_lookup = lookup;
    return result;
}

// ---- until it is known ------------------------------------------------------------------------

static void count_retry(struct books *books, enum link_result result) {
    const char *state = books->link.state;
    if (result == LINK_LOST)
        count(&books->stats.connections_lost);
    else if (strcmp(state, "40001") == 0)
        count(&books->stats.retries_serialization);
    else if (strcmp(state, "40P01") == 0)
        count(&books->stats.retries_deadlock);
    else if (state[0] != '\0')
        count(&books->stats.retries_timeout);
}

static bool is_over(struct books *books, struct batch *batch, enum link_result result) {
    count_retry(books, result);
    batch->tries++;
    if (result == LINK_AGAIN)
        return batch->tries > RETRY_COUNT_MAX ||
               clock_monotonic_ns() - batch->begun_ns > RETRY_NS_MAX;
    return is_stopping(books);
}

static void wait_a_little(struct books *books, const struct batch *batch) {
    uint64_t random;
    random_fill(&random, sizeof(random));
    uint64_t most = UINT64_C(1000000) << (batch->tries > 7 ? 7 : batch->tries);
    wait_ns(books, random % most);
}

// One batch after the other finds that out: an outage of hours is not a line for each.
static void tell_lost(struct books *books) {
    uint64_t now_ns = clock_monotonic_ns();
    if (books->lost_told_ns != 0 && now_ns - books->lost_told_ns < TELL_NS)
        return;
    books->lost_told_ns = now_ns;
    log_line(LOG_WARNING, "postgres", "No connection: %s", books->link.why);
}

// A connection, and with it the answer to what is unknown. LINK_OK: go on; `*ret_done`: it is
// committed already.
static enum link_result reconnect(struct books *books, struct batch *batch, bool *ret_done) {
    *ret_done = false;
    if (!link_is_open(&books->link)) {
        // Whether a single server answers again others see to.
        bool is_vain = books_are_silent(books) && books->primary.servers.count == 1;
        enum link_result result = is_vain ? LINK_LOST : books_connect(books);
        if (result != LINK_OK) {
            tell_lost(books);
            wait_ns(books, RECONNECT_NS_MIN);
            return result;
        }
        books->lost_ns = books->lost_told_ns = 0;
        if (batch->tries != 0)
            log_line(LOG_INFO, "postgres", "Connected again.");
    }
    if (!batch->is_unknown)
        return LINK_OK;
    struct lookup lookup;
    enum link_result result = look_up(books, batch, &lookup);
    if (result != LINK_OK)
        return result;
    if (!lookup.found && lookup.is_archived) {
        (void)snprintf(books->link.why, sizeof(books->link.why),
                       "what became of its COMMIT is archived by now, so it is not done again");
        batch->is_lost = true;
        return LINK_REFUSED;
    }
    batch->is_unknown = false;
    *ret_done = lookup.found && !batch->is_expiring;
    return LINK_OK;
}

// Somebody began to encrypt, or exchanged the master key, while this node runs. It would write
// plain texts, or texts that nobody else can read, so it does nothing more; /readyz tells.
static void tell_locked_out(struct books *books) {
    if (books->is_locked_out)
        return;
    books->is_locked_out = true;
    log_line(LOG_ERROR, "vault",
             "The books are under %s since another node was started. Nothing is decided or read "
             "here any more: start this node again with that master key.",
             books->vault == NULL ? "a master key" : "another master key");
}

static void take_ended(void *context, enum sql statement, const struct pg_result *result) {
    if (statement == SQL_TURN_FREE)
        *(int *)context += row_count(result);
}

// Somebody has a lock that is not given back: perhaps a node that was stopped with half of a flight
// on its way, whose session the server would keep for ever.
static void free_turn(struct books *books) {
    struct link *link = &books->link;
    int ended = 0;
    link->deadline_ns = clock_monotonic_ns() + COMMIT_WAIT_NS;
    link_send(link, SQL_TURN_FREE, NULL);
    link_sync(link);
    if (link_collect(link, take_ended, &ended) == LINK_LOST)
        link_close(link);
    else if (ended != 0)
        log_line(LOG_WARNING, "postgres",
                 "A node was stopped or cut off in the middle of a round: its session is ended.");
}

// Of what was submitted again only what was set aside is decided, however often the batch is begun.
static void note_aside(struct inbox_node *node) {
    for (; node != NULL; node = node->next)
        for (struct submission *submission = round_of(node)->first; submission != NULL;
             submission = submission->next)
            for (uint32_t i = 0; submission->again && i < submission->count; i++)
                submission->outcomes[i].anew = submission->outcomes[i].aside;
}

// Of several shards one that is away says so, since who asks has something of the others as well.
// On a single server everybody waits for it.
static bool is_away(struct books *books) {
    uint64_t now_ns = clock_monotonic_ns();
    if (link_is_open(&books->link))
        return false;
    if (books->lost_ns == 0)
        books->lost_ns = now_ns;
    return books->engine.is_shard &&
           (books_are_silent(books) || now_ns - books->lost_ns > AWAY_NS);
}

static void carry_batch(struct books *books, struct batch *batch) {
    struct inbox_node *first = batch->first;
    note_aside(first);
    for (;;) {
        bool done;
        enum link_result result = reconnect(books, batch, &done);
        if (result == LINK_OK && !done) {
            result = try_batch(books, batch);
            if (result == LINK_OK && batch->is_expiring)
                continue;
            done = result == LINK_OK;
        }
        if (done) {
            publish(books, batch);
            return;
        }
        if (result == LINK_LOST) {
            if (link_is_open(&books->link))
                log_line(LOG_WARNING, "postgres", "The connection is lost: %s", books->link.why);
            link_close(&books->link);
            books->desk.ahead.opened = NULL;
        }
        if (result == LINK_LOST || batch->tries != 0) // perhaps not what it was decided on
            desk_forget_books(&books->desk);
        bool is_full = books->link.is_full, is_locked = strcmp(books->link.state, "55P03") == 0;
        books->desk.seeks_free = books->desk.seeks_free || is_locked;
        bool is_over_now = result != LINK_REFUSED && is_over(books, batch, result);
        if (result != LINK_LOST)
            roll_back(books);
        if (batch->lacks_master) {
            tell_locked_out(books);
            refuse_all(first, STATUS_busy);
            return;
        }
        if (result == LINK_AGAIN && is_locked && books->desk.takes_turn &&
            link_is_open(&books->link))
            free_turn(books);
        if (result == LINK_REFUSED) {
            log_line(LOG_ERROR, "postgres", "A round was refused by %s: %s",
                     primary_name(&books->primary), books->link.why);
            refuse_all(first, is_full          ? STATUS_storage_full
                              : batch->is_lost ? STATUS_busy
                                               : STATUS_internal);
            return;
        }
        // Where it is not known what became of its COMMIT keys tell, or the decision of a round
        // that others wait for; the next batch is behind whatever the lost session still does.
        if (is_over_now || is_away(books) || (first == NULL && result == LINK_LOST)) {
            refuse_all(first, STATUS_busy);
            return;
        }
        wait_a_little(books, batch);
    }
}

// Returns what comes in the next one. `rest`: what of it was cut off.
static struct inbox_node *run_batch(struct books *books, struct inbox_node *first,
                                    struct inbox_node *rest) {
    struct batch batch = {.first = first, .rest = rest, .begun_ns = clock_monotonic_ns()};
    CHECK(books->desk.ahead.opened == NULL || books->desk.ahead.opened == first);
    carry_batch(books, &batch);
    return rest != NULL ? rest : batch.next;
}

// Of a shard no batch has more records than it has numbers of a millisecond, unless one round has,
// which gets a millisecond of its own. Cuts off what comes in a batch of its own.
static struct inbox_node *cut_batch(const struct books *books, struct inbox_node *first) {
    uint64_t commands = 0;
    struct inbox_node *last = first;
    for (; last != NULL && books->engine.is_shard; last = last->next) {
        commands += round_of(last)->command_count;
        if (last->next == NULL ||
            commands + round_of(last->next)->command_count <= BATCH_COMMANDS_MAX)
            continue;
        struct inbox_node *rest = last->next;
        last->next = NULL;
        return rest;
    }
    return NULL;
}

void *writer_of_postgres(void *context) {
    struct books *books = context;
    for (;;) {
        bool stopping = is_stopping(books);
        struct inbox_node *first = inbox_take_all(&books->inbox, stopping ? 0 : IDLE_WAIT_NS);
        if (first == NULL && stopping)
            return NULL;
        do {
            struct inbox_node *rest = cut_batch(books, first);
            first = run_batch(books, first, rest);
        } while (first != NULL);
    }
}
