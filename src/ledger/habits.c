// SPDX-License-Identifier: MIT
// Buckets that move along, means that follow, and sums that fade.
#include "ledger/habits.h"

#include "base/check.h"
#include "ledger/record.h"

#define DAY_MS UINT64_C(86400000)

static const struct shape {
    uint64_t bucket_ms;
    uint32_t first, count;
} shapes[WINDOW_COUNT] = {
    [WINDOW_HOUR] = {600000, 0, 6},
    [WINDOW_DAY] = {4 * 3600000, 6, 6},
    [WINDOW_WEEK] = {DAY_MS, HABIT_WEEK_FIRST, 7},
};
static_assert(HABIT_BUCKETS == 6 + 6 + 7, "every bucket belongs to a window");

static uint32_t step_of(enum habit_window window, uint64_t now_ms) {
    return (uint32_t)(now_ms / shapes[window].bucket_ms);
}

static int64_t add_up(int64_t sum, int64_t amount) {
    CHECK(sum >= 0 && amount >= 0);
    return sum > LIMIT_AMOUNT_MAX - amount ? LIMIT_AMOUNT_MAX : sum + amount;
}

struct habit_sum habits_window(const struct habits *habits, enum habit_window window,
                               uint64_t now_ms) {
    const struct shape *shape = &shapes[window];
    struct habit_sum sum = {0, 0};
    uint32_t now = step_of(window, now_ms), newest = habits->steps[window];
    CHECK((unsigned)window < WINDOW_COUNT);
    for (uint32_t back = 0; back < shape->count; back++) {
        uint32_t step = newest - back;
        if (back > newest || now - step >= shape->count)
            break;
        uint32_t bucket = shape->first + step % shape->count;
        sum.count += habits->counts[bucket];
        sum.sum = add_up(sum.sum, habits->sums[bucket]);
    }
    return sum;
}

// Buckets between the newest and that of now begin anew.
static void window_add(struct habits *habits, enum habit_window window, uint64_t now_ms,
                       int64_t amount) {
    const struct shape *shape = &shapes[window];
    uint32_t now = step_of(window, now_ms), newest = habits->steps[window];
    for (uint32_t i = 0; newest < now && i < shape->count; i++) {
        uint32_t bucket = shape->first + (now - i) % shape->count;
        habits->counts[bucket] = 0;
        habits->sums[bucket] = 0;
        if (now - i == newest + 1)
            break;
    }
    if (now > newest)
        habits->steps[window] = now;
    uint32_t bucket = shape->first + habits->steps[window] % shape->count;
    if (habits->counts[bucket] < UINT16_MAX)
        habits->counts[bucket]++;
    habits->sums[bucket] = add_up(habits->sums[bucket], amount);
}

// An eighth a day is gone, day by day.
static int64_t fade(int64_t sum, uint32_t days) {
    for (uint32_t i = 0; i < days && sum != 0; i++)
        sum -= (sum + 7) / 8;
    return sum;
}

void habits_share(const struct habits *habits, uint64_t now_ms, int64_t *ret_sold,
                  int64_t *ret_refunded) {
    uint32_t today = (uint32_t)(now_ms / DAY_MS);
    uint32_t days = today > habits->faded_day ? today - habits->faded_day : 0;
    *ret_sold = fade(habits->sold, days);
    *ret_refunded = fade(habits->refunded, days);
}

static void share_add(struct habits *habits, uint64_t now_ms, int64_t sold, int64_t refunded) {
    uint32_t today = (uint32_t)(now_ms / DAY_MS);
    habits_share(habits, now_ms, &habits->sold, &habits->refunded);
    if (today > habits->faded_day)
        habits->faded_day = today;
    habits->sold = add_up(habits->sold, sold);
    habits->refunded = add_up(habits->refunded, refunded);
}

// Ids are sealed, so any 31 bits of them tell two counterparties apart well enough.
static uint32_t mark_of(struct id counterparty) {
    uint32_t mark;
    memcpy(&mark, counterparty.bytes + sizeof(counterparty.bytes) - sizeof(mark), sizeof(mark));
    return mark | 1;
}

bool habits_knows(const struct habits *habits, struct id counterparty) {
    uint32_t mark = mark_of(counterparty);
    for (uint32_t i = 0; i < HABIT_KNOWN; i++)
        if (habits->known[i] == mark)
            return true;
    return false;
}

