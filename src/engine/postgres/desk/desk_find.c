// SPDX-License-Identifier: MIT
// Once everything is on the desk, each command finds its things there.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/number.h"
#include "ledger/new_ids.h"

// On its own shard the currency has another number.
static void take_currency(const struct desk *desk, struct wallet_row *row) {
    uint16_t number;
    if (row->legs == NULL)
        return;
    bool is_known = desk_currency(desk, &row->currency, &number) != NULL;
    row->wallet.currency = is_known ? number : UINT16_MAX;
}

// Of a currency that nobody here has been paid in, for a command that moves it between others.
static struct currency_account *foreign_account(struct desk *desk, const struct wallet_row *row) {
    CHECK(row->legs != NULL);
    struct currency_account *account = arena_take(&desk->arena, sizeof(*account));
    *account = (struct currency_account){.currency = row->currency};
    return account;
}

static void find_wallet(struct desk *desk, struct id id, struct found *found) {
    found->wallet = desk_wallet(desk, id);
    if (found->wallet == NULL || (found->wallet->legs != NULL && found->wallet->blocked))
        return; // then nothing is known of it, and the command is set aside
    take_currency(desk, found->wallet);
    found->docket.wallet = &found->wallet->wallet;
    found->docket.spent = &found->wallet->spent;
    found->docket.habits = &found->wallet->habits;
    found->docket.currency =
        found->wallet->wallet.currency < desk->currency_count
            ? &desk->currencies[found->wallet->wallet.currency].account
            : foreign_account(desk, found->wallet);
}

static void find_counterparty(struct desk *desk, struct id id, struct found *found) {
    found->counterparty = desk_wallet(desk, id);
    if (found->counterparty == NULL)
        return;
    found->docket.counterparty = &found->counterparty->wallet;
    found->docket.counterparty_habits = &found->counterparty->habits;
    struct wallet_row *row = found->counterparty;
    take_currency(desk, row);
    found->docket.counterparty_currency =
        row->legs != NULL ? &row->currency
                          : &desk->currencies[row->wallet.currency].account.currency;
}

static void find_purchase(struct desk *desk, struct id id, struct found *found) {
    struct record record;
    uint16_t number;
    // Nothing may refer any more to what is about to go.
    bool is_elsewhere = !id_is_zero(id) && desk_is_elsewhere(desk, id_slot(id));
    found->docket.subject_is_archived =
        is_elsewhere ? desk_legs_is_archived(desk, id) : desk_is_before_line(desk, id);
    found->transaction =
        found->docket.subject_is_archived ? NULL : desk_transaction(desk, id, &record);
    if (found->transaction == NULL)
        return;
    const struct transaction_facts *facts = &record.transaction;
    if (facts->type != TRANSACTION_PURCHASE) {
        found->docket.subject_is_other_transaction = true;
        found->docket.subject_owners[0] = desk_owner(desk, facts->debit.wallet);
        found->docket.subject_owners[1] = desk_owner(desk, facts->credit.wallet);
        found->docket.currency = desk_currency(desk, &facts->currency, &number);
        return;
    }
    found->purchase = (struct purchase){.id = facts->id,
                                        .wallet = facts->debit.wallet,
                                        .merchant = facts->credit.wallet,
                                        .amount = facts->amount,
                                        .refunded = found->transaction->refunded};
    found->docket.purchase = &found->purchase;
    find_wallet(desk, facts->credit.wallet, found);
    find_counterparty(desk, facts->debit.wallet, found);
    // Else one of them is on another shard, and it is refused.
    CHECK((found->wallet != NULL && found->counterparty != NULL) || desk->elsewhere_count != 0);
}

static bool is_archived(const struct desk *desk, struct id id) {
    return desk_is_archived(desk, id) || desk_legs_is_archived(desk, id);
}

