// SPDX-License-Identifier: MIT
// Statements of the operator's hand: they run on connections of their own, beside the writer, and
// lock nothing that it uses for longer than a moment.
#include "engine/postgres/archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/link/patience.h"

#define STEP_WAIT_NS    UINT64_C(3600000000000) // for one statement; a slice takes seconds
#define DETACH_WAIT_NS  UINT64_C(600000000000)  // for those who still read a partition
#define DETACH_PAUSE_NS UINT64_C(200000000)
#define OPEN_TRIES      75   // of a fifth of a second
#define WRITE_ITEMS     2000 // in one slice
#define KEEP_SLOTS      64
#define DAY_MS          UINT64_C(86400000)
#define QUERY_BYTES     4096

struct archive {
    struct link link;   // for everything but
    struct link writer; // the slices of openings
    uint64_t line;
    uint32_t item_count;
    struct column out[4];
    char why[ARCHIVE_WHY_BYTES];
};

static const char settings[] =
    "SET client_min_messages = warning; SET lock_timeout = '2s'; SET statement_timeout = 0; "
    "SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'; SET jit = off; "
    "SET client_connection_check_interval = '1s'; " // whoever killed the tool wants it to end
    "SET synchronous_commit = on; SET search_path = florin, pg_catalog";

#define UNFIT                                                                                      \
    "CASE WHEN to_regclass('florin.openings') IS NULL THEN 'old' "                                 \
    "WHEN NOT pg_has_role(relowner, 'USAGE') THEN 'role'"
#define OF_BOOKS                                                                                   \
    " FROM (SELECT to_regclass('florin.books') AS oid) b LEFT JOIN pg_class USING (oid)"
#define PARENTS                                                                                    \
    "'florin.records'::regclass, 'florin.postings'::regclass, 'florin.rounds'::regclass, "         \
    "'florin.idempotency'::regclass"
#define HEADS_HELD "FLHLD" // the state that says that rows of slots are locked
// The bounds of a partition, from and to, as numbers of records.
#define BOUND(place)                                                                               \
    "(regexp_match(pg_get_expr(c.relpartbound, c.oid), "                                           \
    "'FROM \\(''?(-?\\d+)''?\\) TO \\(''?(-?\\d+)''?\\)'))[" place "]::bigint"
#define PARTITIONS                                                                                 \
    "SELECT c.oid, c.relname, p.relname AS parent, i.inhdetachpending AS broken, " BOUND("1")      \
    " AS low, " BOUND("2") " AS high FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "    \
    "JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhparent IN (" PARENTS ")"

static enum status tell(const struct link *link, char *ret_why) {
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES, "%sThe database says: %s",
                   strcmp(link->state, "55P03") == 0
                       ? "Somebody has locked what this has to change: end his transaction ("
                         ARCHIVE_LOCK_HOLDER "), then run this again. "
                       : "",
                   link->why);
    return STATUS_invalid_request;
}

static enum status ask(struct archive *archive, const char *query, char *ret_text,
                       size_t text_bytes, char *ret_why) {
    ret_text[0] = '\0';
    archive->link.deadline_ns = clock_monotonic_ns() + STEP_WAIT_NS;
    if (link_ask(&archive->link, query, ret_text, text_bytes) != LINK_OK)
        return tell(&archive->link, ret_why);
    return STATUS_ok;
}

static enum status run(struct archive *archive, const char *query, char *ret_why) {
    archive->link.deadline_ns = clock_monotonic_ns() + STEP_WAIT_NS;
    if (link_run_patiently(&archive->link, query) != LINK_OK)
        return tell(&archive->link, ret_why);
    return STATUS_ok;
}

