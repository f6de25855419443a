// SPDX-License-Identifier: MIT
// The door. Its ladder is the same for every request, in this order:
//
//   401 who ─▶ 429 how often ─▶ 404, 405 of the path ─▶ 403 may he ─▶ 413 ─▶ 415 ─▶ 400 decoding
//   ─▶ the ledger
//
// 401 comes before 404, so that nobody without a key learns which paths there are; public paths
// are asked for first. 429 comes as soon as it is known who asks: it is the cheapest refusal, and
// it counts every request, also those that go wrong. Strangers get 429 in place of 401.
#include "api/door.h"

#include <stdio.h>

#include "api/answers.h"
#include "api/loop.h"
#include "api/queueing.h"
#include "api/requests.h"
#include "base/clock.h"
#include "base/limits.h"

#define BODY_SMALL_BYTES_MAX ((size_t)LIMIT_BODY_BYTES_MAX)

static void asking_begin(struct api *api, struct http_request *request, struct asking *ret_asking) {
    struct api_loop *loop = &api->loops[http_loop(request)];
    memset(ret_asking, 0, offsetof(struct asking, headers));
    ret_asking->request = request;
    ret_asking->loop = loop;
    ret_asking->started_ns = clock_monotonic_ns();
    ret_asking->limits_asked = 0;
    headers_collect(request, &ret_asking->headers);
    edge_find_client(ret_asking);
    ret_asking->request_id = headers_take_request_id(loop, request, ret_asking->headers.request_id);
    // A payment that went well answers with ids of its own; each header more would cost it time.
    bool is_given = ret_asking->request_id.bytes == ret_asking->headers.request_id.bytes;
    if (is_given || !slice_equal(http_method(request), SLICE("POST")))
        http_add_header(request, "X-Request-Id", ret_asking->request_id);
}

// Other people's money is nothing to keep or to guess types of. Answers to POST are never kept
// (RFC 9111, 3) nor shown as pages, and two headers on each payment would cost time.
static void forbid_keeping(struct http_request *request) {
    if (slice_equal(http_method(request), SLICE("POST")))
        return;
    http_add_header(request, "Cache-Control", SLICE("no-store"));
    http_add_header(request, "X-Content-Type-Options", SLICE("nosniff"));
}

static bool operation_is_open(const struct operation *operation, struct http_request *request) {
    return operation->is_public &&
           (!operation->loopback_only || headers_is_loopback(http_address(request)));
}

// 403. A key may have a role that the configuration no longer has, and then it may nothing.
static bool door_permits(struct asking *asking, const struct operation *operation) {
    struct api *api = asking->loop->api;
    enum permission needed = api->permissions[operation->code];
    const struct role_row *role = roles_at(&api->roles, asking->principal.role);
    bool is_bound = role != NULL && role->bound;
    if (is_bound)
        asking->bound_to = asking->principal.owner;
    if (roles_allow(&api->roles, asking->principal.role, needed) &&
        (!is_bound || asking->bound_to.size != 0))
        return true;
    char detail[200];
    if (role == NULL)
        snprintf(detail, sizeof(detail), "The configuration no longer has this key's role.");
    else if (is_bound && asking->bound_to.size == 0)
        snprintf(detail, sizeof(detail), "The role %s is bound to an owner, and this key has none.",
                 role->name);
    else
        snprintf(detail, sizeof(detail),
                 "This needs the permission %s, which the role %s does not have.",
                 permission_name(needed), role->name);
    answers_refuse(asking, STATUS_forbidden, detail);
    return false;
}

// 404, 405.
static void refuse_path(struct asking *asking, enum status found, const struct route *route) {
    char detail[200];
    const struct operation *almost = route->almost;
    if (found == STATUS_method_not_allowed) {
        http_add_header(asking->request, "Allow", slice_of_text(route->allow));
        snprintf(detail, sizeof(detail), "What this path answers is %s.", route->allow);
    } else if (almost == NULL) {
        snprintf(detail, sizeof(detail),
                 "No operation has this path; GET /openapi.json lists those that there are.");
    } else {
        snprintf(detail, sizeof(detail),
                 "This path takes the id of %s, which is %s_ and 26 digits of base32%s%s.",
                 operation_thing(almost->id_type), id_prefix(almost->id_type),
                 route->is_other ? "; what stands there is the id of " : "",
                 route->is_other ? operation_thing(route->other) : "");
    }
    answers_refuse(asking, found, detail);
}

// 401, 429, 404, 405, 403. True: he may come in. False: he has been answered.
static bool door_pass(struct asking *asking) {
    struct api *api = asking->loop->api;
    struct route route = {0};
    enum status found =
        operation_find(http_method(asking->request), http_path(asking->request), &route);
    if (found == STATUS_ok) {
        asking->operation = route.operation;
        asking->id = route.id;
        asking->token = route.token;
        if (operation_is_open(route.operation, asking->request))
            return true;
    }
    if (api->options.monitors_only) {
        answers_refuse(asking, STATUS_not_found,
                       "This is a worker: it tells its health and, on its own machine, its "
                       "metrics. The API is at florin serve.");
        return false;
    }
    const char *why = NULL;
    // Keys are judged by the books' clock.
    uint64_t now_ms = asking->loop->door.tokens != NULL ? clock_now_ms() : 0;
    enum status known = authenticate_bearer(asking->headers.authorization, &asking->loop->door,
                                            now_ms, &asking->principal, &why);
    if (known != STATUS_ok) {
        if (limits_admit_stranger(asking))
            answers_refuse(asking, known, why);
        return false;
    }
    if (!limits_admit(asking))
        return false;
    if (found != STATUS_ok) {
        refuse_path(asking, found, &route);
        return false;
    }
    return door_permits(asking, route.operation);
}

