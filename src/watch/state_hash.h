// SPDX-License-Identifier: MIT
// One hash of everything that books are: every record in its order, and what stands now. It does
// not depend on the engine: positions count as the record's place in the order. So it tells whether
// books that were moved or restored are the same.
#pragma once
#include "base/check.h"
#include "base/hash.h"
#include "base/status.h"
#include "engine/engine.h"

struct state_hash {
    struct sha256 hash;
    uint64_t record_count;
    uint64_t wallet_count, hold_count, withdrawal_count;
    uint64_t habits_count; // of wallets whose habits were counted
};

// `ignores_names`: ids count as the order in which they came, and times, who asked and notes of the
// audit do not count, so that two books to which the same was done have the same hash. Nothing may
// be written meanwhile. Statuses are the feed's; STATUS_damaged: a record does not decode. Thread:
// any but the engine's.
MUST_CHECK enum status state_hash_make(struct engine *engine, bool ignores_names,
                                       struct state_hash *ret_hash);