// Why not to go on; empty: nothing speaks against it.
static enum status look(struct archive *archive, bool is_alone, char *ret_why) {
    char text[16];
    struct signal_gate never;
    enum status status = STATUS_ok;
    signal_gate_init(&never, 0, 0);
    for (int i = 0; i < OPEN_TRIES; i++) {
        status = ask(archive,
                     is_alone ? "SELECT " UNFIT " WHEN NOT pg_try_advisory_lock(7886714) THEN "
                                "'busy' ELSE 'fine' END" OF_BOOKS
                              : "SELECT " UNFIT " ELSE 'fine' END" OF_BOOKS,
                     text, sizeof(text), ret_why);
        if (status != STATUS_ok || strcmp(text, "busy") != 0)
            break;
        (void)signal_gate_wait(&never, 1, DETACH_PAUSE_NS); // for one that was just killed
    }
    if (status != STATUS_ok || strcmp(text, "fine") == 0)
        return status;
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES, "%s",
                   strcmp(text, "busy") == 0 ? "Another florin partitions is at work."
                   : strcmp(text, "role") == 0
                       ? "Only the role that owns the schema may do this: name it in the "
                         "connection string."
                       : "There are no books of this version of Florin: run florin migrate.");
    return STATUS_invalid_request;
}

enum status archive_open(const char *url, bool is_alone, char *ret_why,
                         struct archive **ret_archive) {
    struct archive *archive = memory_take_zeroed(sizeof(*archive));
    if (link_open(&archive->link, url, settings, SQL_TURN_BACK, SQL_TURN, STEP_WAIT_NS) !=
        LINK_OK) {
        (void)snprintf(ret_why, ARCHIVE_WHY_BYTES, "No connection: %s", archive->link.why);
        archive_close(archive);
        return STATUS_busy;
    }
    enum status status = look(archive, is_alone, ret_why);
    if (status != STATUS_ok) {
        archive_close(archive);
        return status;
    }
    *ret_archive = archive;
    return STATUS_ok;
}

void archive_close(struct archive *archive) {
    if (archive == NULL)
        return;
    for (int i = 0; i < 4; i++)
        column_done(&archive->out[i]);
    link_done(&archive->writer);
    link_done(&archive->link); // and with it the lock
    memory_free(archive);
}

// ---- showing ------------------------------------------------------------------------------------

enum status archive_show(struct archive *archive, char *ret_text, size_t text_bytes,
                         char *ret_why) {
    static const char query[] =
        "SELECT string_agg(line, E'\\n' ORDER BY attached DESC, high, name) FROM ("
        "SELECT true AS attached, high, relname::text AS name, "
        "format('%s%s  %s  %s%s', rpad(relname, 30), lpad(pg_size_pretty(pg_total_relation_size("
        "oid)), 10), lpad((SELECT greatest(reltuples, 0)::bigint::text FROM pg_class x WHERE "
        "x.oid = t.oid), 12), CASE WHEN low <= 0 THEN rpad('the beginning', 19) ELSE "
        "to_char(to_timestamp((low >> 17) / 1000.0), 'YYYY-MM-DD HH24:MI:SS') END || ' to ' || "
        "to_char(to_timestamp((high >> 17) / 1000.0), 'YYYY-MM-DD HH24:MI:SS'), CASE WHEN broken "
        "THEN '  half detached: run florin partitions detach again' ELSE '' END) AS line "
        "FROM (" PARTITIONS ") t UNION ALL "
        "SELECT false, 0, relname::text, format('%s%s  %s  detached: dump it, then drop it', "
        "rpad(relname, 30), lpad(pg_size_pretty(pg_total_relation_size(oid)), 10), "
        "lpad(greatest(reltuples, 0)::bigint::text, 12)) FROM pg_class WHERE relnamespace = "
        "'florin'::regnamespace AND relkind = 'r' AND NOT relispartition AND relname ~ "
        "'^(records|postings|rounds|idempotency)_') s";
    return ask(archive, query, ret_text, text_bytes, ret_why);
}

// ---- planning -----------------------------------------------------------------------------------

// Numbers with spaces between them.
static void numbers_of(const char *text, uint64_t *ret_numbers, int count) {
    for (int i = 0; i < count; i++) {
        ret_numbers[i] = 0;
        for (; *text >= '0' && *text <= '9'; text++)
            ret_numbers[i] = ret_numbers[i] * 10 + (uint64_t)(*text - '0');
        text += *text == ' ';
    }
}

