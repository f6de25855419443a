// SPDX-License-Identifier: MIT
// Reads the setting `encryption`.
#include "programs/config/config_encryption.h"

#include <stdio.h>
#include <string.h>

static bool copy_path(struct json_value value, char *ret_path) {
    if (json_kind(value) != JSON_TEXT || ret_path[0] != '\0')
        return false;
    struct slice text = json_text(value);
    if (text.size == 0 || text.size > CONFIG_KEY_PATH_BYTES_MAX ||
        memchr(text.bytes, '\0', text.size) != NULL)
        return false;
    memcpy(ret_path, text.bytes, text.size);
    ret_path[text.size] = '\0';
    return true;
}

bool config_read_encryption(struct json_value value, struct config_encryption *ret_encryption,
                            char *ret_why, size_t why_bytes) {
    snprintf(ret_why, why_bytes,
             "encryption must be an object of the path `master_key_file`, and while the master key "
             "is exchanged of `old_master_key_file`.");
    if (json_kind(value) != JSON_OBJECT)
        return false;
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        char *place = NULL;
        if (slice_equal(name, SLICE("master_key_file")))
            place = ret_encryption->master_key_file;
        else if (slice_equal(name, SLICE("old_master_key_file")))
            place = ret_encryption->old_master_key_file;
        if (place == NULL || !copy_path(item, place))
            return false;
    }
    return ret_encryption->master_key_file[0] != '\0';
}
