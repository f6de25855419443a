// SPDX-License-Identifier: MIT
// The digest of a request, by which a retry under the same idempotency key is told from another
// request. It has two halves, so that what was destroyed can't be guessed from it:
//
//   low    of everything but the free texts (reference, reason, metadata). It stays.
//   high   of the free texts, begun with `low`; never 0. Where texts are encrypted it is encrypted
//          with them (seal.h), and records that keep no text of an owner (refusals, batches) are
//          without it. 0 in a record: not known, or not known any more.
#pragma once
#include "base/hash.h"

// What `high` is when there are no free texts: that says nothing which the record does not say.
static inline uint64_t request_textless(uint64_t low) {
    uint64_t high = low ^ UINT64_C(0x9e3779b97f4a7c15);
    return high == 0 ? 1 : high;
}

// Whether it may be the same request: texts that are not known differ from none.
static inline bool request_fits(struct digest128 request, struct digest128 earlier) {
    return request.low == earlier.low && (earlier.high == 0 || request.high == earlier.high);
}
