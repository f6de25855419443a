// SPDX-License-Identifier: MIT
// What another shard owns: what is known there came along with the round, and what the batch does
// to it is prepared there before the batch is committed here.
#include "base/check.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/desk/desk.h"

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
    desk_take_away_key(desk, &wallet->data_key);
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
    row->spent = wallet->spent;
    row->currency = wallet->currency;
    map_add(&desk->wallet_map, key, row);
}

const struct answer_row *desk_legs_answer(const struct desk *desk, struct digest128 key) {
    const struct answer_row *row =
        desk->legs.count == 0 ? NULL : map_find(&desk->answer_map, key);
    return row == NULL || !row->is_away ? NULL : row;
}

// In place of its position there it gets one that no record has. Returns it; 0: there is none.
static uint64_t take_record(struct desk *desk, struct slice bytes) {
    if (bytes.size == 0)
        return 0;
    struct record_row *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct record_row){.position = DESK_AWAY + UINT64_C(8) * desk->away_count++,
                               .bytes = bytes};
    desk_want_key(desk, bytes); // which came along with the wallet
    map_add(&desk->record_map, map_number(row->position / 8), row);
    return row->position;
}

static void take_key(struct desk *desk, const struct leg_key *key) {
    struct record record;
    const char *why;
    struct answer_row *answer = desk_answer(desk, key->key);
    if (answer->is_away)
        return; // another command names it, too
    answer->is_away = true;
    answer->is_blocked = key->is_blocked;
    if (key->bytes.size == 0)
        return;
    enum status status = record_decode(key->bytes, &record, &why);
    CHECK(status == STATUS_ok && record.has_key && digest128_equal(record.key, key->key));
    if (record.time_ms + desk->retention_ms < desk->now_ms)
        return; // it is forgotten
    answer->position = take_record(desk, key->bytes);
    // Where the one behind it stands is told by its place.
    answer->opened = take_record(desk, key->opening);
}

static void take_hold(struct desk *desk, const struct legs *legs, const struct leg_thing *thing,
                      uint64_t number) {
    struct digest128 key = map_slot_number(thing->slot, number);
    if (map_find(&desk->hold_map, key) != NULL)
        return; // another command names it, too
    struct hold_row *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct hold_row){.number = number,
                             .legs = legs,
                             .present = thing->is_there,
                             .hold = thing->hold,
                             .opened = take_record(desk, thing->bytes)};
    map_add(&desk->hold_map, key, row);
}

static void take_withdrawal(struct desk *desk, const struct legs *legs,
                            const struct leg_thing *thing, uint64_t number) {
    struct digest128 key = map_slot_number(thing->slot, number);
    if (map_find(&desk->withdrawal_map, key) != NULL)
        return;
    struct withdrawal_row *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct withdrawal_row){.number = number,
                                   .legs = legs,
                                   .present = thing->is_there,
                                   .withdrawal = thing->withdrawal,
                                   .opened = take_record(desk, thing->bytes)};
    map_add(&desk->withdrawal_map, key, row);
}

// Its record stands under its own number, like any other transaction's.
static void take_purchase(struct desk *desk, const struct legs *legs,
                          const struct leg_thing *thing, uint64_t number) {
    struct digest128 key = map_number(number);
    if (map_find(&desk->purchase_map, key) != NULL || map_find(&desk->record_map, key) != NULL)
        return;
    struct purchase_row *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct purchase_row){.record = number,
                                 .slot = thing->slot,
                                 .part = thing->part,
                                 .legs = legs,
                                 .present = thing->is_there && thing->bytes.size != 0,
                                 .blocked = thing->is_blocked,
                                 .refunded = thing->refunded};
    map_add(&desk->purchase_map, key, row);
    if (!row->present)
        return;
    struct record_row *record = arena_take(&desk->arena, sizeof(*record));
    *record = (struct record_row){.position = number * 8, .bytes = thing->bytes};
    desk_want_key(desk, thing->bytes);
    map_add(&desk->record_map, key, record);
}

