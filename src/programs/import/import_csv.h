// SPDX-License-Identifier: MIT
// CSV as RFC 4180 has it, with a header row: a column per field of the API, plus type,
// idempotency_key, as, and metadata.NAME. A row becomes the JSON that an NDJSON line would have
// been, so both go the same way from there. An empty field is a field that is not there.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

struct import_csv;

// Reads the header row. False: said on stderr which column is not known, or given twice. Thread:
// one at a time.
MUST_CHECK bool import_csv_open(struct slice header, struct import_csv **ret_csv);
void import_csv_close(struct import_csv *csv); // accepts NULL

// Writes a row as a JSON object into `out`, which is reset before. False: `ret_why` is a sentence
// that lives until the next call. A row without any byte is an empty text.
MUST_CHECK bool import_csv_row(struct import_csv *csv, struct slice row, struct buffer *out,
                               const char **ret_why);
