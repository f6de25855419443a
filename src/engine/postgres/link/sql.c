// SPDX-License-Identifier: MIT
// The statements. Arrays come in, one statement per table; slots stand in front, so that a table
// can be spread over partitions or servers without another statement. Numbers are read as bigint
// and written by assignment, so that C knows one integer type. What a write must have met is
// asked of `expect`, which ends the transaction otherwise.
#include "engine/postgres/link/sql.h"

#include <stddef.h>

#include "base/check.h"

// What is mostly zero goes out as NULL, which is read as zero: a number costs the server four times
// as much, and the reader again.
#define SPARSE(column) "nullif(" column ", 0)"
#define WALLET_COLUMNS                                                                             \
    "w.slot::bigint, w.number, w.id, " SPARSE("w.currency") "::bigint, "                           \
    SPARSE("w.kind + 16 * w.tier") "::bigint, " SPARSE("w.status") "::bigint, w.balance, "         \
    SPARSE("w.held") ", " SPARSE("w.credit_limit") ", w.version, w.transaction_count, w.details, " \
    "w.last, " SPARSE("w.level_64") ", " SPARSE("w.level_4096") ", " SPARSE("w.level_262144")
#define SPENT                                                                                      \
    ", w.owner, " SPARSE("w.spent_day") ", " SPARSE("w.spent_day_sum") ", "                        \
    SPARSE("w.spent_month_sum") ", w.habits"
// The record that made a thing: the one with its number, unless it moved in.
#define OPENED_BY(thing) "coalesce(nullif(" thing ".opened, 0), " thing ".number)"
#define HOLD_COLUMNS                                                                               \
    "h.number, h.id, h.wallet, h.merchant, h.amount, h.captured, h.expires_at_ms, "                \
    "h.status::bigint, h.closed, coalesce(o.bytes, k.bytes), coalesce(c.bytes, l.bytes), "        \
    OPENED_BY("h")
#define WITHDRAWAL_COLUMNS                                                                         \
    "w.number, w.id, w.wallet, w.amount, w.status::bigint, w.closed, coalesce(o.bytes, k.bytes), " \
    "coalesce(c.bytes, l.bytes), " OPENED_BY("w")
// Many rows are looked up by their keys, one after the other: a subquery with OFFSET is not taken
// apart, so no plan, made while a table was empty, can walk through a whole table.
#define EACH(table, where, end)                                                                    \
    "CROSS JOIN LATERAL (SELECT * FROM " table " x WHERE " where " OFFSET 0" end ") "
#define MAYBE(table, where)                                                                        \
    " LEFT JOIN LATERAL (SELECT * FROM " table " x WHERE " where " OFFSET 0) "
#define SAME  "x.slot = n.slot AND x.number = n.number"
// Of a wallet that is paid all the time thousands of versions stay while somebody's transaction is
// open. The newest lies behind them, so the index is walked backwards and no further than to it.
// A range of one, whose order the planner keeps; of pairs, which no index but that of numbers has.
#define NEWEST(part)                                                                               \
    "CROSS JOIN LATERAL (SELECT x.*, x.ctid AS place FROM wallets_" part " x WHERE "               \
    "(x.number, x.slot) >= (n.number, n.slot) AND (x.number, x.slot) <= (n.number, n.slot) "       \
    "ORDER BY x.number DESC LIMIT 1"
// Rows out of arrays, for as many as there may be: in a target list they come one by one, where a
// function in FROM first writes all that each array has to a place of its own, and reads it again.
#define ROWS_OF(columns) "(SELECT " columns ") n "
#define OF(parameter, type, name) "unnest(" parameter "::" type "[]) AS " name
// A column that has the same value in each row is sent once (link_send_lean).
#define SAME_OF(parameter, name) "coalesce(" name ", (" parameter ")[1])"
// In the order of their keys, and nobody waits for what somebody else has locked.
#define LOCKS " FOR UPDATE SKIP LOCKED"
#define ORDERED                                                                                    \
    " FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[]) u(slot, number) "                     \
    "ORDER BY slot, number OFFSET 0) n "
// The records that opened and closed a thing; of what is open they outlive their partition.
#define THING_JOINS(thing)                                                                         \
    MAYBE("records", "x.slot = " thing ".slot AND x.number = " OPENED_BY(thing)) "o ON true "      \
    MAYBE("kept_records", "x.slot = " thing ".slot AND x.number = " OPENED_BY(thing)) "k ON true " \
    MAYBE("records", "x.slot = " thing ".slot AND x.number = " thing ".closed") "c ON true "       \
    MAYBE("kept_records", "x.slot = " thing ".slot AND x.number = " thing ".closed") "l ON true "
#define HOLD_JOINS       THING_JOINS("h")
#define WITHDRAWAL_JOINS THING_JOINS("w")
#define APPROVAL_JOINS   THING_JOINS("a")
#define APPROVAL_COLUMNS                                                                           \
    "a.number, a.id, a.wallet, a.expires_at_ms, a.status::bigint, a.cause::bigint, a.closed, "     \
    "a.principal, coalesce(o.bytes, k.bytes), coalesce(c.bytes, l.bytes), " OPENED_BY("a")
#define RECORD_COLUMNS   "r.number, r.bytes, r.opening, coalesce(o.bytes, k.bytes)"
#define OPENING                                                                                    \
    MAYBE("records", "x.slot = r.slot AND x.number = r.opening") "o ON true "                      \
    MAYBE("kept_records", "x.slot = r.slot AND x.number = r.opening") "k ON true "
#define REFUNDS MAYBE("refunds", "x.slot = r.slot AND x.record = r.number") "f ON true "
#define DETAILS                                                                                    \
    MAYBE("records", "x.slot = w.slot AND x.number = w.details") "r ON true "                      \
    MAYBE("kept_records", "x.slot = w.slot AND x.number = w.details") "k ON true "
// Where history begins: what is older was carried over and may be detached (programs/partitions).
#define ARCHIVED "coalesce((SELECT next / 8 FROM cursors WHERE slot = 0 AND kind = 3), 0)"
// What still has its records.
#define STILL_THERE(thing)                                                                         \
    "(" thing ".number >= " ARCHIVED " OR " thing ".status = 0 OR " thing ".closed >= " ARCHIVED   \
    ") "
// A capture is not noted in its hold, but comes before the hold expires.
#define HOLD_STILL_THERE                                                                           \
    "(" STILL_THERE("h") "OR (h.status = 1 AND h.expires_at_ms >= " ARCHIVED " >> 17)) "
#define NAMED          " FROM unnest($1::bigint[], $2::bigint[]) n(slot, number) "
// Where the row of books lies: where whoever asks saw it last, or wherever it is (desk_places.c).
#define BOOKS_PLACE                                                                                \
    "coalesce((SELECT b.ctid FROM books b WHERE b.ctid = $1::tid), "                               \
    "(SELECT b.ctid FROM books b ORDER BY b.is_the_one DESC LIMIT 1))"
#define BOOKS_COLUMNS                                                                              \
    "SELECT id, seal_key, hash_seed, time_ms, "                                                    \
    "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, round_count, record_count, "     \
    "wallet_count, hold_count, hold_open_count, withdrawal_count, key_count, transaction_count, "  \
    "keys_version, chain, last_record, "                                                           \
    "(SELECT end_record FROM extent), number_slack, moved_from::bytea, filling::bytea, "           \
    "moved_to::bytea, (SELECT archived FROM extent), "                                             \
    "coalesce((SELECT generation FROM encryption), 0), slots_version, shard_number::bigint, "      \
    "shard::bytea, alarm, (SELECT max(version) FROM rule_sets), "                                  \
    "coalesce(next_due_ms, (SELECT min(expires_at_ms) FROM holds WHERE status = 0)), "             \
    "coalesce(next_due_ms, (SELECT min(expires_at_ms) FROM approvals WHERE status = 0 AND "        \
    "cause = 2)), books.ctid, "                                                                    \
    "pg_snapshot_xmax(pg_current_snapshot())::text::bigint - "                                     \
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint, heads_record, heads_lag::bigint, "     \
    "next_due_ms, habits_packed::integer::bigint, heads_apart::integer::bigint FROM books "        \
    "WHERE ctid = " BOOKS_PLACE
