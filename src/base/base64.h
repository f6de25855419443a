// SPDX-License-Identifier: MIT
// Base64 in the common alphabet, with padding (RFC 4648, 4).
#pragma once
#include <stdbool.h>

#include "base/buffer.h"

// Adds the text that the bytes have. Thread: any.
void base64_encode(struct slice bytes, struct buffer *text);
// Adds the bytes that `text` stands for. One text has one reading, so line ends, missing padding
// and stray bits are refused, and nothing is added then. Thread: any.
bool base64_decode(struct slice text, struct buffer *bytes);
