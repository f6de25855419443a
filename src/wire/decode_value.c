// SPDX-License-Identifier: MIT
// One function per kind of value; each says yes and stores, or no, and then the field's expectation
// becomes the fault.
#include "wire/decode_value.h"

#include "base/clock.h"
#include "base/limits.h"
#include "wire/text.h"

#define INTEGER_DIGITS_MAX 18

static void *place_of(const struct field *field, void *target) {
    return (uint8_t *)target + field->offset;
}

static void store_integer(const struct field *field, void *target, int64_t integer) {
    void *place = place_of(field, target);
    if (field->size == sizeof(int64_t)) {
        memcpy(place, &integer, sizeof(integer));
    } else if (field->size == sizeof(uint32_t)) {
        CHECK(integer >= 0 && integer <= UINT32_MAX);
        uint32_t narrow = (uint32_t)integer;
        memcpy(place, &narrow, sizeof(narrow));
    } else {
        CHECK(field->size == 1);
        CHECK(integer >= 0 && integer <= UINT8_MAX);
        *(uint8_t *)place = (uint8_t)integer;
    }
}

static bool store_number(const struct field *field, void *target, int64_t integer) {
    if (integer < field->minimum || integer > field->maximum)
        return false;
    store_integer(field, target, integer);
    return true;
}

static bool store_text(const struct wire_context *context, const struct field *field, void *target,
                       struct slice text) {
    CHECK(field->size == sizeof(struct slice));
    if (!text_is_valid(text))
        return false;
    struct slice copy = arena_copy(context->arena, text);
    memcpy(place_of(field, target), &copy, sizeof(copy));
    return true;
}

// What is kept where records have the id of a request.
static bool store_plain(const struct wire_context *context, const struct field *field,
                        void *target, struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] > '~')
            return false;
    return text.size <= LIMIT_REQUEST_ID_BYTES_MAX && store_text(context, field, target, text);
}

static bool store_id(const struct field *field, void *target, struct slice text) {
    CHECK(field->size == sizeof(struct id));
    return operation_parse_id(field->id_type, text, place_of(field, target));
}

// In queries a zero id means that none was asked for. Asked for all the same, it becomes another
// that nobody has, so that nothing is found.
static bool store_id_of_query(const struct field *field, void *target, struct slice text,
                              enum id_type type) {
    struct id *id = place_of(field, target);
    if (!operation_parse_id(type, text, id))
        return false;
    if (id_is_zero(*id))
        id->bytes[sizeof(id->bytes) - 1] = 1;
    return true;
}

static bool store_any_id(const struct field *field, void *target, struct slice text) {
    for (int type = 0; type < ID_TYPE_COUNT; type++)
        if (store_id_of_query(field, target, text, (enum id_type)type))
            return true;
    return false;
}

static bool store_word(const struct wire_context *context, const struct field *field, void *target,
                       struct slice text) {
    for (int i = 0; field->words[i] != NULL; i++) {
        if (slice_equal(slice_of_text(field->words[i]), text)) {
            store_integer(field, target, field->word_base + i);
            return true;
        }
    }
    for (uint32_t i = 0; field->open && context->roles != NULL; i++) {
        if (i == context->roles->custom_count)
            break;
        if (slice_equal(context->roles->customs[i].name, text)) {
            store_integer(field, target, context->roles->customs[i].number);
            return true;
        }
    }
    return false;
}

static bool find_currency(const struct wire_currencies *currencies, struct slice code,
                          struct currency *ret_currency) {
    for (uint32_t i = 0; i < currencies->custom_count; i++) {
        if (slice_equal(currency_code(&currencies->customs[i]), code)) {
            *ret_currency = currencies->customs[i];
            return true;
        }
    }
    return currency_iso_find(code, ret_currency);
}

static bool store_currency(const struct wire_context *context, const struct field *field,
                           void *target, struct slice code) {
    CHECK(field->size == sizeof(struct currency));
    return find_currency(context->currencies, code, place_of(field, target));
}

// Lists may be asked for any code, because books can outlive a configuration that declared one.
static bool store_currency_of_query(const struct field *field, void *target, struct slice code) {
    CHECK(field->size == sizeof(struct currency));
    struct currency currency = {.code = {0}};
    if (!currency_code_is_valid(code))
        return false;
    CHECK(code.size <= sizeof(currency.code));
    memcpy(currency.code, code.bytes, code.size);
    memcpy(place_of(field, target), &currency, sizeof(currency));
    return true;
}

