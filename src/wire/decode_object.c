// SPDX-License-Identifier: MIT
// Members mostly come in the order of the table, so the search for a name begins where the last one
// was found; duplicates show as a bit that is set already.
#include "wire/decode_object.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "wire/decode_value.h"
#include "wire/digest.h"
#include "wire/numbers.h"
#include "wire/text.h"

// Bits of what was seen: the fields of the body by index, then what batches add.
enum {
    FIELDS_MAX = 27,
    SEEN_INDEX = 27,
    SEEN_IF_MATCH = 28,
    SEEN_ID = 29,
    SEEN_TYPE = 30,
    SEEN_KEY = 31
};
#define BIT(index) (UINT32_C(1) << (index))

struct decoding {
    const struct wire_context *context;
    const struct operation *operation;
    struct command *command;
    struct decode_extras *extras; // NULL: not in a batch
    struct wire_faults *faults;
    uint32_t seen;
};

void decode_begin(const struct wire_context *context, enum command_type type,
                  struct command *ret_command) {
    *ret_command = (struct command){.type = (uint8_t)type,
                                    .principal_key = context->principal_key,
                                    .bound_to = context->bound_to,
                                    .token_until_ms = context->token_until_ms,
                                    .origin = context->origin};
}

void decode_finish(const struct wire_context *context, struct command *command,
                   bool needs_digest) {
    if (command->type == COMMAND_WALLET_OPEN)
        command->slot = id_slot_of_owner(command->owner);
    if (needs_digest)
        command->request = digest_command(command, context->arena);
}

static uint32_t load_four(const void *bytes) {
    uint32_t four;
    memcpy(&four, bytes, sizeof(four));
    return four;
}

// Names are compared a few times per member, and nearly all have four to eight letters: two loads
// that may overlap, where a call of memcmp would cost more than the comparison.
static bool name_is(const struct field *field, struct slice name) {
    if (field->name_size != name.size)
        return false;
    if (name.size < 4 || name.size > 8)
        return memcmp(field->name, name.bytes, name.size) == 0;
    size_t last = name.size - 4;
    return load_four(field->name) == load_four(name.bytes) &&
           load_four(field->name + last) == load_four(name.bytes + last);
}

// The index of the body's field with that name, searched from `hint` on; body_count: none.
static uint32_t find_field(const struct operation *operation, struct slice name, uint32_t hint) {
    for (uint32_t i = hint; i < operation->body_count; i++)
        if (name_is(operation->body[i], name))
            return i;
    for (uint32_t i = 0; i < hint; i++)
        if (name_is(operation->body[i], name))
            return i;
    return operation->body_count;
}

// Notes that a member was there. False: a second time.
static bool see(struct decoding *decoding, uint32_t index, struct slice name) {
    if ((decoding->seen & BIT(index)) != 0) {
        fault_of_name(decoding->context->arena, decoding->faults, name, SLICE("is given twice"));
        return false;
    }
    decoding->seen |= BIT(index);
    return true;
}

static void decode_key(struct decoding *decoding, struct slice name, struct json_value value) {
    if (json_kind(value) == JSON_TEXT && text_is_valid(json_text(value))) {
        decoding->extras->idempotency_key = json_text(value);
        return;
    }
    fault_of_name(decoding->context->arena, decoding->faults, name,
                  SLICE("must be a text of 1 to 255 characters without control characters"));
}

// An id in place of a path's: of the wrong form it names nothing, as in a path.
static void decode_id(struct decoding *decoding, struct json_value value) {
    const struct field *field = operation_batch_id_field(decoding->operation);
    struct id id;
    if (json_kind(value) == JSON_TEXT &&
        !operation_parse_id(field->id_type, json_text(value), &id))
        decoding->extras->id_is_unknown = true;
    else
        (void)decode_value(decoding->context, field, value, decoding->command,
                           decoding->faults); // noted there
}

