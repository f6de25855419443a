// SPDX-License-Identifier: MIT
// The background recount and its alarm.
#include "api/recount.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/in_flight.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/signal_gate.h"
#include "base/thread.h"
#include "ledger/record.h"
#include "watch/auditor.h"
#include "watch/pairs.h"

#define NS_PER_S UINT64_C(1000000000)
#define NEWS_MAX 8
#define PARTS_MAX 16
#define PAIRS_AGE_MS 15000
#define NEWS_TURN_NS UINT64_C(20000000)
static_assert(INTEGRITY_MESSAGE_BYTES - 1 <= ALARM_BYTES_MAX, "an alarm says all of it");

struct recount {
    struct recount_options options;
    pthread_t thread;
    struct signal_gate stop; // 1: the house is being taken down
    pthread_mutex_t lock;    // of `present`
    struct auditor *present; // while it works
    struct auditor *full;    // of a full recount, while it works; NULL: it walks the chain
    const void *full_asker;  // whom it is for; NULL: there is none
    struct chain_walk walk;  // its atomics: any thread
    struct integrity_report last; // without currencies; under the lock
    bool has_last;
    struct recount_news news[NEWS_MAX];         // the oldest first; under the lock
    uint32_t news_count;
    char told[INTEGRITY_MESSAGE_BYTES];         // the last difference in them; likewise
    _Atomic uint64_t finished_ms, took_ms, runs, alarms, examined_ms;
    atomic_bool differs;
};

// Of too many the later ones are left out: what they say stands in the log.
// What the books have stopped payments for stops nothing here: a decision may be on its way.
static void add_news(struct recount *recount, enum alarm_status status, bool stops,
                     bool stops_here, const char *message) {
    CHECK(stops || !stops_here);
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    bool is_known = status == ALARM_DIFFERS && strcmp(recount->told, message) == 0;
    if (!is_known && recount->news_count < NEWS_MAX) {
        struct recount_news *news = &recount->news[recount->news_count++];
        news->status = (uint8_t)status;
        news->stops = status == ALARM_DIFFERS && stops;
        (void)snprintf(news->message, sizeof(news->message), "%s", message);
        news->stops_here = news->stops && stops_here;
        if (news->stops_here) // until the books say so
            atomic_store(&recount->options.engine->payments_stopped, true);
    }
    (void)snprintf(recount->told, sizeof(recount->told), "%s",
                   status == ALARM_DIFFERS ? message : "");
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
}

bool recount_news(struct recount *recount, struct recount_news *ret_news) {
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    bool is_any = recount->news_count != 0;
    if (is_any)
        *ret_news = recount->news[0];
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
    return is_any;
}

void recount_news_written(struct recount *recount) {
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    CHECK(recount->news_count != 0);
    bool stopped = recount->news[0].stops_here, stops = false;
    recount->news_count--;
    memmove(recount->news, recount->news + 1, recount->news_count * sizeof(recount->news[0]));
    for (uint32_t i = 0; i < recount->news_count; i++)
        stops = stops || recount->news[i].stops_here;
    if (stopped && !stops) // from now on the books say so
        atomic_store(&recount->options.engine->payments_stopped, false);
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
}

void recount_alarm(struct recount *recount, const char *why) {
    struct engine *engine = recount->options.engine;
    struct alarm_state state = engine_alarm(engine);
    bool stops = recount->options.stops_payments;
    uint64_t difference = alarm_difference(slice_of_text(why));
    bool is_known = alarm_is_known(&state, difference);
    bool is_decided = stops && alarm_is_decided(&state, difference);
    stops = stops && !is_decided;
    atomic_fetch_add(&recount->alarms, 1);
    atomic_store(&recount->differs, true);
    size_t size = strlen(why);
    log_line(LOG_ERROR, "integrity", "THE BOOKS DIFFER: %s%s%s", why,
             size != 0 && why[size - 1] == '.' ? "" : ".",
             stops        ? " Payments are stopped until POST /check-integrity/resume."
             : is_decided ? " Payments go on: somebody has decided so about this difference."
                          : "");
    add_news(recount, ALARM_DIFFERS, stops, stops && !is_known, why);
}

