// SPDX-License-Identifier: MIT
// The writer's desk: copies of all rows that a batch names, on which its commands are decided one
// after another. What was changed is written back in one go; what an atomic batch changed can be
// taken back. Nothing on the desk outlives the batch, so several nodes never disagree.
#pragma once
#include <pthread.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "engine/postgres/arrivals.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/map.h"
#include "engine/postgres/link/number.h"
#include "ledger/decide.h"
#include "ledger/alarm.h"
#include "ledger/habits.h"
#include "ledger/rules.h"
#include "ledger/history.h"
#include "ledger/seal.h"
#include "vault/vault.h"

#define DESK_CURRENCIES_MAX 1024
#define DESK_DUE_MAX        1000 // holds that end in one batch; more make batches of their own

// Where a row lies, as the server says (its ctid): so until somebody changes it.
struct row_place {
    uint8_t bytes[6];
};

struct wallet_row {
    struct wallet wallet;
    struct spent spent;
    struct habits habits; // version 0: nothing was counted yet
    uint64_t number, version_before, details, last, levels[HISTORY_LEVELS]; // positions but number
    uint32_t last_number;
    bool present, added, changed;
    bool only_paid;                  // nothing has changed but what each payment changes
    const struct wallet_row *before; // of a changed one: as it was fetched
    struct row_place place; // of a locked one; and once it is written
    bool is_placed;         // it is known
    bool is_late; // the batch before changes it too, and has yet to tell where it lies then
    bool blocked;       // somebody else has locked it: it can be read, but not changed
    bool is_behind;     // so is what has come for it from another shard, which goes first
    struct slice owner; // of an added one
    // Of another shard's: what came along (desk_legs.c). It is changed here, and written there.
    struct legs *legs;
    uint32_t part;
    struct currency currency;
};

struct arrival_row { // what another shard has decided, and is still to become a record here
    struct slice gid, bytes;
    int64_t place;
    struct row_place lies;
    bool is_taken;
    bool is_held;    // somebody else has locked its row, or that of what it belongs to
    bool debits;     // of a payment: it is the side that pays
    bool is_subject; // of a refund: it is the purchase
};

struct hold_row {
    struct hold hold;
    uint64_t number, opened, closed; // the latter are positions
    int64_t captured_before;
    bool present, added, changed, blocked; // as of a wallet
    struct slice order; // of an added one
    const struct legs *legs; // of another shard's, as of a wallet
};

struct withdrawal_row {
    struct withdrawal withdrawal;
    uint64_t number, opened, closed;
    bool present, added, changed, blocked; // as of a wallet
    struct slice bank_id; // of one settled in this batch
    const struct legs *legs; // of another shard's, as of a wallet
};

struct purchase_row { // any transaction that a command names
    uint32_t slot;
    uint64_t record;
    int64_t refunded;
    bool present, changed, blocked;
    bool row_blocked; // somebody has locked the row that says what was refunded
    const struct legs *legs; // of another shard's, as of a wallet
    uint32_t part;
};

struct parked_row { // a command that waits for a decision
    struct parked parked;
    uint64_t number, opened, closed; // number of the record that opened it, and positions
    bool present, added, changed, blocked; // as of a wallet
    struct slice principal; // who asked
};

struct data_key_row { // number 0: destroyed
    struct vault_key key;
    uint32_t slot; // of one that this batch adds: its owner's
    bool is_here;  // it came, also when it is destroyed; else another shard may have it
};

struct owner_row { // by the mark of an owner
    struct data_key_row *now; // what his texts are sealed with; NULL: nothing yet
    bool is_known;            // somebody who asked for it has a wallet under that name
    bool is_free; // its row of data_keys is locked for this batch, which may destroy it
};

struct answer_row {    // what an idempotency key has decided
    uint64_t position; // 0: nothing yet
    uint64_t opened;   // of what another shard remembers: the record behind that; 0: none
    bool is_away;      // another shard remembers it
    bool is_blocked;   // and somebody else has it in hand
};

// In place of the positions of records that came along from other shards.
#define DESK_AWAY (UINT64_C(1) << 62)

struct bank_row { // a bank id of a currency
    bool present;
    struct id transaction;
    // Of the row of no currency, of one that another shard has: what came along (desk_legs.c).
    struct legs *legs;
    uint32_t part;
    bool is_blocked;
};

struct key_row {
    struct key key;
    uint64_t opened;
    uint64_t rotated; // position of its last rotation; 0: none
    uint64_t last_used_ms; // before the books moved in; 0: not known
    bool changed;
};

