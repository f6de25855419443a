// SPDX-License-Identifier: MIT
// Private to the configuration: roles of one's own, as sets of permissions.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "access/permissions.h"
#include "base/json.h"

// Reads {"NAME": {"number": 16, "permissions": [...], "bound": false}} into the table behind the
// house's roles. False: `ret_why` says in one sentence what is wrong.
bool config_read_roles(struct json_value value, struct role_table *roles, char *ret_why,
                       size_t why_bytes);
