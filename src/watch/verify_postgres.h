// SPDX-License-Identifier: MIT
// Verifies the books in a PostgreSQL database from their rows alone, in one snapshot and with a
// role that can only read: the chains of slots and rounds, every balance, sum, hold and version,
// and every row that repeats what a record says. It shares the record codec with the engine and
// nothing else.
#pragma once
#include "base/check.h"
#include "base/hash.h"
#include "base/status.h"
#include "engine/engine.h"
#include "watch/integrity.h"

struct verify_postgres_report {
    struct integrity_report books; // `consistent` and the first difference stand here
    uint64_t round_count, posting_count, key_count;
    uint64_t last_time_ms;
    uint64_t begins_ms;   // what is earlier is archived; 0: nothing is
    uint64_t opening[2];  // halves of the digest of what was carried over from there
    struct sha256 chain; // after the last round
    struct sha256 first_chain; // before the first
    // Of one of several shards: how many slots are its own, and which have been let go while their
    // rows are still there ("17 to b, 18 to c"): who gets them has them, or is about to.
    bool is_shard;
    uint32_t slot_count;
    char let_go[256];
    char moved_from[128]; // the books that these continue, whose chain ended there; empty: none
};

// How far it is: of as many records as the books have so many were walked along; then rows are
// compared with what these came to.
struct verify_postgres_progress {
    uint64_t record_count, record_total; // 0: not known, of a stretch
    const char *rows;                    // "wallets"; NULL: records are walked along
    uint64_t row_count;
};

typedef void verify_postgres_told(void *context, const struct verify_postgres_progress *progress);

// A stretch of the books.
#define VERIFY_FROM_ARCHIVE UINT64_MAX
struct verify_postgres_span {
    // It begins behind a line: with what was carried over to it, which was recorded
    // (VERIFY_FROM_ARCHIVE), or which is written but not recorded yet. 0: with the first record.
    uint64_t from;
    uint64_t until; // and ends in front of that record; 0: with the last, and what stands now
    // Is told what the books had come to at the end, when they are right; NULL: nobody.
    bool (*each)(void *context, const struct opening_item *item);
    void *context;
    verify_postgres_told *told; // NULL: nobody is told how far it is
    void *told_context;
};

// `url`: a libpq connection string. `told` (or NULL) is called now and then. STATUS_ok: examined,
// see ret_report->books.consistent. Others: the database cannot be read, and
// `ret_report->books.message` says why. The caller gives the report back with verify_postgres_done.
// Thread: any.
MUST_CHECK enum status verify_postgres(const char *url, verify_postgres_told *told, void *context,
                                       struct verify_postgres_report *ret_report);
// The same of a stretch.
MUST_CHECK enum status verify_postgres_span(const char *url,
                                            const struct verify_postgres_span *span,
                                            struct verify_postgres_report *ret_report);
void verify_postgres_done(struct verify_postgres_report *report);
