// SPDX-License-Identifier: MIT
// The other side of legs: transactions on the shards that do not decide, from their BEGIN to what
// becomes of them.
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/postgres.h"

#define CONNECT_WAIT_NS UINT64_C(1500000000)
#define ASK_WAIT_NS     UINT64_C(2000000000)
#define AWAY_NS         UINT64_C(3000000000) // a shard that was away is left alone for so long
#define AGAIN_NS        UINT64_C(2000000000) // what others keep changing is looked at so long
#define PAUSE_NS_MAX    UINT64_C(16000000)
#define TEXT_BYTES      ((size_t)8 * 1024 * 1024)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '1500ms'; "
    "SET lock_timeout = '1s'; SET idle_in_transaction_session_timeout = '15s'; "
    "SET client_min_messages = warning; SET synchronous_commit = on; SET jit = off; "
    "SET tcp_user_timeout = '4s'";

struct crossing *crossing_open(struct engine *const *parts, const struct shard_place *places,
                               uint32_t count, uint32_t home) {
    struct crossing *crossing = memory_take_zeroed(sizeof(*crossing));
    CHECK(count <= SHARDS_MAX && home < count);
    crossing->count = count;
    crossing->home = home;
    crossing->places = places;
    for (uint32_t i = 0; i < count; i++)
        crossing->parts[i] = parts[i];
    crossing->text = memory_take(TEXT_BYTES);
    return crossing;
}

void crossing_close(struct crossing *crossing) {
    for (uint32_t i = 0; i < crossing->count; i++)
        link_done(&crossing->links[i]);
    buffer_done(&crossing->query);
    memory_free(crossing->text);
    memory_free(crossing);
}

// ---- asking -------------------------------------------------------------------------------------

// A server that was away and is back has ended the lines of before, which says nothing of now.
static bool is_gone(const struct crossing *crossing, uint32_t place) {
    const struct link *link = &crossing->links[place];
    bool is_idle = (crossing->begun >> place & 1) == 0;
    return is_idle && link_is_open(link) && (link_is_called_off(link) || link_has_ended(link));
}

// One that let nobody in while it started is asked again as soon as somebody was.
static bool is_left_alone(const struct crossing *crossing, uint32_t place, uint64_t now_ns) {
    uint64_t shut_out_ns = crossing->shut_out_ns[place];
    bool is_back = shut_out_ns != 0 && postgres_let_in_ns(crossing->parts[place]) > shut_out_ns;
    return now_ns < crossing->away_until_ns[place] && !is_back;
}

// It is away when nobody is let in there.
static bool connect(struct crossing *crossing, uint32_t place) {
    struct link *link = &crossing->links[place];
    uint64_t now_ns = clock_monotonic_ns();
    bool is_silent = postgres_is_silent(crossing->parts[place]);
    if (is_silent || is_gone(crossing, place))
        link_close(link);
    if (is_silent)
        return false;
    if (link_is_open(link))
        return true;
    if (is_left_alone(crossing, place, now_ns))
        return false;
    postgres_watch(crossing->parts[place], link);
    if (link_open(link, postgres_primary_url(crossing->parts[place]), settings, SQL_TURN_BACK,
                  SQL_TURN, CONNECT_WAIT_NS) == LINK_OK) {
        crossing->opened_ns[place] = clock_monotonic_ns();
        return true;
    }
    log_line(LOG_WARNING, "shards", "The shard \"%s\" cannot be reached: %s",
             crossing->places[place].name, link->why);
    crossing->away_until_ns[place] = now_ns + CONNECT_WAIT_NS + AWAY_NS;
    crossing->shut_out_ns[place] = now_ns;
    return false;
}

bool crossing_ask(struct crossing *crossing, uint32_t place, const char *query) {
    struct link *link = &crossing->links[place];
    if (!connect(crossing, place))
        return false;
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    crossing->text[0] = '\0';
    enum link_result result = link_ask(link, query, crossing->text, TEXT_BYTES);
    if (result == LINK_LOST) {
        log_line(LOG_WARNING, "shards", "The shard \"%s\" did not answer: %s",
                 crossing->places[place].name, link->why);
        // One that does not answer in time is left alone. Whether one that has ended the line is
        // there again is asked when the next wants to know it.
        if (!link_has_ended(link)) {
            crossing->away_until_ns[place] = clock_monotonic_ns() + AWAY_NS;
            crossing->shut_out_ns[place] = 0;
        }
        link_close(link);
    }
    return result == LINK_OK;
}

