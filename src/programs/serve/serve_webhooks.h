// SPDX-License-Identifier: MIT
// Webhooks of a server, wired from the configuration.
#pragma once
#include <sys/stat.h>

#include "api/api.h"
#include "programs/config/config.h"

struct serve_webhooks {
    const struct config_webhooks *config; // borrowed; outlives this
    struct webhooks *webhooks;            // NULL: there are no endpoints
    struct stat secrets[WEBHOOKS_MAX];    // of the files, when they were read last
};

// Reads the secrets and finds the endpoints' places; starts nothing. Thread, of all but metrics and
// dependencies: the one that starts and stops the server. False: it has been said why.
bool serve_webhooks_prepare(struct serve_webhooks *serving, const struct config *config,
                            struct engine *engine, bool alone);
void serve_webhooks_start(struct serve_webhooks *serving);
// Reads secrets again whose files have changed.
void serve_webhooks_look(struct serve_webhooks *serving);
bool serve_webhooks_is_looking(const struct serve_webhooks *serving); // there are such files
// For /metrics and struct api_options. Thread: any.
void serve_webhooks_metrics(const struct serve_webhooks *serving, struct buffer *buffer);
uint32_t serve_webhooks_dependencies(const struct serve_webhooks *serving,
                                     struct api_dependency *ret_found, uint32_t max);
// Before the engine closes. Accepts what was never opened.
void serve_webhooks_close(struct serve_webhooks *serving);
