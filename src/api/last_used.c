// SPDX-License-Identifier: MIT
// When each API key was last seen, for GET /v1/keys. It is kept in memory alone: writing a record
// for every request that only reads would cost more than it tells. A fixed table with open places;
// a key claims one the first time it is seen and keeps it, and keys beyond the table's size are
// simply not noted.
#include "api/parts.h"

#include "base/memory.h"

#define PLACES     4096
#define PROBES_MAX 32

struct place {
    _Atomic uint64_t fingerprint; // of the key's id; 0: free
    _Atomic uint64_t seen_ms;
};

struct last_used {
    struct place places[PLACES];
};

struct last_used *last_used_open(void) {
    return memory_take_zeroed(sizeof(struct last_used));
}

void last_used_close(struct last_used *last_used) {
    memory_free(last_used);
}

static uint64_t fingerprint_of(struct id key) {
    uint64_t fingerprint = hash64(slice_of(key.bytes, sizeof(key.bytes)), 0);
    return fingerprint != 0 ? fingerprint : 1;
}

static struct place *find_place(struct last_used *last_used, uint64_t fingerprint, bool claim) {
    for (uint64_t probe = 0; probe < PROBES_MAX; probe++) {
        struct place *place = &last_used->places[(fingerprint + probe) % PLACES];
        uint64_t there = atomic_load_explicit(&place->fingerprint, memory_order_relaxed);
        if (there == 0 && claim &&
            atomic_compare_exchange_strong_explicit(&place->fingerprint, &there, fingerprint,
                                                    memory_order_relaxed, memory_order_relaxed))
            return place;
        if (there == fingerprint)
            return place;
        if (there == 0)
            return NULL;
    }
    return NULL;
}

void last_used_note(struct last_used *last_used, struct id key, uint64_t now_ms) {
    struct place *place = find_place(last_used, fingerprint_of(key), true);
    // Writing the same millisecond again would only move the cache line between threads.
    if (place != NULL && atomic_load_explicit(&place->seen_ms, memory_order_relaxed) < now_ms)
        atomic_store_explicit(&place->seen_ms, now_ms, memory_order_relaxed);
}

uint64_t last_used_get(struct last_used *last_used, struct id key) {
    struct place *place = find_place(last_used, fingerprint_of(key), false);
    return place == NULL ? 0 : atomic_load_explicit(&place->seen_ms, memory_order_relaxed);
}
