// SPDX-License-Identifier: MIT
// What other shards have decided about wallets, holds, withdrawals and purchases of this one: it
// came with their legs, and becomes records of this shard, in its own time and chain. Of a payment
// the deciding shard has the transaction, and here is one side of it; a wallet, hold or withdrawal
// is this shard's own, and its record like any other's.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"
#include "ledger/habits.h"
#include "ledger/owner.h"

// ---- while fetching -----------------------------------------------------------------------------

// What it will change here: the wallet, and what that has the money in.
static void want_of_arrival(struct desk *desk, const struct arrival_row *arrival,
                            const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        desk_want_owner(desk, owner_mark(desk->hash_seed, record->wallet.owner));
        return;
    case RECORD_HOLD:
        desk_want(desk, ID_WALLET, record->hold.wallet);
        if (record->operation != COMMAND_HOLD)
            desk_want(desk, ID_HOLD, record->hold.id);
        return;
    case RECORD_WITHDRAWAL:
        desk_want(desk, ID_WALLET, record->withdrawal.wallet);
        if (record->operation != COMMAND_WITHDRAWAL)
            desk_want(desk, ID_WITHDRAWAL, record->withdrawal.id);
        return;
    case RECORD_PARKED: desk_want(desk, ID_WALLET, record->parked.wallet); return;
    default: break;
    }
    if (arrival->is_subject) {
        desk_want(desk, ID_TRANSACTION, facts->subject);
        return;
    }
    desk_want(desk, ID_WALLET, arrival->debits ? facts->debit.wallet : facts->credit.wallet);
    if (arrival->debits && record->operation == COMMAND_SETTLE)
        desk_want(desk, ID_WITHDRAWAL, facts->subject);
    if (arrival->debits && record->operation == COMMAND_CAPTURE)
        desk_want(desk, ID_HOLD, facts->subject);
}

void desk_note_arrival(struct desk *desk, const struct pg_result *result, int row) {
    if (row_is_null(result, row, 0))
        return; // nothing has arrived
    struct arrival_row *arrival = arena_take(&desk->arena, sizeof(*arrival));
    struct record record;
    const char *why;
    *arrival = (struct arrival_row){.gid = row_bytes(result, row, 0),
                                    .place = row_number(result, row, 1),
                                    .bytes = row_bytes(result, row, 2),
                                    .is_held = row_number(result, row, 6) != 0,
                                    .debits = row_number(result, row, 3) == 1,
                                    .is_subject = row_number(result, row, 3) == 2};
    row_take_place(result, row, 4, &arrival->lies);
    enum status status = record_decode(arrival->bytes, &record, &why);
    CHECK(status == STATUS_ok);
    rows_add(&desk->arrivals, arrival);
    desk_want_key(desk, arrival->bytes);
    want_of_arrival(desk, arrival, &record);
    if (record.has_key && record_is_guest(&record))
        desk_want_answer(desk, record.key);
}

// ---- records ------------------------------------------------------------------------------------

// The request's key is remembered where the request is at home, which is here.
static void judge_key(const struct desk *desk, struct record *record, bool is_home) {
    const struct answer_row *answer =
        record->has_key ? map_find(&desk->answer_map, record->key) : NULL;
    if (is_home && answer != NULL && answer->position == 0)
        return;
    record->has_key = false;
    record->key = record->request = (struct digest128){0};
}

// ---- one side of a payment ----------------------------------------------------------------------

// The hold that it captures, or the withdrawal that it settles; NULL: neither.
static void find_subject(struct desk *desk, struct record *record, struct found *found) {
    struct transaction_facts *facts = &record->transaction;
    if (record->operation == COMMAND_CAPTURE) {
        found->hold = desk_hold(desk, facts->subject);
        CHECK(found->hold != NULL && found->hold->hold.status == HOLD_OPEN);
        facts->opening = found->hold->opened;
    }
    if (record->operation == COMMAND_SETTLE) {
        found->withdrawal = desk_withdrawal(desk, facts->subject);
        CHECK(found->withdrawal != NULL);
        facts->opening = found->withdrawal->opened;
    }
}

static void change_hold(struct desk *desk, const struct transaction_facts *facts,
                        struct hold_row *row) {
    row->changed = true;
    row->hold.captured = facts->subject_total;
    row->hold.status = facts->subject_status;
    desk->counters.holds_open -= row->hold.status != HOLD_OPEN;
    hold_check(&row->hold);
}

