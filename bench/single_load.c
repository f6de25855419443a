// SPDX-License-Identifier: MIT
// One request after another on each of many connections: POST /v1/transfers between random wallets,
// or POST /v1/deposits, each with an Idempotency-Key that was never used before. It takes the place
// of wrk, whose script costs more per request than the server under test. With `--patient 1` what
// is busy is sent again until it is answered, as a client does; its latency counts from the first.
//
// Prints one line: requests=N seconds=S rate=N p50_us=N p99_us=N p999_us=N max_us=N refused=N
// busy=N cpu=P
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define SINGLE_REQUEST_BYTES_MAX 1024
#define SINGLE_ANSWER_BYTES_MAX 4096
#define SINGLE_EVENTS 256
#define SINGLE_WARM_UP_NS UINT64_C(300000000)
#define SINGLE_PATIENCE_NS                                                                         \
    UINT64_C(15000000000) // for answers that are still on their way at the end

struct connection {
    int fd;
    uint64_t sent_ns;
    size_t request_bytes;
    size_t answer_bytes;
    char *key, *from, *to, *bank; // places in `request`; NULL: it has none
    char request[SINGLE_REQUEST_BYTES_MAX];
    char answer[SINGLE_ANSWER_BYTES_MAX];
};

struct single {
    struct load_options options;
    struct load_random random;
    struct load_latencies latencies; // of what was answered while measuring
    uint64_t next_key;
    uint64_t refused, busy;
    uint64_t waiting;
    bool measures;
    bool sends;
    char first_refusal[256];
};

static int write_body(const struct single *single, char *body, size_t bytes) {
    if (single->options.deposits != 0)
        return snprintf(body, bytes,
                        "{\"wallet\":\"%.33s\",\"amount\":1,"
                        "\"bank_transaction_id\":\"%s-0000000000000000\"}",
                        single->options.wallets[0], single->options.run);
    return snprintf(body, bytes, "{\"from\":\"%.33s\",\"to\":\"%.33s\",\"amount\":1}",
                    single->options.wallets[0], single->options.wallets[1]);
}

// The value of a name in the body; NULL: it has none.
static char *value_of(struct connection *connection, const char *name) {
    char *place = strstr(connection->request, name);
    return place == NULL ? NULL : place + strlen(name);
}

static void connection_make(const struct single *single, struct connection *connection) {
    char body[256];
    int body_bytes = write_body(single, body, sizeof(body));
    connection->fd = load_connect(single->options.address);
    connection->request_bytes = (size_t)snprintf(
        connection->request, sizeof(connection->request),
        "POST /v1/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nIdempotency-Key: %s-0000000000000000\r\n"
        "Content-Length: %d\r\n\r\n%s",
        single->options.deposits != 0 ? "deposits" : "transfers", single->options.address,
        single->options.key, single->options.run, body_bytes, body);
    if (connection->request_bytes >= sizeof(connection->request))
        load_fail("the request does not fit");
    connection->key = value_of(connection, "Idempotency-Key: ") + LOAD_RUN_BYTES + 1;
    connection->from = value_of(connection, "\"from\":\"");
    connection->to = value_of(connection, "\"to\":\"");
    connection->bank = value_of(connection, "\"bank_transaction_id\":\"");
    if (connection->bank != NULL) {
        connection->from = value_of(connection, "\"wallet\":\"");
        connection->bank += LOAD_RUN_BYTES + 1;
    }
}

// A request is far smaller than what a socket takes, so it is never split.
static void connection_write(struct single *single, struct connection *connection) {
    connection->answer_bytes = 0;
    if (send(connection->fd, connection->request, connection->request_bytes, MSG_NOSIGNAL) !=
        (ssize_t)connection->request_bytes)
        load_fail("a request could not be sent");
    single->waiting++;
}

static void connection_send(struct single *single, struct connection *connection) {
    uint64_t count = single->options.wallet_count;
    uint64_t from = load_random_below(&single->random, count);
    uint64_t to = load_random_below(&single->random, count - 1);
    to += to >= from; // another one
    if (single->options.apart != 0 && to % 2 == from % 2)
        to = to + 1 < count ? to + 1 : to - 1;
    memcpy(connection->from, single->options.wallets[from], LOAD_ID_BYTES);
    if (connection->to != NULL)
        memcpy(connection->to, single->options.wallets[to], LOAD_ID_BYTES);
    if (connection->bank != NULL)
        load_write_digits(connection->bank, single->next_key);
    load_write_digits(connection->key, single->next_key++);
    connection->sent_ns = load_now_ns();
    connection_write(single, connection);
}

