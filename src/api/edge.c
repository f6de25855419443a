// SPDX-License-Identifier: MIT
// Who stands between here and the client. Proxies that are trusted say for whom they ask, and
// browsers ask whether a page of another origin may do what it wants to (CORS): by default none
// may, because a wallet's API is called by servers. No answer ever allows all origins or cookies.
#include "api/answers.h"
#include "api/door.h"
#include "api/loop.h"

void edge_find_client(struct asking *asking) {
    const struct api_options *options = &asking->loop->api->options;
    struct http_request *request = asking->request;
    uint8_t address[16];
    asking->is_proxied = false;
    if (options->trusted_proxy_count == 0)
        return;
    asking->is_proxied = network_has(options->trusted_proxies, options->trusted_proxy_count,
                                     http_address(request));
    network_client(options->trusted_proxies, options->trusted_proxy_count, http_address(request),
                   asking->headers.forwarded_for, address);
    http_set_address(request, address);
}

static bool is_allowed(const struct api_options *options, struct slice origin) {
    for (uint32_t i = 0; i < options->cors_origin_count; i++)
        if (slice_equal(slice_of_text(options->cors_origins[i]), origin))
            return true;
    return false;
}

bool edge_answer_browser(struct asking *asking) {
    struct http_request *request = asking->request;
    const struct api_options *options = &asking->loop->api->options;
    if (options->is_encrypted)
        http_add_header(request, "Strict-Transport-Security", SLICE("max-age=31536000"));
    if (options->cors_origin_count == 0 || asking->headers.origin.size == 0)
        return false;
    http_add_header(request, "Vary", SLICE("Origin"));
    if (!is_allowed(options, asking->headers.origin))
        return false;
    http_add_header(request, "Access-Control-Allow-Origin", asking->headers.origin);
    if (!slice_equal(http_method(request), SLICE("OPTIONS"))) {
        http_add_header(request, "Access-Control-Expose-Headers",
                        SLICE("ETag, Idempotent-Replayed, RateLimit, RateLimit-Policy, "
                              "Retry-After, X-Request-Id"));
        return false;
    }
    http_add_header(request, "Access-Control-Allow-Methods", SLICE("GET, POST, PATCH, DELETE"));
    http_add_header(request, "Access-Control-Allow-Headers",
                    SLICE("Authorization, Content-Type, Idempotency-Key, If-Match, Prefer, "
                          "X-Request-Id"));
    http_add_header(request, "Access-Control-Max-Age", SLICE("600"));
    answers_send(asking->loop, request, NULL, asking->started_ns, 204, NULL, SLICE(""));
    return true;
}
