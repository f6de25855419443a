// SPDX-License-Identifier: MIT
// simdjson's DOM behind a C header. The library checks the whole document and leaves it as a tape
// of 64-bit words, its documented format; the handles of json.h are places on that tape, so walking
// one costs a load or two and nothing is allocated. Where a text stops being JSON it does not
// say; json_fault.c finds that out. This is the only file in C++ and the only one that knows the
// library.
//
// The tape, one word per value, kind in the highest byte and payload in the 56 bits below:
//   'r'       the root: word 0; the document's value begins at word 1
//   '{' '['   payload: bits 0-31 the place after the matching close, bits 32-55 the count of
//             members or items, saturated at 2^24-1; then the members (a name's '"' word, then its
//             value) or the items; then '}' or ']'
//   '"'       payload: where the text lies in the string buffer: its length in 32 bits, its bytes,
//             a zero
//   'l' 'u' 'd'  the next word is the number: signed, unsigned beyond 2^63-1, floating
//   't' 'f' 'n'  no payload
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <simdjson.h>

extern "C" {
#include "base/check.h"
#include "base/json.h"
}

namespace {

constexpr std::size_t first_capacity = 64 * 1024;
constexpr std::uint64_t payload_mask = (UINT64_C(1) << 56) - 1;
constexpr std::uint64_t count_saturated = 0xFFFFFF;
constexpr std::uint64_t root_place = 1;

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "it reads what callers promise");

using document = simdjson::dom::document;

inline std::uint64_t word_at(const void *of, std::uint64_t place) {
    return static_cast<const document *>(of)->tape[place];
}

inline char kind_of(std::uint64_t word) {
    return static_cast<char>(word >> 56);
}

// The place after a value that begins at `place`.
inline std::uint64_t place_after(const void *of, std::uint64_t place) {
    std::uint64_t word = word_at(of, place);
    switch (kind_of(word)) {
    case '{':
    case '[': return word & 0xFFFFFFFF;
    case 'l':
    case 'u':
    case 'd': return place + 2;
    default: return place + 1;
    }
}

inline struct slice text_at(const void *of, std::uint64_t place) {
    const std::uint8_t *text =
        static_cast<const document *>(of)->string_buf.get() + (word_at(of, place) & payload_mask);
    std::uint32_t size;
    std::memcpy(&size, text, sizeof(size));
    return slice_of(text + sizeof(size), size);
}

inline struct json_cursor cursor_of(struct json_value value) {
    return {value.document, value.place + 1, place_after(value.document, value.place) - 1};
}

const char *why(simdjson::error_code error) {
    switch (error) {
    case simdjson::EMPTY: return "The text is empty.";
    case simdjson::UTF8_ERROR: return "The text is not valid UTF-8.";
    case simdjson::STRING_ERROR: return "A string has an escape that is not valid.";
    case simdjson::UNESCAPED_CHARS: return "A string has a control character that is not escaped.";
    case simdjson::UNCLOSED_STRING: return "A string is not closed.";
    case simdjson::NUMBER_ERROR: return "A number is malformed or does not fit 64 bits.";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR: return "A word other than true, false and null.";
    case simdjson::DEPTH_ERROR: return "Arrays and objects are nested too deeply.";
    case simdjson::CAPACITY: return "The text is too large.";
    default: return "The text is not valid JSON.";
    }
}

} // namespace

struct json_parser {
    simdjson::dom::parser library;
};

extern "C" {

struct json_parser *json_open(void) {
    struct json_parser *parser = new (std::nothrow) json_parser;
    CHECK(parser != nullptr);
    simdjson::error_code failed = parser->library.allocate(first_capacity, JSON_DEPTH_MAX);
    CHECK(failed == simdjson::SUCCESS);
    return parser;
}

void json_close(struct json_parser *parser) {
    delete parser;
}

bool json_parse(struct json_parser *parser, struct slice text, struct json_value *ret_value,
                const char **ret_why) {
    if (text.size == 0)
        text = slice_of("", 0); // the library wants an address
    simdjson::error_code failed = parser->library.parse(text.bytes, text.size, false).error();
    if (failed == simdjson::MEMALLOC)
        check_failed(__FILE__, __LINE__, "out of memory");
    if (failed != simdjson::SUCCESS) {
        *ret_why = why(failed);
        return false;
    }
    *ret_value = {&parser->library.doc, root_place};
    return true;
}

enum json_kind json_kind(struct json_value value) {
    switch (kind_of(word_at(value.document, value.place))) {
    case 'n': return JSON_NULL;
    case 't':
    case 'f': return JSON_BOOL;
    case 'l':
    case 'u': return JSON_INTEGER;
    case 'd': return JSON_FLOAT;
    case '"': return JSON_TEXT;
    case '[': return JSON_ARRAY;
    case '{': return JSON_OBJECT;
    default: UNREACHABLE("a place that is not on the tape");
    }
}

struct slice json_text(struct json_value value) {
    CHECK(json_kind(value) == JSON_TEXT);
    return text_at(value.document, value.place);
}

bool json_bool(struct json_value value) {
    CHECK(json_kind(value) == JSON_BOOL);
    return kind_of(word_at(value.document, value.place)) == 't';
}

bool json_integer(struct json_value value, int64_t *ret_integer) {
    CHECK(json_kind(value) == JSON_INTEGER);
    if (kind_of(word_at(value.document, value.place)) == 'u')
        return false;
    *ret_integer = static_cast<std::int64_t>(word_at(value.document, value.place + 1));
    return true;
}

struct json_cursor json_members(struct json_value object) {
    CHECK(json_kind(object) == JSON_OBJECT);
    return cursor_of(object);
}

struct json_cursor json_items(struct json_value array) {
    CHECK(json_kind(array) == JSON_ARRAY);
    return cursor_of(array);
}

bool json_next_member(struct json_cursor *cursor, struct slice *ret_name,
                      struct json_value *ret_value) {
    if (cursor->place == cursor->end)
        return false;
    *ret_name = text_at(cursor->document, cursor->place);
    *ret_value = {cursor->document, cursor->place + 1};
    cursor->place = place_after(cursor->document, cursor->place + 1);
    return true;
}

bool json_next_item(struct json_cursor *cursor, struct json_value *ret_value) {
    if (cursor->place == cursor->end)
        return false;
    *ret_value = {cursor->document, cursor->place};
    cursor->place = place_after(cursor->document, cursor->place);
    return true;
}

size_t json_item_count(struct json_value array) {
    CHECK(json_kind(array) == JSON_ARRAY);
    std::uint64_t count = word_at(array.document, array.place) >> 32 & count_saturated;
    if (count != count_saturated)
        return count;
    struct json_cursor cursor = cursor_of(array);
    struct json_value item;
    for (count = 0; json_next_item(&cursor, &item);)
        count++;
    return count;
}
}
