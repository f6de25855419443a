// SPDX-License-Identifier: MIT
// Transactions as JSON: the answer to most requests, so the one that must be cheap.
#include "wire/render.h"
#include "wire/render_parts.h"

#define OBJECT_BYTES    768 // of most
#define FACTS_BYTES_MAX 448 // of what stands in front of the texts

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

static uint8_t *pen_side(uint8_t *place, const struct posting_side *side,
                         const struct currency *currency, bool is_hidden) {
    if (id_equal(side->wallet, no_id)) {
        struct slice code = currency_code(currency);
        place = PEN(place, "{\"account\":\"external:");
        place = pen_bytes(place, code.bytes, code.size);
        return PEN(place, "\"}");
    }
    place = PEN(place, "{\"account\":");
    place = pen_id(place, ID_WALLET, side->wallet);
    if (is_hidden)
        return PEN(place, "}");
    place = PEN(place, ",\"balance\":");
    place = buffer_put_i64(place, side->balance);
    place = PEN(place, ",\"version\":");
    place = buffer_put_u64(place, side->version);
    return PEN(place, "}");
}

// What every transaction has, whose length is bounded.
static void render_facts(struct buffer *buffer, const struct transaction_facts *facts,
                         uint8_t hidden) {
    uint8_t *begin = buffer_room(buffer, OBJECT_BYTES);
    uint8_t *place = PEN(begin, "{\"id\":");
    place = pen_id(place, ID_TRANSACTION, facts->id);
    place = PEN(place, ",\"type\":");
    place = pen_quoted(place, slice_of_text(transaction_type_name(facts->type)));
    place = PEN(place, ",\"amount\":");
    place = buffer_put_i64(place, facts->amount);
    place = PEN(place, ",\"currency\":");
    place = pen_quoted(place, currency_code(&facts->currency));
    place = PEN(place, ",\"debit\":");
    place = pen_side(place, &facts->debit, &facts->currency, (hidden & HIDDEN_DEBIT) != 0);
    place = PEN(place, ",\"credit\":");
    place = pen_side(place, &facts->credit, &facts->currency, (hidden & HIDDEN_CREDIT) != 0);
    CHECK(place - begin <= FACTS_BYTES_MAX);
    buffer->size += (size_t)(place - begin);
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
    render_facts(buffer, facts, hidden);
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