enum status archive_stand(struct archive *archive, struct archive_stand *ret_stand,
                          char *ret_why) {
    char text[128];
    uint64_t numbers[4];
    enum status status = ask(
        archive,
        "SELECT concat_ws(' ', archived, coalesce((SELECT next / 8 FROM cursors WHERE slot = 0 AND "
        "kind = 3), 0), greatest((SELECT time_ms FROM books), "
        "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), idempotency_days) "
        "FROM extent",
        text, sizeof(text), ret_why);
    numbers_of(text, numbers, 4);
    *ret_stand = (struct archive_stand){.announced = numbers[0],
                                        .recorded = numbers[1],
                                        .now_ms = numbers[2],
                                        .days = (uint32_t)numbers[3]};
    return status;
}

// What shards have done together is on both of them, and an opening balance knows of one alone.
static enum status check_alone(struct archive *archive, char *ret_why) {
    char text[16];
    enum status status = ask(archive, "SELECT (shard IS NOT NULL)::text FROM books", text,
                             sizeof(text), ret_why);
    if (status != STATUS_ok || strcmp(text, "true") != 0)
        return status;
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                   "These books lie on several shards, and history of shards cannot be archived.");
    return STATUS_invalid_request;
}

// An answer can name others that are as old as keys get, so twice that is kept.
static enum status check_age(const struct archive_stand *stand, uint64_t month_ms, char *ret_why) {
    uint64_t days = 2 * (uint64_t)stand->days + 1;
    if (month_ms + days * DAY_MS <= stand->now_ms)
        return STATUS_ok;
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                   "That month began less than %" PRIu64 " days ago. Idempotency keys are "
                   "remembered for %u days, and what they answer with must stay for twice as long: "
                   "name an earlier month.",
                   days, stand->days);
    return STATUS_invalid_request;
}

static enum status check_readers(struct archive *archive, uint64_t line, char *ret_why) {
    char query[QUERY_BYTES], text[32];
    (void)snprintf(query, sizeof(query),
                   "SELECT CASE WHEN EXISTS (SELECT FROM books WHERE moved_last > 0) THEN 'm' "
                   "ELSE count(*)::text END FROM cursors WHERE slot = 0 AND kind IN (0, 2) AND "
                   "next < %" PRIu64,
                   line * 8);
    enum status status = ask(archive, query, text, sizeof(text), ret_why);
    if (status != STATUS_ok || text[0] == '0')
        return status;
    if (text[0] == 'm') {
        (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                       "These books moved in from another engine: what moved cannot be archived.");
        return STATUS_invalid_request;
    }
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                   "The publisher of events, or the watch for patterns, has not come so far: let "
                   "it catch up first.");
    return STATUS_invalid_request;
}

enum status archive_plan(struct archive *archive, const struct archive_stand *stand,
                         uint64_t month_ms, struct archive_plan *ret_plan, char *ret_why) {
    char query[QUERY_BYTES], text[128];
    uint64_t numbers[3];
    *ret_plan = (struct archive_plan){.line = 0};
    enum status status = check_alone(archive, ret_why);
    if (status == STATUS_ok)
        status = check_age(stand, month_ms, ret_why);
    if (status != STATUS_ok)
        return status;
    (void)snprintf(query, sizeof(query),
                   "WITH t AS (" PARTITIONS ") SELECT concat_ws(' ', coalesce(max(high), 0), "
                   "count(*), coalesce(sum(pg_total_relation_size(oid)), 0)) FROM t "
                   "WHERE high <= %" PRIu64,
                   month_ms << NUMBER_TIME_SHIFT);
    status = ask(archive, query, text, sizeof(text), ret_why);
    if (status != STATUS_ok)
        return status;
    numbers_of(text, numbers, 3);
    *ret_plan = (struct archive_plan){
        .line = numbers[0], .partition_count = (uint32_t)numbers[1], .bytes = numbers[2]};
    return ret_plan->line == 0 ? STATUS_ok : check_readers(archive, ret_plan->line, ret_why);
}

// ---- carrying over ------------------------------------------------------------------------------

