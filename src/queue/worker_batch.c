// SPDX-License-Identifier: MIT
// A batch: records become orders, orders of one slot a submission that stands under its cursor, all
// submissions one round.
//
// What the books are too busy for is tried again, in order, until it is done; meanwhile partitions
// are paused and the group goes on hearing from us. A round in which the engine itself fails is
// tried in halves, until the one command stands alone that it cannot carry out; its slot stops.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "queue/letter.h"
#include "queue/worker_private.h"

#define RETRY_NS    UINT64_C(100000000)
#define LETTER_NS   UINT64_C(1000000000) // until a letter that was not delivered is sent again
#define LETTER_POLLS 21 // of 50 ms, until it is said that they wait
#define ALONE_TRIES 3

static void count(struct worker *worker, uint64_t *counter, uint64_t by) {
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    *counter += by;
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
}

static bool is_ours(const struct worker *worker, const struct worker_item *item) {
    const struct worker_partition *own = &worker->partitions[item->record.partition];
    return own->ours && !own->stopped && item->record.turn >= own->turn;
}

static void keep_polling(struct worker *worker);
static void resume(struct worker *worker);

// ---- orders -----------------------------------------------------------------------------------

// Newer than we understand: the rest of its partition waits for a newer worker.
static void stop_too_new(struct worker *worker, uint32_t partition) {
    struct worker_partition *own = &worker->partitions[partition];
    char why[160];
    (void)snprintf(why, sizeof(why),
                   "record %" PRIu64 " has a version that this program does not know; run a newer "
                   "one, or send it off with florin queue skip",
                   own->barrier - 1);
    own->barrier = 0;
    worker_settle(worker, partition);
    worker_stop_partition(worker, partition, why);
}

// What comes before a record that is too new is carried out; it and what comes behind it are not.
static bool is_before_barrier(const struct worker *worker, const struct kafka_record *record) {
    uint64_t barrier = worker->partitions[record->partition].barrier;
    return barrier == 0 || (uint64_t)record->offset < barrier - 1;
}

static void chain(struct worker *worker, uint32_t index) {
    struct worker_item *item = &worker->items[index];
    struct worker_slot *slot = &worker->slots[item->order.slot];
    if (slot->last < 0)
        slot->first = (int32_t)index;
    else
        worker->items[slot->last].next = (int32_t)index;
    slot->last = (int32_t)index;
}

// A key that another node has just made or given a new secret may not be known here yet; a question
// to the books brings keys up to date.
static void read_again(struct worker *worker, struct worker_item *item, bool *is_fresh,
                       bool *ret_paused) {
    struct cursor_wish wish = {.cursor = worker->slots[0].cursor};
    struct cursor now;
    wish.cursor.kind = (uint8_t)worker->places;
    wish.cursor.slot = 0;
    while (!*is_fresh && !worker_is_stopping(worker)) {
        *is_fresh = engine_wait_cursor(&worker->wait, COMMAND_READ_CURSOR, &wish, &now) ==
                    STATUS_ok;
        if (!*is_fresh && worker->has_parts) { // keys are made on one of them, which may be away
            worker->partitions[item->record.partition].waiting++;
            worker_set_aside(worker, item->order.slot, WAIT_AWAY);
            item->done = true;
            return;
        }
        if (*is_fresh)
            break;
        keep_polling(worker); // the books may know it: it is not dead
        worker_pause(worker, RETRY_NS);
        *ret_paused = true;
    }
    order_read(&worker->reader, &item->record, &item->order);
}

// A record without a slot has no place of its own: any slot's place behind it says that its letter
// is written.
static bool is_buried(const struct worker *worker, const struct worker_item *item) {
    return item->order.kind == ORDER_DEAD &&
           (uint64_t)item->record.offset < worker->partitions[item->record.partition].buried;
}

