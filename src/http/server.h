// SPDX-License-Identifier: MIT
// Bytes to requests and back; knows no business. An HTTP thread ("loop") turns one event loop and
// reads every request that is ready; each is handed over once, complete, and is answered at once or
// later:
//
//   bytes ─▶ request() ─▶ answered inside it
//                     └─▶ left waiting ─▶ pass_end() ─▶ answered inside it: the next pass sends it
//                                                   └─▶ still waiting ─▶ http_wake()
//                                                                     ─▶ woken() ─▶ answered
//
// A request that waits costs nothing and is never timed out here; a client that leaves meanwhile
// changes nothing: the request object lives until it has been answered. Everything of a request has
// one lifetime, its arena's, which ends when the answer has been sent; request objects are pooled,
// so a steady state allocates nothing of ours.
//
// What is refused here, before the handler sees it, because two readers might understand it
// differently:
//   both Content-Length and Transfer-Encoding, either of them repeated, a length that is not
//   digits, a coding that is not "chunked", Transfer-Encoding in HTTP/1.0, no Host or two in
//   HTTP/1.1, folded header lines, lines that end in a bare LF, white space around a header's name,
//   control characters, NUL and bad escapes in path or query.
// Such a connection is closed after its answer, and so is one whose body is larger than the handler
// allows. What has no shape at all (a request line or header line that cannot be read, a length
// that is no number, a broken chunk, another version: 400; a head beyond the library's memory: 431)
// the library refuses, and the handler is asked for the words (library.c).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"
#include "base/status.h"

struct http_server;
struct tls; // tls.h
struct http_request;

// What the house answers with. Every function is called on a loop's thread, never on two threads
// for one loop. Those that may be NULL say so.
struct http_handler {
    void *context;
    // The largest body that this method and path may have, in bytes. Asked when the headers are
    // complete.
    size_t (*body_limit)(void *context, struct slice method, struct slice path);
    // Called exactly once per complete request: answers it with http_answer, or leaves it waiting.
    void (*request)(void *context, struct http_request *request);
    // Called once at the end of every pass that left requests waiting which it handed over, or that
    // http_end_next_pass asked it for. May wait a few milliseconds, or longer between
    // http_block_begin and http_block_end; what it answers is sent by the next pass. False: the
    // loop is another thread's since. NULL: there is nothing to do then.
    bool (*pass_end)(void *context, unsigned loop);
    // Called soon after http_wake(server, loop), once for several of them, and now and then without
    // one. May wait and return like pass_end. NULL when nothing is ever answered later.
    bool (*woken)(void *context, unsigned loop);
    // Called about every 100 ms while requests of the loop wait, for deadlines of the handler's
    // own. May be NULL.
    void (*tick)(void *context, unsigned loop);
    // Whether to tick though no request waits. May be NULL.
    bool (*wants_tick)(void *context, unsigned loop);
    // Asked to answer what http/ refuses itself: 400, 413, 417, 431, 503. Must call http_answer
    // before it returns; method, path and headers may be empty, there is no body. NULL: a plain
    // sentence is the answer.
    void (*refuse)(void *context, struct http_request *request, int code);
    // The first and last calls on each loop's thread. May be NULL. After loop_ended no request of
    // that loop may be touched or answered.
    void (*loop_started)(void *context, unsigned loop);
    void (*loop_ended)(void *context, unsigned loop);
};

