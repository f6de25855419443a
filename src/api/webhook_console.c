// SPDX-License-Identifier: MIT
// Endpoints of webhooks over HTTP: how they are doing, and what is decided about them. Where they
// are is the configuration's alone. A decision is in the audit twice: as what was asked at the
// door, and as the record of a place that was moved, with the reason as its request's id.
#include "api/answers.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/notes.h"
#include "api/requests.h"
#include "base/clock.h"
#include "events/webhooks.h"

static const char *given(const char *text) {
    return text[0] == '\0' ? NULL : text;
}

static void show(struct webhooks *webhooks, uint32_t index, struct buffer *body) {
    const struct webhook_endpoint *endpoint = webhooks_endpoint(webhooks, index);
    struct webhook_state state;
    webhooks_state(webhooks, index, &state);
    struct wire_webhook shown = {.name = endpoint->name,
                                 .url = endpoint->url,
                                 .state = webhook_health_name(state.health),
                                 .oldest_event = given(state.oldest_id),
                                 .last_error = given(state.error),
                                 .type_count = endpoint->type_count,
                                 .position = state.position,
                                 .feed_end = state.end,
                                 .waiting = state.waiting,
                                 .lag_s = state.oldest_ms / 1000,
                                 .last_error_ms = state.error_at_ms,
                                 .last_delivered_ms = state.delivered_at_ms};
    static_assert(WEBHOOK_TYPES_MAX == sizeof(shown.types) / sizeof(shown.types[0]), "all fit");
    for (uint32_t i = 0; i < endpoint->type_count; i++)
        shown.types[i] = endpoint->types[i];
    wire_render_webhook(body, &shown);
}

static bool find(struct webhooks *webhooks, struct slice name, uint32_t *ret_index) {
    for (uint32_t i = 0; webhooks != NULL && i < webhooks_count(webhooks); i++)
        if (slice_equal(slice_of_text(webhooks_endpoint(webhooks, i)->name), name)) {
            *ret_index = i;
            return true;
        }
    return false;
}

static void list(struct asking *asking) {
    struct webhooks *webhooks = asking->loop->api->options.webhooks;
    struct buffer *body = http_body_out(asking->request);
    buffer_reset(body);
    BUFFER_ADD(body, "{\"items\":[");
    for (uint32_t i = 0; webhooks != NULL && i < webhooks_count(webhooks); i++) {
        if (i != 0)
            BUFFER_ADD(body, ",");
        show(webhooks, i, body);
    }
    BUFFER_ADD(body, "]}");
    notes_done(asking);
    answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, 200,
                 "application/json", buffer_slice(body));
}

static void refuse(struct job *job, enum status status, const char *why) {
    enum status shown = status_class(status) == STATUS_CLASS_BUSY ? STATUS_busy
                        : status == STATUS_not_found              ? STATUS_not_found
                                                                  : STATUS_internal;
    buffer_reset(&job->body);
    problem_render_door(&job->body, shown, why, PROBLEM_NO_OPERATION);
    job->http = status_http(shown);
    job->status = shown;
}

static enum webhook_verb verb_of(const struct job *job) {
    switch ((enum operation_code)job->operation->code) {
    case OPERATION_WEBHOOK_PAUSE: return WEBHOOK_PAUSE;
    case OPERATION_WEBHOOK_SKIP: return WEBHOOK_SKIP;
    case OPERATION_WEBHOOK_REPLAY: return WEBHOOK_REPLAY;
    default: return WEBHOOK_RESUME;
    }
}

void webhooks_run(struct job *job) {
    struct webhooks *webhooks = job->api->options.webhooks;
    uint32_t index;
    char why[160] = "";
    struct webhook_decision decision = {
        .verb = verb_of(job), .who = job->origin, .key = console_key(job)};
    if (!find(webhooks, job->token, &index)) {
        refuse(job, STATUS_not_found,
               "The configuration has no such endpoint; GET /v1/webhooks lists them.");
        return;
    }
    decision.who.request_id = job->command.reason;
    decision.event = job->command.name;
    if (decision.verb == WEBHOOK_REPLAY &&
        !clock_parse(job->command.name, &decision.from_ms)) {
        jobs_refuse_field(job, SLICE("/from"), SLICE("must be a date or an RFC 3339 date-time"));
        return;
    }
    enum status status =
        webhooks_decide(webhooks, index, &decision, &job->replayed, why, sizeof(why));
    if (status == STATUS_invalid_request) {
        jobs_refuse_field(job, SLICE("/event"), slice_of_text(why));
    } else if (status == STATUS_idempotency_key_reused) {
        jobs_refuse_reused(job);
    } else if (status != STATUS_ok) {
        refuse(job, status, NULL);
    } else {
        show(webhooks, index, &job->body);
        job->http = 200;
        job->content_type = "application/json";
        job->status = STATUS_ok;
    }
}

void webhooks_request(struct asking *asking) {
    if (!asking->operation->is_write) {
        list(asking);
        return;
    }
    console_start(asking, JOB_WEBHOOK);
}
