// SPDX-License-Identifier: MIT
// How databases become shards, one step and one transaction after the other, each of which somebody
// else may have done meanwhile:
//
//   nobody is one ─▶ the first gives away slots, and says to whom ─▶ each other one takes those
//
// So between the two nobody owns a slot, and never do two. Behind it each shard notes who belongs
// to these books, so that a database that is empty never takes the place of one that was served.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/postgres.h"
#include "engine/postgres/shard/shard_finish.h"

#define BIRTH_WAIT_NS UINT64_C(20000000000)
#define LOCKED_WAIT_NS UINT64_C(10000000000)
#define FOR_A_SECOND  "PERFORM set_config('lock_timeout', '1s', true); "
#define STEPS_MAX     64
#define TEXT_BYTES    8192
#define PREPARED_FEW  64 // legs that may be prepared at a time; with fewer some are refused

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '15s'; "
    "SET lock_timeout = '10s'; SET client_min_messages = warning; SET synchronous_commit = on";

struct stand { // of one database
    char id[33], shard[SHARD_NAME_BYTES];
    uint32_t number;
    uint64_t record_count;
    char states[LIMIT_SLOTS + 1]; // '0': it owns the slot
};

struct birth {
    const struct shard_place *places;
    uint32_t count;
    struct shard_lines lines;
    struct stand stands[SHARDS_MAX];
    const char *text; // what was answered last
    char *why;
    size_t why_bytes;
};

static bool is_shard(const struct stand *stand) {
    return stand->shard[0] != '-';
}

static enum status fail(struct birth *birth, uint32_t place, enum status status,
                        const char *what) {
    (void)snprintf(birth->why, birth->why_bytes, "the shard \"%s\" %s",
                   birth->places[place].name, what);
    return status;
}

static enum status cannot_be_opened(struct birth *birth, uint32_t place, enum status status,
                                    const char *why) {
    char what[300];
    (void)snprintf(what, sizeof(what), "cannot be opened: %s", why);
    return fail(birth, place, status, what);
}

static enum status connect(struct birth *birth, uint32_t place) {
    if (shard_lines_ask(&birth->lines, place, "SHOW max_prepared_transactions", BIRTH_WAIT_NS) !=
        LINK_OK)
        return cannot_be_opened(birth, place, STATUS_busy, shard_lines_why(&birth->lines, place));
    uint64_t most = 0;
    const char *text = birth->text;
    if (!lineage_take_number(&text, &most) || most == 0)
        return cannot_be_opened(birth, place, STATUS_invalid_request,
                                "max_prepared_transactions is 0 there: set it to 64 or more and "
                                "start the server again");
    if (most < PREPARED_FEW)
        log_line(LOG_WARNING, "shards",
                 "The shard \"%s\" has max_prepared_transactions = %" PRIu64 ": payments that need "
                 "it are busy when more legs than that are under way or in doubt. Set it to %d or "
                 "more and start the server again.",
                 birth->places[place].name, most, PREPARED_FEW);
    return STATUS_ok;
}

static enum status migrate(struct birth *birth, uint32_t place) {
    uint32_t applied;
    char why[256] = "";
    enum status status = postgres_migrate(birth->places[place].url, why, sizeof(why), &applied);
    return status == STATUS_ok ? STATUS_ok : cannot_be_opened(birth, place, status, why);
}

static enum status ask(struct birth *birth, uint32_t place, const char *query) {
    if (shard_lines_ask(&birth->lines, place, query, BIRTH_WAIT_NS) == LINK_OK)
        return STATUS_ok;
    return fail(birth, place, STATUS_busy, shard_lines_why(&birth->lines, place));
}

// The same of a query that was put together, which is not ended yet.
static enum status ask_text(struct birth *birth, uint32_t place, struct buffer *query) {
    *buffer_room(query, 1) = '\0';
    return ask(birth, place, (const char *)query->bytes);
}

// The same of a change of books and slots, in one statement that changes nothing when it comes too
// late. Rows that somebody has locked are waited for a second at a time (FOR_A_SECOND), so that it
// can be told, and nobody queues behind the row of books for long.
static enum status change(struct birth *birth, uint32_t place, struct buffer *text) {
    uint64_t until_ns = clock_monotonic_ns() + LOCKED_WAIT_NS;
    bool is_told = false;
    while (true) {
        enum status status = ask_text(birth, place, text);
        if (status == STATUS_ok || !shard_lines_is_open(&birth->lines, place) ||
            strcmp(birth->lines.links[place].state, "55P03") != 0)
            return status;
        if (clock_monotonic_ns() > until_ns)
            return fail(birth, place, STATUS_busy,
                        "has rows of books or slots that somebody keeps locked: end his "
                        "transaction, then start this again. In pg_stat_activity its state is "
                        "'idle in transaction'");
        if (!is_told)
            log_line(LOG_WARNING, "shards",
                     "The shard \"%s\" has rows of books or slots that somebody has locked: this "
                     "waits for %d s until they are free. In pg_stat_activity the state of his "
                     "transaction is 'idle in transaction'.",
                     birth->places[place].name, (int)(LOCKED_WAIT_NS / 1000000000));
        is_told = true;
    }
}

