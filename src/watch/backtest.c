// SPDX-License-Identifier: MIT
// Walks through history once: each payment is judged first and counted in the habits then.
#include "watch/backtest.h"

#include <inttypes.h>
#include <stdio.h>

#include "ledger/record.h"
#include "watch/journal_reader.h"
#include "watch/rows.h"

struct known_wallet {
    struct id id;
    struct habits habits;
    uint64_t kind; // enum wallet_kind
};

void backtest_init(struct backtest *backtest, const struct rule_set *set, uint64_t from_ms,
                   uint64_t to_ms) {
    CHECK(set->count <= RULES_MAX);
    memset(backtest, 0, sizeof(*backtest));
    backtest->set = set;
    backtest->from_ms = from_ms;
    backtest->to_ms = to_ms;
    tally_map_init(&backtest->wallets, sizeof(struct known_wallet));
}

void backtest_done(struct backtest *backtest) {
    for (uint32_t i = 0; i < RULES_MAX; i++)
        for (uint32_t k = 0; k < backtest->rules[i].example_count; k++)
            buffer_done(&backtest->rules[i].examples[k].sentence);
    tally_map_done(&backtest->wallets);
}

static struct known_wallet *find(const struct backtest *backtest, struct id id) {
    uint32_t index = tally_map_find(&backtest->wallets, id);
    return index == 0 ? NULL : tally_map_at(&backtest->wallets, index);
}

// ---- a payment, as it was decided ---------------------------------------------------------------

struct past_payment {
    struct payment payment;
    struct id subject, wallet, payee; // payee: zero unless a wallet
    uint8_t subject_type;
};

static uint8_t operation_of(const struct record *record) {
    switch (record->operation) {
    case COMMAND_WITHDRAWAL: return RULE_ON_WITHDRAWAL;
    case COMMAND_PURCHASE: return RULE_ON_PURCHASE;
    case COMMAND_TRANSFER: return RULE_ON_TRANSFER;
    case COMMAND_HOLD: return RULE_ON_HOLD;
    case COMMAND_REFUND: return RULE_ON_REFUND;
    default: return RULE_ON_DEPOSIT;
    }
}

static void read_transaction(const struct record *record, struct past_payment *past) {
    const struct transaction_facts *facts = &record->transaction;
    bool is_deposit = record->operation == COMMAND_DEPOSIT;
    const struct posting_side *side = is_deposit ? &facts->credit : &facts->debit;
    past->subject = facts->id;
    past->subject_type = ID_TRANSACTION;
    past->wallet = side->wallet;
    past->payee = is_deposit ? (struct id){{0}} : facts->credit.wallet;
    past->payment.amount = facts->amount;
    past->payment.currency = &facts->currency;
    past->payment.available =
        side->balance - side->held + (is_deposit ? -facts->amount : facts->amount);
}

static void read_hold(const struct hold_facts *facts, struct past_payment *past) {
    past->subject = facts->id;
    past->subject_type = ID_HOLD;
    past->wallet = facts->wallet;
    past->payee = facts->merchant;
    past->payment.amount = facts->amount;
    past->payment.currency = &facts->currency;
    past->payment.available = facts->wallet_balance - facts->wallet_held + facts->amount;
}

static void read_withdrawal(const struct withdrawal_facts *facts, struct past_payment *past) {
    past->subject = facts->id;
    past->subject_type = ID_WITHDRAWAL;
    past->wallet = facts->wallet;
    past->payment.amount = facts->amount;
    past->payment.currency = &facts->currency;
    past->payment.available = facts->wallet_balance - facts->wallet_held + facts->amount;
}

// Slices and the currency point into the record.
static struct past_payment past_of(const struct record *record) {
    struct past_payment past = {0};
    CHECK(habits_concern_payer(record));
    if (record->kind == RECORD_HOLD)
        read_hold(&record->hold, &past);
    else if (record->kind == RECORD_WITHDRAWAL)
        read_withdrawal(&record->withdrawal, &past);
    else
        read_transaction(record, &past);
    past.payment.operation = operation_of(record);
    past.payment.counterparty = past.payee;
    past.payment.now_ms = record->time_ms;
    return past;
}

// ---- what the rules say -------------------------------------------------------------------------

static void keep_example(struct backtest *backtest, uint32_t index, const struct past_payment *past,
                         const struct habits *habits) {
    struct backtest_rule *rule = &backtest->rules[index];
    if (rule->example_count == BACKTEST_EXAMPLES)
        return;
    struct backtest_example *example = &rule->examples[rule->example_count++];
    const struct verdict alone = {.action = backtest->set->rules[index].action,
                                  .rule = (uint8_t)index,
                                  .hits = UINT64_C(1) << index};
    *example = (struct backtest_example){.subject = past->subject,
                                         .subject_type = past->subject_type,
                                         .wallet = past->wallet,
                                         .amount = past->payment.amount,
                                         .currency = *past->payment.currency,
                                         .time_ms = past->payment.now_ms};
    rules_explain(backtest->set, &past->payment, habits, &alone, &example->sentence);
}

