// SPDX-License-Identifier: MIT
// Where a read goes: to a replica that has come far enough, else to the primary. What a replica has
// replayed is asked before the statement's snapshot is taken, on the same session, so the snapshot
// has at least that.
//
// Of one shard of several a replica is read only while the slots there are those that this node
// knows of: looked at before, once per session, since what a standby has replayed it does not
// forget, and behind each read. So neither what is still on its way nor what was left behind is
// taken for a slot.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/postgres_books.h"

#define REPLICA_CONNECT_NS UINT64_C(1000000000)
#define REPLICA_ASK_NS     UINT64_C(3000000000)

// On the session that reads; other results of it stay.
static enum link_result ask_slots(struct books *books, struct link *link,
                                  const struct slot_claim *claim, bool *ret_is_here) {
    struct parameters parameters = {0};
    const struct pg_result *result;
    uint32_t kept = link->result_count;
    parameter_number(&parameters, claim->slot % LIMIT_SLOTS);
    enum link_result answer = reader_ask(books, link, SQL_SLOT_STATE, &parameters, &result);
    if (answer == LINK_OK && row_count(result) != 1)
        answer = LINK_REFUSED;
    reader_of(link)->slots = answer == LINK_OK ? (uint64_t)row_number(result, 0, 1) + 1 : 0;
    *ret_is_here = answer == LINK_OK && row_number(result, 0, 0) == 0;
    link_forget_since(link, kept);
    return answer;
}

// Whether a replica's slots are those that this node knows of. Of the primary only whose they are
// matters: it has whatever came and went. But a slot that came while this was read was not there
// yet: so its slots are those that are known, or that this session saw behind the read before.
static bool judge_claim(struct books *books, struct link *link, struct slot_claim *claim) {
    bool is_here;
    bool is_primary = reader_of(link)->pool->replica == NULL;
    uint64_t before = reader_of(link)->slots;
    if (ask_slots(books, link, claim, &is_here) != LINK_OK)
        return false;
    uint64_t now = reader_of(link)->slots;
    bool same = claim->as_known = now == claim->version + 1;
    bool stood = same || (is_primary && now == before);
    claim->holds = claim->slot == LIMIT_SLOTS ? same : is_here && stood;
    return claim->holds || is_primary;
}

static bool knows_slots(struct books *books, struct link *link, const struct slot_claim *claim) {
    bool is_here;
    if (claim == NULL || reader_of(link)->slots == claim->version + 1)
        return true;
    return ask_slots(books, link, claim, &is_here) == LINK_OK &&
           reader_of(link)->slots == claim->version + 1;
}

static bool is_fresh(struct books *books, struct position position,
                     const struct freshness *freshness) {
    if (position_is_none(position) || !position_reaches(position, freshness->after))
        return false;
    if (freshness->age_ms_max == UINT64_MAX)
        return true;
    uint64_t age_ns = replicas_age_ns(&books->replicas, position, clock_monotonic_ns());
    return age_ns / 1000000 < freshness->age_ms_max;
}

// Whether this session may answer; asks the replica when what is known of it is not enough.
static bool admit(struct books *books, struct link *link, const struct freshness *freshness) {
    struct reader *reader = reader_of(link);
    struct replica *replica = reader->pool->replica;
    struct lineage seen = primary_seen(&books->primary);
    if (!link_is_open(link)) {
        reader->replayed = (struct position){0};
        reader->slots = 0;
    }
    if (reader_connect(link, replica->url, SQL_READER_LAST, REPLICA_CONNECT_NS) != LINK_OK) {
        replica_set(&books->replicas, replica, false, UINT64_MAX);
        return false;
    }
    if (reader->replayed.epoch == seen.timeline && is_fresh(books, reader->replayed, freshness))
        return knows_slots(books, link, freshness->claim);
    struct identity identity;
    link->deadline_ns = clock_monotonic_ns() + REPLICA_ASK_NS;
    if (identity_ask(link, &seen, &identity) != LINK_OK) {
        link_close(link);
        replica_set(&books->replicas, replica, false, UINT64_MAX);
        return false;
    }
    if (!replica_fits(&seen, &identity))
        return false;
    reader->replayed = identity.position;
    return is_fresh(books, reader->replayed, freshness) &&
           knows_slots(books, link, freshness->claim);
}

static struct link *take_replica(struct books *books, struct reading *reading) {
    struct replicas *replicas = &books->replicas;
    uint32_t turn = __atomic_fetch_add(&replicas->turn, 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < replicas->count; i++) {
        uint32_t place = (turn + i) % replicas->count;
        struct replica *replica = &replicas->items[place];
        if ((reading->tried & 1U << place) != 0 || !replica_is_used(replicas, replica))
            continue;
        reading->tried |= 1U << place;
        struct link *link = reader_pool_take(&replica->pool, false);
        if (link == NULL)
            continue;
        if (admit(books, link, &reading->freshness))
            return link;
        reader_give(link);
    }
    return NULL;
}

// Of a shard what another timeline is told to have reached counts as not replayed: which of two
// shards has been promoted says nothing of the other's part of a payment.
struct reading reading_of(struct books *books, const struct freshness *freshness) {
    struct reading reading = {.freshness = *freshness};
    struct position after = freshness->after;
    if (freshness->standing != NULL) // of books on several servers, which these are not
        reading.freshness.age_ms_max = 0;
    if (freshness->claim != NULL && !position_is_none(after) &&
        after.epoch != primary_seen(&books->primary).timeline)
        reading.freshness.age_ms_max = 0;
    return reading;
}

bool reading_next(struct books *books, struct reading *reading) {
    if (reading->link != NULL) {
        log_line(LOG_WARNING, "postgres", "A read failed: %s", reading->link->why);
        reader_give(reading->link);
    }
    reading->link = NULL;
    if (reading->on_primary)
        return false;
    if (reading->freshness.age_ms_max != 0)
        reading->link = take_replica(books, reading);
    if (reading->link == NULL) {
        reading->on_primary = true;
        reading->link = reader_take(books);
    }
    return true;
}

uint64_t reading_begins(struct books *books, const struct reading *reading,
                        struct position *ret_position) {
    uint64_t now_ns = clock_monotonic_ns();
    const struct reader *reader = reader_of(reading->link);
    if (reader->pool->replica != NULL) {
        *ret_position = reader->replayed;
        uint64_t age_ns = replicas_age_ns(&books->replicas, reader->replayed, now_ns);
        return age_ns > now_ns ? 0 : now_ns - age_ns;
    }
    CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
    *ret_position = books->published;
    CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    return now_ns;
}

bool reading_done(struct books *books, struct reading *reading) {
    struct slot_claim *claim = reading->freshness.claim;
    if (reading->link == NULL)
        return true;
    if (claim != NULL && !judge_claim(books, reading->link, claim)) {
        reader_give(reading->link);
        reading->link = NULL;
        return false;
    }
    struct replica *replica = reader_of(reading->link)->pool->replica;
    uint64_t *count = replica != NULL ? &replica->read_count : &books->stats.reads_primary;
    (void)__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
    reader_give(reading->link);
    reading->link = NULL;
    return true;
}
