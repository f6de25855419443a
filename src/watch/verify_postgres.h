// SPDX-License-Identifier: MIT
// Verifies the books in a PostgreSQL database from their rows alone, in one snapshot and with a
// role that can only read: the chains of slots and rounds, every balance, sum, hold and version,
// and every row that repeats what a record says. It shares the record codec with the engine and
// nothing else.
#pragma once
#include "base/check.h"
#include "base/hash.h"
#include "base/status.h"
#include "watch/integrity.h"

struct verify_postgres_report {
    struct integrity_report books; // `consistent` and the first difference stand here
    uint64_t round_count, posting_count, key_count;
    uint64_t last_time_ms;
    struct sha256 chain; // after the last round
    struct sha256 first_chain; // before the first
    char moved_from[128]; // the books that these continue, whose chain ended there; empty: none
};

// `url`: a libpq connection string. STATUS_ok: examined, see ret_report->books.consistent. Others:
// the database cannot be read; `ret_report->books.message` says why. The caller gives the report
// back with verify_postgres_done. Thread: any.
MUST_CHECK enum status verify_postgres(const char *url, struct verify_postgres_report *ret_report);
void verify_postgres_done(struct verify_postgres_report *report);
