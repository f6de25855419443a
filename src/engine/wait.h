// SPDX-License-Identifier: MIT
// For threads that may wait for the books: a round of their own, submitted and published before the
// call returns.
#pragma once
#include "base/signal_gate.h"
#include "engine/engine.h"

struct engine_wait {
    struct engine *engine;
    struct round round;
    struct signal_gate gate;
    uint64_t turns;
};

// Thread: one, all of them. Addresses are kept, so it must not move.
void engine_wait_init(struct engine_wait *wait, struct engine *engine);
void engine_wait_done(struct engine_wait *wait);
// Outcomes live until engine_wait_release, or the next submit.
void engine_wait_submit(struct engine_wait *wait, struct submission *first);
void engine_wait_release(struct engine_wait *wait);
// One command of which only its status is asked: what it points at is released.
enum status engine_wait_command(struct engine_wait *wait, struct command *command);
// One command of the system: its cursor is claimed, moved, reset or read. `ret_cursor` is how it
// stands afterwards, when it was done.
enum status engine_wait_cursor(struct engine_wait *wait, enum command_type type,
                               const struct cursor_wish *wish, struct cursor *ret_cursor);
