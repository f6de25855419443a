// SPDX-License-Identifier: MIT
// Members of a rule by a table, so that each has one row: its name, what it holds, and where it
// goes.
#include "watch/rule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "watch/pattern_settings.h"

enum member_kind { MEMBER_AMOUNT, MEMBER_NUMBER, MEMBER_DAYS, MEMBER_FLAG };

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset;
    int64_t maximum;
};

#define AMOUNT(name, place) {name, MEMBER_AMOUNT, offsetof(struct rule, place), LIMIT_AMOUNT_MAX}
#define NUMBER(name, place, max) {name, MEMBER_NUMBER, offsetof(struct rule, place), max}

static const struct member conditions[] = {
    AMOUNT("amount", amount),
    NUMBER("count_in_hour", counts[WINDOW_HOUR], UINT16_MAX),
    NUMBER("count_in_day", counts[WINDOW_DAY], UINT16_MAX),
    NUMBER("count_in_week", counts[WINDOW_WEEK], UINT16_MAX),
    AMOUNT("sum_in_hour", sums[WINDOW_HOUR]),
    AMOUNT("sum_in_day", sums[WINDOW_DAY]),
    AMOUNT("sum_in_week", sums[WINDOW_WEEK]),
    NUMBER("percent_of_mean", mean_percent, RULE_PERCENT_MAX),
    NUMBER("deviations_above_mean", deviations, 1000),
    NUMBER("payments_before", payments_before, 1000000),
    NUMBER("seconds_since_deposit", deposit_within_s, RULE_SECONDS_MAX),
    NUMBER("percent_of_available", drained_percent, 1000),
    {"days_of_silence", MEMBER_DAYS, offsetof(struct rule, dormant_s), 3660},
    NUMBER("percent_of_sales", refund_percent, RULE_PERCENT_MAX),
    {"new_counterparty", MEMBER_FLAG, offsetof(struct rule, new_counterparty), 1},
    {"first_withdrawal", MEMBER_FLAG, offsetof(struct rule, first_withdrawal), 1},
};

static const struct {
    const char *name;
    uint8_t bit;
} operations[] = {{"withdrawal", RULE_ON_WITHDRAWAL}, {"purchase", RULE_ON_PURCHASE},
                  {"transfer", RULE_ON_TRANSFER},     {"hold", RULE_ON_HOLD},
                  {"refund", RULE_ON_REFUND},         {"deposit", RULE_ON_DEPOSIT}};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define SHOWN(slice) (int)((slice).size < 64 ? (slice).size : 64), (const char *)(slice).bytes

struct fault {
    char *why;
    size_t bytes;
    struct slice rule; // its name, as far as it is known
};

static void no_json(const struct fault *fault, const char *why, uint32_t line) {
    if (line != 0)
        snprintf(fault->why, fault->bytes, "line %" PRIu32 " is no JSON: %s", line, why);
    else
        snprintf(fault->why, fault->bytes, "this is no JSON: %s", why);
}

static bool wrong(const struct fault *fault, const char *sentence, struct slice what) {
    if (fault->rule.size != 0)
        snprintf(fault->why, fault->bytes, "rule \"%.*s\": \"%.*s\" %s.", SHOWN(fault->rule),
                 SHOWN(what), sentence);
    else
        snprintf(fault->why, fault->bytes, "\"%.*s\" %s.", SHOWN(what), sentence);
    return false;
}

static bool not_within(const struct fault *fault, int64_t maximum, struct slice what) {
    char sentence[64];
    snprintf(sentence, sizeof(sentence), "must be a whole number from 1 to %" PRId64, maximum);
    return wrong(fault, sentence, what);
}

// Which of two members counts is nobody's guess: there may be but one.
static bool is_twice(struct json_value object, struct slice name) {
    struct slice other;
    struct json_value member;
    uint32_t count = 0;
    struct json_cursor members = json_members(object);
    while (json_next_member(&members, &other, &member))
        count += slice_equal(other, name);
    return count > 1;
}

static bool read_condition(struct slice name, struct json_value value, struct rule *rule,
                           const struct fault *fault) {
    for (size_t i = 0; i < COUNT(conditions); i++) {
        const struct member *member = &conditions[i];
        uint8_t *place = (uint8_t *)rule + member->offset;
        int64_t number = 0;
        if (!slice_equal(name, slice_of_text(member->name)))
            continue;
        if (member->kind == MEMBER_FLAG) {
            if (json_kind(value) != JSON_BOOL)
                return wrong(fault, "must be true or false", name);
            *place = json_bool(value);
            return true;
        }
        if (json_kind(value) != JSON_INTEGER || !json_integer(value, &number) || number < 1 ||
            number > member->maximum)
            return not_within(fault, member->maximum, name);
        if (member->kind == MEMBER_AMOUNT) {
            memcpy(place, &number, sizeof(number));
            return true;
        }
        uint32_t narrow = (uint32_t)(member->kind == MEMBER_DAYS ? number * 86400 : number);
        memcpy(place, &narrow, sizeof(narrow));
        return true;
    }
    return wrong(fault, "is no condition that rules know", name);
}

