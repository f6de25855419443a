// SPDX-License-Identifier: MIT
// The sentences and fields of refusals that have numbers. For this folder only.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "ledger/record.h"

// Whether a refusal says what it is about. Thread: any.
bool problem_has_detail(const struct refusal *refusal);
// Appends the sentence, without quotes; it needs no escapes.
void problem_add_detail(struct buffer *buffer, const struct refusal *refusal);
// Appends the fields, each with a comma in front.
void problem_add_fields(struct buffer *buffer, const struct refusal *refusal);
