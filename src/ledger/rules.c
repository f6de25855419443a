// SPDX-License-Identifier: MIT
// Whether a rule hits: one condition after another, cheapest first. Products are 128 bits wide.
// Most payments hit none, so all rules of a plan are asked together first for what is cheap to see.
#include "ledger/rules.h"

static const struct habits no_habits;

struct slice rule_name(const struct rule *rule) {
    size_t size = 0;
    while (size < sizeof(rule->name) && rule->name[size] != '\0')
        size++;
    return slice_of((const uint8_t *)rule->name, size);
}

const char *rule_action_name(enum rule_action action) {
    static const char *const names[] = {"nothing", "flag", "hold", "refuse"};
    CHECK((unsigned)action <= RULE_REFUSE);
    return names[action];
}

static bool currency_fits(const struct rule *rule, const struct currency *currency) {
    for (uint32_t i = 0; i < rule->currency_count; i++)
        if (memcmp(rule->currencies[i], currency->code, sizeof(currency->code)) == 0)
            return true;
    return rule->currency_count == 0;
}

// amount / base >= percent / 100
static bool reaches_percent(int64_t amount, int64_t base, uint64_t percent) {
    return (__int128)amount * 100 >= (__int128)base * percent;
}

static bool windows_hit(const struct rule *rule, const struct payment *payment,
                        const struct habits *habits) {
    for (int i = 0; i < WINDOW_COUNT; i++) {
        if (rule->counts[i] == 0 && rule->sums[i] == 0)
            continue;
        struct habit_sum before = habits_window(habits, (enum habit_window)i, payment->now_ms);
        if (before.count + 1 < rule->counts[i])
            return false;
        if ((__int128)before.sum + payment->amount < rule->sums[i])
            return false;
    }
    return true;
}

static bool mean_reached(int64_t amount, const struct habits *habits, uint64_t percent) {
    return habits->payments != 0 && reaches_percent(amount * HABIT_UNITS, habits->mean, percent);
}

#define RULE_DRAINED_MAX 1000
static_assert(LIMIT_AMOUNT_MAX <= INT64_MAX / RULE_DRAINED_MAX, "64 bits are enough");

static bool drains(int64_t amount, int64_t available, uint64_t percent) {
    return available > 0 && amount * 100 >= available * (int64_t)percent;
}

static bool mean_hits(const struct rule *rule, const struct payment *payment,
                      const struct habits *habits) {
    int64_t value = payment->amount * HABIT_UNITS;
    if (rule->mean_percent != 0 && !mean_reached(payment->amount, habits, rule->mean_percent))
        return false;
    if (rule->deviations == 0)
        return true;
    // Who always pays the same has no deviation; a sixteenth of the mean is the least that counts.
    int64_t least = habits->mean / 16;
    int64_t deviation = habits->deviation > least ? habits->deviation : least;
    return habits->payments != 0 &&
           value >= habits->mean + (__int128)deviation * rule->deviations;
}

static bool times_hit(const struct rule *rule, const struct payment *payment,
                      const struct habits *habits) {
    uint64_t now_ms = payment->now_ms;
    if (rule->deposit_within_s != 0 &&
        (habits->deposit_ms == 0 ||
         now_ms - habits->deposit_ms > rule->deposit_within_s * UINT64_C(1000)))
        return false;
    return rule->dormant_s == 0 ||
           (habits->last_ms != 0 &&
            now_ms - habits->last_ms >= rule->dormant_s * UINT64_C(1000));
}

static bool share_hits(const struct rule *rule, const struct payment *payment,
                       const struct habits *habits) {
    int64_t sold, refunded;
    if (rule->refund_percent == 0)
        return true;
    habits_share(habits, payment->now_ms, &sold, &refunded);
    return ((__int128)refunded + payment->amount) * 100 >= (__int128)sold * rule->refund_percent;
}

static bool rule_hits(const struct rule *rule, const struct payment *payment,
                      const struct habits *habits) {
    if (payment->amount < rule->amount || habits->payments < rule->payments_before)
        return false;
    if (rule->currency_count != 0 && !currency_fits(rule, payment->currency))
        return false;
    if (rule->first_withdrawal != 0 && habits->withdrawals != 0)
        return false;
    if (rule->drained_percent != 0 &&
        !drains(payment->amount, payment->available, rule->drained_percent))
        return false;
    if (!mean_hits(rule, payment, habits) || !times_hit(rule, payment, habits))
        return false;
    if (rule->new_counterparty != 0 &&
        (id_is_zero(payment->counterparty) || habits_knows(habits, payment->counterparty)))
        return false;
    return share_hits(rule, payment, habits) && windows_hit(rule, payment, habits);
}

