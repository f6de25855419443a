// SPDX-License-Identifier: MIT
// Reads records of the queue.
#include "queue/order.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/limits.h"
#include "queue/partition.h"
#include "queue/proof.h"
#include "queue/queue.h"
#include "wire/queued.h"

__attribute__((format(printf, 2, 3))) static void bury(struct order *order, const char *format,
                                                      ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(order->why, sizeof(order->why), format, arguments);
    va_end(arguments);
    order->kind = ORDER_DEAD;
}

uint64_t order_checksum(const struct kafka_record *record) {
    uint64_t sum = hash64(record->value, hash64(record->key, 1));
    return sum == 0 ? 1 : sum;
}

static struct slice header(const struct kafka_record *record, const char *name) {
    struct slice value = {0};
    (void)kafka_record_header(record, name, &value); // none is as good as empty
    return value;
}

static bool is_printable(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < 0x20 || text.bytes[i] > 0x7e)
            return false;
    return true;
}

// Where it belongs in a trace, for what it makes; nothing rests on it, so nobody has to prove it.
static struct slice read_trace(const struct order_reader *reader,
                               const struct kafka_record *record) {
    struct slice parent = header(record, "traceparent"), state = header(record, "tracestate");
    const size_t parent_bytes = 55;
    if (parent.size != parent_bytes || !is_printable(parent))
        return (struct slice){0};
    if (state.size > LIMIT_TRACE_STATE_BYTES_MAX || !is_printable(state))
        state.size = 0;
    size_t size = parent_bytes + (state.size == 0 ? 0 : 1 + state.size);
    uint8_t *text = arena_take(reader->arena, size);
    memcpy(text, parent.bytes, parent_bytes);
    if (state.size != 0) {
        text[parent_bytes] = ' ';
        memcpy(text + parent_bytes + 1, state.bytes, state.size);
    }
    return slice_of(text, size);
}

// Takes what stands before the next space.
static struct slice next_word(struct slice *rest) {
    const uint8_t *space = rest->size == 0 ? NULL : memchr(rest->bytes, ' ', rest->size);
    size_t size = space == NULL ? rest->size : (size_t)(space - rest->bytes);
    struct slice word = slice_of(rest->bytes, size);
    size_t taken = space == NULL ? size : size + 1;
    *rest = slice_of(rest->bytes + taken, rest->size - taken);
    return word;
}

// Whom a token is bound to; a key's owner is in the books.
static bool read_bound(struct slice digits, struct arena *arena, struct slice *ret_owner) {
    if (slice_equal(digits, SLICE("-")))
        return true;
    if (digits.size == 0 || digits.size > 2 * LIMIT_TEXT_BYTES_MAX)
        return false;
    uint8_t *owner = arena_take(arena, digits.size / 2);
    *ret_owner = slice_of(owner, digits.size / 2);
    return hex_read(digits, owner);
}

// What a node said about who asked it; see proof.h.
static bool read_context(struct slice context, struct arena *arena, struct wire_context *wire,
                         struct slice *ret_owner) {
    struct slice key = next_word(&context), role = next_word(&context);
    struct slice until = next_word(&context), address = next_word(&context);
    struct slice owner = next_word(&context);
    if (!slice_equal(key, SLICE("-")) && !id_parse(ID_KEY, key, &wire->principal_key))
        return false;
    if (role.size == 0 || role.size > 2 || until.size > 18 || address.size != 32 ||
        context.size > LIMIT_REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < role.size; i++) {
        if (role.bytes[i] < '0' || role.bytes[i] > '9')
            return false;
        wire->origin.role = (uint8_t)(wire->origin.role * 10 + (role.bytes[i] - '0'));
    }
    for (size_t i = 0; i < until.size; i++) {
        if (until.bytes[i] < '0' || until.bytes[i] > '9')
            return false;
        wire->token_until_ms = wire->token_until_ms * 10 + (until.bytes[i] - '0');
    }
    if (id_is_zero(wire->principal_key) && wire->token_until_ms == 0)
        return false; // the system queues nothing
    if (!hex_read(address, wire->origin.address) || !read_bound(owner, arena, ret_owner))
        return false;
    wire->origin.request_id = context;
    return true;
}

