// SPDX-License-Identifier: MIT
// Reads a file of rules (docs/anomalies.md): a JSON object {"rules": [...]}, whose members are
// those of struct rule in words.
#pragma once
#include "base/check.h"
#include "base/status.h"
#include "ledger/rules.h"

#define RULE_FILE_BYTES_MAX (256 * 1024)

// STATUS_invalid_request: `ret_why` says in one sentence what is wrong and with which rule. Thread:
// any.
MUST_CHECK enum status rule_file_parse(struct slice text, struct rule_set *ret_set, char *ret_why,
                                       size_t why_bytes);
// The same for a file; STATUS_not_found when it cannot be read.
MUST_CHECK enum status rule_file_load(const char *path, struct rule_set *ret_set, char *ret_why,
                                      size_t why_bytes);
