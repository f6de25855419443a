// SPDX-License-Identifier: MIT
// Rounds that their submitter waits for.
#include "engine/wait.h"

#include "base/check.h"

#define DECISION_SEED UINT64_C(0x6465636964656421) // of keys; stored, so it never changes
#define NO_EPOCH      UINT64_MAX                    // none has it, so nothing is done

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

enum status engine_wait_command(struct engine_wait *wait, struct command *command,
                                bool *ret_aside) {
    struct outcome outcome = {0};
    struct submission submission = {.commands = command, .outcomes = &outcome, .count = 1};
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    if (ret_aside != NULL)
        *ret_aside = status != STATUS_ok && outcome.aside;
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

static struct digest128 key_of_cursor(const struct decision_key *key,
                                      const struct cursor *cursor) {
    const uint8_t place[] = {cursor->kind, (uint8_t)cursor->slot, (uint8_t)(cursor->slot >> 8)};
    const struct slice parts[] = {slice_of(&key->key, sizeof(key->key)),
                                  slice_of(place, sizeof(place))};
    return hash128_parts(parts, 2, DECISION_SEED);
}

enum status engine_wait_decide(struct engine_wait *wait, const struct cursor_wish *wish,
                               const struct origin *who, const struct decision_key *key,
                               struct cursor *ret_cursor, bool *ret_replayed) {
    struct command command = {.type = COMMAND_CURSOR_RESET,
                              .slot = wish->cursor.slot,
                              .cursor = wish,
                              .origin = *who};
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    if (key->has_key) {
        command.has_key = true;
        command.key = key_of_cursor(key, &wish->cursor);
        command.request = key->request;
    }
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    *ret_replayed = status == STATUS_ok && outcome.replayed;
    if (status == STATUS_ok)
        *ret_cursor = outcome.cursor;
    engine_wait_release(wait);
    return status;
}

enum status engine_wait_decided(struct engine_wait *wait, enum cursor_kind kind, uint16_t slot,
                                const struct origin *who, const struct decision_key *key,
                                struct cursor *ret_cursor) {
    const struct cursor_wish wish = {
        .cursor = {.kind = (uint8_t)kind, .slot = slot, .epoch = NO_EPOCH}};
    bool is_replayed;
    if (!key->has_key)
        return STATUS_fenced;
    enum status status = engine_wait_decide(wait, &wish, who, key, ret_cursor, &is_replayed);
    CHECK(status != STATUS_ok || is_replayed);
    return status;
}
