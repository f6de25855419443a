// SPDX-License-Identifier: MIT
// One walk over all records in their order, with the rows that repeat them walked beside: postings,
// idempotency keys, bank ids, rounds. The tally adds the books up from the records alone; then what
// stands now (wallets, holds, withdrawals, refunds, currencies, slots, the row of books) must be
// what the tally came to. Everything is of one snapshot.
#include "watch/verify_postgres.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/limits.h"
#include "base/memory.h"
#include "watch/verify_postgres_private.h"

#define KIND_ARRIVAL 21 // in the column of records
#define TIME_SHIFT 17 // of a record's number: its milliseconds stand above so many bits

bool verify_differs(struct examination *examination, const char *format, ...) {
    struct integrity_report *books = &examination->report->books;
    if (!books->consistent)
        return false;
    books->consistent = false;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(books->message, sizeof(books->message), format, arguments);
    va_end(arguments);
    return false;
}

bool verify_differs_about(struct examination *examination, enum id_type type, struct id id,
                          const char *what, int64_t row, int64_t derived) {
    char text[ID_TEXT_BYTES_MAX];
    size_t size = id_format(type, id, text);
    return verify_differs(examination,
                          "%.*s: its row says %s %" PRId64 ", its records add up to %" PRId64,
                          (int)size, text, what, row, derived);
}

void verify_tell(struct examination *examination) {
    examination->progress.record_count = examination->tally.record_count;
    if (examination->span->told != NULL)
        examination->span->told(examination->span->told_context, &examination->progress);
}

// ---- what the tally asks ------------------------------------------------------------------------

static struct slice record_at(void *context, uint64_t position) {
    struct examination *examination = context;
    return rows_find(&examination->link, &examination->found,
                     "SELECT bytes FROM records WHERE number = $1::bigint UNION ALL "
                     "SELECT bytes FROM kept_records WHERE number = $1::bigint LIMIT 1",
                     (int64_t)(position / 8));
}

// The key of the ids is not for verifiers: a transaction is looked for where its id says when.
static uint64_t find_position(void *context, struct id id) {
    struct examination *examination = context;
    uint64_t first = id_time_ms(id) << TIME_SHIFT, found = 0;
    struct rows rows;
    char where[128], select[512];
    (void)snprintf(where, sizeof(where),
                   "WHERE slot = %u AND number >= %" PRIu64 " AND number < %" PRIu64, id_slot(id),
                   first, first + examination->slack);
    (void)snprintf(select, sizeof(select),
                   "SELECT number, bytes FROM records %s AND kind = 2 UNION ALL "
                   "SELECT number, bytes FROM kept_records %s ORDER BY number",
                   where, where);
    rows_open(&rows, &examination->link, "found_by_id", select);
    for (; rows.is_there && found == 0; rows_next(&rows)) {
        struct record record;
        const char *broken;
        if (record_decode(rows_bytes(&rows, 1), &record, &broken) == STATUS_ok &&
            record.kind == RECORD_TRANSACTION && id_equal(record.transaction.id, id))
            found = (uint64_t)rows_number(&rows, 0) * 8;
    }
    rows_close(&rows);
    return found;
}

// ---- the chains ---------------------------------------------------------------------------------

bool verify_is_hash(struct slice bytes, const struct sha256 *hash) {
    return bytes.size == sizeof(hash->bytes) && memcmp(bytes.bytes, hash->bytes, bytes.size) == 0;
}

// Of a slot that came here, or is coming; its chain is whole only where it came to.
static bool came_but_not_wholly(const struct examination *examination, uint64_t number,
                                uint64_t slot) {
    return examination->is_coming && number >= examination->slots.came_before[slot] / 8;
}

// What its row must say, once all records that it is about were seen.
static void note_head(struct examination *examination, uint64_t number, uint64_t slot) {
    if (examination->is_coming || number <= examination->heads_until[slot])
        examination->written[slot] = examination->frame.heads[slot];
}

static void head_adopt(struct opening_head *head, uint64_t number, struct slice chain) {
    if (chain.size == sizeof(head->chain.bytes))
        memcpy(head->chain.bytes, chain.bytes, chain.size);
    head->last_record = number;
    head->record_count++;
}

