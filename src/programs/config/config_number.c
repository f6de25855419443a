// SPDX-License-Identifier: MIT
// One rule for all counts and spans that people write.
#include "programs/config/config_number.h"

#include "base/check.h"

bool config_number_read(struct json_value value, uint32_t minimum, uint32_t maximum,
                        uint32_t *ret_number) {
    int64_t number;
    CHECK(minimum <= maximum);
    if (json_kind(value) != JSON_INTEGER || !json_integer(value, &number) || number < minimum ||
        number > maximum)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}
