// SPDX-License-Identifier: MIT
// What the files of http/ share. One loop owns its connections and requests; only its thread
// touches them. What other threads may touch is atomic or behind the loop's inbox lock.
//
// A connection is always in exactly one state, and in the list of that state, oldest first:
//
//   IDLE ─▶ RECEIVING ─▶ WAITING ─▶ SENDING ─▶ IDLE
//   any  ─▶ CLOSING: shut down by us, until the library lets go
//
// A request's phases: LINE (its request line is known) ─▶ BODY ─▶ WAITING ─▶ ANSWERED. A refused
// one goes to ANSWERED from LINE or BODY; one that is answered piece by piece is STREAMING between
// WAITING and ANSWERED, and its connection waits. Both may lose their connection.
#pragma once
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "http/server.h"
#include "http/tls_internal.h"

// Of a connection's pool, beside what the head of the request takes.
#define HTTP_ANSWER_HEAD_BYTES_MAX 2048
// Connections beyond connections_max for when everybody waits for an outcome: health must still get
// in.
#define HTTP_RESERVE               64
#define HTTP_LINGERING_MAX         64
#define HTTP_ACCEPTS_PER_PASS      64
// Bodies and answers above this are large: counted, and not kept in every pooled request.
#define HTTP_LARGE_BYTES           ((size_t)64 * 1024)
#define HTTP_LARGE_KEPT_MAX        16
#define HTTP_HEADERS_MAX           100
#define HTTP_METHOD_BYTES_MAX      32
#define HTTP_TICK_NS               UINT64_C(100000000)
#define HTTP_RETRY_NS              UINT64_C(10000000) // between sweeps while there are too many

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_RECEIVING,
    CONNECTION_WAITING,
    CONNECTION_SENDING,
    CONNECTION_CLOSING,
    CONNECTION_STATE_COUNT
};

struct connection {
    struct connection *previous; // in its state's list
    struct connection *next;     // there, or in the free list
    struct http_loop *loop;
    struct http_request *request; // NULL, or the one being received, waiting or answered
    uint64_t since_ns; // when it came into its state; RECEIVING: when its first byte was noticed
    uint64_t accepted_pass;
    uint64_t answered_pass; // when its last answer was queued; 0: it has asked again since
    // That complete requests were made of; of TLS, that had come when the last one was complete, so
    // a request begins with the first byte after that.
    uint64_t consumed_bytes;
    int fd;                  // the library's; closed by it
    enum connection_state state;
    void *session;          // of TLS; NULL: plain
    struct tls_identity *identity; // held; NULL: plain
    bool shook_hands, was_idle;    // of TLS
    bool uncertain; // a chunked request made consumed_bytes inexact
    bool linger;    // it was refused and may still be sending: wait a little before the close
    uint8_t address[16];
};

struct connection_list {
    struct connection *first;
    struct connection *last;
    size_t count;
};

struct http_field {
    struct slice name;
    struct slice value;
};

struct http_answer_header {
    const char *name;
    const char *value; // zero-terminated, in the arena
};

enum request_phase {
    REQUEST_LINE,
    REQUEST_BODY,
    REQUEST_WAITING,
    REQUEST_STREAMING,
    REQUEST_ANSWERED
};

struct http_request {
    struct http_request *next_free;
    struct http_request *next_all; // every request object of the loop, for the end
    struct http_request *next_delayed;
    struct http_loop *loop;
    struct connection *connection; // NULL once the client has left
    struct MHD_Connection *handle; // of the library; NULL like connection
    enum request_phase phase;
    bool chunked;
    bool suspended;
    bool by_hand; // the library takes no answer in this state; it is written to the socket
    uint64_t waiting_since_ns;
    struct slice target; // as it came
    struct slice path;
    struct slice method;
    struct http_field *headers;
    size_t header_count;
    struct http_field *queries;
    size_t query_count;
    size_t head_bytes; // request line and headers
    size_t body_limit;
    size_t body_announced; // Content-Length; 0 when chunked or absent
    size_t bodies_counted; // of this request in server->bodies_bytes
    struct buffer body;
    struct buffer out;
    uint64_t delayed_until_ns; // delay.c, as these three
    int delayed_code;
    const char *delayed_type;
    struct slice delayed_body;
    size_t streamed; // of `out`, of an answer in pieces
    struct ready_answer *ready; // that it is being answered with; NULL: another kind of answer
    struct arena arena;
    void *context;
    struct http_answer_header answer_headers[HTTP_ANSWER_HEADERS_MAX];
    size_t answer_header_count;
    size_t answer_header_bytes;
    uint8_t address[16];
    char method_text[HTTP_METHOD_BYTES_MAX];
};

