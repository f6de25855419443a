// SPDX-License-Identifier: MIT
// Rows whose things the tally keeps no more, because they have ended, or never kept, because they
// move no money: each names the record that opened it, and mostly the one that ended it, and must
// be what those two say. A capture is not named by its hold: how holds ended is summed up over the
// records, and over the rows. And the keys, against the tally.
#include <inttypes.h>
#include <string.h>

#include "watch/verify_postgres_private.h"

// The bytes of a thing's record, wherever they lie.
#define JOIN_RECORD(as, number)                                                                    \
    VERIFY_LOOK_UP("records", as, number) VERIFY_LOOK_UP("kept_records", "kept_" as, number)
#define OPENED   JOIN_RECORD("o", "coalesce(nullif(t.opened, 0), t.number)")
#define CLOSED   JOIN_RECORD("c", "t.closed")
#define OPENING  "coalesce(o.bytes, kept_o.bytes)"
#define CLOSING  "coalesce(c.bytes, kept_c.bytes)"
#define OWN_ONES "WHERE t." HERE

// What the row with that number should say. Always false.
static bool is_not_as(struct examination *examination, const char *what, const struct rows *rows,
                      const char *did) {
    return verify_differs(examination,
                          "the row of %s %" PRId64 " is not what the record says that %s it", what,
                          rows_number(rows, 0), did);
}

// Of what was opened, or ended, in history that has been archived no record may be left.
static bool is_archived(const struct examination *examination, int64_t number, struct slice bytes) {
    return bytes.size == 0 && (uint64_t)number < examination->from;
}

static bool decode(struct slice bytes, struct record *ret_record) {
    const char *broken;
    return bytes.size != 0 && record_decode(bytes, ret_record, &broken) == STATUS_ok;
}

// ---- holds --------------------------------------------------------------------------------------

static void add_ended(struct ended_holds *ended, struct id id, int64_t status, int64_t captured) {
    const int64_t values[] = {status, captured};
    const struct slice parts[] = {slice_of(id.bytes, sizeof(id.bytes)),
                                  slice_of(values, sizeof(values))};
    struct digest128 digest = hash128_parts(parts, 2, 0);
    ended->count++;
    ended->low += digest.low;
    ended->high += digest.high;
}

void verify_hold_changed(void *context, struct id hold, uint8_t status, int64_t captured) {
    struct examination *examination = context;
    if (status != HOLD_OPEN && !verify_is_away(examination, id_slot(hold)))
        add_ended(&examination->ended_by_records, hold, status, captured);
}

static bool meet_hold(struct examination *examination, const struct rows *rows) {
    struct record record;
    struct id id = rows_id(rows, 1);
    struct slice opening = rows_bytes(rows, 9);
    if (rows_number(rows, 6) != HOLD_OPEN)
        add_ended(&examination->ended_by_rows, id, rows_number(rows, 6), rows_number(rows, 7));
    if (is_archived(examination, rows_number(rows, 0), opening))
        return true;
    return (decode(opening, &record) && record.kind == RECORD_HOLD &&
            id_equal(record.hold.id, id) && id_equal(record.hold.wallet, rows_id(rows, 2)) &&
            id_equal(record.hold.merchant, rows_id(rows, 3)) &&
            record.hold.amount == rows_number(rows, 4) &&
            (int64_t)record.hold.expires_at_ms == rows_number(rows, 5) &&
            slice_equal(record.hold.order, rows_bytes(rows, 8))) ||
           is_not_as(examination, "hold", rows, "opened");
}

// Behind a line those that ended before it are in no record any more.
static bool meet_ended_holds(struct examination *examination) {
    const struct ended_holds *ours = &examination->ended_by_records,
                             *theirs = &examination->ended_by_rows;
    return examination->from != 0 ||
           (ours->count == theirs->count && ours->low == theirs->low &&
            ours->high == theirs->high) ||
           verify_differs(examination,
                          "how %" PRIu64 " holds ended is not what the records of %" PRIu64 " say",
                          theirs->count, ours->count);
}

// ---- withdrawals --------------------------------------------------------------------------------

