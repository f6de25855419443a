// SPDX-License-Identifier: MIT
// The reference pages docs/api.md and docs/errors.md, printed from the operations table and the
// list of statuses. A test holds the committed pages against what this prints.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

// A role, for the matrix of permissions: access/ knows them, so they are handed in.
struct docs_role {
    const char *name;
    const char *sentence;
    uint8_t number;
    bool bound;
};
struct docs_roles {
    const struct docs_role *roles;
    uint32_t count;
    bool (*allows)(uint8_t role_number, const char *permission);
};

// Append Markdown. Thread: any.
void docs_render_api(struct buffer *buffer, const struct docs_roles *roles);
void docs_render_errors(struct buffer *buffer);
