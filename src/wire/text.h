// SPDX-License-Identifier: MIT
// What a text of the API may be. For this folder only.
#pragma once
#include <stdbool.h>

#include "base/slice.h"

// Thread: any. All pure.
// Whether bytes from a header or query are UTF-8 (RFC 3629: shortest form, no surrogates). JSON
// needs no such look, because its parser refuses what is not.
bool text_is_utf8(struct slice bytes);
// Whether UTF-8 has no control character: C0, DEL or C1.
bool text_is_printable(struct slice text);
// 1 to WIRE_TEXT_CHARACTERS_MAX characters, printable. `text` must be UTF-8.
bool text_is_valid(struct slice text);