// A round that waits for the row of books behind this one begins again, and sees the line. Nothing
// that somebody has locked is waited for with that row in hand: nobody would be paid as long.
enum status archive_announce(struct archive *archive, uint64_t line, char *ret_why) {
    char query[QUERY_BYTES];
    (void)snprintf(query, sizeof(query),
                   "DO $$ BEGIN PERFORM FROM extent FOR NO KEY UPDATE NOWAIT; "
                   "PERFORM pg_advisory_xact_lock(7886710); "
                   "UPDATE books SET time_ms = time_ms; PERFORM heads_write_free(NULL); "
                   "IF (SELECT heads_record < least(last_record, %" PRIu64 ") FROM books) THEN "
                   "RAISE EXCEPTION 'rows of slots are locked' USING ERRCODE = '" HEADS_HELD "'; "
                   "END IF; "
                   "UPDATE extent SET archived = %" PRIu64 " WHERE archived < %" PRIu64 "; END $$",
                   line, line, line);
    enum status status = run(archive, query, ret_why);
    if (status != STATUS_ok && strcmp(archive->link.state, HEADS_HELD) == 0)
        (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                       "Somebody has locked rows of slots, which are to be written before history "
                       "goes, so nothing was done: end his transaction (" ARCHIVE_LOCK_HOLDER
                       "), then run this again.");
    return status;
}

static enum status delete_openings(struct archive *archive, const char *comparison, uint64_t line,
                                   char *ret_why) {
    char query[QUERY_BYTES], text[32];
    (void)snprintf(query, sizeof(query),
                   "WITH gone AS (DELETE FROM openings WHERE ctid = ANY(ARRAY(SELECT ctid FROM "
                   "openings WHERE line %s %" PRIu64 " LIMIT 20000)) RETURNING 1) "
                   "SELECT count(*) FROM gone",
                   comparison, line);
    do {
        text[0] = '\0';
        archive->link.deadline_ns = clock_monotonic_ns() + STEP_WAIT_NS;
        if (link_ask_patiently(&archive->link, query, text, sizeof(text)) != LINK_OK)
            return tell(&archive->link, ret_why);
    } while (text[0] != '0');
    return STATUS_ok;
}

enum status archive_write_begin(struct archive *archive, const char *url, uint64_t line,
                                char *ret_why) {
    enum status status = delete_openings(archive, "=", line, ret_why);
    if (status == STATUS_ok && link_open(&archive->writer, url, settings, SQL_ADD_OPENINGS,
                                         SQL_ADD_OPENINGS, STEP_WAIT_NS) != LINK_OK)
        status = tell(&archive->writer, ret_why);
    archive->line = line;
    archive->item_count = 0;
    for (int i = 0; i < 4; i++)
        column_begin(&archive->out[i], i == 3);
    return status;
}

static bool write_slice(struct archive *archive) {
    struct parameters parameters = {0};
    if (archive->item_count == 0)
        return true;
    parameter_number(&parameters, (int64_t)archive->line);
    for (int i = 0; i < 4; i++)
        parameter_column(&parameters, &archive->out[i]);
    archive->writer.deadline_ns = clock_monotonic_ns() + STEP_WAIT_NS;
    link_send(&archive->writer, SQL_ADD_OPENINGS, &parameters);
    link_sync(&archive->writer);
    enum link_result result = link_collect(&archive->writer, NULL, NULL);
    link_forget(&archive->writer);
    for (int i = 0; i < 4; i++)
        column_begin(&archive->out[i], i == 3);
    archive->item_count = 0;
    if (result != LINK_OK)
        (void)tell(&archive->writer, archive->why);
    return result == LINK_OK;
}

bool archive_write(struct archive *archive, const struct opening_item *item) {
    CHECK(archive->line != 0 && item->what >= OPENING_BOOKS && item->what != OPENING_KEPT);
    column_add(&archive->out[0], item->what);
    column_add(&archive->out[1], item->slot);
    column_add(&archive->out[2], (int64_t)item->number);
    column_add_bytes(&archive->out[3], item->bytes);
    return ++archive->item_count < WRITE_ITEMS || write_slice(archive);
}

enum status archive_write_end(struct archive *archive, char *ret_why) {
    if (write_slice(archive))
        return STATUS_ok;
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES, "%s", archive->why);
    return STATUS_invalid_request;
}

