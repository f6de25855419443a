// SPDX-License-Identifier: MIT
// The bytes of a record, the same in a journal and in a database. Little endian; no padding is ever
// unwritten.
//
//   front      16 bytes   of struct frame: size, checksum, kind, version, operation, flags, role, a
//                         zero, and how long what follows of the head is
//   head       short      the rest of the frame: when, from where, how long the texts are, the data
//                         key; then the parts below. record_head.h says how it is written
//     key      32 bytes   if flag 1: digest of principal and idempotency key, digest of the request
//     spent    32 bytes   if flag 32
//     facts    fixed      by kind: struct ..._bytes in record_bytes.h; a transaction's `external`
//                         (flag 2) and `subject` (flag 4) parts follow its own; flag 16 says that
//                         the command was queued, flag 64 that it counts in habits (habits.h), flag
//                         128, of what moves or holds money, or opens a wallet, that it is but what
//                         it means here, and another shard has the thing; flag 2, of wallets, holds
//                         and withdrawals, that another shard has decided it
//   texts      lengths in the frame, in the order of record_texts.h; the free texts stand last, and
//              with flag 8 sealed (seal.h): 24 bytes in front of them, 16 behind, and with flag 1
//              among what is sealed the last 8 bytes of `key`, which are zero in their own place;
//              the request id's text goes on behind a zero byte with the trace context, when there
//              is one
//   padding    zero bytes to a multiple of 8
//
// A transfer with a key and without free texts takes about 190 bytes of 310 that it has.
//
// A record is valid if and only if
//   R1  its size is a multiple of 8, at least a front, at most LIMIT_RECORD_BYTES_MAX, and within
//       the bytes given
//   R2  its CRC32C, over everything behind the checksum, agrees
//   R3  its kind and version are known (version 2), no unknown flag is set; flag 8, and it alone,
//       comes with a data key and free texts
//   R4  front, head, texts and up to 7 zero bytes of padding fill the size exactly, and the head
//       has the words of its kind and flags
//   R5  metadata is well-formed (metadata.h), and so are notes (note.h), kept commands (parked.h),
//       findings (finding.h) and rules (rules.h); positions of a batch are 8 bytes per operation
//   R6  enums hold known values, amounts are within bounds
#include "ledger/record.h"

#include "base/ahead.h"
#include "base/check.h"
#include "base/hash.h"
#include "ledger/note.h"
#include "ledger/record_head.h"

// Records follow one another in a buffer: of those to come the memory is asked for. A payment's
// record is as long as a step.
enum { WRITE_AHEAD_BYTES = 1024, WRITE_AHEAD_STEP = 256 };

static void currency_split(const struct currency *currency, char *ret_code, uint8_t *ret_exponent) {
    memcpy(ret_code, currency->code, sizeof(currency->code));
    *ret_exponent = currency->exponent;
}

static struct currency currency_join(const char *code, uint8_t exponent) {
    struct currency currency = {.exponent = exponent};
    memcpy(currency.code, code, sizeof(currency.code));
    return currency;
}

// ---- writing ----------------------------------------------------------------------------------

static uint8_t *put(uint8_t *place, const void *bytes, size_t size) {
    memcpy(place, bytes, size);
    return place + size;
}

static void put_side(struct side_bytes *place, const struct posting_side *side) {
    place->wallet = side->wallet;
    place->balance = side->balance;
    place->held = side->held;
    place->version = side->version;
    place->previous = side->previous;
    place->skip = side->skip;
    word_store((uint8_t *)&place->number, side->number);
}

// Exponent, type and code, as two words.
static void put_kind(uint8_t *place, const struct transaction_facts *facts) {
    uint64_t first = word_load((const uint8_t *)facts->currency.code);
    uint32_t last;
    memcpy(&last, facts->currency.code + sizeof(first), sizeof(last));
    word_store(place, facts->currency.exponent | (uint64_t)facts->type << 8 | first << 16);
    word_store(place + 8, first >> 48 | (uint64_t)last << 16);
}
static_assert(sizeof(((struct currency *)NULL)->code) == 12, "as put_kind() reads it");

