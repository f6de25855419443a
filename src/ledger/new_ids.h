// SPDX-License-Identifier: MIT
// The ids of what a command will make, should it not be refused: given before it is decided, made
// of the round's time, a slot, and the places that the engine has for new things.
#pragma once
#include "ledger/decide.h"

struct id_seal;

// Locators. An engine that numbers all things by their records says the same three times.
struct new_places {
    uint64_t record; // of the command's record
    uint64_t thing;  // of the wallet, hold, withdrawal or key that the command opens; else `record`
    uint64_t parked; // of a command that waits
};

// Fills new_id and new_transaction of the docket, those that the command can need; its wallet and
// purchase must be there already. `seal` must outlive the docket.
void new_ids_give(const struct command *command, const struct id_seal *seal,
                  const struct new_places *places, struct docket *docket);
// The id of a command that has to wait. Few have to, so it is made by whoever finds that out.
struct id new_ids_parked(const struct docket *docket);
