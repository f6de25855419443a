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
#define PARTS_MAX ENGINE_PARTS_MAX
#define RECOUNT_TRIES 2 // while slots go from one part to another
#define FULL_TRIES    5
#define FREE_TRIES    1 // of these, in which slots may come and go
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

// ---- parts --------------------------------------------------------------------------------------

// One examination of all parts.
struct examining {
    struct recount *recount;
    struct engine *parts[PARTS_MAX];
    uint32_t count;
    uint64_t pairs_until_ms;
    const void *asker; // whom a full one is for
    // Puts what it finds into a zeroed report.
    enum status (*part)(const struct examining *examining, struct engine *engine,
                        struct integrity_report *ret_report);
    int tries;
    bool must_settle; // else what was found in the last try is taken as it is
};

static void begin(struct examining *examining, struct recount *recount) {
    examining->recount = recount;
    examining->count = parts_of(recount, examining->parts);
    examining->pairs_until_ms = pairs_until(recount, examining->parts, examining->count);
}

struct examined {
    struct integrity_report reports[PARTS_MAX];
    bool is_known[PARTS_MAX]; // and each of its slots is still there
    bool is_in_vain; // to look once more: a slot is on no part, and stays so
};

// A difference of one part is one wherever slots go.
static bool any_differs(const struct examining *examining, const struct examined *examined) {
    for (uint32_t i = 0; i < examining->count; i++)
        if (!examined->reports[i].consistent)
            return true;
    return false;
}

// Whether each slot is on one part, as when that was examined.
static bool is_settled(const struct examining *examining, struct examined *examined,
                       char ret_why[INTEGRITY_MESSAGE_BYTES]) {
    struct engine_whole whole;
    struct engine *engine = examining->recount->options.engine;
    ret_why[0] = '\0';
    if (engine->port->whole == NULL)
        return true;
    bool all = in_flight_has_all_slots(engine, clock_monotonic_ns(), &whole, ret_why);
    bool is_asked = all || ret_why[0] != '\0';
    for (uint32_t i = 0; i < examining->count; i++) {
        examined->is_known[i] =
            !is_asked || whole.versions[i] == examined->reports[i].slots_version;
        all = all && examined->is_known[i];
    }
    examined->is_in_vain = whole.nobodys != LIMIT_SLOTS;
    if (!all && is_asked && ret_why[0] == '\0')
        (void)snprintf(ret_why, INTEGRITY_MESSAGE_BYTES, "%s",
                       "Slots have changed hands all the time while the books were examined; "
                       "ask again when they stand still.");
    return all;
}

static enum status examine_unknown(const struct examining *examining, struct examined *examined) {
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < examining->count && status == STATUS_ok; i++) {
        struct integrity_report *report = &examined->reports[i];
        if (examined->is_known[i])
            continue;
        integrity_report_done(report);
        *report = (struct integrity_report){0};
        status = examining->part(examining, examining->parts[i], report);
        examined->is_known[i] = status == STATUS_ok;
    }
    return status;
}

// One after the other, and a slot that goes from one to another meanwhile is counted twice or
// never: so where slots have come or gone since it is done once more. Not STATUS_ok:
// `ret_report->message` may say why.
static enum status examine_parts(const struct examining *examining,
                                 struct integrity_report *ret_report) {
    const struct engine_port *port = examining->recount->options.engine->port;
    char why[INTEGRITY_MESSAGE_BYTES] = "";
    struct examined *examined = memory_take_zeroed(sizeof(*examined));
    enum status status = STATUS_ok;
    bool settled = false, again = true;
    bool holds_slots = examining->must_settle && port->stand_still != NULL;
    void *still = NULL; // whoever waits for an answer gets one, and slots wait for it
    for (int i = 0; i < examining->tries && again; i++) {
        if (i == FREE_TRIES && holds_slots)
            still = port->stand_still(examining->recount->options.engine);
        if (status != STATUS_ok && still == NULL)
            break;
        status = examine_unknown(examining, examined);
        settled = status == STATUS_ok &&
                  (any_differs(examining, examined) || is_settled(examining, examined, why));
        // One that is busy was perhaps kept from its end by slots, too.
        bool may_end = status == STATUS_busy && i < FREE_TRIES && holds_slots;
        again = !settled && !examined->is_in_vain && (status == STATUS_ok || may_end);
    }
    if (still != NULL)
        port->move_on(still);
    if (status == STATUS_ok && !settled && examining->must_settle)
        status = STATUS_busy;
    for (uint32_t i = 0; i < examining->count; i++) {
        if (status == STATUS_ok)
            integrity_report_add(ret_report, &examined->reports[i]);
        integrity_report_done(&examined->reports[i]);
    }
    memory_free(examined);
    if (status != STATUS_ok)
        memcpy(ret_report->message, why, sizeof(why));
    return status;
}