static uint8_t *put_transaction(uint8_t *place, const struct transaction_facts *facts,
                                uint8_t *ret_flags) {
    struct transaction_bytes *bytes = (struct transaction_bytes *)place;
    bytes->id = facts->id;
    put_kind(&bytes->exponent, facts);
    bytes->amount = facts->amount;
    put_side(&bytes->debit, &facts->debit);
    put_side(&bytes->credit, &facts->credit);
    place += sizeof(*bytes);
    if (facts->external_total != 0) {
        *ret_flags |= FLAG_EXTERNAL;
        place = put(place,
                    &(struct external_bytes){.low = (uint64_t)facts->external_total,
                                             .high = (uint64_t)(facts->external_total >> 64)},
                    sizeof(struct external_bytes));
    }
    if (!id_is_zero(facts->subject)) {
        *ret_flags |= FLAG_SUBJECT;
        place = put(place,
                    &(struct subject_bytes){.subject = facts->subject,
                                            .total = facts->subject_total,
                                            .opening = facts->opening,
                                            .status = facts->subject_status},
                    sizeof(struct subject_bytes));
    }
    return place;
}

static uint8_t *put_wallet(uint8_t *place, const struct wallet_facts *facts) {
    struct wallet_bytes bytes = {
        .id = facts->id,
        .kind_and_tier = (uint8_t)(facts->kind | facts->tier << 4),
        .status = facts->status,
        .unchanged = facts->unchanged,
        .balance = facts->balance,
        .held = facts->held,
        .credit_limit = facts->credit_limit,
        .version = facts->version,
    };
    currency_split(&facts->currency, bytes.code, &bytes.exponent);
    return put(place, &bytes, sizeof(bytes));
}

static uint8_t *put_hold(uint8_t *place, const struct hold_facts *facts) {
    struct hold_bytes bytes = {
        .id = facts->id,
        .wallet = facts->wallet,
        .merchant = facts->merchant,
        .status = facts->status,
        .amount = facts->amount,
        .captured = facts->captured,
        .expires_at_ms = facts->expires_at_ms,
        .wallet_balance = facts->wallet_balance,
        .wallet_held = facts->wallet_held,
        .wallet_version = facts->wallet_version,
        .opening = facts->opening,
    };
    currency_split(&facts->currency, bytes.code, &bytes.exponent);
    return put(place, &bytes, sizeof(bytes));
}

static uint8_t *put_withdrawal(uint8_t *place, const struct withdrawal_facts *facts) {
    struct withdrawal_bytes bytes = {
        .id = facts->id,
        .wallet = facts->wallet,
        .status = facts->status,
        .amount = facts->amount,
        .wallet_balance = facts->wallet_balance,
        .wallet_held = facts->wallet_held,
        .wallet_version = facts->wallet_version,
        .opening = facts->opening,
    };
    currency_split(&facts->currency, bytes.code, &bytes.exponent);
    return put(place, &bytes, sizeof(bytes));
}

enum id_type refusal_other_type(const struct refusal *refusal) {
    return refusal->status == STATUS_duplicate_bank_transaction ? ID_TRANSACTION : ID_WALLET;
}

static struct refusal_bytes refusal_bytes_of(const struct refusal *facts) {
    struct refusal_bytes bytes = {.id = facts->id,
                                  .other = facts->other,
                                  .status = facts->status,
                                  .id_type = facts->id_type,
                                  .detail = facts->detail,
                                  .asked = facts->asked,
                                  .has = facts->has,
                                  .operation = facts->operation};
    memcpy(bytes.rule, facts->rule, sizeof(bytes.rule));
    currency_split(&facts->currency, bytes.code, &bytes.exponent);
    return bytes;
}

static uint8_t *put_parked(uint8_t *place, const struct parked_facts *facts) {
    struct parked_bytes bytes = {
        .id = facts->id,
        .wallet = facts->wallet,
        .result = facts->result,
        .status = facts->status,
        .cause = facts->cause,
        .result_type = facts->result_type,
        .amount = facts->amount,
        .held = facts->held,
        .wallet_balance = facts->wallet_balance,
        .wallet_held = facts->wallet_held,
        .wallet_version = facts->wallet_version,
        .expires_at_ms = facts->expires_at_ms,
        .opening = facts->opening,
        .refusal = refusal_bytes_of(&facts->refusal),
        .rules_version = facts->finding.rules_version,
        .score = facts->finding.score,
        .action = facts->finding.action,
        .subject_type = facts->finding.subject_type,
        .held_away = facts->held_away,
    };
    currency_split(&facts->currency, bytes.code, &bytes.exponent);
    return put(place, &bytes, sizeof(bytes));
}

