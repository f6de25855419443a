// SPDX-License-Identifier: MIT
// Who is asking: from an Authorization header to a principal. The books know the keys, not this
// folder, so they are asked through a callback; what comes back is plain data.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/slice.h"
#include "base/status.h"

// A key as the books have it.
struct principal {
    struct id key;
    uint8_t role;
    struct slice owner; // whose key it is; lives as long as the books; may be empty
    bool live; // not revoked, not expired, and its secret not replaced too long ago
};

// Asks the books for the key with this hash of its secret, which they compare in constant time;
// false when there is none.
struct principal_source {
    bool (*find)(void *context, const struct sha256 *secret_hash, struct principal *ret_principal);
    void *context;
};

// Reads `Bearer SECRET`, checks the secret's checksum before anything is hashed, hashes it with
// `hash` (the caller's, one per thread) and asks the books. STATUS_unauthenticated when any of it
// fails; `ret_why` is then a static sentence that tells the caller what to mend but not whether a
// key exists. Thread: the one that owns `hash`.
MUST_CHECK enum status authenticate_bearer(struct slice authorization, struct sha256_context *hash,
                                           const struct principal_source *source,
                                           struct principal *ret_principal, const char **ret_why);
