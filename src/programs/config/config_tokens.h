// SPDX-License-Identifier: MIT
// The setting `tokens`: whose JSON Web Tokens open doors.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/token.h"
#include "base/json.h"

// Reads an array of issuers. False: `ret_why` says in one sentence what is wrong.
bool config_read_tokens(struct json_value value, struct token_issuer *ret_issuers,
                        uint32_t *ret_count, char *ret_why, size_t why_bytes);
