// SPDX-License-Identifier: MIT
// JSON Web Tokens (RFC 7519, RFC 8725): from a token to who its holder is. An issuer that the
// configuration trusts has signed that; its keys come from a file or an address (token_keys.h).
//
// A token is taken if and only if
//   T1  it is a JWS in compact form of at most TOKEN_BYTES_MAX bytes, each part base64url without
//       padding, header and claims JSON objects in which no member that is read here stands twice
//   T2  its header has an `alg` that the issuer may use, and no `crit`; `jku`, `jwk`, `x5u` and
//       `x5c` are never looked at
//   T3  its `iss` is an issuer of the configuration, and that one's audience is its `aud` or among
//       them
//   T4  a key of that issuer with its `kid` (or the only one that fits) is for that algorithm, and
//       the signature is the key's
//   T5  now is before `exp` and not before `nbf`, give or take the leeway
//   T6  it has a `sub`, and the issuer's rules give it a role
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "access/jwk.h"
#include "base/buffer.h"
#include "base/json.h"

#define TOKEN_BYTES_MAX      8192
#define TOKEN_ISSUERS_MAX    8
#define TOKEN_ROLES_MAX      32
#define TOKEN_NAME_BYTES_MAX 255 // of a principal, and of an owner: what records have room for
#define TOKEN_WORD_BYTES_MAX 127
#define TOKEN_LEEWAY_S_MAX   300

// One value of the role's claim, and the role that it gives.
struct token_role {
    char value[TOKEN_WORD_BYTES_MAX + 1];
    char role[TOKEN_WORD_BYTES_MAX + 1];
    uint8_t number; // of the role
};

// An issuer, as the configuration has it. Texts end with a zero.
struct token_issuer {
    char issuer[TOKEN_NAME_BYTES_MAX + 1];
    char audience[TOKEN_NAME_BYTES_MAX + 1];
    char keys[1024];        // a path, an https:// address, or http:// on this machine
    char role_claim[TOKEN_WORD_BYTES_MAX + 1];  // empty: none
    char owner_claim[TOKEN_WORD_BYTES_MAX + 1]; // empty: none
    char role[TOKEN_WORD_BYTES_MAX + 1];        // of those to whom no value gives one; empty: none
    uint8_t role_number;
    unsigned algorithms; // of enum jws_algorithm
    uint32_t leeway_s;
    uint32_t refresh_s; // how often the keys are read again
    uint32_t role_count;
    struct token_role roles[TOKEN_ROLES_MAX]; // the first that fits is taken
};

// Who the holder is.
struct token_holder {
    uint32_t issuer;   // its index
    uint8_t role;
    uint64_t until_ms; // the token is good before that: `exp` and the leeway
    uint16_t name_bytes, owner_bytes;
    char name[TOKEN_NAME_BYTES_MAX];   // "jwt:ISSUER|SUBJECT": never the id of an API key
    char owner[TOKEN_NAME_BYTES_MAX];
};

// A token that was taken apart and not checked yet. Slices point into the token or the reader.
struct token_parts {
    struct slice signed_text; // header and claims, as they came
    struct slice signature;   // decoded
    struct slice kid;         // lies in kid_text; may be empty
    uint8_t kid_text[JWK_KID_BYTES_MAX];
    unsigned algorithm;
    uint32_t issuer;
    uint64_t expires_ms, not_before_ms; // not_before_ms: 0 when it has none
    struct token_holder holder;         // all but until_ms
};

// What taking tokens apart needs: one per thread, used for one token at a time.
struct token_reader {
    struct json_parser *parser;
    struct buffer header, claims, signature;
};
void token_reader_open(struct token_reader *reader);
void token_reader_close(struct token_reader *reader);

// T1, T2, T3, T6. False: `ret_why` is a static sentence for the client.
bool token_take_apart(struct token_reader *reader, struct slice token,
                      const struct token_issuer *issuers, uint32_t issuer_count,
                      struct token_parts *ret_parts, const char **ret_why);
// T5. NULL when the time is right, else a static sentence. Sets holder.until_ms.
const char *token_check_time(struct token_parts *parts, const struct token_issuer *issuer,
                             uint64_t now_ms);
