// SPDX-License-Identifier: MIT
// What a round must know of other shards, and has locked there: bank ids, wallets, idempotency
// keys, and holds, withdrawals and purchases that operations of an atomic batch name. For each kind
// one question to each shard, answered by a line for each fact:
//
//   its place in the list  whether the slot is owned there  its state  what there is of it
//
// Of what is nobody else's the state is 1; of a wallet 0 says that it is not there, and 2 that it
// is somebody else's. One that is still to get what has arrived is its own shard's.
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/hex.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/postgres.h"
#include "ledger/owner.h"

#define STATE_FREE 1
#define STATE_TAKEN 2

// What a line begins with.
struct line {
    uint64_t place, state;
    bool is_elsewhere;
};

struct question {
    uint32_t (*count)(const struct legs *legs);
    uint32_t (*part_of)(const struct legs *legs, uint32_t index);
    // All of them that are of that part, into the query. Returns how many.
    uint32_t (*write)(struct crossing *crossing, const struct legs *legs, uint32_t place);
    bool (*take)(const struct crossing *crossing, struct legs *legs, const struct line *line,
                 const char **text);
};

// The query around its values: lines of `fields` about `n`, for `count` rows of values.
#define LINES_OF(fields) "SELECT coalesce(string_agg(" fields ", E'\\n' ORDER BY n.i), '') FROM "
#define OWNED            "CASE WHEN s.state = 0 THEN 1 ELSE 0 END"

// ---- reading ------------------------------------------------------------------------------------

bool crossing_take_hex(const char **text, uint8_t *ret_bytes, size_t most, size_t *ret_size) {
    size_t size = 0;
    while (hex_digit((uint8_t)(*text)[0]) >= 0 && hex_digit((uint8_t)(*text)[1]) >= 0) {
        if (size == most || !hex_read(slice_of(*text, 2), ret_bytes + size++))
            return false;
        *text += 2;
    }
    *ret_size = size;
    return true;
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

static bool take_fields(const char **text, int64_t *ret_values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!lineage_take_word(text, " ") || !take_signed(text, &ret_values[i]))
            return false;
    return true;
}

// Whether a dash stands in place of what there is not; then it is taken off.
static bool take_nothing(const char **text) {
    bool is_nothing = **text == '-';
    *text += is_nothing;
    return is_nothing;
}

static bool take_id(const char **text, struct id *ret_id) {
    size_t size = 0;
    if (take_nothing(text)) {
        *ret_id = (struct id){{0}};
        return true;
    }
    return crossing_take_hex(text, ret_id->bytes, sizeof(ret_id->bytes), &size) &&
           size == sizeof(ret_id->bytes);
}

// Bytes of any length, into the arena of the legs.
static bool take_bytes(const char **text, struct legs *legs, struct slice *ret_bytes) {
    size_t digits = strspn(*text, "0123456789abcdef");
    uint8_t *bytes = arena_take(&legs->arena, digits / 2 + 1);
    *ret_bytes = slice_of(NULL, 0);
    if (take_nothing(text))
        return true;
    if (!hex_read(slice_of(*text, digits), bytes))
        return false;
    *ret_bytes = slice_of(bytes, digits / 2);
    *text += digits;
    return true;
}

// A row of values: its place in the list, the slot, and what is looked for there.
static void add_looked_for(struct buffer *query, uint32_t *asked, uint32_t index, uint32_t slot,
                           struct slice bytes) {
    buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu32 ", ", (*asked)++ == 0 ? "" : ", ", index,
                      slot);
    crossing_add_hex(query, bytes);
    BUFFER_ADD(query, ")");
}

// ---- bank ids -----------------------------------------------------------------------------------

static uint32_t count_banks(const struct legs *legs) {
    return legs->fact_count;
}

static uint32_t part_of_bank(const struct legs *legs, uint32_t index) {
    return legs->facts[index].part;
}

