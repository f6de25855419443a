// SPDX-License-Identifier: MIT
// One list of pointers serves both directions, so writing and reading cannot disagree about places.
#include "ledger/record_texts.h"

#include "base/check.h"
#include "ledger/finding.h"
#include "ledger/metadata.h"
#include "ledger/note.h"
#include "ledger/parked.h"

// Points each place at the record's slice for it; NULL where the kind has no such text.
static void places_of(struct record *record, struct slice *ret_places[RECORD_TEXTS]) {
    for (int i = 0; i < RECORD_TEXTS; i++)
        ret_places[i] = NULL;
    ret_places[TEXT_PRINCIPAL] = &record->origin.principal;
    ret_places[TEXT_REQUEST_ID] = &record->origin.request_id;
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET:
        ret_places[TEXT_NAME] = &record->wallet.owner;
        ret_places[TEXT_REASON] = &record->wallet.reason;
        ret_places[TEXT_TAIL] = &record->wallet.metadata;
        return;
    case RECORD_TRANSACTION:
        ret_places[TEXT_NAME] = &record->transaction.bank_id;
        ret_places[TEXT_ORDER] = &record->transaction.order;
        ret_places[TEXT_REFERENCE] = &record->transaction.reference;
        ret_places[TEXT_REASON] = &record->transaction.reason;
        ret_places[TEXT_TAIL] = &record->transaction.metadata;
        return;
    case RECORD_HOLD:
        ret_places[TEXT_ORDER] = &record->hold.order;
        ret_places[TEXT_REFERENCE] = &record->hold.reference;
        ret_places[TEXT_TAIL] = &record->hold.metadata;
        return;
    case RECORD_WITHDRAWAL:
        ret_places[TEXT_REFERENCE] = &record->withdrawal.reference;
        ret_places[TEXT_REASON] = &record->withdrawal.reason;
        ret_places[TEXT_TAIL] = &record->withdrawal.metadata;
        return;
    case RECORD_KEY:
        ret_places[TEXT_NAME] = &record->api_key.name;
        ret_places[TEXT_ORDER] = &record->api_key.owner;
        return;
    case RECORD_PARKED:
        ret_places[TEXT_NAME] = &record->parked.finding.texts;
        ret_places[TEXT_ORDER] = &record->parked.command;
        ret_places[TEXT_REFERENCE] = &record->parked.reference;
        ret_places[TEXT_REASON] = &record->parked.reason;
        ret_places[TEXT_TAIL] = &record->parked.metadata;
        return;
    case RECORD_DATA_KEY: ret_places[TEXT_NAME] = &record->data_key.owner; return;
    case RECORD_BATCH: ret_places[TEXT_TAIL] = &record->batch.positions; return;
    case RECORD_ALARM: ret_places[TEXT_ORDER] = &record->alarm.message; return;
    case RECORD_RULES: ret_places[TEXT_TAIL] = &record->rules.rules; return;
    case RECORD_NOTES: ret_places[TEXT_TAIL] = &record->notes.notes; return;
    case RECORD_REFUSAL:
    case RECORD_CURSOR: return;
    }
    UNREACHABLE("a record of no kind");
}

void record_texts_collect(const struct record *record, struct slice ret_texts[RECORD_TEXTS]) {
    struct slice *places[RECORD_TEXTS];
    places_of((struct record *)record, places);
    for (int i = 0; i < RECORD_TEXTS; i++)
        ret_texts[i] = places[i] == NULL ? (struct slice){0} : *places[i];
}

void record_texts_spread(struct record *record, const struct slice texts[RECORD_TEXTS]) {
    struct slice *places[RECORD_TEXTS];
    places_of(record, places);
    for (int i = 0; i < RECORD_TEXTS; i++)
        if (places[i] != NULL)
            *places[i] = texts[i];
}

const char *record_texts_fault(const struct record *record,
                               const struct slice texts[RECORD_TEXTS]) {
    if (record->kind == RECORD_BATCH) {
        if (texts[TEXT_TAIL].size != record->batch.count * sizeof(uint64_t))
            return "R5: the positions do not match the count";
    } else if (record->kind == RECORD_NOTES) {
        if (notes_count(texts[TEXT_TAIL]) != record->notes.count)
            return "R5: the notes are not well-formed, or others than counted";
    } else if (record->kind == RECORD_PARKED) {
        struct command kept;
        bool is_pending = record->parked.status == PARKED_PENDING;
        bool keeps = is_pending && record->parked.cause != PARKED_FLAGGED;
        bool finds = is_pending && record->parked.cause != PARKED_FOR_APPROVAL;
        if (keeps ? !command_decode(texts[TEXT_ORDER], &kept) : texts[TEXT_ORDER].size != 0)
            return "R5: the kept command is not well-formed";
        if (finds ? !finding_is_valid(texts[TEXT_NAME]) : texts[TEXT_NAME].size != 0)
            return "R5: the finding is not well-formed";
        if (!metadata_is_valid(texts[TEXT_TAIL]))
            return "R5: the metadata is not well-formed";
    } else if (record->kind == RECORD_RULES) {
        struct rule_set set;
        if (!rules_decode(texts[TEXT_TAIL], record->rules.version, &set))
            return "R5: the rules are not valid";
    } else if (!metadata_is_valid(texts[TEXT_TAIL])) {
        return "R5: the metadata is not well-formed";
    }
    return NULL;
}

void record_texts_split_trace(struct record *record, struct slice texts[RECORD_TEXTS]) {
    struct slice *id = &texts[TEXT_REQUEST_ID];
    const uint8_t *zero = id->size == 0 ? NULL : memchr(id->bytes, 0, id->size);
    record->origin.trace = (struct slice){0};
    if (zero != NULL) {
        size_t size = (size_t)(zero - id->bytes);
        record->origin.trace = slice_of(zero + 1, id->size - size - 1);
        id->size = size;
    }
}