static void take_thing(struct desk *desk, const struct legs *legs, const struct leg_thing *thing) {
    uint64_t number;
    desk_take_away_key(desk, &thing->data_key);
    if (thing->kind == LEG_NEW_WALLET || !number_of_id(&desk->seal, thing->id, &number))
        return;
    switch (thing->kind) {
    case LEG_HOLD: take_hold(desk, legs, thing, number); return;
    case LEG_WITHDRAWAL: take_withdrawal(desk, legs, thing, number); return;
    default: take_purchase(desk, legs, thing, number); return;
    }
}

// With what a new wallet of that slot can go; NULL: nothing asked about the slot.
static struct legs *legs_of_new_wallet(const struct desk *desk, uint32_t slot,
                                       uint32_t *ret_part) {
    for (uint32_t i = 0; i < desk->legs.count; i++) {
        struct legs *legs = desk->legs.items[i];
        for (uint32_t k = 0; k < legs->thing_count; k++)
            if (legs->things[k].kind == LEG_NEW_WALLET && legs->things[k].slot == slot) {
                *ret_part = legs->things[k].part;
                return legs;
            }
    }
    return NULL;
}

bool desk_legs_has_thing(const struct desk *desk, const struct command *command) {
    uint64_t number;
    uint32_t part;
    if (command->type == COMMAND_WALLET_OPEN)
        return legs_of_new_wallet(desk, command->slot, &part) != NULL;
    if (id_is_zero(command->subject) || !number_of_id(&desk->seal, command->subject, &number))
        return true; // it names nothing anywhere
    struct digest128 key = map_slot_number(id_slot(command->subject), number);
    const struct hold_row *hold = map_find(&desk->hold_map, key);
    const struct withdrawal_row *withdrawal = map_find(&desk->withdrawal_map, key);
    const struct purchase_row *purchase = map_find(&desk->purchase_map, map_number(number));
    switch ((enum command_type)command->type) {
    case COMMAND_CAPTURE:
    case COMMAND_VOID: return hold != NULL && hold->legs != NULL;
    case COMMAND_SETTLE:
    case COMMAND_FAIL: return withdrawal != NULL && withdrawal->legs != NULL;
    default: return purchase != NULL && purchase->legs != NULL;
    }
}

bool desk_legs_is_archived(const struct desk *desk, struct id id) {
    for (uint32_t i = 0; i < desk->legs.count; i++) {
        const struct legs *legs = desk->legs.items[i];
        for (uint32_t k = 0; k < legs->thing_count; k++)
            if (id_equal(legs->things[k].id, id))
                return legs->things[k].is_archived;
    }
    return false;
}

void desk_take_purchase_lock(struct desk *desk, const struct pg_result *result, int row) {
    struct purchase_row *purchase =
        map_find(&desk->purchase_map, map_number((uint64_t)row_number(result, row, 1)));
    CHECK(purchase != NULL);
    purchase->blocked = true;
}

// ---- telling ------------------------------------------------------------------------------------

static void forget_place(struct posting_side *side) {
    side->number = 0;
    side->previous = side->skip = 0;
}

// What it says of where it was made means nothing here.
static void make_told(struct desk *desk, struct record *record) {
    record->time_ms = desk->now_ms;
    record->arrives = true;
    record->decided_away = record_is_of_thing(record);
    record->has_key = record->judged = record->queued = false;
    record->key = record->request = (struct digest128){0};
    record->spent = (struct spent){0};
    record->sealed_by = 0; // of texts that nobody can read any more
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION:
        forget_place(&record->transaction.debit);
        forget_place(&record->transaction.credit);
        record->transaction.external_total = 0;
        if (record->transaction.type == TRANSACTION_REFUND)
            record->transaction.subject_status = 0;
        return;
    case RECORD_PARKED:
        record->parked.held = 0;
        record->parked.held_away = false;
        return;
    default: CHECK(record->decided_away); return;
    }
}

