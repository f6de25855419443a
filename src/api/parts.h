// SPDX-License-Identifier: MIT
// What the files of api/ share. A request's way through them:
//
//   router.c ─▶ public.c: answered at once, like every refusal at the door
//           ├─▶ commands.c, batches.c ─▶ a call ─▶ rounds.c ─▶ engine
//           │                                        └─▶ answers.c
//           └─▶ lists.c, integrity.c  ─▶ a job  ─▶ readers.c ─▶ engine
//                                                    └─▶ answered by its loop
//
// A call outlives its request: when the deadline is over the request is answered and gone, while
// the engine still reads the call's command and writes its outcome. So a call's memory is its own,
// from a pool, and never the request's arena.
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "access/authenticate.h"
#include "access/permissions.h"
#include "access/rate_limit.h"
#include "access/rate_share.h"
#include "access/secret.h"
#include "api/api.h"
#include "api/metrics.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/inbox.h"
#include "base/json.h"
#include "base/signal_gate.h"
#include "queue/queue.h"
#include "wire/decode.h"
#include "wire/operation_id.h"
#include "wire/operations.h"
#include "wire/problem.h"
#include "wire/render.h"

#define API_CALL_BLOCK_BYTES  2048          // a payment's texts fit
#define API_BATCH_BLOCK_BYTES (1024 * 1024) // a batch of a thousand fits
#define API_RESULT_BYTES      512 // of an operation in the answer of a batch, roughly
#define API_BATCHES_KEPT_MAX  32            // pooled per loop; beyond it their memory is given back
#define API_WAITING_BYTES_MAX                                                                      \
    (UINT64_C(1) << 30) // memory of calls on their way, over all loops; beyond it: busy
// However many loops there are: the largest batch finds room, twice where it asks for its outcomes.
#define API_LOOP_BYTES_MIN (UINT64_C(64) << 20)
static_assert(4 * LIMIT_BATCH_OPERATIONS_MAX * (sizeof(struct command) + sizeof(struct outcome)) <
                  API_LOOP_BYTES_MIN,
              "the largest batch and another one");
#define API_PASS_WAIT_NS      UINT64_C(5000000) // how long a pass waits for its own round
#define API_ROUND_AWAITED_MAX 512               // commands; a larger round is not waited for
#define API_CARRIED_MS        3
#define API_GATHER_NS_MAX     60000 // for those who were just answered
#define API_GATHER_MAX        24    // with more, one half comes while the disk has the other
#define API_GATHERS_VAIN      8     // in a row, until it is tried seldom
#define API_GATHERS_APART     64
#define API_LIST_THREADS      2
#define API_JOBS_QUEUED_MAX   4096
#define API_LOOP_ALIGNMENT    128 // two cache lines: processors fetch them in pairs

// How something finished comes back to its loop.
enum completion_kind { COMPLETION_FLIGHT, COMPLETION_JOB, COMPLETION_ORDER };
struct completion {
    struct inbox_node node; // first
    enum completion_kind kind;
};

// Where a call is that goes through the queue (queueing.c).
enum call_stage { CALL_DIRECT, CALL_SENT, CALL_PARKED };

// A request that became a submission.
struct call {
    struct call *next;            // of its flight, or in the pool
    struct http_request *request; // NULL once it has been answered
    const struct operation *operation;
    struct id principal; // the key that asks
    uint64_t started_ns;
    struct submission submission; // of the command or batch below
    struct command command;
    struct outcome outcome;
    struct wire_faults **faults; // of a batch: why an operation is invalid
    struct arena arena;          // texts, and a batch's commands and outcomes
    struct buffer made;          // the answer, as far as it was made with the decision (made.c)
    uint32_t made_count;         // of commands
    int made_http;               // its code, of a single one
    uint64_t waiting_bytes;      // estimate, counted in api_loop.waiting_bytes
    bool is_large;               // from the pool of batches
    // Of one that goes through the queue, or asks about one that did.
    enum call_stage stage;
    struct completion done; // the broker has it, or never will
    struct queue_order order;
    struct api_loop *loop;
    struct call *previous_queued, *next_queued;
    struct operation_id operation_id;
    char operation_text[OPERATION_ID_BYTES];
    uint8_t queued_type; // enum command_type: what was asked, before the outcome is
    enum kafka_fate order_fate;
    bool is_kept; // the broker has acknowledged it, or the books know it
    bool is_async;
    uint64_t until_ns;
    struct queued_batch *batch; // in the arena; NULL: it is one record
    struct wire_batch *whole;   // in the arena: the record is an atomic batch
    bool wants_balance;          // a wallet read that is shown as its balance
    size_t secret_size;          // of a new key
    char secret[SECRET_BYTES_MAX];
};

