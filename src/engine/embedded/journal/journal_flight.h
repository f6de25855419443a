// SPDX-License-Identifier: MIT
// A round on its way to the disk: sealed, written and synced, by the writer itself or by a thread
// of its own while the writer decides the next round. Only one is on its way at a time, so the
// journal's order of writes is the same either way.
//
// The records' bytes do not change on the way and may be read meanwhile; the header in front of
// them and the padding behind belong to whoever stores the round.
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/embedded/journal/journal_format.h"

struct journal_flight {
    // What is on its way. The writer's, but while `state` says that the thread has it.
    struct buffer bytes;                // owned; header and records
    struct journal_round_header header; // chain and checksum come when it is sealed
    struct disk_file *file;             // not owned
    uint64_t offset;                    // in the file
    enum status status;                 // what became of it
    bool is_flying;                     // the writer's: it was started and has not been landed
    struct sha256_context *sha;         // owned
    // The thread, made when it is first needed.
    bool has_thread;
    bool stop; // guarded by the lock
    void (*arrived)(void *context); // as in journal_options; NULL: nobody wants to know
    void *context;
    _Atomic int state;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    _Atomic uint64_t stat_syncs, stat_sync_ns, stat_sync_ns_max;
};

void journal_flight_init(struct journal_flight *flight);
void journal_flight_done(struct journal_flight *flight); // waits for the thread

// Thread: the writer, all of them.
// Stores the round before it returns.
void journal_flight_store(struct journal_flight *flight);
// Hands the round to the thread.
void journal_flight_start(struct journal_flight *flight);
// Whether the thread has finished; true when it had nothing to do.
bool journal_flight_is_over(const struct journal_flight *flight);
void journal_flight_wait(struct journal_flight *flight);