// A place in a log beside the books; epoch 0: there is no row yet.
struct cursor_row {
    struct cursor cursor;
    uint64_t epoch_before, next_before;
    bool changed, blocked; // by somebody else's lock
};

struct currency_row {
    struct currency_account account;
    money_total transit_change; // what the batch adds to it
    bool changed;
    bool blocked;  // somebody else has locked it
    bool is_there; // in the books, at this place
    struct row_place place;
};

struct rows {
    void **items; // owned; what they point at is the arena's
    uint32_t count, capacity;
};

// Free texts of a batch (desk_sealing.c).
struct sealing {
    struct text_vault port;
    struct vault *vault; // borrowed; NULL: texts are plain
    int64_t generation;  // of the master key that this node knows; 0: texts are plain
    int64_t generation_now; // what the batch at hand found
    uint64_t plain_until_ms;
    struct map key_map, owner_map; // struct data_key_row by number, struct owner_row by mark
    struct rows added;             // struct data_key_row
    struct column destroyed;       // numbers
    uint32_t slot; // of the owner whose texts are sealed at the moment
};

struct counters {
    uint64_t time_ms, rounds, records, last_record, heads_record, wallets, holds, holds_open,
        withdrawals, keys, transactions, keys_version;
    struct sha256 chain;
};

struct asked { // a row that was asked for with a lock
    struct id id;
    uint64_t number;
    const bool *present; // it came
};

struct asked_key { // an API key that may be changed
    uint64_t number;
    bool is_locked; // for this batch; else somebody else has it
};

// A record of this batch, or one that was fetched.
struct record_row {
    uint64_t position;
    struct slice bytes;
    uint32_t slot; // of one of this batch: its home
    uint64_t told; // of another shard's: where it is told here; 0: nowhere yet
};

// The head of a slot's chain of records (desk_heads.c).
struct head {
    struct row_place place, place_added; // of its row; and as the batch that is written leaves it
    struct sha256 chain, before; // now; and as the last batch that was confirmed left it
    struct sha256 written;       // as its row has it
    uint32_t added;              // records of the batch that is being written
    uint32_t unwritten;          // confirmed ones since the row was written
    bool is_put;                 // the batch that is written has written its row
    bool is_elsewhere;           // another shard owns the slot
    uint64_t last_record, last_before; // the last of them, likewise
};

struct saved { // what an atomic batch changed
    void *at;
    void *copy;
    size_t size;
};

// What a pass of fetching still has to ask for.
struct wants {
    // The first four by partition.
    struct column wallet_slots[SQL_PARTS], wallet_numbers[SQL_PARTS], bank_slots[SQL_PARTS],
        bank_ids[SQL_PARTS];
    struct column again_slots[SQL_PARTS], again_numbers[SQL_PARTS];
    struct column seen_slots[SQL_PARTS], seen_numbers[SQL_PARTS]; // of wallets: desk_known.c
    struct column hold_slots, hold_numbers, withdrawal_slots,
        withdrawal_numbers, parked_slots, parked_numbers, detail_slots, detail_numbers,
        transaction_slots, transactions, records,
        forgotten_owners, // and of those whose data keys may be destroyed
        keys, answer_slots, answers, cursor_slots, cursor_kinds,
        rotated_keys, // numbers of keys whose making must be shown
        locked_keys,  // and of those that may be changed
        key_numbers, key_owners, known_slots, known_owners, // of data keys
        arrivals_open;
};

// What the row of books says must be asked for besides: mostly nothing of it.
struct told {
    bool heads, head_rows, currencies, free_currencies, keys, rules, due, due_reviews, next_due;
};

// Who looks for keys of the next batch beside the writer (desk_beside.c).
struct beside {
    struct link link;     // closed: nobody does
    uint64_t next_try_ns; // it is not opened again before
    bool is_asked;        // and what it found was not taken yet
    struct sha256 chain_before, chain_behind; // of the round that was committed meanwhile
};

// What batches without a look are decided on (desk_ahead.c).
struct ahead {
    bool is_known; // the last batch of this node is what the books end with, as far as it knows
    bool is_on;    // the batch at hand was not looked for
    uint64_t clock_ms; // what the server's clock said with the turn
    int64_t books_by;  // the transaction that wrote the row of books
    uint32_t wait, pause; // batches with a look behind the next that fails; and still to come
    // The batch at hand, if its rows went out behind the COMMIT of the one before.
    const struct inbox_node *opened;
    bool has_left;      // the one whose COMMIT is awaited has made room on the desk for the next
    bool left_was_on;   // and it was not looked for
    struct buffer left; // ids of the wallets that it has changed
    struct sha256 left_chain; // of the books before it
    bool is_key_common;       // it has a key that the next one has as well
    bool was_beside;          // keys of the batch at hand were looked for beside the writer
    struct beside beside;
};