static uint8_t *put_facts(uint8_t *place, const struct record *record, uint8_t *ret_flags) {
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: return put_wallet(place, &record->wallet);
    case RECORD_TRANSACTION: return put_transaction(place, &record->transaction, ret_flags);
    case RECORD_HOLD: return put_hold(place, &record->hold);
    case RECORD_WITHDRAWAL: return put_withdrawal(place, &record->withdrawal);
    case RECORD_KEY: {
        const struct key_facts *facts = &record->api_key;
        struct key_bytes bytes = {.id = facts->id,
                                  .secret_hash = facts->secret_hash,
                                  .previous_hash = facts->previous_hash,
                                  .expires_at_ms = facts->expires_at_ms,
                                  .previous_until_ms = facts->previous_until_ms,
                                  .opening = facts->opening,
                                  .role = facts->role,
                                  .revoked = facts->revoked};
        return put(place, &bytes, sizeof(bytes));
    }
    case RECORD_REFUSAL: {
        struct refusal_bytes bytes = refusal_bytes_of(&record->refusal);
        return put(place, &bytes, sizeof(bytes));
    }
    case RECORD_PARKED: return put_parked(place, &record->parked);
    case RECORD_RULES:
        return put(place, &(struct rules_bytes){.version = record->rules.version},
                   sizeof(struct rules_bytes));
    case RECORD_ALARM:
        return put(place,
                   &(struct alarm_bytes){.status = record->alarm.status,
                                         .stops = record->alarm.stops},
                   sizeof(struct alarm_bytes));
    case RECORD_BATCH:
        return put(place, &(struct batch_bytes){.count = record->batch.count},
                   sizeof(struct batch_bytes));
    case RECORD_CURSOR: {
        const struct cursor *facts = &record->cursor;
        struct cursor_bytes bytes = {.kind = facts->kind,
                                     .slot = facts->slot,
                                     .partitions = facts->partitions,
                                     .epoch = facts->epoch,
                                     .next = facts->next,
                                     .checksum = facts->checksum,
                                     .source = facts->source};
        return put(place, &bytes, sizeof(bytes));
    }
    case RECORD_DATA_KEY:
        return put(place,
                   &(struct data_key_bytes){.number = record->data_key.number,
                                            .plain_until_ms = record->data_key.plain_until_ms},
                   sizeof(struct data_key_bytes));
    case RECORD_NOTES:
        return put(place, &(struct notes_bytes){.count = record->notes.count},
                   sizeof(struct notes_bytes));
    }
    UNREACHABLE("a record of no kind");
}

static_assert(offsetof(struct frame, kind) == 8 && offsetof(struct frame, role) == 12 &&
                  offsetof(struct frame, text_bytes) == 40 &&
                  offsetof(struct frame, tail_bytes) == 52,
              "as put_frame() writes it");

static void put_frame(uint8_t *place, const struct record *record, uint8_t flags,
                      const uint16_t sizes[RECORD_TEXTS - 1], uint32_t tail_bytes) {
    word_store(place, 0);
    word_store(place + 8, record->kind | RECORD_VERSION << 8 | (uint64_t)record->operation << 16 |
                              (uint64_t)flags << 24 | (uint64_t)record->origin.role << 32);
    word_store(place + 16, record->time_ms);
    memcpy(place + 24, record->origin.address, sizeof(record->origin.address));
    word_store(place + 40, sizes[0] | (uint64_t)sizes[1] << 16 | (uint64_t)sizes[2] << 32 |
                               (uint64_t)sizes[3] << 48);
    word_store(place + 48, sizes[4] | (uint64_t)sizes[5] << 16 | (uint64_t)tail_bytes << 32);
    word_store(place + 56, 0);
}

