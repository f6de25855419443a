// SPDX-License-Identifier: MIT
// Why a rule has hit, in one sentence for people, with the numbers that led to it.
#include "ledger/money.h"
#include "ledger/rules.h"

static const char *const window_names[WINDOW_COUNT] = {"an hour", "a day", "a week"};

void rules_add_amount(struct buffer *buffer, int64_t amount, const struct currency *currency) {
    int64_t unit = 1;
    for (uint8_t i = 0; i < currency->exponent; i++)
        unit *= 10;
    CHECK(amount >= 0 && currency->exponent <= LIMIT_CURRENCY_EXPONENT_MAX);
    buffer_add_i64(buffer, amount / unit);
    if (currency->exponent != 0)
        buffer_add_format(buffer, ".%0*lld", currency->exponent, (long long)(amount % unit));
    BUFFER_ADD(buffer, " ");
    buffer_add_slice(buffer, currency_code(currency));
}

static void add_span(struct buffer *buffer, uint64_t seconds) {
    static const struct {
        uint64_t seconds;
        const char *one;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    while (i < 3 && seconds < 2 * units[i].seconds)
        i++;
    uint64_t count = seconds / units[i].seconds;
    buffer_add_format(buffer, "%llu %s%s", (unsigned long long)count, units[i].one,
                      count == 1 ? "" : "s");
}

static void add_percent(struct buffer *buffer, int64_t part, int64_t whole) {
    if (whole <= 0) {
        BUFFER_ADD(buffer, "all");
        return;
    }
    buffer_add_i128(buffer, (__int128)part * 100 / whole);
    BUFFER_ADD(buffer, " %");
}

static void add_windows(struct buffer *buffer, const struct rule *rule,
                        const struct payment *payment, const struct habits *habits) {
    for (int i = 0; i < WINDOW_COUNT; i++) {
        struct habit_sum sum = habits_window(habits, (enum habit_window)i, payment->now_ms);
        int64_t all = sum.sum > LIMIT_AMOUNT_MAX - payment->amount ? LIMIT_AMOUNT_MAX
                                                                   : sum.sum + payment->amount;
        if (rule->counts[i] != 0)
            buffer_add_format(buffer, ", payment %u within %s", sum.count + 1, window_names[i]);
        if (rule->sums[i] == 0)
            continue;
        BUFFER_ADD(buffer, ", ");
        rules_add_amount(buffer, all, payment->currency);
        buffer_add_format(buffer, " within %s", window_names[i]);
    }
}

static void add_habits(struct buffer *buffer, const struct rule *rule,
                       const struct payment *payment, const struct habits *habits) {
    if (rule->mean_percent != 0 || rule->deviations != 0) {
        add_percent(buffer, payment->amount, habits->mean / HABIT_UNITS);
        BUFFER_ADD(buffer, " of the usual ");
        rules_add_amount(buffer, habits->mean / HABIT_UNITS, payment->currency);
        BUFFER_ADD(buffer, " (deviation ");
        rules_add_amount(buffer, habits->deviation / HABIT_UNITS, payment->currency);
        buffer_add_format(buffer, ", %u payments)", habits->payments);
    }
}

static void add_events(struct buffer *buffer, const struct rule *rule,
                       const struct payment *payment, const struct habits *habits) {
    int64_t sold, refunded;
    if (rule->first_withdrawal != 0)
        BUFFER_ADD(buffer, ", the first withdrawal");
    if (rule->deposit_within_s != 0) {
        BUFFER_ADD(buffer, ", ");
        add_span(buffer, (payment->now_ms - habits->deposit_ms) / 1000);
        BUFFER_ADD(buffer, " after a deposit");
    }
    if (rule->new_counterparty != 0)
        BUFFER_ADD(buffer, ", to somebody not paid before");
    if (rule->drained_percent != 0) {
        BUFFER_ADD(buffer, ", ");
        add_percent(buffer, payment->amount, payment->available);
        BUFFER_ADD(buffer, " of what was available");
    }
    if (rule->dormant_s != 0) {
        BUFFER_ADD(buffer, ", after ");
        add_span(buffer, (payment->now_ms - habits->last_ms) / 1000);
        BUFFER_ADD(buffer, " of silence");
    }
    if (rule->refund_percent != 0) {
        habits_share(habits, payment->now_ms, &sold, &refunded);
        BUFFER_ADD(buffer, ", refunds are ");
        add_percent(buffer, refunded + payment->amount, sold);
        BUFFER_ADD(buffer, " of the latest sales");
    }
}

void rules_explain(const struct rule_set *set, const struct payment *payment,
                   const struct habits *habits, const struct verdict *verdict,
                   struct buffer *buffer) {
    static const struct habits none;
    static const char *const words[] = {"Withdrawal", "Purchase", "Transfer",
                                        "Hold",       "Refund",   "Deposit"};
    const struct rule *rule = &set->rules[verdict->rule];
    CHECK(verdict->action != RULE_NOTHING && verdict->rule < set->count);
    if (habits == NULL)
        habits = &none;
    buffer_add_text(buffer, words[__builtin_ctz(payment->operation)]);
    BUFFER_ADD(buffer, " of ");
    rules_add_amount(buffer, payment->amount, payment->currency);
    if (rule->mean_percent != 0 || rule->deviations != 0)
        BUFFER_ADD(buffer, ", ");
    add_habits(buffer, rule, payment, habits);
    add_events(buffer, rule, payment, habits);
    add_windows(buffer, rule, payment, habits);
    BUFFER_ADD(buffer, ".");
    uint64_t others = verdict->hits & ~(UINT64_C(1) << verdict->rule);
    const char *separator = " Also: ";
    while (others != 0) {
        buffer_add_text(buffer, separator);
        buffer_add_slice(buffer, rule_name(&set->rules[__builtin_ctzll(others)]));
        others &= others - 1;
        separator = ", ";
        if (others == 0)
            BUFFER_ADD(buffer, ".");
    }
}
