// SPDX-License-Identifier: MIT
// The worker's thread: waits until the topics are as they must be, joins the group, and turns
// batches until the house is taken down.
#include "queue/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "queue/letter.h"
#include "queue/partition.h"
#include "queue/proof.h"
#include "queue/worker_private.h"

#define POLL_MS      50
#define CONSUMED_MAX 16 // at once: each may be an atomic batch, and becomes much larger
#define LOOK_MS      3000
#define FLOWS_NS     UINT64_C(10000000000)
#define RETRY_NS     UINT64_C(1000000000)
#define ENDS_NS      UINT64_C(2000000000)
#define ENDS_WAIT_MS 500
#define SETTLE_NS    UINT64_C(30000000000) // idle slots are moved along, or looked at, this often

bool worker_is_stopping(const struct worker *worker) {
    return signal_gate_sequence(&worker->stop) != 0;
}

void worker_pause(struct worker *worker, uint64_t ns) {
    (void)signal_gate_wait(&worker->stop, 1, ns);
}

void worker_keep_stopped(struct worker *worker, uint32_t partition, const char *why) {
    struct worker_partition *own = &worker->partitions[partition];
    own->stopped = true;
    own->trial_ns = 0;
    (void)snprintf(own->why, sizeof(own->why), "%s", why);
    if (worker->consumer != NULL)
        kafka_consumer_pause(worker->consumer, (int32_t)partition, true);
    worker->partitions[partition].look_ns = 0;
    worker->partitions[partition].epochs = 0;
}

void worker_stop_partition(struct worker *worker, uint32_t partition, const char *why) {
    worker_keep_stopped(worker, partition, why);
    log_line(LOG_ERROR, "queue", "ALARM: partition %u of %s stops: %s. See docs/kafka.md.",
             partition, worker->commands_name, why);
}

static void failed(void *context, int32_t partition, const char *why) {
    struct worker *worker = context;
    if (partition < 0) {
        log_line(LOG_ERROR, "queue", "The group of workers: %s", why);
        return;
    }
    if (worker->partitions[partition].ours && !worker->partitions[partition].stopped)
        worker_suspend_partition(worker, (uint32_t)partition, why); // a look tells what it is
}

// ---- stats ------------------------------------------------------------------------------------

// About how old the oldest record is that waits. One that comes right behind the last one seen is
// hardly older; one that nobody comes to is at least as old as its waiting.
static uint64_t age_ms(const struct worker_partition *own) {
    uint64_t now_ms = clock_now_ms(), now_ns = clock_monotonic_ns();
    uint64_t waits_ms = (now_ns - own->behind_ns) / 1000000;
    bool flows = own->seen_ns != 0 && now_ns - own->seen_ns < FLOWS_NS;
    uint64_t behind_ms = own->time_ms != 0 && own->time_ms < now_ms ? now_ms - own->time_ms : 0;
    return flows && behind_ms != 0 ? behind_ms : waits_ms;
}

// By partitions, each before its slots. Under the lock.
static void note_stops(struct worker *worker) {
    worker->stop_count = 0;
    for (uint32_t i = 0; i < worker->reader.partitions; i++) {
        const struct worker_partition *own = &worker->partitions[i];
        bool is_alarm = own->stopped || own->trial_ns != 0;
        if (own->ours && is_alarm && worker->stop_count < WORKER_STOPS_MAX) {
            struct worker_stop *stop = &worker->stops[worker->stop_count++];
            *stop = (struct worker_stop){.partition = i, .slot = LIMIT_SLOTS, .record = -1};
            memcpy(stop->why, own->why, sizeof(stop->why));
        }
        for (uint32_t slot = 0; own->ours && slot < LIMIT_SLOTS; slot++) {
            const struct worker_slot *one = &worker->slots[slot];
            if (one->partition != i || !one->stopped || worker->stop_count == WORKER_STOPS_MAX)
                continue;
            worker->stops[worker->stop_count++] =
                (struct worker_stop){.partition = i,
                                     .slot = slot,
                                     .record = one->stopped_at,
                                     .why = "the engine cannot carry this record out"};
        }
    }
}

