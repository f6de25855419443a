// SPDX-License-Identifier: MIT
// The publisher's thread.
//
// Which of several nodes publishes is not agreed on, it is observed: whoever sees the cursor stand
// still although there is something to tell takes it over, and whom that fences stands by. Two that
// publish for a moment make repeats, never gaps, and only one of them can move the cursor.
#include "events/publisher.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/wait.h"
#include "events/event_reader.h"

#define CHUNK_BYTES     (256u * 1024) // of the feed, acknowledged together
#define IDLE_NS         UINT64_C(20000000)
#define RETRY_NS        UINT64_C(500000000)
#define LOOK_NS         UINT64_C(2000000000)
#define LEASE_NS        UINT64_C(10000000000) // a cursor that stands still so long is free
#define POLL_MS         20
#define LOOK_WAIT_MS    1000
#define LOOK_WHILE_WAIT 250 // polls between two looks at the cursor while the broker is away

struct publisher {
    struct engine *engine;
    struct kafka_producer *producer;
    struct topic_wish wish;
    char topic[256];
    bool alone;
    pthread_t thread;
    struct signal_gate stop;
    struct engine_wait wait;

    // The thread's own.
    struct cursor cursor; // as we hold it
    uint64_t read;        // how far the feed is read; cursor.next is how far it is acknowledged
    struct event_reader reader;
    struct feed_source source;
    struct feed_order order;
    uint32_t partitions; // of the topic
    uint32_t failed; // deliveries of this chunk
    uint32_t events; // of this chunk
    bool gave_up;    // the producer was full: the chunk ends here
    bool waits;      // another shard tells something first: likewise
    uint64_t chunk_oldest_ms;

    pthread_mutex_t lock; // stats
    struct publisher_stats stats;
};

static bool is_stopping(const struct publisher *publisher) {
    return signal_gate_sequence(&publisher->stop) != 0;
}

static void pause_ns(struct publisher *publisher, uint64_t ns) {
    (void)signal_gate_wait(&publisher->stop, 1, ns);
}

static struct cursor_wish wish_of(const struct publisher *publisher) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_EVENTS,
                                           .epoch = publisher->cursor.epoch,
                                           .source = publisher->cursor.source,
                                           .partitions = publisher->cursor.partitions}};
}

// ---- one chunk --------------------------------------------------------------------------------

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct publisher *publisher = context;
    (void)ticket, (void)partition, (void)offset;
    if (fate == KAFKA_KEPT)
        return;
    if (publisher->failed++ == 0 && !is_stopping(publisher))
        log_line(LOG_WARNING, "events", "An event was not delivered: %s", why);
}

static bool hand_over(struct publisher *publisher, const struct record *record,
                      uint64_t position) {
    struct cloud_event events[CLOUD_EVENTS_MAX];
    uint32_t count;
    if (event_reader_events(&publisher->reader, record, position, events, &count) != STATUS_ok)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        char key[ID_TEXT_BYTES_MAX];
        struct kafka_message message = {
            .key = id_is_zero(events[i].wallet)
                       ? SLICE("books")
                       : slice_of(key, id_format(ID_WALLET, events[i].wallet, key)),
            .value = events[i].json,
            .headers = {{"content-type", SLICE("application/cloudevents+json")}},
            .header_count = 1,
            .partitions = publisher->partitions};
        kafka_add_trace(&message, record->origin.trace);
        if (kafka_produce(publisher->producer, publisher->topic, &message, NULL) != STATUS_ok)
            return false;
        publisher->events++;
    }
    return true;
}

static bool take_record(void *context, const struct feed_record *found) {
    struct publisher *publisher = context;
    struct record record;
    const char *why;
    enum feed_turn turn = feed_order_judge(&publisher->order, found);
    if (turn == FEED_WAIT) {
        publisher->waits = true;
        return false;
    }
    if (turn == FEED_PASS) {
        publisher->read = found->next;
        return !is_stopping(publisher);
    }
    if (event_reader_decode(&publisher->reader, found, &record, &why) != STATUS_ok) {
        log_line(LOG_ERROR, "events", "The record at %llu of the feed does not decode: %s",
                 (unsigned long long)found->position, why);
        publisher->gave_up = true;
        return false;
    }
    if (publisher->chunk_oldest_ms == 0)
        publisher->chunk_oldest_ms = record.time_ms;
    publisher->gave_up = !hand_over(publisher, &record, found->position);
    if (publisher->gave_up)
        return false;
    publisher->read = found->next;
    return !is_stopping(publisher);
}

static void note(struct publisher *publisher, bool is_publishing) {
    uint64_t end = publisher->engine->port->published_end(publisher->engine);
    bool up = kafka_producer_is_up(publisher->producer);
    uint64_t oldest = publisher->chunk_oldest_ms, now_ms = clock_now_ms();
    CHECK(pthread_mutex_lock(&publisher->lock) == 0);
    publisher->stats.position = publisher->cursor.next;
    publisher->stats.end = end;
    publisher->stats.is_publishing = is_publishing;
    publisher->stats.broker_is_up = up;
    publisher->stats.oldest_ms = oldest == 0 || oldest > now_ms ? 0 : now_ms - oldest;
    CHECK(pthread_mutex_unlock(&publisher->lock) == 0);
}