// Of a shard: what lies in a slot that it owns, not what is on its way there or was left behind.
#define HERE(slot)                                                                                 \
    "((SELECT shard IS NULL FROM books) OR EXISTS (SELECT FROM slots s WHERE s.slot = " slot       \
    " AND s.state = 0)) "
#define OWNED(column, owner, slot)                                                                 \
    column " IN (SELECT x.id FROM wallets x WHERE x.slot = " slot "::bigint AND x.owner = " owner  \
           "::bytea)"
// A given filter, or none at all.
#define FILTER(parameter, column)                                                                  \
    "(" parameter "::bigint < 0 OR " column " = " parameter "::bigint)"

// Where they lie now is what both statements that write them answer.
// Of wallets likewise.
#define WALLET_PLACE "int2send(w.slot) || int8send(w.number) || tidsend(w.ctid) AS place"
#define CURRENCY_PLACES(c)                                                                         \
    "int2send(" c ".number) || tidsend(" c ".ctid) AS place) "                                     \
    "SELECT expect((SELECT count(*) FROM written)"

#define KEY_COLUMNS                                                                                \
    "k.number, k.id, k.secret_hash, k.expires_at_ms, k.role::bigint, k.revoked::int::bigint, "     \
    "k.opened, k.previous_hash, k.previous_until_ms, k.rotated, k.last_used_ms"

#define DATA_KEYS                                                                                  \
    "SELECT d.number, d.owner, d.wrapped FROM unnest($1::bigint[]) n(number) "                     \
    "JOIN data_keys d ON d.number = n.number"

// Held payments whose time is over.
#define DUE_REVIEWS(locks)                                                                         \
    "SELECT " APPROVAL_COLUMNS " FROM (SELECT d.* FROM approvals d WHERE d.status = 0 AND "        \
    "d.cause = 2 AND d.expires_at_ms <= $2::bigint "                                               \
    "ORDER BY d.expires_at_ms LIMIT $1::bigint " locks ") a" APPROVAL_JOINS                        \
    "ORDER BY a.expires_at_ms, a.number"

