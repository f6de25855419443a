// SPDX-License-Identifier: MIT
// The port between the house and its books. Two engines stand behind it (embedded, PostgreSQL);
// nobody in front knows which. Writes and reads of what is now travel in rounds; lists, history and
// the past are read beside.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/inbox.h"
#include "base/status.h"
#include "ledger/alarm.h"
#include "ledger/command.h"
#include "ledger/owner.h"
#include "ledger/record.h"

struct engine;
struct legs;
struct text_vault; // ledger/seal.h

// What a command needs of other shards, as only the shard that decides it can tell (engine/shards).
#define LACKS_WALLETS 4 // two of what it is to do, and two of what it was answered with before
struct lacks {
    struct id wallets[LACKS_WALLETS]; // zero: none
    struct slice bank_id; // empty: none
    struct id purchase;   // zero: none
};

// What became of a command. Slices live until `round_release`.
struct outcome {
    uint8_t status;   // enum status
    bool replayed;    // the first answer again
    bool aside;       // busy for now, nothing was done: a row is locked; may be submitted again
    bool anew;        // the engine's: it was set aside, and this time it is to be decided
    bool elsewhere;   // likewise: another shard is to decide it (engine/shards)
    bool crosses;     // likewise: another shard has a part of what was done
    bool waits;       // likewise: for what an earlier one of its batch does on another shard
    bool has_version; // `version` is that of the wallet which the answer is
    uint8_t hidden;   // of a transaction, from somebody bound: bits of enum hidden
    uint64_t version;
    struct slice record; // encoded record that decided (writes), or that last described the thing
                         // (reads); empty for refusals that nobody remembers
    struct slice
        opening; // encoded record that opened the hold or withdrawal, when `record` is a later one
    struct refusal refusal; // when status is not ok
    union {                 // what a read found, as it is now
        struct {
            struct wallet wallet;
            struct spent spent; // of a read in a round: as it was counted last
        };
        struct hold hold;
        struct withdrawal withdrawal;
        struct parked parked;
        int64_t refunded;         // of a transaction that is a purchase
        uint64_t last_used_at_ms; // of a key; 0: never, as far as is known
    };
    const struct lacks *lacks; // with `elsewhere`: what was not brought along; NULL: nothing
    struct id transaction; // of a withdrawal read: its transaction, when settled
    struct cursor cursor;  // of a cursor command or read: as it stands
    // Of a read of an operation that was an atomic batch: what its operations were answered with.
    // Somebody bound is not told.
    struct outcome *parts;
    uint32_t part_count;
};

// What every outcome says. The refusal belongs to a status that is not ok, the rest to reads and to
// commands of cursors; of others it may be anything.
#define OUTCOME_HEAD_BYTES offsetof(struct outcome, refusal)

// Nothing was done of it: it says that and nothing else.
static inline void outcome_end(struct outcome *outcome, enum status status) {
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = outcome->refusal.status = (uint8_t)status;
}
// For engines: until its round is durable an outcome names positions in place of bytes, and
// `outcome_point` names those that answer with `record`, which stands at `position`.
static inline struct slice outcome_position(uint64_t position) {
    return (struct slice){.bytes = NULL, .size = position};
}
void outcome_point(struct outcome *outcome, const struct record *record, uint64_t position);
// The parts of an outcome whose record is an atomic batch's: their positions, for the engine to
// resolve; in `arena`. None when it is another record, or `command` is somebody bound's.
void outcome_take_parts(struct outcome *outcome, const struct command *command,
                        struct arena *arena);
