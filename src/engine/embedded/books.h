// SPDX-License-Identifier: MIT
// Private to the embedded engine: what its files share. Whoever holds the turn is the writer, and
// owns everything here but what says otherwise: the writer's thread, or one that decides its own
// round while nobody else waits.
#pragma once
#include <pthread.h>

#include "base/disk.h"
#include "base/signal_gate.h"
#include "engine/embedded/data_keys.h"
#include "engine/embedded/embedded.h"
#include "engine/embedded/ended.h"
#include "engine/embedded/index/index.h"
#include "engine/embedded/journal/journal.h"
#include "engine/embedded/state/state.h"
#include "engine/embedded/state/undo.h"

// Where a checkpoint may begin its replay: the end of a segment.
struct landmark {
    uint64_t position;
    struct sha256 chain;
    uint64_t time_ms;
    uint64_t transaction_count;
};

struct writer_stats { // written by the writer, read by anybody, each a relaxed atomic
    uint64_t rounds, commands, refusals, replays, records, batch_commands_last;
};

struct books {
    struct engine engine; // first: the port hands out pointers to it
    struct disk *disk;
    int lock_file;
    struct state state;
    struct ended ended_holds, ended_withdrawals; // those of its things that are not in memory
    uint64_t
        hash_seed; // of the index's fingerprints: secret, so nobody can choose what falls together
    struct sha256 moved_chain; // where the books ended that moved here (engine.moved_ms)
    struct journal *journal;
    struct index *index;
    struct data_keys *data_keys; // NULL: texts are plain
    uint32_t data_keys_expected; // slots that its file must have, by the checkpoint
    struct undo undo;

    struct inbox inbox;
    pthread_t writer;
    pthread_mutex_t turn;
    uint32_t slow_batches; // how many more the writer's thread takes alone, after a slow sync
    bool stopping; // atomic

    const struct approval_rules *approvals; // borrowed; NULL: none
    const struct spending_limits *limits;   // likewise
    uint32_t review_expires_s; // how long held payments wait; 0: the standard
    struct verdict verdict;    // of the command that is being decided
    struct buffer words;       // and the sentence behind it
    uint64_t now_ms;     // the round's time
    uint64_t habits_begin_ms; // when the ten minutes began that it lies in
    struct id principal; // the key that the last command came with, and its place; zero: none yet
    uint32_t principal_index;
    bool storage_full;    // of this round
    struct arena scratch; // of this round
    uint64_t rule_hits[RULES_MAX]; // each atomic; of the set in force
    // Rounds decided and rounds durable. Who read memory while a round was decided waits for it to
    // be published.
    uint64_t decided; // atomic
    // Rounds that are decided and on their way to the disk; NULL: none.
    struct inbox_node *flying;
    uint64_t flying_decided; // `decided` when they left
    bool flying_alone;  // atomic: whoever sent them does not wait, their arrival publishes them
    bool arrived;       // atomic: it has been told and nobody has looked yet
    uint64_t sync_ns_recent; // what a sync takes, as of the last dozens
    uint64_t sync_ns_seen, syncs_seen; // totals that went into it
    struct round_times times, flying_times; // of the batch at hand, and of what flies
    struct signal_gate published;

    struct writer_stats stats;

    // The keeper makes checkpoints beside the writer.
    pthread_t keeper;
    pthread_mutex_t keeper_lock;
    pthread_cond_t keeper_wake;
    struct landmark landmarks[8]; // of segments that ended since the last checkpoint, oldest first;
                                  // under the lock
    uint32_t landmark_count;
    uint64_t checkpoint_position; // under the lock
    uint64_t checkpoint_bytes;    // of the journal between two; never changes
    uint64_t checkpoint_time_ms;
    bool keeper_stopping;
    uint64_t key_uses_written_ms; // when that was last looked after; the keeper's
    uint64_t key_uses_newest_ms;  // the newest time that is written
};

// What a command names, found: the docket for the rules and the items behind it.
struct fetched {
    struct docket docket;
    struct wallet_item *wallet, *counterparty;
    struct hold_item *hold;
    struct withdrawal_item *withdrawal;
    struct key_item *key;
    struct parked_item *parked;
    struct purchase purchase;
    uint64_t purchase_position;
    struct id bank_transaction;
};

// How many commands ahead of the one being decided their memory is asked for.
#define FETCH_AHEAD 32
#define HABITS_AHEAD 16 // by then the wallet that names them is there

// fetch.c
// The key that a command comes with; NULL: the system, or no such key.
const struct key *fetch_principal(struct books *books, struct id key);
// The mark of a wallet's owner; 0: no such wallet, or the world outside.
uint64_t fetch_owner(const struct books *books, struct id wallet);
// Notes on the outcome what of a transaction somebody bound must not see.
void fetch_hidden(const struct books *books, const struct command *command,
                  const struct record *record, struct outcome *outcome);
// Whether somebody bound may be answered with that record; everybody else may.
bool fetch_may_see(const struct books *books, const struct command *command,
                   const struct record *record);
// The record that opened a kept command, its texts revealed; in this round's scratch memory.
void fetch_kept(struct books *books, const struct parked_item *item,
                struct record *ret_record);
void fetch_prefetch(struct books *books, struct command *command);
// A second time, some commands later: what its wallets usually do, while rules look at that.
void fetch_prefetch_habits(const struct books *books, const struct command *command);
void fetch(struct books *books, const struct command *command, struct fetched *ret_fetched);
uint64_t key_fingerprint(const struct books *books, struct digest128 key);
uint64_t bank_fingerprint(const struct books *books, const struct currency *currency,
                          struct slice bank_id);
