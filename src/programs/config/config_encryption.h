// SPDX-License-Identifier: MIT
// The setting `encryption`: where the master key lies. The key itself is no setting.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define CONFIG_KEY_PATH_BYTES_MAX 1024

struct config_encryption {
    char master_key_file[CONFIG_KEY_PATH_BYTES_MAX + 1];     // empty: none
    char old_master_key_file[CONFIG_KEY_PATH_BYTES_MAX + 1]; // empty: none
};

// Reads an object of paths. False: `ret_why` says in one sentence what is wrong.
bool config_read_encryption(struct json_value value, struct config_encryption *ret_encryption,
                            char *ret_why, size_t why_bytes);
