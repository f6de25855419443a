// SPDX-License-Identifier: MIT
// The background recount and its alarm.
#include "api/recount.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "watch/auditor.h"

#define NS_PER_S UINT64_C(1000000000)

struct recount {
    struct recount_options options;
    pthread_t thread;
    struct signal_gate stop; // 1: the house is being taken down
    pthread_mutex_t lock;    // of `present`
    struct auditor *present; // while it works
    _Atomic uint64_t finished_ms, took_ms, runs, alarms, examined_ms;
    atomic_bool differs;
};

static void raise_alarm(struct recount *recount, const struct integrity_report *report) {
    atomic_fetch_add(&recount->alarms, 1);
    bool stops = recount->options.stops_payments;
    log_line(LOG_ERROR, "integrity", "THE BOOKS DIFFER: %s%s", report->message,
             stops ? " Payments are stopped until POST /check-integrity/resume." : "");
    if (stops)
        atomic_store(&recount->options.engine->payments_stopped, true);
}

void recount_take(struct recount *recount, const struct integrity_report *report) {
    bool differed = atomic_exchange(&recount->differs, !report->consistent);
    atomic_store(&recount->examined_ms, clock_now_ms());
    if (!report->consistent)
        raise_alarm(recount, report);
    else if (differed)
        log_line(LOG_WARNING, "integrity", "The books are right again: %s", report->message);
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

static void recount_once(struct recount *recount) {
    struct integrity_report report;
    memset(&report, 0, sizeof(report));
    uint64_t started_ns = clock_monotonic_ns();
    struct auditor *auditor = auditor_open(recount->options.engine);
    auditor_pace(auditor, (uint64_t)recount->options.mib_per_s << 20);
    set_present(recount, auditor);
    enum status status = auditor_check(auditor, &report);
    set_present(recount, NULL);
    auditor_close(auditor);
    if (status != STATUS_ok) {
        if (!is_stopping(recount))
            log_line(LOG_WARNING, "integrity", "A recount could not be finished: %s.",
                     status_name(status));
        return;
    }
    atomic_store(&recount->took_ms, (clock_monotonic_ns() - started_ns) / 1000000);
    atomic_store(&recount->finished_ms, clock_now_ms());
    atomic_fetch_add(&recount->runs, 1);
    recount_take(recount, &report);
    integrity_report_done(&report);
}

static void *recount_main(void *context) {
    struct recount *recount = context;
    uint64_t pause_ns = (uint64_t)recount->options.pause_s * NS_PER_S;
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
    // Signals are for the main thread.
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    CHECK(pthread_create(&recount->thread, NULL, recount_main, recount) == 0);
    (void)pthread_setname_np(recount->thread, "recount"); // only for people who look at threads
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
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
        .stopped = atomic_load(&mine->options.engine->payments_stopped),
    };
    CHECK(pthread_mutex_lock(&mine->lock) == 0);
    ret_state->progress = mine->present == NULL ? 0 : auditor_progress(mine->present);
    CHECK(pthread_mutex_unlock(&mine->lock) == 0);
}

bool recount_resume(struct recount *recount) {
    bool was = atomic_exchange(&recount->options.engine->payments_stopped, false);
    if (was)
        log_line(LOG_WARNING, "integrity", "Somebody has decided that payments go on.");
    return was;
}

static void add(struct buffer *buffer, const char *name, const char *type, const char *help,
                uint64_t value) {
    buffer_add_format(buffer, "# HELP florin_%s %s\n# TYPE florin_%s %s\nflorin_%s %llu\n", name,
                      help, name, type, name, (unsigned long long)value);
}

void recount_metrics(const struct recount *recount, struct buffer *buffer) {
    struct recount_state state;
    recount_state_of(recount, &state);
    uint64_t now_ms = clock_now_ms();
    add(buffer, "integrity_consistent", "gauge",
        "0 when the last examination of the books found a difference.", state.consistent);
    add(buffer, "integrity_alarms_total", "counter",
        "Examinations of the books that found a difference.", state.alarms);
    add(buffer, "integrity_recounts_total", "counter",
        "Recounts of all books from their first record, finished.", state.runs);
    add(buffer, "integrity_recount_progress", "gauge",
        "How far the present recount is, in thousandths.", state.progress);
    add(buffer, "integrity_recount_duration_milliseconds", "gauge",
        "How long the last recount took, with its pauses.", state.took_ms);
    if (state.examined_ms != 0)
        add(buffer, "integrity_age_seconds", "gauge",
            "Since the books were last examined, by a recount or because somebody asked.",
            now_ms > state.examined_ms ? (now_ms - state.examined_ms) / 1000 : 0);
    add(buffer, "payments_stopped", "gauge",
        "1 while payments are stopped because the books differ.", state.stopped);
}
