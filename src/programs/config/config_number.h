// SPDX-License-Identifier: MIT
// Whole numbers of the configuration.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

// An integer from `minimum` to `maximum`. False: the value is none. Thread: any.
bool config_number_read(struct json_value value, uint32_t minimum, uint32_t maximum,
                        uint32_t *ret_number);
