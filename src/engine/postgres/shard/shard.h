// SPDX-License-Identifier: MIT
// Books on several servers: what the databases know of each other. A shard is a database with the
// whole schema, a name, and some of the slots; all shards of the same books have the same id and
// seal, so that an id says its slot wherever it was made.
//
// Whoever owns slot 0 makes keys and sets of rules; the other shards have copies of them.
#pragma once
#include "base/limits.h"
#include "engine/engine.h"

#define SHARDS_MAX          16
#define SHARD_REPLICAS_MAX  4  // of one shard, as they are configured
#define SHARD_NAME_BYTES    33 // with its end: small letters, digits, - and _
#define SHARD_NOBODY        255
#define SHARD_SHOWN_BYTES   4096

struct shard_place {
    const char *name, *url;
    const char *replicas[SHARD_REPLICAS_MAX]; // connection strings of its streaming standbys
    uint32_t replica_count;
};

// Brings every database's schema up to date and makes shards of databases that are none yet: the
// first may have books already and keeps all slots then; empty ones share them evenly. A further
// empty database joins without slots. Whatever it breaks off at, and whoever else does the same,
// no slot ever has two owners. STATUS_busy: some server cannot be reached; STATUS_invalid_request:
// these are not all shards of one and the same books. `ret_why` has a sentence.
MUST_CHECK enum status shards_prepare(const struct shard_place *places, uint32_t count,
                                      char *ret_why, size_t why_bytes);

// Takes names that were in the list by mistake, and have served, out of what the shards know of
// each other, so that a start without them is none that lacks a shard. Tells what it did on each.
// Safe to do twice. STATUS_invalid_request: one of them is still in the list or owns slots, or what
// it did moved here along with them; STATUS_busy: not all can be asked. `ret_why` has a sentence.
MUST_CHECK enum status shards_forget(const struct shard_place *places, uint32_t count,
                                     const char *const *names, uint32_t name_count,
                                     void (*tell)(void *context, const char *sentence),
                                     void *context, char *ret_why, size_t why_bytes);
// What a shard may be called.
bool shard_name_is_valid(struct slice name);

// Looks at all shards and brings copies up to date; has a connection to each. `parts` are their
// open engines, in the order of the configuration, and must outlive it, as must `places`. Thread:
// one.
struct shard_carrier;
struct shard_carrier *shard_carrier_open(struct engine *const *parts,
                                         const struct shard_place *places, uint32_t count);
void shard_carrier_close(struct shard_carrier *carrier);
// Asks every shard which slots it owns. Of a shard that cannot be asked `owners` stays as it is;
// SHARD_NOBODY: none says so; `versions` are the shards' own of what they said. STATUS_busy:
// somebody could not be asked.
MUST_CHECK enum status shard_carrier_map(struct shard_carrier *carrier,
                                         uint8_t owners[LIMIT_SLOTS],
                                         int64_t versions[SHARDS_MAX]);
// Whether a slot has come or gone between the last map and the last carrying.
bool shard_carrier_map_is_old(const struct shard_carrier *carrier);
// Brings keys and rules from the shard with that place to all others. STATUS_busy: not everywhere.
MUST_CHECK enum status shard_carrier_carry(struct shard_carrier *carrier, uint32_t home);

// No slot changes hands for a while, because somebody adds up all books and slots that came and
// went have kept him from an end. Slots that are just changing hands do so before. NULL: not all
// shards can be asked. It goes with its connections: of whoever dies it is gone, and slots move.
struct shard_still;
struct shard_still *shard_still_begin(const struct shard_place *places, uint32_t count);
void shard_still_end(struct shard_still *still); // accepts NULL

// Looks at the servers of that shard's url and tells, in sentences, what would lose or tear
// payments when one of them is promoted. A server that cannot be reached is not looked at.
void shard_judge_servers(const struct shard_place *place,
                         void (*tell)(void *context, const char *sentence), void *context);

// Whether the database there is the shard that it is called. STATUS_busy, where it cannot be asked,
// or STATUS_invalid_request: `ret_why` says why not, without the name.
MUST_CHECK enum status shard_is_itself(const struct shard_place *place, char *ret_why,
                                       size_t why_bytes);

// One line for people: slots, wallets, records, what was written lately, and size on disk.
// STATUS_busy or STATUS_invalid_request: `ret_line` says why.
MUST_CHECK enum status shard_show(const struct shard_place *place,
                                  char ret_line[SHARD_SHOWN_BYTES]);