static void find_hold(struct desk *desk, const struct command *command, struct found *found) {
    struct record opening;
    const char *why;
    found->hold = desk_hold(desk, command->subject);
    if (found->hold == NULL) {
        found->docket.subject_is_archived = is_archived(desk, command->subject);
        return;
    }
    found->docket.hold = &found->hold->hold;
    find_wallet(desk, found->hold->hold.wallet, found);
    find_counterparty(desk, found->hold->hold.merchant, found);
    // One that has ended is refused without its record, which may be archived.
    if (command->type != COMMAND_CAPTURE || found->hold->hold.status != HOLD_OPEN)
        return;
    const struct record_row *record = desk_record(desk, found->hold->opened);
    CHECK(record != NULL && record_decode(record->bytes, &opening, &why) == STATUS_ok);
    found->docket.order = opening.hold.order;
}

static void find_withdrawal(struct desk *desk, struct id id, struct found *found) {
    found->withdrawal = desk_withdrawal(desk, id);
    if (found->withdrawal == NULL) {
        found->docket.subject_is_archived = is_archived(desk, id);
        return;
    }
    found->docket.withdrawal = &found->withdrawal->withdrawal;
    find_wallet(desk, found->withdrawal->withdrawal.wallet, found);
}

static void find_texts(struct desk *desk, struct found *found) {
    struct record record;
    const char *why;
    if (found->wallet == NULL)
        return;
    const struct record_row *row = desk_record(desk, found->wallet->details);
    CHECK(row != NULL);
    struct slice bytes = desk_reveal(desk, &desk->arena, row->bytes);
    CHECK(record_decode(bytes, &record, &why) == STATUS_ok);
    CHECK(record.kind == RECORD_WALLET && id_equal(record.wallet.id, found->wallet->wallet.id));
    found->docket.owner = record.wallet.owner;
    found->docket.metadata = record.wallet.metadata;
}

static void find_bank(struct desk *desk, const struct command *command, struct found *found) {
    if (command->bank_id.size == 0 || found->docket.currency == NULL)
        return;
    struct slice code = currency_code(&found->docket.currency->currency);
    const struct bank_row *bank =
        map_find(&desk->bank_map, desk_bank_key(desk, code, command->bank_id));
    if (bank != NULL && bank->present)
        found->docket.bank_transaction = &bank->transaction;
}

// A transaction is found where it was decided; what else is opened lies with its wallet.
static void find_guest_ids(const struct desk *desk, const struct command *command, uint64_t record,
                           struct found *found) {
    struct id here = id_make(&desk->seal, desk->now_ms, desk->guest_slot, record);
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN:
    case COMMAND_HOLD:
    case COMMAND_VOID:
    case COMMAND_FAIL: return;
    case COMMAND_WITHDRAWAL:
        if (command->bank_id.size != 0)
            found->docket.new_transaction = here;
        return;
    default: found->docket.new_id = here; return;
    }
}

static void find_new_ids(struct desk *desk, const struct command *command, struct found *found) {
    uint64_t record = number_locator(desk_next_number(desk), desk->now_ms);
    bool is_key = command->type == COMMAND_KEY_CREATE;
    struct new_places places = {.record = record,
                                .thing = is_key ? desk->counters.keys + 1 : record,
                                .parked = record};
    new_ids_give(command, &desk->seal, &places, &found->docket);
    if (desk_is_guest(desk, command))
        find_guest_ids(desk, command, record, found);
    if (found->wallet != NULL)
        found->docket.parked_slot = desk_slot_of_parked(desk, found);
}