static bool read_conditions(struct json_value value, struct rule *rule,
                            const struct fault *fault) {
    struct slice name;
    struct json_value member;
    if (json_kind(value) != JSON_OBJECT)
        return wrong(fault, "must be an object of conditions", SLICE("when"));
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        if (is_twice(value, name))
            return wrong(fault, "stands there twice", name);
        if (!read_condition(name, member, rule, fault))
            return false;
    }
    return true;
}

static bool read_operations(struct json_value value, struct rule *rule,
                            const struct fault *fault) {
    struct json_value item;
    rule->operations = 0;
    if (json_kind(value) != JSON_ARRAY)
        return wrong(fault, "must be an array", SLICE("operations"));
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        struct slice text = json_kind(item) == JSON_TEXT ? json_text(item) : SLICE("");
        size_t i = 0;
        while (i < COUNT(operations) && !slice_equal(text, slice_of_text(operations[i].name)))
            i++;
        if (i == COUNT(operations))
            return wrong(fault, "are withdrawal, purchase, transfer, hold, refund and deposit",
                         SLICE("operations"));
        rule->operations |= operations[i].bit;
    }
    return true;
}

static bool read_currencies(struct json_value value, struct rule *rule,
                            const struct fault *fault) {
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY)
        return wrong(fault, "must be an array", SLICE("currencies"));
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        struct slice text = json_kind(item) == JSON_TEXT ? json_text(item) : SLICE("");
        // A code that no currency can have would make a rule that never hits.
        if (!currency_code_is_valid(text) || rule->currency_count == RULE_CURRENCIES_MAX)
            return wrong(fault, "must be up to 8 codes such as \"USD\"", SLICE("currencies"));
        memcpy(rule->currencies[rule->currency_count++], text.bytes, text.size);
    }
    return true;
}

static bool read_word(struct slice name, struct slice text, struct rule *rule,
                      const struct fault *fault) {
    if (slice_equal(name, SLICE("name"))) {
        if (text.size == 0 || text.size > sizeof(rule->name))
            return wrong(fault, "must have 1 to 32 of a-z, 0-9 and -", name);
        memcpy(rule->name, text.bytes, text.size);
        return true;
    }
    if (slice_equal(name, SLICE("action"))) {
        for (int action = RULE_FLAG; action <= RULE_REFUSE; action++)
            if (slice_equal(text, slice_of_text(rule_action_name((enum rule_action)action))))
                rule->action = (uint8_t)action;
        return rule->action != RULE_NOTHING ||
               wrong(fault, "must be flag, hold or refuse", name);
    }
    bool is_customer = slice_equal(text, SLICE("customer"));
    rule->kinds = (uint8_t)(1u << (is_customer ? WALLET_CUSTOMER : WALLET_MERCHANT));
    return is_customer || slice_equal(text, SLICE("merchant")) ||
           wrong(fault, "must be customer or merchant", name);
}

static bool read_member(struct slice name, struct json_value value, struct rule *rule,
                        const struct fault *fault) {
    int64_t score;
    if (slice_equal(name, SLICE("name")) || slice_equal(name, SLICE("action")) ||
        slice_equal(name, SLICE("wallet_kind")))
        return json_kind(value) == JSON_TEXT ? read_word(name, json_text(value), rule, fault)
                                             : wrong(fault, "must be a text", name);
    if (slice_equal(name, SLICE("shadow"))) {
        if (json_kind(value) != JSON_BOOL)
            return wrong(fault, "must be true or false", name);
        rule->shadow = json_bool(value);
        return true;
    }
    if (slice_equal(name, SLICE("score"))) {
        if (json_kind(value) != JSON_INTEGER || !json_integer(value, &score) || score < 1 ||
            score > 100)
            return wrong(fault, "must be from 1 to 100", name);
        rule->score = (uint8_t)score;
        return true;
    }
    if (slice_equal(name, SLICE("operations")))
        return read_operations(value, rule, fault);
    if (slice_equal(name, SLICE("currencies")))
        return read_currencies(value, rule, fault);
    if (slice_equal(name, SLICE("when")))
        return read_conditions(value, rule, fault);
    if (slice_equal(name, SLICE("comment")))
        return true;
    return wrong(fault, "is nothing that rules have", name);
}

