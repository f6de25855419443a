// SPDX-License-Identifier: MIT
// Heads of the slots' chains. What each record makes of its slot's chain stands beside the record,
// so the rows of slots need not be written by every batch: that would be a row more for nearly each
// payment. They are written when they lag behind by some thousand records; the row of books says up
// to which record all have come, and what came later is read from the records. Who moves a slot
// writes it first, on both sides, so that its row is its head.
//
// Nobody waits for a row that somebody else has locked, perhaps in a forgotten psql: it is passed
// by, and stays behind until it is free when rows are written next. So a row may have come farther
// than the row of books says, and never less far; its own last record says how far. In books that
// nodes may serve which do not know that, all rows are passed by when one is locked.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

#define FAR_BEHIND_MS 60000 // records of that time are asked for one by one

// ---- what is known ----------------------------------------------------------------------------

static void stand(struct desk *desk, struct head *head) {
    head->before = head->chain;
    head->last_before = head->last_record;
    head->unwritten += head->added;
    desk->heads_unwritten += head->added;
    if (!head->is_put)
        return;
    desk->heads_unwritten -= head->unwritten;
    head->written = head->chain;
    head->unwritten = 0;
    head->place = head->place_added;
}

// Either the last batch of this node is what the books end with, and its heads stand; or it came
// to nothing, or others wrote since: then they are as they were before it, and what changed comes.
static void settle(struct desk *desk) {
    const struct sha256 *chain = &desk->counters.chain;
    bool stands = memcmp(chain->bytes, desk->heads_chain.bytes, sizeof(chain->bytes)) == 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        struct head *head = &desk->heads[slot];
        if (head->added == 0 && (!desk->writes_heads || head->unwritten == 0))
            continue;
        if (stands) {
            stand(desk, head);
        } else {
            head->chain = head->before;
            head->last_record = head->last_before;
        }
        head->added = 0;
        head->is_put = false;
    }
    if (stands && desk->writes_heads) {
        desk->heads_passed_by = desk->heads_unwritten;
        if (desk->heads_put == desk->heads_sent)
            desk->heads_record = desk->counters.last_record;
    }
    desk->writes_heads = false;
    desk->heads_sent = desk->heads_put = 0;
}

void desk_heads_came(struct desk *desk) {
    desk->heads_chain = desk->counters.chain;
    desk->heads_round = (int64_t)desk->counters.rounds;
    desk->heads_known = desk->counters.last_record;
    desk->heads_record = desk->counters.heads_record;
}

void desk_heads_settle(struct desk *desk, bool same_slots) {
    const struct sha256 *chain = &desk->counters.chain;
    settle(desk);
    bool same_rows = desk->counters.heads_record == desk->heads_record;
    bool same_heads = memcmp(chain->bytes, desk->heads_chain.bytes, sizeof(chain->bytes)) == 0;
    if (!same_slots)
        desk->heads_round = -1;
    desk->told.heads = !same_slots || !same_rows || !same_heads;
    desk->told.head_rows = desk->heads_round < 0 || !same_rows;
    desk->heads_from = desk->told.head_rows ? desk->counters.heads_record : desk->heads_known;
    if (!desk->told.heads)
        desk_heads_came(desk);
}

// Whether there may be very many records behind the rows: one has been locked for long.
static bool are_far_behind(const struct desk *desk) {
    uint64_t behind = desk->counters.last_record - desk->counters.heads_record;
    return behind >> NUMBER_TIME_SHIFT > FAR_BEHIND_MS;
}

// Rows that somebody has written since, and then the records behind them. A slot whose row was not
// written had nothing that its row lacked, or somebody has locked it, and what it lacks is known.
void desk_heads_ask(struct desk *desk, struct link *link, struct told told) {
    struct parameters rows = {0}, since = {0};
    if (!told.heads)
        return;
    bool is_far = told.head_rows && are_far_behind(desk);
    if (is_far)
        desk->heads_round = -1;
    if (told.head_rows) {
        parameter_number(&rows, desk->heads_round);
        link_send(link, SQL_HEADS, &rows);
    }
    parameter_number(&since, (int64_t)desk->heads_from);
    parameter_number(&since, (int64_t)desk->counters.last_record);
    link_send(link, is_far ? SQL_HEADS_BEHIND : SQL_HEADS_SINCE, &since);
}

static void take_chain(const struct pg_result *result, int row, struct sha256 *ret_chain) {
    struct slice chain = row_bytes(result, row, 1);
    CHECK(chain.size == sizeof(ret_chain->bytes));
    memcpy(ret_chain->bytes, chain.bytes, chain.size);
}

