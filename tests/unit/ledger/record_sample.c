// SPDX-License-Identifier: MIT
// Field by field on purpose: a generator that copied the codec's tables would share its mistakes.
#include "record_sample.h"

#include "ledger/note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/finding.h"
#include "ledger/parked.h"
#include "scene.h"

struct maker {
    struct arena *arena;
    uint64_t *stream;
    enum sample_size size;
};

static uint64_t number(struct maker *maker, uint64_t most) {
    if (maker->size == SAMPLE_SMALLEST)
        return 0;
    if (maker->size == SAMPLE_LARGEST)
        return most;
    uint64_t value = scene_random(maker->stream);
    return most == UINT64_MAX ? value : value % (most + 1);
}

static int64_t amount(struct maker *maker) {
    uint64_t value = number(maker, LIMIT_AMOUNT_MAX);
    return value == 0 ? 1 : (int64_t)value;
}

static int64_t balance(struct maker *maker) {
    if (maker->size == SAMPLE_SMALLEST)
        return -LIMIT_AMOUNT_MAX;
    return (int64_t)number(maker, LIMIT_AMOUNT_MAX * UINT64_C(2)) - LIMIT_AMOUNT_MAX;
}

static struct id some_id(struct maker *maker) {
    struct id id;
    uint64_t low = scene_random(maker->stream) | 1, high = scene_random(maker->stream);
    memcpy(id.bytes, &low, 8);
    memcpy(id.bytes + 8, &high, 8);
    return id;
}

static struct slice text(struct maker *maker, uint64_t most) {
    size_t size = number(maker, most);
    uint8_t *bytes = arena_take(maker->arena, size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)scene_random(maker->stream);
    return slice_of(bytes, size);
}

static struct slice metadata(struct maker *maker) {
    size_t entries = number(maker, LIMIT_METADATA_ENTRIES_MAX), size = 0;
    uint8_t *bytes = arena_take(maker->arena, LIMIT_METADATA_BYTES_MAX);
    for (size_t i = 0; i < entries; i++) {
        size_t name = 1 + number(maker, LIMIT_METADATA_NAME_BYTES_MAX - 1);
        size_t value = number(maker, LIMIT_METADATA_VALUE_BYTES_MAX);
        bytes[size] = (uint8_t)name;
        bytes[size + 1] = (uint8_t)value;
        bytes[size + 2] = (uint8_t)(value >> 8);
        memset(bytes + size + 3, (int)(1 + i), name + value);
        size += 3 + name + value;
    }
    return slice_of(bytes, size);
}

static struct currency currency(struct maker *maker) {
    struct currency made = {.exponent = (uint8_t)number(maker, LIMIT_CURRENCY_EXPONENT_MAX)};
    size_t size = 3 + number(maker, LIMIT_CURRENCY_CODE_BYTES_MAX - 3);
    memset(made.code, 'A' + (int)(scene_random(maker->stream) % 26), size);
    return made;
}

static struct posting_side side(struct maker *maker, bool is_wallet) {
    if (!is_wallet)
        return (struct posting_side){0};
    return (struct posting_side){.wallet = some_id(maker),
                                 .balance = balance(maker),
                                 .held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
                                 .version = number(maker, UINT64_MAX),
                                 .number = (uint32_t)number(maker, UINT32_MAX),
                                 .previous = number(maker, UINT64_MAX),
                                 .skip = number(maker, UINT64_MAX)};
}

static void make_transaction(struct maker *maker, struct transaction_facts *facts) {
    *facts = (struct transaction_facts){
        .id = some_id(maker),
        .type = (uint8_t)(TRANSACTION_DEPOSIT + number(maker, 4)),
        .amount = amount(maker),
        .currency = currency(maker),
        .debit = side(maker, number(maker, 3) != 1),
        .credit = side(maker, number(maker, 3) != 1),
        .bank_id = text(maker, 255),
        .order = text(maker, 255),
        .reference = text(maker, 255),
        .reason = text(maker, 255),
        .metadata = metadata(maker),
    };
    if (number(maker, 1) == 1)
        facts->external_total =
            ((money_total)(number(maker, UINT64_MAX) >> 1) << 64) | number(maker, UINT64_MAX);
    if (number(maker, 1) == 1) {
        facts->subject = some_id(maker);
        facts->subject_total = (int64_t)number(maker, LIMIT_AMOUNT_MAX);
        facts->subject_status = (uint8_t)number(maker, HOLD_EXPIRED);
        facts->opening = number(maker, UINT64_MAX);
    }
}