// Returns how many bytes it takes.
static size_t put_head(uint8_t *start, const struct record *record,
                       const uint16_t sizes[RECORD_TEXTS - 1], uint32_t tail_bytes) {
    struct head head;
    uint8_t flags =
        (uint8_t)((record->has_key ? FLAG_KEY : 0) | (record->queued ? FLAG_QUEUED : 0) |
                  (record->judged ? FLAG_JUDGED : 0) | (record->arrives ? FLAG_ARRIVES : 0) |
                  (record->decided_away ? FLAG_AWAY : 0));
    uint8_t *place = head.bytes + sizeof(struct frame);
    if (record->has_key) {
        place = put(place, &record->key, sizeof(record->key));
        place = put(place, &record->request, sizeof(record->request));
    }
    if (record->spent.day != 0) {
        flags |= FLAG_SPENT;
        place = put(place,
                    &(struct spent_bytes){.version = record->spent.version,
                                          .day = record->spent.day,
                                          .day_sum = record->spent.day_sum,
                                          .month_sum = record->spent.month_sum},
                    sizeof(struct spent_bytes));
    }
    place = put_facts(place, record, &flags);
    put_frame(head.bytes, record, flags, sizes, tail_bytes);
    head.size = (size_t)(place - head.bytes);
    return record_head_write(&head, start);
}

uint32_t record_finish(uint8_t *record, uint8_t *place) {
    while ((place - record) % 8 != 0)
        *place++ = 0;
    uint32_t size = (uint32_t)(place - record);
    CHECK(size <= LIMIT_RECORD_BYTES_MAX);
    memcpy(record, &size, sizeof(size));
    uint32_t crc = crc32c(slice_of(record + 8, size - 8));
    memcpy(record + offsetof(struct frame, crc), &crc, sizeof(crc));
    return size;
}

size_t record_encode(const struct record *record, struct buffer *buffer) {
    struct slice texts[RECORD_TEXTS];
    record_texts_collect(record, texts);
    size_t trace_bytes = record->origin.trace.size == 0 ? 0 : 1 + record->origin.trace.size;
    size_t text_total = trace_bytes;
    CHECK(texts[TEXT_REQUEST_ID].size == 0 ||
          memchr(texts[TEXT_REQUEST_ID].bytes, 0, texts[TEXT_REQUEST_ID].size) == NULL);
    for (int i = 0; i < RECORD_TEXTS; i++)
        text_total += texts[i].size;
    uint8_t *start = buffer_room(buffer, 1024 + text_total);
    ahead_write(start + WRITE_AHEAD_BYTES, WRITE_AHEAD_STEP);
    uint16_t sizes[RECORD_TEXTS - 1];
    for (int i = 0; i < RECORD_TEXTS - 1; i++) {
        size_t size = texts[i].size + (i == TEXT_REQUEST_ID ? trace_bytes : 0);
        CHECK(size <= UINT16_MAX);
        sizes[i] = (uint16_t)size;
    }
    uint8_t *place = start + put_head(start, record, sizes, (uint32_t)texts[TEXT_TAIL].size);
    for (int i = 0; i < RECORD_TEXTS; i++) {
        if (texts[i].size != 0)
            place = put(place, texts[i].bytes, texts[i].size);
        if (i == TEXT_REQUEST_ID && trace_bytes != 0) {
            *place++ = 0;
            place = put(place, record->origin.trace.bytes, record->origin.trace.size);
        }
    }
    uint32_t size = record_finish(start, place);
    buffer->size += size;
    return size;
}

// ---- reading ----------------------------------------------------------------------------------

struct reader {
    const uint8_t *place;
    const uint8_t *end;
};

static bool take(struct reader *reader, void *ret_bytes, size_t size) {
    if ((size_t)(reader->end - reader->place) < size)
        return false;
    memcpy(ret_bytes, reader->place, size);
    reader->place += size;
    return true;
}

static struct posting_side side_of_bytes(const struct side_bytes *bytes) {
    return (struct posting_side){
        .wallet = bytes->wallet,
        .balance = bytes->balance,
        .held = bytes->held,
        .version = bytes->version,
        .previous = bytes->previous,
        .skip = bytes->skip,
        .number = bytes->number,
    };
}

