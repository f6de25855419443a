// SPDX-License-Identifier: MIT
// Between the walk over all records and the look at what stands now.
#pragma once
#include "watch/opening_rows.h"
#include "watch/rows.h"
#include "watch/tally.h"
#include "watch/verify_postgres.h"

// Of a table: rows in slots that this shard owns. All, of books that are no shard.
#define HERE "slot IN (SELECT slot FROM slots WHERE state = 0)"

// A record of something in `t` by its number. Looked up by index, one by one: joined as a whole,
// all records would be written to files first.
#define VERIFY_LOOK_UP(table, as, number)                                                          \
    "LEFT JOIN LATERAL (SELECT x.bytes FROM " table " x WHERE x.slot = t.slot AND "                \
    "x.number = " number " OFFSET 0) " as " ON true "

// How holds ended: a digest of each, added up in no order.
struct ended_holds {
    uint64_t count, low, high;
};

struct examination {
    struct rows_link link;
    struct verify_postgres_report *report;
    struct tally tally;
    struct tally_map numbers; // struct opening_numbered: wallets, for postings that name them
    struct opening_frame frame;
    // Rows of slots have the chains up to there: each to its own last record, and none less far
    // than the books say.
    uint64_t heads_until[LIMIT_SLOTS];
    struct opening_head written[LIMIT_SLOTS]; // as those rows must be
    const struct verify_postgres_span *span;
    uint64_t from;                // the line that it begins at
    struct cursor archive;        // as its row says
    struct sha256_context *sha; // owned
    struct rows records, postings, keys, bank_ids, rounds;
    struct sha256 first_chain;
    bool is_coming;      // the present record is one that another shard made
    uint64_t round_left; // records of the present round still to come
    uint64_t round_time_ms;
    uint64_t key_count;
    bool is_shard;
    struct engine_slots slots; // of a shard
    // Of books that moved in: up to that record numbers have gaps, and wallets have others than the
    // records that opened them. 0: none did.
    uint64_t moved_last;
    struct ended_holds ended_by_records, ended_by_rows;
    uint64_t slack; // by how much a number may be beyond its time
    struct pg_result *found; // owned; by record_at and find_position
    struct verify_postgres_progress progress;
};

// Notes the first difference. Always false.
bool verify_differs(struct examination *examination, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool verify_differs_about(struct examination *examination, enum id_type type, struct id id,
                          const char *what, int64_t row, int64_t derived);
bool verify_is_hash(struct slice bytes, const struct sha256 *hash);
// Once for some thousand records or rows.
void verify_tell(struct examination *examination);
#define VERIFY_TELLS_EVERY 4096
// Whether another shard owns that slot.
bool verify_is_away(const struct examination *examination, uint64_t slot);

// verify_postgres_now.c: what stands now, against the tally.
void verify_meet_now(struct examination *examination);
// Every row that the select gives; and there must be as many as expected.
#define VERIFY_ANY UINT64_MAX // or as many as there are
bool verify_meet_rows(struct examination *examination, const char *what, const char *select,
                      uint64_t expected,
                      bool (*meet)(struct examination *examination, const struct rows *rows));

// verify_postgres_ended.c: rows whose things the tally does not keep.
bool verify_meet_ended(struct examination *examination);
void verify_hold_changed(void *context, struct id hold, uint8_t status, int64_t captured);
