// SPDX-License-Identifier: MIT
// The bare loop: poll on the library's epoll descriptor, MHD_run, and every complete request is
// left unanswered when it is first seen. Between two runs the pass is committed and its answers are
// queued; the next run sends them and reads what has come meanwhile. One thread, no suspending, one
// answer object for all, no allocation but the library's own.
#include "limit_serve.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LIMIT_BODY_BYTES_MAX  1024
#define LIMIT_CONNECTIONS_MAX 4096
// The library clears a connection's pool after every request; this size is no slower than smaller
// ones.
#define LIMIT_POOL_BYTES      8192

struct limit_request {
    struct limit_request *next_free;
    bool waiting; // complete and not answered
    size_t body_bytes;
    uint8_t body[LIMIT_BODY_BYTES_MAX];
};

struct limit_server {
    struct MHD_Daemon *daemon;
    struct MHD_Response *answer;
    limit_collect *collect;
    limit_commit *commit;
    void *context;
    struct MHD_Connection *waiting[LIMIT_CONNECTIONS_MAX]; // of this pass
    unsigned waiting_count;
    struct limit_request *free_requests;
    struct limit_request requests[LIMIT_CONNECTIONS_MAX];
};

static _Noreturn void limit_fail(const char *why) {
    fprintf(stderr, "limit: %s\n", why);
    exit(1);
}

struct limit_options limit_read_options(int argument_count, char **arguments, int needs_file) {
    struct limit_options options = {.listen = "127.0.0.1:8090"};
    for (int index = 1; index < argument_count; index++) {
        if (strcmp(arguments[index], "--listen") == 0 && index + 1 < argument_count)
            options.listen = arguments[++index];
        else if (strcmp(arguments[index], "--file") == 0 && index + 1 < argument_count)
            options.file = arguments[++index];
        else
            limit_fail("usage: --listen HOST:PORT [--file PATH]");
    }
    if (needs_file && options.file == NULL)
        limit_fail("--file PATH is needed");
    return options;
}

static struct sockaddr_in limit_address(const char *listen) {
    char host[64];
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || (size_t)(colon - listen) >= sizeof(host))
        limit_fail("--listen wants HOST:PORT");
    memcpy(host, listen, (size_t)(colon - listen));
    host[colon - listen] = '\0';
    unsigned port = 0;
    if (sscanf(colon + 1, "%5u", &port) != 1 || port > 65535)
        limit_fail("the port makes no sense");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        limit_fail("the host must be a numeric IPv4 address");
    return address;
}

static struct limit_request *limit_request_new(struct limit_server *server) {
    struct limit_request *request = server->free_requests;
    if (request == NULL)
        return NULL;
    server->free_requests = request->next_free;
    request->waiting = false;
    request->body_bytes = 0;
    return request;
}

static enum MHD_Result limit_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *byte_count, void **request_slot) {
    struct limit_server *server = cls;
    struct limit_request *request = *request_slot;
    (void)url, (void)method, (void)version;
    if (request == NULL) {
        *request_slot = limit_request_new(server);
        return *request_slot != NULL ? MHD_YES : MHD_NO;
    }
    if (*byte_count != 0) {
        if (request->body_bytes + *byte_count > sizeof(request->body))
            return MHD_NO;
        memcpy(request->body + request->body_bytes, bytes, *byte_count);
        request->body_bytes += *byte_count;
        *byte_count = 0;
        return MHD_YES;
    }
    // The library calls again when it runs while a request waits.
    if (!request->waiting) {
        request->waiting = true;
        server->waiting[server->waiting_count++] = connection;
        if (server->collect != NULL)
            server->collect(server->context, request->body, request->body_bytes);
    }
    return MHD_YES;
}

static void limit_complete(void *cls, struct MHD_Connection *connection, void **request_slot,
                           enum MHD_RequestTerminationCode code) {
    struct limit_server *server = cls;
    struct limit_request *request = *request_slot;
    (void)connection, (void)code;
    if (request == NULL)
        return;
    request->next_free = server->free_requests;
    server->free_requests = request;
    *request_slot = NULL;
}

static void limit_start(struct limit_server *server, const struct limit_options *options,
                        const char *answer) {
    struct sockaddr_in address = limit_address(options->listen);
    for (size_t index = 0; index < LIMIT_CONNECTIONS_MAX; index++) {
        server->requests[index].next_free = server->free_requests;
        server->free_requests = &server->requests[index];
    }
    server->answer =
        MHD_create_response_from_buffer(strlen(answer), (void *)answer, MHD_RESPMEM_PERSISTENT);
    if (server->answer == NULL ||
        MHD_add_response_header(server->answer, "Content-Type", "application/json") == MHD_NO)
        limit_fail("out of memory");
    server->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, limit_handle, server, MHD_OPTION_SOCK_ADDR,
                         &address, MHD_OPTION_CONNECTION_LIMIT, LIMIT_CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_POOL_BYTES,
                         MHD_OPTION_NOTIFY_COMPLETED, limit_complete, server, MHD_OPTION_END);
    if (server->daemon == NULL)
        limit_fail("cannot listen");
}

// Between two runs no request that waits can end: nothing reads or closes.
static void limit_answer(struct limit_server *server) {
    if (server->waiting_count != 0 && server->commit != NULL)
        server->commit(server->context);
    for (unsigned index = 0; index < server->waiting_count; index++)
        if (MHD_queue_response(server->waiting[index], MHD_HTTP_CREATED, server->answer) != MHD_YES)
            limit_fail("the library took no answer");
    server->waiting_count = 0;
}

static void limit_loop(struct limit_server *server, int stop_fd) {
    struct pollfd polled[2] = {
        {.fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
         .events = POLLIN},
        {.fd = stop_fd, .events = POLLIN},
    };
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
        bool bounded = MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES;
        if (poll(polled, 2, bounded ? (int)timeout_ms : -1) < 0)
            continue;
        if (polled[1].revents != 0)
            return;
        MHD_run(server->daemon);
        limit_answer(server);
    }
}

int limit_serve(const struct limit_options *options, const char *answer, limit_collect *collect,
                limit_commit *commit, void *context) {
    sigset_t stop_signals;
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    sigprocmask(SIG_BLOCK, &stop_signals, NULL);
    int stop_fd = signalfd(-1, &stop_signals, SFD_CLOEXEC);
    struct limit_server *server = calloc(1, sizeof(*server));
    if (stop_fd < 0 || server == NULL)
        limit_fail("cannot start");
    server->collect = collect;
    server->commit = commit;
    server->context = context;
    limit_start(server, options, answer);
    puts("listening");
    fflush(stdout);
    limit_loop(server, stop_fd);
    MHD_stop_daemon(server->daemon);
    MHD_destroy_response(server->answer);
    close(stop_fd);
    free(server);
    return 0;
}
