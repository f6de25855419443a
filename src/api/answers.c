// SPDX-License-Identifier: MIT
// From outcomes to answers. Bodies are wire/'s; here are the code and the headers around them.
#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/loop.h"
#include "api/notes.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/spending.h"

static void count(struct api_loop *loop, const struct operation *operation, uint64_t started_ns,
                  int http) {
    uint32_t code = operation != NULL ? operation->code : METRICS_OPERATION_UNKNOWN;
    uint64_t now_ns = loop->answering_ns != 0 ? loop->answering_ns : clock_monotonic_ns();
    metrics_count_answer(&loop->metrics, code, http, now_ns - started_ns);
}

void answers_send(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns, int http,
                  const char *content_type, struct slice body) {
    count(loop, operation, started_ns, http);
    http_answer(request, http, content_type, body);
}

void answers_stream(struct asking *asking, const char *content_type) {
    count(asking->loop, asking->operation, asking->started_ns, 200);
    http_stream_begin(asking->request, content_type);
}

void answers_tell_request_id(struct http_request *request, struct slice request_id) {
    if (!http_has_answer_header(request, "X-Request-Id"))
        http_add_header(request, "X-Request-Id", request_id);
}

static void send_problem(struct api_loop *loop, struct http_request *request,
                         const struct operation *operation, uint64_t started_ns,
                         enum status status) {
    if (status == STATUS_busy || status == STATUS_unconfirmed)
        http_add_header(request, "Retry-After", SLICE("1"));
    else if (status == STATUS_unauthenticated)
        http_add_header(request, "WWW-Authenticate", SLICE("Bearer realm=\"florin\""));
    answers_send(loop, request, operation, started_ns, status_http(status), PROBLEM_CONTENT_TYPE,
                 buffer_slice(http_body_out(request)));
}

static void render_refused(struct asking *asking, enum status status, const char *detail) {
    struct buffer *body = http_body_out(asking->request);
    notes_door(asking, status);
    limits_tell(asking);
    answers_tell_request_id(asking->request, asking->request_id);
    buffer_reset(body);
    problem_render_door(body, status, detail, PROBLEM_NO_OPERATION);
}

void answers_refuse_delayed(struct asking *asking, enum status status, const char *detail) {
    render_refused(asking, status, detail);
    count(asking->loop, asking->operation, asking->started_ns, status_http(status));
    http_answer_delayed(asking->request, status_http(status), PROBLEM_CONTENT_TYPE,
                        buffer_slice(http_body_out(asking->request)));
}

void answers_refuse(struct asking *asking, enum status status, const char *detail) {
    render_refused(asking, status, detail);
    send_problem(asking->loop, asking->request, asking->operation, asking->started_ns, status);
}

void answers_refuse_faults(struct asking *asking, const struct wire_faults *faults) {
    struct buffer *body = http_body_out(asking->request);
    notes_door(asking, STATUS_invalid_request);
    limits_tell(asking);
    answers_tell_request_id(asking->request, asking->request_id);
    buffer_reset(body);
    problem_render_faults(body, faults, PROBLEM_NO_OPERATION);
    send_problem(asking->loop, asking->request, asking->operation, asking->started_ns,
                 STATUS_invalid_request);
}

// A refusal that is told without anything of the door: notes, limits, the request's id.
static void refuse(struct api_loop *loop, struct http_request *request,
                   const struct operation *operation, uint64_t started_ns, enum status status,
                   const char *sentence) {
    struct buffer *body = http_body_out(request);
    buffer_reset(body);
    problem_render_door(body, status, sentence, PROBLEM_NO_OPERATION);
    send_problem(loop, request, operation, started_ns, status);
}

void answers_busy(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns) {
    refuse(loop, request, operation, started_ns, STATUS_busy, NULL);
}

void answers_too_large(struct api_loop *loop, struct http_request *request,
                       const struct operation *operation, uint64_t started_ns,
                       const char *sentence) {
    refuse(loop, request, operation, started_ns, STATUS_request_too_large, sentence);
}

void answers_unconfirmed(struct api_loop *loop, struct http_request *request,
                         const struct operation *operation, uint64_t started_ns,
                         const char *sentence) {
    refuse(loop, request, operation, started_ns, STATUS_unconfirmed, sentence);
}

