// SPDX-License-Identifier: MIT
// Three bytes are four digits.
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, struct buffer *text) {
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t bits = (uint32_t)bytes.bytes[i] << 16;
        if (left > 1)
            bits |= (uint32_t)bytes.bytes[i + 1] << 8;
        if (left > 2)
            bits |= bytes.bytes[i + 2];
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], '=', '='};
        if (left > 1)
            four[2] = digits[bits >> 6 & 63];
        if (left > 2)
            four[3] = digits[bits & 63];
        buffer_add(text, four, sizeof(four));
    }
}

static int value_of(uint8_t digit) {
    const char *place = digit == '\0' ? NULL : memchr(digits, digit, sizeof(digits) - 1);
    return place == NULL ? -1 : (int)(place - digits);
}

bool base64_decode(struct slice text, struct buffer *bytes) {
    size_t begun = bytes->size, padding = 0;
    if (text.size % 4 != 0)
        return false;
    while (padding < 2 && padding < text.size && text.bytes[text.size - 1 - padding] == '=')
        padding++;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    bool is_right = true;
    for (size_t i = 0; i < text.size - padding && is_right; i++) {
        int value = value_of(text.bytes[i]);
        is_right = value >= 0;
        bits = bits << 6 | (uint32_t)(is_right ? value : 0);
        bit_count += 6;
        if (bit_count < 8)
            continue;
        bit_count -= 8;
        uint8_t byte = (uint8_t)(bits >> bit_count);
        buffer_add(bytes, &byte, 1);
        bits &= (1u << bit_count) - 1;
    }
    is_right = is_right && bits == 0;
    if (!is_right)
        bytes->size = begun;
    return is_right;
}