// Whether the answer was made with the decision. Thread: the loop's, once its round is published.
static inline bool call_is_made(const struct call *call) {
    return call->made_count == call->submission.count;
}

// A round of one loop, from its first call to its last answer.
struct flight {
    struct completion done; // first
    struct round round;
    struct api_loop *loop;
    struct call *first, *last;
    struct submission *last_submission;
    struct flight *previous, *next; // among those submitted and unpublished; aside; or in the pool
    uint64_t opened_ns;
    uint64_t first_left_ns; // for the engine, or 0
    uint64_t left_ns;       // the last time: a round that was set aside leaves again
    uint64_t lane;          // while flights are taken apart, the port's
    bool gave_up; // its requests have been answered `busy`
    bool has_writes;
};

enum job_kind {
    JOB_LIST,
    JOB_BALANCE,
    JOB_READ,
    JOB_TOTALS,
    JOB_INTEGRITY,
    JOB_PROOF,
    JOB_RESUME,
    JOB_QUEUE,
    JOB_WEBHOOK
};

struct notes;

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
    bool streams;            // it is answered in events
    uint32_t told;           // of its progress, in thousandths; the loop's thread alone
    struct arena arena;
    struct page page;
    struct buffer body;       // the answer
    int http;                 // its code
    const char *content_type; // static
};

// What a request says in its headers.
struct door_headers {
    struct slice authorization, content_type, request_id, cache_control, position, prefer;
    struct slice encoding;      // of the body: none is taken, so nobody can send a bomb
    struct slice origin;        // of a page in a browser
    struct slice traceparent, tracestate; // of W3C trace context
    struct slice forwarded_for; // all of its values, joined by commas
    struct wire_headers wire;
    const char *repeated; // pointer to one that must be single and was not; NULL: none
};

// A request while it is at the door.
struct asking {
    struct http_request *request;
    struct api_loop *loop;
    const struct operation *operation; // NULL until it is known
    struct id id;                      // of the path
    struct slice token;                // in place of it, of a queued operation
    struct principal principal;
    struct slice bound_to; // the owner whom he is bound to; empty: to nobody
    struct freshness freshness; // of a read
    struct door_headers headers;
    struct slice request_id; // in the request's arena
    bool is_proxied;         // the connection is a trusted proxy's, who asks for many
    uint64_t started_ns;
    // What the limits said; only when there are some. Large, so it is not cleared for every
    // request: limits_asked says what of it is there.
    uint32_t limits_asked; // bits 1 << rule that the answer's headers still have to tell
    struct rate_asker asker;
    struct rate_verdict verdict;
    struct standing standing; // what `freshness` points at; else it may be anything
};

struct api_loop {
    struct api *api;
    unsigned index;
    struct json_parser *parser;
    struct sha256_context *hash;
    struct authenticator door;
    struct secret_memo secret; // the door's
    struct inbox done;                           // completions
    struct flight *open;                         // being filled in this pass; NULL: none yet
    struct flight *flights_first, *flights_last; // submitted and not published, oldest first
    uint64_t sync_ns;         // what a sync takes, as of the last dozen
    uint32_t gathers_vain;    // in a row: hardly anybody came
    struct flight *aloft;     // of them the one that was decided here and is at the disk; or NULL
    struct inbox_node *news;  // completions that came back and are to be looked at, oldest first
    struct inbox_node **news_end;
    struct flight *aside; // published, but some of their calls are to be submitted again
    struct job *jobs_first, *jobs_last;          // on their way, oldest first
    struct call *sent, *parked;                  // on their way through the queue
    uint64_t parked_ask_ns; // the books are not asked about those before
    struct flight *free_flights;
    struct call *free_calls;
    struct call *free_batches;
    uint32_t free_batch_count;
    struct job *free_jobs;
    uint64_t waiting_bytes;
    uint64_t answering_ns; // since when a flight is answered; 0: none is right now
    uint64_t request_number;
    uint64_t request_prefix; // random: request ids of two starts differ
    struct notes *notes; // owned
    struct buffer rendered; // the answer that is being made, before it is copied to its request
    struct metrics metrics;
} __attribute__((aligned(API_LOOP_ALIGNMENT)));

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

