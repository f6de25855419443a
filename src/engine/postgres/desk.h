// SPDX-License-Identifier: MIT
// The writer's desk: copies of all rows that a batch names, on which its commands are decided one
// after another. What was changed is written back in one go; what an atomic batch changed can be
// taken back. Nothing on the desk outlives the batch, so several nodes never disagree.
#pragma once
#include <pthread.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "engine/postgres/link.h"
#include "engine/postgres/map.h"
#include "engine/postgres/number.h"
#include "ledger/decide.h"
#include "ledger/alarm.h"
#include "ledger/habits.h"
#include "ledger/rules.h"
#include "ledger/history.h"
#include "ledger/seal.h"
#include "vault/vault.h"

#define DESK_CURRENCIES_MAX 1024
#define DESK_DUE_MAX        1000 // holds that end in one batch; more make batches of their own

struct wallet_row {
    struct wallet wallet;
    struct spent spent;
    struct habits habits; // version 0: nothing was counted yet
    uint64_t number, version_before, details, last, levels[HISTORY_LEVELS]; // positions but number
    uint32_t last_number;
    bool present, added, changed;
    const struct wallet_row *before; // of a changed one: as it was fetched
    uint8_t place[6];                // where a locked one lies, as the server says
    bool blocked;       // somebody else has locked it: it can be read, but not changed
    struct slice owner; // of an added one
    // Of another shard's: what came along (desk_legs.c). It is changed here, and written there.
    struct legs *legs;
    uint32_t part;
    struct currency currency;
};

struct arrival_row { // a payment from another shard that is still to become a record here
    struct slice gid, bytes;
    int64_t place;
    bool is_taken;
};

struct hold_row {
    struct hold hold;
    uint64_t number, opened, closed; // the latter are positions
    int64_t captured_before;
    bool present, added, changed, blocked; // as of a wallet
    struct slice order; // of an added one
};

struct withdrawal_row {
    struct withdrawal withdrawal;
    uint64_t number, opened, closed;
    bool present, added, changed, blocked; // as of a wallet
    struct slice bank_id; // of one settled in this batch
};

struct purchase_row { // any transaction that a command names
    uint32_t slot;
    uint64_t record;
    int64_t refunded;
    bool present, changed;
};

struct parked_row { // a command that waits for a decision
    struct parked parked;
    uint64_t number, opened, closed; // number of the record that opened it, and positions
    bool present, added, changed;
    struct slice principal; // who asked
};

struct data_key_row { // number 0: destroyed
    struct vault_key key;
};

struct owner_row { // by the mark of an owner
    struct data_key_row *now; // what his texts are sealed with; NULL: nothing yet
    bool is_known;            // somebody who asked for it has a wallet under that name
};

struct answer_row {    // what an idempotency key has decided
    uint64_t position; // 0: nothing yet
};

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
    bool changed;
};

struct currency_row {
    struct currency_account account;
    money_total transit_change; // what the batch adds to it
    bool changed;
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
};

struct counters {
    uint64_t time_ms, rounds, records, last_record, wallets, holds, holds_open, withdrawals, keys,
        transactions, keys_version;
    struct sha256 chain;
};

struct asked { // a row that was asked for with a lock
    struct id id;
    uint64_t number;
    const bool *present; // it came
};

// A record of this batch, or one that was fetched.
struct record_row {
    uint64_t position;
    struct slice bytes;
    uint32_t slot; // of one of this batch: its home
};

// The head of a slot's chain of records.
struct head {
    struct sha256 chain, before; // now; and as the last batch that was confirmed left it
    uint32_t added;              // by the batch that is being written
    bool is_elsewhere;           // another shard owns the slot
    uint64_t last_record;        // the last of them
};

struct saved { // what an atomic batch changed
    void *at;
    void *copy;
    size_t size;
};