static void change_subject(struct desk *desk, const struct record *record, struct found *found,
                           uint64_t position) {
    const struct transaction_facts *facts = &record->transaction;
    if (found->hold != NULL)
        change_hold(desk, facts, found->hold);
    desk_settle(desk, record, found, position);
    if (found->withdrawal != NULL)
        found->withdrawal->withdrawal = (struct withdrawal){.id = facts->subject,
                                                            .wallet = facts->debit.wallet,
                                                            .amount = facts->amount,
                                                            .status = WITHDRAWAL_SETTLED};
}

static void take_side(struct desk *desk, struct record *record, struct wallet_row *row,
                      bool pays) {
    struct transaction_facts *facts = &record->transaction;
    struct posting_side *here = pays ? &facts->debit : &facts->credit;
    struct posting_side *there = pays ? &facts->credit : &facts->debit;
    struct found found = {.wallet = row};
    struct habits nobody = {0};
    judge_key(desk, record, facts->type != TRANSACTION_REFUND && record_is_guest(record) &&
                                here == transaction_home(facts));
    if (!pays || facts->type == TRANSACTION_REFUND)
        record->spent = (struct spent){0};
    if (pays)
        find_subject(desk, record, &found);
    record->time_ms = desk->now_ms;
    record->arrives = true;
    facts->external_total = 0;
    there->number = 0;
    there->previous = there->skip = 0;
    desk_history_fill(here, row);
    CHECK(record_arrives(record) && here->version == row->wallet.version + 1);
    CHECK(here->held == row->wallet.held || found.hold != NULL || found.withdrawal != NULL);
    uint64_t position = desk_add_record(desk, record, id_slot(here->wallet));
    desk_change_wallet(desk, row);
    row->wallet.balance = here->balance;
    row->wallet.held = here->held;
    row->wallet.version = here->version;
    if (record->spent.day != 0)
        row->spent = record->spent;
    bool acts = pays || facts->type == TRANSACTION_DEPOSIT; // else it sells
    if (record->judged)
        habits_see(record, acts ? &row->habits : &nobody, acts ? &nobody : &row->habits);
    desk_history_take(row, here, position);
    if (pays)
        change_subject(desk, record, &found, position);
    desk_pass_transit(desk, row->wallet.currency, pays ? -facts->amount : facts->amount);
}

// ---- what else ----------------------------------------------------------------------------------

// Of a refund: how much of the purchase is given back by now.
static void take_refunded(struct desk *desk, struct record *record) {
    struct record purchase;
    struct transaction_facts *facts = &record->transaction;
    struct purchase_row *row = desk_transaction(desk, facts->subject, &purchase);
    CHECK(row != NULL && row->refunded < facts->subject_total);
    judge_key(desk, record, true);
    record->time_ms = desk->now_ms;
    record->arrives = true;
    record->judged = false;
    record->spent = (struct spent){0};
    facts->debit.number = facts->credit.number = 0;
    facts->debit.previous = facts->debit.skip = 0;
    facts->credit.previous = facts->credit.skip = 0;
    facts->subject_status = SUBJECT_IS_HERE;
    CHECK(record_refunds_here(record));
    (void)desk_add_record(desk, record, id_slot(facts->subject));
    row->refunded = facts->subject_total;
    row->changed = true;
}

// Money of a wallet here that is held for a payment, or free again; that waits elsewhere.
static void take_held(struct desk *desk, struct record *record, struct wallet_row *row) {
    struct parked_facts *facts = &record->parked;
    record->time_ms = desk->now_ms;
    record->arrives = true;
    record->has_key = false;
    record->key = record->request = (struct digest128){0};
    record->spent = (struct spent){0};
    facts->opening = 0;
    facts->held_away = false;
    CHECK(facts->held != 0 && facts->wallet_version == row->wallet.version + 1);
    CHECK(facts->wallet_balance == row->wallet.balance);
    (void)desk_add_record(desk, record, id_slot(facts->wallet));
    desk_change_wallet(desk, row);
    row->wallet.held = facts->wallet_held;
    row->wallet.version = facts->wallet_version;
}

// What is opened or ended here by somebody else's decision.
static void take_thing(struct desk *desk, struct record *record, struct wallet_row *row) {
    struct found found = {.wallet = row};
    CHECK(record->arrives && record_is_of_thing(record));
    judge_key(desk, record, true);
    record->time_ms = desk->now_ms;
    record->arrives = false;
    record->decided_away = true;
    found.docket.owner_seed = desk->hash_seed;
    if (row != NULL) {
        found.docket.wallet = &row->wallet;
        found.docket.spent = &row->spent;
        found.docket.habits = &row->habits;
    }
    if (record->kind == RECORD_HOLD && record->operation != COMMAND_HOLD) {
        found.hold = desk_hold(desk, record->hold.id);
        CHECK(found.hold != NULL);
        found.docket.hold = &found.hold->hold;
    }
    if (record->kind == RECORD_WITHDRAWAL && record->operation != COMMAND_WITHDRAWAL) {
        found.withdrawal = desk_withdrawal(desk, record->withdrawal.id);
        CHECK(found.withdrawal != NULL);
        found.docket.withdrawal = &found.withdrawal->withdrawal;
    }
    (void)desk_take(desk, record, &found);
}

