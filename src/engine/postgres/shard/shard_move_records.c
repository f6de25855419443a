// SPDX-License-Identifier: MIT
// Records come in slices, as the very text that the target's statements take, so that no column is
// forgotten; only what no column says is read out of their bytes.
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "base/memory.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/shard/shard_move_private.h"
#include "ledger/record.h"

#define SLICE_ROWS  2000
#define PARTS_ROWS  1000
#define SLICE_BYTES 2000000 // of records; more only when a single one has them

// A record of a slice: its columns but the last, as text, and its bytes.
static const char record_line[] =
    "r.slot, r.number, encode(r.bytes, 'hex'), format('%s,%s,%s,%s,%L,%L,%L,%L,%L', "
    "r.slot, r.number, r.time_ms, r.kind, r.type, r.principal, r.order_id, r.opening, r.chain)";

struct slice_of_records {
    struct buffer records, places, keys, banks; // values of statements for the target
    uint64_t count, read;                       // records that come; and that were looked at
    uint64_t number;                            // of the last one
    bool is_of_parts;                           // each comes, whatever it is about
};

struct copied_record {
    uint64_t slot, number;
    struct slice digits; // of its bytes
    struct slice columns;
};

static void slice_clear(struct slice_of_records *slice) {
    buffer_reset(&slice->records);
    buffer_reset(&slice->places);
    buffer_reset(&slice->keys);
    buffer_reset(&slice->banks);
    slice->count = slice->read = 0;
}

static void slice_done(struct slice_of_records *slice) {
    buffer_done(&slice->records);
    buffer_done(&slice->places);
    buffer_done(&slice->keys);
    buffer_done(&slice->banks);
}

static void add_comma(struct buffer *buffer) {
    if (buffer->size != 0)
        BUFFER_ADD(buffer, ",");
}

static void add_hex(struct buffer *buffer, struct slice bytes) {
    BUFFER_ADD(buffer, "'\\x");
    (void)hex_write(bytes, (char *)buffer_room(buffer, 2 * bytes.size));
    buffer->size += 2 * bytes.size;
    BUFFER_ADD(buffer, "'");
}

// ---- what a record says -------------------------------------------------------------------------

// The bank's id leads to the record where that is, too; else only to the transaction.
static void add_bank_id(struct slice_of_records *slice, const struct transaction_facts *facts,
                        uint64_t number) {
    add_comma(&slice->banks);
    buffer_add_format(&slice->banks, "(%" PRIu32 ",", id_slot_of_owner(facts->bank_id));
    add_hex(&slice->banks, facts->bank_id);
    buffer_add_format(&slice->banks, ",'%.12s',%" PRIu64 ",", facts->currency.code, number);
    add_hex(&slice->banks, slice_of(facts->id.bytes, sizeof(facts->id.bytes)));
    BUFFER_ADD(&slice->banks, ")");
}

bool move_takes_key(const struct mover *mover, uint64_t slot, const struct record *record) {
    return record->has_key && !record_is_guest(record) && slot == mover->slot;
}

static void add_key(const struct mover *mover, struct slice_of_records *slice,
                    const struct copied_record *copied, const struct record *record) {
    if (!move_takes_key(mover, copied->slot, record))
        return;
    add_comma(&slice->keys);
    BUFFER_ADD(&slice->keys, "(");
    add_hex(&slice->keys, slice_of(&record->key, sizeof(record->key)));
    buffer_add_format(&slice->keys, ",%" PRIu64 ",%" PRIu64 ")", copied->slot, copied->number);
}

static void touch(struct mover *mover, enum move_thing thing, struct id id) {
    uint64_t number;
    if (id_is_zero(id) || id_slot(id) != mover->slot || !number_of_id(&mover->seal, id, &number))
        return;
    add_comma(&mover->touched[thing]);
    buffer_add_format(&mover->touched[thing], "%" PRIu64, number);
}

