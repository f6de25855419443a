// SPDX-License-Identifier: MIT
// libpq in pipeline mode without blocking: sending and receiving alternate, so that neither side
// waits for the other with full buffers, and a server that says nothing is dropped in time.
#include "engine/postgres/link/link.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define OID_INT8   20
#define OID_BYTEA  17
#define OID_TID    27
#define WATCH_MS   200 // how long a wait goes on for a server that is no longer the one
#define HEAD_BYTES 20 // dimensions, has null, type, length, lower bound: 32 bits each

// ---- parameters -------------------------------------------------------------------------------

static void put_u32(uint8_t *at, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof(value));
}

void column_begin(struct column *column, bool is_bytes) {
    buffer_reset(&column->bytes);
    memset(buffer_room(&column->bytes, HEAD_BYTES), 0, HEAD_BYTES);
    column->bytes.size = HEAD_BYTES;
    column->count = 0;
    column->has_null = column->varies = false;
    column->is_bytes = is_bytes;
    column->is_places = false;
}

void column_begin_places(struct column *column) {
    column_begin(column, true);
    column->is_places = true;
}

void column_done(struct column *column) {
    buffer_done(&column->bytes);
}

// Whether what was added last, in so many bytes, is what stands first.
static void note_value(struct column *column, size_t bytes) {
    const uint8_t *first = column->bytes.bytes + HEAD_BYTES;
    column->count++;
    column->varies = column->varies ||
                     memcmp(first, column->bytes.bytes + column->bytes.size - bytes, bytes) != 0;
}

void column_add(struct column *column, int64_t value) {
    uint8_t *at = buffer_room(&column->bytes, 12);
    uint64_t swapped = __builtin_bswap64((uint64_t)value);
    CHECK(!column->is_bytes);
    put_u32(at, 8);
    memcpy(at + 4, &swapped, 8);
    column->bytes.size += 12;
    note_value(column, 12);
}

void column_add_bytes(struct column *column, struct slice bytes) {
    CHECK(column->is_bytes);
    put_u32(buffer_room(&column->bytes, 4), (uint32_t)bytes.size);
    column->bytes.size += 4;
    buffer_add_slice(&column->bytes, bytes);
    note_value(column, 4 + bytes.size); // the size differs first, so no value is read too far
}

void column_add_null(struct column *column) {
    put_u32(buffer_room(&column->bytes, 4), UINT32_MAX);
    column->bytes.size += 4;
    column->has_null = true;
    note_value(column, 4);
}

void column_add_id(struct column *column, struct id id) {
    column_add_bytes(column, slice_of(id.bytes, sizeof(id.bytes)));
}

void column_add_text(struct column *column, struct slice text) {
    if (text.size == 0)
        column_add_null(column);
    else
        column_add_bytes(column, text);
}

void columns_begin(struct column *columns, uint32_t count, uint32_t bytes_mask) {
    CHECK(count <= LINK_PARAMETERS_MAX);
    for (uint32_t i = 0; i < count; i++)
        column_begin(&columns[i], (bytes_mask >> i & 1) != 0);
}

static void parameter_add(struct parameters *parameters, const void *value, size_t size) {
    CHECK(parameters->count < LINK_PARAMETERS_MAX);
    int i = parameters->count++;
    parameters->values[i] = value;
    parameters->lengths[i] = (int)size;
    parameters->formats[i] = 1;
}

void parameter_number(struct parameters *parameters, int64_t value) {
    CHECK(parameters->count < LINK_PARAMETERS_MAX);
    uint64_t *place = &parameters->numbers[parameters->count];
    *place = __builtin_bswap64((uint64_t)value);
    parameter_add(parameters, place, 8);
}

void parameter_bytes(struct parameters *parameters, struct slice bytes) {
    parameter_add(parameters, bytes.bytes == NULL ? (const void *)"" : bytes.bytes, bytes.size);
}

void parameter_null(struct parameters *parameters) {
    parameter_add(parameters, NULL, 0);
}

