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
    const struct lacks **brings; // for each command what it lacked before; NULL: none of them
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
    bool is_lacking; // that was but for want of what other shards have, as the outcomes say
    uint32_t hops;   // how often it was sent again for that alone
    uint32_t waiting; // commands that wait for others of their batch
    bool is_carried; // what lies on every shard was changed
    bool is_sealed;  // an answer has texts under a key that its shard has not got
    struct round_times times;
    struct part parts[2 * SHARDS_MAX]; // straight to each shard; and through its crosser
};

struct shards {
    struct engine engine; // first: the port hands out pointers to it
    uint32_t count;
    struct engine *parts[SHARDS_MAX];
    uint8_t owners[LIMIT_SLOTS]; // each atomic; a hint: shards turn away who comes wrongly

    int64_t versions[SHARDS_MAX]; // each atomic; the shards' own of the slots in `owners`

    pthread_mutex_t lock; // of `spare`
    struct flight *spare; // flights that nobody uses

    // The keeper: copies what lies on every shard, and reads the map again.
    pthread_t keeper;
    bool has_keeper;
    struct signal_gate stop; // 1: the house is being taken down
    struct inbox inbox;      // flights that wait for it
    struct shard_carrier *carrier;

    struct shard_place places[SHARDS_MAX];
    uint32_t tags[SHARDS_MAX]; // of their names, as positions say them
    char *folders[SHARDS_MAX]; // owned; their engines go on reading these names
    struct cross *crosses[SHARDS_MAX]; // of each shard: what it decides that others are needed for
    pthread_t resolver;
    bool has_resolver;
    bool resolver_is_over; // atomic
    uint64_t legs_in_doubt, legs_resolved, legs_missing; // each atomic
    uint32_t unsafe; // shards whose servers a promotion would lose payments on, at the start
    pthread_mutex_t transit_lock;
    struct transit *transit;
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

static inline void outcome_keep_lacks(struct outcome *outcome, struct arena *arena) {
    if (!outcome->elsewhere || outcome->lacks == NULL)
        return;
    struct lacks *lacks = arena_take(arena, sizeof(*lacks));
    *lacks = *outcome->lacks;
    if (lacks->bank_id.size != 0)
        lacks->bank_id = arena_copy(arena, lacks->bank_id);
    outcome->lacks = lacks;
}

// What an outcome points at becomes the arena's own.
static inline void outcome_keep(struct outcome *outcome, struct arena *arena) {
    if (outcome->record.bytes != NULL)
        outcome->record = arena_copy(arena, outcome->record);
    if (outcome->opening.bytes != NULL)
        outcome->opening = arena_copy(arena, outcome->opening);
    outcome_keep_lacks(outcome, arena);
    if (outcome->part_count == 0)
        return;
    size_t size = outcome->part_count * sizeof(*outcome->parts);
    struct outcome *parts = arena_take(arena, size);
    memcpy(parts, outcome->parts, size);
    outcome->parts = parts;
    for (uint32_t i = 0; i < outcome->part_count; i++) {
        struct outcome *part = &outcome->parts[i];
        part->record = arena_copy(arena, part->record);
        if (part->opening.bytes != NULL)
            part->opening = arena_copy(arena, part->opening);
    }
}

// shards_flight.c
void shards_submit(struct engine *engine, struct round *round);
// Sends those commands again that were turned away. Thread: the keeper.
void flight_again(struct flight *flight);
// Answers: what was turned away is busy. Thread: the keeper, or the last shard's.
void flight_finish(struct flight *flight);
void shards_free_flights(struct shards *shards);

// shards_lane.c
uint64_t shards_lane(struct engine *engine, const struct submission *submission);

// shards_lacks.c: what a command lacks is found out in turns, and all of it comes along in the end:
// what is noted when it is sent stands beside what it was turned away with.
void piece_note_brings(struct piece *piece, const struct submission *sent, struct arena *arena);
void piece_keep_brings(const struct piece *piece, struct submission *sent, struct arena *arena);

// shards_order.c: those of its operations that wait for earlier ones are not sent with them, but
// turned away. Returns how many.
uint32_t shards_hold_back(const struct shards *shards, struct submission *submission,
                          bool only_turned_away, struct arena *arena);

// shards_cross.c
struct cross *cross_open(struct shards *shards, uint32_t home);
void cross_close(struct cross *cross); // what it was given is answered; accepts NULL
void cross_submit(struct cross *cross, struct round *round); // thread: any
// Whether it needs what another shard than its own has: a bank id, a wallet, or what it was found
// to lack (NULL: nothing).
bool cross_is_needed(const struct shards *shards, uint32_t home, const struct command *command,
                     const struct lacks *lacks);
// Which other shards those are: bits 1 << place.
uint32_t cross_others(const struct shards *shards, uint32_t home, const struct command *command,
                      const struct lacks *lacks);
void *shards_resolver(void *shards);

// shards_keeper.c
MUST_CHECK enum status shards_read_map(struct shards *shards); // thread: the carrier's
void *shards_keeper(void *shards);

// shards_lists.c
enum status shards_list(struct engine *engine, const struct list_query *query,
                        struct page *ret_page);

// shards_reads.c: the rest of the reading half of the port
#define SHARDS_READ_TRIES 40
// A read of one shard: what that shard must have, and afterwards whether the slot was its own.
struct aim {
    struct engine *part;
    const char *name; // the shard's
    struct freshness freshness; // its claim is below
    struct slot_claim claim;
};
// At the shard that owns the slot, as far as this node knows.
void shards_aim(struct shards *shards, uint32_t slot, const struct freshness *wanted,
                struct aim *ret_aim);
// At that shard, for a list over all of them; its slots must still be those of `versions`.
void shards_aim_at(struct shards *shards, uint32_t place, const int64_t *versions,
                   const struct freshness *wanted, struct aim *ret_aim);
void shards_versions(const struct shards *shards, int64_t ret_versions[SHARDS_MAX]);
// Behind the read: whether it is over. Else this waits a little, until the map has been read again,
// and the read is worth another try until `*tries` is 0.
bool shards_hit(struct shards *shards, const struct aim *aim, int *tries, enum status *status);
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
enum status shards_habits(struct engine *engine,
                          void (*each)(void *context,
                                       struct id wallet, const struct habits *habits),
                          void *context);
enum status shards_wallets(struct engine *engine,
                           void (*each)(void *context, const struct wallet *wallet), void *context);
enum status shards_holds(struct engine *engine,
                         void (*each)(void *context, const struct hold *hold), void *context);
enum status shards_withdrawals(struct engine *engine,
                               void (*each)(void *context, const struct withdrawal *withdrawal),
                               void *context);
bool shards_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live);
bool shards_key_by_id(struct engine *engine, struct id id, uint64_t now_ms, struct key *ret_key,
                      bool *ret_live);
void shards_stats(struct engine *engine, struct engine_stats *ret_stats);

// shards_whole.c
enum status shards_whole(struct engine *engine, uint64_t wait_ns, struct engine_whole *ret_whole);
uint32_t shards_currencies(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max);
enum status shards_in_flight(struct engine *engine, struct in_flight *ret_found);
