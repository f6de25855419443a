// SPDX-License-Identifier: MIT
// What a round of one shard writes on others. Bank ids lie in the slot of their own hash, so a
// deposit may need the shard of its wallet, which decides, and that of its bank's id:
//
//   facts of the other shards, in a transaction each ─▶ the round: decided on its own shard
//   ─▶ legs written and PREPAREd ─▶ the round's COMMIT with the row of decisions ─▶ COMMIT PREPARED
//
// The writer of the deciding shard never waits for a connection to another one: those that it uses
// are open and in the middle of a transaction that has the facts, before the round comes to it.
#pragma once
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/postgres/shard/shard.h"
#include "ledger/habits.h"
#include "ledger/money.h"
#include "ledger/things.h"
#include "vault/vault.h"

#define LEGS_GID_BYTES 128
#define LEGS_FACTS_MAX 10240 // bank ids of one group; a batch has no more

#define LEGS_WALLETS_MAX 20480 // both sides of each
#define LEGS_KEYS_MAX    10240
#define LEGS_THINGS_MAX  10240
#define LEGS_ENTRIES_MAX (LEGS_FACTS_MAX + LEGS_WALLETS_MAX + LEGS_THINGS_MAX)

struct leg_fact { // of a bank id that a command names
    struct slice bank_id; // borrowed from the command
    uint32_t part;        // the place of the shard that owns its slot
    bool is_blocked;      // somebody else is about to book it
    bool is_elsewhere;    // that shard does not own the slot any more
};

// What is wanted of the data key of a wallet's owner, where texts are encrypted: it is read, and
// made when there is none, if something is to be sealed with it.
enum leg_key_use { LEG_KEY_UNUSED, LEG_KEY_READ, LEG_KEY_MADE };

struct leg_wallet { // a wallet that is paid from this shard
    struct id id;
    uint32_t part;
    bool is_blocked, is_elsewhere; // as of a bank id
    bool is_there;
    struct wallet wallet; // without the number of its currency, which is its shard's own
    struct currency currency;
    struct habits habits;
    struct spent spent; // of one that pays
    enum leg_key_use key_use;
    struct vault_key data_key; // of its owner; number 0: none, or it is not wanted
};

// What an operation of an atomic batch names, or makes, on another shard.
enum leg_thing_kind { LEG_HOLD, LEG_WITHDRAWAL, LEG_PURCHASE, LEG_NEW_WALLET };
struct leg_thing {
    enum leg_thing_kind kind;
    struct id id; // of a new wallet: none
    uint32_t part, slot;
    bool is_blocked, is_elsewhere; // as of a bank id
    bool is_there, is_archived;
    union {
        struct hold hold;
        struct withdrawal withdrawal;
        int64_t refunded; // of a purchase
    };
    struct slice bytes; // of the record that made it; empty: it is archived
    struct slice owner; // of a new wallet; borrowed from the command
    struct vault_key data_key; // his, as of a wallet
};

// An idempotency key of an operation of an atomic batch that is at home on another shard.
struct leg_key {
    struct digest128 key;
    uint32_t part, slot;
    bool is_blocked, is_elsewhere; // as of a bank id
    // The record that it was answered with before, empty: it is new; and the one behind that.
    struct slice bytes, opening;
};

struct leg_known { // a booking that is there already
    uint32_t fact;
    char code[12];
    struct id transaction;
};

struct leg_entry { // a booking that the round makes, or a record that is another shard's, too
    uint32_t part;
    struct slice bank_id; // of a booking; lives as long as the batch
    struct currency currency;
    struct id transaction;
    struct slice bytes; // of anything else: its record; lives as long as the batch
    uint32_t slot;      // of what it is about
    uint64_t number;    // of the wallet, or the purchase; 0: of neither
    bool debits;        // the wallet pays
    bool is_subject;    // it is about the purchase that is refunded
    struct id thing; // what is opened there; zero: nothing
};

struct legs {
    char gid[LEGS_GID_BYTES];
    struct leg_fact facts[LEGS_FACTS_MAX];
    struct leg_known known[2 * LEGS_FACTS_MAX];
    struct leg_entry entries[LEGS_ENTRIES_MAX];
    struct leg_wallet *wallets; // LEGS_WALLETS_MAX; the owner's of the legs
    struct leg_key *keys;       // LEGS_KEYS_MAX; likewise
    struct leg_thing *things;   // LEGS_THINGS_MAX; likewise
    struct arena arena;         // of what was found; the owner's, who resets it
    uint32_t fact_count, known_count, wallet_count, key_count, thing_count, entry_count;
    uint32_t parts; // that have legs: bit 1 << place
    char names[SHARDS_MAX * (SHARD_NAME_BYTES + 1)]; // of the shards that have legs
    bool is_spent;     // preparing was tried; what comes to nothing is done anew with other legs
    bool is_committed; // the writer's, before the round is published: it is committed
    // The writer's call, when everything is decided and before anything of it is written. False:
    // not all are prepared.
    bool (*prepare)(struct legs *legs);
    void *context; // of `prepare`
};

// Connections to all shards for the rounds of one. Thread: one at a time.
struct crossing;
// `parts` are the open engines; must outlive it. `names` are theirs.
struct crossing *crossing_open(struct engine *const *parts, const struct shard_place *places,
                               uint32_t count, uint32_t home);
void crossing_close(struct crossing *crossing);
// Begins on each shard that the facts of `legs` name and fills in what is known there. STATUS_busy:
// a shard cannot be asked, and nothing is under way.
MUST_CHECK enum status crossing_begin(struct crossing *crossing, struct legs *legs);
// Behind the round: finishes the legs as it was decided. STATUS_busy: some are left to resolvers.
MUST_CHECK enum status crossing_end(struct crossing *crossing, struct legs *legs);
// Whether what they brought to that shard, where they were committed at that time of
// clock_monotonic_ns, has become records there.
MUST_CHECK bool crossing_has_arrived(struct crossing *crossing, const struct legs *legs,
                                     uint32_t place, uint64_t since_ns);

// Looks for legs that nobody has finished, and finishes them as it was decided, or as nobody had
// decided yet: then they are aborted. Thread: one.
struct resolver_news {
    uint64_t in_doubt; // legs that are still prepared, of any age
    uint64_t resolved; // finished this time
    uint64_t missing;  // legs of a commit that are neither prepared nor there: an alarm
};
struct resolver;
struct resolver *resolver_open(struct engine *const *parts, const struct shard_place *places,
                               uint32_t count);
void resolver_close(struct resolver *resolver);
// Payments that wait on that shard for somebody's review, and whose time is over. Returns how many.
struct resolver_due {
    struct id id, wallet;
};
#define RESOLVER_DUE_MAX 64
uint32_t resolver_due(struct resolver *resolver, uint32_t place,
                      struct resolver_due ret_due[RESOLVER_DUE_MAX]);
// STATUS_busy: not all shards could be asked.
MUST_CHECK enum status resolver_turn(struct resolver *resolver, struct resolver_news *ret_news);
