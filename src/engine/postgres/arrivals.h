// SPDX-License-Identifier: MIT
// Up to where what arrives from other shards has become records: all that one snapshot saw. What is
// still to be taken up was brought by transactions that had not ended by then.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

#define ARRIVALS_OPEN_MAX 256 // more at once: then everything is looked at

struct arrivals_seen {
    uint64_t asked_ns; // by clock_monotonic_ns: it was taken behind that
    uint64_t next;     // transactions from this one on had not begun; 0: nothing is known
    uint32_t open_count;
    uint64_t open[ARRIVALS_OPEN_MAX]; // those that had begun and not ended
};

// From what PostgreSQL calls a snapshot, "xmin:xmax:open,open"; what cannot be read is nothing.
struct arrivals_seen arrivals_seen_read(struct slice text);

// Adds "WITH unseen ..." to a query: slots and numbers of wallets for which something has come that
// was not taken up and that it did not see.
void arrivals_add_unseen(struct buffer *query, const struct arrivals_seen *seen);