static const char *take_transaction(struct reader *reader, uint8_t flags,
                                    struct transaction_facts *restrict facts) {
    const struct transaction_bytes *bytes = (const struct transaction_bytes *)reader->place;
    struct external_bytes external = {0};
    struct subject_bytes subject = {{{0}}, 0, 0, 0};
    reader->place += sizeof(*bytes);
    if (((flags & FLAG_EXTERNAL) != 0 && !take(reader, &external, sizeof(external))) ||
        ((flags & FLAG_SUBJECT) != 0 && !take(reader, &subject, sizeof(subject))))
        return "R4: the facts do not fit";
    if (bytes->type < TRANSACTION_DEPOSIT || bytes->type > TRANSACTION_ADJUSTMENT ||
        !amount_is_valid(bytes->amount) || subject.status > HOLD_EXPIRED)
        return "R6: a transaction of no type or amount";
    *facts = (struct transaction_facts){
        .id = bytes->id,
        .type = bytes->type,
        .amount = bytes->amount,
        .currency = currency_join(bytes->code, bytes->exponent),
        .debit = side_of_bytes(&bytes->debit),
        .credit = side_of_bytes(&bytes->credit),
        .external_total = (money_total)(((unsigned __int128)external.high << 64) | external.low),
        .subject = subject.subject,
        .subject_total = subject.total,
        .subject_status = (uint8_t)subject.status,
        .opening = subject.opening,
    };
    return NULL;
}

static const char *take_wallet(struct reader *reader, struct wallet_facts *facts) {
    struct wallet_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    uint8_t kind = bytes.kind_and_tier & 15;
    if (kind > WALLET_MERCHANT || bytes.status > WALLET_CLOSED || bytes.unchanged > 1)
        return "R6: a wallet of no kind or status";
    *facts = (struct wallet_facts){
        .id = bytes.id,
        .currency = currency_join(bytes.code, bytes.exponent),
        .kind = kind,
        .tier = bytes.kind_and_tier >> 4,
        .status = bytes.status,
        .unchanged = bytes.unchanged,
        .balance = bytes.balance,
        .held = bytes.held,
        .credit_limit = bytes.credit_limit,
        .version = bytes.version,
    };
    return NULL;
}

static const char *take_hold(struct reader *reader, struct hold_facts *facts) {
    struct hold_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    if (bytes.status > HOLD_EXPIRED || !amount_is_valid(bytes.amount) || bytes.captured < 0 ||
        bytes.captured > bytes.amount)
        return "R6: a hold of no status or amount";
    *facts = (struct hold_facts){
        .id = bytes.id,
        .wallet = bytes.wallet,
        .merchant = bytes.merchant,
        .amount = bytes.amount,
        .captured = bytes.captured,
        .expires_at_ms = bytes.expires_at_ms,
        .status = bytes.status,
        .currency = currency_join(bytes.code, bytes.exponent),
        .wallet_balance = bytes.wallet_balance,
        .wallet_held = bytes.wallet_held,
        .wallet_version = bytes.wallet_version,
        .opening = bytes.opening,
    };
    return NULL;
}

static const char *take_withdrawal(struct reader *reader, struct withdrawal_facts *facts) {
    struct withdrawal_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    if (bytes.status > WITHDRAWAL_FAILED || !amount_is_valid(bytes.amount))
        return "R6: a withdrawal of no status or amount";
    *facts = (struct withdrawal_facts){
        .id = bytes.id,
        .wallet = bytes.wallet,
        .amount = bytes.amount,
        .status = bytes.status,
        .currency = currency_join(bytes.code, bytes.exponent),
        .wallet_balance = bytes.wallet_balance,
        .wallet_held = bytes.wallet_held,
        .wallet_version = bytes.wallet_version,
        .opening = bytes.opening,
    };
    return NULL;
}

static const char *take_key(struct reader *reader, struct key_facts *facts) {
    struct key_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    if (bytes.role == ROLE_SYSTEM || !role_is_known(bytes.role) || bytes.revoked > 1)
        return "R6: a key of no role";
    *facts = (struct key_facts){.id = bytes.id,
                                .role = bytes.role,
                                .revoked = bytes.revoked,
                                .expires_at_ms = bytes.expires_at_ms,
                                .secret_hash = bytes.secret_hash,
                                .previous_hash = bytes.previous_hash,
                                .previous_until_ms = bytes.previous_until_ms,
                                .opening = bytes.opening};
    return NULL;
}