#define IN_PARTS(name, text)                                                                       \
    [name] = text("0"), [name##_1] = text("1"), [name##_2] = text("2"), [name##_3] = text("3")

// $8: a cause, or 0 for all findings. Of held ones approvals_due knows the few.
#define LIST_APPROVALS(which)                                                                      \
    "SELECT " APPROVAL_COLUMNS " FROM approvals a" APPROVAL_JOINS "WHERE a.number < $1::bigint "   \
    "AND ($2::bigint < 0 OR $2::bigint = CASE WHEN a.status = 0 AND a.cause <> 3 "                 \
    "AND a.expires_at_ms <= $6::bigint THEN 4 ELSE a.status END) AND " which " AND "               \
    "a.number >= $9::bigint AND a.number < $10::bigint AND "                                       \
    "(length($3::bytea) = 0 OR a.wallet = $3::bytea) AND (length($4::bytea) = 0 OR "               \
    "a.principal = $4::bytea) AND (length($5::bytea) = 0 OR a.principal = $5::bytea) AND "         \
    HERE("a.slot") "AND " STILL_THERE("a") "ORDER BY a.number DESC LIMIT $7::bigint"

static const char *const texts[SQL_COUNT] = {
    // And what time it is then.
    [SQL_TURN] = "SELECT pg_advisory_lock(7886710)::text, "
                 "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    [SQL_TURN_BACK] = "SELECT pg_advisory_unlock_all()::text",
    // Whoever has the turn and is in the middle of a flight of which nothing comes any more, or
    // nothing is taken: the server's time-outs are for sessions between flights.
    [SQL_TURN_FREE] =
        "SELECT pg_terminate_backend(a.pid)::integer::bigint FROM pg_locks l "
        "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND "
        "l.classid = 0 AND l.objid = 7886710 AND l.objsubid = 1 AND l.database = a.datid AND "
        "a.datname = current_database() AND a.state = 'active' AND "
        "a.wait_event IN ('ClientRead', 'ClientWrite') AND "
        "a.state_change < clock_timestamp() - interval '1 second'",
    [SQL_BEGIN] = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    [SQL_BEGIN_READING] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    // Whoever locks or alters a table locks it before its partitions. A node that came to a
    // partition first and to the table later would meet him in the middle, and one of both would be
    // ended.
    [SQL_PARENTS] = "LOCK TABLE ONLY wallets, ONLY bank_ids IN ACCESS SHARE MODE",
    [SQL_BEGIN_LOOKING] = "BEGIN ISOLATION LEVEL READ COMMITTED",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_BOOKS] = BOOKS_COLUMNS,
    [SQL_BOOKS_LOCKED] = BOOKS_COLUMNS " FOR UPDATE",
    // Whoever may still be committing holds the row of books: behind this it has ended.
    [SQL_WAIT_FOR_LOST] = "SELECT 1::bigint FROM books FOR UPDATE",
    [SQL_SEAL_LOOK] = "SELECT set_config('statement_timeout', '0', true), "
                      "pg_logical_emit_message(true, 'florin', 'looked up')::text",
    // As the server itself computes it. 0001 has made the partitions in this order.
    [SQL_PARTS_OF_SLOTS] =
        "SELECT s.slot::bigint, p.part::bigint, p.bytes FROM generate_series(0, 1023) s(slot), "
        "(SELECT q AS part, pg_relation_size(format('wallets_%s', q)::regclass) AS bytes FROM "
        "generate_series(0, 3) q OFFSET 0) p WHERE "
        "satisfies_hash_partition('wallets'::regclass, 4, p.part, s.slot::smallint) AND "
        "satisfies_hash_partition('bank_ids'::regclass, 4, p.part, s.slot::smallint)",
    // Whether the round is there; and whether its partition may have gone meanwhile.
    [SQL_TOKEN] = "SELECT (SELECT count(*) FROM rounds WHERE token = $1::bytea AND "
                  "number = $2::bigint AND first_record = $3::bigint), "
                  "(SELECT count(*) FROM extent WHERE archived > $3::bigint)",
    [SQL_CURRENCIES] = "SELECT number::bigint, code::bytea, exponent::bigint, wallet_count, "
                       "deposits::text::bytea, withdrawals::text::bytea, "
                       "balances::text::bytea, transit::text::bytea, ctid "
                       "FROM currencies ORDER BY number",
    // As a change of them locks it, not their numbers.
    [SQL_FREE_CURRENCIES] =
        "SELECT number::bigint FROM currencies FOR NO KEY UPDATE SKIP LOCKED",
    [SQL_KEYS] = "SELECT " KEY_COLUMNS ", coalesce(r.bytes, o.bytes) "
                 "FROM keys k "
                 MAYBE("records", "x.slot = 0 AND x.number = k.opened") "r ON true "
                 MAYBE("kept_records", "x.slot = 0 AND x.number = k.opened") "o ON true "
                 "ORDER BY k.number",
    [SQL_KEYS_LOCKED] = "SELECT k.number FROM keys k WHERE k.number = ANY($1::bigint[])" LOCKS,
#define DUE(locks)                                                                                 \
    "SELECT " HOLD_COLUMNS " FROM (SELECT d.* FROM holds d WHERE d.status = 0 AND "                \
    "d.expires_at_ms <= $2::bigint "                                                               \
    "ORDER BY d.expires_at_ms LIMIT $1::bigint " locks ") h" HOLD_JOINS                            \
    "ORDER BY h.expires_at_ms, h.number"
    [SQL_DUE] = DUE(""),
    [SQL_DUE_LOCKED] = DUE("FOR UPDATE OF d SKIP LOCKED"),
    [SQL_DUE_REVIEWS] = DUE_REVIEWS(""),
    [SQL_DUE_REVIEWS_LOCKED] = DUE_REVIEWS("FOR UPDATE OF d SKIP LOCKED"),
    [SQL_NEXT_DUE] = "SELECT least((SELECT min(expires_at_ms) FROM holds WHERE status = 0), "
                     "(SELECT min(expires_at_ms) FROM approvals WHERE status = 0 AND cause = 2))",
    [SQL_RULES] = "SELECT version, rules FROM rule_sets ORDER BY version DESC LIMIT 1",
    [SQL_ADD_RULES] = "INSERT INTO rule_sets VALUES ($1::bigint, $2::bigint, $3::bytea)",
    // Partitions have one index, so this plan stays right as they grow. By hash it takes no array.
#define USED_KEYS                                                                                  \
    "FROM unnest($1::bytea[]) n(key) " EACH("idempotency", "x.key = n.key AND "                    \
    "x.record >= $2::bigint AND x.record < $3::bigint", "")
    [SQL_IDEMPOTENCY] = "SELECT DISTINCT i.slot::bigint, i.record " USED_KEYS "i",
    // What a batch without a look begins with. It waits for no lock: it comes again with a look.
    [SQL_KEYS_UNUSED] = "SELECT set_config('lock_timeout', '100ms', true), "
                        "expect((SELECT count(*) " USED_KEYS "i), $4::bigint, 'idempotency')",
    [SQL_WAIT_BRIEFLY] = "SET LOCAL lock_timeout = '100ms'",
    [SQL_KEYS_BESIDE] = "SELECT (SELECT count(*) " USED_KEYS "i), b.chain FROM books b",
    // Beside what this snapshot sees; one row also when nothing is there.
#define ARRIVED                                                                                    \
    "(SELECT * FROM (SELECT x.*, x.ctid AS lies FROM legs x WHERE NOT x.is_taken AND "             \
    "x.brought_by >= $1::bigint UNION ALL SELECT y.*, y.ctid FROM legs y WHERE NOT y.is_taken "    \
    "AND y.brought_by = ANY($2::bigint[]) AND y.brought_by < $1::bigint) n "                       \
    "ORDER BY made_ms, gid, place LIMIT 1000) "
#define ARRIVALS(held, arrived)                                                                    \
    "SELECT l.gid::bytea, l.place::bigint, l.bytes, CASE WHEN l.is_subject THEN 2 "                \
    "ELSE l.debits::integer END::bigint, l.lies, s.seen, " held "::bigint "                        \
    "FROM (SELECT pg_current_snapshot()::text::bytea AS seen) s LEFT JOIN LATERAL " arrived        \
    "l ON true ORDER BY l.made_ms, l.gid, l.place"
    [SQL_ARRIVALS] = ARRIVALS("0", ARRIVED),
    // And whether somebody else has locked its row; else it is locked now.
    [SQL_ARRIVALS_LOCKED] =
        "WITH arrived AS MATERIALIZED " ARRIVED
        ARRIVALS("l.is_held", "(SELECT a.*, (f.lies IS NULL)::integer AS is_held FROM arrived a "
                 "LEFT JOIN LATERAL (SELECT x.ctid AS lies FROM legs x WHERE x.ctid = a.lies "
                 "FOR NO KEY UPDATE SKIP LOCKED) f ON true) "),
    [SQL_TAKE_LEGS] =
        "WITH written AS (UPDATE legs l SET is_taken = true FROM unnest($1::bytea[], $2::bigint[], "
        "$3::tid[]) n(gid, place, lies) WHERE l.ctid = n.lies AND l.gid || '' = "
        "convert_from(n.gid, 'UTF8') AND l.place + 0 = n.place AND NOT l.is_taken RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'legs')",
    // The lock of a leg that is prepared stays until it is finished (crossing.c).
    [SQL_BANK_LOCKS] = "SELECT n.bank_id FROM unnest($1::bytea[]) n(bank_id) WHERE NOT "
                       "pg_try_advisory_xact_lock(7886720, hashtext(encode(n.bank_id, 'hex')))",
    [SQL_PURCHASE_LOCKS] =
        "SELECT n.slot, n.number FROM unnest($1::bigint[], $2::bigint[]) n(slot, number) WHERE NOT "
        "pg_try_advisory_xact_lock(7886722, hashtext(n.slot || ':' || n.number))",
    // What is answered again: mostly nothing, so keys are looked for without it.
    [SQL_ANSWERS] = "SELECT " RECORD_COLUMNS NAMED EACH("records", SAME, "") "r" OPENING,
#define BANK(part)                                                                                 \
    "SELECT b.bank_id, b.currency::bytea, b.id "                                                   \
    "FROM unnest($1::bigint[], $2::bytea[]) n(slot, bank_id) "                                     \
    EACH("bank_ids_" part, "x.slot = n.slot AND x.bank_id = n.bank_id", "") "b"
    IN_PARTS(SQL_BANK, BANK),
#define CURSORS                                                                                    \
    "unnest($1::bigint[], $2::bigint[]) n(slot, kind) JOIN cursors c ON c.slot = n.slot AND "      \
    "c.kind = n.kind "
#define CURSOR_COLUMNS                                                                             \
    "SELECT c.slot::bigint, c.kind::bigint, c.partitions, c.epoch, c.next, c.checksum, c.source, "
    [SQL_CURSORS] = CURSOR_COLUMNS "0::bigint FROM " CURSORS,
    // And whether somebody else has locked it; else it is locked now.
    [SQL_CURSORS_LOCKED] =
        CURSOR_COLUMNS "(f.lies IS NULL)::integer::bigint FROM " CURSORS "LEFT JOIN LATERAL "
        "(SELECT x.ctid AS lies FROM cursors x WHERE x.slot = c.slot AND x.kind = c.kind "
        "FOR NO KEY UPDATE SKIP LOCKED) f ON true",
    [SQL_TRANSACTIONS] = "SELECT f.refunded, " RECORD_COLUMNS NAMED EACH("records", SAME, "") "r"
                         REFUNDS OPENING,
    [SQL_TRANSACTIONS_LOCKED] =
        "SELECT f.refunded, " RECORD_COLUMNS ", (f.record IS NOT NULL AND u.record IS NULL)::"
        "integer::bigint" NAMED EACH("records", SAME, "") "r" REFUNDS
        "LEFT JOIN LATERAL (SELECT * FROM refunds x WHERE x.slot = r.slot AND "
        "x.record = r.number OFFSET 0" LOCKS ") u ON true" OPENING,
    [SQL_HOLDS] = "SELECT " HOLD_COLUMNS NAMED
                  EACH("holds", SAME, "") "h" HOLD_JOINS,
    [SQL_HOLDS_LOCKED] = "SELECT " HOLD_COLUMNS ORDERED
                         EACH("holds", SAME, LOCKS) "h" HOLD_JOINS,
    [SQL_WITHDRAWALS] =
        "SELECT " WITHDRAWAL_COLUMNS NAMED EACH("withdrawals", SAME, "") "w" WITHDRAWAL_JOINS,
    [SQL_WITHDRAWALS_LOCKED] =
        "SELECT " WITHDRAWAL_COLUMNS ORDERED EACH("withdrawals", SAME, LOCKS) "w" WITHDRAWAL_JOINS,
#define WALLETS(part) "SELECT " WALLET_COLUMNS SPENT NAMED NEWEST(part) ") w"
    IN_PARTS(SQL_WALLETS, WALLETS),
#define WALLETS_LOCKED(part)                                                                       \
    "SELECT " WALLET_COLUMNS SPENT ", w.place" ORDERED NEWEST(part) LOCKS ") w"
    IN_PARTS(SQL_WALLETS_LOCKED, WALLETS_LOCKED),
    // In the order of the index on numbers, which is that of all nodes. A plan that is made while
    // there are few rows may walk through another index: desk_fetch.c waits until there are many.
#define MANY_WALLETS_LOCKED(part, numbers)                                                         \
    "SELECT * FROM (SELECT " WALLET_COLUMNS SPENT ", w.ctid FROM wallets_" part                    \
    " w WHERE w.number = ANY(" numbers "::bigint[])" LOCKS ") x" part
    [SQL_MANY_WALLETS_LOCKED] = MANY_WALLETS_LOCKED("0", "$1") " UNION ALL "
                                MANY_WALLETS_LOCKED("1", "$2") " UNION ALL "
                                MANY_WALLETS_LOCKED("2", "$3") " UNION ALL "
                                MANY_WALLETS_LOCKED("3", "$4"),
#define KNOWN_WALLETS(part, numbers)                                                               \
    "SELECT * FROM (SELECT w.slot::bigint, w.number, w.version, w.balance, w.ctid, w.details "     \
    "FROM wallets_" part " w WHERE w.number = ANY(" numbers "::bigint[])" LOCKS ") x" part
    [SQL_KNOWN_WALLETS] = KNOWN_WALLETS("0", "$1") " UNION ALL " KNOWN_WALLETS("1", "$2")
                          " UNION ALL " KNOWN_WALLETS("2", "$3") " UNION ALL "
                          KNOWN_WALLETS("3", "$4"),
    [SQL_DETAILS] = "SELECT w.details, coalesce(r.bytes, k.bytes)" NAMED
                    EACH("wallets", SAME, "") "w" DETAILS,
    [SQL_KEY_RECORDS] =
        "SELECT k.opened, coalesce(r.bytes, o.bytes) FROM unnest($1::bigint[]) n(number) "
        "JOIN keys k ON k.number = n.number "
        "LEFT JOIN records r ON r.slot = 0 AND r.number = k.opened "
        "LEFT JOIN kept_records o ON o.slot = 0 AND o.number = k.opened",
    [SQL_APPROVALS] = "SELECT " APPROVAL_COLUMNS NAMED
                      "JOIN approvals a ON a.slot = n.slot AND a.number = n.number" APPROVAL_JOINS,
    [SQL_APPROVALS_LOCKED] =
        "SELECT " APPROVAL_COLUMNS ORDERED EACH("approvals", SAME, LOCKS) "a" APPROVAL_JOINS,
    [SQL_RECORDS] = "SELECT " RECORD_COLUMNS " FROM unnest($1::bigint[]) n(number) "
                    EACH("records", "x.number = n.number", "") "r" OPENING,

    [SQL_DATA_KEYS] = DATA_KEYS,
    [SQL_OWNER_KEYS] = "SELECT d.number, d.owner, d.wrapped FROM unnest($1::bigint[]) n(owner) "
                       "JOIN data_keys d ON d.owner = n.owner AND d.wrapped IS NOT NULL",
    [SQL_FREE_OWNERS] = "SELECT d.owner FROM data_keys d WHERE d.owner = ANY ($1::bigint[]) AND "
                        "d.wrapped IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED",
    [SQL_OWNER_KNOWN] = "SELECT n.owner FROM unnest($1::bigint[], $2::bytea[]) n(slot, owner) "
                        "WHERE EXISTS (SELECT FROM wallets w WHERE w.slot = n.slot AND "
                        "w.owner = n.owner)",
    [SQL_ENCRYPTION] = "SELECT generation, plain_until_ms, proof, tag FROM encryption",
    // The row of books is written, so a batch that began before ends before, or begins anew and
    // sees that texts are encrypted now.
    [SQL_ENCRYPT] = "WITH b AS (UPDATE books SET keys_version = keys_version "
                    "RETURNING wallet_count, time_ms) "
                    "INSERT INTO encryption SELECT true, 1, CASE WHEN wallet_count = 0 THEN 0 "
                    "ELSE greatest(time_ms, floor(extract(epoch FROM clock_timestamp()) * 1000)"
                    "::bigint) END, $1::bytea, $2::bytea FROM b ON CONFLICT DO NOTHING",
    [SQL_NEW_MASTER] = "WITH b AS (UPDATE books SET keys_version = keys_version), "
                       "written AS (UPDATE encryption SET generation = generation + 1, "
                       "proof = $1::bytea, tag = $3::bytea WHERE generation = $2::bigint "
                       "RETURNING 1) "
                       "SELECT expect((SELECT count(*) FROM written), 1, 'encryption')",
    [SQL_MASTER_TAG] = "UPDATE encryption SET tag = $1::bytea WHERE tag IS NULL",
    [SQL_PLAIN_UNTIL] = "UPDATE encryption SET plain_until_ms = $1::bigint "
                        "WHERE plain_until_ms < $1::bigint",
    [SQL_ALL_DATA_KEYS] = "SELECT number, owner, wrapped FROM data_keys WHERE wrapped IS NOT NULL "
                          "AND number > $1::bigint ORDER BY number LIMIT 5000",
    [SQL_REWRAP] = "WITH written AS (UPDATE data_keys d SET wrapped = n.wrapped "
                   "FROM unnest($1::bigint[], $2::bytea[]) n(number, wrapped) "
                   "WHERE d.number = n.number AND d.wrapped IS NOT NULL RETURNING 1) "
                   "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'data_keys')",
    [SQL_ADD_CURRENCIES] =
        "WITH written AS (INSERT INTO currencies "
        "(number, code, exponent, wallet_count, deposits, withdrawals, balances, transit) "
        "SELECT number, convert_from(code, 'UTF8'), exponent, wallet_count, "
        "convert_from(deposits, 'UTF8')::numeric, convert_from(withdrawals, 'UTF8')::numeric, "
        "convert_from(balances, 'UTF8')::numeric, convert_from(transit, 'UTF8')::numeric "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], "
        "$6::bytea[], $7::bytea[], $8::bytea[]) "
        "n(number, code, exponent, wallet_count, deposits, withdrawals, balances, transit) "
        "ON CONFLICT (number) DO UPDATE SET wallet_count = excluded.wallet_count, "
        "deposits = excluded.deposits, withdrawals = excluded.withdrawals, "
        "balances = excluded.balances, transit = excluded.transit "
        "WHERE currencies.code = excluded.code RETURNING " CURRENCY_PLACES("currencies")
        ", cardinality($1), 'currencies'), (SELECT string_agg(place, ''::bytea) FROM written)",
    [SQL_CHANGE_CURRENCIES_PLACED] =
        "WITH written AS (UPDATE currencies c SET wallet_count = n.wallet_count, "
        "deposits = convert_from(n.deposits, 'UTF8')::numeric, "
        "withdrawals = convert_from(n.withdrawals, 'UTF8')::numeric, "
        "balances = convert_from(n.balances, 'UTF8')::numeric, "
        "transit = convert_from(n.transit, 'UTF8')::numeric "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], "
        "$6::bytea[], $7::bytea[], $8::bytea[], $9::tid[]) "
        "n(number, code, exponent, wallet_count, deposits, withdrawals, balances, transit, place) "
        "WHERE c.ctid = n.place AND c.number + 0 = n.number AND "
        "c.code = convert_from(n.code, 'UTF8') RETURNING " CURRENCY_PLACES("c")
        ", cardinality($1), 'currencies'), (SELECT string_agg(place, ''::bytea) FROM written)",
    // No index of wallets is unique (sql/0095): it is looked, by index, whether numbers are free.
    [SQL_ADD_WALLETS] =
        "WITH written AS (INSERT INTO wallets SELECT slot, number, id, owner, currency, kind, "
        "status, balance, held, credit_limit, version, transaction_count, details, last, level_64, "
        "level_4096, level_262144, spent_day, spent_day_sum, spent_month_sum, habits, tier "
        "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], "
        "$11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], "
        "$17::bytea[], $18::bytea[], $19::bigint[], $20::bigint[], $21::bytea[], $22::bigint[]) "
        "n(slot, number, status, balance, held, credit_limit, version, transaction_count, details, "
        "last, level_64, level_4096, level_262144, spent_day, spent_day_sum, spent_month_sum, id, "
        "owner, currency, kind, habits, tier) WHERE (SELECT count(*) FROM wallets w WHERE "
        "w.slot = n.slot::smallint AND w.number = n.number) = 0 RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'wallets')",