// Whether the cursor is still ours.
static bool is_ours(struct publisher *publisher) {
    struct cursor_wish wish = wish_of(publisher);
    struct cursor now;
    return engine_wait_cursor(&publisher->wait, COMMAND_READ_CURSOR, &wish, &now) != STATUS_ok ||
           now.epoch == publisher->cursor.epoch;
}

// Until the broker has all of the chunk. False: it is to be told again.
static bool wait_for_broker(struct publisher *publisher) {
    for (uint32_t polls = 1; kafka_producer_pending(publisher->producer) != 0; polls++) {
        (void)kafka_producer_poll(publisher->producer, POLL_MS);
        if (is_stopping(publisher))
            break;
        if (polls % LOOK_WHILE_WAIT != 0)
            continue;
        note(publisher, true);
        if (!is_ours(publisher))
            break;
    }
    if (kafka_producer_pending(publisher->producer) != 0) {
        kafka_producer_purge(publisher->producer);
        return false;
    }
    return publisher->failed == 0;
}

// False: another has taken over.
static bool move_cursor(struct publisher *publisher) {
    struct cursor_wish wish = wish_of(publisher);
    wish.from = publisher->cursor.next;
    wish.cursor.next = publisher->read;
    enum status status = engine_wait_cursor(&publisher->wait, COMMAND_CURSOR_MOVE, &wish,
                                            &publisher->cursor);
    while (status == STATUS_busy || status == STATUS_storage_full || status == STATUS_internal) {
        if (is_stopping(publisher))
            return true; // told again after the next start
        pause_ns(publisher, RETRY_NS);
        status = engine_wait_cursor(&publisher->wait, COMMAND_CURSOR_MOVE, &wish,
                                    &publisher->cursor);
    }
    if (status == STATUS_ok) {
        CHECK(pthread_mutex_lock(&publisher->lock) == 0);
        publisher->stats.events += publisher->events;
        CHECK(pthread_mutex_unlock(&publisher->lock) == 0);
        return true;
    }
    // A commit whose answer was lost: it stands where we wanted it.
    struct cursor now;
    if (engine_wait_cursor(&publisher->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok &&
        now.epoch == wish.cursor.epoch && now.next == wish.cursor.next) {
        publisher->cursor = now;
        return true;
    }
    return false;
}

// Something went wrong: the producer may have failed, and the topic may have been made anew with
// other partitions. Those that are added while all goes well get nothing before the next start, so
// no wallet's events part.
static void look_around(struct publisher *publisher) {
    uint32_t partitions;
    (void)kafka_producer_poll(publisher->producer, 0);
    if (!is_stopping(publisher) &&
        kafka_topic_count(publisher->producer, publisher->topic, LOOK_WAIT_MS, &partitions) ==
            STATUS_ok &&
        partitions != 0)
        publisher->partitions = partitions;
}

// False: another has taken over.
static bool publish_chunk(struct publisher *publisher) {
    uint64_t next, begun = publisher->read;
    publisher->failed = publisher->events = 0;
    publisher->gave_up = publisher->waits = false;
    publisher->chunk_oldest_ms = 0;
    if (!feed_order_begin(&publisher->order, publisher->read)) {
        pause_ns(publisher, RETRY_NS);
        return true;
    }
    enum status status = publisher->engine->port->feed(publisher->engine, publisher->read,
                                                       CHUNK_BYTES, take_record, publisher, &next);
    bool all = wait_for_broker(publisher);
    if (!all && !is_ours(publisher))
        return false;
    if (!all) {
        publisher->read = publisher->cursor.next;
        CHECK(pthread_mutex_lock(&publisher->lock) == 0);
        publisher->stats.rewinds++;
        CHECK(pthread_mutex_unlock(&publisher->lock) == 0);
        note(publisher, true);
        look_around(publisher);
        pause_ns(publisher, RETRY_NS);
        return true;
    }
    publisher->chunk_oldest_ms = 0;
    bool goes_on = publisher->events == 0 || move_cursor(publisher);
    note(publisher, goes_on);
    if (status != STATUS_ok || (publisher->gave_up && publisher->read == begun)) {
        look_around(publisher);
        pause_ns(publisher, RETRY_NS);
    } else if (publisher->read == begun) {
        (void)kafka_producer_poll(publisher->producer, 0);
        pause_ns(publisher, IDLE_NS);
    }
    return goes_on;
}

// ---- who --------------------------------------------------------------------------------------

static bool ends(void *context) {
    return is_stopping(context);
}

// Waits until the cursor is free. False: the house is taken down.
static bool stand_by(struct publisher *publisher) {
    uint64_t untold = 0; // before it nothing waits to be told: the moves of cursors alone do not
    struct cursor seen = {0};
    uint64_t since_ns = clock_monotonic_ns();
    bool first = true;
    while (!is_stopping(publisher)) {
        struct cursor_wish wish = {.cursor = {.kind = CURSOR_EVENTS}};
        struct cursor now;
        if (engine_wait_cursor(&publisher->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok) {
            if (publisher->alone || now.epoch == 0)
                return true;
            bool moved = first || now.epoch != seen.epoch || now.next != seen.next;
            if (untold < now.next)
                untold = now.next;
            if (moved || !event_reader_seek(&publisher->reader, &untold, ends, publisher))
                since_ns = clock_monotonic_ns();
            else if (clock_monotonic_ns() - since_ns > LEASE_NS)
                return true;
            first = false;
            seen = now;
            publisher->cursor = now;
            note(publisher, false);
        }
        pause_ns(publisher, LOOK_NS);
    }
    return false;
}

static bool claim(struct publisher *publisher) {
    char why[KAFKA_WHY_BYTES] = "";
    struct kafka_topic_facts facts;
    enum status status, said = STATUS_ok;
    while ((status = topic_ensure(publisher->producer, &publisher->wish, 2000, &facts, why,
                                  sizeof(why))) != STATUS_ok) {
        if (status != said && !is_stopping(publisher))
            log_line(status == STATUS_busy ? LOG_WARNING : LOG_ERROR, "events",
                     "Events wait: %s", why);
        said = status;
        (void)kafka_producer_poll(publisher->producer, 0);
        if (is_stopping(publisher))
            return false;
        note(publisher, false);
        pause_ns(publisher, RETRY_NS);
    }
    // The position is of our feed, not of the topic: it holds for any cluster.
    struct cursor_wish wish = {.cursor = {.kind = CURSOR_EVENTS}};
    if (engine_wait_cursor(&publisher->wait, COMMAND_CURSOR_CLAIM, &wish, &publisher->cursor) !=
        STATUS_ok)
        return false;
    publisher->read = publisher->cursor.next;
    publisher->partitions = facts.partitions;
    log_line(LOG_INFO, "events", "Publishing to %s from position %llu on (epoch %llu).",
             publisher->topic, (unsigned long long)publisher->read,
             (unsigned long long)publisher->cursor.epoch);
    return true;
}

// Every shard's own feed has its place where every feed has it.
static bool place_of(void *context, uint32_t other, struct cursor_wish *ret_wish) {
    (void)context, (void)other;
    *ret_wish = (struct cursor_wish){.cursor = {.kind = CURSOR_EVENTS}};
    return true;
}

static void *run(void *context) {
    struct publisher *publisher = context;
    while (stand_by(publisher)) {
        if (!claim(publisher)) {
            pause_ns(publisher, RETRY_NS);
            continue;
        }
        bool ours = true;
        while (ours && !is_stopping(publisher))
            ours = publish_chunk(publisher);
        if (!ours)
            log_line(LOG_WARNING, "events", "Another node publishes now; standing by.");
        publisher->alone = publisher->alone && ours;
    }
    return NULL;
}

enum status publisher_open(const struct publisher_options *options, char *ret_why,
                           size_t why_bytes, struct publisher **ret_publisher) {
    struct publisher *publisher = memory_take_zeroed(sizeof(*publisher));
    publisher->wish = options->topic;
    CHECK(strlen(options->topic.name) < sizeof(publisher->topic));
    memcpy(publisher->topic, options->topic.name, strlen(options->topic.name) + 1);
    publisher->wish.name = publisher->topic;
    publisher->source = *options->source;
    publisher->engine = publisher->source.engine;
    publisher->alone = options->alone;
    event_reader_init(&publisher->reader, &publisher->source);
    feed_order_init(&publisher->order, &publisher->source, place_of, publisher);
    enum status status = kafka_producer_open(options->access, delivered, publisher, ret_why,
                                             why_bytes, &publisher->producer);
    if (status != STATUS_ok) {
        feed_order_done(&publisher->order);
        event_reader_done(&publisher->reader);
        memory_free(publisher);
        return status;
    }
    signal_gate_init(&publisher->stop, 0, 0);
    engine_wait_init(&publisher->wait, publisher->engine);
    CHECK(pthread_mutex_init(&publisher->lock, NULL) == 0);
    thread_start(&publisher->thread, "publisher", run, publisher);
    *ret_publisher = publisher;
    return STATUS_ok;
}

void publisher_stats(const struct publisher *publisher, struct publisher_stats *ret_stats) {
    struct publisher *self = (struct publisher *)(uintptr_t)publisher;
    CHECK(pthread_mutex_lock(&self->lock) == 0);
    *ret_stats = self->stats;
    CHECK(pthread_mutex_unlock(&self->lock) == 0);
}

void publisher_close(struct publisher *publisher) {
    if (publisher == NULL)
        return;
    signal_gate_publish(&publisher->stop, 1);
    CHECK(pthread_join(publisher->thread, NULL) == 0);
    kafka_producer_close(publisher->producer);
    engine_wait_done(&publisher->wait);
    feed_order_done(&publisher->order);
    event_reader_done(&publisher->reader);
    (void)pthread_mutex_destroy(&publisher->lock);
    memory_free(publisher);
}
