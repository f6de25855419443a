// SPDX-License-Identifier: MIT
// What stands between a node and its server.
#pragma once
#include <stddef.h>

#include "base/check.h"
#include "base/status.h"

// STATUS_invalid_request when a pooler gives sessions away between transactions, with a sentence in
// `ret_why`; STATUS_ok otherwise, and when nobody can be reached. Thread: any.
MUST_CHECK enum status pooler_refuse(const char *url, char *ret_why, size_t why_bytes);