uint32_t worker_stops(struct worker *worker, struct worker_stop ret_stops[WORKER_STOPS_MAX]) {
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    uint32_t count = worker->stop_count;
    memcpy(ret_stops, worker->stops, count * sizeof(*ret_stops));
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
    return count;
}

// What waits in partitions of which nothing is read: no fetch tells.
static void look_at_ends(struct worker *worker) {
    int32_t partitions[KAFKA_PARTITIONS_MAX];
    int64_t ends[KAFKA_PARTITIONS_MAX];
    uint32_t count = 0;
    uint64_t now_ns = clock_monotonic_ns();
    if (worker->consumer == NULL || now_ns - worker->ends_ns < ENDS_NS)
        return;
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours && worker->partitions[i].begun &&
            (worker->waits || worker->partitions[i].stopped))
            partitions[count++] = (int32_t)i;
    worker->ends_ns = now_ns;
    if (count == 0 || kafka_consumer_ends(worker->consumer, partitions, count, ENDS_WAIT_MS,
                                          ends) != STATUS_ok)
        return;
    for (uint32_t i = 0; i < count; i++)
        worker->partitions[partitions[i]].end = ends[i];
}

static uint64_t older(uint64_t one_ms, uint64_t other_ms) {
    return one_ms > other_ms ? one_ms : other_ms;
}

void worker_note(struct worker *worker) {
    uint64_t ours = 0, lag = 0, oldest = 0, stopped = 0, waits = 0;
    look_at_ends(worker);
    for (uint32_t i = 0; i < worker->reader.partitions; i++) {
        struct worker_partition *own = &worker->partitions[i];
        int64_t high;
        if (!own->ours)
            continue;
        ours++;
        stopped += own->stopped || own->trial_ns != 0;
        if (!kafka_consumer_high(worker->consumer, (int32_t)i, &high) || high < own->end)
            high = own->end;
        lag += own->waiting;
        uint64_t since_ns =
            own->waits_since_ns != 0 ? own->waits_since_ns : own->waited_since_ns;
        if (since_ns != 0)
            oldest = older(oldest, (clock_monotonic_ns() - since_ns) / 1000000);
        if (high <= (int64_t)own->consumed) {
            own->waited_since_ns = 0; // it is over, or waits_since_ns tells
            own->behind_ns = 0;
            continue;
        }
        if (own->behind_ns == 0)
            own->behind_ns = clock_monotonic_ns();
        lag += (uint64_t)high - own->consumed;
        oldest = older(oldest, age_ms(own));
    }
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct worker_partition *own = &worker->partitions[worker->slots[slot].partition];
        stopped += own->ours && worker->slots[slot].stopped;
        waits += own->ours && worker->slots[slot].waits;
    }
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    worker->stats.partitions = ours;
    worker->stats.lag = lag;
    worker->stats.oldest_ms = oldest;
    worker->stats.stopped = stopped;
    worker->stats.waits = waits;
    if (stopped != 0 || worker->stop_count != 0)
        note_stops(worker);
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
}

void worker_stats(struct worker *worker, struct worker_stats *ret_stats) {
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    *ret_stats = worker->stats;
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
}

// ---- the thread -------------------------------------------------------------------------------

// Whose topic it is must be in the books: what time can cure is no dead letter.
static enum status look_for_owner(struct worker *worker, char *ret_why, size_t why_bytes) {
    struct id id;
    struct key key;
    bool live;
    if (worker->principal[0] == '\0')
        return STATUS_ok;
    if (id_parse(ID_KEY, slice_of_text(worker->principal), &id) &&
        worker->engine->port->key_by_id(worker->engine, id, clock_now_ms(), &key, &live))
        return STATUS_ok;
    (void)snprintf(ret_why, why_bytes, "%s, whose topic %s is, is no key of these books.",
                   worker->principal, worker->commands_name);
    return STATUS_invalid_request;
}

