// SPDX-License-Identifier: MIT
// What lies on every shard is made on one, and copied: keys, sets of rules, and whether payments
// are stopped. A copy is taken in one transaction that ends with the row of books, so a batch has
// it or begins again.
#include "engine/postgres/shard/shard.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/postgres.h"

#define CONNECT_WAIT_NS UINT64_C(2000000000)
#define ASK_WAIT_NS     UINT64_C(3000000000)
#define KEY_FIELDS      11
#define KEY_BYTES       (COLUMN_BIT(1) | COLUMN_BIT(2) | COLUMN_BIT(7))

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '3s'; "
    "SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '4s'; "
    "SET client_min_messages = warning; SET synchronous_commit = on; SET jit = off";

struct stand {
    int64_t keys, rules, slots; // versions
    struct alarm_state alarm;
};

struct shard_carrier {
    uint32_t count;
    struct engine *parts[SHARDS_MAX];
    const struct shard_place *places; // borrowed
    struct link links[SHARDS_MAX];
    bool is_away[SHARDS_MAX]; // for telling it once
    int64_t mapped[SHARDS_MAX], seen[SHARDS_MAX]; // versions of slots
    struct column out[KEY_FIELDS], kept[2], sets[3];
};

struct shard_carrier *shard_carrier_open(struct engine *const *parts,
                                         const struct shard_place *places, uint32_t count) {
    struct shard_carrier *carrier = memory_take_zeroed(sizeof(*carrier));
    CHECK(count <= SHARDS_MAX);
    carrier->count = count;
    carrier->places = places;
    for (uint32_t i = 0; i < count; i++)
        carrier->parts[i] = parts[i];
    return carrier;
}

void shard_carrier_close(struct shard_carrier *carrier) {
    for (uint32_t i = 0; i < carrier->count; i++)
        link_done(&carrier->links[i]);
    for (uint32_t i = 0; i < KEY_FIELDS; i++)
        column_done(&carrier->out[i]);
    for (uint32_t i = 0; i < 2; i++)
        column_done(&carrier->kept[i]);
    for (uint32_t i = 0; i < 3; i++)
        column_done(&carrier->sets[i]);
    memory_free(carrier);
}

// ---- asking -----------------------------------------------------------------------------------

static bool connect(struct shard_carrier *carrier, uint32_t place) {
    struct link *link = &carrier->links[place];
    if (postgres_is_silent(carrier->parts[place])) {
        link_close(link);
        return false;
    }
    if (link_is_open(link))
        return true;
    postgres_watch(carrier->parts[place], link);
    bool ok = link_open(link, postgres_primary_url(carrier->parts[place]), settings,
                        SQL_SHARD_FIRST, SQL_SHARD_LAST, CONNECT_WAIT_NS) == LINK_OK;
    if (!ok && !carrier->is_away[place])
        log_line(LOG_WARNING, "shards", "The shard \"%s\" cannot be asked for keys and slots: %s",
                 carrier->places[place].name, link->why);
    carrier->is_away[place] = !ok;
    return ok;
}

static void keep_result(void *context, enum sql statement, const struct pg_result *result) {
    if (statement != SQL_SHARD_BEGIN && statement != SQL_SHARD_COMMIT)
        *(const struct pg_result **)context = result;
}

static bool collect(struct shard_carrier *carrier, uint32_t place,
                    const struct pg_result **ret_result) {
    struct link *link = &carrier->links[place];
    link_sync(link);
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    enum link_result result = link_collect(link, keep_result, ret_result);
    if (result != LINK_OK) {
        log_line(LOG_WARNING, "shards", "The shard \"%s\" did not answer: %s",
                 carrier->places[place].name, link->why);
        link_close(link);
    }
    return result == LINK_OK;
}

static bool ask(struct shard_carrier *carrier, uint32_t place, enum sql statement,
                const struct parameters *parameters, const struct pg_result **ret_result) {
    struct link *link = &carrier->links[place];
    if (!connect(carrier, place))
        return false;
    *ret_result = NULL;
    link_send(link, statement, parameters);
    return collect(carrier, place, ret_result) && *ret_result != NULL;
}

static bool look_at(struct shard_carrier *carrier, uint32_t place, struct stand *ret_stand) {
    const struct pg_result *result;
    bool ok = ask(carrier, place, SQL_SHARD_STAND, NULL, &result) && row_count(result) == 1;
    if (ok)
        *ret_stand = (struct stand){.keys = row_number(result, 0, 0),
                                    .rules = row_number(result, 0, 1),
                                    .alarm = row_alarm(result, 0, 2),
                                    .slots = row_number(result, 0, 3)};
    if (ok)
        carrier->seen[place] = ret_stand->slots;
    link_forget(&carrier->links[place]);
    return ok;
}

bool shard_carrier_map_is_old(const struct shard_carrier *carrier) {
    for (uint32_t i = 0; i < carrier->count; i++)
        if (carrier->seen[i] != carrier->mapped[i])
            return true;
    return false;
}

