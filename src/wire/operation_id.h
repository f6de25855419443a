// SPDX-License-Identifier: MIT
// The id of a queued operation: "op_" and 52 digits. It is made from principal, idempotency key and
// request, so a retry gets the same; it carries the home slot; and it is sealed, so that nobody
// else can make one.
//
// The digits are Crockford's base32 in lower case: 39 for 24 bytes (key digest 16, the lowest 6 of
// the request's digest, slot 2, all little endian; three zero bits behind them), 13 for the seal.
#pragma once
#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"

#define OPERATION_ID_BYTES 55

struct operation_id {
    struct digest128 key;
    uint64_t request; // 48 bits
    uint32_t slot;
};

// Thread: any. Pure.
struct operation_id operation_id_of(struct digest128 key, struct digest128 request, uint32_t slot);
void operation_id_format(const struct id_seal *seal, const struct operation_id *id,
                         char ret_text[OPERATION_ID_BYTES]);
// False: these books made no such id.
MUST_CHECK bool operation_id_parse(const struct id_seal *seal, struct slice text,
                                   struct operation_id *ret_id);
// Whether a record under the id's key answers the id's request, or another one.
static inline bool operation_id_is_request(const struct operation_id *id,
                                           struct digest128 request) {
    return id->request == (request.low & UINT64_C(0xffffffffffff));
}
