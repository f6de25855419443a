// SPDX-License-Identifier: MIT
// From records to entries of the audit.
#include "ledger/audit.h"

#include "base/check.h"

static void name(struct audit_entry *entry, enum id_type type, struct id id) {
    if (id_is_zero(id))
        return;
    CHECK(entry->name_count < AUDIT_NAMES_MAX);
    entry->names[entry->name_count++] = (struct audit_name){.type = (uint8_t)type, .id = id};
}

static void about(struct audit_entry *entry, enum id_type type, struct id id) {
    entry->resource = (struct audit_name){.type = (uint8_t)type, .id = id};
    name(entry, type, id);
}

// What a request for it named first: the purchase of a refund, the hold of a capture, the
// withdrawal of a settlement, else the wallet that paid, of a deposit the one that received.
static void of_transaction(const struct record *record, struct audit_entry *entry) {
    const struct transaction_facts *facts = &record->transaction;
    entry->transaction = facts->id;
    if (record->operation == COMMAND_REFUND)
        about(entry, ID_TRANSACTION, facts->subject);
    else if (record->operation == COMMAND_CAPTURE)
        about(entry, ID_HOLD, facts->subject);
    else if (record->operation == COMMAND_SETTLE)
        about(entry, ID_WITHDRAWAL, facts->subject);
    else
        about(entry, ID_WALLET,
              id_is_zero(facts->debit.wallet) ? facts->credit.wallet : facts->debit.wallet);
    name(entry, ID_TRANSACTION, facts->id);
    name(entry, ID_WALLET, facts->debit.wallet);
    name(entry, ID_WALLET, facts->credit.wallet);
    if (record->operation == COMMAND_WITHDRAWAL)
        name(entry, ID_WITHDRAWAL, facts->subject);
}

static void of_hold(const struct record *record, struct audit_entry *entry) {
    const struct hold_facts *facts = &record->hold;
    if (record->operation == COMMAND_HOLD)
        about(entry, ID_WALLET, facts->wallet);
    else
        about(entry, ID_HOLD, facts->id);
    name(entry, ID_HOLD, facts->id);
    name(entry, ID_WALLET, facts->wallet);
    name(entry, ID_WALLET, facts->merchant);
}

static void of_withdrawal(const struct record *record, struct audit_entry *entry) {
    const struct withdrawal_facts *facts = &record->withdrawal;
    if (record->operation == COMMAND_WITHDRAWAL)
        about(entry, ID_WALLET, facts->wallet);
    else
        about(entry, ID_WITHDRAWAL, facts->id);
    name(entry, ID_WITHDRAWAL, facts->id);
    name(entry, ID_WALLET, facts->wallet);
}

static void of_note(const struct notes_facts *facts, uint32_t index, struct audit_entry *entry) {
    struct slice rest = facts->notes;
    struct note note = {0};
    for (uint32_t i = 0; i <= index; i++)
        CHECK(note_next(&rest, &note));
    entry->at_ms = note.at_ms;
    entry->until_ms = note.until_ms;
    entry->count = note.count;
    entry->status = note.status;
    entry->replayed = note.replayed;
    entry->operation = note.operation;
    entry->origin = note.origin;
    about(entry, (enum id_type)note.resource_type, note.resource);
    if (note.resource_type == ID_TRANSACTION && note.status == STATUS_ok)
        entry->transaction = note.resource;
}

// A request that waits is about its wallet, like one that does not; a decision about what waits.
static void of_parked(const struct record *record, struct audit_entry *entry) {
    const struct parked_facts *facts = &record->parked;
    enum id_type type = facts->cause == PARKED_FOR_APPROVAL ? ID_APPROVAL : ID_ANOMALY;
    if (facts->status == PARKED_PENDING && record->operation != COMMAND_FINDING) {
        about(entry, ID_WALLET, facts->wallet);
        name(entry, type, facts->id);
        return;
    }
    about(entry, type, facts->id);
    name(entry, ID_WALLET, facts->wallet);
    if (!id_is_zero(facts->result))
        name(entry, (enum id_type)facts->result_type, facts->result);
    if (facts->result_type == ID_TRANSACTION)
        entry->transaction = facts->result;
}

uint32_t audit_entry_count(const struct record *record) {
    if (record_arrives(record))
        return 0; // the shard that decided it tells
    // An approved payment that was held has two records; the last one tells all.
    if (record->kind == RECORD_PARKED && record->parked.cause == PARKED_FOR_REVIEW &&
        record->parked.status == PARKED_APPROVED && record->parked.held != 0)
        return 0;
    return record->kind == RECORD_NOTES ? record->notes.count : 1;
}

void audit_entry_of(const struct record *record, uint32_t index, struct audit_entry *ret_entry) {
    CHECK(index < audit_entry_count(record));
    *ret_entry = (struct audit_entry){
        .at_ms = record->time_ms,
        .until_ms = record->time_ms,
        .count = 1,
        .status = STATUS_ok,
        .command = record->operation,
        .origin = record->origin,
    };
    switch (record->kind) {
    case RECORD_WALLET: about(ret_entry, ID_WALLET, record->wallet.id); return;
    case RECORD_TRANSACTION: of_transaction(record, ret_entry); return;
    case RECORD_HOLD: of_hold(record, ret_entry); return;
    case RECORD_WITHDRAWAL: of_withdrawal(record, ret_entry); return;
    case RECORD_KEY: about(ret_entry, ID_KEY, record->api_key.id); return;
    case RECORD_REFUSAL:
        ret_entry->status = record->refusal.status;
        about(ret_entry, (enum id_type)record->refusal.id_type, record->refusal.id);
        return;
    case RECORD_DATA_KEY: ret_entry->owner = record->data_key.owner; return;
    case RECORD_PARKED: of_parked(record, ret_entry); return;
    case RECORD_NOTES: of_note(&record->notes, index, ret_entry); return;
    default: return; // a batch, or what has no thing of its own
    }
}