// Whose rows it has changed. A subject is the purchase, the hold or the withdrawal: in the other
// tables nothing has its number.
static void touch_all(struct mover *mover, const struct record *record) {
    switch (record->kind) {
    case RECORD_WALLET:
        touch(mover, MOVE_WALLETS, record->wallet.id);
        break;
    case RECORD_TRANSACTION:
        touch(mover, MOVE_WALLETS, record->transaction.debit.wallet);
        touch(mover, MOVE_WALLETS, record->transaction.credit.wallet);
        touch(mover, MOVE_HOLDS, record->transaction.subject);
        touch(mover, MOVE_WITHDRAWALS, record->transaction.subject);
        touch(mover, MOVE_REFUNDS, record->transaction.subject);
        break;
    case RECORD_HOLD:
        touch(mover, MOVE_HOLDS, record->hold.id);
        touch(mover, MOVE_WALLETS, record->hold.wallet);
        break;
    case RECORD_WITHDRAWAL:
        touch(mover, MOVE_WITHDRAWALS, record->withdrawal.id);
        touch(mover, MOVE_WALLETS, record->withdrawal.wallet);
        break;
    case RECORD_PARKED:
        touch(mover, MOVE_APPROVALS, record->parked.id);
        touch(mover, MOVE_WALLETS, record->parked.wallet);
        break;
    default: // of what else there is no row in this slot
        break;
    }
}

static bool has_side(const struct mover *mover, const struct posting_side *side) {
    return !id_is_zero(side->wallet) && id_slot(side->wallet) == mover->slot &&
           !posting_is_elsewhere(side);
}

// Whether it comes along: it is of the slot, or has moved money of one of its wallets.
static bool is_needed(const struct mover *mover, const struct copied_record *copied,
                      const struct record *record) {
    return copied->slot == mover->slot || (record->kind == RECORD_TRANSACTION &&
                                           (has_side(mover, &record->transaction.debit) ||
                                            has_side(mover, &record->transaction.credit)));
}

void move_note_parts(struct mover *mover, uint64_t slot, const struct record *record) {
    if (record->kind != RECORD_BATCH || slot != mover->slot)
        return;
    for (uint32_t i = 0; i < record->batch.count; i++) {
        uint64_t at;
        memcpy(&at, record->batch.positions.bytes + i * sizeof(at), sizeof(at));
        at = (at & ~UINT64_C(7)) / 8;
        buffer_add(&mover->parts, &at, sizeof(at));
    }
}

// ---- slices -------------------------------------------------------------------------------------

static void add_record(struct mover *mover, struct slice_of_records *slice,
                       const struct copied_record *copied, const struct record *record) {
    add_comma(&slice->records);
    BUFFER_ADD(&slice->records, "(");
    buffer_add(&slice->records, copied->columns.bytes, copied->columns.size);
    BUFFER_ADD(&slice->records, ",'\\x");
    buffer_add(&slice->records, copied->digits.bytes, copied->digits.size);
    buffer_add_format(&slice->records, "',%" PRIu32 ")", mover->slot);
    add_comma(&slice->places);
    buffer_add_format(&slice->places, "(%" PRIu64 ",%" PRIu64 "::bigint)", copied->slot,
                      copied->number);
    add_key(mover, slice, copied, record);
    slice->count++;
}

static bool take_record(struct mover *mover, struct slice_of_records *slice,
                        const struct copied_record *copied) {
    struct record record;
    const char *broken;
    uint8_t *bytes = memory_take(copied->digits.size / 2 + 1);
    bool ok = hex_read(copied->digits, bytes) &&
              record_decode(slice_of(bytes, copied->digits.size / 2), &record, &broken) ==
                  STATUS_ok;
    if (ok)
        touch_all(mover, &record);
    if (ok)
        move_note_parts(mover, copied->slot, &record);
    bool comes = ok && (slice->is_of_parts || is_needed(mover, copied, &record));
    if (comes)
        add_record(mover, slice, copied, &record);
    if (ok && record_books_bank_id(&record) &&
        (comes || id_slot_of_owner(record.transaction.bank_id) == mover->slot))
        add_bank_id(slice, &record.transaction, comes ? copied->number : 0);
    memory_free(bytes);
    slice->read++;
    slice->number = copied->number;
    return ok || mover_fails(mover, "record %" PRIu64 " cannot be read", copied->number);
}