void recount_take(struct recount *recount, const struct integrity_report *report) {
    bool differed = atomic_exchange(&recount->differs, !report->consistent);
    atomic_store(&recount->examined_ms, clock_now_ms());
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    recount->last = *report;
    recount->last.currencies = NULL;
    recount->last.currency_count = 0;
    recount->has_last = true;
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
    if (!report->consistent)
        recount_alarm(recount, report->message);
    else if (differed) {
        log_line(LOG_WARNING, "integrity", "The books are right again: %s", report->message);
        add_news(recount, ALARM_RIGHT_AGAIN, false, false, report->message);
    }
}

static bool is_stopping(const struct recount *recount) {
    return signal_gate_sequence(&recount->stop) != 0;
}

static void set_present(struct recount *recount, struct auditor *auditor) {
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    recount->present = auditor;
    if (auditor != NULL && is_stopping(recount))
        auditor_cancel(auditor);
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
}

// Books may have parts, which are examined one after the other.
static uint32_t parts_of(const struct recount *recount, struct engine *ret_parts[PARTS_MAX]) {
    struct engine *engine = recount->options.engine;
    ret_parts[0] = engine;
    return engine->port->parts == NULL ? 1 : engine->port->parts(engine, ret_parts, PARTS_MAX);
}

static enum status recount_part(struct recount *recount, struct engine *engine,
                                uint64_t pairs_until_ms, struct integrity_report *report) {
    struct integrity_report part;
    memset(&part, 0, sizeof(part));
    struct auditor *auditor = auditor_open(engine);
    auditor_pace(auditor, (uint64_t)recount->options.mib_per_s << 20);
    auditor_pairs_until(auditor, pairs_until_ms);
    set_present(recount, auditor);
    enum status status = auditor_check(auditor, &part);
    set_present(recount, NULL);
    auditor_close(auditor);
    if (status == STATUS_ok)
        integrity_report_add(report, &part);
    integrity_report_done(&part);
    return status;
}

// Before the parts are examined: which payments between them must have arrived everywhere by then.
// 0: none, for there is but one part, or one of them cannot be asked, or older ones are under way.
static uint64_t pairs_until(struct recount *recount, struct engine *const *parts, uint32_t count) {
    struct in_flight found;
    uint64_t until_ms = clock_now_ms() - PAIRS_AGE_MS;
    bool is_known = count > 1 && in_flight_look(recount->options.engine, &found);
    if (!is_known)
        until_ms = 0;
    for (uint32_t i = 0; i < count && until_ms != 0; i++) { // by the clocks of the books
        uint64_t last_ms =
            (parts[i]->port->published_end(parts[i]) / 8) >> parts[i]->locator_time_shift;
        if (last_ms < until_ms)
            until_ms = last_ms;
    }
    if (until_ms != 0 && in_flight_oldest_ms(&found, UINT64_MAX) <= until_ms)
        until_ms = 0;
    if (count > 1)
        in_flight_done(&found);
    return until_ms;
}

// Behind: what the parts have sent each other. What is found is said in front of what one part
// alone has shown, because it names the payment.
static void compare_parts(struct recount *recount, struct engine *const *parts, uint32_t count,
                          uint64_t pairs_until_ms, struct integrity_report *report) {
    struct in_flight found;
    char sentence[PAIRS_SENTENCE_BYTES], before[INTEGRITY_MESSAGE_BYTES];
    const struct integrity_pairs *departed = &report->departed, *arrived = &report->arrived;
    if (in_flight_look(recount->options.engine, &found))
        in_flight_differs(&found, report);
    in_flight_done(&found);
    bool same = memcmp(departed, arrived, sizeof(*departed)) == 0;
    if (count < 2 || pairs_until_ms == 0 || (report->consistent && same))
        return;
    if (pairs_name(parts, count, pairs_until_ms, sentence)) {
        (void)snprintf(before, sizeof(before), "%s", report->message);
        (void)snprintf(report->message, sizeof(report->message), "%s%s%.400s", sentence,
                       report->consistent ? "" : "; ", report->consistent ? "" : before);
    } else if (report->consistent) {
        (void)snprintf(report->message, sizeof(report->message),
                       "%llu payments were sent from one shard to another and %llu have arrived, "
                       "and they are not the same",
                       (unsigned long long)departed->count, (unsigned long long)arrived->count);
    } else {
        return;
    }
    report->consistent = false;
    report->checks[INTEGRITY_POSTINGS].differences++;
}