static struct refusal refusal_of_bytes(const struct refusal_bytes *bytes) {
    struct refusal refusal = {
        .status = bytes->status,
        .id_type = bytes->id_type,
        .detail = bytes->detail,
        .id = bytes->id,
        .other = bytes->other,
        .currency = currency_join(bytes->code, bytes->exponent),
        .asked = bytes->asked,
        .has = bytes->has,
        .operation = (uint32_t)bytes->operation,
    };
    memcpy(refusal.rule, bytes->rule, sizeof(refusal.rule));
    return refusal;
}

static const char *take_refusal(struct reader *reader, struct refusal *facts) {
    struct refusal_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    if (bytes.status == STATUS_ok || bytes.status >= STATUS_COUNT || bytes.id_type >= ID_TYPE_COUNT)
        return "R6: a refusal of no status";
    *facts = refusal_of_bytes(&bytes);
    return NULL;
}

static const char *take_parked(struct reader *reader, struct parked_facts *facts) {
    struct parked_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    bool is_pending = bytes.status == PARKED_PENDING;
    bool is_finding = bytes.cause != PARKED_FOR_APPROVAL;
    if (bytes.status > (is_finding ? PARKED_DISMISSED : PARKED_REJECTED) ||
        bytes.cause < PARKED_FOR_APPROVAL || bytes.cause > PARKED_FLAGGED ||
        bytes.subject_type >= ID_TYPE_COUNT || bytes.action > RULE_REFUSE || bytes.score > 100 ||
        bytes.result_type >= ID_TYPE_COUNT || bytes.refusal.status >= STATUS_COUNT ||
        bytes.refusal.id_type >= ID_TYPE_COUNT ||
        (bytes.refusal.status != STATUS_ok) != (bytes.status == PARKED_REFUSED))
        return "R6: a kept command of no status or cause";
    if (bytes.held < 0 || bytes.held_away > (bytes.held != 0) ||
        (is_pending ? bytes.amount < (is_finding ? 0 : 1) || bytes.amount > LIMIT_AMOUNT_MAX
                    : bytes.amount != 0))
        return "R6: a kept command of no amount";
    *facts = (struct parked_facts){
        .id = bytes.id,
        .wallet = bytes.wallet,
        .cause = bytes.cause,
        .status = bytes.status,
        .amount = bytes.amount,
        .currency = currency_join(bytes.code, bytes.exponent),
        .expires_at_ms = bytes.expires_at_ms,
        .held = bytes.held,
        .held_away = bytes.held_away != 0,
        .wallet_balance = bytes.wallet_balance,
        .wallet_held = bytes.wallet_held,
        .wallet_version = bytes.wallet_version,
        .opening = bytes.opening,
        .result_type = bytes.result_type,
        .result = bytes.result,
        .refusal = refusal_of_bytes(&bytes.refusal),
        .finding = {.rules_version = bytes.rules_version,
                    .score = bytes.score,
                    .action = bytes.action,
                    .subject_type = bytes.subject_type},
    };
    return NULL;
}

static const char *take_cursor(struct reader *reader, struct cursor *facts) {
    struct cursor_bytes bytes;
    if (!take(reader, &bytes, sizeof(bytes)))
        return "R4: the facts do not fit";
    if (bytes.kind >= CURSOR_KINDS || bytes.slot >= LIMIT_SLOTS || bytes.epoch == 0 ||
        (!cursor_has_slots(bytes.kind) && bytes.slot != 0))
        return "R6: a cursor of no kind or slot";
    *facts = (struct cursor){.kind = bytes.kind,
                             .slot = bytes.slot,
                             .partitions = bytes.partitions,
                             .epoch = bytes.epoch,
                             .next = bytes.next,
                             .checksum = bytes.checksum,
                             .source = bytes.source};
    return NULL;
}

