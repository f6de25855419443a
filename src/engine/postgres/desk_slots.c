// SPDX-License-Identifier: MIT
// Of books on several servers each owns some of the slots. The row of a slot is the truth about
// that, read in the batch's own transaction whenever the books say that something has changed; so
// whoever comes with an old map of the slots is turned away, and nothing is ever decided twice.
#include "base/check.h"
#include "engine/postgres/desk.h"

bool desk_is_elsewhere(const struct desk *desk, uint32_t slot) {
    CHECK(slot < LIMIT_SLOTS);
    return desk->elsewhere_count != 0 && desk->heads[slot].is_elsewhere;
}

static bool is_there(const struct desk *desk, struct id id) {
    return !id_is_zero(id) && desk_is_elsewhere(desk, id_slot(id));
}

static bool pays(const struct command *command) {
    return command->type == COMMAND_TRANSFER || command->type == COMMAND_PURCHASE;
}

bool desk_lacks_legs(const struct desk *desk, const struct command *command) {
    if (desk->elsewhere_count == 0)
        return false;
    uint64_t number; // an id that was not made here names no wallet anywhere
    if (pays(command) && is_there(desk, command->counterparty) &&
        number_of_id(&desk->seal, command->counterparty, &number) &&
        desk_legs_wallet(desk, command->counterparty) == NULL)
        return true;
    return command->bank_id.size != 0 &&
           desk_is_elsewhere(desk, id_slot_of_owner(command->bank_id)) &&
           desk_legs_marker(desk, command->bank_id) == NULL;
}

bool desk_needs_legs(const struct desk *desk, const struct command *command) {
    return desk->elsewhere_count != 0 &&
           (is_there(desk, command->counterparty) ||
            (command->bank_id.size != 0 &&
             desk_is_elsewhere(desk, id_slot_of_owner(command->bank_id))));
}

bool desk_reaches_across(const struct desk *desk, const struct command *command,
                         const struct found *found) {
    if (desk->elsewhere_count == 0)
        return false;
    if (is_there(desk, command->wallet) ||
        (is_there(desk, command->counterparty) && !pays(command)))
        return true;
    if (found->hold != NULL &&
        (is_there(desk, found->hold->hold.wallet) || is_there(desk, found->hold->hold.merchant)))
        return true;
    return found->transaction != NULL && (is_there(desk, found->purchase.wallet) ||
                                          is_there(desk, found->purchase.merchant));
}

void desk_turn_away(struct outcome *outcome) {
    outcome_end(outcome, STATUS_busy);
    outcome->elsewhere = true;
}

// What is to be done together is at home where its first command is.
bool desk_turn_away_submission(const struct desk *desk, struct submission *submission) {
    if (desk->elsewhere_count == 0 || (!submission->atomic && !submission->guarded))
        return false;
    const struct command *first =
        submission->guarded ? &submission->batch : &submission->commands[0];
    if (!desk_is_elsewhere(desk, command_home_slot(first)))
        return false;
    desk_turn_away(&submission->batch_outcome);
    for (uint32_t i = 0; i < submission->count; i++)
        desk_turn_away(&submission->outcomes[i]);
    return true;
}
