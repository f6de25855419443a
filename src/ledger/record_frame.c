// SPDX-License-Identifier: MIT
// Where in an encoded record things stand, for those who change it without decoding it.
#include "ledger/record_frame.h"

#include "ledger/record_bytes.h"

static_assert(REQUEST_HIGH_AT == sizeof(struct frame) + offsetof(struct digests_bytes, request) +
                                     offsetof(struct digest128, high),
              "");

size_t free_texts_at(const struct frame *frame) {
    static const uint8_t facts_bytes[] = {
        [RECORD_WALLET] = sizeof(struct wallet_bytes),
        [RECORD_TRANSACTION] = sizeof(struct transaction_bytes),
        [RECORD_HOLD] = sizeof(struct hold_bytes),
        [RECORD_WITHDRAWAL] = sizeof(struct withdrawal_bytes),
        [RECORD_PARKED] = sizeof(struct parked_bytes),
    };
    CHECK(record_kind_seals(frame->kind));
    size_t size = sizeof(*frame) + facts_bytes[frame->kind];
    if ((frame->flags & FLAG_KEY) != 0)
        size += sizeof(struct digests_bytes);
    if ((frame->flags & FLAG_SPENT) != 0)
        size += sizeof(struct spent_bytes);
    if (frame->kind == RECORD_TRANSACTION && (frame->flags & FLAG_EXTERNAL) != 0)
        size += sizeof(struct external_bytes);
    if ((frame->flags & FLAG_SUBJECT) != 0)
        size += sizeof(struct subject_bytes);
    for (int i = 0; i < TEXT_REFERENCE; i++)
        size += frame->text_bytes[i];
    return size;
}

uint32_t frame_positions(const struct frame *frame, size_t ret_places[FRAME_POSITIONS_MAX]) {
    size_t facts = sizeof(*frame);
    uint32_t count = 0;
    if ((frame->flags & FLAG_KEY) != 0)
        facts += sizeof(struct digests_bytes);
    if ((frame->flags & FLAG_SPENT) != 0)
        facts += sizeof(struct spent_bytes);
    switch ((enum record_kind)frame->kind) {
    case RECORD_TRANSACTION: {
        size_t debit = facts + offsetof(struct transaction_bytes, debit);
        size_t credit = facts + offsetof(struct transaction_bytes, credit);
        size_t subject = facts + sizeof(struct transaction_bytes);
        ret_places[count++] = debit + offsetof(struct side_bytes, previous);
        ret_places[count++] = debit + offsetof(struct side_bytes, skip);
        ret_places[count++] = credit + offsetof(struct side_bytes, previous);
        ret_places[count++] = credit + offsetof(struct side_bytes, skip);
        if ((frame->flags & FLAG_EXTERNAL) != 0)
            subject += sizeof(struct external_bytes);
        if ((frame->flags & FLAG_SUBJECT) != 0)
            ret_places[count++] = subject + offsetof(struct subject_bytes, opening);
        break;
    }
    case RECORD_HOLD: ret_places[count++] = facts + offsetof(struct hold_bytes, opening); break;
    case RECORD_WITHDRAWAL:
        ret_places[count++] = facts + offsetof(struct withdrawal_bytes, opening);
        break;
    case RECORD_PARKED: ret_places[count++] = facts + offsetof(struct parked_bytes, opening); break;
    default: break;
    }
    CHECK(count <= FRAME_POSITIONS_MAX);
    return count;
}