uint64_t order_fingerprint(const struct books *books, struct slice order);
uint64_t owner_fingerprint(const struct books *books, struct slice owner);
// The record under the same idempotency key, if there is one. Thread: the writer.
bool fetch_earlier(struct books *books, const struct command *command, struct record *ret_record,
                   uint64_t *ret_position);
// Where the transaction with that id stands, or would: 0: nowhere. `open` as below.
uint64_t fetch_transaction_place(struct books *books, struct id id, bool open);
// A transaction that moved in is put where the line above finds it.
void fetch_index_moved(struct books *books, struct id transaction, uint64_t position);
// The transaction with that id, decoded. `open` also looks into the open round (the writer only).
bool fetch_transaction(struct books *books, struct id id, bool open, struct record *ret_record,
                       uint64_t *ret_position);

// effect.c: what was decided becomes a record and a change of the state.
uint64_t effect_take(struct books *books, struct record *record, struct fetched *fetched);
// The same for a record of the journal, at the start. False: it does not fit what is there
// (`ret_why`).
bool effect_replay(struct books *books, uint64_t position, const struct record *record,
                   const char **ret_why);
// Puts the record's keys and names into the index.
void effect_index(struct books *books, uint64_t position, const struct record *record);
// Appends a record that changes nothing, a refusal's or a batch's, and its index entries. Returns
// its position. Thread: the writer.
uint64_t effect_add(struct books *books, const struct record *record);

// decide_one.c: one command, alone or within a batch. True: it was done just now and waits for
// nobody, and `ret_record` is what was done, with the command's texts; else that is undefined.
bool decide_one(struct books *books, const struct command *command, bool in_atomic,
                struct outcome *ret_outcome, struct record *ret_record);
// rules_now.c: the set of rules that is in force, and what it comes to.
void rules_take(struct books *books, const struct rules_facts *facts);
// Whether a COMMAND_RULES changes nothing.
bool rules_are_in_force(const struct books *books, const struct command *command);
// Adds what the last command's verdict says.
void rules_count(struct books *books);
void rules_stats(struct books *books, struct engine_stats *ret_stats);
void decide_atomic(struct books *books, struct submission *submission);
void decide_guarded(struct books *books, struct submission *submission);
void read_one(struct books *books, const struct command *command, struct outcome *ret_outcome);

// expire.c
// Expires the holds and held payments that are due: up to LIMIT_HELD_OTHERS_EXPIRED_PER_ROUND, and
// all holds of the wallets named.
void expire_due(struct books *books, const struct submission *first);

// Outcomes point at positions until the round is durable; then at the bytes there, or at what they
// say in `arena` when they are sealed.
void outcome_resolve(struct books *books, struct arena *arena, struct outcome *outcome);
// Once it is resolved, of a read of an operation: also what is behind an atomic batch.
void outcome_resolve_parts(struct books *books, struct arena *arena,
                           const struct command *command, struct outcome *outcome);
// Of what is answered with the record of a payment that was held: what has become of it since.
void outcome_point_now(struct books *books, const struct record *earlier,
                       struct outcome *outcome);

// commit.c
// Makes the open round durable. Does not return when that fails.
void books_commit(struct books *books);
// The same in two halves; false when the round has less than so many bytes, and then nothing was
// done.
bool books_commit_begin(struct books *books, size_t bytes_min);
void books_commit_wait(struct books *books);
// A round is open and has room for records of so many bytes; what was decided before may be made
// durable for that.
void books_make_room(struct books *books, size_t bytes);

// writer.c
void *writer_run(void *books);
// What its records may take; before it is decided. Thread: best the one that wrote the commands.
void writer_measure(struct round *round);
// Thread: any. False: others are at it, or the disk has been slow; nothing was done.
bool writer_decide_now(struct books *books, struct round *round);
// What flies has arrived. Thread: the flight's.
void writer_arrived(void *books);

// keeper.c
void *keeper_run(void *books);
// The journal has ended a segment. Thread: the writer.
void keeper_segment_ended(struct books *books, uint64_t time_ms);

// key_uses.c. Thread: one at the start, then the keeper, then who closes.
void key_uses_load(struct books *books);
bool key_uses_are_due(const struct books *books, uint64_t now_ms);
void key_uses_write(struct books *books);

// checkpoint.c
// As before anything was taken. Thread: one, at the start.
void books_empty(struct books *books);
// Writes the state beside the writer, so that a start replays from `landmark` on. Thread: the
// keeper.
MUST_CHECK enum status checkpoint_write(struct books *books, const struct landmark *landmark);
// Fills an empty state. STATUS_not_found: there is none; STATUS_damaged: it does not hold. In both
// cases the state is empty and the journal is to be replayed from its beginning. Thread: one, at
// the start.
MUST_CHECK enum status checkpoint_load(struct books *books, struct landmark *ret_landmark);

// listing.c: the reading half of the port.
enum status books_list(struct engine *engine, const struct list_query *query,
                       struct page *ret_page);
enum status books_owns(struct engine *engine, struct id wallet, struct slice owner);
enum status books_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                             const struct freshness *freshness, struct balance_at *ret);
// Waits until everything that was decided when it was called is durable.
void books_settle(struct books *books);
