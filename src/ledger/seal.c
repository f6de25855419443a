// SPDX-License-Identifier: MIT
// Puts a seal on the end of an encoded record and takes it off again.
#include "ledger/seal.h"

#include "base/hash.h"
#include "base/limits.h"
#include "ledger/record_head.h"
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

// A head at the front of a record, in the place of one that took `was` bytes; `rest` bytes of texts
// go on behind it. Returns how many it takes.
static size_t exchange_head(uint8_t *record, size_t was, size_t rest, const struct head *head) {
    uint8_t bytes[HEAD_WRITTEN_MAX];
    struct head copy = *head;
    size_t is = record_head_write(&copy, bytes);
    memmove(record + is, record + was, rest);
    memcpy(record, bytes, is);
    return is;
}

// What is authenticated: all that stands before the texts, as it is when they are sealed, but for
// size and checksum, which are there when all is done, and positions, which are put back later.
static struct head head_without_positions(const struct head *head) {
    struct head bare = *head;
    size_t places[HEAD_POSITIONS_MAX];
    uint32_t count = record_head_positions(head->frame.kind, head->frame.flags, places);
    bare.frame.size = 0;
    bare.frame.crc = 0;
    for (uint32_t i = 0; i < count; i++)
        memset(bare.bytes + places[i], 0, sizeof(uint64_t));
    return bare;
}

#define REQUEST_AT (sizeof(struct frame) + offsetof(struct digests_bytes, request))

static struct digest128 request_of(const struct head *head, const struct frame *frame) {
    struct digest128 request = {0};
    if ((frame->flags & FLAG_KEY) != 0)
        memcpy(&request, head->bytes + REQUEST_AT, sizeof(request));
    return request;
}

// The half of the request's digest that is of its texts.
static void set_high(struct head *head, const struct frame *frame, uint64_t high) {
    if ((frame->flags & FLAG_KEY) != 0)
        memcpy(head->bytes + REQUEST_AT + offsetof(struct digest128, high), &high, sizeof(high));
}

// What keeps no text keeps nothing of one either: whose key would it be under?
static void forget_texts(struct buffer *buffer, size_t start, struct head *head,
                         const struct frame *frame) {
    struct digest128 request = request_of(head, frame);
    if (request.high == 0 || request.high == request_textless(request.low))
        return;
    size_t was = HEAD_FRONT_BYTES + frame->head_bytes;
    size_t rest = fixed_texts_size(frame) + free_texts_size(frame);
    uint8_t *record = buffer->bytes + start;
    set_high(head, frame, 0);
    size_t is = exchange_head(record, was, rest, head);
    buffer->size = start + record_finish(record, record + is + rest);
}

void record_seal(struct buffer *buffer, size_t start, struct text_vault *vault, uint64_t owner) {
    struct head head;
    (void)buffer_room(buffer, SEAL_BYTES_MAX);
    uint8_t *record = buffer->bytes + start;
    const char *broken = record_head_read(slice_of(record, buffer->size - start), &head);
    CHECK(broken == NULL);
    struct frame frame = head.frame;
    CHECK(frame.size == buffer->size - start);
    CHECK((frame.flags & FLAG_SEALED) == 0 && frame.key_space == 0);
    size_t was = HEAD_FRONT_BYTES + frame.head_bytes, fixed_bytes = fixed_texts_size(&frame);
    size_t text_bytes = free_texts_size(&frame);
    if (!record_kind_seals(frame.kind) || text_bytes == 0) {
        forget_texts(buffer, start, &head, &frame);
        return;
    }
    uint64_t high = request_of(&head, &frame).high;
    frame.key_space = vault->key_of(vault, owner);
    frame.flags |= FLAG_SEALED;
    CHECK(frame.key_space != 0);
    head.frame = frame;
    set_high(&head, &frame, 0);
    struct head bare = head_without_positions(&head);
    size_t is = exchange_head(record, was, fixed_bytes + text_bytes, &bare);
    uint8_t *place = record + is + fixed_bytes;
    memmove(place + SEAL_NONCE_BYTES, place, text_bytes);
    memcpy(place + SEAL_NONCE_BYTES + text_bytes, &high, sealed_size(&frame) - text_bytes);
    vault->seal(vault, frame.key_space, slice_of(record, is + fixed_bytes), place,
                sealed_size(&frame));
    size_t rest = fixed_bytes + sealed_size(&frame) + SEAL_OVERHEAD;
    is = exchange_head(record, is, rest, &head);
    buffer->size = start + record_finish(record, record + is + rest);
}

