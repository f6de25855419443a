// SPDX-License-Identifier: MIT
// Keys that others sign with: a JWK set (RFC 7517) and the check of one signature (RFC 7515, 7518,
// 8037). libcrypto does the mathematics. A signature is checked with the algorithm that the key is
// for and no other, so no token can choose how it is read: a symmetric algorithm and "none" do not
// exist here.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/slice.h"

// Bits, so that a configuration may allow several.
enum jws_algorithm { JWS_RS256 = 1, JWS_ES256 = 2, JWS_EDDSA = 4, JWS_ALL = 7 };

#define JWK_SET_BYTES_MAX (256 * 1024)
#define JWK_SET_KEYS_MAX  64
#define JWK_KID_BYTES_MAX 255

struct jwk;     // a public key
struct jwk_set; // never changes; shared by counting

// 0 when there is no such algorithm here; "none" and "HS256" are not.
unsigned jws_algorithm_of(struct slice name);

// Reads a document {"keys": [...]}. Keys of kinds that are not known, for other uses, of less than
// 2048 bits (RSA), or with private parts are left out; a set without any key that is left is
// refused. NULL: `ret_why` says what is wrong in one sentence. Thread: any.
struct jwk_set *jwk_set_parse(struct slice json, char *ret_why, size_t why_bytes);
struct jwk_set *jwk_set_hold(struct jwk_set *set); // one more owner
void jwk_set_release(struct jwk_set *set);         // accepts NULL
size_t jwk_set_count(const struct jwk_set *set);

// The key with that id that is for the algorithm. Without an id (empty) the only key that is for
// it, if there is but one. NULL: none. It lives as long as the set.
const struct jwk *jwk_set_find(const struct jwk_set *set, struct slice kid, unsigned algorithm);
// Whether a key with that id is there, whatever it is for.
bool jwk_set_knows(const struct jwk_set *set, struct slice kid);
// Whether `signature` is the key's over `text`. Takes 20 to 150 us. Thread: any.
MUST_CHECK bool jwk_verify(const struct jwk *key, struct slice text, struct slice signature);
