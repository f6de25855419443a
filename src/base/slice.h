// SPDX-License-Identifier: MIT
// A view of bytes that somebody else owns. Texts are slices too: they carry no terminating zero.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *bytes;
    size_t size;
};

#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *bytes, size_t size) {
    return (struct slice){.bytes = (const uint8_t *)bytes, .size = size};
}

static inline struct slice slice_of_text(const char *text) {
    return (struct slice){.bytes = (const uint8_t *)text, .size = strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

// A number written the one way that there is: 1 to 18 digits, and none in front that is zero.
// False: the text is something else.
static inline bool slice_number(struct slice text, uint64_t *ret_number) {
    uint64_t number = 0;
    if (text.size == 0 || text.size > 18 || (text.size > 1 && text.bytes[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret_number = number;
    return true;
}

// Byte order; a prefix comes before what it begins.
static inline int slice_compare(struct slice a, struct slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}
