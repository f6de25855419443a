// SPDX-License-Identifier: MIT
// Where partitions begin: what the books say, held against what the log has.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "queue/worker_private.h"

#define MARKS_MS  5000
#define FETCH_MS  10000
#define CURSORS_AT_ONCE 256

static struct command command_of(enum command_type type, const struct cursor_wish *wish) {
    return (struct command){.type = (uint8_t)type,
                            .slot = wish->cursor.slot,
                            .cursor = wish,
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

// Up to CURSORS_AT_ONCE cursor commands as one round. Tries again while the books are busy.
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
        bool passes = status == STATUS_busy || status == STATUS_storage_full ||
                      status == STATUS_internal;
        if (!passes || worker_is_stopping(worker))
            return;
        worker_pause(worker, UINT64_C(200000000));
    }
}

// ---- assigned ---------------------------------------------------------------------------------

static bool claim_slots(struct worker *worker, uint32_t partition, char *ret_why,
                        size_t why_bytes) {
    struct cursor_wish wishes[CURSORS_AT_ONCE];
    struct outcome outcomes[CURSORS_AT_ONCE];
    for (uint32_t slot = 0; slot < LIMIT_SLOTS;) {
        uint32_t count = 0;
        for (; slot < LIMIT_SLOTS && count < CURSORS_AT_ONCE; slot++)
            if (worker->slots[slot].partition == partition)
                wishes[count++] =
                    (struct cursor_wish){.cursor = {.kind = CURSOR_QUEUE,
                                                    .slot = (uint16_t)slot,
                                                    .partitions = worker->reader.partitions,
                                                    .source = worker->source}};
        if (count == 0)
            break;
        submit(worker, COMMAND_CURSOR_CLAIM, wishes, outcomes, count);
        for (uint32_t i = 0; i < count; i++) {
            struct worker_slot *own = &worker->slots[wishes[i].cursor.slot];
            if (outcomes[i].status != STATUS_ok) {
                bool foreign = outcomes[i].status == STATUS_out_of_place;
                (void)snprintf(ret_why, why_bytes,
                               foreign ? "slot %u was carried out from another cluster, topic or "
                                         "number of partitions"
                                       : "slot %u cannot be claimed",
                               wishes[i].cursor.slot);
                return false;
            }
            own->cursor = outcomes[i].cursor;
            own->stopped = false;
            own->first = own->last = -1;
        }
    }
    return true;
}

// The last record that the books know of must be the one that is there.
static bool last_is_known(struct worker *worker, uint32_t partition, const struct cursor *last,
                          int64_t low, char *ret_why, size_t why_bytes) {
    struct kafka_record record;
    int64_t offset = (int64_t)last->next - 1;
    if (last->next == 0 || last->checksum == 0 || offset < low)
        return true; // nothing to compare
    enum status status =
        kafka_fetch_one(&worker->access, worker->commands_name, (int32_t)partition, offset,
                        FETCH_MS, &record);
    if (status == STATUS_busy) {
        (void)snprintf(ret_why, why_bytes, "record %" PRId64 " cannot be read to compare it",
                       offset);
        return false;
    }
    bool same = status == STATUS_ok && order_checksum(&record) == last->checksum;
    if (status == STATUS_ok)
        kafka_record_done(&record);
    if (!same)
        (void)snprintf(ret_why, why_bytes,
                       "record %" PRId64 " is not the one that was carried out: the topic was "
                       "made anew or cut",
                       offset);
    return same;
}

// Where it begins; negative: it must not.
static int64_t begin(struct worker *worker, uint32_t partition, char *ret_why, size_t why_bytes) {
    struct worker_partition *own = &worker->partitions[partition];
    const struct cursor *last = NULL;
    uint64_t smallest = UINT64_MAX;
    int64_t low, high;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct cursor *cursor = &worker->slots[slot].cursor;
        if (worker->slots[slot].partition != partition)
            continue;
        if (cursor->next < smallest)
            smallest = cursor->next;
        if (last == NULL || cursor->next > last->next)
            last = cursor;
    }
    if (last == NULL)
        return -1; // no slot has this partition, and nothing may come in it
    if (kafka_consumer_marks(worker->consumer, (int32_t)partition, MARKS_MS, &low, &high) !=
        STATUS_ok) {
        (void)snprintf(ret_why, why_bytes, "the broker does not tell where its log begins");
        return -1;
    }
    if ((int64_t)smallest < low || (int64_t)last->next > high) {
        (void)snprintf(ret_why, why_bytes,
                       "the books stand at %" PRIu64 " to %" PRIu64 ", but the log has %" PRId64
                       " to %" PRId64 ": records are lost, or it was made anew",
                       smallest, last->next, low, high);
        return -1;
    }
    if (!last_is_known(worker, partition, last, low, ret_why, why_bytes))
        return -1;
    own->consumed = last->next;
    own->checksum = last->checksum;
    own->settled = smallest;
    return (int64_t)smallest;
}

void worker_assigned(void *context, const int32_t *partitions, uint32_t count,
                     int64_t *ret_offsets) {
    struct worker *worker = context;
    for (uint32_t i = 0; i < count; i++) {
        char why[256] = "";
        uint32_t partition = (uint32_t)partitions[i];
        struct worker_partition *own = &worker->partitions[partition];
        *own = (struct worker_partition){.ours = true,
                                         .turn = kafka_consumer_turn(worker->consumer)};
        ret_offsets[i] = -1;
        if (partition >= worker->reader.partitions)
            (void)snprintf(why, sizeof(why), "the topic has more partitions than are configured");
        else if (claim_slots(worker, partition, why, sizeof(why)))
            ret_offsets[i] = begin(worker, partition, why, sizeof(why));
        if (ret_offsets[i] < 0 && why[0] != '\0')
            worker_stop_partition(worker, partition, why);
        else if (ret_offsets[i] >= 0)
            log_line(LOG_INFO, "queue", "Partition %u from %" PRId64 " on.", partition,
                     ret_offsets[i]);
    }
}

// ---- settling ---------------------------------------------------------------------------------

static void take_settled(struct worker *worker, const struct cursor_wish *wish,
                         const struct outcome *outcome) {
    struct worker_slot *own = &worker->slots[wish->cursor.slot];
    if (outcome->status == STATUS_ok)
        own->cursor = outcome->cursor;
    else if (outcome->status == STATUS_fenced || outcome->status == STATUS_out_of_place)
        own->cursor.epoch = 0; // another's now
}

void worker_settle(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    struct cursor_wish wishes[CURSORS_AT_ONCE];
    struct outcome outcomes[CURSORS_AT_ONCE];
    if (!own->ours || own->stopped || own->consumed <= own->settled)
        return;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS;) {
        uint32_t count = 0;
        for (; slot < LIMIT_SLOTS && count < CURSORS_AT_ONCE; slot++) {
            const struct worker_slot *one = &worker->slots[slot];
            if (one->partition != partition || one->stopped || one->cursor.epoch == 0 ||
                one->cursor.next >= own->consumed)
                continue;
            wishes[count] = (struct cursor_wish){.cursor = one->cursor, .from = one->cursor.next};
            wishes[count].cursor.next = own->consumed;
            wishes[count++].cursor.checksum = own->checksum;
        }
        if (count == 0)
            break;
        submit(worker, COMMAND_CURSOR_MOVE, wishes, outcomes, count);
        for (uint32_t i = 0; i < count; i++)
            take_settled(worker, &wishes[i], &outcomes[i]);
    }
    own->settled = own->consumed;
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
            if (worker->slots[slot].partition == partition)
                worker->slots[slot].cursor.epoch = 0;
    }
}
