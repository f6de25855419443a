// SPDX-License-Identifier: MIT
// One request: headers, signature, and what its answer means. Of an answer only the status counts;
// what else comes is read up to a bound and thrown away. Redirections are answers like any other:
// where events go is the configuration's to say.
#include <stdio.h>

#include "base/clock.h"
#include "events/webhooks_private.h"

#define ANSWER_BYTES_MAX  (64 * 1024)
#define CONNECT_MS_MAX    5000L
#define SPARE_MS_MAX      UINT64_C(3600000)
#define TRACE_PARENT_SIZE 55

static size_t throw_away(char *bytes, size_t one, size_t count, void *context) {
    struct webhook_request *request = context;
    (void)bytes;
    request->received += one * count;
    return request->received > ANSWER_BYTES_MAX ? 0 : one * count; // 0 ends it
}

static void set_up(struct webhook_request *request) {
    const struct webhook_endpoint *endpoint = request->target->endpoint;
    long timeout_ms = (long)endpoint->timeout_ms;
    CURL *curl = request->curl = curl_easy_init();
    CHECK(curl != NULL);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, request);
    curl_easy_setopt(curl, CURLOPT_URL, endpoint->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (endpoint->ca_file[0] != '\0') {
        curl_easy_setopt(curl, CURLOPT_CAINFO, endpoint->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); // and nobody else
    }
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "florin");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_MS_MAX ? timeout_ms : CONNECT_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, throw_away);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
}

static void add_header(struct webhook_request *request, const char *name, struct slice value) {
    buffer_reset(&request->text);
    buffer_add_text(&request->text, name);
    BUFFER_ADD(&request->text, ": ");
    buffer_add_slice(&request->text, value);
    buffer_add(&request->text, "", 1);
    struct curl_slist *longer =
        curl_slist_append(request->headers, (const char *)request->text.bytes);
    CHECK(longer != NULL);
    request->headers = longer;
}

static void add_trace(struct webhook_request *request, const struct webhook_item *item) {
    if (item->trace_bytes < TRACE_PARENT_SIZE)
        return;
    add_header(request, "traceparent", slice_of(item->trace, TRACE_PARENT_SIZE));
    if (item->trace_bytes > TRACE_PARENT_SIZE + 1)
        add_header(request, "tracestate",
                   slice_of(item->trace + TRACE_PARENT_SIZE + 1,
                            item->trace_bytes - TRACE_PARENT_SIZE - 1u));
}

// Made anew for each attempt: its time is the attempt's.
static void write_headers(struct webhook_request *request, const struct webhook_item *item) {
    struct webhook_target *target = request->target;
    struct webhook_secrets secrets;
    uint64_t time_s = clock_now_ms() / 1000;
    char time[24];
    int time_bytes = snprintf(time, sizeof(time), "%llu", (unsigned long long)time_s);
    CHECK(pthread_mutex_lock(&target->webhooks->lock) == 0);
    secrets = target->secrets;
    CHECK(pthread_mutex_unlock(&target->webhooks->lock) == 0);
    buffer_reset(&request->signature);
    webhook_sign(&secrets, item->id, time_s, buffer_slice(&item->body), &request->text,
                 &request->signature);
    explicit_bzero(&secrets, sizeof(secrets));
    curl_slist_free_all(request->headers);
    request->headers = NULL;
    add_header(request, "content-type", SLICE("application/cloudevents+json"));
    add_header(request, "webhook-id", slice_of_text(item->id));
    add_header(request, "webhook-timestamp", slice_of(time, (size_t)time_bytes));
    add_header(request, "webhook-signature", buffer_slice(&request->signature));
    add_trace(request, item);
    struct curl_slist *longer = curl_slist_append(request->headers, "Expect:"); // none
    CHECK(longer != NULL);
    request->headers = longer;
}