static bool store_value(const struct wire_context *context, const struct field *field,
                        struct json_value value, void *target) {
    enum json_kind kind = json_kind(value);
    if (field->kind == FIELD_INTEGER) {
        int64_t integer;
        return kind == JSON_INTEGER && json_integer(value, &integer) &&
               store_number(field, target, integer);
    }
    if (field->kind == FIELD_BOOL) {
        if (kind != JSON_BOOL)
            return false;
        store_integer(field, target, json_bool(value) != field->inverted);
        return true;
    }
    if (kind != JSON_TEXT)
        return false;
    struct slice text = json_text(value);
    switch ((enum field_kind)field->kind) {
    case FIELD_ID: return store_id(field, target, text);
    case FIELD_TEXT: return store_text(context, field, target, text);
    case FIELD_PLAIN: return store_plain(context, field, target, text);
    case FIELD_WORD: return store_word(context, field, target, text);
    case FIELD_CURRENCY: return store_currency(context, field, target, text);
    default: UNREACHABLE("a kind of field that bodies do not have");
    }
}

static void mark_given(const struct field *field, void *target) {
    if (field->flag != FIELD_NO_FLAG)
        *((bool *)target + field->flag) = true;
}

bool decode_value(const struct wire_context *context, const struct field *field,
                  struct json_value value, void *target, struct wire_faults *faults) {
    if (field->kind == FIELD_METADATA) {
        struct slice metadata;
        if (!decode_metadata(context, field, value, &metadata, faults))
            return false;
        memcpy(place_of(field, target), &metadata, sizeof(metadata));
    } else if (!store_value(context, field, value, target)) {
        fault_of_field(context->arena, faults, field, fault_expectation(context->arena, field));
        return false;
    }
    mark_given(field, target);
    return true;
}

void decode_standard(const struct field *field, void *target) {
    if (!field->has_standard)
        return;
    if (field->kind == FIELD_BOOL)
        store_integer(field, target, (field->standard != 0) != field->inverted);
    else
        store_integer(field, target, field->standard);
}

// ---- queries ----

static bool parse_integer(struct slice text, int64_t *ret_integer) {
    if (text.size == 0 || text.size > INTEGER_DIGITS_MAX)
        return false;
    int64_t integer = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
        integer = integer * 10 + (text.bytes[i] - '0');
    }
    *ret_integer = integer;
    return true;
}

static bool store_time(const struct field *field, void *target, struct slice text) {
    CHECK(field->size == sizeof(uint64_t));
    uint8_t room[64];
    if (text.size > sizeof(room))
        return false;
    for (size_t i = 0; i < text.size; i++)
        room[i] = text.bytes[i] == ' ' ? '+' : text.bytes[i];
    return clock_parse(slice_of(room, text.size), place_of(field, target));
}

static bool store_cursor(const struct wire_context *context, const struct field *field,
                         void *target, struct slice text) {
    struct wire_cursor cursor;
    CHECK(field->size == sizeof(cursor));
    if (!wire_cursor_parse(context->seal, text, &cursor))
        return false;
    memcpy(place_of(field, target), &cursor, sizeof(cursor));
    return true;
}

static bool store_parameter(const struct wire_context *context, const struct field *field,
                            struct slice text, void *target) {
    int64_t integer;
    switch ((enum field_kind)field->kind) {
    case FIELD_INTEGER:
        return parse_integer(text, &integer) && store_number(field, target, integer);
    case FIELD_ID: return store_id_of_query(field, target, text, field->id_type);
    case FIELD_TEXT: return store_text(context, field, target, text);
    case FIELD_WORD: return store_word(context, field, target, text);
    case FIELD_CURRENCY: return store_currency_of_query(field, target, text);
    case FIELD_TIME: return store_time(field, target, text);
    case FIELD_ANY_ID: return store_any_id(field, target, text);
    case FIELD_CURSOR: return store_cursor(context, field, target, text);
    default: UNREACHABLE("a kind of field that queries do not have");
    }
}

bool decode_parameter(const struct wire_context *context, const struct field *field,
                      struct slice text, void *target, struct wire_faults *faults) {
    if (!store_parameter(context, field, text, target)) {
        fault_of_field(context->arena, faults, field, fault_expectation(context->arena, field));
        return false;
    }
    mark_given(field, target);
    return true;
}
