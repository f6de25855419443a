// SPDX-License-Identifier: MIT
// Each member by its name and bounds.
#include "watch/pattern_settings.h"

#include <stdio.h>

#include "base/limits.h"

#define SHOWN(slice) (int)((slice).size < 64 ? (slice).size : 64), (const char *)(slice).bytes

static bool read_member(struct slice name, struct json_value value, struct pattern_setting *setting,
                        char *ret_why, size_t why_bytes) {
    int64_t number = 0;
    if (slice_equal(name, SLICE("off")) && json_kind(value) == JSON_BOOL) {
        setting->off = json_bool(value);
        return true;
    }
    bool is_number = json_kind(value) == JSON_INTEGER && json_integer(value, &number);
    if (slice_equal(name, SLICE("count")) && is_number && number >= 2 && number <= 20) {
        setting->count = (uint32_t)number;
    } else if (slice_equal(name, SLICE("seconds")) && is_number && number >= 60 &&
               number <= PATTERN_WINDOW_S_MAX) {
        setting->window_s = (uint32_t)number;
    } else if (slice_equal(name, SLICE("percent")) && is_number && number >= 1 && number <= 100) {
        setting->percent = (uint32_t)number;
    } else if (slice_equal(name, SLICE("amount")) && is_number && number >= 1 &&
               number <= LIMIT_AMOUNT_MAX) {
        setting->amount = number;
    } else if (slice_equal(name, SLICE("score")) && is_number && number >= 1 && number <= 100) {
        setting->score = (uint8_t)number;
    } else {
        (void)snprintf(ret_why, why_bytes,
                       "patterns: \"%.*s\" is nothing that a pattern has, or out of bounds: `off`, "
                       "`count` (2 to 20), `seconds` (60 to 86400), `percent`, `amount`, `score`.",
                       SHOWN(name));
        return false;
    }
    return true;
}

static struct pattern_setting *find(struct pattern_setting *settings, struct slice name) {
    for (int i = 0; i < PATTERN_COUNT; i++)
        if (slice_equal(name, slice_of_text(pattern_name((enum pattern)i))))
            return &settings[i];
    return NULL;
}

bool pattern_settings_read(struct json_value value,
                           struct pattern_setting ret_settings[PATTERN_COUNT], char *ret_why,
                           size_t why_bytes) {
    struct slice name, inner;
    struct json_value member, part;
    if (json_kind(value) != JSON_OBJECT) {
        (void)snprintf(ret_why, why_bytes, "\"patterns\" must be an object.");
        return false;
    }
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        struct pattern_setting *setting = find(ret_settings, name);
        if (setting == NULL || json_kind(member) != JSON_OBJECT) {
            (void)snprintf(ret_why, why_bytes,
                           "patterns: \"%.*s\" is no pattern, or has no object behind it.",
                           SHOWN(name));
            return false;
        }
        struct json_cursor parts = json_members(member);
        while (json_next_member(&parts, &inner, &part))
            if (!read_member(inner, part, setting, ret_why, why_bytes))
                return false;
    }
    return true;
}
