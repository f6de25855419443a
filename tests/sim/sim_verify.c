// SPDX-License-Identifier: MIT
// What a life finds must be what the log knows: through retries, through reads, through the feed,
// through lists and indexes, and against a replay of the whole journal.
#include "base/check.h"
#include "base/memory.h"
#include "sim.h"

static const struct sim_operation *operation_at(const struct sim_world *world, uint32_t index) {
    return &world->shared->operations[index];
}

static bool is_done(const struct sim_operation *operation) {
    return operation->state == SIM_KNOWN && operation->status == STATUS_ok;
}

// Those in flight when the power failed are asked again: from now on they are known. Of the others
// the latest and some of any age must answer as they did.
static void ask_again(struct sim_world *world) {
    uint32_t count = world->shared->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_operation *operation = operation_at(world, i);
        if (operation->state == SIM_FREE || operation->batch != i)
            continue;
        bool is_recent = i + 400 > count;
        if (operation->state == SIM_ISSUED || is_recent || sim_below(&world->random, 20) == 0) {
            world->shared->verified += operation->state == SIM_KNOWN;
            sim_submit(world, i);
        }
    }
}

// ---- reads of what is now

struct reading {
    struct command commands[SIM_OPERATIONS_MAX / 4];
    struct outcome outcomes[SIM_OPERATIONS_MAX / 4];
    uint32_t indexes[SIM_OPERATIONS_MAX / 4];
    uint32_t count;
};

static void read_add(struct reading *reading, const struct sim_world *world, uint32_t index,
                     enum command_type type) {
    CHECK(reading->count < SIM_OPERATIONS_MAX / 4);
    reading->indexes[reading->count] = index;
    reading->commands[reading->count++] =
        (struct command){.type = (uint8_t)type, .subject = operation_at(world, index)->id};
}

static void check_brief_hold(struct sim_world *world, uint32_t index, const struct hold *hold,
                             struct sim_model *model) {
    struct sim_operation *operation = &world->shared->operations[index];
    if (hold->status != HOLD_OPEN && hold->status != HOLD_EXPIRED)
        sim_fail(world, "the brief hold %u is %s", index,
                 hold_status_name((enum hold_status)hold->status));
    if (operation->over && hold->status == HOLD_OPEN)
        sim_fail(world, "the hold %u was over and is open again", index);
    if (hold->status == HOLD_EXPIRED) {
        operation->over = true;
        model->things[operation->payer].held -= operation->amount;
        model->things[operation->payer].version++;
    }
}

static void check_wallet(const struct sim_world *world, uint32_t index, const struct wallet *wallet,
                         const struct sim_thing *thing) {
    if (wallet->balance != thing->balance || wallet->held != thing->held ||
        wallet->version != thing->version)
        sim_fail(world,
                 "wallet %u has balance %lld, held %lld, version %llu; it should have %lld, %lld, "
                 "%llu",
                 index, (long long)wallet->balance, (long long)wallet->held,
                 (unsigned long long)wallet->version, (long long)thing->balance,
                 (long long)thing->held, (unsigned long long)thing->version);
    if (wallet_spendable(wallet) < 0)
        sim_fail(world, "wallet %u is overdrawn", index);
}

// All in one round, so that all is of one moment.
static void check_reads(struct sim_world *world, struct sim_model *model) {
    struct reading *reading = memory_take(sizeof(*reading));
    reading->count = 0;
    for (uint32_t i = 0; i < world->shared->count; i++)
        if (is_done(operation_at(world, i)) && operation_at(world, i)->brief)
            read_add(reading, world, i, COMMAND_READ_HOLD);
    uint32_t briefs = reading->count;
    for (uint32_t i = 0; i < world->shared->count; i++)
        if (is_done(operation_at(world, i)) && operation_at(world, i)->type == COMMAND_WALLET_OPEN)
            read_add(reading, world, i, COMMAND_READ_WALLET);
    struct submission submission = {
        .commands = reading->commands, .outcomes = reading->outcomes, .count = reading->count};
    if (reading->count != 0)
        sim_submit_commands(world, &submission);
    for (uint32_t i = 0; i < reading->count; i++) {
        uint32_t index = reading->indexes[i];
        if (reading->outcomes[i].status != STATUS_ok)
            sim_fail(world, "what operation %u made is gone", index);
        if (i < briefs)
            check_brief_hold(world, index, &reading->outcomes[i].hold, model);
        else
            check_wallet(world, index, &reading->outcomes[i].wallet, &model->things[index]);
    }
    memory_free(reading);
}

