// SPDX-License-Identifier: MIT
// Reads go to the shard of their slot.
#include <string.h>

#include "base/check.h"
#include "engine/shards/shards_books.h"

#define AGAIN_PAUSE_NS UINT64_C(50000000)

void shards_versions(const struct shards *shards, int64_t ret_versions[SHARDS_MAX]) {
    for (uint32_t i = 0; i < shards->count; i++)
        ret_versions[i] = __atomic_load_n(&shards->versions[i], __ATOMIC_ACQUIRE);
}

// Of a standing what it says of one shard. False: no replica can be known to have it, since it is
// of other books, or slots have come or gone there since.
static bool find_place(const struct shards *shards, const int64_t *versions, uint32_t place,
                       const struct standing *standing, struct position *ret_after) {
    *ret_after = (struct position){0};
    for (uint32_t i = 0; i < standing->count; i++) {
        const struct standing_place *said = &standing->places[i];
        uint32_t at = 0;
        while (at < shards->count && shards->tags[at] != said->shard)
            at++;
        if (at == shards->count || (said->slots != 0 && said->slots != (uint64_t)versions[at] + 1))
            return false;
        if (at == place)
            *ret_after = said->position;
    }
    return true;
}

void shards_aim_at(struct shards *shards, uint32_t place, const int64_t *versions,
                   const struct freshness *wanted, struct aim *ret_aim) {
    CHECK(place < shards->count);
    *ret_aim = (struct aim){.part = shards->parts[place],
                            .name = shards->places[place].name,
                            .claim = {.slot = LIMIT_SLOTS, .version = (uint64_t)versions[place]}};
    struct freshness *freshness = &ret_aim->freshness;
    freshness->claim = &ret_aim->claim;
    bool is_known = position_is_none(wanted->after); // of books on one server
    if (is_known && wanted->standing != NULL)
        is_known = find_place(shards, versions, place, wanted->standing, &freshness->after);
    // Who names positions and no age wants to see what he names, and of other shards what is now.
    bool is_said = !position_is_none(freshness->after);
    if (is_known && (is_said || wanted->age_ms_max != UINT64_MAX))
        freshness->age_ms_max = wanted->age_ms_max;
}

void shards_aim(struct shards *shards, uint32_t slot, const struct freshness *wanted,
                struct aim *ret_aim) {
    int64_t versions[SHARDS_MAX];
    shards_versions(shards, versions); // before the owner, who is as new then, or newer
    shards_aim_at(shards, shards_owner(shards, slot), versions, wanted, ret_aim);
    ret_aim->claim.slot = slot;
}

bool shards_hit(struct shards *shards, const struct aim *aim, int *tries, enum status *status) {
    if (aim->claim.holds || *status == STATUS_busy)
        return true;
    if (--*tries == 0)
        *status = STATUS_busy;
    else
        (void)signal_gate_wait(&shards->stop, 1, AGAIN_PAUSE_NS);
    return *tries == 0;
}

enum status shards_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                              const struct freshness *freshness, struct balance_at *ret) {
    enum status status;
    struct aim aim;
    int tries = SHARDS_READ_TRIES;
    do {
        shards_aim(shards_of(engine), id_slot(wallet), freshness, &aim);
        status = aim.part->port->balance_at(aim.part, wallet, time_ms, &aim.freshness, ret);
    } while (!shards_hit(shards_of(engine), &aim, &tries, &status));
    return status;
}

enum status shards_owns(struct engine *engine, struct id wallet, struct slice owner) {
    enum status status;
    struct aim aim;
    const struct freshness now = {0};
    int tries = SHARDS_READ_TRIES;
    const struct engine *part = NULL;
    int64_t version = 0;
    do {
        const struct engine *part_before = part;
        int64_t before = version;
        bool is_here = false;
        shards_aim(shards_of(engine), id_slot(wallet), &now, &aim);
        part = aim.part;
        status = aim.part->port->owns(aim.part, wallet, owner);
        if (postgres_slot_now(aim.part, id_slot(wallet), &is_here, &version) != STATUS_ok)
            status = STATUS_busy;
        // It was there before that was read, too: none has come since the map, or the try before.
        bool stood = (uint64_t)version == aim.claim.version ||
                     (part == part_before && version == before);
        aim.claim.holds = is_here && stood;
    } while (!shards_hit(shards_of(engine), &aim, &tries, &status));
    return status;
}

enum status shards_read(struct engine *engine, const struct command *command,
                        const struct freshness *freshness, struct arena *arena,
                        struct outcome *ret_outcome) {
    enum status status;
    struct aim aim;
    int tries = SHARDS_READ_TRIES;
    do {
        shards_aim(shards_of(engine), id_slot(command->subject), freshness, &aim);
        status = aim.part->port->read(aim.part, command, &aim.freshness, arena, ret_outcome);
    } while (!shards_hit(shards_of(engine), &aim, &tries, &status));
    return status;
}