struct desk {
    struct id_seal seal;
    uint64_t hash_seed;
    uint64_t retention_ms; // of idempotency keys
    struct arena arena; // of the batch
    uint64_t now_ms;
    bool payments_stopped; // see struct engine
    struct alarm_state alarm; // what the books say, with what this batch adds
    bool alarm_changed;
    bool takes_turn; // a setting for tests: correctness does not rest on it
    bool has_writes;
    bool has_bound; // somebody bound to an owner asks: both wallets of transactions are fetched
    struct counters before, counters;

    const struct approval_rules *approvals; // borrowed; NULL: none
    const struct spending_limits *limits;   // likewise
    uint32_t review_expires_s; // how long held payments wait; 0: the standard
    // The set of rules in force, kept while its version is the books'. Others read it under the
    // lock.
    pthread_mutex_t rules_lock;
    struct rule_set rules;
    uint64_t rule_hits[RULES_MAX]; // each atomic; since it came
    uint64_t rule_hits_now[RULES_MAX]; // of the batch at hand, which may be decided once more
    uint64_t rule_hits_left[RULES_MAX]; // of one that has left the desk and is not committed yet
    uint64_t rules_record;         // of a set that this batch adds; 0: none
    bool rules_failed;             // see struct engine
    struct verdict verdict;        // of the command that is being decided
    struct buffer words;           // and the sentence behind it
    struct map parked_map;
    struct map wallet_map, hold_map, withdrawal_map, purchase_map, answer_map, bank_map, record_map;
    struct rows wallets, holds, withdrawals, purchases, due, due_reviews, parked, cursors;
    struct cursor_row *cursor_at[CURSOR_COUNT]; // those asked for; the arena's
    struct rows asked, asked_holds, asked_withdrawals, asked_parked; // in the last pass
    struct rows asked_keys; // struct asked_key
    struct rows arrivals; // struct arrival_row, in their order
    uint64_t next_due_ms; // nothing ends by itself before, as the books say; or as was looked for
    bool arrivals_asked;  // this batch has looked for them
    uint64_t begun_ns; // by clock_monotonic_ns: what the batch sees is from behind that
    struct arrivals_seen arrivals_seen;  // what it saw
    struct arrivals_seen arrivals_taken; // and what an earlier one saw, which has left nothing
    struct rows legs; // that came along with rounds; struct legs
    uint32_t away_count; // of records that came along with them
    uint32_t guest_slot; // the home of a command, or an atomic batch, for what it does away from it
    uint32_t crossed; // transactions of the batch that another shard has a part of
    struct rows records; // of this batch, numbered without a gap; struct record_row
    const struct sha256 *chains; // what each makes of its slot's chain, once that is computed
    uint64_t keys_from, keys_end; // between these records idempotency keys were looked for
    uint32_t keys_added;          // by the batch that is being written
    uint64_t archived;            // before this record history is, or is about to be, archived
    uint64_t end_record;          // up to there partitions are made
    bool lacks_partitions;        // the time has come to their end
    struct row_place books_place; // where the row of books was last seen
    bool has_old_versions; // somebody's transaction is open, and no version goes (desk_places.c)
    bool by_place;         // rows are looked for where they lay last
    // Kept from batch to batch: they are those of the books that end with this chain.
    struct currency_row currencies[DESK_CURRENCIES_MAX];
    uint32_t currency_count;
    struct sha256 currencies_chain;
    bool currencies_known; // false: this batch has changed them, or they are of no books at all
    bool seeks_free;       // one of them may be locked by somebody else
    // All keys, kept from batch to batch while their version is the books'.
    struct key *keys; // owned; one array for the rules
    struct key_row *key_rows;
    uint32_t key_count, key_capacity;
    uint32_t key_owned; // how many of them had their owner's text read
    uint64_t keys_version; // UINT64_MAX: not known
    struct arena key_texts; // owners of keys, for as long as the desk
    // Heads of all slots, kept from batch to batch: they are those of `heads_chain`, if that is
    // what the books say; else what came since comes (desk_heads.c).
    struct head heads[LIMIT_SLOTS];
    struct sha256 heads_chain;
    int64_t heads_round;    // they are those after that round; -1: none are known
    uint64_t heads_known;   // and after that record
    uint64_t heads_record;  // up to there rows of slots are written, as far as this desk knows
    uint64_t heads_from;    // behind this record those are asked for that are not in the rows
    uint32_t heads_lag;     // after so many records rows of slots are written; 0: in each batch
    bool heads_apart;         // without those that somebody has locked; else all or none
    uint32_t heads_unwritten; // records that they lag behind
    uint32_t heads_passed_by; // those of them whose rows somebody had locked when it was tried
    uint32_t heads_sent, heads_put; // rows that the batch that is written wants to write; and has
    bool habits_packed;       // so they are written; else as earlier versions read them
    bool writes_heads;        // the batch that is being written does
    uint8_t part_of[LIMIT_SLOTS]; // the partition of wallets and bank ids
    uint32_t parts_known;         // how many of them are known; all, or they are asked for
    bool has_parents;             // the batch has their parents' locks
    bool has_many[SQL_PARTS];     // wallets lie there, so many that any plan is made for many
    uint64_t parts_wallets;       // how many wallets there were when that was asked
    struct known_wallets *known;  // owned; NULL: none (desk_known.c)
    bool turn_is_asked, has_turn; // behind the last batch; and since
    struct ahead ahead;
    struct dirty_pages *dirty; // owned; NULL: none (desk_clean.c)
    // Which slots another shard owns, kept while the books' version of it is this.
    int64_t slots_version;    // -1: not known
    uint32_t elsewhere_count; // slots that another shard owns; 0: nobody needs to look
    uint32_t shard_number;    // of struct books' server among the shards; 0: the only one
    bool is_shard;
    uint32_t commands_wanted; // of the batch at hand

