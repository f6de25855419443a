// SPDX-License-Identifier: MIT
// The document is written from front to back into one buffer. Every list is a loop over a table, so
// nothing that the API takes or answers is written down here a second time.
#include "wire/openapi.h"

#include "base/json.h"
#include "wire/objects.h"
#include "wire/openapi_schemas.h"
#include "wire/operations.h"

#define DESCRIPTION                                                                         \
    "Wallets on a double-entry ledger. Amounts are integers in the currency's minor unit. " \
    "Writes take an Idempotency-Key: the same key with the same request returns the first "  \
    "answer. Refusals are RFC 9457 problems with a stable `code`."

static void write_text(struct buffer *buffer, const char *text) {
    json_write_text(buffer, slice_of_text(text));
}

// ---- parameters ----

static void write_path_id(struct buffer *buffer, const struct operation *operation) {
    const char *type = operation->id_is_token   ? "OperationId"
                       : operation->id_is_owner ? "Text"
                                                : openapi_id_type(operation->id_type);
    BUFFER_ADD(buffer, "{\"name\":");
    write_text(buffer, operation->id_is_owner ? "owner" : "id");
    BUFFER_ADD(buffer, ",\"in\":\"path\",\"required\":true,\"schema\":");
    openapi_write_reference(buffer, type);
    BUFFER_ADD(buffer, "}");
}

static void write_query_field(struct buffer *buffer, const struct field *field) {
    BUFFER_ADD(buffer, "{\"name\":");
    write_text(buffer, field->name);
    BUFFER_ADD(buffer, ",\"in\":\"query\",\"description\":");
    write_text(buffer, field->sentence);
    BUFFER_ADD(buffer, ",\"schema\":");
    if (field->kind == FIELD_CURRENCY) // books can outlive a configuration that declared one
        openapi_write_reference(buffer, "Currency");
    else
        openapi_write_field(buffer, field);
    BUFFER_ADD(buffer, "}");
}

static void write_parameters(struct buffer *buffer, const struct operation *operation) {
    const char *separator = "";
    BUFFER_ADD(buffer, ",\"parameters\":[");
    if (operation->has_id) {
        write_path_id(buffer, operation);
        separator = ",";
    }
    for (uint32_t i = 0; i < operation->query_count; i++, separator = ",") {
        buffer_add_text(buffer, separator);
        write_query_field(buffer, operation->query[i]);
    }
    if (operation->is_write) {
        buffer_add_text(buffer, separator);
        BUFFER_ADD(buffer, "{\"$ref\":\"#/components/parameters/IdempotencyKey\"}");
        separator = ",";
    }
    if (!operation->is_write && !operation->is_public && operation->answer != ANSWER_INTEGRITY &&
        operation->answer != ANSWER_PROOF && operation->answer != ANSWER_QUEUE &&
        operation->answer != ANSWER_LETTERS && operation->answer != ANSWER_WEBHOOKS) {
        buffer_add_text(buffer, separator);
        BUFFER_ADD(buffer, "{\"$ref\":\"#/components/parameters/FlorinPosition\"},"
                           "{\"$ref\":\"#/components/parameters/CacheControl\"}");
        separator = ",";
    }
    if (operation->takes_if_match) {
        buffer_add_text(buffer, separator);
        BUFFER_ADD(buffer, "{\"$ref\":\"#/components/parameters/IfMatch\"}");
    }
    BUFFER_ADD(buffer, "]");
}

static bool body_is_required(const struct operation *operation) {
    for (uint32_t i = 0; i < operation->body_count; i++)
        if (operation->body[i]->required)
            return true;
    return false;
}

static void write_body(struct buffer *buffer, const struct operation *operation) {
    if (operation->body_count == 0)
        return;
    BUFFER_ADD(buffer, ",\"requestBody\":{\"required\":");
    buffer_add_text(buffer, body_is_required(operation) ? "true" : "false");
    BUFFER_ADD(buffer, ",\"content\":{\"application/json\":{\"schema\":");
    openapi_write_request_reference(buffer, operation);
    BUFFER_ADD(buffer, "}}}");
}

// ---- responses ----