struct wire_found answers_found(const struct outcome *outcome, enum command_type type) {
    struct wire_found found = {
        .record = outcome->record, .opening = outcome->opening, .hidden = outcome->hidden};
    switch (type) {
    case COMMAND_READ_WALLET: found.wallet = &outcome->wallet; break;
    case COMMAND_READ_HOLD: found.hold = &outcome->hold; break;
    case COMMAND_READ_WITHDRAWAL:
        found.withdrawal = &outcome->withdrawal;
        if (!id_is_zero(outcome->transaction))
            found.transaction = &outcome->transaction;
        break;
    case COMMAND_READ_ANOMALY:
    case COMMAND_READ_APPROVAL: found.parked = &outcome->parked; break;
    case COMMAND_READ_TRANSACTION: found.refunded = outcome->refunded; break;
    default: break; // a write's answer is a function of its records alone
    }
    return found;
}

bool answers_render_balance(struct buffer *body, const struct outcome *outcome) {
    struct record record;
    const char *invariant;
    if (record_decode(outcome->record, &record, &invariant) != STATUS_ok ||
        record.kind != RECORD_WALLET)
        return false;
    struct wire_balance balance = {
        .wallet = outcome->wallet.id,
        .currency = record.wallet.currency,
        .at_ms = clock_now_ms(),
        .balance = outcome->wallet.balance,
        .version = outcome->wallet.version,
        .is_now = true,
        .held = outcome->wallet.held,
    };
    wire_render_balance(body, &balance);
    return true;
}

bool answers_render_limits(struct buffer *body, const struct outcome *outcome,
                           const struct spending_limits *limits) {
    struct record record;
    const char *invariant;
    if (record_decode(outcome->record, &record, &invariant) != STATUS_ok ||
        record.kind != RECORD_WALLET)
        return false;
    // What was counted for a day says that it has begun, whatever this node's clock says.
    uint64_t now_ms = clock_now_ms(), counted_ms = spending_begins_ms(outcome->spent.day);
    now_ms = now_ms > counted_ms ? now_ms : counted_ms;
    struct wire_limits shown = {
        .wallet = &outcome->wallet,
        .currency = record.wallet.currency,
        .spent = spending_now(&outcome->spent, now_ms),
        .at_ms = now_ms,
        .limits = limits,
    };
    wire_render_limits(body, &shown);
    return true;
}

// Where a new thing is read. Every object of the API begins with its id. Payments go without: they
// are the most by far, a header costs them time, and their id stands in the body.
static void add_location(struct http_request *request, enum answer_kind answer,
                         struct slice body) {
    static const char *const places[] = {
        [ANSWER_WALLET] = "/v1/wallets/",
        [ANSWER_WITHDRAWAL] = "/v1/withdrawals/",
        [ANSWER_HOLD] = "/v1/holds/",
        [ANSWER_KEY] = "/v1/keys/",
        [ANSWER_APPROVAL] = "/v1/approvals/",
        [ANSWER_ANOMALY] = "/v1/anomalies/",
    };
    static const char opening[] = "{\"id\":\"";
    const size_t opening_bytes = sizeof(opening) - 1;
    if (answer >= sizeof(places) / sizeof(places[0]) || places[answer] == NULL)
        return;
    CHECK(body.size > opening_bytes && memcmp(body.bytes, opening, opening_bytes) == 0);
    const uint8_t *id = body.bytes + opening_bytes;
    const uint8_t *id_end = memchr(id, '"', body.size - opening_bytes);
    CHECK(id_end != NULL);
    char location[32 + ID_TEXT_BYTES_MAX];
    size_t place_bytes = strlen(places[answer]);
    size_t id_bytes = (size_t)(id_end - id);
    CHECK(place_bytes + id_bytes <= sizeof(location));
    memcpy(location, places[answer], place_bytes);
    memcpy(location + place_bytes, id, id_bytes);
    http_add_header(request, "Location", slice_of(location, place_bytes + id_bytes));
}