static void add_array(struct parameters *parameters, struct column *column, uint32_t count,
                      size_t size) {
    uint8_t *head = column->bytes.bytes;
    CHECK(column->bytes.size >= HEAD_BYTES && size <= column->bytes.size);
    put_u32(head, 1);
    put_u32(head + 4, column->has_null);
    put_u32(head + 8, column->is_places ? OID_TID : column->is_bytes ? OID_BYTEA : OID_INT8);
    put_u32(head + 12, count);
    put_u32(head + 16, 1);
    parameter_add(parameters, head, size);
}

void parameter_column(struct parameters *parameters, struct column *column) {
    add_array(parameters, column, column->count, column->bytes.size);
}

// Of a column that does not vary the first value alone.
static void parameter_once(struct parameters *parameters, struct column *column) {
    uint32_t size;
    CHECK(column->count != 0 && !column->varies);
    memcpy(&size, column->bytes.bytes + HEAD_BYTES, sizeof(size));
    size = __builtin_bswap32(size);
    add_array(parameters, column, 1, HEAD_BYTES + 4 + (size == UINT32_MAX ? 0 : size));
}

// ---- waiting ----------------------------------------------------------------------------------

static void note_failure(struct link *link, const char *why) {
    (void)snprintf(link->why, sizeof(link->why), "%s", why);
    char *end = link->why;
    for (char *c = link->why; *c != '\0'; c++) {
        if (*c == '\n')
            *c = ' ';
        else
            end = c + 1;
    }
    *end = '\0'; // libpq ends each with a line feed, and sentences go on behind it
}

void link_watch(struct link *link, const uint64_t *number, uint64_t value) {
    link->watched = number;
    link->watched_before = value;
}

bool link_is_called_off(const struct link *link) {
    return link->watched != NULL &&
           __atomic_load_n(link->watched, __ATOMIC_ACQUIRE) != link->watched_before;
}

// False: there is nothing to wait for any more. Else it may be that nothing has come yet.
static bool wait_socket(struct link *link, bool for_writing, bool *ret_is_ready) {
    uint64_t now = clock_monotonic_ns();
    if (now >= link->deadline_ns) {
        note_failure(link, "the server did not answer in time");
        return false;
    }
    struct pollfd poll_fd = {.fd = PQsocket(link->connection),
                             .events = (short)(POLLIN | (for_writing ? POLLOUT : 0))};
    uint64_t left_ms = (link->deadline_ns - now) / 1000000 + 1;
    int result = poll(&poll_fd, 1, left_ms > WATCH_MS ? WATCH_MS : (int)left_ms);
    if (link_is_called_off(link)) {
        note_failure(link, "it was called off: the server hangs, or another has taken its place");
        return false;
    }
    *ret_is_ready = result > 0;
    return result >= 0 || errno == EINTR;
}

bool link_is_silent(struct link *link, uint64_t wait_ns) {
    uint64_t until_ns = clock_monotonic_ns() + wait_ns;
    if (until_ns > link->deadline_ns)
        return false;
    for (;;) {
        int unsent = PQflush(link->connection);
        uint64_t now_ns = clock_monotonic_ns();
        if (unsent < 0 || PQstatus(link->connection) != CONNECTION_OK ||
            link_is_called_off(link))
            return false;
        if (now_ns >= until_ns)
            return true;
        struct pollfd poll_fd = {.fd = PQsocket(link->connection),
                                 .events = (short)(POLLIN | (unsent == 1 ? POLLOUT : 0))};
        uint64_t left_ns = until_ns - now_ns;
        struct timespec span = {.tv_sec = (time_t)(left_ns / 1000000000),
                                .tv_nsec = (long)(left_ns % 1000000000)};
        int count = ppoll(&poll_fd, 1, &span, NULL);
        if (count < 0 ? errno != EINTR : (poll_fd.revents & ~POLLOUT) != 0)
            return false;
    }
}

// The next result, or NULL between statements. `*ret_lost`: the connection is gone.
static struct pg_result *next_result(struct link *link, bool *ret_lost) {
    *ret_lost = false;
    while (PQisBusy(link->connection)) {
        int unsent = PQflush(link->connection);
        bool is_ready;
        if (unsent < 0 || !wait_socket(link, unsent == 1, &is_ready) ||
            PQconsumeInput(link->connection) == 0) {
            if (PQstatus(link->connection) != CONNECTION_OK)
                note_failure(link, PQerrorMessage(link->connection));
            *ret_lost = true;
            return NULL;
        }
    }
    return PQgetResult(link->connection);
}

