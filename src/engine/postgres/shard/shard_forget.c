// SPDX-License-Identifier: MIT
// Takes a shard out of the books that it has never done anything for. Its own database is not
// asked, for it may be gone: where its slots and its records would be now tells as well. A slot
// that it owns is on none of the others; what it has recorded moves along with the slot, under a
// number that says which shard made it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/shard/shard_lines.h"

#define CONNECT_WAIT_NS UINT64_C(10000000000)
#define ASK_WAIT_NS     UINT64_C(20000000000)
#define SCAN_WAIT_NS    UINT64_C(540000000000) // whoever moves slots waits for ten minutes
#define TEXT_BYTES      2048

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET statement_timeout = '9min'; "
    "SET lock_timeout = '10s'; SET client_min_messages = warning; SET synchronous_commit = on";

struct forgetting {
    const struct shard_place *places;
    uint32_t count;
    const char *const *names;
    uint32_t name_count;
    struct shard_lines lines;
    uint32_t numbers; // bit 1 << shard_number of each place
    char *why;
    size_t why_bytes;
};

static enum status fail(const struct forgetting *forgetting, uint32_t place, enum status status,
                        const char *what) {
    (void)snprintf(forgetting->why, forgetting->why_bytes, "the shard \"%s\": %s",
                   forgetting->places[place].name, what);
    return status;
}

static enum status ask(struct forgetting *forgetting, uint32_t place, const char *query,
                       uint64_t wait_ns) {
    enum link_result result = shard_lines_ask(&forgetting->lines, place, query, wait_ns);
    if (result == LINK_OK)
        return STATUS_ok;
    if (strcmp(forgetting->lines.links[place].state, "42501") == 0)
        return fail(forgetting, place, STATUS_invalid_request,
                    "the role of its url may not do that; the urls must be those of the schema's "
                    "owner, as for migrations");
    return fail(forgetting, place, STATUS_busy, shard_lines_why(&forgetting->lines, place));
}

static enum status ask_number(struct forgetting *forgetting, uint32_t place, const char *query,
                              uint64_t wait_ns, uint64_t *ret_number) {
    const char *text = forgetting->lines.text;
    enum status status = ask(forgetting, place, query, wait_ns);
    *ret_number = 0;
    if (status == STATUS_ok && !(lineage_take_number(&text, ret_number) && *text == '\0'))
        return fail(forgetting, place, STATUS_damaged, "says nothing that can be understood");
    return status;
}

static void add_names(const struct forgetting *forgetting, struct buffer *text) {
    BUFFER_ADD(text, "'{");
    for (uint32_t i = 0; i < forgetting->name_count; i++)
        buffer_add_format(text, "%s%s", i == 0 ? "" : ",", forgetting->names[i]);
    BUFFER_ADD(text, "}'::text[]");
}

// ---- what must not be ---------------------------------------------------------------------------

static enum status judge_names(const struct forgetting *forgetting) {
    for (uint32_t i = 0; i < forgetting->name_count; i++) {
        const char *name = forgetting->names[i];
        if (!shard_name_is_valid(slice_of_text(name))) {
            (void)snprintf(forgetting->why, forgetting->why_bytes,
                           "\"%.64s\" is no name of a shard: up to 32 small letters, digits, - and "
                           "_, beginning with a letter or digit", name);
            return STATUS_invalid_request;
        }
        for (uint32_t place = 0; place < forgetting->count; place++)
            if (strcmp(forgetting->places[place].name, name) == 0)
                return fail(forgetting, place, STATUS_invalid_request,
                            "the configuration still has it, and a server that starts with it "
                            "would note it again. Take it out there first, for all nodes");
    }
    return STATUS_ok;
}

static enum status look_at(struct forgetting *forgetting, uint32_t place) {
    char why[256];
    uint64_t number = 0;
    enum status status = shard_is_itself(&forgetting->places[place], why, sizeof(why));
    if (status != STATUS_ok)
        return fail(forgetting, place, status, why);
    status = ask(forgetting, place, "SELECT (to_regclass('florin.members') IS NOT NULL)::text",
                 ASK_WAIT_NS);
    if (status == STATUS_ok && strcmp(forgetting->lines.text, "true") != 0)
        return fail(forgetting, place, STATUS_invalid_request,
                    "its schema is of an older version: run florin migrate --postgres URL first");
    if (status == STATUS_ok)
        status = ask_number(forgetting, place, "SELECT shard_number FROM books", ASK_WAIT_NS,
                            &number);
    CHECK(number < 32);
    forgetting->numbers |= UINT32_C(1) << number;
    return status;
}

static enum status judge_slots(struct forgetting *forgetting) {
    uint8_t owners[LIMIT_SLOTS] = {0};
    for (uint32_t i = 0; i < forgetting->count; i++) {
        enum status status = ask(forgetting, i,
                                 "SELECT string_agg(state::text, '' ORDER BY slot) FROM slots",
                                 ASK_WAIT_NS);
        if (status != STATUS_ok)
            return status;
        if (strlen(forgetting->lines.text) != LIMIT_SLOTS)
            return fail(forgetting, i, STATUS_damaged, "has not one row for each slot");
        for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
            owners[slot] += forgetting->lines.text[slot] == '0';
    }
    uint32_t missing = 0, first = 0;
    for (uint32_t slot = LIMIT_SLOTS; slot-- > 0;)
        if (owners[slot] == 0) {
            missing++;
            first = slot;
        }
    if (missing == 0)
        return STATUS_ok;
    (void)snprintf(forgetting->why, forgetting->why_bytes,
                   "%" PRIu32 " slots, the first of them %" PRIu32 ", are on none of these shards: "
                   "\"%s\" owns them, or another one that is missing in the configuration. Who "
                   "owns slots has wallets, and is not forgotten",
                   missing, first, forgetting->names[0]);
    return STATUS_invalid_request;
}

