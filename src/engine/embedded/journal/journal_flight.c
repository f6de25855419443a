// SPDX-License-Identifier: MIT
// Overlapping pays for big rounds, whose hashing, writing and syncing take longer than waking a
// thread.
#include "engine/embedded/journal/journal_flight.h"

#include <string.h>

#include "base/ahead.h"
#include "base/check.h"
#include "base/clock.h"
#include "ledger/record.h"

#define COUNT_AHEAD_BYTES 2048

enum { FLIGHT_IDLE, FLIGHT_BUSY };

// Counts the records by their sizes; what does not add up would be a round that nobody can read.
static uint32_t flight_count_records(const struct journal_flight *flight) {
    struct slice rest =
        slice_of(flight->bytes.bytes + JOURNAL_ROUND_HEADER_BYTES, flight->header.size);
    uint32_t count = 0;
    while (rest.size != 0) {
        size_t size = record_size(rest);
        CHECK(size != 0);
        ahead_read(rest.bytes + COUNT_AHEAD_BYTES, size); // another thread wrote it
        rest = slice_of(rest.bytes + size, rest.size - size);
        count++;
    }
    return count;
}

static enum status flight_sync(struct journal_flight *flight) {
    uint64_t started_ns = clock_monotonic_ns();
    enum status status = flight->file->driver->sync(flight->file);
    uint64_t took_ns = clock_monotonic_ns() - started_ns;
    atomic_fetch_add_explicit(&flight->stat_syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&flight->stat_sync_ns, took_ns, memory_order_relaxed);
    if (took_ns > atomic_load_explicit(&flight->stat_sync_ns_max, memory_order_relaxed))
        atomic_store_explicit(&flight->stat_sync_ns_max, took_ns, memory_order_relaxed);
    return status;
}

void journal_flight_store(struct journal_flight *flight) {
    struct buffer *bytes = &flight->bytes;
    uint64_t size = journal_round_end(0, flight->header.size);
    CHECK(bytes->size == JOURNAL_ROUND_HEADER_BYTES + flight->header.size);
    CHECK(bytes->capacity >= size); // the padding's place was made before anybody reads the records
    flight->header.record_count = flight_count_records(flight);
    journal_round_seal(flight->sha, &flight->header, bytes->bytes);
    memset(bytes->bytes + bytes->size, 0, size - bytes->size);
    flight->status =
        flight->file->driver->write(flight->file, flight->offset, slice_of(bytes->bytes, size));
    if (flight->status == STATUS_ok)
        flight->status = flight_sync(flight);
}

static void flight_lock(struct journal_flight *flight) {
    int failed = pthread_mutex_lock(&flight->lock);
    CHECK(failed == 0);
}

static void flight_unlock(struct journal_flight *flight) {
    int failed = pthread_mutex_unlock(&flight->lock);
    CHECK(failed == 0);
}

static void flight_await(struct journal_flight *flight) {
    int failed = pthread_cond_wait(&flight->changed, &flight->lock);
    CHECK(failed == 0);
}

static void *flight_main(void *context) {
    struct journal_flight *flight = context;
    flight_lock(flight);
    for (;;) {
        while (atomic_load(&flight->state) != FLIGHT_BUSY && !flight->stop)
            flight_await(flight);
        if (atomic_load(&flight->state) != FLIGHT_BUSY)
            break;
        flight_unlock(flight);
        journal_flight_store(flight);
        flight_lock(flight);
        atomic_store(&flight->state, FLIGHT_IDLE);
        (void)pthread_cond_broadcast(&flight->changed); // never fails
        if (flight->arrived == NULL)
            continue;
        flight_unlock(flight);
        flight->arrived(flight->context);
        flight_lock(flight);
    }
    flight_unlock(flight);
    return NULL;
}

void journal_flight_start(struct journal_flight *flight) {
    CHECK(journal_flight_is_over(flight));
    if (!flight->has_thread) {
        int failed = pthread_create(&flight->thread, NULL, flight_main, flight);
        CHECK(failed == 0);
        flight->has_thread = true;
    }
    flight_lock(flight);
    atomic_store(&flight->state, FLIGHT_BUSY);
    (void)pthread_cond_broadcast(&flight->changed); // never fails
    flight_unlock(flight);
}

bool journal_flight_is_over(const struct journal_flight *flight) {
    return atomic_load(&flight->state) == FLIGHT_IDLE;
}

void journal_flight_wait(struct journal_flight *flight) {
    if (journal_flight_is_over(flight))
        return;
    flight_lock(flight);
    while (!journal_flight_is_over(flight))
        flight_await(flight);
    flight_unlock(flight);
}

void journal_flight_init(struct journal_flight *flight) {
    int failed =
        pthread_mutex_init(&flight->lock, NULL) | pthread_cond_init(&flight->changed, NULL);
    CHECK(failed == 0);
    flight->sha = sha256_open();
}

void journal_flight_done(struct journal_flight *flight) {
    if (flight->has_thread) {
        flight_lock(flight);
        flight->stop = true;
        (void)pthread_cond_broadcast(&flight->changed); // never fails
        flight_unlock(flight);
        int failed = pthread_join(flight->thread, NULL);
        CHECK(failed == 0);
        flight->has_thread = false;
    }
    (void)pthread_mutex_destroy(&flight->lock); // nobody holds it
    (void)pthread_cond_destroy(&flight->changed);
    sha256_close(flight->sha);
    buffer_done(&flight->bytes);
}