// Whether the payment would have gone on.
static bool judge(struct backtest *backtest, const struct past_payment *past,
                  const struct habits *habits) {
    struct verdict verdict;
    rules_judge(backtest->set, &past->payment, habits, &verdict);
    backtest->payment_count++;
    backtest->outcomes[verdict.action]++;
    if (backtest->first_ms == 0)
        backtest->first_ms = past->payment.now_ms;
    backtest->last_ms = past->payment.now_ms;
    if (verdict.action != RULE_NOTHING)
        backtest->rules[verdict.rule].decided++;
    uint64_t left = verdict.hits | verdict.shadows;
    for (; left != 0; left &= left - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(left);
        CHECK(index < backtest->set->count);
        backtest->rules[index].hits++;
        keep_example(backtest, index, past, habits);
    }
    return verdict.action < RULE_HOLD;
}

static enum status take_payment(struct backtest *backtest, const struct record *record,
                                const char **ret_invariant) {
    struct past_payment past = past_of(record);
    struct known_wallet *payer = find(backtest, past.wallet);
    bool has_payee = habits_concern_payee(record);
    struct known_wallet *payee = has_payee ? find(backtest, past.payee) : NULL;
    if (payer == NULL || (has_payee && payee == NULL)) {
        *ret_invariant = "a payment's wallet was opened before it";
        return STATUS_damaged;
    }
    past.payment.wallet_kind = (uint8_t)payer->kind;
    if (record->time_ms >= backtest->from_ms && record->time_ms < backtest->to_ms &&
        !judge(backtest, &past, &payer->habits))
        return STATUS_ok; // it would not have been made
    habits_see(record, &payer->habits, payee == NULL ? NULL : &payee->habits);
    return STATUS_ok;
}

enum status backtest_take(struct backtest *backtest, struct slice bytes,
                          const char **ret_invariant) {
    struct record record;
    enum status status = record_decode(bytes, &record, ret_invariant);
    if (status != STATUS_ok)
        return status;
    backtest->record_count++;
    if (record.kind == RECORD_WALLET) {
        struct known_wallet *wallet = find(backtest, record.wallet.id);
        if (wallet == NULL)
            wallet = tally_map_at(&backtest->wallets,
                                  tally_map_add(&backtest->wallets, record.wallet.id));
        wallet->kind = record.wallet.kind;
    }
    return habits_concern_payer(&record) ? take_payment(backtest, &record, ret_invariant)
                                         : STATUS_ok;
}

// ---- a folder -----------------------------------------------------------------------------------

static enum status take_round(struct backtest *backtest, const struct journal_reader *reader,
                              const struct journal_reader_round *round, char *ret_why) {
    struct slice rest = round->records;
    uint64_t position = round->position;
    while (rest.size != 0) {
        const char *invariant = "";
        size_t size = record_size(rest);
        CHECK(size != 0); // the reader has walked over it
        enum status status = backtest_take(backtest, slice_of(rest.bytes, size), &invariant);
        if (status != STATUS_ok) {
            char place[128];
            journal_reader_place(reader, position, place, sizeof(place));
            (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "%s: this does not hold: %s", place,
                           invariant);
            return status;
        }
        rest = slice_of(rest.bytes + size, rest.size - size);
        position += size;
    }
    return STATUS_ok;
}

enum status backtest_read(struct backtest *backtest, struct disk *disk, char *ret_why) {
    struct journal_reader *reader = NULL;
    struct journal_reader_round round;
    ret_why[0] = '\0';
    enum status status = journal_reader_open(disk, ret_why, &reader);
    if (status != STATUS_ok)
        return status;
    while ((status = journal_reader_next(reader, ret_why, &round)) == STATUS_ok) {
        status = take_round(backtest, reader, &round, ret_why);
        if (status != STATUS_ok)
            break;
    }
    journal_reader_close(reader);
    return status == STATUS_end ? STATUS_ok : status;
}

// ---- a database ---------------------------------------------------------------------------------

static enum status take_rows(struct backtest *backtest, struct rows_link *link, char *ret_why) {
    struct rows rows;
    const char *invariant = "";
    enum status status = STATUS_ok;
    rows_open_by_index(&rows, link, "history",
                       "SELECT number, bytes FROM records ORDER BY number");
    while (rows.is_there && status == STATUS_ok) {
        status = backtest_take(backtest, rows_bytes(&rows, 1), &invariant);
        if (status != STATUS_ok)
            (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES,
                           "record %" PRId64 ": this does not hold: %s", rows_number(&rows, 0),
                           invariant);
        else
            rows_next(&rows);
    }
    rows_close(&rows);
    return status;
}

enum status backtest_read_postgres(struct backtest *backtest, const char *url, char *ret_why) {
    struct rows_link link;
    enum status status = STATUS_ok;
    ret_why[0] = '\0';
    if (rows_link_open(&link, url) && rows_has_books(&link))
        status = take_rows(backtest, &link, ret_why);
    if (status == STATUS_ok && link.why[0] != '\0') {
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "the database cannot be read: %.400s",
                       link.why);
        status = STATUS_busy;
    }
    rows_link_close(&link);
    return status;
}
