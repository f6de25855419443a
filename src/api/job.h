// SPDX-License-Identifier: MIT
// A request that a reader thread works on, and those threads. A job's answer is sent by its loop.
#pragma once
#include <pthread.h>

#include "api/completion.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "engine/engine.h"
#include "http/server.h"
#include "wire/decode.h"
#include "wire/operations.h"

#define API_LIST_THREADS    2
#define API_JOBS_QUEUED_MAX 4096

struct api;
struct api_loop;
struct asking;

enum job_kind {
    JOB_LIST,
    JOB_BALANCE,
    JOB_READ,
    JOB_KEY,
    JOB_TOTALS,
    JOB_INTEGRITY,
    JOB_PROOF,
    JOB_RESUME,
    JOB_QUEUE,
    JOB_WEBHOOK
};

// A request that a reader thread works on.
struct job {
    struct completion done; // first
    struct job *next_queued;
    struct job *previous, *next; // among the loop's jobs; or in the pool
    struct api *api;
    struct api_loop *loop;
    struct http_request *request; // NULL once it has been answered; the loop's thread alone
    const struct operation *operation;
    uint64_t started_ns;
    uint64_t begun_ns; // by a reader; 0: not yet
    enum job_kind kind;
    struct id wallet;        // of the path
    struct origin origin;    // texts are in `arena`
    struct id principal_key; // as in a command, like the next
    uint64_t token_until_ms;
    enum status status;      // what became of it
    struct wire_query query; // texts are in `arena`
    struct slice bound_to;   // the owner whom the asker is bound to
    struct slice asker;      // in `arena`; only with bound_to
    struct freshness freshness;
    struct command command;  // JOB_READ: what is read
    bool wants_balance;      // the same as of a call
    struct slice token;      // of the path, of JOB_QUEUE and JOB_WEBHOOK
    uint64_t version;        // shown as ETag; 0: not
    bool replayed;           // its answer is that of the first time
    bool streams;            // it is answered in events
    uint32_t told;           // of its progress, in thousandths; the loop's thread alone
    struct arena arena;
    struct page page;
    struct buffer body;       // the answer
    int http;                 // its code
    const char *content_type; // static
};

// Threads that do what may wait for the disk.
struct readers {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job *first, *last; // queued
    uint32_t queued;
    uint32_t thread_count;
    bool stopping;
    pthread_t threads[API_LIST_THREADS];
};

// readers.c
void readers_open(struct readers *readers, const char *name, uint32_t thread_count);
void readers_close(struct readers *readers); // what is queued is dropped

// jobs.c
struct job *jobs_take(struct asking *asking, enum job_kind kind);
void jobs_answer(struct api_loop *loop, struct job *job);
void jobs_release(struct api_loop *loop, struct job *job);
void jobs_free_all(struct api_loop *loop);
// False: the queue is full, or the readers stop.
bool jobs_push(struct readers *readers, struct job *job);
void jobs_refuse(struct job *job, enum status status, enum id_type id_type, struct id id);
void jobs_refuse_field(struct job *job, struct slice pointer, struct slice why); // 400
void jobs_refuse_reused(struct job *job); // its idempotency key is another request's

// What a reader thread does with a job, by its kind.
void lists_run(struct job *job);
void balances_run(struct job *job);
void reads_run(struct job *job);
void key_run(struct job *job); // one_key.c
void integrity_run(struct job *job);
void totals_run(struct job *job);
void resume_run(struct job *job);
void proof_run(struct job *job);   // wallet_proof.c
void console_run(struct job *job); // queue_console.c
void webhooks_run(struct job *job);