enum status shard_carrier_map(struct shard_carrier *carrier, uint8_t owners[LIMIT_SLOTS],
                              int64_t versions[SHARDS_MAX]) {
    bool all = true;
    for (uint32_t i = 0; i < carrier->count; i++) {
        const struct pg_result *result;
        bool ok = ask(carrier, i, SQL_SHARD_SLOTS, NULL, &result);
        for (uint32_t slot = 0; ok && slot < LIMIT_SLOTS; slot++)
            if (owners[slot] == i)
                owners[slot] = SHARD_NOBODY;
        for (int row = 0; ok && row < row_count(result); row++) {
            uint64_t slot = (uint64_t)row_number(result, row, 0);
            CHECK(slot < LIMIT_SLOTS);
            if (row_number(result, row, 1) == 0)
                owners[slot] = (uint8_t)i;
            carrier->mapped[i] = carrier->seen[i] = row_number(result, row, 2);
        }
        versions[i] = carrier->mapped[i];
        link_forget(&carrier->links[i]);
        all = all && ok;
    }
    return all ? STATUS_ok : STATUS_busy;
}

// ---- copying ----------------------------------------------------------------------------------

static bool take_keys(struct shard_carrier *carrier, const struct pg_result *result) {
    columns_begin(carrier->out, KEY_FIELDS, KEY_BYTES);
    columns_begin(carrier->kept, 2, COLUMN_BIT(1));
    for (int row = 0; row < row_count(result); row++) {
        if (row_is_null(result, row, KEY_FIELDS))
            return false; // without the record that made it no shard would have it
        for (int i = 0; i < KEY_FIELDS; i++)
            if ((KEY_BYTES & COLUMN_BIT(i)) != 0)
                column_add_bytes(&carrier->out[i], row_bytes(result, row, i));
            else
                column_add(&carrier->out[i], row_number(result, row, i));
        column_add(&carrier->kept[0], row_number(result, row, 6));
        column_add_bytes(&carrier->kept[1], row_bytes(result, row, KEY_FIELDS));
    }
    return true;
}

static bool write_keys(struct shard_carrier *carrier, uint32_t place, int64_t version) {
    struct link *link = &carrier->links[place];
    const struct pg_result *result;
    struct parameters parameters = {0};
    if (!connect(carrier, place))
        return false;
    link_send(link, SQL_SHARD_BEGIN, NULL);
    link_send_columns(link, SQL_SHARD_KEEP, carrier->kept, 2);
    link_send_columns(link, SQL_SHARD_TAKE_KEYS, carrier->out, KEY_FIELDS);
    parameter_number(&parameters, version);
    link_send(link, SQL_SHARD_VERSION, &parameters);
    link_send(link, SQL_SHARD_COMMIT, NULL);
    bool ok = collect(carrier, place, &result);
    link_forget(link);
    return ok;
}

static bool carry_keys(struct shard_carrier *carrier, uint32_t home, uint32_t place) {
    const struct pg_result *result;
    int64_t version = 0;
    bool ok = ask(carrier, home, SQL_SHARD_KEYS, NULL, &result) && take_keys(carrier, result);
    bool any = ok && row_count(result) != 0;
    if (any)
        version = row_number(result, 0, KEY_FIELDS + 1);
    link_forget(&carrier->links[home]);
    return any ? write_keys(carrier, place, version) : ok;
}

static bool carry_rules(struct shard_carrier *carrier, uint32_t home, uint32_t place,
                        int64_t known) {
    const struct pg_result *result;
    struct parameters parameters = {0};
    parameter_number(&parameters, known);
    bool ok = ask(carrier, home, SQL_SHARD_RULES, &parameters, &result);
    columns_begin(carrier->sets, 3, COLUMN_BIT(2));
    for (int row = 0; ok && row < row_count(result); row++) {
        column_add(&carrier->sets[0], row_number(result, row, 0));
        column_add(&carrier->sets[1], row_number(result, row, 1));
        column_add_bytes(&carrier->sets[2], row_bytes(result, row, 2));
    }
    link_forget(&carrier->links[home]);
    struct link *link = &carrier->links[place];
    if (!ok || !connect(carrier, place))
        return false;
    link_send_columns(link, SQL_SHARD_TAKE_RULES, carrier->sets, 3);
    ok = collect(carrier, place, &result);
    link_forget(link);
    return ok;
}

static bool carry_alarm(struct shard_carrier *carrier, uint32_t place,
                        const struct alarm_state *alarm) {
    struct link *link = &carrier->links[place];
    const struct pg_result *result;
    struct parameters parameters = {0};
    if (!connect(carrier, place))
        return false;
    parameter_bytes(&parameters, slice_of(alarm, sizeof(*alarm)));
    link_send(link, SQL_SHARD_TAKE_ALARM, &parameters);
    bool ok = collect(carrier, place, &result);
    link_forget(link);
    return ok;
}

enum status shard_carrier_carry(struct shard_carrier *carrier, uint32_t home) {
    struct stand there, here;
    CHECK(home < carrier->count);
    if (!look_at(carrier, home, &there))
        return STATUS_busy;
    bool all = true;
    for (uint32_t i = 0; i < carrier->count; i++) {
        if (i == home)
            continue;
        bool ok = look_at(carrier, i, &here);
        if (ok && here.keys < there.keys)
            ok = carry_keys(carrier, home, i);
        if (ok && here.rules < there.rules)
            ok = carry_rules(carrier, home, i, here.rules);
        if (ok && memcmp(&here.alarm, &there.alarm, sizeof(there.alarm)) != 0)
            ok = carry_alarm(carrier, i, &there.alarm);
        all = all && ok;
    }
    return all ? STATUS_ok : STATUS_busy;
}
