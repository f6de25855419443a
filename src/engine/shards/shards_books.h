// SPDX-License-Identifier: MIT
// Private to the engine of shards: what its files share.
#pragma once
#include <pthread.h>

#include "base/signal_gate.h"
#include "engine/shards/shards.h"

struct flight;
struct cross;

// Of a submission that goes to one shard: the caller's own, or one of those of its commands that
// are for that shard.
struct piece {
    struct piece *next;
    struct submission *whole; // the caller's
    struct submission own;    // a copy for one shard; unused when the caller's own is sent
    uint32_t *places;         // of the copied commands; NULL: the caller's own is sent
    uint32_t part; // from SHARDS_MAX on: that shard's, with legs on others
};

struct part {
    struct round round;
    struct flight *flight;
    struct submission **end; // where the next submission is hung
};

// A round under way: its pieces and the rounds that carry them to their shards.
struct flight {
    struct inbox_node node; // while the keeper has it
    struct flight *next;    // while nobody uses it
    struct shards *shards;
    struct round *round; // the caller's
    struct arena arena;  // of what is below; given back with the flight
    struct submission **order; // the caller's, as they were linked
    uint32_t order_count;
    struct piece *pieces;
    uint32_t left; // atomic; parts that have not answered
    uint64_t begun_ns;
    bool is_stale;   // somebody was turned away: another shard owns a slot now
    bool is_carried; // what lies on every shard was changed
    struct round_times times;
    struct part parts[2 * SHARDS_MAX]; // straight to each shard; and through its crosser
};

struct shards {
    struct engine engine; // first: the port hands out pointers to it
    uint32_t count;
    struct engine *parts[SHARDS_MAX];
    uint8_t owners[LIMIT_SLOTS]; // each atomic; a hint: shards turn away who comes wrongly

    pthread_mutex_t lock; // of `spare`
    struct flight *spare; // flights that nobody uses

    // The keeper: copies what lies on every shard, and reads the map again.
    pthread_t keeper;
    bool has_keeper;
    struct signal_gate stop; // 1: the house is being taken down
    struct inbox inbox;      // flights that wait for it
    struct shard_carrier *carrier;

    struct shard_place places[SHARDS_MAX];
    struct cross *crosses[SHARDS_MAX]; // of each shard: what it decides that others are needed for
    pthread_t resolver;
    bool has_resolver;
    uint64_t legs_in_doubt, legs_resolved, legs_missing; // each atomic
};

static inline struct shards *shards_of(struct engine *engine) {
    return (struct shards *)engine;
}

static inline bool shards_are_stopping(const struct shards *shards) {
    return signal_gate_sequence(&shards->stop) != 0;
}

// The place of the shard that owns a slot, as far as this node knows. Thread: any.
static inline uint32_t shards_owner(const struct shards *shards, uint32_t slot) {
    uint8_t owner = __atomic_load_n(&shards->owners[slot], __ATOMIC_RELAXED);
    return owner < shards->count ? owner : 0; // it will say that it is not
}

static inline struct engine *shards_part(const struct shards *shards, uint32_t slot) {
    return shards->parts[shards_owner(shards, slot)];
}

// What an outcome points at becomes the arena's own.
static inline void outcome_keep(struct outcome *outcome, struct arena *arena) {
    if (outcome->record.bytes != NULL)
        outcome->record = arena_copy(arena, outcome->record);
    if (outcome->opening.bytes != NULL)
        outcome->opening = arena_copy(arena, outcome->opening);
}

// shards_flight.c
void shards_submit(struct engine *engine, struct round *round);
// Sends those commands again that were turned away. Thread: the keeper.
void flight_again(struct flight *flight);
// Answers: what was turned away is busy. Thread: the keeper, or the last shard's.
void flight_finish(struct flight *flight);
void shards_free_flights(struct shards *shards);

// shards_cross.c
struct cross *cross_open(struct shards *shards, uint32_t home);
void cross_close(struct cross *cross); // what it was given is answered; accepts NULL
void cross_submit(struct cross *cross, struct round *round); // thread: any
// Whether the command names a bank id whose slot another shard than its own has.
bool cross_is_needed(const struct shards *shards, uint32_t home, const struct command *command);
void *shards_resolver(void *shards);

// shards_keeper.c
MUST_CHECK enum status shards_read_map(struct shards *shards); // thread: the carrier's
void *shards_keeper(void *shards);

// shards_lists.c
enum status shards_list(struct engine *engine, const struct list_query *query,
                        struct page *ret_page);

// shards_reads.c: the rest of the reading half of the port
enum status shards_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                              const struct freshness *freshness, struct balance_at *ret);
enum status shards_owns(struct engine *engine, struct id wallet, struct slice owner);
enum status shards_read(struct engine *engine, const struct command *command,
                        const struct freshness *freshness, struct arena *arena,
                        struct outcome *ret_outcome);
enum status shards_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next);
uint64_t shards_end(struct engine *engine);
void shards_habits(struct engine *engine,
                   void (*each)(void *context, struct id wallet, const struct habits *habits),
                   void *context);
void shards_wallets(struct engine *engine,
                    void (*each)(void *context, const struct wallet *wallet), void *context);
void shards_holds(struct engine *engine, void (*each)(void *context, const struct hold *hold),
                  void *context);
void shards_withdrawals(struct engine *engine,
                        void (*each)(void *context, const struct withdrawal *withdrawal),
                        void *context);
uint32_t shards_currencies(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max);
bool shards_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live);
bool shards_key_by_id(struct engine *engine, struct id id, uint64_t now_ms, struct key *ret_key,
                      bool *ret_live);
void shards_stats(struct engine *engine, struct engine_stats *ret_stats);
