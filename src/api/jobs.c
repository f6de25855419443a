// SPDX-License-Identifier: MIT
// Jobs of a loop: taken for a request, queued for the threads that do them (readers.c), answered.
#include "api/answers.h"
#include "api/call.h"
#include "api/completion.h"
#include "api/door.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/notes.h"
#include "api/requests.h"
#include "api/slow.h"
#include "base/clock.h"
#include "base/memory.h"

bool jobs_push(struct readers *readers, struct job *job) {
    pthread_mutex_lock(&readers->lock);
    bool taken = !readers->stopping && readers->queued < API_JOBS_QUEUED_MAX;
    if (taken) {
        job->next_queued = NULL;
        if (readers->last != NULL)
            readers->last->next_queued = job;
        else
            readers->first = job;
        readers->last = job;
        readers->queued++;
        pthread_cond_signal(&readers->filled);
    }
    pthread_mutex_unlock(&readers->lock);
    return taken;
}

struct job *jobs_take(struct asking *asking, enum job_kind kind) {
    struct api_loop *loop = asking->loop;
    struct job *job = loop->free_jobs;
    if (job != NULL) {
        loop->free_jobs = job->next;
    } else {
        job = memory_take_zeroed(sizeof(*job));
        job->done.kind = COMPLETION_JOB;
        job->api = loop->api;
        job->loop = loop;
        arena_init(&job->arena, API_CALL_BLOCK_BYTES);
        arena_init(&job->page.arena, 16 * 1024);
    }
    job->request = asking->request;
    job->operation = asking->operation;
    job->started_ns = asking->started_ns;
    job->kind = kind;
    job->wallet = asking->id;
    job->bound_to = asker_bound_to(asking, &job->arena);
    job->asker = (struct slice){0};
    if (job->bound_to.size != 0) {
        char key[ID_TEXT_BYTES_MAX];
        job->asker = arena_copy(&job->arena, asker_principal(asking, key));
    }
    job->version = 0;
    job->streams = job->replayed = false;
    job->begun_ns = 0;
    job->told = 0;
    job->origin = asker_origin(asking, &job->arena);
    job->principal_key = asking->principal.key;
    job->token_until_ms = asking->principal.token_until_ms;
    job->status = STATUS_ok;
    job->http = 500;
    job->content_type = PROBLEM_CONTENT_TYPE;
    buffer_reset(&job->body);
    job->next = NULL;
    job->previous = loop->jobs_last;
    if (loop->jobs_last != NULL)
        loop->jobs_last->next = job;
    else
        loop->jobs_first = job;
    loop->jobs_last = job;
    metrics_add(&loop->metrics.waiting_calls, 1);
    return job;
}

void jobs_release(struct api_loop *loop, struct job *job) {
    CHECK(job->request == NULL);
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        loop->jobs_first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        loop->jobs_last = job->previous;
    metrics_add(&loop->metrics.waiting_calls, UINT64_MAX); // one less
    arena_reset(&job->arena);
    arena_reset(&job->page.arena);
    job->next = loop->free_jobs;
    loop->free_jobs = job;
}

void jobs_answer(struct api_loop *loop, struct job *job) {
    struct http_request *request = job->request;
    job->request = NULL;
    if (request != NULL) {
        notes_job(loop, job, job->status);
        slow_job(loop, job);
        if (job->streams) {
            integrity_end_stream(request, job);
            jobs_release(loop, job);
            return;
        }
        struct buffer *body = http_body_out(request);
        buffer_reset(body);
        buffer_add_slice(body, buffer_slice(&job->body));
        if (job->http == status_http(STATUS_busy))
            http_add_header(request, "Retry-After", SLICE("1"));
        if (job->replayed)
            http_add_header(request, "Idempotent-Replayed", SLICE("true"));
        if (job->version != 0)
            answers_add_etag(request, job->version);
        answers_send(loop, request, job->operation, job->started_ns, job->http, job->content_type,
                     buffer_slice(body));
    }
    jobs_release(loop, job);
}

static void job_free(struct job *job) {
    arena_done(&job->arena);
    arena_done(&job->page.arena);
    buffer_done(&job->body);
    memory_free(job);
}

void jobs_free_all(struct api_loop *loop) {
    for (struct job *job = loop->jobs_first; job != NULL;) {
        struct job *next = job->next;
        job_free(job);
        job = next;
    }
    for (struct job *job = loop->free_jobs; job != NULL;) {
        struct job *next = job->next;
        job_free(job);
        job = next;
    }
    loop->jobs_first = loop->jobs_last = loop->free_jobs = NULL;
}

// ---- refusals -----------------------------------------------------------------------------------

void jobs_refuse(struct job *job, enum status status, enum id_type id_type, struct id id) {
    struct refusal refusal = {.status = (uint8_t)status, .id_type = (uint8_t)id_type, .id = id};
    buffer_reset(&job->body);
    enum status_class class = status_class(status);
    if (class == STATUS_CLASS_MISSING)
        problem_render(&job->body, &refusal, PROBLEM_NO_OPERATION);
    else
        problem_render_door(&job->body, class == STATUS_CLASS_BUSY ? status : STATUS_internal, NULL,
                            PROBLEM_NO_OPERATION);
    job->status = class == STATUS_CLASS_MISSING || class == STATUS_CLASS_BUSY ? status
                                                                              : STATUS_internal;
    job->http =
        class == STATUS_CLASS_MISSING || class == STATUS_CLASS_BUSY ? status_http(status) : 500;
    job->content_type = PROBLEM_CONTENT_TYPE;
}

void jobs_refuse_reused(struct job *job) {
    const struct refusal refusal = {.status = STATUS_idempotency_key_reused};
    buffer_reset(&job->body);
    problem_render(&job->body, &refusal, PROBLEM_NO_OPERATION);
    job->status = STATUS_idempotency_key_reused;
    job->http = status_http(job->status);
    job->content_type = PROBLEM_CONTENT_TYPE;
}

void jobs_refuse_field(struct job *job, struct slice pointer, struct slice why) {
    struct wire_faults faults = {0};
    wire_fault_add(&job->arena, &faults, pointer, why);
    buffer_reset(&job->body);
    problem_render_faults(&job->body, &faults, PROBLEM_NO_OPERATION);
    job->status = STATUS_invalid_request;
    job->http = status_http(STATUS_invalid_request);
    job->content_type = PROBLEM_CONTENT_TYPE;
}
