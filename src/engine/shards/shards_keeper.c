// SPDX-License-Identifier: MIT
// A thread that keeps the shards alike: keys and rules that were made on one are on all others
// before whoever made them is answered, and within a second when another node made them. It also
// reads the map of slots again when somebody was turned away.
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/shards/shards_books.h"

#define TICK_NS        UINT64_C(250000000)
#define CARRY_NS_MAX   UINT64_C(5000000000) // then who made a key is answered all the same
#define AGAIN_NS_MAX   UINT64_C(8000000000) // then who was turned away hears that it is busy
#define MAP_TRIES      4
#define AGAIN_PAUSE_NS UINT64_C(20000000)

enum status shards_read_map(struct shards *shards) {
    uint8_t owners[LIMIT_SLOTS];
    int64_t versions[SHARDS_MAX], before[SHARDS_MAX];
    enum status status;
    int tries = MAP_TRIES;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        owners[slot] = __atomic_load_n(&shards->owners[slot], __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < shards->count; i++)
        versions[i] = shards->versions[i];
    // Shards are asked one after the other, and a slot may move meanwhile: what they say together
    // is of one moment when it is what they said before.
    do {
        memcpy(before, versions, sizeof(before));
        status = shard_carrier_map(shards->carrier, owners, versions);
    } while (memcmp(before, versions, shards->count * sizeof(*versions)) != 0 && --tries != 0);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        __atomic_store_n(&shards->owners[slot], owners[slot], __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < shards->count; i++) // whoever sees them sees the owners, too
        __atomic_store_n(&shards->versions[i], versions[i], __ATOMIC_RELEASE);
    return status;
}

static bool carry(struct shards *shards) {
    return shard_carrier_carry(shards->carrier, shards_owner(shards, 0)) == STATUS_ok;
}

static bool is_young(const struct flight *flight) {
    return clock_monotonic_ns() - flight->begun_ns < AGAIN_NS_MAX;
}

// False: it has to wait for the next turn.
static bool look_after(struct shards *shards, struct flight *flight, bool is_alike) {
    uint64_t age_ns = clock_monotonic_ns() - flight->begun_ns;
    bool stopping = shards_are_stopping(shards);
    if (flight->is_stale && is_young(flight) && !stopping) {
        flight_again(flight);
        return true;
    }
    if (flight->is_carried && !is_alike && !stopping) {
        if (age_ns < CARRY_NS_MAX)
            return false;
        log_line(LOG_WARNING, "shards",
                 "A key or a set of rules could not be copied to every shard yet; shards that "
                 "were away get it when they are back.");
    }
    flight_finish(flight);
    return true;
}

static struct inbox_node *look_at(struct shards *shards, struct inbox_node *first,
                                  bool is_alike) {
    struct inbox_node *later = NULL, **end = &later;
    while (first != NULL) {
        struct inbox_node *node = first;
        first = first->next;
        if (look_after(shards, (struct flight *)node, is_alike))
            continue;
        *end = node;
        node->next = NULL;
        end = &node->next;
    }
    return later;
}

// Those that but lack what other shards have go on at once, without a new map.
static struct inbox_node *send_lacking(const struct shards *shards, struct inbox_node *first) {
    struct inbox_node *others = NULL, **end = &others;
    while (first != NULL) {
        struct flight *flight = (struct flight *)first;
        first = first->next;
        if (flight->is_stale && flight->is_lacking && is_young(flight) &&
            !shards_are_stopping(shards)) {
            flight_again(flight);
            continue;
        }
        *end = &flight->node;
        flight->node.next = NULL;
        end = &flight->node.next;
    }
    return others;
}

static bool any_is_stale(const struct inbox_node *node) {
    for (; node != NULL; node = node->next)
        if (((const struct flight *)node)->is_stale)
            return true;
    return false;
}

static struct inbox_node *joined(struct inbox_node *first, struct inbox_node *second) {
    if (first == NULL)
        return second;
    struct inbox_node *last = first;
    while (last->next != NULL)
        last = last->next;
    last->next = second;
    return first;
}

void *shards_keeper(void *context) {
    struct shards *shards = context;
    struct inbox_node *waiting = NULL;
    while (!shards_are_stopping(shards)) {
        struct inbox_node *came =
            inbox_take_all(&shards->inbox, waiting != NULL ? AGAIN_PAUSE_NS : TICK_NS);
        waiting = joined(waiting, send_lacking(shards, came));
        if (any_is_stale(waiting)) {
            (void)signal_gate_wait(&shards->stop, 1, AGAIN_PAUSE_NS);
            if (shards_read_map(shards) != STATUS_ok)
                log_line(LOG_DEBUG, "shards", "A shard is away and keeps the slots it had.");
        }
        bool is_alike = carry(shards);
        if (shard_carrier_map_is_old(shards->carrier) && shards_read_map(shards) != STATUS_ok)
            log_line(LOG_DEBUG, "shards", "A slot has moved, and not all shards can be asked.");
        waiting = look_at(shards, waiting, is_alike);
    }
    waiting = look_at(shards, waiting, false);
    CHECK(waiting == NULL);
    return NULL;
}
