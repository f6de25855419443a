// SPDX-License-Identifier: MIT
// Signatures of the Standard Webhooks specification: HMAC-SHA256 with each secret over
// "id.timestamp.body". While secrets are exchanged there are several, and a receiver that knows one
// of them is content.
#pragma once
#include "base/buffer.h"
#include "base/check.h"

#define WEBHOOK_SECRETS_MAX      4
#define WEBHOOK_SECRET_BYTES_MIN 24
#define WEBHOOK_SECRET_BYTES_MAX 64

struct webhook_secret {
    uint8_t bytes[WEBHOOK_SECRET_BYTES_MAX];
    size_t size;
};

struct webhook_secrets {
    struct webhook_secret items[WEBHOOK_SECRETS_MAX];
    uint32_t count;
};

// Reads secrets with blanks or line ends between them, each "whsec_" and the base64 of 24 to 64
// bytes. False: `ret_why` is a static sentence that shows nothing of them. Thread: any.
MUST_CHECK bool webhook_secrets_parse(struct slice text, struct webhook_secrets *ret_secrets,
                                      const char **ret_why);
// Adds the value of the header webhook-signature to `header`; `scratch` is overwritten. Thread:
// any.
void webhook_sign(const struct webhook_secrets *secrets, const char *id, uint64_t time_s,
                  struct slice body, struct buffer *scratch, struct buffer *header);