// Whether a command with this outcome must wait and be tried again: it is nobody's decision.
static inline bool outcome_is_passing(const struct outcome *outcome) {
    enum status_class class = status_class((enum status)outcome->status);
    return class == STATUS_CLASS_BUSY || class == STATUS_CLASS_BROKEN;
}
// The commands of one HTTP request: one, or a batch.
struct submission {
    struct command *commands;
    struct outcome *outcomes; // one per command, filled by the engine
    uint32_t count;
    bool is_batch;
    bool atomic;
    bool guarded; // `batch` is a COMMAND_CURSOR_MOVE that must hold, else nothing is done; it
                  // ends behind the last command that was done before one that must wait
    bool again; // submitted again: only what was set aside is still to be decided
    uint32_t touched; // the engine's: places of its round's `standing` that are about it, as bits
    uint64_t bytes_max; // the engine's: what its records may take
    uint32_t taken;     // the engine's: how many of its commands `done` has taken
    // Thread: the engine's. Told in their order of commands that were done just now: `record` is
    // what the answer is made of, if the round becomes durable, and nothing of it may be seen
    // before `published`. True: taken; when all were, outcomes say where their records stand and
    // have no bytes. NULL: nobody is told. An engine need not tell; of atomic batches none does.
    bool (*done)(struct submission *submission, uint32_t index, const struct record *record);
    struct submission *next;
    struct command batch; // of an atomic batch: origin, key and request digest of its own
    // Of an atomic batch: ok, or the refusal that undid it (refusal.operation); of a guarded one:
    // what became of `batch`, and with `aside` that a row is locked which it would change, or the
    // command that it stands before.
    struct outcome batch_outcome;
    // Of a guarded one whose commands are an atomic batch: origin, key and request digest of that.
    // Done or refused, it is behind the place that `batch` moves to; what became of it and of its
    // commands only the books tell. NULL: its commands are decided one by one.
    const struct command *whole;
};

// The record of an atomic batch that was done and has a key: with it the batch answers again.
// `positions`, one per command, are filled and the record's.
struct record submission_batch_record(const struct submission *submission, uint64_t now_ms,
                                      uint64_t *positions);
// Of a guarded submission whose first `done` commands were done: `record` is what its guard was
// decided to; makes it end behind them.
void submission_guard_ends(const struct submission *submission, uint32_t done,
                           struct record *record);
// Of the same: it stopped behind its first `done` commands with `status`, which is what it and the
// commands that were not done come to.
void submission_guard_stops(struct submission *submission, uint32_t done, enum status status);

// How far the books had come: whoever reads elsewhere may ask for nothing older. Grows, the epoch
// first; only its engine knows what the numbers mean. All zero: none.
struct position {
    uint64_t epoch, place;
};

static inline bool position_is_none(struct position position) {
    return position.epoch == 0;
}

static inline bool position_reaches(struct position position, struct position wanted) {
    return position.epoch != wanted.epoch ? position.epoch > wanted.epoch
                                          : position.place >= wanted.place;
}

// The same of books on several servers: how far each shard that matters had come. Shards are told
// apart by a number that is made of their names, so all nodes mean the same ones.
#define STANDING_PLACES_MAX 16
struct standing_place {
    uint32_t shard; // 0: the only server of these books
    uint64_t slots; // the shard's version of its slots by then; 0: whatever it is
    struct position position;
};

struct standing {
    uint32_t count;
    struct standing_place places[STANDING_PLACES_MAX];
};

// NULL: it says nothing of that shard.
const struct standing_place *standing_find(const struct standing *standing, uint32_t shard);
// Afterwards it asks for that place, too. False: it has no room for another shard.
bool standing_raise(struct standing *standing, const struct standing_place *place);

// Of a read from one shard: the slot that it is about. Asked where the answer came from.
struct slot_claim {
    uint32_t slot;    // LIMIT_SLOTS: no single one
    uint64_t version; // the shard's own of its slots, as far as is known
    // Set by the engine:
    bool holds;    // the shard owned it, or its slots were still those
    bool as_known; // its slots were still those
};

// What a read beside the writer must be. All zero: as of now. Engines whose reads always see all
// that was answered need not look.
struct freshness {
    struct position after; // nothing older than this
    uint64_t age_ms_max;   // nor than this long ago; 0: as of now, UINT64_MAX: `after` is enough
    const struct standing *standing; // of several servers, in place of `after`; NULL: nothing
    struct slot_claim *claim;  // of one of several shards; NULL: it is alone
};

// When a round came how far, by the monotonic clock; 0: not told.
struct round_times {
    uint64_t taken_ns;   // by the writer
    uint64_t decided_ns; // what it fetched included
    uint64_t written_ns;
    uint64_t synced_ns;
};

