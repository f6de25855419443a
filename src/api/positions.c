// SPDX-License-Identifier: MIT
// Where the books stood after each key's last write through this node, so that a key sees its own
// writes whichever server answers. Bounded: what a newcomer displaces is kept as the position of
// everybody who is not in the table, so forgetting makes reads stricter and never staler.
#include "api/positions.h"

#include <pthread.h>

#include "base/memory.h"

#define SETS 512
#define WAYS 8

struct entry_of_key {
    struct id key; // zero: free
    struct standing standing;
};

struct set {
    pthread_mutex_t lock;
    struct entry_of_key entries[WAYS];
    uint32_t turn;          // who goes next
    struct standing forgotten; // the latest of what was displaced
};

struct positions {
    struct set sets[SETS];
};

struct positions *positions_open(void) {
    struct positions *positions = memory_take_zeroed(sizeof(*positions));
    for (int i = 0; i < SETS; i++)
        CHECK(pthread_mutex_init(&positions->sets[i].lock, NULL) == 0);
    return positions;
}

void positions_close(struct positions *positions) {
    if (positions == NULL)
        return;
    for (int i = 0; i < SETS; i++)
        (void)pthread_mutex_destroy(&positions->sets[i].lock);
    memory_free(positions);
}

static struct set *set_of(struct positions *positions, struct id key) {
    return &positions->sets[hash64(slice_of(key.bytes, sizeof(key.bytes)), 0) % SETS];
}

// Of this node's own shards, so there is room for all.
static void raise_all(struct standing *standing, const struct standing *to) {
    for (uint32_t i = 0; i < to->count; i++) {
        struct standing_place place = to->places[i];
        place.slots = 0; // where slots were by then is known here whenever something is read
        CHECK(standing_raise(standing, &place));
    }
}

void positions_note(struct positions *positions, struct id key, const struct standing *standing) {
    struct set *set = set_of(positions, key);
    CHECK(!id_is_zero(key) && standing->count != 0);
    pthread_mutex_lock(&set->lock);
    struct entry_of_key *place = NULL;
    for (int i = 0; i < WAYS && place == NULL; i++)
        if (id_equal(set->entries[i].key, key))
            place = &set->entries[i];
    for (int i = 0; i < WAYS && place == NULL; i++)
        if (id_is_zero(set->entries[i].key))
            place = &set->entries[i];
    if (place == NULL) {
        place = &set->entries[set->turn++ % WAYS];
        raise_all(&set->forgotten, &place->standing);
    }
    if (!id_equal(place->key, key)) {
        place->key = key;
        place->standing.count = 0;
    }
    raise_all(&place->standing, standing);
    pthread_mutex_unlock(&set->lock);
}

bool positions_get(struct positions *positions, struct id key, struct standing *standing) {
    struct set *set = set_of(positions, key);
    bool fits = true;
    pthread_mutex_lock(&set->lock);
    const struct standing *own = &set->forgotten;
    for (int i = 0; i < WAYS; i++)
        if (id_equal(set->entries[i].key, key))
            own = &set->entries[i].standing;
    for (uint32_t i = 0; i < own->count; i++)
        fits = standing_raise(standing, &own->places[i]) && fits;
    pthread_mutex_unlock(&set->lock);
    return fits;
}
