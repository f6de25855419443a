// SPDX-License-Identifier: MIT
// The only place that asks what time it is. Times of the world are milliseconds since 1970 UTC;
// spans are measured on the monotonic clock.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

// Thread: any.
uint64_t clock_now_ms(void);
uint64_t clock_monotonic_ns(void);

#define CLOCK_TEXT_BYTES 24 // "2026-11-22T18:28:43.123Z"

// Writes exactly CLOCK_TEXT_BYTES bytes, ISO 8601 in UTC, without a terminating zero. Years 1970 to
// 9999; cheap when consecutive calls fall into the same second (no cache across threads).
void clock_format(uint64_t time_ms, char *ret_text);

// Accepts "YYYY-MM-DD" and RFC 3339 date-times with optional fraction (beyond ms: cut) and Z or an
// offset. False when it is neither or lies before 1970; `ret_time_ms` is untouched then.
bool clock_parse(struct slice text, uint64_t *ret_time_ms);
