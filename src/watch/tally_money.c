// SPDX-License-Identifier: MIT
// Transactions: what is taken on one side is given on the other, from whom it may be taken, and how
// each kind is bound to the purchase, hold or withdrawal behind it.
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "watch/tally_private.h"

static bool is_outside(const struct posting_side *side) {
    return id_is_zero(side->wallet) && side->balance == 0 && side->held == 0 &&
           side->version == 0 && side->number == 0 && side->previous == 0 && side->skip == 0;
}

// The place of the transaction that a skip pointer leads to: the last whose number is a multiple of
// the power of 64 that `number` is no multiple of, or of 64 to the third.
static uint64_t skip_of(const struct tally_wallet *wallet, uint32_t number) {
    int level = number % 64 != 0 ? 0 : number % 4096 != 0 ? 1 : 2;
    return wallet->levels[level];
}

static bool take_history(struct tally *tally, struct tally_wallet *wallet,
                         const struct posting_side *side) {
    uint32_t number = wallet->number + 1;
    if (!tally_expect(tally, INTEGRITY_POSTINGS, "transaction number", wallet->id, number,
                      side->number) ||
        !tally_expect(tally, INTEGRITY_POSTINGS, "a previous transaction at", wallet->id,
                      (int64_t)wallet->last, (int64_t)side->previous) ||
        !tally_expect(tally, INTEGRITY_POSTINGS, "a skip pointer to", wallet->id,
                      (int64_t)skip_of(wallet, number), (int64_t)side->skip))
        return false;
    wallet->number = number;
    wallet->posted = wallet->version;
    wallet->last = tally->position;
    if (number % 64 == 0)
        wallet->levels[0] = tally->position;
    if (number % 4096 == 0)
        wallet->levels[1] = tally->position;
    if (number % 262144 == 0)
        wallet->levels[2] = tally->position;
    return true;
}

static bool take_side(struct tally *tally, const struct posting_side *side,
                      const struct currency *currency, int64_t balance_change, int64_t held_change,
                      bool is_promised) {
    if (tally->is_coming && !tally_came_here(tally, side->wallet))
        return true; // the shard that has it has examined this
    uint32_t index = tally_find_wallet(tally, side->wallet, currency);
    if (index == 0)
        return false;
    struct tally_wallet *wallet = tally_wallet_at(tally, index);
    if (tally->is_coming)
        tally->currencies[wallet->currency].transit += balance_change;
    if (wallet->status == WALLET_CLOSED)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, wallet->id,
                                   "moved money although it is closed");
    if (wallet->status == WALLET_FROZEN && balance_change < 0 && !is_promised)
        return tally_differs_about(tally, INTEGRITY_WALLETS, ID_WALLET, wallet->id,
                                   "lost money although it is frozen");
    return tally_wallet_set(tally, wallet, balance_change, held_change, side->balance, side->held,
                            side->version) &&
           take_history(tally, wallet, side);
}

// ---- the world outside --------------------------------------------------------------------------

static bool is_same_bank_id(void *context, uint64_t position) {
    struct tally *tally = context;
    struct record earlier;
    const char *broken;
    struct slice bytes = tally->source.record_at(tally->source.context, position);
    if (bytes.size == 0 || record_decode(bytes, &earlier, &broken) != STATUS_ok ||
        earlier.kind != RECORD_TRANSACTION)
        return false;
    tally->seen_at = position;
    return currency_equal(&earlier.transaction.currency, &tally->record->transaction.currency) &&
           slice_equal(earlier.transaction.bank_id, tally->record->transaction.bank_id);
}

