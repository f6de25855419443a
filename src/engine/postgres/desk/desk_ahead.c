// SPDX-License-Identifier: MIT
// Batches that are decided without a look. What a batch leaves, its node knows: the row of books,
// heads of slots, and its wallets. As long as nobody else writes, the next batch of plain payments
// between such wallets can be decided on that, with the turn and what time it is, and goes to the
// server in one flight, which proves each thing that it was decided on where it changes it: the row
// of books lies where this node's last round left it and was written by that round's transaction,
// each wallet still has its version, and no idempotency key of the batch was used before. What is
// otherwise ends the transaction, and the batch is begun again with a look. Where much waits when a
// batch goes out, the next one's flight is opened right behind its COMMIT: the server looks for its
// keys while the node tells its clients and reads the next batch. Whoever changes what batches are
// decided on (keys, rules, encryption, the line of the archive) writes the row of books in the same
// transaction.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"

#define WAIT_MAX 64 // batches with a look behind one whose proof has failed, at most

void desk_ahead_forget(struct desk *desk) {
    desk->ahead.is_known = desk->ahead.is_on = false;
}

// Whether the batch at hand, once it is committed, is what the next may be decided on. An alarm is
// written behind the row of books and puts it elsewhere.
static bool leaves_known_books(const struct desk *desk) {
    return desk->records.count != 0 && !desk->alarm_changed && desk->rules_record == 0;
}

void desk_ahead_stands(struct desk *desk) {
    struct ahead *ahead = &desk->ahead;
    if (ahead->is_on)
        ahead->wait = 1;
    desk->next_due_ms = desk_next_due(desk);
    if (desk->writes_heads)
        desk->counters.heads_record = desk->counters.last_record;
    ahead->is_known = leaves_known_books(desk);
    ahead->is_on = false;
}

void desk_ahead_failed(struct desk *desk) {
    struct ahead *ahead = &desk->ahead;
    ahead->pause = ahead->wait;
    ahead->wait = ahead->wait < WAIT_MAX / 2 ? ahead->wait * 2 + 1 : WAIT_MAX;
    desk_ahead_forget(desk);
}

// ---- may it be done ---------------------------------------------------------------------------

static bool is_plain(const struct submission *submission) {
    if (submission->again || submission->guarded || submission->whole != NULL)
        return false;
    for (uint32_t i = 0; i < submission->count; i++)
        if (submission->commands[i].type != COMMAND_TRANSFER &&
            submission->commands[i].type != COMMAND_PURCHASE)
            return false;
    return true;
}

// One that is only looked at.
static const struct round *seen_of(const struct inbox_node *node) {
    return round_of((struct inbox_node *)node);
}

static bool are_plain(const struct inbox_node *node) {
    for (; node != NULL; node = node->next) {
        const struct round *round = seen_of(node);
        if (round->legs != NULL)
            return false;
        for (const struct submission *submission = round->first; submission != NULL;
             submission = submission->next)
            if (!is_plain(submission))
                return false;
    }
    return true;
}

// The row of books is looked for by its index now and then: that is what cleans up behind it.
static bool are_books_known(const struct desk *desk) {
    return desk->takes_turn && desk->elsewhere_count == 0 && desk->shard_number == 0 &&
           desk->sealing.vault == NULL && desk->sealing.generation == 0 &&
           desk->currencies_known && desk_places_are_clean(desk);
}

static bool are_wallets_known(const struct desk *desk) {
    for (uint32_t i = 0; i < desk->asked.count; i++) {
        const struct asked *asked = desk->asked.items[i];
        if (!desk_knows_place(desk, id_slot(asked->id), asked->number))
            return false;
    }
    return true;
}

// Nothing ends by itself yet, and there are partitions and keys for that time.
static bool is_time_known(const struct desk *desk) {
    uint64_t next = desk_next_number(desk);
    return desk->now_ms < desk->next_due_ms && next + NUMBER_SLACK <= desk->end_record &&
           next < desk->keys_end;
}

// What the server can do while the batch is decided: whether its keys were used.
static void open_flight(struct desk *desk, struct link *link, struct column *keys) {
    struct parameters parameters = {0};
    desk->ahead.keys_from = desk->keys_from;
    desk->ahead.keys_end = desk->keys_end;
    link_send(link, SQL_BEGIN, NULL);
    parameter_column(&parameters, keys);
    parameter_number(&parameters, (int64_t)desk->keys_from);
    parameter_number(&parameters, (int64_t)desk->keys_end);
    link_send(link, SQL_KEYS_UNUSED, &parameters);
    link_flush(link);
}

// Whether each key of the batch was asked for, and wherever it may have been used since.
static bool has_asked(const struct desk *desk) {
    const struct ahead *ahead = &desk->ahead;
    return desk->wants.keys.count <= ahead->keys.count && ahead->keys_from <= desk->keys_from &&
           ahead->keys_end >= desk->keys_end;
}

static void begin(struct desk *desk, struct link *link, bool is_open) {
    desk_heads_settle(desk, true);
    if (desk->told.heads)
        return;
    for (uint32_t i = 0; i < desk->asked.count; i++) {
        const struct asked *asked = desk->asked.items[i];
        desk_known_trust(desk, id_slot(asked->id), asked->number);
    }
    desk->asked.count = 0;
    desk->before = desk->counters;
    desk->ahead.is_on = true;
    if (!is_open)
        open_flight(desk, link, &desk->wants.keys);
    else
        CHECK(has_asked(desk));
}

