// SPDX-License-Identifier: MIT
// The other side of legs: transactions on the shards that do not decide. Statements are plain text,
// since PREPARE TRANSACTION takes no parameters; whatever came from outside goes in as hexadecimal
// digits.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/crossing.h"
#include "engine/postgres/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link.h"
#include "engine/postgres/number.h"
#include "engine/postgres/postgres.h"
#include "ledger/owner.h"

#define CONNECT_WAIT_NS UINT64_C(1500000000)
#define ASK_WAIT_NS     UINT64_C(2000000000)
#define AWAY_NS         UINT64_C(3000000000) // a shard that was away is left alone for so long
#define TRIES 4
#define TEXT_BYTES      ((size_t)2 * 1024 * 1024)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '1500ms'; "
    "SET lock_timeout = '1s'; SET idle_in_transaction_session_timeout = '15s'; "
    "SET client_min_messages = warning; SET synchronous_commit = on; SET jit = off; "
    "SET tcp_user_timeout = '4s'";

struct crossing {
    uint32_t count, home;
    struct engine *parts[SHARDS_MAX];
    const struct shard_place *places;
    struct link links[SHARDS_MAX];
    uint64_t away_until_ns[SHARDS_MAX];
    char books[33]; // their id in hexadecimal digits; empty: not asked yet
    uint64_t hash_seed;
    uint32_t begun;    // parts with a transaction under way: bit 1 << place
    uint32_t prepared; // parts where PREPARE was tried
    struct buffer query;
    char *text;
};

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

static bool connect(struct crossing *crossing, uint32_t place) {
    struct link *link = &crossing->links[place];
    uint64_t now_ns = clock_monotonic_ns();
    if (link_is_open(link))
        return true;
    if (now_ns < crossing->away_until_ns[place])
        return false;
    if (link_open(link, postgres_primary_url(crossing->parts[place]), settings, SQL_TURN_BACK,
                  SQL_TURN, CONNECT_WAIT_NS) == LINK_OK)
        return true;
    log_line(LOG_WARNING, "shards", "The shard \"%s\" cannot be reached: %s",
             crossing->places[place].name, link->why);
    crossing->away_until_ns[place] = now_ns + CONNECT_WAIT_NS + AWAY_NS;
    return false;
}

static bool ask(struct crossing *crossing, uint32_t place, const char *query) {
    struct link *link = &crossing->links[place];
    if (!connect(crossing, place))
        return false;
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    crossing->text[0] = '\0';
    enum link_result result = link_ask(link, query, crossing->text, TEXT_BYTES);
    if (result == LINK_LOST) {
        log_line(LOG_WARNING, "shards", "The shard \"%s\" did not answer: %s",
                 crossing->places[place].name, link->why);
        link_close(link);
        crossing->away_until_ns[place] = clock_monotonic_ns() + AWAY_NS;
    }
    return result == LINK_OK;
}

static bool ask_query(struct crossing *crossing, uint32_t place) {
    *buffer_room(&crossing->query, 1) = '\0';
    return ask(crossing, place, (const char *)crossing->query.bytes);
}

static void add_hex(struct buffer *buffer, struct slice bytes) {
    BUFFER_ADD(buffer, "'\\x");
    (void)hex_write(bytes, (char *)buffer_room(buffer, 2 * bytes.size));
    buffer->size += 2 * bytes.size;
    BUFFER_ADD(buffer, "'::bytea");
}

// ---- facts --------------------------------------------------------------------------------------

// One line for each fact: its place, whether the slot is owned, whether nobody else has it, and
// what is booked: currency=transaction,...
static void write_facts_query(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    bool is_first = true;
    buffer_reset(query);
    BUFFER_ADD(query,
               "SELECT coalesce(string_agg(format("
               "'%s %s %s %s', n.i, CASE WHEN s.state = 0 THEN 1 ELSE 0 END, "
               "pg_try_advisory_xact_lock(7886720, hashtext(encode(n.b, 'hex')))::integer, "
               "coalesce((SELECT string_agg(encode(convert_to(k.currency, 'UTF8'), 'hex') || '=' "
               "|| encode(k.id, 'hex'), ',') FROM bank_ids k WHERE k.slot = n.slot AND "
               "k.bank_id = n.b), '-')), E'\\n' ORDER BY n.i), '') FROM (VALUES ");
    for (uint32_t i = 0; i < legs->fact_count; i++) {
        if (legs->facts[i].part != place)
            continue;
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu32 ", ", is_first ? "" : ", ", i,
                          id_slot_of_owner(legs->facts[i].bank_id));
        add_hex(query, legs->facts[i].bank_id);
        BUFFER_ADD(query, ")");
        is_first = false;
    }
    BUFFER_ADD(query, ") n(i, slot, b) JOIN slots s ON s.slot = n.slot");
}

