// SPDX-License-Identifier: MIT
// What is under way between shards: payments, which are findings when they are old, and slots.
#include "api/in_flight.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

#define OLD_MS        10000
#define SLOTS_WAIT_NS UINT64_C(5000000000) // nodes finish what a mover has left behind before

bool in_flight_look(struct engine *engine, struct in_flight *ret_found) {
    memset(ret_found, 0, sizeof(*ret_found));
    if (engine->port->in_flight == NULL)
        return false;
    ret_found->currencies =
        memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*ret_found->currencies));
    if (engine->port->in_flight(engine, ret_found) == STATUS_ok)
        return true;
    ret_found->currency_count = 0;
    ret_found->unknown = 0;
    return false;
}

void in_flight_done(struct in_flight *found) {
    memory_free(found->currencies);
    memset(found, 0, sizeof(*found));
}

void in_flight_differs(const struct in_flight *found, struct integrity_report *report) {
    for (uint32_t i = 0; i < found->currency_count; i++) {
        const struct in_flight_currency *one = &found->currencies[i];
        if (one->difference == 0)
            continue;
        for (uint32_t k = 0; k < report->currency_count; k++)
            if (currency_equal(&report->currencies[k].currency, &one->currency))
                report->currencies[k].difference += one->difference;
        if (report->consistent)
            (void)snprintf(report->message, sizeof(report->message),
                           "what the shards have sent each other of %.12s is %lld more or less "
                           "than what has arrived, and no payment is under way that says so",
                           one->currency.code, (long long)one->difference);
        report->consistent = false;
    }
}

uint64_t in_flight_oldest_ms(const struct in_flight *found, uint64_t none) {
    uint64_t oldest_ms = found->unknown != 0 ? found->unknown_oldest_ms : none;
    for (uint32_t i = 0; i < found->currency_count; i++)
        if (found->currencies[i].count != 0 && found->currencies[i].oldest_ms < oldest_ms)
            oldest_ms = found->currencies[i].oldest_ms;
    return oldest_ms;
}

void in_flight_is_old(const struct in_flight *found, uint64_t now_ms,
                      struct integrity_report *report) {
    uint64_t oldest_ms = in_flight_oldest_ms(found, now_ms);
    if (now_ms < oldest_ms + OLD_MS || !report->consistent)
        return;
    report->consistent = false;
    (void)snprintf(report->message, sizeof(report->message),
                   "A payment between shards has been under way for %llu seconds. No money is "
                   "missing: it is finished by itself once all shards can be asked; "
                   "florin_legs_in_doubt tells how many there are.",
                   (unsigned long long)((now_ms - oldest_ms) / 1000));
}

bool in_flight_has_all_slots(struct engine *engine, uint64_t since_ns,
                             struct engine_whole *ret_whole,
                             char ret_why[INTEGRITY_MESSAGE_BYTES]) {
    uint64_t waited_ns = clock_monotonic_ns() - since_ns;
    *ret_whole = (struct engine_whole){.nobodys = LIMIT_SLOTS};
    ret_why[0] = '\0';
    if (engine->port->whole == NULL)
        return true;
    enum status status = engine->port->whole(
        engine, waited_ns < SLOTS_WAIT_NS ? SLOTS_WAIT_NS - waited_ns : 0, ret_whole);
    if (ret_whole->nobodys != LIMIT_SLOTS)
        (void)snprintf(ret_why, INTEGRITY_MESSAGE_BYTES,
                       "Slot %u is on its way between two shards and on neither of them yet, so "
                       "all sums would be without it. Any node finishes that within seconds of "
                       "reaching both; ask again then.",
                       ret_whole->nobodys);
    return status == STATUS_ok;
}
