// SPDX-License-Identifier: MIT
// A pass's commands travel as one round. The loop fills a flight while it reads requests, sends it
// at the pass's end, and waits a few milliseconds for it; whatever is published by then is answered
// in the same breath. What takes longer comes back through the loop's inbox and is answered when
// the loop is woken.
//
//   A flight:  open (being filled) ─▶ submitted ─▶ published ─▶ answered, back in the pool
//                                         ▲             └─▶ aside ─┐
//                                         └────────────────────────┘
//
// Aside are calls that the engine could not carry out because somebody else holds what they would
// change: they are submitted again, ten times a second, until they are carried out or their
// deadline is over; everybody else in the flight has been answered.
//
// A round whose bringer has many calls under way is left at the disk (aloft): what comes meanwhile
// fills the next one, which leaves when that one is back, before its answers are made. So while the
// disk works for half of a loop's clients the loop works for the others.
//
// Of a few clients who ask again as soon as they are answered, one half would always come while
// the other half is at the disk, and each half would have a sync of its own. So whoever has come
// waits some microseconds for those who were just answered, half of what a sync takes at most.
// Where this brings hardly anybody, because clients are far away or take their time, it is tried
// seldom.
//
// A loop waits only when nothing older is under way: with a store that hangs, the first pass waits
// its few milliseconds, and every later one goes on at once, so health and metrics stay quick. Nor
// does it wait for a large round: reading the next batch meanwhile is worth more than answering at
// once. And never for an engine that decides elsewhere, in a database: while that has the round
// of half of the clients, the others are read.
#include "api/answers.h"
#include "api/call.h"
#include "api/completion.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/notes.h"
#include "api/positions.h"
#include "api/queueing.h"
#include "api/requests.h"
#include "api/slow.h"
#include "base/ahead.h"
#include "base/clock.h"
#include "base/memory.h"

// Thread: the engine's.
static void flight_published(struct round *round) {
    struct flight *flight = round->context;
    struct api_loop *loop = flight->loop;
    struct http_server *server = loop->api->server;
    unsigned index = loop->index;
    inbox_push(&loop->done, &flight->done.node);
    http_wake(server, index); // the flight is the loop's again and must not be touched
}

struct flight *rounds_flight_take(struct api_loop *loop) {
    struct flight *flight = loop->free_flights;
    if (flight != NULL) {
        loop->free_flights = flight->next;
    } else {
        flight = memory_take_zeroed(sizeof(*flight));
        flight->done.kind = COMPLETION_FLIGHT;
        flight->loop = loop;
        round_init(&flight->round);
    }
    flight->round.first = NULL;
    flight->round.command_count = 0;
    flight->round.position = (struct position){0};
    flight->round.standing = NULL;
    flight->round.published = flight_published;
    flight->round.context = flight;
    flight->first = flight->last = NULL;
    flight->last_submission = NULL;
    flight->previous = flight->next = NULL;
    flight->gave_up = false;
    flight->has_writes = false;
    return flight;
}

static uint64_t estimate_bytes(const struct call *call, uint64_t commands) {
    uint64_t own = sizeof(*call) + API_CALL_BLOCK_BYTES;
    if (!call->is_large)
        return own;
    return own + API_BATCH_BLOCK_BYTES +
           commands * (sizeof(struct command) + sizeof(struct outcome) + API_RESULT_BYTES);
}

bool rounds_reserve(struct api_loop *loop, struct call *call, uint64_t commands) {
    uint64_t bytes = estimate_bytes(call, commands);
    CHECK(call->waiting_bytes == 0);
    uint64_t share = API_WAITING_BYTES_MAX / loop->api->options.loops;
    if (loop->waiting_bytes + bytes > (share > API_LOOP_BYTES_MIN ? share : API_LOOP_BYTES_MIN))
        return false;
    call->waiting_bytes = bytes;
    loop->waiting_bytes += bytes;
    return true;
}

void rounds_unreserve(struct api_loop *loop, struct call *call) {
    CHECK(loop->waiting_bytes >= call->waiting_bytes);
    loop->waiting_bytes -= call->waiting_bytes;
    call->waiting_bytes = 0;
}

void rounds_flight_add(struct flight *flight, struct call *call) {
    call->next = NULL;
    call->submission.next = NULL;
    if (flight->last == NULL) {
        flight->first = call;
        flight->round.first = &call->submission;
    } else {
        flight->last->next = call;
        flight->last_submission->next = &call->submission;
    }
    flight->last = call;
    flight->last_submission = &call->submission;
    flight->round.command_count += call->submission.count;
}

