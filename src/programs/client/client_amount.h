// SPDX-License-Identifier: MIT
// Amounts as people write and read them. Two ways to write one, both exact:
//   1250        minor units, in whatever currency the wallet has
//   12.50USD    major units of an ISO 4217 currency; the currency is sent along, so that the server
//   refuses the
//               payment when the wallet has another one
// A decimal point without a currency is refused, because guessing would be wrong by a factor for
// some currencies.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"
#include "ledger/money.h"

// Reads an amount in minor units. `ret_currency` is all zero for minor units. False: `ret_why` is a
// static sentence, nothing else is written. Zero is accepted; whether it is allowed is for the
// server. Thread: any.
MUST_CHECK bool client_amount_parse(struct slice text, int64_t *ret_amount,
                                    struct currency *ret_currency, const char **ret_why);

// Adds "12.50 USD"; for a currency that is not of ISO 4217 the minor units and the code, because
// only the server's configuration knows its exponent. An empty code adds the minor units alone.
void client_amount_add(struct buffer *buffer, __int128 amount, struct slice currency_code);