static void get_to_know(struct habits *habits, struct id counterparty) {
    uint32_t mark = mark_of(counterparty), place = 0;
    while (place < HABIT_KNOWN - 1 && habits->known[place] != mark)
        place++;
    memmove(habits->known + 1, habits->known, place * sizeof(habits->known[0]));
    habits->known[0] = mark;
}

static void pay(struct habits *habits, uint64_t now_ms, int64_t amount, struct id counterparty) {
    int64_t value = amount * HABIT_UNITS;
    CHECK(amount >= 1 && amount <= LIMIT_AMOUNT_MAX);
    if (habits->payments < UINT32_MAX)
        habits->payments++;
    int64_t weight = habits->payments < 16 ? habits->payments : 16;
    int64_t distance = value > habits->mean ? value - habits->mean : habits->mean - value;
    if (habits->payments > 1) // the first is the mean, and no distance from it
        habits->deviation += (distance - habits->deviation) / (weight - 1);
    habits->mean += (value - habits->mean) / weight;
    for (int window = 0; window < WINDOW_COUNT; window++)
        window_add(habits, (enum habit_window)window, now_ms, amount);
    if (!id_is_zero(counterparty))
        get_to_know(habits, counterparty);
    habits->last_ms = now_ms;
}

bool habits_concern_payer(const struct record *record) {
    switch (record->operation) {
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAWAL:
    case COMMAND_PURCHASE:
    case COMMAND_REFUND:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD:
        return record->kind == RECORD_TRANSACTION || record->kind == RECORD_HOLD ||
               record->kind == RECORD_WITHDRAWAL;
    default: return false; // what settles or captures was counted when it was asked for
    }
}

bool habits_concern_payee(const struct record *record) {
    return record->kind == RECORD_TRANSACTION &&
           record->transaction.type == TRANSACTION_PURCHASE;
}

static void payer_sees(const struct record *record, struct habits *habits) {
    const struct transaction_facts *facts = &record->transaction;
    uint64_t now_ms = record->time_ms;
    switch (record->operation) {
    case COMMAND_DEPOSIT: habits->last_ms = habits->deposit_ms = now_ms; return;
    case COMMAND_HOLD: pay(habits, now_ms, record->hold.amount, record->hold.merchant); return;
    case COMMAND_WITHDRAWAL: {
        bool settled = record->kind == RECORD_TRANSACTION;
        pay(habits, now_ms, settled ? facts->amount : record->withdrawal.amount,
            (struct id){{0}});
        if (habits->withdrawals < UINT32_MAX)
            habits->withdrawals++;
        return;
    }
    default:
        pay(habits, now_ms, facts->amount, facts->credit.wallet);
        if (record->operation == COMMAND_REFUND)
            share_add(habits, now_ms, 0, facts->amount);
    }
}

static uint64_t version_of(const struct record *record) {
    switch (record->kind) {
    case RECORD_HOLD: return record->hold.wallet_version;
    case RECORD_WITHDRAWAL: return record->withdrawal.wallet_version;
    default:
        return record->operation == COMMAND_DEPOSIT ? record->transaction.credit.version
                                                    : record->transaction.debit.version;
    }
}

void habits_see(const struct record *record, struct habits *payer, struct habits *payee) {
    if (payer != NULL && habits_concern_payer(record) && version_of(record) > payer->version) {
        payer_sees(record, payer);
        payer->version = version_of(record);
    }
    if (payee != NULL && habits_concern_payee(record) &&
        record->transaction.credit.version > payee->version) {
        share_add(payee, record->time_ms, record->transaction.amount, 0);
        payee->version = record->transaction.credit.version;
    }
}

bool habits_are_valid(const struct habits *habits) {
    for (int i = 0; i < HABIT_BUCKETS; i++)
        if (habits->sums[i] < 0 || habits->sums[i] > LIMIT_AMOUNT_MAX)
            return false;
    return habits->mean >= 0 && habits->mean <= LIMIT_AMOUNT_MAX * HABIT_UNITS &&
           habits->deviation >= 0 && habits->deviation <= LIMIT_AMOUNT_MAX * HABIT_UNITS &&
           habits->sold >= 0 && habits->sold <= LIMIT_AMOUNT_MAX && habits->refunded >= 0 &&
           habits->refunded <= LIMIT_AMOUNT_MAX && habits->zero == 0;
}
