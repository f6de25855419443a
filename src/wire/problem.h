// SPDX-License-Identifier: MIT
// Refusals as RFC 9457 problem documents: a stable `code`, a sentence that says what happened, to which wallet, what it has
// and what was asked, and what to do next; and the same facts as fields for programs. A document depends on the refusal
// alone (no time, no request), so a remembered one is answered again byte for byte.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "base/status.h"
#include "ledger/record.h"
#include "wire/decode.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

#define PROBLEM_NO_OPERATION UINT32_MAX

// Appends the document of a refusal by the ledger. `operation`: index in an atomic batch, or PROBLEM_NO_OPERATION.
// Thread: any.
void problem_render(struct buffer *buffer, const struct refusal *refusal, uint32_t operation);

// Appends the document of a refusal at the door (anything that needs no numbers). `detail` may be NULL: then the status's
// own sentence and what to do about it stand there.
void problem_render_door(struct buffer *buffer, enum status status, const char *detail, uint32_t operation);

// Appends the document of invalid input, with its list of pointers.
void problem_render_faults(struct buffer *buffer, const struct wire_faults *faults, uint32_t operation);

// An amount in major units with its currency, such as "12.50 USD"; "-0.05 EUR"; "7 points" has exponent 0.
void problem_add_money(struct buffer *buffer, int64_t amount, const struct currency *currency);

// What a client should do about it: a sentence for documents and problems. Static storage.
const char *problem_advice(enum status status);