static bool read_rule(struct json_value value, struct rule *ret_rule, struct fault fault) {
    struct rule rule = {.kinds = 3, .operations = RULE_ON_DEBITS, .score = 50};
    struct slice name;
    struct json_value member;
    if (json_kind(value) != JSON_OBJECT)
        return wrong(&fault, "must be an array of objects", SLICE("rules"));
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member)) { // its name goes first into messages
        if (slice_equal(name, SLICE("name")) && json_kind(member) == JSON_TEXT)
            fault.rule = json_text(member);
    }
    members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        if (!slice_equal(name, SLICE("comment")) && is_twice(value, name))
            return wrong(&fault, "stands there twice", name);
        if (!read_member(name, member, &rule, &fault))
            return false;
    }
    *ret_rule = rule;
    return true;
}

static bool read_rules(struct json_value value, struct rule_set *set, const struct fault *fault) {
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY || json_item_count(value) > RULES_MAX)
        return wrong(fault, "must be an array of at most 64 objects", SLICE("rules"));
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        const char *sentence;
        struct rule *rule = &set->rules[set->count];
        if (!read_rule(item, rule, *fault))
            return false;
        set->count++;
        if (!rules_are_valid(set, &sentence)) {
            struct slice name = rule_name(rule);
            snprintf(fault->why, fault->bytes, "rule \"%.*s\": %s.", SHOWN(name), sentence);
            return false;
        }
    }
    return true;
}

static bool read_file(struct json_value root, struct rule_set *set,
                      struct rule_file_patterns *patterns, const struct fault *fault) {
    struct slice name;
    struct json_value member;
    bool found = false;
    if (json_kind(root) != JSON_OBJECT)
        return wrong(fault, "is what a rule file must hold", SLICE("{\"rules\": [...]}"));
    struct json_cursor members = json_members(root);
    while (json_next_member(&members, &name, &member)) {
        if (slice_equal(name, SLICE("comment")))
            continue;
        if (slice_equal(name, SLICE("patterns")) && !patterns->are_there) {
            patterns->are_there = true;
            if (!pattern_settings_read(member, patterns->settings, fault->why, fault->bytes))
                return false;
            continue;
        }
        if (!slice_equal(name, SLICE("rules")) || found)
            return wrong(fault, "is nothing that a rule file has, or stands there twice", name);
        found = true;
        if (!read_rules(member, set, fault))
            return false;
    }
    return found || wrong(fault, "is missing", SLICE("rules"));
}

enum status rule_file_parse(struct slice text, struct rule_set *ret_set,
                            struct rule_file_patterns *ret_patterns, char *ret_why,
                            size_t why_bytes) {
    struct json_parser *parser = json_open();
    uint8_t *padded = memory_take_zeroed(text.size + JSON_PADDING);
    struct fault fault = {.why = ret_why, .bytes = why_bytes};
    struct rule_set *set = memory_take_zeroed(sizeof(*set));
    struct rule_file_patterns patterns = *ret_patterns;
    struct json_value root;
    const char *why;
    patterns.are_there = false;
    bool ok = text.size != 0 && text.size <= RULE_FILE_BYTES_MAX;
    if (!ok)
        snprintf(ret_why, why_bytes, "the file is empty or larger than %d bytes.",
                 RULE_FILE_BYTES_MAX);
    if (ok) {
        memcpy(padded, text.bytes, text.size);
        ok = json_parse(parser, slice_of(padded, text.size), &root, &why);
        if (!ok)
            no_json(&fault, why, json_fault_of(text).line);
    }
    ok = ok && read_file(root, set, &patterns, &fault);
    if (ok) {
        rules_prepare(set);
        *ret_set = *set;
        *ret_patterns = patterns;
    }
    memory_free(set);
    memory_free(padded);
    json_close(parser);
    return ok ? STATUS_ok : STATUS_invalid_request;
}

enum status rule_file_load(const char *path, struct rule_set *ret_set,
                           struct rule_file_patterns *ret_patterns, char *ret_why,
                           size_t why_bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = memory_take(RULE_FILE_BYTES_MAX + 1);
    size_t size = 0;
    ssize_t got = file < 0 ? -1 : 1;
    while (got > 0 && size <= RULE_FILE_BYTES_MAX) {
        got = read(file, bytes + size, RULE_FILE_BYTES_MAX + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        snprintf(ret_why, why_bytes, "cannot be read: %s.", strerror(errno));
    if (file >= 0)
        (void)close(file);
    enum status status = got < 0 ? STATUS_not_found
                                 : rule_file_parse(slice_of(bytes, size), ret_set,
                                                   ret_patterns, ret_why, why_bytes);
    memory_free(bytes);
    return status;
}
