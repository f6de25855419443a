// SPDX-License-Identifier: MIT
// Which columns there are, and which of them hold numbers, is asked of the operations table of the
// API; so a new field of an operation is a column here without a change.
#include "programs/import/import_csv.h"

#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "wire/operations.h"

#define CSV_COLUMNS_MAX 128
#define CSV_METADATA "metadata."

struct column {
    struct buffer name; // of the field; of metadata the part behind the point
    bool is_metadata;
    bool is_bare; // numbers and booleans: written without quotes when they look like it
};

struct import_csv {
    uint32_t column_count;
    struct column columns[CSV_COLUMNS_MAX];
    struct buffer field; // the one being read, unquoted
    char why[128];
};

enum taken { TAKEN_FIELD, TAKEN_LAST, TAKEN_BROKEN };

// Takes the next field of a row. TAKEN_LAST: it ends the row.
static enum taken take_field(struct slice *rest, struct buffer *field) {
    buffer_reset(field);
    size_t at = 0;
    if (rest->size > 0 && rest->bytes[0] == '"') {
        for (at = 1;; at++) {
            if (at == rest->size)
                return TAKEN_BROKEN;
            if (rest->bytes[at] == '"') {
                bool is_escaped = at + 1 < rest->size && rest->bytes[at + 1] == '"';
                if (!is_escaped)
                    break;
                at++;
            }
            buffer_add(field, rest->bytes + at, 1);
        }
        at++; // behind the closing quote
        if (at < rest->size && rest->bytes[at] != ',')
            return TAKEN_BROKEN;
    } else {
        const uint8_t *comma = rest->size == 0 ? NULL : memchr(rest->bytes, ',', rest->size);
        at = comma == NULL ? rest->size : (size_t)(comma - rest->bytes);
        if (at > 0 && memchr(rest->bytes, '"', at) != NULL)
            return TAKEN_BROKEN;
        buffer_add(field, rest->bytes, at);
    }
    bool is_last = at == rest->size;
    *rest = slice_of(rest->bytes + at + !is_last, rest->size - at - !is_last);
    return is_last ? TAKEN_LAST : TAKEN_FIELD;
}

static bool field_named(const struct field *field, struct slice name) {
    return slice_equal(slice_of_text(field->name), name);
}

// Whether an operation that batches take has such a field. `ret_bare`: it is no text.
static bool is_field(struct slice name, bool *ret_bare) {
    *ret_bare = false;
    if (slice_equal(name, SLICE("type")) || slice_equal(name, SLICE("idempotency_key")) ||
        slice_equal(name, SLICE("as")))
        return true;
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at((enum operation_code)code);
        if (operation->batch_type == NULL)
            continue;
        if (operation->batch_id != NULL && slice_equal(slice_of_text(operation->batch_id), name))
            return true;
        for (uint16_t at = 0; at < operation->body_count; at++) {
            if (!field_named(operation->body[at], name))
                continue;
            uint8_t kind = operation->body[at]->kind;
            *ret_bare = kind == FIELD_INTEGER || kind == FIELD_BOOL;
            return kind != FIELD_METADATA; // written metadata.NAME
        }
    }
    return false;
}

static bool add_column(struct import_csv *csv, struct slice title) {
    if (csv->column_count == CSV_COLUMNS_MAX) {
        fprintf(stderr, "florin: the header row has more than %d columns.\n", CSV_COLUMNS_MAX);
        return false;
    }
    struct column *column = &csv->columns[csv->column_count++];
    size_t prefix = sizeof(CSV_METADATA) - 1;
    column->is_metadata = title.size > prefix && memcmp(title.bytes, CSV_METADATA, prefix) == 0;
    struct slice name =
        column->is_metadata ? slice_of(title.bytes + prefix, title.size - prefix) : title;
    buffer_add_slice(&column->name, name);
    if (!column->is_metadata && !is_field(name, &column->is_bare)) {
        fprintf(stderr,
                "florin: the header row names a column \"%.*s\", which no operation has.\n"
                "Columns are type, idempotency_key, as, metadata.NAME and the fields of the API.\n",
                (int)title.size, (const char *)title.bytes);
        return false;
    }
    for (uint32_t at = 0; at + 1 < csv->column_count; at++)
        if (csv->columns[at].is_metadata == column->is_metadata &&
            slice_equal(buffer_slice(&csv->columns[at].name), name)) {
            fprintf(stderr, "florin: the header row names the column \"%.*s\" twice.\n",
                    (int)title.size, (const char *)title.bytes);
            return false;
        }
    return true;
}

