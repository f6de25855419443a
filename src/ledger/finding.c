// SPDX-License-Identifier: MIT
// Ids stand last, so that they can be added when what they name was made.
#include "ledger/finding.h"

#include "base/check.h"

void finding_begin(struct buffer *buffer, struct slice rule) {
    CHECK(rule.size >= 1 && rule.size <= UINT8_MAX);
    uint8_t head[2] = {(uint8_t)rule.size, 0};
    buffer_reset(buffer);
    buffer_add(buffer, head, sizeof(head));
    buffer_add_slice(buffer, rule);
}

void finding_add_id(struct buffer *buffer, struct id id) {
    CHECK(buffer->size > 2 && buffer->bytes[1] < FINDING_IDS_MAX);
    buffer_add(buffer, id.bytes, sizeof(id.bytes));
    buffer->bytes[1]++;
}

static size_t ids_size(struct slice texts) {
    return texts.bytes[1] * sizeof(struct id);
}

bool finding_is_valid(struct slice texts) {
    if (texts.size < 2 || texts.bytes[0] == 0 || texts.bytes[1] > FINDING_IDS_MAX)
        return false;
    return texts.size > 2 + (size_t)texts.bytes[0] + ids_size(texts);
}

struct slice finding_rule(struct slice texts) {
    return texts.size == 0 ? texts : slice_of(texts.bytes + 2, texts.bytes[0]);
}

struct slice finding_sentence(struct slice texts) {
    if (texts.size == 0)
        return texts;
    size_t before = 2 + (size_t)texts.bytes[0];
    return slice_of(texts.bytes + before, texts.size - before - ids_size(texts));
}

struct slice finding_ids(struct slice texts) {
    if (texts.size == 0)
        return texts;
    size_t size = ids_size(texts);
    return slice_of(texts.bytes + texts.size - size, size);
}
