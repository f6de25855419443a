// SPDX-License-Identifier: MIT
// What an operator sees of the queue and decides there: partitions with where they stand, what
// waits for a person and why, and dead letters. The API asks here; the command line, which opens
// the books itself, shares `console_state`, decision.h and letter.h.
#pragma once
#include "base/arena.h"
#include "queue/decision.h"
#include "queue/worker.h"

#define CONSOLE_TOPICS_MAX  (1 + CURSOR_OWN_TOPICS_MAX)
#define CONSOLE_LETTERS_MAX 1000

struct console_topic {
    const char *name, *principal; // principal: of a producer's own; NULL: the common one
    uint32_t partitions;
    enum cursor_kind places;
    struct worker *worker; // this process's; NULL: it has none
};

// Everything is borrowed.
struct console {
    struct engine *engine;
    const struct kafka_access *access;
    const char *dead_letters;
    const struct wire_currencies *currencies;
    struct console_topic topics[CONSOLE_TOPICS_MAX];
    uint32_t topic_count;
};

// Thread: any that may wait for brokers and the books, for all that follows. Texts are in the
// arena, or the console's. `ret_why` is a sentence when something is refused; STATUS_busy: no
// broker answers.
struct console_partition {
    const struct console_topic *topic;
    uint32_t partition;
    struct decision_place place;
    const struct worker_stop *stops; // of this process's worker
    uint32_t stop_count;
};
MUST_CHECK enum status console_partitions(const struct console *console, struct arena *arena,
                                          struct console_partition **ret_partitions,
                                          uint32_t *ret_count, char *ret_why, size_t why_bytes);
// In a word: "fits" or how not.
const char *console_state(const struct decision_place *place);

// Kafka's own name of a partition, such as "florin.commands-3". NULL: the console has none of that
// name.
const struct console_topic *console_find(const struct console *console, struct slice name,
                                         uint32_t *ret_partition);
// Who decides, with the reason as his request's id, and under which key. *ret_replayed: he had
// decided the same under it.
struct console_asker {
    struct origin who;
    struct decision_key key;
};
// `to`: "beginning", "end" or an offset. STATUS_invalid_request: not a place of its log.
MUST_CHECK enum status console_reset(const struct console *console,
                                     const struct console_topic *topic, uint32_t partition,
                                     struct slice to, const struct console_asker *asker,
                                     uint64_t *ret_next, bool *ret_replayed, char *ret_why,
                                     size_t why_bytes);
MUST_CHECK enum status console_skip(const struct console *console,
                                    const struct console_topic *topic, uint32_t partition,
                                    int64_t offset, const struct console_asker *asker,
                                    bool *ret_replayed, char *ret_why, size_t why_bytes);

struct console_letter {
    int32_t partition; // its own place among letters
    int64_t offset;
    uint64_t time_ms;
    struct slice reason, topic, from_partition, from_offset, principal, key, value;
    int64_t repeats; // an earlier letter of the same record, which is in the same partition: its
                     // offset; -1: none
};
// The newest CONSOLE_LETTERS_MAX of them, newest first.
MUST_CHECK enum status console_letters(const struct console *console, struct arena *arena,
                                       struct console_letter **ret_letters, uint32_t *ret_count,
                                       char *ret_why, size_t why_bytes);
// Sends one back to the topic it came from, as it came; what he had sent back under the same key is
// not sent again. STATUS_not_found: there is none.
struct console_sent {
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool is_replayed;
};
MUST_CHECK enum status console_retry(const struct console *console, int32_t partition,
                                     int64_t offset, const struct console_asker *asker,
                                     struct console_sent *ret_sent, char *ret_why,
                                     size_t why_bytes);
