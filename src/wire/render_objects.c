// SPDX-License-Identifier: MIT
// Wallets, holds, withdrawals and keys as JSON.
#include "ledger/metadata.h"
#include "wire/render.h"
#include "wire/render_parts.h"

// Room for all of an object but its texts, so that growing is asked for once.
#define OBJECT_BYTES 640

void render_metadata(struct buffer *buffer, struct slice metadata) {
    if (metadata.size == 0)
        return;
    struct slice name, value;
    BUFFER_ADD(buffer, ",\"metadata\":");
    for (const char *separator = "{"; metadata_next(&metadata, &name, &value); separator = ",") {
        buffer_add(buffer, separator, 1);
        json_write_text(buffer, name);
        BUFFER_ADD(buffer, ":");
        json_write_text(buffer, value);
    }
    BUFFER_ADD(buffer, "}");
}

void wire_render_wallet(struct buffer *buffer, const struct record *record,
                        const struct wallet *live) {
    CHECK(record->kind == RECORD_WALLET);
    const struct wallet_facts *facts = &record->wallet;
    CHECK_IMPLIES(live != NULL, id_equal(live->id, facts->id));
    int64_t balance = live != NULL ? live->balance : facts->balance;
    int64_t held = live != NULL ? live->held : facts->held;
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_WALLET, facts->id);
    BUFFER_ADD(buffer, ",\"owner\":");
    json_write_text(buffer, facts->owner);
    BUFFER_ADD(buffer, ",\"kind\":");
    render_word(buffer, wallet_kind_name(facts->kind));
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &facts->currency);
    BUFFER_ADD(buffer, ",\"status\":");
    render_word(buffer, wallet_status_name(live != NULL ? live->status : facts->status));
    BUFFER_ADD(buffer, ",\"balance\":");
    buffer_add_i64(buffer, balance);
    BUFFER_ADD(buffer, ",\"held\":");
    buffer_add_i64(buffer, held);
    BUFFER_ADD(buffer, ",\"available\":");
    buffer_add_i64(buffer, balance - held);
    BUFFER_ADD(buffer, ",\"credit_limit\":");
    buffer_add_i64(buffer, live != NULL ? live->credit_limit : facts->credit_limit);
    BUFFER_ADD(buffer, ",\"tier\":");
    buffer_add_u64(buffer, live != NULL ? live->tier : facts->tier);
    BUFFER_ADD(buffer, ",\"version\":");
    buffer_add_u64(buffer, live != NULL ? live->version : facts->version);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(facts->id));
    render_metadata(buffer, facts->metadata);
    BUFFER_ADD(buffer, "}");
}

// A hold as far as `record` knows it: its opening or its end, or a capture of it.
static struct hold hold_of_record(const struct record *record, const struct record *opening) {
    if (record->kind == RECORD_HOLD) {
        const struct hold_facts *facts = &record->hold;
        return (struct hold){.id = facts->id, .wallet = facts->wallet,
                             .merchant = facts->merchant, .amount = facts->amount,
                             .captured = facts->captured, .expires_at_ms = facts->expires_at_ms,
                             .status = facts->status};
    }
    CHECK(record->kind == RECORD_TRANSACTION);
    CHECK(opening != NULL && opening->kind == RECORD_HOLD);
    CHECK(id_equal(record->transaction.subject, opening->hold.id));
    struct hold hold = hold_of_record(opening, NULL);
    hold.captured = record->transaction.subject_total;
    hold.status = record->transaction.subject_status;
    return hold;
}

void wire_render_hold(struct buffer *buffer, const struct record *record,
                      const struct record *opening, const struct hold *live) {
    struct hold hold = live != NULL ? *live : hold_of_record(record, opening);
    const struct record *texts = opening != NULL ? opening : record;
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_HOLD, hold.id);
    BUFFER_ADD(buffer, ",\"wallet\":");
    render_id(buffer, ID_WALLET, hold.wallet);
    BUFFER_ADD(buffer, ",\"merchant\":");
    render_id(buffer, ID_WALLET, hold.merchant);
    BUFFER_ADD(buffer, ",\"amount\":");
    buffer_add_i64(buffer, hold.amount);
    BUFFER_ADD(buffer, ",\"captured\":");
    buffer_add_i64(buffer, hold.captured);
    BUFFER_ADD(buffer, ",\"remaining\":");
    buffer_add_i64(buffer, hold_remaining(&hold));
    BUFFER_ADD(buffer, ",\"status\":");
    render_word(buffer, hold_status_name(hold.status));
    if (texts->kind == RECORD_HOLD) {
        RENDER_TEXT(buffer, ",\"order\":", texts->hold.order);
        RENDER_TEXT(buffer, ",\"reference\":", texts->hold.reference);
        render_metadata(buffer, texts->hold.metadata);
    }
    BUFFER_ADD(buffer, ",\"expires_at\":");
    render_time(buffer, hold.expires_at_ms);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(hold.id));
    BUFFER_ADD(buffer, "}");
}

// A withdrawal as its records tell it.
struct withdrawal_view {
    struct withdrawal withdrawal;
    struct currency currency;
    struct slice bank_id, reason, reference, metadata, initiated_by;
    const struct id *transaction; // NULL: none
    uint64_t settled_at_ms;
};

