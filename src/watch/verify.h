// SPDX-License-Identifier: MIT
// Verifies the books of a stopped server from their files alone: every checksum, the chain, every
// balance and every sum. It shares the record codec with the engine and nothing else, so a mistake
// there is not repeated here.
#pragma once
#include "base/check.h"
#include "base/disk.h"
#include "base/hash.h"
#include "base/status.h"
#include "watch/integrity.h"

struct verify_report {
    struct integrity_report books; // `consistent` and the first difference stand here
    uint64_t journal_bytes;        // of all segments' files
    uint64_t segment_count, round_count;
    uint64_t last_time_ms;     // of the last round
    bool goes_on;              // these books were moved here, and go on from
    struct sha256 first_chain; // where the others ended
    struct sha256 chain;       // after the last round: proves everything before it
    bool is_closed;            // the server was stopped cleanly
    uint64_t unfinished_bytes; // of a round that a crash interrupted; the next start cuts them
};

struct verify_progress {
    uint64_t bytes_done, bytes_total, record_count;
};

// `progress` (or NULL) is called now and then. STATUS_ok: examined, see
// ret_report->books.consistent. Others: the folder cannot be read (STATUS_not_found: it has no
// books); `ret_report->books.message` says what. The caller gives the report back with
// verify_report_done. The folder must not be in use. Thread: any.
MUST_CHECK enum status verify_folder(const char *data_folder,
                                     void (*progress)(void *context,
                                                      const struct verify_progress *progress),
                                     void *context, struct verify_report *ret_report);
// The same on a disk that the caller has open (and goes on owning).
MUST_CHECK enum status verify_disk(struct disk *disk,
                                   void (*progress)(void *context,
                                                    const struct verify_progress *progress),
                                   void *context, struct verify_report *ret_report);
void verify_report_done(struct verify_report *report);
