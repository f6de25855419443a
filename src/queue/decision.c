// SPDX-License-Identifier: MIT
// Carries decisions out, each in an order in which a crash between two steps loses nothing: done
// again, they end the same.
#include "queue/decision.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/wait.h"
#include "queue/letter.h"
#include "queue/order.h"
#include "queue/partition.h"
#include "queue/proof.h"

#define WAIT_MS  10000
#define MARKS_MS 5000 // before whoever asks over HTTP is told that it takes too long
#define MARKS_HURRIED_MS 250 // of the next partition, when one was not told

struct decision {
    struct decision_options options;
    struct kafka_producer *producer;
    struct engine_wait wait;
    uint64_t source;
    uint32_t failed; // letters
    bool is_silent;  // of one partition no broker told what its log has
    uint32_t partition_of[LIMIT_SLOTS];
};

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct decision *decision = context;
    (void)ticket, (void)partition, (void)offset, (void)why;
    decision->failed += fate != KAFKA_KEPT;
}

enum status decision_open(const struct decision_options *options, char *ret_why,
                          size_t why_bytes, struct decision **ret_decision) {
    struct decision *decision = memory_take_zeroed(sizeof(*decision));
    CHECK(options->who.request_id.size <= DECISION_REASON_BYTES_MAX);
    CHECK(cursor_is_of_commands((uint8_t)options->places));
    decision->options = *options;
    engine_wait_init(&decision->wait, options->engine);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        char key[8];
        decision->partition_of[slot] = partition_of_key(
            slice_of(key, partition_key_of_slot(slot, key)), options->partitions);
    }
    enum status status = kafka_producer_open(options->access, delivered, decision, ret_why,
                                             why_bytes, &decision->producer);
    if (status == STATUS_ok) {
        status = kafka_source(decision->producer, options->commands, WAIT_MS, &decision->source);
        if (status != STATUS_ok)
            (void)snprintf(ret_why, why_bytes, "No broker answers.");
    }
    if (status != STATUS_ok) {
        decision_close(decision);
        return status;
    }
    *ret_decision = decision;
    return STATUS_ok;
}

void decision_close(struct decision *decision) {
    if (decision == NULL)
        return;
    kafka_producer_close(decision->producer);
    engine_wait_done(&decision->wait);
    memory_free(decision);
}

static enum status read_cursor(struct decision *decision, uint32_t slot, struct cursor *ret_now) {
    struct cursor_wish wish = {
        .cursor = {.kind = (uint8_t)decision->options.places, .slot = (uint16_t)slot}};
    return engine_wait_cursor(&decision->wait, COMMAND_READ_CURSOR, &wish, ret_now);
}

// The places of all slots of a partition, in one round.
static enum status read_cursors(struct decision *decision, uint32_t partition,
                                struct cursor ret_places[LIMIT_SLOTS], uint32_t *ret_count) {
    struct command *commands = memory_take_zeroed(LIMIT_SLOTS * sizeof(*commands));
    struct cursor_wish *wishes = memory_take_zeroed(LIMIT_SLOTS * sizeof(*wishes));
    struct outcome *outcomes = memory_take_zeroed(LIMIT_SLOTS * sizeof(*outcomes));
    enum status status = STATUS_ok;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        if (decision->partition_of[slot] != partition)
            continue;
        wishes[count].cursor = (struct cursor){.kind = (uint8_t)decision->options.places,
                                               .slot = (uint16_t)slot};
        commands[count] = (struct command){.type = COMMAND_READ_CURSOR,
                                           .slot = slot,
                                           .cursor = &wishes[count],
                                           .origin = {.principal = SLICE("system"),
                                                      .role = ROLE_SYSTEM}};
        count++;
    }
    if (count != 0) {
        struct submission submission = {
            .commands = commands, .outcomes = outcomes, .count = count, .is_batch = true};
        engine_wait_submit(&decision->wait, &submission);
        for (uint32_t i = 0; i < count; i++) {
            if (outcomes[i].status != STATUS_ok)
                status = (enum status)outcomes[i].status;
            ret_places[i] = outcomes[i].cursor;
        }
        engine_wait_release(&decision->wait);
    }
    memory_free(outcomes);
    memory_free(wishes);
    memory_free(commands);
    *ret_count = count;
    return status;
}

