// SPDX-License-Identifier: MIT
// Schemas come from two places: what is taken from the fields of the operations table, what is
// answered from the lists of objects.c.
#include "wire/openapi_schemas.h"

#include "base/json.h"
#include "wire/objects.h"

static void write_text(struct buffer *buffer, const char *text) {
    json_write_text(buffer, slice_of_text(text));
}

const char *openapi_id_type(enum id_type type) {
    static const char *const names[ID_TYPE_COUNT] = {
        [ID_WALLET] = "WalletId",         [ID_TRANSACTION] = "TransactionId",
        [ID_HOLD] = "HoldId",             [ID_WITHDRAWAL] = "WithdrawalId",
        [ID_KEY] = "KeyId",               [ID_APPROVAL] = "ApprovalId",
        [ID_ANOMALY] = "AnomalyId",
    };
    CHECK((unsigned)type < ID_TYPE_COUNT);
    return names[type];
}

void openapi_write_reference(struct buffer *buffer, const char *name) {
    BUFFER_ADD(buffer, "{\"$ref\":\"#/components/schemas/");
    buffer_add_text(buffer, name);
    BUFFER_ADD(buffer, "\"}");
}

// The name of a request's schema: its operation's name with a capital.
static void write_request_name(struct buffer *buffer, const struct operation *operation) {
    char capital = (char)(operation->name[0] - 'a' + 'A');
    buffer_add(buffer, &capital, 1);
    buffer_add_text(buffer, operation->name + 1);
    BUFFER_ADD(buffer, "Request");
}

void openapi_write_request_reference(struct buffer *buffer, const struct operation *operation) {
    BUFFER_ADD(buffer, "{\"$ref\":\"#/components/schemas/");
    write_request_name(buffer, operation);
    BUFFER_ADD(buffer, "\"}");
}

static void write_integer(struct buffer *buffer, const struct field *field) {
    BUFFER_ADD(buffer, "{\"type\":\"integer\",\"minimum\":");
    buffer_add_i64(buffer, field->minimum);
    BUFFER_ADD(buffer, ",\"maximum\":");
    buffer_add_i64(buffer, field->maximum);
    if (field->has_standard) {
        BUFFER_ADD(buffer, ",\"default\":");
        buffer_add_i64(buffer, field->standard);
    }
    BUFFER_ADD(buffer, "}");
}

static void write_words(struct buffer *buffer, const struct field *field) {
    if (field->open) {
        openapi_write_reference(buffer, "KnownRole");
        return;
    }
    BUFFER_ADD(buffer, "{\"type\":\"string\",\"enum\":[");
    for (int i = 0; field->words[i] != NULL; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        write_text(buffer, field->words[i]);
    }
    BUFFER_ADD(buffer, "]");
    if (field->has_standard) {
        BUFFER_ADD(buffer, ",\"default\":");
        write_text(buffer, field->words[field->standard - field->word_base]);
    }
    BUFFER_ADD(buffer, "}");
}

void openapi_write_field(struct buffer *buffer, const struct field *field) {
    switch ((enum field_kind)field->kind) {
    case FIELD_ID: openapi_write_reference(buffer, openapi_id_type(field->id_type)); return;
    case FIELD_TEXT: openapi_write_reference(buffer, "Text"); return;
    case FIELD_PLAIN:
        buffer_add_format(buffer, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":%d,"
                                  "\"pattern\":\"^[ -~]+$\"}",
                          LIMIT_REQUEST_ID_BYTES_MAX);
        return;
    case FIELD_INTEGER: write_integer(buffer, field); return;
    case FIELD_CURRENCY: openapi_write_reference(buffer, "KnownCurrency"); return;
    case FIELD_WORD: write_words(buffer, field); return;
    case FIELD_METADATA: openapi_write_reference(buffer, "Metadata"); return;
    case FIELD_BOOL:
        BUFFER_ADD(buffer, "{\"type\":\"boolean\",\"default\":");
        buffer_add_text(buffer, field->standard != 0 ? "true}" : "false}");
        return;
    case FIELD_TIME:
        BUFFER_ADD(buffer, "{\"type\":\"string\",\"pattern\":\"^(19[7-9]|[2-9][0-9]{2})[0-9]-\","
                           "\"anyOf\":[{\"format\":\"date-time\"},{\"format\":\"date\"}]}");
        return;
    case FIELD_ANY_ID: openapi_write_reference(buffer, "AnyId"); return;
    case FIELD_CURSOR: openapi_write_reference(buffer, "Cursor"); return;
    case FIELD_OPERATIONS:
        buffer_add_format(buffer, "{\"type\":\"array\",\"minItems\":%d,\"maxItems\":%d,\"items\":",
                          (int)field->minimum, (int)field->maximum);
        openapi_write_reference(buffer, "Operation");
        BUFFER_ADD(buffer, "}");
        return;
    }
    UNREACHABLE("a field of no kind");
}

