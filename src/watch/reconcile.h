// SPDX-License-Identifier: MIT
// Compares what the shards of the same books have of the work that they did together, and names
// halves: money that went from one and never arrived on another, or arrived and never went; bank
// transactions that are not booked in their slot; slots with no owner or two. Shards that were
// never restored have none. Reads only, each shard in one snapshot, all taken at once.
#pragma once
#include "base/check.h"
#include "base/status.h"
#include "engine/engine.h"

#define RECONCILE_SHARDS_MAX 16
#define RECONCILE_WHY_BYTES  512

struct reconcile_place {
    const char *name, *url;
};

struct reconcile_report {
    uint64_t payments, bank_ids; // between shards, and of all; looked at
    uint64_t halves;             // named or counted
    uint64_t in_doubt;           // prepared, and not finished yet: nodes do that
    char why[RECONCILE_WHY_BYTES];
};

// `tell` gets a sentence for each of the first halves. STATUS_ok: compared, see ret_report->halves.
// STATUS_busy: a shard cannot be read, `why` says which. Thread: any; waits.
MUST_CHECK enum status reconcile(const struct reconcile_place *places, uint32_t count,
                                 void (*tell)(void *context, const char *sentence), void *context,
                                 struct reconcile_report *ret_report);
