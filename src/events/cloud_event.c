// SPDX-License-Identifier: MIT
// Writes events. Their `data` has the wallet as it stands after the change, and the object that the
// API shows for it.
#include "events/cloud_event.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "wire/render.h"

struct change { // of one wallet
    struct id wallet;
    uint64_t version;
    int64_t balance, held;
    bool is_credit;
    bool is_none; // it is told about the wallet, which stays as it is
};

static uint32_t changes_of_transaction(const struct transaction_facts *facts,
                                       struct change ret_changes[CLOUD_EVENTS_MAX]) {
    const struct posting_side *sides[] = {&facts->debit, &facts->credit};
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2; i++) // a side that another shard has is told by that one
        if (!id_is_zero(sides[i]->wallet) && !posting_is_elsewhere(sides[i]))
            ret_changes[count++] = (struct change){.wallet = sides[i]->wallet,
                                                   .version = sides[i]->version,
                                                   .balance = sides[i]->balance,
                                                   .held = sides[i]->held,
                                                   .is_credit = i == 1};
    return count;
}

static uint32_t changes_of(const struct record *record,
                           struct change ret_changes[CLOUD_EVENTS_MAX]) {
    if (record_arrives(record) && record_is_of_thing(record))
        return 0; // the shard that has it tells it
    switch (record->kind) {
    case RECORD_TRANSACTION: return changes_of_transaction(&record->transaction, ret_changes);
    case RECORD_WALLET:
        if (record->wallet.unchanged)
            return 0;
        ret_changes[0] = (struct change){.wallet = record->wallet.id,
                                         .version = record->wallet.version,
                                         .balance = record->wallet.balance,
                                         .held = record->wallet.held};
        return 1;
    case RECORD_HOLD:
        ret_changes[0] = (struct change){.wallet = record->hold.wallet,
                                         .version = record->hold.wallet_version,
                                         .balance = record->hold.wallet_balance,
                                         .held = record->hold.wallet_held};
        return 1;
    case RECORD_WITHDRAWAL:
        ret_changes[0] = (struct change){.wallet = record->withdrawal.wallet,
                                         .version = record->withdrawal.wallet_version,
                                         .balance = record->withdrawal.wallet_balance,
                                         .held = record->withdrawal.wallet_held};
        return 1;
    case RECORD_PARKED:
        // What is held for it on another shard is told by where it waits.
        if (record->parked.cause == PARKED_FOR_APPROVAL || record_arrives(record))
            return 0;
        ret_changes[0] = (struct change){.wallet = record->parked.wallet,
                                         .version = record->parked.wallet_version,
                                         .balance = record->parked.wallet_balance,
                                         .held = record->parked.wallet_held,
                                         .is_none = record->parked.held == 0};
        return 1;
    default: return 0; // keys, refusals, batches and what is not about a wallet
    }
}

// Who lets payments go on that do has said nothing (decide_facts.c).
static bool alarm_is_told(const struct alarm_facts *alarm) {
    return alarm->status != ALARM_RESUMED || alarm->message.size != 0;
}

bool cloud_event_is_told(const struct record *record) {
    struct change changes[CLOUD_EVENTS_MAX];
    return record->kind == RECORD_ALARM ? alarm_is_told(&record->alarm)
                                        : changes_of(record, changes) != 0;
}

uint64_t cloud_event_opening(const struct record *record) {
    switch (record->kind) {
    case RECORD_TRANSACTION: return record->transaction.opening;
    case RECORD_HOLD: return record->hold.opening;
    case RECORD_WITHDRAWAL: return record->withdrawal.opening;
    case RECORD_PARKED: return record->parked.opening;
    default: return 0;
    }
}

