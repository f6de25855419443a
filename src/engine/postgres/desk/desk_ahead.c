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
#include "base/check.h"
#include "engine/postgres/desk/desk.h"

#define WAIT_MAX 64 // batches with a look behind one whose proof has failed, at most

void desk_ahead_forget(struct desk *desk) {
    desk->ahead.is_known = desk->ahead.is_on = false;
}

void desk_ahead_stands(struct desk *desk) {
    struct ahead *ahead = &desk->ahead;
    if (ahead->is_on)
        ahead->wait = 1;
    desk->next_due_ms = desk_next_due(desk);
    if (desk->writes_heads)
        desk->counters.heads_record = desk->counters.last_record;
    // An alarm is written behind the row of books and puts it elsewhere.
    ahead->is_known = desk->records.count != 0 && !desk->alarm_changed && desk->rules_record == 0;
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

static bool are_plain(struct inbox_node *node) {
    for (; node != NULL; node = node->next) {
        if (round_of(node)->legs != NULL)
            return false;
        for (struct submission *submission = round_of(node)->first; submission != NULL;
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
static void open_flight(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    link_send(link, SQL_BEGIN, NULL);
    parameter_column(&parameters, &desk->wants.keys);
    parameter_number(&parameters, (int64_t)desk->keys_from);
    parameter_number(&parameters, (int64_t)desk->keys_end);
    link_send(link, SQL_KEYS_UNUSED, &parameters);
    link_flush(link);
}

static void begin(struct desk *desk, struct link *link) {
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
    open_flight(desk, link);
}

enum link_result desk_ahead_begin(struct desk *desk, struct link *link, struct inbox_node *first,
                                  bool will_write) {
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
    if (!desk->has_turn)
        desk_turn_ask(desk, link);
    enum link_result result = desk_turn_settle(desk, link);
    uint64_t last_ms = desk->counters.time_ms;
    desk->now_ms = ahead->clock_ms > last_ms ? ahead->clock_ms : last_ms;
    if (result == LINK_OK && is_time_known(desk))
        begin(desk, link);
    return result;
}

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