// Reminds loops of calls that wait for an outcome which another thread or node makes.
struct queueing {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint32_t parked; // over all loops
    struct signal_gate stop;
    pthread_t thread;
};

struct api {
    struct api_options options;
    struct engine *engine;
    struct http_server *server;
    struct api_loop *loops;
    void *loops_memory; // what they lie in
    struct principal_source keys;
    struct wire_currencies currencies;
    enum permission permissions[OPERATION_COUNT];
    struct role_table roles;
    struct wire_roles wire_roles;
    uint64_t allowed_commands[ROLES_MAX]; // by role, as in wire_context
    uint8_t closed_guards[ROLES_MAX];     // by role: bit 1 << enum field_guard
    struct queueing queueing;
    struct readers lists;
    struct readers totals;   // one thread: the quick check waits for no list
    struct readers checks;   // one thread: checks of the whole books queue behind one another
    struct recount *recount;
    struct pulse *pulse; // NULL: nobody looks
    struct positions *positions;  // NULL: the engine has no other place to read from
    struct rate_limiter *limiter; // NULL: no limits
    struct rate_limiter *patience; // how often somebody is refused at once; NULL like limiter
    struct rate_share *rate_share; // NULL: not shared with other nodes
    struct buffer openapi;
    uint64_t opened_ns;
    atomic_bool stopping;
    bool stopped; // the readers have ended
};

// router.c
void router_request(void *context, struct http_request *request);
void router_refuse(void *context, struct http_request *request, int code);
size_t router_body_limit(void *context, struct slice method, struct slice path);
// Who asks, from where; texts go to `arena`.
struct origin router_origin(const struct asking *asking, struct arena *arena);
// What decoding needs, for the one who asks; texts go to `arena`.
struct wire_context router_wire_context(struct asking *asking, struct arena *arena);

// Who asks, as records name him; a key's id is written to `room`.
struct slice router_principal(const struct asking *asking, char room[ID_TEXT_BYTES_MAX]);
// asking->bound_to, for as long as `arena` lives: a token's owner lives no longer than its check.
struct slice router_bound_to(const struct asking *asking, struct arena *arena);

// edge.c: what stands between here and the client: proxies, and pages of other origins.
void edge_find_client(struct asking *asking);
// Adds what a browser must be told; true: it was only a question before the request, and is
// answered.
bool edge_answer_browser(struct asking *asking);

// door_headers.c
void headers_collect(struct http_request *request, struct door_headers *ret_headers);
bool headers_is_json(struct slice content_type);
struct slice headers_take_request_id(struct api_loop *loop, struct http_request *request,
                                     struct slice given);
bool headers_is_loopback(const uint8_t address[16]);

// limits.c: all of it does nothing when there are no limits.
// False: he has been answered.
bool limits_admit(struct asking *asking);
bool limits_admit_stranger(struct asking *asking);
struct rate_limiter *limits_open_patience(uint64_t seed);
// Takes tokens for `operations` more than the one that he was admitted with.
void limits_pay(struct asking *asking, uint32_t operations);
// Adds what is left to the coming answer, once.
void limits_tell(struct asking *asking);

// freshness.c
// What a read demands of its answer. False: he has been answered.
bool freshness_of(struct asking *asking, struct freshness *ret_freshness);
void freshness_tell(struct http_request *request, const struct standing *standing);
// What it points at becomes the arena's own.
void freshness_keep(struct freshness *freshness, struct arena *arena);

