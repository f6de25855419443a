// SPDX-License-Identifier: MIT
// Buckets that move along, means that follow, and sums that fade.
#include "ledger/habits.h"

#include <string.h>

#include "base/check.h"
#include "ledger/record.h"

#define HABIT_WEIGHT 16 // of the mean of the last payments, once there are so many
#define DAY_MS UINT64_C(86400000)
#define DAY_MAX UINT16_MAX // in the year 2149; nothing fades from then on

// A window has `length` buckets. Of the hour's the newest is the open ten minutes themselves.
static const struct shape {
    uint32_t open_steps; // how many times ten minutes a bucket is long
    uint32_t first, count;
    uint32_t length;
} shapes[WINDOW_COUNT] = {
    [WINDOW_HOUR] = {1, 0, 5, 6},
    [WINDOW_DAY] = {24, 5, 6, 6},
    [WINDOW_WEEK] = {144, HABIT_WEEK_FIRST, 7, 7},
};
static_assert(HABIT_BUCKETS == 5 + 6 + 7, "every bucket belongs to a window");
static_assert(DAY_MS == UINT64_C(144) * HABIT_OPEN_MS, "ten minutes never lie in two days");

static int64_t add_up(int64_t sum, int64_t amount) {
    CHECK(sum >= 0 && amount >= 0);
    return sum > LIMIT_AMOUNT_MAX - amount ? LIMIT_AMOUNT_MAX : sum + amount;
}

static uint16_t count_up(uint32_t count, uint32_t more) {
    return (uint16_t)(count + more > UINT16_MAX ? UINT16_MAX : count + more);
}

struct habit_sum habits_window(const struct habits *habits, enum habit_window window,
                               uint64_t now_ms) {
    const struct shape *shape = &shapes[window];
    struct habit_sum sum = {0, 0};
    CHECK((unsigned)window < WINDOW_COUNT);
    uint32_t now = habits_step_of(now_ms) / shape->open_steps;
    uint32_t newest = habits_step_of(habits->last_ms) / shape->open_steps;
    for (uint32_t back = 0; back < shape->length; back++) {
        uint32_t step = newest - back, count = 0;
        if (back > newest || now - step >= shape->length)
            break;
        if (shape->count == shape->length || back != 0) {
            uint32_t bucket = shape->first + step % shape->count;
            count = habits->counts[bucket];
            sum.sum = add_up(sum.sum, habits->sums[bucket]);
        }
        if (back == 0) {
            count = count_up(count, (uint32_t)habits->open_count);
            sum.sum = add_up(sum.sum, habits->open_sum);
        }
        sum.count += count;
    }
    return sum;
}

// The open ten minutes `from` go to the window's bucket; buckets between it and that of `to` begin
// anew. Returns how many payments its buckets have then. Inlined with a shape that is known, so
// that nothing is divided.
static inline __attribute__((always_inline)) uint16_t
window_roll(struct habits *habits, enum habit_window window, uint32_t from, uint32_t to) {
    const struct shape *shape = &shapes[window];
    uint16_t *counts = habits->counts + shape->first;
    int64_t *sums = habits->sums + shape->first;
    uint32_t now = to / shape->open_steps, newest = from / shape->open_steps;
    bool of_hour = shape->count != shape->length;
    uint32_t bucket = newest % shape->count, closed = 0;
    uint32_t empty = of_hour ? now - newest - 1 : now - newest;
    if (empty >= shape->count) {
        memset(counts, 0, shape->count * sizeof(counts[0]));
        memset(sums, 0, shape->count * sizeof(sums[0]));
        return 0;
    }
    // What was there has left the hour.
    counts[bucket] = count_up(of_hour ? 0 : counts[bucket], (uint32_t)habits->open_count);
    sums[bucket] = add_up(of_hour ? 0 : sums[bucket], habits->open_sum);
    for (; empty > 0; empty--) {
        bucket = bucket + 1 == shape->count ? 0 : bucket + 1;
        counts[bucket] = 0;
        sums[bucket] = 0;
    }
    for (uint32_t i = 0; i < shape->count; i++)
        closed += counts[i];
    return count_up(closed, 0);
}