// What only the queue has. False: it is none of that.
static bool decode_queued_extra(struct decoding *decoding, struct slice name,
                                struct json_value value) {
    struct decode_extras *extras = decoding->extras;
    bool is_index = slice_equal(name, SLICE("batch_index"));
    if (!is_index && !slice_equal(name, SLICE("if_match")))
        return false;
    int64_t number = -1;
    bool is_number = see(decoding, is_index ? SEEN_INDEX : SEEN_IF_MATCH, name) &&
                     json_kind(value) == JSON_INTEGER && json_integer(value, &number);
    if (is_index) {
        extras->has_batch_index =
            is_number && number >= 0 && number < LIMIT_BATCH_OPERATIONS_MAX;
        extras->batch_index = (uint32_t)number;
        if (!extras->has_batch_index)
            fault_of_name(decoding->context->arena, decoding->faults, name,
                          SLICE("must be a place in a batch, from 0 on"));
        return true;
    }
    extras->has_if_match = is_number && number >= 1 && decoding->operation->takes_if_match;
    extras->if_match = (uint64_t)number;
    if (!extras->has_if_match)
        fault_of_name(decoding->context->arena, decoding->faults, name,
                      SLICE("must be the version of a single wallet that is changed"));
    return true;
}

// What only operations of batches have. False: it is none of that.
static bool decode_extra(struct decoding *decoding, struct slice name, struct json_value value) {
    if (decoding->extras == NULL)
        return false;
    if (slice_equal(name, SLICE("type"))) {
        (void)see(decoding, SEEN_TYPE, name);
        return true;
    }
    if (slice_equal(name, SLICE("idempotency_key"))) {
        if (see(decoding, SEEN_KEY, name))
            decode_key(decoding, name, value);
        return true;
    }
    if (decoding->extras->is_queued && !decoding->extras->is_part &&
        decode_queued_extra(decoding, name, value))
        return true;
    if (decoding->operation->batch_id == NULL ||
        !slice_equal(name, slice_of_text(decoding->operation->batch_id)))
        return false;
    if (see(decoding, SEEN_ID, name))
        decode_id(decoding, value);
    return true;
}

static void decode_member(struct decoding *decoding, const struct field *field,
                          struct json_value value) {
    const struct wire_context *context = decoding->context;
    bool is_closed = (context->closed_guards & 1u << field->guard) != 0;
    if (is_closed && decoding->extras != NULL && decoding->extras->is_queued) {
        decoding->extras->guard_is_closed = true; // who lost a right meanwhile is refused, not dead
    } else if (is_closed) {
        struct buffer sentence = {0};
        buffer_add_format(&sentence, "is not yours to give: it needs the permission %s",
                          field_guard_permission((enum field_guard)field->guard));
        fault_of_field(context->arena, decoding->faults, field,
                       arena_copy(context->arena, buffer_slice(&sentence)));
        buffer_done(&sentence);
        return;
    }
    (void)decode_value(context, field, value, decoding->command, decoding->faults); // noted there
}

static void fill_rest(struct decoding *decoding) {
    const struct operation *operation = decoding->operation;
    struct arena *arena = decoding->context->arena;
    for (uint32_t i = 0; i < operation->body_count; i++) {
        const struct field *field = operation->body[i];
        if ((decoding->seen & BIT(i)) != 0)
            continue;
        if (field->required)
            fault_of_field(arena, decoding->faults, field, SLICE("is required"));
        else
            decode_standard(field, decoding->command);
    }
    bool needs_id = decoding->extras != NULL && operation->batch_id != NULL;
    if (needs_id && (decoding->seen & BIT(SEEN_ID)) == 0)
        fault_of_field(arena, decoding->faults, operation_batch_id_field(operation),
                       SLICE("is required"));
}

