// SPDX-License-Identifier: MIT
// GET /check-integrity. Without a depth it answers at once: the sums are those that the engine
// keeps at every commit, the rest is what the last recount found. With depth=full a complete
// recount is made on a thread of its own, and whoever asked waits for it, or follows it as events:
//
//   event: progress      data: {"progress": 437}            in thousandths, ten times a second
//   event: result        data: what the answer would be     the last one
//   event: problem       data: a problem document           in its place: the server stops
//
// It answers 200 whether the books are right or not: that they are wrong is a finding, and whoever
// asked must be able to read it.
#include "api/requests.h"

#include <stdio.h>

#include "api/answers.h"
#include "api/door.h"
#include "api/in_flight.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/recount.h"
#include "base/clock.h"
#include "base/memory.h"

#define TOTALS_TRIES 3

static bool wants_events(struct http_request *request) {
    struct slice accept = http_header(request, "Accept");
    static const char type[] = "text/event-stream";
    size_t size = sizeof(type) - 1;
    for (size_t i = 0; i + size <= accept.size; i++)
        if (memcmp(accept.bytes + i, type, size) == 0)
            return true;
    return false;
}

void integrity_request(struct asking *asking) {
    struct api *api = asking->loop->api;
    bool stopping = atomic_load_explicit(&api->stopping, memory_order_relaxed);
    struct job *job = jobs_take(asking, JOB_TOTALS);
    if (!queries_decode(asking, &job->arena, &job->query)) {
        job->request = NULL;
        jobs_release(asking->loop, job);
        return;
    }
    bool is_full = job->query.depth == CHECK_FULL;
    job->kind = is_full ? JOB_INTEGRITY : JOB_TOTALS;
    job->streams = is_full && wants_events(asking->request);
    if (!stopping && jobs_push(is_full ? &api->checks : &api->totals, job)) {
        if (job->streams)
            answers_stream(asking, "text/event-stream");
        return;
    }
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}

void integrity_tell_progress(struct job *job) {
    uint32_t progress = recount_full_progress(job->api->recount, job);
    char event[80];
    if (progress <= job->told)
        return;
    job->told = progress;
    int size = snprintf(event, sizeof(event), "event: progress\ndata: {\"progress\":%u}\n\n",
                        progress);
    // A client that takes nothing misses a step.
    (void)http_stream_add(job->request, slice_of(event, (size_t)size));
}

void integrity_end_stream(struct http_request *request, const struct job *job) {
    struct buffer last = {0};
    buffer_add_slice(&last, job->http == 200 ? SLICE("event: result\ndata: ")
                                             : SLICE("event: problem\ndata: "));
    buffer_add_slice(&last, buffer_slice(&job->body));
    BUFFER_ADD(&last, "\n\n");
    http_stream_end(request, buffer_slice(&last));
    buffer_done(&last);
}

void integrity_cut_stream(struct http_request *request) {
    struct buffer last = {0};
    BUFFER_ADD(&last, "event: problem\ndata: ");
    problem_render_door(&last, STATUS_busy, "The server stops. Ask again when it runs.",
                        PROBLEM_NO_OPERATION);
    BUFFER_ADD(&last, "\n\n");
    http_stream_end(request, buffer_slice(&last));
    buffer_done(&last);
}

static struct wire_integrity_currency *show_currencies(struct arena *arena,
                                                       const struct integrity_report *report) {
    struct wire_integrity_currency *shown =
        arena_take(arena, report->currency_count * sizeof(*shown));
    for (uint32_t i = 0; i < report->currency_count; i++) {
        const struct integrity_currency *found = &report->currencies[i];
        shown[i] = (struct wire_integrity_currency){
            .currency = found->currency,
            .wallet_count = found->wallet_count,
            .wallet_balances = found->wallet_balances,
            .deposits = found->deposits,
            .withdrawals = found->withdrawals,
            .difference = found->difference,
        };
    }
    return shown;
}