static void recount_once(struct recount *recount) {
    struct integrity_report report;
    struct engine *parts[PARTS_MAX];
    memset(&report, 0, sizeof(report));
    uint64_t started_ns = clock_monotonic_ns();
    uint32_t count = parts_of(recount, parts);
    enum status status = STATUS_ok;
    uint64_t pairs_until_ms = pairs_until(recount, parts, count);
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = recount_part(recount, parts[i], pairs_until_ms, &report);
    if (status != STATUS_ok) {
        if (!is_stopping(recount))
            log_line(LOG_WARNING, "integrity", "A recount could not be finished: %s.",
                     status_name(status));
        integrity_report_done(&report);
        return;
    }
    atomic_store(&recount->took_ms, (clock_monotonic_ns() - started_ns) / 1000000);
    atomic_store(&recount->finished_ms, clock_now_ms());
    atomic_fetch_add(&recount->runs, 1);
    compare_parts(recount, parts, count, pairs_until_ms, &report);
    recount_take(recount, &report);
    integrity_report_done(&report);
}

bool recount_last(struct recount *recount, struct integrity_report *ret_report) {
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    *ret_report = recount->last;
    bool has_last = recount->has_last;
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
    return has_last;
}

static void set_full(struct recount *recount, const void *asker, struct auditor *auditor) {
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    recount->full_asker = asker;
    recount->full = auditor;
    if (auditor != NULL && atomic_load(&recount->walk.cancelled))
        auditor_cancel(auditor);
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
}

// What of the chain is a matter of the report: how much was walked, and the difference, which goes
// in front of what else there is.
static void tell_chain(const struct chain_walk *walk, struct integrity_report *report) {
    report->checks[INTEGRITY_CHAIN].name = "chain";
    report->checks[INTEGRITY_CHAIN].count = walk->round_count;
    if (walk->has_keys) {
        report->checks[INTEGRITY_IDEMPOTENCY].name = "idempotency";
        report->checks[INTEGRITY_IDEMPOTENCY].count = walk->key_count;
    }
    if (walk->holds)
        return;
    report->checks[INTEGRITY_CHAIN].differences = 1;
    report->consistent = false;
    memcpy(report->message, walk->message, sizeof(report->message));
}

// Records take 184 bytes at least; on a database their positions say nothing of how many there are,
// and the prover of its chain looks at keys itself.
static uint64_t record_count_max(const struct engine *engine, uint64_t end) {
    return engine->locator_time_shift == 0 ? end / 184 + 4096 : 0;
}

static enum status examine_part(struct recount *recount, const void *asker,
                                struct engine *engine, uint64_t pairs_until_ms,
                                struct integrity_report *report) {
    struct integrity_report part;
    memset(&part, 0, sizeof(part));
    uint64_t end = engine->port->published_end(engine);
    struct auditor *auditor = auditor_open_wide(engine, record_count_max(engine, end));
    auditor_pairs_until(auditor, pairs_until_ms);
    set_full(recount, asker, auditor);
    enum status status = auditor_check(auditor, &part);
    set_full(recount, NULL, NULL);
    auditor_close(auditor);
    if (status == STATUS_ok)
        integrity_report_add(report, &part);
    integrity_report_done(&part);
    return status;
}

enum status recount_full(struct recount *recount, const void *asker,
                         struct integrity_report *ret_report) {
    struct engine *parts[PARTS_MAX];
    uint32_t count = parts_of(recount, parts);
    const struct chain_prover *chain = &recount->options.chain;
    struct chain_walk *walk = &recount->walk;
    enum status status = STATUS_ok;
    uint64_t started_ns = clock_monotonic_ns();
    atomic_store(&walk->thousandths, 0);
    uint64_t pairs_until_ms = pairs_until(recount, parts, count);
    set_full(recount, asker, NULL);
    if (chain->prove != NULL)
        status = chain->prove(chain->context, walk);
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = examine_part(recount, asker, parts[i], pairs_until_ms, ret_report);
    set_full(recount, NULL, NULL);
    if (status != STATUS_ok)
        return status;
    if (chain->prove != NULL)
        tell_chain(walk, ret_report);
    compare_parts(recount, parts, count, pairs_until_ms, ret_report);
    ret_report->took_us = (clock_monotonic_ns() - started_ns) / 1000;
    recount_take(recount, ret_report);
    return STATUS_ok;
}