    int64_t rules_known; // the version of the set on the desk; -1: it may have come to nothing
    struct told told;
    struct wants wants;
    struct sealing sealing;
    bool undoing;
    struct saved *saved; // owned
    uint32_t saved_count, saved_capacity;
    struct buffer scratch; // for encoding
    struct column out[22]; // what is being written
};

// What a command names, found.
struct found {
    struct docket docket;
    struct wallet_row *wallet, *counterparty;
    struct hold_row *hold;
    struct withdrawal_row *withdrawal;
    struct purchase_row *transaction;
    struct key_row *key;
    struct parked_row *parked;
    struct purchase purchase;
};

// desk.c
void desk_init(struct desk *desk);
void desk_done(struct desk *desk);
void desk_clear(struct desk *desk); // after a batch, or before it is begun again
void rows_add(struct rows *rows, void *item);
struct wallet_row *desk_wallet(const struct desk *desk, struct id id); // NULL: there is none
struct hold_row *desk_hold(const struct desk *desk, struct id id);
struct parked_row *desk_parked(const struct desk *desk, struct id id);
// Whether what has that id, and was not found, may have been archived.
bool desk_is_archived(const struct desk *desk, struct id id);
// The same of transactions, also of ids that nobody made: of those that have gone with their month
// nothing tells whose they were, so nobody may learn which of them were real.
bool desk_is_before_line(const struct desk *desk, struct id id);
struct withdrawal_row *desk_withdrawal(const struct desk *desk, struct id id);
// The transaction with that id, decoded; NULL: there is none.
struct purchase_row *desk_transaction(const struct desk *desk, struct id id,
                                      struct record *ret_record);
// A record of the batch or one fetched; NULL: neither.
const struct record_row *desk_record(const struct desk *desk, uint64_t position);
struct currency_account *desk_currency(const struct desk *desk, const struct currency *currency,
                                       uint16_t *ret_number);
struct cursor_row *desk_cursor(const struct desk *desk, const struct command *command);
// The record under the same idempotency key, if there is one.
bool desk_earlier(struct desk *desk, struct digest128 key, struct record *ret_record,
                  uint64_t *ret_position);
struct key_row *desk_key(const struct desk *desk, struct id id);
struct digest128 desk_bank_key(const struct desk *desk, struct slice code, struct slice bank_id);
// The row of a key or bank id, made when it is not there yet.
struct answer_row *desk_answer(struct desk *desk, struct digest128 key);
struct bank_row *desk_bank(struct desk *desk, struct digest128 key);
void desk_take_bank(struct desk *desk, const struct pg_result *result, int row);
// The mark of a wallet's owner; 0: it is not on the desk, or the world outside.
uint64_t desk_owner(const struct desk *desk, struct id wallet);
// Notes on the outcome what of a transaction somebody bound must not see.
void desk_hide(const struct desk *desk, const struct command *command, const struct record *record,
               struct outcome *outcome);
