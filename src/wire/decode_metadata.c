// SPDX-License-Identifier: MIT
// Metadata in: an object of texts, sorted by name so that equal objects become equal bytes.
#include "base/limits.h"
#include "ledger/metadata.h"
#include "wire/decode_value.h"
#include "wire/text.h"

#define VALUE_EXPECTATION "must be a text of 1 to 512 bytes without control characters"

struct entry {
    struct slice name;
    struct slice value;
};

static bool size_fits(struct slice text, size_t bytes_max) {
    return text.size >= 1 && text.size <= bytes_max && text_is_printable(text);
}

// Keeps `entries` sorted. False when the name is there already.
static bool entry_insert(struct entry *entries, size_t count, struct entry entry) {
    size_t at = count;
    while (at > 0) {
        int order = slice_compare(entries[at - 1].name, entry.name);
        if (order == 0)
            return false;
        if (order < 0)
            break;
        at--;
    }
    memmove(&entries[at + 1], &entries[at], (count - at) * sizeof(*entries));
    entries[at] = entry;
    return true;
}

static struct slice entries_encode(struct arena *arena, const struct entry *entries, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 3 + entries[i].name.size + entries[i].value.size;
    uint8_t *bytes = arena_take(arena, size);
    uint8_t *place = bytes;
    for (size_t i = 0; i < count; i++) {
        struct slice name = entries[i].name, value = entries[i].value;
        *place++ = (uint8_t)name.size;
        *place++ = (uint8_t)value.size;
        *place++ = (uint8_t)(value.size >> 8);
        memcpy(place, name.bytes, name.size);
        place += name.size;
        memcpy(place, value.bytes, value.size);
        place += value.size;
    }
    CHECK(place == bytes + size);
    return slice_of(bytes, size);
}

// The one entry that is wrong is named when its name can be.
static bool entry_refuse(const struct wire_context *context, const struct field *field,
                         struct wire_faults *faults, struct slice name, struct slice sentence) {
    struct slice parent = fault_pointer(context->arena, SLICE(""),
                                        slice_of(field->name, field->name_size));
    wire_fault_add(context->arena, faults, fault_pointer(context->arena, parent, name), sentence);
    return false;
}

static bool refuse(const struct wire_context *context, const struct field *field,
                   struct wire_faults *faults) {
    fault_of_field(context->arena, faults, field, fault_expectation(context->arena, field));
    return false;
}

bool decode_metadata(const struct wire_context *context, const struct field *field,
                     struct json_value value, struct slice *ret_metadata,
                     struct wire_faults *faults) {
    CHECK(field->kind == FIELD_METADATA && field->size == sizeof(struct slice));
    if (json_kind(value) != JSON_OBJECT)
        return refuse(context, field, faults);
    struct entry entries[LIMIT_METADATA_ENTRIES_MAX];
    size_t count = 0;
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value text;
    while (json_next_member(&cursor, &name, &text)) {
        if (count == LIMIT_METADATA_ENTRIES_MAX || !size_fits(name, LIMIT_METADATA_NAME_BYTES_MAX))
            return refuse(context, field, faults);
        if (json_kind(text) != JSON_TEXT ||
            !size_fits(json_text(text), LIMIT_METADATA_VALUE_BYTES_MAX))
            return entry_refuse(context, field, faults, name, SLICE(VALUE_EXPECTATION));
        if (!entry_insert(entries, count, (struct entry){name, json_text(text)}))
            return entry_refuse(context, field, faults, name, SLICE("is given twice"));
        count++;
    }
    *ret_metadata = entries_encode(context->arena, entries, count);
    CHECK_SLOW(metadata_is_valid(*ret_metadata));
    return true;
}