static void take_notice(void *context, const struct pg_result *result) {
    struct link *link = context;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    link->warned = true;
    log_line(LOG_WARNING, "postgres", "%s", PQresultErrorMessage(result));
}

// ---- opening and closing ----------------------------------------------------------------------

static bool connect_link(struct link *link, const char *url) {
    // What stands in front of the connection string may be overruled by it.
    const char *const names[] = {"application_name",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "target_session_attrs",
                                 "dbname",
                                 NULL};
    const char *const values[] = {"florin", "5", "2", "3", "8000", "read-write", url, NULL};
    link->connection = PQconnectStartParams(names, values, 1);
    if (link->connection == NULL || PQstatus(link->connection) == CONNECTION_BAD)
        return false;
    // Asked before its socket is ready libpq takes a connection that nobody answers to for one that
    // is there, and waits by itself until the system gives it up: no deadline would hold.
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        bool is_ready = false;
        while (state != PGRES_POLLING_FAILED && !is_ready)
            if (!wait_socket(link, state == PGRES_POLLING_WRITING, &is_ready))
                return false;
        if (state == PGRES_POLLING_FAILED)
            return false;
        state = PQconnectPoll(link->connection);
    }
    return PQsetnonblocking(link->connection, 1) == 0;
}

bool link_is_idle(const struct link *link) {
    return PQtransactionStatus(link->connection) == PQTRANS_IDLE;
}

enum link_result link_run(struct link *link, const char *text) {
    return link_ask(link, text, NULL, 0);
}

enum link_result link_ask(struct link *link, const char *text, char *ret_text, size_t text_bytes) {
    enum link_result answer = LINK_OK;
    bool lost = PQsendQuery(link->connection, text) != 1;
    struct pg_result *result;
    link->state[0] = '\0';
    while (!lost && (result = next_result(link, &lost)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
            note_failure(link, PQresultErrorMessage(result));
            (void)snprintf(link->state, sizeof(link->state), "%s", state == NULL ? "" : state);
            answer = LINK_REFUSED;
        } else if (ret_text != NULL && PQntuples(result) == 1) {
            (void)snprintf(ret_text, text_bytes, "%s", PQgetvalue(result, 0, 0));
        }
        PQclear(result);
    }
    return lost ? LINK_LOST : answer;
}