// Whether somebody bound may be answered with that record; everybody else may.
bool desk_may_see(const struct desk *desk, const struct command *command,
                  const struct record *record);
// Of what is answered with the record of a payment that was held: what has become of it since.
void desk_point_now(const struct desk *desk, const struct record *earlier,
                    struct outcome *outcome);
// The time of the batch by that clock, and never earlier than that of the one before.
void desk_set_now(struct desk *desk, uint64_t clock_ms);
uint64_t desk_next_number(const struct desk *desk); // of the next record
void desk_keys_set_span(struct desk *desk); // where keys of the batch may be
// The number of the batch's first record, when it has one.
static inline uint64_t desk_first_record(const struct desk *desk) {
    return desk->counters.last_record + 1 - desk->records.count;
}
// Before something on the desk changes.
void desk_touch(struct desk *desk, void *at, size_t size);
void desk_undo_begin(struct desk *desk);
void desk_undo_keep(struct desk *desk);
void desk_undo_roll_back(struct desk *desk);

// desk_fetch.c
// Reads everything that the submissions name, and the holds that are due. `will_write`: take turn
// and locks even when no command of them writes.
MUST_CHECK enum link_result desk_fetch(struct desk *desk, struct link *link,
                                       struct inbox_node *first, bool will_write);
// Clears the desk and notes all that the submissions name; nothing is asked for yet.
void desk_want_all(struct desk *desk, struct inbox_node *first, bool will_write);
// Whether it is known which partition each slot is in, and how large these are.
bool desk_parts_are_known(const struct desk *desk);
// While fetching: what else is asked for. Of a wallet, hold, withdrawal or transaction.
void desk_want(struct desk *desk, enum id_type type, struct id id);
void desk_want_answer(struct desk *desk, struct digest128 key); // under an idempotency key
// desk_books.c: what came of it.
void desk_take_books(struct desk *desk, const struct pg_result *result);
void row_take_place(const struct pg_result *result, int row, int column,
                    struct row_place *ret_place);
// What is known of the books' rows may be wrong, for instance because somebody wrote them anew:
// the next batch asks for all of it.
void desk_forget_books(struct desk *desk);
void desk_take_next_due(struct desk *desk, const struct pg_result *result);
uint64_t desk_next_due(const struct desk *desk); // behind the batch
void desk_take_currency(struct desk *desk, const struct pg_result *result, int row);
void desk_take_key(struct desk *desk, const struct pg_result *result, int row);
void desk_take_cursor(struct desk *desk, const struct pg_result *result, int row);
// desk_locks.c: API keys and currencies that somebody else has locked. While fetching: a key that
// may be changed; and what came of it.
void desk_want_key_lock(struct desk *desk, struct id id);
void desk_take_key_lock(struct desk *desk, const struct pg_result *result, int row);
void desk_take_free_currencies(struct desk *desk, const struct pg_result *result);
// Whether the command may change one of them.
bool desk_owner_is_blocked(const struct desk *desk, struct slice owner);
void desk_take_free_owner(struct desk *desk, const struct pg_result *result, int row);
bool desk_locks_block(const struct desk *desk, const struct command *command,
                      const struct found *found);
// The same of what has come from another shard, and is no refund's purchase.
bool desk_arrival_is_blocked(const struct desk *desk, const struct record *record);
// desk_heads.c: heads of slots. Once the row of books is there: what of them must be asked for.
void desk_heads_settle(struct desk *desk, bool same_slots);
void desk_heads_ask(struct desk *desk, struct link *link, struct told told);
void desk_take_head(struct desk *desk, const struct pg_result *result, int row);
void desk_take_head_behind(struct desk *desk, const struct pg_result *result, int row);
void desk_take_head_since(struct desk *desk, const struct pg_result *result, int row);
void desk_heads_came(struct desk *desk); // all of them
// What each record of the batch makes of its slot's chain; lives as long as the batch.
const struct sha256 *desk_heads_chain(struct desk *desk);
void desk_heads_write(struct desk *desk, struct link *link); // into the flight, when it is time
// desk_places.c: where the rows lie that every batch changes. Where to look for the row of books.
struct row_place desk_books_place(const struct desk *desk);
// What the row of books says: how many transactions ago the oldest that is still open began.
void desk_note_oldest(struct desk *desk, int64_t transactions);
// Where what was written lies: what those statements answered.
void desk_take_places(struct desk *desk, enum sql statement, const struct pg_result *result);
// Whether nothing needs to be cleaned up behind the row of books just now.
bool desk_places_are_clean(const struct desk *desk);
// desk_ahead.c: batches without a look. If it `is_on` then, all that the batch names is there.
MUST_CHECK enum link_result desk_ahead_begin(struct desk *desk, struct link *link,
                                             const struct inbox_node *first,
                                             bool will_write);
