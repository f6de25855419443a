// SPDX-License-Identifier: MIT
// One rule for all names and paths that people write.
#include "programs/config/config_text.h"

#include <string.h>

bool config_text_copy(struct slice text, char *ret_text, size_t bytes_max) {
    if (text.size == 0 || text.size > bytes_max)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] == 0x7f)
            return false;
    memcpy(ret_text, text.bytes, text.size);
    ret_text[text.size] = '\0';
    return true;
}

bool config_text_read(struct json_value value, char *ret_text, size_t bytes_max) {
    return json_kind(value) == JSON_TEXT &&
           config_text_copy(json_text(value), ret_text, bytes_max);
}
