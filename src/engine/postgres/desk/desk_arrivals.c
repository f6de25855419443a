// SPDX-License-Identifier: MIT
// What has arrived from other shards, in every batch of a shard before anything else. Rows that
// were taken up stay in all indexes as long as somebody's transaction is older than that, so a
// batch does not look for what is not taken, but for what an earlier one, behind which nothing was
// left, could not see: whoever brings something is still at work in that one's snapshot, or begins
// behind it.
#include "engine/postgres/arrivals.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

// ---- what a snapshot saw ------------------------------------------------------------------------

static bool take_number(struct slice *text, uint64_t *ret_number) {
    uint64_t number = 0;
    size_t digits = 0;
    for (; digits < text->size && digits < 19; digits++) {
        uint8_t digit = (uint8_t)(text->bytes[digits] - '0');
        if (digit > 9)
            break;
        number = 10 * number + digit;
    }
    *text = slice_of(text->bytes + digits, text->size - digits);
    *ret_number = number;
    return digits != 0;
}

static bool take_sign(struct slice *text, char sign) {
    if (text->size == 0 || text->bytes[0] != (uint8_t)sign)
        return false;
    *text = slice_of(text->bytes + 1, text->size - 1);
    return true;
}

struct arrivals_seen arrivals_seen_read(struct slice text) {
    const struct arrivals_seen nothing = {.next = 0};
    struct arrivals_seen seen = {.open_count = 0};
    uint64_t oldest;
    if (!take_number(&text, &oldest) || !take_sign(&text, ':') ||
        !take_number(&text, &seen.next) || !take_sign(&text, ':'))
        return nothing;
    while (text.size != 0) {
        if (seen.open_count == ARRIVALS_OPEN_MAX ||
            !take_number(&text, &seen.open[seen.open_count++]) ||
            (text.size != 0 && !take_sign(&text, ',')))
            return nothing;
    }
    return seen;
}

void arrivals_add_unseen(struct buffer *query, const struct arrivals_seen *seen) {
    CHECK(seen->open_count <= ARRIVALS_OPEN_MAX);
    buffer_add_format(query,
                      "WITH unseen AS MATERIALIZED (SELECT slot, number FROM legs WHERE NOT "
                      "is_taken AND brought_by >= %" PRIu64 " UNION ALL SELECT slot, number FROM "
                      "legs WHERE NOT is_taken AND brought_by < %" PRIu64
                      " AND brought_by = ANY ('{",
                      seen->next, seen->next);
    for (uint32_t i = 0; i < seen->open_count; i++)
        buffer_add_format(query, "%s%" PRIu64, i == 0 ? "" : ",", seen->open[i]);
    BUFFER_ADD(query, "}'::bigint[])) ");
}

// ---- fetching -----------------------------------------------------------------------------------

// Only of books on several servers is there anything.
void desk_arrivals_ask(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    struct column *open = &desk->wants.arrivals_open;
    const struct arrivals_seen *taken = &desk->arrivals_taken;
    if (desk->elsewhere_count == 0 || desk->arrivals_asked)
        return;
    desk->arrivals_asked = true;
    column_begin(open, false);
    for (uint32_t i = 0; i < taken->open_count; i++)
        column_add(open, (int64_t)taken->open[i]);
    parameter_number(&parameters, (int64_t)taken->next);
    parameter_column(&parameters, open);
    link_send(link, desk->has_writes ? SQL_ARRIVALS_LOCKED : SQL_ARRIVALS, &parameters);
}

// The first row says what this batch's snapshot sees, also when nothing has arrived.
void desk_arrivals_see(struct desk *desk, const struct pg_result *result) {
    CHECK(row_count(result) >= 1);
    desk->arrivals_seen = arrivals_seen_read(row_bytes(result, 0, 5));
    desk->arrivals_seen.asked_ns = desk->begun_ns;
}

// ---- behind the batch ---------------------------------------------------------------------------

void desk_arrivals_settle(struct desk *desk) {
    if (!desk->arrivals_asked || desk->arrivals.count == DESK_DUE_MAX)
        return;
    for (uint32_t i = 0; i < desk->arrivals.count; i++) {
        const struct arrival_row *arrival = desk->arrivals.items[i];
        if (!arrival->is_taken)
            return; // somebody has locked the wallet, or the leg
    }
    desk->arrivals_taken = desk->arrivals_seen;
}

void desk_write_arrivals(struct desk *desk, struct link *link) {
    columns_begin(desk->out, 2, COLUMN_BIT(0));
    column_begin_places(&desk->out[2]);
    for (uint32_t i = 0; i < desk->arrivals.count; i++) {
        const struct arrival_row *arrival = desk->arrivals.items[i];
        if (!arrival->is_taken)
            continue;
        column_add_bytes(&desk->out[0], arrival->gid);
        column_add(&desk->out[1], arrival->place);
        column_add_bytes(&desk->out[2], slice_of(&arrival->lies, sizeof(arrival->lies)));
    }
    link_send_columns(link, SQL_TAKE_LEGS, desk->out, 3);
}