// A letter is written before its place moves. Where that cannot move now, because the slot's shard
// is away, both wait: else it would be written again when the record is read again. `asked`: slots
// whose shards have answered in this batch.
static bool waits_for_place(struct worker *worker, struct worker_item *item,
                            bool asked[LIMIT_SLOTS]) {
    uint32_t slot = item->order.slot;
    if (!worker->has_parts || slot == LIMIT_SLOTS || item->order.kind != ORDER_DEAD ||
        asked[slot])
        return false;
    struct cursor_wish wish = {
        .cursor = {.kind = (uint8_t)worker->places, .slot = (uint16_t)slot}};
    struct cursor now;
    asked[slot] =
        engine_wait_cursor(&worker->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok;
    if (asked[slot])
        return false;
    worker->partitions[item->record.partition].waiting++;
    worker_set_aside(worker, slot, WAIT_AWAY);
    return true;
}

static void read_all(struct worker *worker) {
    uint64_t skipped = 0;
    bool is_fresh = false, paused = false, asked[LIMIT_SLOTS] = {false};
    for (uint32_t i = 0; i < worker->item_count; i++) {
        struct worker_item *item = &worker->items[i];
        item->next = -1;
        item->done = !is_ours(worker, item) || !is_before_barrier(worker, &item->record);
        if (item->done)
            continue;
        order_read(&worker->reader, &item->record, &item->order);
        const struct worker_slot *home =
            item->order.slot == LIMIT_SLOTS ? NULL : &worker->slots[item->order.slot];
        if (home != NULL && home->waits) {
            worker->partitions[item->record.partition].waiting++;
            item->done = true;
            continue;
        }
        if (item->order.is_unproved)
            read_again(worker, item, &is_fresh, &paused);
        if (item->done)
            continue;
        bool is_passed = home != NULL && (uint64_t)item->record.offset < home->cursor.next;
        if (item->order.kind == ORDER_TOO_NEW && !is_passed) {
            worker->partitions[item->record.partition].barrier =
                (uint64_t)item->record.offset + 1;
            item->done = true;
            continue;
        }
        if (home != NULL)
            CHECK(home->partition == (uint32_t)item->record.partition);
        item->done = home != NULL ? home->stopped || is_passed : is_buried(worker, item);
        skipped += item->done;
        if (!item->done)
            item->done = waits_for_place(worker, item, asked);
    }
    if (paused)
        resume(worker);
    count(worker, &worker->stats.skipped, skipped);
}

// ---- dead letters -----------------------------------------------------------------------------

void worker_letter_delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                             int32_t partition, int64_t offset, const char *why) {
    struct worker *worker = context;
    (void)partition, (void)offset;
    if (fate == KAFKA_KEPT) {
        ((struct worker_item *)ticket)->is_buried = true;
        return;
    }
    if (!worker_is_stopping(worker))
        log_line(LOG_ERROR, "queue", "A dead letter was not delivered: %s", why);
}

static bool send_letter(struct worker *worker, struct worker_item *item) {
    const struct kafka_record *record = &item->record;
    log_line(LOG_WARNING, "queue", "Dead letter %d/%" PRId64 ": %s", record->partition,
             record->offset, item->order.why);
    return letter_send(worker->producer, worker->dead_letters_name, worker->commands_name, record,
                       item->order.why, &item->letter) == STATUS_ok;
}

// Hears the group and the broker while something must wait. Records that come are for later.
static void keep_polling(struct worker *worker) {
    (void)kafka_producer_poll(worker->producer, 0);
    worker->waits = true;
    worker_note(worker);
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours)
            kafka_consumer_pause(worker->consumer, (int32_t)i, true);
    // Something may have been on its way to us before the pause.
    if (worker->held_count < WORKER_HELD_MAX &&
        kafka_consume(worker->consumer, 10, &worker->held[worker->held_count], 1) == 1)
        worker->held_count++;
}

static void resume(struct worker *worker) {
    worker->waits = false;
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours && !worker->partitions[i].stopped)
            kafka_consumer_pause(worker->consumer, (int32_t)i, false);
}

static bool is_letter(const struct worker_item *item) {
    return !item->done && item->order.kind == ORDER_DEAD;
}

// Hands over the letters that the broker does not have: one that it refuses, such as one that is
// too large for it, must not bring the others along again. False: the producer is full.
static bool send_letters(struct worker *worker) {
    for (uint32_t i = 0; i < worker->item_count; i++) {
        struct worker_item *item = &worker->items[i];
        if (is_letter(item) && !item->is_buried && !send_letter(worker, item))
            return false;
    }
    return true;
}

static bool all_are_buried(const struct worker *worker) {
    for (uint32_t i = 0; i < worker->item_count; i++)
        if (is_letter(&worker->items[i]) && !worker->items[i].is_buried)
            return false;
    return true;
}

