// SPDX-License-Identifier: MIT
// One operation alone: path, headers and body become one command.
#include "wire/decode.h"

#include "wire/decode_object.h"
#include "wire/decode_value.h"
#include "wire/operations_table.h"
#include "wire/text.h"

static void store_path_id(const struct operation *operation, struct id id,
                          struct command *command) {
    CHECK(operation->id_offset + sizeof(id) <= sizeof(*command));
    memcpy((uint8_t *)command + operation->id_offset, &id, sizeof(id));
}

static void decode_body(const struct wire_context *context, const struct operation *operation,
                        struct slice body, struct command *command, struct wire_faults *faults) {
    struct json_value object;
    if (body.size == 0)
        decode_nothing(context, operation, command, faults);
    else if (decode_parse(context, body, &object, faults))
        decode_object(context, operation, object, command, NULL, faults);
}

static void decode_path_owner(const struct wire_context *context, struct command *command,
                              struct wire_faults *faults) {
    if (text_is_utf8(context->path_owner))
        (void)decode_parameter(context, &operations_owner_field, context->path_owner, command,
                               faults);
    else
        fault_of_field(context->arena, faults, &operations_owner_field, SLICE("must be UTF-8"));
}

enum status wire_decode_command(const struct wire_context *context,
                                const struct operation *operation, struct id id,
                                const struct wire_headers *headers, struct slice body,
                                struct command *ret_command, struct wire_faults *ret_faults) {
    CHECK(operation->command != COMMAND_NONE);
    *ret_faults = (struct wire_faults){0};
    decode_begin(context, operation->command, ret_command);
    if (operation->id_is_owner)
        decode_path_owner(context, ret_command, ret_faults);
    else if (operation->has_id && !operation->id_is_token)
        store_path_id(operation, id, ret_command);
    if (!operation->is_write)
        return STATUS_ok;
    if (decode_headers(context, headers, operation->takes_if_match, &ret_command->if_match,
                       ret_faults)) {
        ret_command->has_if_match = headers->has_if_match;
        ret_command->has_key = headers->has_idempotency_key;
    }
    decode_body(context, operation, body, ret_command, ret_faults);
    if (ret_faults->count != 0)
        return STATUS_invalid_request;
    if (ret_command->has_key)
        ret_command->key = wire_key_digest(context->origin.principal, headers->idempotency_key);
    decode_finish(context, ret_command, ret_command->has_key);
    return STATUS_ok;
}

enum status wire_decode_fields(const struct wire_context *context,
                               const struct operation *operation,
                               const struct wire_headers *headers, struct slice body,
                               struct command *ret_command, struct wire_faults *ret_faults) {
    CHECK(operation->is_write && operation->command == COMMAND_NONE);
    *ret_faults = (struct wire_faults){0};
    decode_begin(context, COMMAND_NONE, ret_command);
    uint64_t if_match; // never read: nothing of these has a version
    if (decode_headers(context, headers, operation->takes_if_match, &if_match, ret_faults)) {
        ret_command->has_key = headers->has_idempotency_key;
        decode_body(context, operation, body, ret_command, ret_faults);
    }
    if (ret_command->has_key && ret_faults->count == 0)
        ret_command->key = wire_key_digest(context->origin.principal, headers->idempotency_key);
    return ret_faults->count != 0 ? STATUS_invalid_request : STATUS_ok;
}