bool import_csv_open(struct slice header, struct import_csv **ret_csv) {
    struct import_csv *csv = memory_take_zeroed(sizeof(*csv));
    enum taken taken;
    bool ok = true;
    do {
        taken = take_field(&header, &csv->field);
        if (taken == TAKEN_BROKEN)
            fprintf(stderr, "florin: the quotes of the header row are broken.\n");
        ok = taken != TAKEN_BROKEN && add_column(csv, buffer_slice(&csv->field));
    } while (ok && taken == TAKEN_FIELD);
    if (!ok) {
        import_csv_close(csv);
        return false;
    }
    *ret_csv = csv;
    return true;
}

void import_csv_close(struct import_csv *csv) {
    if (csv == NULL)
        return;
    for (uint32_t at = 0; at < csv->column_count; at++)
        buffer_done(&csv->columns[at].name);
    buffer_done(&csv->field);
    memory_free(csv);
}

// What JSON takes as an integer or a boolean; anything else goes as a text, and the server says
// what is wrong with it.
static bool looks_bare(struct slice text) {
    if (slice_equal(text, SLICE("true")) || slice_equal(text, SLICE("false")))
        return true;
    size_t at = text.size > 0 && text.bytes[0] == '-' ? 1 : 0;
    if (at == text.size || text.size > 20 || (text.bytes[at] == '0' && text.size > at + 1))
        return false;
    for (; at < text.size; at++)
        if (text.bytes[at] < '0' || text.bytes[at] > '9')
            return false;
    return true;
}

static void add_member(struct buffer *out, const struct column *column, struct slice value) {
    json_write_text(out, buffer_slice(&column->name));
    BUFFER_ADD(out, ":");
    if (column->is_bare && looks_bare(value))
        buffer_add_slice(out, value);
    else
        json_write_text(out, value);
}

bool import_csv_row(struct import_csv *csv, struct slice row, struct buffer *out,
                    const char **ret_why) {
    struct buffer metadata = {0};
    enum taken taken = TAKEN_FIELD;
    uint32_t count = 0;
    buffer_reset(out);
    if (row.size == 0)
        return true;
    for (; taken == TAKEN_FIELD; count++) {
        taken = take_field(&row, &csv->field);
        if (taken == TAKEN_BROKEN)
            break;
        if (count >= csv->column_count)
            continue; // one too many; they are only counted
        struct slice value = buffer_slice(&csv->field);
        if (value.size == 0)
            continue;
        struct buffer *target = csv->columns[count].is_metadata ? &metadata : out;
        buffer_add_text(target, target->size == 0 ? "{" : ",");
        add_member(target, &csv->columns[count], value);
    }
    bool ok = taken == TAKEN_LAST && count == csv->column_count;
    if (taken == TAKEN_BROKEN)
        (void)snprintf(csv->why, sizeof(csv->why), "Field %u has broken quotes.", count + 1);
    else if (!ok)
        (void)snprintf(csv->why, sizeof(csv->why), "The row has %s fields than the header's %u.",
                       count < csv->column_count ? "fewer" : "more", csv->column_count);
    if (metadata.size > 0) {
        buffer_add_text(out, out->size == 0 ? "{" : ",");
        BUFFER_ADD(out, "\"metadata\":");
        buffer_add_slice(out, buffer_slice(&metadata));
        BUFFER_ADD(out, "}");
    }
    buffer_add_text(out, out->size == 0 ? "{}" : "}");
    buffer_done(&metadata);
    *ret_why = csv->why;
    return ok;
}
