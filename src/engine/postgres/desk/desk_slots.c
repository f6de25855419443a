// SPDX-License-Identifier: MIT
// Of books on several servers each owns some of the slots. The row of a slot is the truth about
// that, read in the batch's own transaction whenever the books say that something has changed; so
// whoever comes with an old map of the slots is turned away, and nothing is ever decided twice.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"

bool desk_is_elsewhere(const struct desk *desk, uint32_t slot) {
    CHECK(slot < LIMIT_SLOTS);
    return desk->elsewhere_count != 0 && desk->heads[slot].is_elsewhere;
}

// A place in the feed is the shard's own, whatever slot it has: feeds do not move.
bool desk_home_is_elsewhere(const struct desk *desk, const struct command *command) {
    if (command_is_of_cursor(command->type) &&
        !cursor_is_of_commands(command->cursor->cursor.kind))
        return false;
    return desk_is_elsewhere(desk, command_home_slot(command));
}

bool desk_is_guest(const struct desk *desk, const struct command *command) {
    bool is_operation = command->type >= COMMAND_WALLET_OPEN && command->type <= COMMAND_VOID;
    return is_operation && desk->elsewhere_count != 0 &&
           desk_is_elsewhere(desk, command_home_slot(command));
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
