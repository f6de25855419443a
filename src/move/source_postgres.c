// SPDX-License-Identifier: MIT
// A database's records, read by the reader of the verifier in one snapshot.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/seal.h"
#include "move/source.h"
#include "watch/rows.h"

struct source_postgres {
    struct move_source source; // first
    struct rows_link link;
    struct rows records;
    struct buffer again;
    uint64_t last_number, last_time_ms;
    bool is_begun; // `records` stands on the record that was handed out
};

static enum status fail(struct source_postgres *postgres, uint64_t number, const char *why) {
    (void)snprintf(postgres->source.why, sizeof(postgres->source.why),
                   "record %" PRIu64 " cannot be moved: %s", number, why);
    return STATUS_damaged;
}

static enum status lost(const struct source_postgres *postgres, char *ret_why) {
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", postgres->link.why);
    return STATUS_busy;
}

// Whoever has the id of a transaction must find it by that number.
static bool is_found(const struct source_postgres *postgres, const struct record *record,
                     uint64_t number) {
    uint64_t locator;
    struct id id = record->transaction.id;
    return record->kind != RECORD_TRANSACTION ||
           (id_open(&postgres->source.seal, id, &locator) &&
            (id_time_ms(id) << NUMBER_TIME_SHIFT) + locator == number);
}

static enum status take(struct source_postgres *postgres, uint64_t number, struct slice bytes,
                        struct move_record *ret_record) {
    const char *why;
    struct record *record = &ret_record->record;
    if (record_decode(bytes, record, &why) != STATUS_ok)
        return fail(postgres, number, why);
    buffer_reset(&postgres->again);
    record_encode_again(record, bytes, &postgres->again);
    if (!slice_equal(buffer_slice(&postgres->again), bytes))
        return fail(postgres, number, "this Florin would write it otherwise than it stands");
    if (number <= postgres->last_number || record->time_ms < postgres->last_time_ms ||
        number < record->time_ms << NUMBER_TIME_SHIFT || !is_found(postgres, record, number))
        return fail(postgres, number, "its id or its time does not say where it stands");
    ret_record->number = number;
    ret_record->bytes = bytes;
    ret_record->round_time_ms = record->time_ms;
    ret_record->begins_round =
        postgres->last_number == 0 || record->time_ms != postgres->last_time_ms;
    postgres->last_number = number;
    postgres->last_time_ms = record->time_ms;
    return STATUS_ok;
}

static enum status next(struct move_source *source, struct move_record *ret_record) {
    struct source_postgres *postgres = (struct source_postgres *)source;
    if (postgres->is_begun)
        rows_next(&postgres->records);
    else
        rows_open_by_index(&postgres->records, &postgres->link, "records_to_move",
                           "SELECT number, bytes FROM records ORDER BY number");
    postgres->is_begun = true;
    if (postgres->link.why[0] != '\0')
        return lost(postgres, source->why);
    if (!postgres->records.is_there) {
        rows_close(&postgres->records);
        return STATUS_end;
    }
    source->bytes_done++;
    return take(postgres, (uint64_t)rows_number(&postgres->records, 0),
                rows_bytes(&postgres->records, 1), ret_record);
}

static void close_postgres(struct move_source *source) {
    struct source_postgres *postgres = (struct source_postgres *)source;
    rows_link_close(&postgres->link);
    buffer_done(&postgres->again);
    memory_free(postgres);
}

