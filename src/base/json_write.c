// SPDX-License-Identifier: MIT
// JSON texts out. Nearly no text needs an escape, so eight bytes are looked at together and copied
// as they are up to the first one that does.
#include "base/json.h"

#include "base/buffer.h"
#include "base/check.h"

#define JSON_EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))
#define JSON_HIGH_BITS JSON_EIGHT(0x80)

static bool json_byte_needs_escape(uint8_t byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
}

// Whether one of eight bytes may need an escape. The usual zero-byte trick: subtracting borrows
// into the high bit of a byte that is smaller. Borrows may run into the next byte, so a yes is
// looked at again byte by byte.
static bool json_eight_may_need_escape(uint64_t eight) {
    uint64_t quote = eight ^ JSON_EIGHT('"');
    uint64_t backslash = eight ^ JSON_EIGHT('\\');
    uint64_t control = (eight - JSON_EIGHT(0x20)) & ~eight;
    quote = (quote - JSON_EIGHT(1)) & ~quote;
    backslash = (backslash - JSON_EIGHT(1)) & ~backslash;
    return ((control | quote | backslash) & JSON_HIGH_BITS) != 0;
}

// How many bytes from `at` on can be copied as they are.
static size_t json_plain_run(struct slice text, size_t at) {
    size_t end = at;
    while (text.size - end >= sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, text.bytes + end, sizeof(eight));
        if (json_eight_may_need_escape(eight))
            break;
        end += sizeof(eight);
    }
    while (end < text.size && !json_byte_needs_escape(text.bytes[end]))
        end++;
    return end - at;
}

static void json_write_escape(struct buffer *buffer, uint8_t byte) {
    static const char hex[16] = "0123456789abcdef";
    uint8_t escape[6] = {'\\', 'u', '0', '0', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
    size_t size = 2;
    switch (byte) {
    case '"':
    case '\\': escape[1] = byte; break;
    case '\b': escape[1] = 'b'; break;
    case '\f': escape[1] = 'f'; break;
    case '\n': escape[1] = 'n'; break;
    case '\r': escape[1] = 'r'; break;
    case '\t': escape[1] = 't'; break;
    default: size = 6; break;
    }
    buffer_add(buffer, escape, size);
}

void json_write_text(struct buffer *buffer, struct slice text) {
    (void)buffer_room(buffer, text.size + 2); // one growth for the usual case
    BUFFER_ADD(buffer, "\"");
    size_t at = 0;
    while (at < text.size) {
        size_t plain = json_plain_run(text, at);
        buffer_add(buffer, text.bytes + at, plain);
        at += plain;
        if (at < text.size)
            json_write_escape(buffer, text.bytes[at++]);
    }
    BUFFER_ADD(buffer, "\"");
}

static void json_write_object(struct buffer *buffer, struct json_value object) {
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    const char *separator = "{";
    while (json_next_member(&cursor, &name, &value)) {
        buffer_add_text(buffer, separator);
        json_write_text(buffer, name);
        BUFFER_ADD(buffer, ":");
        json_write_value(buffer, value);
        separator = ",";
    }
    buffer_add_text(buffer, separator[0] == '{' ? "{}" : "}");
}

static void json_write_array(struct buffer *buffer, struct json_value array) {
    struct json_cursor cursor = json_items(array);
    struct json_value value;
    const char *separator = "[";
    while (json_next_item(&cursor, &value)) {
        buffer_add_text(buffer, separator);
        json_write_value(buffer, value);
        separator = ",";
    }
    buffer_add_text(buffer, separator[0] == '[' ? "[]" : "]");
}

void json_write_value(struct buffer *buffer, struct json_value value) {
    int64_t integer = 0;
    bool fits;
    switch (json_kind(value)) {
    case JSON_NULL: BUFFER_ADD(buffer, "null"); return;
    case JSON_BOOL: buffer_add_text(buffer, json_bool(value) ? "true" : "false"); return;
    case JSON_INTEGER:
        fits = json_integer(value, &integer);
        CHECK(fits);
        buffer_add_format(buffer, "%lld", (long long)integer);
        return;
    case JSON_FLOAT: UNREACHABLE("nothing that is written again has fractions");
    case JSON_TEXT: json_write_text(buffer, json_text(value)); return;
    case JSON_ARRAY: json_write_array(buffer, value); return;
    case JSON_OBJECT: json_write_object(buffer, value); return;
    }
}