static void make_hold(struct maker *maker, struct hold_facts *facts) {
    *facts = (struct hold_facts){
        .id = some_id(maker),
        .wallet = some_id(maker),
        .merchant = some_id(maker),
        .amount = amount(maker),
        .expires_at_ms = number(maker, UINT64_MAX),
        .status = (uint8_t)number(maker, HOLD_EXPIRED),
        .currency = currency(maker),
        .wallet_balance = balance(maker),
        .wallet_held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
        .wallet_version = number(maker, UINT64_MAX),
        .opening = number(maker, UINT64_MAX),
        .order = text(maker, 255),
        .reference = text(maker, 255),
        .metadata = metadata(maker),
    };
    facts->captured = (int64_t)number(maker, (uint64_t)facts->amount);
}

static void make_withdrawal(struct maker *maker, struct withdrawal_facts *facts) {
    *facts = (struct withdrawal_facts){
        .id = some_id(maker),
        .wallet = some_id(maker),
        .amount = amount(maker),
        .status = (uint8_t)number(maker, WITHDRAWAL_FAILED),
        .currency = currency(maker),
        .wallet_balance = balance(maker),
        .wallet_held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
        .wallet_version = number(maker, UINT64_MAX),
        .opening = number(maker, UINT64_MAX),
        .reference = text(maker, 255),
        .metadata = metadata(maker),
        .reason = text(maker, 255),
    };
}

static void make_wallet(struct maker *maker, struct wallet_facts *facts) {
    *facts = (struct wallet_facts){
        .id = some_id(maker),
        .currency = currency(maker),
        .kind = (uint8_t)number(maker, WALLET_MERCHANT),
        .tier = (uint8_t)number(maker, WALLET_TIER_MAX),
        .status = (uint8_t)number(maker, WALLET_CLOSED),
        .unchanged = number(maker, 1) == 1,
        .balance = balance(maker),
        .held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
        .credit_limit = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
        .version = number(maker, UINT64_MAX),
        .owner = text(maker, 255),
        .metadata = metadata(maker),
        .reason = text(maker, 255),
    };
}

static void make_notes(struct maker *maker, struct notes_facts *facts) {
    struct buffer buffer = {0};
    facts->count = 1 + (uint32_t)number(maker, NOTES_IN_RECORD_MAX - 1);
    for (uint32_t i = 0; i < facts->count; i++) {
        uint64_t at_ms = number(maker, UINT64_MAX / 2);
        struct note note = {
            .at_ms = at_ms,
            .until_ms = at_ms + number(maker, 60000),
            .count = 1 + (uint32_t)number(maker, UINT32_MAX - 1),
            .status = (uint8_t)number(maker, STATUS_COUNT - 1),
            .replayed = number(maker, 1) == 1,
            .resource_type = (uint8_t)number(maker, ID_TYPE_COUNT - 1),
            .operation = text(maker, NOTE_OPERATION_BYTES),
            .origin = {.principal = text(maker, 255),
                       .request_id = text(maker, LIMIT_REQUEST_ID_BYTES_MAX)},
        };
        note_encode(&note, &buffer);
    }
    facts->notes = arena_copy(maker->arena, buffer_slice(&buffer));
    buffer_done(&buffer);
}

static void make_finding(struct maker *maker, struct finding_facts *facts) {
    struct buffer texts = {0};
    struct slice name = text(maker, UINT8_MAX);
    *facts = (struct finding_facts){.rules_version = (uint32_t)number(maker, UINT32_MAX),
                                    .score = (uint8_t)number(maker, 100),
                                    .action = (uint8_t)number(maker, RULE_REFUSE),
                                    .subject_type = (uint8_t)number(maker, ID_TYPE_COUNT - 1)};
    finding_begin(&texts, name.size == 0 ? SLICE("x") : name);
    BUFFER_ADD(&texts, "S");
    buffer_add_slice(&texts, text(maker, 1000));
    for (uint64_t left = number(maker, FINDING_IDS_MAX); left != 0; left--)
        finding_add_id(&texts, some_id(maker));
    facts->texts = arena_copy(maker->arena, buffer_slice(&texts));
    buffer_done(&texts);
}

