// SPDX-License-Identifier: MIT
// The setting `rules`: which file, and what it means when it does not load.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define CONFIG_PATH_BYTES 1024

struct config_rules {
    char file[CONFIG_PATH_BYTES]; // empty: no rules
    bool open_on_error;           // else payments are refused while the file does not load
    uint32_t expires_in_s;        // how long held payments wait; 0: the standard
};

// False: `ret_why` says in one sentence what is wrong.
bool config_read_rules(struct json_value value, struct config_rules *ret_rules, char *ret_why,
                       size_t why_bytes);
