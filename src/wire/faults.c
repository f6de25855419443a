// SPDX-License-Identifier: MIT
// Collecting what is wrong. All of it is off the hot path, so it may format and copy.
#include "base/buffer.h"
#include "base/limits.h"
#include "wire/decode_value.h"

#define FAULTS_CAPACITY_FIRST 2

// Longer names are not repeated to whoever sent them: twenty of them could fill a large answer.
#define NAME_BYTES_SHOWN 128

void wire_fault_add(struct arena *arena, struct wire_faults *faults, struct slice pointer,
                    struct slice sentence) {
    CHECK(faults->count <= WIRE_FAULTS_MAX);
    if (faults->count == WIRE_FAULTS_MAX) {
        faults->more = true;
        return;
    }
    if (faults->count == faults->capacity) {
        uint32_t capacity = faults->capacity == 0 ? FAULTS_CAPACITY_FIRST : WIRE_FAULTS_MAX;
        struct wire_fault *items = arena_take(arena, capacity * sizeof(*items));
        if (faults->count != 0)
            memcpy(items, faults->items, faults->count * sizeof(*items));
        faults->items = items;
        faults->capacity = capacity;
    }
    faults->items[faults->count++] = (struct wire_fault){pointer, sentence};
}

struct slice fault_pointer(struct arena *arena, struct slice parent, struct slice name) {
    uint8_t *text = arena_take(arena, parent.size + 1 + 2 * name.size);
    size_t size = parent.size;
    if (parent.size != 0)
        memcpy(text, parent.bytes, parent.size);
    text[size++] = '/';
    for (size_t i = 0; i < name.size; i++) {
        bool is_special = name.bytes[i] == '~' || name.bytes[i] == '/';
        text[size++] = is_special ? '~' : name.bytes[i];
        if (is_special)
            text[size++] = name.bytes[i] == '~' ? '0' : '1';
    }
    return slice_of(text, size);
}

void fault_of_field(struct arena *arena, struct wire_faults *faults, const struct field *field,
                    struct slice sentence) {
    fault_of_name(arena, faults, slice_of(field->name, field->name_size), sentence);
}

void fault_of_name(struct arena *arena, struct wire_faults *faults, struct slice name,
                   struct slice sentence) {
    if (name.size > NAME_BYTES_SHOWN)
        wire_fault_add(arena, faults, SLICE(""), SLICE("has a field with a very long name"));
    else
        wire_fault_add(arena, faults, fault_pointer(arena, SLICE(""), name), sentence);
}

void fault_of_unknown(struct arena *arena, struct wire_faults *faults, struct slice name,
                      const char *what, const struct field *const *known, uint32_t known_count) {
    struct buffer buffer = {0};
    buffer_add_format(&buffer, "is not a %s of this operation", what);
    buffer_add_text(&buffer, known_count != 0 ? "; it has " : ", which has none");
    for (uint32_t i = 0; i < known_count; i++) {
        buffer_add_text(&buffer, i == 0 ? "" : i + 1 == known_count ? " and " : ", ");
        buffer_add(&buffer, known[i]->name, known[i]->name_size);
    }
    fault_of_name(arena, faults, name, arena_copy(arena, buffer_slice(&buffer)));
    buffer_done(&buffer);
}

static void expect_words(struct buffer *buffer, const char *const *words, bool open) {
    BUFFER_ADD(buffer, "must be ");
    for (size_t i = 0; words[i] != NULL; i++) {
        if (i != 0)
            buffer_add_text(buffer, words[i + 1] == NULL && !open ? " or " : ", ");
        buffer_add_text(buffer, words[i]);
    }
    if (open)
        BUFFER_ADD(buffer, " or a role of the configuration");
}

static void expect_id(struct buffer *buffer, enum id_type type) {
    buffer_add_format(buffer, "must be the id of %s: %s_ and 26 digits of base32",
                      operation_thing(type), id_prefix(type));
}

static void expect_number(struct buffer *buffer, const struct field *field) {
    if (field->kind == FIELD_OPERATIONS)
        BUFFER_ADD(buffer, "must be an array of operations, from ");
    else
        BUFFER_ADD(buffer, "must be an integer from ");
    buffer_add_i64(buffer, field->minimum);
    BUFFER_ADD(buffer, " to ");
    buffer_add_i64(buffer, field->maximum);
}

static const char *expect_constant(enum field_kind kind) {
    switch (kind) {
    case FIELD_TEXT: return "must be a text of 1 to 255 characters without control characters";
    case FIELD_PLAIN: return "must be a text of 1 to 64 printable characters of ASCII";
    case FIELD_CURRENCY: return "must be a code of ISO 4217 or of the configuration, such as USD";
    case FIELD_METADATA:
        return "must be an object of at most 32 texts: names of up to 64 bytes, values of up to "
               "512, without control characters";
    case FIELD_BOOL: return "must be true or false";
    case FIELD_TIME: return "must be a date or time from 1970 on, such as 2026-01-31T12:00:00Z";
    case FIELD_ANY_ID: return "must be an id, such as wallet_01h455vb4pex5vsknk084sn02q";
    case FIELD_CURSOR: return WIRE_CURSOR_EXPECTED;
    default: UNREACHABLE("a field whose expectation is not constant");
    }
}

struct slice fault_expectation(struct arena *arena, const struct field *field) {
    struct buffer buffer = {0};
    if (field->kind == FIELD_WORD)
        expect_words(&buffer, field->words, field->open);
    else if (field->kind == FIELD_ID)
        expect_id(&buffer, field->id_type);
    else if (field->kind == FIELD_INTEGER || field->kind == FIELD_OPERATIONS)
        expect_number(&buffer, field);
    else
        return slice_of_text(expect_constant(field->kind));
    struct slice sentence = arena_copy(arena, buffer_slice(&buffer));
    buffer_done(&buffer);
    return sentence;
}
