// SPDX-License-Identifier: MIT
// The keeper makes checkpoints beside the writer: often enough for a start within seconds, seldom
// enough to leave the disk to the journal. Now and then it notes when keys were last used.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/embedded/books.h"

#define LOOK_AGAIN_MS   200
#define LOOK_AT_KEYS_MS 60000
#define LANDMARKS_MAX (sizeof(((struct books *)0)->landmarks) / sizeof(struct landmark))

void keeper_segment_ended(struct books *books, uint64_t time_ms) {
    struct landmark landmark = {.time_ms = time_ms,
                                .transaction_count = books->state.transaction_count};
    journal_head(books->journal, &landmark.position, &landmark.chain);
    CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
    if (books->landmark_count == LANDMARKS_MAX) {
        memmove(books->landmarks, books->landmarks + 1, (LANDMARKS_MAX - 1) * sizeof(landmark));
        books->landmark_count--;
    }
    books->landmarks[books->landmark_count++] = landmark;
    CHECK(pthread_cond_signal(&books->keeper_wake) == 0);
    CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
}

// The newest landmark worth a checkpoint: everything before it must be in the index's runs too.
// Under load the index is always a little behind, so that is seldom the newest of all.
static bool checkpoint_is_due(struct books *books, struct landmark *ret_landmark) {
    struct index_stats stats;
    if (books->landmark_count == 0)
        return false;
    index_stats(books->index, &stats);
    uint64_t state_bytes =
        (uint64_t)table_count(&books->state.wallets) * sizeof(struct wallet_item) +
        (uint64_t)table_count(&books->state.habits) * sizeof(struct habits_item);
    uint64_t between =
        state_bytes > books->checkpoint_bytes ? state_bytes : books->checkpoint_bytes;
    for (uint32_t i = books->landmark_count; i > 0; i--) {
        if (books->landmarks[i - 1].position > stats.covered_position)
            continue;
        *ret_landmark = books->landmarks[i - 1];
        return ret_landmark->position >= books->checkpoint_position + between;
    }
    return false;
}

static void keeper_wait(struct books *books) {
    struct timespec until;
    uint64_t at_ms =
        clock_now_ms() + (books->landmark_count == 0 ? LOOK_AT_KEYS_MS : LOOK_AGAIN_MS);
    until = (struct timespec){.tv_sec = (time_t)(at_ms / 1000),
                              .tv_nsec = (long)(at_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&books->keeper_wake, &books->keeper_lock, &until);
}

void *keeper_run(void *context) {
    struct books *books = context;
    CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
    while (!books->keeper_stopping) {
        struct landmark landmark;
        if (key_uses_are_due(books, clock_now_ms())) {
            CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
            key_uses_write(books);
            CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
            continue;
        }
        if (!checkpoint_is_due(books, &landmark)) {
            keeper_wait(books);
            continue;
        }
        CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
        enum status status = checkpoint_write(books, &landmark);
        if (status != STATUS_ok)
            log_line(LOG_WARNING, "checkpoint",
                     "could not be written (%s); the next start replays more of the "
                     "journal",
                     status_name(status));
        CHECK(pthread_mutex_lock(&books->keeper_lock) == 0);
        // After a failure the next segment's end tries again.
        books->checkpoint_position = landmark.position;
        books->checkpoint_time_ms = clock_now_ms();
    }
    CHECK(pthread_mutex_unlock(&books->keeper_lock) == 0);
    return NULL;
}
