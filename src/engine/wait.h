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
// One command of which only its status is asked: what it points at is released. `ret_aside` (or
// NULL): it was set aside, since somebody has locked a row that it would change; nothing is done.
enum status engine_wait_command(struct engine_wait *wait, struct command *command,
                                bool *ret_aside);
// What a person asked for under an idempotency key; without one nothing is remembered.
struct decision_key {
    bool has_key;
    struct digest128 key, request;
};
// A person's decision: the cursor of `wish` is reset. Each cursor remembers it under the key by
// itself; *ret_replayed: it had done so already, and `ret_cursor` is how it stood then.
enum status engine_wait_decide(struct engine_wait *wait, const struct cursor_wish *wish,
                               const struct origin *who, const struct decision_key *key,
                               struct cursor *ret_cursor, bool *ret_replayed);
// Whether that cursor has been decided about under the key: how it stood then. STATUS_fenced: not.
enum status engine_wait_decided(struct engine_wait *wait, enum cursor_kind kind, uint16_t slot,
                                const struct origin *who, const struct decision_key *key,
                                struct cursor *ret_cursor);
// One command of the system: its cursor is claimed, moved, reset or read. `ret_cursor` is how it
// stands afterwards, when it was done.
enum status engine_wait_cursor(struct engine_wait *wait, enum command_type type,
                               const struct cursor_wish *wish, struct cursor *ret_cursor);