// A property with its description beside what its schema says.
static void write_property(struct buffer *buffer, const struct field *field) {
    write_text(buffer, field->name);
    BUFFER_ADD(buffer, ":");
    openapi_write_field(buffer, field);
    CHECK(buffer->bytes[buffer->size - 1] == '}');
    buffer->size--;
    BUFFER_ADD(buffer, ",\"description\":");
    write_text(buffer, field->sentence);
    BUFFER_ADD(buffer, "}");
}

static void write_required(struct buffer *buffer, const char *separator, const char *name) {
    buffer_add_text(buffer, separator);
    write_text(buffer, name);
}

// Roles that are bound to an owner cannot go without one.
static void write_bound_rule(struct buffer *buffer, const struct field *role,
                             const struct wire_roles *roles) {
    const char *separator = "";
    BUFFER_ADD(buffer, ",\"anyOf\":[{\"required\":[\"owner\"]},"
                       "{\"properties\":{\"role\":{\"enum\":[");
    for (int word = 0; role->words[word] != NULL; word++) {
        if ((roles->bound & UINT64_C(1) << (role->word_base + word)) != 0)
            continue;
        buffer_add_text(buffer, separator);
        write_text(buffer, role->words[word]);
        separator = ",";
    }
    for (uint32_t i = 0; i < roles->custom_count; i++) {
        if ((roles->bound & UINT64_C(1) << roles->customs[i].number) != 0)
            continue;
        buffer_add_text(buffer, separator);
        json_write_text(buffer, roles->customs[i].name);
        separator = ",";
    }
    BUFFER_ADD(buffer, "]}}}]");
}

// The body of an operation; in a batch with `type`, a key and the path's id besides.
static void write_request(struct buffer *buffer, const struct operation *operation,
                          const struct wire_roles *roles, bool in_batch) {
    const struct field *id =
        in_batch && operation->batch_id != NULL ? operation_batch_id_field(operation) : NULL;
    const char *separator = "";
    BUFFER_ADD(buffer, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    if (in_batch) {
        buffer_add_format(buffer, "\"type\":{\"const\":\"%s\"},\"idempotency_key\":",
                          operation->batch_type);
        openapi_write_reference(buffer, "Text");
        separator = ",";
    }
    if (id != NULL) {
        buffer_add_text(buffer, separator);
        write_property(buffer, id);
    }
    for (uint32_t i = 0; i < operation->body_count; i++, separator = ",") {
        buffer_add_text(buffer, separator);
        write_property(buffer, operation->body[i]);
    }
    BUFFER_ADD(buffer, "},\"required\":[");
    separator = "";
    if (in_batch) {
        write_required(buffer, "", "type");
        separator = ",";
    }
    if (id != NULL)
        write_required(buffer, separator, id->name);
    for (uint32_t i = 0; i < operation->body_count; i++) {
        if (!operation->body[i]->required)
            continue;
        write_required(buffer, separator, operation->body[i]->name);
        separator = ",";
    }
    BUFFER_ADD(buffer, "]");
    for (uint32_t i = 0; i < operation->body_count; i++)
        if (operation->body[i]->open)
            write_bound_rule(buffer, operation->body[i], roles);
    BUFFER_ADD(buffer, "}");
}

static void write_requests(struct buffer *buffer, const struct wire_roles *roles) {
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at(code);
        if (operation->body_count != 0) {
            BUFFER_ADD(buffer, ",\"");
            write_request_name(buffer, operation);
            BUFFER_ADD(buffer, "\":");
            write_request(buffer, operation, roles, false);
        }
        if (operation->batch_type != NULL) {
            buffer_add_format(buffer, ",\"Operation_%s\":", operation->batch_type);
            write_request(buffer, operation, roles, true);
        }
    }
    BUFFER_ADD(buffer, ",\"Operation\":{\"oneOf\":[");
    const char *separator = "";
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at(code);
        if (operation->batch_type == NULL)
            continue;
        buffer_add_format(buffer, "%s{\"$ref\":\"#/components/schemas/Operation_%s\"}", separator,
                          operation->batch_type);
        separator = ",";
    }
    BUFFER_ADD(buffer, "]}");
}

