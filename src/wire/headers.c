// SPDX-License-Identifier: MIT
// The headers that are part of a request.
#include <strings.h>

#include "wire/decode.h"
#include "wire/text.h"

#define VERSION_DIGITS_MAX 18

bool wire_parse_if_match(struct slice header, uint64_t *ret_version) {
    if (header.size < 3 || header.size > VERSION_DIGITS_MAX + 2)
        return false;
    if (header.bytes[0] != '"' || header.bytes[header.size - 1] != '"')
        return false;
    // Tags are compared letter by letter, so "07" is no tag that a wallet ever had.
    if (header.bytes[1] == '0' && header.size > 3)
        return false;
    uint64_t version = 0;
    for (size_t i = 1; i < header.size - 1; i++) {
        if (header.bytes[i] < '0' || header.bytes[i] > '9')
            return false;
        version = version * 10 + (header.bytes[i] - '0');
    }
    *ret_version = version;
    return true;
}

bool wire_idempotency_key_is_valid(struct slice header) {
    return text_is_utf8(header) && text_is_valid(header);
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

// The name of a preference: what stands before "=", ";" or blanks.
static bool preference_is(struct slice preference, const char *name) {
    while (preference.size != 0 && is_blank(preference.bytes[0]))
        preference = slice_of(preference.bytes + 1, preference.size - 1);
    size_t size = strlen(name);
    if (preference.size < size ||
        strncasecmp((const char *)preference.bytes, name, size) != 0)
        return false;
    return preference.size == size || preference.bytes[size] == ';' ||
           preference.bytes[size] == '=' || is_blank(preference.bytes[size]);
}

bool wire_prefers_async(struct slice header) {
    while (header.size != 0) {
        const uint8_t *comma = memchr(header.bytes, ',', header.size);
        size_t size = comma == NULL ? header.size : (size_t)(comma - header.bytes);
        if (preference_is(slice_of(header.bytes, size), "respond-async"))
            return true;
        size_t taken = comma == NULL ? size : size + 1;
        header = slice_of(header.bytes + taken, header.size - taken);
    }
    return false;
}

bool wire_prefers_wait(struct slice header, uint32_t *ret_seconds) {
    while (header.size != 0) {
        const uint8_t *comma = memchr(header.bytes, ',', header.size);
        size_t size = comma == NULL ? header.size : (size_t)(comma - header.bytes);
        const uint8_t *equals = memchr(header.bytes, '=', size);
        if (preference_is(slice_of(header.bytes, size), "wait") && equals != NULL) {
            uint32_t seconds = 0;
            const uint8_t *at = equals + 1;
            for (; at < header.bytes + size && *at >= '0' && *at <= '9' && seconds < 100000; at++)
                seconds = seconds * 10 + (*at - '0');
            *ret_seconds = seconds;
            return at > equals + 1;
        }
        size_t taken = comma == NULL ? size : size + 1;
        header = slice_of(header.bytes + taken, header.size - taken);
    }
    return false;
}