static bool take_bank_id(struct tally *tally, const struct transaction_facts *facts) {
    bool moves_outside =
        facts->type == TRANSACTION_DEPOSIT || facts->type == TRANSACTION_WITHDRAWAL;
    if (moves_outside != (facts->bank_id.size != 0))
        return tally_differs(tally, INTEGRITY_POSTINGS, "a %s %s bank transaction id",
                             transaction_type_name((enum transaction_type)facts->type),
                             moves_outside ? "has no" : "has a");
    if (!moves_outside || tally->source.record_count_max == 0 ||
        tally_seen_is_full(&tally->bank_ids))
        return true;
    struct slice parts[] = {slice_of(facts->currency.code, sizeof(facts->currency.code)),
                            facts->bank_id};
    uint64_t hash = hash128_parts(parts, 2, 0).low;
    if (tally_seen_add(&tally->bank_ids, hash, tally->position, is_same_bank_id, tally))
        return tally_differs(
            tally, INTEGRITY_POSTINGS,
            "the bank transaction id \"%.*s\" is booked twice, first at position %llu",
            (int)facts->bank_id.size, (const char *)facts->bank_id.bytes,
            (unsigned long long)tally->seen_at);
    return true;
}

static struct tally_currency *currency_of(struct tally *tally, struct id wallet,
                                          const struct currency *currency) {
    uint32_t index = tally_find_wallet(tally, wallet, currency);
    return index == 0 ? NULL : &tally->currencies[tally_wallet_at(tally, index)->currency];
}

static bool take_total(struct tally *tally, const char *what, const struct currency *currency,
                       money_total derived, money_total found) {
    if (derived == found || tally->is_coming)
        return true;
    return tally_differs(tally, INTEGRITY_BALANCES,
                         "the %s of %.12s add up to %lld, but the record says %lld", what,
                         currency->code, (long long)derived, (long long)found);
}

// Whether that side is on another shard, which has a record of its own about it.
static bool departs(const struct tally *tally, const struct posting_side *side) {
    return tally->source.is_shard && posting_is_elsewhere(side);
}

static bool take_deposit(struct tally *tally, const struct transaction_facts *facts) {
    struct tally_currency *account =
        departs(tally, &facts->credit)
            ? tally_currency_of_others(tally, &facts->currency)
            : currency_of(tally, facts->credit.wallet, &facts->currency);
    if (account == NULL)
        return false;
    if (!is_outside(&facts->debit) || !id_is_zero(facts->subject))
        return tally_differs(tally, INTEGRITY_POSTINGS, "a deposit was taken from a wallet");
    account->deposits += tally->is_coming ? 0 : facts->amount;
    if (!take_total(tally, "deposits", &facts->currency, account->deposits, facts->external_total))
        return false;
    if (departs(tally, &facts->credit)) {
        account->transit -= tally->is_coming ? 0 : facts->amount;
        return true;
    }
    return take_side(tally, &facts->credit, &facts->currency, facts->amount, 0, false);
}

// The house gives or takes, frozen or not: it counts among what came in, or went out.
static bool take_adjustment(struct tally *tally, const struct transaction_facts *facts) {
    bool comes = is_outside(&facts->debit);
    const struct posting_side *side = comes ? &facts->credit : &facts->debit;
    struct tally_currency *account = currency_of(tally, side->wallet, &facts->currency);
    if (account == NULL)
        return false;
    if (comes == is_outside(&facts->credit) || !id_is_zero(facts->subject))
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "an adjustment is not between a wallet and the world outside");
    money_total *total = comes ? &account->deposits : &account->withdrawals;
    *total += tally->is_coming ? 0 : facts->amount;
    return take_total(tally, comes ? "deposits" : "withdrawals", &facts->currency, *total,
                      facts->external_total) &&
           take_side(tally, side, &facts->currency, comes ? facts->amount : -facts->amount, 0,
                     true);
}

static bool take_settlement(struct tally *tally, const struct transaction_facts *facts) {
    uint32_t index = tally_map_find(&tally->withdrawals, facts->subject);
    if (index == 0)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->subject,
                                   "is not pending");
    const struct tally_withdrawal *withdrawal = tally_map_at(&tally->withdrawals, index);
    const struct tally_wallet *wallet = tally_wallet_at(tally, withdrawal->wallet);
    if (facts->amount != withdrawal->amount || !id_equal(facts->debit.wallet, wallet->id) ||
        facts->opening != withdrawal->opening)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->subject,
                                   "was settled as another one than was asked for");
    tally_map_remove(&tally->withdrawals, index);
    return true;
}