static void write_member(struct buffer *buffer, const struct object_member *member) {
    bool is_array = strncmp(member->type, "[]", 2) == 0;
    write_text(buffer, member->name);
    buffer_add_text(buffer, is_array ? ":{\"type\":\"array\",\"items\":" : ":");
    openapi_write_reference(buffer, is_array ? member->type + 2 : member->type);
    if (!is_array)
        buffer->size--; // a description goes in front of the brace
    if (member->sentence[0] != 0) {
        BUFFER_ADD(buffer, ",\"description\":");
        write_text(buffer, member->sentence);
    }
    BUFFER_ADD(buffer, "}");
}

static void write_object(struct buffer *buffer, const struct object *object) {
    write_text(buffer, object->name);
    BUFFER_ADD(buffer, ":{\"type\":\"object\",\"description\":");
    write_text(buffer, object->sentence);
    BUFFER_ADD(buffer, ",\"properties\":{");
    for (uint32_t i = 0; i < object->member_count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        write_member(buffer, &object->members[i]);
    }
    BUFFER_ADD(buffer, "},\"required\":[");
    const char *separator = "";
    for (uint32_t i = 0; i < object->member_count; i++) {
        if (object->members[i].optional)
            continue;
        write_required(buffer, separator, object->members[i].name);
        separator = ",";
    }
    BUFFER_ADD(buffer, "]}");
}

static void write_known_currencies(struct buffer *buffer,
                                   const struct wire_currencies *currencies) {
    struct currency currency;
    const char *separator = "";
    BUFFER_ADD(buffer, ",\"KnownCurrency\":{\"type\":\"string\",\"enum\":[");
    for (uint32_t i = 0; currency_iso_at(i, &currency); i++, separator = ",") {
        buffer_add_text(buffer, separator);
        json_write_text(buffer, currency_code(&currency));
    }
    for (uint32_t i = 0; i < currencies->custom_count; i++, separator = ",") {
        buffer_add_text(buffer, separator);
        json_write_text(buffer, currency_code(&currencies->customs[i]));
    }
    BUFFER_ADD(buffer, "]}");
}

// `open` fields have the words of the house and names of the configuration.
static void write_known_roles(struct buffer *buffer, const struct wire_roles *roles) {
    const char *separator = "";
    BUFFER_ADD(buffer, ",\"KnownRole\":{\"type\":\"string\",\"enum\":[");
    const struct operation *creation = operation_at(OPERATION_KEY_CREATE);
    for (uint32_t i = 0; i < creation->body_count; i++) {
        const struct field *field = creation->body[i];
        for (int word = 0; field->open && field->words[word] != NULL; word++, separator = ",") {
            buffer_add_text(buffer, separator);
            write_text(buffer, field->words[word]);
        }
    }
    for (uint32_t i = 0; i < roles->custom_count; i++, separator = ",") {
        buffer_add_text(buffer, separator);
        json_write_text(buffer, roles->customs[i].name);
    }
    BUFFER_ADD(buffer, "]}");
}