// Records before the line %1$ that are needed: texts of wallets, what opened whatever is open or
// was closed behind the line (a capture is not noted in its hold, but comes before it expires),
// keys, and purchases that were refunded behind it.
#define NEEDED                                                                                     \
    "SELECT slot, details AS number FROM wallets WHERE slot BETWEEN %2$d AND %3$d AND "            \
    "details < %1$" PRIu64 " UNION "                                                               \
    "SELECT slot, number FROM holds WHERE slot BETWEEN %2$d AND %3$d AND number < %1$" PRIu64      \
    " AND (status = 0 OR closed >= %1$" PRIu64 " OR (status = 1 AND expires_at_ms >= "             \
    "%1$" PRIu64 " >> 17)) UNION "                                                                 \
    "SELECT slot, closed FROM holds WHERE slot BETWEEN %2$d AND %3$d AND status = 0 AND "          \
    "closed > 0 AND closed < %1$" PRIu64 " UNION "                                                 \
    "SELECT slot, number FROM withdrawals WHERE slot BETWEEN %2$d AND %3$d AND number < "          \
    "%1$" PRIu64 " AND (status = 0 OR closed >= %1$" PRIu64 ") UNION "                             \
    "SELECT slot, number FROM approvals WHERE slot BETWEEN %2$d AND %3$d AND number < "            \
    "%1$" PRIu64 " AND (status = 0 OR closed >= %1$" PRIu64 ") UNION "                             \
    "SELECT 0, opened FROM keys WHERE %2$d = 0 AND opened < %1$" PRIu64 " UNION "                  \
    "SELECT 0, rotated FROM keys WHERE %2$d = 0 AND rotated > 0 AND rotated < %1$" PRIu64          \
    " UNION SELECT f.slot, f.record FROM refunds f WHERE f.slot BETWEEN %2$d AND %3$d AND "        \
    "f.record < %1$" PRIu64 " AND f.refunded > coalesce((SELECT opening_number(o.bytes, 1) FROM "  \
    "openings o WHERE o.line = %1$" PRIu64 " AND o.what = 7 AND o.slot = f.slot AND o.number = "   \
    "f.record), 0)"

enum status archive_keep(struct archive *archive, uint64_t line, char *ret_why) {
    char query[QUERY_BYTES];
    enum status status = STATUS_ok;
    for (int slot = 0; slot < LIMIT_SLOTS && status == STATUS_ok; slot += KEEP_SLOTS) {
        int size = snprintf(query, sizeof(query),
                            "INSERT INTO kept_records SELECT r.slot, r.number, r.bytes FROM "
                            "(" NEEDED ") n JOIN records r ON r.slot = n.slot AND "
                            "r.number = n.number ON CONFLICT DO NOTHING",
                            line, slot, slot + KEEP_SLOTS - 1);
        CHECK(size > 0 && (size_t)size < sizeof(query));
        status = run(archive, query, ret_why);
    }
    return status;
}

enum status archive_compare(struct archive *archive, uint64_t line, char *ret_why) {
    char query[QUERY_BYTES], text[64];
    uint64_t wrong[3] = {0}, all[3] = {0};
    enum status status = STATUS_ok;
    for (int slot = 0; slot < LIMIT_SLOTS && status == STATUS_ok; slot += KEEP_SLOTS) {
        int size = snprintf(
            query, sizeof(query),
            "SELECT concat_ws(' ', (SELECT count(*) FROM wallets w LEFT JOIN openings o ON "
            "o.line = %1$" PRIu64 " AND o.what = 4 AND o.slot = w.slot AND o.number = w.number "
            "WHERE w.slot BETWEEN %2$d AND %3$d AND w.number < %1$" PRIu64
            " AND (o.number IS NULL OR opening_number(o.bytes, 0) <> coalesce((SELECT p.balance "
            "FROM postings p WHERE p.slot = w.slot AND p.wallet = w.number AND p.record < "
            "%1$" PRIu64 " ORDER BY p.record DESC LIMIT 1), (SELECT opening_number(b.bytes, 0) "
            "FROM openings b WHERE b.line < %1$" PRIu64 " AND b.what = 4 AND b.slot = w.slot AND "
            "b.number = w.number ORDER BY b.line DESC LIMIT 1), 0))), (SELECT count(*) FROM "
            "openings o WHERE o.line = %1$" PRIu64 " AND o.what = 4 AND o.slot BETWEEN %2$d AND "
            "%3$d AND NOT EXISTS (SELECT FROM wallets w WHERE w.slot = o.slot AND w.number = "
            "o.number)), (SELECT count(*) FROM (" NEEDED ") n WHERE NOT EXISTS (SELECT FROM "
            "kept_records k WHERE k.slot = n.slot AND k.number = n.number)))",
            line, slot, slot + KEEP_SLOTS - 1);
        CHECK(size > 0 && (size_t)size < sizeof(query));
        status = ask(archive, query, text, sizeof(text), ret_why);
        numbers_of(text, wrong, 3);
        for (int i = 0; i < 3; i++)
            all[i] += wrong[i];
    }
    if (status != STATUS_ok || all[0] + all[1] + all[2] == 0)
        return status;
    (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                   "Opening balances do not fit: %" PRIu64 " are missing or not what postings say, "
                   "%" PRIu64 " are of no wallet, %" PRIu64 " records that are needed were not "
                   "kept. Nothing was detached.",
                   all[0], all[1], all[2]);
    return STATUS_damaged;
}

