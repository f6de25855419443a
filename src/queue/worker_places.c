// SPDX-License-Identifier: MIT
// Where partitions begin: what the books say, held against what the log has.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "queue/worker_private.h"

#define MARKS_MS  5000
#define FETCH_MS  10000
#define CURSORS_AT_ONCE 256
#define LOOK_NS         UINT64_C(2000000000) // the books are asked about a stopped partition
#define FENCED_NS       UINT64_C(5000000000) // a group that has moved on has told us by then
#define AGAIN_NS        UINT64_C(2000000000) // what time may cure is tried again
#define TRIAL_NS        UINT64_C(5000000000) // and an error that lasts has come again by then

static struct command command_of(enum command_type type, const struct cursor_wish *wish) {
    return (struct command){.type = (uint8_t)type,
                            .slot = wish->cursor.slot,
                            .cursor = wish,
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

// Up to CURSORS_AT_ONCE cursor commands as one round. Tries again while the books are busy, but of
// books on several shards, of which the others may answer, and where somebody has locked a place,
// which others may have none of.
static void submit(struct worker *worker, enum command_type type, struct cursor_wish *wishes,
                   struct outcome *outcomes, uint32_t count) {
    struct command commands[CURSORS_AT_ONCE];
    for (;;) {
        struct submission submission = {
            .commands = commands, .outcomes = outcomes, .count = count, .is_batch = true};
        for (uint32_t i = 0; i < count; i++)
            commands[i] = command_of(type, &wishes[i]);
        engine_wait_submit(&worker->wait, &submission);
        enum status status = (enum status)outcomes[0].status;
        bool passes = (status == STATUS_busy && !outcomes[0].aside) ||
                      status == STATUS_storage_full || status == STATUS_internal;
        if (!passes || worker->has_parts || worker_is_stopping(worker))
            return;
        worker_pause(worker, UINT64_C(200000000));
    }
}

// ---- assigned ---------------------------------------------------------------------------------

// STATUS_busy: time may cure it; STATUS_out_of_place: a person must.
static enum status claim_slots(struct worker *worker, uint32_t partition, char *ret_why,
                               size_t why_bytes) {
    struct cursor_wish wishes[CURSORS_AT_ONCE];
    struct outcome outcomes[CURSORS_AT_ONCE];
    for (uint32_t slot = 0; slot < LIMIT_SLOTS;) {
        uint32_t count = 0;
        for (; slot < LIMIT_SLOTS && count < CURSORS_AT_ONCE; slot++)
            if (worker->slots[slot].partition == partition)
                wishes[count++] =
                    (struct cursor_wish){.cursor = {.kind = (uint8_t)worker->places,
                                                    .slot = (uint16_t)slot,
                                                    .partitions = worker->reader.partitions,
                                                    .source = worker->source}};
        if (count == 0)
            break;
        submit(worker, COMMAND_CURSOR_CLAIM, wishes, outcomes, count);
        for (uint32_t i = 0; i < count; i++) {
            struct worker_slot *own = &worker->slots[wishes[i].cursor.slot];
            own->first = own->last = -1;
            own->waits = own->stopped = false;
            bool is_locked = outcomes[i].aside;
            if (outcomes[i].status == STATUS_busy && (worker->has_parts || is_locked)) {
                own->cursor.epoch = 0;
                worker_set_aside(worker, wishes[i].cursor.slot,
                                 is_locked ? WAIT_LOCKED : WAIT_AWAY);
                continue;
            }
            if (outcomes[i].status != STATUS_ok) {
                bool foreign = outcomes[i].status == STATUS_out_of_place;
                (void)snprintf(ret_why, why_bytes,
                               foreign ? "slot %u was carried out from another cluster, topic or "
                                         "number of partitions"
                                       : "slot %u cannot be claimed",
                               wishes[i].cursor.slot);
                return foreign ? STATUS_out_of_place : STATUS_busy;
            }
            own->cursor = outcomes[i].cursor;
        }
    }
    return STATUS_ok;
}

// The last record that the books know of must be the one that is there.
static enum status last_is_known(struct worker *worker, uint32_t partition,
                                 const struct cursor *last, int64_t low, char *ret_why,
                                 size_t why_bytes) {
    struct kafka_record record;
    int64_t offset = (int64_t)last->next - 1;
    if (last->next == 0 || last->checksum == 0 || offset < low)
        return STATUS_ok; // nothing to compare
    enum status status =
        kafka_fetch_one(&worker->access, worker->commands_name, (int32_t)partition, offset,
                        FETCH_MS, &record);
    if (status == STATUS_busy) {
        (void)snprintf(ret_why, why_bytes, "record %" PRId64 " cannot be read to compare it",
                       offset);
        return STATUS_busy;
    }
    bool same = status == STATUS_ok && order_checksum(&record) == last->checksum;
    if (status == STATUS_ok)
        kafka_record_done(&record);
    if (!same)
        (void)snprintf(ret_why, why_bytes,
                       "record %" PRId64 " is not the one that was carried out: the topic was "
                       "made anew or cut",
                       offset);
    return same ? STATUS_ok : STATUS_out_of_place;
}

bool worker_places_fit(uint64_t first, uint64_t last, int64_t low, int64_t high, char *ret_why,
                       size_t why_bytes) {
    if ((int64_t)first >= low && (int64_t)last <= high)
        return true;
    (void)snprintf(ret_why, why_bytes,
                   "the books stand at %" PRIu64 " to %" PRIu64 ", but the log has %" PRId64
                   " to %" PRId64 ": records are lost, or it was made anew",
                   first, last, low, high);
    return false;
}

// Where it begins; negative: nothing may come in it.
static enum status begin(struct worker *worker, uint32_t partition, int64_t *ret_offset,
                         char *ret_why, size_t why_bytes) {
    struct worker_partition *own = &worker->partitions[partition];
    const struct cursor *first = NULL, *last = NULL;
    int64_t low, high;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct cursor *cursor = &worker->slots[slot].cursor;
        if (worker->slots[slot].partition != partition || worker->slots[slot].waits)
            continue;
        if (first == NULL || cursor->next < first->next)
            first = cursor;
        if (last == NULL || cursor->next > last->next)
            last = cursor;
    }
    *ret_offset = -1;
    if (last == NULL)
        return STATUS_ok; // no slot has this partition, or none that can be asked
    if (kafka_consumer_marks(worker->consumer, (int32_t)partition, MARKS_MS, &low, &high) !=
        STATUS_ok) {
        (void)snprintf(ret_why, why_bytes, "the broker does not tell where its log begins");
        return STATUS_busy;
    }
    if (!worker_places_fit(first->next, last->next, low, high, ret_why, why_bytes))
        return STATUS_out_of_place;
    enum status status = last_is_known(worker, partition, last, low, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    own->begun = true;
    own->end = high; // until something of it is read
    // Not behind the last place: what another slot has before that may not be done yet, and whoever
    // settles must not move it past that.
    own->consumed = own->settled = first->next;
    own->checksum = first->checksum;
    own->buried = last->next; // no place moves past a letter that the broker does not have
    *ret_offset = (int64_t)first->next;
    return STATUS_ok;
}

void worker_suspend_partition(struct worker *worker, uint32_t partition, const char *why) {
    struct worker_partition *own = &worker->partitions[partition];
    char text[320];
    (void)snprintf(text, sizeof(text), "%s (it is tried again until it can go on)", why);
    if (own->trial_ns != 0) // it was said when it began
        worker_keep_stopped(worker, partition, text);
    else
        worker_stop_partition(worker, partition, text);
    own->passes = true;
    worker->again_ns = clock_monotonic_ns() + AGAIN_NS;
}

// Where a partition begins that is ours from now on; negative: it stops, or nothing may come in it.
static int64_t take_over(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    struct worker_partition before = *own;
    bool was_said = before.passes || before.trial_ns != 0;
    char why[256] = "";
    int64_t offset = -1;
    *own = (struct worker_partition){.ours = true,
                                     .turn = kafka_consumer_turn(worker->consumer),
                                     .taken_ns = clock_monotonic_ns(),
                                     .waited_since_ns = before.waits_since_ns,
                                     .tries = before.tries};
    enum status status = STATUS_out_of_place;
    if (partition >= worker->reader.partitions && worker->count <= partition)
        worker->count = partition + 1; // at least
    if (worker->count != 0 && worker->count != worker->reader.partitions)
        worker_say_count(worker, why, sizeof(why));
    else
        status = claim_slots(worker, partition, why, sizeof(why));
    if (status == STATUS_ok)
        status = begin(worker, partition, &offset, why, sizeof(why));
    if (was_said && (status == STATUS_ok || status == STATUS_busy))
        own->trial_ns = clock_monotonic_ns(); // that it can be claimed is not yet that it goes on
    if (status == STATUS_busy) {
        worker_suspend_partition(worker, partition, why);
    } else if (status != STATUS_ok) {
        worker_stop_partition(worker, partition, why);
    } else if (offset >= 0) {
        memcpy(own->why, before.why, sizeof(own->why));
        if (!was_said)
            log_line(LOG_INFO, "queue", "Partition %u from %" PRId64 " on.", partition, offset);
    }
    return offset;
}

void worker_goes_on(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    if (own->trial_ns == 0)
        return;
    own->trial_ns = 0;
    log_line(LOG_INFO, "queue", "Partition %u of %s goes on again.", partition,
             worker->commands_name);
}

void worker_assigned(void *context, const int32_t *partitions, uint32_t count,
                     int64_t *ret_offsets) {
    struct worker *worker = context;
    bool is_away = false; // whom one question waits for in vain is not asked the next one here
    for (uint32_t i = 0; i < count; i++) {
        uint32_t partition = (uint32_t)partitions[i];
        struct worker_partition *own = &worker->partitions[partition];
        ret_offsets[i] = -1;
        if (is_away) {
            *own = (struct worker_partition){.ours = true,
                                             .turn = kafka_consumer_turn(worker->consumer)};
            worker_suspend_partition(worker, partition, "nobody tells where it begins");
            continue;
        }
        ret_offsets[i] = take_over(worker, partition);
        is_away = own->passes;
    }
}

// ---- looking again ----------------------------------------------------------------------------

void worker_fenced(struct worker *worker, uint32_t slot) {
    struct worker_partition *own = &worker->partitions[worker->slots[slot].partition];
    worker->slots[slot].cursor.epoch = 0;
    if (own->fenced_ns == 0)
        own->fenced_ns = clock_monotonic_ns();
}

// The sum of the epochs of a partition's slots, which every change of an owner raises. 0: the books
// do not tell.
static uint64_t epochs_of(struct worker *worker, uint32_t partition) {
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        struct cursor_wish wish = {
            .cursor = {.kind = (uint8_t)worker->places, .slot = (uint16_t)slot}};
        struct cursor now;
        if (worker->slots[slot].partition != partition)
            continue;
        if (worker_is_stopping(worker) ||
            engine_wait_cursor(&worker->wait, COMMAND_READ_CURSOR, &wish, &now) != STATUS_ok)
            return 0;
        sum += now.epoch;
    }
    return sum;
}

// The same sum as it was when we claimed them. 0: some are not ours any more.
static uint64_t epochs_claimed(const struct worker *worker, uint32_t partition) {
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        if (worker->slots[slot].partition != partition)
            continue;
        if (worker->slots[slot].cursor.epoch == 0)
            return 0;
        sum += worker->slots[slot].cursor.epoch;
    }
    return sum;
}

