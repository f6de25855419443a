// SPDX-License-Identifier: MIT
// API keys: few, asked for at every request by HTTP threads, changed rarely. A lock that many
// readers share serves them.
#include "base/memory.h"
#include "engine/embedded/state/state.h"

uint32_t state_key_add(struct state *state) {
    CHECK(pthread_rwlock_wrlock(&state->keys_lock) == 0);
    if (state->key_count == state->key_capacity) {
        state->key_capacity = state->key_capacity == 0 ? 64 : state->key_capacity * 2;
        state->keys = memory_resize(state->keys, state->key_capacity * sizeof(*state->keys));
        state->key_items =
            memory_resize(state->key_items, state->key_capacity * sizeof(*state->key_items));
    }
    uint32_t index = state->key_count++;
    state->keys[index] = (struct key){.revoked = true}; // opens nothing until it is published
    state->key_items[index] = (struct key_item){0};
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    return index;
}

struct key_item *state_key_item(const struct state *state, struct id id) {
    uint64_t locator;
    if (!id_open(&state->seal, id, &locator) || locator == 0 || locator > state->key_count)
        return NULL;
    struct key_item *item = &state->key_items[locator - 1];
    return id_equal(item->key.id, id) ? item : NULL;
}

bool state_key_find(struct state *state, const struct sha256 *secret_hash, uint64_t now_ms,
                    struct key *ret_key, bool *ret_live) {
    bool found = false;
    uint64_t wanted, there, before;
    memcpy(&wanted, secret_hash, sizeof(wanted));
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    for (uint32_t i = 0; i < state->key_count && !found; i++) {
        // Nobody can steer a hash towards another, so a first word may be compared at once.
        bool in_time;
        memcpy(&there, &state->keys[i].secret_hash, sizeof(there));
        memcpy(&before, &state->keys[i].previous_hash, sizeof(before));
        if (there != wanted && before != wanted)
            continue;
        if (!key_has_secret(&state->keys[i], secret_hash, now_ms, &in_time))
            continue;
        found = true;
        *ret_key = state->keys[i];
        *ret_live = in_time && key_is_live(&state->keys[i], state->keys, state->key_count, now_ms);
        __atomic_store_n(&state->key_items[i].last_used_ms, now_ms, __ATOMIC_RELAXED);
    }
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    return found;
}

bool state_key_by_id(struct state *state, struct id id, uint64_t now_ms, struct key *ret_key,
                     bool *ret_live) {
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    bool found = false;
    for (uint32_t i = 0; i < state->key_count && !found; i++) {
        if (!id_equal(state->keys[i].id, id))
            continue;
        found = true;
        *ret_key = state->keys[i];
        *ret_live = key_is_live(&state->keys[i], state->keys, state->key_count, now_ms);
    }
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    return found;
}

void state_key_own(struct state *state, uint32_t index, struct slice owner) {
    CHECK(index < state->key_count);
    state->key_items[index].key.owner =
        owner.size == 0 ? owner : arena_copy(&state->key_texts, owner);
}

void state_key_publish(struct state *state, uint32_t index) {
    CHECK(index < state->key_count);
    CHECK(pthread_rwlock_wrlock(&state->keys_lock) == 0);
    state->keys[index] = state->key_items[index].key;
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
}
