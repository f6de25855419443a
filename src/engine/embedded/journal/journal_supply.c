// SPDX-License-Identifier: MIT
// A piece of work is 8 MiB and one sync: small enough that a writer who needs the place waits some
// milliseconds at most, large enough that the file system's own bookkeeping does not set the pace
// (1 MiB and a sync each is three times slower). How far ahead the zeros reach grows with what the
// writer has used, so a little journal stays little and a busy one is soon prepared to the end of
// its segment.
#include "engine/embedded/journal/journal_supply.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/embedded/journal/journal_format.h"

#define PIECE_CHUNKS    8
#define CHUNK_BYTES_MAX (UINT64_C(1) << 20)
#define AHEAD_BYTES_MIN (UINT64_C(8) << 20)
#define SAMPLE_NS       (UINT64_C(100) * 1000 * 1000)
#define RESERVE_BYTES   (UINT64_C(8) << 20)  // taken at once where the thread has not been yet
#define NS_PER_S        UINT64_C(1000000000)

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void supply_lock(struct journal_supply *supply) {
    int failed = pthread_mutex_lock(&supply->lock);
    CHECK(failed == 0);
}

static void supply_unlock(struct journal_supply *supply) {
    int failed = pthread_mutex_unlock(&supply->lock);
    CHECK(failed == 0);
}

static void supply_note(struct journal_supply *supply, enum status status) {
    atomic_store(&supply->is_full, status == STATUS_storage_full);
    if (status == STATUS_storage_full)
        supply->may_retry = false;
    else if (status != STATUS_ok)
        atomic_store(&supply->failure, (int)status);
}

// Looks how much space there is. With the lock, which is kept: it is one quick question.
static void supply_sample(struct journal_supply *supply) {
    uint64_t free_bytes;
    supply->sampled_ns = clock_monotonic_ns();
    if (supply->disk->driver->free_bytes(supply->disk, &free_bytes) != STATUS_ok)
        return; // the last answer stands
    atomic_store(&supply->free_bytes, free_bytes);
    // What the disk says is not what a quota grants: only work that succeeds ends a shortage.
    supply->may_retry = free_bytes >= supply->free_bytes_min + 2 * supply->chunk_bytes;
}

static uint64_t supply_piece(const struct journal_supply *supply, uint64_t frontier) {
    return least(PIECE_CHUNKS * supply->chunk_bytes, supply->segment_bytes - frontier);
}

static enum status supply_write_zeros(struct journal_supply *supply, struct disk_file *file,
                                      uint64_t offset, uint64_t size) {
    enum status status = STATUS_ok;
    for (uint64_t end = offset + size; status == STATUS_ok && offset < end;) {
        uint64_t chunk = least(supply->chunk_bytes, end - offset);
        status = file->driver->write_past_cache(file, offset, slice_of(supply->zeros, chunk));
        offset += chunk;
    }
    return status == STATUS_ok ? file->driver->sync(file) : status;
}

static void supply_drop_spare(struct journal_supply *supply) {
    if (supply->spare == NULL)
        return;
    supply->spare->driver->close(supply->spare);
    supply->spare = NULL;
    supply->spare_frontier = supply->spare_reserved = 0;
    atomic_store(&supply->spare_secured, 0);
    atomic_store(&supply->has_spare, false);
    // Left over it costs space until the next start removes it; nobody takes it for a segment.
    (void)supply->disk->driver->remove(supply->disk, JOURNAL_SPARE_NAME);
}