// One that was paid at once has but one record.
static bool opens_withdrawal(const struct record *record, struct id id, const struct rows *rows) {
    if (record->kind == RECORD_TRANSACTION)
        return id_equal(record->transaction.subject, id) &&
               id_equal(record->transaction.debit.wallet, rows_id(rows, 2)) &&
               record->transaction.amount == rows_number(rows, 3);
    return record->kind == RECORD_WITHDRAWAL && id_equal(record->withdrawal.id, id) &&
           id_equal(record->withdrawal.wallet, rows_id(rows, 2)) &&
           record->withdrawal.amount == rows_number(rows, 3);
}

static bool ends_withdrawal(const struct record *record, struct id id, const struct rows *rows) {
    if (record->kind == RECORD_TRANSACTION)
        return id_equal(record->transaction.subject, id) &&
               record->transaction.subject_status == rows_number(rows, 4) &&
               slice_equal(record->transaction.bank_id, rows_bytes(rows, 6));
    return record->kind == RECORD_WITHDRAWAL && id_equal(record->withdrawal.id, id) &&
           record->withdrawal.status == rows_number(rows, 4) && rows_bytes(rows, 6).size == 0;
}

static bool meet_withdrawal(struct examination *examination, const struct rows *rows) {
    struct record record;
    struct id id = rows_id(rows, 1);
    struct slice opening = rows_bytes(rows, 8), closing = rows_bytes(rows, 9);
    if (!is_archived(examination, rows_number(rows, 0), opening) &&
        !(decode(opening, &record) && opens_withdrawal(&record, id, rows) &&
          (int64_t)id_time_ms(id) == rows_number(rows, 5)))
        return is_not_as(examination, "withdrawal", rows, "opened");
    if (rows_number(rows, 4) == WITHDRAWAL_PENDING)
        return rows_bytes(rows, 6).size == 0 ||
               verify_differs(examination, "withdrawal %" PRId64 " is pending, and has a bank id",
                              rows_number(rows, 0));
    return is_archived(examination, rows_number(rows, 7), closing) ||
           (decode(closing, &record) && ends_withdrawal(&record, id, rows)) ||
           is_not_as(examination, "withdrawal", rows, "ended");
}

// ---- approvals and anomalies --------------------------------------------------------------------

static bool meet_approval(struct examination *examination, const struct rows *rows) {
    struct record record;
    struct id id = rows_id(rows, 1);
    struct slice opening = rows_bytes(rows, 8), closing = rows_bytes(rows, 9);
    if (!is_archived(examination, rows_number(rows, 0), opening) &&
        !(decode(opening, &record) && record.kind == RECORD_PARKED &&
          id_equal(record.parked.id, id) && id_equal(record.parked.wallet, rows_id(rows, 2)) &&
          slice_equal(record.origin.principal, rows_bytes(rows, 3)) &&
          (int64_t)record.parked.expires_at_ms == rows_number(rows, 4) &&
          record.parked.cause == rows_number(rows, 6)))
        return is_not_as(examination, "approval", rows, "opened");
    if (rows_number(rows, 7) == 0) // expired is what nobody decided in time, without a record
        return true;
    return is_archived(examination, rows_number(rows, 7), closing) ||
           (decode(closing, &record) && record.kind == RECORD_PARKED &&
            id_equal(record.parked.id, id) && record.parked.status == rows_number(rows, 5)) ||
           is_not_as(examination, "approval", rows, "ended");
}

// ---- wallets ------------------------------------------------------------------------------------

// Whose it is, and of which currency, never changes: any of its records says it.
static bool meet_owner(struct examination *examination, const struct rows *rows) {
    struct record record;
    return (decode(rows_bytes(rows, 4), &record) && record.kind == RECORD_WALLET &&
            id_equal(record.wallet.id, rows_id(rows, 1)) &&
            slice_equal(record.wallet.owner, rows_bytes(rows, 2)) &&
            slice_equal(currency_code(&record.wallet.currency), rows_bytes(rows, 3))) ||
           verify_differs_about(examination, ID_WALLET, rows_id(rows, 1),
                                "another owner or currency than that in record",
                                rows_number(rows, 0), rows_number(rows, 0));
}

// ---- keys ---------------------------------------------------------------------------------------