bool crossing_ask_query(struct crossing *crossing, uint32_t place) {
    *buffer_room(&crossing->query, 1) = '\0';
    return crossing_ask(crossing, place, (const char *)crossing->query.bytes);
}

// ---- a transaction ------------------------------------------------------------------------------

// What has arrived there before the transaction that is to begin and is taken up. What is taken up
// behind this changes the wallet, which cannot be locked then. Of a server that the writer has
// perhaps not seen yet, as it is new, nothing is known: its transactions may be counted otherwise.
static void look_at_arrivals(struct crossing *crossing, uint32_t place) {
    struct arrivals_seen *taken = &crossing->taken[place];
    *taken = postgres_arrivals_taken(crossing->parts[place]);
    if (link_is_open(&crossing->links[place]) && taken->asked_ns > crossing->opened_ns[place])
        return;
    taken->next = 0;
    taken->open_count = 0;
}

// Locked before the transaction sees anything: no slot comes or goes while it is under way.
// Not SERIALIZABLE: what such a transaction has read it watches for as long as it is in doubt, and
// every batch of that shard would fail. Rows are locked, and who has changed one since the snapshot
// is found by that; a bank id that was missed fails as a double.
static bool begin_there(struct crossing *crossing, uint32_t place) {
    look_at_arrivals(crossing, place);
    return crossing_ask(crossing, place, "BEGIN ISOLATION LEVEL REPEATABLE READ; "
                                         "LOCK TABLE gate IN ROW EXCLUSIVE MODE");
}

// A line that was ended tells it only when it is used where what lies between has forgotten it.
static bool begin_on(struct crossing *crossing, struct legs *legs, uint32_t place) {
    if (!crossing_has_facts(legs, place))
        return true;
    bool was_there = connect(crossing, place);
    crossing->begun |= 1u << place;
    bool ok = begin_there(crossing, place);
    if (!ok && was_there && !link_is_open(&crossing->links[place]))
        ok = begin_there(crossing, place);
    return ok && crossing_find(crossing, legs, place);
}

static void roll_back(struct crossing *crossing) {
    for (uint32_t i = 0; i < crossing->count; i++)
        if ((crossing->begun >> i & 1) != 0 && link_is_open(&crossing->links[i]) &&
            !crossing_ask(crossing, i, "ROLLBACK"))
            link_close(&crossing->links[i]);
    crossing->begun = 0;
}

// ---- preparing ----------------------------------------------------------------------------------

static bool prepare(struct legs *legs) {
    struct crossing *crossing = legs->context;
    uint32_t wanted = 0;
    size_t used = 0;
    for (uint32_t i = 0; i < legs->entry_count; i++)
        wanted |= 1u << legs->entries[i].part;
    for (uint32_t i = 0; i < crossing->count; i++) {
        if ((wanted >> i & 1) == 0)
            continue;
        used += (size_t)snprintf(legs->names + used, sizeof(legs->names) - used, "%s%s",
                                 used == 0 ? "" : ",", crossing->places[i].name);
        CHECK((crossing->begun >> i & 1) != 0 && used < sizeof(legs->names));
        crossing->prepared |= 1u << i;
        legs->parts |= 1u << i;
        crossing_write_leg(crossing, legs, i);
        if (!crossing_ask_query(crossing, i))
            return false;
        crossing->begun &= ~(1u << i);
    }
    return true;
}

// What books are called and how owners are marked in them never changes: asked for once.
static bool learn(struct crossing *crossing) {
    const size_t size = sizeof(crossing->books) - 1;
    uint8_t seed[sizeof(uint64_t)];
    if (crossing->books[0] != '\0')
        return true;
    if (!crossing_ask(crossing, crossing->home, "SELECT encode(id || int8send(hash_seed), 'hex') "
                                                "FROM books") ||
        strlen(crossing->text) != size + 2 * sizeof(seed) ||
        !hex_read(slice_of(crossing->text + size, 2 * sizeof(seed)), seed))
        return false;
    memcpy(&crossing->hash_seed, seed, sizeof(seed));
    crossing->hash_seed = __builtin_bswap64(crossing->hash_seed);
    memcpy(crossing->books, crossing->text, size);
    return true;
}

// Of these books and this shard, so that whoever finds it knows whom to ask.
static void name(const struct crossing *crossing, struct legs *legs) {
    uint8_t random[16];
    random_fill(random, sizeof(random));
    size_t used = (size_t)snprintf(legs->gid, sizeof(legs->gid), "florin:%s:%s:", crossing->books,
                                   crossing->places[crossing->home].name);
    CHECK(used + 2 * sizeof(random) < sizeof(legs->gid));
    *hex_write(slice_of(random, sizeof(random)), legs->gid + used) = '\0';
}

