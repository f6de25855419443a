// SPDX-License-Identifier: MIT
// The writer's turn: one batch per database at a time, so that those of several nodes queue before
// their snapshots. A COMMIT gives it back. When the next batch of this node waits by then, the turn
// is asked for right behind it, in the same flight: nodes that waited come first, and what the
// server answers, with the time, is there when that batch has been read. What is on its way then,
// this and what cleans up behind a round, is collected when that batch begins.
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

void desk_turn_ask(struct desk *desk, struct link *link) {
    link_send(link, SQL_TURN, NULL);
    link_sync(link);
    desk->turn_is_asked = true;
}

static void take_time(void *context, enum sql statement, const struct pg_result *result) {
    struct desk *desk = context;
    if (statement == SQL_TURN)
        desk->ahead.clock_ms = (uint64_t)row_number(result, 0, 1);
}

enum link_result desk_turn_settle(struct desk *desk, struct link *link) {
    if (!link_has_flight(link))
        return LINK_OK;
    enum link_result result = link_collect(link, take_time, desk);
    desk->has_turn = desk->turn_is_asked && result == LINK_OK;
    desk->turn_is_asked = false;
    return result == LINK_REFUSED ? LINK_AGAIN : result; // it is not the batch's fault
}

void desk_turn_take(struct desk *desk, struct link *link) {
    bool needs_turn = desk->has_writes && desk->takes_turn;
    if (needs_turn != desk->has_turn) {
        link_send(link, needs_turn ? SQL_TURN : SQL_TURN_BACK, NULL);
        link_sync(link);
    }
    desk->has_turn = false; // it goes back with the COMMIT
}

void desk_turn_forget(struct desk *desk) {
    desk->turn_is_asked = desk->has_turn = false;
    desk->ahead.clock_ms = 0; // another server may tell the next time
}
