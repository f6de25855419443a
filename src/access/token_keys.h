// SPDX-License-Identifier: MIT
// The keys of the issuers of tokens: read at the start, read again in the background, from a file
// (when it has changed) or an address (every `refresh_s`), and at once, but not more often than
// every ten seconds, when a token names a key that is not known. What cannot be read changes
// nothing: the keys of before stay. Only https:// is asked, and http:// on this machine;
// redirections are not followed.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "access/token.h"
#include "base/status.h"

struct token_keys;

// How an issuer's keys are doing.
struct token_keys_state {
    uint64_t keys;       // that can be used
    uint64_t read_ns;    // monotonic time when they were last read; 0: never
    uint64_t failures;   // of reading
};

// Told from the background thread when reading an issuer's keys begins to fail, or works again;
// `why` is NULL then.
typedef void (*token_keys_tell)(void *context, const struct token_issuer *issuer, const char *why);

// Reads all keys once and starts the thread. `issuers` must outlive it. A file that cannot be read
// is STATUS_invalid_request, because it would not get better by itself, and `ret_why` says in one
// sentence which and why; an address that does not answer is told and tried again.
MUST_CHECK enum status token_keys_open(const struct token_issuer *issuers, uint32_t issuer_count,
                                       token_keys_tell tell, void *context, char *ret_why,
                                       size_t why_bytes, struct token_keys **ret_keys);
void token_keys_close(struct token_keys *keys); // accepts NULL

// Thread: any. Waits for nothing but a short lock.
// The issuer's keys as they are now, to be released; NULL: none yet. `ret_generation` grows with
// each change of any issuer's keys.
struct jwk_set *token_keys_of(struct token_keys *keys, uint32_t issuer, uint64_t *ret_generation);
uint64_t token_keys_generation(const struct token_keys *keys);
// Asks for the issuer's keys to be read again. True: they will be, or are being read right now.
// False: they were, a moment ago.
bool token_keys_refresh(struct token_keys *keys, uint32_t issuer);
struct token_keys_state token_keys_state(struct token_keys *keys, uint32_t issuer);