// What one HTTP thread gathered in one pass. Owned by the caller; the engine holds it from submit
// to publish.
struct round {
    struct inbox_node node;
    struct submission *first; // in order of arrival
    uint32_t command_count;
    // How many commands its bringer has under way, these included. Where many are, decide_now does
    // not wait for the disk; 0: it always does.
    uint32_t crowd;
    struct position position; // set before `published` by engines that read elsewhere, too
    const struct standing *standing; // likewise, of several servers; in `arena`
    struct round_times times; // set before `published`
    struct legs *legs; // what it writes on other shards (crossing/crossing.h); NULL: nothing
    // Called once on the engine's thread when every outcome stands and is durable. Must be quick
    // and must not submit.
    void (*published)(struct round *round);
    void *context;      // the caller's
    struct arena arena; // engine's: memory behind outcomes (initialised by round_init)
};

static inline struct round *round_of(struct inbox_node *node) {
    return (struct round *)((uint8_t *)node - offsetof(struct round, node));
}
void round_init(struct round *round);
void round_release(struct round *round); // forgets outcomes' memory; the round may be used again
void round_done(struct round *round);

// Whether some of it was set aside: it may be submitted again with `again` set, in the same round.
static inline bool submission_is_aside(const struct submission *submission) {
    if (submission->atomic)
        return submission->batch_outcome.aside;
    for (uint32_t i = 0; i < submission->count; i++)
        if (submission->outcomes[i].aside)
            return true;
    return false;
}

// One entry of a page: enough for wire/ to render the object as it is now.
struct entry {
    struct outcome outcome; // status ok; like the outcome of the matching read
    uint32_t note; // of the audit: which entry of the outcome's record (ledger/audit.h)
    uint64_t cursor; // where a page that goes on behind it begins; 0: the engine does not say
};

enum list_kind {
    LIST_WALLETS,
    LIST_TRANSACTIONS,
    LIST_HOLDS,
    LIST_WITHDRAWALS,
    LIST_KEYS,
    LIST_AUDIT,
    LIST_APPROVALS,
    LIST_ANOMALIES
};

// Cursors of an engine that counts places in a journal are below the first of these, those of one
// that counts with time are from it on and below the second. An audit's has more in its highest
// bits.
#define CURSOR_OF_TIME     (UINT64_C(1) << 52)
#define CURSOR_OF_TIME_END (UINT64_C(1) << 59)

#define OUTCOME_REFUSED STATUS_COUNT // of a query: any status but ok

// Filters that are not given are zero (id zero, empty slice, -1 for enums, 0 and UINT64_MAX for
// times).
struct list_query {
    enum list_kind kind;
    struct id wallet;   // transactions (history), holds, withdrawals
    struct id merchant; // holds
    struct slice owner; // wallets
    struct id key;      // keys: this one alone; zero: all
    struct currency currency;
    int wallet_kind, status;
    int type; // of transactions; of anomalies enum parked_cause
    struct slice order, bank_id, initiated_by; // the last is the principal
    struct slice rule;                         // anomalies: what found them
    // Of somebody bound to an owner (ledger/bound.h): only what has a side of this owner, and
    // entries say what is hidden from the `asker`, a principal. Not for wallets: they have `owner`.
    struct slice bound_to, asker;
    // Of the audit: a thing of any type that the entry names; an operationId, and the commands that
    // it makes, as bits 1 << enum command_type; an enum status or OUTCOME_REFUSED.
    struct id resource;
    struct slice operation;
    uint64_t commands;
    int outcome;
    // Of the audit, in place of what stands above: every record that made a version of this wallet
    // (ledger/versions.h), which is the outcome's, also those that are no entries.
    struct id versions_of;
    uint64_t from_ms, to_ms; // created_at >= from, < to
    uint64_t cursor;         // 0: from the newest; else what the last page said: one that cannot be
                             // of this list is STATUS_invalid_request
    uint32_t limit;          // 1 to LIMIT_PAGE_MAX
    struct freshness freshness;
    // Of a wallet's transactions: its shard's own records, of which those that arrived from another
    // shard say but this wallet's side.
    bool as_stored;
};