// What money that leaves means to its withdrawal; `ret_held_change`: to the held money of who pays.
static bool take_paid_out(struct tally *tally, const struct transaction_facts *facts,
                          int64_t *ret_held_change) {
    bool settles = tally->record->operation == COMMAND_SETTLE;
    if (facts->subject_status != WITHDRAWAL_SETTLED || facts->subject_total != facts->amount)
        return tally_differs(tally, INTEGRITY_WITHDRAWALS,
                             "money left for a withdrawal that is not settled");
    *ret_held_change = settles ? -facts->amount : 0;
    if (settles && !take_settlement(tally, facts))
        return false;
    if (!settles) {
        tally->withdrawal_count++;
        if (facts->opening != 0 || !tally_id_is_new(tally, &tally->withdrawals, ID_WITHDRAWAL,
                                                    facts->subject, id_slot(facts->debit.wallet)))
            return tally->is_broken
                       ? false
                       : tally_differs(tally, INTEGRITY_WITHDRAWALS,
                                       "a withdrawal settled at once names an opening");
    }
    if (tally->source.withdrawal_changed != NULL)
        tally->source.withdrawal_changed(tally->source.context, facts->subject, WITHDRAWAL_SETTLED);
    return true;
}

static bool take_payout(struct tally *tally, const struct transaction_facts *facts) {
    bool settles = tally->record->operation == COMMAND_SETTLE;
    bool is_away = departs(tally, &facts->debit);
    int64_t held_change = 0;
    struct tally_currency *account =
        is_away ? tally_currency_of_others(tally, &facts->currency)
                : currency_of(tally, facts->debit.wallet, &facts->currency);
    if (account == NULL)
        return false;
    if (!is_outside(&facts->credit))
        return tally_differs(tally, INTEGRITY_POSTINGS, "a withdrawal was given to a wallet");
    if (!is_away && !take_paid_out(tally, facts, &held_change))
        return false;
    account->withdrawals += tally->is_coming ? 0 : facts->amount;
    if (!take_total(tally, "withdrawals", &facts->currency, account->withdrawals,
                    facts->external_total))
        return false;
    if (is_away) {
        account->transit += tally->is_coming ? 0 : facts->amount;
        return true;
    }
    return take_side(tally, &facts->debit, &facts->currency, -facts->amount, held_change, settles);
}

// ---- other shards -------------------------------------------------------------------------------

static bool take_transit(struct tally *tally, struct id wallet, const struct currency *currency,
                         int64_t amount) {
    if (tally->is_coming)
        return true; // its side has it
    struct tally_currency *account = currency_of(tally, wallet, currency);
    if (account == NULL)
        return false;
    account->transit += amount;
    return true;
}

// The side of a payment that is here: the other one's money is in transit.
static bool take_here(struct tally *tally, const struct transaction_facts *facts,
                      const struct posting_side *side, int64_t held_change, bool is_promised) {
    int64_t change = side == &facts->debit ? -facts->amount : facts->amount;
    return take_transit(tally, side->wallet, &facts->currency, change) &&
           take_side(tally, side, &facts->currency, change, held_change, is_promised);
}

// ---- between wallets ----------------------------------------------------------------------------

static bool take_payment(struct tally *tally, const struct transaction_facts *facts,
                         int64_t held_change) {
    if (id_equal(facts->debit.wallet, facts->credit.wallet))
        return tally_differs_about(tally, INTEGRITY_POSTINGS, ID_WALLET, facts->debit.wallet,
                                   "paid itself");
    if (facts->external_total != 0)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "a payment between wallets moved the world outside");
    bool is_capture = facts->type == TRANSACTION_PURCHASE && !id_is_zero(facts->subject);
    if (!is_capture && facts->opening != 0)
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "a payment points at an opening that it does not have");
    bool debits = !departs(tally, &facts->debit), credits = !departs(tally, &facts->credit);
    if (!debits && !credits)
        return true; // what was taken there was given there
    if (!debits || !credits)
        return take_here(tally, facts, debits ? &facts->debit : &facts->credit,
                         debits ? held_change : 0, false);
    return take_side(tally, &facts->debit, &facts->currency, -facts->amount, held_change, false) &&
           take_side(tally, &facts->credit, &facts->currency, facts->amount, 0, false);
}

