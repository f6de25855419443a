// SPDX-License-Identifier: MIT
// Where a text stops being JSON. The library only says that it does, and of strings not even that
// in order: it looks for all quotes first. So this reads the text once more, byte by byte by the
// grammar of RFC 8259, and stands where the first byte does not fit. Off the hot path: only texts
// that were refused come here.
#include "base/hex.h"
#include "base/json.h"

#define DIGITS_MAX 20 // of 2^64-1

struct reader {
    const uint8_t *at, *end;
    const char *expected; // once it does not fit
};

static bool misses(struct reader *reader, const char *expected) {
    reader->expected = expected;
    return false;
}

static bool is_at(const struct reader *reader, uint8_t byte) {
    return reader->at != reader->end && *reader->at == byte;
}

static bool take(struct reader *reader, uint8_t byte) {
    bool is = is_at(reader, byte);
    reader->at += is;
    return is;
}

static void skip_space(struct reader *reader) {
    while (is_at(reader, ' ') || is_at(reader, '\n') || is_at(reader, '\t') || is_at(reader, '\r'))
        reader->at++;
}

// ---- strings ------------------------------------------------------------------------------------

static bool take_unit(struct reader *reader, uint32_t *ret_unit) {
    *ret_unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = reader->at == reader->end ? -1 : hex_digit_any(*reader->at);
        if (digit < 0)
            return misses(reader, "a hexadecimal digit");
        *ret_unit = *ret_unit << 4 | (uint32_t)digit;
        reader->at++;
    }
    return true;
}

// Behind the backslash.
static bool take_escape(struct reader *reader) {
    static const char letters[] = "\"\\/bfnrt";
    const uint8_t *begin = reader->at - 1;
    uint32_t high, low = 0;
    if (!take(reader, 'u')) {
        if (reader->at == reader->end || *reader->at == 0 || strchr(letters, *reader->at) == NULL)
            return misses(reader, "one of \" \\ / b f n r t u");
        reader->at++;
        return true;
    }
    if (!take_unit(reader, &high))
        return false;
    if (high < 0xD800 || high > 0xDFFF)
        return true;
    bool is_pair = high <= 0xDBFF && take(reader, '\\') && take(reader, 'u') &&
                   take_unit(reader, &low) && low >= 0xDC00 && low <= 0xDFFF;
    if (!is_pair)
        reader->at = begin;
    return is_pair || misses(reader, "a pair of surrogates");
}

// How many bytes the character there has; 0: it is none.
static size_t character_size(const struct reader *reader) {
    const uint8_t *at = reader->at;
    size_t left = (size_t)(reader->end - at);
    uint8_t first = at[0], low = 0x80, high = 0xBF;
    if (first < 0x80)
        return 1;
    size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size > left)
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < size; i++) {
        if (at[i] < (i == 1 ? low : 0x80) || at[i] > (i == 1 ? high : 0xBF))
            return 0;
    }
    return size;
}

static bool take_string(struct reader *reader, const char *expected) {
    if (!take(reader, '"'))
        return misses(reader, expected);
    while (reader->at != reader->end && !is_at(reader, '"')) {
        if (*reader->at < ' ')
            return misses(reader, "the quote that ends the string, or an escape such as \\n");
        if (take(reader, '\\')) {
            if (!take_escape(reader))
                return false;
            continue;
        }
        size_t size = character_size(reader);
        if (size == 0)
            return misses(reader, "a character in UTF-8");
        reader->at += size;
    }
    return take(reader, '"') || misses(reader, "the quote that ends the string");
}

// ---- values -------------------------------------------------------------------------------------

static size_t take_digits(struct reader *reader) {
    const uint8_t *begin = reader->at;
    while (reader->at != reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return (size_t)(reader->at - begin);
}

static bool take_number(struct reader *reader) {
    const uint8_t *begin = reader->at;
    (void)take(reader, '-');
    size_t digits = take(reader, '0') ? 1 : take_digits(reader);
    if (digits == 0)
        return misses(reader, "a digit");
    if (is_at(reader, '.') || is_at(reader, 'e') || is_at(reader, 'E')) {
        if (take(reader, '.') && take_digits(reader) == 0)
            return misses(reader, "a digit");
        if (take(reader, 'e') || take(reader, 'E')) {
            (void)(take(reader, '+') || take(reader, '-'));
            if (take_digits(reader) == 0)
                return misses(reader, "a digit");
        }
    } else if (digits > DIGITS_MAX) {
        reader->at = begin;
        return misses(reader, "a number of at most 64 bits");
    }
    return true;
}

static bool take_word(struct reader *reader, const char *expected) {
    static const char *const words[] = {"true", "false", "null"};
    size_t left = (size_t)(reader->end - reader->at);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i]);
        if (size > left || memcmp(reader->at, words[i], size) != 0)
            continue;
        reader->at += size;
        return true;
    }
    return misses(reader, expected);
}

static bool take_value(struct reader *reader, int depth, const char *expected);

static bool take_members(struct reader *reader, int depth) {
    skip_space(reader);
    if (take(reader, '}'))
        return true;
    for (const char *expected = "a name in double quotes or }";;
         expected = "a name in double quotes") {
        skip_space(reader);
        if (!take_string(reader, expected))
            return false;
        skip_space(reader);
        if (!take(reader, ':'))
            return misses(reader, "a colon");
        skip_space(reader);
        if (!take_value(reader, depth, "a value"))
            return false;
        skip_space(reader);
        if (take(reader, '}'))
            return true;
        if (!take(reader, ','))
            return misses(reader, "a comma or }");
    }
}

static bool take_items(struct reader *reader, int depth) {
    skip_space(reader);
    if (take(reader, ']'))
        return true;
    for (const char *expected = "a value or ]";; expected = "a value") {
        skip_space(reader);
        if (!take_value(reader, depth, expected))
            return false;
        skip_space(reader);
        if (take(reader, ']'))
            return true;
        if (!take(reader, ','))
            return misses(reader, "a comma or ]");
    }
}

static bool take_value(struct reader *reader, int depth, const char *expected) {
    if (reader->at == reader->end)
        return misses(reader, expected);
    switch (*reader->at) {
    case '{':
    case '[':
        if (depth == JSON_DEPTH_MAX)
            return misses(reader, "nothing that is nested more deeply");
        return take(reader, '{') ? take_members(reader, depth + 1)
                                 : take(reader, '[') && take_items(reader, depth + 1);
    case '"': return take_string(reader, expected);
    case '-':
    case '0' ... '9': return take_number(reader);
    default: return take_word(reader, expected);
    }
}

struct json_fault json_fault_of(struct slice text) {
    struct reader reader = {.at = text.bytes, .end = text.bytes + text.size};
    skip_space(&reader);
    if (reader.at == reader.end)
        return (struct json_fault){0};
    if (take_value(&reader, 0, "a value")) {
        skip_space(&reader);
        if (reader.at == reader.end)
            return (struct json_fault){0};
        (void)misses(&reader, "the end");
    }
    struct json_fault fault = {
        .line = 1, .byte = 1, .is_end = reader.at == reader.end, .expected = reader.expected};
    for (const uint8_t *at = text.bytes; at != reader.at; at++) {
        fault.byte = *at == '\n' ? 1 : fault.byte + 1;
        fault.line += *at == '\n';
    }
    return fault;
}