const char *const *cloud_event_types(void) {
    static const char *const types[] = {
        "florin.wallet.opened",           "florin.wallet.changed",
        "florin.transaction.deposit",     "florin.transaction.withdrawal",
        "florin.transaction.purchase",    "florin.transaction.refund",
        "florin.transaction.transfer",    "florin.transaction.adjustment",
        "florin.hold.opened",             "florin.hold.captured",
        "florin.hold.voided",             "florin.hold.expired",
        "florin.withdrawal.requested",    "florin.withdrawal.failed",
        "florin.anomaly.flagged",         "florin.anomaly.held",
        "florin.anomaly.approved",        "florin.anomaly.released",
        "florin.anomaly.refused",         "florin.anomaly.rejected",
        "florin.anomaly.expired",         "florin.anomaly.dismissed",
        "florin.integrity.differs",       "florin.integrity.right_again",
        "florin.integrity.payments_resumed", NULL,
    };
    return types;
}

const char *cloud_event_type(const struct record *record) {
    switch (record->kind) {
    case RECORD_ALARM: {
        static const char *const types[] = {
            [ALARM_DIFFERS] = "florin.integrity.differs",
            [ALARM_RIGHT_AGAIN] = "florin.integrity.right_again",
            [ALARM_RESUMED] = "florin.integrity.payments_resumed",
        };
        CHECK(record->alarm.status <= ALARM_RESUMED);
        return types[record->alarm.status];
    }
    case RECORD_WALLET:
        return record->operation == COMMAND_WALLET_OPEN ? "florin.wallet.opened"
                                                        : "florin.wallet.changed";
    case RECORD_TRANSACTION: {
        static const char *const types[] = {
            [TRANSACTION_DEPOSIT] = "florin.transaction.deposit",
            [TRANSACTION_WITHDRAWAL] = "florin.transaction.withdrawal",
            [TRANSACTION_PURCHASE] = "florin.transaction.purchase",
            [TRANSACTION_REFUND] = "florin.transaction.refund",
            [TRANSACTION_TRANSFER] = "florin.transaction.transfer",
            [TRANSACTION_ADJUSTMENT] = "florin.transaction.adjustment",
        };
        return types[record->transaction.type];
    }
    case RECORD_HOLD: {
        static const char *const types[] = {
            [HOLD_OPEN] = "florin.hold.opened",
            [HOLD_CAPTURED] = "florin.hold.captured",
            [HOLD_VOIDED] = "florin.hold.voided",
            [HOLD_EXPIRED] = "florin.hold.expired",
        };
        return types[record->hold.status];
    }
    case RECORD_WITHDRAWAL:
        return record->withdrawal.status == WITHDRAWAL_FAILED ? "florin.withdrawal.failed"
                                                              : "florin.withdrawal.requested";
    case RECORD_PARKED: {
        static const char *const types[] = {
            [PARKED_PENDING] = "florin.anomaly.flagged",
            [PARKED_APPROVED] = "florin.anomaly.approved",
            [PARKED_REFUSED] = "florin.anomaly.refused",
            [PARKED_REJECTED] = "florin.anomaly.rejected",
            [PARKED_EXPIRED] = "florin.anomaly.expired",
            [PARKED_DISMISSED] = "florin.anomaly.dismissed",
        };
        const struct parked_facts *facts = &record->parked;
        bool held = facts->held != 0;
        if (held && facts->status == PARKED_PENDING)
            return "florin.anomaly.held";
        if (held && facts->status == PARKED_APPROVED)
            return "florin.anomaly.released"; // and what became of the payment follows
        return types[facts->status];
    }
    default: UNREACHABLE("no event");
    }
}

static void add_object(struct buffer *buffer, const struct record *record,
                       const struct record *opening) {
    switch (record->kind) {
    case RECORD_WALLET:
        BUFFER_ADD(buffer, ",\"wallet\":");
        wire_render_wallet(buffer, record, NULL);
        return;
    case RECORD_TRANSACTION:
        BUFFER_ADD(buffer, ",\"transaction\":");
        wire_render_transaction(buffer, record, opening, 0, 0);
        return;
    case RECORD_HOLD:
        BUFFER_ADD(buffer, ",\"hold\":");
        wire_render_hold(buffer, record, opening, NULL);
        return;
    case RECORD_PARKED:
        BUFFER_ADD(buffer, ",\"anomaly\":");
        wire_render_anomaly(buffer, record, opening, NULL, true);
        return;
    default:
        BUFFER_ADD(buffer, ",\"withdrawal\":");
        wire_render_withdrawal(buffer, record, opening, NULL, NULL);
        return;
    }
}

