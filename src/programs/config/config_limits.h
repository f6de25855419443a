// SPDX-License-Identifier: MIT
// Private to the configuration: what wallets may spend.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "ledger/spending.h"

// Reads [{"kind": "customer", "currency": "USD", "per_day": 100000}]. False: `ret_why` says in one
// sentence what is wrong.
bool config_read_limits(struct json_value value, struct spending_limits *ret_limits, char *ret_why,
                        size_t why_bytes);
