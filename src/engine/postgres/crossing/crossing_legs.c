// SPDX-License-Identifier: MIT
// What a leg writes on its shard, as one text that ends with PREPARE TRANSACTION:
//
//   a row that says that it is there ─▶ a row for each record that it brings ─▶ rows of what these
//   are about, as they are, so that whoever looked at them before begins again ─▶ bank ids
//
// It changes no row that others share, and what it brings becomes records in that shard's own time.
#include <inttypes.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/postgres.h"

void crossing_add_hex(struct buffer *buffer, struct slice bytes) {
    BUFFER_ADD(buffer, "'\\x");
    (void)hex_write(bytes, (char *)buffer_room(buffer, 2 * bytes.size));
    buffer->size += 2 * bytes.size;
    BUFFER_ADD(buffer, "'::bytea");
}

// Whether it brings a record to that shard; else it books a bank id there, or is another shard's.
static bool brings(const struct leg_entry *entry, uint32_t place) {
    return entry->part == place && entry->bytes.size != 0;
}

static uint64_t opens(const struct crossing *crossing, const struct leg_entry *entry) {
    uint64_t number = 0;
    if (!id_is_zero(entry->thing))
        CHECK(number_of_id(&crossing->parts[entry->part]->seal, entry->thing, &number));
    return number;
}

static void add_records(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    uint64_t now_ms = clock_now_ms();
    buffer_add_format(query,
                      "INSERT INTO legs (gid, made_ms, place, slot, number, bytes, is_taken, "
                      "debits, is_subject, opens) VALUES "
                      "('%s', %" PRIu64 ", 0, 0, 0, NULL, true, false, false, 0)",
                      legs->gid, now_ms);
    for (uint32_t i = 0; i < legs->entry_count; i++) {
        const struct leg_entry *entry = &legs->entries[i];
        if (!brings(entry, place))
            continue;
        buffer_add_format(query,
                          ", ('%s', %" PRIu64 ", %" PRIu32 ", %" PRIu32 ", %" PRIu64 ", ",
                          legs->gid, now_ms, i + 1, entry->slot, entry->number);
        crossing_add_hex(query, entry->bytes);
        buffer_add_format(query, ", false, %s, %s, %" PRIu64 ")",
                          entry->debits ? "true" : "false", entry->is_subject ? "true" : "false",
                          opens(crossing, entry));
    }
}

// Values (slot, number) of the wallets, or purchases, that it is about. Returns how many.
static uint32_t add_touched(struct buffer *query, const struct legs *legs, uint32_t place,
                            bool purchases, const char *begin) {
    const struct leg_entry *before = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < legs->entry_count; i++) {
        const struct leg_entry *entry = &legs->entries[i];
        if (!brings(entry, place) || entry->number == 0 || entry->is_subject != purchases)
            continue;
        bool is_again = before != NULL && before->number == entry->number &&
                        before->slot == entry->slot;
        before = entry;
        if (is_again)
            continue;
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu64 "::bigint)",
                          count++ == 0 ? begin : ", ", entry->slot, entry->number);
    }
    return count;
}

// They are looked for as in sql.c: of many versions the newest.
static void touch(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    if (add_touched(query, legs, place, false,
                    "; UPDATE wallets w SET version = w.version FROM (SELECT DISTINCT * FROM "
                    "(VALUES ") != 0)
        BUFFER_ADD(query, ") v(slot, number)) n CROSS JOIN LATERAL (SELECT x.tableoid AS part, "
                          "x.ctid AS place FROM wallets x WHERE x.slot = n.slot AND "
                          "(x.number, x.slot) >= (n.number, n.slot) AND "
                          "(x.number, x.slot) <= (n.number, n.slot) ORDER BY x.number DESC "
                          "LIMIT 1) p WHERE w.tableoid = p.part AND w.ctid = p.place");
    if (add_touched(query, legs, place, true,
                    "; INSERT INTO refunds AS f SELECT DISTINCT slot, number, 0 FROM (VALUES ") !=
        0)
        BUFFER_ADD(query, ") v(slot, number) ON CONFLICT (slot, record) DO UPDATE SET "
                          "refunded = f.refunded");
}

// What is opened must not be there by its number, which another shard has given; that legs give it
// once only is their index's to see.
static void look_for_doubles(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    bool any = false;
    for (uint32_t i = 0; i < legs->entry_count; i++) {
        const struct leg_entry *entry = &legs->entries[i];
        if (!brings(entry, place) || id_is_zero(entry->thing))
            continue;
        buffer_add_format(query, "%s(%" PRIu32 ", %" PRIu64 "::bigint)",
                          any ? ", " : "; SELECT expect((SELECT count(*) FROM (VALUES ",
                          entry->slot, opens(crossing, entry));
        any = true;
    }
    if (any)
        BUFFER_ADD(query, ") v(slot, number) WHERE EXISTS (SELECT FROM wallets x WHERE "
                          "x.slot = v.slot AND x.number = v.number) OR EXISTS (SELECT FROM holds x "
                          "WHERE x.slot = v.slot AND x.number = v.number) OR EXISTS (SELECT FROM "
                          "withdrawals x WHERE x.slot = v.slot AND x.number = v.number)), 0, "
                          "'things')");
}

static void add_bank_ids(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    struct buffer *query = &crossing->query;
    for (uint32_t i = 0; i < legs->entry_count; i++) {
        const struct leg_entry *entry = &legs->entries[i];
        if (entry->part != place || entry->bytes.size != 0)
            continue;
        buffer_add_format(query, "; INSERT INTO bank_ids (slot, bank_id, currency, record, id) "
                                 "VALUES (%" PRIu32 ", ",
                          id_slot_of_owner(entry->bank_id));
        crossing_add_hex(query, entry->bank_id);
        buffer_add_format(query, ", '%.12s', 0, ", entry->currency.code);
        crossing_add_hex(query,
                         slice_of(entry->transaction.bytes, sizeof(entry->transaction.bytes)));
        BUFFER_ADD(query, ")");
    }
}

void crossing_write_leg(struct crossing *crossing, const struct legs *legs, uint32_t place) {
    buffer_reset(&crossing->query);
    add_records(crossing, legs, place);
    touch(crossing, legs, place);
    look_for_doubles(crossing, legs, place);
    add_bank_ids(crossing, legs, place);
    buffer_add_format(&crossing->query, "; PREPARE TRANSACTION '%s'", legs->gid);
}
