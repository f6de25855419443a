// SPDX-License-Identifier: MIT
// How something finished comes back to its loop.
#pragma once
#include "base/inbox.h"

enum completion_kind { COMPLETION_FLIGHT, COMPLETION_JOB, COMPLETION_ORDER };
struct completion {
    struct inbox_node node; // first
    enum completion_kind kind;
};