// What waits is an approval or a held payment; its id tells.
static enum answer_kind waiting_kind(struct slice body) {
    static const char held[] = "{\"id\":\"anm_";
    bool is_held = body.size > sizeof(held) && memcmp(body.bytes, held, sizeof(held) - 1) == 0;
    return is_held ? ANSWER_ANOMALY : ANSWER_APPROVAL;
}

void answers_add_etag(struct http_request *request, uint64_t version) {
    char tag[24];
    size_t size = sizeof(tag);
    tag[--size] = '"';
    do {
        tag[--size] = (char)('0' + version % 10);
        version /= 10;
    } while (version != 0);
    tag[--size] = '"';
    http_add_header(request, "ETag", slice_of(tag + size, sizeof(tag) - size));
}

// Statuses of the door and the house carry no numbers, whoever found them.
static void render_refusal(struct buffer *body, const struct outcome *outcome) {
    enum status status = (enum status)outcome->status;
    enum status_class class = status_class(status);
    if (class == STATUS_CLASS_DENIED || class == STATUS_CLASS_BUSY || class == STATUS_CLASS_BROKEN)
        problem_render_door(body, status, NULL, PROBLEM_NO_OPERATION);
    else
        problem_render(body, &outcome->refusal, PROBLEM_NO_OPERATION);
}

static void send_damaged(struct api_loop *loop, struct call *call) {
    log_line(LOG_ERROR, "api", "The record behind an answer of %s does not decode.",
             call->operation->name);
    struct buffer *body = http_body_out(call->request);
    buffer_reset(body);
    problem_render_door(body, STATUS_internal, NULL, PROBLEM_NO_OPERATION);
    send_problem(loop, call->request, call->operation, call->started_ns, STATUS_internal);
}

void answers_call(struct api_loop *loop, struct call *call) {
    struct http_request *request = call->request;
    const struct outcome *outcome = &call->outcome;
    struct buffer *body = &loop->rendered;
    CHECK(outcome->status < STATUS_COUNT);
    buffer_reset(body);
    if (outcome->replayed)
        http_add_header(request, "Idempotent-Replayed", SLICE("true"));
    if (outcome->status != STATUS_ok) {
        buffer_reset(http_body_out(request));
        render_refusal(http_body_out(request), outcome);
        answers_tell_request_id(request, call->command.origin.request_id);
        send_problem(loop, request, call->operation, call->started_ns,
                     (enum status)outcome->status);
        return;
    }
    int http = 200;
    bool is_made = call_is_made(call);
    if (is_made && !MADE_IS_COMPARED) {
        body = &call->made;
        http = call->made_http;
    } else if (call->wants_balance) {
        if (!answers_render_balance(body, outcome)) {
            send_damaged(loop, call);
            return;
        }
    } else if (call->operation->answer == ANSWER_LIMITS) {
        if (!answers_render_limits(body, outcome, loop->api->options.spending_limits)) {
            send_damaged(loop, call);
            return;
        }
    } else {
        struct wire_found found = answers_found(outcome, (enum command_type)call->command.type);
        if (call->command.type == COMMAND_KEY_CREATE ||
            call->command.type == COMMAND_KEY_ROTATE)
            found.role_name = keys_role_name(loop->api, outcome->record);
        if (!outcome->replayed && call->secret_size != 0) {
            found.secret = slice_of(call->secret, call->secret_size);
            http_add_header(request, "Cache-Control", SLICE("no-store"));
        }
        if (wire_render_command(body, (enum command_type)call->command.type, &found, &http) !=
            STATUS_ok) {
            send_damaged(loop, call);
            return;
        }
    }
    if (is_made && MADE_IS_COMPARED)
        made_check(call, buffer_slice(body));
    if (outcome->has_version && call->operation->answer == ANSWER_WALLET)
        answers_add_etag(request, outcome->version);
    if (http == 201)
        add_location(request, (enum answer_kind)call->operation->answer, buffer_slice(body));
    if (http == 202) // it waits for somebody else
        add_location(request, waiting_kind(buffer_slice(body)), buffer_slice(body));
    const char *content_type = body->size != 0 ? "application/json" : NULL;
    count(loop, call->operation, call->started_ns, http);
    http_answer_copied(request, http, content_type, buffer_slice(body));
    if (call->secret_size != 0) // a secret must not lie about in memory
        explicit_bzero(body->bytes, body->size);
}
