// SPDX-License-Identifier: MIT
// Who is asking: from an Authorization header to a principal, which is an API key or the holder of
// a token that a trusted issuer signed (token.h). The books know the keys, not this folder, so they
// are asked through a callback; what comes back is plain data.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "access/secret.h"
#include "access/token_check.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/slice.h"
#include "base/status.h"

// A key as the books have it, whose owner lives as long as they do; or the holder of a token: then
// `key` is zero, and the slices live until the next token is checked.
struct principal {
    struct id key;
    struct id who;           // the key again, or a hash of the token's principal: to count by
    struct slice token;      // "jwt:ISSUER|SUBJECT"; empty: it is a key
    struct slice owner;      // whose key it is, or whom the token names; may be empty
    uint64_t token_until_ms; // 0: it is a key
    uint8_t role;
    bool live; // not revoked, not expired, and its secret not replaced too long ago
};

// Asks the books for the key with this hash of its secret, which they compare in constant time;
// false when there is none.
struct principal_source {
    bool (*find)(void *context, const struct sha256 *secret_hash, struct principal *ret_principal);
    void *context;
};

// The hash of the secret that was asked for last: programs send theirs with every request. Only
// hashing is spared; the books are asked each time. Zeroed: none.
struct secret_memo {
    struct sha256 hash;
    size_t size; // of a secret that the books knew; 0: none
    char text[SECRET_BYTES_MAX];
};

// What the door needs, one per thread.
struct authenticator {
    struct sha256_context *hash;
    struct secret_memo *memo; // NULL: none is kept
    const struct principal_source *source;
    struct token_checker *tokens; // NULL: only API keys open doors
};

// Reads `Bearer SECRET` or `Bearer TOKEN`. A secret's checksum is looked at before anything is
// hashed; then it is hashed and the books are asked. STATUS_unauthenticated when any of it fails,
// STATUS_busy for a token that cannot be checked right now; `ret_why` is then a static sentence
// that tells the caller what to mend but not whether a key exists. Thread: the authenticator's.
MUST_CHECK enum status authenticate_bearer(struct slice authorization,
                                           const struct authenticator *door, uint64_t now_ms,
                                           struct principal *ret_principal, const char **ret_why);