static uint64_t *opening_of(struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION: return &record->transaction.opening;
    case RECORD_HOLD: return &record->hold.opening;
    case RECORD_WITHDRAWAL: return &record->withdrawal.opening;
    case RECORD_PARKED: return &record->parked.opening;
    default: return NULL;
    }
}

// `opened`: the one behind it, which is told first; 0: there is none.
uint64_t desk_tell(struct desk *desk, uint64_t position, uint64_t opened) {
    struct record record;
    const char *why;
    struct record_row *row = map_find(&desk->record_map, map_number(position / 8));
    CHECK(position >= DESK_AWAY && row != NULL);
    if (row->told != 0)
        return row->told;
    struct slice bytes = desk_reveal(desk, &desk->arena, row->bytes);
    CHECK(record_decode(bytes, &record, &why) == STATUS_ok);
    make_told(desk, &record);
    uint64_t *opening = opening_of(&record);
    if (opening != NULL)
        *opening = opened == 0 ? 0 : desk_tell(desk, opened, 0);
    CHECK(record_is_told(&record));
    desk_touch(desk, row, sizeof(*row));
    row->told = desk_add_record(desk, &record, desk->guest_slot);
    return row->told;
}

void desk_tell_opening(struct desk *desk, const struct command *command) {
    struct hold_row *hold = desk_hold(desk, command->subject);
    struct withdrawal_row *withdrawal = desk_withdrawal(desk, command->subject);
    bool of_hold = command->type == COMMAND_CAPTURE || command->type == COMMAND_VOID;
    bool of_withdrawal = command->type == COMMAND_SETTLE || command->type == COMMAND_FAIL;
    if (of_hold && hold != NULL && hold->opened >= DESK_AWAY) {
        desk_touch(desk, hold, sizeof(*hold));
        hold->opened = desk_tell(desk, hold->opened, 0);
    }
    if (of_withdrawal && withdrawal != NULL && withdrawal->opened >= DESK_AWAY) {
        desk_touch(desk, withdrawal, sizeof(*withdrawal));
        withdrawal->opened = desk_tell(desk, withdrawal->opened, 0);
    }
}

// ---- what came along ----------------------------------------------------------------------------

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
    for (uint32_t i = 0; i < legs->key_count; i++)
        take_key(desk, &legs->keys[i]);
    for (uint32_t i = 0; i < legs->thing_count; i++)
        take_thing(desk, legs, &legs->things[i]);
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

void desk_want_sides_of_purchase(struct desk *desk, struct slice bytes) {
    struct record record;
    const char *why;
    if (record_decode(bytes, &record, &why) != STATUS_ok || record.kind != RECORD_TRANSACTION ||
        record.transaction.type != TRANSACTION_PURCHASE)
        return;
    desk_want(desk, ID_WALLET, record.transaction.debit.wallet);
    desk_want(desk, ID_WALLET, record.transaction.credit.wallet);
}

// What lies behind a thing of another shard may be here: the merchant of a hold.
void desk_want_of_legs(struct desk *desk, const struct legs *legs) {
    if (legs == NULL || legs->is_spent)
        return;
    for (uint32_t i = 0; i < legs->thing_count; i++) {
        const struct leg_thing *thing = &legs->things[i];
        if (thing->kind == LEG_HOLD && thing->is_there)
            desk_want(desk, ID_WALLET, thing->hold.merchant);
        if (thing->kind == LEG_PURCHASE)
            desk_want_sides_of_purchase(desk, thing->bytes);
    }
}

// ---- what goes there ----------------------------------------------------------------------------

static struct leg_entry *add_entry(struct legs *legs, const struct record_row *row, uint32_t part,
                                   uint32_t slot) {
    CHECK(legs->entry_count < LEGS_ENTRIES_MAX);
    struct leg_entry *entry = &legs->entries[legs->entry_count++];
    *entry = (struct leg_entry){.part = part, .slot = slot, .bytes = row->bytes};
    return entry;
}

