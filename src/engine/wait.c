// SPDX-License-Identifier: MIT
// Rounds that their submitter waits for.
#include "engine/wait.h"

#include "base/check.h"

static void published(struct round *round) {
    struct engine_wait *wait = round->context;
    signal_gate_publish(&wait->gate, wait->turns);
}

void engine_wait_init(struct engine_wait *wait, struct engine *engine) {
    memset(wait, 0, sizeof(*wait));
    wait->engine = engine;
    round_init(&wait->round);
    signal_gate_init(&wait->gate, 0, 0);
}

void engine_wait_done(struct engine_wait *wait) {
    round_done(&wait->round);
}

void engine_wait_submit(struct engine_wait *wait, struct submission *first) {
    CHECK(first != NULL);
    round_release(&wait->round);
    wait->round.first = first;
    for (struct submission *submission = first; submission != NULL; submission = submission->next)
        wait->round.command_count += submission->count;
    wait->round.published = published;
    wait->round.context = wait;
    uint64_t turn = ++wait->turns;
    wait->engine->port->submit(wait->engine, &wait->round);
    CHECK(signal_gate_wait(&wait->gate, turn, SIGNAL_GATE_WAIT_FOREVER));
}

void engine_wait_release(struct engine_wait *wait) {
    round_release(&wait->round);
}

enum status engine_wait_command(struct engine_wait *wait, struct command *command) {
    struct outcome outcome = {0};
    struct submission submission = {.commands = command, .outcomes = &outcome, .count = 1};
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    engine_wait_release(wait);
    return status;
}

enum status engine_wait_cursor(struct engine_wait *wait, enum command_type type,
                               const struct cursor_wish *wish, struct cursor *ret_cursor) {
    CHECK(command_is_of_cursor(type));
    struct command command = {.type = (uint8_t)type,
                              .slot = wish->cursor.slot,
                              .cursor = wish,
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    if (status == STATUS_ok)
        *ret_cursor = outcome.cursor;
    engine_wait_release(wait);
    return status;
}