static bool is_merchant(struct tally *tally, struct id id) {
    if (tally->is_coming && !tally_came_here(tally, id))
        return true;
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&tally->wallets, id);
    if (index != 0 && tally_wallet_at(tally, index)->kind == WALLET_MERCHANT)
        return true;
    return tally_differs_about(tally, INTEGRITY_POSTINGS, ID_WALLET, id, "is no merchant");
}

static bool take_purchase(struct tally *tally, const struct transaction_facts *facts) {
    if (!id_is_zero(facts->subject))
        return tally_differs(tally, INTEGRITY_POSTINGS,
                             "a purchase names a hold that it did not capture");
    return (departs(tally, &facts->credit) || is_merchant(tally, facts->credit.wallet)) &&
           take_payment(tally, facts, 0);
}

static bool take_transfer(struct tally *tally, const struct transaction_facts *facts) {
    if (!id_is_zero(facts->subject))
        return tally_differs(tally, INTEGRITY_POSTINGS, "a transfer names another thing");
    return take_payment(tally, facts, 0);
}

// What a capture means to its hold; `ret_held_change`: to the held money of who pays.
static bool take_captured(struct tally *tally, const struct transaction_facts *facts,
                          int64_t *ret_held_change) {
    uint32_t index = tally_map_find(&tally->holds, facts->subject);
    if (index == 0)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "is not open, and was captured");
    struct tally_hold *hold = tally_map_at(&tally->holds, index);
    int64_t remaining = hold->amount - hold->captured;
    bool ends = facts->subject_status == HOLD_CAPTURED;
    if (!id_equal(facts->debit.wallet, tally_wallet_at(tally, hold->wallet)->id) ||
        !id_equal(facts->credit.wallet, hold->merchant))
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "was captured between other wallets");
    if (facts->amount > remaining)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "has %lld left, and %lld were captured", (long long)remaining,
                                   (long long)facts->amount);
    if (facts->opening != hold->opening)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "was captured by a record that points at another opening");
    if (facts->subject_total != hold->captured + facts->amount)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "has captures of %lld, but the record says %lld",
                                   (long long)(hold->captured + facts->amount),
                                   (long long)facts->subject_total);
    if (!ends && (facts->subject_status != HOLD_OPEN || facts->amount == remaining))
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "is not captured although nothing is left");
    if (hold->expires_at_ms <= id_time_ms(facts->id))
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->subject,
                                   "was captured after its end");
    hold->captured += facts->amount;
    if (ends)
        tally_map_remove(&tally->holds, index);
    *ret_held_change = ends ? -remaining : -facts->amount;
    return true;
}

static void tell_captured(const struct tally *tally, const struct transaction_facts *facts) {
    if (tally->source.hold_changed != NULL)
        tally->source.hold_changed(tally->source.context, facts->subject, facts->subject_status,
                                   facts->subject_total);
}

// The hold lies where its payer's wallet does.
static bool take_capture(struct tally *tally, const struct transaction_facts *facts) {
    int64_t held_change = 0;
    bool is_here = !departs(tally, &facts->debit);
    if ((is_here && !take_captured(tally, facts, &held_change)) ||
        !take_payment(tally, facts, held_change))
        return false;
    if (is_here)
        tell_captured(tally, facts);
    return true;
}

// Where the transaction with that id stands; 0: nowhere.
static uint64_t position_of(const struct tally *tally, struct id id) {
    uint32_t shift = tally->source.locator_time_shift;
    uint64_t locator;
    if (tally->source.seal == NULL || id_time_ms(id) < tally->source.moved_ms)
        return tally->source.find_position(tally->source.context, id);
    if (!id_open(tally->source.seal, id, &locator))
        return 0;
    return 8 * (locator + (shift == 0 ? 0 : id_time_ms(id) << shift));
}