// Until both topics are as they must be. False: the house is taken down before.
static bool wait_for_topics(struct worker *worker) {
    const struct topic_wish *wishes[] = {&worker->commands, &worker->dead_letters};
    char why[KAFKA_WHY_BYTES] = "", said[KAFKA_WHY_BYTES] = "";
    struct kafka_topic_facts facts;
    for (int i = 0; i < 2 && !worker_is_stopping(worker);) {
        enum status status =
            topic_ensure(worker->producer, wishes[i], LOOK_MS, &facts, why, sizeof(why));
        if (status == STATUS_ok && i == 0) // whatever it takes must find room in a letter
            worker->dead_letters.record_bytes_min = facts.record_bytes_max + LETTER_BYTES_MORE;
        if (status == STATUS_ok && i == 0)
            status = kafka_source(worker->producer, worker->commands_name, LOOK_MS,
                                  &worker->source);
        if (status == STATUS_ok)
            status = look_for_owner(worker, why, sizeof(why));
        if (status == STATUS_ok) {
            i++;
            continue;
        }
        if (strcmp(why, said) != 0)
            log_line(status == STATUS_busy ? LOG_WARNING : LOG_ERROR, "queue",
                     "%sNo command is carried out: %s", status == STATUS_busy ? "" : "ALARM: ",
                     why);
        memcpy(said, why, sizeof(said));
        (void)kafka_producer_poll(worker->producer, 0);
        worker_pause(worker, RETRY_NS);
    }
    return !worker_is_stopping(worker);
}

static bool join_group(struct worker *worker) {
    char why[KAFKA_WHY_BYTES];
    struct kafka_member member = {.context = worker,
                                  .session_ms = worker->session_ms,
                                  .assigned = worker_assigned,
                                  .revoked = worker_revoked,
                                  .failed = failed};
    if (kafka_consumer_open(&worker->access, worker->group, worker->commands_name, QUEUE_VERSION,
                            &member, why, sizeof(why), &worker->consumer) == STATUS_ok)
        return true;
    log_line(LOG_ERROR, "queue", "ALARM: no command is carried out: %s", why);
    return false;
}

static void settle_all(struct worker *worker) {
    for (uint32_t i = 0; i < worker->reader.partitions; i++) {
        worker_settle(worker, i);
        worker_look_at_settled(worker, i);
    }
    worker->settled_ns = clock_monotonic_ns();
}

void worker_add(struct worker *worker, const struct kafka_record *record) {
    CHECK(worker->item_count < WORKER_BATCH_MAX);
    worker->items[worker->item_count++].record = *record;
}

static void turn(struct worker *worker) {
    struct kafka_record records[WORKER_BATCH_MAX];
    size_t bytes = 0;
    uint32_t wait_ms = worker->held_count != 0 ? 0 : POLL_MS;
    for (uint32_t i = 0; i < worker->held_count; i++)
        worker_add(worker, &worker->held[i]);
    worker->held_count = 0;
    while (worker->item_count < WORKER_BATCH_MAX && bytes < WORKER_BATCH_BYTES) {
        uint32_t most = WORKER_BATCH_MAX - worker->item_count;
        uint32_t some = kafka_consume(worker->consumer, wait_ms, records,
                                      most < CONSUMED_MAX ? most : CONSUMED_MAX);
        for (uint32_t i = 0; i < some; i++) {
            bytes += records[i].value.size;
            worker_add(worker, &records[i]);
        }
        wait_ms = 0;
        if (some == 0)
            break;
    }
    if (worker->item_count != 0)
        worker_batch(worker);
    (void)kafka_producer_poll(worker->producer, 0);
    if (clock_monotonic_ns() - worker->settled_ns > SETTLE_NS)
        settle_all(worker);
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        worker_look_again(worker, i);
    worker_look_at_group(worker);
    worker_note(worker);
}

static void *run(void *context) {
    struct worker *worker = context;
    if (!wait_for_topics(worker) || !join_group(worker))
        return NULL;
    worker->settled_ns = clock_monotonic_ns();
    while (!worker_is_stopping(worker))
        turn(worker);
    for (uint32_t i = 0; i < worker->held_count; i++)
        kafka_record_done(&worker->held[i]);
    kafka_consumer_close(worker->consumer); // revokes, which settles
    worker->consumer = NULL;
    return NULL;
}

// ---- opening ----------------------------------------------------------------------------------