// The next word of a line, cut to what fits.
static bool take_word(const char **text, char *ret_word, size_t word_bytes) {
    size_t size = strcspn(*text, " ");
    if (size == 0 || size >= word_bytes)
        return false;
    memcpy(ret_word, *text, size);
    ret_word[size] = '\0';
    *text += size;
    return true;
}

static bool parse(const char *text, struct stand *stand, uint64_t *ret_is_leaving) {
    uint64_t number = 0;
    bool ok = take_word(&text, stand->id, sizeof(stand->id)) && lineage_take_word(&text, " ") &&
              take_word(&text, stand->shard, sizeof(stand->shard)) &&
              lineage_take_word(&text, " ") && lineage_take_number(&text, &number) &&
              lineage_take_word(&text, " ") && lineage_take_number(&text, &stand->record_count) &&
              lineage_take_word(&text, " ") && lineage_take_number(&text, ret_is_leaving);
    stand->number = (uint32_t)number;
    return ok && *text == '\0' && number < SHARDS_MAX;
}

static enum status look_at(struct birth *birth, uint32_t place) {
    struct stand *stand = &birth->stands[place];
    enum status status =
        ask(birth, place,
            "SELECT concat_ws(' ', encode(id, 'hex'), coalesce(shard, '-'), shard_number, "
            "record_count, (moved_to IS NOT NULL OR filling IS NOT NULL)::integer) FROM books");
    uint64_t is_leaving = 0;
    if (status == STATUS_ok && !parse(birth->text, stand, &is_leaving))
        return fail(birth, place, STATUS_damaged, "says nothing that can be understood");
    if (is_leaving != 0)
        return fail(birth, place, STATUS_invalid_request,
                    "has books that are moving in or have moved out");
    if (status == STATUS_ok)
        status = ask(birth, place, "SELECT string_agg(state::text, '' ORDER BY slot) FROM slots");
    if (status == STATUS_ok && strlen(birth->text) != LIMIT_SLOTS)
        return fail(birth, place, STATUS_damaged, "has not one row for each slot");
    if (status == STATUS_ok)
        memcpy(stand->states, birth->text, sizeof(stand->states));
    return status;
}

// Names of all shards, as an array in SQL.
static void add_names(const struct birth *birth, struct buffer *text) {
    BUFFER_ADD(text, "'{");
    for (uint32_t i = 0; i < birth->count; i++)
        buffer_add_format(text, "%s%s", i == 0 ? "" : ",", birth->places[i].name);
    BUFFER_ADD(text, "}'::text[]");
}

// ---- the steps ----------------------------------------------------------------------------------

// The first: says who it is, and of an empty one to whom which slots go.
static enum status found(struct birth *birth) {
    struct buffer text = {0};
    const struct stand *stand = &birth->stands[0];
    bool is_empty = stand->record_count == 0;
    BUFFER_ADD(&text, "DO $$ DECLARE names CONSTANT text[] := ");
    add_names(birth, &text);
    buffer_add_format(&text,
                      "; BEGIN " FOR_A_SECOND
                      "UPDATE books SET shard = '%s', slots_version = slots_version + 1 "
                      "WHERE shard IS NULL AND (record_count = 0) = %s; IF FOUND THEN "
                      "PERFORM heads_write(); END IF; IF FOUND AND %s THEN "
                      "UPDATE slots SET state = 1, epoch = epoch + 1, "
                      "shard = names[slot * %" PRIu32 " / %d + 1] "
                      "WHERE slot * %" PRIu32 " / %d > 0; END IF; END $$",
                      birth->places[0].name, is_empty ? "true" : "false",
                      is_empty ? "true" : "false", birth->count, LIMIT_SLOTS, birth->count,
                      LIMIT_SLOTS);
    // Somebody else may have been faster: then this does nothing, and the next look tells.
    enum status status = change(birth, 0, &text);
    buffer_done(&text);
    if (status == STATUS_ok)
        log_line(LOG_INFO, "shards", "The books are on shards from now on; \"%s\" is the first.",
                 birth->places[0].name);
    return status;
}

static uint32_t free_number(const struct birth *birth) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < birth->count; i++)
        if (is_shard(&birth->stands[i]))
            used |= 1u << birth->stands[i].number;
    uint32_t number = 0;
    while ((used >> number & 1) != 0)
        number++;
    return number;
}

