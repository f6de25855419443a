// SPDX-License-Identifier: MIT
// Batches: up to 10,000 operations in one body. Each is decoded as if it were alone; one that is
// wrong does not keep the others from being done, so it is carried along as COMMAND_INVALID.
#include "wire/decode.h"

#include "base/ahead.h"
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

// What the operation alone would be told, from top to bottom of the ladder.
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
    if ((context->allowed_commands & UINT64_C(1) << operation->command) == 0)
        return STATUS_forbidden;
    return faults->count == 0 ? STATUS_ok : STATUS_invalid_request;
}

static void decode_operations(const struct wire_context *context,
                              const struct wire_headers *headers, struct json_value operations,
                              struct wire_batch *batch) {
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
        struct decode_extras extras = {0};
        enum status door = decode_operation(context, value, command, &extras, &faults);
        batch->faults[i] =
            door == STATUS_invalid_request ? keep_faults(context, &faults) : NULL;
        if (door != STATUS_ok) {
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

static bool decode_envelope(const struct wire_context *context, struct json_value object,
                            struct envelope *ret_envelope, struct wire_faults *faults) {
    const struct operation *operation = operation_at(OPERATION_BATCH);
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    uint32_t seen = 0, bit = 0;
    while (json_next_member(&cursor, &name, &value)) {
        const struct field *field = find_member(operation, name, &bit);
        if (field == NULL)
            fault_of_name(context->arena, faults, name, SLICE("is not a field of this operation"));
        else if ((seen & bit) != 0)
            fault_of_name(context->arena, faults, name, SLICE("is given twice"));
        else
            (void)decode_member(context, field, value, ret_envelope, faults); // noted there
        if (field != NULL)
            seen |= bit;
    }
    if (find_member(operation, SLICE("operations"), &bit) != NULL && (seen & bit) == 0)
        fault_of_name(context->arena, faults, SLICE("operations"), SLICE("is required"));
    return faults->count == 0;
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
        !decode_envelope(context, object, &envelope, ret_faults) || !headers_are_valid)
        return STATUS_invalid_request;
    uint32_t count = (uint32_t)json_item_count(envelope.operations);
    CHECK(count >= 1 && count <= LIMIT_BATCH_OPERATIONS_MAX);
    ret_batch->count = count;
    ret_batch->atomic = envelope.atomic;
    ret_batch->commands = arena_take(context->arena, count * sizeof(*ret_batch->commands));
    ret_batch->faults = arena_take(context->arena, count * sizeof(*ret_batch->faults));
    decode_begin(context, COMMAND_NONE, &ret_batch->batch);
    ret_batch->batch.has_key = envelope.atomic && headers->has_idempotency_key;
    decode_operations(context, headers, envelope.operations, ret_batch);
    if (ret_batch->batch.has_key) {
        ret_batch->batch.key = wire_key_digest(context->origin.principal, headers->idempotency_key);
        ret_batch->batch.request = digest_batch(ret_batch->commands, count, context->arena);
    }
    return STATUS_ok;
}
