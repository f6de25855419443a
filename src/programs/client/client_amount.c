// SPDX-License-Identifier: MIT
// Digits to minor units and back without a floating point in between.
#include "programs/client/client_amount.h"

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

// Appends a digit; false beyond what any amount may be.
static bool amount_append(int64_t *amount, uint8_t digit) {
    CHECK(is_digit(digit));
    int64_t next = *amount * 10 + (digit - '0');
    if (next > LIMIT_AMOUNT_MAX)
        return false;
    *amount = next;
    return true;
}

// The part behind the digits: nothing, or an upper-case code with an optional space before it.
static bool amount_currency(struct slice text, struct currency *ret_currency,
                            const char **ret_why) {
    if (text.size > 0 && text.bytes[0] == ' ')
        text = slice_of(text.bytes + 1, text.size - 1);
    if (currency_iso_find(text, ret_currency))
        return true;
    *ret_why = "an amount is a whole number of minor units (1250), or has an ISO 4217 currency "
               "behind it (12.50USD)";
    return false;
}

bool client_amount_parse(struct slice text, int64_t *ret_amount, struct currency *ret_currency,
                         const char **ret_why) {
    int64_t amount = 0;
    size_t at = 0;
    size_t whole = 0;
    size_t fraction = 0;
    bool fits = true;
    for (; at < text.size && is_digit(text.bytes[at]); at++, whole++)
        fits = fits && amount_append(&amount, text.bytes[at]);
    bool has_point = at < text.size && text.bytes[at] == '.';
    if (has_point)
        for (at++; at < text.size && is_digit(text.bytes[at]); at++, fraction++)
            fits = fits && amount_append(&amount, text.bytes[at]);
    if (whole == 0 || (has_point && fraction == 0)) {
        *ret_why = "an amount begins with digits, such as 1250 or 12.50USD";
        return false;
    }
    struct currency currency = {0};
    if (at < text.size) {
        if (!amount_currency(slice_of(text.bytes + at, text.size - at), &currency, ret_why))
            return false;
        if (fraction > currency.exponent) {
            *ret_why = "the amount has more decimal places than its currency";
            return false;
        }
        for (; fraction < currency.exponent; fraction++)
            fits = fits && amount_append(&amount, '0');
    } else if (has_point) {
        *ret_why = "an amount with a decimal point needs its currency, such as 12.50USD";
        return false;
    }
    if (!fits) {
        *ret_why = "the amount is larger than 9007199254740991 minor units";
        return false;
    }
    *ret_amount = amount;
    *ret_currency = currency;
    return true;
}

void client_amount_add(struct buffer *buffer, __int128 amount, struct slice currency_code) {
    struct currency currency;
    if (!currency_iso_find(currency_code, &currency))
        currency = (struct currency){0};
    unsigned __int128 rest = amount < 0 ? 0 - (unsigned __int128)amount : (unsigned __int128)amount;
    uint64_t unit = 1;
    for (uint8_t digit = 0; digit < currency.exponent; digit++)
        unit *= 10;
    if (amount < 0)
        BUFFER_ADD(buffer, "-");
    buffer_add_i128(buffer, (__int128)(rest / unit));
    if (currency.exponent > 0) {
        uint64_t minor = (uint64_t)(rest % unit);
        BUFFER_ADD(buffer, ".");
        for (uint64_t place = unit / 10; place > 0; place /= 10)
            buffer_add_u64(buffer, minor / place % 10);
    }
    if (currency_code.size > 0) {
        BUFFER_ADD(buffer, " ");
        buffer_add_slice(buffer, currency_code);
    }
}