static enum status read_birth(struct source_postgres *postgres, char *ret_why) {
    struct move_source *source = &postgres->source;
    struct rows rows;
    rows_open(&rows, &postgres->link, "birth_to_move",
              "SELECT id, seal_key, hash_seed, created_ms, chain, record_count, round_count, "
              "last_record FROM books");
    bool holds = rows.is_there && rows_bytes(&rows, 1).size == sizeof(source->birth.seal_key) &&
                 rows_bytes(&rows, 4).size == sizeof(source->end.chain);
    if (holds) {
        source->birth = (struct move_birth){.books = rows_id(&rows, 0),
                                            .hash_seed = (uint64_t)rows_number(&rows, 2),
                                            .created_ms = (uint64_t)rows_number(&rows, 3)};
        memcpy(source->birth.seal_key, rows_bytes(&rows, 1).bytes,
               sizeof(source->birth.seal_key));
        memcpy(&source->end.chain, rows_bytes(&rows, 4).bytes, sizeof(source->end.chain));
        source->end.record_count = source->bytes_total = (uint64_t)rows_number(&rows, 5);
        source->end.round_count = (uint64_t)rows_number(&rows, 6);
        source->last_number = (uint64_t)rows_number(&rows, 7);
        source->seal = id_seal_make(source->birth.seal_key);
    }
    rows_close(&rows);
    if (postgres->link.why[0] != '\0')
        return lost(postgres, ret_why);
    if (holds)
        return STATUS_ok;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "the database has no books");
    return STATUS_not_found;
}

enum status source_postgres_open(const char *url, char *ret_why,
                                 struct move_source **ret_source) {
    struct source_postgres *postgres = memory_take_zeroed(sizeof(*postgres));
    postgres->source.engine = "PostgreSQL";
    postgres->source.next = next;
    postgres->source.close = close_postgres;
    enum status status = rows_link_open(&postgres->link, url) ? read_birth(postgres, ret_why)
                                                              : lost(postgres, ret_why);
    if (status != STATUS_ok) {
        close_postgres(&postgres->source);
        return status;
    }
    *ret_source = &postgres->source;
    return STATUS_ok;
}

enum status source_postgres_uses(struct move_source *source,
                                 void (*each)(void *context, const struct key_use *use),
                                 void *context) {
    struct source_postgres *postgres = (struct source_postgres *)source;
    struct rows rows;
    rows_open(&rows, &postgres->link, "uses_to_move",
              "SELECT id, last_used_ms FROM keys WHERE last_used_ms > 0 ORDER BY number");
    for (; rows.is_there; rows_next(&rows)) {
        const struct key_use use = {.key = rows_id(&rows, 0),
                                    .last_used_ms = (uint64_t)rows_number(&rows, 1)};
        each(context, &use);
    }
    rows_close(&rows);
    return postgres->link.why[0] == '\0' ? STATUS_ok : lost(postgres, source->why);
}

static bool read_encryption(struct source_postgres *postgres, struct data_keys_copy *copy) {
    struct rows rows;
    rows_open(&rows, &postgres->link, "encryption_to_move",
              "SELECT plain_until_ms, proof FROM encryption");
    bool is_there = rows.is_there && rows_bytes(&rows, 1).size == sizeof(copy->proof);
    if (is_there) {
        copy->plain_until_ms = (uint64_t)rows_number(&rows, 0);
        memcpy(copy->proof, rows_bytes(&rows, 1).bytes, sizeof(copy->proof));
    }
    rows_close(&rows);
    return is_there;
}

enum status source_postgres_keys(struct move_source *source, struct data_keys_copy *ret_keys) {
    struct source_postgres *postgres = (struct source_postgres *)source;
    struct rows rows;
    *ret_keys = (struct data_keys_copy){0};
    if (!read_encryption(postgres, ret_keys))
        return postgres->link.why[0] == '\0' ? STATUS_not_found : lost(postgres, source->why);
    // An owner's key in use is his newest: destroyed ones come first.
    rows_open(&rows, &postgres->link, "data_keys_to_move",
              "SELECT number, owner, coalesce(wrapped, ''::bytea) FROM data_keys "
              "ORDER BY wrapped IS NOT NULL, number");
    for (; rows.is_there; rows_next(&rows)) {
        struct slice wrapped = rows_bytes(&rows, 2);
        struct vault_key key = {.number = (uint64_t)rows_number(&rows, 0),
                                .owner = (uint64_t)rows_number(&rows, 1)};
        if (wrapped.size == sizeof(key.wrapped))
            memcpy(key.wrapped, wrapped.bytes, wrapped.size);
        data_keys_copy_add(ret_keys, &key, wrapped.size != sizeof(key.wrapped));
    }
    rows_close(&rows);
    return postgres->link.why[0] == '\0' ? STATUS_ok : lost(postgres, source->why);
}
