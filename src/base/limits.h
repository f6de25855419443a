// SPDX-License-Identifier: MIT
// Every bound of Florin with its reason, checked against each other at compile time.
#pragma once
#include <assert.h>
#include <stdint.h>

#define LIMIT_AMOUNT_MAX INT64_C(9007199254740991) // 2^53-1: every JSON reader keeps it exact
#define LIMIT_TIME_MS_MAX UINT64_C(253402300799999) // 9999-12-31T23:59:59.999Z
#define LIMIT_APPROVAL_S_DEFAULT (7 * 24 * 3600) // how long an approval is waited for
#define LIMIT_TEXT_BYTES_MAX 255 // owner, reference, reason, order, bank ids, keys
#define LIMIT_METADATA_ENTRIES_MAX 32
#define LIMIT_METADATA_NAME_BYTES_MAX 64
#define LIMIT_METADATA_VALUE_BYTES_MAX 512
#define LIMIT_PAGE_DEFAULT 50
#define LIMIT_PAGE_MAX 1000
#define LIMIT_BATCH_OPERATIONS_MAX 10000
#define LIMIT_BODY_BYTES_MAX (64 * 1024)
#define LIMIT_BATCH_BODY_BYTES_MAX (16 * 1024 * 1024)
#define LIMIT_EXPIRES_IN_S_DEFAULT (7 * 24 * 3600)
#define LIMIT_EXPIRES_IN_S_MAX (366 * 24 * 3600)
#define LIMIT_KEY_OVERLAP_S_DEFAULT (24 * 3600)
#define LIMIT_KEY_OVERLAP_S_MAX (30 * 24 * 3600)
#define LIMIT_SLOTS 1024               // fixed for ever: ids carry the slot in ten bits
#define LIMIT_CURRENCY_CODE_BYTES_MAX 12
#define LIMIT_CURRENCY_EXPONENT_MAX 8
#define LIMIT_CURRENCIES_MAX 1024 // in one set of books: ISO 4217 has some 180
#define LIMIT_TRACE_STATE_BYTES_MAX 512 // of W3C trace context
#define LIMIT_REQUEST_ID_BYTES_MAX 64
#define LIMIT_HELD_OTHERS_EXPIRED_PER_ROUND 1000 // due holds that the round does not name

// An encoded metadata object: an entry count, then per entry two lengths and the bytes.
#define LIMIT_METADATA_BYTES_MAX \
    (2 + LIMIT_METADATA_ENTRIES_MAX * \
             (4 + LIMIT_METADATA_NAME_BYTES_MAX + LIMIT_METADATA_VALUE_BYTES_MAX))
// A record: its fixed part (below 1 KiB), at most eight texts (whose characters have up to
// four bytes), the metadata, and the positions of a batch.
#define LIMIT_RECORD_BYTES_MAX \
    (1024 + 8 * 4 * 256 + LIMIT_METADATA_BYTES_MAX + LIMIT_BATCH_OPERATIONS_MAX * 9)

static_assert(LIMIT_METADATA_BYTES_MAX < 32 * 1024, "metadata fits a record");
static_assert(LIMIT_RECORD_BYTES_MAX < 128 * 1024, "a record fits its size field and a round");