// 413, 415, and headers that no decoder should have to choose between.
static bool door_take_body(struct asking *asking) {
    const struct operation *operation = asking->operation;
    struct slice body = http_body(asking->request);
    size_t body_bytes_max =
        operation->takes_body ? operation->body_bytes_max : BODY_SMALL_BYTES_MAX;
    if (body.size > body_bytes_max) {
        answers_refuse(asking, STATUS_request_too_large, NULL);
        return false;
    }
    if (asking->headers.encoding.size != 0) {
        answers_refuse(asking, STATUS_unsupported_media_type,
                       "Send the body as it is, without Content-Encoding.");
        return false;
    }
    if (operation->takes_body && body.size != 0 && !headers_is_json(asking->headers.content_type)) {
        answers_refuse(asking, STATUS_unsupported_media_type, NULL);
        return false;
    }
    if (asking->headers.repeated != NULL) {
        struct wire_faults faults = {0};
        wire_fault_add(http_arena(asking->request), &faults,
                       slice_of_text(asking->headers.repeated), SLICE("may stand there once"));
        answers_refuse_faults(asking, &faults);
        return false;
    }
    if (!operation->is_public && operation->query_count == 0 && queries_are_there(asking)) {
        struct wire_query query;
        bool none_is_known = !queries_decode(asking, http_arena(asking->request), &query);
        CHECK(none_is_known);
        return false;
    }
    return true;
}

static void dispatch(struct asking *asking) {
    if (asking->operation->answer != ANSWER_BATCH) // those are counted when they are decoded
        limits_tell(asking);
    if (!asking->operation->is_write && !asking->operation->is_public &&
        !freshness_of(asking, &asking->freshness))
        return;
    switch ((enum answer_kind)asking->operation->answer) {
    case ANSWER_WALLETS:
    case ANSWER_TRANSACTIONS:
    case ANSWER_WITHDRAWALS:
    case ANSWER_HOLDS:
    case ANSWER_APPROVALS:
    case ANSWER_ANOMALIES:
    case ANSWER_KEYS:
    case ANSWER_AUDIT: lists_request(asking); break;
    case ANSWER_BALANCE: balances_request(asking); break;
    case ANSWER_LIMITS: spending_request(asking); break;
    case ANSWER_BATCH: batches_request(asking); break;
    case ANSWER_ME: me_request(asking); break;
    case ANSWER_INTEGRITY: integrity_request(asking); break;
    case ANSWER_PROOF: proof_request(asking); break;
    case ANSWER_QUEUE:
    case ANSWER_QUEUE_DECISION:
    case ANSWER_LETTERS: console_request(asking); break;
    case ANSWER_WEBHOOKS:
    case ANSWER_WEBHOOK: webhooks_request(asking); break;
    case ANSWER_OPERATION: operations_request(asking); break;
    case ANSWER_HEALTH:
        if (asking->operation->code == OPERATION_RESUME_PAYMENTS) {
            integrity_resume_request(asking);
            break;
        } // fall through
    case ANSWER_METRICS:
    case ANSWER_OPENAPI: public_request(asking); break;
    case ANSWER_NOTHING:
    case ANSWER_WALLET:
    case ANSWER_TRANSACTION:
    case ANSWER_WITHDRAWAL:
    case ANSWER_HOLD:
    case ANSWER_APPROVAL:
    case ANSWER_ERASURE:
    case ANSWER_ANOMALY: commands_request(asking); break;
    case ANSWER_KEY:
        if (asking->operation->is_write)
            commands_request(asking);
        else
            key_request(asking);
        break;
    }
}

void router_request(void *context, struct http_request *request) {
    struct asking asking;
    asking_begin(context, request, &asking);
    bool has_api = !asking.loop->api->options.monitors_only;
    if (has_api && (edge_answer_browser(&asking) || pages_answer(&asking)))
        return;
    forbid_keeping(request);
    if (door_pass(&asking) && door_take_body(&asking))
        dispatch(&asking);
}

void router_refuse(void *context, struct http_request *request, int code) {
    struct asking asking;
    asking_begin(context, request, &asking);
    forbid_keeping(request);
    switch (code) {
    case 413:
        // Of a head that the library refused nobody has read who asks.
        if (http_method(request).size == 0 || door_pass(&asking))
            answers_refuse(&asking, STATUS_request_too_large, NULL);
        break;
    case 431:
        answers_refuse(&asking, STATUS_request_too_large,
                       "The request's head is larger than allowed (request_head_bytes of the "
                       "configuration).");
        break;
    case 503: answers_refuse(&asking, STATUS_busy, NULL); break;
    default:
        answers_refuse(&asking, STATUS_invalid_request,
                       "The request is not well-formed HTTP/1.1, or two readers could understand "
                       "it differently.");
        break;
    }
}

size_t router_body_limit(void *context, struct slice method, struct slice path) {
    (void)context;
    struct route route = {0};
    if (operation_find(method, path, &route) != STATUS_ok || !route.operation->takes_body)
        return BODY_SMALL_BYTES_MAX;
    return route.operation->body_bytes_max;
}