// What changed since it was looked at may be looked at again.
static bool is_worth_another(const struct crossing *crossing) {
    for (uint32_t i = 0; i < crossing->count; i++)
        if ((crossing->begun >> i & 1) != 0 && link_is_open(&crossing->links[i]) &&
            strcmp(crossing->links[i].state, "40001") == 0)
            return true;
    return false;
}

// Others get their turn at the rows, the longer the more often it was tried.
static void pause_a_little(uint32_t tries) {
    struct signal_gate never;
    uint64_t random, most = UINT64_C(500000) << (tries > 5 ? 5 : tries);
    random_fill(&random, sizeof(random));
    signal_gate_init(&never, 0, 0);
    (void)signal_gate_wait(&never, 1, random % (most > PAUSE_NS_MAX ? PAUSE_NS_MAX : most));
}

enum status crossing_begin(struct crossing *crossing, struct legs *legs) {
    CHECK(crossing->begun == 0 && crossing->prepared == 0);
    legs->entry_count = legs->parts = 0;
    legs->names[0] = '\0';
    legs->is_spent = legs->is_committed = false;
    legs->prepare = prepare;
    legs->context = crossing;
    bool ok = !postgres_is_silent(crossing->parts[crossing->home]) && learn(crossing);
    if (ok)
        name(crossing, legs);
    uint64_t until_ns = clock_monotonic_ns() + AGAIN_NS;
    uint32_t named = legs->wallet_count; // what they name comes anew each time
    for (uint32_t tries = 0; ok; tries++) {
        legs->known_count = 0;
        legs->wallet_count = named;
        for (uint32_t i = 0; i < crossing->count && ok; i++)
            ok = begin_on(crossing, legs, i);
        uint32_t lacking = ok ? crossing_parts_without_keys(crossing, legs) : 0;
        if (ok && lacking == 0)
            return STATUS_ok;
        bool again = lacking != 0 || is_worth_another(crossing);
        roll_back(crossing);
        if (lacking != 0) // and if that failed it may not the next time
            crossing_make_keys(crossing, legs, lacking);
        roll_back(crossing); // of what was not made
        ok = again && clock_monotonic_ns() < until_ns;
        if (ok && lacking == 0)
            pause_a_little(tries);
    }
    return STATUS_busy;
}

// ---- finishing ----------------------------------------------------------------------------------

static bool finish_on(struct crossing *crossing, const struct legs *legs, uint32_t place,
                      bool is_commit) {
    char query[LEGS_FINISH_BYTES];
    legs_finish_query(query, legs->gid, is_commit);
    if (crossing_ask(crossing, place, query))
        return true;
    return legs_is_gone(&crossing->links[place]);
}

// Nobody presumes: what is not known to be committed is aborted where it is decided, or it is not.
static bool is_decided(struct crossing *crossing, const struct legs *legs, bool *ret_is_commit) {
    *ret_is_commit = legs->is_committed;
    if (legs->is_committed)
        return true;
    legs_decide_query(&crossing->query, legs->gid);
    if (!crossing_ask(crossing, crossing->home, (const char *)crossing->query.bytes))
        return false;
    *ret_is_commit = crossing->text[0] == 't';
    return crossing->text[0] == 't' || crossing->text[0] == 'f';
}

enum status crossing_end(struct crossing *crossing, struct legs *legs) {
    uint32_t prepared = crossing->prepared;
    bool is_commit = false, all = true;
    roll_back(crossing); // what was begun and not prepared
    crossing->prepared = 0;
    if (prepared == 0)
        return STATUS_ok;
    if (!is_decided(crossing, legs, &is_commit))
        return STATUS_busy;
    for (uint32_t i = 0; i < crossing->count; i++)
        if ((prepared >> i & 1) != 0)
            all = finish_on(crossing, legs, i, is_commit) && all;
    return all ? STATUS_ok : STATUS_busy;
}

// Whoever has taken up all that was there since says so without being asked.
bool crossing_has_arrived(struct crossing *crossing, const struct legs *legs, uint32_t place,
                          uint64_t since_ns) {
    struct buffer *query = &crossing->query;
    if (postgres_arrivals_taken(crossing->parts[place]).asked_ns > since_ns)
        return true;
    buffer_reset(query);
    buffer_add_format(query, "SELECT count(*) FROM legs WHERE gid = '%s' AND NOT is_taken",
                      legs->gid);
    return crossing_ask_query(crossing, place) && strcmp(crossing->text, "0") == 0;
}