// While the batch at hand is committed: whether it leaves what another may be decided on; whether
// the one of the rounds that wait may be; makes room for it; and puts that one on the desk, with
// what is known of it. False: it needs a look.
bool desk_ahead_may_leave(const struct desk *desk);
bool desk_ahead_may_open(const struct desk *desk, const struct inbox_node *waiting);
void desk_ahead_leave(struct desk *desk, const struct inbox_node *next);
bool desk_ahead_begin_behind(struct desk *desk, struct inbox_node *first);
// Once that is decided, its rows go out; and are taken back.
void desk_ahead_open(struct desk *desk, struct link *link, const struct inbox_node *first);
MUST_CHECK enum link_result desk_ahead_close(struct desk *desk, struct link *link);
// Before its COMMIT: that no key was used before, as a session beside has found, or the server
// looks.
void desk_ahead_prove_keys(struct desk *desk, struct link *link);
// The batch that has left is committed; or it is not known to be, and neither is the next.
void desk_ahead_left_stands(struct desk *desk);
void desk_ahead_left_failed(struct desk *desk);
// When all is decided: whether it must be decided again, with a look.
bool desk_ahead_is_in_vain(struct desk *desk);
MUST_CHECK enum link_result desk_ahead_take_back(struct link *link); // then, what it began with
// desk_turn.c: into the flight, for the next batch; what of it, and else, is on its way still is
// collected; into the flight of a batch, unless it is had, or given back where it only reads; and
// it was given back, or went with its session.
void desk_turn_ask(struct desk *desk, struct link *link);
MUST_CHECK enum link_result desk_turn_settle(struct desk *desk, struct link *link);
void desk_turn_take(struct desk *desk, struct link *link);
void desk_turn_forget(struct desk *desk);
void desk_ahead_stands(struct desk *desk); // the batch is committed, and that is known
void desk_ahead_failed(struct desk *desk); // one without a look was not
void desk_ahead_forget(struct desk *desk); // another session begins
// desk_beside.c: a session, unless there is one; asks it for keys of the batch at hand, while the
// one before is committed; whether none was used before, once that is; and ends that session.
void desk_beside_open(struct desk *desk, const char *url);
void desk_beside_ask(struct desk *desk);
bool desk_beside_settle(struct desk *desk);
void desk_beside_close(struct desk *desk);
// desk_known.c: wallets as this node saw them last.
void desk_known_forget(struct desk *desk); // all of them: a session begins
void desk_known_done(struct desk *desk);
bool desk_knows_wallet(const struct desk *desk, uint32_t slot, uint64_t number);
// Those of a batch that is committed, or, if it leaves the desk before, of one that may be.
void desk_known_keep(struct desk *desk);
// Whether it is also known where it lies, or, behind a batch that has left, will be; fills its row,
// unseen; and takes where it lies now that the batch which has left told it. Whether it has habits.
bool desk_knows_place(const struct desk *desk, uint32_t slot, uint64_t number);
bool desk_knows_place_behind(const struct desk *desk, uint32_t slot, uint64_t number);
bool desk_known_place(struct desk *desk, uint32_t slot, uint64_t number,
                      const struct row_place *place);
void desk_known_trust(struct desk *desk, uint32_t slot, uint64_t number);
// What the database tells of a wallet that is known.
struct known_signs {
    uint64_t version, details; // the second is the position of a record
    int64_t balance;           // in minor units
};
// Fills a row that has only its number so far, when these are what is known. False: the wallet is
// another one by now.
bool desk_known_take(const struct desk *desk, uint32_t slot, const struct known_signs *signs,
                     struct wallet_row *wallet);
// A row of a wallet that was asked for, in full or, with a lock, what is known of it.
void desk_take_wallet(struct desk *desk, const struct pg_result *result, int row, bool is_locked);
void desk_take_known_wallet(struct desk *desk, const struct pg_result *result, int row);
// desk_clean.c: pages of wallets that collect old versions.
void desk_clean_note(struct desk *desk); // what a batch that is committed leaves there
// The same of one wallet of a batch that has left the desk.
void desk_clean_note_left(struct desk *desk, uint32_t slot, uint64_t number,
                          const struct row_place *place, bool has_habits);