// What is booked: currency=transaction,...
static uint32_t write_banks(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    BUFFER_ADD(query,
               LINES_OF("concat_ws(' ', n.i, " OWNED ", "
                        "pg_try_advisory_xact_lock(7886720, hashtext(encode(n.b, "
                        "'hex')))::integer, coalesce((SELECT "
                        "string_agg(encode(convert_to(k.currency, 'UTF8'), 'hex') || '=' || "
                        "encode(k.id, 'hex'), ',') FROM bank_ids k WHERE k.slot = n.slot AND "
                        "k.bank_id = n.b), '-'))") "(VALUES ");
    for (uint32_t i = 0; i < legs->fact_count; i++) {
        struct slice bank_id = legs->facts[i].bank_id;
        if (legs->facts[i].part == place)
            add_looked_for(query, &asked, i, id_slot_of_owner(bank_id), bank_id);
    }
    BUFFER_ADD(query, ") n(i, slot, b) JOIN slots s ON s.slot = n.slot");
    return asked;
}

static bool take_known(const char **text, struct legs *legs, uint32_t fact) {
    size_t size;
    if (legs->known_count == 2 * LEGS_FACTS_MAX)
        return false;
    struct leg_known *known = &legs->known[legs->known_count++];
    memset(known, 0, sizeof(*known));
    known->fact = fact;
    return crossing_take_hex(text, (uint8_t *)known->code, sizeof(known->code), &size) &&
           lineage_take_word(text, "=") && take_id(text, &known->transaction);
}

static bool take_bank(const struct crossing *crossing, struct legs *legs, const struct line *line,
                      const char **text) {
    struct leg_fact *fact = &legs->facts[line->place];
    (void)crossing;
    fact->is_elsewhere = line->is_elsewhere;
    fact->is_blocked = line->state != STATE_FREE;
    if (take_nothing(text))
        return true;
    do
        if (!take_known(text, legs, (uint32_t)line->place))
            return false;
    while (lineage_take_word(text, ","));
    return true;
}

// ---- idempotency keys ---------------------------------------------------------------------------

static uint32_t count_keys(const struct legs *legs) {
    return legs->key_count;
}

static uint32_t part_of_key(const struct legs *legs, uint32_t index) {
    return legs->keys[index].part;
}

// The record that it was answered with, and behind it the one that opened what that is about.
static uint32_t write_keys(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    BUFFER_ADD(query,
               LINES_OF("concat_ws(' ', n.i, " OWNED ", "
                        "pg_try_advisory_xact_lock(7886721, hashtext(encode(n.k, "
                        "'hex')))::integer, coalesce((SELECT encode(r.bytes, 'hex') || ' ' || "
                        "coalesce(encode(coalesce((SELECT o.bytes FROM records o WHERE o.slot = "
                        "r.slot AND o.number = r.opening), (SELECT p.bytes FROM kept_records p "
                        "WHERE p.slot = r.slot AND p.number = r.opening)), 'hex'), '-') "
                        "FROM idempotency x JOIN records r ON r.slot = x.slot AND "
                        "r.number = x.record WHERE x.key = n.k ORDER BY x.record DESC "
                        "LIMIT 1), '- -'))") "(VALUES ");
    for (uint32_t i = 0; i < legs->key_count; i++) {
        const struct leg_key *key = &legs->keys[i];
        if (key->part == place)
            add_looked_for(query, &asked, i, key->slot, slice_of(&key->key, sizeof(key->key)));
    }
    BUFFER_ADD(query, ") n(i, slot, k) JOIN slots s ON s.slot = n.slot");
    return asked;
}

static bool take_key(const struct crossing *crossing, struct legs *legs, const struct line *line,
                     const char **text) {
    struct leg_key *key = &legs->keys[line->place];
    (void)crossing;
    key->is_elsewhere = line->is_elsewhere;
    key->is_blocked = line->state != STATE_FREE;
    return take_bytes(text, legs, &key->bytes) && lineage_take_word(text, " ") &&
           take_bytes(text, legs, &key->opening);
}

// ---- holds, withdrawals, purchases --------------------------------------------------------------

static uint32_t count_things(const struct legs *legs) {
    return legs->thing_count;
}

static uint32_t part_of_thing(const struct legs *legs, uint32_t index) {
    return legs->things[index].part;
}

