// SPDX-License-Identifier: MIT
// Kafka in Florin's words: a producer that loses nothing it was given, a consumer that starts
// where it is told, and a look at topics. Only kafka.c knows librdkafka.
//
// Every producer is idempotent and waits for all replicas in sync; it keeps what it was given until
// the broker has it, however long that takes. A consumer commits nothing: the books know how far
// it has come.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"
#include "base/status.h"

#define KAFKA_WHY_BYTES      512
#define KAFKA_PARTITIONS_MAX 1024
#define KAFKA_HEADERS_MAX    16

// How brokers are reached. Texts are borrowed while something is opened; NULL: not given. Secrets
// are never logged.
struct kafka_access {
    const char *brokers;  // "host:port,host:port"
    const char *security; // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
    const char *mechanism, *username, *password;
    const char *ca_file, *certificate_file, *key_file, *key_password;
    bool any_host_name; // do not compare the certificate's name with the broker's
};

struct kafka_header {
    const char *name;
    struct slice value;
};

struct kafka_message {
    struct slice key, value;
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    uint32_t header_count;
    uint32_t partitions; // it goes to the key's of so many; 0: of as many as the topic has
};

// Adds headers of W3C trace context, as struct origin keeps it; none when it is empty.
void kafka_add_trace(struct kafka_message *message, struct slice trace);

// How many bytes a broker counts of a message that goes alone, at most.
size_t kafka_message_bytes(const struct kafka_message *message);

struct kafka_producer;
// What became of a message: lost is one that the broker refused for good (not allowed) or never
// got; too large is one that was lost because its topic takes none of its size, or of the size of
// those that went with it (KAFKA_TOGETHER_BYTES_MAX); unsure is one that the broker may have, but
// nobody will say so any more.
enum kafka_fate { KAFKA_LOST, KAFKA_TOO_LARGE, KAFKA_UNSURE, KAFKA_KEPT };
// What waits for the same partition goes together, as long as that is no larger; one that is larger
// goes alone. A topic that takes so much takes everything of which each fits.
#define KAFKA_TOGETHER_BYTES_MAX 100000
// Of a message that its owner wants to be kept through a failure of the producer: his memory until
// it is delivered.
struct kafka_ticket {
    uint64_t number; // kafka_produce's, in the order of its calls
};
// Thread: whoever polls.
typedef void kafka_delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                             int32_t partition, int64_t offset, const char *why);

// Opens without waiting for a broker. A producer that fails for good begins again by itself: what
// has a ticket is handed over once more, in its order and before all else, so a broker may get it
// twice; the rest is told lost or unsure. STATUS_invalid_request: the settings make no sense
// (`ret_why`). Thread: any; kafka_produce from any thread, kafka_producer_poll from one.
MUST_CHECK enum status kafka_producer_open(const struct kafka_access *access,
                                           kafka_delivered *delivered, void *context,
                                           char *ret_why, size_t why_bytes,
                                           struct kafka_producer **ret_producer);
// Copies the message and hands it over; `delivered` is called once for it, with its ticket, which
// may be NULL. The partition is that of the key by murmur2. Of one producer all messages name their
// partitions, and are for one topic, or none does: what names them keeps its order in a partition
// even while brokers do not know the producer yet. STATUS_busy: the producer is full; nothing was
// taken.
MUST_CHECK enum status kafka_produce(struct kafka_producer *producer, const char *topic,
                                     const struct kafka_message *message,
                                     struct kafka_ticket *ticket);
// Calls `delivered` for what is known, waiting up to that long for a first. Returns how many.
int kafka_producer_poll(struct kafka_producer *producer, uint32_t wait_ms);
// Polls until nothing is pending, for that long at most. False: something still is.
bool kafka_producer_drain(struct kafka_producer *producer, uint32_t wait_ms);
// Messages handed over and not yet delivered.
uint64_t kafka_producer_pending(const struct kafka_producer *producer);
// Whether a broker would take a message now, as far as is known: one can be reached, and what was
// handed over is being acknowledged.
bool kafka_producer_is_up(struct kafka_producer *producer);
// Gives up what is pending: `delivered` hears of each that it failed.
void kafka_producer_purge(struct kafka_producer *producer);
void kafka_producer_close(struct kafka_producer *producer); // accepts NULL

// What a topic is like.
struct kafka_topic_facts {
    bool exists;
    uint32_t partitions;
    uint32_t replicas; // of the partition that has the fewest
    bool has_settings; // the broker told what follows
    bool deletes;      // cleanup.policy is "delete" alone
    bool unclean_leaders;
    uint32_t min_insync;
    uint64_t retention_ms; // UINT64_MAX: for ever
    uint32_t record_bytes_max; // with all that a record has
};
MUST_CHECK enum status kafka_topic_look(struct kafka_producer *producer, const char *topic,
                                        uint32_t wait_ms, struct kafka_topic_facts *ret_facts,
                                        char *ret_why, size_t why_bytes);
// How many partitions it has; 0: there is no such topic.
MUST_CHECK enum status kafka_topic_count(struct kafka_producer *producer, const char *topic,
                                         uint32_t wait_ms, uint32_t *ret_partitions);
struct kafka_topic_plan {
    uint32_t partitions, replicas, min_insync;
    uint64_t retention_ms;
    uint32_t record_bytes_max; // 0: as the broker likes
};
// Makes a topic: deleting, without unclean leaders. `ret_is_new`: it was not there before.
MUST_CHECK enum status kafka_topic_make(struct kafka_producer *producer, const char *topic,
                                        const struct kafka_topic_plan *plan, uint32_t wait_ms,
                                        bool *ret_is_new, char *ret_why, size_t why_bytes);
