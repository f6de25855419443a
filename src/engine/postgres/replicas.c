// SPDX-License-Identifier: MIT
// What is known of the replicas, and how old that is which they have replayed.
//
// Ages. The watcher asks the primary where it stands and notes when it began to ask, by this node's
// own clock. Whoever has replayed that position has all that was acknowledged before that time.
#include "engine/postgres/reader.h"

#include <stdio.h>
#include <string.h>

enum status replicas_init(struct replicas *replicas, const char *const *urls, uint32_t url_count,
                          uint64_t lag_ms_max, char *ret_why, size_t why_bytes) {
    CHECK(url_count <= ENGINE_REPLICAS_MAX);
    memset(replicas, 0, sizeof(*replicas));
    CHECK(pthread_mutex_init(&replicas->lock, NULL) == 0);
    replicas->lag_ns_max = lag_ms_max * 1000000;
    for (uint32_t i = 0; i < url_count; i++) {
        struct servers *servers = &replicas->servers[replicas->server_count];
        enum status status = servers_parse(urls[i], SERVERS_ANY, servers, ret_why, why_bytes);
        if (status != STATUS_ok)
            return status;
        replicas->server_count++;
        for (uint32_t k = 0; k < servers->count; k++) {
            if (replicas->count == ENGINE_REPLICAS_MAX) {
                (void)snprintf(ret_why, why_bytes, "More than %d replicas.", ENGINE_REPLICAS_MAX);
                return STATUS_invalid_request;
            }
            struct replica *replica = &replicas->items[replicas->count++];
            replica->url = servers->urls[k];
            replica->name = servers->names[k];
            reader_pool_init(&replica->pool, replica);
        }
    }
    return STATUS_ok;
}

void replicas_done(struct replicas *replicas) {
    for (uint32_t i = 0; i < replicas->count; i++) {
        link_done(&replicas->items[i].watch);
        reader_pool_done(&replicas->items[i].pool);
    }
    for (uint32_t i = 0; i < replicas->server_count; i++)
        servers_done(&replicas->servers[i]);
    (void)pthread_mutex_destroy(&replicas->lock);
}

static void lock(struct replicas *replicas) {
    CHECK(pthread_mutex_lock(&replicas->lock) == 0);
}

static void unlock(struct replicas *replicas) {
    CHECK(pthread_mutex_unlock(&replicas->lock) == 0);
}

void replicas_add_sample(struct replicas *replicas, struct position position, uint64_t at_ns) {
    lock(replicas);
    replicas->samples[replicas->sample_count++ % SAMPLES_KEPT] =
        (struct sample){.position = position, .at_ns = at_ns};
    unlock(replicas);
}

// The youngest sample that a position has reached; NULL: none that is kept. Under the lock.
static const struct sample *reached(const struct replicas *replicas, struct position position) {
    for (uint64_t i = replicas->sample_count;
         i > 0 && replicas->sample_count - i < SAMPLES_KEPT; i--) {
        const struct sample *sample = &replicas->samples[(i - 1) % SAMPLES_KEPT];
        if (position_reaches(position, sample->position))
            return sample;
    }
    return NULL;
}

uint64_t replicas_age_ns(struct replicas *replicas, struct position position, uint64_t now_ns) {
    lock(replicas);
    const struct sample *sample = reached(replicas, position);
    uint64_t age_ns = sample == NULL ? UINT64_MAX : now_ns - sample->at_ns;
    unlock(replicas);
    return age_ns;
}

uint64_t replicas_lag_ns(struct replicas *replicas, struct position position) {
    lock(replicas);
    const struct sample *sample = reached(replicas, position);
    uint64_t lag_ns = UINT64_MAX;
    if (sample != NULL)
        lag_ns = replicas->samples[(replicas->sample_count - 1) % SAMPLES_KEPT].at_ns -
                 sample->at_ns;
    unlock(replicas);
    return lag_ns;
}

void replica_set(struct replicas *replicas, struct replica *replica, bool is_used,
                 uint64_t lag_ns) {
    lock(replicas);
    replica->is_used = is_used;
    replica->lag_ns = lag_ns;
    unlock(replicas);
}

bool replica_is_used(struct replicas *replicas, const struct replica *replica) {
    lock(replicas);
    bool is_used = replica->is_used;
    unlock(replicas);
    return is_used;
}

bool replica_fits(const struct lineage *seen, const struct identity *identity) {
    const struct lineage_claim *claim = &identity->claim;
    return claim->now.timeline == 0 && claim->now.system == seen->system &&
           identity->position.epoch == seen->timeline && identity->position.place != 0 &&
           claim->has_mark && memcmp(claim->mark, seen->token, sizeof(seen->token)) == 0;
}
