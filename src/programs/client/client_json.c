// SPDX-License-Identifier: MIT
// Members are found by walking: answers have a dozen of them.
#include "programs/client/client_json.h"

#include <string.h>

static bool find_member(struct json_value object, struct slice wanted,
                        struct json_value *ret_value) {
    if (json_kind(object) != JSON_OBJECT)
        return false;
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value)) {
        if (slice_equal(name, wanted)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool client_json_find(struct json_value value, const char *path, struct json_value *ret_value) {
    const char *dot = strchr(path, '.');
    if (dot == NULL)
        return find_member(value, slice_of_text(path), ret_value);
    struct json_value inner;
    return find_member(value, slice_of(path, (size_t)(dot - path)), &inner) &&
           client_json_find(inner, dot + 1, ret_value);
}

struct slice client_json_text(struct json_value value, const char *path) {
    struct json_value found;
    if (!client_json_find(value, path, &found) || json_kind(found) != JSON_TEXT)
        return (struct slice){0};
    return json_text(found);
}

int64_t client_json_integer(struct json_value value, const char *path, int64_t otherwise) {
    struct json_value found;
    int64_t integer;
    if (!client_json_find(value, path, &found) || json_kind(found) != JSON_INTEGER ||
        !json_integer(found, &integer))
        return otherwise;
    return integer;
}

bool client_json_bool(struct json_value value, const char *path, bool otherwise) {
    struct json_value found;
    if (!client_json_find(value, path, &found) || json_kind(found) != JSON_BOOL)
        return otherwise;
    return json_bool(found);
}

bool client_json_is_kept(struct json_value answer) {
    struct slice id = client_json_text(answer, "id");
    return id.size > 4 && (memcmp(id.bytes, "anm_", 4) == 0 || memcmp(id.bytes, "apr_", 4) == 0);
}
