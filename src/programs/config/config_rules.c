// SPDX-License-Identifier: MIT
// Reads where the rules for payments are.
#include "programs/config/config_rules.h"

#include <stdio.h>
#include <string.h>

#include "ledger/review.h"

static const char shape[] =
    "rules must be like {\"file\": \"/etc/florin/rules.json\", \"on_error\": \"closed\", "
    "\"expires_in\": 86400}; on_error is closed or open, expires_in from 1 to 31622400 seconds";

static bool read_member(struct slice name, struct json_value value, struct config_rules *rules) {
    struct slice text = json_kind(value) == JSON_TEXT ? json_text(value) : SLICE("");
    int64_t seconds;
    if (slice_equal(name, SLICE("file"))) {
        if (text.size == 0 || text.size >= sizeof(rules->file))
            return false;
        memcpy(rules->file, text.bytes, text.size);
        rules->file[text.size] = '\0';
        return true;
    }
    if (slice_equal(name, SLICE("on_error"))) {
        rules->open_on_error = slice_equal(text, SLICE("open"));
        return rules->open_on_error || slice_equal(text, SLICE("closed"));
    }
    if (!slice_equal(name, SLICE("expires_in")) || json_kind(value) != JSON_INTEGER ||
        !json_integer(value, &seconds) || seconds < 1 || seconds > REVIEW_EXPIRES_S_MAX)
        return false;
    rules->expires_in_s = (uint32_t)seconds;
    return true;
}

bool config_read_rules(struct json_value value, struct config_rules *ret_rules, char *ret_why,
                       size_t why_bytes) {
    struct config_rules rules = {0};
    struct slice name;
    struct json_value member;
    bool ok = json_kind(value) == JSON_OBJECT;
    if (ok) {
        struct json_cursor members = json_members(value);
        while (ok && json_next_member(&members, &name, &member))
            ok = read_member(name, member, &rules);
    }
    ok = ok && rules.file[0] != '\0';
    if (ok)
        *ret_rules = rules;
    else
        snprintf(ret_why, why_bytes, "%s.", shape);
    return ok;
}