static bool take_signed(const char **text, int64_t *ret_value) {
    uint64_t value = 0;
    bool is_negative = **text == '-';
    *text += is_negative;
    if (!lineage_take_number(text, &value))
        return false;
    *ret_value = (int64_t)(is_negative ? 0 - value : value);
    return true;
}

// Bytes of hexadecimal digits up to something else; false: more than there is room for.
static bool take_hex(const char **text, uint8_t *ret_bytes, size_t most, size_t *ret_size) {
    size_t size = 0;
    while (hex_digit((uint8_t)(*text)[0]) >= 0 && hex_digit((uint8_t)(*text)[1]) >= 0) {
        if (size == most || !hex_read(slice_of(*text, 2), ret_bytes + size++))
            return false;
        *text += 2;
    }
    *ret_size = size;
    return true;
}

static bool take_known(const char **text, struct legs *legs, uint32_t fact) {
    while (**text != '\n' && **text != '\0') {
        size_t code_size, id_size;
        if (legs->known_count == 2 * LEGS_FACTS_MAX)
            return false;
        struct leg_known *known = &legs->known[legs->known_count++];
        memset(known, 0, sizeof(*known));
        known->fact = fact;
        if (!take_hex(text, (uint8_t *)known->code, sizeof(known->code), &code_size) ||
            !lineage_take_word(text, "=") ||
            !take_hex(text, known->transaction.bytes, sizeof(known->transaction.bytes), &id_size) ||
            id_size != sizeof(known->transaction.bytes))
            return false;
        if (**text == ',')
            (*text)++;
    }
    return true;
}

static bool take_facts(struct legs *legs, const char *text, uint32_t *ret_count) {
    *ret_count = 0;
    while (*text != '\0') {
        uint64_t fact, is_owned, is_free;
        if (!lineage_take_number(&text, &fact) || fact >= legs->fact_count ||
            !lineage_take_word(&text, " ") || !lineage_take_number(&text, &is_owned) ||
            !lineage_take_word(&text, " ") || !lineage_take_number(&text, &is_free) ||
            !lineage_take_word(&text, " "))
            return false;
        legs->facts[fact].is_elsewhere = is_owned == 0;
        legs->facts[fact].is_blocked = is_free == 0;
        if (*text == '-')
            text++;
        else if (!take_known(&text, legs, (uint32_t)fact))
            return false;
        if (*text == '\n')
            text++;
        (*ret_count)++;
    }
    return true;
}

// ---- wallets ------------------------------------------------------------------------------------

// One line for each: its place, whether the slot is owned, whether the wallet is not there (0),
// locked for us (1) or somebody else's (2); and the wallet. One that is still to get what has
// arrived is its shard's.
static uint32_t write_wallets_query(struct crossing *crossing, struct legs *legs,
                                    uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    buffer_reset(query);
    BUFFER_ADD(query,
               "SELECT coalesce(string_agg(line, E'\\n' ORDER BY i), '') FROM (SELECT n.i, "
               "concat_ws(' ', n.i, CASE WHEN s.state = 0 THEN 1 ELSE 0 END, "
               "CASE WHEN w.slot IS NOT NULL AND NOT EXISTS (SELECT FROM legs l WHERE NOT "
               "l.is_taken AND l.slot = n.slot AND l.number = n.number) THEN 1 "
               "WHEN EXISTS (SELECT FROM wallets x WHERE x.slot = n.slot AND x.number = n.number) "
               "THEN 2 ELSE 0 END, encode(w.id, 'hex'), encode(c.code::bytea, 'hex'), c.exponent, "
               "w.kind, w.tier, w.status, w.balance, w.held, w.credit_limit, w.version, "
               "encode(w.owner, 'hex'), coalesce(encode(w.habits, 'hex'), '-')) AS line "
               "FROM (SELECT * FROM (VALUES ");
    for (uint32_t i = 0; i < legs->wallet_count; i++) {
        struct leg_wallet *wallet = &legs->wallets[i];
        uint64_t number;
        if (wallet->part != place ||
            !number_of_id(&crossing->parts[place]->seal, wallet->id, &number))
            continue;
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu32 ", %" PRIu64 "::bigint)",
                          asked == 0 ? "" : ", ", i, id_slot(wallet->id), number);
        asked++;
    }
    BUFFER_ADD(query, ") v(i, slot, number) ORDER BY slot, number OFFSET 0) n "
                      "JOIN slots s ON s.slot = n.slot LEFT JOIN LATERAL (SELECT * FROM wallets x "
                      "WHERE x.slot = n.slot AND x.number = n.number OFFSET 0 "
                      "FOR UPDATE SKIP LOCKED) w ON true "
                      "LEFT JOIN currencies c ON c.number = w.currency) q");
    return asked;
}