static void write_success(struct buffer *buffer, const struct operation *operation) {
    const struct object *object = object_of_answer(operation->answer);
    BUFFER_ADD(buffer, "\"");
    buffer_add_u64(buffer, operation->http);
    BUFFER_ADD(buffer, "\":{\"description\":");
    if (object != NULL)
        write_text(buffer, object->sentence);
    else
        write_text(buffer, operation->answer == ANSWER_NOTHING ? "Done." : "The document.");
    if (operation->is_write) {
        BUFFER_ADD(buffer, ",\"headers\":{\"Idempotent-Replayed\":"
                           "{\"$ref\":\"#/components/headers/IdempotentReplayed\"},"
                           "\"Florin-Position\":"
                           "{\"$ref\":\"#/components/headers/FlorinPosition\"}");
        if (operation->answer == ANSWER_WALLET)
            BUFFER_ADD(buffer, ",\"ETag\":{\"$ref\":\"#/components/headers/ETag\"}");
        BUFFER_ADD(buffer, "}");
    } else if (operation->answer == ANSWER_WALLET) {
        BUFFER_ADD(buffer, ",\"headers\":{\"ETag\":{\"$ref\":\"#/components/headers/ETag\"}}");
    }
    if (object != NULL) {
        BUFFER_ADD(buffer, ",\"content\":{\"application/json\":{\"schema\":");
        openapi_write_reference(buffer, object->name);
        BUFFER_ADD(buffer, "}}");
    } else if (operation->answer == ANSWER_METRICS) {
        BUFFER_ADD(buffer, ",\"content\":{\"text/plain\":{\"schema\":{\"type\":\"string\"}}}");
    } else if (operation->answer == ANSWER_OPENAPI) {
        BUFFER_ADD(buffer,
                   ",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}");
    }
    BUFFER_ADD(buffer, "}");
}

// What goes through the queue may be answered before it is done.
static void write_accepted(struct buffer *buffer, const struct operation *operation) {
    if (operation->answer == ANSWER_BATCH) {
        BUFFER_ADD(buffer, ",\"202\":{\"description\":\"Queued (Prefer: respond-async), but for "
                           "what was refused; each result says where its outcome will be.\","
                           "\"content\":{\"application/json\":{\"schema\":");
        BUFFER_ADD(buffer, "{\"anyOf\":[");
        openapi_write_reference(buffer, "Batch");
        BUFFER_ADD(buffer, ",");
        openapi_write_reference(buffer, "QueuedOperation");
        BUFFER_ADD(buffer, "]}}}}");
        return;
    }
    if (operation->batch_type == NULL && operation->queue_type == NULL)
        return;
    BUFFER_ADD(buffer, ",\"202\":{\"description\":\"Queued (Prefer: respond-async); Location is "
                       "where its outcome will be.");
    if (operation->may_wait)
        BUFFER_ADD(buffer, " Or it waits for somebody else's approval, or is held for review.");
    BUFFER_ADD(buffer, "\",\"content\":{\"application/json\":{\"schema\":");
    if (operation->may_wait)
        BUFFER_ADD(buffer, "{\"anyOf\":[");
    openapi_write_reference(buffer, "QueuedOperation");
    if (operation->may_wait) {
        BUFFER_ADD(buffer, ",");
        openapi_write_reference(buffer, "Approval");
        BUFFER_ADD(buffer, ",");
        openapi_write_reference(buffer, "Anomaly");
        BUFFER_ADD(buffer, "]}");
    }
    BUFFER_ADD(buffer, "}}}");
}

// All statuses of one HTTP code share a response; its description tells them apart.
static void write_refusals_of(struct buffer *buffer, status_set statuses, int http) {
    struct buffer description = {0};
    for (int status = 0; status < STATUS_COUNT; status++) {
        if ((statuses & STATUS_BIT(status)) == 0 || status_http((enum status)status) != http)
            continue;
        if (description.size != 0)
            BUFFER_ADD(&description, " ");
        buffer_add_format(&description, "`%s`: %s", status_name((enum status)status),
                          status_sentence((enum status)status));
    }
    if (description.size != 0) {
        buffer_add_format(buffer, ",\"%d\":{\"description\":", http);
        json_write_text(buffer, buffer_slice(&description));
        if (http == 429)
            BUFFER_ADD(buffer, ",\"headers\":{\"Retry-After\":"
                               "{\"$ref\":\"#/components/headers/RetryAfter\"},\"RateLimit\":"
                               "{\"$ref\":\"#/components/headers/RateLimit\"},"
                               "\"RateLimit-Policy\":"
                               "{\"$ref\":\"#/components/headers/RateLimitPolicy\"}}");
        else if (http == 503)
            BUFFER_ADD(buffer, ",\"headers\":{\"Retry-After\":"
                               "{\"$ref\":\"#/components/headers/RetryAfter\"}}");
        BUFFER_ADD(buffer, ",\"content\":{\"application/problem+json\":{\"schema\":");
        openapi_write_reference(buffer, "Problem");
        BUFFER_ADD(buffer, "}}}");
    }
    buffer_done(&description);
}

