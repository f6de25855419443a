// SPDX-License-Identifier: MIT
// A thread that looks at the servers several times a second: where the primary stands, how far the
// replicas have come, whether another of the configured servers has been promoted, and of a shard
// whether its server answers at all.
#include "engine/postgres/postgres_books.h"

#include "base/clock.h"

#define TICK_NS         UINT64_C(200000000)
#define CONNECT_WAIT_NS UINT64_C(500000000)
#define ASK_WAIT_NS     UINT64_C(1000000000)
#define RETRY_NS        UINT64_C(500000000)
#define RETRY_SHIFT_MAX 4

static const char plain_settings[] = "SET client_min_messages = warning; "
                                     "SET statement_timeout = '2s'; SET timezone = 'UTC'";

static void try_later(uint64_t *next_try_ns, uint32_t *failure_count) {
    uint32_t shift = *failure_count < RETRY_SHIFT_MAX ? *failure_count : RETRY_SHIFT_MAX;
    *next_try_ns = clock_monotonic_ns() + (RETRY_NS << shift);
    (*failure_count)++;
}

static void sample_primary(struct books *books, struct watched *primary) {
    struct link *link = &primary->link;
    struct lineage seen = primary_seen(&books->primary);
    struct identity identity;
    if (link_is_open(link) && link_is_called_off(link))
        link_close(link);
    if (!link_is_open(link)) {
        if (clock_monotonic_ns() < primary->next_try_ns)
            return;
        if (reader_connect(link, primary_url(&books->primary), SQL_READER_FIRST,
                           CONNECT_WAIT_NS) != LINK_OK ||
            primary_admit_reader(&books->primary, link) != LINK_OK) {
            link_close(link);
            try_later(&primary->next_try_ns, &primary->failure_count);
            return;
        }
        primary->failure_count = 0;
    }
    uint64_t at_ns = clock_monotonic_ns();
    link->deadline_ns = at_ns + ASK_WAIT_NS;
    if (identity_ask(link, &seen, &identity) != LINK_OK)
        link_close(link);
    else if (identity.claim.now.timeline == seen.timeline)
        replicas_add_sample(&books->replicas, identity.position, at_ns);
}

static void look_at_replica(struct books *books, struct replica *replica) {
    struct link *link = &replica->watch;
    struct lineage seen = primary_seen(&books->primary);
    struct identity identity;
    bool was_closed = !link_is_open(link);
    if (was_closed && clock_monotonic_ns() < replica->next_try_ns)
        return;
    bool ok = reader_connect(link, replica->url, SQL_READER_FIRST, CONNECT_WAIT_NS) == LINK_OK;
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    ok = ok && identity_ask(link, &seen, &identity) == LINK_OK;
    if (!ok) {
        link_close(link);
        try_later(&replica->next_try_ns, &replica->failure_count);
        replica_set(&books->replicas, replica, false, UINT64_MAX);
        return;
    }
    replica->failure_count = 0;
    uint64_t lag_ns = UINT64_MAX;
    if (replica_fits(&seen, &identity))
        lag_ns = replicas_lag_ns(&books->replicas, identity.position);
    replica_set(&books->replicas, replica, lag_ns <= books->replicas.lag_ns_max, lag_ns);
}

// A server of the list that is not the one in use: has it been promoted?
static void look_at_server(struct books *books, uint32_t place) {
    struct watched *watched = &books->watched_servers[place];
    struct link *link = &watched->link;
    struct lineage_claim claim;
    if (!link_is_open(link) && clock_monotonic_ns() < watched->next_try_ns)
        return;
    bool ok = link_is_open(link) ||
              link_open(link, books->watched_urls.urls[place], plain_settings, SQL_TURN_BACK,
                        SQL_TURN, CONNECT_WAIT_NS) == LINK_OK;
    if (!ok || primary_ask_server(&books->primary, link, &claim) != LINK_OK) {
        link_close(link);
        try_later(&watched->next_try_ns, &watched->failure_count);
        return;
    }
    watched->failure_count = 0;
    struct lineage seen = primary_seen(&books->primary);
    if (claim.now.timeline > seen.timeline && lineage_refuses(&seen, &claim) == NULL)
        primary_supersede(&books->primary, claim.now.timeline, place);
}

void *watcher_of_postgres(void *context) {
    struct books *books = context;
    while (!signal_gate_wait(&books->stop, 1, TICK_NS)) {
        if (books->engine.is_shard)
            vigil_look(books);
        if (books->replicas.count != 0)
            sample_primary(books, &books->watched_primary);
        for (uint32_t i = 0; i < books->replicas.count; i++)
            look_at_replica(books, &books->replicas.items[i]);
        for (uint32_t i = 0; i < books->watched_urls.count && books->watched_urls.count > 1; i++)
            look_at_server(books, i);
    }
    return NULL;
}