// Each shard has a feed of its own and no position says a place in all of them: who reads records
// reads them from the parts.
enum status shards_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next) {
    (void)engine;
    (void)bytes_max;
    (void)each;
    (void)context;
    *ret_next = position;
    return STATUS_busy;
}

uint64_t shards_end(struct engine *engine) {
    struct shards *shards = shards_of(engine);
    uint64_t end = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        uint64_t part = shards->parts[i]->port->published_end(shards->parts[i]);
        end = part > end ? part : end;
    }
    return end;
}

enum status shards_wallets(struct engine *engine,
                           void (*each)(void *context, const struct wallet *wallet),
                           void *context) {
    struct shards *shards = shards_of(engine);
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++)
        status = shards->parts[i]->port->wallets(shards->parts[i], each, context);
    return status;
}

enum status shards_habits(struct engine *engine,
                          void (*each)(void *context,
                                       struct id wallet, const struct habits *habits),
                          void *context) {
    struct shards *shards = shards_of(engine);
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++)
        status = shards->parts[i]->port->habits(shards->parts[i], each, context);
    return status;
}

enum status shards_holds(struct engine *engine,
                         void (*each)(void *context, const struct hold *hold), void *context) {
    struct shards *shards = shards_of(engine);
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++)
        status = shards->parts[i]->port->holds(shards->parts[i], each, context);
    return status;
}

enum status shards_withdrawals(struct engine *engine,
                               void (*each)(void *context, const struct withdrawal *withdrawal),
                               void *context) {
    struct shards *shards = shards_of(engine);
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++)
        status = shards->parts[i]->port->withdrawals(shards->parts[i], each, context);
    return status;
}

// Keys are made where slot 0 is.
bool shards_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live) {
    struct engine *part = shards_part(shards_of(engine), 0);
    return part->port->find_key(part, secret_hash, now_ms, ret_key, ret_live);
}

bool shards_key_by_id(struct engine *engine, struct id id, uint64_t now_ms, struct key *ret_key,
                      bool *ret_live) {
    struct engine *part = shards_part(shards_of(engine), 0);
    return part->port->key_by_id(part, id, now_ms, ret_key, ret_live);
}

static void add_stats(struct engine_stats *all, const struct engine_stats *more) {
    all->rounds += more->rounds;
    all->commands += more->commands;
    all->refusals += more->refusals;
    all->replays += more->replays;
    all->records += more->records;
    all->sync_ns_total += more->sync_ns_total;
    all->sync_count += more->sync_count;
    all->wallet_count += more->wallet_count;
    all->hold_count += more->hold_count;
    all->hold_open_count += more->hold_open_count;
    all->withdrawal_count += more->withdrawal_count;
    all->transaction_count += more->transaction_count;
    all->retries_serialization += more->retries_serialization;
    all->retries_deadlock += more->retries_deadlock;
    all->retries_timeout += more->retries_timeout;
    all->connections_lost += more->connections_lost;
    all->commits_looked_up += more->commits_looked_up;
    all->set_aside += more->set_aside;
    all->ahead += more->ahead;
    all->ahead_opened += more->ahead_opened;
    all->ahead_beside += more->ahead_beside;
    all->ahead_failed += more->ahead_failed;
    all->failovers += more->failovers;
    all->servers_refused += more->servers_refused;
    all->reads_primary += more->reads_primary;
    all->reads_replica += more->reads_replica;
    all->reads_cached += more->reads_cached;
    all->cache_misses += more->cache_misses;
    all->cache_wallets += more->cache_wallets;
    for (uint32_t i = 0; i < more->replica_count; i++)
        if (all->replica_count < ENGINE_REPLICAS_SHOWN_MAX)
            all->replicas[all->replica_count++] = more->replicas[i];
    for (uint32_t i = 0; i < all->rule_count && i < more->rule_count; i++)
        all->rules[i].hits += more->rules[i].hits;
}

void shards_stats(struct engine *engine, struct engine_stats *ret_stats) {
    struct shards *shards = shards_of(engine);
    uint32_t home = shards_owner(shards, 0);
    shards->parts[home]->port->stats(shards->parts[home], ret_stats);
    ret_stats->shard_count = shards->count;
    ret_stats->shards_unsafe = shards->unsafe;
    ret_stats->legs_in_doubt = __atomic_load_n(&shards->legs_in_doubt, __ATOMIC_RELAXED);
    ret_stats->legs_resolved = __atomic_load_n(&shards->legs_resolved, __ATOMIC_RELAXED);
    ret_stats->legs_missing = __atomic_load_n(&shards->legs_missing, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < shards->count; i++) {
        struct engine_stats more;
        ret_stats->shards_away += postgres_is_silent(shards->parts[i]);
        if (i == home)
            continue;
        shards->parts[i]->port->stats(shards->parts[i], &more);
        add_stats(ret_stats, &more);
    }
}
