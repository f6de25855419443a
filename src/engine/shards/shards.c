// SPDX-License-Identifier: MIT
// Opens the shards one after the other, and closes them again.
#include "engine/shards/shards.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/postgres/crossing/transit.h"
#include "engine/shards/shards_books.h"

#define FOLDER_BYTES  4096
#define CLOSE_TURN_NS UINT64_C(10000000)

static uint32_t shards_parts(struct engine *engine, struct engine **ret_parts,
                             uint32_t count_max) {
    struct shards *shards = shards_of(engine);
    uint32_t count = shards->count < count_max ? shards->count : count_max;
    for (uint32_t i = 0; i < count; i++)
        ret_parts[i] = shards->parts[i];
    return shards->count;
}

static void shards_free(struct shards *shards) {
    if (shards->carrier != NULL)
        shard_carrier_close(shards->carrier);
    shards_free_flights(shards);
    transit_close(shards->transit);
    for (uint32_t i = 0; i < shards->count; i++)
        memory_free(shards->folders[i]);
    (void)pthread_mutex_destroy(&shards->transit_lock);
    (void)pthread_mutex_destroy(&shards->lock);
    memory_free(shards);
}

static void finish_flights(struct shards *shards, uint64_t wait_ns) {
    struct inbox_node *node = inbox_take_all(&shards->inbox, wait_ns);
    while (node != NULL) {
        struct flight *flight = (struct flight *)node;
        node = node->next;
        flight_finish(flight);
    }
}

// What is under way is answered: first the keeper goes, then the shards, whose last rounds nobody
// has to keep any more.
static void shards_close(struct engine *engine) {
    struct shards *shards = shards_of(engine);
    signal_gate_publish(&shards->stop, 1);
    if (shards->has_keeper)
        CHECK(pthread_join(shards->keeper, NULL) == 0);
    // What the resolver waits for comes back to a keeper that is not there any more.
    while (shards->has_resolver && !__atomic_load_n(&shards->resolver_is_over, __ATOMIC_ACQUIRE))
        finish_flights(shards, CLOSE_TURN_NS);
    if (shards->has_resolver)
        CHECK(pthread_join(shards->resolver, NULL) == 0);
    for (uint32_t i = 0; i < shards->count; i++)
        cross_close(shards->crosses[i]);
    for (uint32_t i = 0; i < shards->count; i++)
        if (shards->parts[i] != NULL)
            shards->parts[i]->port->close(shards->parts[i]);
    finish_flights(shards, 0);
    shards_free(shards);
}

static void *shards_stand_still(struct engine *engine) {
    return shard_still_begin(shards_of(engine)->places, shards_of(engine)->count);
}

static void shards_move_on(void *still) {
    shard_still_end(still);
}

static const struct engine_port shards_port = {
    .submit = shards_submit,
    .lane = shards_lane,
    .list = shards_list,
    .balance_at = shards_balance_at,
    .owns = shards_owns,
    .read = shards_read,
    .feed = shards_feed,
    .published_end = shards_end,
    .wallets = shards_wallets,
    .habits = shards_habits,
    .holds = shards_holds,
    .withdrawals = shards_withdrawals,
    .currencies = shards_currencies,
    .find_key = shards_find_key,
    .key_by_id = shards_key_by_id,
    .stats = shards_stats,
    .parts = shards_parts,
    .whole = shards_whole,
    .stand_still = shards_stand_still,
    .move_on = shards_move_on,
    .in_flight = shards_in_flight,
    .close = shards_close,
};

bool shards_is_new(struct engine *engine) {
    CHECK(engine->port == &shards_port);
    return postgres_is_new(shards_part(shards_of(engine), 0));
}

// ---- opening ------------------------------------------------------------------------------------

static enum status open_part(struct shards *shards, const struct shards_options *options,
                             uint32_t place, char *ret_why, size_t why_bytes) {
    char *folder = memory_take(FOLDER_BYTES), why[512] = "";
    const struct shard_place *shard = &options->places[place];
    struct postgres_options each = *options->each;
    shards->folders[place] = folder;
    bool is_kept = options->folder != NULL;
    int size = snprintf(folder, FOLDER_BYTES, "%s/shard-%s", is_kept ? options->folder : "",
                        shard->name);
    if (size < 0 || (size_t)size >= FOLDER_BYTES ||
        (is_kept && mkdir(folder, 0700) != 0 && errno != EEXIST)) {
        (void)snprintf(ret_why, why_bytes, "the folder shard-%s cannot be made: %s", shard->name,
                       strerror(errno));
        return STATUS_disk_failed;
    }
    each.url = shard->url;
    each.shard = shard->name;
    each.folder = is_kept ? folder : NULL;
    each.replicas = shard->replicas;
    each.replica_count = shard->replica_count;
    each.cache_wallets = (each.cache_wallets + options->count - 1) / options->count;
    enum status status = postgres_open(&each, why, sizeof(why), &shards->parts[place]);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes, "the shard \"%s\": %s", shard->name, why);
    return status;
}

// By what positions tell shards apart; never 0, which is the only server of other books.
static uint32_t tag_of(const char *name) {
    uint32_t tag = (uint32_t)hash64(slice_of_text(name), 0);
    return tag == 0 ? 1 : tag;
}

static enum status tag_all(struct shards *shards, char *ret_why, size_t why_bytes) {
    for (uint32_t i = 0; i < shards->count; i++) {
        shards->tags[i] = tag_of(shards->places[i].name);
        for (uint32_t k = 0; k < i; k++) {
            if (shards->tags[k] != shards->tags[i])
                continue;
            (void)snprintf(ret_why, why_bytes,
                           "the names of the shards \"%s\" and \"%s\" have the same hash: give one "
                           "of them another name",
                           shards->places[k].name, shards->places[i].name);
            return STATUS_invalid_request;
        }
    }
    return STATUS_ok;
}