// A url that leads to another database than yesterday must not make books without their wallets.
static enum status judge_newcomer(struct birth *birth, uint32_t place, bool *ret_is_there) {
    enum status status = STATUS_ok;
    bool was_there = false;
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++) {
        char query[128];
        (void)snprintf(query, sizeof(query),
                       "SELECT EXISTS (SELECT FROM members WHERE shard = '%s')::text",
                       birth->places[place].name);
        if (!is_shard(&birth->stands[i]))
            continue;
        status = ask(birth, i, query);
        was_there = was_there || strcmp(birth->text, "true") == 0;
    }
    *ret_is_there = false;
    if (status != STATUS_ok || !was_there)
        return status;
    status = look_at(birth, place); // somebody else may just have made it one
    *ret_is_there = is_shard(&birth->stands[place]);
    if (status != STATUS_ok || *ret_is_there)
        return status;
    return fail(birth, place, STATUS_invalid_request,
                "has been served before, and the database that its url leads to is empty: is the "
                "url right? A new shard needs a name that these books never had");
}

// An empty database becomes a shard of the books that `member` is one of, and takes the slots that
// were given to it.
static enum status join(struct birth *birth, uint32_t place, uint32_t member) {
    char identity[512];
    struct buffer text = {0};
    const char *name = birth->places[place].name;
    if (birth->stands[place].record_count != 0)
        return fail(birth, place, STATUS_invalid_request,
                    "has books of its own; only an empty database can join");
    bool is_there;
    enum status status = judge_newcomer(birth, place, &is_there);
    if (status != STATUS_ok || is_there)
        return status;
    status =
        ask(birth, member,
            "SELECT format('id = %L::bytea, seal_key = %L::bytea, hash_seed = %L, created_ms = %L, "
            "number_slack = %L', id, seal_key, hash_seed, created_ms, number_slack) FROM books");
    if (status != STATUS_ok)
        return status;
    CHECK(strlen(birth->text) < sizeof(identity));
    (void)snprintf(identity, sizeof(identity), "%.511s", birth->text);
    buffer_add_format(&text,
                      "DO $$ BEGIN " FOR_A_SECOND
                      "UPDATE books SET shard = '%s', shard_number = %" PRIu32 ", %s, "
                      "slots_version = slots_version + 1 WHERE shard IS NULL AND record_count = 0; "
                      "IF FOUND THEN UPDATE slots SET epoch = 2, state = "
                      "CASE WHEN slot IN (-1",
                      name, free_number(birth), identity);
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++) {
        char query[160];
        (void)snprintf(query, sizeof(query),
                       "SELECT coalesce(string_agg(',' || slot, ''), '') FROM slots "
                       "WHERE state = 1 AND shard = '%s'",
                       name);
        if (i == place || !is_shard(&birth->stands[i]))
            continue;
        status = ask(birth, i, query);
        buffer_add_text(&text, birth->text);
    }
    BUFFER_ADD(&text, ") THEN 0 ELSE 1 END; END IF; END $$");
    if (status == STATUS_ok)
        status = change(birth, place, &text);
    buffer_done(&text);
    explicit_bzero(identity, sizeof(identity));
    return status;
}

// Before anybody serves them, and again at each start, as one may have been killed in between.
static enum status note_members(struct birth *birth) {
    struct buffer text = {0};
    enum status status = STATUS_ok;
    BUFFER_ADD(&text, "INSERT INTO members SELECT n FROM unnest(");
    add_names(birth, &text);
    BUFFER_ADD(&text, ") n WHERE NOT EXISTS (SELECT FROM members m WHERE m.shard = n) "
                      "ON CONFLICT DO NOTHING");
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++)
        status = ask_text(birth, i, &text);
    buffer_done(&text);
    return status;
}

// ---- looking ------------------------------------------------------------------------------------

// One that has no slot any more has its history still, and its part of all sums.
static enum status judge_left_out(struct birth *birth) {
    struct buffer text = {0};
    enum status status = STATUS_ok;
    BUFFER_ADD(&text, "SELECT coalesce(min(shard), '') FROM members WHERE shard <> ALL (");
    add_names(birth, &text);
    BUFFER_ADD(&text, ")");
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++) {
        if (!is_shard(&birth->stands[i]))
            continue;
        status = ask_text(birth, i, &text);
        if (status != STATUS_ok || birth->text[0] == '\0')
            continue;
        (void)snprintf(birth->why, birth->why_bytes,
                       "the shard \"%.40s\" is missing in the configuration: it was served with "
                       "\"%s\", and what was done there is part of all sums, also when it has no "
                       "slot any more. florin shards forget %.40s takes out one that was never to "
                       "be there and has done nothing",
                       birth->text, birth->places[i].name, birth->text);
        status = STATUS_invalid_request;
    }
    buffer_done(&text);
    return status;
}

