// SPDX-License-Identifier: MIT
// Base64 in the alphabet of URLs, without padding (RFC 4648, 5): the form of everything in a JWT.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"

// Adds the bytes that `text` stands for; one text has one reading, so stray bits, padding and other
// characters are refused and nothing is added then. Thread: any.
bool base64url_decode(struct slice text, struct buffer *buffer);