// Of shards that are all listed each number that came along says one of them. Numbers up to
// moved_last are of books that came from the other engine, which counted otherwise.
static enum status judge_history(struct forgetting *forgetting, uint32_t place) {
    char query[1024];
    uint64_t record = 0;
    (void)snprintf(
        query, sizeof(query),
        "SELECT coalesce((SELECT r.number FROM records r, books b WHERE r.came IS NOT NULL AND "
        "EXISTS (SELECT FROM slots WHERE came_before <> 0) AND r.number > b.moved_last AND "
        "(%" PRIu32 "::bigint >> (%s)::integer) & 1 = 0 LIMIT 1), 0)",
        forgetting->numbers, NUMBER_SHARD_SQL(r.number));
    enum status status = ask_number(forgetting, place, query, SCAN_WAIT_NS, &record);
    if (status != STATUS_ok || record == 0)
        return status;
    char what[300];
    (void)snprintf(what, sizeof(what),
                   "record %" PRIu64 " came along with a slot from a shard that is missing in the "
                   "configuration. What \"%s\" has done is part of all sums, so it stays in the "
                   "list, also without a slot",
                   record, forgetting->names[0]);
    return fail(forgetting, place, STATUS_invalid_request, what);
}

// Work on several shards that one of them has decided and not finished there.
static enum status judge_decisions(struct forgetting *forgetting, uint32_t place) {
    struct buffer query = {0};
    uint64_t count = 0;
    BUFFER_ADD(&query, "SELECT count(*) FROM decisions WHERE is_commit AND "
                       "string_to_array(legs, ',') && ");
    add_names(forgetting, &query);
    *buffer_room(&query, 1) = '\0';
    enum status status =
        ask_number(forgetting, place, (const char *)query.bytes, ASK_WAIT_NS, &count);
    buffer_done(&query);
    if (status == STATUS_ok && count != 0)
        return fail(forgetting, place, STATUS_invalid_request,
                    "it has decided something that is not finished there yet: nodes that have that "
                    "shard in their list finish it");
    return status;
}

// ---- forgetting ---------------------------------------------------------------------------------

static enum status forget_at(struct forgetting *forgetting, uint32_t place,
                             void (*tell)(void *context, const char *sentence), void *context) {
    struct buffer query = {0};
    char sentence[TEXT_BYTES + SHARD_NAME_BYTES + 64];
    BUFFER_ADD(&query, "WITH gone AS (DELETE FROM members WHERE shard = ANY (");
    add_names(forgetting, &query);
    BUFFER_ADD(&query, ") RETURNING shard) SELECT coalesce(string_agg('\"' || shard || '\"', ', ' "
                       "ORDER BY shard), '') FROM gone");
    *buffer_room(&query, 1) = '\0';
    enum status status = ask(forgetting, place, (const char *)query.bytes, ASK_WAIT_NS);
    buffer_done(&query);
    if (status != STATUS_ok)
        return status;
    if (forgetting->lines.text[0] == '\0')
        (void)snprintf(sentence, sizeof(sentence), "\"%s\" did not know of it.",
                       forgetting->places[place].name);
    else
        (void)snprintf(sentence, sizeof(sentence), "\"%s\" has forgotten %s.",
                       forgetting->places[place].name, forgetting->lines.text);
    tell(context, sentence);
    return STATUS_ok;
}

static enum status judge_and_forget(struct forgetting *forgetting,
                                    void (*tell)(void *context, const char *sentence),
                                    void *context) {
    enum status status = judge_slots(forgetting);
    for (uint32_t i = 0; i < forgetting->count && status == STATUS_ok; i++)
        status = judge_history(forgetting, i);
    for (uint32_t i = 0; i < forgetting->count && status == STATUS_ok; i++)
        status = judge_decisions(forgetting, i);
    for (uint32_t i = 0; i < forgetting->count && status == STATUS_ok; i++)
        status = forget_at(forgetting, i, tell, context);
    return status;
}

enum status shards_forget(const struct shard_place *places, uint32_t count,
                          const char *const *names, uint32_t name_count,
                          void (*tell)(void *context, const char *sentence), void *context,
                          char *ret_why, size_t why_bytes) {
    CHECK(count >= 1 && count <= SHARDS_MAX && name_count >= 1 && name_count <= SHARDS_MAX);
    CHECK(why_bytes >= 256);
    struct forgetting *forgetting = memory_take_zeroed(sizeof(*forgetting));
    *forgetting = (struct forgetting){.places = places,
                                      .count = count,
                                      .names = names,
                                      .name_count = name_count,
                                      .why = ret_why,
                                      .why_bytes = why_bytes};
    shard_lines_init(&forgetting->lines, places, count, settings, CONNECT_WAIT_NS, TEXT_BYTES);
    enum status status = judge_names(forgetting);
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = look_at(forgetting, i);
    // A slot that changes hands is on neither of two for a moment.
    struct shard_still *still = status == STATUS_ok ? shard_still_begin(places, count) : NULL;
    if (still != NULL) {
        status = judge_and_forget(forgetting, tell, context);
    } else if (status == STATUS_ok) {
        (void)snprintf(ret_why, why_bytes,
                       "not all shards can be asked, or slots change hands just now; nothing was "
                       "forgotten");
        status = STATUS_busy;
    }
    shard_still_end(still);
    shard_lines_done(&forgetting->lines);
    memory_free(forgetting);
    return status;
}
