// SPDX-License-Identifier: MIT
// Digests are stored for as long as idempotency keys live, so the bytes below never change their
// meaning. A field that an operation gains later is added behind them, and only when it is not its
// default, so that requests of before keep their digests.
//
// The lower half (ledger/request.h) is hashed over struct digest_fixed (little endian, no padding),
// then the texts in the order of their sizes. What an operation does not have is zero. Behind the
// texts: of a key's rotation the overlap, as u32. The upper half is hashed over the free texts with
// the lower as the seed; without any, it is made from the lower.
#include "wire/digest.h"

#include <assert.h>

#include "base/check.h"
#include "ledger/request.h"
#include "wire/decode.h"

enum { TEXT_COUNT = 4 };

struct digest_fixed {
    uint8_t type;
    uint8_t flags; // 1 amount, 2 credit limit, 4 status, 8 metadata, 32 tier given; 16 keep open
    uint8_t wallet_kind;
    uint8_t wallet_status;
    uint8_t key_role;
    uint8_t direction; // of an adjustment; 0 of all else
    uint8_t wallet_tier;
    uint8_t zero;
    uint32_t expires_in_s;
    uint8_t code[LIMIT_CURRENCY_CODE_BYTES_MAX];
    struct id wallet;
    struct id counterparty;
    struct id subject;
    int64_t amount;
    int64_t credit_limit;
    uint16_t text_bytes[TEXT_COUNT];
};
static_assert(sizeof(struct digest_fixed) == 96, "the hashed bytes have no padding");

#define DIGEST_SEED_COMMAND 0
#define DIGEST_SEED_BATCH 1
#define DIGEST_STACK_BYTES 1024

static bool has_free_texts(const struct command *command) {
    return command->reference.size != 0 || command->reason.size != 0 || command->metadata.size != 0;
}

// Never 0, so that it is not taken for one that is not known.
static uint64_t free_texts_digest(const struct command *command, uint64_t low) {
    if (!has_free_texts(command))
        return request_textless(low);
    const struct slice texts[] = {command->reference, command->reason, command->metadata};
    uint64_t high = hash128_parts(texts, 3, low).high;
    return high == 0 ? 1 : high;
}

struct digest128 digest_command(const struct command *command, struct arena *arena) {
    CHECK(command->type != COMMAND_NONE && command->type != COMMAND_INVALID);
    const struct slice texts[TEXT_COUNT] = {command->owner, command->bank_id, command->order,
                                            command->name};
    struct digest_fixed fixed = {
        .type = command->type,
        .flags = (uint8_t)(command->has_amount | command->has_credit_limit << 1 |
                           command->has_status << 2 | command->has_metadata << 3 |
                           command->keep_open << 4 | command->has_tier << 5),
        .wallet_kind = command->wallet_kind,
        .wallet_status = command->wallet_status,
        .wallet_tier = command->wallet_tier,
        .key_role = command->key_role,
        .direction = command->direction,
        .expires_in_s = command->expires_in_s,
        .wallet = command->wallet,
        .counterparty = command->counterparty,
        .subject = command->subject,
        .amount = command->amount,
        .credit_limit = command->credit_limit,
    };
    memcpy(fixed.code, command->currency.code, sizeof(fixed.code));
    size_t size = sizeof(fixed);
    for (int i = 0; i < TEXT_COUNT; i++) {
        CHECK(texts[i].size <= UINT16_MAX);
        fixed.text_bytes[i] = (uint16_t)texts[i].size;
        size += texts[i].size;
    }
    bool has_overlap = command->type == COMMAND_KEY_ROTATE;
    size += has_overlap ? sizeof(command->overlap_s) : 0;
    uint8_t stack[DIGEST_STACK_BYTES];
    uint8_t *bytes = size <= sizeof(stack) ? stack : arena_take(arena, size);
    uint8_t *place = bytes + sizeof(fixed);
    memcpy(bytes, &fixed, sizeof(fixed));
    for (int i = 0; i < TEXT_COUNT; i++) {
        if (texts[i].size != 0)
            memcpy(place, texts[i].bytes, texts[i].size);
        place += texts[i].size;
    }
    if (has_overlap)
        memcpy(place, &command->overlap_s, sizeof(command->overlap_s));
    struct digest128 request = {.low = hash64(slice_of(bytes, size), DIGEST_SEED_COMMAND)};
    request.high = free_texts_digest(command, request.low);
    return request;
}

struct digest128 digest_batch(const struct command *commands, uint32_t count,
                              struct arena *arena) {
    CHECK(count >= 1 && count <= LIMIT_BATCH_OPERATIONS_MAX);
    struct digest128 *keys = arena_take(arena, (size_t)count * sizeof(*keys));
    uint64_t *halves = arena_take(arena, (size_t)count * 2 * sizeof(*halves));
    bool is_textless = true;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = commands[i].has_key ? commands[i].key : (struct digest128){0, 0};
        halves[i] = commands[i].request.low;
        halves[count + i] = commands[i].request.high;
        is_textless &= !has_free_texts(&commands[i]);
    }
    const struct slice lows[] = {slice_of(keys, count * sizeof(*keys)),
                                 slice_of(halves, count * sizeof(*halves))};
    uint64_t low = hash128_parts(lows, 2, DIGEST_SEED_BATCH).low;
    uint64_t high = hash64(slice_of(halves + count, count * sizeof(*halves)), low);
    if (is_textless)
        high = request_textless(low);
    return (struct digest128){.low = low, .high = high == 0 ? 1 : high};
}

struct digest128 wire_key_digest(struct slice principal, struct slice key) {
    const struct slice parts[] = {principal, key};
    return hash128_parts(parts, 2, 0);
}

struct digest128 digest_derived_key(struct slice principal, struct slice key, uint32_t index) {
    const uint8_t bytes[] = {(uint8_t)index, (uint8_t)(index >> 8), (uint8_t)(index >> 16),
                             (uint8_t)(index >> 24)};
    const struct slice parts[] = {principal, key, slice_of(bytes, sizeof(bytes))};
    return hash128_parts(parts, 3, 0);
}

struct digest128 wire_request_digest(const struct command *command, struct arena *arena) {
    return digest_command(command, arena);
}
