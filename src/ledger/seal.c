// SPDX-License-Identifier: MIT
// Puts a seal on the end of an encoded record and takes it off again.
#include "ledger/seal.h"

#include "base/hash.h"
#include "base/limits.h"
#include "ledger/record_frame.h"
#include "ledger/request.h"

bool record_kind_seals(uint8_t kind) {
    return kind == RECORD_WALLET || kind == RECORD_TRANSACTION || kind == RECORD_HOLD ||
           kind == RECORD_WITHDRAWAL || kind == RECORD_PARKED;
}

struct id record_seal_wallet(const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: return record->wallet.id;
    case RECORD_HOLD: return record->hold.wallet;
    case RECORD_WITHDRAWAL: return record->withdrawal.wallet;
    case RECORD_PARKED: return record->parked.wallet;
    case RECORD_TRANSACTION:
        return facts->type == TRANSACTION_REFUND || id_is_zero(facts->debit.wallet)
                   ? facts->credit.wallet
                   : facts->debit.wallet;
    default: return (struct id){{0}};
    }
}

// The end of a record whose last text ends at `place`: padding, size and checksum.
static size_t finish(uint8_t *record, uint8_t *place, struct frame *frame) {
    while ((place - record) % 8 != 0)
        *place++ = 0;
    frame->size = (uint32_t)(place - record);
    frame->crc = 0;
    CHECK(frame->size <= LIMIT_RECORD_BYTES_MAX);
    memcpy(record, frame, sizeof(*frame));
    frame->crc = crc32c(slice_of(record + 8, frame->size - 8));
    memcpy(record + offsetof(struct frame, crc), &frame->crc, sizeof(frame->crc));
    return frame->size;
}

// What is authenticated: all that stands before the texts, as it is when they are sealed, but for
// size and checksum, which are there when all is done, and positions, which are put aside
// meanwhile.
struct head {
    struct slice bytes;
    uint32_t count;
    size_t places[FRAME_POSITIONS_MAX];
    uint64_t positions[FRAME_POSITIONS_MAX];
};

static void head_begin(struct head *head, uint8_t *record, const struct frame *frame) {
    struct frame front = *frame;
    front.size = 0;
    front.crc = 0;
    memcpy(record, &front, sizeof(front));
    head->bytes = slice_of(record, free_texts_at(frame));
    head->count = frame_positions(frame, head->places);
    for (uint32_t i = 0; i < head->count; i++) {
        CHECK(head->places[i] + sizeof(head->positions[i]) <= head->bytes.size);
        memcpy(&head->positions[i], record + head->places[i], sizeof(head->positions[i]));
        memset(record + head->places[i], 0, sizeof(head->positions[i]));
    }
}

static void head_end(const struct head *head, uint8_t *record) {
    for (uint32_t i = 0; i < head->count; i++)
        memcpy(record + head->places[i], &head->positions[i], sizeof(head->positions[i]));
}

// The half of the request's digest that is of its texts.
static uint64_t high_of(const uint8_t *record, const struct frame *frame) {
    uint64_t high = 0;
    if ((frame->flags & FLAG_KEY) != 0)
        memcpy(&high, record + REQUEST_HIGH_AT, sizeof(high));
    return high;
}

static void set_high(uint8_t *record, const struct frame *frame, uint64_t high) {
    if ((frame->flags & FLAG_KEY) != 0)
        memcpy(record + REQUEST_HIGH_AT, &high, sizeof(high));
}

// What keeps no text keeps nothing of one either: whose key would it be under?
static void forget_texts(uint8_t *record, struct frame *frame) {
    struct digest128 request = {.high = high_of(record, frame)};
    if (request.high == 0)
        return;
    memcpy(&request.low, record + REQUEST_HIGH_AT - sizeof(request.low), sizeof(request.low));
    if (request.high == request_textless(request.low))
        return;
    set_high(record, frame, 0);
    (void)finish(record, record + frame->size, frame);
}