static void copy_text(char *place, size_t place_bytes, const char *text) {
    CHECK(strlen(text) < place_bytes);
    memcpy(place, text, strlen(text) + 1);
}

// The consumer is opened later, when the texts of the settings may be gone.
static void copy_access(struct worker *worker, const struct kafka_access *access) {
    const char *const from[] = {access->brokers,  access->security,  access->mechanism,
                                access->username, access->password,  access->ca_file,
                                access->certificate_file, access->key_file, access->key_password};
    const char **const to[] = {&worker->access.brokers,          &worker->access.security,
                               &worker->access.mechanism,        &worker->access.username,
                               &worker->access.password,         &worker->access.ca_file,
                               &worker->access.certificate_file, &worker->access.key_file,
                               &worker->access.key_password};
    worker->access.any_host_name = access->any_host_name;
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        if (from[i] == NULL)
            continue;
        copy_text(worker->texts[i], sizeof(worker->texts[i]), from[i]);
        *to[i] = worker->texts[i];
    }
}

static void prepare(struct worker *worker, const struct worker_options *options) {
    worker->engine = options->engine;
    worker->has_parts = options->engine->port->parts != NULL;
    worker->commands = options->commands;
    worker->dead_letters = options->dead_letters;
    copy_text(worker->commands_name, sizeof(worker->commands_name), options->commands.name);
    copy_text(worker->dead_letters_name, sizeof(worker->dead_letters_name),
              options->dead_letters.name);
    copy_text(worker->group, sizeof(worker->group), options->group);
    worker->places = options->places;
    CHECK(cursor_is_of_commands((uint8_t)worker->places));
    CHECK((options->principal == NULL) == (worker->places == CURSOR_QUEUE));
    if (options->principal != NULL)
        copy_text(worker->principal, sizeof(worker->principal), options->principal);
    worker->commands.name = worker->commands_name;
    worker->dead_letters.name = worker->dead_letters_name;
    copy_access(worker, options->access);
    worker->reader = (struct order_reader){
        .engine = options->engine,
        .topic = worker->commands_name,
        .partitions = options->commands.partitions,
        .node_key = proof_node_key(&options->engine->seal),
        .owner = slice_of_text(worker->principal),
        .arena = &worker->arena,
        .currencies = options->currencies,
        .admit = options->admit,
        .context = options->context,
    };
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        char key[8];
        struct slice text = slice_of(key, partition_key_of_slot(slot, key));
        worker->slots[slot] = (struct worker_slot){
            .partition = partition_of_key(text, options->commands.partitions),
            .first = -1,
            .last = -1};
    }
}

enum status worker_open(const struct worker_options *options, char *ret_why, size_t why_bytes,
                        struct worker **ret_worker) {
    struct worker *worker = memory_take_zeroed(sizeof(*worker));
    prepare(worker, options);
    enum status status = kafka_producer_open(options->access, worker_letter_delivered, worker,
                                             ret_why, why_bytes, &worker->producer);
    if (status != STATUS_ok) {
        memory_free(worker);
        return status;
    }
    worker->items = memory_take_zeroed(WORKER_BATCH_MAX * sizeof(*worker->items));
    worker->reader.parser = json_open();
    arena_init(&worker->arena, 1 << 20);
    signal_gate_init(&worker->stop, 0, 0);
    engine_wait_init(&worker->wait, options->engine);
    CHECK(pthread_mutex_init(&worker->lock, NULL) == 0);
    thread_start(&worker->thread, "worker", run, worker);
    *ret_worker = worker;
    return STATUS_ok;
}

void worker_close(struct worker *worker) {
    if (worker == NULL)
        return;
    signal_gate_publish(&worker->stop, 1);
    CHECK(pthread_join(worker->thread, NULL) == 0);
    kafka_producer_close(worker->producer);
    engine_wait_done(&worker->wait);
    arena_done(&worker->arena);
    json_close(worker->reader.parser);
    memory_free(worker->items);
    explicit_bzero(worker->texts, sizeof(worker->texts));
    explicit_bzero(&worker->reader.node_key, sizeof(worker->reader.node_key));
    (void)pthread_mutex_destroy(&worker->lock);
    memory_free(worker);
}
