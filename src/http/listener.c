// SPDX-License-Identifier: MIT
// Who comes in. The first loop accepts for all of them, because the library's own accepting stops
// at its connection limit, health checks included, and because a limit over several loops needs one
// place that counts. A newcomer always gets in: the longest idle connection makes room. Only when
// every single one waits for an outcome are newcomers taken from a small reserve above the limit,
// and only when that is used up do they queue in the kernel.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "http/internal.h"

#define LISTENER_BACKLOG           4096
// A newcomer gets this long to say something before another newcomer may push it out, as long as
// the reserve lasts.
#define LISTENER_GRACE_NS          UINT64_C(100000000)
// What the rest of the process may hold open: journal, checkpoints, logs, clients of its own.
#define LISTENER_OTHER_DESCRIPTORS 512

unsigned listener_raise_descriptors(unsigned connections_max) {
    const rlim_t beside = HTTP_RESERVE + HTTP_LINGERING_MAX + LISTENER_OTHER_DESCRIPTORS;
    rlim_t wanted = (rlim_t)connections_max + beside;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= wanted)
        return connections_max;
    struct rlimit raised = {.rlim_cur = wanted,
                            .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return connections_max;
    // Only a privileged process may lift the hard limit; others go as high as they may.
    raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0)
        raised.rlim_cur = limit.rlim_cur;
    rlim_t fit = raised.rlim_cur > beside + 1 ? raised.rlim_cur - beside : 1;
    return fit < connections_max ? (unsigned)fit : connections_max;
}

// The library function would take 99999 for 34463.
static bool listener_is_port(const char *text) {
    unsigned port = 0;
    for (size_t index = 0; text[index] != '\0'; index++) {
        if (text[index] < '0' || text[index] > '9' || index == 5)
            return false;
        port = port * 10 + (unsigned)(text[index] - '0');
    }
    return text[0] != '\0' && port <= UINT16_MAX;
}