void desk_clean(struct desk *desk, struct link *link); // into the flight, a unit of its own
void desk_clean_done(struct desk *desk);
// desk_find.c: gathers a command's things into its docket.
void desk_find(struct desk *desk, const struct command *command, struct found *ret_found);
// Where what waits for somebody, or was found, lies: with the wallet that pays; when another shard
// has that, with the purchase whose refund it is about, or at the home of its atomic batch.
uint32_t desk_slot_of_parked(const struct desk *desk, const struct found *found);

// desk_slots.c: what of a batch is on another shard.
// Whether another shard owns that slot.
bool desk_is_elsewhere(const struct desk *desk, uint32_t slot);
bool desk_home_is_elsewhere(const struct desk *desk, const struct command *command);
// Whether an operation of an atomic batch is at home on another shard, and decided with the others
// all the same.
bool desk_is_guest(const struct desk *desk, const struct command *command);
// The command's home is on another shard: whoever brought it has an old map.
void desk_turn_away(struct outcome *outcome);
// The same, of all that a submission is to be decided on. False: it is at home here.
bool desk_turn_away_submission(const struct desk *desk, struct submission *submission);

// desk_lacks.c: turns a command away that needs more of other shards than came along, or sets a
// read aside that needs what somebody else has. False: it may be decided.
bool desk_lacks(struct desk *desk, const struct command *command, struct outcome *outcome);
// The same of an earlier answer: whose it is, for somebody bound, and of what both sides must see.
bool desk_lacks_parties(struct desk *desk, const struct command *command,
                        const struct record *earlier, struct outcome *outcome);
// The same of all operations of an atomic batch.
bool desk_lacks_in_batch(struct desk *desk, struct submission *submission);

// desk_legs.c: bank ids and wallets that another shard has.
// While fetching: what came along with a round; NULL or spent: nothing.
void desk_legs_take(struct desk *desk, struct legs *legs);
// What lies behind what came along, and may be here.
void desk_want_of_legs(struct desk *desk, const struct legs *legs);
void desk_want_sides_of_purchase(struct desk *desk, struct slice bytes);
// Whether what an operation of an atomic batch names or opens on another shard came along.
bool desk_legs_has_thing(const struct desk *desk, const struct command *command);
// Of what was not found there: whether it may be archived.
bool desk_legs_is_archived(const struct desk *desk, struct id id);
// A record of another shard, and the one behind it (0: none), become records of this batch, for the
// answer alone. Returns the position of the first.
uint64_t desk_tell(struct desk *desk, uint64_t position, uint64_t opened);
// That which opened what the command names, as far as it is another shard's.
void desk_tell_opening(struct desk *desk, const struct command *command);
// What came along about a bank id; NULL: nothing did.
const struct bank_row *desk_legs_marker(const struct desk *desk, struct slice bank_id);
// The same about an idempotency key.
const struct answer_row *desk_legs_answer(const struct desk *desk, struct digest128 key);
// Whether a leg that is not finished, or is about to be made, may book that bank id.
bool desk_bank_is_blocked(const struct desk *desk, struct slice bank_id);
void desk_take_bank_lock(struct desk *desk, const struct pg_result *result, int row);
void desk_take_purchase_lock(struct desk *desk, const struct pg_result *result, int row);
// A wallet that another shard has, and of which something came along; it may not be there.
struct wallet_row *desk_legs_wallet(const struct desk *desk, struct id id);
// desk_arrivals.c
void desk_arrivals_ask(struct desk *desk, struct link *link); // once in a batch
void desk_arrivals_see(struct desk *desk, const struct pg_result *result);
void desk_write_arrivals(struct desk *desk, struct link *link);
void desk_arrivals_settle(struct desk *desk); // the batch stands
// When all is decided: writes and prepares on other shards what was decided about them. False: the
// batch is to be decided anew, without the rounds whose legs are spent.
bool desk_legs_prepare(struct desk *desk);
void desk_legs_decide(struct desk *desk, struct link *link); // into the flight

// desk_decide.c
void desk_decide(struct desk *desk, const struct command *command, bool in_atomic,
                 struct outcome *ret_outcome, struct engine_stats *stats);
void desk_decide_submission(struct desk *desk, struct submission *submission,
                            struct engine_stats *stats);
// How many holds ended; those of a blocked wallet stay.
uint32_t desk_expire_due(struct desk *desk, struct engine_stats *stats);