static bool take_chain(struct examination *examination, uint64_t number, uint64_t slot,
                       struct slice chain, struct slice bytes) {
    if (slot >= LIMIT_SLOTS)
        return verify_differs(examination, "record %" PRIu64 " has no slot", number);
    struct opening_head *head = &examination->frame.heads[slot];
    if (came_but_not_wholly(examination, number, slot)) {
        head_adopt(head, number, chain);
        note_head(examination, number, slot);
        return true;
    }
    sha256_begin(examination->sha);
    sha256_add(examination->sha, slice_of(&head->chain, sizeof(head->chain)));
    sha256_add(examination->sha, bytes);
    head->chain = sha256_end(examination->sha);
    head->last_record = number;
    head->record_count++;
    if (!verify_is_hash(chain, &head->chain))
        return verify_differs(examination,
                       "record %" PRIu64 " does not continue the chain of slot %" PRIu64
                       ": it, or one before it, was changed or is missing",
                       number, slot);
    note_head(examination, number, slot);
    return true;
}

// A round's chain is over its records' chains: they are gathered and hashed at its end.
struct gathered {
    struct sha256 *chains; // owned
    uint64_t count, capacity;
};

static bool begin_round(struct examination *examination, uint64_t number) {
    const struct rows *rounds = &examination->rounds;
    if (!rounds->is_there)
        return verify_differs(examination, "record %" PRIu64 " is of no round", number);
    if ((uint64_t)rows_number(rounds, 0) != examination->frame.round_number + 1 ||
        (uint64_t)rows_number(rounds, 1) != number || rows_number(rounds, 2) < 1)
        return verify_differs(examination,
                       "record %" PRIu64 " begins round %" PRIu64 ", whose row says otherwise",
                       number, examination->frame.round_number + 1);
    examination->frame.round_number++;
    examination->round_left = (uint64_t)rows_number(rounds, 2);
    examination->round_time_ms = (uint64_t)rows_number(rounds, 3);
    if (examination->round_time_ms < examination->frame.last_time_ms)
        return verify_differs(examination, "round %" PRIu64 " is earlier than the one before it",
                       examination->frame.round_number);
    examination->frame.last_time_ms = examination->round_time_ms;
    return true;
}

static bool end_round(struct examination *examination, const struct gathered *gathered) {
    sha256_begin(examination->sha);
    sha256_add(examination->sha,
               slice_of(&examination->frame.round_chain, sizeof(examination->frame.round_chain)));
    sha256_add(examination->sha,
               slice_of(gathered->chains, gathered->count * sizeof(*gathered->chains)));
    examination->frame.round_chain = sha256_end(examination->sha);
    if (!verify_is_hash(rows_bytes(&examination->rounds, 4), &examination->frame.round_chain))
        return verify_differs(examination,
                              "round %" PRIu64 " does not continue the chain of rounds",
                              examination->frame.round_number);
    rows_next(&examination->rounds);
    return true;
}

// ---- rows beside the records --------------------------------------------------------------------

bool verify_is_away(const struct examination *examination, uint64_t slot) {
    return examination->is_shard && examination->slots.away[slot % LIMIT_SLOTS];
}

static bool came_here(const struct examination *examination, uint64_t number, uint64_t slot) {
    return number < examination->slots.came_before[slot % LIMIT_SLOTS] / 8;
}

static bool differs_posting(struct examination *examination, uint64_t number,
                            const struct record *record, const struct posting_side *side,
                            int column) {
    char transaction[ID_TEXT_BYTES_MAX], wallet[ID_TEXT_BYTES_MAX];
    size_t transaction_size = id_format(ID_TRANSACTION, record->transaction.id, transaction);
    size_t wallet_size = id_format(ID_WALLET, side->wallet, wallet);
    return verify_differs(examination,
                          "the postings of record %" PRIu64 " are not what it says (column %d): "
                          "%.*s in %.*s",
                          number, column, (int)transaction_size, transaction, (int)wallet_size,
                          wallet);
}

