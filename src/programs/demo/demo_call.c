// SPDX-License-Identifier: MIT
// A busy server and a lost answer are tried again under the same key; that is what keys are for, so
// the demo does not count it as something special.
#include "programs/demo/demo_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "programs/client/client_json.h"
#include "programs/client/client_print.h"
#include "programs/client/client_text.h"

#define CALL_TRIES_MAX 20
#define CALL_PAUSE_MS 250
#define CALL_DIFFERENCES_SHOWN_MAX 20

void demo_differs(struct demo *demo, const char *format, ...) {
    demo->difference_count++;
    if (demo->difference_count > CALL_DIFFERENCES_SHOWN_MAX)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    client_progress_end(&demo->progress);
    fprintf(stderr, "not as expected: %s\n", text);
}

void demo_count_refusal(struct demo *demo, enum demo_verb verb, const char *code) {
    demo->tallies[verb].refused++;
    for (uint32_t at = 0; at < demo->code_count; at++) {
        if (strcmp(demo->codes[at].name, code) == 0) {
            demo->codes[at].count++;
            return;
        }
    }
    CHECK(demo->code_count < DEMO_CODES_MAX);
    demo->codes[demo->code_count++] = (struct demo_code){.name = code, .count = 1};
}

void demo_write(struct buffer *buffer, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(size >= 0 && (size_t)size < sizeof(text));
    buffer_reset(buffer);
    buffer_add(buffer, text, (size_t)size + 1); // paths want the zero
    buffer->size--;
}

void demo_make_key(struct demo *demo, char ret_key[DEMO_ID_BYTES_MAX]) {
    (void)snprintf(ret_key, DEMO_ID_BYTES_MAX, "%s-%llu", demo->run,
                   (unsigned long long)demo->key_count++);
}

bool demo_take_id(struct demo *demo, struct json_value answer, char ret_id[DEMO_ID_BYTES_MAX]) {
    struct slice id = client_json_text(answer, "id");
    if (id.size == 0 || id.size >= DEMO_ID_BYTES_MAX) {
        demo_differs(demo, "an answer without an id");
        return false;
    }
    memcpy(ret_id, id.bytes, id.size);
    ret_id[id.size] = '\0';
    return true;
}

static void call_pause(const struct client_answer *answer) {
    uint32_t pause_ms = CALL_PAUSE_MS;
    if (answer != NULL && answer->retry_after_s > 0)
        pause_ms = (answer->retry_after_s < 5 ? answer->retry_after_s : 5) * 1000;
    const struct timespec pause = {.tv_sec = pause_ms / 1000,
                                   .tv_nsec = (long)(pause_ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL); // a shorter pause is fine
}

// Sends until there is an answer that says something about the request. False: the demo is over.
static bool call_send(struct demo *demo, const struct client_request *request,
                      struct client_answer *ret_answer) {
    for (int tries = 0; tries < CALL_TRIES_MAX; tries++) {
        enum client_reach reach = client_connection_send(demo->connection, request, ret_answer);
        if (reach == CLIENT_ANSWERED && ret_answer->http != 429 && ret_answer->http < 500)
            return true;
        call_pause(reach == CLIENT_ANSWERED ? ret_answer : NULL);
        if (reach == CLIENT_NOT_REACHED && tries > 2)
            break;
    }
    client_progress_end(&demo->progress);
    client_connection_complain(demo->connection);
    demo->is_over = true;
    demo->over_exit = CLIENT_EXIT_NO_CONNECTION;
    return false;
}

// A key that is not good enough ends the demo: nothing else would be answered either.
static bool call_is_allowed(struct demo *demo, const struct client_answer *answer) {
    if (answer->http != 401 && answer->http != 403)
        return true;
    client_progress_end(&demo->progress);
    client_print_problem(answer->http, answer->body);
    demo->is_over = true;
    demo->over_exit = CLIENT_EXIT_REFUSED;
    return false;
}

// Rules and approvals may leave a payment to somebody, or refuse it. The demo knows what is in its
// wallets only where none does, so it says so once instead of calling all that follows wrong.
static bool call_is_decided(struct demo *demo, const struct client_answer *answer,
                            struct json_value document) {
    struct slice code = client_json_text(document, "code");
    if (answer->http != 202 && !slice_equal(code, SLICE("held_for_review")) &&
        !slice_equal(code, SLICE("refused_by_rule")))
        return true;
    struct slice id = client_json_text(document, "id");
    client_progress_end(&demo->progress);
    fprintf(stderr,
            "The server's rules or approvals keep payments of the demo back (%d %.*s). It plays a "
            "day in which nothing has to be decided: run it on a server whose rules flag only, "
            "and without approvals.\n",
            answer->http, (int)(id.size != 0 ? id.size : code.size),
            (const char *)(id.size != 0 ? id.bytes : code.bytes));
    demo->is_over = true;
    demo->over_exit = CLIENT_EXIT_REFUSED;
    return false;
}

static bool call_judge(struct demo *demo, const struct demo_call *call, const char *path,
                       const struct client_answer *answer, struct json_value document) {
    bool succeeded = answer->http >= 200 && answer->http < 300;
    struct slice code = client_json_text(document, "code");
    struct slice wanted = slice_of_text(call->expected != NULL ? call->expected : "");
    if (!succeeded && call->expected != NULL && slice_equal(code, wanted)) {
        demo_count_refusal(demo, call->verb, call->expected);
        return false;
    }
    if (!succeeded || call->expected != NULL) {
        struct slice detail = client_json_text(document, "detail");
        demo_differs(demo, "%s %.*s: expected %s, got %d %.*s: %.*s", path, (int)demo->body.size,
                     (const char *)demo->body.bytes, call->expected ? call->expected : "success",
                     answer->http, (int)code.size, (const char *)code.bytes, (int)detail.size,
                     (const char *)detail.bytes);
        return false;
    }
    if (answer->replayed != call->must_replay) {
        demo_differs(demo, "%s: %s", path,
                     answer->replayed ? "answered as a replay" : "was not answered as a replay");
        return false;
    }
    if (call->must_replay) {
        demo->replay_count++;
        return true;
    }
    demo->tallies[call->verb].done++;
    demo->tallies[call->verb].amount += call->amount;
    return true;
}

bool demo_call(struct demo *demo, const struct demo_call *call, struct json_value *ret_answer) {
    char made_key[DEMO_ID_BYTES_MAX];
    if (demo->is_over)
        return false;
    demo_make_key(demo, made_key);
    const char *path = call->path != NULL ? call->path : (const char *)demo->path.bytes;
    struct client_request request = {.method = call->method != NULL ? call->method : "POST",
                                     .path = path,
                                     .body = buffer_slice(&demo->body),
                                     .idempotency_key = call->key != NULL ? call->key : made_key,
                                     .if_version = call->if_version,
                                     .takes_long = call->takes_long};
    if (strcmp(request.method, "GET") == 0) {
        request.body = SLICE("");
        request.idempotency_key = NULL;
    }
    struct client_answer answer;
    if (!call_send(demo, &request, &answer) || !call_is_allowed(demo, &answer))
        return false;
    buffer_reset(&demo->answer);
    buffer_add_slice(&demo->answer, answer.body);
    struct json_value document;
    const char *why;
    if (!json_parse(demo->parser, answer.body, &document, &why)) {
        demo_differs(demo, "%s: the answer is no JSON: %s", path, why);
        return false;
    }
    if (!call_is_decided(demo, &answer, document) ||
        !call_judge(demo, call, path, &answer, document))
        return false;
    *ret_answer = document;
    return true;
}
