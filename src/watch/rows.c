// SPDX-License-Identifier: MIT
// Reading through cursors, with libpq.
#include "watch/rows.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define SLICE_ROWS "4000"

// libpq's own names, which no header of ours includes.
static PGconn *connection_of(const struct rows_link *link) {
    return (PGconn *)link->connection;
}

static PGresult *result_of(const struct rows *rows) {
    return (PGresult *)rows->result;
}

static void note(struct rows_link *link, const char *text) {
    if (link->why[0] != '\0')
        return;
    (void)snprintf(link->why, sizeof(link->why), "%s", text);
    for (size_t i = strlen(link->why); i > 0 && link->why[i - 1] == '\n'; i--)
        link->why[i - 1] = '\0';
}

static bool run(struct rows_link *link, const char *text) {
    PGresult *result = PQexec(connection_of(link), text);
    ExecStatusType status = PQresultStatus(result);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok)
        note(link, PQerrorMessage(connection_of(link)));
    PQclear(result);
    return ok;
}

bool rows_link_open(struct rows_link *link, const char *url) {
    const char *const names[] = {"application_name", "dbname", NULL};
    const char *const values[] = {"florin verify", url, NULL};
    link->why[0] = '\0';
    PGconn *connection = PQconnectdbParams(names, values, 1);
    link->connection = (struct pg_conn *)connection;
    if (PQstatus(connection) != CONNECTION_OK) {
        note(link, PQerrorMessage(connection));
        return false;
    }
    return run(link, "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; "
                     "SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = 0; "
                     "SET jit = off; SET cursor_tuple_fraction = 1; "
                     "SET client_min_messages = warning") &&
           run(link, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

void rows_link_close(struct rows_link *link) {
    PQfinish(connection_of(link));
    link->connection = NULL;
}

static void fetch(struct rows *rows) {
    char text[64];
    PQclear(result_of(rows));
    (void)snprintf(text, sizeof(text), "FETCH " SLICE_ROWS " FROM %s", rows->name);
    PGresult *result =
        PQexecParams(connection_of(rows->link), text, 0, NULL, NULL, NULL, NULL, 1);
    rows->result = (struct pg_result *)result;
    rows->row = 0;
    rows->count = 0;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        rows->count = PQntuples(result);
    else
        note(rows->link, PQerrorMessage(connection_of(rows->link)));
    rows->is_there = rows->count > 0;
}

void rows_open(struct rows *rows, struct rows_link *link, const char *name, const char *select) {
    char text[1024];
    *rows = (struct rows){.link = link, .name = name};
    int size = snprintf(text, sizeof(text), "DECLARE %s BINARY NO SCROLL CURSOR FOR %s", name,
                        select);
    CHECK(size > 0 && (size_t)size < sizeof(text));
    if (link->why[0] == '\0' && run(link, text))
        fetch(rows);
}

void rows_open_by_index(struct rows *rows, struct rows_link *link, const char *name,
                        const char *select) {
    if (link->why[0] == '\0')
        (void)run(link, "SET LOCAL enable_sort = off");
    rows_open(rows, link, name, select);
    if (link->why[0] == '\0')
        (void)run(link, "SET LOCAL enable_sort = on");
    rows->is_there = rows->is_there && link->why[0] == '\0';
}

void rows_next(struct rows *rows) {
    CHECK(rows->is_there);
    if (++rows->row == rows->count)
        fetch(rows);
}

void rows_close(struct rows *rows) {
    char text[64];
    PQclear(result_of(rows));
    rows->result = NULL;
    rows->is_there = false;
    (void)snprintf(text, sizeof(text), "CLOSE %s", rows->name);
    if (rows->link->why[0] == '\0')
        (void)run(rows->link, text);
}

int64_t rows_number(const struct rows *rows, int column) {
    uint64_t value;
    if (PQgetisnull(result_of(rows), rows->row, column) == 1)
        return 0;
    CHECK(PQgetlength(result_of(rows), rows->row, column) == (int)sizeof(value));
    memcpy(&value, PQgetvalue(result_of(rows), rows->row, column), sizeof(value));
    return (int64_t)__builtin_bswap64(value);
}

struct slice rows_bytes(const struct rows *rows, int column) {
    return slice_of(PQgetvalue(result_of(rows), rows->row, column),
                    (size_t)PQgetlength(result_of(rows), rows->row, column));
}

struct id rows_id(const struct rows *rows, int column) {
    struct id id = {{0}};
    struct slice bytes = rows_bytes(rows, column);
    if (bytes.size == sizeof(id.bytes))
        memcpy(id.bytes, bytes.bytes, sizeof(id.bytes));
    return id;
}

struct slice rows_find(struct rows_link *link, struct pg_result **kept, const char *select,
                       int64_t number) {
    uint64_t value = __builtin_bswap64((uint64_t)number);
    const char *values[] = {(const char *)&value};
    const int lengths[] = {sizeof(value)}, formats[] = {1};
    rows_forget(kept);
    PGresult *result =
        PQexecParams(connection_of(link), select, 1, NULL, values, lengths, formats, 1);
    *kept = (struct pg_result *)result;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        note(link, PQerrorMessage(connection_of(link)));
        return slice_of(NULL, 0);
    }
    return PQntuples(result) == 0 ? slice_of(NULL, 0)
                                  : slice_of(PQgetvalue(result, 0, 0),
                                             (size_t)PQgetlength(result, 0, 0));
}

void rows_forget(struct pg_result **kept) {
    PQclear((PGresult *)*kept);
    *kept = NULL;
}

bool rows_has_books(struct rows_link *link) {
    struct rows rows;
    rows_open(&rows, link, "has_books",
              "SELECT (to_regclass('florin.books') IS NOT NULL)::integer::bigint");
    bool has = rows.is_there && rows_number(&rows, 0) != 0;
    rows_close(&rows);
    if (!has && link->why[0] == '\0')
        (void)snprintf(link->why, sizeof(link->why),
                       "There are no books in this database. Is it the right one? florin serve "
                       "and florin migrate make them.");
    return has;
}
