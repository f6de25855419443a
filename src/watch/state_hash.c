// SPDX-License-Identifier: MIT
// Records are hashed one behind the other, encoded anew with places in the order for positions.
// What stands now comes in no order that engines share, so its hashes are added up.
#include "watch/state_hash.h"

#include <string.h>

#include "base/memory.h"
#include "ledger/seal.h"
#include "watch/tally_map.h"

#define FEED_BYTES ((size_t)1 << 20)

struct named { // an id and when it came
    struct id id;
    uint64_t order;
};

struct hashing {
    bool ignores_names;
    struct sha256_context *records, *things;
    uint64_t *positions; // owned; of the records so far, ascending
    uint64_t count, capacity;
    struct tally_map names[ID_TYPE_COUNT]; // things of two types may share an id
    struct buffer buffer;
    uint64_t *places;   // owned; of a batch
    uint64_t sums[4];   // of the hashes of what stands now
    struct state_hash *result;
    struct currency_account currencies[LIMIT_CURRENCIES_MAX];
    uint32_t currency_count;
    enum status status;
};

// ---- records ----------------------------------------------------------------------------------

// A place in the feed: that of the record which stands there or next; at the latest the one that
// is being hashed.
static uint64_t place_from(const struct hashing *hashing, uint64_t position) {
    uint64_t low = 0, high = hashing->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (hashing->positions[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return (low + 1) * 8;
}

// A record's place in the order, like a position of an engine that counts. 0 stays 0.
static uint64_t place_of(const struct hashing *hashing, uint64_t position) {
    uint64_t place = place_from(hashing, position);
    bool is_there =
        place / 8 <= hashing->count && hashing->positions[place / 8 - 1] == position;
    return is_there ? place : 0;
}

static void name(struct hashing *hashing, enum id_type type, struct id *id) {
    struct tally_map *names = &hashing->names[type];
    if (!hashing->ignores_names || id_is_zero(*id))
        return;
    uint32_t index = tally_map_find(names, *id);
    if (index == 0) {
        index = tally_map_add(names, *id);
        struct named *added = tally_map_at(names, index);
        added->order = names->count;
    }
    uint64_t order = ((const struct named *)tally_map_at(names, index))->order;
    memset(id, 0, sizeof(*id));
    memcpy(id->bytes, &order, sizeof(order));
}

static void name_side(struct hashing *hashing, struct posting_side *side) {
    name(hashing, ID_WALLET, &side->wallet);
    side->previous = place_of(hashing, side->previous);
    side->skip = place_of(hashing, side->skip);
}

static void name_transaction(struct hashing *hashing, struct transaction_facts *facts) {
    enum id_type subject = facts->type == TRANSACTION_WITHDRAWAL ? ID_WITHDRAWAL
                           : facts->type == TRANSACTION_REFUND   ? ID_TRANSACTION
                                                                 : ID_HOLD;
    name(hashing, ID_TRANSACTION, &facts->id);
    name(hashing, subject, &facts->subject);
    name_side(hashing, &facts->debit);
    name_side(hashing, &facts->credit);
    facts->opening = place_of(hashing, facts->opening);
}

static void name_batch(struct hashing *hashing, struct batch_facts *facts) {
    hashing->places =
        memory_resize(hashing->places, (facts->count + 1) * sizeof(*hashing->places));
    for (uint32_t i = 0; i < facts->count; i++) {
        uint64_t position;
        memcpy(&position, facts->positions.bytes + i * sizeof(position), sizeof(position));
        hashing->places[i] = place_of(hashing, position & ~UINT64_C(7)) | (position & 7);
    }
    facts->positions = slice_of(hashing->places, facts->count * sizeof(*hashing->places));
}

// False: it does not count.
static bool name_record(struct hashing *hashing, struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: name(hashing, ID_WALLET, &record->wallet.id); break;
    case RECORD_TRANSACTION: name_transaction(hashing, &record->transaction); break;
    case RECORD_HOLD:
        name(hashing, ID_HOLD, &record->hold.id);
        name(hashing, ID_WALLET, &record->hold.wallet);
        name(hashing, ID_WALLET, &record->hold.merchant);
        record->hold.opening = place_of(hashing, record->hold.opening);
        if (hashing->ignores_names)
            record->hold.expires_at_ms = 1;
        break;
    case RECORD_WITHDRAWAL:
        name(hashing, ID_WITHDRAWAL, &record->withdrawal.id);
        name(hashing, ID_WALLET, &record->withdrawal.wallet);
        record->withdrawal.opening = place_of(hashing, record->withdrawal.opening);
        break;
    case RECORD_KEY:
        name(hashing, ID_KEY, &record->api_key.id);
        record->api_key.opening = place_of(hashing, record->api_key.opening);
        if (hashing->ignores_names) {
            memset(&record->api_key.secret_hash, 0, sizeof(record->api_key.secret_hash));
            record->api_key.expires_at_ms = 0;
        }
        break;
    case RECORD_REFUSAL:
        CHECK(record->refusal.id_type < ID_TYPE_COUNT);
        name(hashing, (enum id_type)record->refusal.id_type, &record->refusal.id);
        name(hashing, refusal_other_type(&record->refusal), &record->refusal.other);
        break;
    case RECORD_BATCH: name_batch(hashing, &record->batch); break;
    // Notes, places in logs, kept commands: of one house, as they are.
    case RECORD_PARKED:
        record->parked.opening = place_of(hashing, record->parked.opening);
        return !hashing->ignores_names;
    case RECORD_CURSOR:
        if (!cursor_is_of_commands(record->cursor.kind) && record->cursor.next != 0)
            record->cursor.next = place_from(hashing, record->cursor.next);
        return !hashing->ignores_names;
    case RECORD_DATA_KEY:
    case RECORD_RULES:
    case RECORD_ALARM:
    case RECORD_NOTES: return !hashing->ignores_names;
    }
    if (hashing->ignores_names) {
        record->time_ms = 1;
        record->origin = (struct origin){.role = record->origin.role};
        memset(&record->key, 0, sizeof(record->key));
        memset(&record->request, 0, sizeof(record->request));
    }
    return true;
}

static bool take_record(void *context, const struct feed_record *fed) {
    struct hashing *hashing = context;
    struct record record;
    const char *why;
    hashing->status = record_decode(fed->bytes, &record, &why);
    if (hashing->status != STATUS_ok)
        return false;
    if (!name_record(hashing, &record))
        return true;
    buffer_reset(&hashing->buffer);
    if (hashing->ignores_names)
        record_encode(&record, &hashing->buffer);
    else
        record_encode_again(&record, fed->bytes, &hashing->buffer);
    sha256_add(hashing->records, buffer_slice(&hashing->buffer));
    if (hashing->count == hashing->capacity) {
        hashing->capacity = hashing->capacity == 0 ? 1024 : hashing->capacity * 2;
        hashing->positions =
            memory_resize(hashing->positions, hashing->capacity * sizeof(*hashing->positions));
    }
    CHECK(hashing->count == 0 || hashing->positions[hashing->count - 1] < fed->position);
    hashing->positions[hashing->count++] = fed->position;
    return true;
}

static enum status take_records(struct hashing *hashing, struct engine *engine) {
    uint64_t end = engine->port->published_end(engine), position = 0;
    struct opening_mark mark = {.position = 0};
    if (engine->port->opening != NULL) {
        enum status status = engine->port->opening(engine, NULL, NULL, &mark);
        if (status != STATUS_ok)
            return status;
    }
    // What is archived is in it by the digest of what was carried over.
    if (mark.position != 0)
        sha256_add(hashing->records, slice_of(&mark, sizeof(mark)));
    position = mark.position;
    while (position < end) {
        uint64_t next = position;
        enum status status =
            engine->port->feed(engine, position, FEED_BYTES, take_record, hashing, &next);
        if (status == STATUS_ok)
            status = hashing->status;
        if (status != STATUS_ok)
            return status;
        if (next == position)
            break;
        position = next;
    }
    return STATUS_ok;
}

// ---- what stands now --------------------------------------------------------------------------

static void add_thing(struct hashing *hashing, const uint64_t *numbers, size_t count) {
    uint64_t words[4];
    sha256_begin(hashing->things);
    sha256_add(hashing->things, slice_of(numbers, count * sizeof(*numbers)));
    struct sha256 hash = sha256_end(hashing->things);
    memcpy(words, hash.bytes, sizeof(words));
    for (int i = 0; i < 4; i++)
        hashing->sums[i] += words[i];
}

static void put_id(struct hashing *hashing, uint64_t place[2], enum id_type type, struct id id) {
    name(hashing, type, &id);
    memcpy(place, id.bytes, sizeof(id.bytes));
}

static void take_wallet(void *context, const struct wallet *wallet) {
    struct hashing *hashing = context;
    CHECK(wallet->currency < hashing->currency_count);
    uint64_t numbers[11] = {'w'};
    put_id(hashing, &numbers[1], ID_WALLET, wallet->id);
    memcpy(&numbers[3], hashing->currencies[wallet->currency].currency.code,
           sizeof(hashing->currencies[0].currency.code));
    numbers[5] = (uint64_t)wallet->balance;
    numbers[6] = (uint64_t)wallet->held;
    numbers[7] = (uint64_t)wallet->credit_limit;
    numbers[8] = wallet->version;
    numbers[9] = wallet->kind | (uint64_t)wallet->tier << 4;
    numbers[10] = wallet->status;
    add_thing(hashing, numbers, 11);
    hashing->result->wallet_count++;
}

// Of two books to which the same was done at different times: windows may have moved on and sums
// faded between two payments, and counterparties have other marks. What is left must agree.
static void blur(struct habits *habits) {
    struct habits blurred = {.version = habits->version,
                             .last_ms = habits->last_ms != 0,
                             .deposit_ms = habits->deposit_ms != 0,
                             .mean = habits->mean,
                             .deviation = habits->deviation,
                             .sold = habits->sold != 0,
                             .refunded = habits->refunded != 0,
                             .payments = habits->payments,
                             .withdrawals = habits->withdrawals};
    blurred.known[0] = habits_known_count(habits);
    blurred.counts[0] = habits->open_count;
    blurred.sums[0] = habits->open_sum;
    for (int i = 0; i < HABIT_BUCKETS; i++) { // all of the week: it is longer than such a life
        blurred.counts[0] += i < HABIT_WEEK_FIRST ? 0 : habits->counts[i];
        blurred.sums[0] += i < HABIT_WEEK_FIRST ? 0 : habits->sums[i];
    }
    *habits = blurred;
}

// Buckets are emptied when a payment comes, by its own time, so equal records make equal bytes.
static void take_habits(void *context, struct id wallet, const struct habits *habits) {
    struct hashing *hashing = context;
    struct habits own = *habits;
    uint64_t numbers[3 + sizeof(own) / 8] = {'u'};
    if (hashing->ignores_names)
        blur(&own);
    put_id(hashing, &numbers[1], ID_WALLET, wallet);
    memcpy(&numbers[3], &own, sizeof(own));
    add_thing(hashing, numbers, 3 + sizeof(own) / 8);
    hashing->result->habits_count++;
}

static void take_hold(void *context, const struct hold *hold) {
    struct hashing *hashing = context;
    uint64_t numbers[11] = {'h'};
    put_id(hashing, &numbers[1], ID_HOLD, hold->id);
    put_id(hashing, &numbers[3], ID_WALLET, hold->wallet);
    put_id(hashing, &numbers[5], ID_WALLET, hold->merchant);
    numbers[7] = (uint64_t)hold->amount;
    numbers[8] = (uint64_t)hold->captured;
    numbers[9] = hashing->ignores_names ? 0 : hold->expires_at_ms;
    numbers[10] = hold->status;
    add_thing(hashing, numbers, 11);
    hashing->result->hold_count++;
}

static void take_withdrawal(void *context, const struct withdrawal *withdrawal) {
    struct hashing *hashing = context;
    uint64_t numbers[7] = {'d'};
    put_id(hashing, &numbers[1], ID_WITHDRAWAL, withdrawal->id);
    put_id(hashing, &numbers[3], ID_WALLET, withdrawal->wallet);
    numbers[5] = (uint64_t)withdrawal->amount;
    numbers[6] = withdrawal->status;
    add_thing(hashing, numbers, 7);
    hashing->result->withdrawal_count++;
}

static enum status take_currencies(struct hashing *hashing, struct engine *engine) {
    hashing->currency_count = engine->port->currencies(engine, hashing->currencies,
                                                             LIMIT_CURRENCIES_MAX);
    if (hashing->currency_count == ENGINE_UNREAD)
        return STATUS_busy;
    for (uint32_t i = 0; i < hashing->currency_count; i++) {
        const struct currency_account *account = &hashing->currencies[i];
        uint64_t numbers[9] = {'c'};
        memcpy(&numbers[1], account->currency.code, sizeof(account->currency.code));
        numbers[3] = account->currency.exponent;
        numbers[4] = account->wallet_count;
        numbers[5] = (uint64_t)account->deposits;
        numbers[6] = (uint64_t)(account->deposits >> 64);
        numbers[7] = (uint64_t)account->withdrawals;
        numbers[8] = (uint64_t)(account->withdrawals >> 64);
        add_thing(hashing, numbers, 9);
    }
    return STATUS_ok;
}

static enum status take_things(struct hashing *hashing, struct engine *engine) {
    enum status status = take_currencies(hashing, engine);
    if (status == STATUS_ok)
        status = engine->port->wallets(engine, take_wallet, hashing);
    if (status == STATUS_ok)
        status = engine->port->habits(engine, take_habits, hashing);
    if (status == STATUS_ok)
        status = engine->port->holds(engine, take_hold, hashing);
    if (status == STATUS_ok)
        status = engine->port->withdrawals(engine, take_withdrawal, hashing);
    return status;
}

enum status state_hash_make(struct engine *engine, bool ignores_names,
                            struct state_hash *ret_hash) {
    struct state_hash result = {0};
    struct hashing *hashing = memory_take_zeroed(sizeof(*hashing));
    hashing->ignores_names = ignores_names;
    hashing->result = &result;
    hashing->records = sha256_open();
    hashing->things = sha256_open();
    for (int type = 0; type < ID_TYPE_COUNT; type++)
        tally_map_init(&hashing->names[type], sizeof(struct named));
    sha256_begin(hashing->records);
    enum status status = take_records(hashing, engine);
    if (status == STATUS_ok)
        status = take_things(hashing, engine);
    if (status == STATUS_ok) {
        sha256_add(hashing->records, slice_of(hashing->sums, sizeof(hashing->sums)));
        result.hash = sha256_end(hashing->records);
        result.record_count = hashing->count;
        *ret_hash = result;
    }
    sha256_close(hashing->records);
    sha256_close(hashing->things);
    for (int type = 0; type < ID_TYPE_COUNT; type++)
        tally_map_done(&hashing->names[type]);
    buffer_done(&hashing->buffer);
    memory_free(hashing->positions);
    memory_free(hashing->places);
    memory_free(hashing);
    return status;
}
