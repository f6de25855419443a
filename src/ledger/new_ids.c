// SPDX-License-Identifier: MIT
// What new things will be called, the same on every engine; see new_ids.h.
#include "ledger/new_ids.h"

#include "base/check.h"
#include "base/id.h"

// New things live where the wallet does whose money moves; a refund where its purchase does.
static uint32_t slot_of_new(const struct command *command, const struct docket *docket) {
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN: return command->slot;
    case COMMAND_REFUND: return docket->purchase != NULL ? id_slot(docket->purchase->id) : 0;
    default: return docket->wallet != NULL ? id_slot(docket->wallet->id) : 0;
    }
}

// What waits for somebody is about the wallet that pays, also when what it makes is another's.
static uint32_t slot_of_parked(const struct docket *docket) {
    return docket->wallet != NULL ? id_slot(docket->wallet->id) : 0;
}

static bool makes_nothing(const struct command *command) {
    switch ((enum command_type)command->type) {
    case COMMAND_FAIL:
    case COMMAND_VOID:
    case COMMAND_EXPIRE:
    case COMMAND_KEY_REVOKE:
    case COMMAND_KEY_ROTATE:
    case COMMAND_APPROVE:
    case COMMAND_REJECT:
    case COMMAND_OWNER_FORGET:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS:
    case COMMAND_WALLET_CHANGE: return true;
    default: return false;
    }
}

void new_ids_give(const struct command *command, const struct id_seal *seal,
                  const struct new_places *places, struct docket *docket) {
    CHECK(id_is_zero(docket->new_id));
    docket->seal = seal;
    docket->parked_place = places->parked;
    docket->parked_slot = slot_of_parked(docket);
    if (makes_nothing(command))
        return;
    uint32_t slot = slot_of_new(command, docket);
    docket->new_id = id_make(seal, docket->now_ms, slot, places->thing);
    if (command->type == COMMAND_WITHDRAWAL && command->bank_id.size != 0)
        docket->new_transaction = id_make(seal, docket->now_ms, slot, places->record);
}

struct id new_ids_parked(const struct docket *docket) {
    CHECK(docket->seal != NULL);
    return id_make(docket->seal, docket->now_ms, docket->parked_slot, docket->parked_place);
}
