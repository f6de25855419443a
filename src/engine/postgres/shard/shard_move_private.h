// SPDX-License-Identifier: MIT
// Between the parts of moving a slot.
#pragma once
#include "base/buffer.h"
#include "base/id.h"
#include "engine/postgres/shard/shard_move.h"
#include "ledger/record.h"

// The source and the target; both are places of mover->places.
enum { MOVE_SOURCE, MOVE_TARGET, MOVE_SIDES };

// What stands now and moves as it stands, by table.
enum move_thing {
    MOVE_WALLETS,
    MOVE_HOLDS,
    MOVE_WITHDRAWALS,
    MOVE_REFUNDS,
    MOVE_APPROVALS,
    MOVE_THINGS
};

struct move_table {
    const char *name, *key; // the column beside the slot
    const char *early;      // what may be there before the slot is served; NULL: all
};
extern const struct move_table move_tables[MOVE_THINGS];

struct mover {
    const struct shard_move *move;
    struct shard_lines *lines;
    uint32_t slot;
    uint32_t places[MOVE_SIDES];
    struct id_seal seal; // of the books
    struct buffer query;
    struct link bulk[MOVE_SIDES]; // shard_move_bulk.c's
    const char *text;      // what was answered last
    struct buffer numbers; // VALUES of the source's numbers of currencies and the target's
    uint64_t copied_to;    // records up to there have come
    uint64_t horizon;      // rows of transactions before that have come; 0: none have
    uint64_t counted;      // records that the source had written then
    uint64_t told_records;
    // Since `copied_to`: the keys of what was changed, "1,2,3". Those that are open or pending are
    // gathered from the first copy on, as they move last.
    struct buffer touched[MOVE_THINGS], open[MOVE_THINGS];
    struct buffer parts; // numbers of the records that answer the slot's batches, not here yet
    struct buffer keys; // arrays of the data keys of the slot's owners: numbers, owners, keys
    struct buffer sums; // VALUES (currency of the target's, wallets, balances): what has come
    char becoming[160]; // the statement that makes it a node, for what a node may have to finish
    bool is_bound; // in the middle of it: a connection that is lost is not opened again
    uint64_t ask_ns; // how long one answer may take
    char *why;
    size_t why_bytes;
};

// ---- asking -------------------------------------------------------------------------------------

// One text of statements; its last value of one row goes to mover->text. False: `why` says so.
bool mover_ask(struct mover *mover, uint32_t side, const char *query);
// The same with what stands in mover->query.
bool mover_ask_query(struct mover *mover, uint32_t side);
bool mover_ask_number(struct mover *mover, uint32_t side, const char *query, uint64_t *ret_number);
// Puts a text of at most 2047 bytes into mover->query.
void mover_write(struct mover *mover, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool mover_fails(struct mover *mover, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool mover_is_puzzled(struct mover *mover); // false: what the source says cannot be understood
const char *mover_name(const struct mover *mover, uint32_t side);
bool mover_tell(struct mover *mover, const char *doing); // false: it is called off

// ---- shard_move_judge.c -------------------------------------------------------------------------

// Who owns the slot; the target when nobody else does.
bool mover_find_source(struct mover *mover);
bool mover_judge(struct mover *mover, bool *ret_never);
bool mover_be_alone(struct mover *mover);

// ---- shard_move_copy.c: all there is ------------------------------------------------------------

// Brings the target everything up to the record `last` that is not there yet.
bool mover_copy(struct mover *mover, uint64_t last);
// Of the tables of what stands now those rows whose keys are `touched`, or, where that is NULL,
// that were written since the horizon. `is_last`: also what must not be there before it is served.
bool mover_copy_things(struct mover *mover, const struct buffer *touched, bool is_last);
// Ids of bank transactions whose slot this is, that were written since the horizon.
bool mover_copy_bank_ids(struct mover *mover);

// ---- shard_move_bulk.c: records and postings, all of them ---------------------------------------

// Those behind `copied_to`, up to `last`, with what leads to them.
bool mover_copy_bulk(struct mover *mover, uint64_t last);

// ---- shard_move_records.c: records on their way -------------------------------------------------

#define MOVE_NUMBER_IS_TAKEN                                                                       \
    "a record of the slot has the same number as one of the target: this slot cannot be moved to " \
    "that shard, but to another one"

// Whether an idempotency key comes along with that record of that slot: guests' stay at home.
bool move_takes_key(const struct mover *mover, uint64_t slot, const struct record *record);
// Notes which records answer the operations of that one, if it is a batch: some are of other slots
// and touch no wallet of this one, and come along all the same.
void move_note_parts(struct mover *mover, uint64_t slot, const struct record *record);
// Brings all that were noted.
bool mover_copy_parts(struct mover *mover);
// Brings the records behind `copied_to` up to `last` that this slot needs, of whichever slot they
// are, and notes what all of them touch.
bool mover_copy_records_since(struct mover *mover, uint64_t last);

// ---- shard_move_since.c: what was decided since -------------------------------------------------

// Records that the source has written since the last copy.
bool mover_count_since(struct mover *mover, uint64_t *ret_count);
// Brings what the records behind `copied_to` up to `last` say was changed. What it reads is bounded
// by their number and by what is open. `is_last`: under both turns.
bool mover_copy_since(struct mover *mover, uint64_t last, bool is_last);
// Everything is copied: what the target has of the slot, before anything is brought under turns.
bool mover_sum(struct mover *mover);
// What stands now has come: notes how far.
bool mover_note(struct mover *mover, uint64_t last, uint64_t horizon, uint64_t counted);
bool mover_horizon(struct mover *mover, uint64_t *ret_horizon);
void mover_forget_touched(struct mover *mover);

// ---- shard_move_keys.c: what texts are encrypted with -------------------------------------------

// Whether both shards are under the same master key, or both are plain.
bool mover_judge_master(struct mover *mover);
// Keys that do not tell their slots, as those of before, are looked up by their owners.
bool mover_find_keys(struct mover *mover);
// Behind the turns: reads them. And adds what both halves do with them to mover->query.
bool mover_read_keys(struct mover *mover);
void mover_write_taking_keys(struct mover *mover);
void mover_write_letting_keys_go(struct mover *mover);

// ---- shard_move_switch.c ------------------------------------------------------------------------

// One try; what is left of the slot is brought over, and it changes hands. `*ret_again`: nothing
// was done, and it may succeed a little later.
bool mover_switch(struct mover *mover, bool *ret_again);
// Rows of slots are brought up to date on each side by itself, so that little is left to do behind
// both turns, and that records which come along are not walked over. Where somebody else has the
// turn for long, more is left.
void mover_write_heads(struct mover *mover);
// The last number of a record that the source has.
bool mover_last_record(struct mover *mover, uint64_t *ret_last);