static void find_parked(struct desk *desk, const struct command *command, struct found *found) {
    struct record record;
    const char *why;
    found->parked = desk_parked(desk, command->subject);
    if (found->parked == NULL) {
        found->docket.subject_is_archived = desk_is_archived(desk, command->subject);
        return;
    }
    const struct record_row *opening = desk_record(desk, found->parked->opened);
    if (opening == NULL) { // decided long ago, and the record has gone with its partition
        found->parked = NULL;
        found->docket.subject_is_archived = true;
        return;
    }
    found->docket.parked = &found->parked->parked;
    found->docket.parked_by = found->parked->principal;
    if (found->parked->parked.cause == PARKED_FOR_APPROVAL)
        return;
    CHECK(record_decode(opening->bytes, &record, &why) == STATUS_ok);
    found->docket.parked_held = record.parked.held;
    find_wallet(desk, found->parked->parked.wallet, found);
    // What has ended brings no wallet of another shard along: it is refused without.
    CHECK(found->wallet != NULL || found->parked->parked.status != PARKED_PENDING);
}

uint32_t desk_slot_of_parked(const struct desk *desk, const struct found *found) {
    CHECK(found->wallet != NULL);
    if (found->wallet->legs == NULL)
        return id_slot(found->wallet->wallet.id);
    bool is_purchase_here = found->docket.purchase != NULL &&
                            !desk_is_elsewhere(desk, id_slot(found->docket.purchase->id));
    return is_purchase_here ? id_slot(found->docket.purchase->id) : desk->guest_slot;
}

void desk_find(struct desk *desk, const struct command *command, struct found *ret_found) {
    struct found *found = ret_found;
    uint16_t number;
    memset(found, 0, sizeof(*found));
    found->docket.now_ms = desk->now_ms;
    found->docket.alarm = &desk->alarm;
    found->docket.payments_stopped = desk->payments_stopped || desk->alarm.stopped != 0;
    found->docket.owner_seed = desk->hash_seed;
    found->docket.approvals = desk->approvals;
    found->docket.limits = desk->limits;
    if (desk->rules.count != 0) {
        memset(&desk->verdict, 0, sizeof(desk->verdict));
        found->docket.rules = &desk->rules;
        found->docket.verdict = &desk->verdict;
        found->docket.review_expires_s = desk->review_expires_s;
    }
    found->docket.words = &desk->words;
    found->docket.rules_version = desk->rules.version;
    found->docket.rules_failed = desk->rules_failed;
    found->docket.keys = desk->keys;
    found->docket.key_count = desk->key_count;
    const struct key_row *principal = desk_key(desk, command->principal_key);
    found->docket.principal = principal == NULL ? NULL : &principal->key;
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN:
        found->docket.currency = desk_currency(desk, &command->currency, &number);
        break;
    case COMMAND_PURCHASE:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD: find_counterparty(desk, command->counterparty, found); // fall through
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAWAL:
    case COMMAND_ADJUSTMENT:
    case COMMAND_FINDING:
    case COMMAND_WALLET_CHANGE: find_wallet(desk, command->wallet, found); break;
    case COMMAND_APPROVE:
    case COMMAND_REJECT:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS: find_parked(desk, command, found); break;
    case COMMAND_SETTLE:
    case COMMAND_FAIL: find_withdrawal(desk, command->subject, found); break;
    case COMMAND_REFUND: find_purchase(desk, command->subject, found); break;
    case COMMAND_CAPTURE:
    case COMMAND_VOID:
    case COMMAND_EXPIRE: find_hold(desk, command, found); break;
    case COMMAND_CURSOR_CLAIM:
    case COMMAND_CURSOR_MOVE:
    case COMMAND_CURSOR_RESET:
        found->docket.cursor = &desk_cursor(desk, command)->cursor;
        return;
    case COMMAND_KEY_REVOKE:
    case COMMAND_KEY_ROTATE:
        found->key = desk_key(desk, command->subject);
        found->docket.key = found->key == NULL ? NULL : &found->key->key;
        break;
    default: break;
    }
    if (command->type == COMMAND_OWNER_FORGET)
        desk_find_owner_data(desk, command, &found->docket);
    if (command->type == COMMAND_WALLET_CHANGE)
        find_texts(desk, found);
    find_bank(desk, command, found);
    find_new_ids(desk, command, found);
}