// Of the rules of a gate that asks how often a wallet pays in a window: those that are out.
static inline uint64_t out_by_count(const struct rule_gate *gate, uint64_t left,
                                    const struct habits *habits, enum habit_window window) {
    if ((left & gate->rules) == 0 || habits_count_most(habits, window) + 1 >= gate->least)
        return 0;
    return gate->rules;
}

// Habits are looked at only where somebody is left whom they concern.
uint64_t rules_left(const struct rule_plan *plan, int64_t amount, int64_t available,
                    const struct habits *habits) {
    uint64_t left = plan->rules;
    CHECK(amount_is_valid(amount));
    if ((uint64_t)amount < plan->amount.least)
        left &= ~plan->amount.rules;
    if (plan->drained_percent.rules != 0 &&
        !drains(amount, available, plan->drained_percent.least))
        left &= ~plan->drained_percent.rules;
    if (habits == NULL)
        habits = &no_habits;
    left &= ~out_by_count(&plan->counts[WINDOW_HOUR], left, habits, WINDOW_HOUR);
    left &= ~out_by_count(&plan->counts[WINDOW_DAY], left, habits, WINDOW_DAY);
    left &= ~out_by_count(&plan->counts[WINDOW_WEEK], left, habits, WINDOW_WEEK);
    if ((left & plan->mean_percent.rules) != 0 &&
        !mean_reached(amount, habits, plan->mean_percent.least))
        left &= ~plan->mean_percent.rules;
    return left;
}

void rules_judge_left(const struct rule_set *set, uint64_t left, const struct payment *payment,
                      const struct habits *habits, struct verdict *ret_verdict) {
    CHECK(payment->wallet_kind <= WALLET_MERCHANT && payment->operation != 0);
    if (habits == NULL)
        habits = &no_habits;
    *ret_verdict = (struct verdict){0};
    for (; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        const struct rule *rule = &set->rules[i], *best = &set->rules[ret_verdict->rule];
        if (!rule_hits(rule, payment, habits))
            continue;
        if (rule->shadow != 0) {
            ret_verdict->shadows |= UINT64_C(1) << i;
            continue;
        }
        ret_verdict->hits |= UINT64_C(1) << i;
        if (rule->action > ret_verdict->action ||
            (rule->action == ret_verdict->action && rule->score > best->score)) {
            ret_verdict->action = rule->action;
            ret_verdict->rule = (uint8_t)i;
        }
    }
}

void rules_judge(const struct rule_set *set, const struct payment *payment,
                 const struct habits *habits, struct verdict *ret_verdict) {
    const struct rule_plan *plan =
        rules_plan(set, (enum wallet_kind)payment->wallet_kind, payment->operation);
    rules_judge_left(set, rules_left(plan, payment->amount, payment->available, habits), payment,
                     habits, ret_verdict);
}

// ---- sets ---------------------------------------------------------------------------------------

