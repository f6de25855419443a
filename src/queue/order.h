// SPDX-License-Identifier: MIT
// From a record of the queue to a command: who wrote it, and what it says.
#pragma once
#include "engine/engine.h"
#include "queue/kafka.h"
#include "queue/worker.h"

enum order_kind {
    ORDER_COMMAND,     // to be carried out (a refusal by the door is a command too)
    ORDER_DEAD,        // can never succeed; `why` says why
    ORDER_TOO_NEW,     // of a version that this program does not know
};

struct order {
    enum order_kind kind;
    uint32_t slot;       // LIMIT_SLOTS: no slot's
    bool is_unproved;    // dead, because nobody who is known here has signed it
    bool has_command;    // also of a dead one: its key is known, so its refusal is remembered
    struct command command;
    // Of an atomic batch: its operations, in the reader's arena; `command` has its origin, key and
    // digest. Of all else 0.
    struct command *operations;
    uint32_t operation_count;
    char why[160];       // of a dead one
};

struct order_reader {
    struct engine *engine;
    const char *topic;
    uint32_t partitions;
    struct sha256 node_key;
    struct slice owner; // of a topic of its own: a key's id as text; else empty
    struct json_parser *parser;
    struct arena *arena; // texts of commands
    const struct wire_currencies *currencies;
    void (*admit)(void *context, uint8_t role, struct slice owner, struct wire_context *wire);
    void *context;
};

// Thread: the reader's.
void order_read(const struct order_reader *reader, const struct kafka_record *record,
                struct order *ret_order);
// A number for key and value, to know a record again. Never 0.
uint64_t order_checksum(const struct kafka_record *record);