static struct wire_in_flight *show_in_flight(struct arena *arena, const struct in_flight *found,
                                             uint32_t *ret_count) {
    uint64_t now_ms = clock_now_ms();
    struct wire_in_flight *shown =
        arena_take(arena, (found->currency_count + UINT64_C(1)) * sizeof(*shown));
    *ret_count = 0;
    for (uint32_t i = 0; i < found->currency_count; i++) {
        const struct in_flight_currency *one = &found->currencies[i];
        if (one->count != 0)
            shown[(*ret_count)++] = (struct wire_in_flight){
                .currency = one->currency,
                .count = one->count,
                .amount = one->amount,
                .age_ms = now_ms > one->oldest_ms ? now_ms - one->oldest_ms : 0};
    }
    uint64_t since_ms = found->unknown_oldest_ms;
    if (found->unknown != 0)
        shown[(*ret_count)++] = (struct wire_in_flight){
            .count = found->unknown, .age_ms = now_ms > since_ms ? now_ms - since_ms : 0};
    return shown;
}

static void render_report(struct job *job, const struct integrity_report *report,
                          const struct in_flight *found, bool is_full) {
    struct wire_integrity_check checks[INTEGRITY_CHECKS];
    CHECK(report->check_count <= INTEGRITY_CHECKS);
    uint32_t check_count = 0;
    for (uint32_t i = 0; i < report->check_count; i++) {
        if (report->checks[i].name == NULL) // nobody looked at it
            continue;
        checks[check_count++] = (struct wire_integrity_check){
            .name = report->checks[i].name,
            .sentence = report->checks[i].sentence,
            .count = report->checks[i].count,
            .differences = report->checks[i].differences,
        };
    }
    struct wire_integrity shown = {
        .consistent = report->consistent,
        .message = slice_of_text(report->message),
        .currencies = show_currencies(&job->arena, report),
        .currency_count = report->currency_count,
        .checks = checks,
        .check_count = check_count,
        .is_full = is_full,
        .as_of_ms = report->as_of_ms,
        .took_us = report->took_us,
    };
    shown.in_flight = show_in_flight(&job->arena, found, &shown.in_flight_count);
    struct recount_state state;
    recount_state_of(job->api->recount, &state);
    shown.recount = (struct wire_recount){
        .finished_ms = state.finished_ms,
        .took_ms = state.took_ms,
        .count = state.runs,
        .progress = state.progress,
    };
    shown.payments_stopped = state.stopped;
    wire_render_integrity(&job->body, &shown);
    job->http = 200;
    job->content_type = "application/json";
}

static void refuse_check(struct job *job, enum status status, const char *sentence) {
    bool is_busy = status_class(status) == STATUS_CLASS_BUSY;
    enum status shown = is_busy ? STATUS_busy : STATUS_internal;
    problem_render_door(&job->body, shown, sentence, PROBLEM_NO_OPERATION);
    job->http = status_http(shown);
    job->status = shown;
}

void integrity_run(struct job *job) {
    struct integrity_report report;
    memset(&report, 0, sizeof(report));
    enum status status = recount_full(job->api->recount, job, &report);
    if (status == STATUS_ok) {
        struct in_flight found;
        (void)in_flight_look(job->api->engine, &found);
        in_flight_is_old(&found, clock_now_ms(), &report);
        render_report(job, &report, &found, true);
        in_flight_done(&found);
    } else {
        refuse_check(job, status, report.message[0] != '\0' ? report.message : NULL);
    }
    integrity_report_done(&report);
}

