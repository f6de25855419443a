// SPDX-License-Identifier: MIT
// What a command answers with, and the frames around many answers.
#include "wire/render.h"

#include "wire/operations.h"
#include "wire/problem.h"
#include "wire/render_parts.h"

// The records of a thing, decoded. `opening` is NULL when there is none.
struct records {
    struct record record;
    struct record opening_record;
    const struct record *opening;
};

static enum status decode_records(const struct wire_found *found, struct records *ret_records) {
    const char *invariant; // says the same as whoever reads the record next; api logs the status
    enum status status = record_decode(found->record, &ret_records->record, &invariant);
    ret_records->opening = NULL;
    if (status != STATUS_ok || found->opening.size == 0)
        return status;
    ret_records->opening = &ret_records->opening_record;
    return record_decode(found->opening, &ret_records->opening_record, &invariant);
}

static void render_answer(struct buffer *buffer, enum answer_kind answer,
                          const struct wire_found *found, const struct records *records) {
    const struct record *record = &records->record, *opening = records->opening;
    switch (answer) {
    case ANSWER_NOTHING: return;
    case ANSWER_WALLET: wire_render_wallet(buffer, record, found->wallet); return;
    case ANSWER_TRANSACTION:
        wire_render_transaction(buffer, record, opening, found->refunded, found->hidden);
        return;
    case ANSWER_WITHDRAWAL:
        wire_render_withdrawal(buffer, record, opening, found->withdrawal, found->transaction);
        return;
    case ANSWER_HOLD: wire_render_hold(buffer, record, opening, found->hold); return;
    case ANSWER_KEY:
        wire_render_key(buffer, record, opening, found->last_used_at_ms, found->role_name,
                        found->secret);
        return;
    case ANSWER_ERASURE: wire_render_erasure(buffer, record); return;
    case ANSWER_ANOMALY:
        wire_render_anomaly(buffer, record, opening, found->parked, true);
        return;
    case ANSWER_APPROVAL: wire_render_approval(buffer, record, opening, found->parked); return;
    default: UNREACHABLE("a command that answers with more than one thing");
    }
}

enum status wire_render_command(struct buffer *buffer, enum command_type type,
                                const struct wire_found *found, int *ret_http) {
    const struct operation *operation = operation_of_command(type);
    CHECK(operation != NULL);
    struct records records;
    enum status status = decode_records(found, &records);
    if (status != STATUS_ok)
        return status;
    if (records.record.kind == RECORD_REFUSAL) {
        problem_render(buffer, &records.record.refusal, PROBLEM_NO_OPERATION);
        *ret_http = status_http(records.record.refusal.status);
        return STATUS_ok;
    }
    // What waits for somebody else is told as that, whatever was asked.
    bool waits = records.record.kind == RECORD_PARKED;
    bool asked = (operation->answer == ANSWER_APPROVAL || operation->answer == ANSWER_ANOMALY) &&
                 operation->http == 200;
    if (waits && !asked && records.record.parked.cause != PARKED_FOR_APPROVAL) {
        wire_render_anomaly(buffer, &records.record, records.opening, found->parked, false);
        *ret_http = 202;
        return STATUS_ok;
    }
    render_answer(buffer, waits && !asked ? ANSWER_APPROVAL : operation->answer, found, &records);
    *ret_http = waits && !asked ? 202 : operation->http;
    return STATUS_ok;
}

bool wire_render_done(struct buffer *buffer, enum command_type type, const struct record *record,
                      uint8_t hidden, int *ret_http) {
    const struct operation *operation = operation_of_command(type);
    if (operation == NULL || operation->answer != ANSWER_TRANSACTION ||
        record->kind != RECORD_TRANSACTION || record->transaction.opening != 0)
        return false;
    wire_render_transaction(buffer, record, NULL, 0, hidden);
    *ret_http = operation->http;
    return true;
}

void wire_page_begin(struct buffer *buffer) {
    BUFFER_ADD(buffer, "{\"items\":[");
}

void wire_page_item(struct buffer *buffer, uint32_t item_index) {
    if (item_index != 0)
        BUFFER_ADD(buffer, ",");
}

void wire_page_end(struct buffer *buffer, const struct id_seal *seal, const struct sha256 *list,
                   uint64_t next_cursor, uint64_t archived_before_ms) {
    BUFFER_ADD(buffer, "]");
    if (next_cursor != 0) {
        BUFFER_ADD(buffer, ",\"next_cursor\":\"");
        wire_cursor_format(seal, list, next_cursor,
                           (char *)buffer_room(buffer, WIRE_CURSOR_BYTES));
        buffer->size += WIRE_CURSOR_BYTES;
        BUFFER_ADD(buffer, "\"");
    }
    if (archived_before_ms != 0) {
        BUFFER_ADD(buffer, ",\"archived_before\":");
        render_time(buffer, archived_before_ms);
    }
    BUFFER_ADD(buffer, "}");
}

void wire_batch_begin(struct buffer *buffer) {
    BUFFER_ADD(buffer, "{\"results\":[");
}

void wire_batch_result(struct buffer *buffer, uint32_t result_index) {
    if (result_index != 0)
        BUFFER_ADD(buffer, ",");
}

void wire_batch_result_replayed(struct buffer *buffer) {
    CHECK(buffer->size >= 2);
    CHECK(buffer->bytes[buffer->size - 1] == '}');
    buffer->size--;
    if (buffer->bytes[buffer->size - 1] != '{')
        BUFFER_ADD(buffer, ",");
    BUFFER_ADD(buffer, "\"replayed\":true}");
}

void wire_batch_end(struct buffer *buffer) {
    BUFFER_ADD(buffer, "]}");
}

void wire_render_etag(struct buffer *buffer, uint64_t version) {
    BUFFER_ADD(buffer, "\"");
    buffer_add_u64(buffer, version);
    BUFFER_ADD(buffer, "\"");
}