// Zero means the default in brackets.
struct http_options {
    // "127.0.0.1:8080", "[::1]:8080": a numeric address; port 0 takes a free one. Only read by
    // http_server_open.
    const char *listen;
    // Threads, at most HTTP_LOOPS_MAX [1].
    unsigned loops;
    // In total; lowered when the descriptors cannot be had [4096].
    unsigned connections_max;
    // Of one address, IPv6 by its /64; more are closed at once, unheard. 0: no limit.
    unsigned connections_per_address_max;
    // Whether an address has no such limit; must always say the same. NULL: all have. Thread: any.
    bool (*is_exempt)(const void *context, const uint8_t address[16]);
    const void *exempt_context;
    // From a request's first byte to its last, however it trickles [10,000].
    uint32_t request_ms_max;
    // For a client to take its answer [30,000].
    uint32_t answer_ms_max;
    // A request that waits longer is taken out of the loop until it is answered; at least 1 [20].
    uint32_t suspend_after_ms;
    // Room for a request's head: its bytes, and 64 for each header [10 KiB]. A connection holds as
    // much, and the library clears it after each request, so a large one costs every request time.
    size_t head_bytes_max;
    // How long an answer of http_answer_delayed is held back [1,000].
    uint32_t delay_ms;
    // Memory for bodies above 64 KiB that are being received; more is refused with 503 [512 MiB].
    size_t bodies_bytes_max;
    // Must outlive the server. NULL: plain HTTP.
    struct tls *tls;
};

struct http_stats {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_evicted; // closed for a newcomer
    uint64_t connections_refused; // beyond what their address may have
    uint64_t requests;            // handed over
    uint64_t requests_refused;    // answered by http/ itself
    uint64_t requests_timed_out;  // not complete in time
    uint64_t answers_timed_out;   // not taken in time
    uint64_t answers_dropped;     // the client had left
    uint64_t answers_delayed;     // held back
};

#define HTTP_LOOPS_MAX                64
#define HTTP_STREAM_BYTES_MAX         ((size_t)64 * 1024)
#define HTTP_WHY_BYTES                256
#define HTTP_ANSWER_HEADERS_MAX       16
#define HTTP_ANSWER_HEADERS_BYTES_MAX 1536

// Binds and listens, so that a port in use is known early; connections queue until
// http_server_start. `handler` is copied. Statuses: invalid_request (the address makes no sense),
// busy (somebody listens there), internal; then `ret_why` holds a sentence. Raises the process's
// limit of open files to what connections_max needs. Thread: any, as are all functions of a server,
// one at a time but for http_wake, http_server_stats and http_server_drain_began.
MUST_CHECK enum status http_server_open(const struct http_options *options,
                                        const struct http_handler *handler,
                                        char ret_why[HTTP_WHY_BYTES],
                                        struct http_server **ret_server);
uint16_t http_server_port(const struct http_server *server);
unsigned http_server_connections_max(const struct http_server *server);
// Starts the loops' threads. Signals are blocked in them.
void http_server_start(struct http_server *server);

// Stopping takes two steps, so that a load balancer can look away in between:
// 1. http_server_close_listener: connections that queue are accepted, then nobody can connect any
//    more; returns when that is so. From here on answers carry `Connection: close`.
// 2. http_server_stop: requests that are fully received are handed over and answered, half-received
//    ones are dropped, idle connections are closed, the loops end. Returns when all is done or when
//    `deadline_ms` have passed: the number of requests left unanswered.
// The first is optional. Both do nothing when called again.
void http_server_close_listener(struct http_server *server);
size_t http_server_stop(struct http_server *server, uint32_t deadline_ms);
bool http_server_drain_began(const struct http_server *server);
// Frees a stopped (or never started) server and all its requests. Accepts NULL.
void http_server_close(struct http_server *server);

// Makes the loop call handler->woken soon. Thread: any; at most one system call, none while the
// loop is awake.
void http_wake(struct http_server *server, unsigned loop);
// The next pass has an end, whatever it brings; it comes within milliseconds while requests wait.
// Thread: the loop's.
void http_end_next_pass(struct http_server *server, unsigned loop);
// How many of those who were answered last, all in one pass, have not asked again. Thread: the
// loop's.
size_t http_away(const struct http_server *server, unsigned loop);
// Reads on at a pass's end, turning, and hands over what comes, until none of them is away, nobody
// has come for `gap_ns`, or `span_ns` are over: microseconds, for nothing else is done meanwhile.
// Thread: the loop's, inside pass_end.
void http_gather(struct http_server *server, unsigned loop, uint64_t span_ns, uint64_t gap_ns);
// Around something in pass_end or woken that may take long, like a disk: when it does, another
// thread turns the loop meanwhile. Returns what http_block_end wants to hear, or 0: not now (the
// server stops), do it elsewhere. Thread: the loop's, and between the two nothing of the loop may
// be touched.
uint64_t http_block_begin(struct http_server *server, unsigned loop);
// False: the loop is another thread's since, and the caller leaves with false without touching
// anything of the loop's.
bool http_block_end(struct http_server *server, unsigned loop, uint64_t begun);
struct http_stats http_server_stats(const struct http_server *server);

