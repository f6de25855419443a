// SPDX-License-Identifier: MIT
// Reads bearer keys. A secret is found by the hash of it, so what an attacker can time is the
// lookup of a hash that he cannot steer; the books compare it in constant time.
#include "access/authenticate.h"

#include "access/secret.h"
#include "base/check.h"

static bool equal_ignoring_case(struct slice text, const char *lower, size_t size) {
    if (text.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = text.bytes[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte + ('a' - 'A'));
        if (byte != (uint8_t)lower[i])
            return false;
    }
    return true;
}

// RFC 6750: the scheme in any case, spaces, the token.
static bool take_token(struct slice authorization, struct slice *ret_token) {
    if (!equal_ignoring_case(authorization, "bearer ", 7))
        return false;
    size_t start = 7;
    size_t end = authorization.size;
    while (start < end && authorization.bytes[start] == ' ')
        start++;
    while (end > start &&
           (authorization.bytes[end - 1] == ' ' || authorization.bytes[end - 1] == '\t'))
        end--;
    *ret_token = slice_of(authorization.bytes + start, end - start);
    return true;
}

enum status authenticate_bearer(struct slice authorization, struct sha256_context *hash,
                                const struct principal_source *source,
                                struct principal *ret_principal, const char **ret_why) {
    CHECK(source->find != NULL);
    struct slice token;
    if (authorization.size == 0) {
        *ret_why = "Send an API key as `Authorization: Bearer KEY`.";
        return STATUS_unauthenticated;
    }
    if (!take_token(authorization, &token)) {
        *ret_why = "The Authorization header is not `Bearer KEY`.";
        return STATUS_unauthenticated;
    }
    if (!secret_is_well_formed(token)) {
        *ret_why = "The API key is mistyped or cut: its checksum does not fit.";
        return STATUS_unauthenticated;
    }
    sha256_begin(hash);
    sha256_add(hash, token);
    struct sha256 secret_hash = sha256_end(hash);
    struct principal found;
    if (!source->find(source->context, &secret_hash, &found) || !found.live) {
        *ret_why = "The API key is unknown, revoked or expired.";
        return STATUS_unauthenticated;
    }
    *ret_principal = found;
    return STATUS_ok;
}