static bool meet_key(struct examination *examination, const struct rows *rows) {
    struct id id = rows_id(rows, 1);
    uint32_t index = id_is_zero(id) ? 0 : tally_map_find(&examination->tally.keys, id);
    if (index == 0)
        return verify_differs(examination, "there is a key that no record made: number %" PRId64,
                              rows_number(rows, 0));
    const struct tally_key *key = tally_map_at(&examination->tally.keys, index);
    const char *const names[] = {"role", "revoked", "expires_at_ms"};
    const int64_t derived[] = {key->role, key->revoked, (int64_t)key->expires_at_ms};
    for (int i = 0; i < 3; i++)
        if (rows_number(rows, i + 2) != derived[i])
            return verify_differs_about(examination, ID_KEY, id, names[i],
                                        rows_number(rows, i + 2), derived[i]);
    struct slice hash = rows_bytes(rows, 5);
    return hash.size == 0 || verify_is_hash(hash, &key->secret_hash) ||
           verify_differs(examination, "key %" PRId64 " has another secret than in its records",
                          rows_number(rows, 0));
}

// Hashes of secrets are not for every role that verifies.
static bool may_read_secrets(struct examination *examination) {
    struct rows rows;
    rows_open(&rows, &examination->link, "may_read",
              "SELECT has_column_privilege('keys', 'secret_hash', 'SELECT')::integer::bigint");
    bool may = rows.is_there && rows_number(&rows, 0) != 0;
    rows_close(&rows);
    return may;
}

// Other shards have copies of those that the shard of slot 0 makes.
static bool meet_keys(struct examination *examination) {
    const char *select = "SELECT number, id, role::bigint, revoked::integer::bigint, "
                         "expires_at_ms, NULL::bytea FROM keys";
    if (verify_is_away(examination, 0))
        return true;
    if (may_read_secrets(examination))
        select = "SELECT number, id, role::bigint, revoked::integer::bigint, expires_at_ms, "
                 "secret_hash FROM keys";
    return verify_meet_rows(examination, "keys", select, examination->tally.keys.count, meet_key);
}

// ---- rules --------------------------------------------------------------------------------------

static bool meet_rules(struct examination *examination, const struct rows *rows) {
    struct record record;
    struct slice bytes = rows_bytes(rows, 3);
    return is_archived(examination, rows_number(rows, 1), bytes) ||
           (decode(bytes, &record) && record.kind == RECORD_RULES &&
            record.rules.version == rows_number(rows, 0) &&
            slice_equal(record.rules.rules, rows_bytes(rows, 2))) ||
           verify_differs(examination, "rules %" PRId64 " are not those of their record",
                          rows_number(rows, 0));
}

bool verify_meet_ended(struct examination *examination) {
    bool counts = !examination->is_shard && examination->from == 0;
    uint64_t holds = counts ? examination->tally.hold_count : VERIFY_ANY;
    uint64_t withdrawals = counts ? examination->tally.withdrawal_count : VERIFY_ANY;
    return verify_meet_rows(examination, "holds",
                            "SELECT t.number, t.id, t.wallet, t.merchant, t.amount, "
                            "t.expires_at_ms, t.status::bigint, t.captured, t.order_id, " OPENING
                            " FROM holds t " OPENED OWN_ONES,
                            holds, meet_hold) &&
           meet_ended_holds(examination) &&
           verify_meet_rows(examination, "withdrawals",
                            "SELECT t.number, t.id, t.wallet, t.amount, t.status::bigint, "
                            "t.created_ms, t.bank_id, t.closed, " OPENING ", " CLOSING
                            " FROM withdrawals t " OPENED CLOSED OWN_ONES,
                            withdrawals, meet_withdrawal) &&
           verify_meet_rows(examination, "approvals",
                            "SELECT t.number, t.id, t.wallet, t.principal, t.expires_at_ms, "
                            "t.status::bigint, t.cause::bigint, t.closed, " OPENING ", " CLOSING
                            " FROM approvals t " OPENED CLOSED OWN_ONES,
                            VERIFY_ANY, meet_approval) &&
           verify_meet_rows(examination, "wallets",
                            "SELECT t.details, t.id, t.owner, y.code::bytea, " OPENING
                            " FROM wallets t JOIN currencies y ON y.number = t.currency "
                            JOIN_RECORD("o", "t.details") OWN_ONES,
                            VERIFY_ANY, meet_owner) &&
           meet_keys(examination) &&
           (verify_is_away(examination, 0) ||
            verify_meet_rows(examination, "rules",
                             "SELECT t.version, t.record, t.rules, " OPENING
                             " FROM (SELECT 0 AS slot, * FROM rule_sets) t "
                             JOIN_RECORD("o", "t.record"),
                             VERIFY_ANY, meet_rules));
}
