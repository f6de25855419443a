// SPDX-License-Identifier: MIT
// Two small readers behind the part of the engine's port that the hash asks.
#include "move/cold.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "watch/rows.h"

// All records come in one call of the feed, so there is one place behind the first.
#define COLD_END 8

static uint64_t cold_end(struct engine *engine) {
    (void)engine;
    return COLD_END;
}

// ---- a folder ---------------------------------------------------------------------------------

struct cold_folder {
    struct engine engine; // first
    struct disk *disk;
    struct model model;
    struct cold_sum sum;
    char *why;
};

static void add_up(struct cold_sum *sum, const struct move_record *record) {
    uint64_t slack = record->number - (record->record.time_ms << NUMBER_TIME_SHIFT);
    if (sum->last_number == 0)
        sum->first_ms = record->record.time_ms;
    sum->last_number = record->number;
    if (slack >= sum->slack)
        sum->slack = slack + 1;
}

static enum status folder_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                               bool (*each)(void *context, const struct feed_record *record),
                               void *context, uint64_t *ret_next) {
    struct cold_folder *cold = (struct cold_folder *)engine;
    struct move_source *source;
    struct move_record record;
    (void)bytes_max;
    *ret_next = COLD_END;
    if (position != 0)
        return STATUS_ok;
    enum status status = source_folder_open(cold->disk, cold->why, &source);
    if (status != STATUS_ok)
        return status;
    model_init(&cold->model, source->birth.hash_seed);
    while ((status = source->next(source, &record)) == STATUS_ok) {
        struct feed_record fed = {
            .position = record.number * 8, .next = record.number * 8 + 8, .bytes = record.bytes};
        if (!model_take(&cold->model, fed.position, &record.record)) {
            (void)snprintf(source->why, sizeof(source->why), "record %llu cannot be: %s",
                           (unsigned long long)record.number, cold->model.why);
            status = STATUS_damaged;
            break;
        }
        add_up(&cold->sum, &record);
        if (!each(context, &fed))
            break;
    }
    cold->sum.chain = source->end.chain;
    if (status != STATUS_end)
        (void)snprintf(cold->why, MOVE_WHY_BYTES, "%s", source->why);
    source->close(source);
    return status == STATUS_end ? STATUS_ok : status;
}

static uint32_t folder_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                  uint32_t count_max) {
    const struct model *model = &((struct cold_folder *)engine)->model;
    CHECK(model->currency_count <= count_max);
    memcpy(ret_accounts, model->currencies, model->currency_count * sizeof(*ret_accounts));
    return model->currency_count;
}

static enum status folder_wallets(struct engine *engine,
                                  void (*each)(void *context, const struct wallet *wallet),
                                  void *context) {
    const struct tally_map *map = &((struct cold_folder *)engine)->model.wallets;
    for (uint32_t i = 0; (i = tally_map_next(map, i)) != 0;)
        each(context, &((const struct model_wallet *)tally_map_at(map, i))->wallet);
    return STATUS_ok;
}

static enum status folder_habits(struct engine *engine,
                                 void (*each)(void *context,
                                              struct id wallet, const struct habits *habits),
                                 void *context) {
    const struct tally_map *map = &((struct cold_folder *)engine)->model.wallets;
    for (uint32_t i = 0; (i = tally_map_next(map, i)) != 0;) {
        const struct model_wallet *item = tally_map_at(map, i);
        if (item->habits != NULL && item->habits->version != 0)
            each(context, item->wallet.id, item->habits);
    }
    return STATUS_ok;
}

static enum status folder_holds(struct engine *engine,
                                void (*each)(void *context, const struct hold *hold),
                                void *context) {
    const struct tally_map *map = &((struct cold_folder *)engine)->model.holds;
    for (uint32_t i = 0; (i = tally_map_next(map, i)) != 0;)
        each(context, &((const struct model_hold *)tally_map_at(map, i))->hold);
    return STATUS_ok;
}

