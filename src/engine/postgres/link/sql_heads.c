// SPDX-License-Identifier: MIT
// The statements about heads of slots (desk/desk_heads.c). As in sql.c.
#include <stddef.h>

#include "engine/postgres/link/sql.h"

// Of the records of a slot those that its row does not have. A row has those up to its own last
// one, which may be beyond what all have ($1).
#define BEHIND_ROW                                                                                 \
    "FROM records x WHERE x.slot = s.slot AND x.number > greatest(s.last_record, $1::bigint) AND " \
    "x.number > $1::bigint AND x.number <= $2::bigint AND x.came IS NULL "

// They answer where the rows lie now that were written. One that somebody else has locked is passed
// by, or, where nodes may serve that take all rows to have come equally far, all are. The row of
// books, which is written behind them, says how far all have come.
#define CHANGE_SLOTS(found)                                                                        \
    "WITH u AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], "        \
    "$4::bigint[], $5::bigint[], $6::tid[]) u(slot, chain_before, chain, last_record, added, "     \
    "place)), free AS MATERIALIZED (SELECT u.*, f.lies FROM u CROSS JOIN LATERAL (SELECT "         \
    "s.ctid AS lies FROM slots s WHERE " found " AND s.chain = u.chain_before FOR NO KEY "         \
    "UPDATE SKIP LOCKED) f), seen AS MATERIALIZED (SELECT CASE WHEN (SELECT count(*) FROM "        \
    "free) = cardinality($1) THEN cardinality($1)::bigint ELSE (SELECT count(*) FROM u JOIN "      \
    "slots s ON " found " AND s.chain = u.chain_before) END AS rows), held AS MATERIALIZED "       \
    "(SELECT (SELECT count(*) FROM free) <> seen.rows AS any_row FROM seen), chosen AS "           \
    "MATERIALIZED (SELECT f.* FROM free f, held h WHERE $8::bigint <> 0 OR NOT h.any_row), "       \
    "written AS (UPDATE slots s SET chain = n.chain, last_record = n.last_record, "                \
    "record_count = s.record_count + n.added, round = $7::bigint FROM chosen n WHERE s.ctid "      \
    "= n.lies RETURNING int2send(s.slot) || tidsend(s.ctid) AS place) SELECT "                     \
    "expect(seen.rows, cardinality($1), 'slots'), (SELECT string_agg(place, ''::bytea) FROM "      \
    "written), expect((SELECT count(*) FROM written), (SELECT count(*) FROM chosen), "             \
    "'slots'), set_config('florin.heads_held', held.any_row::text, true) FROM seen, held"

static const char *const texts[SQL_COUNT] = {
    [SQL_HEADS] = "SELECT s.slot::bigint, s.chain, s.state::bigint, s.ctid, s.last_record "
                  "FROM slots s WHERE s.round >= $1::bigint",
    // A record that came along with a slot is of another shard's rounds, and may be younger than
    // the last one that was made here.
    [SQL_HEADS_SINCE] = "SELECT slot::bigint, chain, number FROM records WHERE number > $1::bigint "
                        "AND number <= $2::bigint AND came IS NULL ORDER BY number",
    // Likewise, where that may be very many: for each slot the last one, and how many.
    [SQL_HEADS_BEHIND] =
        "SELECT s.slot::bigint, l.chain, l.number, c.n FROM slots s CROSS JOIN LATERAL (SELECT "
        "x.chain, x.number " BEHIND_ROW "ORDER BY x.number DESC LIMIT 1) l CROSS JOIN LATERAL "
        "(SELECT count(*) AS n " BEHIND_ROW "OFFSET 0) c",
    [SQL_CHANGE_SLOTS] = CHANGE_SLOTS("s.slot = u.slot"),
    [SQL_CHANGE_SLOTS_PLACED] = CHANGE_SLOTS("s.ctid = u.place AND s.slot + 0 = u.slot"),
};

const char *sql_text_of_heads(enum sql statement) {
    return texts[statement];
}