// Until it is known what became of each. False: the house is taken down before.
static bool hear_of_letters(struct worker *worker, bool *ret_paused) {
    for (uint32_t i = 0; kafka_producer_pending(worker->producer) != 0; i++) {
        if (worker_is_stopping(worker))
            return false;
        (void)kafka_producer_poll(worker->producer, 50);
        if (i == LETTER_POLLS)
            log_line(LOG_WARNING, "queue",
                     "Dead letters are not delivered yet; what is behind them waits.");
        if (i >= LETTER_POLLS) {
            keep_polling(worker);
            *ret_paused = true;
        }
    }
    return true;
}

// Buries what is dead, until the broker has all of it. False: the house is taken down before.
static bool bury_all(struct worker *worker) {
    uint32_t letters = 0;
    for (uint32_t i = 0; i < worker->item_count; i++) {
        struct worker_item *item = &worker->items[i];
        item->is_buried = false;
        letters += is_letter(item);
        if (is_letter(item) && !item->order.has_command)
            worker->partitions[item->record.partition].has_letters = true;
    }
    bool paused = false;
    while (letters != 0) {
        bool sent = send_letters(worker);
        if (!hear_of_letters(worker, &paused))
            return false;
        if (sent && all_are_buried(worker))
            break;
        keep_polling(worker); // the producer may have failed, and begins again
        paused = true;
        worker_pause(worker, LETTER_NS);
        if (worker_is_stopping(worker))
            return false;
    }
    if (paused)
        resume(worker);
    count(worker, &worker->stats.dead_letters, letters);
    return true;
}

// Where nothing moves a place past letters, their partitions are settled at once: whoever reads
// these records again, after an outage of a shard or a crash of ours, does not write them twice.
static void settle_letters(struct worker *worker) {
    for (uint32_t i = 0; i < worker->reader.partitions; i++) {
        struct worker_partition *own = &worker->partitions[i];
        bool has_letters = own->has_letters;
        own->has_letters = false;
        if (has_letters && own->ours)
            worker_settle(worker, i);
    }
}

// ---- one round --------------------------------------------------------------------------------

struct round_part {
    struct submission submission;
    struct cursor_wish wish;
    uint32_t slot;
    uint32_t first; // index in `indexes`
};

