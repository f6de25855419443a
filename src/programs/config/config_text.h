// SPDX-License-Identifier: MIT
// Texts of the configuration that are kept in places of fixed size.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

// Copies a text of 1 to `bytes_max` bytes without control characters, and a zero behind it. False:
// it is none. Thread: any.
bool config_text_copy(struct slice text, char *ret_text, size_t bytes_max);
// The same of a value, which may be no text at all.
bool config_text_read(struct json_value value, char *ret_text, size_t bytes_max);