static void flight_submit(struct api_loop *loop, struct flight *flight);

bool rounds_add(struct api_loop *loop, struct call *call) {
    bool is_note = call->submission.commands[0].type == COMMAND_NOTE;
    CHECK(call->request != NULL || is_note);
    CHECK(call->submission.count >= 1);
    bool is_reserved = call->waiting_bytes != 0; // a batch that asks for its outcomes
    if (!is_reserved && !rounds_reserve(loop, call, call->submission.count))
        return false;
    struct flight *flight = loop->open;
    if (flight == NULL) {
        flight = rounds_flight_take(loop);
        // A parked call may have waited long already, for another thing than the books.
        flight->first_left_ns = 0;
        flight->opened_ns = call->stage == CALL_PARKED ? clock_monotonic_ns() : call->started_ns;
        loop->open = flight;
    }
    call->submission.again = false;
    rounds_flight_add(flight, call);
    flight->has_writes = flight->has_writes || !command_is_read(call->submission.commands[0].type);
    metrics_add(&loop->metrics.waiting_calls, 1);
    // It is decided while the next one is read.
    if (flight->round.command_count > API_ROUND_AWAITED_MAX)
        rounds_submit_open(loop);
    return true;
}

// Among those submitted, by the age of their requests.
static void flight_link(struct api_loop *loop, struct flight *flight) {
    struct flight *previous = loop->flights_last;
    while (previous != NULL && previous->opened_ns > flight->opened_ns)
        previous = previous->previous;
    struct flight *next = previous != NULL ? previous->next : loop->flights_first;
    flight->previous = previous;
    flight->next = next;
    if (previous != NULL)
        previous->next = flight;
    else
        loop->flights_first = flight;
    if (next != NULL)
        next->previous = flight;
    else
        loop->flights_last = flight;
}

static void flight_leave(struct api_loop *loop, struct flight *flight) {
    CHECK(flight->round.first != NULL);
    flight_link(loop, flight);
    flight->left_ns = clock_monotonic_ns();
    if (flight->first_left_ns == 0)
        flight->first_left_ns = flight->left_ns;
    flight->round.times = (struct round_times){0};
    metrics_count_round(&loop->metrics, flight->round.command_count);
}

static void flight_submit(struct api_loop *loop, struct flight *flight) {
    struct engine *engine = loop->api->engine;
    flight = lanes_split(loop, flight);
    while (flight != NULL) {
        struct flight *next = flight->next;
        flight_leave(loop, flight);
        engine->port->submit(engine, &flight->round);
        flight = next;
    }
}

void rounds_submit_open(struct api_loop *loop) {
    struct flight *flight = loop->open;
    loop->open = NULL;
    if (flight != NULL)
        flight_submit(loop, flight);
}

static void flight_unlink(struct api_loop *loop, struct flight *flight) {
    if (flight->previous != NULL)
        flight->previous->next = flight->next;
    else
        loop->flights_first = flight->next;
    if (flight->next != NULL)
        flight->next->previous = flight->previous;
    else
        loop->flights_last = flight->previous;
}

static void flight_recycle(struct api_loop *loop, struct flight *flight) {
    round_release(&flight->round);
    flight->next = loop->free_flights;
    loop->free_flights = flight;
}

// Before it is answered: whoever hears of his write must see it, wherever he reads.
static void note_position(struct api_loop *loop, struct call *call,
                          const struct standing *standing) {
    // One that asks for an outcome asks again and again; only the last answer tells it anything.
    if (call->stage == CALL_PARKED && !queueing_is_known(call))
        return;
    if (loop->api->positions != NULL && !id_is_zero(call->principal))
        positions_note(loop->api->positions, call->principal, standing);
    if (call->request != NULL)
        freshness_tell(call->request, standing);
}

// How far the books have come with this call, wherever it was written. False: that is not told.
static bool standing_of(const struct round *round, const struct call *call,
                        struct standing *ret_standing) {
    const struct standing *all = round->standing;
    ret_standing->count = 0;
    if (all == NULL && !position_is_none(round->position))
        ret_standing->places[ret_standing->count++] =
            (struct standing_place){.position = round->position};
    for (uint32_t i = 0; all != NULL && i < all->count; i++)
        if ((call->submission.touched >> i & 1) != 0)
            ret_standing->places[ret_standing->count++] = all->places[i];
    return ret_standing->count != 0;
}

