// SPDX-License-Identifier: MIT
// Private to the codec: the frame of every record, which seal.c needs too.
#pragma once
#include "base/check.h"
#include "ledger/record_texts.h"
#include "ledger/seal.h"

enum { RECORD_VERSION = 2 };
enum {
    FLAG_KEY = 1,
    FLAG_EXTERNAL = 2, // of a transaction
    FLAG_AWAY = 2,     // of a wallet, hold or withdrawal
    FLAG_SUBJECT = 4,
    FLAG_SEALED = 8,
    FLAG_QUEUED = 16,
    FLAG_SPENT = 32,
    FLAG_JUDGED = 64,
    FLAG_ARRIVES = 128,
    FLAGS_KNOWN = 255
};

struct frame {
    uint32_t size; // of the whole record
    uint32_t crc;  // of all that follows
    uint8_t kind, version, operation, flags;
    uint8_t role, zero;
    uint16_t head_bytes; // how many the head takes behind this
    uint64_t time_ms;
    uint8_t address[16];
    uint16_t text_bytes[RECORD_TEXTS - 1]; // of texts that are sealed: as they are when opened
    uint32_t tail_bytes;
    uint64_t key_space; // number of the data key that sealed the free texts; 0: they are plain
};
static_assert(sizeof(struct frame) == 64, "the frame has no padding");

static inline size_t free_texts_size(const struct frame *frame) {
    return (size_t)frame->text_bytes[TEXT_REFERENCE] + frame->text_bytes[TEXT_REASON] +
           frame->tail_bytes;
}
static inline size_t fixed_texts_size(const struct frame *frame) {
    size_t size = 0;
    for (int i = 0; i < TEXT_REFERENCE; i++)
        size += frame->text_bytes[i];
    return size;
}
// What is sealed: the free texts, and behind them the half of the request's digest that is of them
// (request.h).
static inline size_t sealed_size(const struct frame *frame) {
    return free_texts_size(frame) + ((frame->flags & FLAG_KEY) != 0 ? sizeof(uint64_t) : 0);
}
// The end of a record whose last text ends at `place`: padding, size and checksum. Returns the
// size.
uint32_t record_finish(uint8_t *record, uint8_t *place);
