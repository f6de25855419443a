// SPDX-License-Identifier: MIT
// Refusals are written as they come, so that a million of them cost no memory and an interrupted
// import has told all that it knew.
#include "programs/import_report.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "programs/client_text.h"

#define REPORT_SHOWN_MAX 100

void import_report_init(struct import_report *report, const char *file_path,
                        const char *refused_path) {
    *report = (struct import_report){0};
    if (refused_path != NULL)
        buffer_add_text(&report->path, refused_path);
    else
        buffer_add_format(&report->path, "%s.refused", file_path);
    BUFFER_ADD(&report->path, "\0");
}

static void count_code(struct import_report *report, struct slice code) {
    if (code.size >= sizeof(report->codes[0].name))
        code.size = sizeof(report->codes[0].name) - 1;
    for (uint32_t at = 0; at < report->code_count; at++) {
        if (slice_equal(slice_of_text(report->codes[at].name), code)) {
            report->codes[at].count++;
            return;
        }
    }
    if (report->code_count == IMPORT_CODES_MAX)
        return;
    struct import_code *added = &report->codes[report->code_count++];
    memcpy(added->name, code.bytes, code.size);
    added->name[code.size] = '\0';
    added->count = 1;
}

static void open_file(struct import_report *report) {
    if (report->file != NULL || report->file_failed)
        return;
    report->file = fopen((const char *)report->path.bytes, "we");
    if (report->file != NULL)
        return;
    report->file_failed = true;
    fprintf(stderr, "florin: %s cannot be written (%s); refused lines are only shown at the end.\n",
            (const char *)report->path.bytes, strerror(errno));
}

void import_report_refuse(struct import_report *report, uint64_t line, struct slice code,
                          struct slice detail, struct slice operation) {
    report->refused_count++;
    count_code(report, code);
    if (report->shown_count < REPORT_SHOWN_MAX) {
        report->shown_count++;
        buffer_add_format(&report->shown, "line %llu: ", (unsigned long long)line);
        client_text_add(&report->shown, detail);
        BUFFER_ADD(&report->shown, " (");
        client_text_add(&report->shown, code);
        BUFFER_ADD(&report->shown, ")\n");
    }
    open_file(report);
    if (report->file == NULL)
        return;
    struct buffer entry = {0};
    buffer_add_format(&entry, "{\"line\":%llu,\"code\":", (unsigned long long)line);
    json_write_text(&entry, code);
    BUFFER_ADD(&entry, ",\"detail\":");
    json_write_text(&entry, detail);
    if (operation.size != 0) {
        BUFFER_ADD(&entry, ",\"operation\":");
        buffer_add_slice(&entry, operation);
    }
    BUFFER_ADD(&entry, "}\n");
    if (fwrite(entry.bytes, 1, entry.size, report->file) != entry.size)
        report->file_failed = true;
    buffer_done(&entry);
}

static void print_shown(struct import_report *report) {
    const char *path = (const char *)report->path.bytes;
    if (report->refused_count == 0)
        return;
    fprintf(stderr, "%.*s", (int)report->shown.size, (const char *)report->shown.bytes);
    if (report->refused_count > report->shown_count)
        fprintf(stderr, "and %llu more.\n",
                (unsigned long long)(report->refused_count - report->shown_count));
    if (report->file_failed)
        fprintf(stderr, "florin: %s could not be written in full.\n", path);
    else
        fprintf(stderr, "All refused lines are in %s.\n", path);
}

void import_report_finish(struct import_report *report, uint64_t took_ms) {
    if (report->file != NULL && fclose(report->file) != 0)
        report->file_failed = true;
    report->file = NULL;
    print_shown(report);
    struct buffer out = {0};
    // Lines that were read and not sent any more, because of an interruption, do not count.
    uint64_t answered = report->done_count + report->replayed_count + report->refused_count;
    client_text_add_count(&out, answered);
    BUFFER_ADD(&out, " lines: ");
    client_text_add_count(&out, report->done_count);
    BUFFER_ADD(&out, " done, ");
    if (report->replayed_count > 0) {
        client_text_add_count(&out, report->replayed_count);
        BUFFER_ADD(&out, " had been done before, ");
    }
    client_text_add_count(&out, report->refused_count);
    BUFFER_ADD(&out, " refused");
    for (uint32_t at = 0; at < report->code_count; at++) {
        buffer_add_text(&out, at == 0 ? " (" : ", ");
        client_text_add_count(&out, report->codes[at].count);
        buffer_add_format(&out, " %s%s", report->codes[at].name,
                          at + 1 == report->code_count ? ")" : "");
    }
    buffer_add_format(&out, "; %llu.%01llu s", (unsigned long long)(took_ms / 1000),
                      (unsigned long long)(took_ms / 100 % 10));
    if (took_ms > 0) {
        BUFFER_ADD(&out, ", ");
        client_text_add_count(&out, answered * 1000 / took_ms);
        BUFFER_ADD(&out, " lines/s");
    }
    BUFFER_ADD(&out, "\n");
    (void)fwrite(out.bytes, 1, out.size, stdout); // a closed pipe is the reader's wish
    buffer_done(&out);
}

void import_report_done(struct import_report *report) {
    if (report->file != NULL)
        (void)fclose(report->file); // what could not be written was said before
    report->file = NULL;
    buffer_done(&report->path);
    buffer_done(&report->shown);
}
