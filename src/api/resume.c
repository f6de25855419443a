// SPDX-License-Identifier: MIT
// POST /check-integrity/resume: somebody decides that payments go on although the books differ. The
// decision is a record of whoever made it, behind the alarms that it is about, and so it holds on
// every node and after a restart.
#include "api/answers.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/recount.h"
#include "api/requests.h"
#include "base/log.h"
#include "engine/wait.h"

#define WAIT_NS UINT64_C(5000000000) // for alarms that are being written; the pulse writes them

// Under its key the books remember it, also that there was nothing to decide: else a retry would
// let payments go on that something else has stopped meanwhile. `ret_resumed`: they had stood.
static enum status decide_now(struct job *job, struct engine_wait *wait, bool *ret_resumed) {
    struct command command = {
        .type = COMMAND_ALARM,
        .alarm = ALARM_RESUMED,
        .has_key = job->command.has_key,
        .key = job->command.key,
        .origin = job->origin,
        .principal_key = job->principal_key,
        .token_until_ms = job->token_until_ms,
    };
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    struct record record;
    const char *why;
    command.request = wire_request_digest(&command, &job->arena); // whatever words we use for it
    command.reason = SLICE("Somebody has decided that payments go on.");
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    if (status == STATUS_ok && record_decode(outcome.record, &record, &why) != STATUS_ok)
        status = STATUS_internal;
    if (status == STATUS_ok) {
        *ret_resumed = record.kind == RECORD_ALARM && record.alarm.message.size != 0;
        job->replayed = outcome.replayed;
    }
    engine_wait_release(wait);
    return status;
}

static void refuse(struct job *job, enum status status) {
    if (status == STATUS_idempotency_key_reused) {
        jobs_refuse_reused(job);
        return;
    }
    bool is_busy = status_class(status) == STATUS_CLASS_BUSY;
    job->status = is_busy || status == STATUS_unauthenticated ? status : STATUS_internal;
    problem_render_door(&job->body, job->status, NULL, PROBLEM_NO_OPERATION);
    job->http = status_http(job->status);
}

void resume_run(struct job *job) {
    const struct cursor_wish look = {.cursor = {.kind = CURSOR_EVENTS}};
    struct engine *engine = job->api->engine;
    struct engine_wait wait;
    struct cursor cursor;
    bool resumed = false;
    engine_wait_init(&wait, engine);
    bool is_written = recount_wait_written(job->api->recount, WAIT_NS);
    // A round of its own, so that what another node wrote is known here.
    enum status status = engine_wait_cursor(&wait, COMMAND_READ_CURSOR, &look, &cursor);
    bool was_stopped = engine_is_stopped(engine);
    if (status == STATUS_ok && was_stopped && !is_written)
        status = STATUS_busy;
    if (status == STATUS_ok && (was_stopped || job->command.has_key))
        status = decide_now(job, &wait, &resumed);
    engine_wait_done(&wait);
    if (status != STATUS_ok) {
        refuse(job, status);
        return;
    }
    if (resumed && !job->replayed)
        log_request(LOG_WARNING, "integrity", job->origin.request_id,
                    "%.*s has decided that payments go on.", (int)job->origin.principal.size,
                    (const char *)job->origin.principal.bytes);
    buffer_add_slice(&job->body, resumed ? SLICE("{\"status\":\"resumed\"}")
                                         : SLICE("{\"status\":\"ok\"}"));
    job->http = 200;
    job->content_type = "application/json";
}

void integrity_resume_request(struct asking *asking) {
    struct wire_context wire = asker_wire_context(asking, http_arena(asking->request));
    struct wire_faults faults;
    struct command asked; // it has no fields, and whatever is no field is told
    if (wire_decode_fields(&wire, asking->operation, &asking->headers.wire,
                           http_body(asking->request), &asked, &faults) != STATUS_ok) {
        answers_refuse_faults(asking, &faults);
        return;
    }
    struct job *job = jobs_take(asking, JOB_RESUME);
    job->command = asked;
    if (jobs_push(&asking->loop->api->lists, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}
