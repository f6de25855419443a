// SPDX-License-Identifier: MIT
// Values are written again from what the parser read rather than copied, because the line may be
// spread over white space and escapes; only what the API never takes (numbers with a point or
// beyond 64 bits) is refused here, everything else is for the server to judge.
#include "programs/import/import_line.h"

#include "base/check.h"
#include "programs/client/client_json.h"

// Fields that hold an id, where a name of the file's own may stand instead.
static const char *const id_fields[] = {"wallet", "merchant", "from",      "to",
                                        "hold",   "purchase", "withdrawal"};
// What makes something that later lines can name.
static const char *const naming_types[] = {"wallet", "hold", "purchase", "capture", "withdrawal"};

// What the first look at a line has found.
struct looked {
    struct slice as; // empty: none
    bool is_wallet;
    bool has_key;
};

static bool is_one_of(struct slice word, const char *const *words, size_t count) {
    for (size_t at = 0; at < count; at++)
        if (slice_equal(word, slice_of_text(words[at])))
            return true;
    return false;
}

void import_lines_init(struct import_lines *lines, const struct sha256 *file_hash) {
    static const char hex[] = "0123456789abcdef";
    static const char begin[] = "import-";
    size_t size = sizeof(begin) - 1;
    memcpy(lines->key_begin, begin, size);
    for (size_t at = 0; at < 16; at++) {
        lines->key_begin[size++] = hex[file_hash->bytes[at] >> 4];
        lines->key_begin[size++] = hex[file_hash->bytes[at] & 15];
    }
    lines->key_begin[size++] = '-';
    lines->key_begin[size] = '\0';
    CHECK(size < sizeof(lines->key_begin));
}

void import_lines_done(struct import_lines *lines) {
    buffer_done(&lines->detail);
}

static enum import_line_result refuse(struct import_lines *lines, const char *code,
                                      const char *sentence) {
    lines->code = code;
    buffer_reset(&lines->detail);
    buffer_add_text(&lines->detail, sentence);
    return IMPORT_LINE_REFUSED;
}

static enum import_line_result refuse_name(struct import_lines *lines, struct slice name,
                                           const char *why, uint64_t other_line) {
    (void)refuse(lines, "unknown_name", "");
    BUFFER_ADD(&lines->detail, "@");
    buffer_add_slice(&lines->detail, name);
    buffer_add_text(&lines->detail, why);
    if (other_line != 0)
        buffer_add_format(&lines->detail, " (line %llu)", (unsigned long long)other_line);
    BUFFER_ADD(&lines->detail, ".");
    return IMPORT_LINE_REFUSED;
}

// Whether a value is a name of the file's own; then `ret_name` is it without the "@".
static bool is_reference(struct slice field, struct json_value value, struct slice *ret_name) {
    if (json_kind(value) != JSON_TEXT)
        return false;
    struct slice text = json_text(value);
    if (text.size < 2 || text.bytes[0] != '@' ||
        !is_one_of(field, id_fields, sizeof(id_fields) / sizeof(id_fields[0])))
        return false;
    *ret_name = slice_of(text.bytes + 1, text.size - 1);
    return true;
}

// Whether the name can be used now: it is made, or it is a wallet of this window.
static enum import_line_result look_at_reference(struct import_lines *lines, struct slice name) {
    uint32_t number = import_names_find(lines->names, name);
    if (number == IMPORT_NO_NAME)
        return refuse_name(lines, name, " was not made by an earlier line", 0);
    switch (import_names_state(lines->names, number)) {
    case IMPORT_NAME_WAITING: return IMPORT_LINE_NOT_YET;
    case IMPORT_NAME_REFUSED:
        return refuse_name(lines, name, " was not made: its line was refused or kept",
                           import_names_line(lines->names, number));
    default: return IMPORT_LINE_ADDED;
    }
}

static enum import_line_result look_at_as(struct import_lines *lines, struct json_value object,
                                          struct slice type, struct slice *ret_as) {
    struct json_value value;
    if (!client_json_find(object, "as", &value))
        return IMPORT_LINE_ADDED;
    if (json_kind(value) != JSON_TEXT || json_text(value).size == 0)
        return refuse(lines, "invalid_request", "`as` must be a text.");
    if (!is_one_of(type, naming_types, sizeof(naming_types) / sizeof(naming_types[0])))
        return refuse(lines, "invalid_request",
                      "`as` names wallets, holds, purchases, captures and withdrawals only.");
    uint32_t taken = import_names_find(lines->names, json_text(value));
    if (taken != IMPORT_NO_NAME)
        return refuse_name(lines, json_text(value), " already names something else",
                           import_names_line(lines->names, taken));
    *ret_as = json_text(value);
    return IMPORT_LINE_ADDED;
}

// Looks at the whole line before anything of it is written. IMPORT_LINE_ADDED: it can be.
static enum import_line_result look(struct import_lines *lines, struct json_value object,
                                    struct looked *ret_looked) {
    struct slice type = client_json_text(object, "type");
    ret_looked->is_wallet = slice_equal(type, SLICE("wallet"));
    enum import_line_result result = look_at_as(lines, object, type, &ret_looked->as);
    struct json_cursor cursor = json_members(object);
    struct slice field, name;
    struct json_value value;
    uint32_t as_count = 0;
    uint32_t references = 0;
    while (result == IMPORT_LINE_ADDED && json_next_member(&cursor, &field, &value)) {
        ret_looked->has_key = ret_looked->has_key || slice_equal(field, SLICE("idempotency_key"));
        if (slice_equal(field, SLICE("as")) && ++as_count > 1)
            result = refuse(lines, "invalid_request", "`as` is given twice.");
        else if (!ret_looked->is_wallet && is_reference(field, value, &name))
            result = ++references > IMPORT_HOLES_MAX
                         ? refuse(lines, "invalid_request", "There are too many names.")
                         : look_at_reference(lines, name);
    }
    return result;
}

