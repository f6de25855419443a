// SPDX-License-Identifier: MIT
// Batches of transfers between random wallets through POST /v1/batches, an idempotency key on every
// operation. Bodies are made before the clock starts; before each sending only the digits of their
// keys are written anew. Answers are counted by their head and thrown away by the kernel, except
// one in so many that is read and searched for refusals.
//
// Prints one line: operations=N seconds=S rate=N batch_p50_us=N batch_p99_us=N batch_max_us=N
// failed=N looked_at=N refused=N cpu_us_per_operation=P
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define BATCH_BODIES_PER_CONNECTION 8
#define BATCH_OPERATION_BYTES 192
#define BATCH_HEAD_BYTES_MAX 512
#define BATCH_ANSWER_BYTES_MAX (16u * 1024 * 1024)
#define BATCH_LOOK_EVERY 64 // answers
#define BATCH_DISCARD_BYTES (4u * 1024 * 1024)
#define BATCH_PATIENCE_NS UINT64_C(15000000000)

// A request whose keys have not been written yet. Keys stand at equal distances.
struct request {
    char *bytes; // owned
    size_t size;
    size_t first_key; // where the first key's digits are
    size_t key_step;
};

struct connection {
    int fd;
    struct request requests[BATCH_BODIES_PER_CONNECTION];
    unsigned turn;
    size_t sent; // of the current request
    uint64_t begun_ns;
    char head[BATCH_HEAD_BYTES_MAX];
    size_t head_got;  // bytes of the head so far
    size_t body_left; // of the answer, when its head is complete
    bool has_head;
    bool looks;       // reads this answer
    bool waits;       // for an answer
    bool watches_out; // epoll also tells when there is room to send
};

struct batch {
    struct load_options options;
    struct load_random random;
    struct load_latencies latencies;
    uint64_t next_key;
    uint64_t answered;           // batches
    uint64_t failed;             // batches with another status than 200
    uint64_t looked_at, refused; // operations
    uint64_t waiting;
    uint64_t operations_left;
    int epoll;
    bool sends;
    bool is_looking;  // one connection at a time keeps its answer
    uint64_t look_at; // the next one when so many were answered
    char *answer; // of the one that is looked at
    size_t answer_got;
};