// ---- going --------------------------------------------------------------------------------------

// The next one; an empty name: none is left.
struct going {
    char parent[ARCHIVE_NAME_BYTES], name[ARCHIVE_NAME_BYTES];
    bool is_broken; // detaching it broke off
};

static enum status next_partition(struct archive *archive, uint64_t line, struct going *ret_going,
                                  char *ret_why) {
    char query[QUERY_BYTES], text[2 * ARCHIVE_NAME_BYTES + 4];
    *ret_going = (struct going){.is_broken = false};
    (void)snprintf(query, sizeof(query),
                   "WITH t AS (" PARTITIONS ") SELECT concat_ws(' ', parent, relname, "
                   "broken::int) FROM t WHERE high <= %" PRIu64
                   " ORDER BY broken DESC, high, parent LIMIT 1",
                   line);
    enum status status = ask(archive, query, text, sizeof(text), ret_why);
    char *name = strchr(text, ' '), *broken = name == NULL ? NULL : strchr(name + 1, ' ');
    if (status != STATUS_ok || broken == NULL)
        return status;
    *name = *broken = '\0';
    (void)snprintf(ret_going->parent, sizeof(ret_going->parent), "%s", text);
    (void)snprintf(ret_going->name, sizeof(ret_going->name), "%s", name + 1);
    ret_going->is_broken = broken[1] == '1';
    return STATUS_ok;
}

static bool is_passing(const struct link *link) {
    return strcmp(link->state, "55P03") == 0 || strcmp(link->state, "40P01") == 0 ||
           strcmp(link->state, "40001") == 0;
}

enum status archive_detach(struct archive *archive, uint64_t line,
                           char ret_name[ARCHIVE_NAME_BYTES], char *ret_why) {
    char query[512];
    struct going going;
    struct signal_gate never;
    uint64_t until_ns = clock_monotonic_ns() + DETACH_WAIT_NS;
    signal_gate_init(&never, 0, 0);
    ret_name[0] = '\0';
    while (true) {
        enum status status = next_partition(archive, line, &going, ret_why);
        if (status != STATUS_ok)
            return status;
        if (going.name[0] == '\0' ||
            (ret_name[0] != '\0' && strcmp(going.name, ret_name) != 0))
            return STATUS_ok; // none is left, or the one before is done
        memcpy(ret_name, going.name, ARCHIVE_NAME_BYTES);
        (void)snprintf(query, sizeof(query), "ALTER TABLE %s DETACH PARTITION %s %s", going.parent,
                       going.name, going.is_broken ? "FINALIZE" : "CONCURRENTLY");
        archive->link.deadline_ns = clock_monotonic_ns() + STEP_WAIT_NS;
        if (link_run(&archive->link, query) == LINK_OK)
            return STATUS_ok;
        if (!is_passing(&archive->link))
            return tell(&archive->link, ret_why);
        if (clock_monotonic_ns() > until_ns) {
            (void)snprintf(ret_why, ARCHIVE_WHY_BYTES,
                           "Somebody has been reading %s for ten minutes, so it could not be "
                           "detached. Nothing is lost: run this again later.",
                           going.name);
            return STATUS_busy;
        }
        (void)signal_gate_wait(&never, 1, DETACH_PAUSE_NS);
    }
}

enum status archive_forget(struct archive *archive, uint64_t line, char *ret_why) {
    return delete_openings(archive, "<", line, ret_why);
}
