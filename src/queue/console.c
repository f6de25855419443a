// SPDX-License-Identifier: MIT
// The operator's console: each question opens what it needs and closes it again.
#include "queue/console.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "queue/letter.h"
#include "queue/retried.h"

#define READ_MS 10000

static enum status open_decision(const struct console *console, const struct console_topic *topic,
                                 const struct console_asker *asker, char *ret_why,
                                 size_t why_bytes, struct decision **ret_decision) {
    const struct decision_options options = {
        .engine = console->engine,
        .access = console->access,
        .commands = topic->name,
        .dead_letters = console->dead_letters,
        .partitions = topic->partitions,
        .places = topic->places,
        .principal = topic->principal,
        .currencies = console->currencies,
        .who = asker->who,
        .key = asker->key,
    };
    return decision_open(&options, ret_why, why_bytes, ret_decision);
}

// ---- partitions -------------------------------------------------------------------------------

const char *console_state(const struct decision_place *place) {
    if (place->is_foreign)
        return "of another cluster, topic or number of partitions";
    if (!place->has_log)
        return "the broker does not tell its log";
    if ((int64_t)place->first < place->low)
        return "does not fit: the log begins behind it";
    if ((int64_t)place->last > place->high)
        return "does not fit: the log ends before it";
    return "fits";
}

static void add_stops(const struct console_topic *topic, struct arena *arena,
                      struct console_partition *partitions) {
    struct worker_stop *stops = arena_take(arena, WORKER_STOPS_MAX * sizeof(*stops));
    uint32_t count = topic->worker == NULL ? 0 : worker_stops(topic->worker, stops);
    for (uint32_t i = 0; i < count; i++) { // in the order of their partitions
        struct console_partition *one = &partitions[stops[i].partition];
        if (one->stop_count == 0)
            one->stops = &stops[i];
        one->stop_count++;
    }
}

static enum status look_at(const struct console *console, const struct console_topic *topic,
                           struct arena *arena, struct console_partition *ret_partitions,
                           char *ret_why, size_t why_bytes) {
    const struct console_asker nobody = {
        .who = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    struct decision *decision;
    enum status status = open_decision(console, topic, &nobody, ret_why, why_bytes, &decision);
    if (status != STATUS_ok)
        return status;
    for (uint32_t i = 0; i < topic->partitions && status == STATUS_ok; i++) {
        ret_partitions[i] = (struct console_partition){.topic = topic, .partition = i};
        status = decision_look(decision, i, &ret_partitions[i].place);
    }
    decision_close(decision);
    if (status == STATUS_ok)
        add_stops(topic, arena, ret_partitions);
    return status;
}

enum status console_partitions(const struct console *console, struct arena *arena,
                               struct console_partition **ret_partitions, uint32_t *ret_count,
                               char *ret_why, size_t why_bytes) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < console->topic_count; i++)
        count += console->topics[i].partitions;
    *ret_partitions = arena_take(arena, count * sizeof(**ret_partitions));
    *ret_count = 0;
    for (uint32_t i = 0; i < console->topic_count; i++) {
        enum status status = look_at(console, &console->topics[i], arena,
                                     *ret_partitions + *ret_count, ret_why, why_bytes);
        if (status != STATUS_ok)
            return status;
        *ret_count += console->topics[i].partitions;
    }
    CHECK(*ret_count == count);
    return STATUS_ok;
}

const struct console_topic *console_find(const struct console *console, struct slice name,
                                         uint32_t *ret_partition) {
    const uint8_t *dash = name.size == 0 ? NULL : memrchr(name.bytes, '-', name.size);
    uint64_t partition;
    if (dash == NULL)
        return NULL;
    size_t size = (size_t)(dash - name.bytes);
    if (!slice_number(slice_of(dash + 1, name.size - size - 1), &partition))
        return NULL;
    for (uint32_t i = 0; i < console->topic_count; i++) {
        const struct console_topic *topic = &console->topics[i];
        if (!slice_equal(slice_of_text(topic->name), slice_of(name.bytes, size)) ||
            partition >= topic->partitions)
            continue;
        *ret_partition = (uint32_t)partition;
        return topic;
    }
    return NULL;
}