static struct withdrawal_view withdrawal_of_record(const struct record *record) {
    struct withdrawal_view view = {.initiated_by = record->origin.principal};
    if (record->kind == RECORD_WITHDRAWAL) {
        const struct withdrawal_facts *facts = &record->withdrawal;
        view.withdrawal = (struct withdrawal){.id = facts->id, .wallet = facts->wallet,
                                              .amount = facts->amount, .status = facts->status};
        view.currency = facts->currency;
        view.reason = facts->reason;
        view.reference = facts->reference;
        view.metadata = facts->metadata;
        return view;
    }
    CHECK(record->kind == RECORD_TRANSACTION);
    const struct transaction_facts *facts = &record->transaction;
    CHECK(facts->type == TRANSACTION_WITHDRAWAL);
    view.withdrawal = (struct withdrawal){.id = facts->subject, .wallet = facts->debit.wallet,
                                          .amount = facts->amount,
                                          .status = WITHDRAWAL_SETTLED};
    view.currency = facts->currency;
    view.bank_id = facts->bank_id;
    view.reference = facts->reference;
    view.metadata = facts->metadata;
    view.transaction = &facts->id;
    view.settled_at_ms = id_time_ms(facts->id);
    return view;
}

// Who asked for it and what they noted stands in the record that opened it.
static void withdrawal_add_opening(struct withdrawal_view *view, const struct record *opening) {
    CHECK(opening->kind == RECORD_WITHDRAWAL);
    CHECK(id_equal(opening->withdrawal.id, view->withdrawal.id));
    view->initiated_by = opening->origin.principal;
    view->reference = opening->withdrawal.reference;
    view->metadata = opening->withdrawal.metadata;
}

void wire_render_withdrawal(struct buffer *buffer, const struct record *record,
                            const struct record *opening, const struct withdrawal *live,
                            const struct id *transaction) {
    struct withdrawal_view view = withdrawal_of_record(record);
    if (opening != NULL)
        withdrawal_add_opening(&view, opening);
    if (live != NULL)
        view.withdrawal = *live;
    if (transaction != NULL && !id_is_zero(*transaction))
        view.transaction = transaction;
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_WITHDRAWAL, view.withdrawal.id);
    BUFFER_ADD(buffer, ",\"wallet\":");
    render_id(buffer, ID_WALLET, view.withdrawal.wallet);
    BUFFER_ADD(buffer, ",\"amount\":");
    buffer_add_i64(buffer, view.withdrawal.amount);
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &view.currency);
    BUFFER_ADD(buffer, ",\"status\":");
    render_word(buffer, withdrawal_status_name(view.withdrawal.status));
    RENDER_TEXT(buffer, ",\"bank_transaction_id\":", view.bank_id);
    if (view.transaction != NULL) {
        BUFFER_ADD(buffer, ",\"transaction\":");
        render_id(buffer, ID_TRANSACTION, *view.transaction);
    }
    RENDER_TEXT(buffer, ",\"initiated_by\":", view.initiated_by);
    RENDER_TEXT(buffer, ",\"reason\":", view.reason);
    RENDER_TEXT(buffer, ",\"reference\":", view.reference);
    render_metadata(buffer, view.metadata);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(view.withdrawal.id));
    if (view.settled_at_ms != 0) {
        BUFFER_ADD(buffer, ",\"settled_at\":");
        render_time(buffer, view.settled_at_ms);
    }
    BUFFER_ADD(buffer, "}");
}

void wire_render_key(struct buffer *buffer, const struct record *record,
                     const struct record *opening, uint64_t last_used_at_ms, const char *role,
                     struct slice secret) {
    CHECK(record->kind == RECORD_KEY);
    CHECK(opening == NULL || opening->kind == RECORD_KEY);
    const struct key_facts *facts = &record->api_key;
    const struct key_facts *texts = opening == NULL ? facts : &opening->api_key;
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_KEY, facts->id);
    RENDER_TEXT(buffer, ",\"name\":", texts->name);
    BUFFER_ADD(buffer, ",\"role\":");
    render_word(buffer, role != NULL ? role : role_name(facts->role));
    RENDER_TEXT(buffer, ",\"owner\":", texts->owner);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(facts->id));
    if (record->operation == COMMAND_KEY_ROTATE) {
        BUFFER_ADD(buffer, ",\"rotated_at\":");
        render_time(buffer, record->time_ms);
    }
    if (facts->previous_until_ms != 0) {
        BUFFER_ADD(buffer, ",\"overlap_ends_at\":");
        render_time(buffer, facts->previous_until_ms);
    }
    if (facts->expires_at_ms != 0) {
        BUFFER_ADD(buffer, ",\"expires_at\":");
        render_time(buffer, facts->expires_at_ms);
    }
    if (last_used_at_ms != 0) {
        BUFFER_ADD(buffer, ",\"last_used_at\":");
        render_time(buffer, last_used_at_ms);
    }
    RENDER_TEXT(buffer, ",\"secret\":", secret);
    BUFFER_ADD(buffer, "}");
}

void wire_render_erasure(struct buffer *buffer, const struct record *record) {
    CHECK(record->kind == RECORD_DATA_KEY);
    const struct data_key_facts *facts = &record->data_key;
    (void)buffer_room(buffer, OBJECT_BYTES);
    RENDER_TEXT(buffer, "{\"owner\":", facts->owner);
    BUFFER_ADD(buffer, ",\"erased_at\":");
    render_time(buffer, record->time_ms);
    BUFFER_ADD(buffer, ",\"had_key\":");
    buffer_add_text(buffer, facts->number != 0 ? "true" : "false");
    if (facts->plain_until_ms != 0) {
        BUFFER_ADD(buffer, ",\"plain_until\":");
        render_time(buffer, facts->plain_until_ms);
    }
    BUFFER_ADD(buffer, "}");
}
