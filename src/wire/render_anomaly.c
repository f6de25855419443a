// SPDX-License-Identifier: MIT
// A finding, and what became of it. Who asked for a payment that is held sees what became of that,
// and not why: the rule, its score and its numbers are for those who decide.
#include "ledger/finding.h"
#include "ledger/parked.h"
#include "wire/problem.h"
#include "wire/render.h"
#include "wire/render_parts.h"

#define OBJECT_BYTES 2048

static const char *member_of(enum id_type type) {
    return type == ID_HOLD         ? ",\"hold\":"
           : type == ID_WITHDRAWAL ? ",\"withdrawal\":"
                                   : ",\"transaction\":";
}

static void render_result(struct buffer *buffer, const struct parked_facts *facts) {
    if (!id_is_zero(facts->result)) {
        buffer_add_text(buffer, member_of((enum id_type)facts->result_type));
        render_id(buffer, facts->result_type, facts->result);
    }
    if (facts->refusal.status != STATUS_ok) {
        BUFFER_ADD(buffer, ",\"refusal\":");
        problem_render(buffer, &facts->refusal, PROBLEM_NO_OPERATION);
    }
}

static void render_subjects(struct buffer *buffer, const struct finding_facts *finding) {
    struct id id;
    struct slice ids = finding_ids(finding->texts);
    size_t count = ids.size / sizeof(id);
    if (count == 0)
        return;
    bool moved = finding->subject_type == ID_TRANSACTION;
    buffer_add_text(buffer, moved ? ",\"transactions\":["
                                  : member_of((enum id_type)finding->subject_type));
    for (size_t i = 0; i < count; i++) {
        memcpy(&id, ids.bytes + i * sizeof(id), sizeof(id));
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        render_id(buffer, finding->subject_type, id);
        if (!moved)
            return; // there is but one
    }
    BUFFER_ADD(buffer, "]");
}

static void render_finding(struct buffer *buffer, const struct record *first) {
    const struct finding_facts *finding = &first->parked.finding;
    struct command command;
    BUFFER_ADD(buffer, ",\"action\":");
    render_word(buffer, rule_action_name((enum rule_action)finding->action));
    RENDER_TEXT(buffer, ",\"rule\":", finding_rule(finding->texts));
    BUFFER_ADD(buffer, ",\"rules_version\":");
    buffer_add_u64(buffer, finding->rules_version);
    BUFFER_ADD(buffer, ",\"score\":");
    buffer_add_u64(buffer, finding->score);
    RENDER_TEXT(buffer, ",\"sentence\":", finding_sentence(finding->texts));
    render_subjects(buffer, finding);
    if (first->parked.cause == PARKED_FLAGGED)
        return;
    RENDER_TEXT(buffer, ",\"requested_by\":", first->origin.principal);
    bool is_whole = parked_kept(&first->parked, &command);
    CHECK(is_whole); // checked when the record was decoded
    wire_render_request(buffer, &command);
}

static void render_decision(struct buffer *buffer, const struct record *record) {
    RENDER_TEXT(buffer, ",\"decided_by\":", record->origin.principal);
    BUFFER_ADD(buffer, ",\"decided_at\":");
    render_time(buffer, record->time_ms);
    RENDER_TEXT(buffer, ",\"comment\":", record->parked.reason);
}

void wire_render_anomaly(struct buffer *buffer, const struct record *record,
                         const struct record *opening, const struct parked *live, bool whole) {
    const struct record *first = opening != NULL ? opening : record;
    CHECK(first->kind == RECORD_PARKED && first->parked.cause != PARKED_FOR_APPROVAL);
    (void)buffer_room(buffer, OBJECT_BYTES);
    BUFFER_ADD(buffer, "{\"id\":");
    render_id(buffer, ID_ANOMALY, first->parked.id);
    BUFFER_ADD(buffer, ",\"status\":");
    render_word(buffer, parked_status_name(
                            (enum parked_status)(live != NULL ? live->status
                                                              : record->parked.status)));
    BUFFER_ADD(buffer, ",\"wallet\":");
    render_id(buffer, ID_WALLET, first->parked.wallet);
    if (first->parked.amount != 0) {
        BUFFER_ADD(buffer, ",\"amount\":");
        buffer_add_i64(buffer, first->parked.amount);
    }
    BUFFER_ADD(buffer, ",\"currency\":");
    render_code(buffer, &first->parked.currency);
    if (whole)
        render_finding(buffer, first);
    if (opening != NULL && whole)
        render_decision(buffer, record);
    if (opening != NULL)
        render_result(buffer, &record->parked);
    BUFFER_ADD(buffer, ",\"created_at\":");
    render_time(buffer, id_time_ms(first->parked.id));
    if (first->parked.expires_at_ms != 0) {
        BUFFER_ADD(buffer, ",\"expires_at\":");
        render_time(buffer, first->parked.expires_at_ms);
    }
    BUFFER_ADD(buffer, "}");
}