static const char *take_facts(struct reader *reader, uint8_t flags, struct record *record) {
    switch (record->kind) {
    case RECORD_WALLET: return take_wallet(reader, &record->wallet);
    case RECORD_TRANSACTION: return take_transaction(reader, flags, &record->transaction);
    case RECORD_HOLD: return take_hold(reader, &record->hold);
    case RECORD_WITHDRAWAL: return take_withdrawal(reader, &record->withdrawal);
    case RECORD_KEY: return take_key(reader, &record->api_key);
    case RECORD_REFUSAL: return take_refusal(reader, &record->refusal);
    case RECORD_PARKED: return take_parked(reader, &record->parked);
    case RECORD_BATCH: {
        struct batch_bytes bytes;
        if (!take(reader, &bytes, sizeof(bytes)))
            return "R4: the facts do not fit";
        if (bytes.count == 0 || bytes.count > LIMIT_BATCH_OPERATIONS_MAX)
            return "R6: a batch of no size";
        record->batch = (struct batch_facts){.count = (uint32_t)bytes.count};
        return NULL;
    }
    case RECORD_CURSOR: return take_cursor(reader, &record->cursor);
    case RECORD_DATA_KEY: {
        struct data_key_bytes bytes;
        if (!take(reader, &bytes, sizeof(bytes)))
            return "R4: the facts do not fit";
        record->data_key = (struct data_key_facts){.number = bytes.number,
                                                   .plain_until_ms = bytes.plain_until_ms};
        return NULL;
    }
    case RECORD_RULES: {
        struct rules_bytes bytes;
        if (!take(reader, &bytes, sizeof(bytes)) || bytes.version == 0 ||
            bytes.version > UINT32_MAX)
            return "R6: rules of no version";
        record->rules = (struct rules_facts){.version = (uint32_t)bytes.version};
        return NULL;
    }
    case RECORD_ALARM: {
        struct alarm_bytes bytes;
        if (!take(reader, &bytes, sizeof(bytes)) || bytes.status > ALARM_RESUMED ||
            bytes.stops > 1)
            return "R6: an alarm of no kind";
        record->alarm = (struct alarm_facts){.status = bytes.status, .stops = bytes.stops};
        return NULL;
    }
    case RECORD_NOTES: {
        struct notes_bytes bytes;
        if (!take(reader, &bytes, sizeof(bytes)))
            return "R4: the facts do not fit";
        if (bytes.count == 0 || bytes.count > NOTES_IN_RECORD_MAX)
            return "R6: notes of no number";
        record->notes = (struct notes_facts){.count = (uint32_t)bytes.count};
        return NULL;
    }
    default: return "R3: a record of no kind";
    }
}

static const char *take_texts(struct reader *reader, const struct frame *frame,
                              struct record *record) {
    struct slice texts[RECORD_TEXTS] = {0};
    bool is_sealed = (frame->flags & FLAG_SEALED) != 0;
    for (int i = 0; i < (is_sealed ? TEXT_REFERENCE : RECORD_TEXTS); i++) {
        size_t size = i == TEXT_TAIL ? frame->tail_bytes : frame->text_bytes[i];
        if ((size_t)(reader->end - reader->place) < size)
            return "R4: the texts do not fit";
        texts[i] = slice_of(reader->place, size);
        reader->place += size;
    }
    if (is_sealed != (frame->key_space != 0) || (is_sealed && free_texts_size(frame) == 0) ||
        (is_sealed && !record_kind_seals(frame->kind)))
        return "R3: sealed texts without a key, a key without sealed texts";
    if (is_sealed) { // they stay as they are; seal.h opens them
        if ((size_t)(reader->end - reader->place) < sealed_size(frame) + SEAL_OVERHEAD)
            return "R4: the texts do not fit";
        reader->place += sealed_size(frame) + SEAL_OVERHEAD;
    }
    record->sealed_by = frame->key_space;
    if (reader->end - reader->place > 7)
        return "R4: bytes are left over";
    for (; reader->place < reader->end; reader->place++)
        if (*reader->place != 0)
            return "R4: the padding is not zero";
    const char *fault = record_texts_fault(record, texts);
    if (fault != NULL)
        return fault;
    record_texts_split_trace(record, texts);
    record_texts_spread(record, texts);
    return NULL;
}

size_t record_size(struct slice bytes) {
    uint32_t size;
    if (bytes.size < HEAD_FRONT_BYTES)
        return 0;
    memcpy(&size, bytes.bytes, sizeof(size));
    if (size % 8 != 0 || size < HEAD_FRONT_BYTES || size > LIMIT_RECORD_BYTES_MAX ||
        size > bytes.size)
        return 0;
    return size;
}

