// SPDX-License-Identifier: MIT
// Refusals as RFC 9457 problem documents: a stable `code`, a sentence that says what happened, to
// which wallet, what it has and what was asked, and what to do next; and the same facts as fields,
// for programs. A document depends on the refusal alone (no time, no request), so a remembered one
// is answered again byte for byte.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "base/status.h"
#include "ledger/record.h"
#include "wire/decode.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

#define PROBLEM_NO_OPERATION UINT32_MAX

// Appends the document of a refusal. `operation` is the index in an atomic batch, or
// PROBLEM_NO_OPERATION. A refusal without numbers (its id is zero) is as good as one at the door.
// Statuses that are never answers (disk_failed, damaged) are shown as internal. Thread: any.
void problem_render(struct buffer *buffer, const struct refusal *refusal, uint32_t operation);

// Appends the document of a refusal at the door, for which the status says all. `detail` may be
// NULL: then it is the advice for that status.
void problem_render_door(struct buffer *buffer, enum status status, const char *detail,
                         uint32_t operation);

// Appends the document of input that is not valid, with its list of pointers.
void problem_render_faults(struct buffer *buffer, const struct wire_faults *faults,
                           uint32_t operation);

// Appends an amount in major units with its currency, such as "12.50 USD" or "-0.05 EUR".
void problem_add_money(struct buffer *buffer, int64_t amount, const struct currency *currency);

// What to do about a status: a sentence, static storage.
const char *problem_advice(enum status status);
