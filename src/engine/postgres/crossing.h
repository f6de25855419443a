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
#include "base/check.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/postgres/shard.h"
#include "ledger/habits.h"
#include "ledger/money.h"
#include "ledger/things.h"

#define LEGS_GID_BYTES 128
#define LEGS_FACTS_MAX 10240 // bank ids of one group; a batch has no more

#define LEGS_WALLETS_MAX 10240 // likewise

struct leg_fact { // of a bank id that a command names
    struct slice bank_id; // borrowed from the command
    uint32_t part;        // the place of the shard that owns its slot
    bool is_blocked;      // somebody else is about to book it
    bool is_elsewhere;    // that shard does not own the slot any more
};

struct leg_wallet { // a wallet that is paid from this shard
    struct id id;
    uint32_t part;
    bool is_blocked, is_elsewhere; // as of a bank id
    bool is_there;
    struct wallet wallet; // without the number of its currency, which is its shard's own
    struct currency currency;
    struct habits habits;
};

struct leg_known { // a booking that is there already
    uint32_t fact;
    char code[12];
    struct id transaction;
};

struct leg_entry { // a booking that the round makes, or a payment
    uint32_t part;
    struct slice bank_id; // of a booking; lives as long as the batch
    struct currency currency;
    struct id transaction;
    struct slice bytes; // of a payment: its record; lives as long as the batch
    struct id wallet;   // who is paid
    uint64_t number;
};

struct legs {
    char gid[LEGS_GID_BYTES];
    struct leg_fact facts[LEGS_FACTS_MAX];
    struct leg_known known[2 * LEGS_FACTS_MAX];
    struct leg_entry entries[LEGS_FACTS_MAX];
    struct leg_wallet *wallets; // LEGS_WALLETS_MAX; the owner's of the legs
    uint32_t fact_count, known_count, wallet_count, entry_count;
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
// STATUS_busy: not all shards could be asked.
MUST_CHECK enum status resolver_turn(struct resolver *resolver, struct resolver_news *ret_news);