// made.c
#ifdef FLORIN_SLOW_CHECKS
#define MADE_IS_COMPARED true // with what the records say
#else
#define MADE_IS_COMPARED false
#endif
// Before it is submitted: wants the answer made with the decision.
void made_begin(struct call *call);
// What was made is what the records say.
void made_check(const struct call *call, struct slice rendered);
void made_release(struct call *call);

// positions.c. Threads: any; waits for nobody long.
struct positions *positions_open(void);
void positions_close(struct positions *positions); // accepts NULL
void positions_note(struct positions *positions, struct id key, const struct standing *standing);
// Adds to `standing` what the key has written; nothing when it never has. False: it has no room.
bool positions_get(struct positions *positions, struct id key, struct standing *standing);

// queries.c
bool queries_are_there(struct asking *asking);
// Texts go to `arena`. False: he has been answered.
bool queries_decode(struct asking *asking, struct arena *arena, struct wire_query *ret_query);

// notes.c, see notes.h
struct notes *notes_open(void);
void notes_close(struct notes *notes);
// Something that was done at the door, without a record.
void notes_done(struct asking *asking);
// A refusal at the door.
void notes_door(struct asking *asking, enum status status);
// What became of a call or job; also when its request is gone.
void notes_call(struct api_loop *loop, const struct call *call);
// An operation of a batch that is refused at the door, while others go on.
void notes_operation(struct api_loop *loop, const struct operation *batch,
                     const struct command *command);
void notes_call_busy(struct api_loop *loop, const struct call *call); // its deadline was over
void notes_job(struct api_loop *loop, const struct job *job, enum status status);
// Adds all notes to the open flight, opening one if need be.
void notes_ride(struct api_loop *loop);
void notes_arrived(struct api_loop *loop, const struct call *call);
bool notes_are_early(const struct api_loop *loop); // so many that they go by themselves
bool notes_are_there(const struct api_loop *loop);
// Ends windows that are over, and opens a flight for notes that have waited long enough; `all`:
// for all that there are. Whether a flight is open now.
bool notes_tick(struct api_loop *loop, bool all);

// calls.c
struct call *calls_take(struct api_loop *loop, bool is_large);
void calls_release(struct api_loop *loop, struct call *call);
void calls_free_all(struct api_loop *loop);

// commands.c, batches.c, lists.c, integrity.c, public.c: one request each; answers it or leaves it
// waiting.
void commands_request(struct asking *asking);
void batches_request(struct asking *asking);
void lists_request(struct asking *asking);
void balances_request(struct asking *asking);     // lists.c
void balances_request_now(struct asking *asking); // commands.c
void spending_request(struct asking *asking);
// reads.c: whether a read is done beside the writer; then the call is gone.
bool reads_beside(struct asking *asking, struct call *call);
void integrity_request(struct asking *asking);
void integrity_resume_request(struct asking *asking); // resume.c
void resume_run(struct job *job);
// Tells whoever follows a check how far it is. Thread: the loop's.
void integrity_tell_progress(struct job *job);
// Ends what he follows with what came out, which may be a problem; or, while a reader still has the
// job, because the server stops.
void integrity_end_stream(struct http_request *request, const struct job *job);
void integrity_cut_stream(struct http_request *request);
void proof_request(struct asking *asking); // wallet_proof.c
void console_request(struct asking *asking);  // queue_console.c
// Reads what a decision's request says and hands it to a reader's thread; a bad one is answered.
void console_start(struct asking *asking, enum job_kind kind);
void webhooks_request(struct asking *asking); // webhook_console.c
void public_request(struct asking *asking);
void me_request(struct asking *asking);
// pages.c: true when the path is one of the operator's page, which has been answered then.
bool pages_answer(struct asking *asking);

// dependencies.c. Whether the server is ready.
bool dependencies_render(struct api *api, struct buffer *buffer);
void dependencies_metrics(struct api *api, struct buffer *buffer);

// trace.c: where the request belongs in a trace, as struct origin keeps it; empty: nowhere.
struct slice trace_of(const struct asking *asking, struct arena *arena);

// slow.c: a line in the log about a request that took longer than it should, with its steps.
// `now_ns`: when the loop came to its flight.
void slow_call(struct api_loop *loop, const struct call *call, const struct flight *flight,
               uint64_t now_ns);
