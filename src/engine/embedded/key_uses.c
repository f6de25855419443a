// SPDX-License-Identifier: MIT
// When each API key was last used, for those who ask which keys may go. A record for every request
// would cost more than it tells, so the times live in memory, and the file "keys.used" carries them
// over a restart: it is written at a clean stop and every ten minutes while keys are used. What a
// crash takes away are minutes of that.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/embedded/books.h"
#include "engine/embedded/key_uses_file.h"

#define USES_EVERY_MS (UINT64_C(10) * 60 * 1000)

// The times that are known, into `ret_uses`; the newest of them in `ret_newest_ms`.
static uint32_t uses_collect(struct state *state, struct key_use *ret_uses,
                             uint64_t *ret_newest_ms) {
    uint32_t count = 0;
    *ret_newest_ms = 0;
    for (uint32_t i = 0; i < state->key_count; i++) {
        const struct key_item *item = &state->key_items[i];
        uint64_t used_ms = __atomic_load_n(&item->last_used_ms, __ATOMIC_RELAXED);
        if (used_ms == 0)
            continue;
        ret_uses[count++] = (struct key_use){.key = state->keys[i].id, .last_used_ms = used_ms};
        *ret_newest_ms = used_ms > *ret_newest_ms ? used_ms : *ret_newest_ms;
    }
    return count;
}

bool key_uses_are_due(const struct books *books, uint64_t now_ms) {
    return now_ms >= books->key_uses_written_ms + USES_EVERY_MS;
}

void key_uses_write(struct books *books) {
    struct state *state = &books->state;
    uint64_t newest_ms;
    books->key_uses_written_ms = clock_now_ms();
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    struct key_use *uses = memory_take_zeroed((state->key_count + 1) * sizeof(*uses));
    uint32_t count = uses_collect(state, uses, &newest_ms);
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    if (count != 0 && newest_ms > books->key_uses_newest_ms) {
        enum status status = key_uses_file_write(books->disk, uses, count);
        if (status == STATUS_ok)
            books->key_uses_newest_ms = newest_ms;
        else
            log_line(LOG_WARNING, "keys", "when they were last used could not be written (%s)",
                     status_name(status));
    }
    memory_free(uses);
}

static void take_use(void *context, const struct key_use *use) {
    struct books *books = context;
    struct key_item *item = state_key_item(&books->state, use->key);
    if (item != NULL && item->last_used_ms < use->last_used_ms) // a checkpoint may know later
        item->last_used_ms = use->last_used_ms;
    if (use->last_used_ms > books->key_uses_newest_ms)
        books->key_uses_newest_ms = use->last_used_ms;
}

void key_uses_load(struct books *books) {
    books->key_uses_written_ms = clock_now_ms();
    enum status status = key_uses_file_read(books->disk, take_use, books);
    if (status != STATUS_ok && status != STATUS_not_found)
        log_line(LOG_WARNING, "keys", "%s does not hold; when keys were last used is forgotten",
                 KEY_USES_NAME);
}
