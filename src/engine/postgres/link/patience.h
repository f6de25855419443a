// SPDX-License-Identifier: MIT
// Statements that change the schema wait for a lock only shortly, so that payments do not queue
// behind them, and are tried again.
#pragma once
#include "engine/postgres/link/link.h"

// Runs it, again while somebody else has the locks; bounded. `link`'s settings have the lock's
// time-out. Thread: the link's.
MUST_CHECK enum link_result link_run_patiently(struct link *link, const char *text);
// The same, with the first value of its one row as text.
MUST_CHECK enum link_result link_ask_patiently(struct link *link, const char *text, char *ret_text,
                                               size_t text_bytes);
