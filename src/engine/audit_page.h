// SPDX-License-Identifier: MIT
// What both engines share of the audit's list: from records, newest first, to a page's entries. An
// engine hands in its records; a page does bounded work, so it may be short.
//
// A cursor is an eighth of the position of a record, and in its highest five bits which of the
// record's entries comes next, counted from the last: 0 is the newest.
#define AUDIT_CURSOR_SHIFT 59
#pragma once
#include "engine/engine.h"

#define AUDIT_SCAN_MAX 20000 // records looked at for one page
// Notes tell of what happened before their record was written: at most a window of repeated
// refusals (docs/security.md), and what clocks of nodes differ.
#define AUDIT_LATE_MS (UINT64_C(3700) * 1000)

static inline uint64_t audit_cursor(uint64_t position, uint32_t index) {
    return position / 8 | (uint64_t)index << AUDIT_CURSOR_SHIFT;
}
// By how much records may be later than what the query looks for.
uint64_t audit_page_late_ms(const struct list_query *query);
// Where a page begins: below this position.
uint64_t audit_page_below(const struct list_query *query, uint64_t end);
// Adds the entries of the record that stands at `position` and that the query asks for. `bytes`
// must live as long as the page. False: the page is full, or nothing older can be asked for;
// next_cursor is set.
bool audit_page_take(const struct list_query *query, uint64_t position, struct slice bytes,
                     struct page *page);
