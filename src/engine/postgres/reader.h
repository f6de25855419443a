// SPDX-License-Identifier: MIT
// Connections for what is read beside the writer: a few to the primary, a few to each replica.
#pragma once
#include <pthread.h>

#include "engine/postgres/primary.h"

#define READERS_MAX   4
#define READERS_SMALL 1 // beside them, for what needs no table that others may wait for long

struct replica;
struct reader_pool;

struct reader {
    struct link link; // first: other files know only the link
    struct reader_pool *pool;
    bool is_taken;
    struct position replayed; // of a replica: what this very session has seen replayed
    uint64_t slots; // likewise, of a shard: which version of its slots, and 1; 0: not asked
};

struct reader_pool {
    pthread_mutex_t lock;
    pthread_cond_t free;
    struct replica *replica; // NULL: the primary
    struct reader readers[READERS_MAX + READERS_SMALL];
};

static inline struct reader *reader_of(struct link *link) {
    return (struct reader *)link;
}

void reader_pool_init(struct reader_pool *pool, struct replica *replica);
void reader_pool_done(struct reader_pool *pool);
// NULL: none is free, and `wait` is false.
struct link *reader_pool_take(struct reader_pool *pool, bool wait);
// The same for a short statement about small tables, which waits for no long one.
struct link *reader_pool_take_small(struct reader_pool *pool);
// Connects when it is not connected. Not of the primary: see reader_ask.
MUST_CHECK enum link_result reader_connect(struct link *link, const char *url, enum sql last,
                                           uint64_t wait_ns);
void reader_give(struct link *link); // forgets its results

// ---- replicas ---------------------------------------------------------------------------------

// Where the primary stood at a time of this node's own clock, so that ages need no other clock.
struct sample {
    struct position position;
    uint64_t at_ns;
};
#define SAMPLES_KEPT 1024

struct replica {
    struct reader_pool pool;
    const char *url, *name; // of `servers`
    uint64_t read_count;    // atomic
    // Of struct replicas' lock:
    bool is_used;
    uint64_t lag_ns;
    // The watcher's:
    struct link watch;
    uint64_t next_try_ns;
    uint32_t failure_count;
};

struct replicas {
    uint32_t count;
    struct replica items[ENGINE_REPLICAS_MAX];
    struct servers servers[ENGINE_REPLICAS_MAX]; // one per configured string
    uint32_t server_count;
    uint64_t lag_ns_max;
    uint32_t turn; // atomic; who is asked first
    pthread_mutex_t lock;
    struct sample samples[SAMPLES_KEPT];
    uint64_t sample_count;
};

// STATUS_invalid_request: `ret_why` says why.
MUST_CHECK enum status replicas_init(struct replicas *replicas, const char *const *urls,
                                     uint32_t url_count, uint64_t lag_ms_max, char *ret_why,
                                     size_t why_bytes);
void replicas_done(struct replicas *replicas);
void replicas_add_sample(struct replicas *replicas, struct position position, uint64_t at_ns);
// How old that is which has come this far; UINT64_MAX: older than can be told. Thread: any.
uint64_t replicas_age_ns(struct replicas *replicas, struct position position, uint64_t now_ns);
// How far it is behind what was last heard of the primary. Thread: any.
uint64_t replicas_lag_ns(struct replicas *replicas, struct position position);
void replica_set(struct replicas *replicas, struct replica *replica, bool is_used,
                 uint64_t lag_ns);
bool replica_is_used(struct replicas *replicas, const struct replica *replica);
// A standby of these books, on the timeline that stands.
bool replica_fits(const struct lineage *seen, const struct identity *identity);