// A descriptor whose connection the library has closed, kept so that the peer reads our answer
// before a reset.
struct lingering {
    int fd;
    uint64_t until_ns;
    size_t bytes_left;
};

struct newcomer {
    int fd;
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

// relief.c. Of a loop's two threads one turns it and the other stands by, to take it over when the
// first is held up.
#define HTTP_LOOP_THREADS 2
struct relief {
    atomic_uint_least64_t blocked_ns; // since when who turns the loop is held up; 0: he is not
    atomic_uint_least64_t blocks;     // how often he said that he may be
    atomic_bool asleep;               // nothing has happened for a while: wake who stands by
    bool has_threads;                 // both were started
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken; // under the lock
    bool over;  // under the lock: the loop has ended
};

// The library's own MHD_queue_response; library.c.
typedef enum MHD_Result library_queue(struct MHD_Connection *handle, unsigned code,
                                      struct MHD_Response *response);
library_queue *library_find_queue(void);

struct http_loop {
    struct http_server *server;
    unsigned index;
    pthread_t threads[HTTP_LOOP_THREADS]; // for the join
    pthread_t self;                       // who turns it, for checks
    struct relief relief;
    struct MHD_Daemon *daemon;
    library_queue *queue;
    int daemon_fd; // the daemon's epoll descriptor
    int wake_fd;
    struct connection_list lists[CONNECTION_STATE_COUNT];
    struct connection *free_connections;
    struct http_request *free_requests;
    struct http_request *all_requests;
    struct ready_answers *ready;
    size_t large_free;         // pooled requests that keep a large buffer
    struct connection *adding; // being handed to the library right now
    uint64_t now_ns;           // taken once per pass
    uint64_t pass;
    uint64_t sweep_ns; // next time
    uint64_t tick_ns;  // next time
    size_t unanswered; // handed over and not answered, with or without a client
    size_t suspended;
    struct http_request *delayed_first, *delayed_last; // whose answers are held back
    size_t left_waiting;     // handed over in this pass and not answered yet
    uint64_t away_pass;      // the last one in which answers were queued
    size_t away;             // who was answered in it and has not asked again
    bool pass_end_wanted;    // though nothing is handed over in the next pass
    uint64_t polled_ns;      // when listener and wake descriptor were looked at
    bool run_again;          // answers are queued: another pass at once
    bool progressed;         // this pass took bytes in or finished a request
    bool swept_for_drain;    // a pass since the drain began has found nothing more to read
    uint64_t drain_until_ns; // 0 until the drain was noticed
    struct lingering lingering[HTTP_LINGERING_MAX];
    size_t lingering_count;

    // Touched by other threads too.
    atomic_bool wake_pending;
    atomic_bool sleeping;
    atomic_size_t connection_count;       // handed to this loop and not closed
    atomic_uint_least64_t oldest_idle_ns; // UINT64_MAX: none; as of the last pass
    atomic_uint evictions_wanted;
    pthread_mutex_t inbox_lock;
    struct newcomer inbox[HTTP_ACCEPTS_PER_PASS];
    size_t inbox_count;
};

#define HTTP_CROWD_ROWS     2
#define HTTP_CROWD_COUNTERS 32768

struct http_server {
    struct http_handler handler;
    struct http_options options;
    int listen_fd; // -1 when closed; only the first loop touches it once started
    uint16_t port;
    bool started;
    bool stopped;
    bool listener_paused; // no room or no descriptors; tried again soon
    size_t left_unanswered;
    unsigned next_loop; // for the next newcomer
    struct http_loop *loops;
    unsigned loop_count;
    pthread_mutex_t listener_lock;
    pthread_cond_t listener_closed; // signalled when listen_fd has become -1