// The purchase behind a refund: known from an earlier refund, or read from its record, which was
// checked when it came.
static struct tally_purchase *find_purchase(struct tally *tally, struct id id) {
    struct record record;
    const char *broken;
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&tally->purchases, id);
    if (index != 0)
        return tally_map_at(&tally->purchases, index);
    uint64_t position = id_is_zero(id) ? 0 : position_of(tally, id);
    if (position == 0 || position >= tally->position)
        return NULL;
    struct slice bytes = tally->source.record_at(tally->source.context, position);
    if (bytes.size == 0 || record_decode(bytes, &record, &broken) != STATUS_ok ||
        record.kind != RECORD_TRANSACTION || record.transaction.type != TRANSACTION_PURCHASE ||
        !id_equal(record.transaction.id, id))
        return NULL;
    struct tally_purchase *purchase =
        tally_map_at(&tally->purchases, tally_map_add(&tally->purchases, id));
    purchase->position = position;
    purchase->amount = record.transaction.amount;
    purchase->wallet = record.transaction.debit.wallet;
    purchase->merchant = record.transaction.credit.wallet;
    return purchase;
}

// What a refund means to its purchase.
static bool take_refunded(struct tally *tally, const struct transaction_facts *facts) {
    struct tally_purchase *purchase = find_purchase(tally, facts->subject);
    tally->refund_count++;
    if (purchase == NULL)
        return tally_differs_about(tally, INTEGRITY_REFUNDS, ID_TRANSACTION, facts->subject,
                                   "is no purchase, and was refunded");
    if (!id_equal(facts->debit.wallet, purchase->merchant) ||
        !id_equal(facts->credit.wallet, purchase->wallet))
        return tally_differs_about(tally, INTEGRITY_REFUNDS, ID_TRANSACTION, facts->subject,
                                   "was refunded between other wallets");
    purchase->refunded += facts->amount;
    if (purchase->refunded > purchase->amount)
        return tally_differs_about(tally, INTEGRITY_REFUNDS, ID_TRANSACTION, facts->subject,
                                   "was about %lld, and %lld were refunded",
                                   (long long)purchase->amount, (long long)purchase->refunded);
    if (facts->subject_total != purchase->refunded)
        return tally_differs_about(tally, INTEGRITY_REFUNDS, ID_TRANSACTION, facts->subject,
                                   "has refunds of %lld, but the record says %lld",
                                   (long long)purchase->refunded, (long long)facts->subject_total);
    return true;
}

// One away from home: its purchase is on another shard, which has a record of its own about that.
static bool take_refund(struct tally *tally, const struct transaction_facts *facts) {
    bool is_guest = tally->source.is_shard && record_is_guest(tally->record);
    return (is_guest || take_refunded(tally, facts)) && take_payment(tally, facts, 0);
}

// ---- what another shard has decided -------------------------------------------------------------

// What a payment means to the hold or withdrawal that it ends, where its payer is.
static bool take_arrived_subject(struct tally *tally, const struct transaction_facts *facts,
                                 int64_t *ret_held_change) {
    *ret_held_change = 0;
    if (facts->type == TRANSACTION_WITHDRAWAL)
        return take_paid_out(tally, facts, ret_held_change);
    if (facts->type != TRANSACTION_PURCHASE || id_is_zero(facts->subject))
        return true;
    if (!take_captured(tally, facts, ret_held_change))
        return false;
    tell_captured(tally, facts);
    return true;
}

static bool take_arrival(struct tally *tally, const struct transaction_facts *facts) {
    bool pays = posting_is_here(&facts->debit), gets = posting_is_here(&facts->credit);
    const struct posting_side *there = pays ? &facts->credit : &facts->debit;
    bool is_outside_there = is_outside(there) && (facts->type == TRANSACTION_WITHDRAWAL) == pays;
    int64_t held_change = 0;
    if (!tally->source.is_shard || facts->external_total != 0 || pays == gets ||
        (!posting_is_elsewhere(there) && !is_outside_there))
        return tally_differs(tally, INTEGRITY_POSTINGS, "a payment comes from nowhere");
    bool settles = tally->record->operation == COMMAND_SETTLE;
    return (!pays || take_arrived_subject(tally, facts, &held_change)) &&
           take_here(tally, facts, pays ? &facts->debit : &facts->credit, held_change, settles);
}