// The next result of preparing: whether it is as it must be.
static bool take_prepared(struct link *link, ExecStatusType wanted) {
    bool lost;
    struct pg_result *result = next_result(link, &lost);
    bool is_fine = result != NULL && PQresultStatus(result) == wanted;
    if (!is_fine && result != NULL && PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
        note_failure(link, PQresultErrorMessage(result));
    PQclear(result);
    return is_fine;
}

// All in one flight: where the processor is busy each change of sides costs a turn of everybody
// else, and one after the other they may take longer than a connection has time.
static bool prepare_all(struct link *link, enum sql first, enum sql last) {
    if (first > last)
        return true;
    if (PQenterPipelineMode(link->connection) != 1)
        return false;
    for (enum sql statement = first; statement <= last; statement++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%d", (int)statement);
        if (PQsendPrepare(link->connection, name, sql_text(statement), 0, NULL) != 1)
            return false;
    }
    if (PQpipelineSync(link->connection) != 1)
        return false;
    for (enum sql statement = first; statement <= last; statement++) {
        bool lost;
        if (!take_prepared(link, PGRES_COMMAND_OK) || next_result(link, &lost) != NULL || lost)
            return false;
    }
    return take_prepared(link, PGRES_PIPELINE_SYNC);
}

enum link_result link_open(struct link *link, const char *url, const char *settings, enum sql first,
                           enum sql last, uint64_t wait_ns) {
    CHECK(link->connection == NULL);
    link->why[0] = '\0';
    link->flight_count = 0;
    link->deadline_ns = clock_monotonic_ns() + wait_ns;
    if (!connect_link(link, url)) {
        if (link->why[0] == '\0')
            note_failure(link,
                         link->connection == NULL ? "no memory" : PQerrorMessage(link->connection));
        link_close(link);
        return LINK_LOST;
    }
    (void)PQsetNoticeReceiver(link->connection, take_notice, link);
    (void)PQsetErrorContextVisibility(link->connection, PQSHOW_CONTEXT_NEVER);
    if (link_run(link, settings) != LINK_OK || !prepare_all(link, first, last)) {
        link_close(link);
        return LINK_LOST;
    }
    return LINK_OK;
}

void link_close(struct link *link) {
    PQfinish(link->connection);
    link->connection = NULL;
    link->watched = NULL;
}

bool link_has_ended(const struct link *link) {
    struct pollfd poll_fd = {.fd = PQsocket(link->connection), .events = POLLIN};
    // What a server says when it goes comes before the end of the line.
    while (PQstatus(link->connection) == CONNECTION_OK && poll(&poll_fd, 1, 0) > 0)
        if (PQconsumeInput(link->connection) == 0)
            return true;
    return PQstatus(link->connection) != CONNECTION_OK;
}

int link_process(const struct link *link) {
    return PQbackendPID(link->connection);
}

void link_done(struct link *link) {
    link_close(link);
    link_forget(link);
    memory_free(link->results);
    link->results = NULL;
    link->result_capacity = 0;
}

// ---- flights ----------------------------------------------------------------------------------

static void flight_add(struct link *link, enum sql statement) {
    CHECK(link->flight_count < LINK_FLIGHT_MAX);
    link->flight[link->flight_count++] = statement;
}

void link_send(struct link *link, enum sql statement, const struct parameters *parameters) {
    char name[16];
    (void)snprintf(name, sizeof(name), "s%d", (int)statement);
    flight_add(link, statement);
    // A failure here is one of the connection, and collecting the flight meets it again.
    if (parameters == NULL)
        (void)PQsendQueryPrepared(link->connection, name, 0, NULL, NULL, NULL, 1);
    else
        (void)PQsendQueryPrepared(link->connection, name, parameters->count, parameters->values,
                                  parameters->lengths, parameters->formats, 1);
}

void link_send_lean(struct link *link, enum sql statement, struct column *columns,
                    uint32_t count, uint32_t once) {
    struct parameters parameters = {0};
    if (columns[0].count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(columns[i].count == columns[0].count);
        if ((once >> i & 1) != 0 && !columns[i].varies)
            parameter_once(&parameters, &columns[i]);
        else
            parameter_column(&parameters, &columns[i]);
    }
    link_send(link, statement, &parameters);
}

void link_send_columns(struct link *link, enum sql statement, struct column *columns,
                       uint32_t count) {
    link_send_lean(link, statement, columns, count, 0);
}

// ---- copying ----------------------------------------------------------------------------------

// One value as COPY wants it, out of a column, where it lies as an array's element: its size and
// its bytes. Returns where the next one begins.
static size_t copy_value(struct buffer *rows, const struct column *column, size_t at, bool is_short,
                         bool zero_is_null) {
    const uint8_t *value = column->bytes.bytes + at;
    uint32_t size;
    uint64_t number = 1;
    memcpy(&size, value, sizeof(size));
    size = __builtin_bswap32(size);
    size_t next = at + 4 + (size == UINT32_MAX ? 0 : size);
    CHECK(next <= column->bytes.size);
    if (!column->is_bytes && size == sizeof(number))
        memcpy(&number, value + 4, sizeof(number));
    if (size == UINT32_MAX || (zero_is_null && number == 0)) {
        put_u32(buffer_room(rows, 4), UINT32_MAX);
        rows->size += 4;
    } else if (is_short) {
        CHECK(!column->is_bytes && size == sizeof(number));
        put_u32(buffer_room(rows, 4), 2);
        rows->size += 4;
        buffer_add_slice(rows, slice_of(value + 4 + 6, 2)); // the low end of a big-endian number
    } else {
        buffer_add_slice(rows, slice_of(value, 4 + size));
    }
    return next;
}

static void copy_rows(struct buffer *rows, const struct column *columns, uint32_t count,
                      uint32_t shorts, uint32_t absent) {
    static const uint8_t head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; // no flags, no extension
    size_t at[LINK_PARAMETERS_MAX];
    const uint8_t fields[] = {0, (uint8_t)count}, end[] = {0xff, 0xff};
    _Static_assert(sizeof(head) == 19, "a signature of 11 bytes and 8 of zero");
    buffer_add_slice(rows, slice_of(head, sizeof(head)));
    for (uint32_t i = 0; i < count; i++)
        at[i] = HEAD_BYTES;
    for (uint32_t row = 0; row < columns[0].count; row++) {
        buffer_add_slice(rows, slice_of(fields, sizeof(fields)));
        for (uint32_t i = 0; i < count; i++)
            at[i] = copy_value(rows, &columns[i], at[i], (shorts >> i & 1) != 0,
                               (absent >> i & 1) != 0);
    }
    buffer_add_slice(rows, slice_of(end, sizeof(end)));
}

static bool copy_in(struct link *link, const char *text, const struct buffer *rows) {
    struct pg_result *result = PQexec(link->connection, text);
    bool is_fine = PQresultStatus(result) == PGRES_COPY_IN;
    if (!is_fine)
        note_failure(link, PQresultErrorMessage(result));
    PQclear(result);
    if (!is_fine)
        return false;
    is_fine = PQputCopyData(link->connection, (const char *)rows->bytes, (int)rows->size) == 1 &&
              PQputCopyEnd(link->connection, NULL) == 1;
    if (!is_fine)
        note_failure(link, PQerrorMessage(link->connection));
    while ((result = PQgetResult(link->connection)) != NULL) {
        if (is_fine && PQresultStatus(result) != PGRES_COMMAND_OK) {
            note_failure(link, PQresultErrorMessage(result));
            is_fine = false;
        }
        PQclear(result);
        if (PQstatus(link->connection) != CONNECTION_OK)
            return false;
    }
    return is_fine;
}

enum link_result link_copy(struct link *link, enum sql statement, const struct column *columns,
                           uint32_t count, uint32_t shorts, uint32_t absent) {
    CHECK(count != 0 && count <= LINK_PARAMETERS_MAX && link->flight_count == 0);
    if (columns[0].count == 0)
        return LINK_OK;
    for (uint32_t i = 1; i < count; i++)
        CHECK(columns[i].count == columns[0].count);
    if (PQexitPipelineMode(link->connection) != 1 || PQsetnonblocking(link->connection, 0) != 0) {
        note_failure(link, PQerrorMessage(link->connection));
        return LINK_LOST;
    }
    struct buffer rows = {0};
    copy_rows(&rows, columns, count, shorts, absent);
    CHECK(rows.size < INT32_MAX);
    bool is_fine = copy_in(link, sql_text(statement), &rows);
    buffer_done(&rows);
    if (PQstatus(link->connection) != CONNECTION_OK ||
        PQsetnonblocking(link->connection, 1) != 0 || PQenterPipelineMode(link->connection) != 1)
        return LINK_LOST;
    return is_fine ? LINK_OK : LINK_REFUSED;
}

void link_sync(struct link *link) {
    (void)PQpipelineSync(link->connection);
    flight_add(link, SQL_SYNC);
}

void link_flush(struct link *link) {
    // A failure here is one of the connection, and collecting the flight meets it again.
    (void)PQflush(link->connection);
}

static void keep_result(struct link *link, struct pg_result *result) {
    if (link->result_count == link->result_capacity) {
        link->result_capacity = link->result_capacity == 0 ? 64 : link->result_capacity * 2;
        link->results =
            memory_resize(link->results, link->result_capacity * sizeof(struct pg_result *));
    }
    link->results[link->result_count++] = result;
}

static enum link_result class_of(struct link *link, const struct pg_result *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(link->state, sizeof(link->state), "%s", state == NULL ? "" : state);
    if (state == NULL)
        return LINK_LOST;
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || strcmp(state, "55P03") == 0 ||
        strcmp(state, "57014") == 0)
        return LINK_AGAIN;
    link->is_full = strcmp(state, "53100") == 0;
    // The server ends us or goes: what was under way never was, but the connection is of no use.
    if (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
        strcmp(state, "25006") == 0 || strcmp(state, "25P03") == 0)
        return LINK_LOST;
    return LINK_REFUSED;
}