void decode_object(const struct wire_context *context, const struct operation *operation,
                   struct json_value object, struct command *command,
                   struct decode_extras *ret_extras, struct wire_faults *faults) {
    CHECK(operation->body_count <= FIELDS_MAX);
    struct decoding decoding = {.context = context, .operation = operation, .command = command,
                                .extras = ret_extras, .faults = faults};
    struct json_cursor cursor = json_members(object);
    struct slice name;
    struct json_value value;
    uint32_t hint = 0;
    while (json_next_member(&cursor, &name, &value)) {
        uint32_t index = find_field(operation, name, hint);
        if (index < operation->body_count) {
            hint = index + 1;
            if (see(&decoding, index, name))
                decode_member(&decoding, operation->body[index], value);
        } else if (decode_extra(&decoding, name, value)) {
            continue;
        } else if (ret_extras == NULL) {
            fault_of_unknown(context->arena, faults, name, "field", operation->body,
                             operation->body_count);
        } else { // thousands of operations can be wrong like this, and all are answered at once
            fault_of_name(context->arena, faults, name, SLICE("is not a field of this operation"));
        }
    }
    fill_rest(&decoding);
    // A key that reaches only one owner's wallets must say whose.
    if (command->type == COMMAND_KEY_CREATE && context->roles != NULL &&
        (context->roles->bound >> command->key_role & 1) != 0 && command->owner.size == 0)
        wire_fault_add(context->arena, faults, SLICE("/owner"),
                       SLICE("is required for a role that is bound to an owner"));
}

void decode_nothing(const struct wire_context *context, const struct operation *operation,
                    struct command *command, struct wire_faults *faults) {
    struct decoding decoding = {.context = context, .operation = operation, .command = command,
                                .faults = faults};
    fill_rest(&decoding);
}

// Which byte of which line is the first that does not fit, and what would.
static void add_place(struct buffer *buffer, struct slice text) {
    struct json_fault fault = json_fault_of(text);
    if (fault.line == 0)
        return;
    if (fault.is_end)
        buffer_add_format(buffer, " It ends on line %" PRIu32 " where %s is expected.", fault.line,
                          fault.expected);
    else
        buffer_add_format(buffer, " At byte %" PRIu32 " of line %" PRIu32 " %s is expected.",
                          fault.byte, fault.line, fault.expected);
}

static void fault_of_text(struct arena *arena, struct wire_faults *faults, struct slice text,
                          const char *why) {
    struct buffer buffer = {0};
    buffer_add_format(&buffer, "is not JSON that can be read: %s", why);
    if (text.size >= 3 && memcmp(text.bytes, "\xef\xbb\xbf", 3) == 0)
        BUFFER_ADD(&buffer, " It begins with a byte order mark; leave that out.");
    else
        add_place(&buffer, text);
    wire_fault_add(arena, faults, SLICE(""), arena_copy(arena, buffer_slice(&buffer)));
    buffer_done(&buffer);
}

bool decode_parse(const struct wire_context *context, struct slice body,
                  struct json_value *ret_object, struct wire_faults *faults) {
    const char *why;
    struct slice tamed;
    bool is_read = json_parse(context->parser, body, ret_object, &why);
    if (!is_read && numbers_tame(context->arena, body, &tamed)) {
        body = tamed; // whatever else is wrong stands at the same place there
        is_read = json_parse(context->parser, body, ret_object, &why);
    }
    if (!is_read) {
        fault_of_text(context->arena, faults, body, why);
        return false;
    }
    if (json_kind(*ret_object) != JSON_OBJECT) {
        wire_fault_add(context->arena, faults, SLICE(""), SLICE("must be a JSON object"));
        return false;
    }
    return true;
}

bool decode_headers(const struct wire_context *context, const struct wire_headers *headers,
                    bool takes_if_match, uint64_t *ret_if_match, struct wire_faults *faults) {
    uint32_t before = faults->count;
    if (headers->has_idempotency_key && !wire_idempotency_key_is_valid(headers->idempotency_key))
        wire_fault_add(context->arena, faults, SLICE("/Idempotency-Key"),
                       SLICE("must have 1 to 255 characters without control characters"));
    if (headers->has_if_match && !takes_if_match)
        wire_fault_add(context->arena, faults, SLICE("/If-Match"),
                       SLICE("means nothing here: no single wallet is changed"));
    else if (headers->has_if_match && !wire_parse_if_match(headers->if_match, ret_if_match))
        wire_fault_add(context->arena, faults, SLICE("/If-Match"),
                       SLICE("must be one version of a wallet in quotes, such as \"7\""));
    return faults->count == before;
}