static __attribute__((noinline)) void roll(struct habits *habits, uint32_t to) {
    uint32_t from = habits_step_of(habits->last_ms);
    CHECK(to > from);
    habits->closed_hour = window_roll(habits, WINDOW_HOUR, from, to);
    habits->closed_day = window_roll(habits, WINDOW_DAY, from, to);
    habits->closed_week = window_roll(habits, WINDOW_WEEK, from, to);
    habits->open_count = 0;
    habits->open_sum = 0;
}

// Its owner pays or puts money in. The clock of another node may be behind: nothing goes back.
static inline void come_to(struct habits *habits, uint64_t now_ms) {
    CHECK(now_ms < UINT64_C(1) << 48);
    if (habits_roll_at(habits, habits_begin_ms(now_ms)))
        roll(habits, habits_step_of(now_ms));
    if (now_ms > habits->last_ms)
        habits->last_ms = now_ms;
}

// An eighth a day is gone, day by day.
static int64_t fade(int64_t sum, uint32_t days) {
    for (uint32_t i = 0; i < days && sum != 0; i++)
        sum -= (sum + 7) / 8;
    return sum;
}

static uint32_t day_of(uint64_t now_ms) {
    return now_ms / DAY_MS > DAY_MAX ? DAY_MAX : (uint32_t)(now_ms / DAY_MS);
}

void habits_share(const struct habits *habits, uint64_t now_ms, int64_t *ret_sold,
                  int64_t *ret_refunded) {
    uint32_t today = day_of(now_ms);
    uint32_t days = today > habits->faded_day ? today - habits->faded_day : 0;
    *ret_sold = fade(habits->sold, days);
    *ret_refunded = fade(habits->refunded, days);
}

static void share_add(struct habits *habits, uint64_t now_ms, int64_t sold, int64_t refunded) {
    uint32_t today = day_of(now_ms);
    habits_share(habits, now_ms, &habits->sold, &habits->refunded);
    if (today > habits->faded_day)
        habits->faded_day = (uint16_t)today;
    habits->sold = add_up(habits->sold, sold);
    habits->refunded = add_up(habits->refunded, refunded);
}

// Ids are sealed, so any 31 bits of them tell two counterparties apart well enough.
static uint32_t mark_of(struct id counterparty) {
    uint32_t mark;
    memcpy(&mark, counterparty.bytes + sizeof(counterparty.bytes) - sizeof(mark), sizeof(mark));
    return mark | 1;
}

// Four marks at once: all are looked at, in a handful of instructions and without a branch that
// nobody foresees.
typedef uint32_t marks __attribute__((vector_size(16)));
static_assert(HABIT_KNOWN == 3 * sizeof(marks) / sizeof(uint32_t), "looked at in three steps");

static marks marks_at(const uint32_t *known) {
    marks four;
    memcpy(&four, known, sizeof(four));
    return four;
}

static bool is_among(const uint32_t *known, uint32_t mark, uint32_t other) {
    uint64_t any[2];
    marks same = (marks)((marks_at(known) == mark) | (marks_at(known + 4) == mark) |
                         (marks_at(known + 8) == mark) | (marks_at(known) == other) |
                         (marks_at(known + 4) == other) | (marks_at(known + 8) == other));
    memcpy(any, &same, sizeof(any));
    return (any[0] | any[1]) != 0;
}

// As the latest counterparty, before all others.
static void know(uint32_t *known, uint32_t mark) {
    uint32_t place = 0;
    while (place < HABIT_KNOWN - 1 && known[place] != mark)
        place++;
    memmove(known + 1, known, place * sizeof(known[0]));
    known[0] = mark;
}

static __attribute__((noinline)) void fresh_become_known(struct habits *habits) {
    static_assert(HABIT_FRESH == 2, "the latest, and the one before");
    uint32_t *known = habits->known, *fresh = habits->fresh;
    if (is_among(known, fresh[0], fresh[1])) {
        know(known, fresh[1]);
        know(known, fresh[0]);
    } else {
        marks first = marks_at(known), second = marks_at(known + 4), last = marks_at(known + 6);
        memcpy(known + 2, &first, sizeof(first));
        memcpy(known + 6, &second, sizeof(second));
        memcpy(known + 8, &last, sizeof(last));
        memcpy(known, fresh, sizeof(habits->fresh));
    }
    memset(fresh, 0, sizeof(habits->fresh));
}