#define CHANGE_WALLETS(part)                                                                       \
    "WITH written AS (UPDATE wallets_" part " w SET status = n.status, balance = n.balance, "      \
    "held = n.held, credit_limit = n.credit_limit, version = n.version, "                          \
    "transaction_count = n.transaction_count, details = n.details, "                               \
    "last = n.last, level_64 = n.level_64, "                                                       \
    "level_4096 = n.level_4096, level_262144 = n.level_262144, spent_day = n.spent_day, "          \
    "spent_day_sum = n.spent_day_sum, spent_month_sum = n.spent_month_sum, "                       \
    "habits = n.habits, tier = n.tier "                                                            \
    "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], "           \
    "$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], "       \
    "$12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], "   \
    "$18::bytea[], $19::bigint[], $20::tid[]) "                                                    \
    "n(slot, number, status, balance, held, credit_limit, version, transaction_count, details, "   \
    "last, level_64, level_4096, level_262144, spent_day, spent_day_sum, spent_month_sum, "        \
    "version_before, habits, tier, place) WHERE w.ctid = n.place AND w.slot = n.slot AND "         \
    "w.number + 0 = n.number AND w.version = n.version_before RETURNING " WALLET_PLACE ") "        \
    "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'wallets'), "                  \
    "(SELECT string_agg(place, ''::bytea) FROM written)"
    IN_PARTS(SQL_CHANGE_WALLETS, CHANGE_WALLETS),
    // Found by its place, which stays as long as the row is locked: the index is not walked again,
    // nor the versions that somebody's open transaction keeps alive. The planner takes the index
    // all the same where it can, so what stands at the place is compared as it cannot.
    // Where rules count, those who pay have other habits behind it; of who was paid none come.