static enum status supply_make_spare(struct journal_supply *supply, struct disk_file **ret_file) {
    struct disk_file *file;
    enum status status = supply->disk->driver->open(supply->disk, JOURNAL_SPARE_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->truncate(file, supply->segment_bytes);
    if (status != STATUS_ok) {
        file->driver->close(file);
        return status;
    }
    *ret_file = file;
    return STATUS_ok;
}

static bool supply_wants_current(const struct journal_supply *supply) {
    uint64_t head = atomic_load(&supply->head);
    uint64_t frontier = atomic_load(&supply->frontier);
    if (supply->current == NULL || frontier >= supply->segment_bytes)
        return false;
    uint64_t used = head - supply->head_at_first;
    uint64_t ahead = used > supply->ahead_bytes_min ? used : supply->ahead_bytes_min;
    return frontier < head + ahead;
}

static bool supply_wants_spare(const struct journal_supply *supply) {
    if (supply->current == NULL)
        return false;
    if (supply->spare != NULL)
        return supply->spare_frontier < supply->segment_bytes;
    // Whoever has filled one segment will fill more; a new journal may stay small.
    bool is_needed =
        supply->current_number > 0 || atomic_load(&supply->head) > supply->segment_bytes / 8;
    return is_needed &&
           atomic_load(&supply->free_bytes) >= supply->segment_bytes + supply->free_bytes_min;
}

static void supply_step_current(struct journal_supply *supply) {
    struct disk_file *file = supply->current;
    uint64_t frontier = atomic_load(&supply->frontier);
    uint64_t size = supply_piece(supply, frontier);
    supply_unlock(supply);
    enum status status = supply_write_zeros(supply, file, frontier, size);
    supply_lock(supply);
    CHECK(supply->current == file);
    supply_note(supply, status);
    if (status == STATUS_ok)
        atomic_store(&supply->frontier, frontier + size);
}

static void supply_note_secured(struct journal_supply *supply) {
    uint64_t frontier = supply->spare_frontier, reserved = supply->spare_reserved;
    atomic_store(&supply->spare_secured, frontier > reserved ? frontier : reserved);
}

static void supply_step_spare(struct journal_supply *supply) {
    struct disk_file *file = supply->spare;
    uint64_t frontier = supply->spare_frontier;
    uint64_t size = supply_piece(supply, frontier);
    bool is_new = file == NULL;
    supply_unlock(supply);
    enum status status = is_new ? supply_make_spare(supply, &file)
                                : supply_write_zeros(supply, file, frontier, size);
    supply_lock(supply);
    supply_note(supply, status);
    if (status != STATUS_ok) {
        if (supply->spare_reserved == 0) // else somebody counts on it
            supply_drop_spare(supply);
        return;
    }
    if (is_new) {
        supply->spare = file;
        atomic_store(&supply->has_spare, true);
    } else {
        supply->spare_frontier = frontier + size;
        supply_note_secured(supply);
    }
}

// One piece of work; false when there is none. Lock held, but given up meanwhile.
static bool supply_step(struct journal_supply *supply) {
    if (atomic_load(&supply->failure) != STATUS_ok ||
        (atomic_load(&supply->is_full) && !supply->may_retry))
        return false;
    bool wants_current = supply_wants_current(supply);
    if (!wants_current && !supply_wants_spare(supply)) {
        atomic_store(&supply->is_full, false);
        return false;
    }
    supply->busy = true;
    if (wants_current)
        supply_step_current(supply);
    else
        supply_step_spare(supply);
    supply->busy = false;
    (void)pthread_cond_broadcast(&supply->idle); // never fails
    return true;
}

static void supply_rest(struct journal_supply *supply) {
    uint64_t until_ns = clock_monotonic_ns() + SAMPLE_NS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    int failed = pthread_cond_timedwait(&supply->wake, &supply->lock, &until);
    CHECK(failed == 0 || failed == ETIMEDOUT);
}

static void *supply_main(void *context) {
    struct journal_supply *supply = context;
    supply_lock(supply);
    while (!supply->stop) {
        if (clock_monotonic_ns() - supply->sampled_ns >= SAMPLE_NS)
            supply_sample(supply);
        if (supply->writer_waits || !supply_step(supply))
            supply_rest(supply);
    }
    supply_unlock(supply);
    return NULL;
}

static void supply_step_inline(struct journal_supply *supply) {
    if (supply->has_thread)
        return;
    supply_lock(supply);
    supply_sample(supply);
    while (supply_step(supply))
        continue;
    supply_unlock(supply);
}

// Opening for creation and removing both make the folder's names durable.
enum status journal_supply_clear(struct disk *disk) {
    struct disk_file *file;
    enum status status = disk->driver->open(disk, JOURNAL_SPARE_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    file->driver->close(file);
    return disk->driver->remove(disk, JOURNAL_SPARE_NAME);
}

void journal_supply_open(struct journal_supply *supply, struct disk *disk, uint64_t segment_bytes,
                         uint64_t free_bytes_min, bool has_thread) {
    CHECK(segment_bytes % JOURNAL_BLOCK_BYTES == 0 && segment_bytes >= 4 * JOURNAL_BLOCK_BYTES);
    memset(supply, 0, sizeof(*supply));
    supply->disk = disk;
    supply->segment_bytes = segment_bytes;
    supply->free_bytes_min = free_bytes_min;
    supply->chunk_bytes = least(CHUNK_BYTES_MAX, journal_block_up(segment_bytes / 8));
    supply->ahead_bytes_min = least(AHEAD_BYTES_MIN, segment_bytes / 4);
    // Writes past the page cache want memory that begins a block.
    supply->zeros_owned = memory_take_zeroed(supply->chunk_bytes + JOURNAL_BLOCK_BYTES);
    supply->zeros = (uint8_t *)journal_block_up((uintptr_t)supply->zeros_owned);
    pthread_condattr_t monotonic;
    int failed =
        pthread_condattr_init(&monotonic) | pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) |
        pthread_mutex_init(&supply->lock, NULL) | pthread_cond_init(&supply->wake, &monotonic) |
        pthread_cond_init(&supply->idle, NULL);
    CHECK(failed == 0);
    (void)pthread_condattr_destroy(&monotonic); // never fails
    supply_sample(supply);
    if (has_thread) {
        failed = pthread_create(&supply->thread, NULL, supply_main, supply);
        CHECK(failed == 0);
    }
    supply->has_thread = has_thread;
}

void journal_supply_close(struct journal_supply *supply) {
    if (supply->zeros == NULL)
        return;
    if (supply->has_thread) {
        supply_lock(supply);
        supply->stop = true;
        (void)pthread_cond_signal(&supply->wake); // never fails
        supply_unlock(supply);
        int failed = pthread_join(supply->thread, NULL);
        CHECK(failed == 0);
    }
    supply_drop_spare(supply);
    (void)pthread_mutex_destroy(&supply->lock); // nobody holds it
    (void)pthread_cond_destroy(&supply->wake);
    (void)pthread_cond_destroy(&supply->idle);
    memory_free(supply->zeros_owned);
    supply->zeros = NULL;
}

// Lock held. The thread finishes its piece and then leaves the place to the writer.
static void supply_interrupt(struct journal_supply *supply) {
    supply->writer_waits = true;
    while (supply->busy) {
        int failed = pthread_cond_wait(&supply->idle, &supply->lock);
        CHECK(failed == 0);
    }
}

// Up to `end` at least; more at once when there is more.
static enum status supply_reserve(const struct journal_supply *supply, struct disk_file *file,
                                  uint64_t from, uint64_t end, uint64_t *ret_reserved) {
    uint64_t generous = least(from + RESERVE_BYTES, supply->segment_bytes);
    uint64_t wanted = end > generous ? end : generous;
    enum status status = file->driver->allocate(file, from, wanted - from);
    if (status == STATUS_storage_full && wanted > end) {
        wanted = end;
        status = file->driver->allocate(file, from, wanted - from);
    }
    if (status == STATUS_ok)
        *ret_reserved = wanted;
    return status;
}

// Place at the next segment's front. The thread may go on writing behind it.
static enum status supply_secure_spare(struct journal_supply *supply, uint64_t end) {
    enum status status = STATUS_ok;
    supply_lock(supply);
    if (supply->spare == NULL)
        supply_interrupt(supply); // it may be about to make one
    if (supply->spare == NULL) {
        status = supply_make_spare(supply, &supply->spare);
        atomic_store(&supply->has_spare, status == STATUS_ok);
    }
    if (status == STATUS_ok && end > supply->spare_reserved)
        status = supply_reserve(supply, supply->spare, 0, end, &supply->spare_reserved);
    supply_note_secured(supply);
    supply_note(supply, status);
    supply->writer_waits = false;
    (void)pthread_cond_signal(&supply->wake); // never fails
    supply_unlock(supply);
    return status;
}

enum status journal_supply_secure(struct journal_supply *supply, uint64_t head, uint64_t bytes) {
    // Headers of rounds and of segments, and a closing round.
    uint64_t end = journal_block_up(head + bytes) + 2 * JOURNAL_BLOCK_BYTES, spare_end = 0;
    if (end > supply->segment_bytes) {
        spare_end = least(journal_block_up(bytes) + 3 * JOURNAL_BLOCK_BYTES, supply->segment_bytes);
        end = supply->segment_bytes;
    }
    uint64_t frontier = atomic_load(&supply->frontier);
    uint64_t there = frontier > supply->reserved ? frontier : supply->reserved;
    enum status status = STATUS_ok;
    if (end > there) {
        status = supply_reserve(supply, supply->current, there, end, &supply->reserved);
        supply_lock(supply);
        supply_note(supply, status);
        supply_unlock(supply);
    }
    if (status == STATUS_ok && spare_end > atomic_load(&supply->spare_secured))
        status = supply_secure_spare(supply, spare_end);
    return status;
}

enum status journal_supply_take(struct journal_supply *supply, struct disk_file **ret_file,
                                uint64_t *ret_frontier) {
    enum status status = STATUS_ok;
    supply_lock(supply);
    supply_interrupt(supply);
    if (supply->spare == NULL)
        status = supply_make_spare(supply, &supply->spare);
    if (status == STATUS_ok) {
        *ret_file = supply->spare;
        *ret_frontier = supply->spare_frontier;
        supply->reserved = supply->spare_reserved;
        supply->spare = NULL;
        supply->spare_frontier = supply->spare_reserved = 0;
        atomic_store(&supply->spare_secured, 0);
        atomic_store(&supply->has_spare, false);
    }
    supply_unlock(supply);
    return status;
}

void journal_supply_use(struct journal_supply *supply, struct disk_file *file, uint64_t number,
                        uint64_t head, uint64_t frontier) {
    CHECK(head % JOURNAL_BLOCK_BYTES == 0 && head <= supply->segment_bytes);
    supply_lock(supply);
    supply_interrupt(supply);
    supply->current = file;
    supply->current_number = number;
    supply->head_at_first = head;
    atomic_store(&supply->head, head);
    atomic_store(&supply->frontier, frontier > head ? frontier : head);
    supply->writer_waits = false;
    (void)pthread_cond_signal(&supply->wake); // never fails
    supply_unlock(supply);
    supply_step_inline(supply);
}

void journal_supply_claim(struct journal_supply *supply, uint64_t end) {
    CHECK(end <= supply->segment_bytes);
    if (end <= atomic_load(&supply->frontier))
        return;
    supply_lock(supply);
    supply_interrupt(supply);
    if (end > atomic_load(&supply->frontier))
        atomic_store(&supply->frontier, end);
    supply->writer_waits = false;
    (void)pthread_cond_signal(&supply->wake); // never fails
    supply_unlock(supply);
}

void journal_supply_advance(struct journal_supply *supply, uint64_t head) {
    atomic_store(&supply->head, head);
    // Anything less urgent the thread sees by itself when it next looks up.
    if (supply->has_thread && atomic_load(&supply->frontier) <
                                  least(supply->segment_bytes, head + supply->ahead_bytes_min / 2))
        (void)pthread_cond_signal(&supply->wake); // never fails
    supply_step_inline(supply);
}

enum status journal_supply_room(const struct journal_supply *supply, uint64_t bytes) {
    int failure = atomic_load(&supply->failure);
    if (failure != STATUS_ok)
        return (enum status)failure;
    uint64_t free_bytes = atomic_load(&supply->free_bytes);
    uint64_t end = atomic_load(&supply->head) + bytes +
                   2 * JOURNAL_BLOCK_BYTES; // its header, and a closing round
    if (atomic_load(&supply->is_full) || free_bytes < supply->free_bytes_min)
        return STATUS_storage_full;
    if (end > supply->segment_bytes && !atomic_load(&supply->has_spare) &&
        free_bytes < supply->segment_bytes + supply->free_bytes_min)
        return STATUS_storage_full;
    if (end > atomic_load(&supply->frontier) && free_bytes < bytes + supply->free_bytes_min)
        return STATUS_storage_full;
    return STATUS_ok;
}

bool journal_supply_is_full(const struct journal_supply *supply) {
    // As a server sees it whose next round is a big one.
    return journal_supply_room(supply, supply->chunk_bytes) == STATUS_storage_full;
}
