// SPDX-License-Identifier: MIT
// Results of everything that can fail for a reason the outside can cause. The class alone decides
// how loudly it is logged and whether a client may try again.
#pragma once
#include <stdbool.h>

#include "base/slice.h"

enum status {
#define STATUS(name, class, http, sentence) STATUS_##name,
#include "base/status.def"
#undef STATUS
    STATUS_COUNT
};

enum status_class {
    STATUS_CLASS_OK,
    STATUS_CLASS_INVALID, // the request is at fault; the same request fails again
    STATUS_CLASS_DENIED,  // the caller is at fault
    STATUS_CLASS_MISSING, // what it names is not there
    STATUS_CLASS_REFUSED, // the rules of money say no
    STATUS_CLASS_BUSY,    // try again later
    STATUS_CLASS_BROKEN,  // our fault
};

// A set of statuses: bit `1 << status`.
typedef unsigned __int128 status_set;
#define STATUS_BIT(status) ((status_set)1 << (status))

// Thread: any. All return static storage.
const char *status_name(enum status status);
enum status_class status_class(enum status status);
int status_http(enum status status);
const char *status_sentence(enum status status);

// Whether an idempotency key remembers this result: successes and the ledger's 404, 409 and 422.
bool status_is_remembered(enum status status);