// Whether it is there, 2: it may be archived; whose it is, numbers, and the record that made it. A
// hold or withdrawal is nobody else's when its wallet is; a purchase has a lock of its own, which a
// leg that refunds it keeps.
static uint32_t write_things(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    arrivals_add_unseen(query, &crossing->taken[place]);
    BUFFER_ADD(query,
               LINES_OF("concat_ws(' ', n.i, " OWNED ", "
                        "CASE WHEN n.kind <> 2 THEN 1 WHEN EXISTS (SELECT FROM unseen l WHERE "
                        "l.slot = n.slot AND l.number = n.number) "
                        "THEN 2 WHEN pg_try_advisory_xact_lock(7886722, hashtext(n.slot || ':' || "
                        "n.number)) THEN 1 ELSE 2 END, "
                        "CASE WHEN t.opened IS NOT NULL THEN 1 WHEN n.number < (SELECT archived "
                        "FROM extent) THEN 2 ELSE 0 END, "
                        "coalesce(encode(t.id, 'hex'), '-'), "
                        "coalesce(encode(t.wallet, 'hex'), '-'), "
                        "coalesce(encode(t.merchant, 'hex'), '-'), coalesce(t.amount, 0), "
                        "coalesce(t.captured, 0), coalesce(t.expires_at_ms, 0), "
                        "coalesce(t.status, 0), coalesce(encode(coalesce((SELECT r.bytes FROM "
                        "records r WHERE r.slot = n.slot AND r.number = t.opened), (SELECT k.bytes "
                        "FROM kept_records k WHERE k.slot = n.slot AND k.number = t.opened)), "
                        "'hex'), '-'))") "(VALUES ");
    for (uint32_t i = 0; i < legs->thing_count; i++) {
        const struct leg_thing *thing = &legs->things[i];
        uint64_t number = 0; // an id that was not made here names nothing anywhere
        if (thing->part != place)
            continue;
        (void)number_of_id(&crossing->parts[place]->seal, thing->id, &number);
        buffer_add_format(query, "%s(%" PRIu32 ", %d, %" PRIu32 ", %" PRIu64 "::bigint)",
                          asked++ == 0 ? "" : ", ", i, (int)thing->kind, thing->slot, number);
    }
    BUFFER_ADD(query,
               ") n(i, kind, slot, number) JOIN slots s ON s.slot = n.slot LEFT JOIN LATERAL ("
               "SELECT h.id, h.wallet, h.merchant, h.amount, h.captured, h.expires_at_ms, "
               "h.status, coalesce(nullif(h.opened, 0), h.number) AS opened FROM holds h "
               "WHERE n.kind = 0 AND h.slot = n.slot AND h.number = n.number UNION ALL "
               "SELECT w.id, w.wallet, NULL, w.amount, 0, 0, w.status, "
               "coalesce(nullif(w.opened, 0), w.number) FROM withdrawals w "
               "WHERE n.kind = 1 AND w.slot = n.slot AND w.number = n.number UNION ALL "
               "SELECT NULL, NULL, NULL, coalesce((SELECT f.refunded FROM refunds f WHERE "
               "f.slot = r.slot AND f.record = r.number), 0), 0, 0, 0, r.number FROM records r "
               "WHERE n.kind = 2 AND r.slot = n.slot AND r.number = n.number AND r.kind = 2 AND "
               "r.number >= (SELECT archived FROM extent)) t ON true");
    return asked;
}

static void take_numbers(struct leg_thing *thing, struct id id, struct id wallet,
                         struct id merchant, const int64_t numbers[4]) {
    switch (thing->kind) {
    case LEG_HOLD:
        thing->hold = (struct hold){.id = id,
                                    .wallet = wallet,
                                    .merchant = merchant,
                                    .amount = numbers[0],
                                    .captured = numbers[1],
                                    .expires_at_ms = (uint64_t)numbers[2],
                                    .status = (uint8_t)numbers[3]};
        return;
    case LEG_WITHDRAWAL:
        thing->withdrawal = (struct withdrawal){
            .id = id, .wallet = wallet, .amount = numbers[0], .status = (uint8_t)numbers[3]};
        return;
    case LEG_PURCHASE: thing->refunded = numbers[0]; return;
    case LEG_NEW_WALLET: return;
    }
}

