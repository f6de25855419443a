// SPDX-License-Identifier: MIT
// Threads for what may wait for the disk: lists, the past, checks. A job is made by a loop, done by
// a reader, and answered by the loop again; while a reader has it, the loop touches only its links
// and its request.
#include "api/completion.h"
#include "api/job.h"
#include "api/loop.h"
#include "base/clock.h"
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