static void set_unwritten(struct desk *desk, struct head *head, uint32_t count) {
    CHECK(desk->heads_unwritten >= head->unwritten);
    desk->heads_unwritten += count - head->unwritten;
    head->unwritten = count;
    if (desk->heads_passed_by > desk->heads_unwritten)
        desk->heads_passed_by = desk->heads_unwritten;
}

void desk_take_head(struct desk *desk, const struct pg_result *result, int row) {
    uint64_t slot = (uint64_t)row_number(result, row, 0);
    CHECK(slot < LIMIT_SLOTS);
    struct head *head = &desk->heads[slot];
    take_chain(result, row, &head->chain);
    head->before = head->written = head->chain;
    head->last_record = head->last_before = (uint64_t)row_number(result, row, 4);
    set_unwritten(desk, head, 0);
    row_take_place(result, row, 3, &head->place);
    bool was_elsewhere = head->is_elsewhere;
    head->is_elsewhere = row_number(result, row, 2) != 0;
    desk->elsewhere_count += head->is_elsewhere;
    desk->elsewhere_count -= was_elsewhere;
}

void desk_take_head_since(struct desk *desk, const struct pg_result *result, int row) {
    uint64_t slot = (uint64_t)row_number(result, row, 0);
    CHECK(slot < LIMIT_SLOTS);
    struct head *head = &desk->heads[slot];
    uint64_t number = (uint64_t)row_number(result, row, 2);
    if (number <= head->last_record)
        return; // its row has come farther than others, or it is known
    take_chain(result, row, &head->chain);
    head->before = head->chain;
    head->last_record = head->last_before = number;
    set_unwritten(desk, head, head->unwritten + 1);
}

// All rows came in front of these: what each lacks.
void desk_take_head_behind(struct desk *desk, const struct pg_result *result, int row) {
    uint64_t slot = (uint64_t)row_number(result, row, 0);
    CHECK(slot < LIMIT_SLOTS);
    struct head *head = &desk->heads[slot];
    take_chain(result, row, &head->chain);
    head->before = head->chain;
    head->last_record = head->last_before = (uint64_t)row_number(result, row, 2);
    set_unwritten(desk, head, (uint32_t)row_number(result, row, 3));
}

// ---- what is written --------------------------------------------------------------------------

const struct sha256 *desk_heads_chain(struct desk *desk) {
    struct sha256_context *context = sha256_open();
    struct sha256 *chains = arena_take(&desk->arena, desk->records.count * sizeof(*chains));
    for (uint32_t i = 0; i < desk->records.count; i++) {
        const struct record_row *row = desk->records.items[i];
        struct head *head = &desk->heads[row->slot];
        sha256_begin(context);
        sha256_add(context, slice_of(&head->chain, sizeof(head->chain)));
        sha256_add(context, row->bytes);
        chains[i] = head->chain = sha256_end(context);
        head->last_record = row->position / 8;
        head->added++;
    }
    sha256_close(context);
    return chains;
}

void desk_heads_write(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    struct column *out = desk->out;
    CHECK(!desk->writes_heads && desk->heads_passed_by <= desk->heads_unwritten);
    if (desk->heads_unwritten - desk->heads_passed_by + desk->records.count <= desk->heads_lag)
        return;
    desk->writes_heads = true;
    columns_begin(out, 5, COLUMN_BIT(1) | COLUMN_BIT(2));
    column_begin_places(&out[5]);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct head *head = &desk->heads[slot];
        if (head->added + head->unwritten == 0)
            continue;
        column_add(&out[0], slot);
        column_add_bytes(&out[1], slice_of(&head->written, sizeof(head->written)));
        column_add_bytes(&out[2], slice_of(&head->chain, sizeof(head->chain)));
        column_add(&out[3], (int64_t)head->last_record);
        column_add(&out[4], head->added + head->unwritten);
        column_add_bytes(&out[5], slice_of(&head->place, sizeof(head->place)));
        desk->heads_sent++;
    }
    for (uint32_t i = 0; i < 6; i++)
        parameter_column(&parameters, &out[i]);
    parameter_number(&parameters, (int64_t)desk->counters.rounds + 1);
    parameter_number(&parameters, desk->heads_apart);
    link_send(link, desk->by_place ? SQL_CHANGE_SLOTS_PLACED : SQL_CHANGE_SLOTS, &parameters);
}
