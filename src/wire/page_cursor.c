// SPDX-License-Identifier: MIT
// Writes and reads cursors, and says what a list is.
#include "wire/page_cursor.h"

#include <string.h>

#include "base/buffer.h"
#include "wire/decode.h"

static void add_number(struct buffer *buffer, uint64_t number) {
    buffer_add(buffer, &number, sizeof(number));
}

// With its size before it, so that no two lists of filters are the same bytes.
static void add_text(struct buffer *buffer, struct slice text) {
    add_number(buffer, text.size);
    buffer_add_slice(buffer, text);
}

static void add_id(struct buffer *buffer, struct id id) {
    buffer_add(buffer, id.bytes, sizeof(id.bytes));
}

struct sha256 wire_list_digest(const struct operation *operation, struct id of,
                               const struct wire_query *query, struct slice bound_to) {
    struct buffer buffer = {0};
    add_text(&buffer, slice_of_text(operation->name));
    add_id(&buffer, of);
    add_text(&buffer, bound_to);
    add_id(&buffer, query->wallet);
    add_id(&buffer, query->merchant);
    add_id(&buffer, query->resource);
    add_text(&buffer, query->owner);
    add_text(&buffer, query->order);
    add_text(&buffer, query->bank_id);
    add_text(&buffer, query->initiated_by);
    add_text(&buffer, query->rule);
    add_text(&buffer, query->principal);
    add_text(&buffer, query->operation);
    add_text(&buffer, currency_code(&query->currency));
    add_number(&buffer, (uint64_t)query->wallet_kind);
    add_number(&buffer, (uint64_t)query->status);
    add_number(&buffer, (uint64_t)query->type);
    add_number(&buffer, (uint64_t)query->outcome);
    add_number(&buffer, query->from_ms);
    add_number(&buffer, query->to_ms);
    struct sha256 digest = sha256_of(buffer_slice(&buffer));
    buffer_done(&buffer);
    return digest;
}

static uint64_t mark_of(const struct sha256 *list, uint64_t place) {
    uint8_t bytes[sizeof(list->bytes) + sizeof(place)];
    uint64_t mark;
    memcpy(bytes, list->bytes, sizeof(list->bytes));
    memcpy(bytes + sizeof(list->bytes), &place, sizeof(place));
    struct sha256 digest = sha256_of(slice_of(bytes, sizeof(bytes)));
    memcpy(&mark, digest.bytes, sizeof(mark));
    return mark;
}

void wire_cursor_format(const struct id_seal *seal, const struct sha256 *list, uint64_t place,
                        char ret_text[WIRE_CURSOR_BYTES]) {
    CHECK(place != 0);
    id_token_format(seal, place, ret_text);
    id_token_format(seal, mark_of(list, place), ret_text + ID_TOKEN_BYTES);
}

bool wire_cursor_parse(const struct id_seal *seal, struct slice text,
                       struct wire_cursor *ret_cursor) {
    return text.size == WIRE_CURSOR_BYTES &&
           id_token_parse(seal, slice_of(text.bytes, ID_TOKEN_BYTES), &ret_cursor->place) &&
           id_token_parse(seal, slice_of(text.bytes + ID_TOKEN_BYTES, ID_TOKEN_BYTES),
                          &ret_cursor->mark) &&
           ret_cursor->place != 0;
}

bool wire_cursor_is_of(const struct wire_cursor *cursor, const struct sha256 *list) {
    return cursor->mark == mark_of(list, cursor->place);
}