static void make_rule(struct maker *maker, uint32_t index, struct rule *rule) {
    *rule = (struct rule){
        .action = (uint8_t)(RULE_FLAG + number(maker, RULE_REFUSE - RULE_FLAG)),
        .shadow = (uint8_t)number(maker, 1),
        .kinds = (uint8_t)(1 + number(maker, 2)),
        .operations = (uint8_t)(1 + number(maker, RULE_ON_DEBITS - 1)),
        .score = (uint8_t)(1 + number(maker, 99)),
        .currency_count = (uint8_t)(1 + number(maker, RULE_CURRENCIES_MAX - 1)),
        .new_counterparty = (uint8_t)number(maker, 1),
        .first_withdrawal = (uint8_t)number(maker, 1),
        .amount = amount(maker),
        .mean_percent = (uint32_t)number(maker, RULE_PERCENT_MAX),
        .deviations = (uint32_t)number(maker, 1000),
        .payments_before = (uint32_t)number(maker, UINT32_MAX),
        .deposit_within_s = (uint32_t)number(maker, RULE_SECONDS_MAX),
        .drained_percent = (uint32_t)number(maker, 1000),
        .dormant_s = (uint32_t)number(maker, RULE_SECONDS_MAX),
        .refund_percent = (uint32_t)number(maker, RULE_PERCENT_MAX),
    };
    rule->name[0] = (char)('a' + index % 26);
    rule->name[1] = (char)('a' + index / 26);
    memset(rule->name + 2, '-', number(maker, RULE_NAME_BYTES_MAX - 2));
    for (uint32_t i = 0; i < rule->currency_count; i++)
        memcpy(rule->currencies[i], currency(maker).code, sizeof(rule->currencies[i]));
    for (int i = 0; i < WINDOW_COUNT; i++) {
        rule->sums[i] = (int64_t)number(maker, LIMIT_AMOUNT_MAX);
        rule->counts[i] = (uint32_t)number(maker, UINT16_MAX);
    }
}

static void make_rules(struct maker *maker, struct rules_facts *facts) {
    uint32_t count = maker->size == SAMPLE_RANDOM ? 1 + (uint32_t)number(maker, 7)
                                                  : (uint32_t)number(maker, RULES_MAX);
    struct rule *rules = arena_take(maker->arena, (count + 1) * sizeof(*rules));
    for (uint32_t i = 0; i < count; i++)
        make_rule(maker, i, &rules[i]);
    *facts = (struct rules_facts){.version = 1 + (uint32_t)number(maker, UINT32_MAX - 1),
                                  .rules = slice_of(rules, count * sizeof(*rules))};
}

static void make_parked(struct maker *maker, struct parked_facts *facts) {
    *facts = (struct parked_facts){.id = some_id(maker),
                                   .wallet = some_id(maker),
                                   .cause = (uint8_t)(PARKED_FOR_APPROVAL + number(maker, 2)),
                                   .currency = currency(maker),
                                   .expires_at_ms = number(maker, UINT64_MAX),
                                   .held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
                                   .wallet_balance = balance(maker),
                                   .wallet_held = (int64_t)number(maker, LIMIT_AMOUNT_MAX),
                                   .wallet_version = number(maker, UINT64_MAX),
                                   .opening = number(maker, UINT64_MAX),
                                   .result_type = (uint8_t)number(maker, ID_TYPE_COUNT - 1),
                                   .result = some_id(maker),
                                   .reason = text(maker, 255)};
    bool is_approval = facts->cause == PARKED_FOR_APPROVAL;
    facts->status =
        (uint8_t)number(maker, is_approval ? PARKED_REJECTED : PARKED_DISMISSED);
    if (facts->status == PARKED_REFUSED)
        facts->refusal = (struct refusal){.status = STATUS_insufficient_funds,
                                          .id = some_id(maker),
                                          .currency = currency(maker),
                                          .asked = balance(maker)};
    if (facts->status != PARKED_PENDING)
        return;
    facts->amount = amount(maker);
    if (!is_approval)
        make_finding(maker, &facts->finding);
    if (facts->cause == PARKED_FLAGGED) // nothing waits
        return;
    struct command kept = {.type = COMMAND_TRANSFER,
                           .has_amount = true,
                           .amount = facts->amount,
                           .wallet = some_id(maker),
                           .counterparty = some_id(maker),
                           .reference = text(maker, 255),
                           .metadata = metadata(maker),
                           .origin = {.principal = text(maker, 255), .role = ROLE_SERVICE}};
    struct buffer bytes = {0};
    parked_keep(facts, &kept, &bytes);
    facts->command = arena_copy(maker->arena, buffer_slice(&bytes));
    buffer_done(&bytes);
}

