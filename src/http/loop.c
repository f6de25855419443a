// SPDX-License-Identifier: MIT
// One thread, one event loop, one library daemon without a listener. A pass is
//
//   wait ─▶ woken ─▶ accept ─▶ MHD_run ─▶ pass_end ─▶ sweep
//
// and it waits only when nothing is left to do at once. While answers are queued or bytes keep
// coming it does not even ask poll(2), because MHD_run looks at the sockets anyway; every 200 µs it
// does all the same, so that newcomers are not starved under load or behind slow passes. The
// library says that it has work whenever a request waits unanswered; that is not work, so such a
// loop waits a little and is woken by sockets and by http_wake.
//
// Waking costs a system call only when the loop sleeps: the waker sets wake_pending and then looks
// at sleeping, the loop sets sleeping and then looks at wake_pending, both sequentially consistent,
// so one of them sees the other.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "http/internal.h"

#define LOOP_UNPOLLED_NS        UINT64_C(200000)
#define LOOP_WAIT_UNANSWERED_MS 2
#define LOOP_DRAIN_PASSES_MAX   64
#define LOOP_POLLED_MAX         (3 + HTTP_LINGERING_MAX)

enum { LOOP_POLL_DAEMON, LOOP_POLL_WAKE, LOOP_POLL_LISTENER, LOOP_POLL_LINGERING };

static size_t loop_unescape(void *context, struct MHD_Connection *handle, char *text) {
    (void)context;
    (void)handle;
    return strlen(text); // target.c decodes, from what really came
}

static void loop_panic(void *context, const char *file, unsigned line, const char *reason) {
    (void)context;
    check_failed(file, (int)line, reason);
}

enum status loop_open(struct http_server *server, unsigned index) {
    struct http_loop *loop = &server->loops[index];
    loop->server = server;
    loop->index = index;
    atomic_store(&loop->oldest_idle_ns, UINT64_MAX);
    pthread_mutex_init(&loop->inbox_lock, NULL);
    relief_open(&loop->relief);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return STATUS_internal;
    loop->ready = ready_open();
    loop->queue = library_find_queue();
    MHD_set_panic_func(loop_panic, NULL);
    // The limit is ours (listener.c); the library's own must never be met.
    unsigned limit = server->options.connections_max + HTTP_RESERVE + HTTP_ACCEPTS_PER_PASS;
    intptr_t pool_bytes = (intptr_t)(server->options.head_bytes_max + HTTP_ANSWER_HEAD_BYTES_MAX);
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limit, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_complete, loop},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_notify, loop},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_begin, loop},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)loop_unescape, loop},
        {MHD_OPTION_END, 0, NULL},
    };
    // Of TLS only the priorities are used: connections get their identity in connection.c.
    const struct tls *tls = server->options.tls;
    const struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls == NULL ? NULL : (void *)tls_certificate_text(tls)},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls == NULL ? NULL : (void *)tls_key_text(tls)},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities()},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem no_options[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
    loop->daemon = MHD_start_daemon(flags | (tls == NULL ? 0 : MHD_USE_TLS), 0, NULL, NULL,
                                    request_proceed, loop, MHD_OPTION_ARRAY, options,
                                    MHD_OPTION_ARRAY, tls == NULL ? no_options : tls_options,
                                    MHD_OPTION_END);
    if (loop->daemon == NULL)
        return STATUS_internal;
    loop->daemon_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return STATUS_ok;
}

void loop_close(struct http_loop *loop) {
    if (loop->daemon != NULL)
        MHD_stop_daemon(loop->daemon); // only when the loop has never run
    request_free_all(loop);
    ready_close(loop->ready);
    while (loop->free_connections != NULL) {
        struct connection *connection = loop->free_connections;
        loop->free_connections = connection->next;
        memory_free(connection);
    }
    for (size_t index = 0; index < loop->inbox_count; index++)
        close(loop->inbox[index].fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->inbox_lock);
    relief_close(&loop->relief);
}

void http_wake(struct http_server *server, unsigned index) {
    CHECK(index < server->loop_count);
    struct http_loop *loop = &server->loops[index];
    if (atomic_exchange(&loop->wake_pending, true) || !atomic_load(&loop->sleeping))
        return;
    (void)eventfd_write(loop->wake_fd, 1); // fails only when the counter is full: it wakes anyway
}

void http_end_next_pass(struct http_server *server, unsigned index) {
    CHECK(index < server->loop_count);
    CHECK(pthread_equal(pthread_self(), server->loops[index].self));
    server->loops[index].pass_end_wanted = true;
}

size_t http_away(const struct http_server *server, unsigned index) {
    CHECK(index < server->loop_count);
    return server->loops[index].away;
}

