// SPDX-License-Identifier: MIT
// Secrets are read at the start, and again when a file has changed: so they are exchanged without a
// restart. What cannot be read changes nothing.
#include "programs/serve/serve_webhooks.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"

#define WHY_BYTES 512

// Whether the file of an endpoint's secrets is another than when it was read last.
static bool file_changed(struct serve_webhooks *serving, uint32_t index) {
    const char *path = serving->config->secret_files[index];
    struct stat *before = &serving->secrets[index], now;
    if (path[0] == '\0' || stat(path, &now) != 0)
        return false;
    bool same = now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == before->st_mtim.tv_nsec && now.st_size == before->st_size &&
                now.st_ino == before->st_ino;
    *before = now;
    return !same;
}

bool serve_webhooks_prepare(struct serve_webhooks *serving, const struct config *config,
                            struct engine *engine, bool alone) {
    struct webhook_secrets secrets[WEBHOOKS_MAX];
    char why[WHY_BYTES] = "";
    serving->config = &config->webhooks;
    if (config->webhooks.count == 0)
        return true;
    bool is_read = true;
    for (uint32_t i = 0; i < config->webhooks.count && is_read; i++) {
        (void)file_changed(serving, i); // remembers what it is
        is_read = config_webhook_secrets(&config->webhooks, i, &secrets[i], why, sizeof(why));
    }
    if (is_read) {
        struct webhooks_options options = {.engine = engine,
                                           .endpoints = config->webhooks.endpoints,
                                           .secrets = secrets,
                                           .count = config->webhooks.count,
                                           .alone = alone};
        serving->webhooks = webhooks_open(&options);
    } else {
        fprintf(stderr, "florin serve: %s\n", why);
    }
    explicit_bzero(secrets, sizeof(secrets));
    return is_read;
}

void serve_webhooks_start(struct serve_webhooks *serving) {
    if (serving->webhooks != NULL)
        webhooks_start(serving->webhooks);
}

bool serve_webhooks_is_looking(const struct serve_webhooks *serving) {
    for (uint32_t i = 0; serving->webhooks != NULL && i < serving->config->count; i++)
        if (serving->config->secret_files[i][0] != '\0')
            return true;
    return false;
}

void serve_webhooks_look(struct serve_webhooks *serving) {
    for (uint32_t i = 0; serving->webhooks != NULL && i < serving->config->count; i++) {
        struct webhook_secrets secrets;
        char why[WHY_BYTES] = "";
        const char *name = serving->config->endpoints[i].name;
        if (!file_changed(serving, i))
            continue;
        if (config_webhook_secrets(serving->config, i, &secrets, why, sizeof(why))) {
            webhooks_set_secrets(serving->webhooks, i, &secrets);
            log_line(LOG_INFO, "webhooks", "%s: the secrets were read again; there are %u.", name,
                     secrets.count);
        } else {
            log_line(LOG_WARNING, "webhooks", "%s: the secrets of before stay: %s", name, why);
        }
        explicit_bzero(&secrets, sizeof(secrets));
    }
}

// ---- what monitors see ------------------------------------------------------------------------

static bool is_stopped(const struct webhook_state *state) {
    return state->health == WEBHOOK_FAILING || state->health == WEBHOOK_IS_GONE;
}

static void add_results(struct webhooks *webhooks, struct buffer *buffer) {
    metric_head(buffer, "webhook_requests_total", "counter",
                "Requests to an endpoint of webhooks, by what came of them.");
    for (uint32_t i = 0; i < webhooks_count(webhooks); i++) {
        struct webhook_state state;
        webhooks_state(webhooks, i, &state);
        for (int result = 0; result < WEBHOOK_RESULTS; result++)
            buffer_add_format(buffer,
                              "florin_webhook_requests_total{webhook=\"%s\",result=\"%s\"} %llu\n",
                              webhooks_endpoint(webhooks, i)->name,
                              webhook_result_name((enum webhook_result)result),
                              (unsigned long long)state.results[result]);
    }
}

static void add_one(struct webhooks *webhooks, struct buffer *buffer, const char *metric,
                    const char *sentence, uint64_t (*value)(const struct webhook_state *state)) {
    metric_head(buffer, metric, "gauge", sentence);
    for (uint32_t i = 0; i < webhooks_count(webhooks); i++) {
        struct webhook_state state;
        webhooks_state(webhooks, i, &state);
        buffer_add_format(buffer, "florin_%s{webhook=\"%s\"} %llu\n", metric,
                          webhooks_endpoint(webhooks, i)->name,
                          (unsigned long long)value(&state));
    }
}

static uint64_t position_of(const struct webhook_state *state) {
    return state->position;
}
static uint64_t end_of(const struct webhook_state *state) {
    return state->end;
}
static uint64_t waiting_of(const struct webhook_state *state) {
    return state->waiting;
}
static uint64_t oldest_of(const struct webhook_state *state) {
    return state->oldest_ms / 1000;
}
static uint64_t stopped_of(const struct webhook_state *state) {
    return is_stopped(state);
}
static uint64_t held_of(const struct webhook_state *state) {
    return state->health == WEBHOOK_DELIVERING || state->health == WEBHOOK_RETRYING ||
           state->health == WEBHOOK_FAILING;
}

void serve_webhooks_metrics(const struct serve_webhooks *serving, struct buffer *buffer) {
    struct webhooks *webhooks = serving->webhooks;
    if (webhooks == NULL)
        return;
    add_results(webhooks, buffer);
    add_one(webhooks, buffer, "webhook_delivering", "1 on the node that delivers.", held_of);
    add_one(webhooks, buffer, "webhook_stopped",
            "1 while an endpoint has not taken an event for long, or has answered 410.",
            stopped_of);
    add_one(webhooks, buffer, "webhook_waiting",
            "Events that are read and not delivered; at most a window full.", waiting_of);
    add_one(webhooks, buffer, "webhook_oldest_seconds",
            "Age of the oldest event that is not delivered.", oldest_of);
    add_one(webhooks, buffer, "webhook_position", "How far the feed is delivered.", position_of);
    add_one(webhooks, buffer, "webhook_feed_end", "Where the feed ends.", end_of);
}

uint32_t serve_webhooks_dependencies(const struct serve_webhooks *serving,
                                     struct api_dependency *ret_found, uint32_t max) {
    struct webhooks *webhooks = serving->webhooks;
    if (webhooks == NULL || max == 0)
        return 0;
    *ret_found = (struct api_dependency){.name = "webhooks", .status = "ok", .is_up = true};
    for (uint32_t i = 0; i < webhooks_count(webhooks); i++) {
        struct webhook_state state;
        webhooks_state(webhooks, i, &state);
        bool is_worse = is_stopped(&state) || state.health == WEBHOOK_RETRYING;
        if (!is_worse || (!ret_found->is_up && !is_stopped(&state)))
            continue;
        ret_found->is_up = false;
        ret_found->status = webhook_health_name(state.health);
    }
    return 1;
}

void serve_webhooks_close(struct serve_webhooks *serving) {
    webhooks_close(serving->webhooks);
    serving->webhooks = NULL;
}