static bool waits_for_a_person(const struct worker *worker, uint32_t partition) {
    bool waits = worker->partitions[partition].stopped;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS && !waits; slot++)
        waits = worker->slots[slot].partition == partition && worker->slots[slot].stopped;
    return waits;
}

void worker_look_again(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    uint64_t now_ns = clock_monotonic_ns();
    if (!own->ours)
        return;
    if (own->trial_ns != 0 && now_ns - own->trial_ns > TRIAL_NS)
        worker_goes_on(worker, partition);
    const char *why = NULL;
    bool again = own->fenced_ns != 0 && now_ns - own->fenced_ns > FENCED_NS;
    if (own->passes)
        again = now_ns >= worker->again_ns; // one of them at a time
    else if (!again && !own->stopped &&
             (why = worker_begins_again(worker, partition)) != NULL)
        again = true;
    else if (!again && now_ns >= own->look_ns && waits_for_a_person(worker, partition)) {
        // Held against our own claim, not against a first look: a person moves many places one
        // after the other, and we may have claimed in the middle of it.
        if (own->epochs == 0)
            own->epochs = epochs_claimed(worker, partition);
        uint64_t epochs = epochs_of(worker, partition);
        again = own->epochs != 0 && epochs != 0 && epochs != own->epochs;
        if (own->epochs == 0)
            own->epochs = epochs;
        own->look_ns = now_ns + LOOK_NS;
    }
    if (!again)
        return;
    if (!own->passes)
        log_line(LOG_INFO, "queue", "Partition %u begins again: %s.", partition,
                 why != NULL ? why : "its places were moved");
    int64_t offset = take_over(worker, partition);
    if (offset < 0)
        return;
    if (kafka_consumer_restart(worker->consumer, (int32_t)partition, offset))
        own->turn = kafka_consumer_turn(worker->consumer);
    else
        worker_suspend_partition(worker, partition, "it cannot be read from there");
}

