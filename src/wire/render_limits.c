// SPDX-License-Identifier: MIT
// What a wallet may spend, as JSON.
#include "ledger/spending.h"
#include "wire/render.h"
#include "wire/render_parts.h"

static void render_period(struct buffer *buffer, const struct wire_limits *limits, const char *name,
                          enum spending_period period, int64_t limit, int64_t spent) {
    if (limit == 0)
        return;
    if (buffer->bytes[buffer->size - 1] != '[')
        BUFFER_ADD(buffer, ",");
    BUFFER_ADD(buffer, "{\"period\":");
    render_word(buffer, name);
    BUFFER_ADD(buffer, ",\"limit\":");
    buffer_add_i64(buffer, limit);
    if (period != SPENDING_TRANSACTION) {
        BUFFER_ADD(buffer, ",\"spent\":");
        buffer_add_i64(buffer, spent);
    }
    BUFFER_ADD(buffer, ",\"left\":");
    buffer_add_i64(buffer, spent < limit ? limit - spent : 0); // it may have been higher
    if (period != SPENDING_TRANSACTION) {
        BUFFER_ADD(buffer, ",\"ends_at\":");
        render_time(buffer, spending_ends_ms(limits->spent.day, period));
    }
    BUFFER_ADD(buffer, "}");
}

static void render_amount(struct buffer *buffer, const char *name, int64_t amount) {
    if (amount == 0)
        return;
    if (buffer->bytes[buffer->size - 1] != '{')
        BUFFER_ADD(buffer, ",");
    BUFFER_ADD(buffer, "\"");
    buffer_add_text(buffer, name);
    BUFFER_ADD(buffer, "\":");
    buffer_add_i64(buffer, amount);
}

static void render_tier(struct buffer *buffer, const struct spending_limit *limit) {
    if (buffer->bytes[buffer->size - 1] != '[')
        BUFFER_ADD(buffer, ",");
    BUFFER_ADD(buffer, "{");
    if (limit->has_tier) {
        BUFFER_ADD(buffer, "\"tier\":");
        buffer_add_u64(buffer, limit->tier);
    }
    render_amount(buffer, "per_transaction", limit->per_transaction);
    render_amount(buffer, "per_day", limit->per_day);
    render_amount(buffer, "per_month", limit->per_month);
    BUFFER_ADD(buffer, "}");
}

void wire_render_limits(struct buffer *buffer, const struct wire_limits *limits) {
    const struct wallet *wallet = limits->wallet;
    const struct spending_limit *own =
        spending_limit_of(limits->limits, wallet, &limits->currency);
    CHECK(currency_is_given(&limits->currency));
    BUFFER_ADD(buffer, "{\"wallet\":");
    render_id(buffer, ID_WALLET, wallet->id);
    BUFFER_ADD(buffer, ",\"kind\":");
    render_word(buffer, wallet_kind_name(wallet->kind));
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &limits->currency);
    BUFFER_ADD(buffer, ",\"tier\":");
    buffer_add_u64(buffer, wallet->tier);
    BUFFER_ADD(buffer, ",\"at\":");
    render_time(buffer, limits->at_ms);
    BUFFER_ADD(buffer, ",\"limits\":[");
    if (own != NULL) {
        render_period(buffer, limits, "transaction", SPENDING_TRANSACTION, own->per_transaction, 0);
        render_period(buffer, limits, "day", SPENDING_DAY, own->per_day, limits->spent.day_sum);
        render_period(buffer, limits, "month", SPENDING_MONTH, own->per_month,
                      limits->spent.month_sum);
    }
    BUFFER_ADD(buffer, "],\"tiers\":[");
    for (uint32_t i = 0; limits->limits != NULL && i < limits->limits->count; i++) {
        const struct spending_limit *limit = &limits->limits->items[i];
        if (limit->kind == wallet->kind && currency_equal(&limit->currency, &limits->currency))
            render_tier(buffer, limit);
    }
    BUFFER_ADD(buffer, "]}");
}
