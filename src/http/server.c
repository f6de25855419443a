// SPDX-License-Identifier: MIT
// The server as its owner sees it: opened, started, stopped, closed. Everything that happens in
// between happens on the loops' threads; this file only sets the flags that they read and waits for
// them.
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/thread.h"
#include "http/internal.h"

#define SERVER_CONNECTIONS_MAX  4096
#define SERVER_REQUEST_MS_MAX   10000
#define SERVER_ANSWER_MS_MAX    30000
#define SERVER_SUSPEND_AFTER_MS 20
#define SERVER_HEAD_BYTES_MAX   ((size_t)10 * 1024)
#define SERVER_DELAY_MS         1000
#define SERVER_BODIES_BYTES_MAX ((size_t)512 * 1024 * 1024)

static struct http_options server_complete_options(struct http_options options) {
    if (options.loops == 0)
        options.loops = 1;
    if (options.connections_max == 0)
        options.connections_max = SERVER_CONNECTIONS_MAX;
    if (options.request_ms_max == 0)
        options.request_ms_max = SERVER_REQUEST_MS_MAX;
    if (options.answer_ms_max == 0)
        options.answer_ms_max = SERVER_ANSWER_MS_MAX;
    if (options.suspend_after_ms == 0)
        options.suspend_after_ms = SERVER_SUSPEND_AFTER_MS;
    if (options.head_bytes_max == 0)
        options.head_bytes_max = SERVER_HEAD_BYTES_MAX;
    if (options.delay_ms == 0)
        options.delay_ms = SERVER_DELAY_MS;
    if (options.bodies_bytes_max == 0)
        options.bodies_bytes_max = SERVER_BODIES_BYTES_MAX;
    return options;
}

enum status http_server_open(const struct http_options *options, const struct http_handler *handler,
                             char ret_why[HTTP_WHY_BYTES], struct http_server **ret_server) {
    CHECK(options->listen != NULL);
    CHECK(options->loops <= HTTP_LOOPS_MAX);
    CHECK(handler->request != NULL && handler->body_limit != NULL);
    struct http_server *server = memory_take_zeroed(sizeof(*server));
    server->handler = *handler;
    server->options = server_complete_options(*options);
    server->options.connections_max = listener_raise_descriptors(server->options.connections_max);
    server->listen_fd = -1;
    random_fill(&server->crowd_seed, sizeof(server->crowd_seed));
    server->loop_count = server->options.loops;
    server->loops = memory_take_zeroed(server->loop_count * sizeof(server->loops[0]));
    for (unsigned index = 0; index < server->loop_count; index++)
        server->loops[index].wake_fd = -1;
    pthread_mutex_init(&server->listener_lock, NULL);
    pthread_cond_init(&server->listener_closed, NULL);
    enum status status = listener_open(server, ret_why);
    for (unsigned index = 0; status == STATUS_ok && index < server->loop_count; index++) {
        status = loop_open(server, index);
        if (status != STATUS_ok)
            snprintf(ret_why, HTTP_WHY_BYTES, "cannot start the HTTP library");
    }
    server->options.listen = NULL; // the caller's; not needed any more
    if (status != STATUS_ok) {
        http_server_close(server);
        return status;
    }
    *ret_server = server;
    return STATUS_ok;
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}

unsigned http_server_connections_max(const struct http_server *server) {
    return server->options.connections_max;
}

void http_server_start(struct http_server *server) {
    CHECK(!server->started);
    server->started = true;
    for (unsigned index = 0; index < server->loop_count; index++) {
        struct http_loop *loop = &server->loops[index];
        loop->relief.has_threads = true;
        char name[16];
        snprintf(name, sizeof(name), "http-%u", index);
        thread_start(&loop->threads[0], name, loop_main, loop);
        thread_start(&loop->threads[1], name, loop_stand_by, loop);
    }
}

void http_server_close_listener(struct http_server *server) {
    atomic_store(&server->draining, true);
    if (!server->started) {
        if (server->listen_fd >= 0)
            listener_close(server);
        return;
    }
    atomic_store(&server->closing_listener, true);
    http_wake(server, 0);
    pthread_mutex_lock(&server->listener_lock);
    while (server->listen_fd >= 0)
        pthread_cond_wait(&server->listener_closed, &server->listener_lock);
    pthread_mutex_unlock(&server->listener_lock);
}

size_t http_server_stop(struct http_server *server, uint32_t deadline_ms) {
    if (server->stopped)
        return server->left_unanswered;
    http_server_close_listener(server);
    server->stopped = true;
    if (!server->started)
        return 0;
    atomic_store(&server->stop_ns, clock_monotonic_ns() + (uint64_t)deadline_ms * 1000000);
    for (unsigned index = 0; index < server->loop_count; index++)
        http_wake(server, index);
    for (unsigned index = 0; index < server->loop_count; index++) {
        // A thread may still be held up; it has nothing to do with the loop any more.
        relief_await_end(&server->loops[index].relief);
        server->left_unanswered += server->loops[index].unanswered;
    }
    return server->left_unanswered;
}

bool http_server_drain_began(const struct http_server *server) {
    return atomic_load_explicit(&server->draining, memory_order_relaxed);
}

void http_server_close(struct http_server *server) {
    if (server == NULL)
        return;
    CHECK(!server->started || server->stopped);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    for (unsigned index = 0; server->started && index < server->loop_count; index++)
        for (unsigned thread = 0; thread < HTTP_LOOP_THREADS; thread++)
            CHECK(pthread_join(server->loops[index].threads[thread], NULL) == 0);
    for (unsigned index = 0; index < server->loop_count; index++)
        if (server->loops[index].server != NULL)
            loop_close(&server->loops[index]);
    pthread_mutex_destroy(&server->listener_lock);
    pthread_cond_destroy(&server->listener_closed);
    memory_free(server->loops);
    memory_free(server);
}

struct http_stats http_server_stats(const struct http_server *server) {
    return (struct http_stats){
        .connections_open = atomic_load(&server->connections),
        .connections_accepted = atomic_load(&server->accepted),
        .connections_evicted = atomic_load(&server->evicted),
        .connections_refused = atomic_load(&server->crowded_out),
        .requests = atomic_load(&server->handed),
        .requests_refused = atomic_load(&server->refused),
        .requests_timed_out = atomic_load(&server->requests_timed_out),
        .answers_timed_out = atomic_load(&server->answers_timed_out),
        .answers_dropped = atomic_load(&server->dropped),
        .answers_delayed = atomic_load(&server->delayed),
    };
}
