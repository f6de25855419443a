// SPDX-License-Identifier: MIT
// What a person decides when the queue cannot go on by itself: to put the places of a partition
// anew, or to send one record off. Workers that wait see within seconds that a place was moved, and
// go on from there.
#pragma once
#include "engine/engine.h"
#include "engine/wait.h"
#include "queue/kafka.h"
#include "queue/topics.h"
#include "wire/decode.h"

#define DECISION_REASON_BYTES_MAX 64

struct decision;

struct decision_options {
    struct engine *engine;
    const struct kafka_access *access; // borrowed, as is everything here; outlives the decision
    const char *commands, *dead_letters; // topics
    uint32_t partitions;
    enum cursor_kind places; // of that topic
    const char *principal;   // whose topic it is; NULL: records say and prove it
    const struct wire_currencies *currencies;
    struct origin who; // kept in the books; its request_id is the reason
    struct decision_key key; // each slot remembers under it what was decided about it
};

// A partition: what the books say, and what the log has.
struct decision_place {
    uint64_t first, last; // the smallest and the greatest place of its slots
    bool is_foreign;      // its places are of another cluster, topic or number of partitions
    bool has_log;         // the broker told what follows
    int64_t low, high;
};

// Asks for the cluster. STATUS_busy: no broker answers.
MUST_CHECK enum status decision_open(const struct decision_options *options, char *ret_why,
                                     size_t why_bytes, struct decision **ret_decision);
void decision_close(struct decision *decision); // accepts NULL
MUST_CHECK enum status decision_look(struct decision *decision, uint32_t partition,
                                     struct decision_place *ret_place);
// Whether that partition was decided about under the key, and where its slots were to stand then.
// STATUS_fenced: it was not.
MUST_CHECK enum status decision_made(struct decision *decision, uint32_t partition,
                                     uint64_t *ret_next);
// All slots of the partition stand at `next` from now on, in this cluster and topic; but what was
// decided about one under the key is not decided again.
MUST_CHECK enum status decision_reset(struct decision *decision, uint32_t partition,
                                      uint64_t next);
// Sends one record off: a dead letter that the broker has acknowledged, then its operation ends as
// refused, then its slot stands behind it; *ret_replayed: it was, under the same key. Refused with
// a sentence: STATUS_not_found when it is not there, STATUS_out_of_place when its slot has passed
// it, or another of its slot comes first.
MUST_CHECK enum status decision_skip(struct decision *decision, uint32_t partition,
                                     int64_t offset, bool *ret_replayed, char *ret_why,
                                     size_t why_bytes);
