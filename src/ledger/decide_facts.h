// SPDX-License-Identifier: MIT
// Private to the ledger: what a command that passed every rung does, as facts.
#pragma once
#include "ledger/decide.h"

// `amount` is what moves, is held or is freed, in minor units. Cannot fail.
void decide_facts(const struct command *command, const struct docket *docket, int64_t amount,
                  struct record *ret_record);
