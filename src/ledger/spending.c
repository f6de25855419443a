// SPDX-License-Identifier: MIT
// Sums of a day and of a month, carried along. A sum of another day is a sum of nothing.
#include "ledger/spending.h"

#define DAY_MS UINT64_C(86400000)

// Days of the civil calendar, counted in years that begin in March, so that leap days come last.
uint32_t spending_month_of(uint32_t day) {
    uint32_t shifted = day + 719468; // from 0000-03-01
    uint32_t era = shifted / 146097, day_of_era = shifted % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t march_month = (5 * day_of_year + 2) / 153;
    return (era * 400 + year_of_era) * 12 + march_month + 2 - 1970 * 12;
}

static uint32_t day_of(uint64_t time_ms) {
    return (uint32_t)(time_ms / DAY_MS);
}

struct spent spending_now(const struct spent *spent, uint64_t now_ms) {
    struct spent now = {.day = day_of(now_ms)};
    if (spent == NULL || spent->day == 0)
        return now;
    CHECK(spent->day_sum >= 0 && spent->month_sum >= spent->day_sum);
    if (spending_month_of(spent->day) == spending_month_of(now.day))
        now.month_sum = spent->month_sum;
    if (spent->day == now.day)
        now.day_sum = spent->day_sum;
    return now;
}

uint64_t spending_begins_ms(uint32_t day) {
    return day * DAY_MS;
}

uint64_t spending_ends_ms(uint32_t day, enum spending_period period) {
    uint32_t month = spending_month_of(day);
    CHECK(period == SPENDING_DAY || period == SPENDING_MONTH);
    do
        day++;
    while (period == SPENDING_MONTH && spending_month_of(day) == month);
    return spending_begins_ms(day);
}

const struct spending_limit *spending_limit_of(const struct spending_limits *limits,
                                               const struct wallet *wallet,
                                               const struct currency *currency) {
    const struct spending_limit *of_kind = NULL;
    for (uint32_t i = 0; limits != NULL && i < limits->count; i++) {
        const struct spending_limit *limit = &limits->items[i];
        if (limit->kind != wallet->kind || !currency_equal(&limit->currency, currency))
            continue;
        if (limit->has_tier && limit->tier == wallet->tier)
            return limit;
        if (!limit->has_tier)
            of_kind = limit;
    }
    return of_kind;
}

static const struct spending_limit *limit_of(const struct command *command,
                                             const struct docket *docket) {
    switch ((enum command_type)command->type) {
    case COMMAND_WITHDRAWAL:
    case COMMAND_PURCHASE:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD: break;
    default: return NULL;
    }
    if (docket->limits == NULL)
        return NULL;
    return spending_limit_of(docket->limits, docket->wallet, &docket->currency->currency);
}

static bool exceeds(int64_t limit, int64_t sum, int64_t amount) {
    return limit != 0 && (sum >= limit || amount > limit - sum);
}

enum status spending_check(const struct command *command, const struct docket *docket,
                           int64_t amount, struct refusal *ret_refusal) {
    const struct spending_limit *limit = limit_of(command, docket);
    if (limit == NULL)
        return STATUS_ok;
    struct spent spent = spending_now(docket->spent, docket->now_ms);
    const struct {
        int64_t limit, sum;
        enum spending_period period;
    } bounds[] = {{limit->per_transaction, 0, SPENDING_TRANSACTION},
                  {limit->per_day, spent.day_sum, SPENDING_DAY},
                  {limit->per_month, spent.month_sum, SPENDING_MONTH}};
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (!exceeds(bounds[i].limit, bounds[i].sum, amount))
            continue;
        int64_t left = bounds[i].limit - bounds[i].sum;
        *ret_refusal = (struct refusal){.status = STATUS_limit_exceeded,
                                        .id_type = ID_WALLET,
                                        .id = docket->wallet->id,
                                        .currency = docket->currency->currency,
                                        .asked = amount,
                                        .has = left > 0 ? left : 0,
                                        .detail = (uint8_t)bounds[i].period};
        return STATUS_limit_exceeded;
    }
    return STATUS_ok;
}

// A hold or withdrawal gives back what it took, as far as that was today or this month.
static void give_back(struct spent *spent, uint64_t taken_ms, int64_t freed) {
    uint32_t taken = day_of(taken_ms);
    if (spending_month_of(taken) != spending_month_of(spent->day))
        return;
    spent->month_sum -= freed < spent->month_sum ? freed : spent->month_sum;
    if (taken == spent->day)
        spent->day_sum -= freed < spent->day_sum ? freed : spent->day_sum;
    // What was counted on another day of the month may be all that is left.
    if (spent->month_sum < spent->day_sum)
        spent->month_sum = spent->day_sum;
}

void spending_facts_of(const struct command *command, const struct docket *docket, int64_t amount,
                       int64_t freed, struct record *record) {
    record->spent = (struct spent){0};
    bool counts = limit_of(command, docket) != NULL;
    bool frees = freed > 0 && docket->spent != NULL && docket->spent->day != 0;
    if (!counts && !frees)
        return;
    struct spent spent = spending_now(docket->spent, docket->now_ms);
    if (counts && spent.month_sum <= LIMIT_AMOUNT_MAX - amount) {
        spent.day_sum += amount;
        spent.month_sum += amount;
    }
    if (frees)
        give_back(&spent,
                  id_time_ms(docket->hold != NULL ? docket->hold->id : docket->withdrawal->id),
                  freed);
    spent.version = docket->wallet->version + 1;
    record->spent = spent;
}