static struct command guard_of(uint32_t slot, const struct cursor_wish *wish) {
    return (struct command){.type = COMMAND_CURSOR_MOVE,
                            .slot = slot,
                            .cursor = wish,
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

// An atomic batch: alone, because it is done or undone as one.
static struct round_part *part_of_batch(struct worker *worker, uint32_t slot,
                                        const struct worker_item *item) {
    const struct worker_slot *own = &worker->slots[slot];
    const struct order *order = &item->order;
    struct round_part *part = arena_take(&worker->arena, sizeof(*part));
    memset(part, 0, sizeof(*part));
    size_t outcome_bytes = order->operation_count * sizeof(struct outcome);
    struct outcome *outcomes = arena_take(&worker->arena, outcome_bytes);
    memset(outcomes, 0, outcome_bytes);
    part->slot = slot;
    part->wish = (struct cursor_wish){.cursor = own->cursor, .from = own->cursor.next};
    part->wish.cursor.next = (uint64_t)item->record.offset + 1;
    part->wish.cursor.checksum = order_checksum(&item->record);
    part->submission = (struct submission){.commands = order->operations,
                                           .outcomes = outcomes,
                                           .count = order->operation_count,
                                           .is_batch = true,
                                           .guarded = true,
                                           .batch = guard_of(slot, &part->wish),
                                           .whole = &order->command};
    return part;
}

static bool is_to_do(const struct worker_item *item) {
    return !item->done && item->order.has_command;
}

// What of a slot's orders goes into this round: up to `most` commands, in order; or one batch.
static struct round_part *part_of(struct worker *worker, uint32_t slot, uint32_t most) {
    struct worker_slot *own = &worker->slots[slot];
    uint32_t commands = 0;
    for (int32_t i = own->first; i >= 0 && commands < most; i = worker->items[i].next) {
        const struct worker_item *item = &worker->items[i];
        bool is_batch = is_to_do(item) && item->order.operation_count != 0;
        if (is_batch && commands == 0)
            return part_of_batch(worker, slot, item);
        if (is_batch)
            break;
        commands += is_to_do(item);
    }
    if (commands == 0)
        return NULL;
    struct round_part *part = arena_take(&worker->arena, sizeof(*part));
    struct command *list = arena_take(&worker->arena, commands * sizeof(*list));
    struct outcome *outcomes = arena_take(&worker->arena, commands * sizeof(*outcomes));
    struct cursor_place *places = arena_take(&worker->arena, commands * sizeof(*places));
    memset(part, 0, sizeof(*part));
    memset(outcomes, 0, commands * sizeof(*outcomes));
    uint32_t n = 0;
    for (int32_t i = own->first; i >= 0 && n < commands; i = worker->items[i].next) {
        const struct worker_item *item = &worker->items[i];
        if (!is_to_do(item))
            continue;
        list[n] = item->order.command;
        places[n++] = (struct cursor_place){.next = (uint64_t)item->record.offset + 1,
                                            .checksum = order_checksum(&item->record)};
    }
    part->slot = slot;
    part->wish = (struct cursor_wish){
        .cursor = own->cursor, .from = own->cursor.next, .places = places};
    part->wish.cursor.next = places[commands - 1].next;
    part->wish.cursor.checksum = places[commands - 1].checksum;
    part->submission = (struct submission){
        .commands = list,
        .outcomes = outcomes,
        .count = commands,
        .is_batch = true,
        .guarded = true,
        .batch = guard_of(slot, &part->wish)};
    return part;
}

// Marks what the cursor has passed as done. Returns how many commands that were.
static uint32_t mark_done(struct worker *worker, uint32_t slot) {
    struct worker_slot *own = &worker->slots[slot];
    uint32_t commands = 0;
    while (own->first >= 0) {
        struct worker_item *item = &worker->items[own->first];
        bool passed = (uint64_t)item->record.offset < own->cursor.next || item->done ||
                      !item->order.has_command;
        if (!passed)
            break;
        commands += !item->done && item->order.has_command;
        item->done = true;
        own->first = item->next;
    }
    if (own->first < 0)
        own->last = -1;
    return commands;
}

static void drop_slot(struct worker *worker, uint32_t slot) {
    struct worker_slot *own = &worker->slots[slot];
    for (int32_t i = own->first; i >= 0; i = worker->items[i].next)
        worker->items[i].done = true;
    own->first = own->last = -1;
}

static void stop_slot(struct worker *worker, uint32_t slot) {
    const struct worker_item *item = &worker->items[worker->slots[slot].first];
    log_line(LOG_ERROR, "queue",
             "ALARM: slot %u stops at record %d/%" PRId64
             ": the engine cannot carry it out. It is tried again after a restart; florin queue "
             "skip sends it off.",
             slot, item->record.partition, item->record.offset);
    worker->slots[slot].stopped = true;
    worker->slots[slot].stopped_at = item->record.offset;
    worker->partitions[worker->slots[slot].partition].look_ns = 0;
    worker->partitions[worker->slots[slot].partition].epochs = 0;
    drop_slot(worker, slot);
}

// What became of a slot's part. Returns the status that it must wait for, or ok.
static enum status take_part(struct worker *worker, const struct round_part *part) {
    struct worker_slot *own = &worker->slots[part->slot];
    const struct outcome *whole = &part->submission.batch_outcome;
    enum status status = (enum status)whole->status;
    if (status == STATUS_fenced || status == STATUS_out_of_place) {
        struct cursor_wish wish = {.cursor = own->cursor};
        struct cursor now;
        if (engine_wait_cursor(&worker->wait, COMMAND_READ_CURSOR, &wish, &now) == STATUS_ok &&
            now.epoch == own->cursor.epoch) {
            own->cursor = now; // a commit whose answer was lost
        } else {
            log_line(LOG_WARNING, "queue", "Slot %u is another worker's now.", part->slot);
            count(worker, &worker->stats.fenced, 1);
            worker_fenced(worker, part->slot);
            drop_slot(worker, part->slot);
            return STATUS_ok;
        }
    } else if (whole->cursor.epoch == own->cursor.epoch) {
        own->cursor = whole->cursor;
    }
    uint32_t done = mark_done(worker, part->slot);
    count(worker, &worker->stats.commands, done);
    own->is_locked = whole->aside;
    // What else one server is too busy for, it is for everybody.
    bool waits_alone = status == STATUS_busy && (worker->has_parts || own->is_locked);
    if (!waits_alone || done != 0)
        own->busy_ns = 0;
    else if (own->busy_ns == 0)
        own->busy_ns = clock_monotonic_ns();
    return status == STATUS_out_of_place ? STATUS_ok : status;
}

// One round of what is left. STATUS_ok: go on at once; else what it waits for.
static enum status play_round(struct worker *worker, bool *ret_any) {
    struct round_part *parts[LIMIT_SLOTS];
    uint32_t part_count = 0, commands = 0, orders = 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS && commands < worker->limit; slot++) {
        if (worker->slots[slot].first < 0)
            continue;
        (void)mark_done(worker, slot);
        struct round_part *part = part_of(worker, slot, worker->limit - commands);
        if (part == NULL)
            continue;
        if (part_count != 0)
            parts[part_count - 1]->submission.next = &part->submission;
        parts[part_count++] = part;
        commands += part->submission.count;
        orders += part->submission.whole != NULL ? 1 : part->submission.count;
    }
    *ret_any = part_count != 0;
    if (part_count == 0)
        return STATUS_ok;
    engine_wait_submit(&worker->wait, &parts[0]->submission);
    // Outcomes are looked at before the next question to the books forgets them.
    engine_wait_release(&worker->wait);
    enum status waits = STATUS_ok;
    for (uint32_t i = 0; i < part_count; i++) {
        enum status status = take_part(worker, parts[i]);
        if (status != STATUS_ok)
            waits = status;
    }
    if (waits == STATUS_internal && orders == 1)
        waits = STATUS_damaged; // it stands alone
    count(worker, &worker->stats.batches, 1);
    return waits;
}

static void stop_the_only_one(struct worker *worker) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        if (worker->slots[slot].first >= 0) {
            stop_slot(worker, slot);
            return;
        }
}