static void add_event(struct buffer *buffer, const struct record *record,
                      const struct record *opening, uint64_t position, const char *source,
                      const struct change *change) {
    char wallet[ID_TEXT_BYTES_MAX], time[CLOCK_TEXT_BYTES], sequence[48] = "";
    if (!change->is_none)
        (void)snprintf(sequence, sizeof(sequence), "\"sequence\":\"%llu\",",
                       (unsigned long long)change->version);
    int wallet_bytes = (int)id_format(ID_WALLET, change->wallet, wallet);
    clock_format(record->time_ms, time);
    buffer_add_format(buffer,
                      "{\"specversion\":\"1.0\",\"id\":\"%llu%s\",\"source\":\"%s\","
                      "\"type\":\"%s\","
                      "\"subject\":\"%.*s\",\"time\":\"%.*s\","
                      "\"datacontenttype\":\"application/json\",%s"
                      "\"partitionkey\":\"%.*s\",\"data\":{\"version\":%llu,\"balance\":%lld,"
                      "\"held\":%lld",
                      (unsigned long long)position, change->is_credit ? "c" : "d", source,
                      cloud_event_type(record), wallet_bytes, wallet, CLOCK_TEXT_BYTES, time,
                      sequence, wallet_bytes, wallet,
                      (unsigned long long)change->version, (long long)change->balance,
                      (long long)change->held);
    add_object(buffer, record, opening);
    BUFFER_ADD(buffer, "}}");
}

static void add_alarm(struct buffer *buffer, const struct record *record, uint64_t position,
                      const char *source) {
    const struct alarm_facts *facts = &record->alarm;
    char time[CLOCK_TEXT_BYTES];
    clock_format(record->time_ms, time);
    buffer_add_format(buffer,
                      "{\"specversion\":\"1.0\",\"id\":\"%llub\",\"source\":\"%s\","
                      "\"type\":\"%s\",\"subject\":\"books\","
                      "\"time\":\"%.*s\",\"datacontenttype\":\"application/json\","
                      "\"sequence\":\"%llu\",\"partitionkey\":\"books\","
                      "\"data\":{\"payments_stopped\":%s,\"message\":",
                      (unsigned long long)position, source, cloud_event_type(record),
                      CLOCK_TEXT_BYTES, time, (unsigned long long)position + 1,
                      facts->stops ? "true" : "false");
    json_write_text(buffer, facts->message);
    BUFFER_ADD(buffer, "}}");
}

static void name_event(struct cloud_event *event, uint64_t position, const char *side) {
    (void)snprintf(event->id, sizeof(event->id), "%llu%s", (unsigned long long)position, side);
}

uint32_t cloud_events_of(const struct record *record, const struct record *opening,
                         uint64_t position, const char *source, struct buffer *buffer,
                         struct cloud_event ret_events[CLOUD_EVENTS_MAX]) {
    struct change changes[CLOUD_EVENTS_MAX];
    size_t starts[CLOUD_EVENTS_MAX + 1];
    if (record->kind == RECORD_ALARM) {
        if (!alarm_is_told(&record->alarm))
            return 0;
        starts[0] = buffer->size;
        add_alarm(buffer, record, position, source);
        ret_events[0] = (struct cloud_event){
            .version = position + 1,
            .json = slice_of(buffer->bytes + starts[0], buffer->size - starts[0])};
        name_event(&ret_events[0], position, "b");
        return 1;
    }
    uint32_t count = changes_of(record, changes);
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = buffer->size;
        add_event(buffer, record, opening, position, source, &changes[i]);
    }
    starts[count] = buffer->size;
    for (uint32_t i = 0; i < count; i++) { // the buffer may have moved until here
        ret_events[i] = (struct cloud_event){
            .wallet = changes[i].wallet,
            .version = changes[i].version,
            .json = slice_of(buffer->bytes + starts[i], starts[i + 1] - starts[i])};
        name_event(&ret_events[i], position, changes[i].is_credit ? "c" : "d");
    }
    return count;
}