// Amounts would mean another thing on each shard.
static enum status judge_currencies(const struct shards *shards, char *ret_why,
                                    size_t why_bytes) {
    struct currency_account *all = memory_take_zeroed(2 * LIMIT_CURRENCIES_MAX * sizeof(*all));
    struct currency_account *other = all + LIMIT_CURRENCIES_MAX;
    uint32_t count = shards->parts[0]->port->currencies(shards->parts[0], all,
                                                        LIMIT_CURRENCIES_MAX);
    enum status status = STATUS_ok;
    for (uint32_t i = 1; i < shards->count; i++) {
        uint32_t others = shards->parts[i]->port->currencies(shards->parts[i], other,
                                                             LIMIT_CURRENCIES_MAX);
        if (count == ENGINE_UNREAD || others == ENGINE_UNREAD) {
            (void)snprintf(ret_why, why_bytes, "the currencies of a shard cannot be read");
            status = STATUS_busy;
            break;
        }
        for (uint32_t k = 0; k < others * count; k++) {
            const struct currency *one = &all[k % count].currency;
            const struct currency *two = &other[k / count].currency;
            if (strncmp(one->code, two->code, sizeof(one->code)) != 0 ||
                one->exponent == two->exponent)
                continue;
            (void)snprintf(ret_why, why_bytes, "%.12s has another exponent on another shard",
                           one->code);
            status = STATUS_invalid_request;
        }
    }
    memory_free(all);
    return status;
}

// Books have one answer to when they began to be encrypted, whichever shard an owner is on.
static enum status join_texts(struct shards *shards) {
    uint64_t newest_ms = 0;
    bool any = false;
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < shards->count; i++) {
        uint64_t plain_until_ms = postgres_plain_until(shards->parts[i]);
        postgres_join(shards->parts[i], shards->parts, shards->count);
        newest_ms = plain_until_ms > newest_ms ? plain_until_ms : newest_ms;
        any = any || postgres_exchanged_master(shards->parts[i]);
    }
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++)
        if (postgres_plain_until(shards->parts[i]) < newest_ms)
            status = postgres_raise_plain_until(shards->parts[i], newest_ms);
    if (status == STATUS_ok && any)
        log_line(LOG_INFO, "vault",
                 "The data keys of all shards are under the new master key; the old one can be "
                 "destroyed.");
    return status;
}

static enum status open_all(struct shards *shards, const struct shards_options *options,
                            char *ret_why, size_t why_bytes) {
    enum status status = tag_all(shards, ret_why, why_bytes);
    if (status == STATUS_ok)
        status = shards_prepare(options->places, options->count, ret_why, why_bytes);
    for (uint32_t i = 0; i < options->count && status == STATUS_ok; i++)
        status = open_part(shards, options, i, ret_why, why_bytes);
    if (status == STATUS_ok)
        status = judge_currencies(shards, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    shards->engine.seal = shards->parts[0]->seal;
    shards->engine.locator_time_shift = shards->parts[0]->locator_time_shift;
    shards->carrier = shard_carrier_open(shards->parts, shards->places, shards->count);
    status = join_texts(shards);
    if (status == STATUS_ok)
        status = shards_read_map(shards);
    if (status == STATUS_ok)
        status = shard_carrier_carry(shards->carrier, shards_owner(shards, 0));
    if (status == STATUS_ok) {
        struct alarm_state alarm = engine_alarm(shards_part(shards, 0));
        engine_alarm_set(&shards->engine, &alarm);
    }
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes, "a shard was there and is away again");
    return status;
}

static void warn(void *context, const char *sentence) {
    (*(uint32_t *)context)++;
    log_line(LOG_WARNING, "shards", "%s", sentence);
}

static void judge_servers(struct shards *shards) {
    for (uint32_t i = 0; i < shards->count; i++) {
        uint32_t told = 0;
        shard_judge_servers(&shards->places[i], warn, &told);
        shards->unsafe += told != 0;
    }
}

enum status shards_open(const struct shards_options *options, char *ret_why, size_t why_bytes,
                        struct engine **ret_engine) {
    CHECK(options->count >= 2 && options->count <= SHARDS_MAX);
    struct shards *shards = memory_take_zeroed(sizeof(*shards));
    shards->engine.port = &shards_port;
    shards->count = options->count;
    memcpy(shards->places, options->places, options->count * sizeof(*options->places));
    memset(shards->owners, SHARD_NOBODY, sizeof(shards->owners));
    inbox_init(&shards->inbox);
    signal_gate_init(&shards->stop, 0, 0);
    CHECK(pthread_mutex_init(&shards->lock, NULL) == 0);
    CHECK(pthread_mutex_init(&shards->transit_lock, NULL) == 0);
    enum status status = open_all(shards, options, ret_why, why_bytes);
    if (status != STATUS_ok) {
        shards_close(&shards->engine);
        return status;
    }
    judge_servers(shards);
    for (uint32_t i = 0; i < shards->count; i++)
        shards->crosses[i] = cross_open(shards, i);
    shards->transit = transit_open(shards->parts, shards->places, shards->count);
    thread_start(&shards->resolver, "resolver", shards_resolver, shards);
    shards->has_resolver = true;
    thread_start(&shards->keeper, "shards", shards_keeper, shards);
    shards->has_keeper = true;
    *ret_engine = &shards->engine;
    return STATUS_ok;
}
