// SPDX-License-Identifier: MIT
// What roles may ask for, for the ledger, which decides again about what waited.
#pragma once
#include "access/permissions.h"
#include "ledger/parked.h"

// Fills in what each role may do by the configuration of now. Thread: one at the start.
void serve_fill_may_ask(const struct role_table *roles, struct approval_rules *rules);
