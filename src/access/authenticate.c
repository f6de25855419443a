// SPDX-License-Identifier: MIT
// Reads bearer keys and tokens. A secret is found by the hash of it, so what an attacker can time
// is the lookup of a hash that he cannot steer; the books compare it in constant time.
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

// Compared in constant time, so what somebody else has sent cannot be guessed byte by byte.
static bool memo_has(const struct secret_memo *memo, struct slice secret) {
    return memo != NULL && secret.size != 0 && memo->size == secret.size &&
           equal_constant_time(memo->text, secret.bytes, secret.size);
}

static void memo_keep(struct secret_memo *memo, struct slice secret, const struct sha256 *hash) {
    if (memo == NULL)
        return;
    CHECK(secret.size <= sizeof(memo->text));
    memo->hash = *hash;
    memo->size = secret.size;
    memcpy(memo->text, secret.bytes, secret.size);
}

static struct sha256 hash_of(struct slice secret, const struct authenticator *door) {
    sha256_begin(door->hash);
    sha256_add(door->hash, secret);
    return sha256_end(door->hash);
}

static enum status authenticate_key(struct slice secret, const struct authenticator *door,
                                    struct principal *ret_principal, const char **ret_why) {
    bool is_kept = memo_has(door->memo, secret);
    if (!is_kept && !secret_is_well_formed(secret)) {
        *ret_why = "The API key is mistyped or cut: its checksum does not fit.";
        return STATUS_unauthenticated;
    }
    struct sha256 secret_hash = is_kept ? door->memo->hash : hash_of(secret, door);
    struct principal found;
    if (!door->source->find(door->source->context, &secret_hash, &found) || !found.live) {
        *ret_why = "The API key is unknown, revoked or expired.";
        return STATUS_unauthenticated;
    }
    if (!is_kept)
        memo_keep(door->memo, secret, &secret_hash);
    *ret_principal = found;
    ret_principal->who = found.key;
    return STATUS_ok;
}

static enum status authenticate_token(struct slice token, const struct authenticator *door,
                                      uint64_t now_ms, struct principal *ret_principal,
                                      const char **ret_why) {
    const struct token_holder *holder;
    enum token_result result =
        token_check(door->tokens, door->hash, token, now_ms, &holder, ret_why);
    if (result != TOKEN_TAKEN)
        return result == TOKEN_LATER ? STATUS_busy : STATUS_unauthenticated;
    *ret_principal = (struct principal){.token = slice_of(holder->name, holder->name_bytes),
                                        .owner = slice_of(holder->owner, holder->owner_bytes),
                                        .token_until_ms = holder->until_ms,
                                        .role = holder->role,
                                        .live = true};
    struct digest128 who = hash128(ret_principal->token, 0);
    memcpy(ret_principal->who.bytes, &who, sizeof(ret_principal->who.bytes));
    return STATUS_ok;
}

// API keys have no dots, and tokens have two.
static bool looks_like_token(struct slice text) {
    return text.size != 0 && memchr(text.bytes, '.', text.size) != NULL;
}

enum status authenticate_bearer(struct slice authorization, const struct authenticator *door,
                                uint64_t now_ms, struct principal *ret_principal,
                                const char **ret_why) {
    CHECK(door->source->find != NULL);
    struct slice text;
    if (authorization.size == 0) {
        *ret_why = door->tokens == NULL ? "Send an API key as `Authorization: Bearer KEY`."
                                        : "Send an API key or a token as `Authorization: Bearer "
                                          "KEY`.";
        return STATUS_unauthenticated;
    }
    if (!take_token(authorization, &text)) {
        *ret_why = "The Authorization header is not `Bearer KEY`.";
        return STATUS_unauthenticated;
    }
    if (door->tokens != NULL && looks_like_token(text))
        return authenticate_token(text, door, now_ms, ret_principal, ret_why);
    return authenticate_key(text, door, ret_principal, ret_why);
}
