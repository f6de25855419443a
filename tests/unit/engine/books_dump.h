// SPDX-License-Identifier: MIT
// Everything that the embedded books hold in memory, as text, so that two moments can be compared
// and a difference can be shown. Looks behind the port on purpose.
#pragma once
#include "base/buffer.h"
#include "engine/engine.h"

// Appends a line per thing, in an order that only depends on what the books hold. The engine must
// be idle: nothing submitted, no hold due.
void books_dump(struct engine *engine, struct buffer *buffer);
// Whether two dumps are equal; if not, prints the first lines that differ.
bool books_dump_equal(const struct buffer *a, const struct buffer *b);
// Asserts what must hold in any books: sums of all accounts zero, held is the sum of open holds and
// pending withdrawals, lists and counters agree. NULL, or what is broken (static).
const char *books_audit(struct engine *engine);
