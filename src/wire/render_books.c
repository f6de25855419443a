// SPDX-License-Identifier: MIT
// Balances of the past and the check of the books, as JSON.
#include "wire/render.h"
#include "wire/render_parts.h"

void wire_render_balance(struct buffer *buffer, const struct wire_balance *balance) {
    CHECK(currency_is_given(&balance->currency));
    BUFFER_ADD(buffer, "{\"wallet\":");
    render_id(buffer, ID_WALLET, balance->wallet);
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &balance->currency);
    BUFFER_ADD(buffer, ",\"at\":");
    render_time(buffer, balance->at_ms);
    BUFFER_ADD(buffer, ",\"balance\":");
    buffer_add_i64(buffer, balance->balance);
    if (balance->version != 0) {
        BUFFER_ADD(buffer, ",\"version\":");
        buffer_add_u64(buffer, balance->version);
    }
    if (balance->is_now) {
        BUFFER_ADD(buffer, ",\"held\":");
        buffer_add_i64(buffer, balance->held);
        BUFFER_ADD(buffer, ",\"available\":");
        buffer_add_i64(buffer, balance->balance - balance->held);
    }
    BUFFER_ADD(buffer, "}");
}

static void render_currency_totals(struct buffer *buffer,
                                   const struct wire_integrity_currency *totals) {
    BUFFER_ADD(buffer, "{\"currency\":");
    render_code(buffer, &totals->currency);
    BUFFER_ADD(buffer, ",\"exponent\":");
    buffer_add_u64(buffer, totals->currency.exponent);
    BUFFER_ADD(buffer, ",\"wallets\":");
    buffer_add_u64(buffer, totals->wallet_count);
    BUFFER_ADD(buffer, ",\"wallet_balances\":");
    buffer_add_i128(buffer, totals->wallet_balances);
    BUFFER_ADD(buffer, ",\"deposits\":");
    buffer_add_i128(buffer, totals->deposits);
    BUFFER_ADD(buffer, ",\"withdrawals\":");
    buffer_add_i128(buffer, totals->withdrawals);
    BUFFER_ADD(buffer, ",\"difference\":");
    buffer_add_i128(buffer, totals->difference);
    BUFFER_ADD(buffer, "}");
}

static void render_check(struct buffer *buffer, const struct wire_integrity_check *check) {
    BUFFER_ADD(buffer, "{\"check\":");
    json_write_text(buffer, slice_of_text(check->name));
    BUFFER_ADD(buffer, ",\"rule\":");
    json_write_text(buffer, slice_of_text(check->sentence));
    BUFFER_ADD(buffer, ",\"count\":");
    buffer_add_u64(buffer, check->count);
    BUFFER_ADD(buffer, ",\"differences\":");
    buffer_add_u64(buffer, check->differences);
    BUFFER_ADD(buffer, "}");
}

static void render_recount(struct buffer *buffer, const struct wire_recount *recount) {
    BUFFER_ADD(buffer, ",\"recounts\":{\"count\":");
    buffer_add_u64(buffer, recount->count);
    if (recount->finished_ms != 0) {
        BUFFER_ADD(buffer, ",\"finished_at\":");
        render_time(buffer, recount->finished_ms);
        BUFFER_ADD(buffer, ",\"took_ms\":");
        buffer_add_u64(buffer, recount->took_ms);
    }
    BUFFER_ADD(buffer, ",\"progress\":");
    buffer_add_u64(buffer, recount->progress);
    BUFFER_ADD(buffer, "}");
}

static void render_in_flight(struct buffer *buffer, const struct wire_in_flight *flight) {
    BUFFER_ADD(buffer, "{");
    if (currency_is_given(&flight->currency)) {
        BUFFER_ADD(buffer, "\"currency\":");
        render_code(buffer, &flight->currency);
        BUFFER_ADD(buffer, ",\"amount\":");
        buffer_add_i128(buffer, flight->amount);
        BUFFER_ADD(buffer, ",");
    }
    BUFFER_ADD(buffer, "\"payments\":");
    buffer_add_u64(buffer, flight->count);
    BUFFER_ADD(buffer, ",\"age_ms\":");
    buffer_add_u64(buffer, flight->age_ms);
    BUFFER_ADD(buffer, "}");
}

void wire_render_integrity(struct buffer *buffer, const struct wire_integrity *integrity) {
    BUFFER_ADD(buffer, "{\"consistent\":");
    render_bool(buffer, integrity->consistent);
    BUFFER_ADD(buffer, ",\"message\":");
    json_write_text(buffer, integrity->message);
    BUFFER_ADD(buffer, ",\"currencies\":[");
    for (uint32_t i = 0; i < integrity->currency_count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        render_currency_totals(buffer, &integrity->currencies[i]);
    }
    BUFFER_ADD(buffer, "],\"checked\":[");
    for (uint32_t i = 0; i < integrity->check_count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        render_check(buffer, &integrity->checks[i]);
    }
    BUFFER_ADD(buffer, "],\"in_flight\":[");
    for (uint32_t i = 0; i < integrity->in_flight_count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        render_in_flight(buffer, &integrity->in_flight[i]);
    }
    BUFFER_ADD(buffer, "],\"depth\":");
    json_write_text(buffer, integrity->is_full ? SLICE("full") : SLICE("totals"));
    BUFFER_ADD(buffer, ",\"as_of\":");
    render_time(buffer, integrity->as_of_ms);
    // Rounded up, so that nothing took no time.
    BUFFER_ADD(buffer, ",\"took_ms\":");
    buffer_add_u64(buffer, (integrity->took_us + 999) / 1000);
    render_recount(buffer, &integrity->recount);
    BUFFER_ADD(buffer, ",\"payments_stopped\":");
    render_bool(buffer, integrity->payments_stopped);
    BUFFER_ADD(buffer, "}");
}

void wire_render_proof(struct buffer *buffer, const struct wire_proof *proof) {
    BUFFER_ADD(buffer, "{\"wallet\":");
    render_id(buffer, ID_WALLET, proof->wallet);
    BUFFER_ADD(buffer, ",\"consistent\":");
    render_bool(buffer, proof->consistent);
    BUFFER_ADD(buffer, ",\"message\":");
    json_write_text(buffer, proof->message);
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &proof->currency);
    BUFFER_ADD(buffer, ",\"balance\":");
    buffer_add_i64(buffer, proof->balance);
    BUFFER_ADD(buffer, ",\"held\":");
    buffer_add_i64(buffer, proof->held);
    BUFFER_ADD(buffer, ",\"version\":");
    buffer_add_u64(buffer, proof->version);
    BUFFER_ADD(buffer, ",\"postings\":");
    buffer_add_u64(buffer, proof->posting_count);
    BUFFER_ADD(buffer, ",\"open_holds\":");
    buffer_add_u64(buffer, proof->hold_count);
    BUFFER_ADD(buffer, ",\"pending_withdrawals\":");
    buffer_add_u64(buffer, proof->withdrawal_count);
    BUFFER_ADD(buffer, ",\"as_of\":");
    render_time(buffer, proof->as_of_ms);
    BUFFER_ADD(buffer, ",\"took_ms\":");
    buffer_add_u64(buffer, (proof->took_us + 999) / 1000);
    BUFFER_ADD(buffer, "}");
}