void webhook_send(struct webhook_target *target, uint64_t number) {
    const struct webhook_item *item = webhook_window_at(&target->window, number);
    struct webhook_request *request = target->requests;
    while (request->is_on) {
        request++;
        CHECK(request < target->requests + WEBHOOK_CONNECTIONS_MAX);
    }
    request->target = target;
    if (request->curl == NULL)
        set_up(request);
    write_headers(request, item);
    webhook_window_send(&target->window, number);
    request->item = number;
    request->received = 0;
    request->is_on = true;
    curl_easy_setopt(request->curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(request->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)item->body.size);
    curl_easy_setopt(request->curl, CURLOPT_POSTFIELDS, (const char *)item->body.bytes);
    CHECK(curl_multi_add_handle(target->webhooks->multi, request->curl) == CURLM_OK);
}

static enum webhook_result result_of(const struct webhook_request *request, CURLcode code,
                                     char why[WEBHOOK_ERROR_BYTES]) {
    long http = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &http);
    // What had more to say than anybody reads has said its status before.
    bool is_answered = http >= 200 && (code == CURLE_OK || code == CURLE_WRITE_ERROR);
    if (is_answered && http / 100 == 2)
        return WEBHOOK_RESULT_DELIVERED;
    if (is_answered) {
        (void)snprintf(why, WEBHOOK_ERROR_BYTES, "answered with %ld%s", http,
                       http / 100 == 3 ? ", and redirections are not followed" : "");
        return http / 100 == 4 ? WEBHOOK_RESULT_REFUSED : WEBHOOK_RESULT_ERROR;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        (void)snprintf(why, WEBHOOK_ERROR_BYTES, "no answer within %u ms",
                       request->target->endpoint->timeout_ms);
        return WEBHOOK_RESULT_TIMEOUT;
    }
    (void)snprintf(why, WEBHOOK_ERROR_BYTES, "%s", curl_easy_strerror(code));
    return WEBHOOK_RESULT_UNREACHABLE;
}

static void take_one(struct webhook_request *request, CURLcode code) {
    struct webhook_target *target = request->target;
    char why[WEBHOOK_ERROR_BYTES] = "";
    curl_off_t spare_s = 0;
    long http = 0;
    enum webhook_result result = result_of(request, code, why);
    curl_easy_getinfo(request->curl, CURLINFO_RETRY_AFTER, &spare_s);
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &http);
    uint64_t spare_ms = spare_s > 0 ? (uint64_t)spare_s * 1000 : 0;
    CHECK(curl_multi_remove_handle(target->webhooks->multi, request->curl) == CURLM_OK);
    request->is_on = false;
    target->wants_gone = target->wants_gone || (result == WEBHOOK_RESULT_REFUSED && http == 410);
    webhook_target_result(target, request->item, result,
                          result == WEBHOOK_RESULT_DELIVERED ? NULL : why,
                          spare_ms < SPARE_MS_MAX ? spare_ms : SPARE_MS_MAX);
}

void webhook_send_take(struct webhooks *webhooks) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(webhooks->multi, &left)) != NULL) {
        char *private;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK);
        struct webhook_request *request = (struct webhook_request *)(void *)private;
        CHECK(request->is_on && request->curl == message->easy_handle);
        take_one(request, code);
    }
}

void webhook_send_cancel(struct webhook_target *target) {
    for (uint32_t i = 0; i < WEBHOOK_CONNECTIONS_MAX; i++) {
        struct webhook_request *request = &target->requests[i];
        if (request->is_on)
            CHECK(curl_multi_remove_handle(target->webhooks->multi, request->curl) == CURLM_OK);
        request->is_on = false;
    }
}

void webhook_send_done(struct webhook_target *target) {
    webhook_send_cancel(target);
    for (uint32_t i = 0; i < WEBHOOK_CONNECTIONS_MAX; i++) {
        struct webhook_request *request = &target->requests[i];
        curl_easy_cleanup(request->curl);
        curl_slist_free_all(request->headers);
        buffer_done(&request->text);
        buffer_done(&request->signature);
    }
}
