// SPDX-License-Identifier: MIT
// Threads for what may wait for the disk: lists, the past, checks. A job is made by a loop, done by
// a reader, and answered by the loop again; while a reader has it, the loop touches only its links
// and its request.
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
#include "base/thread.h"

static void job_run(struct job *job) {
    switch (job->kind) {
    case JOB_LIST: lists_run(job); break;
    case JOB_BALANCE: balances_run(job); break;
    case JOB_READ: reads_run(job); break;
    case JOB_KEY: key_run(job); break;
    case JOB_TOTALS: totals_run(job); break;
    case JOB_INTEGRITY: integrity_run(job); break;
    case JOB_PROOF: proof_run(job); break;
    case JOB_RESUME: resume_run(job); break;
    case JOB_QUEUE: console_run(job); break;
    case JOB_WEBHOOK: webhooks_run(job); break;
    }
}

static struct job *readers_pop(struct readers *readers) {
    pthread_mutex_lock(&readers->lock);
    while (readers->first == NULL && !readers->stopping)
        pthread_cond_wait(&readers->filled, &readers->lock);
    struct job *job = readers->stopping ? NULL : readers->first;
    if (job != NULL) {
        readers->first = job->next_queued;
        if (readers->first == NULL)
            readers->last = NULL;
        readers->queued--;
    }
    pthread_mutex_unlock(&readers->lock);
    return job;
}

static void *reader_main(void *context) {
    struct readers *readers = context;
    struct job *job;
    while ((job = readers_pop(readers)) != NULL) {
        struct http_server *server = job->api->server;
        struct api_loop *loop = job->loop;
        job->begun_ns = clock_monotonic_ns();
        job_run(job);
        inbox_push(&loop->done, &job->done.node);
        http_wake(server, loop->index); // the job is the loop's again and must not be touched
    }
    return NULL;
}

void readers_open(struct readers *readers, const char *name, uint32_t thread_count) {
    CHECK(thread_count >= 1 && thread_count <= API_LIST_THREADS);
    memset(readers, 0, sizeof(*readers));
    CHECK(pthread_mutex_init(&readers->lock, NULL) == 0);
    CHECK(pthread_cond_init(&readers->filled, NULL) == 0);
    for (; readers->thread_count < thread_count; readers->thread_count++)
        thread_start(&readers->threads[readers->thread_count], name, reader_main, readers);
}

void readers_close(struct readers *readers) {
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->filled);
    pthread_mutex_unlock(&readers->lock);
    for (uint32_t i = 0; i < readers->thread_count; i++)
        CHECK(pthread_join(readers->threads[i], NULL) == 0);
    pthread_cond_destroy(&readers->filled);
    pthread_mutex_destroy(&readers->lock);
}

bool readers_push(struct readers *readers, struct job *job) {
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
    job->bound_to = router_bound_to(asking, &job->arena);
    job->asker = (struct slice){0};
    if (job->bound_to.size != 0) {
        char key[ID_TEXT_BYTES_MAX];
        job->asker = arena_copy(&job->arena, router_principal(asking, key));
    }
    job->version = 0;
    job->streams = job->replayed = false;
    job->begun_ns = 0;
    job->told = 0;
    job->origin = router_origin(asking, &job->arena);
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
