// SPDX-License-Identifier: MIT
// GET /check-integrity: the auditor of watch/ adds the books up on a thread of its own, and the
// loop answers when it is done. It answers 200 whether the books are right or not: that they are
// wrong is a finding, and whoever asked must be able to read it.
#include "api/parts.h"

#include "api/recount.h"
#include "watch/auditor.h"

void integrity_request(struct asking *asking) {
    struct api *api = asking->loop->api;
    bool stopping = atomic_load_explicit(&api->stopping, memory_order_relaxed);
    struct job *job = jobs_take(asking, JOB_INTEGRITY);
    if (!stopping && readers_push(&api->checks, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
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

static void render_report(struct job *job, const struct integrity_report *report) {
    struct wire_integrity_check checks[INTEGRITY_CHECKS];
    CHECK(report->check_count <= INTEGRITY_CHECKS);
    for (uint32_t i = 0; i < report->check_count; i++) {
        checks[i] = (struct wire_integrity_check){
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
        .check_count = report->check_count,
        .as_of_ms = report->as_of_ms,
        .took_us = report->took_us,
    };
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

void integrity_run(struct job *job) {
    struct integrity_report report;
    memset(&report, 0, sizeof(report));
    enum status status = auditor_check(job->api->auditor, &report);
    if (status == STATUS_ok) {
        recount_take(job->api->recount, &report);
        render_report(job, &report);
    } else {
        bool is_busy = status_class(status) == STATUS_CLASS_BUSY;
        enum status shown = is_busy ? STATUS_busy : STATUS_internal;
        problem_render_door(&job->body, shown, NULL, PROBLEM_NO_OPERATION);
        job->http = status_http(shown);
        job->status = shown;
    }
    integrity_report_done(&report);
}

void integrity_resume_request(struct asking *asking) {
    bool was_stopped = recount_resume(asking->loop->api->recount);
    notes_done(asking);
    answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, 200,
                 "application/json",
                 was_stopped ? SLICE("{\"status\":\"resumed\"}") : SLICE("{\"status\":\"ok\"}"));
}