static void make_others(struct maker *maker, struct record *record) {
    if (record->kind == RECORD_KEY) {
        record->api_key = (struct key_facts){.id = some_id(maker),
                                             .role = (uint8_t)(ROLE_ADMIN + number(maker, 2)),
                                             .revoked = number(maker, 1) == 1,
                                             .expires_at_ms = number(maker, UINT64_MAX),
                                             .previous_until_ms = number(maker, UINT64_MAX),
                                             .opening = number(maker, UINT64_MAX),
                                             .name = text(maker, 255),
                                             .owner = text(maker, 255)};
        for (size_t i = 0; i < 32; i++) {
            record->api_key.secret_hash.bytes[i] = (uint8_t)number(maker, 255);
            record->api_key.previous_hash.bytes[i] = (uint8_t)number(maker, 255);
        }
    } else if (record->kind == RECORD_REFUSAL) {
        record->refusal = (struct refusal){.status = (uint8_t)(1 + number(maker, STATUS_COUNT - 2)),
                                           .id_type = (uint8_t)number(maker, ID_TYPE_COUNT - 1),
                                           .id = some_id(maker),
                                           .other = some_id(maker),
                                           .currency = currency(maker),
                                           .asked = balance(maker),
                                           .has = balance(maker),
                                           .operation = (uint32_t)number(maker, UINT32_MAX)};
    } else if (record->kind == RECORD_ALARM) {
        record->alarm = (struct alarm_facts){.status = (uint8_t)number(maker, ALARM_RESUMED),
                                             .stops = number(maker, 1) != 0,
                                             .message = text(maker, ALARM_BYTES_MAX)};
    } else if (record->kind == RECORD_CURSOR) {
        record->cursor = (struct cursor){.kind = (uint8_t)number(maker, CURSOR_KINDS - 1),
                                         .partitions = (uint32_t)number(maker, UINT32_MAX),
                                         .epoch = 1 + number(maker, UINT32_MAX),
                                         .next = number(maker, UINT64_MAX),
                                         .checksum = number(maker, UINT64_MAX),
                                         .source = number(maker, UINT64_MAX)};
        if (cursor_has_slots(record->cursor.kind))
            record->cursor.slot = (uint16_t)number(maker, LIMIT_SLOTS - 1);
    } else if (record->kind == RECORD_DATA_KEY) {
        record->data_key = (struct data_key_facts){.number = number(maker, UINT64_MAX),
                                                   .plain_until_ms = number(maker, UINT64_MAX),
                                                   .owner = text(maker, 255)};
    } else if (record->kind == RECORD_NOTES) {
        make_notes(maker, &record->notes);
    } else {
        uint32_t count = 1 + (uint32_t)number(maker, LIMIT_BATCH_OPERATIONS_MAX - 1);
        uint64_t *positions = arena_take(maker->arena, count * sizeof(*positions));
        for (uint32_t i = 0; i < count; i++)
            positions[i] = scene_random(maker->stream);
        record->batch = (struct batch_facts){
            .count = count, .positions = slice_of(positions, count * sizeof(*positions))};
    }
}

static const uint8_t kinds[] = {RECORD_WALLET, RECORD_TRANSACTION, RECORD_HOLD, RECORD_WITHDRAWAL,
                                RECORD_KEY,    RECORD_REFUSAL,     RECORD_BATCH, RECORD_PARKED,
                                RECORD_NOTES,  RECORD_DATA_KEY,    RECORD_CURSOR, RECORD_RULES,
                                RECORD_ALARM};

bool sample_next_kind(uint8_t *kind) {
    for (size_t i = 0; i < sizeof(kinds); i++)
        if (kinds[i] > *kind) {
            *kind = kinds[i];
            return true;
        }
    return false;
}

bool sample_is_kind(uint8_t kind) {
    return memchr(kinds, kind, sizeof(kinds)) != NULL;
}

static uint8_t operation(struct maker *maker) {
    uint8_t type;
    do // numbers are not dense
        type = (uint8_t)(1 + number(maker, COMMAND_TYPE_COUNT - 2));
    while (!command_type_is_known((enum command_type)type));
    return type;
}

