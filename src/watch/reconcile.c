// SPDX-License-Identifier: MIT
// Parts of the same work lie on several shards under the same transaction id: both sides are
// gathered from the records that each shard made itself, sorted, and laid side by side.
#include "watch/reconcile.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "watch/rows.h"

#define YOUNG_MS     10000 // what is younger may be on its way
#define TOLD_MAX     50
#define CURRENCY_MAX 64

struct part {
    struct id transaction; // or the wallet, hold or withdrawal that was opened or ended
    struct id wallet; // whose side it is; of a refund's purchase: that; of a bank's id: zero
    int64_t amount;
    uint64_t since_ms;
    enum id_type type;    // of `transaction`
    uint16_t shard, slot; // where it is, and where its other part should be
};

struct parts {
    struct part *items; // owned
    uint64_t count, capacity;
};

struct in_transit {
    char code[13];
    money_total sum;
};

struct comparison {
    const struct reconcile_place *places;
    uint32_t count;
    struct rows_link links[RECONCILE_SHARDS_MAX];
    struct parts gone, arrived, banked, booked;
    struct in_transit transits[CURRENCY_MAX];
    uint32_t transit_count;
    uint64_t young_ms; // parts since then may still be alone
    uint64_t young;    // and how many are
    uint64_t told;
    void (*tell)(void *context, const char *sentence);
    void *context;
    struct reconcile_report *report;
};

