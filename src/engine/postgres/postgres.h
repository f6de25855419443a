// SPDX-License-Identifier: MIT
// The PostgreSQL engine: the books of one or more nodes, in a database.
#pragma once
#include "engine/engine.h"
#include "engine/postgres/arrivals.h"

struct link;          // link.h
struct vault_masters; // vault/vault.h

struct postgres_options {
    const char *shard; // what these books are called among several (shard.h); NULL: they are alone
    const char *url;                   // a libpq connection string
    const struct currency *currencies; // custom ones; their exponents must be those of the books
    uint32_t currency_count;
    const struct spending_limits *limits;   // likewise
    uint32_t review_expires_s;              // how long held payments wait; 0: the standard
    const struct approval_rules *approvals; // must outlive the engine; NULL: none
    const struct vault_masters *masters; // free texts are encrypted; NULL: they are not. Copied.
    bool without_texts; // none will be written or read: no master key is needed
    bool without_turn; // for tests: nodes do not queue, and retry instead
    const char *folder; // where the node remembers its servers; NULL: nowhere
    const char *const *replicas; // connection strings of streaming standbys
    uint32_t replica_count;      // at most ENGINE_REPLICAS_MAX, hosts counted
    uint32_t idempotency_days;   // how long keys are remembered at least; 0: seven
    uint32_t cache_wallets;      // kept in memory for reads that allow an age; 0: none
    uint64_t replica_lag_ms_max; // what is further behind is not read from
};

// Brings the database's schema to what this Florin knows; safe to run twice and from several nodes
// at once. STATUS_busy: no connection; STATUS_invalid_request: the server or its schema will not
// do. `ret_why` has a sentence, `ret_applied` the number of migrations that were new.
MUST_CHECK enum status postgres_migrate(const char *url, char *ret_why, size_t why_bytes,
                                        uint32_t *ret_applied);

// Gives an existing role what "serving" or "verifying" takes, and nothing else. `ret_why` as above.
MUST_CHECK enum status postgres_grant(const char *url, const char *role, const char *purpose,
                                      char *ret_why, size_t why_bytes);

// Chooses the server when the string names several, migrates, makes the books if there are none,
// and starts the writer. Statuses as above. The engine is closed by its port.
MUST_CHECK enum status postgres_open(const struct postgres_options *options, char *ret_why,
                                     size_t why_bytes, struct engine **ret_engine);

// The server that is the primary now, of those in `url`; stays readable. Thread: any.
const char *postgres_primary_url(struct engine *engine);

// Whether a shard's server hangs or cannot be reached: nobody should turn to it. Thread: any.
bool postgres_is_silent(struct engine *engine);
// When it last let in who looks after it, which happens when it comes back; by the monotonic clock.
// Thread: any.
uint64_t postgres_let_in_ns(struct engine *engine);
// From here on a link to that server, open or about to be, is lost when it falls silent or another
// is to be used. Thread: the link's.
void postgres_watch(struct engine *engine, struct link *link);

// Whether the shard owns that slot now, and its version of all of them. Thread: any; waits.
MUST_CHECK enum status postgres_slot_now(struct engine *engine, uint32_t slot, bool *ret_is_here,
                                         int64_t *ret_version);

// Of shards: data keys that are not here lie on one of `all`, which must outlive it. Once, before
// anything is asked of it.
void postgres_join(struct engine *engine, struct engine *const *all, uint32_t count);
// Whether its data keys were brought under a new master key when it was opened. Thread: any.
bool postgres_exchanged_master(struct engine *engine);
// Texts before that time were never encrypted; 0: all were. Raising it is for all nodes. Thread:
// any; raising waits.
uint64_t postgres_plain_until(struct engine *engine);
MUST_CHECK enum status postgres_raise_plain_until(struct engine *engine, uint64_t plain_until_ms);

// How far everything had come that was published by now. Thread: any.
struct position postgres_published(struct engine *engine);

// Of a shard: what has arrived up to there has become records. Thread: any.
struct arrivals_seen postgres_arrivals_taken(struct engine *engine);

// Whether no key existed when it was opened: somebody must make the first one. Thread: any.
bool postgres_is_new(struct engine *engine);
