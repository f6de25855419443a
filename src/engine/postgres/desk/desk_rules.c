// SPDX-License-Identifier: MIT
// The set of rules that is in force: the books', so that all nodes judge alike, and how often each
// rule has hit on this node since it came.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

bool desk_rules_are_in_force(const struct desk *desk, const struct command *command) {
    const struct rule_set *set = &desk->rules;
    return slice_equal(command->metadata,
                       slice_of(set->rules, set->count * sizeof(set->rules[0])));
}

void desk_rules_set(struct desk *desk, const struct rule_set *set) {
    CHECK(set->count <= RULES_MAX);
    CHECK(pthread_mutex_lock(&desk->rules_lock) == 0);
    desk->rules = *set;
    for (uint32_t i = 0; i < RULES_MAX; i++)
        __atomic_store_n(&desk->rule_hits[i], 0, __ATOMIC_RELAXED);
    desk_rules_forget(desk);
    CHECK(pthread_mutex_unlock(&desk->rules_lock) == 0);
}

void desk_take_rules(struct desk *desk, const struct pg_result *result) {
    struct rule_set set = {0};
    bool any = row_count(result) != 0;
    uint32_t version = any ? (uint32_t)row_number(result, 0, 0) : 0;
    bool is_valid = !any || rules_decode(row_bytes(result, 0, 1), version, &set);
    CHECK(is_valid);
    desk_rules_set(desk, &set);
}

void desk_rules_count(struct desk *desk) {
    if (desk->rules.count == 0)
        return;
    uint64_t hits = desk->verdict.hits | desk->verdict.shadows;
    for (; hits != 0; hits &= hits - 1)
        desk->rule_hits_now[__builtin_ctzll(hits)]++;
}

void desk_rules_forget(struct desk *desk) {
    memset(desk->rule_hits_now, 0, sizeof(desk->rule_hits_now));
}

static void keep(struct desk *desk, const uint64_t hits[RULES_MAX]) {
    for (uint32_t i = 0; i < desk->rules.count; i++)
        __atomic_store_n(&desk->rule_hits[i], desk->rule_hits[i] + hits[i], __ATOMIC_RELAXED);
}

void desk_rules_keep(struct desk *desk) {
    keep(desk, desk->rule_hits_now);
    desk_rules_forget(desk);
}

void desk_rules_leave(struct desk *desk) {
    memcpy(desk->rule_hits_left, desk->rule_hits_now, sizeof(desk->rule_hits_left));
    desk_rules_forget(desk);
}

void desk_rules_keep_left(struct desk *desk) {
    keep(desk, desk->rule_hits_left);
}

void desk_rules_stats(struct desk *desk, struct engine_stats *ret_stats) {
    CHECK(pthread_mutex_lock(&desk->rules_lock) == 0);
    ret_stats->rules_version = desk->rules.version;
    ret_stats->rule_count = desk->rules.count;
    for (uint32_t i = 0; i < desk->rules.count; i++) {
        const struct rule *rule = &desk->rules.rules[i];
        struct engine_rule *row = &ret_stats->rules[i];
        *row = (struct engine_rule){.action = rule->action,
                                    .shadow = rule->shadow != 0,
                                    .hits =
                                        __atomic_load_n(&desk->rule_hits[i], __ATOMIC_RELAXED)};
        memcpy(row->name, rule->name, sizeof(rule->name));
    }
    CHECK(pthread_mutex_unlock(&desk->rules_lock) == 0);
}
