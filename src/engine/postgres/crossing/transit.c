// SPDX-License-Identifier: MIT
// What is under way between shards, and whether all else adds up. Shards are asked one after
// another while payments go on, so what each says is of another moment. But a payment tells where
// it belongs: its id says the number of the record that decided it, and its arrival has a number,
// too. What a shard counts is what has a number up to the last one that it had when it told its
// totals. So of each payment it is known, exactly and by no clock, whether either side is in the
// sums:
//
//   last numbers ─▶ totals and last numbers ─▶ arrivals in between ─▶ arrivals since, legs that are
//   committed and not taken, legs that are prepared ─▶ for these: what their decisions say
#include "engine/postgres/crossing/transit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/postgres.h"
#include "ledger/record.h"

#define CONNECT_WAIT_NS UINT64_C(1500000000)
#define ASK_WAIT_NS     UINT64_C(3000000000)
#define TEXT_BYTES      ((size_t)8 * 1024 * 1024)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '2s'; "
    "SET lock_timeout = '1s'; SET client_min_messages = warning; SET jit = off";

struct transit {
    uint32_t count;
    struct engine *parts[SHARDS_MAX];
    const struct shard_place *places;
    uint8_t owners[LIMIT_SLOTS];
    struct link links[SHARDS_MAX];
    uint64_t last_before[SHARDS_MAX], last[SHARDS_MAX]; // numbers of records
    struct buffer query;
    char *text;
    uint8_t *bytes; // of the record at hand
    struct in_flight *found;
};

struct transit *transit_open(struct engine *const *parts, const struct shard_place *places,
                             uint32_t count) {
    struct transit *transit = memory_take_zeroed(sizeof(*transit));
    CHECK(count <= SHARDS_MAX);
    transit->count = count;
    transit->places = places;
    for (uint32_t i = 0; i < count; i++)
        transit->parts[i] = parts[i];
    transit->text = memory_take(TEXT_BYTES);
    transit->bytes = memory_take(LIMIT_RECORD_BYTES_MAX);
    return transit;
}

void transit_close(struct transit *transit) {
    if (transit == NULL)
        return;
    for (uint32_t i = 0; i < transit->count; i++)
        link_done(&transit->links[i]);
    buffer_done(&transit->query);
    memory_free(transit->text);
    memory_free(transit->bytes);
    memory_free(transit);
}

// ---- asking -------------------------------------------------------------------------------------

static bool ask(struct transit *transit, uint32_t place) {
    struct link *link = &transit->links[place];
    *buffer_room(&transit->query, 1) = '\0';
    if (postgres_is_silent(transit->parts[place])) {
        link_close(link);
        return false;
    }
    if (!link_is_open(link))
        postgres_watch(transit->parts[place], link);
    if (!link_is_open(link) &&
        link_open(link, postgres_primary_url(transit->parts[place]), settings, SQL_TURN_BACK,
                  SQL_TURN, CONNECT_WAIT_NS) != LINK_OK)
        return false;
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    transit->text[0] = '\0';
    enum link_result result =
        link_ask(link, (const char *)transit->query.bytes, transit->text, TEXT_BYTES);
    if (result != LINK_OK)
        link_close(link);
    return result == LINK_OK && strlen(transit->text) + 1 < TEXT_BYTES;
}

// ---- what came ----------------------------------------------------------------------------------

static struct in_flight_currency *currency_of(struct in_flight *found,
                                              const struct currency *currency) {
    for (uint32_t i = 0; i < found->currency_count; i++)
        if (currency_equal(&found->currencies[i].currency, currency))
            return &found->currencies[i];
    if (found->currency_count == LIMIT_CURRENCIES_MAX)
        return NULL;
    struct in_flight_currency *own = &found->currencies[found->currency_count++];
    *own = (struct in_flight_currency){.currency = *currency};
    return own;
}

static void note_age(uint64_t *oldest_ms, uint64_t since_ms) {
    if (*oldest_ms == 0 || since_ms < *oldest_ms)
        *oldest_ms = since_ms;
}

// The record behind hexadecimal digits; false: it is none of those that arrive.
static bool take_bytes(struct transit *transit, const char **text, struct record *ret_record) {
    const char *why;
    size_t digits = strspn(*text, "0123456789abcdef");
    if (digits / 2 > LIMIT_RECORD_BYTES_MAX ||
        !hex_read(slice_of(*text, digits), transit->bytes))
        return false;
    *text += digits;
    return record_decode(slice_of(transit->bytes, digits / 2), ret_record, &why) == STATUS_ok;
}

// Whether it brings money; else it is about what stays where it is, or about a purchase.
static bool moves(const struct record *record) {
    return record->kind == RECORD_TRANSACTION && !record_refunds_here(record) &&
           !record_is_told(record);
}

// Whether the shard that decided it had done so when it told its totals.
static bool was_decided(const struct transit *transit, const struct transaction_facts *facts) {
    uint64_t number;
    uint32_t place = transit->owners[id_slot(facts->id)];
    return place < transit->count &&
           number_of_id(&transit->parts[place]->seal, facts->id, &number) &&
           number <= transit->last[place];
}