// desk_arrive.c
// What has arrived from other shards becomes records, before anything else is decided. Returns how
// many; those of a wallet that somebody has locked stay.
uint32_t desk_take_arrivals(struct desk *desk, struct engine_stats *stats);
void desk_note_arrival(struct desk *desk, const struct pg_result *result, int row);

// desk_effect.c: facts become a record and changed rows. Returns the record's position.
uint64_t desk_take(struct desk *desk, struct record *record, struct found *found);
// `slot`: the home of what was asked.
uint64_t desk_add_record(struct desk *desk, const struct record *record, uint32_t slot);
void desk_change_wallet(struct desk *desk, struct wallet_row *row); // NULL: none
void desk_history_fill(struct posting_side *side, const struct wallet_row *row);
void desk_history_take(struct wallet_row *row, const struct posting_side *side, uint64_t position);
// So much money comes to the wallets here from others, or leaves them.
void desk_pass_transit(struct desk *desk, uint16_t currency, int64_t amount);
// A withdrawal that is settled by the record at that position, which opens it, or ends it.
void desk_settle(struct desk *desk, const struct record *record, struct found *found,
                 uint64_t position);

// desk_rules.c
bool desk_rules_are_in_force(const struct desk *desk, const struct command *command);
// While fetching: what came, when it is another set than the desk's.
void desk_take_rules(struct desk *desk, const struct pg_result *result);
// Another set is in force.
void desk_rules_set(struct desk *desk, const struct rule_set *set);
void desk_rules_count(struct desk *desk);
void desk_rules_forget(struct desk *desk); // of a batch that comes to nothing, or comes again
void desk_rules_keep(struct desk *desk);   // it is committed
void desk_rules_leave(struct desk *desk);  // it leaves the desk, and may be
void desk_rules_keep_left(struct desk *desk); // and is
// Thread: any.
void desk_rules_stats(struct desk *desk, struct engine_stats *ret_stats);

// desk_read.c
void desk_read(struct desk *desk, const struct command *command, struct outcome *ret_outcome);
// Points outcomes at copies of their records' bytes, and of what they lack.
void desk_resolve(struct desk *desk, struct arena *arena, struct outcome *outcome);
void desk_resolve_lacks(struct arena *arena, struct outcome *outcome); // those alone
// Once it is resolved, of a read of an operation: also what is behind an atomic batch.
void desk_resolve_parts(struct desk *desk, struct arena *arena, const struct command *command,
                        struct outcome *outcome);

// desk_sealing.c
void desk_sealing_init(struct desk *desk);
// While fetching: the key of an owner who may get texts, whether anybody has a wallet under a name,
// and the key of a record that came.
void desk_want_owner(struct desk *desk, uint64_t owner);
void desk_want_owner_known(struct desk *desk, struct slice owner);
void desk_want_key(struct desk *desk, struct slice bytes);
void desk_take_data_key(struct desk *desk, const struct pg_result *result, int row);
// Of an owner whose wallets another shard has; it came along with one of them (crossing.h).
void desk_take_away_key(struct desk *desk, const struct vault_key *key);
// Whether nothing can be sealed for the owner of a wallet that came along.
bool desk_lacks_owner_key(const struct desk *desk, const struct wallet_row *wallet);
void desk_take_owner_known(struct desk *desk, const struct pg_result *result, int row);
void desk_find_owner_data(struct desk *desk, const struct command *command,
                          struct docket *docket);
// Seals the record that was encoded into the scratch buffer.
void desk_seal(struct desk *desk, const struct record *record);
// Of shards one under a key that none of ours is comes back as it is: another may have the key.
struct slice desk_reveal(struct desk *desk, struct arena *arena, struct slice bytes);
// What arrived, with its texts if they are of an owner here, else without any: those of another
// shard's owner are under his key, which is there.
void desk_open_arrival(struct desk *desk, struct slice bytes, struct record *record);
void desk_destroy_key(struct desk *desk, const struct record *record);
void desk_write_data_keys(struct desk *desk, struct link *link);

// desk_persist.c: puts everything that changed into the flight, the commit included; and before
// that, of a batch that goes out behind the last one's COMMIT, all but its round.
void desk_persist(struct desk *desk, struct link *link, const uint8_t token[16]);
void desk_persist_rows(struct desk *desk, struct link *link);

// Whether a command of what is submitted again was decided the first time.
static inline bool desk_was_decided(const struct submission *submission, uint32_t place) {
    return submission->again && !submission->atomic && !submission->outcomes[place].anew;
}
