// SPDX-License-Identifier: MIT
// Keys that the system itself makes: the first admin key of new books, and those of `florin keys
// create`.
#pragma once
#include "access/secret.h"
#include "base/check.h"
#include "base/status.h"
#include "engine/engine.h"

struct serve_key_wish {
    struct slice name;
    struct slice owner;    // empty: none
    uint8_t role;          // enum role
    uint32_t expires_in_s; // 0: never
};

// Makes a secret for a role. Nothing knows it yet.
struct serve_secret {
    char text[SECRET_BYTES_MAX];
    size_t size;
};
struct serve_secret serve_secret_make(uint8_t role);

// Makes the secret a key of the books, as the system; when it returns STATUS_ok the key is durable.
// `ret_id` may be NULL. Waits for the engine.
MUST_CHECK enum status serve_key_create(struct engine *engine, const struct serve_key_wish *wish,
                                        const struct serve_secret *secret, struct id *ret_id);

// Writes FOLDER/admin.key with mode 0600, durably and whole or not at all.
MUST_CHECK enum status serve_key_write(const char *folder, const struct serve_secret *secret);