#define PAID(first)                                                                                \
    OF("$1", "bigint", first) ", " OF("$2", "bigint", "number") ", " OF("$3", "tid", "place") ", " \
    OF("$4", "bigint", "balance") ", " OF("$5", "bigint", "version") ", "                          \
    OF("$6", "bigint", "transaction_count") ", " OF("$7", "bigint", "last") ", "                   \
    OF("$8", "bigint", "version_before")
#define PAID_AND_HABITS(first) PAID(first) ", " OF("$9", "bytea", "habits")
#define SET_PAID                                                                                   \
    "balance = n.balance, version = n.version, transaction_count = n.transaction_count, "          \
    "last = n.last"
#define SET_PAID_AND_HABITS SET_PAID ", habits = coalesce(n.habits, w.habits)"
#define PAY(part, set, columns)                                                                    \
    "WITH written AS (UPDATE wallets_" part " w SET " set " FROM " ROWS_OF(columns)                \
    "WHERE w.ctid = n.place AND w.slot = n.slot AND "                                              \
    "w.number + 0 = n.number AND w.version = n.version_before RETURNING " WALLET_PLACE ") "        \
    "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'wallets'), "                  \
    "(SELECT string_agg(place, ''::bytea) FROM written)"
#define PAY_WALLETS(part) PAY(part, SET_PAID, PAID("slot"))
#define PAY_HABITS(part)  PAY(part, SET_PAID_AND_HABITS, PAID_AND_HABITS("slot"))
    IN_PARTS(SQL_PAY_WALLETS, PAY_WALLETS),
    IN_PARTS(SQL_PAY_HABITS, PAY_HABITS),
    // Of few rows what a statement costs by itself is most of it, so here is one for all
    // partitions; through their parent each row would be looked for in all of them.
#define PAY_OF(part, set)                                                                          \
    "paid_" part " AS (UPDATE wallets_" part " w SET " set " FROM n WHERE n.part = " part " AND "  \
    "w.ctid = n.place AND w.number + 0 = n.number AND w.version = n.version_before "               \
    "RETURNING " WALLET_PLACE ")"
#define PAY_FEW(set, columns)                                                                      \
    "WITH n AS MATERIALIZED (SELECT " columns "), " PAY_OF("0", set) ", " PAY_OF("1", set) ", "    \
    PAY_OF("2", set) ", " PAY_OF("3", set) ", paid AS (SELECT count(*) AS many, "                  \
    "string_agg(place, ''::bytea) AS places FROM (SELECT * FROM paid_0 UNION ALL SELECT * FROM "   \
    "paid_1 UNION ALL SELECT * FROM paid_2 UNION ALL SELECT * FROM paid_3) p) "                    \
    "SELECT expect(many, cardinality($1), 'wallets'), places FROM paid"
    [SQL_PAY_FEW_WALLETS] = PAY_FEW(SET_PAID, PAID("part")),
    [SQL_PAY_FEW_HABITS] = PAY_FEW(SET_PAID_AND_HABITS, PAID_AND_HABITS("part")),
    // Who comes by an index cleans up the pages that it leads to, of old versions of wallets.
