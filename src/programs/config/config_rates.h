// SPDX-License-Identifier: MIT
// The setting `rate_limits`: an array of limits, each an object of `per`, `requests` and, when they
// matter, `seconds`, `burst`, `class` and `role`.
#pragma once
#include "access/permissions.h"
#include "access/rate_limit.h"
#include "access/rate_share.h"
#include "base/check.h"
#include "base/json.h"

// Writes at most RATE_LIMITS_MAX rules. False: `ret_why` says in one sentence what is wrong with
// which limit. Thread: any.
// Names of roles are looked up in `roles`, which the rules then borrow from.
MUST_CHECK bool config_read_rates(struct json_value value, const struct role_table *roles,
                                  struct rate_limit_rule *ret_rules, uint32_t *ret_count,
                                  char *ret_why, size_t why_bytes);

// The setting `rate_limits_redis`: HOST:PORT, or an object of `address` and, when Redis asks who it
// is, `password_file` and `user`.
MUST_CHECK bool config_read_redis(struct json_value value, struct rate_share_place *ret_place,
                                  char *ret_why, size_t why_bytes);
