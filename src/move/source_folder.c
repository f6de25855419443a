// SPDX-License-Identifier: MIT
// A folder's journal, read by the reader of the verifier, so that a source is checked while it is
// read; the file "books" as engine/embedded/folder.h reads it.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/embedded/folder.h"
#include "ledger/seal.h"
#include "move/source.h"
#include "watch/journal_reader.h"

struct source_folder {
    struct move_source source; // first
    struct journal_reader *reader;
    struct journal_reader_round round;
    struct slice rest;      // of the round
    uint64_t position;      // of the next record in it
    uint64_t last_number;
    uint64_t moved_ms;      // what is older moved here from a database; 0: nothing did
    struct places places;   // from positions to 8 x numbers
    struct buffer bytes, scratch;
    bool begins_round;
};

static enum status fail(struct source_folder *folder, enum status status, const char *why) {
    (void)snprintf(folder->source.why, sizeof(folder->source.why),
                   "the record at position %llu cannot be moved: %s",
                   (unsigned long long)folder->position, why);
    return status;
}

// The number that the id of what a record makes says: of a transaction it is the record's, of other
// things the record's is no less. 0: it makes nothing.
static uint64_t number_said(const struct source_folder *folder, const struct record *record) {
    uint64_t locator;
    struct id id = {{0}};
    if (record->kind == RECORD_TRANSACTION)
        id = record->transaction.id;
    else if (record->kind == RECORD_WALLET)
        id = record->wallet.id;
    else if (record->kind == RECORD_HOLD)
        id = record->hold.id;
    else if (record->kind == RECORD_WITHDRAWAL)
        id = record->withdrawal.id;
    if (id_is_zero(id) || !id_open(&folder->source.seal, id, &locator))
        return 0;
    return (id_time_ms(id) << NUMBER_TIME_SHIFT) + locator;
}

// See the top of source.h.
static uint64_t number_of(const struct source_folder *folder, const struct record *record) {
    uint64_t first = record->time_ms << NUMBER_TIME_SHIFT;
    if (record->time_ms < folder->moved_ms) {
        uint64_t said = number_said(folder, record);
        uint64_t least = folder->last_number >= first ? folder->last_number + 1 : first;
        return record->kind == RECORD_TRANSACTION || said > least ? said : least;
    }
    return (record->time_ms << NUMBER_TIME_SHIFT) + folder->position / 8;
}

// Whoever has the id of a transaction must find it by that number.
static bool is_found(const struct source_folder *folder, const struct record *record,
                     uint64_t number) {
    uint64_t locator;
    struct id id = record->transaction.id;
    return record->kind != RECORD_TRANSACTION ||
           (id_open(&folder->source.seal, id, &locator) &&
            (id_time_ms(id) << NUMBER_TIME_SHIFT) + locator == number);
}

// A record that is not written as it was read would change without anybody noticing.
static bool is_as_written(struct source_folder *folder, const struct record *record,
                          struct slice bytes) {
    buffer_reset(&folder->bytes);
    record_encode_again(record, bytes, &folder->bytes);
    return slice_equal(buffer_slice(&folder->bytes), bytes);
}

static enum status take(struct source_folder *folder, struct slice bytes,
                        struct move_record *ret_record) {
    const char *why;
    struct record *record = &ret_record->record;
    enum status status = record_decode(bytes, record, &why);
    if (status != STATUS_ok)
        return fail(folder, status, why);
    if (!is_as_written(folder, record, bytes))
        return fail(folder, STATUS_damaged, "this Florin would write it otherwise than it stands");
    uint64_t number = number_of(folder, record);
    if (number <= folder->last_number || !is_found(folder, record, number))
        return fail(folder, STATUS_damaged, "its id or its time does not say where it stands");
    folder->last_number = number;
    places_add(&folder->places, folder->position, number * 8);
    if (!places_rewrite(&folder->places, record, &folder->scratch))
        return fail(folder, STATUS_damaged, "it names a record that is not there");
    buffer_reset(&folder->bytes);
    record_encode_again(record, bytes, &folder->bytes);
    ret_record->number = number;
    ret_record->bytes = buffer_slice(&folder->bytes);
    ret_record->round_time_ms = folder->round.time_ms;
    ret_record->begins_round = folder->begins_round;
    folder->begins_round = false;
    return STATUS_ok;
}

static enum status next(struct move_source *source, struct move_record *ret_record) {
    struct source_folder *folder = (struct source_folder *)source;
    struct journal_reader_stand stand;
    if (folder->rest.size == 0) {
        enum status status = journal_reader_next(folder->reader, source->why, &folder->round);
        journal_reader_stand(folder->reader, &stand);
        source->bytes_done = stand.bytes_done;
        if (status == STATUS_end) {
            source->end.chain = stand.chain;
            source->end.round_count = stand.round_count;
            source->end.record_count = folder->places.count;
        }
        if (status != STATUS_ok)
            return status;
        folder->rest = folder->round.records;
        folder->position = folder->round.position;
        folder->begins_round = true;
    }
    size_t size = record_size(folder->rest);
    if (size == 0)
        return fail(folder, STATUS_damaged, "its size does not hold");
    enum status status = take(folder, slice_of(folder->rest.bytes, size), ret_record);
    folder->rest = slice_of(folder->rest.bytes + size, folder->rest.size - size);
    folder->position += size;
    return status;
}

static void close_folder(struct move_source *source) {
    struct source_folder *folder = (struct source_folder *)source;
    journal_reader_close(folder->reader);
    places_done(&folder->places);
    buffer_done(&folder->bytes);
    buffer_done(&folder->scratch);
    memory_free(folder);
}

enum status source_folder_open(struct disk *disk, char *ret_why, struct move_source **ret_source) {
    struct source_folder *folder = memory_take_zeroed(sizeof(*folder));
    struct journal_reader_stand stand;
    struct birth birth;
    struct origin_of_books origin = {0};
    folder->source.engine = "embedded";
    folder->source.next = next;
    folder->source.close = close_folder;
    enum status status = folder_birth_read(disk, &birth, &origin);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the file \"books\" cannot be read (%s)",
                       status_name(status));
    else
        status = journal_reader_open(disk, ret_why, &folder->reader);
    if (status != STATUS_ok) {
        close_folder(&folder->source);
        return status;
    }
    journal_reader_stand(folder->reader, &stand);
    folder->moved_ms = origin.moved_ms;
    folder->source.bytes_total = stand.journal_bytes;
    folder->source.birth = (struct move_birth){.books = birth.id,
                                               .hash_seed = birth.hash_seed,
                                               .created_ms = birth.created_ms};
    memcpy(folder->source.birth.seal_key, birth.seal_key, sizeof(birth.seal_key));
    folder->source.seal = id_seal_make(birth.seal_key);
    *ret_source = &folder->source;
    return STATUS_ok;
}
