// SPDX-License-Identifier: MIT
// Writes and reads queued commands.
#include "wire/queued.h"

#include "wire/decode_object.h"
#include "wire/digest.h"

void wire_render_queued(struct buffer *buffer, const struct operation *operation, struct id id,
                        struct slice idempotency_key, bool has_if_match, uint64_t if_match,
                        struct slice body) {
    CHECK(wire_is_queueable(operation));
    buffer_add_format(buffer, "{\"type\":\"%s\",\"idempotency_key\":",
                      operation->batch_type != NULL ? operation->batch_type
                                                    : operation->queue_type);
    json_write_text(buffer, idempotency_key);
    if (operation->batch_id != NULL) {
        char text[ID_TEXT_BYTES_MAX];
        size_t size = id_format((enum id_type)operation->id_type, id, text);
        buffer_add_format(buffer, ",\"%s\":\"%.*s\"", operation->batch_id, (int)size, text);
    }
    if (has_if_match)
        buffer_add_format(buffer, ",\"if_match\":%llu", (unsigned long long)if_match);
    // The body is an object without any of these members, or nothing: its own goes on.
    size_t at = 0;
    while (at < body.size && body.bytes[at] != '{')
        at++;
    size_t member = at + 1;
    while (member < body.size && (body.bytes[member] == ' ' || body.bytes[member] == '\t' ||
                                  body.bytes[member] == '\n' || body.bytes[member] == '\r'))
        member++;
    if (member >= body.size || body.bytes[member] == '}') {
        BUFFER_ADD(buffer, "}");
        return;
    }
    BUFFER_ADD(buffer, ",");
    buffer_add(buffer, body.bytes + member, body.size - member);
}

// Whether it is an atomic batch; then its key, too, when that is valid.
static bool find_batch(struct json_value object, struct slice *ret_key) {
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    bool is_batch = false;
    *ret_key = (struct slice){0};
    while (json_next_member(&cursor, &name, &value)) {
        bool is_text = json_kind(value) == JSON_TEXT;
        if (is_text && slice_equal(name, SLICE("type")))
            is_batch = slice_equal(json_text(value), SLICE("batch"));
        else if (is_text && slice_equal(name, SLICE("idempotency_key")) &&
                 wire_idempotency_key_is_valid(json_text(value)))
            *ret_key = json_text(value);
    }
    return is_batch;
}

static enum status decode_batch(const struct wire_context *context, struct json_value object,
                                struct slice key, struct command *ret_command,
                                struct wire_batch *ret_batch, struct wire_faults *faults) {
    enum status status = STATUS_invalid_request;
    decode_begin(context, COMMAND_INVALID, ret_command);
    if (key.size == 0)
        wire_fault_add(context->arena, faults, SLICE("/idempotency_key"), SLICE("is required"));
    else
        status = decode_queued_batch(context, object, key, ret_batch, faults);
    ret_command->queued = true;
    ret_command->has_key = key.size != 0;
    ret_command->key = wire_key_digest(context->origin.principal, key);
    ret_command->door = STATUS_invalid_request;
    if (status != STATUS_ok) {
        ret_batch->count = 0;
        return status;
    }
    *ret_command = ret_batch->batch;
    bool may = (context->allowed_commands & UINT64_C(1) << COMMAND_NONE) != 0;
    if (may && ret_batch->commands[0].type != COMMAND_INVALID)
        return STATUS_ok;
    // Nobody knows where it is at home: it is refused as its first operation is.
    ret_command->type = COMMAND_INVALID;
    ret_command->door = may ? ret_batch->commands[0].door : STATUS_forbidden;
    ret_batch->count = 0;
    return (enum status)ret_command->door;
}

struct slice wire_own_key(struct json_value operation) {
    struct json_cursor cursor = json_members(operation);
    struct slice name;
    struct json_value value;
    while (json_next_member(&cursor, &name, &value))
        if (slice_equal(name, SLICE("idempotency_key")))
            return json_text(value);
    return (struct slice){0};
}

