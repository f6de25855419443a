// SPDX-License-Identifier: MIT
// When each API key was last used, for those who ask which keys may go. Each node keeps the times
// in memory and tells the database at a clean stop and once a minute while keys are used, so a
// restart knows them, and so do the other nodes. What a crash takes away is that minute.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/postgres_books.h"

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET statement_timeout = '2s'; SET lock_timeout = '1s'; "
    "SET client_min_messages = warning";

// The times of this node that are younger than `since_ms`; the newest.
static uint64_t collect(struct books *books, uint64_t since_ms, struct column *numbers,
                        struct column *times) {
    struct key_ring *ring = &books->ring;
    uint64_t newest_ms = since_ms;
    CHECK(pthread_rwlock_rdlock(&ring->lock) == 0);
    for (uint32_t i = 0; i < ring->count; i++) {
        uint64_t used_ms = __atomic_load_n(&ring->last_used_ms[i], __ATOMIC_RELAXED);
        if (used_ms <= since_ms)
            continue;
        column_add(numbers, (int64_t)i + 1); // a key's number is its place
        column_add(times, (int64_t)used_ms);
        newest_ms = used_ms > newest_ms ? used_ms : newest_ms;
    }
    CHECK(pthread_rwlock_unlock(&ring->lock) == 0);
    return newest_ms;
}

void key_uses_tell(struct books *books, uint64_t wait_ns) {
    struct column numbers = {0}, times = {0};
    struct parameters parameters = {0};
    struct link link = {0};
    column_begin(&numbers, false);
    column_begin(&times, false);
    uint64_t newest_ms = collect(books, books->uses_told_ms, &numbers, &times);
    if (numbers.count != 0) {
        enum link_result result = link_open(&link, primary_url(&books->primary), settings,
                                            SQL_KEY_USES, SQL_KEY_USES, wait_ns);
        if (result == LINK_OK) {
            parameter_column(&parameters, &numbers);
            parameter_column(&parameters, &times);
            link.deadline_ns = clock_monotonic_ns() + wait_ns;
            link_send(&link, SQL_KEY_USES, &parameters);
            link_sync(&link);
            result = link_collect(&link, NULL, NULL);
        }
        if (result == LINK_OK)
            books->uses_told_ms = newest_ms;
        else
            log_line(LOG_WARNING, "postgres",
                     "When keys were last used could not be written: %s", link.why);
        link_done(&link);
    }
    column_done(&numbers);
    column_done(&times);
}