static bool take_posting(struct examination *examination, uint64_t number,
                         const struct record *record, const struct posting_side *side,
                         int64_t amount) {
    const struct rows *rows = &examination->postings;
    uint32_t index = 0;
    if (id_is_zero(side->wallet) ||
        (examination->is_shard && posting_is_elsewhere(side)) || // another shard has it
        verify_is_away(examination, id_slot(side->wallet)) ||
        (examination->is_coming && !came_here(examination, number, id_slot(side->wallet))))
        return true;
    index = tally_map_find(&examination->numbers, side->wallet);
    if (index == 0)
        return verify_differs(examination, "record %" PRIu64 " moves money of an unknown wallet",
                              number);
    const struct opening_numbered *wallet = tally_map_at(&examination->numbers, index);
    const int64_t expected[] = {(int64_t)number,
                                id_slot(side->wallet),
                                (int64_t)wallet->number,
                                side->number,
                                (int64_t)record->time_ms,
                                record->transaction.type,
                                amount,
                                side->balance,
                                side->held,
                                (int64_t)side->version};
    for (int i = 0; i < 10; i++)
        if (!rows->is_there || rows_number(rows, i) != expected[i])
            return differs_posting(examination, number, record, side, i + 1);
    examination->report->posting_count++;
    rows_next(&examination->postings);
    return true;
}

static bool take_postings(struct examination *examination, uint64_t number,
                          const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    return take_posting(examination, number, record, &facts->debit, -facts->amount) &&
           take_posting(examination, number, record, &facts->credit, facts->amount);
}

static bool take_key(struct examination *examination, uint64_t number, uint64_t slot,
                     const struct record *record) {
    const struct rows *rows = &examination->keys;
    struct slice key = slice_of(&record->key, sizeof(record->key));
    if (verify_is_away(examination, slot))
        return true; // and its keys are not looked at
    // A key that was used on both shards has stayed with whom it was here.
    if (examination->is_coming && (!came_here(examination, number, slot) || !rows->is_there ||
                                   (uint64_t)rows_number(rows, 0) != number))
        return true;
    if (!rows->is_there || (uint64_t)rows_number(rows, 0) != number ||
        (uint64_t)rows_number(rows, 1) != slot || !slice_equal(rows_bytes(rows, 2), key))
        return verify_differs(examination,
                              "the idempotency key of record %" PRIu64 " is not its own", number);
    examination->report->key_count++;
    rows_next(&examination->keys);
    return true;
}

// Bank ids never age, so rows outlive their records: a chain over them is carried over.
static void chain_bank_id(struct examination *examination) {
    const struct rows *rows = &examination->bank_ids;
    struct sha256 *chain = &examination->frame.bank_chain;
    for (int column = 0; column < 4; column++) {
        struct slice bytes = rows_bytes(rows, column);
        uint64_t size = __builtin_bswap64(bytes.size);
        sha256_begin(examination->sha);
        sha256_add(examination->sha, slice_of(chain, sizeof(*chain)));
        sha256_add(examination->sha, slice_of(&size, sizeof(size)));
        sha256_add(examination->sha, bytes);
        *chain = sha256_end(examination->sha);
    }
}

static bool take_bank_id(struct examination *examination, uint64_t number,
                         const struct record *record) {
    const struct rows *rows = &examination->bank_ids;
    const struct transaction_facts *facts = &record->transaction;
    if (examination->is_coming &&
        (!rows->is_there || (uint64_t)rows_number(rows, 0) != number))
        return true; // the shard of the bank id's slot has it
    if (!rows->is_there || (uint64_t)rows_number(rows, 0) != number ||
        !slice_equal(rows_bytes(rows, 1), facts->bank_id) ||
        !slice_equal(rows_bytes(rows, 2), currency_code(&facts->currency)) ||
        !id_equal(rows_id(rows, 3), facts->id) ||
        rows_number(rows, 4) != id_slot_of_owner(facts->bank_id))
        return verify_differs(examination, "the bank id of record %" PRIu64 " is not its own",
                              number);
    chain_bank_id(examination);
    rows_next(&examination->bank_ids);
    return true;
}

// Another shard has opened it, under a number of its own, which the key of the ids alone can tell.
static uint64_t number_of_others(struct examination *examination, struct id wallet) {
    struct rows rows;
    char select[256], hex[2 * sizeof(wallet) + 1];
    uint64_t first = id_time_ms(wallet) << TIME_SHIFT, number = 0;
    *hex_write(slice_of(wallet.bytes, sizeof(wallet.bytes)), hex) = '\0';
    (void)snprintf(select, sizeof(select),
                   "SELECT number FROM wallets WHERE slot = %u AND number >= %" PRIu64
                   " AND number < %" PRIu64 " AND id = '\\x%s'",
                   id_slot(wallet), first, first + examination->slack, hex);
    rows_open(&rows, &examination->link, "number_of_others", select);
    if (rows.is_there)
        number = (uint64_t)rows_number(&rows, 0);
    rows_close(&rows);
    return number;
}