// Whose wallet it is about; zero: nobody's who has one yet, or a purchase.
static struct id wallet_of(const struct arrival_row *arrival, const struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION:
        if (arrival->is_subject)
            return (struct id){{0}};
        return arrival->debits ? record->transaction.debit.wallet
                               : record->transaction.credit.wallet;
    case RECORD_HOLD: return record->hold.wallet;
    case RECORD_WITHDRAWAL: return record->withdrawal.wallet;
    case RECORD_PARKED: return record->parked.wallet;
    default: return (struct id){{0}};
    }
}

// Whether somebody has locked what it is about.
static bool is_blocked(const struct desk *desk, const struct record *record, bool is_subject,
                       const struct wallet_row *row) {
    struct id id = record->kind == RECORD_TRANSACTION ? record->transaction.subject
                   : record->kind == RECORD_HOLD      ? record->hold.id
                   : record->kind == RECORD_WITHDRAWAL ? record->withdrawal.id
                                                       : (struct id){{0}};
    const struct hold_row *hold = desk_hold(desk, id);
    const struct withdrawal_row *withdrawal = desk_withdrawal(desk, id);
    struct record purchase;
    const struct purchase_row *refunded =
        is_subject ? desk_transaction(desk, id, &purchase) : NULL;
    return (row != NULL && (row->blocked || row->is_behind)) || (hold != NULL && hold->blocked) ||
           (withdrawal != NULL && withdrawal->blocked) ||
           (refunded != NULL && refunded->row_blocked) ||
           (!is_subject && desk_arrival_is_blocked(desk, record));
}

// Somebody has locked the leg itself: what is about the same comes behind it.
static void pass_by(struct desk *desk, const struct arrival_row *arrival,
                    const struct record *record, struct wallet_row *row) {
    struct record purchase;
    struct purchase_row *refunded =
        arrival->is_subject ? desk_transaction(desk, record->transaction.subject, &purchase) : NULL;
    if (row != NULL)
        row->is_behind = true;
    if (refunded != NULL)
        refunded->row_blocked = refunded->blocked = true;
}

static bool take_arrival(struct desk *desk, struct arrival_row *arrival) {
    struct record record;
    const char *why;
    enum status status = record_decode(arrival->bytes, &record, &why);
    CHECK(status == STATUS_ok);
    struct id wallet = wallet_of(arrival, &record);
    struct wallet_row *row = desk_wallet(desk, wallet);
    if (arrival->is_held) {
        pass_by(desk, arrival, &record, row);
        return false;
    }
    CHECK((row != NULL) == !id_is_zero(wallet));
    if (is_blocked(desk, &record, arrival->is_subject, row)) {
        if (row != NULL)
            row->is_behind = true; // it was decided on what the wallet is now
        return false;
    }
    desk_open_arrival(desk, arrival->bytes, &record);
    if (arrival->is_subject)
        take_refunded(desk, &record);
    else if (record.kind == RECORD_TRANSACTION)
        take_side(desk, &record, row, arrival->debits);
    else if (record.kind == RECORD_PARKED)
        take_held(desk, &record, row);
    else
        take_thing(desk, &record, row);
    return true;
}

// One batch of another shard's may open a wallet and pay it.
static bool is_held_with(const struct desk *desk, uint32_t index) {
    const struct arrival_row *arrival = desk->arrivals.items[index];
    bool is_held = arrival->is_held;
    for (uint32_t i = index; i-- > 0 && !is_held;) {
        const struct arrival_row *before = desk->arrivals.items[i];
        if (!slice_equal(before->gid, arrival->gid))
            break; // those of one come one behind the other
        is_held = before->is_held;
    }
    return is_held;
}

uint32_t desk_take_arrivals(struct desk *desk, struct engine_stats *stats) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < desk->arrivals.count; i++) {
        struct arrival_row *arrival = desk->arrivals.items[i];
        arrival->is_held = is_held_with(desk, i);
        if (!take_arrival(desk, arrival))
            continue;
        arrival->is_taken = true;
        taken++;
        __atomic_store_n(&stats->records, stats->records + 1, __ATOMIC_RELAXED);
    }
    return taken;
}
