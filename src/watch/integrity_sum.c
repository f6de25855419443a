// SPDX-License-Identifier: MIT
// Reports of parts become one.
#include "watch/integrity.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static void add_currency(struct integrity_report *report, const struct integrity_currency *more) {
    for (uint32_t i = 0; i < report->currency_count; i++) {
        struct integrity_currency *own = &report->currencies[i];
        if (strncmp(own->currency.code, more->currency.code, sizeof(own->currency.code)) != 0)
            continue;
        own->wallet_count += more->wallet_count;
        own->wallet_balances += more->wallet_balances;
        own->deposits += more->deposits;
        own->withdrawals += more->withdrawals;
        own->transit += more->transit;
        own->difference += more->difference;
        return;
    }
    report->currencies[report->currency_count++] = *more;
}

static void add_checks(struct integrity_report *report, const struct integrity_report *part) {
    if (report->check_count < part->check_count)
        report->check_count = part->check_count;
    for (uint32_t i = 0; i < part->check_count; i++) {
        report->checks[i].sentence = part->checks[i].sentence;
        if (part->checks[i].name == NULL)
            continue; // nobody looked at it
        report->checks[i].name = part->checks[i].name;
        report->checks[i].count += part->checks[i].count;
        report->checks[i].differences += part->checks[i].differences;
    }
}

static void add_pairs(struct integrity_pairs *pairs, const struct integrity_pairs *more) {
    pairs->count += more->count;
    pairs->sums[0] += more->sums[0];
    pairs->sums[1] += more->sums[1];
}

void integrity_report_add(struct integrity_report *report, const struct integrity_report *part) {
    bool is_first = report->check_count == 0 && report->message[0] == '\0';
    uint32_t most = report->currency_count + part->currency_count;
    report->currencies =
        memory_resize(report->currencies, ((size_t)most + 1) * sizeof(*report->currencies));
    for (uint32_t i = 0; i < part->currency_count; i++)
        add_currency(report, &part->currencies[i]);
    add_checks(report, part);
    add_pairs(&report->departed, &part->departed);
    add_pairs(&report->arrived, &part->arrived);
    report->record_count += part->record_count;
    report->transaction_count += part->transaction_count;
    report->wallet_count += part->wallet_count;
    report->hold_count += part->hold_count;
    report->withdrawal_count += part->withdrawal_count;
    report->took_us += part->took_us;
    if (report->position < part->position)
        report->position = part->position;
    // As of the oldest: all parts are covered up to there.
    if (is_first || part->as_of_ms < report->as_of_ms)
        report->as_of_ms = part->as_of_ms;
    if (is_first || (report->consistent && !part->consistent)) {
        memcpy(report->message, part->message, sizeof(report->message));
        memcpy(report->about, part->about, sizeof(report->about));
    } else if (report->consistent) {
        (void)snprintf(report->message, sizeof(report->message),
                       "The books are right: %llu transactions between %llu wallets add up.",
                       (unsigned long long)report->transaction_count,
                       (unsigned long long)report->wallet_count);
    }
    report->consistent = (is_first || report->consistent) && part->consistent;
}