// The wallet whose hold or withdrawal it is lies in the same slot, and comes along.
static bool want_its_wallet(struct legs *legs, const struct leg_thing *thing) {
    struct id wallet = thing->kind == LEG_HOLD ? thing->hold.wallet : thing->withdrawal.wallet;
    if (!thing->is_there || thing->kind > LEG_WITHDRAWAL)
        return true;
    for (uint32_t i = 0; i < legs->wallet_count; i++)
        if (id_equal(legs->wallets[i].id, wallet)) {
            legs->wallets[i].key_use = LEG_KEY_MADE;
            return true;
        }
    if (legs->wallet_count == LEGS_WALLETS_MAX)
        return false;
    legs->wallets[legs->wallet_count++] = (struct leg_wallet){
        .id = wallet, .part = thing->part, .key_use = LEG_KEY_MADE};
    return true;
}

static bool take_thing(const struct crossing *crossing, struct legs *legs, const struct line *line,
                       const char **text) {
    struct leg_thing *thing = &legs->things[line->place];
    struct id id, wallet, merchant;
    int64_t numbers[4];
    uint64_t there;
    (void)crossing;
    thing->is_elsewhere = line->is_elsewhere;
    thing->is_blocked = line->state != STATE_FREE;
    if (!lineage_take_number(text, &there) || !lineage_take_word(text, " ") ||
        !take_id(text, &id) || !lineage_take_word(text, " ") || !take_id(text, &wallet) ||
        !lineage_take_word(text, " ") || !take_id(text, &merchant) ||
        !take_fields(text, numbers, 4) || !lineage_take_word(text, " ") ||
        !take_bytes(text, legs, &thing->bytes))
        return false;
    thing->is_there = there == 1;
    thing->is_archived = there == 2;
    take_numbers(thing, id, wallet, merchant, numbers);
    return want_its_wallet(legs, thing);
}

// ---- wallets ------------------------------------------------------------------------------------

static uint32_t count_wallets(const struct legs *legs) {
    return legs->wallet_count;
}

static uint32_t part_of_wallet(const struct legs *legs, uint32_t index) {
    return legs->wallets[index].part;
}

// A wallet for which something has come that is not taken up is not locked: whoever brought it is
// answered when it is taken up, which passes over what is locked.
static uint32_t write_wallets(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint32_t asked = 0;
    arrivals_add_unseen(query, &crossing->taken[place]);
    BUFFER_ADD(query,
               "SELECT coalesce(string_agg(line, E'\\n' ORDER BY i), '') FROM (SELECT n.i, "
               "concat_ws(' ', n.i, " OWNED ", "
               "CASE WHEN w.slot IS NOT NULL THEN 1 "
               "WHEN EXISTS (SELECT FROM wallets x WHERE x.slot = n.slot AND x.number = n.number) "
               "THEN 2 ELSE 0 END, encode(w.id, 'hex'), encode(c.code::bytea, 'hex'), c.exponent, "
               "w.kind, w.tier, w.status, w.balance, w.held, w.credit_limit, w.version, "
               "w.spent_day, w.spent_day_sum, w.spent_month_sum, "
               "encode(w.owner, 'hex'), CASE WHEN w.slot IS NOT NULL THEN "
               "coalesce(encode(w.habits, 'hex'), '-') END) AS line "
               "FROM (SELECT * FROM (VALUES ");
    for (uint32_t i = 0; i < legs->wallet_count; i++) {
        const struct leg_wallet *wallet = &legs->wallets[i];
        uint64_t number;
        if (wallet->part != place ||
            !number_of_id(&crossing->parts[place]->seal, wallet->id, &number))
            continue;
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu32 ", %" PRIu64 "::bigint)",
                          asked++ == 0 ? "" : ", ", i, id_slot(wallet->id), number);
    }
    BUFFER_ADD(query, ") v(i, slot, number) ORDER BY slot, number OFFSET 0) n "
                      "JOIN slots s ON s.slot = n.slot LEFT JOIN LATERAL (SELECT * FROM wallets x "
                      "WHERE x.slot = n.slot AND (x.number, x.slot) >= (n.number, n.slot) "
                      "AND (x.number, x.slot) <= (n.number, n.slot) "
                      "AND NOT EXISTS (SELECT FROM unseen l WHERE l.slot = n.slot AND l.number = "
                      "n.number) "
                      "ORDER BY x.number DESC LIMIT 1 FOR UPDATE SKIP LOCKED) w ON true "
                      "LEFT JOIN LATERAL (SELECT * FROM currencies y WHERE "
                      "y.number >= w.currency AND y.number <= w.currency "
                      "ORDER BY y.number DESC LIMIT 1) c ON true) q");
    return asked;
}

