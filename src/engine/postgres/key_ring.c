// SPDX-License-Identifier: MIT
// Keys for the door. The writer looks at the books' version of them in every batch and at least
// twice a second, so what another node revokes is known here within a second; and whoever got in
// with a key that went meanwhile is refused in decide.
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/postgres_books.h"

void books_note_now(struct books *books) {
    uint64_t ahead_ms = books->desk.now_ms - clock_monotonic_ns() / 1000000;
    CHECK(books->desk.now_ms != 0);
    __atomic_store_n(&books->ahead_ms, ahead_ms, __ATOMIC_RELAXED);
}

uint64_t books_now_ms(const struct books *books) {
    return clock_monotonic_ns() / 1000000 + __atomic_load_n(&books->ahead_ms, __ATOMIC_RELAXED);
}

void key_ring_refresh(struct books *books) {
    struct key_ring *ring = &books->ring;
    const struct desk *desk = &books->desk;
    if (ring->version == desk->counters.keys_version)
        return;
    CHECK(pthread_rwlock_wrlock(&ring->lock) == 0);
    CHECK(desk->key_count >= ring->count); // keys never go, they are revoked
    ring->keys = memory_resize(ring->keys, (desk->key_count + 1) * sizeof(*ring->keys));
    ring->last_used_ms =
        memory_resize(ring->last_used_ms, (desk->key_count + 1) * sizeof(*ring->last_used_ms));
    for (uint32_t i = ring->count; i < desk->key_count; i++)
        ring->last_used_ms[i] = desk->key_rows[i].last_used_ms;
    if (desk->key_count != 0)
        memcpy(ring->keys, desk->keys, desk->key_count * sizeof(*ring->keys));
    ring->count = desk->key_count;
    ring->version = desk->counters.keys_version;
    CHECK(pthread_rwlock_unlock(&ring->lock) == 0);
}

// A use that is noted later may have begun earlier, and the books' time may be set back a little.
static void note_use(uint64_t *last_used_ms, uint64_t now_ms) {
    uint64_t known_ms = __atomic_load_n(last_used_ms, __ATOMIC_RELAXED);
    while (known_ms < now_ms &&
           !__atomic_compare_exchange_n(last_used_ms, &known_ms, now_ms, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
}

bool key_ring_find(struct books *books, const struct sha256 *secret_hash, uint64_t now_ms,
                   struct key *ret_key, bool *ret_live) {
    struct key_ring *ring = &books->ring;
    bool found = false;
    CHECK(pthread_rwlock_rdlock(&ring->lock) == 0);
    for (uint32_t i = 0; i < ring->count && !found; i++) {
        bool in_time;
        if (!key_has_secret(&ring->keys[i], secret_hash, now_ms, &in_time))
            continue;
        found = true;
        *ret_key = ring->keys[i];
        *ret_live = in_time && key_is_live(&ring->keys[i], ring->keys, ring->count, now_ms);
        note_use(&ring->last_used_ms[i], now_ms);
    }
    CHECK(pthread_rwlock_unlock(&ring->lock) == 0);
    return found;
}

bool key_ring_by_id(struct books *books, struct id id, uint64_t now_ms, struct key *ret_key,
                    bool *ret_live) {
    struct key_ring *ring = &books->ring;
    CHECK(pthread_rwlock_rdlock(&ring->lock) == 0);
    bool found = false;
    for (uint32_t i = 0; i < ring->count && !found; i++) {
        if (!id_equal(ring->keys[i].id, id))
            continue;
        found = true;
        *ret_key = ring->keys[i];
        *ret_live = key_is_live(&ring->keys[i], ring->keys, ring->count, now_ms);
    }
    CHECK(pthread_rwlock_unlock(&ring->lock) == 0);
    return found;
}

uint64_t key_ring_last_used(struct books *books, uint64_t number) {
    struct key_ring *ring = &books->ring;
    CHECK(pthread_rwlock_rdlock(&ring->lock) == 0);
    uint64_t used = number >= 1 && number <= ring->count
                        ? __atomic_load_n(&ring->last_used_ms[number - 1], __ATOMIC_RELAXED)
                        : 0;
    CHECK(pthread_rwlock_unlock(&ring->lock) == 0);
    return used;
}