enum status decision_look(struct decision *decision, uint32_t partition,
                          struct decision_place *ret_place) {
    struct cursor places[LIMIT_SLOTS];
    uint32_t count;
    *ret_place = (struct decision_place){.first = UINT64_MAX};
    enum status status = read_cursors(decision, partition, places, &count);
    if (status != STATUS_ok)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        struct cursor now = places[i];
        if (now.source != 0 && (now.source != decision->source ||
                                now.partitions != decision->options.partitions))
            ret_place->is_foreign = true;
        if (now.next < ret_place->first)
            ret_place->first = now.next;
        if (now.next > ret_place->last)
            ret_place->last = now.next;
    }
    if (ret_place->first > ret_place->last)
        ret_place->first = ret_place->last; // no slot has it
    ret_place->has_log =
        kafka_producer_marks(decision->producer, decision->options.commands, (int32_t)partition,
                             decision->is_silent ? MARKS_HURRIED_MS : MARKS_MS, &ret_place->low,
                             &ret_place->high) == STATUS_ok;
    decision->is_silent = decision->is_silent || !ret_place->has_log;
    return STATUS_ok;
}

static enum status reset_slot(struct decision *decision, uint32_t slot, uint64_t next) {
    struct cursor_wish wish = {.cursor = {.kind = (uint8_t)decision->options.places,
                                          .slot = (uint16_t)slot,
                                          .next = next,
                                          .partitions = decision->options.partitions,
                                          .source = decision->source}};
    struct cursor after;
    bool is_replayed;
    return engine_wait_decide(&decision->wait, &wish, &decision->options.who,
                              &decision->options.key, &after, &is_replayed);
}

static enum status slot_made(struct decision *decision, uint32_t slot, uint64_t *ret_next) {
    struct cursor then;
    enum status status =
        engine_wait_decided(&decision->wait, decision->options.places, (uint16_t)slot,
                            &decision->options.who, &decision->options.key, &then);
    if (status == STATUS_ok)
        *ret_next = then.next;
    return status;
}

enum status decision_made(struct decision *decision, uint32_t partition, uint64_t *ret_next) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        if (decision->partition_of[slot] == partition)
            return slot_made(decision, slot, ret_next);
    return STATUS_fenced; // no slot has it
}

enum status decision_reset(struct decision *decision, uint32_t partition, uint64_t next) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        if (decision->partition_of[slot] != partition)
            continue;
        enum status status = reset_slot(decision, slot, next);
        if (status != STATUS_ok)
            return status;
    }
    return STATUS_ok;
}

// ---- one record -------------------------------------------------------------------------------

struct skipping {
    struct decision *decision;
    uint32_t partition;
    int64_t offset;
    enum status status;
    bool found;
    uint32_t slot;
    uint64_t buried; // as the worker has it
    char *why;
    size_t why_bytes;
};

static void admit_all(void *context, uint8_t role, struct slice owner,
                      struct wire_context *wire) {
    (void)context, (void)role, (void)owner;
    wire->allowed_commands = UINT64_MAX; // it is refused in any case
}

static enum status send_letter(struct decision *decision, const struct kafka_record *record) {
    char reason[160];
    (void)snprintf(reason, sizeof(reason), "sent off by %.*s: %.*s",
                   (int)decision->options.who.principal.size,
                   (const char *)decision->options.who.principal.bytes,
                   (int)decision->options.who.request_id.size,
                   (const char *)decision->options.who.request_id.bytes);
    enum status status = letter_send(decision->producer, decision->options.dead_letters,
                                     decision->options.commands, record, reason, NULL);
    bool drained = kafka_producer_drain(decision->producer, WAIT_MS);
    return status == STATUS_ok && drained && decision->failed == 0 ? STATUS_ok : STATUS_busy;
}

// The operation behind the record, if it is one, ends as refused.
static enum status refuse(struct decision *decision, const struct kafka_record *record) {
    struct arena arena;
    struct order order;
    struct order_reader reader = {.engine = decision->options.engine,
                                  .topic = decision->options.commands,
                                  .partitions = decision->options.partitions,
                                  .node_key = proof_node_key(&decision->options.engine->seal),
                                  .owner = slice_of_text(decision->options.principal == NULL
                                                             ? ""
                                                             : decision->options.principal),
                                  .parser = json_open(),
                                  .arena = &arena,
                                  .currencies = decision->options.currencies,
                                  .admit = admit_all};
    enum status status = STATUS_ok;
    arena_init(&arena, 1 << 16);
    order_read(&reader, record, &order);
    if (order.kind == ORDER_COMMAND && order.has_command) {
        struct outcome outcome = {0};
        struct submission submission = {
            .commands = &order.command, .outcomes = &outcome, .count = 1};
        order.command.type = COMMAND_INVALID;
        order.command.door = STATUS_invalid_request;
        engine_wait_submit(&decision->wait, &submission);
        bool is_busy = status_class((enum status)outcome.status) == STATUS_CLASS_BUSY ||
                       status_class((enum status)outcome.status) == STATUS_CLASS_BROKEN;
        status = is_busy ? (enum status)outcome.status : STATUS_ok;
        engine_wait_release(&decision->wait);
    }
    json_close(reader.parser);
    arena_done(&arena);
    explicit_bzero(&reader.node_key, sizeof(reader.node_key));
    return status;
}

