// SPDX-License-Identifier: MIT
// The chain of a running server's journal, walked from its first round with the reader of
// journal_reader.h: no byte of the past was changed when every round still seals the one before.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "base/status.h"
#include "watch/integrity.h"

struct chain_walk {
    atomic_bool cancelled;   // set from any thread: the walk soon ends with STATUS_busy
    atomic_uint thousandths; // how far it is
    // What it found:
    uint64_t round_count;
    bool has_keys;      // idempotency keys were held against their records too: so many
    uint64_t key_count;
    bool holds;
    char message[INTEGRITY_MESSAGE_BYTES]; // what is broken, and where
};

// Walks everything in front of `end`, which must be published (engine_port.published_end), while
// the server goes on behind it. A broken chain is a result: STATUS_ok. Thread: any; as long as the
// journal takes to read.
MUST_CHECK enum status chain_walk_journal(struct disk *disk, uint64_t end, struct chain_walk *walk);