struct page {
    struct entry *items; // in `arena`
    uint32_t item_count;
    uint64_t next_cursor; // 0: no more
    uint64_t archived_before_ms; // there is no more because what is older is archived; else 0
    const char *away; // of STATUS_busy: the shard that could not be asked; NULL: not told
    struct arena arena;   // initialised by the caller with arena_init, released by arena_done
};

struct balance_at {
    struct currency currency;
    int64_t balance;
    uint64_t version;
};

#define ENGINE_UNREAD UINT32_MAX // in place of a count: it cannot be read now

// What the books had come to where history was archived, in pieces that only watch/opening.h reads.
enum opening_what {
    OPENING_BOOKS = 1,
    OPENING_SLOT = 2,
    OPENING_CURRENCY = 3,
    OPENING_WALLET = 4,
    OPENING_HOLD = 5,
    OPENING_WITHDRAWAL = 6,
    OPENING_PURCHASE = 7,
    OPENING_KEY = 8,
    OPENING_CURSOR = 9,
    OPENING_REVIEW = 11, // a payment that is held until somebody has looked at it
    OPENING_KEPT = 10, // a record of before, that something which stands now still needs
};

struct opening_item {
    uint8_t what; // stored: values never change
    uint16_t slot;
    uint64_t number;
    struct slice bytes;
};

struct opening_mark {
    uint64_t position;  // records before it are archived; 0: none is
    uint64_t digest[2]; // over all items, as it was recorded
};

// A record of the feed. Positions grow; a consumer that remembers `next` misses nothing and sees
// nothing twice.
struct feed_record {
    uint64_t position; // of the record
    uint64_t next;     // where the one after it stands
    struct slice bytes;
    bool came; // another shard made it; it is here because a slot has moved
};

// Of one shard of several: which slots are others', and what came with those that moved here.
struct engine_slots {
    int64_t version; // grows whenever a slot comes or goes
    bool away[LIMIT_SLOTS];
    uint64_t came_before[LIMIT_SLOTS]; // a position; 0: the slot never came
};

// Books of several parts while slots go from one to another: of a slot on its way neither part has
// anything in its sums.
#define ENGINE_PARTS_MAX 16
struct engine_whole {
    int64_t versions[ENGINE_PARTS_MAX]; // of the parts' slots
    uint32_t nobodys; // a slot on its way, or LIMIT_SLOTS: each is on one of the parts
};

// Another server that the books can be read from.
#define ENGINE_REPLICAS_MAX       8   // of one server
#define ENGINE_REPLICAS_SHOWN_MAX 128 // of all shards
struct engine_replica {
    char name[64];
    bool is_used;     // false: dead, too far behind, or not of these books
    uint64_t lag_ms;  // how old its answers would be at most
    uint64_t read_count;
};

// How often a rule of the set in force has hit since it is in force, on this server.
struct engine_rule {
    char name[RULE_NAME_BYTES_MAX + 1];
    uint8_t action; // enum rule_action
    bool shadow;
    uint64_t hits;
};

struct engine_stats {
    uint64_t rounds, commands, refusals, replays, records;
    uint64_t sync_ns_total, sync_count;
    uint64_t journal_bytes, index_backlog_bytes, index_run_count, index_key_count;
    uint64_t wallet_count, hold_count, hold_open_count, withdrawal_count, transaction_count,
        key_count;
    uint64_t checkpoint_age_ms, batch_commands_last;
    uint64_t memory_state_bytes, memory_index_bytes;
    bool storage_full;
    // Of an engine on a database: what was begun again and why, and what nobody answered.
    uint64_t retries_serialization, retries_deadlock, retries_timeout, connections_lost,
        commits_looked_up, set_aside, ahead, ahead_opened, ahead_beside, ahead_failed;
    // Of engines that read elsewhere, too.
    uint64_t epoch, failovers, servers_refused;
    uint64_t reads_primary, reads_replica, reads_cached, cache_misses, cache_wallets;
    uint32_t rules_version, rule_count; // 0: no rules
    struct engine_rule rules[RULES_MAX];
    // Of books on several servers: what is decided and not finished on all of them.
    uint64_t legs_in_doubt, legs_resolved, legs_missing, shards_unsafe, shards_away;
    uint32_t shard_count; // 0: they lie on one
    uint32_t replica_count;
    struct engine_replica replicas[ENGINE_REPLICAS_SHOWN_MAX];
};