static void connection_receive(struct single *single, struct connection *connection) {
    struct load_head head;
    ssize_t got = recv(connection->fd, connection->answer + connection->answer_bytes,
                       sizeof(connection->answer) - connection->answer_bytes, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_fail("the server has closed a connection");
    connection->answer_bytes += (size_t)got;
    if (!load_read_head(connection->answer, connection->answer_bytes, &head) ||
        connection->answer_bytes < head.head_bytes + head.body_bytes)
        return;
    single->waiting--;
    if (head.status == 503 && single->options.patient != 0) {
        single->busy++;
        connection_write(single, connection);
        return;
    }
    if (head.status != 201) {
        size_t shown = head.body_bytes < sizeof(single->first_refusal) - 1
                           ? head.body_bytes
                           : sizeof(single->first_refusal) - 1;
        if (single->refused++ == 0)
            memcpy(single->first_refusal, connection->answer + head.head_bytes, shown);
    }
    if (single->measures)
        load_latencies_add(&single->latencies, load_now_ns() - connection->sent_ns);
    if (single->sends)
        connection_send(single, connection);
}

// Handles events until `until_ns`, or until nothing is on its way any more.
static void run_until(struct single *single, int epoll, uint64_t until_ns, bool drains) {
    struct epoll_event events[SINGLE_EVENTS];
    while (load_now_ns() < until_ns && !(drains && single->waiting == 0)) {
        int count = epoll_wait(epoll, events, SINGLE_EVENTS, 10);
        for (int at = 0; at < count; at++)
            connection_receive(single, events[at].data.ptr);
    }
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(const struct single *single, double seconds, double cpu) {
    const struct load_latencies *latencies = &single->latencies;
    printf("requests=%llu seconds=%.2f rate=%.0f p50_us=%llu p99_us=%llu p999_us=%llu "
           "max_us=%llu refused=%llu busy=%llu cpu=%.2f\n",
           (unsigned long long)latencies->count, seconds, (double)latencies->count / seconds,
           (unsigned long long)load_latencies_at(latencies, 500),
           (unsigned long long)load_latencies_at(latencies, 990),
           (unsigned long long)load_latencies_at(latencies, 999),
           (unsigned long long)load_latencies_at(latencies, 1000),
           (unsigned long long)single->refused, (unsigned long long)single->busy, cpu / seconds);
    if (single->refused > 0)
        fprintf(stderr, "first refusal: %s\n", single->first_refusal);
}

int main(int argument_count, char **arguments) {
    static struct single single = {.sends = true};
    load_read_options(&single.options, argument_count, arguments);
    single.random = load_random_of(single.options.run);
    struct connection *connections = calloc(single.options.connections, sizeof(struct connection));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (connections == NULL || epoll < 0)
        load_fail("out of memory");
    for (uint64_t at = 0; at < single.options.connections; at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[at]};
        connection_make(&single, &connections[at]);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[at].fd, &event) != 0)
            load_fail("epoll");
    }
    for (uint64_t at = 0; at < single.options.connections; at++)
        connection_send(&single, &connections[at]);
    run_until(&single, epoll, load_now_ns() + SINGLE_WARM_UP_NS, false);
    single.measures = true;
    uint64_t begun_ns = load_now_ns();
    double cpu = cpu_seconds();
    run_until(&single, epoll, begun_ns + single.options.seconds * 1000000000, false);
    double seconds = (double)(load_now_ns() - begun_ns) / 1e9;
    cpu = cpu_seconds() - cpu;
    single.measures = false;
    single.sends = false;
    run_until(&single, epoll, load_now_ns() + SINGLE_PATIENCE_NS, true);
    report(&single, seconds, cpu);
    if (single.waiting > 0)
        load_fail("some requests were never answered");
    return single.refused == 0 ? 0 : 1;
}