// ---- decisions --------------------------------------------------------------------------------

// Where it goes on. STATUS_busy, STATUS_invalid_request: there is a sentence.
static enum status find_next(struct decision *decision, uint32_t partition, struct slice to,
                             uint64_t *ret_next, char *ret_why, size_t why_bytes) {
    struct decision_place place;
    enum status status = decision_look(decision, partition, &place);
    if (status != STATUS_ok)
        return status;
    if (!place.has_log) {
        (void)snprintf(ret_why, why_bytes,
                       "No broker tells what the log of this partition has: it is away, or the "
                       "topic was made a moment ago. Nothing was changed; ask again.");
        return STATUS_busy;
    }
    if (slice_equal(to, SLICE("beginning"))) {
        *ret_next = (uint64_t)place.low;
    } else if (slice_equal(to, SLICE("end"))) {
        *ret_next = (uint64_t)place.high;
    } else if (!slice_number(to, ret_next) || (int64_t)*ret_next < place.low ||
               (int64_t)*ret_next > place.high) {
        (void)snprintf(ret_why, why_bytes,
                       "must be beginning, end, or an offset from %" PRId64 " to %" PRId64,
                       place.low, place.high);
        return STATUS_invalid_request;
    }
    return STATUS_ok;
}

// The end of the log may be another one by the time that somebody asks again: under his key it goes
// on where it was to go on then, and what has come since is not passed over.
enum status console_reset(const struct console *console, const struct console_topic *topic,
                          uint32_t partition, struct slice to, const struct console_asker *asker,
                          uint64_t *ret_next, bool *ret_replayed, char *ret_why,
                          size_t why_bytes) {
    struct decision *decision;
    *ret_replayed = false;
    enum status status = open_decision(console, topic, asker, ret_why, why_bytes, &decision);
    if (status != STATUS_ok)
        return status;
    status = decision_made(decision, partition, ret_next);
    *ret_replayed = status == STATUS_ok;
    if (status == STATUS_fenced)
        status = find_next(decision, partition, to, ret_next, ret_why, why_bytes);
    if (status == STATUS_ok)
        status = decision_reset(decision, partition, *ret_next); // of slots that were left
    decision_close(decision);
    return status;
}

enum status console_skip(const struct console *console, const struct console_topic *topic,
                         uint32_t partition, int64_t offset, const struct console_asker *asker,
                         bool *ret_replayed, char *ret_why, size_t why_bytes) {
    struct decision *decision;
    enum status status = open_decision(console, topic, asker, ret_why, why_bytes, &decision);
    if (status != STATUS_ok)
        return status;
    status = decision_skip(decision, partition, offset, ret_replayed, ret_why, why_bytes);
    decision_close(decision);
    return status;
}

// ---- letters ----------------------------------------------------------------------------------

// Of each only so much is shown: whoever can write to the topic decides how long a record is.
#define SHOWN_VALUE_BYTES 4096
#define SHOWN_TEXT_BYTES  300

struct gathering {
    struct arena *arena;
    struct console_letter *letters; // room for CONSOLE_LETTERS_MAX
    uint32_t count;
};

static struct slice keep(struct gathering *gathering, struct slice bytes, size_t most) {
    return arena_copy(gathering->arena,
                      slice_of(bytes.bytes, bytes.size < most ? bytes.size : most));
}

static bool gather(void *context, const struct kafka_record *record) {
    struct gathering *gathering = context;
    if (gathering->count == CONSOLE_LETTERS_MAX)
        return false;
    struct console_letter *letter = &gathering->letters[gathering->count++];
    const struct {
        const char *name;
        struct slice *place;
    } headers[] = {{"florin-reason", &letter->reason},
                   {"florin-topic", &letter->topic},
                   {"florin-partition", &letter->from_partition},
                   {"florin-offset", &letter->from_offset},
                   {"florin-principal", &letter->principal}};
    *letter = (struct console_letter){.partition = record->partition,
                                      .offset = record->offset,
                                      .time_ms = record->time_ms,
                                      .repeats = -1,
                                      .key = keep(gathering, record->key, SHOWN_TEXT_BYTES),
                                      .value = keep(gathering, record->value, SHOWN_VALUE_BYTES)};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct slice value = {0};
        if (kafka_record_header(record, headers[i].name, &value))
            *headers[i].place = keep(gathering, value, SHOWN_TEXT_BYTES);
    }
    return true;
}

