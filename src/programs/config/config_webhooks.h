// SPDX-License-Identifier: MIT
// The setting `webhooks`: endpoints that are told what was committed. Secrets are no settings: they
// come from files that settings name, or from the environment (FLORIN_WEBHOOK_SECRET_ and the
// endpoint's name in capitals, with _ for -).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/json.h"
#include "events/webhooks.h"

#define CONFIG_WEBHOOK_PATH_BYTES 512

struct config_webhooks {
    struct webhook_endpoint endpoints[WEBHOOKS_MAX];
    char secret_files[WEBHOOKS_MAX][CONFIG_WEBHOOK_PATH_BYTES]; // "": from the environment
    uint32_t count;
};

// False: `ret_why` says in one sentence what is wrong, and shows no secret.
bool config_read_webhooks(struct json_value value, struct config_webhooks *ret_webhooks,
                          char *ret_why, size_t why_bytes);
// Reads the secrets of one endpoint. False: `ret_why`.
MUST_CHECK bool config_webhook_secrets(const struct config_webhooks *webhooks, uint32_t index,
                                       struct webhook_secrets *ret_secrets, char *ret_why,
                                       size_t why_bytes);
// The variable of the environment that has them.
#define CONFIG_WEBHOOK_VARIABLE_BYTES (32 + WEBHOOK_NAME_BYTES_MAX)
void config_webhook_variable(const char *name,
                             char ret_variable[CONFIG_WEBHOOK_VARIABLE_BYTES]);