static inline void get_to_know(struct habits *habits, uint32_t mark) {
    uint32_t *fresh = habits->fresh;
    if (fresh[0] == mark)
        return;
    if (fresh[1] != mark && fresh[1] != 0)
        fresh_become_known(habits);
    fresh[1] = fresh[0];
    fresh[0] = mark;
}

// Who is known, the latest first: those that are fresh, then the others. Returns where the mark
// stands among them, or how many they are.
static uint32_t place_of(const struct habits *habits, uint32_t mark) {
    uint32_t place = 0;
    for (uint32_t i = 0; i < HABIT_FRESH && habits->fresh[i] != 0; i++, place++)
        if (habits->fresh[i] == mark)
            return place;
    for (uint32_t i = 0; i < HABIT_KNOWN && habits->known[i] != 0 && place < HABIT_KNOWN; i++) {
        if (habits->known[i] == mark)
            return place;
        bool is_fresh = false;
        for (uint32_t k = 0; k < HABIT_FRESH; k++)
            is_fresh = is_fresh || habits->fresh[k] == habits->known[i];
        place += !is_fresh;
    }
    return place;
}

uint32_t habits_known_count(const struct habits *habits) {
    return place_of(habits, 0); // no mark is 0
}

bool habits_knows(const struct habits *habits, struct id counterparty) {
    return place_of(habits, mark_of(counterparty)) < habits_known_count(habits);
}

// 2^63 / weight, rounded up: a product with it is a division without one, exact below 2^59.
#define INVERSE(weight) (((UINT64_C(1) << 63) + (weight)-1) / (weight))
static const uint64_t inverses[HABIT_WEIGHT + 1] = {
    0,           INVERSE(1),  INVERSE(2),  INVERSE(3),  INVERSE(4),  INVERSE(5),
    INVERSE(6),  INVERSE(7),  INVERSE(8),  INVERSE(9),  INVERSE(10), INVERSE(11),
    INVERSE(12), INVERSE(13), INVERSE(14), INVERSE(15), INVERSE(16)};
static_assert(LIMIT_AMOUNT_MAX < (INT64_C(1) << 58) / HABIT_UNITS, "differences are below 2^59");

// Towards zero.
static inline int64_t share_of(int64_t number, uint32_t weight) {
    uint64_t whole = number < 0 ? -(uint64_t)number : (uint64_t)number;
    uint64_t share = (uint64_t)(((unsigned __int128)whole * inverses[weight]) >> 63);
    return number < 0 ? -(int64_t)share : (int64_t)share;
}

// The mean follows. Most have paid often, and then the weight is a constant.
static inline void mean_move(struct habits *habits, int64_t value) {
    int64_t mean = habits->mean, deviation = habits->deviation;
    int64_t distance = value > mean ? value - mean : mean - value;
    uint32_t payments = habits->payments;
    if (payments > HABIT_WEIGHT) {
        habits->deviation = deviation + (distance - deviation) / (HABIT_WEIGHT - 1);
        habits->mean = mean + (value - mean) / HABIT_WEIGHT;
        return;
    }
    if (payments > 1) // the first is the mean, and no distance from it
        habits->deviation = deviation + share_of(distance - deviation, payments - 1);
    habits->mean = mean + share_of(value - mean, payments);
}

// `mark` is of the counterparty; 0: the world outside.
static inline void pay(struct habits *habits, uint64_t now_ms, int64_t amount, uint32_t mark) {
    CHECK(amount >= 1 && amount <= LIMIT_AMOUNT_MAX);
    come_to(habits, now_ms);
    habits->payments += habits->payments < UINT32_MAX;
    mean_move(habits, amount * HABIT_UNITS);
    int64_t sum = habits->open_sum + amount;
    habits->open_sum = sum < LIMIT_AMOUNT_MAX ? sum : LIMIT_AMOUNT_MAX;
    habits->open_count += habits->open_count < UINT16_MAX;
    if (mark != 0)
        get_to_know(habits, mark);
}

