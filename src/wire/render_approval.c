// SPDX-License-Identifier: MIT
// A command that waits for a second person, and what became of it. What was asked is told by the
// same fields that it was read by, so whoever decides sees all of it.
#include "ledger/parked.h"
#include "wire/operations.h"
#include "wire/problem.h"
#include "wire/render.h"
#include "wire/render_parts.h"

#define OBJECT_BYTES 1024

static int64_t integer_at(const struct field *field, const uint8_t *place) {
    int64_t wide;
    uint32_t narrow;
    switch (field->size) {
    case sizeof(wide): memcpy(&wide, place, sizeof(wide)); return wide;
    case sizeof(narrow): memcpy(&narrow, place, sizeof(narrow)); return narrow;
    default: CHECK(field->size == 1); return *place;
    }
}

static void render_text_of(struct buffer *buffer, const uint8_t *place) {
    struct slice text;
    memcpy(&text, place, sizeof(text));
    json_write_text(buffer, text);
}

static bool is_given(const struct field *field, const struct command *command) {
    const uint8_t *place = (const uint8_t *)command + field->offset;
    if (field->flag != FIELD_NO_FLAG)
        return *((const bool *)command + field->flag);
    switch ((enum field_kind)field->kind) {
    case FIELD_TEXT:
    case FIELD_METADATA: {
        struct slice text;
        memcpy(&text, place, sizeof(text));
        return text.size != 0;
    }
    case FIELD_CURRENCY: return *place != 0;
    default: return true;
    }
}

static void render_field(struct buffer *buffer, const struct field *field,
                         const struct command *command) {
    const uint8_t *place = (const uint8_t *)command + field->offset;
    struct id id;
    switch ((enum field_kind)field->kind) {
    case FIELD_ID:
        memcpy(&id, place, sizeof(id));
        render_id(buffer, field->id_type, id);
        return;
    case FIELD_TEXT: render_text_of(buffer, place); return;
    case FIELD_INTEGER: buffer_add_i64(buffer, integer_at(field, place)); return;
    case FIELD_CURRENCY: render_code(buffer, (const struct currency *)(const void *)place); return;
    case FIELD_WORD: render_word(buffer, field->words[*place - field->word_base]); return;
    case FIELD_BOOL:
        buffer_add_text(buffer, (*place != 0) != field->inverted ? "true" : "false");
        return;
    default: UNREACHABLE("a field that no command that can wait has");
    }
}

void wire_render_request(struct buffer *buffer, const struct command *command) {
    const struct operation *operation = operation_of_command((enum command_type)command->type);
    const char *separator = "";
    CHECK(operation != NULL);
    BUFFER_ADD(buffer, ",\"operation\":");
    render_word(buffer, command_type_name((enum command_type)command->type));
    BUFFER_ADD(buffer, ",\"request\":{");
    for (uint32_t i = 0; i < operation->body_count; i++) {
        const struct field *field = operation->body[i];
        if (!is_given(field, command))
            continue;
        if (field->kind == FIELD_METADATA) { // brings its own comma and name
            struct slice metadata;
            memcpy(&metadata, (const uint8_t *)command + field->offset, sizeof(metadata));
            render_metadata(buffer, metadata);
            continue;
        }
        buffer_add_text(buffer, separator);
        BUFFER_ADD(buffer, "\"");
        buffer_add(buffer, field->name, field->name_size);
        BUFFER_ADD(buffer, "\":");
        render_field(buffer, field, command);
        separator = ",";
    }
    BUFFER_ADD(buffer, "}");
}

static void render_decision(struct buffer *buffer, const struct record *record) {
    const struct parked_facts *facts = &record->parked;
    RENDER_TEXT(buffer, ",\"decided_by\":", record->origin.principal);
    BUFFER_ADD(buffer, ",\"decided_at\":");
    render_time(buffer, record->time_ms);
    RENDER_TEXT(buffer, ",\"reason\":", facts->reason);
    if (!id_is_zero(facts->result)) {
        buffer_add_text(buffer, facts->result_type == ID_HOLD         ? ",\"hold\":"
                                : facts->result_type == ID_WITHDRAWAL ? ",\"withdrawal\":"
                                                                      : ",\"transaction\":");
        render_id(buffer, facts->result_type, facts->result);
    }
    if (facts->refusal.status != STATUS_ok) {
        BUFFER_ADD(buffer, ",\"refusal\":");
        problem_render(buffer, &facts->refusal, PROBLEM_NO_OPERATION);
    }
}

void wire_render_approval(struct buffer *buffer, const struct record *record,
                          const struct record *opening, const struct parked *live) {
    const struct record *first = opening != NULL ? opening : record;
    struct command command;
    CHECK(first->kind == RECORD_PARKED && record->kind == RECORD_PARKED);
    bool is_whole = parked_kept(&first->parked, &command);
    CHECK(is_whole); // checked when the record was decoded
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_APPROVAL, first->parked.id);
    BUFFER_ADD(buffer, ",\"status\":");
    render_word(buffer, parked_status_name(
                            (enum parked_status)(live != NULL ? live->status
                                                              : record->parked.status)));
    wire_render_request(buffer, &command);
    BUFFER_ADD(buffer, ",\"wallet\":");
    render_id(buffer, ID_WALLET, first->parked.wallet);
    BUFFER_ADD(buffer, ",\"amount\":");
    buffer_add_i64(buffer, first->parked.amount);
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &first->parked.currency);
    RENDER_TEXT(buffer, ",\"requested_by\":", first->origin.principal);
    if (opening != NULL)
        render_decision(buffer, record);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(first->parked.id));
    BUFFER_ADD(buffer, ",\"expires_at\":");
    render_time(buffer, first->parked.expires_at_ms);
    BUFFER_ADD(buffer, "}");
}