static bool take_others(struct examination *examination, uint64_t number, struct id wallet) {
    uint32_t index = tally_map_find(&examination->numbers, wallet);
    if (index != 0)
        return verify_differs_about(examination, ID_WALLET, wallet, "number", 0, (int64_t)number);
    uint64_t given = number_of_others(examination, wallet);
    if (given == 0 && verify_is_away(examination, id_slot(wallet)))
        return true;
    if (given == 0)
        return verify_differs(examination, "record %" PRIu64 " opened a wallet that is not there",
                              number);
    index = tally_map_add(&examination->numbers, wallet);
    ((struct opening_numbered *)tally_map_at(&examination->numbers, index))->number = given;
    return true;
}

// What moved in has the number of its id, which the key of the ids alone can tell; it is at least
// of that time.
static bool take_number(struct examination *examination, uint64_t number, struct id wallet) {
    uint32_t index = tally_map_find(&examination->numbers, wallet);
    if (number > examination->moved_last) {
        if (index != 0)
            return verify_differs_about(examination, ID_WALLET, wallet, "number", 0,
                                        (int64_t)number);
        index = tally_map_add(&examination->numbers, wallet);
        ((struct opening_numbered *)tally_map_at(&examination->numbers, index))->number = number;
        return true;
    }
    if (index == 0 && verify_is_away(examination, id_slot(wallet)))
        return true;
    if (index == 0)
        return verify_differs(examination, "record %" PRIu64 " opened a wallet that is not there",
                              number);
    uint64_t first = id_time_ms(wallet) << TIME_SHIFT;
    const struct opening_numbered *numbered = tally_map_at(&examination->numbers, index);
    uint64_t moved = numbered->number;
    if (moved < first || moved >= first + examination->slack || moved > number)
        return verify_differs_about(examination, ID_WALLET, wallet, "number", (int64_t)moved,
                             (int64_t)number);
    return true;
}

static bool take_opened(struct examination *examination, uint64_t number,
                         const struct record *record) {
    if (record->kind != RECORD_WALLET || record->operation != COMMAND_WALLET_OPEN ||
        record_arrives(record))
        return true;
    return record->decided_away ? take_others(examination, number, record->wallet.id)
                                : take_number(examination, number, record->wallet.id);
}

static void take_moved_numbers(struct examination *examination) {
    struct rows rows;
    char select[128];
    if (examination->moved_last == 0)
        return;
    (void)snprintf(select, sizeof(select),
                   "SELECT id, number FROM wallets WHERE number <= %" PRIu64,
                   examination->moved_last);
    rows_open(&rows, &examination->link, "moved_numbers", select);
    for (; rows.is_there; rows_next(&rows)) {
        struct id id = rows_id(&rows, 0);
        if (id_is_zero(id) || tally_map_find(&examination->numbers, id) != 0)
            continue; // which the walk over all wallets tells
        uint32_t index = tally_map_add(&examination->numbers, id);
        ((struct opening_numbered *)tally_map_at(&examination->numbers, index))->number =
            (uint64_t)rows_number(&rows, 1);
    }
    rows_close(&rows);
}

// ---- the records --------------------------------------------------------------------------------

// The record that opened what this one is about, when it is another.
static uint64_t opening_of(const struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION: return record->transaction.opening / 8;
    case RECORD_PARKED: return record->parked.opening / 8;
    case RECORD_HOLD: return record->hold.opening / 8;
    case RECORD_KEY: return record->api_key.opening / 8;
    case RECORD_WITHDRAWAL: return record->withdrawal.opening / 8;
    default: return 0;
    }
}

static bool take_columns(struct examination *examination, uint64_t number,
                         const struct record *record) {
    const struct rows *rows = &examination->records;
    bool arrives = record_arrives(record), is_payment = record->kind == RECORD_TRANSACTION;
    int64_t kind = arrives ? KIND_ARRIVAL : record->kind;
    if (rows_number(rows, 2) != (int64_t)record->time_ms || rows_number(rows, 3) != kind ||
        rows_number(rows, 4) != (is_payment && !arrives ? record->transaction.type : 0) ||
        !slice_equal(rows_bytes(rows, 5), record->origin.principal) ||
        !slice_equal(rows_bytes(rows, 6),
                     is_payment ? record->transaction.order : slice_of(NULL, 0)) ||
        (uint64_t)rows_number(rows, 10) != opening_of(record))
        return verify_differs(examination, "the columns of record %" PRIu64 " are not what it says",
                       number);
    if (number < record->time_ms << TIME_SHIFT)
        return verify_differs(examination, "record %" PRIu64 " has a number before its time",
                              number);
    return true;
}