static void heard(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                  int32_t partition, int64_t offset, const char *why) {
    (void)context, (void)ticket, (void)fate, (void)partition, (void)offset, (void)why;
}

// The end of one partition, as many as its share allows.
static enum status gather_end(const struct console *console, struct kafka_producer *producer,
                              int32_t partition, uint32_t share, struct gathering *gathering) {
    int64_t low, high;
    enum status status =
        kafka_producer_marks(producer, console->dead_letters, partition, READ_MS, &low, &high);
    if (status != STATUS_ok || low >= high)
        return status;
    int64_t from = high - low > (int64_t)share ? high - (int64_t)share : low;
    status = kafka_read_range(console->access, console->dead_letters, partition, from, high,
                              READ_MS, gather, gathering);
    return status == STATUS_not_found ? STATUS_ok : status; // its retention was faster
}

// A letter may be there twice (docs/kafka.md). Topics that are made anew count from 0 again, so
// what it says counts as well.
static bool is_of_same_record(const struct console_letter *one,
                              const struct console_letter *other) {
    return one->partition == other->partition &&
           slice_equal(one->from_offset, other->from_offset) &&
           slice_equal(one->from_partition, other->from_partition) &&
           slice_equal(one->topic, other->topic) && slice_equal(one->key, other->key) &&
           slice_equal(one->value, other->value);
}

// Oldest first.
static void find_repeats(struct console_letter *letters, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i && letters[i].repeats < 0; k++)
            if (is_of_same_record(&letters[k], &letters[i]))
                letters[i].repeats = letters[k].offset;
}

enum status console_letters(const struct console *console, struct arena *arena,
                            struct console_letter **ret_letters, uint32_t *ret_count, char *ret_why,
                            size_t why_bytes) {
    struct gathering gathering = {.arena = arena};
    struct kafka_producer *producer;
    struct kafka_topic_facts facts;
    enum status status =
        kafka_producer_open(console->access, heard, NULL, ret_why, why_bytes, &producer);
    if (status != STATUS_ok)
        return status;
    gathering.letters = arena_take(arena, CONSOLE_LETTERS_MAX * sizeof(*gathering.letters));
    status = kafka_topic_look(producer, console->dead_letters, READ_MS, &facts, ret_why, why_bytes);
    uint32_t partitions = status == STATUS_ok && facts.exists ? facts.partitions : 0;
    uint32_t share = CONSOLE_LETTERS_MAX / (partitions == 0 ? 1 : partitions);
    for (uint32_t i = 0; i < partitions && status == STATUS_ok; i++)
        status = gather_end(console, producer, (int32_t)i, share == 0 ? 1 : share, &gathering);
    kafka_producer_close(producer);
    find_repeats(gathering.letters, gathering.count);
    for (uint32_t i = 0; i < gathering.count / 2; i++) {
        struct console_letter older = gathering.letters[i];
        gathering.letters[i] = gathering.letters[gathering.count - 1 - i];
        gathering.letters[gathering.count - 1 - i] = older;
    }
    *ret_letters = gathering.letters;
    *ret_count = gathering.count;
    return status;
}

struct retrying {
    const struct console *console;
    bool found, sent;
    const char *topic;
    int64_t offset;
    int32_t to_partition;
    int64_t to_offset;
    char *why;
    size_t why_bytes;
};

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct retrying *retrying = context;
    (void)ticket, (void)why;
    retrying->sent = fate == KAFKA_KEPT;
    retrying->to_partition = partition;
    retrying->to_offset = offset;
}

static const char *topic_of(const struct console *console, const struct kafka_record *record) {
    struct slice topic = {0};
    if (!kafka_record_header(record, "florin-topic", &topic))
        return NULL;
    for (uint32_t i = 0; i < console->topic_count; i++)
        if (slice_equal(slice_of_text(console->topics[i].name), topic))
            return console->topics[i].name;
    return NULL;
}

