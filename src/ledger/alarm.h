// SPDX-License-Identifier: MIT
// What follows from the alarms in the books. An alarm that stops payments stops them until somebody
// decides, whatever restarts meanwhile and on every node, because the state follows from records
// alone. The decision holds for the differences that were known by then: who finds one of them
// again, or found it before he heard of the decision, tells so, and payments go on. When the books
// are right again, decisions are forgotten.
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/record.h"

#define ALARM_DIFFERENCES 7

// Kept as bytes by both engines.
struct alarm_state {
    uint64_t stopped; // 1: payments are, until ALARM_RESUMED
    // What stopped them, the latest first; 0: free. Once payments go on these are decided.
    uint64_t differences[ALARM_DIFFERENCES];
};
static_assert(sizeof(struct alarm_state) == 64, "no padding");

// Which difference a sentence is about: whatever it says of the same wallet is the same, because
// payments go on and move what is off by a cent to other places; of what names no wallet every word
// up to a semicolon counts: advice stands behind it. Never 0.
uint64_t alarm_difference(struct slice message);
// It has stopped payments since the books were right the last time, whatever was decided.
bool alarm_is_known(const struct alarm_state *state, uint64_t difference);
bool alarm_is_decided(const struct alarm_state *state, uint64_t difference);
// Taking a record again that was taken before, with all that follow it, changes nothing.
void alarm_take(struct alarm_state *state, const struct alarm_facts *facts);
