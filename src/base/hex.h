// SPDX-License-Identifier: MIT
// Bytes as hexadecimal digits, two for each, the high half first.
#pragma once
#include "base/slice.h"

// What one lower-case digit says; -1: it is none.
static inline int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// The same of either case.
static inline int hex_digit_any(uint8_t byte) {
    return hex_digit(byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte);
}

// The bytes of lower-case digits, half as many. False: some are none, or one is left over.
static inline bool hex_read(struct slice digits, uint8_t *ret_bytes) {
    for (size_t i = 0; i < digits.size / 2; i++) {
        int high = hex_digit(digits.bytes[2 * i]), low = hex_digit(digits.bytes[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return digits.size % 2 == 0;
}

// Two lower-case digits for each byte, and nothing behind them. Returns the place behind.
static inline char *hex_write(struct slice bytes, char *ret_digits) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        *ret_digits++ = digits[bytes.bytes[i] >> 4];
        *ret_digits++ = digits[bytes.bytes[i] & 15];
    }
    return ret_digits;
}