// What a pass of fetching still has to ask for.
struct wants {
    struct column wallet_slots, wallet_numbers, hold_slots, hold_numbers, withdrawal_slots,
        withdrawal_numbers, parked_slots, parked_numbers, detail_slots, detail_numbers,
        transaction_slots, transactions, records,
        keys, answer_slots, answers, bank_slots, bank_ids, cursor_slots, cursor_kinds,
        rotated_keys, // numbers of keys whose making must be shown
        key_numbers, key_owners, known_slots, known_owners; // of data keys
};

// What the row of books says must be asked for besides: mostly nothing of it.
struct told {
    bool keys, rules, due, due_reviews;
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
    uint64_t rules_record;         // of a set that this batch adds; 0: none
    bool rules_failed;             // see struct engine
    struct verdict verdict;        // of the command that is being decided
    struct buffer words;           // and the sentence behind it
    struct map parked_map;
    struct map wallet_map, hold_map, withdrawal_map, purchase_map, answer_map, bank_map, record_map;
    struct rows wallets, holds, withdrawals, purchases, due, due_reviews, parked, cursors;
    struct cursor_row *cursor_at[CURSOR_COUNT]; // those asked for; the arena's
    struct rows asked, asked_holds, asked_withdrawals; // in the last pass
    struct rows arrivals; // struct arrival_row, in their order
    struct rows legs; // that came along with rounds; struct legs
    struct rows records; // of this batch, numbered without a gap; struct record_row
    uint64_t keys_from, keys_end; // between these records idempotency keys were looked for
    uint64_t archived;            // before this record history is, or is about to be, archived
    uint64_t end_record;          // up to there partitions are made
    bool lacks_partitions;        // the time has come to their end
    struct currency_row currencies[DESK_CURRENCIES_MAX];
    uint32_t currency_count;
    // All keys, kept from batch to batch while their version is the books'.
    struct key *keys; // owned; one array for the rules
    struct key_row *key_rows;
    uint32_t key_count, key_capacity;
    uint32_t key_owned; // how many of them had their owner's text read
    uint64_t keys_version; // UINT64_MAX: not known
    struct arena key_texts; // owners of keys, for as long as the desk
    // Heads of all slots, kept from batch to batch: they are those of `heads_chain`, if that is
    // what the books say; else those that changed after round `heads_round` come.
    struct head heads[LIMIT_SLOTS];
    struct sha256 heads_chain;
    int64_t heads_round; // -1: none are known
    // Which slots another shard owns, kept while the books' version of it is this.
    int64_t slots_version;    // -1: not known
    uint32_t elsewhere_count; // slots that another shard owns; 0: nobody needs to look
    uint32_t shard_number;    // of struct books' server among the shards; 0: the only one

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
bool desk_earlier(const struct desk *desk, struct digest128 key, struct record *ret_record,
                  uint64_t *ret_position);
struct key_row *desk_key(const struct desk *desk, struct id id);
struct digest128 desk_bank_key(const struct desk *desk, struct slice code, struct slice bank_id);
// The row of a key or bank id, made when it is not there yet.
struct answer_row *desk_answer(struct desk *desk, struct digest128 key);
struct bank_row *desk_bank(struct desk *desk, struct digest128 key);
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
uint64_t desk_next_number(const struct desk *desk); // of the next record
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
// desk_books.c: what came of it.
void desk_take_books(struct desk *desk, const struct pg_result *result);
void desk_take_head(struct desk *desk, const struct pg_result *result, int row);
void desk_take_currency(struct desk *desk, const struct pg_result *result, int row);
void desk_take_key(struct desk *desk, const struct pg_result *result, int row);
// desk_find.c: gathers a command's things into its docket.
void desk_find(struct desk *desk, const struct command *command, struct found *ret_found);

// desk_slots.c: what of a batch is on another shard.
// Whether another shard owns that slot.
bool desk_is_elsewhere(const struct desk *desk, uint32_t slot);
// Whether the command names something on another shard, or something on the desk that it is about
// does: then it cannot be decided here.
bool desk_reaches_across(const struct desk *desk, const struct command *command,
                         const struct found *found);
// Whether another shard has its bank id or the wallet that it pays, and nothing of that came along:
// who brought it has an old map, too.
bool desk_lacks_legs(const struct desk *desk, const struct command *command);
// Whether it needs any.
bool desk_needs_legs(const struct desk *desk, const struct command *command);
// The command's home is on another shard: whoever brought it has an old map.
void desk_turn_away(struct outcome *outcome);
// The same, of all that a submission is to be decided on. False: it is at home here.
bool desk_turn_away_submission(const struct desk *desk, struct submission *submission);

// desk_legs.c: bank ids that another shard has.
// While fetching: what came along with a round; NULL or spent: nothing.
void desk_legs_take(struct desk *desk, struct legs *legs);
// What came along about a bank id; NULL: nothing did.
const struct bank_row *desk_legs_marker(const struct desk *desk, struct slice bank_id);
// Whether a leg that is not finished, or is about to be made, may book that bank id.
bool desk_bank_is_blocked(const struct desk *desk, struct slice bank_id);
void desk_take_bank_lock(struct desk *desk, const struct pg_result *result, int row);
// A wallet that another shard has, and of which something came along; it may not be there.
struct wallet_row *desk_legs_wallet(const struct desk *desk, struct id id);
// What has arrived from other shards becomes records, before anything else is decided. Returns how
// many; those of a wallet that somebody has locked stay.
uint32_t desk_take_arrivals(struct desk *desk, struct engine_stats *stats);
void desk_note_arrival(struct desk *desk, const struct pg_result *result, int row);
void desk_write_arrivals(struct desk *desk, struct link *link);
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

// desk_effect.c: facts become a record and changed rows. Returns the record's position.
uint64_t desk_take(struct desk *desk, struct record *record, struct found *found);
// `slot`: the home of what was asked.
uint64_t desk_add_record(struct desk *desk, const struct record *record, uint32_t slot);

// desk_rules.c
bool desk_rules_are_in_force(const struct desk *desk, const struct command *command);
// Another set is in force.
void desk_rules_set(struct desk *desk, const struct rule_set *set);
void desk_rules_count(struct desk *desk);
// Thread: any.
void desk_rules_stats(struct desk *desk, struct engine_stats *ret_stats);

// desk_read.c
void desk_read(struct desk *desk, const struct command *command, struct outcome *ret_outcome);
// Points outcomes at copies of their records' bytes.
void desk_resolve(struct desk *desk, struct arena *arena, struct outcome *outcome);

// desk_sealing.c
void desk_sealing_init(struct desk *desk);
// While fetching: the key of an owner who may get texts, whether anybody has a wallet under a name,
// and the key of a record that came.
void desk_want_owner(struct desk *desk, uint64_t owner);
void desk_want_owner_known(struct desk *desk, struct slice owner);
void desk_want_key(struct desk *desk, struct slice bytes);
void desk_take_data_key(struct desk *desk, const struct pg_result *result, int row);
void desk_take_owner_known(struct desk *desk, const struct pg_result *result, int row);
void desk_find_owner_data(struct desk *desk, const struct command *command,
                          struct docket *docket);
// Seals the record that was encoded into the scratch buffer.
void desk_seal(struct desk *desk, const struct record *record);
struct slice desk_reveal(struct desk *desk, struct arena *arena, struct slice bytes);
void desk_destroy_key(struct desk *desk, const struct record *record);
void desk_write_data_keys(struct desk *desk, struct link *link);

// desk_persist.c: puts everything that changed into the flight, the commit included.
void desk_persist(struct desk *desk, struct link *link, const uint8_t token[16]);

// Whether a command of what is submitted again was decided the first time.
static inline bool desk_was_decided(const struct submission *submission, uint32_t place) {
    return submission->again && !submission->atomic && !submission->outcomes[place].anew;
}