void wire_render_queued_operation(struct buffer *buffer, struct json_value operation,
                                  struct slice idempotency_key, uint32_t batch_index) {
    struct json_cursor cursor = json_members(operation);
    struct slice name;
    struct json_value value;
    CHECK(idempotency_key.size != 0);
    BUFFER_ADD(buffer, "{\"idempotency_key\":");
    json_write_text(buffer, idempotency_key);
    if (batch_index != WIRE_NO_BATCH_INDEX)
        buffer_add_format(buffer, ",\"batch_index\":%u", batch_index);
    while (json_next_member(&cursor, &name, &value)) {
        if (slice_equal(name, SLICE("idempotency_key")))
            continue;
        BUFFER_ADD(buffer, ",");
        json_write_text(buffer, name);
        BUFFER_ADD(buffer, ":");
        json_write_value(buffer, value);
    }
    BUFFER_ADD(buffer, "}");
}

static struct digest128 key_of(const struct wire_context *context,
                               const struct decode_extras *extras) {
    struct slice principal = context->origin.principal;
    return extras->has_batch_index
               ? digest_derived_key(principal, extras->idempotency_key, extras->batch_index)
               : wire_key_digest(principal, extras->idempotency_key);
}

static const struct operation *operation_of(const struct wire_context *context,
                                            struct json_value object, struct wire_faults *faults) {
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    const struct operation *operation = NULL;
    while (operation == NULL && json_next_member(&cursor, &name, &value))
        if (slice_equal(name, SLICE("type")) && json_kind(value) == JSON_TEXT)
            operation = operation_of_queue_type(json_text(value));
    if (operation == NULL)
        wire_fault_add(context->arena, faults, SLICE("/type"),
                       SLICE("must be there, and be a type of docs/kafka.md"));
    return operation;
}

enum status wire_decode_queued(const struct wire_context *context, struct slice json,
                               struct command *ret_command, struct wire_batch *ret_batch,
                               struct wire_faults *ret_faults) {
    struct decode_extras extras = {.is_queued = true};
    struct json_value object;
    *ret_faults = (struct wire_faults){0};
    *ret_command = (struct command){.type = COMMAND_INVALID};
    *ret_batch = (struct wire_batch){0};
    if (!decode_parse(context, json, &object, ret_faults))
        return STATUS_invalid_request;
    struct slice batch_key;
    if (find_batch(object, &batch_key))
        return decode_batch(context, object, batch_key, ret_command, ret_batch, ret_faults);
    const struct operation *operation = operation_of(context, object, ret_faults);
    if (operation == NULL)
        return STATUS_invalid_request;
    decode_begin(context, operation->command, ret_command);
    decode_object(context, operation, object, ret_command, &extras, ret_faults);
    if (extras.idempotency_key.size == 0)
        wire_fault_add(context->arena, ret_faults, SLICE("/idempotency_key"),
                       SLICE("is required"));
    ret_command->queued = true;
    ret_command->has_key = extras.idempotency_key.size != 0;
    if (ret_faults->count != 0) {
        ret_command->type = COMMAND_INVALID;
        ret_command->door = STATUS_invalid_request;
        ret_command->key = key_of(context, &extras);
        return STATUS_invalid_request;
    }
    ret_command->has_if_match = extras.has_if_match;
    ret_command->if_match = extras.if_match;
    ret_command->key = key_of(context, &extras);
    decode_finish(context, ret_command, true);
    bool may = (context->allowed_commands & UINT64_C(1) << operation->command) != 0 &&
               !extras.guard_is_closed;
    if (may && !extras.id_is_unknown)
        return STATUS_ok;
    ret_command->type = COMMAND_INVALID;
    ret_command->door = may ? STATUS_not_found : STATUS_forbidden;
    return (enum status)ret_command->door;
}
