// SPDX-License-Identifier: MIT
// Reads base64url strictly: two texts never mean the same bytes, so a token has one form.
#include "access/base64url.h"

static int value_of(uint8_t digit) {
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '-')
        return 62;
    return digit == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, struct buffer *buffer) {
    if (text.size % 4 == 1)
        return false;
    uint8_t *room = buffer_room(buffer, text.size / 4 * 3 + 3);
    size_t size = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.bytes[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        room[size++] = (uint8_t)(bits >> bit_count);
        bits &= (1u << bit_count) - 1;
    }
    if (bits != 0)
        return false;
    buffer->size += size;
    return true;
}
