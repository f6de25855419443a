// SPDX-License-Identifier: MIT
// The set of rules that is in force: part of the state, so what it says of a payment is the same
// again after a restart, and counts of how often each rule has hit, which begin anew.
#include "base/check.h"
#include "engine/embedded/books.h"

bool rules_are_in_force(const struct books *books, const struct command *command) {
    const struct rule_set *set = &books->state.rules;
    return slice_equal(command->metadata,
                       slice_of(set->rules, set->count * sizeof(set->rules[0])));
}

void rules_take(struct books *books, const struct rules_facts *facts) {
    struct state *state = &books->state;
    struct rule_set set;
    if (facts->version <= state->rules.version)
        return;
    bool is_valid = rules_decode(facts->rules, facts->version, &set);
    CHECK(is_valid); // whoever sent them, and whoever read them, has looked
    CHECK(pthread_mutex_lock(&state->rules_lock) == 0);
    state->rules = set;
    for (uint32_t i = 0; i < RULES_MAX; i++)
        __atomic_store_n(&books->rule_hits[i], 0, __ATOMIC_RELAXED);
    CHECK(pthread_mutex_unlock(&state->rules_lock) == 0);
}

void rules_count(struct books *books) {
    if (books->state.rules.count == 0)
        return;
    uint64_t hits = books->verdict.hits | books->verdict.shadows;
    for (; hits != 0; hits &= hits - 1) {
        uint64_t *counter = &books->rule_hits[__builtin_ctzll(hits)];
        __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
    }
}

void rules_stats(struct books *books, struct engine_stats *ret_stats) {
    struct state *state = &books->state;
    CHECK(pthread_mutex_lock(&state->rules_lock) == 0);
    ret_stats->rules_version = state->rules.version;
    ret_stats->rule_count = state->rules.count;
    for (uint32_t i = 0; i < state->rules.count; i++) {
        const struct rule *rule = &state->rules.rules[i];
        struct engine_rule *row = &ret_stats->rules[i];
        *row = (struct engine_rule){
            .action = rule->action,
            .shadow = rule->shadow != 0,
            .hits = __atomic_load_n(&books->rule_hits[i], __ATOMIC_RELAXED)};
        memcpy(row->name, rule->name, sizeof(rule->name));
    }
    CHECK(pthread_mutex_unlock(&state->rules_lock) == 0);
}