void slow_job(struct api_loop *loop, const struct job *job);
// One that is answered busy while its round, which left then (0: not yet), is on its way.
void slow_call_given_up(struct api_loop *loop, const struct call *call,
                        const struct flight *flight);

// keys.c: gives a COMMAND_KEY_CREATE or COMMAND_KEY_ROTATE its secret; and the role of a key's
// record, when it is one of the configuration.
void keys_make_secret(struct call *call, const struct role_table *roles);
const char *keys_role_name(const struct api *api, struct slice record);

// rounds.c
// False: too much waits already; the call was not taken.
bool rounds_add(struct api_loop *loop, struct call *call);
// Counts the memory of a call of `commands` before it is added. False: too much waits already.
bool rounds_reserve(struct api_loop *loop, struct call *call, uint64_t commands);
void rounds_unreserve(struct api_loop *loop, struct call *call);
bool rounds_pass_end(void *context, unsigned loop);
bool rounds_woken(void *context, unsigned loop);
void rounds_tick(void *context, unsigned loop);
bool rounds_wants_tick(void *context, unsigned loop);
void rounds_loop_ended(void *context, unsigned loop); // sends the last notes
void rounds_free_all(struct api_loop *loop);

// A flight from the pool, and its next call. For lanes.c.
struct flight *rounds_flight_take(struct api_loop *loop);
void rounds_flight_add(struct flight *flight, struct call *call);
// lanes.c: its calls in flights of their own where they need other servers, linked by `next`.
struct flight *lanes_split(struct api_loop *loop, struct flight *flight);
// Submits what rounds_add has gathered.
void rounds_submit_open(struct api_loop *loop);

// queueing.c
bool queueing_wants(const struct asking *asking, const struct call *call);
// Sends a decoded call through the queue. False: it goes without. True: it is seen to.
bool queueing_request(struct asking *asking, struct call *call);
void queueing_delivered(struct api_loop *loop, struct call *call);
// Asks the books about all that are parked.
void queueing_look(struct api_loop *loop);
// Of a call whose round is published. True: it is parked again.
bool queueing_finish(struct api_loop *loop, struct call *call);
// Answers a parked write whose round takes too long. False: it is no such call.
bool queueing_give_up(struct api_loop *loop, struct call *call);
void queueing_tick(struct api_loop *loop, uint64_t now_ns);
void queueing_note_parked(struct api *api, int change);
// Whether what it asked the books for is there.
bool queueing_is_known(const struct call *call);
void operations_request(struct asking *asking);
void queueing_open(struct api *api);
void queueing_close(struct api *api);
void queueing_free_all(struct api_loop *loop);
// Likewise, for queueing_batch.c.
// Whether the queue is wanted, and takes records of that version.
bool queueing_takes(const struct asking *asking, uint32_t version, bool is_urgent);
// False: the queue takes nothing now, and he is to go without it. `ret_answered`: he has been
// answered instead, and the call is released.
bool queueing_is_up(struct asking *asking, struct call *call, bool *ret_answered);
// A key for what came without; in `arena`.
struct slice queueing_make_key(struct arena *arena);
// Without its value and whom it tells.
struct queue_order queueing_order(const struct command *command, uint32_t version);
// Sends call->order with the request's body; call->command has its key. He is seen to.
void queueing_send(struct asking *asking, struct call *call, struct slice key);
void queueing_begin(struct asking *asking, struct call *call); // it is sent from now on
void queueing_undo(struct api_loop *loop, struct call *call);  // nothing of it was
// Answers whoever's command was not taken: STATUS_busy or STATUS_request_too_large.
void queueing_refuse_unsent(struct asking *asking, enum status status);
// The same when the broker has said so.
void queueing_answer_lost(struct api_loop *loop, struct call *call, bool is_too_large);
#define QUEUEING_SENTENCE_BYTES 192
const char *queueing_too_large(const struct api *api, char ret_text[QUEUEING_SENTENCE_BYTES]);
// What is told of an operation that was handed over and not acknowledged.
const char *queueing_unconfirmed(const char id_text[OPERATION_ID_BYTES],
                                 char ret_text[QUEUEING_SENTENCE_BYTES]);