static void request_make(struct batch *batch, struct request *request) {
    static const char begin[] = "{\"operations\":[";
    uint64_t count = batch->options.batch;
    char *body = malloc(count * BATCH_OPERATION_BYTES + 64);
    request->bytes = malloc(count * BATCH_OPERATION_BYTES + 64 + BATCH_HEAD_BYTES_MAX);
    if (body == NULL || request->bytes == NULL)
        load_fail("out of memory");
    size_t size = sizeof(begin) - 1;
    memcpy(body, begin, size);
    size_t first_key = 0;
    for (uint64_t at = 0; at < count; at++) {
        uint64_t from = load_random_below(&batch->random, batch->options.wallet_count);
        uint64_t to = load_random_below(&batch->random, batch->options.wallet_count - 1);
        to += to >= from; // another one
        int written =
            snprintf(body + size, BATCH_OPERATION_BYTES,
                     "{\"type\":\"transfer\",\"from\":\"%.33s\",\"to\":\"%.33s\",\"amount\":1,"
                     "\"idempotency_key\":\"%s-0000000000000000\"},",
                     batch->options.wallets[from], batch->options.wallets[to], batch->options.run);
        if (written >= BATCH_OPERATION_BYTES)
            load_fail("an operation does not fit");
        request->key_step = (size_t)written;
        size += (size_t)written;
        if (at == 0)
            first_key = size - 3 - LOAD_KEY_DIGITS; // before the quote, the brace and the comma
    }
    memcpy(body + size - 1, "]}", 2); // over the last comma
    size++;
    int head = snprintf(request->bytes, BATCH_HEAD_BYTES_MAX,
                        "POST /v1/batches HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        batch->options.address, batch->options.key, size);
    memcpy(request->bytes + head, body, size);
    request->size = (size_t)head + size;
    request->first_key = (size_t)head + first_key;
    free(body);
}

static void connection_watch(struct batch *batch, struct connection *connection, bool out) {
    if (connection->watches_out == out)
        return;
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(batch->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
        load_fail("epoll");
    connection->watches_out = out;
}

static void connection_send_on(struct batch *batch, struct connection *connection) {
    const struct request *request = &connection->requests[connection->turn];
    while (connection->sent < request->size) {
        ssize_t sent = send(connection->fd, request->bytes + connection->sent,
                            request->size - connection->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent <= 0)
            load_fail("a request could not be sent");
        connection->sent += (size_t)sent;
    }
    connection_watch(batch, connection, connection->sent < request->size);
}

static void connection_begin(struct batch *batch, struct connection *connection) {
    if (!batch->sends || batch->operations_left < batch->options.batch)
        return;
    batch->operations_left -= batch->options.batch;
    connection->turn = (connection->turn + 1) % BATCH_BODIES_PER_CONNECTION;
    struct request *request = &connection->requests[connection->turn];
    char *key = request->bytes + request->first_key;
    for (uint64_t at = 0; at < batch->options.batch; at++, key += request->key_step)
        load_write_digits(key, batch->next_key++);
    connection->sent = 0;
    connection->head_got = 0;
    connection->has_head = false;
    connection->looks = !batch->is_looking && batch->answered >= batch->look_at;
    if (connection->looks) {
        batch->is_looking = true;
        batch->look_at = batch->answered + BATCH_LOOK_EVERY;
    }
    connection->waits = true;
    connection->begun_ns = load_now_ns();
    batch->waiting++;
    connection_send_on(batch, connection);
}

// Counts the problems among the results: only they have a code.
static void look(struct batch *batch) {
    static const char code[] = "\"code\":";
    const char *at = batch->answer;
    size_t left = batch->answer_got;
    for (const char *found; (found = memmem(at, left, code, sizeof(code) - 1)) != NULL;) {
        if (batch->refused++ == 0)
            fprintf(stderr, "first refusal: %.*s\n", 300, found);
        left -= (size_t)(found - at) + 1;
        at = found + 1;
    }
    batch->looked_at += batch->options.batch;
    batch->answer_got = 0;
    batch->is_looking = false;
}

static void connection_end(struct batch *batch, struct connection *connection) {
    load_latencies_add(&batch->latencies, load_now_ns() - connection->begun_ns);
    if (connection->looks)
        look(batch);
    batch->answered++;
    batch->waiting--;
    connection->waits = false;
    connection_begin(batch, connection);
}

static void keep(struct batch *batch, const char *bytes, size_t size) {
    if (batch->answer_got + size > BATCH_ANSWER_BYTES_MAX)
        load_fail("an answer is too large");
    memcpy(batch->answer + batch->answer_got, bytes, size);
    batch->answer_got += size;
}

// Reads the head and what came with it. False: there is no more for now.
static bool receive_head(struct batch *batch, struct connection *connection) {
    struct load_head head;
    ssize_t got = recv(connection->fd, connection->head + connection->head_got,
                       sizeof(connection->head) - connection->head_got, 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        load_fail("the server has closed a connection");
    connection->head_got += (size_t)got;
    if (!load_read_head(connection->head, connection->head_got, &head)) {
        if (connection->head_got == sizeof(connection->head))
            load_fail("an answer's head is too large");
        return true;
    }
    size_t behind = connection->head_got - head.head_bytes;
    connection->has_head = true;
    connection->body_left = head.body_bytes - behind;
    if (head.status != 200 && batch->failed++ == 0)
        fprintf(stderr, "first failure: %.*s\n", (int)connection->head_got, connection->head);
    if (connection->looks)
        keep(batch, connection->head + head.head_bytes, behind);
    return true;
}

static bool receive_body(struct batch *batch, struct connection *connection) {
    ssize_t got;
    size_t wanted = connection->body_left;
    if (connection->looks) {
        if (batch->answer_got + wanted > BATCH_ANSWER_BYTES_MAX)
            load_fail("an answer is too large");
        got = recv(connection->fd, batch->answer + batch->answer_got, wanted, 0);
    } else {
        // The kernel drops the bytes without copying them.
        wanted = wanted < BATCH_DISCARD_BYTES ? wanted : BATCH_DISCARD_BYTES;
        got = recv(connection->fd, NULL, wanted, MSG_TRUNC);
    }
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        load_fail("the server has closed a connection");
    connection->body_left -= (size_t)got;
    if (connection->looks)
        batch->answer_got += (size_t)got;
    return true;
}

static void connection_receive(struct batch *batch, struct connection *connection) {
    while (connection->waits) {
        bool more = connection->has_head ? receive_body(batch, connection)
                                         : receive_head(batch, connection);
        if (connection->has_head && connection->body_left == 0) {
            connection_end(batch, connection);
            return; // what comes next wakes us again
        }
        if (!more)
            return;
    }
}

static void run_until(struct batch *batch, uint64_t until_ns) {
    struct epoll_event events[64];
    while (load_now_ns() < until_ns && batch->waiting > 0) {
        int count = epoll_wait(batch->epoll, events, 64, 10);
        for (int at = 0; at < count; at++) {
            struct connection *connection = events[at].data.ptr;
            if (events[at].events & EPOLLOUT)
                connection_send_on(batch, connection);
            if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection_receive(batch, connection);
        }
    }
}

static void set_up(struct batch *batch, struct connection *connections) {
    batch->epoll = epoll_create1(EPOLL_CLOEXEC);
    batch->answer = malloc(BATCH_ANSWER_BYTES_MAX);
    if (connections == NULL || batch->epoll < 0 || batch->answer == NULL)
        load_fail("out of memory");
    for (uint64_t at = 0; at < batch->options.connections; at++) {
        struct connection *connection = &connections[at];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->fd = load_connect(batch->options.address);
        for (unsigned turn = 0; turn < BATCH_BODIES_PER_CONNECTION; turn++)
            request_make(batch, &connection->requests[turn]);
        if (epoll_ctl(batch->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
            load_fail("epoll");
    }
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argument_count, char **arguments) {
    static struct batch batch = {.sends = true};
    load_read_options(&batch.options, argument_count, arguments);
    batch.random = load_random_of(batch.options.run);
    batch.operations_left = batch.options.operations > 0 ? batch.options.operations : UINT64_MAX;
    struct connection *connections = calloc(batch.options.connections, sizeof(struct connection));
    set_up(&batch, connections);
    uint64_t begun_ns = load_now_ns();
    double cpu = cpu_seconds();
    for (uint64_t at = 0; at < batch.options.connections; at++)
        connection_begin(&batch, &connections[at]);
    uint64_t until_ns =
        batch.options.operations > 0 ? UINT64_MAX : begun_ns + batch.options.seconds * 1000000000;
    run_until(&batch, until_ns);
    // The rate counts every batch that was sent, and all the time until the last answer.
    batch.sends = false;
    run_until(&batch, load_now_ns() + BATCH_PATIENCE_NS);
    double seconds = (double)(load_now_ns() - begun_ns) / 1e9;
    cpu = cpu_seconds() - cpu;
    double operations = (double)(batch.answered * batch.options.batch);
    printf("operations=%.0f seconds=%.2f rate=%.0f batch_p50_us=%llu batch_p99_us=%llu "
           "batch_max_us=%llu failed=%llu looked_at=%llu refused=%llu cpu_us_per_operation=%.3f\n",
           operations, seconds, operations / seconds,
           (unsigned long long)load_latencies_at(&batch.latencies, 500),
           (unsigned long long)load_latencies_at(&batch.latencies, 990),
           (unsigned long long)load_latencies_at(&batch.latencies, 1000),
           (unsigned long long)batch.failed, (unsigned long long)batch.looked_at,
           (unsigned long long)batch.refused, cpu * 1e6 / (operations > 0 ? operations : 1));
    if (batch.waiting > 0)
        load_fail("some batches were never answered");
    return batch.failed == 0 && batch.refused == 0 ? 0 : 1;
}