static bool take_beside(struct examination *examination, uint64_t number, uint64_t slot,
                        const struct record *record) {
    return take_columns(examination, number, record) &&
           (record->kind != RECORD_TRANSACTION ||
            (take_postings(examination, number, record) &&
             (record->transaction.bank_id.size == 0 || record_arrives(record) ||
              take_bank_id(examination, number, record)))) &&
           (!record->has_key || record_is_guest(record) ||
            take_key(examination, number, slot, record));
}

// A record that another shard made, and that came with a slot: no round of this shard's has it.
static bool take_came(struct examination *examination) {
    const struct rows *rows = &examination->records;
    uint64_t number = (uint64_t)rows_number(rows, 0), slot = (uint64_t)rows_number(rows, 1);
    struct slice bytes = rows_bytes(rows, 8);
    struct record record;
    const char *broken;
    if (slot >= LIMIT_SLOTS)
        return verify_differs(examination, "record %" PRIu64 " has no slot", number);
    if (!take_chain(examination, number, slot, rows_bytes(rows, 7), bytes))
        return false;
    if (record_decode(bytes, &record, &broken) != STATUS_ok)
        return verify_differs(examination, "record %" PRIu64 " is damaged: %s", number, broken);
    if (!tally_take_came(&examination->tally, number * 8, bytes))
        return verify_differs(examination,
                              "Record %" PRIu64 ", which came with a slot, cannot be: %s", number,
                              examination->tally.why);
    return (!came_here(examination, number, slot) ||
            take_opened(examination, number, &record)) &&
           take_beside(examination, number, slot, &record);
}

static bool take_record(struct examination *examination, struct gathered *gathered) {
    const struct rows *rows = &examination->records;
    uint64_t number = (uint64_t)rows_number(rows, 0), slot = (uint64_t)rows_number(rows, 1);
    struct slice chain = rows_bytes(rows, 7), bytes = rows_bytes(rows, 8);
    struct record record;
    const char *broken;
    examination->is_coming = examination->is_shard && rows_number(rows, 9) != 0;
    if (examination->is_coming)
        return take_came(examination);
    if (examination->round_left == 0) {
        gathered->count = 0;
        if (!begin_round(examination, number))
            return false;
    } else if (number != examination->frame.last_record + 1 && number > examination->moved_last) {
        return verify_differs(examination, "behind record %" PRIu64 " one of its round is missing",
                       examination->frame.last_record);
    }
    examination->frame.last_record = number;
    if (!take_chain(examination, number, slot, chain, bytes))
        return false;
    if (record_decode(bytes, &record, &broken) != STATUS_ok)
        return verify_differs(examination, "record %" PRIu64 " is damaged: %s", number, broken);
    if (!tally_take(&examination->tally, number * 8, bytes, examination->round_time_ms))
        return verify_differs(examination, "Record %" PRIu64 " cannot be: %s", number,
                       examination->tally.why);
    if (!take_opened(examination, number, &record) ||
        !take_beside(examination, number, slot, &record))
        return false;
    if (gathered->count == gathered->capacity) {
        gathered->capacity = gathered->capacity == 0 ? 1024 : gathered->capacity * 2;
        gathered->chains =
            memory_resize(gathered->chains, gathered->capacity * sizeof(*gathered->chains));
    }
    gathered->chains[gathered->count++] = examination->frame.heads[slot].chain;
    return --examination->round_left != 0 || end_round(examination, gathered);
}

static bool no_more(struct examination *examination, const struct rows *rows, const char *what) {
    if (!rows->is_there)
        return true;
    return verify_differs(examination,
                          "there are %s of records that are not there, such as %" PRId64, what,
                          rows_number(rows, 0));
}