// `is_proved`: its checksum must agree.
static const char *decode(struct slice bytes, bool is_proved, struct record *ret_record) {
    size_t size = record_size(bytes);
    if (size == 0)
        return "R1: the size is not one of a record";
    struct frame frame;
    struct head head;
    memcpy(&frame, bytes.bytes, HEAD_FRONT_BYTES);
    if (is_proved && frame.crc != crc32c(slice_of(bytes.bytes + 8, size - 8)))
        return "R2: the checksum does not agree";
    if (frame.version != RECORD_VERSION || (frame.flags & ~FLAGS_KNOWN) != 0)
        return "R3: the version or a flag is not known";
    bool is_of_thing = frame.kind == RECORD_WALLET || frame.kind == RECORD_HOLD ||
                       frame.kind == RECORD_WITHDRAWAL;
    if ((frame.flags & FLAG_ARRIVES) != 0 && frame.kind != RECORD_TRANSACTION &&
        frame.kind != RECORD_PARKED && !is_of_thing)
        return "R3: what arrives moves no money";
    if ((frame.flags & FLAG_AWAY) != 0 && frame.kind != RECORD_TRANSACTION && !is_of_thing)
        return "R3: a flag of other kinds";
    if ((frame.flags & FLAG_SUBJECT) != 0 && frame.kind != RECORD_TRANSACTION)
        return "R3: a flag of other kinds";
    const char *broken = record_head_read(slice_of(bytes.bytes, size), &head);
    if (broken != NULL)
        return broken;
    if (frame.operation == COMMAND_NONE ||
        !command_type_is_known((enum command_type)frame.operation) || !role_is_known(frame.role))
        return "R6: an operation or role that is not known";
    ret_record->kind = frame.kind;
    ret_record->operation = frame.operation;
    ret_record->has_key = (frame.flags & FLAG_KEY) != 0;
    ret_record->queued = (frame.flags & FLAG_QUEUED) != 0;
    ret_record->judged = (frame.flags & FLAG_JUDGED) != 0;
    ret_record->arrives = (frame.flags & FLAG_ARRIVES) != 0;
    ret_record->decided_away = is_of_thing && (frame.flags & FLAG_AWAY) != 0;
    ret_record->time_ms = head.frame.time_ms;
    ret_record->origin.role = frame.role;
    memcpy(ret_record->origin.address, head.frame.address, sizeof(head.frame.address));
    struct reader reader = {.place = head.bytes + sizeof(frame), .end = head.bytes + head.size};
    struct digests_bytes digests = {{0, 0}, {0, 0}};
    if (ret_record->has_key && !take(&reader, &digests, sizeof(digests)))
        return "R4: the key does not fit";
    struct spent_bytes spent = {0};
    if ((frame.flags & FLAG_SPENT) != 0 && !take(&reader, &spent, sizeof(spent)))
        return "R4: what was spent does not fit";
    if (spent.day_sum < 0 || spent.month_sum < spent.day_sum ||
        spent.month_sum > LIMIT_AMOUNT_MAX)
        return "R6: sums of spending out of bounds";
    ret_record->spent = (struct spent){.version = spent.version,
                                       .day = spent.day,
                                       .day_sum = spent.day_sum,
                                       .month_sum = spent.month_sum};
    ret_record->key = digests.key;
    ret_record->request = digests.request;
    broken = take_facts(&reader, frame.flags, ret_record);
    if (broken != NULL)
        return broken;
    CHECK(reader.place == reader.end);
    reader = (struct reader){.place = bytes.bytes + HEAD_FRONT_BYTES + frame.head_bytes,
                             .end = bytes.bytes + size};
    return take_texts(&reader, &head.frame, ret_record);
}

enum status record_decode(struct slice bytes, struct record *ret_record,
                          const char **ret_invariant) {
    const char *broken = decode(bytes, true, ret_record);
    if (broken == NULL)
        return STATUS_ok;
    *ret_invariant = broken;
    return STATUS_damaged;
}

bool record_guess(struct slice bytes, struct record *ret_record) {
    // Ids are written short by the time, so where that is none they are wrong, too.
    return decode(bytes, false, ret_record) == NULL && ret_record->time_ms <= LIMIT_TIME_MS_MAX;
}
