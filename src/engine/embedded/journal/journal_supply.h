// SPDX-License-Identifier: MIT
// Sees to it that the journal finds written, zeroed disk wherever it goes next, so that a sync
// costs one write instead of an extent's conversion (2 to 10 times), and that a full disk is known
// before a payment runs into it.
//
// A thread of its own writes zeros ahead of the writer in the present segment and makes the next
// one as a spare file. A spare is nothing until it gets a segment's name, so a crash leaves at most
// a file to remove.
//
// The thread never writes below `frontier`; the writer never writes above it without claiming the
// place first.
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "base/status.h"

struct journal_supply {
    struct disk *disk; // not owned
    uint64_t segment_bytes, free_bytes_min, chunk_bytes, ahead_bytes_min;
    void *zeros_owned;
    uint8_t *zeros; // one chunk within it
    bool has_thread;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t wake; // something for the thread to look at
    pthread_cond_t idle; // the thread has finished a piece
    // Guarded by the lock.
    bool stop;
    bool busy;                 // the thread is writing without the lock
    bool writer_waits;         // and comes first
    struct disk_file *current; // not owned; the segment being filled, NULL before the first
    uint64_t current_number;
    uint64_t head_at_first;  // where the writer stood when it began with `current`
    struct disk_file *spare; // owned; the next segment, NULL: none yet
    uint64_t spare_frontier;
    uint64_t spare_reserved; // of it the disk has promised so much: it is not given up
    uint64_t sampled_ns; // when the free space was looked at
    bool may_retry;      // there seems to be space again after a shortage

    // The writer's: offset in `current` up to where the disk has given its place, written or not.
    uint64_t reserved;

    _Atomic uint64_t head;       // offset in `current` of what the writer has used
    _Atomic uint64_t frontier;   // offset in `current` up to where zeros were written
    _Atomic uint64_t free_bytes; // of the disk, some 100 ms old
    _Atomic uint64_t spare_secured; // what of the spare's place is there
    _Atomic bool has_spare;
    _Atomic bool is_full; // work ran out of space, and none has succeeded since
    _Atomic int failure;  // enum status of what else went wrong
};

// Removes a spare that an earlier process left, which may be the space that recovery needs, and
// makes the names of the folder durable, also those that the earlier process left in the page cache
// only.
MUST_CHECK enum status journal_supply_clear(struct disk *disk);

// `has_thread`: else everything is
// done within the writer's calls, in one order for ever (simulations).
void journal_supply_open(struct journal_supply *supply, struct disk *disk, uint64_t segment_bytes,
                         uint64_t free_bytes_min, bool has_thread);
// Ends the thread and forgets the spare. Call it before segments are closed. Accepts a zeroed
// supply.
void journal_supply_close(struct journal_supply *supply);

// Thread: the writer, all of them.
// Hands out the next segment's file under JOURNAL_SPARE_NAME, of full size, zeroed up to
// `ret_frontier` and reading as zero behind. The caller owns it, names it and calls
// journal_supply_use; until then the thread rests.
MUST_CHECK enum status journal_supply_take(struct journal_supply *supply,
                                           struct disk_file **ret_file, uint64_t *ret_frontier);
void journal_supply_use(struct journal_supply *supply, struct disk_file *file, uint64_t number,
                        uint64_t head, uint64_t frontier);
// The place up to offset `end` of the present segment is the writer's from now on.
void journal_supply_claim(struct journal_supply *supply, uint64_t end);
// Sees to it that the disk has given the place for `bytes` more from offset `head` of the present
// segment on, and at the front of the next one when they may not fit: then whoever fills the disk
// meanwhile, however quickly, cannot make a round fail. Where the thread has not been yet it takes
// the place without writing, some MiB at once. STATUS_storage_full, or what else failed: nothing
// may be decided.
MUST_CHECK enum status journal_supply_secure(struct journal_supply *supply, uint64_t head,
                                             uint64_t bytes);
// What lies before `head` has been used.
void journal_supply_advance(struct journal_supply *supply, uint64_t head);

// Whether `bytes` more can be written: STATUS_storage_full, or what else failed. Thread: any.
MUST_CHECK enum status journal_supply_room(const struct journal_supply *supply, uint64_t bytes);
bool journal_supply_is_full(const struct journal_supply *supply);
