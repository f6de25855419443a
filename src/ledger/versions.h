// SPDX-License-Identifier: MIT
// Which version of a wallet a record made. Each version from 1 on is made by exactly one record:
// the opening, a change, a posting, or what holds money or frees it.
#pragma once
#include "base/id.h"
#include "ledger/record.h"

// 0: the record did not change that wallet. Thread: any.
uint64_t record_makes_version(const struct record *record, struct id wallet);