struct record sample_make(struct arena *arena, uint64_t *stream, uint8_t kind,
                          enum sample_size size) {
    struct maker maker = {.arena = arena, .stream = stream, .size = size};
    struct record record = {
        .kind = kind,
        .operation = operation(&maker),
        .has_key = number(&maker, 1) == 1,
        .queued = number(&maker, 1) == 1,
        .judged = number(&maker, 1) == 1,
        .time_ms = number(&maker, UINT64_MAX),
        .origin = {.principal = text(&maker, 255),
                   .request_id = text(&maker, LIMIT_REQUEST_ID_BYTES_MAX),
                   .role = (uint8_t)number(&maker, ROLE_AUDITOR)},
    };
    // A zero byte ends it.
    for (size_t i = 0; i < record.origin.request_id.size; i++)
        if (record.origin.request_id.bytes[i] == 0)
            ((uint8_t *)record.origin.request_id.bytes)[i] = 'z';
    if (number(&maker, 3) == 0)
        record.origin.trace = text(&maker, 500);
    for (size_t i = 0; i < sizeof(record.origin.address); i++)
        record.origin.address[i] = (uint8_t)number(&maker, 255);
    if (number(&maker, 1) == 1) {
        record.spent.version = number(&maker, UINT64_MAX);
        record.spent.day = 1 + (uint32_t)number(&maker, UINT32_MAX - 1);
        record.spent.month_sum = (int64_t)number(&maker, LIMIT_AMOUNT_MAX);
        record.spent.day_sum = record.spent.month_sum / 2;
    }
    if (record.has_key) {
        record.key = (struct digest128){number(&maker, UINT64_MAX), number(&maker, UINT64_MAX)};
        record.request = (struct digest128){number(&maker, UINT64_MAX), number(&maker, UINT64_MAX)};
    }
    switch ((enum record_kind)kind) {
    case RECORD_WALLET: make_wallet(&maker, &record.wallet); break;
    case RECORD_TRANSACTION: make_transaction(&maker, &record.transaction); break;
    case RECORD_HOLD: make_hold(&maker, &record.hold); break;
    case RECORD_WITHDRAWAL: make_withdrawal(&maker, &record.withdrawal); break;
    case RECORD_PARKED: make_parked(&maker, &record.parked); break;
    case RECORD_RULES: make_rules(&maker, &record.rules); break;
    default: make_others(&maker, &record); break;
    }
    return record;
}

// ---- comparing

#define SAME(field)      assert_true(a->field == b->field)
#define SAME_ID(field)   assert_true(id_equal(a->field, b->field))
#define SAME_TEXT(field) assert_true(slice_equal(a->field, b->field))

static void same_currency(const struct currency *a, const struct currency *b) {
    assert_memory_equal(a->code, b->code, sizeof(a->code));
    SAME(exponent);
}

static void same_side(const struct posting_side *a, const struct posting_side *b) {
    SAME_ID(wallet);
    SAME(balance);
    SAME(held);
    SAME(version);
    SAME(number);
    SAME(previous);
    SAME(skip);
}

static void same_transaction(const struct transaction_facts *a, const struct transaction_facts *b) {
    SAME_ID(id);
    SAME(type);
    SAME(amount);
    same_currency(&a->currency, &b->currency);
    same_side(&a->debit, &b->debit);
    same_side(&a->credit, &b->credit);
    SAME(external_total);
    SAME_ID(subject);
    SAME(subject_total);
    SAME(subject_status);
    SAME(opening);
    SAME_TEXT(bank_id);
    SAME_TEXT(order);
    SAME_TEXT(reference);
    SAME_TEXT(reason);
    SAME_TEXT(metadata);
}

static void same_hold(const struct hold_facts *a, const struct hold_facts *b) {
    SAME_ID(id);
    SAME_ID(wallet);
    SAME_ID(merchant);
    SAME(amount);
    SAME(captured);
    SAME(expires_at_ms);
    SAME(status);
    same_currency(&a->currency, &b->currency);
    SAME(wallet_balance);
    SAME(wallet_held);
    SAME(wallet_version);
    SAME(opening);
    SAME_TEXT(order);
    SAME_TEXT(reference);
    SAME_TEXT(metadata);
}

static void same_withdrawal(const struct withdrawal_facts *a, const struct withdrawal_facts *b) {
    SAME_ID(id);
    SAME_ID(wallet);
    SAME(amount);
    SAME(status);
    same_currency(&a->currency, &b->currency);
    SAME(wallet_balance);
    SAME(wallet_held);
    SAME(wallet_version);
    SAME(opening);
    SAME_TEXT(reference);
    SAME_TEXT(metadata);
    SAME_TEXT(reason);
}