// What it is worth where one of its sides is.
static int64_t worth(const struct transaction_facts *facts, bool debits) {
    return debits ? -facts->amount : facts->amount;
}

// Of an arrival: whether the side that pays is here.
static bool debits_here(const struct transaction_facts *facts) {
    return posting_is_here(&facts->debit);
}

// A payment of which both sides are on their way is one.
static bool is_counted(const struct transaction_facts *facts, bool debits) {
    return !debits || !posting_is_elsewhere(&facts->credit);
}

static bool add_difference(struct transit *transit, const struct transaction_facts *facts,
                           int64_t amount) {
    struct in_flight_currency *own = currency_of(transit->found, &facts->currency);
    if (own == NULL)
        return false;
    own->difference += amount;
    return true;
}

static bool add_payment(struct transit *transit, const struct transaction_facts *facts,
                        uint64_t since_ms) {
    struct in_flight_currency *own = currency_of(transit->found, &facts->currency);
    if (own == NULL)
        return false;
    own->count++;
    own->amount += facts->amount;
    note_age(&own->oldest_ms, since_ms);
    return true;
}

static bool take_total(struct transit *transit, const char **text) {
    struct currency currency = {0};
    uint64_t exponent;
    money_total total = 0;
    size_t digits = strspn(*text, "0123456789abcdef");
    if (digits / 2 > sizeof(currency.code) ||
        !hex_read(slice_of(*text, digits), (uint8_t *)currency.code))
        return false;
    *text += digits;
    if (!lineage_take_word(text, " ") || !lineage_take_number(text, &exponent) ||
        !lineage_take_word(text, " "))
        return false;
    currency.exponent = (uint8_t)exponent;
    bool is_negative = **text == '-';
    for (*text += is_negative; **text >= '0' && **text <= '9'; (*text)++)
        total = 10 * total + (**text - '0');
    struct in_flight_currency *own = currency_of(transit->found, &currency);
    if (own == NULL)
        return false;
    own->difference += is_negative ? -total : total;
    return true;
}

// Whether the next line is of that kind; then its letter is taken off.
static bool line_is(const char **text, char kind) {
    if ((*text)[0] != kind || (*text)[1] != ' ')
        return false;
    *text += 2;
    return true;
}

static bool line_ends(const char **text) {
    if (**text == '\n')
        (*text)++;
    else if (**text != '\0')
        return false;
    return true;
}

// ---- the steps ----------------------------------------------------------------------------------

static bool read_last(struct transit *transit, uint32_t place) {
    const char *text = transit->text;
    buffer_reset(&transit->query);
    BUFFER_ADD(&transit->query, "SELECT last_record FROM books");
    return ask(transit, place) && lineage_take_number(&text, &transit->last_before[place]);
}

static bool read_totals(struct transit *transit, uint32_t place) {
    const char *text = transit->text;
    buffer_reset(&transit->query);
    BUFFER_ADD(&transit->query,
               "SELECT concat_ws(E'\\n', 'n ' || (SELECT last_record FROM books), (SELECT "
               "string_agg('t ' || encode(code::bytea, 'hex') || ' ' || exponent || ' ' || "
               "transit, E'\\n') FROM currencies))");
    if (!ask(transit, place) || !line_is(&text, 'n') ||
        !lineage_take_number(&text, &transit->last[place]) || !line_ends(&text))
        return false;
    while (line_is(&text, 't'))
        if (!take_total(transit, &text) || !line_ends(&text))
            return false;
    return *text == '\0';
}

// All arrivals behind that number, one in each line.
static void write_arrivals_query(struct transit *transit, uint64_t behind, uint64_t until) {
    buffer_reset(&transit->query);
    buffer_add_format(&transit->query,
                      "SELECT concat_ws(E'\\n', (SELECT string_agg('a ' || encode(bytes, 'hex'), "
                      "E'\\n') FROM records WHERE kind = 21 AND came IS NULL AND number > %" PRIu64
                      " AND number <= %" PRIu64 ")",
                      behind, until);
}

// What had arrived before its decider told: in this shard's total, and not in that one's.
static bool read_early(struct transit *transit, uint32_t place) {
    write_arrivals_query(transit, transit->last_before[place], transit->last[place]);
    BUFFER_ADD(&transit->query, ")");
    if (!ask(transit, place))
        return false;
    const char *text = transit->text;
    while (line_is(&text, 'a')) {
        struct record record;
        if (!take_bytes(transit, &text, &record) || !line_ends(&text))
            return false;
        if (moves(&record) && !was_decided(transit, &record.transaction) &&
            !add_difference(transit, &record.transaction,
                            -worth(&record.transaction, debits_here(&record.transaction))))
            return false;
    }
    return *text == '\0';
}

struct prepared {
    uint32_t place;
    uint64_t since_ms;
    char gid[LEGS_GID_BYTES];
};

static bool take_prepared(const char **text, struct prepared *prepared) {
    size_t size = strspn(*text, "abcdefghijklmnopqrstuvwxyz0123456789_:-");
    if (size >= sizeof(prepared->gid))
        return false;
    memcpy(prepared->gid, *text, size);
    prepared->gid[size] = '\0';
    *text += size;
    return lineage_take_word(text, " ") && lineage_take_number(text, &prepared->since_ms);
}

