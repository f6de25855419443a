// SPDX-License-Identifier: MIT
// Reads of one thing that need not be as it is now: beside the writer, by the reader threads. Where
// an engine reads only in rounds, they travel there, and what comes back is fresher than asked for.
#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/requests.h"

bool reads_beside(struct asking *asking, struct call *call) {
    struct api *api = asking->loop->api;
    // What somebody is bound to is asked where it is decided.
    if (api->engine->port->read == NULL || asking->freshness.age_ms_max == 0 ||
        !command_is_read(call->command.type) || call->command.type == COMMAND_READ_APPROVAL ||
        call->command.type == COMMAND_READ_ANOMALY ||
        asking->operation->answer == ANSWER_LIMITS || // what was spent is known there alone
        asking->bound_to.size != 0)
        return false;
    struct job *job = jobs_take(asking, JOB_READ);
    job->command = call->command;
    job->command.origin = (struct origin){0}; // its texts are the call's
    job->freshness = asking->freshness;
    freshness_keep(&job->freshness, &job->arena);
    job->wants_balance = call->wants_balance;
    calls_release(asking->loop, call);
    if (!jobs_push(&api->lists, job)) {
        answers_refuse(asking, STATUS_busy, NULL);
        job->request = NULL;
        jobs_release(asking->loop, job);
    }
    return true;
}

static void render(struct job *job, const struct outcome *outcome) {
    enum command_type type = (enum command_type)job->command.type;
    struct wire_found found = answers_found(outcome, type);
    int http = 200;
    bool ok = job->wants_balance
                  ? answers_render_balance(&job->body, outcome)
                  : wire_render_command(&job->body, type, &found, &http) == STATUS_ok;
    if (!ok) {
        jobs_refuse(job, STATUS_internal, ID_WALLET, job->command.subject);
        return;
    }
    job->http = http;
    job->content_type = "application/json";
    if (outcome->has_version && job->operation->answer == ANSWER_WALLET)
        job->version = outcome->version;
}

void reads_run(struct job *job) {
    struct engine *engine = job->api->engine;
    struct outcome outcome;
    enum status status =
        engine->port->read(engine, &job->command, &job->freshness, &job->arena, &outcome);
    if (status == STATUS_ok && outcome.status == STATUS_ok) {
        render(job, &outcome);
        return;
    }
    jobs_refuse(job, status != STATUS_ok ? status : (enum status)outcome.status,
                status == STATUS_ok ? (enum id_type)outcome.refusal.id_type : ID_WALLET,
                job->command.subject);
}
