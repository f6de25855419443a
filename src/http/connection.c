// SPDX-License-Identifier: MIT
// Connections by what they are doing. The library knows its own states but tells nobody, so this
// file keeps one list per state, oldest first: the sweep looks at list heads only, and when a
// newcomer needs a place the connection that is missed least is found at once.
//
// Closing is always shutdown(2): the library sees the end of its socket, ends the request and
// closes the descriptor itself, so there is one way in which a connection dies.
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "http/internal.h"

static void connection_list_add(struct connection_list *list, struct connection *connection) {
    connection->previous = list->last;
    connection->next = NULL;
    if (list->last != NULL)
        list->last->next = connection;
    else
        list->first = connection;
    list->last = connection;
    list->count++;
}

static void connection_list_remove(struct connection_list *list, struct connection *connection) {
    CHECK(list->count > 0);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    else
        list->last = connection->previous;
    list->count--;
}

void connection_enter(struct connection *connection, enum connection_state state) {
    struct http_loop *loop = connection->loop;
    CHECK(connection->state != CONNECTION_CLOSING);
    connection_list_remove(&loop->lists[connection->state], connection);
    connection->state = state;
    connection->since_ns = loop->now_ns;
    connection_list_add(&loop->lists[state], connection);
}

void connection_is_back(struct connection *connection) {
    struct http_loop *loop = connection->loop;
    if (connection->answered_pass != 0 && connection->answered_pass == loop->away_pass) {
        CHECK(loop->away > 0);
        loop->away--;
    }
    connection->answered_pass = 0;
}

void connection_is_away(struct connection *connection) {
    struct http_loop *loop = connection->loop;
    connection_is_back(connection);
    if (loop->away_pass != loop->pass) {
        loop->away_pass = loop->pass;
        loop->away = 0;
    }
    loop->away++;
    connection->answered_pass = loop->pass;
}

void connection_shut(struct connection *connection) {
    if (connection->state == CONNECTION_CLOSING)
        return;
    connection_enter(connection, CONNECTION_CLOSING);
    atomic_fetch_add(&connection->loop->server->connections_closing, 1);
    // Fails only when the peer has reset the connection, and then the library learns of that
    // instead.
    (void)shutdown(connection->fd, SHUT_RDWR);
}

void connection_shut_all(struct http_loop *loop, enum connection_state state) {
    CHECK(state != CONNECTION_WAITING && state != CONNECTION_CLOSING);
    while (loop->lists[state].first != NULL)
        connection_shut(loop->lists[state].first);
}

void connection_read_address(const struct sockaddr_storage *address, uint8_t ret_address[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        memcpy(ret_address, &six->sin6_addr, 16);
        return;
    }
    CHECK(address->ss_family == AF_INET);
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    memcpy(ret_address, mapped, sizeof(mapped));
    memcpy(ret_address + sizeof(mapped), &four->sin_addr, 4);
}

static struct connection *connection_new(struct http_loop *loop) {
    struct connection *connection = loop->free_connections;
    if (connection == NULL)
        connection = memory_take(sizeof(*connection));
    else
        loop->free_connections = connection->next;
    *connection = (struct connection){.loop = loop};
    return connection;
}

static void connection_free(struct connection *connection) {
    struct http_loop *loop = connection->loop;
    crowd_leave(loop->server, connection->address);
    tls_release(connection->identity);
    connection->next = loop->free_connections;
    loop->free_connections = connection;
    atomic_fetch_sub(&loop->connection_count, 1);
    atomic_fetch_sub(&loop->server->connections, 1);
}

void connection_add(struct http_loop *loop, const struct newcomer *newcomer) {
    struct connection *connection = connection_new(loop);
    connection->fd = newcomer->fd;
    connection->accepted_pass = loop->pass;
    connection_read_address(&newcomer->address, connection->address);
    loop->adding = connection;
    // The library calls connection_notify before it returns, unless it could not take the socket at
    // all.
    (void)MHD_add_connection(loop->daemon, newcomer->fd,
                             (const struct sockaddr *)&newcomer->address, newcomer->address_bytes);
    if (loop->adding != NULL)
        connection_free(connection); // the library has closed the socket
    loop->adding = NULL;
}