static_assert(RECORD_AGAIN_BYTES_MAX >= HEAD_POSITIONS_MAX * sizeof(uint64_t) + 7,
              "positions that were 0, and padding");

size_t record_encode_again(const struct record *record, struct slice bytes,
                           struct buffer *buffer) {
    size_t start = buffer->size;
    struct head sealed_head, head;
    if (!record_is_sealed(bytes))
        return record_encode(record, buffer);
    const char *broken = record_head_read(bytes, &sealed_head);
    CHECK(broken == NULL);
    struct frame sealed = sealed_head.frame;
    CHECK(record->sealed_by == sealed.key_space && sealed.size == bytes.size);
    size_t text_bytes = sealed_size(&sealed) + SEAL_OVERHEAD;
    size_t text_at = HEAD_FRONT_BYTES + sealed.head_bytes + fixed_texts_size(&sealed);
    CHECK(text_at + text_bytes <= sealed.size);
    (void)record_encode(record, buffer); // without the texts
    (void)buffer_room(buffer, text_bytes + HEAD_WRITTEN_MAX);
    uint8_t *again = buffer->bytes + start;
    broken = record_head_read(slice_of(again, buffer->size - start), &head);
    CHECK(broken == NULL);
    struct frame frame = head.frame;
    size_t was = HEAD_FRONT_BYTES + frame.head_bytes, fixed_bytes = fixed_texts_size(&frame);
    CHECK(fixed_bytes == fixed_texts_size(&sealed) && free_texts_size(&frame) == 0);
    frame.flags |= FLAG_SEALED;
    frame.key_space = sealed.key_space;
    frame.text_bytes[TEXT_REFERENCE] = sealed.text_bytes[TEXT_REFERENCE];
    frame.text_bytes[TEXT_REASON] = sealed.text_bytes[TEXT_REASON];
    frame.tail_bytes = sealed.tail_bytes;
    head.frame = frame;
    size_t is = exchange_head(again, was, fixed_bytes, &head);
    memcpy(again + is + fixed_bytes, bytes.bytes + text_at, text_bytes);
    buffer->size = start + record_finish(again, again + is + fixed_bytes + text_bytes);
    return buffer->size - start;
}

bool record_is_sealed(struct slice bytes) {
    return bytes.size >= HEAD_FRONT_BYTES &&
           (bytes.bytes[offsetof(struct frame, flags)] & FLAG_SEALED) != 0;
}

uint64_t record_sealed_by(struct slice bytes) {
    struct head head;
    return record_is_sealed(bytes) && record_head_read(bytes, &head) == NULL
               ? head.frame.key_space
               : 0;
}

size_t record_reveal(struct slice bytes, struct text_vault *vault, uint8_t *ret_place) {
    struct head head;
    CHECK(record_is_sealed(bytes));
    size_t size = record_size(bytes);
    if (size == 0 || record_head_read(slice_of(bytes.bytes, size), &head) != NULL)
        return 0;
    struct frame frame = head.frame;
    size_t text_bytes = free_texts_size(&frame), fixed_bytes = fixed_texts_size(&frame);
    size_t fixed_at = HEAD_FRONT_BYTES + frame.head_bytes;
    size_t rest = fixed_bytes + sealed_size(&frame) + SEAL_OVERHEAD;
    if (!record_kind_seals(frame.kind) || fixed_at + rest > size)
        return 0;
    memcpy(ret_place, bytes.bytes, size);
    struct head bare = head_without_positions(&head);
    size_t is = exchange_head(ret_place, fixed_at, rest, &bare);
    uint8_t *place = ret_place + is + fixed_bytes;
    bool is_open = vault->unseal(vault, frame.key_space, slice_of(ret_place, is + fixed_bytes),
                                 place, sealed_size(&frame));
    if (is_open) {
        uint64_t high = 0;
        memcpy(&high, place + SEAL_NONCE_BYTES + text_bytes, sealed_size(&frame) - text_bytes);
        set_high(&head, &frame, high);
        memmove(place, place + SEAL_NONCE_BYTES, text_bytes);
    } else {
        text_bytes = 0;
        frame.text_bytes[TEXT_REFERENCE] = 0;
        frame.text_bytes[TEXT_REASON] = 0;
        frame.tail_bytes = 0;
    }
    frame.flags &= (uint8_t)~FLAG_SEALED;
    frame.key_space = 0;
    head.frame = frame;
    is = exchange_head(ret_place, is, fixed_bytes + text_bytes, &head);
    return record_finish(ret_place, ret_place + is + fixed_bytes + text_bytes);
}
