// SPDX-License-Identifier: MIT
// Batches that are decided without a look. What a batch leaves, its node knows: the row of books,
// heads of slots, and its wallets. As long as nobody else writes, the next batch of plain payments
// between such wallets can be decided on that, with the turn and what time it is, and goes to the
// server in one flight, which proves each thing that it was decided on where it changes it: the row
// of books lies where this node's last round left it and was written by that round's transaction,
// each wallet still has its version, and no idempotency key of the batch was used before. What is
// otherwise ends the transaction, and the batch is begun again with a look. Whoever changes what
// batches are decided on (keys, rules, encryption, the line of the archive) writes the row of books
// in the same transaction.
//
// Where much waits while a batch is committed, the next one is decided meanwhile, on what that one
// leaves, and its rows go out right behind the COMMIT: the server is at work on them while the node
// tells the clients of the first, and a session of its own looks for the keys (desk_beside.c). Its
// own round, which proves the row of books, wallets that both batches change, since where they lie
// is told with the first one's answer, and its COMMIT go out when that has come, so of what nobody
// has answered there is never more than one.
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
    if (desk->writes_heads && desk->heads_put == desk->heads_sent)
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

// `knows`: desk_knows_place, or, behind a batch that has left, desk_knows_place_behind.
static bool are_wallets_known(const struct desk *desk,
                              bool (*knows)(const struct desk *, uint32_t, uint64_t)) {
    for (uint32_t i = 0; i < desk->asked.count; i++) {
        const struct asked *asked = desk->asked.items[i];
        if (!knows(desk, id_slot(asked->id), asked->number))
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

// `own`: those that the batch has added by then.
static void ask_keys(struct desk *desk, struct link *link, uint32_t own) {
    struct parameters parameters = {0};
    parameter_column(&parameters, &desk->wants.keys);
    parameter_number(&parameters, (int64_t)desk->keys_from);
    parameter_number(&parameters, (int64_t)desk->keys_end);
    parameter_number(&parameters, own);
    link_send(link, SQL_KEYS_UNUSED, &parameters);
}

// Whether its keys were used is asked at once, unless a session beside looks for that.
static void open_flight(struct desk *desk, struct link *link) {
    link_send(link, SQL_BEGIN, NULL);
    if (desk->ahead.beside.is_asked)
        link_send(link, SQL_WAIT_BRIEFLY, NULL);
    else
        ask_keys(desk, link, 0);
}

void desk_ahead_prove_keys(struct desk *desk, struct link *link) {
    if (!desk->ahead.beside.is_asked)
        return;
    CHECK(desk->ahead.is_on);
    link_flush(link); // the server is at work on all of it
    desk->ahead.was_beside = desk_beside_settle(desk);
    if (!desk->ahead.was_beside)
        ask_keys(desk, link, desk->keys_added);
}

static void begin(struct desk *desk) {
    desk_heads_settle(desk, true);
    if (desk->told.heads)
        return;
    for (uint32_t i = 0; i < desk->asked.count; i++) {
        const struct asked *asked = desk->asked.items[i];
        desk_known_trust(desk, id_slot(asked->id), asked->number);
    }
    desk->asked.count = 0;
    desk->before = desk->counters;
    desk->ahead.was_beside = false;
    desk->ahead.is_on = true;
}

static enum link_result try_ahead(struct desk *desk, struct link *link,
                                  const struct inbox_node *first, bool will_write) {
    struct ahead *ahead = &desk->ahead;
    bool is_known = ahead->is_known;
    desk_ahead_forget(desk);
    if (!is_known || will_write || !desk->has_writes || !are_plain(first) ||
        !are_books_known(desk) || !are_wallets_known(desk, desk_knows_place))
        return LINK_OK;
    if (ahead->pause != 0) {
        ahead->pause--;
        return LINK_OK;
    }
    if (!desk->has_turn && !desk->turn_is_asked)
        desk_turn_ask(desk, link);
    enum link_result result = desk_turn_settle(desk, link);
    desk_set_now(desk, ahead->clock_ms);
    if (result != LINK_OK || !is_time_known(desk))
        return result;
    begin(desk);
    if (ahead->is_on)
        open_flight(desk, link);
    link_flush(link);
    return LINK_OK;
}

enum link_result desk_ahead_begin(struct desk *desk, struct link *link,
                                  const struct inbox_node *first, bool will_write) {
    enum link_result result = LINK_OK;
    if (desk->ahead.opened != NULL) // the last batch is begun again
        result = desk_ahead_close(desk, link);
    return result == LINK_OK ? try_ahead(desk, link, first, will_write) : result;
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

// Heads that are written tell with the COMMIT where they lie by then.
bool desk_ahead_may_leave(const struct desk *desk) {
    return desk->ahead.pause == 0 && leaves_known_books(desk) && !desk->writes_heads &&
           !desk->arrivals_asked && desk_parts_are_known(desk) && are_books_known(desk);
}

bool desk_ahead_may_open(const struct desk *desk, const struct inbox_node *waiting) {
    if (waiting == NULL || !are_plain(waiting))
        return false;
    for (const struct inbox_node *node = waiting; node != NULL; node = node->next)
        for (const struct submission *submission = seen_of(node)->first; submission != NULL;
             submission = submission->next)
            if (!is_known(desk, submission))
                return false;
    return true;
}

static void note_left(struct desk *desk) {
    buffer_reset(&desk->ahead.left);
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        if (row->changed)
            buffer_add_slice(&desk->ahead.left, slice_of(&row->wallet.id, sizeof(struct id)));
    }
}

static bool has_key(const struct desk *desk, const struct command *command) {
    return command->has_key && map_find(&desk->answer_map, command->key) != NULL;
}

// Whether the batch at hand has a key of those rounds: who looks beside it may not see that.
static bool has_key_of(const struct desk *desk, const struct inbox_node *node) {
    for (; node != NULL; node = node->next)
        for (const struct submission *submission = seen_of(node)->first; submission != NULL;
             submission = submission->next) {
            if (submission->atomic && has_key(desk, &submission->batch))
                return true;
            for (uint32_t i = 0; i < submission->count; i++)
                if (has_key(desk, &submission->commands[i]))
                    return true;
        }
    return false;
}

void desk_ahead_leave(struct desk *desk, const struct inbox_node *next) {
    struct ahead *ahead = &desk->ahead;
    CHECK(!ahead->has_left && desk_ahead_may_leave(desk));
    desk->next_due_ms = desk_next_due(desk);
    desk_known_keep(desk);
    desk_rules_leave(desk);
    note_left(desk);
    ahead->left_was_on = ahead->is_on;
    ahead->left_chain = desk->before.chain;
    ahead->is_key_common = has_key_of(desk, next);
    ahead->has_left = true;
    desk_ahead_forget(desk);
}

// The time is what the server told last, with the turn of the batch that has left.
bool desk_ahead_begin_behind(struct desk *desk, struct inbox_node *first) {
    CHECK(desk->ahead.has_left && desk->ahead.opened == NULL);
    desk_want_all(desk, first, false);
    if (!desk->has_writes || !are_plain(first) || !are_books_known(desk) ||
        !are_wallets_known(desk, desk_knows_place_behind))
        return false;
    desk_set_now(desk, desk->ahead.clock_ms);
    if (is_time_known(desk))
        begin(desk);
    return desk->ahead.is_on;
}

void desk_ahead_open(struct desk *desk, struct link *link, const struct inbox_node *first) {
    CHECK(desk->ahead.opened == NULL && desk->ahead.is_on && first != NULL);
    if (!desk->turn_is_asked)
        desk_turn_ask(desk, link);
    if (link_is_open(&desk->ahead.beside.link) && !desk->ahead.is_key_common &&
        desk->wants.keys.count != 0)
        desk_beside_ask(desk);
    open_flight(desk, link);
    desk_persist_rows(desk, link);
    link_flush(link);
    desk->ahead.opened = first;
}

// With what was asked for in front of it, which a batch with a look need not ask for again.
enum link_result desk_ahead_close(struct desk *desk, struct link *link) {
    CHECK(desk->ahead.opened != NULL);
    desk->ahead.opened = NULL;
    (void)desk_beside_settle(desk);
    enum link_result result = desk_turn_settle(desk, link);
    return result == LINK_LOST ? LINK_LOST : desk_ahead_take_back(link);
}

void desk_ahead_left_stands(struct desk *desk) {
    CHECK(desk->ahead.has_left);
    desk->ahead.has_left = false;
    if (desk->ahead.left_was_on)
        desk->ahead.wait = 1;
    desk_rules_keep_left(desk);
}

void desk_ahead_left_failed(struct desk *desk) {
    CHECK(desk->ahead.has_left);
    desk->ahead.has_left = false;
    desk_ahead_forget(desk);
    desk_known_forget(desk);
    desk_forget_books(desk);
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
