// SPDX-License-Identifier: MIT
// Refusals are written as they come, so that a million of them cost no memory and an interrupted
// import has told all that it knew.
#include "programs/import/import_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "programs/client/client_text.h"
#include "wire/text.h"

#define REPORT_SHOWN_MAX 100
#define REPORT_TEXT_BYTES_MAX 1000

// Where a refusal lies in `entries`: a line for people, then one for the file.
struct place {
    uint64_t line;
    size_t begin, json, end;
};

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

// What holds no JSON may hold anything: control characters, and whatever is no UTF-8, show as "?".
static void add_text_as_it_is(struct buffer *out, struct slice text) {
    struct buffer plain = {0};
    size_t size = text.size < REPORT_TEXT_BYTES_MAX ? text.size : REPORT_TEXT_BYTES_MAX;
    while (size > 0 && size < text.size && (text.bytes[size] & 0xc0) == 0x80)
        size--; // no half letter
    bool is_utf8 = text_is_utf8(slice_of(text.bytes, size));
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = text.bytes[at];
        bool is_shown = byte >= 0x20 && byte != 0x7f && (byte < 0x80 || is_utf8);
        buffer_add(&plain, is_shown ? &byte : (const uint8_t *)"?", 1);
    }
    json_write_text(out, buffer_slice(&plain));
    buffer_done(&plain);
}

void import_report_refuse(struct import_report *report, uint64_t line, struct slice code,
                          struct slice detail, struct slice text, bool is_object) {
    struct buffer *entries = &report->entries;
    struct place place = {.line = line, .begin = entries->size};
    report->refused_count++;
    count_code(report, code);
    buffer_add_format(entries, "line %llu: ", (unsigned long long)line);
    client_text_add(entries, detail);
    BUFFER_ADD(entries, " (");
    client_text_add(entries, code);
    BUFFER_ADD(entries, ")\n");
    place.json = entries->size;
    buffer_add_format(entries, "{\"line\":%llu,\"code\":", (unsigned long long)line);
    json_write_text(entries, code);
    BUFFER_ADD(entries, ",\"detail\":");
    json_write_text(entries, detail);
    if (is_object) {
        BUFFER_ADD(entries, ",\"operation\":");
        buffer_add_slice(entries, text);
    } else {
        BUFFER_ADD(entries, ",\"text\":");
        add_text_as_it_is(entries, text);
    }
    BUFFER_ADD(entries, "}\n");
    place.end = entries->size;
    buffer_add(&report->places, &place, sizeof(place));
}

uint32_t import_report_unsettled(const struct import_report *report) {
    return (uint32_t)(report->places.size / sizeof(struct place));
}

static int compare_places(const void *a, const void *b) {
    const struct place *first = a, *second = b;
    return (first->line > second->line) - (first->line < second->line);
}

void import_report_settle(struct import_report *report) {
    uint32_t count = import_report_unsettled(report);
    struct place *places = (struct place *)report->places.bytes;
    if (count == 0)
        return;
    qsort(places, count, sizeof(*places), compare_places);
    open_file(report);
    for (uint32_t at = 0; at < count; at++) {
        const uint8_t *bytes = report->entries.bytes;
        size_t size = places[at].end - places[at].json;
        if (report->shown_count < REPORT_SHOWN_MAX) {
            report->shown_count++;
            buffer_add(&report->shown, bytes + places[at].begin,
                       places[at].json - places[at].begin);
        }
        if (report->file != NULL && fwrite(bytes + places[at].json, 1, size, report->file) != size)
            report->file_failed = true;
    }
    buffer_reset(&report->entries);
    buffer_reset(&report->places);
}

static void print_shown(struct import_report *report) {
    const char *path = (const char *)report->path.bytes;
    if (report->refused_count == 0) {
        (void)unlink(path); // what an earlier import of this file refused is no longer so
        return;
    }
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
    import_report_settle(report);
    if (report->file != NULL && fclose(report->file) != 0)
        report->file_failed = true;
    report->file = NULL;
    print_shown(report);
    struct buffer out = {0};
    // Lines that were read and not sent any more, because of an interruption, do not count.
    uint64_t answered = report->done_count + report->replayed_count + report->kept_count +
                        report->refused_count;
    client_text_add_count(&out, answered);
    BUFFER_ADD(&out, " lines: ");
    client_text_add_count(&out, report->done_count);
    BUFFER_ADD(&out, " done, ");
    if (report->replayed_count > 0) {
        client_text_add_count(&out, report->replayed_count);
        BUFFER_ADD(&out, " had been done before, ");
    }
    if (report->kept_count > 0) {
        client_text_add_count(&out, report->kept_count);
        BUFFER_ADD(&out, " kept for somebody to decide, ");
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
    if (took_ms >= 1000) {
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
    buffer_done(&report->entries);
    buffer_done(&report->places);
    buffer_done(&report->shown);
}
