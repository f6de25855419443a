// SPDX-License-Identifier: MIT
// The parser refuses a whole document for one number beyond 64 bits or beyond the largest float.
// Such a number is well-formed, though, and only wrong in its place: it must spoil one field and,
// in a batch, one operation. No field takes a fraction or more than sixteen digits, so after a
// failed parse all of these become one small float, and the second parse tells where they stood.
// This is off the hot path: only texts that do not parse come here.
#include "wire/numbers.h"

#include "base/json.h"

#define DIGITS_TAKEN_MAX 16 // of 2^53-1
#define TAME "0.5"
#define TAME_SIZE (sizeof(TAME) - 1)

static size_t skip_digits(struct slice text, size_t at) {
    while (at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9')
        at++;
    return at;
}

static bool is_one_of(struct slice text, size_t at, const char *letters) {
    return at < text.size && text.bytes[at] != 0 && strchr(letters, text.bytes[at]) != NULL;
}

// The end of the number that begins at `begin`, by the grammar of RFC 8259; `begin` when there is
// none. `ret_is_wild` says whether no field would take it.
static size_t number_end(struct slice text, size_t begin, bool *ret_is_wild) {
    size_t digits = begin + is_one_of(text, begin, "-");
    size_t at = skip_digits(text, digits);
    size_t count = at - digits;
    if (count == 0 || (text.bytes[digits] == '0' && count > 1))
        return begin;
    *ret_is_wild = count > DIGITS_TAKEN_MAX;
    if (is_one_of(text, at, ".")) {
        size_t fraction = at + 1;
        at = skip_digits(text, fraction);
        *ret_is_wild = true;
        if (at == fraction)
            return begin;
    }
    if (is_one_of(text, at, "eE")) {
        size_t exponent = at + 1 + is_one_of(text, at + 1, "+-");
        at = skip_digits(text, exponent);
        *ret_is_wild = true;
        if (at == exponent)
            return begin;
    }
    return at == text.size || is_one_of(text, at, ",]} \t\r\n") ? at : begin;
}

// The end of the string that begins at `begin`; the end of the text when it is not closed.
static size_t string_end(struct slice text, size_t begin) {
    for (size_t at = begin + 1; at < text.size; at++) {
        if (text.bytes[at] == '"')
            return at + 1;
        if (text.bytes[at] == '\\')
            at++;
    }
    return text.size;
}

bool numbers_tame(struct arena *arena, struct slice text, struct slice *ret_tamed) {
    // Nothing wild is shorter than what replaces it, and spaces make up for what it was longer.
    uint8_t *tamed = arena_take(arena, text.size + JSON_PADDING);
    bool found = false;
    for (size_t at = 0; at < text.size;) {
        size_t end = at + 1;
        bool is_wild = false;
        if (text.bytes[at] == '"')
            end = string_end(text, at);
        else if (is_one_of(text, at, "-0123456789"))
            end = number_end(text, at, &is_wild);
        if (end == at)
            return false; // a malformed number spoils the whole text, whatever else is in it
        found = found || is_wild;
        memcpy(tamed + at, text.bytes + at, end - at);
        if (is_wild) {
            memset(tamed + at, ' ', end - at);
            memcpy(tamed + at, TAME, TAME_SIZE);
        }
        at = end;
    }
    memset(tamed + text.size, ' ', JSON_PADDING);
    *ret_tamed = slice_of(tamed, text.size);
    return found;
}