static enum link_result take_result(struct link *link, enum sql statement, struct pg_result *result,
                                    void (*each)(void *, enum sql, const struct pg_result *),
                                    void *context) {
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        if (each != NULL)
            each(context, statement, result);
        return LINK_OK;
    case PGRES_COMMAND_OK:
        if (statement == SQL_COMMIT)
            link->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
        return LINK_OK;
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED: return LINK_OK; // the failure before it has been told
    default: return LINK_REFUSED;
    }
}

static enum link_result collect(struct link *link, const enum sql *flight, uint32_t count,
                                void (*each)(void *, enum sql, const struct pg_result *),
                                void *context) {
    enum link_result answer = LINK_OK;
    link->warned = link->committed = link->is_full = false;
    link->state[0] = '\0';
    CHECK(count != 0 && flight[count - 1] == SQL_SYNC);
    for (uint32_t i = 0; i < count; i++) {
        bool lost;
        struct pg_result *result = next_result(link, &lost);
        if (lost || result == NULL || PQstatus(link->connection) != CONNECTION_OK) {
            if (result != NULL) {
                note_failure(link, PQresultErrorMessage(result));
                PQclear(result);
            } else if (!lost)
                note_failure(link, PQerrorMessage(link->connection));
            return LINK_LOST;
        }
        keep_result(link, result);
        // What fails behind the first failure only says that something is aborted.
        if (take_result(link, flight[i], result, each, context) != LINK_OK &&
            answer == LINK_OK) {
            note_failure(link, PQresultErrorMessage(result));
            answer = class_of(link, result);
        }
        if (flight[i] == SQL_SYNC)
            continue;
        result = next_result(link, &lost); // the end of this statement
        if (lost || result != NULL) {      // a second answer is the connection's last word
            PQclear(result);
            return LINK_LOST;
        }
    }
    return answer;
}