// In a topic that only one principal may write to, the broker has seen who it is.
static bool read_owner(const struct order_reader *reader, const struct kafka_record *record,
                       struct wire_context *wire, struct slice *ret_owner, struct order *order) {
    struct slice named = header(record, "florin-principal");
    struct key key;
    bool live;
    if (named.size != 0 && !slice_equal(named, reader->owner)) {
        bury(order, "unproved: this topic is that of %.*s alone", (int)reader->owner.size,
             (const char *)reader->owner.bytes);
        return false;
    }
    // Keys never go away, and the worker does not begin before this one is there.
    CHECK(id_parse(ID_KEY, reader->owner, &wire->principal_key));
    if (!reader->engine->port->key_by_id(reader->engine, wire->principal_key, clock_now_ms(), &key,
                                         &live)) {
        bury(order, "unproved: the key of this topic is not in the books");
        return false;
    }
    wire->origin.principal = arena_copy(reader->arena, reader->owner);
    wire->origin.role = key.role;
    *ret_owner = arena_copy(reader->arena, key.owner);
    return true;
}

// With the key's secret, or with the one before while that still opens doors.
static bool key_signed(const struct key *key, struct slice proof,
                       const struct proof_parts *parts) {
    return proof_holds(proof, PROOF_KEY, &key->secret_hash, parts) ||
           (clock_now_ms() < key->previous_until_ms &&
            proof_holds(proof, PROOF_KEY, &key->previous_hash, parts));
}

// Who wrote it, into `wire`. False: nobody who proves it.
static bool read_principal(const struct order_reader *reader, const struct kafka_record *record,
                           struct wire_context *wire, struct slice *ret_owner,
                           struct order *order) {
    struct slice proof = header(record, "florin-proof");
    enum proof_kind kind = proof_kind_of(proof);
    struct proof_parts parts = {.topic = slice_of_text(reader->topic),
                                .key = record->key,
                                .principal = header(record, "florin-principal"),
                                .context = header(record, "florin-context"),
                                .value = record->value};
    struct key key;
    bool live;
    if (reader->owner.size != 0)
        return read_owner(reader, record, wire, ret_owner, order);
    if (parts.principal.size == 0 || parts.principal.size > LIMIT_TEXT_BYTES_MAX) {
        bury(order, "unproved: florin-principal says nobody");
        return false;
    }
    wire->origin.principal = arena_copy(reader->arena, parts.principal);
    if (kind == PROOF_NODE) {
        struct slice context = arena_copy(reader->arena, parts.context);
        if (proof_holds(proof, kind, &reader->node_key, &parts) &&
            read_context(context, reader->arena, wire, ret_owner)) {
            // Its role may have changed since it was let in.
            if (!id_is_zero(wire->principal_key) &&
                reader->engine->port->key_by_id(reader->engine, wire->principal_key,
                                                clock_now_ms(), &key, &live)) {
                wire->origin.role = key.role;
                *ret_owner = arena_copy(reader->arena, key.owner);
            }
            return true;
        }
    } else if (kind == PROOF_KEY && parts.context.size == 0 &&
               id_parse(ID_KEY, parts.principal, &wire->principal_key) &&
               reader->engine->port->key_by_id(reader->engine, wire->principal_key,
                                               clock_now_ms(), &key, &live) &&
               key_signed(&key, proof, &parts)) {
        wire->origin.role = key.role;
        *ret_owner = arena_copy(reader->arena, key.owner);
        return true;
    }
    bury(order, "unproved: florin-proof is not that of %.*s",
         (int)(parts.principal.size < 64 ? parts.principal.size : 64),
         (const char *)parts.principal.bytes);
    return false;
}