// The running totals as a report; STATUS_busy: they cannot be read now. When they do not add up
// `report->message` says so.
static enum status take_totals(struct engine *engine, struct integrity_report *report) {
    struct currency_account *accounts =
        memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*accounts));
    uint32_t count = engine->port->currencies(engine, accounts, LIMIT_CURRENCIES_MAX);
    bool adds_up = true;
    if (count == ENGINE_UNREAD) {
        memory_free(accounts);
        return STATUS_busy;
    }
    report->currencies = memory_take_zeroed(((uint64_t)count + 1) * sizeof(*report->currencies));
    report->currency_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct integrity_currency *shown = &report->currencies[i];
        *shown = (struct integrity_currency){
            .currency = accounts[i].currency,
            .wallet_count = accounts[i].wallet_count,
            .wallet_balances = accounts[i].balances,
            .deposits = accounts[i].deposits,
            .withdrawals = accounts[i].withdrawals,
        };
        shown->difference = shown->wallet_balances -
                            (shown->deposits - shown->withdrawals + accounts[i].transit);
        if (shown->difference != 0 && adds_up)
            (void)snprintf(report->message, sizeof(report->message),
                           "the wallets of %.12s together have another sum than what came in and "
                           "stayed; GET /check-integrity?depth=full says which wallet it is",
                           shown->currency.code);
        adds_up = adds_up && shown->difference == 0;
    }
    memory_free(accounts);
    report->consistent = adds_up;
    return STATUS_ok;
}

// The same of a moment when each slot was on one of the shards, or `ret_why` says why not.
static enum status take_settled_totals(const struct job *job, struct integrity_report *report,
                                       char ret_why[INTEGRITY_MESSAGE_BYTES]) {
    struct engine_whole whole;
    struct engine *engine = job->api->engine;
    enum status status = STATUS_busy;
    bool again = true;
    ret_why[0] = '\0';
    for (int tries = 0; tries < TOTALS_TRIES && again; tries++) {
        status = take_totals(engine, report);
        again = status != STATUS_ok && engine->port->whole != NULL &&
                in_flight_has_all_slots(engine, job->started_ns, &whole, ret_why);
    }
    return status;
}

static void tell_last(const struct recount_state *state, bool has_last,
                      const struct integrity_report *last, char *message) {
    char time[CLOCK_TEXT_BYTES];
    if (!has_last) {
        (void)snprintf(message, INTEGRITY_MESSAGE_BYTES,
                       "The running totals add up. No recount of all records has been finished "
                       "since the start.");
        return;
    }
    clock_format(state->examined_ms, time);
    (void)snprintf(message, INTEGRITY_MESSAGE_BYTES,
                   "The running totals add up, and at %.*s a recount of %llu transactions between "
                   "%llu wallets found them right.",
                   CLOCK_TEXT_BYTES, time, (unsigned long long)last->transaction_count,
                   (unsigned long long)last->wallet_count);
}

void totals_run(struct job *job) {
    struct integrity_report report;
    struct recount_state state;
    uint64_t started_ns = clock_monotonic_ns();
    struct recount *recount = job->api->recount;
    bool has_last = recount_last(recount, &report);
    struct integrity_report last = report;
    recount_state_of(recount, &state);
    struct in_flight found;
    char why[INTEGRITY_MESSAGE_BYTES];
    if (take_settled_totals(job, &report, why) != STATUS_ok) {
        refuse_check(job, STATUS_busy,
                     why[0] != '\0' ? why : "The database does not tell its totals now.");
        return;
    }
    if (in_flight_look(job->api->engine, &found))
        in_flight_differs(&found, &report);
    bool adds_up = report.consistent;
    report.as_of_ms = clock_now_ms();
    report.consistent = adds_up && state.consistent;
    if (!adds_up)
        recount_alarm(recount, report.message);
    else if (report.consistent)
        tell_last(&state, has_last, &last, report.message);
    else if (last.consistent || !has_last) // somebody else raised the alarm
        (void)snprintf(report.message, sizeof(report.message),
                       "The running totals add up, but one wallet does not; the log says which.");
    in_flight_is_old(&found, report.as_of_ms, &report);
    report.took_us = (clock_monotonic_ns() - started_ns) / 1000;
    render_report(job, &report, &found, false);
    in_flight_done(&found);
    integrity_report_done(&report);
}
