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
    "WITH n AS MATERIALIZED (SELECT s.ctid AS lies, u.* FROM unnest($1::bigint[], $2::bytea[], "   \
    "$3::bytea[], $4::bigint[], $5::bigint[], $6::tid[]) "                                         \
    "u(slot, chain_before, chain, last_record, added, place) JOIN slots s ON " found " AND "       \
    "s.chain = u.chain_before), free AS MATERIALIZED (SELECT s.ctid AS lies FROM slots s WHERE "   \
    "s.ctid = ANY (ARRAY(SELECT lies FROM n)) FOR NO KEY UPDATE SKIP LOCKED), "                    \
    "counted AS MATERIALIZED (SELECT (SELECT count(*) FROM n) AS seen, "                           \
    "(SELECT count(*) FROM free) AS free), chosen AS (SELECT f.lies FROM free f, counted c "       \
    "WHERE $8::bigint <> 0 OR c.free = c.seen), "                                                  \
    "written AS (UPDATE slots s SET chain = n.chain, last_record = n.last_record, "                \
    "record_count = s.record_count + n.added, round = $7::bigint "                                 \
    "FROM chosen f JOIN n ON n.lies = f.lies WHERE s.ctid = f.lies "                               \
    "RETURNING int2send(s.slot) || tidsend(s.ctid) AS place) "                                     \
    "SELECT expect(c.seen, cardinality($1), 'slots'), "                                            \
    "(SELECT string_agg(place, ''::bytea) FROM written), expect((SELECT count(*) FROM written), "  \
    "(SELECT count(*) FROM chosen), 'slots'), set_config('florin.heads_held', "                    \
    "(c.free <> c.seen)::text, true) FROM counted c"

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