static enum status folder_withdrawals(struct engine *engine,
                                      void (*each)(void *context,
                                                   const struct withdrawal *withdrawal),
                                      void *context) {
    const struct tally_map *map = &((struct cold_folder *)engine)->model.withdrawals;
    for (uint32_t i = 0; (i = tally_map_next(map, i)) != 0;)
        each(context, &((const struct model_withdrawal *)tally_map_at(map, i))->withdrawal);
    return STATUS_ok;
}

static const struct engine_port folder_port = {
    .feed = folder_feed,
    .published_end = cold_end,
    .currencies = folder_currencies,
    .wallets = folder_wallets,
    .habits = folder_habits,
    .holds = folder_holds,
    .withdrawals = folder_withdrawals,
};

enum status cold_folder_hash(struct disk *disk, char *ret_why, struct state_hash *ret_hash,
                             struct cold_sum *ret_sum) {
    struct cold_folder *cold = memory_take_zeroed(sizeof(*cold));
    cold->engine.port = &folder_port;
    cold->disk = disk;
    cold->why = ret_why;
    enum status status = state_hash_make(&cold->engine, false, ret_hash);
    *ret_sum = cold->sum;
    if (cold->model.wallets.items != NULL)
        model_done(&cold->model);
    memory_free(cold);
    return status;
}

// ---- a database -------------------------------------------------------------------------------

struct cold_postgres {
    struct engine engine; // first
    struct rows_link link;
};

static enum status postgres_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                                 bool (*each)(void *context, const struct feed_record *record),
                                 void *context, uint64_t *ret_next) {
    struct cold_postgres *cold = (struct cold_postgres *)engine;
    struct rows rows;
    (void)bytes_max;
    *ret_next = COLD_END;
    if (position != 0)
        return STATUS_ok;
    rows_open_by_index(&rows, &cold->link, "records_to_hash",
                       "SELECT number, bytes FROM records ORDER BY number");
    bool goes_on = true;
    while (rows.is_there && goes_on) {
        uint64_t place = (uint64_t)rows_number(&rows, 0) * 8;
        goes_on = each(context, &(struct feed_record){.position = place,
                                                      .next = place + 8,
                                                      .bytes = rows_bytes(&rows, 1)});
        rows_next(&rows);
    }
    rows_close(&rows);
    return cold->link.why[0] == '\0' ? STATUS_ok : STATUS_busy;
}

static money_total total_of(struct slice text) {
    money_total total = 0;
    for (size_t i = 0; i < text.size; i++)
        total = total * 10 + (text.bytes[i] - '0');
    return total;
}

// Whoever hashes says what `why` says.
static enum status read_status(struct engine *engine) {
    return ((struct cold_postgres *)engine)->link.why[0] == '\0' ? STATUS_ok : STATUS_busy;
}

static uint32_t postgres_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                    uint32_t count_max) {
    struct cold_postgres *cold = (struct cold_postgres *)engine;
    struct rows rows;
    uint32_t count = 0;
    rows_open(&rows, &cold->link, "currencies_to_hash",
              "SELECT code::bytea, exponent::bigint, wallet_count, deposits::text::bytea, "
              "withdrawals::text::bytea FROM currencies ORDER BY number");
    for (; rows.is_there && count < count_max; rows_next(&rows)) {
        struct currency_account *account = &ret_accounts[count++];
        struct slice code = rows_bytes(&rows, 0);
        *account = (struct currency_account){.wallet_count = (uint32_t)rows_number(&rows, 2),
                                             .deposits = total_of(rows_bytes(&rows, 3)),
                                             .withdrawals = total_of(rows_bytes(&rows, 4))};
        CHECK(code.size <= sizeof(account->currency.code));
        memcpy(account->currency.code, code.bytes, code.size);
        account->currency.exponent = (uint8_t)rows_number(&rows, 1);
    }
    rows_close(&rows);
    return read_status(engine) == STATUS_ok ? count : ENGINE_UNREAD;
}

