// SPDX-License-Identifier: MIT
// The id of a queued operation: "op_" and 52 digits. It is made from principal, idempotency key and
// request, so a retry gets the same; it carries the home slot; and it is sealed, so that nobody
// else can make one.
//
// The digits are Crockford's base32 in lower case: 39 for 24 bytes (key digest 16, the lowest 3 of
// each half of the request's digest, slot 2, all little endian, 32768 more in the slot of an atomic
// batch; three zero bits behind them), 13 for the seal.
#pragma once
#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"

#define OPERATION_ID_BYTES 55

struct operation_id {
    struct digest128 key;
    uint64_t request; // 48 bits
    uint32_t slot;
    bool is_batch; // an atomic one
};

// Thread: any. Pure.
struct operation_id operation_id_of(struct digest128 key, struct digest128 request, uint32_t slot);
void operation_id_format(const struct id_seal *seal, const struct operation_id *id,
                         char ret_text[OPERATION_ID_BYTES]);
// False: these books made no such id.
MUST_CHECK bool operation_id_parse(const struct id_seal *seal, struct slice text,
                                   struct operation_id *ret_id);
// Whether a record under the id's key answers the id's request, or another one; texts that are not
// known any more (ledger/request.h) are taken for the same.
static inline bool operation_id_is_request(const struct operation_id *id,
                                           struct digest128 request) {
    uint64_t mask = request.high == 0 ? UINT64_C(0xffffff) : UINT64_C(0xffffffffffff);
    uint64_t asked = (request.low & UINT64_C(0xffffff)) | (request.high & UINT64_C(0xffffff)) << 24;
    return (id->request & mask) == (asked & mask);
}