// What a request says. Slices live until the request is answered and its answer has been sent (or
// dropped). Thread: the loop's, or one that the request was handed to.
// The method is also "HEAD": answer as to GET, no body is sent. The path is percent-decoded and has
// no query.
struct slice http_method(const struct http_request *request);
struct slice http_path(const struct http_request *request);
// False when there is no such parameter; the first of several. Names and values are decoded ("+" is
// a space).
bool http_query(const struct http_request *request, const char *name, struct slice *ret_value);
// Walks all parameters, duplicates included: start with *place == 0.
bool http_next_query(const struct http_request *request, size_t *place, struct slice *ret_name,
                     struct slice *ret_value);
// The first of that name, whatever its case; without white space around it; NULL bytes when there
// is none.
struct slice http_header(const struct http_request *request, const char *name);
size_t http_header_count(const struct http_request *request, const char *name);
bool http_next_header(const struct http_request *request, size_t *place, struct slice *ret_name,
                      struct slice *ret_value);
// JSON_PADDING readable zeros lie behind the body.
struct slice http_body(const struct http_request *request);
// 16 bytes; IPv4 as ::ffff:a.b.c.d.
const uint8_t *http_address(const struct http_request *request);
// For a client that a proxy speaks for: what http_address says from here on. 16 bytes.
void http_set_address(struct http_request *request, const uint8_t *address);
unsigned http_loop(const struct http_request *request);

// What the handler may keep with a request.
struct arena *http_arena(struct http_request *request);
void **http_context(struct http_request *request);          // NULL at first
struct buffer *http_body_out(struct http_request *request); // for the answer's body; empty at first

// Adds a header to the coming answer; at most HTTP_ANSWER_HEADERS_MAX of them and
// HTTP_ANSWER_HEADERS_BYTES_MAX bytes in all. `name` is static. The value is copied; control
// characters in it become spaces, and an empty one adds nothing.
void http_add_header(struct http_request *request, const char *name, struct slice value);
// Whether the coming answer has one of that name already; the same case.
bool http_has_answer_header(const struct http_request *request, const char *name);
// Answers, once. `content_type` is static, NULL for none. `body` lies in the request's arena, in
// http_body_out, or is static. The request may be gone when this returns. Thread: the loop's.
void http_answer(struct http_request *request, int code, const char *content_type,
                 struct slice body);
// As http_answer, but `body` may lie anywhere and is the caller's again when this returns: where
// many are answered one after another, one buffer near the processor serves them all.
void http_answer_copied(struct http_request *request, int code, const char *content_type,
                        struct slice body);
// For one that is answered soon: asks for the memory of the request, and once that is near for what
// answering it touches beside (base/ahead.h).
void http_ahead_of_request(const struct http_request *request);
void http_ahead_of_answer(const struct http_request *request);

// In place of http_answer, inside the handler's request(): answers after delay_ms, and until then
// reads nothing more of that connection; at once when it is going to be closed anyway. The
// request's own body is gone from here on.
void http_answer_delayed(struct http_request *request, int code, const char *content_type,
                         struct slice body);

// In place of http_answer: 200 with a body that comes in pieces, each sent as soon as it is there,
// such as events of a server. Nothing times it out until it ends. `content_type` is static. Thread:
// the loop's, as for the two below.
void http_stream_begin(struct http_request *request, const char *content_type);
// Copies. False: the client has left, or takes so little that HTTP_STREAM_BYTES_MAX wait for him;
// then nothing was added.
bool http_stream_add(struct http_request *request, struct slice piece);
// The last piece, however long. What was added is still sent. The request may be gone when this
// returns.
void http_stream_end(struct http_request *request, struct slice piece);

