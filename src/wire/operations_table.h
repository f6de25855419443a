// SPDX-License-Identifier: MIT
// The table itself, for this folder only; others ask through operations.h.
#pragma once
#include "wire/operations.h"

extern const struct operation operations_table[OPERATION_COUNT];

// What a path's id becomes in a batch.
extern const struct field operations_owner_field; // of a path
extern const struct field operations_wallet_field;
extern const struct field operations_hold_field;
extern const struct field operations_withdrawal_field;
