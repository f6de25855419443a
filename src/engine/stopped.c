// SPDX-License-Identifier: MIT
// What the alarms in the books have come to, where any thread can read it.
#include "base/check.h"
#include "engine/engine.h"

void engine_alarm_set(struct engine *engine, const struct alarm_state *state) {
    CHECK(state->stopped <= 1);
    // Differences first: who sees that payments go on sees what that was decided about.
    for (int i = 0; i < ALARM_DIFFERENCES; i++)
        atomic_store(&engine->alarm[1 + i], state->differences[i]);
    atomic_store(&engine->alarm[0], state->stopped);
}

struct alarm_state engine_alarm(const struct engine *engine) {
    struct alarm_state state = {.stopped = atomic_load(&engine->alarm[0])};
    for (int i = 0; i < ALARM_DIFFERENCES; i++)
        state.differences[i] = atomic_load(&engine->alarm[1 + i]);
    return state;
}

bool engine_is_stopped(const struct engine *engine) {
    return atomic_load(&engine->payments_stopped) || atomic_load(&engine->alarm[0]) != 0;
}
