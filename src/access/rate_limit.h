// SPDX-License-Identifier: MIT
// How often somebody may ask. Each limit is a rule with a table of token buckets: one bucket per
// API key, per role, or per address of those who show no valid key. A bucket holds `burst` tokens
// and gains `requests` of them every `seconds`.
//
// A bucket is one number, the time at which it will be full again (GCRA). Taking a token moves that
// time by the interval between two tokens, and a token is there as long as the time lies less than
// a whole bucket ahead. So nothing needs to be refilled, and the arithmetic is exact but for the
// interval, which is rounded up to whole nanoseconds: never more than the rule says.
//
// Tables have a fixed size. When a place is needed and all places of its set hold buckets that are
// not full, the newcomer takes the place of the fullest bucket *with what it has used*. Whoever was
// pushed out finds at least his own use when he comes back, because the least use of a set never
// shrinks by that. So flooding the table with a million addresses can make it stricter with
// strangers, but it gives nobody a fresh bucket.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

#define RATE_LIMITS_MAX         16
#define RATE_LIMIT_REQUESTS_MAX 1000000
#define RATE_LIMIT_SECONDS_MAX  3600
#define RATE_LIMIT_BURST_MAX    1000000
#define RATE_LIMIT_DEBT_MAX     10000 // tokens; a batch's operations
#define RATE_LIMIT_NAME_BYTES   64

enum rate_scope { RATE_PER_KEY, RATE_PER_ROLE, RATE_PER_ADDRESS };
// Bits: a request is a read or a write, and may be of further classes; a rule is for one class, or
// for any request.
enum rate_class {
    RATE_READ = 1,
    RATE_WRITE = 2,
    RATE_ANY = 3,
    RATE_MONEY = 4,
    RATE_WALLETS = 8,
    RATE_LISTS = 16,
    RATE_KEYS = 32,
    RATE_AUDIT = 64,
    RATE_BOOKS = 128,
};

struct rate_limit_rule {
    uint8_t scope;   // enum rate_scope
    uint8_t classes; // enum rate_class
    uint8_t role;    // only for this role; 0: for every role
    uint32_t requests;
    uint32_t seconds;
    uint32_t burst;
    const char *role_name; // of a role of the configuration; NULL: it is the house's, or none
};

// Who asks: the holder of a valid key, or a stranger at an address.
struct rate_asker {
    bool is_stranger;
    uint8_t class; // all bits of enum rate_class that fit the request
    uint8_t role;
    struct id key;
    uint8_t address[16]; // of a stranger; IPv6 counts by its first 64 bits, which is one customer
};

// What one rule said. Spans are in nanoseconds.
struct rate_state {
    uint64_t left;    // tokens
    uint64_t full_ns; // until the bucket is full again
};

struct rate_verdict {
    uint32_t asked; // bits 1 << rule: those that were for him
    bool refused;
    uint32_t refused_by;
    uint64_t retry_ns; // until the rule that refused has a token
    struct rate_state states[RATE_LIMITS_MAX];
};

struct rate_limiter;
struct rate_share; // rate_share.h

// Whether the rule makes sense: all of its numbers within the bounds above.
bool rate_limit_is_valid(const struct rate_limit_rule *rule);
// Whether two rules would have the same name, and so be for the same requests.
bool rate_limit_same(const struct rate_limit_rule *a, const struct rate_limit_rule *b);

// Copies the rules, at most RATE_LIMITS_MAX valid ones. `seed` should be random, so that nobody can
// choose whom he meets in a set. Memory per rule: 1 MiB per address, 256 KiB per key, fixed.
// Thread: any, for these two alone.
struct rate_limiter *rate_limiter_open(const struct rate_limit_rule *rules, uint32_t rule_count,
                                       uint64_t seed);
void rate_limiter_close(struct rate_limiter *limiter); // accepts NULL

// Thread: any, several at a time; short locks, 64 per table.
// Takes a token from every bucket that is the asker's, or none when one of them is empty: refused
// requests cost nothing. `now_ns` is monotonic time; it may differ a little between threads.
void rate_limiter_admit(struct rate_limiter *limiter, const struct rate_asker *asker,
                        uint64_t now_ns, struct rate_verdict *ret_verdict);
// Takes more tokens from the buckets that admitted him, also those that are not there yet: he waits
// until they are paid. At most RATE_LIMIT_DEBT_MAX. Updates what the verdict says is left.
void rate_limiter_pay(struct rate_limiter *limiter, const struct rate_asker *asker, uint64_t now_ns,
                      uint32_t tokens, struct rate_verdict *verdict);

uint32_t rate_limiter_rule_count(const struct rate_limiter *limiter);
const struct rate_limit_rule *rate_limiter_rule(const struct rate_limiter *limiter, uint32_t index);
// The word for it in configurations and names; NULL: there is no such class.
const char *rate_class_name(uint8_t class);
// "key", "key-service-write", "role-auditor", "address"; static as long as the limiter lives.
const char *rate_limiter_rule_name(const struct rate_limiter *limiter, uint32_t index);
// How long an empty bucket takes to become full, in whole seconds, rounded up.
uint64_t rate_limiter_window_s(const struct rate_limiter *limiter, uint32_t index);

// For rate_share.h. `share` is told what is taken; NULL: nobody is. Before the first request, or
// after the last.
void rate_limiter_share(struct rate_limiter *limiter, struct rate_share *share);
void rate_limiter_set_seed(struct rate_limiter *limiter, uint64_t seed);
struct rate_span {
    uint64_t interval_ns, horizon_ns;
};
struct rate_span rate_limiter_span(const struct rate_limiter *limiter, uint32_t index);
// A bucket is at least so far from full, as other nodes have it.
void rate_limiter_fill_at_least(struct rate_limiter *limiter, uint32_t index, uint64_t who,
                                uint64_t now_ns, uint64_t used_ns);
