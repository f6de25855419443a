// SPDX-License-Identifier: MIT
// From one line of NDJSON to an operation of the window: `as` is taken out, `@names` become ids or
// holes for them, and a line without an idempotency key gets one from the file's hash and its
// number, so that importing the same file again does nothing twice.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/json.h"
#include "programs/import/import_names.h"
#include "programs/import/import_window.h"

enum import_line_result {
    IMPORT_LINE_ADDED,
    IMPORT_LINE_EMPTY,   // nothing but white space
    IMPORT_LINE_REFUSED, // `code` and `detail` say why; it will not be sent
    IMPORT_LINE_NOT_YET, // it names what a line of this window makes: send the window, then add the
                         // line again
};

struct import_lines {
    struct json_parser *parser;   // owned by the caller
    struct import_names *names;   // the caller's
    struct import_window *window; // the caller's
    char key_begin[48];           // of the keys of lines without one: "import-<half the hash>-"
    const char *code;             // why the last line was refused; static
    struct buffer detail;         // and as a sentence
    bool is_object; // the last line was a JSON object, whatever else was wrong with it
};

void import_lines_init(struct import_lines *lines, const struct sha256 *file_hash);
void import_lines_done(struct import_lines *lines);

// `text` must be followed by JSON_PADDING readable bytes. Thread: one at a time.
enum import_line_result import_lines_add(struct import_lines *lines, struct slice text,
                                         uint64_t line);
