// SPDX-License-Identifier: MIT
// Private to the PostgreSQL engine: what crossings and resolvers share.
#pragma once
#include "base/buffer.h"
#include "engine/postgres/arrivals.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/link/link.h"

struct crossing {
    uint32_t count, home;
    struct engine *parts[SHARDS_MAX];
    const struct shard_place *places;
    struct link links[SHARDS_MAX];
    uint64_t away_until_ns[SHARDS_MAX];
    uint64_t shut_out_ns[SHARDS_MAX]; // when nobody was let in there; 0: it does not answer
    char books[33]; // their id in hexadecimal digits; empty: not asked yet
    uint64_t hash_seed;
    uint64_t opened_ns[SHARDS_MAX]; // of links
    struct arrivals_seen taken[SHARDS_MAX]; // before the transaction under way has begun
    uint32_t begun;    // parts with a transaction under way: bit 1 << place
    uint32_t prepared; // parts where PREPARE was tried
    struct buffer query;
    char *text; // of the last answer
};

// crossing.c: one or more statements as plain text, since PREPARE TRANSACTION takes no parameters.
// Afterwards the answer is in `text`. False: there is none.
bool crossing_ask(struct crossing *crossing, uint32_t place, const char *query);
bool crossing_ask_query(struct crossing *crossing, uint32_t place); // what is in `query`

// crossing_facts.c: whether anything of `legs` is asked of that shard.
bool crossing_has_facts(const struct legs *legs, uint32_t place);
// In the transaction that is under way there. What is found stands in `legs`.
bool crossing_find(struct crossing *crossing, struct legs *legs, uint32_t place);

// Bytes of hexadecimal digits up to something else; false: more than there is room for.
bool crossing_take_hex(const char **text, uint8_t *ret_bytes, size_t most, size_t *ret_size);

// crossing_keys.c: keys that texts of owners there are sealed with. Behind what was found.
bool crossing_bring_keys(struct crossing *crossing, struct legs *legs, uint32_t place);
// Shards on which somebody has none yet: bits 1 << place.
uint32_t crossing_parts_without_keys(const struct crossing *crossing, struct legs *legs);
// Made where they belong, in transactions of their own: one that is not made may be the next time.
void crossing_make_keys(struct crossing *crossing, struct legs *legs, uint32_t parts);

// crossing_legs.c: writes the leg on that shard, PREPARE included, into `query`.
void crossing_write_leg(struct crossing *crossing, const struct legs *legs, uint32_t place);

// Whatever came from outside goes in as hexadecimal digits: '\x...'::bytea.
void crossing_add_hex(struct buffer *buffer, struct slice bytes);

struct engine;
struct vault;

// Who decides about a gid, florin:BOOKS:SHARD:RANDOM: the place of that shard; `count`: none of
// these, or it is not of plain characters.
uint32_t legs_decider(const char *gid, const struct shard_place *places, uint32_t count);
// Two statements, at the deciding shard: an abort unless something is decided already, and what
// stands then, t or f. `gid` is of plain characters.
void legs_decide_query(struct buffer *query, const char *gid);
#define LEGS_FINISH_BYTES (LEGS_GID_BYTES + 256)
void legs_finish_query(char query[LEGS_FINISH_BYTES], const char *gid, bool is_commit);
// Carries out what was prepared there under that name, as the role that has prepared it, where one
// is a member of it. Each statement may take so long. A link that is lost is closed; one that is
// open says in `why` what is wrong.
MUST_CHECK enum link_result legs_finish(struct link *link, const char *gid, bool is_commit,
                                        uint64_t wait_ns);
// Behind that: there is nothing of that name. Somebody else was faster, or it was never prepared.
bool legs_is_gone(const struct link *link);

// What texts of that shard are sealed with, and under which generation of the master key; NULL:
// they are plain. Thread: any.
struct vault *books_vault(struct engine *engine, int64_t *ret_generation);
