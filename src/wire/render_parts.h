// SPDX-License-Identifier: MIT
// The parts that objects are put together from. For this folder only. Names are written with their
// comma and colon in front, as one fragment each, because an object of 500 bytes is mostly names.
#pragma once
#include "base/buffer.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "ledger/money.h"

// A pen writes where room was made for all that comes: it looks for none with each piece, and its
// place stays in a register. Each returns the place behind what it wrote.
static inline uint8_t *pen_bytes(uint8_t *place, const void *bytes, size_t size) {
    memcpy(place, bytes, size);
    return place + size;
}
#define PEN(place, literal) pen_bytes((place), "" literal, sizeof(literal) - 1)

static inline uint8_t *pen_quoted(uint8_t *place, struct slice plain) {
    *place = '"';
    place = pen_bytes(place + 1, plain.bytes, plain.size);
    *place = '"';
    return place + 1;
}

static inline uint8_t *pen_id(uint8_t *place, enum id_type type, struct id id) {
    *place = '"';
    place += 1 + id_format(type, id, (char *)place + 1);
    *place = '"';
    return place + 1;
}

static inline void render_id(struct buffer *buffer, enum id_type type, struct id id) {
    uint8_t *room = buffer_room(buffer, ID_TEXT_BYTES_MAX + 2);
    buffer->size += (size_t)(pen_id(room, type, id) - room);
}

static inline void render_time(struct buffer *buffer, uint64_t time_ms) {
    char *room = (char *)buffer_room(buffer, CLOCK_TEXT_BYTES + 2);
    room[0] = '"';
    clock_format(time_ms, room + 1);
    room[CLOCK_TEXT_BYTES + 1] = '"';
    buffer->size += CLOCK_TEXT_BYTES + 2;
}

// Codes are A-Z and 0-9, and words of enums a-z: nothing to escape.
static inline void render_plain(struct buffer *buffer, struct slice text) {
    (void)pen_quoted(buffer_room(buffer, text.size + 2), text);
    buffer->size += text.size + 2;
}

static inline void render_word(struct buffer *buffer, const char *word) {
    render_plain(buffer, slice_of_text(word));
}

static inline void render_code(struct buffer *buffer, const struct currency *currency) {
    render_plain(buffer, currency_code(currency));
}

static inline void render_bool(struct buffer *buffer, bool value) {
    if (value)
        BUFFER_ADD(buffer, "true");
    else
        BUFFER_ADD(buffer, "false");
}

// A text that is left out when it is empty. `name` comes with comma, quotes and colon.
#define RENDER_TEXT(buffer, name, text)           \
    do {                                          \
        struct slice text_ = (text);              \
        if (text_.size != 0) {                    \
            BUFFER_ADD(buffer, name);             \
            json_write_text(buffer, text_);       \
        }                                         \
    } while (0)

// Adds "metadata" when there is any.
void render_metadata(struct buffer *buffer, struct slice metadata);