static void call_finish(struct api_loop *loop, struct call *call) {
    if (queueing_finish(loop, call))
        return;
    if (call->request != NULL) {
        if (call->submission.is_batch)
            batches_answer(loop, call);
        else
            answers_call(loop, call);
        if (!call_is_made(call)) // what went well has its record
            notes_call(loop, call);
        call->request = NULL;
    }
    if (call->operation == NULL)
        notes_arrived(loop, call);
    rounds_unreserve(loop, call);
    metrics_add(&loop->metrics.waiting_calls, UINT64_MAX); // one less
    calls_release(loop, call);
}

static bool is_stopping(const struct api_loop *loop) {
    return atomic_load_explicit(&loop->api->stopping, memory_order_relaxed);
}

// What answering calls touches is asked for while those before them are answered: of the third one
// behind `call` the call, of the second its request, of the next what lies behind that.
static void answers_ahead(const struct call *call) {
    const struct call *next = call->next;
    if (next == NULL)
        return;
    if (next->request != NULL)
        http_ahead_of_answer(next->request);
    next = next->next;
    if (next == NULL)
        return;
    if (next->request != NULL)
        http_ahead_of_request(next->request);
    if (next->next != NULL) {
        ahead_write(next->next, offsetof(struct call, submission.batch));
        ahead_write(&next->next->command, offsetof(struct call, order) -
                                              offsetof(struct call, command));
    }
}

// Answers whoever still waits for it, but for those that were set aside.
static void flight_finish(struct api_loop *loop, struct flight *flight) {
    struct call *call = flight->first;
    struct standing standing; // of which but the first places are looked at
    uint64_t now_ns = clock_monotonic_ns();
    flight->first = flight->last = NULL;
    flight->last_submission = NULL;
    flight->round.first = NULL;
    flight->round.command_count = 0;
    loop->answering_ns = now_ns;
    while (call != NULL) {
        struct call *next = call->next;
        answers_ahead(call);
        if (call->request != NULL && !call_is_made(call) && !is_stopping(loop) &&
            submission_is_aside(&call->submission)) {
            rounds_flight_add(flight, call);
        } else {
            bool is_note = call->operation == NULL;
            if (!is_note && call->operation->is_write &&
                standing_of(&flight->round, call, &standing))
                note_position(loop, call, &standing);
            slow_call(loop, call, flight, now_ns);
            call_finish(loop, call);
        }
        call = next;
    }
    loop->answering_ns = 0;
    if (flight->first == NULL) {
        flight_recycle(loop, flight);
        return;
    }
    flight->next = loop->aside;
    loop->aside = flight;
}

static void note_sync(struct api_loop *loop, const struct flight *flight) {
    const struct round_times *times = &flight->round.times;
    if (flight->has_writes && times->synced_ns > times->decided_ns)
        loop->sync_ns = (loop->sync_ns * 15 + times->synced_ns - times->decided_ns) / 16;
}

static void flight_landed(struct api_loop *loop, struct flight *flight) {
    flight_unlink(loop, flight);
    note_sync(loop, flight);
    metrics_count_round_time(&loop->metrics, clock_monotonic_ns() - flight->left_ns);
    flight_finish(loop, flight);
}

// Gathers what came back, waiting up to `wait_ns` for a first one. How many calls were aloft in it.
static uint32_t collect_completions(struct api_loop *loop, uint64_t wait_ns) {
    uint32_t back = 0;
    struct inbox_node **end = loop->news == NULL ? &loop->news : loop->news_end;
    *end = inbox_take_all(&loop->done, wait_ns);
    for (; *end != NULL; end = &(*end)->next) {
        const struct completion *done = (struct completion *)*end;
        if (done->kind != COMPLETION_FLIGHT || (const struct flight *)done != loop->aloft)
            continue;
        back = loop->aloft->round.command_count;
        loop->aloft = NULL;
    }
    loop->news_end = end;
    return back;
}

static void finish_completions(struct api_loop *loop) {
    while (loop->news != NULL) {
        struct inbox_node *node = loop->news;
        loop->news = node->next; // finishing reuses the node
        struct completion *done = (struct completion *)node;
        if (done->kind == COMPLETION_FLIGHT)
            flight_landed(loop, (struct flight *)done);
        else if (done->kind == COMPLETION_ORDER)
            queueing_delivered(
                loop, (struct call *)(void *)((uint8_t *)done - offsetof(struct call, done)));
        else
            jobs_answer(loop, (struct job *)done);
    }
}

// The same at once. Whether anything came.
static bool take_completions(struct api_loop *loop, uint64_t wait_ns) {
    (void)collect_completions(loop, wait_ns);
    bool any = loop->news != NULL;
    finish_completions(loop);
    return any;
}