static void check_totals(const struct sim_world *world, const struct sim_model *model) {
    struct currency_account account = {.deposits = 0};
    struct engine_stats stats;
    money_total sum = 0;
    (void)world->engine->port->currencies(world->engine, &account, 1);
    world->engine->port->stats(world->engine, &stats);
    if (account.deposits != model->deposits || account.withdrawals != model->withdrawals)
        sim_fail(world, "the totals of the currency differ");
    if (stats.transaction_count != model->transactions)
        sim_fail(world, "there are %llu transactions, there should be %llu",
                 (unsigned long long)stats.transaction_count,
                 (unsigned long long)model->transactions);
    for (uint32_t i = 0; i < world->shared->count; i++)
        if (operation_at(world, i)->type == COMMAND_WALLET_OPEN)
            sum += model->things[i].balance;
    if (sum != account.deposits - account.withdrawals)
        sim_fail(world, "the sum over all accounts is not zero");
}

// ---- the feed

struct feeding {
    struct sim_world *world;
    uint8_t *seen; // by operation
    uint64_t versions[SIM_WALLETS_MAX];
    struct id wallets[SIM_WALLETS_MAX];
    uint32_t wallet_count;
    uint64_t transactions, time_ms, position;
};

// Each committed change of a wallet grows its version by one, in the order of the feed.
static void feed_version(struct feeding *feeding, struct id wallet, uint64_t version) {
    uint32_t i = 0;
    if (id_is_zero(wallet))
        return;
    while (i < feeding->wallet_count && !id_equal(feeding->wallets[i], wallet))
        i++;
    CHECK(i < SIM_WALLETS_MAX);
    if (i == feeding->wallet_count) {
        feeding->wallets[feeding->wallet_count++] = wallet;
        feeding->versions[i] = 0;
    }
    if (version != feeding->versions[i] + 1)
        sim_fail(feeding->world, "the feed goes from a wallet's version %llu to %llu",
                 (unsigned long long)feeding->versions[i], (unsigned long long)version);
    feeding->versions[i] = version;
}

static bool feed_each(void *context, const struct feed_record *bytes) {
    struct feeding *feeding = context;
    struct record record;
    const char *why;
    if (record_decode(bytes->bytes, &record, &why) != STATUS_ok)
        sim_fail(feeding->world, "a record of the feed does not hold: %s", why);
    if (bytes->position <= feeding->position || record.time_ms < feeding->time_ms)
        sim_fail(feeding->world, "the feed goes back");
    feeding->position = bytes->position;
    feeding->time_ms = record.time_ms;
    if (record.kind == RECORD_TRANSACTION) {
        feeding->transactions++;
        feed_version(feeding, record.transaction.debit.wallet, record.transaction.debit.version);
        feed_version(feeding, record.transaction.credit.wallet, record.transaction.credit.version);
    }
    if (record.kind == RECORD_WALLET)
        feed_version(feeding, record.wallet.id, record.wallet.version);
    if (record.kind == RECORD_HOLD)
        feed_version(feeding, record.hold.wallet, record.hold.wallet_version);
    if (record.kind == RECORD_WITHDRAWAL)
        feed_version(feeding, record.withdrawal.wallet, record.withdrawal.wallet_version);
    if (record.has_key) {
        // The record that answered an operation is found by its bytes.
        struct digest128 digest = hash128(bytes->bytes, 0);
        for (uint32_t i = 0; i < feeding->world->shared->count; i++)
            if (digest128_equal(operation_at(feeding->world, i)->answer, digest))
                feeding->seen[i]++;
    }
    return true;
}

static void check_feed(struct sim_world *world, const struct sim_model *model) {
    struct feeding feeding = {.world = world, .seen = memory_take_zeroed(SIM_OPERATIONS_MAX)};
    uint64_t next = 0, before;
    do {
        before = next;
        (void)world->engine->port->feed(world->engine, next, 1 << 20, feed_each, &feeding, &next);
    } while (next != before);
    if (feeding.transactions != model->transactions)
        sim_fail(world, "the feed has %llu transactions, there should be %llu",
                 (unsigned long long)feeding.transactions, (unsigned long long)model->transactions);
    for (uint32_t i = 0; i < world->shared->count; i++) {
        const struct sim_operation *operation = operation_at(world, i);
        if (operation->state == SIM_KNOWN && operation->batch == i && operation->batch_count == 0 &&
            feeding.seen[i] != 1)
            sim_fail(world, "the feed has the record of operation %u %u times", i, feeding.seen[i]);
    }
    memory_free(feeding.seen);
}

