// SPDX-License-Identifier: MIT
// What became of the lines of an import: counts, the refused ones in a file of their own (all of
// them) and on the screen (the first ones), and sums by reason.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/slice.h"

#define IMPORT_CODES_MAX 48 // more than Florin has

struct import_code {
    char name[40];
    uint64_t count;
};

struct import_report {
    uint64_t line_count;     // read, blank ones left out
    uint64_t done_count;     // took effect now
    uint64_t replayed_count; // had taken effect before, under the same key
    uint64_t kept_count;     // wait for somebody to decide: held by a rule, or to be approved
    uint64_t refused_count;
    struct buffer path; // of the file of refused lines, zero-terminated
    FILE *file;         // owned; NULL until the first refusal, or when it cannot be made
    bool file_failed;
    struct buffer entries; // of the file, not yet in the order of lines
    struct buffer places;  // where each of them lies
    struct buffer shown;   // what the end shows
    uint32_t shown_count;
    uint32_t code_count;
    struct import_code codes[IMPORT_CODES_MAX];
};

// `refused_path` may be NULL: then it is `file_path` with ".refused" behind it. Thread: one at a
// time.
void import_report_init(struct import_report *report, const char *file_path,
                        const char *refused_path);
// A line that was refused. `text` is its operation as JSON, or the line as it is when it holds no
// JSON object.
void import_report_refuse(struct import_report *report, uint64_t line, struct slice code,
                          struct slice detail, struct slice text, bool is_object);
// Writes what was refused since the last time, in the order of lines: answers come wallets first.
void import_report_settle(struct import_report *report);
// How many refusals wait for that.
uint32_t import_report_unsettled(const struct import_report *report);
// Closes the file and prints the summary; refused lines go to stderr, sums to stdout.
void import_report_finish(struct import_report *report, uint64_t took_ms);
void import_report_done(struct import_report *report);