// `is_open`: its flight was opened before.
static enum link_result try_ahead(struct desk *desk, struct link *link,
                                  const struct inbox_node *first, bool will_write, bool is_open) {
    struct ahead *ahead = &desk->ahead;
    bool is_known = ahead->is_known;
    desk_ahead_forget(desk);
    if (!is_known || will_write || !desk->has_writes || !are_plain(first) ||
        !are_books_known(desk) || !are_wallets_known(desk))
        return LINK_OK;
    if (ahead->pause != 0) {
        ahead->pause--;
        return LINK_OK;
    }
    if (!desk->has_turn && !desk->turn_is_asked)
        desk_turn_ask(desk, link);
    enum link_result result = desk_turn_settle(desk, link);
    desk_set_now(desk, ahead->clock_ms);
    if (result == LINK_OK && is_time_known(desk))
        begin(desk, link, is_open);
    return result;
}

// With what was asked for in front of it, which a batch with a look need not ask for again.
static enum link_result close_flight(struct desk *desk, struct link *link) {
    enum link_result result = desk_turn_settle(desk, link);
    return result == LINK_LOST ? LINK_LOST : desk_ahead_take_back(link);
}

enum link_result desk_ahead_begin(struct desk *desk, struct link *link,
                                  const struct inbox_node *first, bool will_write) {
    const struct inbox_node *opened = desk->ahead.opened;
    bool is_open = desk->ahead.was_open = opened != NULL && opened == first;
    enum link_result result = LINK_OK;
    if (opened != NULL && !is_open) // the last batch is begun again
        result = desk_ahead_close(desk, link);
    desk->ahead.opened = NULL;
    if (result == LINK_OK)
        result = try_ahead(desk, link, first, will_write, is_open);
    if (result == LINK_OK && is_open && !desk->ahead.is_on)
        result = close_flight(desk, link);
    return result;
}

// ---- while the last one is committed ------------------------------------------------------------

static bool is_wallet_known(const struct desk *desk, struct id id) {
    uint64_t number;
    return number_of_id(&desk->seal, id, &number) && desk_knows_place(desk, id_slot(id), number);
}

static bool is_known(const struct desk *desk, const struct submission *submission) {
    bool known = true;
    for (uint32_t i = 0; i < submission->count && known; i++)
        known = is_wallet_known(desk, submission->commands[i].wallet) &&
                is_wallet_known(desk, submission->commands[i].counterparty);
    return known;
}

static void add_key(struct column *keys, const struct command *command) {
    column_add_bytes(keys, slice_of(&command->key, sizeof(command->key)));
}

// Whether the batch at hand, which goes out, will be what the next one may be decided on; and
// whether so much waits that it is better begun than let grow.
bool desk_ahead_may_open(const struct desk *desk, const struct inbox_node *waiting) {
    uint32_t commands = 0;
    if (waiting == NULL || desk->ahead.pause != 0 || !leaves_known_books(desk) ||
        desk->parts_known != LIMIT_SLOTS || !are_plain(waiting) || !are_books_known(desk))
        return false;
    for (const struct inbox_node *node = waiting; node != NULL; node = node->next) {
        const struct round *round = seen_of(node);
        commands += round->command_count;
        for (const struct submission *submission = round->first; submission != NULL;
             submission = submission->next)
            if (!is_known(desk, submission))
                return false;
    }
    return commands * 2 >= desk->commands_wanted;
}

void desk_ahead_open(struct desk *desk, struct link *link, const struct inbox_node *first) {
    struct column *keys = &desk->ahead.keys;
    CHECK(desk->ahead.opened == NULL && desk->turn_is_asked && first != NULL);
    desk_keys_set_span(desk); // it may be long since the batch at hand was begun
    column_begin(keys, true);
    for (const struct inbox_node *node = first; node != NULL; node = node->next)
        for (const struct submission *submission = seen_of(node)->first; submission != NULL;
             submission = submission->next) {
            if (submission->atomic && submission->batch.has_key)
                add_key(keys, &submission->batch);
            for (uint32_t i = 0; i < submission->count; i++)
                if (submission->commands[i].has_key)
                    add_key(keys, &submission->commands[i]);
        }
    open_flight(desk, link, keys);
    desk->ahead.opened = first;
}

enum link_result desk_ahead_close(struct desk *desk, struct link *link) {
    CHECK(desk->ahead.opened != NULL);
    desk->ahead.opened = NULL;
    return close_flight(desk, link);
}

// ---- in vain ------------------------------------------------------------------------------------

// Whether all that the batch was decided on is proved by what it writes.
bool desk_ahead_is_in_vain(struct desk *desk) {
    bool is_proved = desk->records.count != 0;
    for (uint32_t i = 0; i < desk->wallets.count && is_proved; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        is_proved = row->changed && !row->added;
    }
    if (!desk->ahead.is_on || is_proved)
        return false;
    desk_ahead_forget(desk);
    return true;
}

enum link_result desk_ahead_take_back(struct link *link) {
    link_sync(link); // a key may have been used, and what fails ends its unit alone
    link_send(link, SQL_ROLLBACK, NULL); // the turn stays
    link_sync(link);
    return link_collect(link, NULL, NULL) == LINK_LOST ? LINK_LOST : LINK_OK;
}