static void drop_foreign(struct worker *worker) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct worker_slot *own = &worker->slots[slot];
        if (own->first >= 0 && own->cursor.epoch == 0)
            drop_slot(worker, slot);
    }
}

static void carry_out(struct worker *worker) {
    uint32_t alone = 0;
    bool any = true, paused = false;
    worker->limit = WORKER_BATCH_MAX;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        worker->slots[slot].busy_ns = 0;
    while (any && !worker_is_stopping(worker)) {
        enum status waits = play_round(worker, &any);
        if (waits == STATUS_ok)
            continue;
        if (waits == STATUS_damaged && ++alone >= ALONE_TRIES) {
            stop_the_only_one(worker);
            worker->limit = WORKER_BATCH_MAX;
            alone = 0;
            continue;
        }
        if (waits == STATUS_internal) {
            worker->limit = worker->limit / 2 == 0 ? 1 : worker->limit / 2;
            continue;
        }
        keep_polling(worker);
        paused = true;
        drop_foreign(worker);
        worker_set_busy_aside(worker);
        worker_pause(worker, RETRY_NS);
    }
    if (paused)
        resume(worker);
}

void worker_batch(struct worker *worker) {
    arena_reset(&worker->arena);
    read_all(worker);
    if (bury_all(worker)) {
        for (uint32_t i = 0; i < worker->item_count; i++)
            if (!worker->items[i].done && worker->items[i].order.slot < LIMIT_SLOTS &&
                is_ours(worker, &worker->items[i]))
                chain(worker, i);
        carry_out(worker);
    }
    bool whole = !worker_is_stopping(worker);
    for (uint32_t i = 0; i < worker->item_count; i++) {
        struct kafka_record *record = &worker->items[i].record;
        struct worker_partition *own = &worker->partitions[record->partition];
        // What a stop cut short stands behind what is seen to: it comes again.
        if (whole && is_ours(worker, &worker->items[i]) && is_before_barrier(worker, record) &&
            (uint64_t)record->offset >= own->consumed) {
            own->consumed = (uint64_t)record->offset + 1;
            own->checksum = order_checksum(record);
            own->time_ms = record->time_ms;
            own->seen_ns = clock_monotonic_ns();
            worker_goes_on(worker, (uint32_t)record->partition);
        }
        kafka_record_done(record);
    }
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        worker->slots[slot].first = worker->slots[slot].last = -1;
    worker->item_count = 0;
    if (whole)
        settle_letters(worker);
    for (uint32_t i = 0; whole && i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours && worker->partitions[i].barrier != 0)
            stop_too_new(worker, i);
}
