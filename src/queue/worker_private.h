// SPDX-License-Identifier: MIT
// Between the files of the worker. Everything belongs to its thread, but for what says otherwise.
#pragma once
#include <pthread.h>

#include "engine/wait.h"
#include "queue/order.h"
#include "queue/worker.h"

#define WORKER_BATCH_MAX   1000
#define WORKER_HELD_MAX    64
#define WORKER_BATCH_BYTES ((size_t)8 << 20)

struct worker_slot {
    struct cursor cursor; // as we hold it; epoch 0: not ours
    uint32_t partition;
    bool stopped;         // the engine cannot carry its next command out
    int64_t stopped_at;   // the record of that command
    bool waits;           // for a shard that is away, or a row that somebody has locked: nothing of
                          // it is done until then
    bool is_away;         // for its own shard
    uint64_t busy_ns;     // since when the books are too busy for its next command; 0: not
    bool is_locked;       // because somebody has locked what that changes
    int32_t first, last;  // its orders of this batch, by index; -1: none
};

struct worker_partition {
    bool ours;
    bool begun;        // its log fits the books, which say how far it has come
    bool stopped;      // waits for a person
    bool passes;       // or for what time may cure, which is tried again
    uint64_t trial_ns; // since when it is read again after that; the alarm goes on. 0: no trial
    char why[160];     // it is stopped
    uint64_t turn;     // when it was given to us: records of before are not to be done
    uint64_t consumed; // behind the last record that was seen to
    uint64_t checksum; // of that record; 0: none yet
    uint64_t settled;  // where all its slots stand at least
    uint64_t buried;   // before it each record without a slot that is dead is a letter already
    bool has_letters;  // of this batch, whose records move no place
    uint64_t time_ms;  // of the last record that was seen to
    uint64_t seen_ns;  // when that was
    int64_t end;        // of its log, as its broker last told while nothing of it was read
    uint64_t behind_ns; // since when something waits; 0: nothing does
    uint64_t fenced_ns; // when another was seen to have its slots; 0: none has
    uint64_t look_ns;   // when the books are asked again about one that waits for a person
    uint64_t barrier; // a record that this program does not understand; 0: none. Behind it nothing
                      // is carried out, and when all before it is, the partition stops. Plus one.
    uint64_t epochs;    // of all its slots, when they were last asked; 0: not yet
    uint64_t taken_ns;  // when it was taken over
    uint64_t waits_since_ns; // some of its slots wait for a shard or a row; 0: none does
    bool has_locked;         // for a row, too, as was said
    uint64_t waits_until_ns; // it is not tried before
    uint64_t retry_ns;       // then it is, whoever is away: a slot of it waits whose shard answers
    uint64_t waited_since_ns; // what was not over when it was tried again. 0: nothing was
    uint64_t waiting;        // records of such slots that were passed over
    uint32_t tries;          // how often that came soon after it was taken over
};

// A record of the batch on its way.
struct worker_item {
    struct kafka_ticket letter; // first; of the dead letter that it becomes
    bool is_buried;             // the broker has that
    struct kafka_record record;
    struct order order;
    int32_t next; // of its slot
    bool done;
};

struct worker {
    struct engine *engine;
    struct kafka_producer *producer; // dead letters, and questions about topics
    struct kafka_consumer *consumer;
    struct kafka_access access;
    struct topic_wish commands, dead_letters;
    char commands_name[256], dead_letters_name[256], group[256 + 256], texts[10][512];
    char principal[ID_TEXT_BYTES_MAX + 1]; // empty: of no one alone
    struct order_reader reader;
    enum cursor_kind places;
    uint32_t session_ms;
    uint64_t source;
    pthread_t thread;
    struct signal_gate stop;
    struct engine_wait wait;
    struct arena arena; // of the batch