    atomic_bool closing_listener;
    atomic_bool draining;          // answers carry Connection: close
    atomic_uint_least64_t stop_ns; // 0: go on; else when to stop at the latest
    atomic_size_t connections;     // open in total
    uint64_t crowd_seed;           // crowd.c, as these two
    atomic_uint crowd[HTTP_CROWD_ROWS][HTTP_CROWD_COUNTERS];
    atomic_uint_fast64_t crowded_out;
    atomic_size_t connections_closing;
    atomic_size_t bodies_bytes;
    atomic_uint_least64_t accepted, evicted, handed, refused, requests_timed_out, answers_timed_out,
        dropped, delayed;
};

// crowd.c. False: the address has as many connections as it may, and is not let in. Thread: any.
bool crowd_enter(struct http_server *server, const uint8_t address[16]);
void crowd_leave(struct http_server *server, const uint8_t address[16]);

// connection.c: lists, what the library tells about connections, and closing the right one.
void connection_enter(struct connection *connection, enum connection_state state);
// Its answer is queued; it has asked again, or has ended. See http_away.
void connection_is_away(struct connection *connection);
void connection_is_back(struct connection *connection);
void connection_shut(struct connection *connection);
// Gives the library a socket that was accepted; it is closed if that fails.
void connection_read_address(const struct sockaddr_storage *address, uint8_t ret_address[16]);
void connection_add(struct http_loop *loop, const struct newcomer *newcomer);
void connection_notify(void *context, struct MHD_Connection *handle, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);
// Shuts the connection of this loop that is missed least and has been in its state for `grace_ns`;
// false when there is none, because all wait for an outcome or are new.
bool connection_evict(struct http_loop *loop, uint64_t grace_ns);
uint64_t connection_oldest_idle_ns(const struct http_loop *loop);
void connection_shut_all(struct http_loop *loop, enum connection_state state);

// listener.c
enum status listener_open(struct http_server *server, char ret_why[HTTP_WHY_BYTES]);
void listener_accept(struct http_loop *loop);
void listener_close(struct http_server *server); // accepts what is queued first
void listener_take_inbox(struct http_loop *loop);
// Goes on where there was no room, or closes one of too many; false when all is well.
bool listener_try_again(struct http_loop *loop);
unsigned listener_raise_descriptors(unsigned connections_max);

// linger.c
void linger_begin(struct http_loop *loop, int fd); // duplicates `fd`
void linger_read(struct http_loop *loop, size_t index);
void linger_expire(struct http_loop *loop);
void linger_end_all(struct http_loop *loop);

// deadlines.c
void deadlines_sweep(struct http_loop *loop);
// A connection becomes idle: what came until now is no part of a request to come.
void deadlines_note_idle(struct connection *connection);

// delay.c
uint64_t delay_next_ns(const struct http_loop *loop); // UINT64_MAX: nobody waits
void delay_expire(struct http_loop *loop);
// Shuts the connection that has waited longest; false: there is none.
bool delay_evict(struct http_loop *loop);

// ready.c
struct ready_answers *ready_open(void);
void ready_close(struct ready_answers *ready); // when all requests have ended; accepts NULL
// NULL: this is no answer of that kind.
struct ready_answer *ready_take(struct ready_answers *ready, const char *content_type,
                                struct slice body);
struct MHD_Response *ready_response(struct ready_answer *answer); // still the answer's
void ready_give(struct ready_answers *ready, struct ready_answer *answer);
void ready_ahead(const struct ready_answer *answer); // before it is sent; its head is near

// relief.c
void relief_open(struct relief *relief);
void relief_close(struct relief *relief);
// Stands by until the loop is to be taken over (true) or is over.
bool relief_wait(struct relief *relief);
void relief_end(struct relief *relief);       // the loop has ended
void relief_await_end(struct relief *relief); // until it has

// loop.c
void *loop_main(void *loop);
void *loop_stand_by(void *loop);
enum status loop_open(struct http_server *server, unsigned index);
void loop_close(struct http_loop *loop);

// request.c
struct http_request *request_new(struct http_loop *loop, struct connection *connection,
                                 struct MHD_Connection *handle);
void request_release(struct http_request *request);
void request_free_all(struct http_loop *loop);
// The library's callbacks.
void *request_begin(void *context, const char *target, struct MHD_Connection *handle);
enum MHD_Result request_proceed(void *context, struct MHD_Connection *handle, const char *url,
                                const char *method, const char *version, const char *bytes,
                                size_t *byte_count, void **request_slot);
void request_complete(void *context, struct MHD_Connection *handle, void **request_slot,
                      enum MHD_RequestTerminationCode code);

// head.c and target.c: 0, or the code to refuse with.
int head_read(struct http_request *request, const char *method, const char *version);
int target_read(struct http_request *request);

// answer.c
// `connection` is the next whose answer the library will send; NULL: none.
void answer_ahead_of_sending(const struct connection *connection);
void answer_refuse(struct http_request *request, int code);