// ---- settling ---------------------------------------------------------------------------------

static void take_settled(struct worker *worker, const struct cursor_wish *wish,
                         const struct outcome *outcome) {
    struct worker_slot *own = &worker->slots[wish->cursor.slot];
    if (outcome->status == STATUS_ok)
        own->cursor = outcome->cursor;
    else if (outcome->status == STATUS_fenced || outcome->status == STATUS_out_of_place)
        worker_fenced(worker, wish->cursor.slot);
}

void worker_settle(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    struct cursor_wish wishes[CURSORS_AT_ONCE];
    struct outcome outcomes[CURSORS_AT_ONCE];
    bool are_free = true;
    if (!own->ours || own->stopped || own->consumed <= own->settled)
        return;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS;) {
        uint32_t count = 0;
        for (; slot < LIMIT_SLOTS && count < CURSORS_AT_ONCE; slot++) {
            const struct worker_slot *one = &worker->slots[slot];
            if (one->partition != partition || one->stopped || one->waits ||
                one->cursor.epoch == 0 || one->cursor.next >= own->consumed)
                continue;
            wishes[count] = (struct cursor_wish){.cursor = one->cursor, .from = one->cursor.next};
            wishes[count].cursor.next = own->consumed;
            wishes[count++].cursor.checksum = own->checksum;
        }
        if (count == 0)
            break;
        submit(worker, COMMAND_CURSOR_MOVE, wishes, outcomes, count);
        for (uint32_t i = 0; i < count; i++) {
            take_settled(worker, &wishes[i], &outcomes[i]);
            are_free = are_free && !outcomes[i].aside;
        }
    }
    if (are_free) // a place that somebody has locked is moved next time
        own->settled = own->consumed;
}