// What every engine implements. All but submit and close may be called from any thread but the
// engine's own and may wait for the disk. They see only what is published.
struct habits;

// Payments between shards that are decided and have not arrived everywhere, and legs in doubt.
struct in_flight_currency {
    struct currency currency;
    uint64_t count;         // of payments
    money_total amount;     // of them together
    uint64_t oldest_ms;     // since when; 0: there is none
    money_total difference; // what all shards' transits sum to, but for these; right is 0
};

struct in_flight {
    struct in_flight_currency *currencies; // the caller's; LIMIT_CURRENCIES_MAX
    uint32_t currency_count;
    uint64_t unknown; // legs that nobody has decided yet, or that move no money
    uint64_t unknown_oldest_ms;
};

struct engine_port {
    void (*submit)(struct engine *engine, struct round *round); // any thread; never blocks
    // Decides a round on the caller's thread, and persists and publishes it before it returns: what
    // costs least when nobody else waits. Of a round with a crowd the disk may be left to another
    // thread, which publishes it, so that the caller reads what comes next meanwhile. False: others
    // are at it or the disk has been slow lately; nothing was done, and the round is to be
    // submitted. May wait as long as the disk does; any thread. NULL: an engine that never does.
    bool (*decide_now)(struct engine *engine, struct round *round);
    // Which servers a submission needs, as a number: a round is published as a whole, so what needs
    // others should travel in another one. Any thread; quick. NULL: there is but one server.
    uint64_t (*lane)(struct engine *engine, const struct submission *submission);
    enum status (*list)(struct engine *engine, const struct list_query *query,
                        struct page *ret_page);
    enum status (*balance_at)(struct engine *engine, struct id wallet, uint64_t time_ms,
                              const struct freshness *freshness, struct balance_at *ret);
    // STATUS_ok when there is such a wallet and it is this owner's, else STATUS_not_found.
    enum status (*owns)(struct engine *engine, struct id wallet, struct slice owner);
    // Reads one thing (a COMMAND_READ_…) beside the writer; what the outcome points at is in
    // `arena`. STATUS_ok with an outcome, or STATUS_busy. NULL: rounds are the only way to read.
    enum status (*read)(struct engine *engine, const struct command *command,
                        const struct freshness *freshness, struct arena *arena,
                        struct outcome *ret_outcome);
    // Reads records from `position` on (0: the first), at most `bytes_max` of them, and copies
    // nothing: slices live as long as the engine. Calls `each` until it returns false. `ret_next`
    // is where to go on.
    enum status (*feed)(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next);
    uint64_t (*published_end)(struct engine *engine);
    // A record of the feed with its free texts, as engine_reveal; STATUS_busy: whether there still
    // are any cannot be known now. NULL: an engine that always knows.
    enum status (*reveal)(struct engine *engine, struct slice bytes, struct arena *arena,
                          struct slice *ret_bytes);
    // Where history begins, and with `each` (NULL: none) every piece of what the books had come to
    // there, in the order of the digest. Should history be archived further meanwhile, pieces are
    // missing: the mark is another one then. NULL: an engine that archives nothing.
    enum status (*opening)(struct engine *engine,
                           bool (*each)(void *context, const struct opening_item *item),
                           void *context, struct opening_mark *ret_mark);
    // Calls `each` for every wallet as it is now. Each wallet is whole; together they are no single
    // moment. STATUS_busy, here and below: some could not be read.
    enum status (*wallets)(struct engine *engine,
                           void (*each)(void *context, const struct wallet *wallet),
                           void *context);
    // Likewise what each wallet usually does, where anything was counted yet.
    enum status (*habits)(struct engine *engine,
                          void (*each)(void *context, struct id wallet,
                                       const struct habits *habits),
                          void *context);
    enum status (*holds)(struct engine *engine,
                         void (*each)(void *context, const struct hold *hold), void *context);
    enum status (*withdrawals)(struct engine *engine,
                               void (*each)(void *context, const struct withdrawal *withdrawal),
                               void *context);
    // How many there are, or ENGINE_UNREAD.
    uint32_t (*currencies)(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max);
    // Where the transaction with that id stands, when it is older than `moved_ms`; 0: nowhere. Any
    // thread. NULL: an engine whose `moved_ms` is always 0.
    uint64_t (*position_of)(struct engine *engine, struct id transaction);
    // The key with this hash of its secret, live or not. Any thread; quick (HTTP threads ask at
    // each request).
    bool (*find_key)(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live);
    // The key with this id, live or not. Any thread; quick.
    bool (*key_by_id)(struct engine *engine, struct id id, uint64_t now_ms, struct key *ret_key,
                      bool *ret_live);
    void (*stats)(struct engine *engine, struct engine_stats *ret_stats);
    // Of an engine that is one shard. NULL: an engine that never is. Thread: any; waits.
    enum status (*slots)(struct engine *engine, struct engine_slots *ret_slots);
    // Likewise but their version.
    enum status (*slots_version)(struct engine *engine, int64_t *ret_version);
    // The engines whose books these are together, each with records, things and totals of its own,
    // for whoever examines them. NULL: there is but one, this. Borrowed.
    uint32_t (*parts)(struct engine *engine, struct engine **ret_parts, uint32_t count_max);
    // Which slots are on which of them. A slot on its way is waited for for so long. STATUS_busy:
    // one is still on its way, or (`nobodys` is LIMIT_SLOTS) not all parts can be asked. Sums
    // between two looks that found each slot somewhere, and the same versions, have each slot once.
    // NULL: there is but one part. Thread: any; waits.
    enum status (*whole)(struct engine *engine, uint64_t wait_ns, struct engine_whole *ret_whole);
    // From now on no slot goes from one to another, until what this returns is given to `move_on`,
    // for some minutes at least, as long as all servers are there. NULL: not all can be asked.
    // Both NULL: there is but one part. Thread: any; waits.
    void *(*stand_still)(struct engine *engine);
    void (*move_on)(void *still); // accepts NULL
    // What is under way between them, as of about now. STATUS_busy: some cannot be asked, or slots
    // go to and fro. NULL: there is but one. Thread: any; waits.
    enum status (*in_flight)(struct engine *engine, struct in_flight *ret_found);
    // Everything submitted is decided, durable and published before it returns.
    void (*close)(struct engine *engine);
};

