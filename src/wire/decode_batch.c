// SPDX-License-Identifier: MIT
// Batches: up to 10,000 operations in one body. Each is decoded as if it were alone; one that is
// wrong does not keep the others from being done, so it is carried along as COMMAND_INVALID.
#include "wire/decode.h"

#include "base/ahead.h"
#include "base/buffer.h"
#include "wire/decode_object.h"
#include "wire/decode_value.h"
#include "wire/digest.h"

#define COMMANDS_AHEAD 3

// The members of a batch's body, before its operations are looked at.
struct envelope {
    struct json_value operations;
    bool atomic;
};

static void refuse_operation(const struct wire_context *context, enum status door,
                             struct command *ret_command) {
    decode_begin(context, COMMAND_INVALID, ret_command);
    ret_command->door = (uint8_t)door;
}

// Carries an operation's faults along, in memory that lives as long as its result.
static struct wire_faults *keep_faults(const struct wire_context *context,
                                       const struct wire_faults *faults) {
    struct wire_faults *kept = arena_take(context->arena, sizeof(*kept));
    *kept = *faults;
    return kept;
}

// `type` mostly comes first.
static const struct operation *find_operation(const struct wire_context *context,
                                              struct json_value object,
                                              struct wire_faults *faults) {
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value)) {
        if (!slice_equal(name, SLICE("type")))
            continue;
        const struct operation *operation =
            json_kind(value) == JSON_TEXT ? operation_of_batch_type(json_text(value)) : NULL;
        if (operation == NULL)
            wire_fault_add(context->arena, faults, SLICE("/type"),
                           SLICE("must be wallet, deposit, withdrawal, settle, fail, purchase, "
                                 "refund, transfer, hold, capture or void"));
        return operation;
    }
    wire_fault_add(context->arena, faults, SLICE("/type"), SLICE("is required"));
    return NULL;
}

// What the operation alone would be told, from top to bottom of the ladder. Of one from the queue
// `ret_extras` says so: there it is malformed before it is forbidden, as it is alone.
static enum status decode_operation(const struct wire_context *context, struct json_value value,
                                    struct command *command, struct decode_extras *ret_extras,
                                    struct wire_faults *faults) {
    if (json_kind(value) != JSON_OBJECT) {
        wire_fault_add(context->arena, faults, SLICE(""), SLICE("must be a JSON object"));
        return STATUS_invalid_request;
    }
    const struct operation *operation = find_operation(context, value, faults);
    if (operation == NULL)
        return STATUS_invalid_request;
    decode_begin(context, operation->command, command);
    decode_object(context, operation, value, command, ret_extras, faults);
    if (ret_extras->id_is_unknown)
        return STATUS_not_found;
    bool may = (context->allowed_commands & UINT64_C(1) << operation->command) != 0;
    if (!may && !ret_extras->is_queued)
        return STATUS_forbidden;
    if (faults->count != 0)
        return STATUS_invalid_request;
    return may && !ret_extras->guard_is_closed ? STATUS_ok : STATUS_forbidden;
}

static void decode_operations(const struct wire_context *context,
                              const struct wire_headers *headers, struct json_value operations,
                              bool is_queued, struct wire_batch *batch) {
    struct slice principal = context->origin.principal;
    bool derives_keys = headers->has_idempotency_key && !batch->atomic;
    struct json_cursor cursor = json_items(operations);
    struct json_value value;
    for (uint32_t i = 0; json_next_item(&cursor, &value); i++) {
        CHECK(i < batch->count);
        struct command *command = &batch->commands[i];
        if (i + COMMANDS_AHEAD < batch->count) // the engine has read what was there before
            ahead_write(command + COMMANDS_AHEAD, sizeof(*command));
        struct wire_faults faults = {0};
        struct decode_extras extras = {.is_queued = is_queued, .is_part = is_queued};
        enum status door = decode_operation(context, value, command, &extras, &faults);
        batch->faults[i] =
            door == STATUS_invalid_request ? keep_faults(context, &faults) : NULL;
        // Whoever lost a right while it was queued asks for its refusal by the digest of it all.
        bool is_lost_right = is_queued && door == STATUS_forbidden;
        if (door != STATUS_ok && !is_lost_right) {
            refuse_operation(context, door, command);
            continue;
        }
        command->has_key = extras.idempotency_key.size != 0 || derives_keys;
        if (extras.idempotency_key.size != 0)
            command->key = wire_key_digest(principal, extras.idempotency_key);
        else if (derives_keys)
            command->key = digest_derived_key(principal, headers->idempotency_key, i);
        // Without a key of its own an operation is still part of an atomic batch's digest.
        decode_finish(context, command, command->has_key || batch->batch.has_key);
        if (is_lost_right) {
            command->type = COMMAND_INVALID;
            command->door = STATUS_forbidden;
        }
    }
}

// Reads a member of the envelope. False: a fault was added.
static bool decode_member(const struct wire_context *context, const struct field *field,
                          struct json_value value, struct envelope *envelope,
                          struct wire_faults *faults) {
    bool is_valid;
    if (field->kind == FIELD_OPERATIONS) {
        envelope->operations = value;
        size_t count = json_kind(value) == JSON_ARRAY ? json_item_count(value) : 0;
        is_valid = count >= (size_t)field->minimum && count <= (size_t)field->maximum;
    } else {
        CHECK(field->kind == FIELD_BOOL);
        is_valid = json_kind(value) == JSON_BOOL;
        envelope->atomic = is_valid && json_bool(value);
    }
    if (!is_valid)
        fault_of_field(context->arena, faults, field, fault_expectation(context->arena, field));
    return is_valid;
}