// How many statements of the flight the server answers: up to the end of its last unit.
static uint32_t synced(const struct link *link) {
    uint32_t count = link->flight_count;
    while (count != 0 && link->flight[count - 1] != SQL_SYNC)
        count--;
    return count;
}

// Collects so many statements; what is behind them stays in the flight.
static enum link_result take_units(struct link *link, uint32_t count,
                                   void (*each)(void *, enum sql, const struct pg_result *),
                                   void *context) {
    enum sql units[LINK_FLIGHT_MAX];
    CHECK(count <= link->flight_count);
    memcpy(units, link->flight, count * sizeof(units[0]));
    link->flight_count -= count;
    memmove(link->flight, link->flight + count, link->flight_count * sizeof(link->flight[0]));
    return collect(link, units, count, each, context);
}

enum link_result link_collect(struct link *link,
                              void (*each)(void *context, enum sql statement,
                                           const struct pg_result *result),
                              void *context) {
    return take_units(link, synced(link), each, context);
}

bool link_has_flight(const struct link *link) {
    return synced(link) != 0;
}

enum link_result link_collect_unit(struct link *link,
                                   void (*each)(void *context, enum sql statement,
                                                const struct pg_result *result),
                                   void *context) {
    uint32_t count = 0;
    do
        CHECK(count < link->flight_count);
    while (link->flight[count++] != SQL_SYNC);
    return take_units(link, count, each, context);
}

void link_forget_since(struct link *link, uint32_t kept) {
    CHECK(kept <= link->result_count);
    for (uint32_t i = kept; i < link->result_count; i++)
        PQclear(link->results[i]);
    link->result_count = kept;
}

void link_forget(struct link *link) {
    link_forget_since(link, 0);
}

// ---- rows -------------------------------------------------------------------------------------

int row_count(const struct pg_result *result) {
    return PQntuples(result);
}

bool row_is_null(const struct pg_result *result, int row, int column) {
    return PQgetisnull(result, row, column) == 1;
}

int64_t row_number(const struct pg_result *result, int row, int column) {
    uint64_t value;
    if (row_is_null(result, row, column))
        return 0;
    CHECK(PQgetlength(result, row, column) == (int)sizeof(value));
    memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
    return (int64_t)__builtin_bswap64(value);
}

struct slice row_bytes(const struct pg_result *result, int row, int column) {
    return slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

struct id row_id(const struct pg_result *result, int row, int column) {
    struct id id;
    struct slice bytes = row_bytes(result, row, column);
    CHECK(bytes.size == sizeof(id.bytes));
    memcpy(id.bytes, bytes.bytes, sizeof(id.bytes));
    return id;
}
