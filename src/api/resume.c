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

static enum status decide_now(struct job *job, struct engine_wait *wait) {
    struct command command = {
        .type = COMMAND_ALARM,
        .alarm = ALARM_RESUMED,
        .reason = SLICE("Somebody has decided that payments go on."),
        .origin = job->origin,
        .principal_key = job->principal_key,
        .token_until_ms = job->token_until_ms,
    };
    return engine_wait_command(wait, &command);
}

void resume_run(struct job *job) {
    const struct cursor_wish look = {.cursor = {.kind = CURSOR_EVENTS}};
    struct engine *engine = job->api->engine;
    struct engine_wait wait;
    struct cursor cursor;
    engine_wait_init(&wait, engine);
    bool is_written = recount_wait_written(job->api->recount, WAIT_NS);
    // A round of its own, so that what another node wrote is known here.
    enum status status = engine_wait_cursor(&wait, COMMAND_READ_CURSOR, &look, &cursor);
    bool was_stopped = engine_is_stopped(engine);
    if (status == STATUS_ok && was_stopped && !is_written)
        status = STATUS_busy;
    if (status == STATUS_ok && was_stopped)
        status = decide_now(job, &wait);
    engine_wait_done(&wait);
    if (status != STATUS_ok) {
        bool is_busy = status_class(status) == STATUS_CLASS_BUSY;
        job->status = is_busy || status == STATUS_unauthenticated ? status : STATUS_internal;
        problem_render_door(&job->body, job->status, NULL, PROBLEM_NO_OPERATION);
        job->http = status_http(job->status);
        return;
    }
    if (was_stopped)
        log_request(LOG_WARNING, "integrity", job->origin.request_id,
                    "%.*s has decided that payments go on.", (int)job->origin.principal.size,
                    (const char *)job->origin.principal.bytes);
    buffer_add_slice(&job->body, was_stopped ? SLICE("{\"status\":\"resumed\"}")
                                             : SLICE("{\"status\":\"ok\"}"));
    job->http = 200;
    job->content_type = "application/json";
}

void integrity_resume_request(struct asking *asking) {
    struct wire_context wire = router_wire_context(asking, http_arena(asking->request));
    struct wire_faults faults;
    struct command none; // it has no fields, and whatever is no field is told
    if (wire_decode_fields(&wire, asking->operation, &asking->headers.wire,
                           http_body(asking->request), &none, &faults) != STATUS_ok) {
        answers_refuse_faults(asking, &faults);
        return;
    }
    struct job *job = jobs_take(asking, JOB_RESUME);
    if (readers_push(&asking->loop->api->lists, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}