// Submits the flight, or at best decides it on this thread. `others`: so many commands are under
// way beside it. False: the loop is another thread's since, and nothing of it may be touched.
static bool flight_decide(struct api_loop *loop, struct flight *flight, uint32_t others) {
    struct engine *engine = loop->api->engine;
    struct http_server *server = loop->api->server;
    unsigned index = loop->index;
    if (engine->port->lane != NULL) {
        flight_submit(loop, flight);
        return true;
    }
    flight_leave(loop, flight);
    uint64_t begun = engine->port->decide_now != NULL ? http_block_begin(server, index) : 0;
    if (begun == 0) {
        engine->port->submit(engine, &flight->round);
        return true;
    }
    flight->round.crowd = flight->round.command_count + others;
    loop->aloft = flight;
    bool is_decided = engine->port->decide_now(engine, &flight->round);
    if (!is_decided)
        engine->port->submit(engine, &flight->round);
    if (!http_block_end(server, index, begun))
        return false;
    if (!is_decided)
        loop->aloft = NULL;
    return true;
}

static void let_notes_ride(struct api_loop *loop) {
    if ((loop->open != NULL && loop->open->has_writes) || notes_are_early(loop))
        notes_ride(loop);
}

// What is aloft comes back soon, and until then more can come into the round that is open.
static bool open_is_carried(const struct api_loop *loop) {
    uint64_t span_ns = (uint64_t)loop->api->options.round_carried_ms * 1000000;
    return loop->open != NULL && loop->aloft != NULL &&
           clock_monotonic_ns() - loop->aloft->left_ns < span_ns;
}

// Lets those come along who were just answered.
static void gather(struct api_loop *loop) {
    struct http_server *server = loop->api->server;
    bool waits = loop->open != NULL && loop->open->has_writes && loop->flights_first == NULL;
    if (!waits || loop->api->engine->port->decide_now == NULL)
        return;
    size_t away = http_away(server, loop->index);
    if (away == 0 || away + loop->open->round.command_count > API_GATHER_MAX)
        return;
    bool is_vain = loop->gathers_vain >= API_GATHERS_VAIN;
    if (is_vain && loop->gathers_vain++ % API_GATHERS_APART != 0)
        return;
    uint64_t span_ns =
        loop->sync_ns / 2 < API_GATHER_NS_MAX ? loop->sync_ns / 2 : API_GATHER_NS_MAX;
    http_gather(server, loop->index, span_ns, span_ns * 2 / 5);
    if (http_away(server, loop->index) <= away * 3 / 4)
        loop->gathers_vain = 0;
    else if (!is_vain)
        loop->gathers_vain++;
}

bool rounds_pass_end(void *context, unsigned index) {
    struct api *api = context;
    struct api_loop *loop = &api->loops[index];
    finish_completions(loop); // of a wake-up that another thread was held up in
    if (open_is_carried(loop)) {
        http_end_next_pass(api->server, index); // which looks again
        return true;
    }
    gather(loop);
    // Notes wait for a round that is synced anyway; see notes.h.
    let_notes_ride(loop);
    struct flight *flight = loop->open;
    if (flight == NULL)
        return true;
    bool patient = loop->flights_first == NULL && loop->api->engine->port->decide_now != NULL &&
                   flight->round.command_count <= API_ROUND_AWAITED_MAX;
    loop->open = NULL;
    if (!patient) {
        flight_submit(loop, flight);
        return true;
    }
    if (!flight_decide(loop, flight, 0))
        return false;
    (void)take_completions(loop, 0);
    if (loop->aloft != NULL || loop->flights_first == NULL)
        return true;
    uint64_t until_ns = clock_monotonic_ns() + API_PASS_WAIT_NS;
    uint64_t wait_ns = API_PASS_WAIT_NS;
    while (take_completions(loop, wait_ns) && loop->flights_first != NULL) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= until_ns)
            break;
        wait_ns = until_ns - now_ns;
    }
    return true;
}

// The disk gets what was carried before those that are back are answered.
bool rounds_woken(void *context, unsigned index) {
    struct api *api = context;
    struct api_loop *loop = &api->loops[index];
    uint32_t back = collect_completions(loop, 0); // a wake-up without news is fine
    if (back != 0 && loop->open != NULL) {
        let_notes_ride(loop);
        struct flight *flight = loop->open;
        loop->open = NULL;
        http_end_next_pass(api->server, index); // should another thread finish what has come
        if (!flight_decide(loop, flight, back))
            return false;
    }
    finish_completions(loop);
    queueing_look(loop);
    return true;
}