// Splits "HOST:PORT" or "[HOST]:PORT" and looks the numeric host up.
static struct addrinfo *listener_resolve(const char *listen) {
    char host[INET6_ADDRSTRLEN + 1];
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon == listen || !listener_is_port(colon + 1))
        return NULL;
    const char *begin = listen;
    const char *end = colon;
    if (*begin == '[' && end[-1] == ']') {
        begin++;
        end--;
    }
    if ((size_t)(end - begin) >= sizeof(host))
        return NULL;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static uint16_t listener_port(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

enum status listener_open(struct http_server *server, char ret_why[HTTP_WHY_BYTES]) {
    const char *listen_text = server->options.listen;
    struct addrinfo *found = listener_resolve(listen_text);
    if (found == NULL) {
        snprintf(ret_why, HTTP_WHY_BYTES, "\"%s\" is not a numeric HOST:PORT to listen on",
                 listen_text);
        return STATUS_invalid_request;
    }
    const int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // Accepted sockets inherit TCP_NODELAY. SO_REUSEADDR lets a restart pass connections in
    // TIME_WAIT; two servers on one port it does not allow.
    bool listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
                     bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                     listen(fd, LISTENER_BACKLOG) == 0;
    int error = errno;
    freeaddrinfo(found);
    if (!listening) {
        snprintf(ret_why, HTTP_WHY_BYTES, "cannot listen on %s: %s%s", listen_text, strerror(error),
                 error == EADDRINUSE ? "; stop what listens there, or choose another --listen"
                                     : "");
        if (fd >= 0)
            close(fd);
        return error == EADDRINUSE ? STATUS_busy : STATUS_internal;
    }
    server->listen_fd = fd;
    server->port = listener_port(fd);
    return STATUS_ok;
}

// The loop whose longest idle connection has been idle longest, as far as the last passes know.
static struct http_loop *listener_idlest_loop(struct http_server *server) {
    struct http_loop *idlest = NULL;
    uint64_t oldest_ns = UINT64_MAX;
    for (unsigned index = 0; index < server->loop_count; index++) {
        struct http_loop *loop = &server->loops[index];
        uint64_t idle_ns = atomic_load(&loop->oldest_idle_ns);
        if (idle_ns < oldest_ns || (idlest == NULL && atomic_load(&loop->connection_count) > 0)) {
            idlest = loop;
            oldest_ns = idle_ns;
        }
    }
    return idlest;
}

// By how many there are too many, those left out that are being closed already.
static size_t listener_excess(struct http_server *server, size_t connections_max) {
    size_t open = atomic_load(&server->connections);
    size_t allowed = connections_max + atomic_load(&server->connections_closing);
    return open > allowed ? open - allowed : 0;
}

static void listener_retry_soon(struct http_loop *loop) {
    if (loop->sweep_ns > loop->now_ns + HTTP_RETRY_NS)
        loop->sweep_ns = loop->now_ns + HTTP_RETRY_NS;
}

// Closes the connection that is missed least, if it has been doing what it does for `grace_ns`.
// When it is of another loop, that loop does it in a moment.
static void listener_make_room(struct http_loop *loop, uint64_t grace_ns) {
    struct http_server *server = loop->server;
    struct http_loop *idlest = server->loop_count == 1 ? loop : listener_idlest_loop(server);
    if (idlest != NULL && idlest != loop) {
        uint64_t idle_ns = atomic_load(&idlest->oldest_idle_ns);
        if (idle_ns != UINT64_MAX && idle_ns + grace_ns > loop->now_ns)
            return listener_retry_soon(loop);
        atomic_fetch_add(&idlest->evictions_wanted, 1);
        http_wake(server, idlest->index);
    } else if (!connection_evict(loop, grace_ns)) {
        listener_retry_soon(loop); // all wait for an outcome or have just come
    }
}

bool listener_try_again(struct http_loop *loop) {
    struct http_server *server = loop->server;
    size_t excess = listener_excess(server, server->options.connections_max);
    bool paused = server->listener_paused;
    for (size_t closed = 0; closed < excess; closed++)
        listener_make_room(loop, LISTENER_GRACE_NS);
    server->listener_paused = false;
    return excess > 0 || paused;
}

static struct http_loop *listener_emptiest_loop(struct http_server *server) {
    struct http_loop *emptiest = &server->loops[0];
    for (unsigned index = 1; index < server->loop_count; index++)
        if (atomic_load(&server->loops[index].connection_count) <
            atomic_load(&emptiest->connection_count))
            emptiest = &server->loops[index];
    return emptiest;
}

// False when the other loop's inbox is full, which takes a loop that hangs.
static bool listener_hand_over(struct http_loop *loop, const struct newcomer *newcomer) {
    pthread_mutex_lock(&loop->inbox_lock);
    bool room = loop->inbox_count < HTTP_ACCEPTS_PER_PASS;
    if (room)
        loop->inbox[loop->inbox_count++] = *newcomer;
    pthread_mutex_unlock(&loop->inbox_lock);
    if (room)
        http_wake(loop->server, loop->index);
    return room;
}

void listener_take_inbox(struct http_loop *loop) {
    struct newcomer newcomers[HTTP_ACCEPTS_PER_PASS];
    pthread_mutex_lock(&loop->inbox_lock);
    size_t count = loop->inbox_count;
    memcpy(newcomers, loop->inbox, count * sizeof(newcomers[0]));
    loop->inbox_count = 0;
    pthread_mutex_unlock(&loop->inbox_lock);
    for (size_t index = 0; index < count; index++)
        connection_add(loop, &newcomers[index]);
}

static bool listener_has_room(const struct http_server *server) {
    return atomic_load(&server->connections) < server->options.connections_max + HTTP_RESERVE;
}

// Somebody wants to come in and even the reserve is used up.
static void listener_open_reserve(struct http_loop *loop) {
    struct http_server *server = loop->server;
    size_t all = server->options.connections_max + HTTP_RESERVE;
    // Those that are shut down already are gone after this pass; otherwise somebody has to go.
    if (listener_excess(server, all - 1) == 0)
        return;
    server->listener_paused = true;
    listener_make_room(loop, 0);
    listener_retry_soon(loop);
}

static void listener_admit(struct http_loop *loop, const struct newcomer *newcomer) {
    struct http_server *server = loop->server;
    struct http_loop *target = listener_emptiest_loop(server);
    atomic_fetch_add(&server->accepted, 1);
    atomic_fetch_add(&server->connections, 1);
    if (listener_excess(server, server->options.connections_max) > 0)
        listener_make_room(loop, LISTENER_GRACE_NS);
    atomic_fetch_add(&target->connection_count, 1);
    if (target != loop && listener_hand_over(target, newcomer))
        return;
    if (target != loop) {
        atomic_fetch_sub(&target->connection_count, 1);
        atomic_fetch_add(&loop->connection_count, 1);
    }
    connection_add(loop, newcomer);
}

void listener_accept(struct http_loop *loop) {
    struct http_server *server = loop->server;
    if (!listener_has_room(server))
        listener_open_reserve(loop);
    for (unsigned accepted = 0; accepted < HTTP_ACCEPTS_PER_PASS; accepted++) {
        if (!listener_has_room(server))
            return;
        struct newcomer newcomer = {.address_bytes = sizeof(newcomer.address)};
        newcomer.fd = accept4(server->listen_fd, (struct sockaddr *)&newcomer.address,
                              &newcomer.address_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        uint8_t address[16];
        if (newcomer.fd >= 0) {
            connection_read_address(&newcomer.address, address);
            if (crowd_enter(server, address)) {
                listener_admit(loop, &newcomer);
            } else {
                atomic_fetch_add(&server->crowded_out, 1);
                close(newcomer.fd);
            }
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            // Without descriptors the listener would stay readable and the loop would spin.
            server->listener_paused = true;
            listener_make_room(loop, 0);
            listener_retry_soon(loop);
        }
        return;
    }
}

void listener_close(struct http_server *server) {
    struct http_loop *loop = &server->loops[0];
    // Who is in the kernel's queue has connected as far as he knows; a close would reset him.
    uint64_t before = UINT64_MAX;
    while (server->started && !server->listener_paused &&
           atomic_load(&server->accepted) != before) {
        before = atomic_load(&server->accepted);
        listener_accept(loop);
    }
    pthread_mutex_lock(&server->listener_lock);
    close(server->listen_fd);
    server->listen_fd = -1;
    pthread_cond_broadcast(&server->listener_closed);
    pthread_mutex_unlock(&server->listener_lock);
}