static bool take_fields(const char **text, int64_t *ret_values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!lineage_take_word(text, " ") || !take_signed(text, &ret_values[i]))
            return false;
    return true;
}

static bool take_wallet(const struct crossing *crossing, const char **text,
                        struct leg_wallet *wallet) {
    int64_t exponent, fields[7];
    struct id id;
    uint8_t owner[1024];
    size_t id_size = 0, code_size = 0, owner_size = 0, habits_size = 0;
    bool ok = lineage_take_word(text, " ") &&
              take_hex(text, id.bytes, sizeof(id.bytes), &id_size) && id_size == sizeof(id.bytes) &&
              lineage_take_word(text, " ") &&
              take_hex(text, (uint8_t *)wallet->currency.code, sizeof(wallet->currency.code),
                       &code_size) &&
              take_fields(text, &exponent, 1) && take_fields(text, fields, 7) &&
              lineage_take_word(text, " ") &&
              take_hex(text, owner, sizeof(owner), &owner_size) && lineage_take_word(text, " ");
    if (!ok)
        return false;
    if (**text == '-')
        (*text)++;
    else if (!take_hex(text, (uint8_t *)&wallet->habits, sizeof(wallet->habits), &habits_size) ||
             habits_size != sizeof(wallet->habits) || !habits_are_valid(&wallet->habits))
        return false;
    wallet->currency.exponent = (uint8_t)exponent;
    wallet->wallet = (struct wallet){.id = id,
                                     .kind = fields[0] & 15,
                                     .tier = fields[1] & 15,
                                     .status = (uint8_t)fields[2],
                                     .balance = fields[3],
                                     .held = fields[4],
                                     .credit_limit = fields[5],
                                     .version = (uint64_t)fields[6],
                                     .owner = owner_mark(crossing->hash_seed,
                                                         slice_of(owner, owner_size))};
    return true;
}

static bool take_wallets(const struct crossing *crossing, struct legs *legs, const char *text,
                         uint32_t *ret_count) {
    *ret_count = 0;
    while (*text != '\0') {
        uint64_t place, is_owned, state;
        if (!lineage_take_number(&text, &place) || place >= legs->wallet_count ||
            !lineage_take_word(&text, " ") || !lineage_take_number(&text, &is_owned) ||
            !lineage_take_word(&text, " ") || !lineage_take_number(&text, &state))
            return false;
        struct leg_wallet *wallet = &legs->wallets[place];
        wallet->is_elsewhere = is_owned == 0;
        wallet->is_there = state != 0;
        wallet->is_blocked = state == 2;
        bool has_wallet = *text == ' '; // also of one that still waits for what has arrived
        if (has_wallet && !take_wallet(crossing, &text, wallet))
            return false;
        if (!has_wallet) // it is nobody's before it is whole
            wallet->wallet.id = wallet->id;
        if (*text == '\n')
            text++;
        else if (*text != '\0')
            return false;
        (*ret_count)++;
    }
    return true;
}

static bool begin_on(struct crossing *crossing, struct legs *legs, uint32_t place) {
    uint32_t facts = 0, wallets = 0, told = 0;
    for (uint32_t i = 0; i < legs->fact_count; i++)
        facts += legs->facts[i].part == place;
    for (uint32_t i = 0; i < legs->wallet_count; i++)
        wallets += legs->wallets[i].part == place;
    if (facts == 0 && wallets == 0)
        return true;
    crossing->begun |= 1u << place;
    if (!ask(crossing, place, "BEGIN ISOLATION LEVEL SERIALIZABLE"))
        return false;
    if (facts != 0) {
        write_facts_query(crossing, legs, place);
        if (!ask_query(crossing, place) || !take_facts(legs, crossing->text, &told) ||
            told != facts)
            return false;
    }
    uint32_t asked = wallets == 0 ? 0 : write_wallets_query(crossing, legs, place);
    return asked == 0 || (ask_query(crossing, place) &&
                          take_wallets(crossing, legs, crossing->text, &told) && told == asked);
}

static void roll_back(struct crossing *crossing) {
    for (uint32_t i = 0; i < crossing->count; i++)
        if ((crossing->begun >> i & 1) != 0 && link_is_open(&crossing->links[i]) &&
            !ask(crossing, i, "ROLLBACK"))
            link_close(&crossing->links[i]);
    crossing->begun = 0;
}