// Behind: what the parts have sent each other. What is found is said in front of what one part
// alone has shown, because it names the payment.
static void compare_parts(const struct examining *examining, struct integrity_report *report) {
    struct in_flight found;
    char sentence[PAIRS_SENTENCE_BYTES], before[INTEGRITY_MESSAGE_BYTES];
    const struct integrity_pairs *departed = &report->departed, *arrived = &report->arrived;
    if (in_flight_look(examining->recount->options.engine, &found))
        in_flight_differs(&found, report);
    in_flight_done(&found);
    bool same = memcmp(departed, arrived, sizeof(*departed)) == 0;
    if (examining->count < 2 || examining->pairs_until_ms == 0 || (report->consistent && same))
        return;
    if (pairs_name(examining->parts, examining->count, examining->pairs_until_ms, sentence)) {
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

// ---- in the background --------------------------------------------------------------------------

static enum status recount_part(const struct examining *examining, struct engine *engine,
                                struct integrity_report *ret_report) {
    struct recount *recount = examining->recount;
    struct auditor *auditor = auditor_open(engine);
    auditor_pace(auditor, (uint64_t)recount->options.mib_per_s << 20);
    auditor_pairs_until(auditor, examining->pairs_until_ms);
    set_present(recount, auditor);
    enum status status = auditor_check(auditor, ret_report);
    set_present(recount, NULL);
    auditor_close(auditor);
    return status;
}

static void recount_once(struct recount *recount) {
    struct integrity_report report;
    struct examining examining = {.part = recount_part, .tries = RECOUNT_TRIES};
    memset(&report, 0, sizeof(report));
    uint64_t started_ns = clock_monotonic_ns();
    begin(&examining, recount);
    enum status status = examine_parts(&examining, &report);
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
    compare_parts(&examining, &report);
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
    (void)snprintf(report->message, sizeof(report->message), "%.*s%s",
                   INTEGRITY_MESSAGE_BYTES - INTEGRITY_ABOUT_BYTES - 1, walk->message,
                   report->about);
}

// Records take 184 bytes at least; on a database their positions say nothing of how many there are,
// and the prover of its chain looks at keys itself.
static uint64_t record_count_max(const struct engine *engine, uint64_t end) {
    return engine->locator_time_shift == 0 ? end / 184 + 4096 : 0;
}

static enum status examine_part(const struct examining *examining, struct engine *engine,
                                struct integrity_report *ret_report) {
    struct recount *recount = examining->recount;
    uint64_t end = engine->port->published_end(engine);
    struct auditor *auditor = auditor_open_wide(engine, record_count_max(engine, end));
    auditor_pairs_until(auditor, examining->pairs_until_ms);
    set_full(recount, examining->asker, auditor);
    enum status status = auditor_check(auditor, ret_report);
    set_full(recount, NULL, NULL);
    auditor_close(auditor);
    return status;
}

enum status recount_full(struct recount *recount, const void *asker,
                         struct integrity_report *ret_report) {
    struct examining examining = {
        .part = examine_part, .asker = asker, .tries = FULL_TRIES, .must_settle = true};
    const struct chain_prover *chain = &recount->options.chain;
    struct chain_walk *walk = &recount->walk;
    enum status status = STATUS_ok;
    uint64_t started_ns = clock_monotonic_ns();
    atomic_store(&walk->thousandths, 0);
    begin(&examining, recount);
    set_full(recount, asker, NULL);
    if (chain->prove != NULL)
        status = chain->prove(chain->context, walk);
    if (status == STATUS_ok)
        status = examine_parts(&examining, ret_report);
    set_full(recount, NULL, NULL);
    if (status != STATUS_ok)
        return status;
    if (chain->prove != NULL)
        tell_chain(walk, ret_report);
    compare_parts(&examining, ret_report);
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