// The rows of the stretch, in the order of their records.
static void open_between(struct examination *examination, struct rows *rows, const char *name,
                         const char *what, const char *column, const char *then) {
    char select[512];
    uint64_t until = examination->span->until;
    bool is_partly = examination->is_shard && rows != &examination->records &&
                     rows != &examination->rounds;
    (void)snprintf(select, sizeof(select),
                   "SELECT %s WHERE %s >= %" PRIu64 " AND %s < %" PRIu64 "%s ORDER BY %s%s", what,
                   column, examination->from, column, until != 0 ? until : INT64_MAX,
                   is_partly ? " AND " HERE : "", column, then);
    if (rows == &examination->records)
        rows_open_by_index(rows, &examination->link, name, select);
    else
        rows_open(rows, &examination->link, name, select);
}

// Those of the stretch, and before them all that were ever archived.
static bool open_bank_ids(struct examination *examination) {
    struct rows *rows = &examination->bank_ids;
    struct sha256 carried = examination->frame.bank_chain;
    char select[256];
    uint64_t until = examination->span->until;
    (void)snprintf(select, sizeof(select),
                   "SELECT record, bank_id, currency::bytea, id, slot::bigint FROM bank_ids "
                   "WHERE record > 0 AND "
                   "record < %" PRIu64 " ORDER BY record, currency",
                   until != 0 ? until : INT64_MAX);
    memset(&examination->frame.bank_chain, 0, sizeof(examination->frame.bank_chain));
    rows_open(rows, &examination->link, "all_bank_ids", select);
    for (; rows->is_there && (uint64_t)rows_number(rows, 0) < examination->from; rows_next(rows))
        chain_bank_id(examination);
    if (examination->from != 0 &&
        memcmp(&carried, &examination->frame.bank_chain, sizeof(carried)) != 0)
        return verify_differs(examination,
                              "bank ids of archived history were added, changed or removed");
    return true;
}

static void walk_records(struct examination *examination) {
    struct gathered gathered = {0};
    uint64_t walked = 0;
    bool fits = true;
    open_between(examination, &examination->records, "all_records",
                 "number, slot::bigint, time_ms, kind::bigint, type::bigint, principal, order_id, "
                 "chain, bytes, (came IS NOT NULL)::integer::bigint, opening FROM records",
                 "number", "");
    open_between(examination, &examination->postings, "all_postings",
                 "record, slot::bigint, wallet, number, time_ms, type::bigint, amount, balance, "
                 "held, version FROM postings",
                 "record", ", amount");
    open_between(examination, &examination->keys, "all_keys",
                 "record, slot::bigint, key FROM idempotency", "record", "");
    open_between(examination, &examination->rounds, "all_rounds",
                 "number, first_record, record_count, time_ms, chain FROM rounds", "first_record",
                 "");
    fits = open_bank_ids(examination);
    while (fits && examination->records.is_there) {
        fits = take_record(examination, &gathered);
        if (fits)
            rows_next(&examination->records);
        if (++walked % VERIFY_TELLS_EVERY == 0)
            verify_tell(examination);
    }
    if (fits && examination->round_left != 0)
        fits = verify_differs(examination, "the last records of round %" PRIu64 " are missing",
                       examination->frame.round_number);
    if (fits)
        (void)(no_more(examination, &examination->postings, "postings") &&
               no_more(examination, &examination->keys, "idempotency keys") &&
               no_more(examination, &examination->bank_ids, "bank ids") &&
               no_more(examination, &examination->rounds, "rounds"));
    rows_close(&examination->records);
    rows_close(&examination->postings);
    rows_close(&examination->keys);
    rows_close(&examination->bank_ids);
    rows_close(&examination->rounds);
    memory_free(gathered.chains);
}

// ---- all of it ----------------------------------------------------------------------------------

// Begins with what was carried over, which must be what was recorded.
static void take_opening(struct examination *examination) {
    const struct cursor *archive = &examination->archive;
    uint64_t halves[2];
    if (examination->from == 0)
        return;
    sha256_begin(examination->sha);
    bool fits = opening_rows_take(&examination->link, examination->from, &examination->tally,
                                  &examination->numbers, &examination->frame, examination->sha);
    struct sha256 digest = sha256_end(examination->sha);
    if (!fits)
        (void)verify_differs(examination, "what was carried over from archived history is damaged");
    opening_halves(&digest, halves);
    examination->report->opening[0] = halves[0];
    examination->report->opening[1] = halves[1];
    bool is_recorded = halves[0] == archive->checksum && halves[1] == archive->source;
    if (fits && examination->span->from == VERIFY_FROM_ARCHIVE && !is_recorded)
        (void)verify_differs(examination,
                      "opening balances, or records kept from archived history, were changed");
}