// Where nothing is moved, nothing is refused that would tell of a reset. All slots of a partition
// are reset at once, so one of them tells.
void worker_look_at_settled(struct worker *worker, uint32_t partition) {
    const struct worker_partition *own = &worker->partitions[partition];
    if (!own->ours || own->stopped || own->fenced_ns != 0 || own->consumed > own->settled)
        return;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct cursor *mine = &worker->slots[slot].cursor;
        struct cursor_wish wish = {
            .cursor = {.kind = (uint8_t)worker->places, .slot = (uint16_t)slot}};
        struct cursor now;
        if (worker->slots[slot].partition != partition || worker->slots[slot].waits ||
            mine->epoch == 0)
            continue;
        if (engine_wait_cursor(&worker->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok &&
            (now.epoch != mine->epoch || now.next != mine->next))
            worker_fenced(worker, slot);
        return;
    }
}

void worker_revoked(void *context, const int32_t *partitions, uint32_t count, bool lost) {
    struct worker *worker = context;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t partition = (uint32_t)partitions[i];
        if (!lost)
            worker_settle(worker, partition);
        struct worker_partition *own = &worker->partitions[partition];
        *own = (struct worker_partition){0};
        for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
            if (worker->slots[slot].partition == partition) {
                worker->slots[slot].cursor.epoch = 0;
                worker->slots[slot].waits = false;
            }
    }
}