void record_seal(struct buffer *buffer, size_t start, struct text_vault *vault, uint64_t owner) {
    struct frame frame;
    CHECK(buffer->size - start >= sizeof(frame));
    memcpy(&frame, buffer->bytes + start, sizeof(frame));
    CHECK(frame.size == buffer->size - start);
    CHECK((frame.flags & FLAG_SEALED) == 0 && frame.key_space == 0);
    size_t text_bytes = free_texts_size(&frame);
    if (!record_kind_seals(frame.kind) || text_bytes == 0) {
        forget_texts(buffer->bytes + start, &frame);
        return;
    }
    (void)buffer_room(buffer, SEAL_BYTES_MAX);
    uint8_t *record = buffer->bytes + start;
    uint8_t *place = record + free_texts_at(&frame);
    frame.key_space = vault->key_of(vault, owner);
    frame.flags |= FLAG_SEALED;
    CHECK(frame.key_space != 0);
    memmove(place + SEAL_NONCE_BYTES, place, text_bytes);
    uint64_t high = high_of(record, &frame);
    memcpy(place + SEAL_NONCE_BYTES + text_bytes, &high, sealed_size(&frame) - text_bytes);
    set_high(record, &frame, 0);
    struct head head;
    head_begin(&head, record, &frame);
    vault->seal(vault, frame.key_space, head.bytes, place, sealed_size(&frame));
    head_end(&head, record);
    buffer->size = start + finish(record, place + sealed_size(&frame) + SEAL_OVERHEAD, &frame);
}

size_t record_encode_again(const struct record *record, struct slice bytes,
                           struct buffer *buffer) {
    size_t start = buffer->size;
    struct frame frame, sealed;
    if (!record_is_sealed(bytes))
        return record_encode(record, buffer);
    memcpy(&sealed, bytes.bytes, sizeof(sealed));
    CHECK(record->sealed_by == sealed.key_space && sealed.size == bytes.size);
    size_t text_bytes = sealed_size(&sealed) + SEAL_OVERHEAD, text_at = free_texts_at(&sealed);
    CHECK(text_at + text_bytes <= sealed.size);
    (void)record_encode(record, buffer); // without the texts
    (void)buffer_room(buffer, text_bytes + 8);
    memcpy(&frame, buffer->bytes + start, sizeof(frame));
    frame.flags |= FLAG_SEALED;
    frame.key_space = sealed.key_space;
    frame.text_bytes[TEXT_REFERENCE] = sealed.text_bytes[TEXT_REFERENCE];
    frame.text_bytes[TEXT_REASON] = sealed.text_bytes[TEXT_REASON];
    frame.tail_bytes = sealed.tail_bytes;
    CHECK(free_texts_at(&frame) == text_at);
    memcpy(buffer->bytes + start + text_at, bytes.bytes + text_at, text_bytes);
    buffer->size =
        start + finish(buffer->bytes + start, buffer->bytes + start + text_at + text_bytes, &frame);
    return buffer->size - start;
}

bool record_is_sealed(struct slice bytes) {
    return bytes.size >= sizeof(struct frame) &&
           (bytes.bytes[offsetof(struct frame, flags)] & FLAG_SEALED) != 0;
}

uint64_t record_sealed_by(struct slice bytes) {
    uint64_t number = 0;
    if (record_is_sealed(bytes))
        memcpy(&number, bytes.bytes + offsetof(struct frame, key_space), sizeof(number));
    return number;
}

size_t record_reveal(struct slice bytes, struct text_vault *vault, uint8_t *ret_place) {
    struct frame frame;
    CHECK(record_is_sealed(bytes));
    memcpy(&frame, bytes.bytes, sizeof(frame));
    if (frame.size > bytes.size || !record_kind_seals(frame.kind))
        return 0;
    size_t text_bytes = free_texts_size(&frame), text_at = free_texts_at(&frame);
    if (text_at + sealed_size(&frame) + SEAL_OVERHEAD > frame.size)
        return 0;
    memcpy(ret_place, bytes.bytes, frame.size);
    uint8_t *place = ret_place + text_at;
    struct head head;
    head_begin(&head, ret_place, &frame);
    bool is_open = vault->unseal(vault, frame.key_space, head.bytes, place, sealed_size(&frame));
    head_end(&head, ret_place);
    if (is_open) {
        uint64_t high = 0;
        memcpy(&high, place + SEAL_NONCE_BYTES + text_bytes, sealed_size(&frame) - text_bytes);
        set_high(ret_place, &frame, high);
        memmove(place, place + SEAL_NONCE_BYTES, text_bytes);
    } else {
        text_bytes = 0;
        frame.text_bytes[TEXT_REFERENCE] = 0;
        frame.text_bytes[TEXT_REASON] = 0;
        frame.tail_bytes = 0;
    }
    frame.flags &= (uint8_t)~FLAG_SEALED;
    frame.key_space = 0;
    return finish(ret_place, place + text_bytes, &frame);
}
