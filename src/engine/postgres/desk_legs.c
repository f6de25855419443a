// SPDX-License-Identifier: MIT
// Bank ids whose slot another shard owns: what is known there came along with the round, and what
// the batch books is prepared there before the batch is committed here.
#include "base/check.h"
#include "engine/postgres/crossing.h"
#include "engine/postgres/desk.h"

// Under a bank id alone, of no currency: whether it came along.
static struct digest128 marker_key(const struct desk *desk, struct slice bank_id) {
    return desk_bank_key(desk, slice_of(NULL, 0), bank_id);
}

const struct bank_row *desk_legs_marker(const struct desk *desk, struct slice bank_id) {
    const struct bank_row *marker =
        bank_id.size == 0 ? NULL : map_find(&desk->bank_map, marker_key(desk, bank_id));
    return marker == NULL || marker->legs == NULL ? NULL : marker;
}

void desk_take_bank_lock(struct desk *desk, const struct pg_result *result, int row) {
    desk_bank(desk, marker_key(desk, row_bytes(result, row, 0)))->is_blocked = true;
}

bool desk_bank_is_blocked(const struct desk *desk, struct slice bank_id) {
    if (desk->elsewhere_count == 0 || bank_id.size == 0)
        return false;
    const struct bank_row *marker = map_find(&desk->bank_map, marker_key(desk, bank_id));
    return marker != NULL && marker->is_blocked;
}

struct wallet_row *desk_legs_wallet(const struct desk *desk, struct id id) {
    uint64_t number;
    if (desk->legs.count == 0 || !number_of_id(&desk->seal, id, &number))
        return NULL;
    struct wallet_row *row = map_find(&desk->wallet_map, map_slot_number(id_slot(id), number));
    return row == NULL || row->legs == NULL ? NULL : row;
}

static void take_wallet(struct desk *desk, struct legs *legs, const struct leg_wallet *wallet) {
    uint64_t number;
    if (!number_of_id(&desk->seal, wallet->id, &number))
        return;
    struct digest128 key = map_slot_number(id_slot(wallet->id), number);
    if (map_find(&desk->wallet_map, key) != NULL)
        return; // another command names it, too
    struct wallet_row *row = arena_take(&desk->arena, sizeof(*row));
    memset(row, 0, sizeof(*row));
    row->number = number;
    row->legs = legs;
    row->part = wallet->part;
    row->present = wallet->is_there;
    row->blocked = wallet->is_blocked;
    row->wallet = wallet->wallet;
    row->habits = wallet->habits;
    row->currency = wallet->currency;
    map_add(&desk->wallet_map, key, row);
}

void desk_legs_take(struct desk *desk, struct legs *legs) {
    if (legs == NULL)
        return;
    legs->entry_count = 0;
    if (legs->is_spent)
        return;
    rows_add(&desk->legs, legs);
    for (uint32_t i = 0; i < legs->fact_count; i++) {
        struct bank_row *marker = desk_bank(desk, marker_key(desk, legs->facts[i].bank_id));
        if (marker->legs != NULL)
            continue;
        marker->legs = legs;
        marker->part = legs->facts[i].part;
        marker->is_blocked = legs->facts[i].is_blocked;
    }
    for (uint32_t i = 0; i < legs->wallet_count; i++)
        take_wallet(desk, legs, &legs->wallets[i]);
    for (uint32_t i = 0; i < legs->known_count; i++) {
        const struct leg_known *known = &legs->known[i];
        size_t size = strnlen(known->code, sizeof(known->code));
        struct bank_row *row = desk_bank(
            desk, desk_bank_key(desk, slice_of(known->code, size),
                                legs->facts[known->fact].bank_id));
        row->present = true;
        row->transaction = known->transaction;
    }
}

// What a record books or pays on other shards.
static void add_entries(struct desk *desk, const struct record_row *row,
                        const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    if (facts->bank_id.size != 0 &&
        desk_is_elsewhere(desk, id_slot_of_owner(facts->bank_id))) {
        const struct bank_row *marker = desk_legs_marker(desk, facts->bank_id);
        CHECK(marker != NULL && marker->legs->entry_count < LEGS_FACTS_MAX);
        marker->legs->entries[marker->legs->entry_count++] =
            (struct leg_entry){.bank_id = facts->bank_id,
                               .currency = facts->currency,
                               .transaction = facts->id,
                               .part = marker->part};
    }
    if (!posting_is_elsewhere(&facts->credit))
        return;
    const struct wallet_row *wallet = desk_legs_wallet(desk, facts->credit.wallet);
    CHECK(wallet != NULL && wallet->legs->entry_count < LEGS_FACTS_MAX);
    wallet->legs->entries[wallet->legs->entry_count++] =
        (struct leg_entry){.bytes = row->bytes,
                           .wallet = facts->credit.wallet,
                           .number = wallet->number,
                           .part = wallet->part};
}

bool desk_legs_prepare(struct desk *desk) {
    if (desk->legs.count == 0)
        return true;
    for (uint32_t i = 0; i < desk->records.count; i++) {
        struct record record;
        const char *why;
        const struct record_row *row = desk->records.items[i];
        enum status status = record_decode(row->bytes, &record, &why);
        CHECK(status == STATUS_ok);
        if (record.kind == RECORD_TRANSACTION && !record_arrives(&record))
            add_entries(desk, row, &record);
    }
    for (uint32_t i = 0; i < desk->legs.count; i++) {
        struct legs *legs = desk->legs.items[i];
        if (legs->entry_count == 0)
            continue;
        legs->is_spent = true; // whatever comes of it, these are not prepared twice
        if (!legs->prepare(legs))
            return false;
    }
    return true;
}

void desk_legs_decide(struct desk *desk, struct link *link) {
    for (uint32_t i = 0; i < desk->legs.count; i++) {
        const struct legs *legs = desk->legs.items[i];
        struct parameters parameters = {0};
        if (legs->entry_count == 0)
            continue;
        parameter_bytes(&parameters, slice_of_text(legs->gid));
        parameter_bytes(&parameters, slice_of_text(legs->names));
        parameter_number(&parameters, (int64_t)desk->now_ms);
        link_send(link, SQL_ADD_DECISION, &parameters);
    }
}

void desk_write_arrivals(struct desk *desk, struct link *link) {
    columns_begin(desk->out, 2, COLUMN_BIT(0));
    for (uint32_t i = 0; i < desk->arrivals.count; i++) {
        const struct arrival_row *arrival = desk->arrivals.items[i];
        if (!arrival->is_taken)
            continue;
        column_add_bytes(&desk->out[0], arrival->gid);
        column_add(&desk->out[1], arrival->place);
    }
    link_send_columns(link, SQL_TAKE_LEGS, desk->out, 2);
}