// ---- preparing ----------------------------------------------------------------------------------

// The wallet is written as it is, so that whoever looked at it before must begin again.
static void add_payment(struct buffer *query, const struct legs *legs,
                        const struct leg_entry *entry, uint32_t place, uint64_t now_ms) {
    uint32_t slot = id_slot(entry->wallet);
    buffer_add_format(query,
                      "; INSERT INTO legs VALUES ('%s', %" PRIu64 ", %" PRIu32 ", %" PRIu32
                      ", %" PRIu64 ", ",
                      legs->gid, now_ms, place, slot, entry->number);
    add_hex(query, entry->bytes);
    buffer_add_format(query,
                      ", false); UPDATE wallets SET version = version WHERE slot = %" PRIu32
                      " AND number = %" PRIu64,
                      slot, entry->number);
}

static bool prepare_on(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    buffer_reset(query);
    uint64_t now_ms = clock_now_ms();
    buffer_add_format(query, "INSERT INTO legs (gid, made_ms) VALUES ('%s', %" PRIu64 ")",
                      legs->gid, now_ms);
    for (uint32_t i = 0; i < legs->entry_count; i++) {
        const struct leg_entry *entry = &legs->entries[i];
        if (entry->part == place && entry->bytes.size != 0)
            add_payment(query, legs, entry, i + 1, now_ms);
        if (entry->part != place || entry->bytes.size != 0)
            continue;
        buffer_add_format(query, "; INSERT INTO bank_ids (slot, bank_id, currency, record, id) "
                                 "VALUES (%" PRIu32 ", ",
                          id_slot_of_owner(entry->bank_id));
        add_hex(query, entry->bank_id);
        buffer_add_format(query, ", '%.12s', 0, ", entry->currency.code);
        add_hex(query, slice_of(entry->transaction.bytes, sizeof(entry->transaction.bytes)));
        BUFFER_ADD(query, ")");
    }
    buffer_add_format(query, "; PREPARE TRANSACTION '%s'", legs->gid);
    return ask_query(crossing, place);
}

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
        if (!prepare_on(crossing, legs, i))
            return false;
        crossing->begun &= ~(1u << i);
    }
    return true;
}

// What books are called and how owners are marked in them never changes: asked for once.
static bool learn(struct crossing *crossing) {
    int64_t seed;
    const char *text = crossing->text;
    if (crossing->books[0] != '\0')
        return true;
    if (!ask(crossing, crossing->home,
             "SELECT encode(id, 'hex') || ' ' || hash_seed FROM books") ||
        strlen(text) < sizeof(crossing->books) + 1)
        return false;
    text += sizeof(crossing->books);
    if (!take_signed(&text, &seed))
        return false;
    crossing->hash_seed = (uint64_t)seed;
    memcpy(crossing->books, crossing->text, sizeof(crossing->books) - 1);
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

enum status crossing_begin(struct crossing *crossing, struct legs *legs) {
    CHECK(crossing->begun == 0 && crossing->prepared == 0);
    legs->entry_count = legs->parts = 0;
    legs->names[0] = '\0';
    legs->is_spent = legs->is_committed = false;
    legs->prepare = prepare;
    legs->context = crossing;
    bool ok = learn(crossing);
    if (ok)
        name(crossing, legs);
    for (int tries = 0; ok && tries < TRIES; tries++) {
        legs->known_count = 0;
        for (uint32_t i = 0; i < crossing->count && ok; i++)
            ok = begin_on(crossing, legs, i);
        if (ok)
            return STATUS_ok;
        ok = is_worth_another(crossing);
        roll_back(crossing);
    }
    return STATUS_busy;
}

// ---- finishing ----------------------------------------------------------------------------------

static bool finish_on(struct crossing *crossing, const struct legs *legs, uint32_t place,
                      bool is_commit) {
    char query[LEGS_GID_BYTES + 32];
    (void)snprintf(query, sizeof(query), "%s PREPARED '%s'", is_commit ? "COMMIT" : "ROLLBACK",
                   legs->gid);
    if (ask(crossing, place, query))
        return true;
    // Somebody else was faster, or it was never prepared.
    return link_is_open(&crossing->links[place]) &&
           strcmp(crossing->links[place].state, "42704") == 0;
}

// Nobody presumes: what is not known to be committed is aborted where it is decided, or it is not.
static bool is_decided(struct crossing *crossing, const struct legs *legs, bool *ret_is_commit) {
    *ret_is_commit = legs->is_committed;
    if (legs->is_committed)
        return true;
    legs_decide_query(&crossing->query, legs->gid);
    if (!ask(crossing, crossing->home, (const char *)crossing->query.bytes))
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