// A line of `record_line`.
static bool take_line(const char **text, struct copied_record *copied) {
    if (!lineage_take_number(text, &copied->slot) || !lineage_take_word(text, " ") ||
        !lineage_take_number(text, &copied->number) || !lineage_take_word(text, " "))
        return false;
    size_t digits = strspn(*text, "0123456789abcdef");
    copied->digits = slice_of(*text, digits);
    *text += digits;
    if (!lineage_take_word(text, " "))
        return false;
    size_t columns = strcspn(*text, "\n");
    copied->columns = slice_of(*text, columns);
    *text += columns + ((*text)[columns] == '\n');
    return true;
}

static bool take_slice(struct mover *mover, struct slice_of_records *slice) {
    const char *text = mover->text;
    slice_clear(slice);
    while (*text != '\0') {
        struct copied_record copied;
        if (!take_line(&text, &copied))
            return mover_is_puzzled(mover);
        if (!take_record(mover, slice, &copied))
            return false;
    }
    CHECK(slice->count <= slice->read);
    return true;
}

// ---- writing ------------------------------------------------------------------------------------

// Two shards make the same number when one has made thousands of records in a millisecond; in one
// database numbers lead to records. By index, whatever the planner takes the table to be.
static bool has_the_numbers_free(struct mover *mover, const struct slice_of_records *slice) {
    struct buffer *query = &mover->query;
    buffer_reset(query);
    BUFFER_ADD(query, "SELECT count(*) FROM (VALUES ");
    buffer_add(query, slice->places.bytes, slice->places.size);
    BUFFER_ADD(query, ") v(slot, number) CROSS JOIN LATERAL (SELECT slot FROM records x "
                      "WHERE x.number = v.number OFFSET 0) r WHERE r.slot <> v.slot");
    if (!mover_ask_query(mover, MOVE_TARGET))
        return false;
    return strcmp(mover->text, "0") == 0 ||
           mover_fails(mover, MOVE_NUMBER_IS_TAKEN);
}

static void add_records(struct buffer *query, const struct buffer *records) {
    if (records->size == 0) {
        BUFFER_ADD(query, "SELECT NULL::bigint AS number");
        return;
    }
    BUFFER_ADD(query, "INSERT INTO records (slot, number, time_ms, kind, type, principal, "
                      "order_id, opening, chain, bytes, came) VALUES ");
    buffer_add(query, records->bytes, records->size);
    BUFFER_ADD(query, " ON CONFLICT DO NOTHING RETURNING number");
}

// Each once: also that of a record that is here already, because it moved money of a wallet that
// has come before the slot that its key lives in. Keys that nobody remembers any more stay behind:
// the partitions of the target are not those of the source, and in one of them a key that was used
// anew must not meet its first use.
static void add_keys(struct buffer *query, const struct buffer *keys) {
    if (keys->size == 0) {
        BUFFER_ADD(query, "SELECT count(*) FROM come");
        return;
    }
    BUFFER_ADD(query, "INSERT INTO idempotency (key, slot, record) SELECT v.key::bytea, v.slot, "
                      "v.record FROM (VALUES ");
    buffer_add(query, keys->bytes, keys->size);
    buffer_add_format(query,
                      ") v(key, slot, record) WHERE v.record >= (SELECT "
                      "(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - "
                      "86400000::bigint * (idempotency_days + 1)) << %d FROM extent) AND NOT "
                      "EXISTS (SELECT FROM idempotency x WHERE x.key = v.key::bytea AND "
                      "x.record = v.record) ON CONFLICT DO NOTHING",
                      NUMBER_TIME_SHIFT);
}

