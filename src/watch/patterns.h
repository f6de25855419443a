// SPDX-License-Identifier: MIT
// Patterns over several wallets, which no single payment shows: they are looked for behind the
// feed, in what was committed, and only flag. Pure: what comes in is records in their order and
// what goes out is findings; time is the records', so a feed that is read again comes to the same.
//
//   structuring   one wallet is paid, or pays out, several amounts just below a threshold
//   circle        money goes from wallet to wallet and comes back, most of it, within a day
//   fan-in        many wallets send to one, and nearly all of it leaves at once
//   fan-out       one wallet is paid much and spreads it over many wallets at once
//   shared-bank   many wallets pay out to one bank account: what stands in front of the first ':'
//                 of the bank ids of withdrawals
//   burst         many wallets that are young pay the same one within minutes
//
// Memory is fixed: what was not seen lately makes room for what is, so a pattern may be missed in a
// flood, and none is made up. Thread: one at a time per patterns.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "ledger/record.h"

#define PATTERN_TRANSACTIONS_MAX 24 // told with a finding, the last ones
#define PATTERN_SENTENCE_BYTES   300

enum pattern {
    PATTERN_STRUCTURING,
    PATTERN_CIRCLE,
    PATTERN_FAN_IN,
    PATTERN_FAN_OUT,
    PATTERN_SHARED_BANK,
    PATTERN_BURST,
    PATTERN_COUNT
};
const char *pattern_name(enum pattern pattern);

struct pattern_setting {
    bool off;
    uint32_t count;    // how many payments or wallets make it one
    uint32_t window_s; // within so long; at most PATTERN_WINDOW_S_MAX
    uint32_t percent;  // structuring: from so much of the threshold on; circle: comes back;
                       // fan-in, fan-out: leaves
    int64_t amount;    // structuring: the threshold, in minor units; circle: at least
    uint8_t score;     // 1 to 100
};
#define PATTERN_WINDOW_S_MAX 86400

// What nothing else is said about.
void patterns_set_defaults(struct pattern_setting ret_settings[PATTERN_COUNT]);

struct pattern_finding {
    enum pattern pattern;
    struct id wallet; // whom it is about
    uint8_t score;
    int64_t amount; // minor units: what it is about
    char sentence[PATTERN_SENTENCE_BYTES];
    struct id transactions[PATTERN_TRANSACTIONS_MAX]; // oldest first; the last one completed it
    uint32_t transaction_count;
};

struct patterns;
struct patterns *patterns_open(const struct pattern_setting settings[PATTERN_COUNT],
                               void (*found)(void *context, const struct pattern_finding *finding),
                               void *context);
// From here on it looks for these, with what it remembers.
void patterns_set(struct patterns *patterns, const struct pattern_setting settings[PATTERN_COUNT]);
void patterns_close(struct patterns *patterns); // accepts NULL
// The next record of the feed. `found` is called inside it.
void patterns_take(struct patterns *patterns, const struct record *record);