static bool take_record(void *context, const struct kafka_record *record) {
    struct skipping *skipping = context;
    skipping->found = true;
    if (!partition_slot_of_key(record->key, &skipping->slot) ||
        skipping->decision->partition_of[skipping->slot] != skipping->partition) {
        (void)snprintf(skipping->why, skipping->why_bytes,
                       "it is of no slot of this partition; workers bury such records themselves");
        skipping->status = STATUS_out_of_place;
        return false;
    }
    skipping->status = send_letter(skipping->decision, record);
    if (skipping->status == STATUS_ok)
        skipping->status = refuse(skipping->decision, record);
    return false;
}

static bool find_slot(void *context, const struct kafka_record *record) {
    struct skipping *skipping = context;
    skipping->found = partition_slot_of_key(record->key, &skipping->slot);
    return false;
}

// Of the same slot, or of none: a place behind it would say that its letter is written.
static bool find_earlier(void *context, const struct kafka_record *record) {
    struct skipping *skipping = context;
    uint32_t slot;
    bool has_slot = partition_slot_of_key(record->key, &slot) &&
                    skipping->decision->partition_of[slot] == skipping->partition;
    bool is_same = has_slot && slot == skipping->slot;
    if (!is_same && (has_slot || (uint64_t)record->offset < skipping->buried))
        return true;
    (void)snprintf(skipping->why, skipping->why_bytes,
                   is_same ? "record %" PRId64 " of the same slot comes first and is not carried "
                             "out yet"
                           : "record %" PRId64 ", which is of no slot, comes first and is no dead "
                             "letter yet; workers bury it themselves",
                   record->offset);
    skipping->status = STATUS_out_of_place;
    return false;
}

static enum status read_range(struct skipping *skipping, int64_t from, int64_t to,
                              bool (*each)(void *context, const struct kafka_record *record)) {
    const struct decision_options *options = &skipping->decision->options;
    enum status status =
        kafka_read_range(options->access, options->commands, (int32_t)skipping->partition, from,
                         to, WAIT_MS, each, skipping);
    if (status == STATUS_not_found)
        (void)snprintf(skipping->why, skipping->why_bytes, "record %" PRId64 " is not there",
                       from);
    else if (status != STATUS_ok)
        (void)snprintf(skipping->why, skipping->why_bytes, "the broker does not give it");
    return status == STATUS_ok ? skipping->status : status;
}

enum status decision_skip(struct decision *decision, uint32_t partition, int64_t offset,
                          bool *ret_replayed, char *ret_why, size_t why_bytes) {
    struct skipping skipping = {.decision = decision,
                                .partition = partition,
                                .offset = offset,
                                .status = STATUS_ok,
                                .why = ret_why,
                                .why_bytes = why_bytes};
    struct cursor now;
    struct decision_place place = {0};
    uint64_t made;
    enum status status = read_range(&skipping, offset, offset + 1, find_slot);
    *ret_replayed = false;
    if (status == STATUS_ok && !skipping.found) {
        (void)snprintf(ret_why, why_bytes, "it is there no more, or is of no slot");
        status = STATUS_not_found;
    }
    if (status == STATUS_ok) {
        status = slot_made(decision, skipping.slot, &made);
        *ret_replayed = status == STATUS_ok;
        if (status != STATUS_fenced)
            return status;
        status = read_cursor(decision, skipping.slot, &now);
    }
    if (status == STATUS_ok && now.next > (uint64_t)offset) {
        (void)snprintf(ret_why, why_bytes, "slot %u has passed it: it stands at %" PRIu64,
                       skipping.slot, now.next);
        status = STATUS_out_of_place;
    }
    if (status == STATUS_ok)
        status = decision_look(decision, partition, &place);
    skipping.buried = place.last;
    if (status == STATUS_ok)
        status = read_range(&skipping, (int64_t)now.next, offset, find_earlier);
    if (status == STATUS_ok)
        status = read_range(&skipping, offset, offset + 1, take_record);
    return status == STATUS_ok ? reset_slot(decision, skipping.slot, (uint64_t)offset + 1)
                               : status;
}