static struct leg_entry *add_wallet(struct desk *desk, const struct record_row *row,
                                    struct id id) {
    const struct wallet_row *wallet = desk_legs_wallet(desk, id);
    CHECK(wallet != NULL);
    struct leg_entry *entry = add_entry(wallet->legs, row, wallet->part, id_slot(id));
    entry->number = wallet->number;
    return entry;
}

// A withdrawal that is settled at once comes to be where its wallet pays.
static void add_sides(struct desk *desk, const struct record_row *row,
                      const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    if (posting_is_elsewhere(&facts->debit)) {
        struct leg_entry *entry = add_wallet(desk, row, facts->debit.wallet);
        entry->debits = true;
        if (record->operation == COMMAND_WITHDRAWAL)
            entry->thing = facts->subject;
    }
    if (posting_is_elsewhere(&facts->credit))
        (void)add_wallet(desk, row, facts->credit.wallet);
}

static void add_purchase(struct desk *desk, const struct record_row *row, struct id purchase) {
    uint64_t number = 0;
    CHECK(number_of_id(&desk->seal, purchase, &number));
    const struct purchase_row *found = map_find(&desk->purchase_map, map_number(number));
    CHECK(found != NULL && found->legs != NULL);
    struct leg_entry *entry =
        add_entry((struct legs *)found->legs, row, found->part, found->slot);
    entry->number = number;
    entry->is_subject = true;
}

static void add_thing(struct desk *desk, const struct record_row *row,
                      const struct record *record) {
    if (record->kind == RECORD_HOLD) {
        struct leg_entry *entry = add_wallet(desk, row, record->hold.wallet);
        entry->thing = record->operation == COMMAND_HOLD ? record->hold.id : (struct id){{0}};
        return;
    }
    if (record->kind == RECORD_WITHDRAWAL) {
        struct leg_entry *entry = add_wallet(desk, row, record->withdrawal.wallet);
        entry->thing = record->operation == COMMAND_WITHDRAWAL ? record->withdrawal.id
                                                               : (struct id){{0}};
        return;
    }
    uint32_t part = 0, slot = id_slot(record->wallet.id);
    struct legs *legs = legs_of_new_wallet(desk, slot, &part);
    CHECK(legs != NULL && record->operation == COMMAND_WALLET_OPEN);
    add_entry(legs, row, part, slot)->thing = record->wallet.id;
}

// What a record books or pays on other shards.
static void add_entries(struct desk *desk, const struct record_row *row,
                        const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    if (facts->bank_id.size != 0 &&
        desk_is_elsewhere(desk, id_slot_of_owner(facts->bank_id))) {
        const struct bank_row *marker = desk_legs_marker(desk, facts->bank_id);
        CHECK(marker != NULL && marker->legs->entry_count < LEGS_ENTRIES_MAX);
        marker->legs->entries[marker->legs->entry_count++] =
            (struct leg_entry){.bank_id = facts->bank_id,
                               .currency = facts->currency,
                               .transaction = facts->id,
                               .slot = id_slot_of_owner(facts->bank_id),
                               .part = marker->part};
    }
    add_sides(desk, row, record);
    if (facts->type == TRANSACTION_REFUND && record_is_guest(record))
        add_purchase(desk, row, facts->subject);
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
        if (record_is_of_thing(&record) && record_is_guest(&record))
            add_thing(desk, row, &record);
        if (record_arrives(&record))
            continue;
        if (record.kind == RECORD_TRANSACTION)
            add_entries(desk, row, &record);
        bool holds = record.kind == RECORD_PARKED && record.parked.held != 0;
        if (holds && desk_is_elsewhere(desk, id_slot(record.parked.wallet)))
            add_wallet(desk, row, record.parked.wallet)->debits = true;
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
        parameter_number(&parameters, (int64_t)desk_first_record(desk));
        parameter_number(&parameters, (int64_t)desk->counters.last_record);
        link_send(link, SQL_ADD_DECISION, &parameters);
    }
}
