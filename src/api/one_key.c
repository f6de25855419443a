// SPDX-License-Identifier: MIT
// GET /v1/keys/{id}: the list of keys, of one. So whatever is listed can be read, and what is
// revoked is neither.
#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/requests.h"

void key_request(struct asking *asking) {
    if (id_is_zero(asking->id)) { // a list asked with no id is of all keys
        answers_refuse(asking, STATUS_not_found, NULL);
        return;
    }
    struct job *job = jobs_take(asking, JOB_KEY);
    job->freshness = asking->freshness;
    freshness_keep(&job->freshness, &job->arena);
    if (jobs_push(&asking->loop->api->lists, job))
        return;
    answers_refuse(asking, STATUS_busy, NULL);
    job->request = NULL;
    jobs_release(asking->loop, job);
}

void key_run(struct job *job) {
    struct engine *engine = job->api->engine;
    const struct list_query query = {.kind = LIST_KEYS,
                                     .key = job->wallet, // the id of the path
                                     .to_ms = UINT64_MAX,
                                     .limit = 1,
                                     .freshness = job->freshness};
    job->page.away = NULL;
    enum status status = engine->port->list(engine, &query, &job->page);
    if (status == STATUS_end || (status == STATUS_ok && job->page.item_count == 0))
        status = STATUS_not_found;
    if (status != STATUS_ok) {
        jobs_refuse(job, status, ID_KEY, query.key);
        return;
    }
    const struct outcome *outcome = &job->page.items[0].outcome;
    struct wire_found found = answers_found(outcome, COMMAND_KEY_CREATE);
    found.last_used_at_ms = outcome->last_used_at_ms;
    found.role_name = keys_role_name(job->api, outcome->record);
    int http;
    if (wire_render_command(&job->body, COMMAND_KEY_CREATE, &found, &http) != STATUS_ok) {
        jobs_refuse(job, STATUS_internal, ID_KEY, query.key);
        return;
    }
    job->http = job->operation->http;
    job->content_type = "application/json";
}