static bool take_habits(const char **text, struct habits *ret_habits) {
    struct habits_packed packed;
    size_t size = 0;
    return take_nothing(text) ||
           (crossing_take_hex(text, packed.bytes, sizeof(packed.bytes), &size) &&
            habits_take(slice_of(packed.bytes, size), ret_habits) && habits_are_valid(ret_habits));
}

static bool take_its_wallet(const struct crossing *crossing, const char **text,
                            struct leg_wallet *wallet) {
    int64_t exponent, fields[10];
    struct id id;
    uint8_t owner[1024];
    size_t code_size = 0, owner_size = 0;
    bool ok = lineage_take_word(text, " ") && take_id(text, &id) && lineage_take_word(text, " ") &&
              crossing_take_hex(text, (uint8_t *)wallet->currency.code,
                                sizeof(wallet->currency.code), &code_size) &&
              take_fields(text, &exponent, 1) && take_fields(text, fields, 10) &&
              lineage_take_word(text, " ") &&
              crossing_take_hex(text, owner, sizeof(owner), &owner_size) &&
              lineage_take_word(text, " ") && take_habits(text, &wallet->habits);
    if (!ok)
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
    wallet->spent = (struct spent){.day = (uint32_t)fields[7],
                                   .day_sum = fields[8],
                                   .month_sum = fields[9]};
    return true;
}

static bool take_wallet(const struct crossing *crossing, struct legs *legs,
                        const struct line *line, const char **text) {
    struct leg_wallet *wallet = &legs->wallets[line->place];
    wallet->is_elsewhere = line->is_elsewhere;
    wallet->is_there = line->state != 0;
    wallet->is_blocked = line->state == STATE_TAKEN;
    if (**text == ' ')
        return take_its_wallet(crossing, text, wallet);
    wallet->wallet.id = wallet->id; // it is nobody's before it is whole
    return true;
}

// ---- asking -------------------------------------------------------------------------------------

// Things stand before wallets, since they name some.
static const struct question questions[] = {
    {count_banks, part_of_bank, write_banks, take_bank},
    {count_keys, part_of_key, write_keys, take_key},
    {count_things, part_of_thing, write_things, take_thing},
    {count_wallets, part_of_wallet, write_wallets, take_wallet},
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static bool asks(const struct question *question, const struct legs *legs, uint32_t place) {
    uint32_t count = question->count(legs);
    for (uint32_t i = 0; i < count; i++)
        if (question->part_of(legs, i) == place)
            return true;
    return false;
}

bool crossing_has_facts(const struct legs *legs, uint32_t place) {
    for (size_t i = 0; i < QUESTIONS; i++)
        if (asks(&questions[i], legs, place))
            return true;
    return false;
}

// Wallets have something behind their state only when they are there.
static bool take_line(const struct crossing *crossing, struct legs *legs,
                      const struct question *question, const char **text) {
    struct line line;
    uint64_t is_owned;
    if (!lineage_take_number(text, &line.place) || line.place >= question->count(legs) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &is_owned) ||
        !lineage_take_word(text, " ") || !lineage_take_number(text, &line.state) ||
        (question->take != take_wallet && !lineage_take_word(text, " ")))
        return false;
    line.is_elsewhere = is_owned == 0;
    return question->take(crossing, legs, &line, text) &&
           (lineage_take_word(text, "\n") || **text == '\0');
}

static bool ask(struct crossing *crossing, struct legs *legs, const struct question *question,
                uint32_t place) {
    buffer_reset(&crossing->query);
    uint32_t asked = question->write(crossing, legs, place), told = 0;
    if (asked == 0) // of ids that were not made here nothing is asked
        return true;
    if (!crossing_ask_query(crossing, place))
        return false;
    for (const char *text = crossing->text; *text != '\0'; told++)
        if (!take_line(crossing, legs, question, &text))
            return false;
    return told == asked;
}

bool crossing_find(struct crossing *crossing, struct legs *legs, uint32_t place) {
    CHECK((crossing->begun >> place & 1) != 0);
    for (size_t i = 0; i < QUESTIONS; i++)
        if (asks(&questions[i], legs, place) && !ask(crossing, legs, &questions[i], place))
            return false;
    return crossing_bring_keys(crossing, legs, place);
}