static enum status judge_names(struct birth *birth, uint32_t member) {
    for (uint32_t i = 0; i < birth->count; i++) {
        const struct stand *stand = &birth->stands[i];
        if (!is_shard(stand))
            continue;
        if (strcmp(stand->id, birth->stands[member].id) != 0)
            return fail(birth, i, STATUS_invalid_request,
                        "is one of other books than the others are");
        if (strcmp(stand->shard, birth->places[i].name) != 0) {
            char what[160];
            (void)snprintf(what, sizeof(what),
                           "is called \"%s\" by its database: is its url right?", stand->shard);
            return fail(birth, i, STATUS_invalid_request, what);
        }
    }
    return STATUS_ok;
}

// What somebody has prepared and no node has finished, for none was there: as it was decided.
static enum status finish_legs(struct birth *birth) {
    uint32_t place = 0;
    if (shard_finish_legs(&birth->lines, 0, BIRTH_WAIT_NS, &place) == LINK_OK)
        return STATUS_ok;
    return fail(birth, place, STATUS_busy, shard_lines_why(&birth->lines, place));
}

static bool any_is_nobodys(const struct birth *birth) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        bool is_owned = false;
        for (uint32_t i = 0; i < birth->count; i++)
            is_owned = is_owned || birth->stands[i].states[slot] == '0';
        if (!is_owned)
            return true;
    }
    return false;
}

static enum status judge_slots(struct birth *birth) {
    // A slot may be on its way, by somebody who was killed in the middle of that.
    if (any_is_nobodys(birth)) {
        enum status status = finish_legs(birth);
        for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++)
            status = look_at(birth, i);
        if (status != STATUS_ok)
            return status;
    }
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        uint32_t owners = 0;
        for (uint32_t i = 0; i < birth->count; i++)
            owners += birth->stands[i].states[slot] == '0';
        if (owners == 1)
            continue;
        (void)snprintf(birth->why, birth->why_bytes,
                       owners == 0 ? "slot %" PRIu32 " is on none of these shards: is one missing "
                                     "in the configuration?"
                                   : "slot %" PRIu32 " is on two of these shards; florin shards "
                                     "shows them",
                       slot);
        return STATUS_invalid_request;
    }
    return STATUS_ok;
}

// One step. `*ret_done`: there was nothing to do, and all is well.
static enum status step(struct birth *birth, bool *ret_done) {
    uint32_t member = SHARD_NOBODY;
    enum status status = STATUS_ok;
    *ret_done = false;
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++) {
        status = look_at(birth, i);
        if (status == STATUS_ok && is_shard(&birth->stands[i]) && member == SHARD_NOBODY)
            member = i;
    }
    if (status != STATUS_ok)
        return status;
    for (uint32_t i = 1; i < birth->count && member == SHARD_NOBODY; i++)
        if (birth->stands[i].record_count != 0)
            return fail(birth, i, STATUS_invalid_request,
                        "has books of its own; only the first of the list may");
    if (member == SHARD_NOBODY)
        return found(birth);
    status = judge_names(birth, member);
    if (status == STATUS_ok)
        status = judge_left_out(birth);
    for (uint32_t i = 0; i < birth->count && status == STATUS_ok; i++)
        if (!is_shard(&birth->stands[i]))
            return join(birth, i, member);
    *ret_done = true;
    return status == STATUS_ok ? judge_slots(birth) : status;
}

enum status shards_prepare(const struct shard_place *places, uint32_t count, char *ret_why,
                           size_t why_bytes) {
    CHECK(count >= 1 && count <= SHARDS_MAX && why_bytes >= 256);
    struct birth *birth = memory_take_zeroed(sizeof(*birth));
    birth->places = places;
    birth->count = count;
    shard_lines_init(&birth->lines, places, count, settings, BIRTH_WAIT_NS, TEXT_BYTES);
    birth->text = birth->lines.text;
    birth->why = ret_why;
    birth->why_bytes = why_bytes;
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = connect(birth, i);
    // What a leg keeps locked cannot be migrated, and no node is there yet that would finish it.
    if (status == STATUS_ok)
        shard_finish_left(&birth->lines, BIRTH_WAIT_NS);
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = migrate(birth, i);
    bool done = false;
    for (int i = 0; i < STEPS_MAX && status == STATUS_ok && !done; i++)
        status = step(birth, &done);
    if (status == STATUS_ok)
        status = done ? note_members(birth)
                      : fail(birth, 0, STATUS_busy,
                             "does not come to rest: is somebody else at it?");
    shard_lines_done(&birth->lines);
    explicit_bzero(birth, sizeof(*birth));
    memory_free(birth);
    return status;
}
