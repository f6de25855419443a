// SPDX-License-Identifier: MIT
// Where the books stood after each key's last write through this node, so that a key sees its own
// writes whichever server answers. Bounded: what a newcomer displaces is kept as the position of
// everybody who is not in the table, so forgetting makes reads stricter and never staler.
#include "api/parts.h"

#include "base/memory.h"

#define SETS 512
#define WAYS 8

struct entry_of_key {
    struct id key; // zero: free
    struct position position;
};

struct set {
    pthread_mutex_t lock;
    struct entry_of_key entries[WAYS];
    uint32_t turn;             // who goes next
    struct position forgotten; // the latest that was displaced
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

static void raise(struct position *position, struct position to) {
    if (position_is_none(*position) || !position_reaches(*position, to))
        *position = to;
}

void positions_note(struct positions *positions, struct id key, struct position position) {
    struct set *set = set_of(positions, key);
    CHECK(!id_is_zero(key) && !position_is_none(position));
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
        raise(&set->forgotten, place->position);
    }
    if (!id_equal(place->key, key))
        *place = (struct entry_of_key){.key = key};
    raise(&place->position, position);
    pthread_mutex_unlock(&set->lock);
}

struct position positions_get(struct positions *positions, struct id key) {
    struct set *set = set_of(positions, key);
    pthread_mutex_lock(&set->lock);
    struct position position = set->forgotten;
    for (int i = 0; i < WAYS; i++)
        if (id_equal(set->entries[i].key, key))
            position = set->entries[i].position;
    pthread_mutex_unlock(&set->lock);
    return position;
}