static void same_wallet(const struct wallet_facts *a, const struct wallet_facts *b) {
    SAME_ID(id);
    same_currency(&a->currency, &b->currency);
    SAME(kind);
    SAME(status);
    SAME(unchanged);
    SAME(balance);
    SAME(held);
    SAME(credit_limit);
    SAME(version);
    SAME_TEXT(owner);
    SAME_TEXT(metadata);
    SAME_TEXT(reason);
}

static void same_refusal(const struct refusal *a, const struct refusal *b);

static void same_parked(const struct parked_facts *a, const struct parked_facts *b) {
    SAME_ID(id);
    SAME_ID(wallet);
    SAME(cause);
    SAME(status);
    SAME(amount);
    same_currency(&a->currency, &b->currency);
    SAME(expires_at_ms);
    SAME(held);
    SAME(wallet_balance);
    SAME(wallet_held);
    SAME(wallet_version);
    SAME(opening);
    SAME(result_type);
    SAME_ID(result);
    same_refusal(&a->refusal, &b->refusal);
    SAME_TEXT(command);
    SAME_TEXT(reference);
    SAME_TEXT(metadata);
    SAME_TEXT(reason);
    SAME(finding.rules_version);
    SAME(finding.score);
    SAME(finding.action);
    SAME(finding.subject_type);
    SAME_TEXT(finding.texts);
}

static void same_key(const struct key_facts *a, const struct key_facts *b) {
    SAME_ID(id);
    SAME(role);
    SAME(revoked);
    SAME(expires_at_ms);
    SAME(previous_until_ms);
    SAME(opening);
    assert_memory_equal(&a->secret_hash, &b->secret_hash, sizeof(a->secret_hash));
    assert_memory_equal(&a->previous_hash, &b->previous_hash, sizeof(a->previous_hash));
    SAME_TEXT(name);
    SAME_TEXT(owner);
}

static void same_refusal(const struct refusal *a, const struct refusal *b) {
    SAME(status);
    SAME(id_type);
    SAME_ID(id);
    SAME_ID(other);
    same_currency(&a->currency, &b->currency);
    SAME(asked);
    SAME(has);
    SAME(operation);
    assert_memory_equal(a->rule, b->rule, sizeof(a->rule));
}

static void same_cursor(const struct cursor *a, const struct cursor *b) {
    SAME(kind);
    SAME(slot);
    SAME(partitions);
    SAME(epoch);
    SAME(next);
    SAME(checksum);
    SAME(source);
}

void sample_compare(const struct record *a, const struct record *b) {
    SAME(kind);
    SAME(operation);
    SAME(has_key);
    SAME(queued);
    SAME(judged);
    SAME(time_ms);
    SAME(spent.version);
    SAME(spent.day);
    SAME(spent.day_sum);
    SAME(spent.month_sum);
    SAME(origin.role);
    assert_memory_equal(a->origin.address, b->origin.address, sizeof(a->origin.address));
    SAME_TEXT(origin.principal);
    SAME_TEXT(origin.request_id);
    SAME_TEXT(origin.trace);
    assert_true(digest128_equal(a->key, b->key));
    assert_true(digest128_equal(a->request, b->request));
    switch ((enum record_kind)a->kind) {
    case RECORD_WALLET: same_wallet(&a->wallet, &b->wallet); break;
    case RECORD_TRANSACTION: same_transaction(&a->transaction, &b->transaction); break;
    case RECORD_HOLD: same_hold(&a->hold, &b->hold); break;
    case RECORD_WITHDRAWAL: same_withdrawal(&a->withdrawal, &b->withdrawal); break;
    case RECORD_KEY: same_key(&a->api_key, &b->api_key); break;
    case RECORD_REFUSAL: same_refusal(&a->refusal, &b->refusal); break;
    case RECORD_PARKED: same_parked(&a->parked, &b->parked); break;
    case RECORD_RULES:
        SAME(rules.version);
        SAME_TEXT(rules.rules);
        break;
    case RECORD_ALARM:
        SAME(alarm.status);
        SAME(alarm.stops);
        SAME_TEXT(alarm.message);
        break;
    case RECORD_CURSOR: same_cursor(&a->cursor, &b->cursor); break;
    case RECORD_DATA_KEY:
        SAME(data_key.number);
        SAME(data_key.plain_until_ms);
        SAME_TEXT(data_key.owner);
        break;
    case RECORD_NOTES:
        SAME(notes.count);
        SAME_TEXT(notes.notes);
        break;
    case RECORD_BATCH:
        SAME(batch.count);
        SAME_TEXT(batch.positions);
        break;
    }
}
