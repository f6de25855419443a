// SPDX-License-Identifier: MIT
// Which shards a submission needs, before anything of it is sent.
#include "engine/shards/shards_books.h"

#define LANE_OTHERS SHARDS_MAX                     // from here on: shards that do not decide
#define LANE_LATER  (UINT64_C(1) << (2 * SHARDS_MAX)) // what else it needs is found out on its way

// Whom a capture pays and what was kept only the deciding shard knows; what lies on every shard is
// copied before it is answered.
static bool finds_out_later(enum command_type type) {
    switch (type) {
    case COMMAND_CAPTURE:
    case COMMAND_REFUND:
    case COMMAND_APPROVE:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS:
    case COMMAND_KEY_CREATE:
    case COMMAND_KEY_REVOKE:
    case COMMAND_KEY_ROTATE:
    case COMMAND_ALARM:
    case COMMAND_RULES: return true;
    default: return false;
    }
}

uint64_t shards_lane(struct engine *engine, const struct submission *submission) {
    const struct shards *shards = shards_of(engine);
    uint64_t lane = 0;
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct command *command = &submission->commands[i];
        uint32_t home = shards_owner(shards, command_home_slot(command));
        uint64_t others = cross_others(shards, home, command, NULL);
        lane |= UINT64_C(1) << home | others << LANE_OTHERS;
        if (finds_out_later((enum command_type)command->type))
            lane |= LANE_LATER;
    }
    return lane;
}