static const struct field *find_member(const struct operation *operation, struct slice name,
                                       uint32_t *ret_bit) {
    for (uint32_t i = 0; i < operation->body_count; i++) {
        const struct field *field = operation->body[i];
        if (slice_equal(slice_of(field->name, field->name_size), name)) {
            *ret_bit = UINT32_C(1) << i;
            return field;
        }
    }
    return NULL;
}

// `is_queued`: it has its type and key beside the members of a body.
static bool decode_envelope(const struct wire_context *context, struct json_value object,
                            bool is_queued, struct envelope *ret_envelope,
                            struct wire_faults *faults) {
    const struct operation *operation = operation_at(OPERATION_BATCH);
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    uint32_t seen = 0, bit = 0;
    while (json_next_member(&cursor, &name, &value)) {
        const struct field *field = find_member(operation, name, &bit);
        bool is_of_queue = is_queued && (slice_equal(name, SLICE("type")) ||
                                         slice_equal(name, SLICE("idempotency_key")));
        if (is_of_queue)
            bit = slice_equal(name, SLICE("type")) ? UINT32_C(1) << 30 : UINT32_C(1) << 31;
        if (field == NULL && !is_of_queue)
            fault_of_unknown(context->arena, faults, name, "field", operation->body,
                             operation->body_count);
        else if ((seen & bit) != 0)
            fault_of_name(context->arena, faults, name, SLICE("is given twice"));
        else if (field != NULL)
            (void)decode_member(context, field, value, ret_envelope, faults); // noted there
        if (field != NULL || is_of_queue)
            seen |= bit;
    }
    if (find_member(operation, SLICE("operations"), &bit) != NULL && (seen & bit) == 0)
        fault_of_name(context->arena, faults, SLICE("operations"), SLICE("is required"));
    return faults->count == 0;
}

// Its operations, once the envelope stands; `key`: of an atomic one, empty: it has none.
static void decode_rest(const struct wire_context *context, const struct wire_headers *headers,
                        const struct envelope *envelope, struct slice key, bool is_queued,
                        struct wire_batch *batch) {
    uint32_t count = (uint32_t)json_item_count(envelope->operations);
    CHECK(count >= 1 && count <= LIMIT_BATCH_OPERATIONS_MAX);
    batch->count = count;
    batch->atomic = envelope->atomic;
    batch->operations = envelope->operations;
    batch->commands = arena_take(context->arena, count * sizeof(*batch->commands));
    batch->faults = arena_take(context->arena, count * sizeof(*batch->faults));
    decode_begin(context, COMMAND_NONE, &batch->batch);
    batch->batch.has_key = key.size != 0;
    decode_operations(context, headers, envelope->operations, is_queued, batch);
    if (!batch->batch.has_key)
        return;
    batch->batch.key = wire_key_digest(context->origin.principal, key);
    batch->batch.request = digest_batch(batch->commands, count, context->arena);
}

enum status wire_decode_batch(const struct wire_context *context,
                              const struct wire_headers *headers, struct slice body,
                              struct wire_batch *ret_batch, struct wire_faults *ret_faults) {
    *ret_faults = (struct wire_faults){0};
    *ret_batch = (struct wire_batch){0};
    struct envelope envelope = {.atomic = false};
    struct json_value object;
    uint64_t if_match; // never read: a batch takes none
    bool headers_are_valid = decode_headers(context, headers, false, &if_match, ret_faults);
    if (!decode_parse(context, body, &object, ret_faults) ||
        !decode_envelope(context, object, false, &envelope, ret_faults) || !headers_are_valid)
        return STATUS_invalid_request;
    decode_rest(context, headers, &envelope,
                envelope.atomic ? headers->idempotency_key : (struct slice){0}, false, ret_batch);
    return STATUS_ok;
}

enum status decode_queued_batch(const struct wire_context *context, struct json_value object,
                                struct slice idempotency_key, struct wire_batch *ret_batch,
                                struct wire_faults *faults) {
    static const struct wire_headers none;
    struct envelope envelope = {.atomic = false};
    *ret_batch = (struct wire_batch){0};
    if (!decode_envelope(context, object, true, &envelope, faults))
        return STATUS_invalid_request;
    if (!envelope.atomic) {
        wire_fault_add(context->arena, faults, SLICE("/atomic"),
                       SLICE("must be true: the operations of others are records of their own"));
        return STATUS_invalid_request;
    }
    decode_rest(context, &none, &envelope, idempotency_key, true, ret_batch);
    for (uint32_t i = 0; i < ret_batch->count; i++) {
        const struct command *command = &ret_batch->commands[i];
        bool is_wrong = command->type == COMMAND_INVALID &&
                        command->door == STATUS_invalid_request;
        ret_batch->commands[i].queued = true;
        if (!is_wrong)
            continue;
        const struct wire_fault *first = &ret_batch->faults[i]->items[0];
        struct buffer pointer = {0};
        buffer_add_format(&pointer, "/operations/%u%.*s", i, (int)first->pointer.size,
                          (const char *)first->pointer.bytes);
        wire_fault_add(context->arena, faults,
                       arena_copy(context->arena, buffer_slice(&pointer)), first->sentence);
        buffer_done(&pointer);
        return STATUS_invalid_request;
    }
    ret_batch->batch.queued = true;
    return STATUS_ok;
}

void wire_give_batch_key(struct wire_batch *batch, struct slice key, struct arena *arena) {
    CHECK(batch->atomic && !batch->batch.has_key && key.size != 0);
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->commands[i].type != COMMAND_INVALID && !batch->commands[i].has_key)
            batch->commands[i].request = digest_command(&batch->commands[i], arena);
    batch->batch.has_key = true;
    batch->batch.key = wire_key_digest(batch->batch.origin.principal, key);
    batch->batch.request = digest_batch(batch->commands, batch->count, arena);
}