uint32_t recount_full_progress(struct recount *recount, const void *asker) {
    uint32_t half = recount->options.chain.prove != NULL ? 2 : 1, done = 0;
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    if (recount->full_asker == asker && recount->full == NULL)
        done = atomic_load(&recount->walk.thousandths) / 2;
    else if (recount->full_asker == asker)
        done = 1000 - 1000 / half + auditor_progress(recount->full) / half;
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
    return done;
}

void recount_cancel(struct recount *recount) {
    atomic_store(&recount->walk.cancelled, true);
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    if (recount->full != NULL)
        auditor_cancel(recount->full);
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
}

static void *recount_main(void *context) {
    struct recount *recount = context;
    uint64_t pause_ns = (uint64_t)recount->options.pause_s * NS_PER_S;
    thread_step_back();
    while (!is_stopping(recount)) {
        (void)signal_gate_wait(&recount->stop, 1, pause_ns);
        if (!is_stopping(recount))
            recount_once(recount);
    }
    return NULL;
}

struct recount *recount_open(const struct recount_options *options) {
    struct recount *recount = memory_take_zeroed(sizeof(*recount));
    recount->options = *options;
    signal_gate_init(&recount->stop, 0, 0);
    CHECK(pthread_mutex_init(&recount->lock, NULL) == 0);
    if (options->mib_per_s == 0)
        return recount;
    thread_start(&recount->thread, "recount", recount_main, recount);
    return recount;
}

void recount_close(struct recount *recount) {
    if (recount == NULL)
        return;
    signal_gate_publish(&recount->stop, 1);
    CHECK(pthread_mutex_lock(&recount->lock) == 0);
    if (recount->present != NULL)
        auditor_cancel(recount->present);
    CHECK(pthread_mutex_unlock(&recount->lock) == 0);
    if (recount->options.mib_per_s != 0)
        CHECK(pthread_join(recount->thread, NULL) == 0);
    pthread_mutex_destroy(&recount->lock);
    memory_free(recount);
}

void recount_state_of(const struct recount *recount, struct recount_state *ret_state) {
    struct recount *mine = (struct recount *)recount; // its lock is no state
    *ret_state = (struct recount_state){
        .finished_ms = atomic_load(&mine->finished_ms),
        .took_ms = atomic_load(&mine->took_ms),
        .runs = atomic_load(&mine->runs),
        .alarms = atomic_load(&mine->alarms),
        .examined_ms = atomic_load(&mine->examined_ms),
        .consistent = !atomic_load(&mine->differs),
        .stopped = engine_is_stopped(mine->options.engine),
    };
    CHECK(pthread_mutex_lock(&mine->lock) == 0);
    ret_state->progress = mine->present == NULL ? 0 : auditor_progress(mine->present);
    CHECK(pthread_mutex_unlock(&mine->lock) == 0);
}

bool recount_wait_written(struct recount *recount, uint64_t timeout_ns) {
    struct recount_news news;
    uint64_t until_ns = clock_monotonic_ns() + timeout_ns;
    while (recount_news(recount, &news) && !is_stopping(recount) && clock_monotonic_ns() < until_ns)
        (void)signal_gate_wait(&recount->stop, 1, NEWS_TURN_NS);
    return !recount_news(recount, &news);
}

void recount_metrics(const struct recount *recount, struct buffer *buffer) {
    struct recount_state state;
    recount_state_of(recount, &state);
    uint64_t now_ms = clock_now_ms();
    metric_value(buffer, "integrity_consistent", "gauge",
                 "0 when the last examination of the books found a difference.", state.consistent);
    metric_value(buffer, "integrity_alarms_total", "counter",
                 "Examinations of the books that found a difference.", state.alarms);
    metric_value(buffer, "integrity_recounts_total", "counter",
                 "Recounts of all books from their first record, finished.", state.runs);
    metric_thousandths(buffer, "integrity_recount_progress_ratio", "gauge",
                       "How far the present recount is, from 0 to 1.", state.progress);
    metric_thousandths(buffer, "integrity_recount_duration_seconds", "gauge",
                       "How long the last recount took, with its pauses.", state.took_ms);
    if (state.examined_ms != 0)
        metric_value(buffer, "integrity_age_seconds", "gauge",
                     "Since the books were last examined, by a recount or because somebody asked.",
                     now_ms > state.examined_ms ? (now_ms - state.examined_ms) / 1000 : 0);
    metric_value(buffer, "payments_stopped", "gauge",
                 "1 while payments are stopped because the books differ.", state.stopped);
}
