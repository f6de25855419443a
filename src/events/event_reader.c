// SPDX-License-Identifier: MIT
// Events of a hold's or withdrawal's end also say what its opening said, which is another record.
#include "events/event_reader.h"

#include <stdio.h>

#define SOURCE_OF_BOOKS UINT64_C(0xf1000000000000e5) // no cursor ever has this value
#define SEEK_BYTES      (256u * 1024)

void event_reader_init(struct event_reader *reader, const struct feed_source *source) {
    char books[ID_TOKEN_BYTES];
    struct engine *engine = source->engine;
    *reader = (struct event_reader){.engine = engine, .own = *source};
    arena_init(&reader->plain, 4096);
    id_token_format(&engine->seal, SOURCE_OF_BOOKS, books);
    (void)snprintf(reader->source, sizeof(reader->source), "/florin/%.*s", ID_TOKEN_BYTES, books);
}

void event_reader_done(struct event_reader *reader) {
    buffer_done(&reader->json);
    arena_done(&reader->plain);
}

enum status event_reader_decode(struct event_reader *reader, const struct feed_record *found,
                                struct record *ret_record, const char **ret_why) {
    struct slice bytes = found->bytes;
    arena_reset(&reader->plain);
    reader->opened = engine_open_texts(reader->engine, found->bytes, &reader->plain, &bytes);
    return record_decode(bytes, ret_record, ret_why);
}

struct opening_read {
    struct event_reader *reader;
    struct record record;
    bool found;
    enum status status; // of its texts
};

static bool take_opening(void *context, const struct feed_record *found) {
    struct opening_read *read = context;
    const char *why;
    struct slice bytes;
    struct event_reader *reader = read->reader;
    read->status = engine_open_texts(reader->engine, found->bytes, &reader->plain, &bytes);
    read->found = read->status == STATUS_ok &&
                  record_decode(bytes, &read->record, &why) == STATUS_ok;
    return false;
}

// What has arrived from another shard was opened there: a number is one record's on all of them.
static enum status find_opening(struct event_reader *reader, uint64_t at,
                                struct opening_read *opening) {
    uint64_t next;
    struct engine *engine = reader->engine;
    enum status status = engine->port->feed(engine, at, 1, take_opening, opening, &next);
    for (uint32_t i = 0; i < reader->own.other_count; i++) {
        engine = reader->own.others[i];
        if (status != STATUS_ok || opening->found)
            break;
        status = engine->port->feed(engine, at, 1, take_opening, opening, &next);
    }
    return status == STATUS_ok ? opening->status : status;
}

// Where texts are encrypted, what has arrived from another shard is without them: they are in the
// transaction itself, under the key of its payer.
static enum status find_texts(struct event_reader *reader, struct record *record) {
    const struct freshness now = {0};
    const struct command command = {.type = COMMAND_READ_TRANSACTION,
                                    .subject = record->transaction.id};
    struct engine *house = reader->own.house;
    struct transaction_facts *facts = &record->transaction;
    struct outcome outcome;
    struct record made;
    const char *why;
    enum status status = house->port->read(house, &command, &now, &reader->plain, &outcome);
    if (status != STATUS_ok)
        return status;
    if (outcome.status != STATUS_ok || record_decode(outcome.record, &made, &why) != STATUS_ok ||
        made.kind != RECORD_TRANSACTION)
        return STATUS_busy;
    facts->reference = made.transaction.reference;
    facts->reason = made.transaction.reason;
    facts->metadata = made.transaction.metadata;
    return STATUS_ok;
}

enum status event_reader_events(struct event_reader *reader, const struct record *told,
                                uint64_t position,
                                struct cloud_event ret_events[CLOUD_EVENTS_MAX],
                                uint32_t *ret_count) {
    struct opening_read opening = {.reader = reader};
    struct record whole = *told;
    const struct record *record = &whole;
    uint64_t at = cloud_event_opening(record);
    // Told without its texts, or without what its opening says, it would be told wrongly: rather
    // later.
    enum status status = reader->opened;
    bool is_bare = record_arrives(record) && record->kind == RECORD_TRANSACTION &&
                   reader->engine->vault != NULL;
    if (status == STATUS_ok && is_bare)
        status = find_texts(reader, &whole);
    if (status == STATUS_ok && at != 0)
        status = find_opening(reader, at, &opening);
    if (status != STATUS_ok)
        return status;
    buffer_reset(&reader->json);
    *ret_count = cloud_events_of(record, opening.found ? &opening.record : NULL, position,
                                 reader->source, &reader->json, ret_events);
    return STATUS_ok;
}

struct seeking {
    struct event_reader *reader;
    uint64_t from; // before it nothing is to be told
    bool found;
};

static bool look(void *context, const struct feed_record *found) {
    struct seeking *seeking = context;
    struct record record;
    const char *why;
    seeking->found =
        !found->came &&
        (event_reader_decode(seeking->reader, found, &record, &why) != STATUS_ok ||
         cloud_event_is_told(&record));
    seeking->from = seeking->found ? found->position : found->next;
    return !seeking->found;
}

bool event_reader_seek(struct event_reader *reader, uint64_t *from, bool (*is_stopping)(void *),
                       void *context) {
    struct seeking seeking = {.reader = reader, .from = *from};
    uint64_t next, begun;
    do {
        begun = seeking.from;
        if (reader->engine->port->feed(reader->engine, begun, SEEK_BYTES, look, &seeking, &next) !=
            STATUS_ok)
            break; // who cannot read could not tell either
    } while (!seeking.found && seeking.from != begun && !is_stopping(context));
    *from = seeking.from;
    return seeking.found;
}