static bool add_value(struct buffer *out, struct json_value value);

static bool add_members(struct buffer *out, struct json_value object) {
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    bool is_first = true;
    BUFFER_ADD(out, "{");
    while (json_next_member(&cursor, &name, &value)) {
        if (!is_first)
            BUFFER_ADD(out, ",");
        is_first = false;
        json_write_text(out, name);
        BUFFER_ADD(out, ":");
        if (!add_value(out, value))
            return false;
    }
    BUFFER_ADD(out, "}");
    return true;
}

static bool add_items(struct buffer *out, struct json_value array) {
    struct json_cursor cursor = json_items(array);
    struct json_value value;
    bool is_first = true;
    BUFFER_ADD(out, "[");
    while (json_next_item(&cursor, &value)) {
        if (!is_first)
            BUFFER_ADD(out, ",");
        is_first = false;
        if (!add_value(out, value))
            return false;
    }
    BUFFER_ADD(out, "]");
    return true;
}

// The parser bounds the depth, so recursion is bounded too. False: a number that the API never
// takes.
static bool add_value(struct buffer *out, struct json_value value) {
    int64_t integer;
    switch (json_kind(value)) {
    case JSON_NULL: BUFFER_ADD(out, "null"); return true;
    case JSON_BOOL: buffer_add_text(out, json_bool(value) ? "true" : "false"); return true;
    case JSON_TEXT: json_write_text(out, json_text(value)); return true;
    case JSON_ARRAY: return add_items(out, value);
    case JSON_OBJECT: return add_members(out, value);
    case JSON_INTEGER:
        if (!json_integer(value, &integer))
            return false;
        buffer_add_i64(out, integer);
        return true;
    case JSON_FLOAT: return false;
    }
    UNREACHABLE("every kind of value is above");
}

// Writes the id behind a name; or the name, with a hole over it, until the id is known.
static void add_reference(const struct import_names *names, struct slice name,
                          struct import_operation *operation, struct buffer *out) {
    uint32_t number = import_names_find(names, name);
    CHECK(number != IMPORT_NO_NAME);
    if (import_names_state(names, number) == IMPORT_NAME_MADE) {
        json_write_text(out, import_names_id(names, number));
        return;
    }
    CHECK(operation->hole_count < IMPORT_HOLES_MAX);
    struct import_hole *hole = &operation->holes[operation->hole_count++];
    size_t begin = out->size + 1;                                  // behind the quote
    json_write_text(out, slice_of(name.bytes - 1, name.size + 1)); // with its "@"
    hole->offset = (uint32_t)(begin - operation->begin);
    hole->size = (uint32_t)(out->size - 1 - begin);
    hole->name = number;
}

static bool write_members(struct import_lines *lines, struct json_value object,
                          const struct looked *looked, struct import_operation *operation,
                          struct buffer *out) {
    struct json_cursor cursor = json_members(object);
    struct slice field, name;
    struct json_value value;
    BUFFER_ADD(out, "{");
    while (json_next_member(&cursor, &field, &value)) {
        if (slice_equal(field, SLICE("as")))
            continue;
        if (out->size > operation->begin + 1)
            BUFFER_ADD(out, ",");
        json_write_text(out, field);
        BUFFER_ADD(out, ":");
        if (!looked->is_wallet && is_reference(field, value, &name))
            add_reference(lines->names, name, operation, out);
        else if (!add_value(out, value))
            return false;
    }
    if (looked->has_key)
        return true;
    if (out->size > operation->begin + 1)
        BUFFER_ADD(out, ",");
    BUFFER_ADD(out, "\"idempotency_key\":\"");
    buffer_add_text(out, lines->key_begin);
    buffer_add_u64(out, operation->line);
    BUFFER_ADD(out, "\"");
    return true;
}

static bool is_blank(struct slice text) {
    for (size_t at = 0; at < text.size; at++)
        if (text.bytes[at] != ' ' && text.bytes[at] != '\t' && text.bytes[at] != '\r')
            return false;
    return true;
}

enum import_line_result import_lines_add(struct import_lines *lines, struct slice text,
                                         uint64_t line) {
    if (is_blank(text))
        return IMPORT_LINE_EMPTY;
    struct json_value object;
    const char *why = NULL;
    lines->is_object = false;
    if (!json_parse(lines->parser, text, &object, &why))
        return refuse(lines, "invalid_request", why);
    if (json_kind(object) != JSON_OBJECT)
        return refuse(lines, "invalid_request", "A line must be a JSON object.");
    lines->is_object = true;
    struct looked looked = {0};
    enum import_line_result result = look(lines, object, &looked);
    if (result != IMPORT_LINE_ADDED)
        return result;
    struct import_batch *batch =
        looked.is_wallet ? &lines->window->wallets : &lines->window->others;
    struct import_operation *operation = import_batch_begin(batch, line);
    if (!write_members(lines, object, &looked, operation, &batch->text)) {
        import_batch_cancel(batch);
        return refuse(lines, "invalid_request", "Numbers must be integers of 64 bits.");
    }
    if (looked.as.size != 0)
        operation->name = import_names_add(lines->names, looked.as, line, looked.is_wallet);
    import_batch_end(batch);
    return IMPORT_LINE_ADDED;
}