static bool send_back(void *context, const struct kafka_record *record) {
    struct retrying *retrying = context;
    struct kafka_producer *producer;
    retrying->found = record->offset == retrying->offset;
    const char *topic = retrying->found ? topic_of(retrying->console, record) : NULL;
    if (topic == NULL) {
        (void)snprintf(retrying->why, retrying->why_bytes,
                       "It came from a topic that is none of commands in the configuration.");
        return false;
    }
    retrying->topic = topic;
    if (kafka_producer_open(retrying->console->access, delivered, retrying, retrying->why,
                            retrying->why_bytes, &producer) != STATUS_ok)
        return false;
    (void)snprintf(retrying->why, retrying->why_bytes, "No broker took it.");
    if (letter_send_back(producer, topic, record) == STATUS_ok)
        (void)kafka_producer_drain(producer, READ_MS);
    kafka_producer_close(producer);
    return false;
}

static enum status send_letter(const struct console *console, int32_t partition, int64_t offset,
                               struct console_sent *ret_sent, char *ret_why, size_t why_bytes) {
    struct retrying retrying = {
        .console = console, .offset = offset, .why = ret_why, .why_bytes = why_bytes};
    enum status status = kafka_read_range(console->access, console->dead_letters, partition, offset,
                                          offset + 1, READ_MS, send_back, &retrying);
    if (status != STATUS_ok && status != STATUS_not_found) {
        (void)snprintf(ret_why, why_bytes, "The broker does not give it.");
        return STATUS_busy;
    }
    if (status == STATUS_not_found || !retrying.found) {
        (void)snprintf(ret_why, why_bytes, "There is no such letter.");
        return STATUS_not_found;
    }
    *ret_sent = (struct console_sent){.topic = retrying.topic,
                                      .partition = retrying.to_partition,
                                      .offset = retrying.to_offset};
    return retrying.sent ? STATUS_ok : STATUS_busy;
}

// Of a topic that the configuration has no more it is as if it had not been sent.
static enum status find_sent(const struct console *console, struct engine_wait *wait,
                             const struct console_asker *asker, struct console_sent *ret_sent) {
    struct retried retried;
    enum status status = retried_find(wait, &asker->who, &asker->key, &retried);
    if (status != STATUS_ok)
        return status;
    for (uint32_t i = 0; i < console->topic_count; i++) {
        const char *topic = console->topics[i].name;
        if (retried_topic(topic) != retried.topic)
            continue;
        *ret_sent = (struct console_sent){.topic = topic,
                                          .partition = retried.partition,
                                          .offset = retried.offset,
                                          .is_replayed = true};
        return STATUS_ok;
    }
    return STATUS_fenced;
}

// It is remembered when a broker has it: a crash in between sends it once more, where the key of
// its command has one effect, and never leaves it unsent.
static enum status send_once(const struct console *console, struct engine_wait *wait,
                             int32_t partition, int64_t offset, const struct console_asker *asker,
                             struct console_sent *ret_sent, char *ret_why, size_t why_bytes) {
    enum status status = find_sent(console, wait, asker, ret_sent);
    if (status != STATUS_fenced)
        return status;
    status = send_letter(console, partition, offset, ret_sent, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    const struct retried retried = {.topic = retried_topic(ret_sent->topic),
                                    .partition = ret_sent->partition,
                                    .offset = ret_sent->offset};
    return retried_keep(wait, &asker->who, &asker->key, &retried);
}

enum status console_retry(const struct console *console, int32_t partition, int64_t offset,
                          const struct console_asker *asker, struct console_sent *ret_sent,
                          char *ret_why, size_t why_bytes) {
    struct engine_wait wait;
    *ret_sent = (struct console_sent){.topic = ""};
    ret_why[0] = '\0';
    engine_wait_init(&wait, console->engine);
    enum status status =
        send_once(console, &wait, partition, offset, asker, ret_sent, ret_why, why_bytes);
    engine_wait_done(&wait);
    return status;
}