#define CLEAN_WALLETS(part)                                                                        \
    "SELECT sum(w.version)::text FROM unnest($1::bigint[], $2::bigint[]) n(slot, number) "         \
    EACH("wallets_" part, SAME, "") "w"
    IN_PARTS(SQL_CLEAN_WALLETS, CLEAN_WALLETS),
    [SQL_ADD_HOLDS] =
        "INSERT INTO holds (slot, number, id, wallet, merchant, amount, captured, "
        "expires_at_ms, status, closed, order_id, opened) "
        "SELECT slot, number, id, wallet, merchant, amount, captured, "
        "expires_at_ms, status, closed, order_id, opened FROM unnest($1::bigint[], $2::bigint[], "
        "$3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[], "
        "$9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[]) n(slot, number, captured, "
        "status, closed, id, wallet, merchant, amount, expires_at_ms, order_id, opened)",
    [SQL_CHANGE_HOLDS] =
        "WITH written AS (UPDATE holds h SET captured = n.captured, status = n.status, "
        "closed = n.closed FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[]) n(slot, number, captured, status, closed, captured_before) "
        "WHERE h.slot = n.slot AND h.number = n.number AND "
        "h.status = 0 AND h.captured = n.captured_before RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'holds')",
    [SQL_ADD_WITHDRAWALS] =
        "INSERT INTO withdrawals (slot, number, id, wallet, amount, status, created_ms, closed, "
        "bank_id, opened) SELECT slot, number, id, wallet, amount, status, created_ms, "
        "closed, bank_id, opened FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], "
        "$4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[], "
        "$10::bigint[]) "
        "n(slot, number, status, closed, bank_id, id, wallet, amount, created_ms, opened)",
    [SQL_CHANGE_WITHDRAWALS] =
        "WITH written AS (UPDATE withdrawals w SET status = n.status, closed = n.closed, "
        "bank_id = n.bank_id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bytea[]) n(slot, number, status, closed, bank_id) "
        "WHERE w.slot = n.slot AND w.number = n.number AND w.status = 0 RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'withdrawals')",
    [SQL_CHANGE_REFUNDS] =
        "WITH written AS (INSERT INTO refunds AS f SELECT slot, record, refunded FROM "
        "unnest($1::bigint[], $2::bigint[], $3::bigint[]) n(slot, record, refunded) "
        "ON CONFLICT (slot, record) "
        "DO UPDATE SET refunded = excluded.refunded WHERE f.refunded < excluded.refunded "
        "RETURNING 1) SELECT expect((SELECT count(*) FROM written), cardinality($1), 'refunds')",
    [SQL_CHANGE_KEYS] =
        "WITH written AS (INSERT INTO keys AS k SELECT number, id, secret_hash, expires_at_ms, "
        "role, revoked <> 0, opened, previous_hash, previous_until_ms, rotated "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], "
        "$6::bigint[], $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[]) "
        "n(number, id, secret_hash, expires_at_ms, role, revoked, opened, previous_hash, "
        "previous_until_ms, rotated) ON CONFLICT (number) DO UPDATE "
        "SET revoked = excluded.revoked, secret_hash = excluded.secret_hash, "
        "expires_at_ms = excluded.expires_at_ms, previous_hash = excluded.previous_hash, "
        "previous_until_ms = excluded.previous_until_ms, rotated = excluded.rotated "
        "WHERE NOT k.revoked AND k.id = excluded.id RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'keys')",
    [SQL_ADD_APPROVALS] =
        "INSERT INTO approvals SELECT slot, number, id, wallet, principal, expires_at_ms, status, "
        "cause, closed FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[]) n(slot, number, "
        "status, closed, expires_at_ms, cause, id, wallet, principal)",
    [SQL_CHANGE_APPROVALS] =
        "WITH written AS (UPDATE approvals a SET status = n.status, closed = n.closed FROM "
        "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) n(slot, number, status, "
        "closed) WHERE a.slot = n.slot AND a.number = n.number AND a.status = 0 RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'approvals')",
    [SQL_CHANGE_CURSORS] =
        "WITH written AS (INSERT INTO cursors AS c SELECT slot, kind, partitions, epoch, next, "
        "checksum, source FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) n(slot, kind, "
        "partitions, epoch, next, checksum, source, epoch_before, next_before) "
        "WHERE n.epoch_before = 0 OR EXISTS (SELECT FROM cursors f WHERE f.slot = n.slot AND "
        "f.kind = n.kind AND f.epoch = n.epoch_before AND f.next = n.next_before) "
        "ON CONFLICT (slot, kind) DO UPDATE SET partitions = excluded.partitions, "
        "epoch = excluded.epoch, next = excluded.next, checksum = excluded.checksum, "
        "source = excluded.source WHERE (c.epoch, c.next) < (excluded.epoch, excluded.next) "
        "RETURNING 1) SELECT expect((SELECT count(*) FROM written), cardinality($1), 'cursors')",
    [SQL_ADD_DATA_KEYS] =
        "WITH written AS (INSERT INTO data_keys (number, owner, wrapped, slot) "
        "SELECT n.number, n.owner, n.wrapped, n.slot FROM encryption e, "
        "unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[]) "
        "n(number, owner, wrapped, slot) WHERE e.generation = $5::bigint RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'data_keys')",
    [SQL_DESTROY_DATA_KEYS] =
        "WITH written AS (UPDATE data_keys d SET wrapped = NULL "
        "FROM unnest($1::bigint[]) n(number) "
        "WHERE d.number = n.number AND d.wrapped IS NOT NULL RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'data_keys')",
    // Of these and postings, C says which columns may be the same in all rows.
    [SQL_ADD_RECORDS] =
        "INSERT INTO records SELECT slot, number, " SAME_OF("$3", "time_ms") ", "
        SAME_OF("$4", "kind") ", nullif(" SAME_OF("$5", "type") ", 0), "
        SAME_OF("$6", "principal") ", order_id, nullif(" SAME_OF("$8", "opening") ", 0), chain, "
        "bytes FROM " ROWS_OF(OF("$1", "bigint", "slot") ", " OF("$2", "bigint", "number") ", "
        OF("$3", "bigint", "time_ms") ", " OF("$4", "bigint", "kind") ", "
        OF("$5", "bigint", "type") ", " OF("$6", "bytea", "principal") ", "
        OF("$7", "bytea", "order_id") ", " OF("$8", "bigint", "opening") ", "
        OF("$9", "bytea", "chain") ", " OF("$10", "bytea", "bytes")),
    [SQL_ADD_POSTINGS] =
        "INSERT INTO postings SELECT slot, wallet, record, number, " SAME_OF("$5", "time_ms") ", "
        SAME_OF("$6", "type") ", amount, balance, " SAME_OF("$9", "held") ", version FROM "
        ROWS_OF(OF("$1", "bigint", "slot") ", " OF("$2", "bigint", "wallet") ", "
        OF("$3", "bigint", "record") ", " OF("$4", "bigint", "number") ", "
        OF("$5", "bigint", "time_ms") ", " OF("$6", "bigint", "type") ", "
        OF("$7", "bigint", "amount") ", " OF("$8", "bigint", "balance") ", "
        OF("$9", "bigint", "held") ", " OF("$10", "bigint", "version")),
    [SQL_ADD_BANK] =
        "INSERT INTO bank_ids SELECT slot, bank_id, convert_from(currency, 'UTF8'), record, id "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[]) "
        "n(slot, bank_id, currency, record, id)",
    [SQL_ADD_IDEMPOTENCY] =
        "INSERT INTO idempotency SELECT key, slot, record FROM "
        ROWS_OF(OF("$1", "bytea", "key") ", " OF("$2", "bigint", "slot") ", "
        OF("$3", "bigint", "record")),
    // Somebody who gave up waiting may have decided that it is aborted.
    [SQL_ADD_DECISION] =
        "WITH written AS (INSERT INTO decisions VALUES (convert_from($1::bytea, 'UTF8'), true, "
        "convert_from($2::bytea, 'UTF8'), $3::bigint, $4::bigint, $5::bigint) "
        "ON CONFLICT DO NOTHING RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), 1, 'decisions')",
    [SQL_CHANGE_BOOKS] =
        "WITH added AS (INSERT INTO rounds VALUES ($2::bigint, $15::bytea, $1::bigint, "
        "$16::bigint, $17::bigint, $11::bytea)), written AS (UPDATE books SET "
        "time_ms = $1::bigint, round_count = $2::bigint, "
        "record_count = $3::bigint, wallet_count = $4::bigint, hold_count = $5::bigint, "
        "hold_open_count = $6::bigint, withdrawal_count = $7::bigint, key_count = $8::bigint, "
        "transaction_count = $9::bigint, keys_version = $10::bigint, chain = $11::bytea, "
        "last_record = $12::bigint, heads_record = CASE WHEN $14::bigint IS NULL OR "
        "current_setting('florin.heads_held', true) = 'true' THEN heads_record ELSE $14 END, "
        "next_due_ms = CASE WHEN next_due_ms IS NOT NULL THEN $18::bigint END WHERE "
        "ctid = $13::tid AND ($19::bigint IS NULL OR xmin::text::bigint = $19::bigint) AND "
        "round_count = $2::bigint - 1 AND moved_to IS NULL AND filling IS NULL "
        "RETURNING ctid, xmin) "
        "SELECT expect((SELECT count(*) FROM written), 1, 'books'), "
        "set_config('statement_timeout', '0', true), (SELECT ctid FROM written), "
        "(SELECT xmin::text::bigint FROM written)",

    [SQL_CHANGE_ALARM] = "UPDATE books SET alarm = $1::bytea",
    [SQL_SHARD_STAND] = "SELECT keys_version, "
                        "coalesce((SELECT max(version) FROM rule_sets), 0), alarm, "
                        "slots_version FROM books",
    [SQL_SHARD_SLOTS] = "SELECT s.slot::bigint, s.state::bigint, b.slots_version "
                        "FROM slots s, books b",
    [SQL_SHARD_KEYS] =
        "SELECT " KEY_COLUMNS ", coalesce(r.bytes, o.bytes), b.keys_version FROM books b, keys k "
        "LEFT JOIN records r ON r.slot = 0 AND r.number = k.opened "
        "LEFT JOIN kept_records o ON o.slot = 0 AND o.number = k.opened ORDER BY k.number",
    [SQL_SHARD_RULES] = "SELECT version, record, rules FROM rule_sets WHERE version > $1::bigint "
                        "ORDER BY version",
    [SQL_SHARD_BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED",
    [SQL_SHARD_KEEP] = "INSERT INTO kept_records SELECT 0, number, bytes "
                       "FROM unnest($1::bigint[], $2::bytea[]) n(number, bytes) "
                       "ON CONFLICT DO NOTHING",
    [SQL_SHARD_TAKE_RULES] =
        "INSERT INTO rule_sets SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) "
        "ON CONFLICT DO NOTHING",
    [SQL_SHARD_TAKE_ALARM] = "UPDATE books SET alarm = $1::bytea",
    [SQL_SHARD_VERSION] = "UPDATE books SET keys_version = greatest(keys_version, $1::bigint)",
    [SQL_SHARD_COMMIT] = "COMMIT",
    [SQL_MARK] = "INSERT INTO lineage (system_identifier, timeline, token) "
                 "VALUES ($1::bigint, $2::bigint, $3::bytea) ON CONFLICT DO NOTHING",
    [SQL_LEAVE] =
        "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint, pg_advisory_unlock_all()::text",
    // Who the server is. Timeline 0: a standby. A position that was read before a snapshot was
    // taken is in that snapshot.
    [SQL_IDENTITY] =
        "SELECT s.system_identifier, CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || "
        "lpad(substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8), 16, '0'))"
        "::bit(64)::bigint END, (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
        "pg_current_wal_flush_lsn() END - '0/0')::bigint, latest.timeline, latest.token, "
        "seen.token FROM pg_control_system() s LEFT JOIN LATERAL (SELECT timeline, token FROM "
        "lineage l WHERE l.system_identifier = s.system_identifier ORDER BY timeline DESC LIMIT 1) "
        "latest ON true LEFT JOIN lineage seen ON seen.system_identifier = s.system_identifier AND "
        "seen.system_identifier = $1::bigint AND seen.timeline = $2::bigint",

    [SQL_ONE_WALLET] = "SELECT " WALLET_COLUMNS ", coalesce(r.bytes, k.bytes) "
                       "FROM wallets w" DETAILS
                       "WHERE w.slot = $1::bigint AND w.number = $2::bigint",
    [SQL_ONE_TRANSACTION] = "SELECT f.refunded, " RECORD_COLUMNS " FROM records r" REFUNDS OPENING
                            "WHERE r.kind = 2 AND r.slot = $1::bigint AND r.number = $2::bigint",
    [SQL_ONE_HOLD] = "SELECT " HOLD_COLUMNS " FROM holds h" HOLD_JOINS
                     "WHERE h.slot = $1::bigint AND h.number = $2::bigint",
    [SQL_ONE_WITHDRAWAL] = "SELECT " WITHDRAWAL_COLUMNS " FROM withdrawals w" WITHDRAWAL_JOINS
                           "WHERE w.slot = $1::bigint AND w.number = $2::bigint",

    // What came with a slot may be younger than what was last written here.
    [SQL_END] = "SELECT greatest(last_record, (SELECT max(came_before) FROM slots) - 1) FROM books",
    [SQL_FEED] = "SELECT number, bytes, (came IS NOT NULL)::integer::bigint FROM records "
                 "WHERE number >= $1::bigint "
                 "ORDER BY number LIMIT $2::bigint",
    [SQL_ARCHIVED] = "SELECT next, checksum, source FROM cursors WHERE slot = 0 AND kind = 3",
    [SQL_OPENING] = "SELECT what::bigint, slot::bigint, number, bytes FROM openings "
                    "WHERE line = $1::bigint AND (what, slot, number) > "
                    "($2::bigint, $3::bigint, $4::bigint) ORDER BY what, slot, number LIMIT 5000",
    [SQL_KEPT] = "SELECT slot::bigint, number, bytes FROM kept_records WHERE number < $1::bigint "
                 "AND (slot, number) > ($2::bigint, $3::bigint) ORDER BY slot, number LIMIT 5000",
    [SQL_ONE_RECORD] = "SELECT number, bytes FROM records WHERE number = $1::bigint UNION ALL "
                       "SELECT number, bytes FROM kept_records WHERE number = $1::bigint LIMIT 1",
    [SQL_ALL_WALLETS] = "SELECT " WALLET_COLUMNS " FROM wallets w WHERE (w.slot, w.number) > "
                        "($1::bigint, $2::bigint) AND " HERE("w.slot")
                        "ORDER BY w.slot, w.number LIMIT 5000",
    [SQL_ALL_HABITS] = "SELECT w.slot::bigint, w.number, w.id, w.habits FROM wallets w "
                       "WHERE (w.slot, w.number) > ($1::bigint, $2::bigint) AND "
                       "w.habits IS NOT NULL AND " HERE("w.slot")
                       "ORDER BY w.slot, w.number LIMIT 5000",
    [SQL_ALL_HOLDS] = "SELECT h.number, h.id, h.wallet, h.merchant, h.amount, h.captured, "
                      "h.expires_at_ms, h.status::bigint FROM holds h WHERE "
                      "h.number > $1::bigint AND "
                      HERE("h.slot") "ORDER BY h.number LIMIT 5000",
    [SQL_ALL_WITHDRAWALS] = "SELECT w.number, w.id, w.wallet, w.amount, w.status::bigint "
                            "FROM withdrawals w WHERE w.number > $1::bigint AND " HERE("w.slot")
                            "ORDER BY w.number LIMIT 5000",
    [SQL_ALL_CURRENCIES] = "SELECT number::bigint, code::bytea, exponent::bigint, wallet_count, "
                           "deposits::text::bytea, withdrawals::text::bytea, "
                       "balances::text::bytea, transit::text::bytea "
                           "FROM currencies ORDER BY number",
    [SQL_ALL_KEYS] = "SELECT " KEY_COLUMNS " FROM keys k ORDER BY k.number",
    [SQL_BALANCE_AT] =
        "SELECT c.code::bytea, c.exponent::bigint, p.balance, p.version, w.id, " ARCHIVED ", "
        "opening_number(o.bytes, 0), opening_number(o.bytes, 1) FROM wallets w "
        "LEFT JOIN openings o ON o.line = " ARCHIVED " AND o.what = 4 AND o.slot = w.slot AND "
        "o.number = w.number "
        "JOIN currencies c ON c.number = w.currency LEFT JOIN LATERAL (SELECT balance, version "
        "FROM postings p WHERE p.slot = w.slot AND p.wallet = w.number AND p.time_ms <= $3::bigint "
        "AND p.record < $4::bigint ORDER BY p.record DESC LIMIT 1) p ON true "
        "WHERE w.slot = $1::bigint AND w.number = $2::bigint",
    [SQL_CURSOR] = "SELECT record FROM postings p WHERE p.slot = $1::bigint AND "
                   "p.wallet = $2::bigint AND p.record = $3::bigint",
    [SQL_LIST_WALLETS] =
        "SELECT " WALLET_COLUMNS ", coalesce(r.bytes, k.bytes) FROM wallets w" DETAILS
        "JOIN currencies c ON c.number = w.currency "
        "WHERE w.number < $1::bigint AND " FILTER("$2", "w.kind") " AND " FILTER(
            "$3", "w.status") " AND (length($4::bytea) = 0 OR c.code::bytea = $4::bytea) "
                              "AND " HERE("w.slot") "ORDER BY w.number DESC LIMIT $5::bigint",
    [SQL_LIST_OWNER] =
        "SELECT " WALLET_COLUMNS ", coalesce(r.bytes, k.bytes) FROM wallets w" DETAILS
        "JOIN currencies c ON c.number = w.currency "
        "WHERE w.number < $1::bigint AND " FILTER("$2", "w.kind") " AND " FILTER(
            "$3",
            "w.status") " AND (length($4::bytea) = 0 OR c.code::bytea = $4::bytea) "
                        "AND w.slot = $7::bigint AND w.owner = $6::bytea "
                        "ORDER BY w.slot, w.owner, w.number DESC LIMIT $5::bigint",
#define TRANSACTIONS_FROM                                                                          \
    "SELECT f.refunded, " RECORD_COLUMNS                                                           \
    " FROM records r" REFUNDS OPENING
// Times twice: exactly, and as numbers, which tell the partitions.
#define TRANSACTIONS_WHERE                                                                         \
    "WHERE r.kind = 2 AND r.number < $1::bigint AND " FILTER("$2", "r.type") " AND "               \
    "r.time_ms >= $3::bigint AND r.time_ms < $4::bigint AND r.number >= $5::bigint AND "           \
    "r.number < $6::bigint AND (length($7::bytea) = 0 OR r.principal = $7::bytea) AND " HERE(      \
        "r.slot")
    [SQL_LIST_TRANSACTIONS] =
        TRANSACTIONS_FROM TRANSACTIONS_WHERE "ORDER BY r.number DESC LIMIT $8::bigint",
    [SQL_LIST_ORDER] =
        TRANSACTIONS_FROM TRANSACTIONS_WHERE "AND r.order_id = $9::bytea "
                                             "ORDER BY r.order_id, r.number DESC LIMIT $8::bigint",
    [SQL_LIST_BANK] =
        "SELECT f.refunded, " RECORD_COLUMNS
        " FROM bank_ids b JOIN records r ON r.number = b.record" REFUNDS OPENING TRANSACTIONS_WHERE
        "AND b.slot = $11::bigint AND b.bank_id = $10::bytea AND "
        "(length($9::bytea) = 0 OR r.order_id = $9::bytea) "
        "ORDER BY r.number DESC LIMIT $8::bigint",
    [SQL_LIST_HISTORY] =
        "SELECT f.refunded, " RECORD_COLUMNS ", p.record FROM postings p "
        "JOIN records r ON r.number = p.record" REFUNDS OPENING
        "WHERE p.slot = $1::bigint AND p.wallet = $2::bigint AND p.record < $3::bigint AND " FILTER(
            "$4", "p.type") " AND p.time_ms >= $5::bigint AND p.time_ms < $6::bigint AND "
                            "p.record >= $8::bigint AND p.record < $9::bigint "
                            "ORDER BY p.slot, p.wallet, p.record DESC LIMIT $7::bigint",
    [SQL_LIST_HOLDS] =
        "SELECT " HOLD_COLUMNS " FROM holds h" HOLD_JOINS "WHERE h.number < $1::bigint AND " FILTER(
            "$2", "h.status") " AND "
                              "(length($3::bytea) = 0 OR (h.slot = $8::bigint AND h.wallet = "
                              "$3::bytea)) AND "
                              "(length($4::bytea) = 0 OR h.merchant = $4::bytea) AND "
                              "(length($5::bytea) = 0 OR h.order_id = $5::bytea) AND "
                              "(length($7::bytea) = 0 OR " OWNED("h.wallet", "$7", "$9") " OR "
                              OWNED("h.merchant", "$7", "$9") ") AND " HERE("h.slot") "AND "
                              HOLD_STILL_THERE
                              "ORDER BY h.number DESC LIMIT $6::bigint",
    [SQL_LIST_WITHDRAWALS] =
        "SELECT " WITHDRAWAL_COLUMNS " FROM withdrawals w" WITHDRAWAL_JOINS
        "WHERE w.number < $1::bigint AND " FILTER(
            "$2", "w.status") " AND "
                              "(length($3::bytea) = 0 OR (w.slot = $9::bigint AND w.wallet = "
                              "$3::bytea)) AND w.created_ms >= $4::bigint AND "
                              "w.created_ms < $5::bigint AND (length($6::bytea) = 0 OR w.bank_id = "
                              "$6::bytea) AND "
                              "(length($8::bytea) = 0 OR " OWNED("w.wallet", "$8", "$10") ") AND "
                              HERE("w.slot") "AND " STILL_THERE("w")
                              "ORDER BY w.number DESC LIMIT $7::bigint",
    [SQL_LIST_KEYS] =
        "SELECT k.number, coalesce(r.bytes, o.bytes), coalesce(l.bytes, m.bytes), k.last_used_ms "
        "FROM keys k LEFT JOIN records r ON r.slot = 0 AND r.number = k.opened "
        "LEFT JOIN kept_records o ON o.slot = 0 AND o.number = k.opened LEFT JOIN records l ON "
        "k.rotated <> 0 AND l.slot = 0 AND l.number = k.rotated LEFT JOIN kept_records m ON "
        "k.rotated <> 0 AND m.slot = 0 AND m.number = k.rotated WHERE k.number < $1::bigint AND "
        "NOT k.revoked AND (length($3::bytea) = 0 OR k.id = $3::bytea) "
        "ORDER BY k.number DESC LIMIT $2::bigint",
    // Each wallet gives its newest; what two wallets of one owner share is there once.
    [SQL_LIST_OWNED] =
        "SELECT f.refunded, " RECORD_COLUMNS " FROM (SELECT DISTINCT p.record FROM wallets w "
        "CROSS JOIN LATERAL (SELECT q.record FROM postings q JOIN records r ON r.number = q.record "
        "WHERE q.slot = w.slot AND q.wallet = w.number AND q.record < $1::bigint AND " FILTER(
            "$2", "q.type") " AND q.time_ms >= $3::bigint AND q.time_ms < $4::bigint AND "
        "q.record >= $5::bigint AND q.record < $6::bigint AND "
        "(length($7::bytea) = 0 OR r.principal = $7::bytea) AND "
        "(length($10::bytea) = 0 OR EXISTS (SELECT 1 FROM bank_ids b WHERE b.slot = $11::bigint "
        "AND b.bank_id = $10::bytea AND b.record = r.number)) AND "
        "(length($9::bytea) = 0 OR r.order_id = $9::bytea) "
        "ORDER BY q.record DESC LIMIT $8::bigint) p "
        "WHERE w.slot = $13::bigint AND w.owner = $12::bytea) t "
        "JOIN records r ON r.number = t.record" REFUNDS OPENING
        "ORDER BY r.number DESC LIMIT $8::bigint",
    // Status 4, expired, is pending and too late, and of approvals never written. A rule's name
    // stands in the record: the engine looks at it, page by page.
    [SQL_LIST_APPROVALS] = LIST_APPROVALS(
        "CASE $8::bigint WHEN 0 THEN a.cause <> 1 ELSE a.cause = $8::bigint END"),
    [SQL_LIST_HELD] = LIST_APPROVALS("a.status = 0 AND a.cause = 2 AND a.cause = $8::bigint"),
    [SQL_OWNED] = "SELECT w.id FROM wallets w WHERE w.owner = $1::bytea AND w.slot = $2::bigint",
    [SQL_OWNS] = "SELECT w.id FROM wallets w WHERE w.slot = $1::bigint AND w.number = $2::bigint "
                 "AND w.id = $3::bytea AND w.owner = $4::bytea",
    [SQL_READ_DATA_KEYS] = DATA_KEYS,
    [SQL_KEY_USES] =
        "UPDATE keys k SET last_used_ms = n.used_ms FROM unnest($1::bigint[], $2::bigint[]) "
        "n(number, used_ms) WHERE k.number = n.number AND k.last_used_ms < n.used_ms",
    [SQL_ADD_OPENINGS] =
        "INSERT INTO openings SELECT $1::bigint, what, slot, number, bytes FROM "
        "unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) "
        "n(what, slot, number, bytes)",
    [SQL_LIST_AUDIT] =
        "SELECT r.number, r.bytes FROM records r WHERE r.number < $1::bigint AND "
        "r.time_ms < $2::bigint AND r.number < (least($2::bigint, 8796093022208) << 17) + "
        "(SELECT number_slack FROM books) AND ($4::bigint <> 0 OR " HERE("r.slot") ") "
        "ORDER BY r.number DESC LIMIT $3::bigint",
    [SQL_SLOTS] = "SELECT s.slot::bigint, s.state::bigint, s.came_before, b.slots_version "
                  "FROM slots s, books b",
    [SQL_SLOT_STATE] = "SELECT s.state::bigint, b.slots_version FROM slots s, books b "
                       "WHERE s.slot = $1::bigint",
};

const char *sql_text(enum sql statement) {
    CHECK(statement < SQL_COUNT);
    const char *text = texts[statement];
    text = text != NULL ? text : sql_text_of_heads(statement);
    text = text != NULL ? text : sql_text_of_moves(statement);
    CHECK(text != NULL);
    return text;
}
