// SPDX-License-Identifier: MIT
// Private to the configuration: what needs a second pair of eyes.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "ledger/parked.h"

// Reads {"above": {"USD": 100000}, "expires_in": 604800}. False: `ret_why` says in one sentence
// what is wrong.
bool config_read_approvals(struct json_value value, struct approval_rules *ret_rules,
                           char *ret_why, size_t why_bytes);
