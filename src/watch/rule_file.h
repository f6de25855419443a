// SPDX-License-Identifier: MIT
// Reads a file of rules (docs/anomalies.md): a JSON object {"rules": [...], "patterns": {...}}. The
// members of a rule are those of struct rule in words, those of patterns are pattern_settings.h's.
#pragma once
#include "base/check.h"
#include "base/status.h"
#include "ledger/rules.h"
#include "watch/patterns.h"

#define RULE_FILE_BYTES_MAX (256 * 1024)

// What the file says about patterns over several wallets.
struct rule_file_patterns {
    bool are_there; // it says something
    struct pattern_setting settings[PATTERN_COUNT]; // come in as what nothing is said about
};

// STATUS_invalid_request: `ret_why` says in one sentence what is wrong and with which rule, and
// nothing else is changed. Thread: any.
MUST_CHECK enum status rule_file_parse(struct slice text, struct rule_set *ret_set,
                                       struct rule_file_patterns *ret_patterns, char *ret_why,
                                       size_t why_bytes);
// The same for a file; STATUS_not_found when it cannot be read.
MUST_CHECK enum status rule_file_load(const char *path, struct rule_set *ret_set,
                                      struct rule_file_patterns *ret_patterns, char *ret_why,
                                      size_t why_bytes);