// Engines put this first in their own structs.
struct engine {
    const struct engine_port *port;
    struct id_seal seal; // opens and makes the ids of these books
    // A transaction stands at 8 x the locator of its id; or, when this is not 0, at 8 x the sum of
    // that and of its id's milliseconds shifted left by so many bits.
    uint32_t locator_time_shift;
    // Ids of things that are older say nothing of their places: these books were moved, and
    // `position_of` tells. 0: there are none.
    uint64_t moved_ms;
    // These books are one shard of several: records name wallets that it does not have.
    bool is_shard;
    // Opens the free texts of these books; NULL: they are plain. The engine's.
    struct text_vault *vault;
    // While it is true whatever takes money is refused as rules_not_loaded. Thread: any.
    atomic_bool rules_failed;
    // While it is true whatever moves money is refused as payments_stopped: an alarm was raised
    // here and is not written yet. Thread: any.
    atomic_bool payments_stopped;
    // What the books say of that as far as is known here; see engine_alarm.
    _Atomic uint64_t alarm[1 + ALARM_DIFFERENCES];
};

// A record as it was before its free texts were sealed: the same bytes, or others in `arena`. For
// records of the feed; outcomes and pages have been through it. Thread: any, one per arena.
struct slice engine_reveal(const struct engine *engine, struct slice bytes, struct arena *arena);
// Likewise of any engine; STATUS_busy: not now. Thread: any, one per arena; waits.
MUST_CHECK enum status engine_open_texts(struct engine *engine, struct slice bytes,
                                         struct arena *arena, struct slice *ret_bytes);

// What the alarms in the books have come to. Whoever sets it holds the books. Thread: any; waits
// for nothing.
void engine_alarm_set(struct engine *engine, const struct alarm_state *state);
struct alarm_state engine_alarm(const struct engine *engine);
// Whether payments are stopped, by the books or by an alarm that is not written yet.
bool engine_is_stopped(const struct engine *engine);