void queueing_park(struct api_loop *loop, struct call *call);
// What the books said of a queued command: ok, or a refusal.
enum status queueing_outcome_of(const struct outcome *outcome, const struct operation_id *id,
                                struct refusal *ret_refusal);

// queueing_batch.c: batches that go through the queue as their operations.
// As queueing_wants and queueing_request. `batch`: decoded just now.
bool queueing_wants_batch(const struct asking *asking, const struct wire_batch *batch);
bool queueing_batch_request(struct asking *asking, struct call *call, struct wire_batch *batch);
void queueing_batch_delivered(struct api_loop *loop, struct call *call);
bool queueing_batch_finish(struct api_loop *loop, struct call *call); // as queueing_finish
bool queueing_batch_is_known(const struct call *call);
void queueing_batch_accepted(struct api_loop *loop, struct call *call); // 202 or 504
// Of an atomic batch, which is one record, and whose outcome is known: it is sent to the books,
// which answer with what they answered first; and that goes to its caller.
void queueing_whole_again(struct call *call);
void queueing_whole_answer(struct api_loop *loop, struct call *call);

// answers.c
// Counts and sends. `operation` may be NULL. The request is gone afterwards.
void answers_send(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns, int http,
                  const char *content_type, struct slice body);
// Counts, and begins an answer in pieces.
void answers_stream(struct asking *asking, const char *content_type);
// Who asks for help about a refusal can name it. Does nothing when it was told already.
void answers_tell_request_id(struct http_request *request, struct slice request_id);
// A refusal without numbers; `detail` is NULL for the status's own sentence.
void answers_refuse(struct asking *asking, enum status status, const char *detail);
// The same, but held back for a while (http_answer_delayed).
void answers_refuse_delayed(struct asking *asking, enum status status, const char *detail);
void answers_refuse_faults(struct asking *asking, const struct wire_faults *faults);
void answers_busy(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns);
void answers_too_large(struct api_loop *loop, struct http_request *request,
                       const struct operation *operation, uint64_t started_ns,
                       const char *sentence);
// `sentence` is NULL for the status's own.
void answers_unconfirmed(struct api_loop *loop, struct http_request *request,
                         const struct operation *operation, uint64_t started_ns,
                         const char *sentence);
// What became of a call; its request must be there.
void answers_call(struct api_loop *loop, struct call *call);
struct wire_found answers_found(const struct outcome *outcome, enum command_type type);
// A wallet as its balance now; false: its record does not decode.
// What the wallet may spend; `limits` may be NULL.
bool answers_render_limits(struct buffer *body, const struct outcome *outcome,
                           const struct spending_limits *limits);
bool answers_render_balance(struct buffer *body, const struct outcome *outcome);
void answers_add_etag(struct http_request *request, uint64_t version);
// batches.c
void batches_answer(struct api_loop *loop, struct call *call);
// A problem of one operation, or of the batch that it undid.
void batches_render_problem(struct buffer *body, const struct call *call, uint32_t index,
                            const struct outcome *outcome, uint32_t shown_index);

// readers.c
void readers_open(struct readers *readers, const char *name, uint32_t thread_count);
void readers_close(struct readers *readers); // what is queued is dropped
// False: the queue is full, or the readers stop.
bool readers_push(struct readers *readers, struct job *job);
struct job *jobs_take(struct asking *asking, enum job_kind kind);
void jobs_answer(struct api_loop *loop, struct job *job);
void jobs_release(struct api_loop *loop, struct job *job);
void jobs_free_all(struct api_loop *loop);
// What a reader thread does with a job, by its kind.
void lists_run(struct job *job);
void balances_run(struct job *job);
void reads_run(struct job *job);
void jobs_refuse(struct job *job, enum status status, enum id_type id_type, struct id id);
void jobs_refuse_field(struct job *job, struct slice pointer, struct slice why); // 400
void integrity_run(struct job *job);
void totals_run(struct job *job);
void proof_run(struct job *job);   // wallet_proof.c
void console_run(struct job *job); // queue_console.c
void webhooks_run(struct job *job);