static enum status postgres_wallets(struct engine *engine,
                                    void (*each)(void *context, const struct wallet *wallet),
                                    void *context) {
    struct rows rows;
    rows_open(&rows, &((struct cold_postgres *)engine)->link, "wallets_to_hash",
              "SELECT id, currency::bigint, kind::bigint, status::bigint, balance, held, "
              "credit_limit, version, tier::bigint FROM wallets");
    for (; rows.is_there; rows_next(&rows))
        each(context, &(struct wallet){.id = rows_id(&rows, 0),
                                       .currency = (uint16_t)rows_number(&rows, 1),
                                       .kind = rows_number(&rows, 2) & 15,
                                       .tier = rows_number(&rows, 8) & 15,
                                       .status = (uint8_t)rows_number(&rows, 3),
                                       .balance = rows_number(&rows, 4),
                                       .held = rows_number(&rows, 5),
                                       .credit_limit = rows_number(&rows, 6),
                                       .version = (uint64_t)rows_number(&rows, 7)});
    rows_close(&rows);
    return read_status(engine);
}

static enum status postgres_habits(struct engine *engine,
                                   void (*each)(void *context,
                                                struct id wallet, const struct habits *habits),
                                   void *context) {
    struct rows rows;
    rows_open(&rows, &((struct cold_postgres *)engine)->link, "habits_to_hash",
              "SELECT id, habits FROM wallets WHERE habits IS NOT NULL");
    for (; rows.is_there; rows_next(&rows)) {
        struct habits habits = habits_of_bytes(rows_bytes(&rows, 1));
        each(context, rows_id(&rows, 0), &habits);
    }
    rows_close(&rows);
    return read_status(engine);
}

static enum status postgres_holds(struct engine *engine,
                                  void (*each)(void *context, const struct hold *hold),
                                  void *context) {
    struct rows rows;
    rows_open(&rows, &((struct cold_postgres *)engine)->link, "holds_to_hash",
              "SELECT id, wallet, merchant, amount, captured, expires_at_ms, status::bigint "
              "FROM holds");
    for (; rows.is_there; rows_next(&rows))
        each(context, &(struct hold){.id = rows_id(&rows, 0),
                                     .wallet = rows_id(&rows, 1),
                                     .merchant = rows_id(&rows, 2),
                                     .amount = rows_number(&rows, 3),
                                     .captured = rows_number(&rows, 4),
                                     .expires_at_ms = (uint64_t)rows_number(&rows, 5),
                                     .status = (uint8_t)rows_number(&rows, 6)});
    rows_close(&rows);
    return read_status(engine);
}

static enum status postgres_withdrawals(struct engine *engine,
                                        void (*each)(void *context,
                                                     const struct withdrawal *withdrawal),
                                        void *context) {
    struct rows rows;
    rows_open(&rows, &((struct cold_postgres *)engine)->link, "withdrawals_to_hash",
              "SELECT id, wallet, amount, status::bigint FROM withdrawals");
    for (; rows.is_there; rows_next(&rows))
        each(context, &(struct withdrawal){.id = rows_id(&rows, 0),
                                           .wallet = rows_id(&rows, 1),
                                           .amount = rows_number(&rows, 2),
                                           .status = (uint8_t)rows_number(&rows, 3)});
    rows_close(&rows);
    return read_status(engine);
}

static const struct engine_port postgres_port = {
    .feed = postgres_feed,
    .published_end = cold_end,
    .currencies = postgres_currencies,
    .wallets = postgres_wallets,
    .habits = postgres_habits,
    .holds = postgres_holds,
    .withdrawals = postgres_withdrawals,
};

enum status cold_postgres_hash(const char *url, char *ret_why, struct state_hash *ret_hash) {
    struct cold_postgres *cold = memory_take_zeroed(sizeof(*cold));
    cold->engine.port = &postgres_port;
    enum status status = STATUS_busy;
    if (rows_link_open(&cold->link, url))
        status = state_hash_make(&cold->engine, false, ret_hash);
    if (cold->link.why[0] != '\0') {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", cold->link.why);
        status = STATUS_busy;
    }
    rows_link_close(&cold->link);
    memory_free(cold);
    return status;
}
