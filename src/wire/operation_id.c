// SPDX-License-Identifier: MIT
// Writes and reads ids of operations.
#include "wire/operation_id.h"

#include <string.h>

#include "base/limits.h"

#define BODY_BYTES  24
#define BODY_DIGITS 39
#define BATCH_BIT   0x8000u // of the slot

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct operation_id operation_id_of(struct digest128 key, struct digest128 request, uint32_t slot) {
    CHECK(slot < LIMIT_SLOTS);
    return (struct operation_id){
        .key = key,
        .request = (request.low & UINT64_C(0xffffff)) | (request.high & UINT64_C(0xffffff)) << 24,
        .slot = slot};
}

static void put(uint8_t *place, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        place[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *place, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)place[i] << (8 * i);
    return value;
}

// What the seal covers, in 64 bits that nobody can aim at.
static uint64_t check_of(const uint8_t body[BODY_BYTES]) {
    struct sha256 hash = sha256_of(slice_of(body, BODY_BYTES));
    return get(hash.bytes, 8);
}

void operation_id_format(const struct id_seal *seal, const struct operation_id *id,
                         char ret_text[OPERATION_ID_BYTES]) {
    uint8_t body[BODY_BYTES];
    put(body, id->key.low, 8);
    put(body + 8, id->key.high, 8);
    put(body + 16, id->request, 6);
    put(body + 22, id->slot | (id->is_batch ? BATCH_BIT : 0), 2);
    memcpy(ret_text, "op_", 3);
    for (int i = 0; i < BODY_DIGITS; i++) {
        unsigned value = 0;
        for (int bit = i * 5; bit < i * 5 + 5; bit++)
            value = value << 1 |
                    (bit < BODY_BYTES * 8 ? (unsigned)(body[bit / 8] >> (7 - bit % 8)) & 1 : 0);
        ret_text[3 + i] = digits[value];
    }
    id_token_format(seal, check_of(body), ret_text + 3 + BODY_DIGITS);
}

bool operation_id_parse(const struct id_seal *seal, struct slice text,
                        struct operation_id *ret_id) {
    uint8_t body[BODY_BYTES] = {0};
    uint64_t check;
    if (text.size != OPERATION_ID_BYTES || memcmp(text.bytes, "op_", 3) != 0)
        return false;
    for (int i = 0; i < BODY_DIGITS; i++) {
        uint8_t digit = text.bytes[3 + i];
        const char *found = digit == 0 ? NULL : strchr(digits, digit);
        if (found == NULL)
            return false;
        unsigned value = (unsigned)(found - digits);
        for (int k = 0; k < 5; k++) {
            int bit = i * 5 + k;
            if ((value >> (4 - k) & 1) == 0)
                continue;
            if (bit >= BODY_BYTES * 8)
                return false;
            body[bit / 8] |= (uint8_t)(1u << (7 - bit % 8));
        }
    }
    if (!id_token_parse(seal, slice_of(text.bytes + 3 + BODY_DIGITS, ID_TOKEN_BYTES), &check) ||
        check != check_of(body))
        return false;
    struct operation_id id = {.key = {.low = get(body, 8), .high = get(body + 8, 8)},
                              .request = get(body + 16, 6),
                              .slot = (uint32_t)get(body + 22, 2)};
    id.is_batch = (id.slot & BATCH_BIT) != 0;
    id.slot &= ~BATCH_BIT;
    if (id.slot >= LIMIT_SLOTS)
        return false;
    *ret_id = id;
    return true;
}