// The row that says where history begins, against the record that moved it there.
static void meet_archive(struct examination *examination) {
    const struct cursor *row = &examination->archive;
    const struct cursor *ours =
        &examination->tally.cursors[cursor_index(CURSOR_ARCHIVE, 0)];
    if (row->next != ours->next || row->epoch != ours->epoch ||
        row->checksum != ours->checksum || row->source != ours->source ||
        row->partitions != ours->partitions)
        (void)verify_differs(examination,
                             "where archived history ends is not where its record says");
}

// How far the row of each slot has come.
static void read_heads(struct examination *examination) {
    struct rows rows;
    rows_open(&rows, &examination->link, "heads",
              "SELECT s.slot::bigint, greatest(s.last_record, b.heads_record) "
              "FROM florin.slots s, florin.books b");
    for (; rows.is_there; rows_next(&rows))
        examination->heads_until[(uint64_t)rows_number(&rows, 0) % LIMIT_SLOTS] =
            (uint64_t)rows_number(&rows, 1);
    rows_close(&rows);
}

// Which slots are others', and what came with those that moved here.
static void read_slots(struct examination *examination) {
    struct rows rows;
    rows_open(&rows, &examination->link, "who_owns",
              "SELECT slot::bigint, state::bigint, came_before, began FROM florin.slots");
    for (; rows.is_there; rows_next(&rows)) {
        uint64_t slot = (uint64_t)rows_number(&rows, 0) % LIMIT_SLOTS;
        examination->slots.away[slot] = rows_number(&rows, 1) != 0;
        examination->report->slot_count += rows_number(&rows, 1) == 0;
        examination->slots.came_before[slot] = (uint64_t)rows_number(&rows, 2) * 8;
        struct slice began = rows_bytes(&rows, 3);
        struct sha256 *chain = &examination->frame.heads[slot].chain;
        if (began.size == sizeof(chain->bytes))
            memcpy(chain->bytes, began.bytes, began.size);
    }
    rows_close(&rows);
}

// They are not counted here any more, and where they go perhaps not yet.
static void read_let_go(struct examination *examination) {
    struct rows rows;
    char *text = examination->report->let_go;
    size_t used = 0, size = sizeof(examination->report->let_go);
    rows_open(&rows, &examination->link, "let_go",
              "SELECT s.slot::bigint, s.shard::bytea FROM florin.slots s WHERE s.state = 1 AND "
              "s.shard IS NOT NULL AND s.copied = 0 AND EXISTS (SELECT FROM florin.wallets w "
              "WHERE w.slot = s.slot) ORDER BY s.slot");
    for (; rows.is_there; rows_next(&rows)) {
        struct slice shard = rows_bytes(&rows, 1);
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%" PRId64 " to %.*s",
                                     used == 0 ? "" : ", ", rows_number(&rows, 0), (int)shard.size,
                                     (const char *)shard.bytes);
    }
    rows_close(&rows);
}

static void begin(struct examination *examination) {
    struct rows rows;
    rows_open(&rows, &examination->link, "birth",
              "SELECT first_chain, moved_last, number_slack, coalesce(moved_from, '')::bytea, "
              "(shard IS NOT NULL)::integer::bigint, record_count FROM florin.books");
    if (rows.is_there) {
        if (examination->span->until == 0)
            examination->progress.record_total = (uint64_t)rows_number(&rows, 5);
        struct slice chain = rows_bytes(&rows, 0);
        if (chain.size == sizeof(examination->first_chain.bytes))
            memcpy(examination->first_chain.bytes, chain.bytes, chain.size);
        examination->moved_last = (uint64_t)rows_number(&rows, 1);
        examination->slack = (uint64_t)rows_number(&rows, 2);
        examination->is_shard = rows_number(&rows, 4) != 0;
        struct slice from = rows_bytes(&rows, 3);
        (void)snprintf(examination->report->moved_from, sizeof(examination->report->moved_from),
                       "%.*s", (int)from.size, (const char *)from.bytes);
        examination->report->first_chain = examination->first_chain;
    }
    rows_close(&rows);
    examination->frame.round_chain = examination->first_chain;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        examination->frame.heads[i].chain = examination->first_chain;
    examination->report->is_shard = examination->is_shard;
    read_heads(examination);
    if (examination->is_shard) {
        read_slots(examination);
        read_let_go(examination);
    }
    struct tally_source source = {.record_at = record_at,
                                  .find_position = find_position,
                                  .is_shard = examination->is_shard,
                                  .slots = examination->is_shard ? &examination->slots : NULL,
                                  .hold_changed = verify_hold_changed,
                                  .context = examination};
    tally_init(&examination->tally, &source);
    tally_map_init(&examination->numbers, sizeof(struct opening_numbered));
    take_moved_numbers(examination);
    examination->sha = sha256_open();
    opening_rows_archive(&examination->link, &examination->archive);
    examination->from = examination->span->from == VERIFY_FROM_ARCHIVE
                            ? examination->archive.next / 8
                            : examination->span->from;
    take_opening(examination);
    memcpy(examination->written, examination->frame.heads, sizeof(examination->written));
}

