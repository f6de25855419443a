// SPDX-License-Identifier: MIT
// Checks tokens on a thread that must not wait. What was checked is remembered until it expires, in
// memory of fixed size, so that a token's signature is checked once and not at every request; and
// no more than a few signatures are checked in any ten milliseconds, so that a flood of forged
// tokens cannot hold up those who are known. When the issuers' keys change, everything is checked
// anew.
#pragma once
#include "access/token_keys.h"
#include "base/hash.h"

enum token_result {
    TOKEN_TAKEN,
    TOKEN_REFUSED,
    TOKEN_LATER, // its key is being fetched, or too many are being checked: try again in a second
};

struct token_checker;

struct token_checker_stats {
    uint64_t remembered, checked, refused, put_off;
};

// `issuers` are those of `keys`. Thread: one at a time per checker; stats: any.
struct token_checker *token_checker_open(const struct token_issuer *issuers, uint32_t issuer_count,
                                         struct token_keys *keys);
void token_checker_close(struct token_checker *checker); // accepts NULL
// `ret_holder` is the checker's, until the next call. When it is not taken `ret_why` is a static
// sentence. `hash` is a context that may be used.
enum token_result token_check(struct token_checker *checker, struct sha256_context *hash,
                              struct slice token, uint64_t now_ms,
                              const struct token_holder **ret_holder, const char **ret_why);
struct token_checker_stats token_checker_stats(const struct token_checker *checker);
