// SPDX-License-Identifier: MIT
// The secret of an API key, as its holder sees it:
//
//     florin_<role>_<43 digits>_<6 digits>
//
// The 43 digits are 32 random bytes and the 6 digits the CRC32C of everything in front of them,
// both in base 62 (0-9, A-Z, a-z), most significant digit first: a double click selects all of it,
// secret scanners recognise it without asking anybody, and a mistyped one is refused before it
// costs a hash. Only the SHA-256 of the whole text is kept.
#pragma once
#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"

#define SECRET_RANDOM_DIGITS  43
#define SECRET_CHECK_DIGITS   6
#define SECRET_ROLE_BYTES_MAX 32
#define SECRET_BYTES_MAX                                                                           \
    (7 + SECRET_ROLE_BYTES_MAX + 1 + SECRET_RANDOM_DIGITS + 1 + SECRET_CHECK_DIGITS)

// Thread: any.
// Makes a secret from the kernel's randomness; returns its size. `role` is a word of a-z, at most
// SECRET_ROLE_BYTES_MAX bytes.
size_t secret_make(struct slice role, char ret_text[SECRET_BYTES_MAX]);
// Whether a text has the shape and the checksum of a secret. Says nothing about whether it opens a
// door.
bool secret_is_well_formed(struct slice text);