static void add_bank_ids(struct buffer *query, const struct buffer *banks) {
    if (banks->size == 0)
        return;
    BUFFER_ADD(query, "; INSERT INTO bank_ids AS b (slot, bank_id, currency, record, id) VALUES ");
    buffer_add(query, banks->bytes, banks->size);
    BUFFER_ADD(query, " ON CONFLICT (slot, bank_id, currency) DO UPDATE SET "
                      "record = excluded.record WHERE b.record = 0 AND b.id = excluded.id");
}

static bool write_slice(struct mover *mover, const struct slice_of_records *slice) {
    struct buffer *query = &mover->query;
    if (slice->count != 0 && !has_the_numbers_free(mover, slice))
        return false;
    if (slice->count == 0 && slice->banks.size == 0)
        return true;
    buffer_reset(query);
    BUFFER_ADD(query, "WITH come AS (");
    add_records(query, &slice->records);
    BUFFER_ADD(query, ") ");
    add_keys(query, &slice->keys);
    add_bank_ids(query, &slice->banks);
    mover->told_records += slice->count;
    return mover_ask_query(mover, MOVE_TARGET);
}

// ---- reading and writing ------------------------------------------------------------------------

static bool bring_slice(struct mover *mover, struct slice_of_records *slice, uint64_t last) {
    buffer_reset(&mover->query);
    BUFFER_ADD(&mover->query, "SELECT coalesce(string_agg(concat_ws(' ', ");
    buffer_add_text(&mover->query, record_line);
    buffer_add_format(
        &mover->query,
        "), E'\\n' ORDER BY r.number), '') FROM (SELECT q.*, sum(octet_length(bytes)) OVER "
        "(ORDER BY number) AS size FROM (SELECT * FROM records WHERE came IS NULL AND number > "
        "%" PRIu64 " AND number <= %" PRIu64 " ORDER BY number LIMIT %d) q) r "
        "WHERE size - octet_length(bytes) < %d",
        slice->number, last, SLICE_ROWS, SLICE_BYTES);
    return mover_ask_query(mover, MOVE_SOURCE) && take_slice(mover, slice) &&
           write_slice(mover, slice);
}

bool mover_copy_records_since(struct mover *mover, uint64_t last) {
    struct slice_of_records slice = {.number = mover->copied_to};
    bool ok = true;
    do {
        ok = bring_slice(mover, &slice, last);
    } while (ok && slice.read != 0);
    slice_done(&slice);
    return ok && mover_copy_parts(mover);
}

// Those of other slots among so many numbers from `first` on.
static void ask_parts(struct mover *mover, const uint64_t *first, uint64_t count) {
    buffer_reset(&mover->query);
    BUFFER_ADD(&mover->query, "SELECT coalesce(string_agg(concat_ws(' ', ");
    buffer_add_text(&mover->query, record_line);
    BUFFER_ADD(&mover->query, "), E'\\n' ORDER BY r.number), '') FROM (SELECT DISTINCT number FROM "
                              "unnest('{");
    for (uint64_t i = 0; i < count; i++)
        buffer_add_format(&mover->query, i == 0 ? "%" PRIu64 : ",%" PRIu64, first[i]);
    buffer_add_format(&mover->query,
                      "}'::bigint[]) u(number)) n CROSS JOIN LATERAL (SELECT * FROM records x "
                      "WHERE x.number = n.number OFFSET 0) r WHERE r.slot <> %" PRIu32,
                      mover->slot);
}

bool mover_copy_parts(struct mover *mover) {
    struct slice_of_records slice = {.is_of_parts = true};
    const uint64_t *numbers = (const uint64_t *)(const void *)mover->parts.bytes;
    uint64_t count = mover->parts.size / sizeof(*numbers);
    bool ok = true;
    for (uint64_t at = 0; at < count && ok; at += PARTS_ROWS) {
        ask_parts(mover, numbers + at, count - at < PARTS_ROWS ? count - at : PARTS_ROWS);
        ok = mover_ask_query(mover, MOVE_SOURCE) && take_slice(mover, &slice) &&
             write_slice(mover, &slice);
    }
    slice_done(&slice);
    if (ok)
        buffer_reset(&mover->parts);
    return ok;
}