static void flight_give_up(struct api_loop *loop, struct flight *flight) {
    for (struct call *call = flight->first; call != NULL; call = call->next) {
        if (call->request == NULL)
            continue;
        metrics_add(&loop->metrics.deadlines_missed, 1);
        answers_tell_request_id(call->request, call->submission.commands[0].origin.request_id);
        if (queueing_give_up(loop, call))
            continue;
        answers_busy(loop, call->request, call->operation, call->started_ns);
        slow_call_given_up(loop, call, flight);
        notes_call_busy(loop, call);
        call->request = NULL;
    }
    flight->gave_up = true;
}

// Once more, or answered as busy as they are when the deadline is over.
static void submit_aside(struct api_loop *loop, uint64_t now_ns, uint64_t deadline_ns) {
    struct flight *flight = loop->aside;
    loop->aside = NULL;
    while (flight != NULL) {
        struct flight *next = flight->next;
        bool is_late = flight->opened_ns + deadline_ns <= now_ns || is_stopping(loop);
        for (struct call *call = flight->first; call != NULL; call = call->next)
            call->submission.again = true;
        if (is_late) {
            flight_give_up(loop, flight);
            flight_finish(loop, flight);
        } else {
            flight_submit(loop, flight);
        }
        flight = next;
    }
}

static void send_notes(struct api_loop *loop, bool all) {
    if (loop->open != NULL || !notes_tick(loop, all))
        return;
    struct flight *flight = loop->open;
    loop->open = NULL;
    flight_submit(loop, flight);
}

void rounds_tick(void *context, unsigned index) {
    struct api *api = context;
    struct api_loop *loop = &api->loops[index];
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t deadline_ns = (uint64_t)api->options.request_deadline_ms * 1000000;
    submit_aside(loop, now_ns, deadline_ns);
    queueing_tick(loop, now_ns);
    struct flight *flight = loop->flights_first;
    while (flight != NULL && flight->opened_ns + deadline_ns <= now_ns) {
        if (!flight->gave_up)
            flight_give_up(loop, flight);
        flight = flight->next;
    }
    for (struct job *job = loop->jobs_first; job != NULL; job = job->next) {
        // A check of the whole books takes as long as they are large, and its caller waits for it
        // knowingly; only a stop cuts it short.
        bool is_over = job->kind == JOB_INTEGRITY
                           ? atomic_load_explicit(&api->stopping, memory_order_relaxed)
                           : job->started_ns + deadline_ns <= now_ns;
        if (job->request != NULL && job->streams && !is_over)
            integrity_tell_progress(job);
        if (job->request == NULL || !is_over)
            continue;
        metrics_add(&loop->metrics.deadlines_missed, 1);
        if (job->streams)
            integrity_cut_stream(job->request);
        else
            answers_busy(loop, job->request, job->operation, job->started_ns);
        notes_job(loop, job, STATUS_busy);
        job->request = NULL;
    }
    send_notes(loop, false);
}

bool rounds_wants_tick(void *context, unsigned index) {
    struct api *api = context;
    return notes_are_there(&api->loops[index]);
}

void rounds_loop_ended(void *context, unsigned index) {
    struct api *api = context;
    struct api_loop *loop = &api->loops[index];
    send_notes(loop, true);
}

static void flight_free(struct api_loop *loop, struct flight *flight) {
    for (struct call *call = flight->first; call != NULL;) {
        struct call *next = call->next;
        call->request = NULL; // the server is gone, and its requests with it
        calls_release(loop, call);
        call = next;
    }
    round_done(&flight->round);
    memory_free(flight);
}

void rounds_free_all(struct api_loop *loop) {
    if (loop->open != NULL)
        flight_free(loop, loop->open);
    loop->open = NULL;
    for (struct flight *flight = loop->flights_first; flight != NULL;) {
        struct flight *next = flight->next;
        flight_free(loop, flight);
        flight = next;
    }
    loop->flights_first = loop->flights_last = NULL;
    for (struct flight *flight = loop->aside; flight != NULL;) {
        struct flight *next = flight->next;
        flight_free(loop, flight);
        flight = next;
    }
    loop->aside = NULL;
    for (struct flight *flight = loop->free_flights; flight != NULL;) {
        struct flight *next = flight->next;
        round_done(&flight->round);
        memory_free(flight);
        flight = next;
    }
    loop->free_flights = NULL;
}
