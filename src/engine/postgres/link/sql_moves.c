// SPDX-License-Identifier: MIT
// The statements of whoever moves books to another engine, or slots or keys to another shard. As in
// sql.c.
#include "engine/postgres/link/sql.h"

#include <stddef.h>

// Columns of a record `r`, in the order of shard_move_bulk.c.
#define SLOT_RECORD                                                                                \
    "r.slot::bigint, r.number, r.time_ms, r.kind::bigint, r.type::bigint, r.principal, "           \
    "r.order_id, r.opening, r.chain, r.bytes"

static const char *const texts[SQL_COUNT] = {
    // Only what changes them, and never back: another node may have read them later, and been here
    // before. Before the row of books: who has locked one of these rows holds up this copy alone.
    [SQL_SHARD_TAKE_KEYS] =
        "WITH n AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bytea[], "
        "$3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[], "
        "$9::bigint[], $10::bigint[], $11::bigint[]) n(number, id, secret_hash, expires_at_ms, "
        "role, revoked, opened, previous_hash, previous_until_ms, rotated, last_used_ms) "
        "WHERE NOT EXISTS (SELECT FROM keys h WHERE h.number = n.number AND h.id = n.id AND "
        "h.rotated >= n.rotated AND (h.revoked OR n.revoked = 0))), "
        "written AS (INSERT INTO keys AS k (number, id, secret_hash, expires_at_ms, role, "
        "revoked, opened, previous_hash, previous_until_ms, rotated, last_used_ms) "
        "SELECT number, id, secret_hash, expires_at_ms, role, revoked <> 0, opened, previous_hash, "
        "previous_until_ms, rotated, last_used_ms FROM n "
        "ON CONFLICT (number) DO UPDATE SET revoked = excluded.revoked, "
        "secret_hash = excluded.secret_hash, expires_at_ms = excluded.expires_at_ms, "
        "previous_hash = excluded.previous_hash, previous_until_ms = excluded.previous_until_ms, "
        "rotated = excluded.rotated WHERE k.id = excluded.id AND k.rotated <= excluded.rotated AND "
        "(excluded.revoked OR NOT k.revoked) RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), (SELECT count(*) FROM n), 'keys')",
    [SQL_MOVE_BEGIN] = "SELECT move_partitions($1::bigint, $2::bigint)::text",
    [SQL_MOVE_HEADS] =
        "WITH written AS (UPDATE slots s SET chain = n.chain, last_record = n.last_record, "
        "record_count = s.record_count + n.added, round = $6::bigint "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[]) "
        "n(slot, chain_before, chain, last_record, added) "
        "WHERE s.slot = n.slot AND s.chain = n.chain_before RETURNING 1) "
        "SELECT expect((SELECT count(*) FROM written), cardinality($1), 'slots')",
    [SQL_MOVE_SLOTS] = "UPDATE slots SET chain = $1::bytea, last_record = 0, record_count = 0, "
                       "round = 0",
    [SQL_MOVE_HOLDS] =
        "INSERT INTO holds SELECT slot, number, id, wallet, merchant, amount, captured, "
        "expires_at_ms, status, closed, order_id, opened FROM unnest($1::bigint[], $2::bigint[], "
        "$3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[], "
        "$9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[]) n(slot, number, captured, "
        "status, closed, id, wallet, merchant, amount, expires_at_ms, order_id, opened)",
    [SQL_MOVE_WITHDRAWALS] =
        "INSERT INTO withdrawals SELECT slot, number, id, wallet, amount, status, created_ms, "
        "closed, bank_id, opened FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], "
        "$4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[], "
        "$10::bigint[]) "
        "n(slot, number, status, closed, bank_id, id, wallet, amount, created_ms, opened)",
    [SQL_MOVE_APPROVALS] =
        "INSERT INTO approvals SELECT slot, number, id, wallet, principal, expires_at_ms, status, "
        "cause, closed, opened FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[], $10::bigint[]) n(slot, "
        "number, status, closed, expires_at_ms, cause, id, wallet, principal, opened)",
    [SQL_MOVE_ROUNDS] =
        "INSERT INTO rounds SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], "
        "$4::bigint[], $5::bigint[], $6::bytea[])",
    [SQL_MOVE_USES] = "UPDATE keys k SET last_used_ms = n.used FROM unnest($1::bigint[], "
                      "$2::bigint[]) n(number, used) WHERE k.number = n.number",
    [SQL_MOVE_RULES] = "INSERT INTO rule_sets SELECT * FROM unnest($1::bigint[], $2::bigint[], "
                       "$3::bytea[])",
    [SQL_MOVE_ENCRYPTION] = "INSERT INTO encryption VALUES (true, 1, $1::bigint, $2::bytea)",
    [SQL_MOVE_DATA_KEYS] = "INSERT INTO data_keys SELECT * FROM unnest($1::bigint[], "
                           "$2::bigint[], $3::bytea[])",
    [SQL_MOVE_BOOKS] =
        "UPDATE books SET seal_key = $1::bytea, hash_seed = $2::bigint, created_ms = $3::bigint, "
        "time_ms = $4::bigint, round_count = $5::bigint, record_count = $6::bigint, "
        "last_record = $7::bigint, wallet_count = $8::bigint, hold_count = $9::bigint, "
        "hold_open_count = $10::bigint, withdrawal_count = $11::bigint, key_count = $12::bigint, "
        "transaction_count = $13::bigint, keys_version = $14::bigint, chain = $15::bytea, "
        "first_chain = $16::bytea, moved_from = convert_from($17::bytea, 'UTF8'), "
        "moved_last = $7::bigint, heads_record = $7::bigint, number_slack = $18::bigint, "
        "alarm = $19::bytea",
    // What keeps nodes away: empty is none.
    [SQL_MOVE_MARK] = "UPDATE books SET filling = nullif(convert_from($1::bytea, 'UTF8'), ''), "
                      "moved_to = nullif(convert_from($2::bytea, 'UTF8'), '')",

    // Up to so many, and so many bytes.
    [SQL_SLOT_RECORDS] =
        "SELECT " SLOT_RECORD " FROM (SELECT q.*, sum(octet_length(bytes)) OVER (ORDER BY number) "
        "AS size FROM (SELECT * FROM records WHERE slot = $1::bigint AND number > $2::bigint AND "
        "number <= $3::bigint ORDER BY number LIMIT $4::bigint) q) r "
        "WHERE size - octet_length(bytes) < $5::bigint ORDER BY r.number",
    // Of the next wallets from where the walk stands, behind the record $3 of $2: of as many as
    // have a slice of postings together, so that no more of them is read than comes. A wallet
    // without any is a row, too.
    [SQL_SLOT_POSTINGS] =
        "SELECT w.slot::bigint, w.number, p.record, p.number, p.time_ms, p.type::bigint, p.amount, "
        "p.balance, p.held, p.version FROM (SELECT slot, number FROM (SELECT slot, number, "
        "sum(n) OVER (ORDER BY number) - n AS before FROM (SELECT slot, number, "
        "least(transaction_count, $6::bigint) AS n FROM wallets WHERE slot = $1::bigint AND "
        "number >= $2::bigint AND last > $4::bigint ORDER BY number LIMIT $6::bigint) i) s "
        "WHERE before < $6::bigint) w LEFT JOIN LATERAL (SELECT * FROM postings p WHERE "
        "p.slot = w.slot AND p.wallet = w.number AND p.record > CASE w.number WHEN $2::bigint THEN "
        "greatest($3::bigint, $4::bigint) ELSE $4::bigint END AND p.record <= $5::bigint "
        "ORDER BY p.record LIMIT $6::bigint) p ON true "
        "ORDER BY w.number, p.record LIMIT $6::bigint",
    [SQL_SLOT_OTHERS] = "SELECT " SLOT_RECORD " FROM unnest($1::bigint[]) n(number) "
                        "CROSS JOIN LATERAL (SELECT * FROM records x WHERE x.number = n.number "
                        "OFFSET 0) r WHERE r.slot <> $2::bigint",
    // Where those days have passed a key that was used anew may stand in one partition with its
    // first use: the partitions of the target are not those of the source.
    [SQL_SLOT_KEYS_SINCE] =
        "SELECT (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - "
        "86400000::bigint * (idempotency_days + 1)) << 17 FROM extent",
    // How many records of other slots have those numbers, and how many are there already.
    [SQL_SLOT_NUMBERS_TAKEN] =
        "SELECT count(*) FILTER (WHERE r.slot <> v.slot), count(*) FROM unnest($1::bigint[], "
        "$2::bigint[]) v(slot, number) CROSS JOIN LATERAL (SELECT slot FROM records x "
        "WHERE x.number = v.number OFFSET 0) r",
    // Keys come each once, also that of a record which is here already, as in
    // shard_move_records.c.
    [SQL_SLOT_TAKE_RECORDS] =
        "WITH come AS (INSERT INTO records (slot, number, time_ms, kind, type, principal, "
        "order_id, opening, chain, bytes, came) SELECT slot, number, time_ms, kind, type, "
        "principal, order_id, opening, chain, bytes, came FROM unnest($1::bigint[], "
        "$2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], "
        "$8::bigint[], $9::bytea[], $10::bytea[], $11::bigint[]) n(slot, number, time_ms, kind, "
        "type, principal, order_id, opening, chain, bytes, came) ON CONFLICT DO NOTHING) "
        "INSERT INTO idempotency (key, slot, record) SELECT v.key, v.slot, v.record FROM "
        "unnest($12::bytea[], $13::bigint[], $14::bigint[]) v(key, slot, record) "
        "WHERE (SELECT count(*) FROM idempotency x WHERE x.key = v.key AND "
        "x.record = v.record) = 0 ON CONFLICT DO NOTHING",
    // Of records none of which was there.
    [SQL_SLOT_TAKE_KEYS] =
        "INSERT INTO idempotency (key, slot, record) SELECT * FROM unnest($1::bytea[], "
        "$2::bigint[], $3::bigint[]) ON CONFLICT DO NOTHING",
    [SQL_SLOT_COPY_RECORDS] =
        "COPY records (slot, number, time_ms, kind, type, principal, order_id, opening, chain, "
        "bytes, came) FROM STDIN (FORMAT binary)",
    [SQL_SLOT_TAKE_BANK_IDS] =
        "INSERT INTO bank_ids AS b (slot, bank_id, currency, record, id) SELECT slot, bank_id, "
        "convert_from(currency, 'UTF8'), record, id FROM unnest($1::bigint[], $2::bytea[], "
        "$3::bytea[], $4::bigint[], $5::bytea[]) n(slot, bank_id, currency, record, id) "
        "ON CONFLICT (slot, bank_id, currency) DO UPDATE SET record = excluded.record "
        "WHERE b.record = 0 AND b.id = excluded.id",
    [SQL_SLOT_TAKE_POSTINGS] =
        "INSERT INTO postings (slot, wallet, record, number, time_ms, type, amount, balance, held, "
        "version) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) "
        "ON CONFLICT DO NOTHING",
    [SQL_COPY_RECORDS] = "COPY records (slot, number, time_ms, kind, type, principal, order_id, "
                         "opening, chain, bytes) FROM STDIN (FORMAT binary)",
    [SQL_COPY_POSTINGS] = "COPY postings (slot, wallet, record, number, time_ms, type, amount, "
                          "balance, held, version) FROM STDIN (FORMAT binary)",
    [SQL_COPY_BANK] =
        "COPY bank_ids (slot, bank_id, currency, record, id) FROM STDIN (FORMAT binary)",
    [SQL_COPY_IDEMPOTENCY] = "COPY idempotency (key, slot, record) FROM STDIN (FORMAT binary)",
    [SQL_COPY_ROUNDS] = "COPY rounds (number, token, time_ms, first_record, record_count, chain) "
                        "FROM STDIN (FORMAT binary)",
    [SQL_COPY_WALLETS] =
        "COPY wallets (slot, number, status, balance, held, credit_limit, version, "
        "transaction_count, details, last, level_64, level_4096, level_262144, spent_day, "
        "spent_day_sum, spent_month_sum, id, owner, currency, kind, habits, tier) "
        "FROM STDIN (FORMAT binary)",
};

const char *sql_text_of_moves(enum sql statement) {
    return texts[statement];
}