static bool version_is_known(const struct kafka_record *record, struct order *order) {
    struct slice version = header(record, "florin-version");
    bool is_number = version.size != 0 && version.size <= 6 && version.bytes[0] != '0';
    uint32_t number = 0;
    for (size_t i = 0; i < version.size && is_number; i++) {
        is_number = version.bytes[i] >= '0' && version.bytes[i] <= '9';
        number = number * 10 + (uint32_t)(version.bytes[i] - '0');
    }
    if (is_number && number <= QUEUE_VERSION)
        return true;
    if (is_number)
        order->kind = ORDER_TOO_NEW;
    else
        bury(order, "malformed: florin-version is no version");
    return false;
}

static void read_value(const struct order_reader *reader, const struct kafka_record *record,
                       struct slice owner, struct wire_context *wire, struct order *order) {
    struct wire_faults faults;
    uint8_t *json = arena_take(reader->arena, record->value.size + JSON_PADDING);
    if (record->value.size != 0)
        memcpy(json, record->value.bytes, record->value.size);
    memset(json + record->value.size, 0, JSON_PADDING);
    reader->admit(reader->context, wire->origin.role, owner, wire);
    struct wire_batch batch;
    enum status status = wire_decode_queued(wire, slice_of(json, record->value.size),
                                            &order->command, &batch, &faults);
    order->operations = batch.commands;
    order->operation_count = batch.count;
    order->has_command = status != STATUS_invalid_request || order->command.has_key;
    if (status == STATUS_invalid_request) {
        const struct wire_fault *first = &faults.items[0];
        bury(order, "malformed: %.*s %.*s",
             (int)(first->pointer.size < 48 ? first->pointer.size : 48),
             (const char *)first->pointer.bytes,
             (int)(first->sentence.size < 80 ? first->sentence.size : 80),
             (const char *)first->sentence.bytes);
        return;
    }
    if (status != STATUS_ok)
        return; // a refusal, which is an outcome
    bool is_batch = order->operation_count != 0;
    uint32_t home = command_home_slot(is_batch ? &order->operations[0] : &order->command);
    if (home == order->slot)
        return;
    order->operation_count = 0;
    bury(order, "wrong key: the command's home is slot %u, its key says %u", home, order->slot);
    order->command.type = COMMAND_INVALID;
    order->command.door = STATUS_invalid_request;
}

// What is refused whatever it names is remembered where the record's place moves: what it names may
// be another shard's, which has nothing to do with that.
static void refuse_at_place(struct order *order) {
    if (!order->has_command || order->command.type != COMMAND_INVALID)
        return;
    order->command.wallet = order->command.subject = (struct id){{0}};
    order->command.slot = order->slot;
}

void order_read(const struct order_reader *reader, const struct kafka_record *record,
                struct order *ret_order) {
    struct order *order = ret_order;
    memset(order, 0, offsetof(struct order, command));
    order->kind = ORDER_COMMAND;
    order->slot = LIMIT_SLOTS;
    order->why[0] = 0;
    order->operation_count = 0;
    struct wire_context wire = {.parser = reader->parser,
                                .arena = reader->arena,
                                .currencies = reader->currencies,
                                .seal = &reader->engine->seal};
    struct slice owner = {0};
    uint32_t slot;
    bool has_slot = partition_slot_of_key(record->key, &slot);
    if (!version_is_known(record, order)) {
        if (has_slot && order->kind == ORDER_TOO_NEW &&
            partition_of_key(record->key, reader->partitions) == (uint32_t)record->partition)
            order->slot = slot; // whose place a person may move past it
        return;
    }
    if (!has_slot) {
        bury(order, "malformed: the key is no slot (0 to %d as text)", LIMIT_SLOTS - 1);
        return;
    }
    uint32_t partition = partition_of_key(record->key, reader->partitions);
    if (partition != (uint32_t)record->partition) {
        bury(order, "wrong partition: key %u belongs to partition %u (murmur2)", slot, partition);
        return;
    }
    order->slot = slot;
    if (record->value.size > QUEUE_VALUE_BYTES_MAX)
        bury(order, "malformed: larger than %d bytes", QUEUE_VALUE_BYTES_MAX);
    else if (read_principal(reader, record, &wire, &owner, order)) {
        wire.origin.trace = read_trace(reader, record);
        read_value(reader, record, owner, &wire, order);
        refuse_at_place(order);
    } else {
        order->is_unproved = true;
    }
}
