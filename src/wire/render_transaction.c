// SPDX-License-Identifier: MIT
// Transactions as JSON: the answer to most requests, so the one that must be cheap.
#include "wire/render.h"
#include "wire/render_parts.h"

#define OBJECT_BYTES 768

static const struct id no_id = {{0}};

// What a transaction's own command could not say stands in the record that opened its hold or
// withdrawal.
struct transaction_texts {
    struct slice order, reference, metadata;
};

static struct transaction_texts texts_of(const struct transaction_facts *facts,
                                         const struct record *opening) {
    struct transaction_texts texts = {facts->order, facts->reference, facts->metadata};
    if (opening == NULL)
        return texts;
    CHECK(opening->kind == RECORD_HOLD || opening->kind == RECORD_WITHDRAWAL);
    if (opening->kind == RECORD_HOLD)
        return (struct transaction_texts){opening->hold.order, opening->hold.reference,
                                          opening->hold.metadata};
    texts.reference = opening->withdrawal.reference;
    texts.metadata = opening->withdrawal.metadata;
    return texts;
}

static void render_side(struct buffer *buffer, const struct posting_side *side,
                        const struct currency *currency, bool is_hidden) {
    if (id_equal(side->wallet, no_id)) {
        struct slice code = currency_code(currency);
        BUFFER_ADD(buffer, "{\"account\":\"external:");
        buffer_add_slice(buffer, code);
        BUFFER_ADD(buffer, "\"}");
        return;
    }
    BUFFER_ADD(buffer, "{\"account\":");
    render_id(buffer, ID_WALLET, side->wallet);
    if (is_hidden) {
        BUFFER_ADD(buffer, "}");
        return;
    }
    BUFFER_ADD(buffer, ",\"balance\":");
    buffer_add_i64(buffer, side->balance);
    BUFFER_ADD(buffer, ",\"version\":");
    buffer_add_u64(buffer, side->version);
    BUFFER_ADD(buffer, "}");
}

// The purchase of a refund, or the hold of a capture; and what was refunded of a purchase.
static void render_relations(struct buffer *buffer, const struct transaction_facts *facts,
                             int64_t refunded) {
    if (facts->type == TRANSACTION_REFUND) {
        BUFFER_ADD(buffer, ",\"purchase\":");
        render_id(buffer, ID_TRANSACTION, facts->subject);
    }
    if (facts->type != TRANSACTION_PURCHASE)
        return;
    if (!id_equal(facts->subject, no_id)) {
        BUFFER_ADD(buffer, ",\"hold\":");
        render_id(buffer, ID_HOLD, facts->subject);
    }
    CHECK(refunded >= 0 && refunded <= facts->amount);
    BUFFER_ADD(buffer, ",\"refunded\":");
    buffer_add_i64(buffer, refunded);
}

void wire_render_transaction(struct buffer *buffer, const struct record *record,
                             const struct record *opening, int64_t refunded, uint8_t hidden) {
    CHECK(record->kind == RECORD_TRANSACTION);
    const struct transaction_facts *facts = &record->transaction;
    struct transaction_texts texts = texts_of(facts, opening);
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_TRANSACTION, facts->id);
    BUFFER_ADD(buffer, ",\"type\":");
    render_word(buffer, transaction_type_name(facts->type));
    BUFFER_ADD(buffer, ",\"amount\":");
    buffer_add_i64(buffer, facts->amount);
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &facts->currency);
    BUFFER_ADD(buffer, ",\"debit\":");
    render_side(buffer, &facts->debit, &facts->currency, (hidden & HIDDEN_DEBIT) != 0);
    BUFFER_ADD(buffer, ",\"credit\":");
    render_side(buffer, &facts->credit, &facts->currency, (hidden & HIDDEN_CREDIT) != 0);
    if ((hidden & HIDDEN_WHO) == 0)
        RENDER_TEXT(buffer, ",\"initiated_by\":", record->origin.principal);
    RENDER_TEXT(buffer, ",\"bank_transaction_id\":", facts->bank_id);
    RENDER_TEXT(buffer, ",\"order\":", texts.order);
    RENDER_TEXT(buffer, ",\"reference\":", texts.reference);
    RENDER_TEXT(buffer, ",\"reason\":", facts->reason);
    render_relations(buffer, facts, refunded);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(facts->id));
    render_metadata(buffer, texts.metadata);
    BUFFER_ADD(buffer, "}");
}