static void write_schemas(struct buffer *buffer, const struct wire_currencies *currencies,
                          const struct wire_roles *roles) {
    uint32_t type_count, object_count;
    const struct object_type *types = object_types(&type_count);
    const struct object *all = objects(&object_count);
    for (uint32_t i = 0; i < type_count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        write_text(buffer, types[i].name);
        BUFFER_ADD(buffer, ":");
        buffer_add_text(buffer, types[i].json);
    }
    for (uint32_t i = 0; i < object_count; i++) {
        BUFFER_ADD(buffer, ",");
        write_object(buffer, &all[i]);
    }
    write_known_currencies(buffer, currencies);
    write_known_roles(buffer, roles);
    write_requests(buffer, roles);
}

void openapi_write_components(struct buffer *buffer, const struct wire_currencies *currencies,
                              const struct wire_roles *roles) {
    BUFFER_ADD(buffer, "{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\","
                       "\"description\":\"The secret of an API key.\"}},\"parameters\":{");
    BUFFER_ADD(buffer,
               "\"IdempotencyKey\":{\"name\":\"Idempotency-Key\",\"in\":\"header\","
               "\"description\":\"The same key with the same request returns the first answer. "
               "Kept at least 7 days.\",\"schema\":{\"type\":\"string\",\"minLength\":1,"
               "\"maxLength\":255,\"pattern\":\"^[!-~]([ -~]*[!-~])?$\"}},");
    BUFFER_ADD(buffer,
               "\"IfMatch\":{\"name\":\"If-Match\",\"in\":\"header\",\"description\":"
               "\"One version of the wallet that is changed or pays (of a deposit: receives), in "
               "quotes.\",\"example\":\"\\\"7\\\"\",\"schema\":{\"type\":\"string\","
               "\"pattern\":\"^\\\"(0|[1-9][0-9]{0,17})\\\"$\"}},"
               "\"FlorinPosition\":{\"name\":\"Florin-Position\",\"in\":\"header\",\"description\":"
               "\"What came with the answer to a write; the answer is no older than that.\","
               "\"example\":\"1-1\",\"schema\":{\"type\":\"string\","
               "\"pattern\":\"^[1-9a-f][0-9a-f]{0,15}-[0-9a-f]{1,16}$\"}},"
               "\"CacheControl\":{\"name\":\"Cache-Control\",\"in\":\"header\",\"description\":"
               "\"`max-age=N` allows an answer that is N seconds old.\","
               "\"schema\":{\"type\":\"string\"}}");
    BUFFER_ADD(buffer,
               "},\"headers\":{\"ETag\":{\"description\":\"The wallet's version in quotes.\","
               "\"schema\":{\"type\":\"string\"}},\"IdempotentReplayed\":{\"description\":"
               "\"Stands on an answer that was given before.\",\"schema\":{\"const\":\"true\"}},"
               "\"FlorinPosition\":{\"description\":\"Opaque; sent with a read it sees at least "
               "this write. Missing where every read does.\",\"schema\":{\"type\":\"string\"}},"
               "\"RetryAfter\":{\"description\":\"Seconds.\",\"schema\":{\"type\":\"integer\"}},"
               "\"RateLimit\":{\"description\":\"Per limit: `r` requests left now, `t` seconds "
               "until all are there again.\",\"schema\":{\"type\":\"string\"}},"
               "\"RateLimitPolicy\":{\"description\":\"Per limit: `q` requests at once, `w` "
               "seconds in which they come back. Also on all other answers of whoever is "
               "limited.\",\"schema\":{\"type\":\"string\"}}},"
               "\"schemas\":{");
    write_schemas(buffer, currencies, roles);
    BUFFER_ADD(buffer, "}}");
}