    struct worker_slot slots[LIMIT_SLOTS];
    struct worker_partition partitions[KAFKA_PARTITIONS_MAX];
    struct worker_item *items; // owned, WORKER_BATCH_MAX
    uint32_t item_count;
    // Came while everything was paused; the next batch begins with them.
    struct kafka_record held[WORKER_HELD_MAX];
    uint32_t held_count;
    uint32_t limit;            // commands per round; smaller while one is looked for that fails
    uint64_t settled_ns;
    bool waits;        // nothing is read until something can be done again
    uint64_t ends_ns;  // when brokers were last asked where logs end
    uint64_t counted_ns; // when the topic's partitions were
    uint32_t count;      // of them; 0: not yet
    uint64_t again_ns; // when one of the partitions is tried again that may go on
    bool has_parts;    // the books lie on several shards, of which some may be away
    bool answers[LIMIT_SLOTS]; // the shards of these did when they were asked
    bool all_answer;           // all did
    uint64_t ask_ns;   // when they are asked again
    uint64_t idle_ns; // since when no partition is ours, or the last look at the group; 0: some is

    pthread_mutex_t lock; // stats and stops
    struct worker_stats stats;
    struct worker_stop stops[WORKER_STOPS_MAX];
    uint32_t stop_count;
};

// Adds a record to the batch.
void worker_add(struct worker *worker, const struct kafka_record *record);
bool worker_is_stopping(const struct worker *worker);
void worker_pause(struct worker *worker, uint64_t ns);
// Says loudly that a person must look; the partition brings nothing more.
void worker_stop_partition(struct worker *worker, uint32_t partition, const char *why);
// The same without a word: it was said.
void worker_keep_stopped(struct worker *worker, uint32_t partition, const char *why);
// Stops it, but it is tried again by itself: read again, and when that goes well for a while, or
// brings a record, the alarm ends.
void worker_suspend_partition(struct worker *worker, uint32_t partition, const char *why);

// Brings the stats up to date.
void worker_note(struct worker *worker);

// worker_places.c
// The slots of these partitions become ours, and the partitions begin where the books say.
void worker_assigned(void *context, const int32_t *partitions, uint32_t count,
                     int64_t *ret_offsets);
void worker_revoked(void *context, const int32_t *partitions, uint32_t count, bool lost);
// Of a partition that waits for a person, or whose slots another had for a moment: asks the books
// now and then, and begins again where a person has put the places.
void worker_look_again(struct worker *worker, uint32_t partition);
// Ends the alarm of a partition on trial.
void worker_goes_on(struct worker *worker, uint32_t partition);
// What the books and the log say of each other; true: they fit. `first` and `last` are the smallest
// and greatest places of its slots.
bool worker_places_fit(uint64_t first, uint64_t last, int64_t low, int64_t high, char *ret_why,
                       size_t why_bytes);
// Another has this slot.
void worker_fenced(struct worker *worker, uint32_t slot);
// Moves slots that had no command lately behind what their partition has seen.
void worker_settle(struct worker *worker, uint32_t partition);
// Of a partition all of whose slots are there already: whether somebody has moved them.
void worker_look_at_settled(struct worker *worker, uint32_t partition);

// worker_group.c
// Of a worker without partitions: makes the group share out what it left to nobody. Of all: stops
// when the number of partitions is another.
void worker_look_at_group(struct worker *worker);
// Why nothing may go on when it is.
void worker_say_count(const struct worker *worker, char *ret_why, size_t why_bytes);

// worker_away.c: of books in PostgreSQL
enum worker_wait {
    WAIT_AWAY,   // its shard does not answer
    WAIT_BUSY,   // another does not that its command needs, or what that changes is locked
    WAIT_LOCKED, // somebody has locked a row that is changed with its command, or its place
};
// Nothing more of the slot is done until its partition begins again.
void worker_set_aside(struct worker *worker, uint32_t slot, enum worker_wait why);
// Does that to slots of the batch for which the books have been busy for a while, and to all whose
// shards do not answer; but to none while no shard does. Of books on one server that is but what
// waits for somebody's lock.
void worker_set_busy_aside(struct worker *worker);
// Of a partition with such slots: why it is to begin again; NULL: it is not.
const char *worker_begins_again(struct worker *worker, uint32_t partition);

// worker_batch.c
// Carries out what was read, until each record is seen to or no longer ours.
void worker_batch(struct worker *worker);
void worker_letter_delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                             int32_t partition, int64_t offset, const char *why);