// A number for this cluster and topic; 0 is none. STATUS_busy: no broker told its cluster's id.
MUST_CHECK enum status kafka_source(struct kafka_producer *producer, const char *topic,
                                    uint32_t wait_ms, uint64_t *ret_source);

// The first offset of a partition that is there and the one behind the last. Asks again while
// brokers do not know, as of a topic that was made a moment ago. Thread: the one that polls.
MUST_CHECK enum status kafka_producer_marks(struct kafka_producer *producer, const char *topic,
                                            int32_t partition, uint32_t wait_ms,
                                            int64_t *ret_low, int64_t *ret_high);

// What all members of a group of workers read: the least of the versions that they came with
// (kafka_consumer_open); those of before versions count as 1. 0: it has no members.
MUST_CHECK enum status kafka_group_reads(struct kafka_producer *producer, const char *group,
                                        uint32_t wait_ms, uint32_t *ret_version);

// ---- consuming --------------------------------------------------------------------------------

struct kafka_consumer;
struct kafka_record {
    int32_t partition;
    int64_t offset;
    uint64_t time_ms; // 0: not known
    struct slice key, value;
    uint64_t turn; // kafka_consumer_turn when it came
    void *handle; // kafka.c's; until kafka_record_done
};

// What a member of the group hears, always within kafka_consume or kafka_consumer_close.
struct kafka_member {
    void *context;
    uint32_t session_ms; // nothing is heard of it for so long: others have its partitions; 0: 6000
    // These partitions are ours from now on. Fills in where each begins; negative: it stays
    // paused, and nothing of it comes.
    void (*assigned)(void *context, const int32_t *partitions, uint32_t count,
                     int64_t *ret_offsets);
    // They are no longer; `lost`: somebody else may have them already.
    void (*revoked)(void *context, const int32_t *partitions, uint32_t count, bool lost);
    // Something is wrong with a partition (or all: -1): an offset that is not there, and the like.
    void (*failed)(void *context, int32_t partition, const char *why);
};

MUST_CHECK enum status kafka_consumer_open(const struct kafka_access *access, const char *group,
                                           const char *topic, uint32_t version,
                                           const struct kafka_member *member,
                                           char *ret_why, size_t why_bytes,
                                           struct kafka_consumer **ret_consumer);
// Waits up to `wait_ms` for a first record and takes what else is there, up to `count_max`.
// Thread: one. Each record must be given back.
uint32_t kafka_consume(struct kafka_consumer *consumer, uint32_t wait_ms,
                       struct kafka_record *ret_records, uint32_t count_max);
void kafka_record_done(struct kafka_record *record);
// The first header of that name; false: none.
bool kafka_record_header(const struct kafka_record *record, const char *name,
                         struct slice *ret_value);
// Grows whenever partitions come or go; within `assigned` and `revoked` it has grown already. So a
// record of before an assignment is told from one of after.
uint64_t kafka_consumer_turn(const struct kafka_consumer *consumer);
// A paused partition brings nothing, but stays ours.
void kafka_consumer_pause(struct kafka_consumer *consumer, int32_t partition, bool pause);
// One of ours goes on at another offset, as if it had just been assigned; the turn has grown when
// this returns. False: it cannot now.
bool kafka_consumer_restart(struct kafka_consumer *consumer, int32_t partition, int64_t offset);
// The first offset that is there and the one behind the last.
MUST_CHECK enum status kafka_consumer_marks(struct kafka_consumer *consumer, int32_t partition,
                                            uint32_t wait_ms, int64_t *ret_low, int64_t *ret_high);
// The same as far as the last fetch told, and none is made while it is paused; false: not known
// yet.
bool kafka_consumer_high(struct kafka_consumer *consumer, int32_t partition, int64_t *ret_high);
// Where partitions end now, as their brokers tell; -1 of one of which none does.
MUST_CHECK enum status kafka_consumer_ends(struct kafka_consumer *consumer,
                                           const int32_t *partitions, uint32_t count,
                                           uint32_t wait_ms, int64_t *ret_ends);
// How many partitions of the topic its members have together; UINT32_MAX: they are being shared out
// right now. STATUS_busy: nobody told in time.
MUST_CHECK enum status kafka_group_look(struct kafka_consumer *consumer, uint32_t wait_ms,
                                        uint32_t *ret_partitions);
// How many partitions of a topic are in an assignment, as members of a group are sent it. Pure;
// what is no assignment has none.
uint32_t kafka_group_partitions(struct slice assignment, const char *topic);
// Leaves the group and joins it as somebody new. False: it cannot now.
bool kafka_group_join_again(struct kafka_consumer *consumer);
// Reads one record of a partition by its offset, beside the group. STATUS_not_found: it is gone.
MUST_CHECK enum status kafka_fetch_one(const struct kafka_access *access, const char *topic,
                                       int32_t partition, int64_t offset, uint32_t wait_ms,
                                       struct kafka_record *ret_record);
void kafka_consumer_close(struct kafka_consumer *consumer); // accepts NULL

// Reads the records of a partition from an offset up to another, beside the group, calling `each`
// until it returns false. STATUS_busy: not all of them came in time; STATUS_not_found: the first is
// gone. For tools.
MUST_CHECK enum status kafka_read_range(const struct kafka_access *access, const char *topic,
                                        int32_t partition, int64_t from, int64_t to,
                                        uint32_t wait_ms,
                                        bool (*each)(void *context,
                                                     const struct kafka_record *record),
                                        void *context);

// Reads a whole topic from its beginning, calling `each` until it returns false or the end that
// was there at the start has been reached. For tools.
MUST_CHECK enum status kafka_read_all(const struct kafka_access *access, const char *topic,
                                      uint32_t wait_ms,
                                      bool (*each)(void *context,
                                                   const struct kafka_record *record),
                                      void *context, char *ret_why, size_t why_bytes);
