// SPDX-License-Identifier: MIT
// What needs no key: is it alive, is it ready, how is it doing, what can it do. None of it touches
// the engine's thread, so all of it answers while the store hangs.
#include "api/answers.h"
#include "api/dependencies.h"
#include "api/door.h"
#include "api/loop.h"
#include "api/requests.h"

static void send_json(struct asking *asking, int http, struct slice body) {
    answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, http,
                 "application/json", body);
}

void public_request(struct asking *asking) {
    struct api *api = asking->loop->api;
    struct buffer *body;
    int http;
    switch ((enum operation_code)asking->operation->code) {
    case OPERATION_HEALTH: send_json(asking, 200, SLICE("{\"status\":\"ok\"}")); break;
    case OPERATION_READY:
        body = http_body_out(asking->request);
        buffer_reset(body);
        http = dependencies_render(api, body) ? 200 : 503;
        send_json(asking, http, buffer_slice(body));
        break;
    case OPERATION_METRICS:
        body = http_body_out(asking->request);
        buffer_reset(body);
        metrics_render(api, body);
        answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, 200,
                     "text/plain; version=0.0.4; charset=utf-8", buffer_slice(body));
        break;
    case OPERATION_OPENAPI:
        answers_send(asking->loop, asking->request, asking->operation, asking->started_ns, 200,
                     "application/json", buffer_slice(&api->openapi));
        break;
    default: UNREACHABLE("an operation that is not public");
    }
}