static bool name_is_valid(const struct rule *rule) {
    struct slice name = rule_name(rule);
    for (size_t i = 0; i < name.size; i++) {
        char c = rule->name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    for (size_t i = name.size; i < sizeof(rule->name); i++)
        if (rule->name[i] != '\0')
            return false;
    return name.size != 0;
}

static bool numbers_are_valid(const struct rule *rule) {
    bool valid = rule->amount >= 0 && rule->amount <= LIMIT_AMOUNT_MAX;
    for (int i = 0; i < WINDOW_COUNT; i++)
        valid = valid && rule->sums[i] >= 0 && rule->sums[i] <= LIMIT_AMOUNT_MAX &&
                rule->counts[i] <= UINT16_MAX;
    return valid && rule->mean_percent <= RULE_PERCENT_MAX && rule->deviations <= 1000 &&
           rule->deposit_within_s <= RULE_SECONDS_MAX &&
           rule->drained_percent <= RULE_DRAINED_MAX &&
           rule->dormant_s <= RULE_SECONDS_MAX && rule->refund_percent <= RULE_PERCENT_MAX &&
           rule->shadow <= 1 && rule->new_counterparty <= 1 && rule->first_withdrawal <= 1;
}

static bool has_condition(const struct rule *rule) {
    bool any = false;
    for (int i = 0; i < WINDOW_COUNT; i++)
        any = any || rule->sums[i] != 0 || rule->counts[i] != 0;
    return any || rule->amount != 0 || rule->mean_percent != 0 || rule->deviations != 0 ||
           rule->deposit_within_s != 0 || rule->drained_percent != 0 || rule->dormant_s != 0 ||
           rule->refund_percent != 0 || rule->new_counterparty != 0 ||
           rule->first_withdrawal != 0;
}

static const char *fault_of(const struct rule *rule) {
    bool has_amount = rule->amount != 0;
    for (int i = 0; i < WINDOW_COUNT; i++)
        has_amount = has_amount || rule->sums[i] != 0;
    if (!name_is_valid(rule))
        return "a rule's name has 1 to 32 of a-z, 0-9 and -";
    if (rule->action < RULE_FLAG || rule->action > RULE_REFUSE)
        return "a rule's action is flag, hold or refuse";
    if (rule->kinds == 0 || rule->kinds > 3 || rule->operations == 0 ||
        rule->operations > RULE_ON_ALL)
        return "a rule looks at customers or merchants and at some operation";
    if (rule->score < 1 || rule->score > 100)
        return "a score is from 1 to 100";
    if (!numbers_are_valid(rule) || rule->currency_count > RULE_CURRENCIES_MAX)
        return "a number is out of bounds";
    if (!has_condition(rule))
        return "a rule needs a condition beside payments_before";
    if (has_amount && rule->currency_count == 0)
        return "an amount or a sum needs the currencies that it is in";
    if (rule->action == RULE_HOLD && (rule->operations & RULE_ON_DEPOSIT) != 0)
        return "only what takes money from a wallet can be held; a deposit can not";
    return NULL;
}

bool rules_are_valid(const struct rule_set *set, const char **ret_why) {
    if (set->count > RULES_MAX) {
        *ret_why = "there are more than 64 rules";
        return false;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const char *fault = fault_of(&set->rules[i]);
        for (uint32_t k = 0; k < i && fault == NULL; k++)
            if (memcmp(set->rules[i].name, set->rules[k].name, RULE_NAME_BYTES_MAX) == 0)
                fault = "two rules have the same name";
        if (fault != NULL) {
            *ret_why = fault;
            return false;
        }
    }
    return true;
}

static void gate_add(struct rule_gate *gate, uint32_t rule, uint64_t asks) {
    if (asks == 0) // the rule has no such condition
        return;
    if (gate->rules == 0 || asks < gate->least)
        gate->least = asks;
    gate->rules |= UINT64_C(1) << rule;
}

static void plan_add(struct rule_plan *plan, const struct rule *rule, uint32_t number) {
    CHECK(number < RULES_MAX && rule->amount >= 0);
    plan->rules |= UINT64_C(1) << number;
    gate_add(&plan->amount, number, (uint64_t)rule->amount);
    gate_add(&plan->drained_percent, number, rule->drained_percent);
    gate_add(&plan->mean_percent, number, rule->mean_percent);
    for (int i = 0; i < WINDOW_COUNT; i++)
        gate_add(&plan->counts[i], number, rule->counts[i]);
}

void rules_prepare(struct rule_set *set) {
    memset(set->plans, 0, sizeof(set->plans));
    CHECK(set->count <= RULES_MAX);
    for (uint32_t i = 0; i < set->count; i++)
        for (uint32_t kind = 0; kind < 2; kind++)
            for (uint32_t operation = 0; operation < 6; operation++)
                if ((set->rules[i].kinds & (1u << kind)) != 0 &&
                    (set->rules[i].operations & (1u << operation)) != 0)
                    plan_add(&set->plans[kind][operation], &set->rules[i], i);
}

bool rules_are_equal(const struct rule_set *a, const struct rule_set *b) {
    return a->count == b->count &&
           memcmp(a->rules, b->rules, a->count * sizeof(a->rules[0])) == 0;
}

bool rules_decode(struct slice bytes, uint32_t version, struct rule_set *ret_set) {
    const char *why;
    if (bytes.size % sizeof(struct rule) != 0 || bytes.size > sizeof(ret_set->rules))
        return false;
    memset(ret_set, 0, sizeof(*ret_set));
    ret_set->version = version;
    ret_set->count = (uint32_t)(bytes.size / sizeof(struct rule));
    if (bytes.size != 0)
        memcpy(ret_set->rules, bytes.bytes, bytes.size);
    if (!rules_are_valid(ret_set, &why))
        return false;
    rules_prepare(ret_set);
    return true;
}