// What was decided and had not arrived when its far side told.
static bool read_late(struct transit *transit, uint32_t place, struct prepared *ret_prepared,
                      uint32_t *count) {
    write_arrivals_query(transit, transit->last[place], INT64_MAX);
    BUFFER_ADD(&transit->query,
               ", (SELECT string_agg(CASE WHEN debits THEN 'd ' ELSE 'l ' END || "
               "encode(bytes, 'hex'), E'\\n') FROM legs WHERE NOT is_taken AND NOT is_subject), "
               "(SELECT string_agg('p ' || gid || ' ' || floor(extract(epoch FROM prepared) * "
               "1000), E'\\n') FROM (SELECT * FROM pg_prepared_xacts WHERE database = "
               "current_database() AND gid LIKE 'florin:' || (SELECT encode(id, 'hex') FROM books) "
               "|| ':%' ORDER BY prepared LIMIT 64) p))");
    if (!ask(transit, place))
        return false;
    const char *text = transit->text;
    while (*text == 'a' || *text == 'l' || *text == 'd') {
        struct record record;
        char kind = *text;
        const struct transaction_facts *facts = &record.transaction;
        if (!line_is(&text, kind) || !take_bytes(transit, &text, &record) || !line_ends(&text))
            return false;
        if (!moves(&record))
            continue;
        bool debits = kind == 'd' || (kind == 'a' && debits_here(facts));
        if (was_decided(transit, facts) && !add_difference(transit, facts, worth(facts, debits)))
            return false;
        if (kind != 'a' && is_counted(facts, debits) &&
            !add_payment(transit, facts, id_time_ms(facts->id)))
            return false;
    }
    while (*count < TRANSIT_PREPARED_MAX && line_is(&text, 'p')) {
        struct prepared *prepared = &ret_prepared[(*count)++];
        prepared->place = place;
        if (!take_prepared(&text, prepared) || !line_ends(&text))
            return false;
    }
    return true;
}

// Of a leg that is prepared: its payments, if they are decided. Into the leg nobody can look.
static bool read_prepared(struct transit *transit, const struct prepared *prepared) {
    uint32_t decider = legs_decider(prepared->gid, transit->places, transit->count);
    bool any = false;
    buffer_reset(&transit->query);
    buffer_add_format(&transit->query,
                      "SELECT coalesce(string_agg('a ' || encode(r.bytes, 'hex'), E'\\n'), '') "
                      "FROM decisions d JOIN records r ON r.number BETWEEN d.first_record AND "
                      "d.last_record WHERE d.gid = '%s' AND d.is_commit AND r.kind = 2 AND "
                      "r.came IS NULL",
                      prepared->gid);
    transit->text[0] = '\0'; // a shard that is not served decides nothing
    if (decider < transit->count && !ask(transit, decider))
        return false;
    const char *text = transit->text;
    while (line_is(&text, 'a')) {
        struct record record;
        const struct transaction_facts *facts = &record.transaction;
        if (!take_bytes(transit, &text, &record) || !line_ends(&text))
            return false;
        for (int i = 0; i < 2; i++) {
            bool debits = i == 0;
            const struct posting_side *side = debits ? &facts->debit : &facts->credit;
            if (!posting_is_elsewhere(side) ||
                transit->owners[id_slot(side->wallet)] != prepared->place)
                continue;
            if (was_decided(transit, facts) &&
                !add_difference(transit, facts, worth(facts, debits)))
                return false;
            if (is_counted(facts, debits) && !add_payment(transit, facts, prepared->since_ms))
                return false;
            any = true;
        }
    }
    if (!any) { // not decided, or it has but a bank id
        transit->found->unknown++;
        note_age(&transit->found->unknown_oldest_ms, prepared->since_ms);
    }
    return *text == '\0';
}

enum status transit_read(struct transit *transit, const uint8_t owners[LIMIT_SLOTS],
                         struct in_flight *ret_found) {
    struct prepared *prepared = memory_take_zeroed(TRANSIT_PREPARED_MAX * sizeof(*prepared));
    uint32_t count = 0;
    bool ok = true;
    CHECK(ret_found->currencies != NULL);
    ret_found->unknown = ret_found->unknown_oldest_ms = 0;
    ret_found->currency_count = 0;
    transit->found = ret_found;
    memcpy(transit->owners, owners, sizeof(transit->owners));
    for (uint32_t i = 0; i < transit->count && ok; i++)
        ok = read_last(transit, i);
    for (uint32_t i = 0; i < transit->count && ok; i++)
        ok = read_totals(transit, i);
    for (uint32_t i = 0; i < transit->count && ok; i++)
        ok = transit->last[i] == transit->last_before[i] || read_early(transit, i);
    for (uint32_t i = 0; i < transit->count && ok; i++)
        ok = read_late(transit, i, prepared, &count);
    for (uint32_t i = 0; i < count && ok; i++)
        ok = read_prepared(transit, &prepared[i]);
    memory_free(prepared);
    return ok ? STATUS_ok : STATUS_busy;
}
