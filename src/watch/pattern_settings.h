// SPDX-License-Identifier: MIT
// The settings of patterns in words: an object from names of patterns to what differs from the
// standard: `off`, `count`, `seconds`, `percent`, `amount`, `score`.
#pragma once
#include "base/check.h"
#include "base/json.h"
#include "watch/patterns.h"

// `ret_settings` comes in as the standard. False: `ret_why` says in one sentence what is wrong.
// Thread: any.
MUST_CHECK bool pattern_settings_read(struct json_value value,
                                      struct pattern_setting ret_settings[PATTERN_COUNT],
                                      char *ret_why, size_t why_bytes);