static void connection_started(struct http_loop *loop, struct MHD_Connection *handle,
                               void **socket_context) {
    struct connection *connection = loop->adding;
    struct tls *tls = loop->server->options.tls;
    CHECK(connection != NULL);
    loop->adding = NULL;
    connection->state = tls != NULL ? CONNECTION_RECEIVING : CONNECTION_IDLE;
    connection->since_ns = loop->now_ns;
    connection_list_add(&loop->lists[connection->state], connection);
    *socket_context = connection;
    if (tls == NULL)
        return;
    connection->session =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    connection->identity = tls_begin(tls, connection->session);
    tls_watch_handshake(connection->session, &connection->shook_hands);
}

// The library is about to close the descriptor. What a peer still sends would be answered by a
// reset, and a reset can take our last answer away before it is read.
static void connection_ended(struct connection *connection) {
    struct http_loop *loop = connection->loop;
    // When two errors meet in one head the library forgets to say that its request has ended.
    void *request = connection->request;
    request_complete(loop, NULL, &request, MHD_REQUEST_TERMINATED_WITH_ERROR);
    connection_is_back(connection); // or never, which is the same
    int unread = 0;
    if (connection->state == CONNECTION_CLOSING)
        atomic_fetch_sub(&loop->server->connections_closing, 1);
    else if (connection->linger || (ioctl(connection->fd, FIONREAD, &unread) == 0 && unread > 0))
        linger_begin(loop, connection->fd);
    connection_list_remove(&loop->lists[connection->state], connection);
    connection_free(connection);
}

void connection_notify(void *context, struct MHD_Connection *handle, void **socket_context,
                       enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_started(context, handle, socket_context);
        return;
    }
    CHECK(*socket_context != NULL);
    connection_ended(*socket_context);
    *socket_context = NULL;
}

// Whoever looks idle may have sent a request a moment ago, which lies unread in the kernel.
static void connection_spare_unread(struct http_loop *loop) {
    struct connection *oldest = loop->lists[CONNECTION_IDLE].first;
    int unread = 0;
    while (oldest != NULL && ioctl(oldest->fd, FIONREAD, &unread) == 0 && unread > 0) {
        connection_enter(oldest, CONNECTION_RECEIVING);
        oldest = loop->lists[CONNECTION_IDLE].first;
    }
}

bool connection_evict(struct http_loop *loop, uint64_t grace_ns) {
    // Idle ones first, then half-sent requests, then answers that nobody takes; never one that
    // waits for an outcome.
    static const enum connection_state order[] = {CONNECTION_IDLE, CONNECTION_RECEIVING,
                                                  CONNECTION_SENDING};
    if (delay_evict(loop)) { // who was refused is missed least
        atomic_fetch_add(&loop->server->evicted, 1);
        return true;
    }
    connection_spare_unread(loop);
    for (size_t index = 0; index < sizeof(order) / sizeof(order[0]); index++) {
        struct connection *oldest = loop->lists[order[index]].first;
        // One accepted in this very pass has had no chance to say anything yet.
        if (oldest == NULL || oldest->accepted_pass == loop->pass)
            continue;
        if (oldest->since_ns + grace_ns > loop->now_ns)
            return false; // soon; nobody of the next kind goes before it
        atomic_fetch_add(&loop->server->evicted, 1);
        connection_shut(oldest);
        return true;
    }
    return false;
}

uint64_t connection_oldest_idle_ns(const struct http_loop *loop) {
    const struct connection *oldest = loop->lists[CONNECTION_IDLE].first;
    if (loop->delayed_first != NULL)
        return 0; // missed less than any
    return oldest == NULL ? UINT64_MAX : oldest->since_ns;
}