static void write_responses(struct buffer *buffer, const struct operation *operation) {
    BUFFER_ADD(buffer, ",\"responses\":{");
    write_success(buffer, operation);
    write_accepted(buffer, operation);
    for (int http = 400; http < 600; http++)
        write_refusals_of(buffer, operation_statuses(operation), http);
    BUFFER_ADD(buffer, "}");
}

// ---- paths ----

static void write_operation(struct buffer *buffer, const struct operation *operation) {
    static const char *const methods[METHOD_COUNT] = {"get", "post", "patch", "delete"};
    BUFFER_ADD(buffer, "\"");
    buffer_add_text(buffer, methods[operation->method]);
    BUFFER_ADD(buffer, "\":{\"operationId\":");
    write_text(buffer, operation->name);
    BUFFER_ADD(buffer, ",\"tags\":[");
    write_text(buffer, operation->tag);
    BUFFER_ADD(buffer, "],\"summary\":");
    write_text(buffer, operation->summary);
    BUFFER_ADD(buffer, ",\"x-permission\":");
    write_text(buffer, operation->permission);
    if (operation->is_public)
        BUFFER_ADD(buffer, ",\"security\":[]");
    write_parameters(buffer, operation);
    write_body(buffer, operation);
    write_responses(buffer, operation);
    BUFFER_ADD(buffer, "}");
}

static bool is_first_of_path(unsigned code) {
    for (unsigned earlier = 0; earlier < code; earlier++)
        if (strcmp(operation_at(earlier)->path, operation_at(code)->path) == 0)
            return false;
    return true;
}

static void write_path(struct buffer *buffer, unsigned code) {
    const char *path = operation_at(code)->path;
    write_text(buffer, path);
    BUFFER_ADD(buffer, ":{");
    const char *separator = "";
    for (unsigned other = code; other < OPERATION_COUNT; other++) {
        if (strcmp(operation_at(other)->path, path) != 0)
            continue;
        buffer_add_text(buffer, separator);
        write_operation(buffer, operation_at(other));
        separator = ",";
    }
    BUFFER_ADD(buffer, "}");
}

static void write_tags(struct buffer *buffer) {
    const char *separator = "";
    BUFFER_ADD(buffer, ",\"tags\":[");
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        bool is_new = true;
        for (unsigned earlier = 0; earlier < code; earlier++)
            is_new = is_new && strcmp(operation_at(earlier)->tag, operation_at(code)->tag) != 0;
        if (!is_new)
            continue;
        buffer_add_text(buffer, separator);
        BUFFER_ADD(buffer, "{\"name\":");
        write_text(buffer, operation_at(code)->tag);
        BUFFER_ADD(buffer, "}");
        separator = ",";
    }
    BUFFER_ADD(buffer, "]");
}

void openapi_render(struct buffer *buffer, const char *version,
                    const struct wire_currencies *currencies, const struct wire_roles *roles) {
    BUFFER_ADD(buffer, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Florin\",\"version\":");
    write_text(buffer, version);
    BUFFER_ADD(buffer, ",\"description\":\"" DESCRIPTION "\",\"license\":{\"name\":\"MIT\","
                       "\"identifier\":\"MIT\"}},\"servers\":[{\"url\":\"/\"}],"
                       "\"security\":[{\"key\":[]}]");
    write_tags(buffer);
    BUFFER_ADD(buffer, ",\"paths\":{");
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        if (!is_first_of_path(code))
            continue;
        if (code != 0)
            BUFFER_ADD(buffer, ",");
        write_path(buffer, code);
    }
    BUFFER_ADD(buffer, "},\"components\":");
    openapi_write_components(buffer, currencies, roles);
    BUFFER_ADD(buffer, "}");
}
