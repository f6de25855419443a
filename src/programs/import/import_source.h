// SPDX-License-Identifier: MIT
// The file that is imported, as records with their line numbers, in bounded memory however large it
// is. Only the bytes that were there when it was opened are read, because the keys of its lines
// come from a hash over just those.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/slice.h"

#define IMPORT_RECORD_BYTES_MAX (1024u * 1024) // an operation of the API has at most 64 KiB

enum import_format { IMPORT_NDJSON, IMPORT_CSV };

enum import_read {
    IMPORT_READ_RECORD,
    IMPORT_READ_TOO_LONG, // it was skipped; the next call goes on behind it
    IMPORT_READ_UNCLOSED, // a quoted CSV field does not end; there is no telling where to go on
    IMPORT_READ_FAILED,   // said on stderr
    IMPORT_READ_END,
};

struct import_source;

// Opens a regular file. False: said on stderr why not. Thread: one at a time.
MUST_CHECK bool import_source_open(const char *path, struct import_source **ret_source);
void import_source_close(struct import_source *source); // accepts NULL
uint64_t import_source_bytes(const struct import_source *source);

// SHA-256 over the file, telling now and then how far it is. `tell` returns false to stop.
// False: stopped, or it could not be read (said on stderr).
MUST_CHECK bool import_source_hash(struct import_source *source,
                                   bool (*tell)(void *context, uint64_t done_bytes), void *context,
                                   struct sha256 *ret_hash);

// What the file's name ends with decides, else its first byte: a brace begins NDJSON.
enum import_format import_source_guess(struct import_source *source, const char *path);

// The next record without its line end; JSON_PADDING readable bytes follow, and it lives until the
// next call. Lines end with LF or CRLF; a byte order mark at the begin of the file is skipped.
// `ret_line` counts from 1 and is where the record begins (CSV records may span lines); it is set
// for too long and unclosed ones, too.
enum import_read import_source_next(struct import_source *source, enum import_format format,
                                    struct slice *ret_record, uint64_t *ret_line);
// How far the records have come in the file.
uint64_t import_source_done_bytes(const struct import_source *source);
// Whether the file is another one by now than when it was opened.
bool import_source_changed(const struct import_source *source);