// ---- any of them --------------------------------------------------------------------------------

static bool take_id(struct tally *tally, const struct transaction_facts *facts) {
    uint32_t slot = facts->type == TRANSACTION_REFUND    ? id_slot(facts->subject)
                    : is_outside(&facts->debit)          ? id_slot(facts->credit.wallet)
                                                         : id_slot(facts->debit.wallet);
    // What an atomic batch did away from home is called by where the batch is at home.
    if (id_slot(facts->id) != slot &&
        !(tally->source.is_shard && record_is_guest(tally->record)))
        return tally_differs_about(tally, INTEGRITY_POSTINGS, ID_TRANSACTION, facts->id,
                                   "has slot %u instead of %u", id_slot(facts->id), slot);
    if (id_time_ms(facts->id) != tally->record->time_ms)
        return tally_differs_about(tally, INTEGRITY_POSTINGS, ID_TRANSACTION, facts->id,
                                   "was not made at the time of its record");
    // An id that leads here and nowhere else is new.
    if (tally->source.seal != NULL && position_of(tally, facts->id) != tally->position)
        return tally_differs_about(tally, INTEGRITY_POSTINGS, ID_TRANSACTION, facts->id,
                                   "does not lead to its record");
    return true;
}

// What came for one of its wallets alone: that side of it.
static bool take_beside(struct tally *tally, const struct transaction_facts *facts) {
    return (is_outside(&facts->debit) || posting_is_elsewhere(&facts->debit) ||
            take_side(tally, &facts->debit, &facts->currency, -facts->amount, 0, true)) &&
           (is_outside(&facts->credit) || posting_is_elsewhere(&facts->credit) ||
            take_side(tally, &facts->credit, &facts->currency, facts->amount, 0, true));
}

static bool side_came(const struct tally *tally, const struct posting_side *side) {
    return posting_is_here(side) && tally_came_here(tally, side->wallet);
}

// What came only to answer a batch is about what stayed behind, and was examined there.
static bool only_answers(const struct tally *tally, const struct transaction_facts *facts) {
    if (!tally->is_coming)
        return false;
    if (record_refunds_here(tally->record))
        return !tally_came_here(tally, facts->subject);
    return record_arrives(tally->record) && !side_came(tally, &facts->debit) &&
           !side_came(tally, &facts->credit);
}

bool tally_take_transaction(struct tally *tally, const struct transaction_facts *facts) {
    enum command_type operation = (enum command_type)tally->record->operation;
    if (only_answers(tally, facts))
        return true;
    if (record_refunds_here(tally->record))
        return take_refunded(tally, facts);
    if (record_arrives(tally->record))
        return take_arrival(tally, facts);
    if (tally->is_coming && !tally_came_here(tally, facts->id))
        return take_beside(tally, facts);
    tally->transaction_count += !tally->is_coming;
    if (!take_id(tally, facts) || !take_bank_id(tally, facts))
        return false;
    if (operation == COMMAND_DEPOSIT && facts->type == TRANSACTION_DEPOSIT)
        return take_deposit(tally, facts);
    if ((operation == COMMAND_WITHDRAWAL || operation == COMMAND_SETTLE) &&
        facts->type == TRANSACTION_WITHDRAWAL)
        return take_payout(tally, facts);
    if (operation == COMMAND_PURCHASE && facts->type == TRANSACTION_PURCHASE)
        return take_purchase(tally, facts);
    if (operation == COMMAND_CAPTURE && facts->type == TRANSACTION_PURCHASE)
        return take_capture(tally, facts);
    if (operation == COMMAND_REFUND && facts->type == TRANSACTION_REFUND)
        return take_refund(tally, facts);
    if (operation == COMMAND_ADJUSTMENT && facts->type == TRANSACTION_ADJUSTMENT)
        return take_adjustment(tally, facts);
    if (operation == COMMAND_TRANSFER && facts->type == TRANSACTION_TRANSFER)
        return take_transfer(tally, facts);
    return tally_differs(tally, INTEGRITY_POSTINGS, "a %s made a %s", command_type_name(operation),
                         transaction_type_name((enum transaction_type)facts->type));
}
