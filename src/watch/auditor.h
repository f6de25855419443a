// SPDX-License-Identifier: MIT
// Examines the books of a running engine: adds everything up again from the record, with arithmetic
// of its own, and compares the result with what the engine believes now. It remembers where it
// stood, so only the first examination reads everything.
#pragma once
#include "base/check.h"
#include "base/status.h"
#include "engine/engine.h"
#include "watch/integrity.h"

struct auditor;

// Reads nothing yet. The engine must outlive the auditor. Thread: any.
struct auditor *auditor_open(struct engine *engine);
// The same, which also finds idempotency keys and bank ids that were taken twice, among at most so
// many records.
struct auditor *auditor_open_wide(struct engine *engine, uint64_t record_count_max);
void auditor_close(struct auditor *auditor); // accepts NULL
// Every examination, the present one too, soon ends with STATUS_busy: the server stops. Any thread.
void auditor_cancel(struct auditor *auditor);

// How many bytes of records an examination reads per second; 0, the default: as fast as it can.
// Thread: the one that opened it, before the first examination.
void auditor_pace(struct auditor *auditor, uint64_t bytes_per_s);
// Payments between shards that were decided before then are added up for the report. The same.
void auditor_pairs_until(struct auditor *auditor, uint64_t time_ms);
// How far the present examination has read, in thousandths. Thread: any.
uint32_t auditor_progress(struct auditor *auditor);

// Examines everything published when it is called; one examination at a time, others wait for their
// turn. A difference is a result, not a failure: STATUS_ok, and `ret_report->consistent` is false.
// Other statuses are the feed's. The caller gives the report back with integrity_report_done.
// Thread: any but the engine's; may take seconds.
MUST_CHECK enum status auditor_check(struct auditor *auditor, struct integrity_report *ret_report);