static void half(struct comparison *comparison, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void half(struct comparison *comparison, const char *format, ...) {
    char sentence[512];
    va_list arguments;
    comparison->report->halves++;
    if (comparison->told++ >= TOLD_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    comparison->tell(comparison->context, sentence);
}

static void add_part(struct parts *parts, const struct part *part) {
    if (parts->count == parts->capacity) {
        parts->capacity = parts->capacity == 0 ? 4096 : parts->capacity * 2;
        parts->items = memory_resize(parts->items, parts->capacity * sizeof(*parts->items));
    }
    parts->items[parts->count++] = *part;
}

static void add_transit(struct comparison *comparison, struct slice code, money_total amount) {
    uint32_t at = 0;
    while (at < comparison->transit_count &&
           !slice_equal(slice_of_text(comparison->transits[at].code), code))
        at++;
    if (at == CURRENCY_MAX || code.size >= sizeof(comparison->transits[at].code))
        return;
    if (at == comparison->transit_count) {
        comparison->transits[comparison->transit_count++] = (struct in_transit){.sum = 0};
        memcpy(comparison->transits[at].code, code.bytes, code.size);
    }
    comparison->transits[at].sum += amount;
}

// ---- gathering ----------------------------------------------------------------------------------

static struct part part_of(const struct transaction_facts *facts, uint32_t shard,
                           struct id wallet) {
    return (struct part){.transaction = facts->id,
                         .type = ID_TRANSACTION,
                         .wallet = wallet,
                         .amount = facts->amount,
                         .since_ms = id_time_ms(facts->id),
                         .shard = (uint16_t)shard,
                         .slot = (uint16_t)id_slot(wallet)};
}

// Of a wallet, hold or withdrawal that an atomic batch opened, or ended, away from home.
static struct part part_of_thing(const struct record *record, uint32_t shard) {
    struct part part = {.shard = (uint16_t)shard, .since_ms = record->time_ms};
    switch (record->kind) {
    case RECORD_WALLET:
        part.transaction = part.wallet = record->wallet.id;
        part.type = ID_WALLET;
        break;
    case RECORD_HOLD:
        part.transaction = record->hold.id;
        part.wallet = record->hold.wallet;
        part.amount = record->hold.amount;
        part.type = ID_HOLD;
        break;
    default:
        part.transaction = record->withdrawal.id;
        part.wallet = record->withdrawal.wallet;
        part.amount = record->withdrawal.amount;
        part.type = ID_WITHDRAWAL;
        break;
    }
    part.slot = (uint16_t)id_slot(part.wallet);
    return part;
}

static void take_thing(struct comparison *comparison, uint32_t shard,
                       const struct record *record) {
    struct part part = part_of_thing(record, shard);
    if (record->arrives != record->decided_away) // else it is this shard's alone, or but told here
        add_part(record->arrives ? &comparison->gone : &comparison->arrived, &part);
}

static void take_transaction(struct comparison *comparison, uint32_t shard,
                             const struct record *record) {
    const struct transaction_facts *facts = &record->transaction;
    const struct posting_side *const sides[] = {&facts->debit, &facts->credit};
    for (int i = 0; i < 2; i++) {
        struct part part = part_of(facts, shard, sides[i]->wallet);
        if (!id_is_zero(part.wallet) && record->arrives != posting_is_elsewhere(sides[i]))
            add_part(record->arrives ? &comparison->arrived : &comparison->gone, &part);
    }
    struct part refunded = part_of(facts, shard, facts->subject);
    if (record_refunds_here(record))
        add_part(&comparison->arrived, &refunded);
    else if (facts->type == TRANSACTION_REFUND && record_is_guest(record))
        add_part(&comparison->gone, &refunded);
    if (!record->arrives && facts->bank_id.size != 0) {
        struct part part = part_of(facts, shard, (struct id){{0}});
        part.slot = (uint16_t)id_slot_of_owner(facts->bank_id);
        add_part(&comparison->banked, &part);
    }
}

static void take_record(struct comparison *comparison, uint32_t shard, struct slice bytes) {
    struct record record;
    const char *broken;
    bool is_whole = record_decode(bytes, &record, &broken) == STATUS_ok;
    if (is_whole && record.kind == RECORD_PARKED)
        return; // held money stays where it is
    if (is_whole && record.kind == RECORD_TRANSACTION)
        take_transaction(comparison, shard, &record);
    else if (is_whole && record_is_of_thing(&record))
        take_thing(comparison, shard, &record);
    else
        half(comparison, "a record of \"%s\" cannot be read: florin verify names it",
             comparison->places[shard].name);
}

// What has arrived and is still to become a record.
static void take_arriving(struct comparison *comparison, uint32_t shard, const struct rows *rows) {
    struct record record;
    const char *broken;
    if (record_decode(rows_bytes(rows, 0), &record, &broken) != STATUS_ok) {
        half(comparison, "a leg of \"%s\" cannot be read", comparison->places[shard].name);
        return;
    }
    const struct transaction_facts *facts = &record.transaction;
    bool debits = rows_number(rows, 1) != 0, is_subject = rows_number(rows, 2) != 0;
    if (record.kind == RECORD_PARKED)
        return;
    struct part part = record.kind != RECORD_TRANSACTION
                           ? part_of_thing(&record, shard)
                           : part_of(facts, shard,
                                     is_subject ? facts->subject
                                     : debits   ? facts->debit.wallet
                                                : facts->credit.wallet);
    add_part(&comparison->arrived, &part);
    if (record.kind == RECORD_TRANSACTION && !is_subject)
        add_transit(comparison, currency_code(&facts->currency),
                    debits ? -facts->amount : facts->amount);
}

static void gather_records(struct comparison *comparison, uint32_t shard) {
    struct rows rows;
    rows_open(&rows, &comparison->links[shard], "made_here",
              "SELECT bytes FROM records WHERE came IS NULL AND kind IN (1, 2, 3, 4, 21)");
    for (; rows.is_there; rows_next(&rows))
        take_record(comparison, shard, rows_bytes(&rows, 0));
    rows_close(&rows);
    rows_open(&rows, &comparison->links[shard], "arriving",
              "SELECT bytes, debits::integer::bigint, is_subject::integer::bigint FROM legs "
              "WHERE NOT is_taken AND bytes IS NOT NULL");
    for (; rows.is_there; rows_next(&rows))
        take_arriving(comparison, shard, &rows);
    rows_close(&rows);
}

static void gather_bank_ids(struct comparison *comparison, uint32_t shard) {
    struct rows rows;
    rows_open(&rows, &comparison->links[shard], "booked_here",
              "SELECT slot::bigint, id FROM bank_ids WHERE slot IN (SELECT slot FROM slots "
              "WHERE state = 0)");
    for (; rows.is_there; rows_next(&rows)) {
        struct id id = rows_id(&rows, 1);
        struct part part = {.transaction = id,
                            .type = ID_TRANSACTION,
                            .since_ms = id_time_ms(id),
                            .shard = (uint16_t)shard,
                            .slot = (uint16_t)rows_number(&rows, 0)};
        add_part(&comparison->booked, &part);
    }
    rows_close(&rows);
}

static money_total money_of(struct slice text) {
    money_total value = 0;
    bool is_negative = text.size != 0 && text.bytes[0] == '-';
    for (size_t i = is_negative; i < text.size; i++)
        value = value * 10 + (text.bytes[i] - '0');
    return is_negative ? -value : value;
}

static void gather_transit(struct comparison *comparison, uint32_t shard) {
    struct rows rows;
    rows_open(&rows, &comparison->links[shard], "in_transit",
              "SELECT code::bytea, transit::text::bytea FROM currencies");
    for (; rows.is_there; rows_next(&rows))
        add_transit(comparison, rows_bytes(&rows, 0), money_of(rows_bytes(&rows, 1)));
    rows_close(&rows);
}

// ---- comparing ----------------------------------------------------------------------------------

static int by_transaction(const void *one, const void *two) {
    const struct part *first = one, *second = two;
    int order = memcmp(first->transaction.bytes, second->transaction.bytes, sizeof(struct id));
    return order != 0 ? order
                      : memcmp(first->wallet.bytes, second->wallet.bytes, sizeof(struct id));
}

static void sort(struct parts *parts) {
    if (parts->count != 0)
        qsort(parts->items, parts->count, sizeof(*parts->items), by_transaction);
}

static void alone(struct comparison *comparison, const struct part *part, const char *what) {
    char id[ID_TEXT_BYTES_MAX];
    if (part->since_ms >= comparison->young_ms) {
        comparison->young++;
        return;
    }
    size_t size = id_format(part->type, part->transaction, id);
    half(comparison, "%.*s on \"%s\": %s (slot %u)", (int)size, id,
         comparison->places[part->shard].name, what, part->slot);
}

static void lay_side_by_side(struct comparison *comparison, struct parts *ones,
                             struct parts *twos, const char *no_two, const char *no_one) {
    uint64_t one = 0, two = 0;
    sort(ones);
    sort(twos);
    while (one < ones->count || two < twos->count) {
        int order = one == ones->count   ? 1
                    : two == twos->count ? -1
                                         : by_transaction(&ones->items[one], &twos->items[two]);
        if (order < 0) {
            alone(comparison, &ones->items[one++], no_two);
        } else if (order > 0) {
            alone(comparison, &twos->items[two++], no_one);
        } else {
            const struct part *first = &ones->items[one++], *second = &twos->items[two++];
            if (second->amount != 0 && second->amount != first->amount)
                alone(comparison, second, "arrived with another amount than it went with");
        }
    }
}

static void compare_owners(struct comparison *comparison) {
    uint8_t owners[LIMIT_SLOTS] = {0};
    for (uint32_t i = 0; i < comparison->count; i++) {
        struct rows rows;
        rows_open(&rows, &comparison->links[i], "owned_here",
                  "SELECT slot::bigint FROM slots WHERE state = 0");
        for (; rows.is_there; rows_next(&rows))
            owners[(uint64_t)rows_number(&rows, 0) % LIMIT_SLOTS]++;
        rows_close(&rows);
    }
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        if (owners[slot] != 1)
            half(comparison, "slot %" PRIu32 " is owned by %s shards", slot,
                 owners[slot] == 0 ? "no" : "two");
}

static bool has_leg(struct comparison *comparison, uint32_t shard, const char *gid) {
    struct rows rows;
    char select[512];
    (void)snprintf(select, sizeof(select),
                   "SELECT 1::bigint FROM legs WHERE gid = '%s' UNION ALL SELECT 1::bigint FROM "
                   "pg_prepared_xacts WHERE gid = '%s'", gid, gid);
    rows_open(&rows, &comparison->links[shard], "a_leg", select);
    bool is_there = rows.is_there;
    rows_close(&rows);
    return is_there;
}

// Whether that name is one of these, with a comma between two.
static bool is_named(const char *names, const char *name) {
    size_t size = strlen(name);
    for (const char *word = names; word != NULL; word = strchr(word, ',')) {
        word += *word == ',';
        if (strncmp(word, name, size) == 0 && (word[size] == '\0' || word[size] == ','))
            return true;
    }
    return false;
}

// What was decided here must be there wherever it has a leg.
static void compare_decision(struct comparison *comparison, uint32_t shard, const char *gid,
                             const char *legs) {
    for (uint32_t i = 0; i < comparison->count; i++) {
        const char *name = comparison->places[i].name;
        if (is_named(legs, name) && !has_leg(comparison, i, gid))
            half(comparison, "%s was decided on \"%s\", and \"%s\" has no leg of it", gid,
                 comparison->places[shard].name, name);
    }
}

static void compare_decisions(struct comparison *comparison, uint32_t shard) {
    struct rows rows;
    rows_open(&rows, &comparison->links[shard], "decided_here",
              "SELECT gid::bytea, legs::bytea FROM decisions WHERE is_commit AND "
              "gid ~ '^[a-z0-9_:-]+$'");
    for (; rows.is_there; rows_next(&rows)) {
        char gid[160], legs[600];
        struct slice one = rows_bytes(&rows, 0), two = rows_bytes(&rows, 1);
        (void)snprintf(gid, sizeof(gid), "%.*s", (int)one.size, (const char *)one.bytes);
        (void)snprintf(legs, sizeof(legs), "%.*s", (int)two.size, (const char *)two.bytes);
        compare_decision(comparison, shard, gid, legs);
    }
    rows_close(&rows);
    rows_open(&rows, &comparison->links[shard], "in_doubt_here",
              "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND "
              "gid LIKE 'florin:' || (SELECT encode(id, 'hex') FROM books) || ':%'");
    if (rows.is_there)
        comparison->report->in_doubt += (uint64_t)rows_number(&rows, 0);
    rows_close(&rows);
}

// Only when nothing is on its way: what is would be missing in the sum.
static void compare_transit(struct comparison *comparison) {
    if (comparison->young != 0 || comparison->report->in_doubt != 0)
        return;
    for (uint32_t i = 0; i < comparison->transit_count; i++)
        if (comparison->transits[i].sum != 0)
            half(comparison, "what went between shards in %s does not sum to zero: %lld",
                 comparison->transits[i].code, (long long)comparison->transits[i].sum);
}

// ---- all of it ----------------------------------------------------------------------------------

static void open_all(struct comparison *comparison) {
    comparison->young_ms = UINT64_MAX;
    for (uint32_t i = 0; i < comparison->count; i++) {
        struct rows rows;
        uint64_t now_ms = 0;
        if (!rows_link_open(&comparison->links[i], comparison->places[i].url))
            continue;
        rows_open(&rows, &comparison->links[i], "clock",
                  "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
        if (rows.is_there)
            now_ms = (uint64_t)rows_number(&rows, 0);
        rows_close(&rows);
        if (now_ms - YOUNG_MS < comparison->young_ms)
            comparison->young_ms = now_ms - YOUNG_MS;
    }
}

static bool is_place(const struct comparison *comparison, struct slice name) {
    for (uint32_t i = 0; i < comparison->count; i++)
        if (slice_equal(slice_of_text(comparison->places[i].name), name))
            return true;
    return false;
}

static void refuse(struct comparison *comparison, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void refuse(struct comparison *comparison, const char *format, ...) {
    struct reconcile_report *report = comparison->report;
    va_list arguments;
    if (report->why[0] != '\0')
        return;
    va_start(arguments, format);
    (void)vsnprintf(report->why, sizeof(report->why), format, arguments);
    va_end(arguments);
}

static void judge_name(struct comparison *comparison, uint32_t shard) {
    const char *own = comparison->places[shard].name;
    struct rows rows;
    rows_open(&rows, &comparison->links[shard], "own_name", "SELECT shard::bytea FROM books");
    struct slice name = rows.is_there ? rows_bytes(&rows, 0) : slice_of_text(own);
    if (name.size == 0)
        refuse(comparison, "the database of \"%s\" is no shard yet: is its url right?", own);
    else if (!slice_equal(name, slice_of_text(own)))
        refuse(comparison, "the shard \"%s\" is called \"%.*s\" by its database: is its url right?",
               own, (int)name.size, (const char *)name.bytes);
    rows_close(&rows);
}

// What was done with one that is not compared would be half everywhere. A schema of before does not
// say who there was.
static void judge_members(struct comparison *comparison, uint32_t shard) {
    struct rows rows;
    struct rows_link *link = &comparison->links[shard];
    rows_open(&rows, link, "has_members",
              "SELECT count(*) FROM pg_class WHERE relname = 'members' AND "
              "relnamespace = 'florin'::regnamespace");
    bool has_members = rows.is_there && rows_number(&rows, 0) != 0;
    rows_close(&rows);
    if (!has_members)
        return;
    rows_open(&rows, link, "members", "SELECT shard::bytea FROM members");
    for (; rows.is_there; rows_next(&rows)) {
        struct slice name = rows_bytes(&rows, 0);
        if (!is_place(comparison, name))
            refuse(comparison, "the shard \"%.*s\" is missing in the configuration: it was served "
                               "with \"%s\"",
                   (int)name.size, (const char *)name.bytes, comparison->places[shard].name);
    }
    rows_close(&rows);
}

static bool are_read(struct comparison *comparison) {
    if (comparison->report->why[0] != '\0')
        return false;
    for (uint32_t i = 0; i < comparison->count; i++) {
        if (comparison->links[i].why[0] == '\0')
            continue;
        (void)snprintf(comparison->report->why, sizeof(comparison->report->why),
                       "the shard \"%s\" cannot be read: %.400s", comparison->places[i].name,
                       comparison->links[i].why);
        return false;
    }
    return true;
}

static void gather(struct comparison *comparison) {
    for (uint32_t i = 0; i < comparison->count && are_read(comparison); i++)
        judge_name(comparison, i);
    for (uint32_t i = 0; i < comparison->count && are_read(comparison); i++)
        judge_members(comparison, i);
    for (uint32_t i = 0; i < comparison->count && are_read(comparison); i++) {
        gather_records(comparison, i);
        gather_bank_ids(comparison, i);
        gather_transit(comparison, i);
        compare_decisions(comparison, i);
    }
}

static void compare(struct comparison *comparison) {
    lay_side_by_side(comparison, &comparison->gone, &comparison->arrived,
                     "it went to another shard and is not there",
                     "it came from another shard, where it is not");
    lay_side_by_side(comparison, &comparison->banked, &comparison->booked,
                     "its bank's id is not booked where its slot is",
                     "a bank's id is booked for it, and no shard has it");
    compare_owners(comparison);
    compare_transit(comparison);
    comparison->report->payments = comparison->gone.count;
    comparison->report->bank_ids = comparison->banked.count;
}

enum status reconcile(const struct reconcile_place *places, uint32_t count,
                      void (*tell)(void *context, const char *sentence), void *context,
                      struct reconcile_report *ret_report) {
    CHECK(count >= 1 && count <= RECONCILE_SHARDS_MAX);
    struct comparison *comparison = memory_take_zeroed(sizeof(*comparison));
    *ret_report = (struct reconcile_report){.halves = 0};
    comparison->places = places;
    comparison->count = count;
    comparison->tell = tell;
    comparison->context = context;
    comparison->report = ret_report;
    open_all(comparison);
    gather(comparison);
    if (are_read(comparison))
        compare(comparison);
    bool ok = are_read(comparison);
    for (uint32_t i = 0; i < count; i++)
        rows_link_close(&comparison->links[i]);
    memory_free(comparison->gone.items);
    memory_free(comparison->arrived.items);
    memory_free(comparison->banked.items);
    memory_free(comparison->booked.items);
    memory_free(comparison);
    return ok ? STATUS_ok : STATUS_busy;
}
