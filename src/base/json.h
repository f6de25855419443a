// SPDX-License-Identifier: MIT
// JSON in, strictly: simdjson behind one C header (json_simd.cpp is the only C++ of Florin).
// Invalid UTF-8, lone surrogates, leading zeros, trailing bytes and integers beyond 64 bits are
// refused by the library; duplicate names it lets through, so readers look for them.
//
// A document is walked by values: small copyable handles that stay valid until the next parse of
// the same parser.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define JSON_PADDING 64 // bytes that must be readable behind every parsed text

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_FLOAT,
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_parser;
struct json_value {
    const void *document; // the parser's
    uint64_t place;       // where it stands on the document's tape
};

// Walks the members of an object or the items of an array.
struct json_cursor {
    const void *document;
    uint64_t place;
    uint64_t end;
};

// Thread: one at a time per parser. A parser keeps its memory for the next parse.
struct json_parser *json_open(void);
void json_close(struct json_parser *parser);

// `text` must be followed by JSON_PADDING readable bytes. False: `ret_why` is a static sentence,
// and when ret_value is not written. Depth is limited to 16.
bool json_parse(struct json_parser *parser, struct slice text, struct json_value *ret_value,
                const char **ret_why);

#define JSON_DEPTH_MAX 16 // arrays and objects within each other; deeper ones are refused

// Where a text that json_parse has refused stops being JSON.
struct json_fault {
    uint32_t line, byte;  // from 1, the byte of that line; 0: none, as of an empty text
    bool is_end;          // that is where the text ends
    const char *expected; // instead of what stands there: a static text such as "a comma or }"
};
// It reads the text once more, which needs no padding here. Thread: any.
struct json_fault json_fault_of(struct slice text);

enum json_kind json_kind(struct json_value value);
// Each may be called only on a value of its kind. Texts live as long as the document (unescaped,
// UTF-8).
struct slice json_text(struct json_value value);
bool json_bool(struct json_value value);
// False when an unsigned 64-bit integer does not fit.
bool json_integer(struct json_value value, int64_t *ret_integer);
struct json_cursor json_members(struct json_value object);
struct json_cursor json_items(struct json_value array);
bool json_next_member(struct json_cursor *cursor, struct slice *ret_name,
                      struct json_value *ret_value);
bool json_next_item(struct json_cursor *cursor, struct json_value *ret_value);
size_t json_item_count(struct json_value array);

// JSON out lives in buffers: writes `text` as a quoted, escaped JSON string.
struct buffer;
void json_write_text(struct buffer *buffer, struct slice text);
// Writes a value of a document without floats, as it was but for spaces and escapes.
void json_write_value(struct buffer *buffer, struct json_value value);