// What makes its payer's habits, by the command behind the record: kinds, as bits. What settles or
// captures was counted when it was asked for.
#define MADE_AT_ONCE (1u << RECORD_TRANSACTION)
static const uint32_t concerned[COMMAND_TYPE_COUNT] = {
    [COMMAND_DEPOSIT] = MADE_AT_ONCE,
    [COMMAND_PURCHASE] = MADE_AT_ONCE,
    [COMMAND_REFUND] = MADE_AT_ONCE,
    [COMMAND_TRANSFER] = MADE_AT_ONCE,
    [COMMAND_WITHDRAWAL] = MADE_AT_ONCE | 1u << RECORD_WITHDRAWAL,
    [COMMAND_HOLD] = 1u << RECORD_HOLD,
};

bool habits_concern_payer(const struct record *record) {
    CHECK(record->operation < COMMAND_TYPE_COUNT && record->kind < 32);
    return (concerned[record->operation] >> record->kind & 1) != 0;
}

bool habits_concern_payee(const struct record *record) {
    return record->kind == RECORD_TRANSACTION &&
           record->transaction.type == TRANSACTION_PURCHASE;
}

static void payer_sees(const struct record *record, struct habits *habits) {
    const struct transaction_facts *facts = &record->transaction;
    uint64_t now_ms = record->time_ms;
    int64_t amount = facts->amount;
    uint32_t mark = 0;
    if (record->operation == COMMAND_DEPOSIT) {
        come_to(habits, now_ms);
        habits->deposit_ms = now_ms;
        return;
    }
    if (record->operation == COMMAND_HOLD) {
        amount = record->hold.amount;
        mark = mark_of(record->hold.merchant);
    } else if (record->operation == COMMAND_WITHDRAWAL) {
        if (record->kind == RECORD_WITHDRAWAL) // else it was settled at once
            amount = record->withdrawal.amount;
        habits->withdrawals = count_up(habits->withdrawals, 1);
    } else {
        mark = mark_of(facts->credit.wallet);
    }
    pay(habits, now_ms, amount, mark);
    if (record->operation == COMMAND_REFUND)
        share_add(habits, now_ms, 0, facts->amount);
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

static void set_version(struct habits *habits, uint64_t version) {
    CHECK(version < UINT64_C(1) << 48);
    habits->version = version;
}

static __attribute__((noinline)) void see_other(const struct record *record,
                                                struct habits *payer) {
    uint64_t version = version_of(record);
    if (version <= payer->version)
        return;
    payer_sees(record, payer);
    set_version(payer, version);
}

// Most records are of these two.
static inline bool is_payment(const struct record *record) {
    return record->kind == RECORD_TRANSACTION && (record->operation == COMMAND_TRANSFER ||
                                                  record->operation == COMMAND_PURCHASE);
}

void habits_see(const struct record *record, struct habits *payer, struct habits *payee) {
    const struct transaction_facts *facts = &record->transaction;
    if (payer != NULL && is_payment(record)) {
        if (facts->debit.version > payer->version) {
            pay(payer, record->time_ms, facts->amount, mark_of(facts->credit.wallet));
            set_version(payer, facts->debit.version);
        }
    } else if (payer != NULL && habits_concern_payer(record)) {
        see_other(record, payer);
    }
    if (payee != NULL && habits_concern_payee(record) &&
        facts->credit.version > payee->version) {
        share_add(payee, record->time_ms, facts->amount, 0);
        set_version(payee, facts->credit.version);
    }
}

bool habits_are_valid(const struct habits *habits) {
    for (int i = 0; i < HABIT_BUCKETS; i++)
        if (habits->sums[i] < 0 || habits->sums[i] > LIMIT_AMOUNT_MAX)
            return false;
    return habits->mean >= 0 && habits->mean <= LIMIT_AMOUNT_MAX * HABIT_UNITS &&
           habits->deviation >= 0 && habits->deviation <= LIMIT_AMOUNT_MAX * HABIT_UNITS &&
           habits->sold >= 0 && habits->sold <= LIMIT_AMOUNT_MAX && habits->refunded >= 0 &&
           habits->refunded <= LIMIT_AMOUNT_MAX && habits->open_sum >= 0 &&
           habits->open_sum <= LIMIT_AMOUNT_MAX;
}