void http_gather(struct http_server *server, unsigned index, uint64_t span_ns, uint64_t gap_ns) {
    CHECK(index < server->loop_count);
    struct http_loop *loop = &server->loops[index];
    CHECK(pthread_equal(pthread_self(), loop->self));
    uint64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + span_ns, last_ns = now_ns;
    while (loop->away > 0 && now_ns < until_ns && now_ns - last_ns < gap_ns) {
        size_t before = loop->left_waiting;
        CHECK(MHD_run(loop->daemon) == MHD_YES);
        now_ns = clock_monotonic_ns();
        if (loop->left_waiting != before)
            last_ns = now_ns;
        else
            (void)sched_yield(); // they may want this very processor
    }
}

static bool loop_listens(const struct http_loop *loop) {
    return loop->index == 0 && loop->server->listen_fd >= 0 && !loop->server->listener_paused;
}

static int loop_ms_until(const struct http_loop *loop, uint64_t time_ns) {
    if (time_ns <= loop->now_ns)
        return 0;
    uint64_t ms = (time_ns - loop->now_ns + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

static bool loop_wants_tick(const struct http_loop *loop) {
    const struct http_handler *handler = &loop->server->handler;
    if (handler->tick == NULL)
        return false;
    return loop->unanswered > 0 ||
           (handler->wants_tick != NULL && handler->wants_tick(handler->context, loop->index));
}

// How long the loop may sleep, in ms; -1: until something happens.
static int loop_timeout_ms(const struct http_loop *loop) {
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    bool library_busy = MHD_get_timeout(loop->daemon, &library_ms) == MHD_YES && library_ms == 0;
    bool only_waiting = loop->lists[CONNECTION_WAITING].count > loop->suspended;
    if (loop->run_again || (library_busy && (loop->progressed || !only_waiting)))
        return 0;
    if (library_busy)
        return LOOP_WAIT_UNANSWERED_MS;
    bool anybody = atomic_load_explicit(&loop->connection_count, memory_order_relaxed) > 0;
    bool paused = loop->index == 0 && loop->server->listener_paused;
    int timeout_ms = anybody || paused ? loop_ms_until(loop, loop->sweep_ns) : -1;
    if (loop_wants_tick(loop) &&
        (timeout_ms < 0 || timeout_ms > loop_ms_until(loop, loop->tick_ns)))
        timeout_ms = loop_ms_until(loop, loop->tick_ns);
    if (timeout_ms > 0 && loop->delayed_first != NULL &&
        timeout_ms > loop_ms_until(loop, delay_next_ns(loop)))
        timeout_ms = loop_ms_until(loop, delay_next_ns(loop));
    bool ending = loop->drain_until_ns != 0 || loop->lingering_count > 0;
    return ending && (timeout_ms < 0 || timeout_ms > 10) ? 10 : timeout_ms;
}

static int loop_poll(struct http_loop *loop, struct pollfd *polled, int timeout_ms) {
    polled[LOOP_POLL_DAEMON] = (struct pollfd){.fd = loop->daemon_fd, .events = POLLIN};
    polled[LOOP_POLL_WAKE] = (struct pollfd){.fd = loop->wake_fd, .events = POLLIN};
    polled[LOOP_POLL_LISTENER] =
        (struct pollfd){.fd = loop_listens(loop) ? loop->server->listen_fd : -1, .events = POLLIN};
    for (size_t index = 0; index < loop->lingering_count; index++)
        polled[LOOP_POLL_LINGERING + index] =
            (struct pollfd){.fd = loop->lingering[index].fd, .events = POLLIN};
    if (timeout_ms != 0)
        atomic_store(&loop->sleeping, true);
    bool woken = atomic_load(&loop->wake_pending);
    int ready = poll(polled, LOOP_POLL_LINGERING + loop->lingering_count, woken ? 0 : timeout_ms);
    if (timeout_ms != 0)
        atomic_store(&loop->sleeping, false);
    CHECK(ready >= 0 || errno == EINTR);
    return ready;
}

// Sleeps until there is something to do, and does all of it but what the library does.
static void loop_wait(struct http_loop *loop) {
    struct pollfd polled[LOOP_POLLED_MAX];
    int timeout_ms = loop_timeout_ms(loop);
    if (timeout_ms == 0 && loop->now_ns - loop->polled_ns < LOOP_UNPOLLED_NS)
        return;
    int ready = loop_poll(loop, polled, timeout_ms);
    loop->now_ns = loop->polled_ns = clock_monotonic_ns();
    if (ready <= 0)
        return;
    if (polled[LOOP_POLL_WAKE].revents != 0) {
        eventfd_t wakes;
        (void)eventfd_read(loop->wake_fd, &wakes); // how often does not matter
    }
    if (polled[LOOP_POLL_LISTENER].revents != 0)
        listener_accept(loop);
    for (size_t index = loop->lingering_count; index-- > 0;)
        if (polled[LOOP_POLL_LINGERING + index].revents != 0)
            linger_read(loop, index);
}

// False: the loop is another thread's since.
static bool loop_take_wake(struct http_loop *loop) {
    struct http_server *server = loop->server;
    if (!atomic_load_explicit(&loop->wake_pending, memory_order_relaxed) ||
        !atomic_exchange(&loop->wake_pending, false))
        return true;
    if (server->loop_count > 1) {
        listener_take_inbox(loop);
        for (unsigned wanted = atomic_exchange(&loop->evictions_wanted, 0); wanted > 0; wanted--)
            (void)connection_evict(loop, 0); // false: nobody can be missed here
    }
    return server->handler.woken == NULL ||
           server->handler.woken(server->handler.context, loop->index);
}

// Lets the library read and send, then lets the handler decide what it has been handed. False: the
// loop is another thread's since.
static bool loop_run(struct http_loop *loop) {
    const struct http_handler *handler = &loop->server->handler;
    loop->pass++;
    loop->run_again = false;
    loop->progressed = false;
    loop->left_waiting = 0;
    CHECK(MHD_run(loop->daemon) == MHD_YES);
    bool is_asked_for = loop->pass_end_wanted;
    loop->pass_end_wanted = false;
    if ((loop->left_waiting > 0 || is_asked_for) && handler->pass_end != NULL)
        return handler->pass_end(handler->context, loop->index);
    return true;
}

static void loop_keep_times(struct http_loop *loop) {
    const struct http_handler *handler = &loop->server->handler;
    loop->now_ns = clock_monotonic_ns();
    if (loop->now_ns >= loop->sweep_ns)
        deadlines_sweep(loop);
    if (loop->now_ns >= loop->tick_ns) {
        loop->tick_ns = loop->now_ns + HTTP_TICK_NS;
        if (loop_wants_tick(loop))
            handler->tick(handler->context, loop->index);
    }
    delay_expire(loop);
    if (loop->lingering_count > 0)
        linger_expire(loop);
    if (loop->server->loop_count > 1)
        atomic_store_explicit(&loop->oldest_idle_ns, connection_oldest_idle_ns(loop),
                              memory_order_relaxed);
}

// Requests that lie complete in the kernel's buffers are still read; then whoever is idle or
// half-way goes.
static void loop_drain(struct http_loop *loop) {
    if (loop->drain_until_ns == 0) {
        loop->drain_until_ns = atomic_load(&loop->server->stop_ns);
        loop->tick_ns = loop->now_ns;
        for (unsigned pass = 0; pass < LOOP_DRAIN_PASSES_MAX && (pass == 0 || loop->progressed);
             pass++) {
            if (loop->server->loop_count > 1)
                listener_take_inbox(loop);
            CHECK(loop_run(loop)); // nobody is relieved in a drain
        }
        return;
    }
    connection_shut_all(loop, CONNECTION_IDLE);
    connection_shut_all(loop, CONNECTION_RECEIVING);
}

static bool loop_is_done(struct http_loop *loop) {
    if (loop->drain_until_ns == 0)
        return false;
    if (loop->now_ns >= loop->drain_until_ns)
        return true;
    return loop->unanswered == 0 && loop->lingering_count == 0 &&
           atomic_load(&loop->connection_count) == 0;
}

// Ends what is left, on the loop's own thread. The library wants nobody suspended when it stops.
static void loop_end(struct http_loop *loop) {
    for (struct connection *connection = loop->lists[CONNECTION_WAITING].first; connection != NULL;
         connection = connection->next) {
        if (connection->request->suspended) {
            connection->request->suspended = false;
            MHD_resume_connection(connection->request->handle);
        }
    }
    loop->suspended = 0;
    MHD_stop_daemon(loop->daemon);
    loop->daemon = NULL;
    linger_end_all(loop);
}

// Turns the loop to its end, or until another thread does; then false.
static bool loop_turn(struct http_loop *loop) {
    struct http_server *server = loop->server;
    while (!loop_is_done(loop)) {
        loop_wait(loop);
        if (!loop_take_wake(loop) || !loop_run(loop))
            return false;
        loop_keep_times(loop);
        if (loop->index == 0 && server->listen_fd >= 0 && atomic_load(&server->closing_listener))
            listener_close(server);
        if (atomic_load_explicit(&server->stop_ns, memory_order_relaxed) != 0)
            loop_drain(loop);
    }
    const struct http_handler *handler = &server->handler;
    if (handler->loop_ended != NULL)
        handler->loop_ended(handler->context, loop->index);
    loop_end(loop);
    relief_end(&loop->relief);
    return true;
}

void *loop_stand_by(void *context) {
    struct http_loop *loop = context;
    while (relief_wait(&loop->relief)) {
        // The other was held up at a pass's end, and the pass's end it is.
        loop->self = pthread_self();
        loop_keep_times(loop);
        if (loop_turn(loop))
            break;
    }
    return NULL;
}

void *loop_main(void *context) {
    struct http_loop *loop = context;
    const struct http_handler *handler = &loop->server->handler;
    loop->self = pthread_self();
    loop->now_ns = clock_monotonic_ns();
    if (handler->loop_started != NULL)
        handler->loop_started(handler->context, loop->index);
    return loop_turn(loop) ? NULL : loop_stand_by(loop);
}
