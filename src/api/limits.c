// SPDX-License-Identifier: MIT
// Rate limits at the door. Who asks is known here, and so is what the answer should say: 429 with
// Retry-After, and on every answer of somebody who is limited the headers RateLimit-Policy and
// RateLimit of the IETF's draft (draft-ietf-httpapi-ratelimit-headers), one item per limit:
//
//   RateLimit-Policy: "key-write";q=200;w=2     200 tokens when full, full again after 2 seconds
//   RateLimit: "key-write";r=199;t=1            199 are left, full again after 1 second
//
// A batch counts as its operations. How many it has is known only when it has been decoded, so it
// comes in with one token and the others are taken afterwards, also when they are not there yet: a
// batch larger than the bucket is possible, and whoever sent it waits until it is paid.
//
// A refusal costs a good part of what a payment costs, so whoever goes on asking without listening
// would slow everybody. Each key and each stranger's address is refused at once so many times a
// second; beyond that the answer is held back, and nothing more is read of that connection until it
// has been sent. What a flood costs is then a matter of how many connections it has, not of how
// fast it asks.
#include <assert.h>
#include <stdio.h>

#include "api/answers.h"
#include "api/door.h"
#include "api/loop.h"

#define SECOND_NS UINT64_C(1000000000)
#define PATIENCE_REFUSALS 100 // a second, answered at once

struct rate_limiter *limits_open_patience(uint64_t seed) {
    struct rate_limit_rule rule = {.classes = RATE_ANY,
                                   .requests = PATIENCE_REFUSALS,
                                   .burst = PATIENCE_REFUSALS,
                                   .seconds = 1};
    struct rate_limit_rule rules[] = {rule, rule};
    rules[0].scope = RATE_PER_KEY;
    rules[1].scope = RATE_PER_ADDRESS;
    return rate_limiter_open(rules, 2, seed);
}

static bool has_patience(const struct asking *asking) {
    struct rate_verdict verdict;
    rate_limiter_admit(asking->loop->api->patience, &asking->asker, asking->started_ns, &verdict);
    return !verdict.refused;
}

static uint64_t seconds_up(uint64_t span_ns) {
    return (span_ns + SECOND_NS - 1) / SECOND_NS;
}

static_assert((int)RATE_MONEY == CLASS_MONEY && (int)RATE_WALLETS == CLASS_WALLETS &&
                  (int)RATE_LISTS == CLASS_LISTS && (int)RATE_KEYS == CLASS_KEYS &&
                  (int)RATE_AUDIT == CLASS_AUDIT && (int)RATE_BOOKS == CLASS_BOOKS,
              "the table's classes are the limits'");

static uint8_t class_of(const struct asking *asking) {
    struct slice method = http_method(asking->request);
    bool is_read = slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD"));
    uint8_t further = asking->operation != NULL ? operation_classes(asking->operation) : 0;
    return (uint8_t)((is_read ? RATE_READ : RATE_WRITE) | further);
}

static void refuse(struct asking *asking) {
    const struct rate_limiter *limiter = asking->loop->api->limiter;
    const struct rate_verdict *verdict = &asking->verdict;
    const struct rate_limit_rule *rule = rate_limiter_rule(limiter, verdict->refused_by);
    unsigned long long wait_s = seconds_up(verdict->retry_ns);
    metrics_add(&asking->loop->metrics.limited[verdict->refused_by], 1);
    char text[24];
    int size = snprintf(text, sizeof(text), "%llu", wait_s);
    http_add_header(asking->request, "Retry-After", slice_of(text, (size_t)size));
    char detail[256];
    snprintf(detail, sizeof(detail),
             "The limit %s allows %u requests in %u s and %u at once. Send it again in %llu s.",
             rate_limiter_rule_name(limiter, verdict->refused_by), rule->requests, rule->seconds,
             rule->burst, wait_s);
    // Behind a proxy others ask over the same connection: they do not wait for his sake.
    if (asking->is_proxied || has_patience(asking))
        answers_refuse(asking, STATUS_rate_limited, detail);
    else
        answers_refuse_delayed(asking, STATUS_rate_limited, detail);
}

static bool admit(struct asking *asking) {
    rate_limiter_admit(asking->loop->api->limiter, &asking->asker, asking->started_ns,
                       &asking->verdict);
    asking->limits_asked = asking->verdict.asked;
    if (asking->verdict.refused)
        refuse(asking);
    return !asking->verdict.refused;
}

bool limits_admit(struct asking *asking) {
    if (asking->loop->api->limiter == NULL)
        return true;
    asking->asker = (struct rate_asker){.class = class_of(asking),
                                        .role = asking->principal.role,
                                        .key = asking->principal.who};
    return admit(asking);
}

bool limits_admit_stranger(struct asking *asking) {
    if (asking->loop->api->limiter == NULL)
        return true;
    asking->asker = (struct rate_asker){.is_stranger = true};
    memcpy(asking->asker.address, http_address(asking->request), sizeof(asking->asker.address));
    return admit(asking);
}

void limits_pay(struct asking *asking, uint32_t operations) {
    if (asking->limits_asked != 0)
        rate_limiter_pay(asking->loop->api->limiter, &asking->asker, asking->started_ns, operations,
                         &asking->verdict);
}

static void add_item(struct buffer *buffer, const char *name, const char *first,
                     uint64_t first_value, const char *second, uint64_t second_value) {
    buffer_add_format(buffer, "%s\"%s\";%s=%llu;%s=%llu", buffer->size == 0 ? "" : ", ", name,
                      first, (unsigned long long)first_value, second,
                      (unsigned long long)second_value);
}

void limits_tell(struct asking *asking) {
    if (asking->limits_asked == 0)
        return;
    const struct rate_limiter *limiter = asking->loop->api->limiter;
    struct buffer *text = http_body_out(asking->request); // nothing of the body is there yet
    for (int pass = 0; pass < 2; pass++) {
        buffer_reset(text);
        for (uint32_t i = 0; i < rate_limiter_rule_count(limiter); i++) {
            const struct rate_state *state = &asking->verdict.states[i];
            if ((asking->limits_asked & 1u << i) == 0)
                continue;
            if (pass == 0)
                add_item(text, rate_limiter_rule_name(limiter, i), "q",
                         rate_limiter_rule(limiter, i)->burst, "w",
                         rate_limiter_window_s(limiter, i));
            else
                add_item(text, rate_limiter_rule_name(limiter, i), "r", state->left, "t",
                         seconds_up(state->full_ns));
        }
        http_add_header(asking->request, pass == 0 ? "RateLimit-Policy" : "RateLimit",
                        buffer_slice(text));
    }
    buffer_reset(text);
    asking->limits_asked = 0;
}