// ---- lists and indexes

static struct list_query query_of(enum list_kind kind) {
    return (struct list_query){.kind = kind,
                               .wallet_kind = -1,
                               .status = -1,
                               .type = -1,
                               .to_ms = UINT64_MAX,
                               .limit = 50};
}

// Counts what a query finds, over all pages; the id of the last item found is in `ret_id`.
static uint32_t list_count(struct sim_world *world, struct list_query query, struct id *ret_id) {
    uint32_t found = 0;
    do {
        struct page page = {0};
        arena_init(&page.arena, 4096);
        enum status status = world->engine->port->list(world->engine, &query, &page);
        if (status != STATUS_ok)
            sim_fail(world, "a list answers %s", status_name(status));
        for (uint32_t i = 0; i < page.item_count; i++) {
            struct record record;
            const char *why;
            if (record_decode(page.items[i].outcome.record, &record, &why) != STATUS_ok)
                sim_fail(world, "a listed record does not hold: %s", why);
            *ret_id = record.kind == RECORD_WALLET ? record.wallet.id : record.transaction.id;
        }
        found += page.item_count;
        query.cursor = page.next_cursor;
        arena_done(&page.arena);
    } while (query.cursor != 0);
    return found;
}

static void check_indexed(struct sim_world *world, uint32_t index) {
    const struct sim_operation *operation = operation_at(world, index);
    struct command command = sim_command(world, index);
    struct list_query query = query_of(LIST_TRANSACTIONS);
    uint32_t expected = 1;
    struct id id = {{0}};
    if (operation->type == COMMAND_PURCHASE) {
        query.order = command.order;
        expected = 0;
        for (uint32_t i = 0; i < world->shared->count; i++) {
            const struct sim_operation *other = operation_at(world, i);
            // A capture belongs to the order of its hold.
            uint32_t order = other->type == COMMAND_CAPTURE ? other->about : i;
            expected += (other->type == COMMAND_PURCHASE || other->type == COMMAND_CAPTURE) &&
                        is_done(other) && order / 4 == index / 4;
        }
    } else if (operation->type == COMMAND_WALLET_OPEN) {
        query = query_of(LIST_WALLETS);
        query.owner = command.owner;
    } else if (command.bank_id.size != 0) {
        query.bank_id = command.bank_id;
    } else {
        return;
    }
    uint32_t found = list_count(world, query, &id);
    if (found != expected ||
        (operation->type == COMMAND_WALLET_OPEN && !id_equal(id, operation->id)))
        sim_fail(world, "the index finds operation %u (%s) %u times instead of %u", index,
                 command_type_name((enum command_type)operation->type), found, expected);
}

static void check_lists(struct sim_world *world, const struct sim_model *model) {
    uint32_t count = world->shared->count;
    for (int i = 0; i < 60 && count > 0; i++) {
        uint32_t index = (uint32_t)sim_below(&world->random, count);
        if (i < 30 && count > 200)
            index = count - 1 - index % 200;
        if (is_done(operation_at(world, index)))
            check_indexed(world, index);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct list_query query = query_of(LIST_TRANSACTIONS);
        struct id id;
        if (operation_at(world, i)->type != COMMAND_WALLET_OPEN || !is_done(operation_at(world, i)))
            continue;
        query.wallet = operation_at(world, i)->id;
        uint32_t found = list_count(world, query, &id);
        if (found != model->things[i].transactions)
            sim_fail(world, "the history of wallet %u has %u transactions instead of %u", i, found,
                     model->things[i].transactions);
    }
}

void sim_verify(struct sim_world *world) {
    struct sim_model model;
    ask_again(world);
    sim_model_make(world, &model);
    check_reads(world, &model);
    check_totals(world, &model);
    check_feed(world, &model);
    check_lists(world, &model);
    sim_model_done(&model);
}
