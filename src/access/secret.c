// SPDX-License-Identifier: MIT
// Makes and recognises the secrets of API keys (the shape stands in secret.h).
#include "access/secret.h"

#include "base/check.h"

#define PREFIX       "florin_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define TAIL_BYTES   (1 + SECRET_RANDOM_DIGITS + 1 + SECRET_CHECK_DIGITS)

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// Writes a big-endian number in base 62 by long division, least significant digit first; the number
// is used up.
static void write_digits(uint8_t *number, size_t number_bytes, char *ret_text, size_t digit_count) {
    for (size_t i = digit_count; i-- > 0;) {
        uint32_t remainder = 0;
        for (size_t k = 0; k < number_bytes; k++) {
            uint32_t value = (remainder << 8) | number[k];
            number[k] = (uint8_t)(value / 62);
            remainder = value % 62;
        }
        ret_text[i] = digits[remainder];
    }
    for (size_t k = 0; k < number_bytes; k++)
        CHECK(number[k] == 0); // all of it found room
}

static void write_checksum(struct slice text, char ret_digits[SECRET_CHECK_DIGITS]) {
    uint32_t rest = crc32c(text);
    for (size_t i = SECRET_CHECK_DIGITS; i-- > 0; rest /= 62)
        ret_digits[i] = digits[rest % 62];
    CHECK(rest == 0);
}

size_t secret_make(struct slice role, char ret_text[SECRET_BYTES_MAX]) {
    CHECK(role.size >= 1);
    CHECK(role.size <= SECRET_ROLE_BYTES_MAX);
    uint8_t number[32];
    random_fill(number, sizeof(number));
    size_t size = 0;
    memcpy(ret_text, PREFIX, PREFIX_BYTES);
    size += PREFIX_BYTES;
    memcpy(ret_text + size, role.bytes, role.size);
    size += role.size;
    ret_text[size++] = '_';
    write_digits(number, sizeof(number), ret_text + size, SECRET_RANDOM_DIGITS);
    size += SECRET_RANDOM_DIGITS;
    ret_text[size++] = '_';
    write_checksum(slice_of(ret_text, size), ret_text + size);
    size += SECRET_CHECK_DIGITS;
    CHECK(secret_is_well_formed(slice_of(ret_text, size)));
    return size;
}

// Without a branch per digit, because every request asks.
static bool are_digits62(const uint8_t *bytes, size_t size) {
    static const uint8_t bad[256] = {
        [0 ... '0' - 1] = 1,       ['9' + 1 ... 'A' - 1] = 1, ['Z' + 1 ... 'a' - 1] = 1,
        ['z' + 1 ... 255] = 1,
    };
    uint8_t any_bad = 0;
    for (size_t i = 0; i < size; i++)
        any_bad |= bad[bytes[i]];
    return any_bad == 0;
}

bool secret_is_well_formed(struct slice text) {
    if (text.size < PREFIX_BYTES + 1 + TAIL_BYTES || text.size > SECRET_BYTES_MAX)
        return false;
    if (memcmp(text.bytes, PREFIX, PREFIX_BYTES) != 0)
        return false;
    size_t role_end = text.size - TAIL_BYTES;
    for (size_t i = PREFIX_BYTES; i < role_end; i++)
        if (text.bytes[i] < 'a' || text.bytes[i] > 'z')
            return false;
    size_t check_start = text.size - SECRET_CHECK_DIGITS;
    if (text.bytes[role_end] != '_' || text.bytes[check_start - 1] != '_')
        return false;
    if (!are_digits62(text.bytes + role_end + 1, SECRET_RANDOM_DIGITS))
        return false;
    char expected[SECRET_CHECK_DIGITS];
    write_checksum(slice_of(text.bytes, check_start), expected);
    return memcmp(expected, text.bytes + check_start, SECRET_CHECK_DIGITS) == 0;
}