static void conclude(struct examination *examination) {
    struct integrity_report *books = &examination->report->books;
    struct integrity_report found = *books;
    tally_add_up(&examination->tally, books);
    books->checks[INTEGRITY_CHAIN].name = "chain";
    books->checks[INTEGRITY_CHAIN].count = examination->frame.round_number;
    books->checks[INTEGRITY_IDEMPOTENCY].name = "idempotency";
    books->checks[INTEGRITY_IDEMPOTENCY].count = examination->key_count;
    if (!found.consistent) {
        books->consistent = false;
        memcpy(books->message, found.message, sizeof(found.message));
    }
    if (books->consistent)
        (void)snprintf(books->message, sizeof(books->message),
                       "The books are right: %" PRIu64 " records in %" PRIu64 " rounds, %" PRIu64
                       " transactions between %" PRIu64 " wallets.",
                       books->record_count, examination->frame.round_number,
                       books->transaction_count, books->wallet_count);
    examination->report->round_count = examination->frame.round_number;
    examination->report->last_time_ms = examination->frame.last_time_ms;
    examination->report->begins_ms = examination->from >> TIME_SHIFT;
    examination->report->chain = examination->frame.round_chain;
}

static void examine(struct examination *examination) {
    struct integrity_report *books = &examination->report->books;
    const struct verify_postgres_span *span = examination->span;
    books->consistent = true;
    begin(examination);
    if (books->consistent && examination->link.why[0] == '\0')
        walk_records(examination);
    if (books->consistent && examination->link.why[0] == '\0' && span->until == 0)
        verify_meet_now(examination);
    if (books->consistent && examination->link.why[0] == '\0' && span->until == 0)
        meet_archive(examination);
    conclude(examination);
    if (books->consistent && examination->link.why[0] == '\0' && span->each != NULL)
        opening_tell(&examination->tally, &examination->numbers, &examination->frame, span->each,
                     span->context);
    sha256_close(examination->sha);
    tally_map_done(&examination->numbers);
    tally_done(&examination->tally);
    rows_forget(&examination->found);
}

enum status verify_postgres_span(const char *url, const struct verify_postgres_span *span,
                                 struct verify_postgres_report *ret_report) {
    CHECK(url != NULL);
    memset(ret_report, 0, sizeof(*ret_report));
    struct examination *examination = memory_take_zeroed(sizeof(*examination));
    uint64_t started_ns = clock_monotonic_ns();
    examination->report = ret_report;
    examination->span = span;
    if (rows_link_open(&examination->link, url) && rows_has_books(&examination->link))
        examine(examination);
    rows_link_close(&examination->link);
    bool is_read = examination->link.why[0] == '\0';
    if (!is_read)
        (void)snprintf(ret_report->books.message, sizeof(ret_report->books.message), "%s",
                       examination->link.why);
    ret_report->books.took_us = (clock_monotonic_ns() - started_ns) / 1000;
    memory_free(examination);
    return is_read ? STATUS_ok : STATUS_busy;
}

enum status verify_postgres(const char *url, verify_postgres_told *told, void *context,
                            struct verify_postgres_report *ret_report) {
    const struct verify_postgres_span all = {
        .from = VERIFY_FROM_ARCHIVE, .told = told, .told_context = context};
    return verify_postgres_span(url, &all, ret_report);
}

void verify_postgres_done(struct verify_postgres_report *report) {
    integrity_report_done(&report->books);
}
