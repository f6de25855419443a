// SPDX-License-Identifier: MIT
// Writes and reads queued commands.
#include "wire/queued.h"

#include "wire/decode_object.h"

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
                               struct command *ret_command, struct wire_faults *ret_faults) {
    struct decode_extras extras = {.takes_if_match = true};
    struct json_value object;
    *ret_faults = (struct wire_faults){0};
    *ret_command = (struct command){.type = COMMAND_INVALID};
    if (!decode_parse(context, json, &object, ret_faults))
        return STATUS_invalid_request;
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
        ret_command->key = wire_key_digest(context->origin.principal, extras.idempotency_key);
        return STATUS_invalid_request;
    }
    ret_command->has_if_match = extras.has_if_match;
    ret_command->if_match = extras.if_match;
    ret_command->key = wire_key_digest(context->origin.principal, extras.idempotency_key);
    decode_finish(context, ret_command, true);
    bool may = (context->allowed_commands & UINT64_C(1) << operation->command) != 0 &&
               !extras.guard_is_closed;
    if (may && !extras.id_is_unknown)
        return STATUS_ok;
    ret_command->type = COMMAND_INVALID;
    ret_command->door = may ? STATUS_not_found : STATUS_forbidden;
    return (enum status)ret_command->door;
}
