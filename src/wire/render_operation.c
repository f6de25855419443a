// SPDX-License-Identifier: MIT
// What GET /v1/operations/{id} shows: where a queued command is, and what became of it.
#include "wire/render.h"

#include "wire/problem.h"

static void render_head(struct buffer *buffer, struct slice id, const char *state) {
    buffer_add_format(buffer, "{\"id\":\"%.*s\",\"status\":\"%s\"", (int)id.size,
                      (const char *)id.bytes, state);
}

void wire_render_operation_queued(struct buffer *buffer, struct slice id) {
    render_head(buffer, id, "queued");
    BUFFER_ADD(buffer, "}");
}

void wire_batch_result_queued(struct buffer *buffer, struct slice id) {
    render_head(buffer, id, "queued");
    buffer_add_format(buffer, ",\"location\":\"/v1/operations/%.*s\"}", (int)id.size,
                      (const char *)id.bytes);
}

static void render_problem(struct buffer *buffer, const struct refusal *refusal,
                           uint32_t operation) {
    enum status_class class = status_class((enum status)refusal->status);
    // Refusals of the door carry no numbers.
    if (class == STATUS_CLASS_DENIED || refusal->status == STATUS_invalid_request ||
        refusal->status == STATUS_idempotency_key_reused ||
        (refusal->status == STATUS_not_found && id_is_zero(refusal->id)))
        problem_render_door(buffer, (enum status)refusal->status, NULL, operation);
    else
        problem_render(buffer, refusal, operation);
}

void wire_render_operation_refused(struct buffer *buffer, struct slice id,
                                   const struct refusal *refusal, uint32_t operation) {
    render_head(buffer, id, "refused");
    BUFFER_ADD(buffer, ",\"problem\":");
    render_problem(buffer, refusal, operation);
    BUFFER_ADD(buffer, "}");
}

void wire_render_operation_batch(struct buffer *buffer, struct slice id) {
    render_head(buffer, id, "done");
    BUFFER_ADD(buffer, ",\"type\":\"batch\",\"result\":");
    wire_batch_begin(buffer);
}

void wire_render_operation_batch_end(struct buffer *buffer) {
    wire_batch_end(buffer);
    BUFFER_ADD(buffer, "}");
}

enum status wire_render_operation_done(struct buffer *buffer, struct slice id,
                                       enum command_type type, const struct wire_found *found) {
    size_t before = buffer->size;
    int http;
    render_head(buffer, id, "done");
    buffer_add_format(buffer, ",\"type\":\"%s\",\"result\":", command_type_name(type));
    enum status status = wire_render_command(buffer, type, found, &http);
    if (status != STATUS_ok) {
        buffer->size = before;
        return status;
    }
    BUFFER_ADD(buffer, "}");
    return STATUS_ok;
}
