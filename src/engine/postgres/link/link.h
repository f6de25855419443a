// SPDX-License-Identifier: MIT
// One connection to PostgreSQL: prepared statements only, parameters and results in binary,
// several statements in one flight, and never longer than a deadline. Only this file's source
// knows libpq.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/id.h"
#include "engine/postgres/link/sql.h"

struct pg_conn; // libpq's
struct pg_result;

#define LINK_WHY_BYTES      256
#define LINK_PARAMETERS_MAX 24
#define LINK_FLIGHT_MAX     64

enum link_result {
    LINK_OK,
    LINK_AGAIN, // 40001, 40P01, or a lock or statement took too long: nothing was changed, and the
                // same may succeed
    LINK_LOST,  // the connection is gone; what was under way has an unknown outcome
    LINK_REFUSED, // any other error of the server
};

struct link {
    struct pg_conn *connection; // NULL: none
    uint64_t deadline_ns;
    enum sql flight[LINK_FLIGHT_MAX]; // statements sent since the last collection
    uint32_t flight_count;
    bool warned;                // the server sent a warning during the last flight
    bool committed;             // a COMMIT of the last flight answered exactly COMMIT
    struct pg_result **results; // of the last flights, owned; kept so that rows need not be copied
    uint32_t result_count, result_capacity;
    bool is_full;             // the last failure: the server's disk is full
    char state[6];            // of the last failure: its SQLSTATE, or empty
    // A number that changes when this server is no longer the one to use: then the link is lost.
    // NULL: none. Forgotten by link_close.
    const uint64_t *watched;
    uint64_t watched_before;
    char why[LINK_WHY_BYTES]; // of the last failure
};

// An array that goes out as one parameter: int8[], bytea[] or tid[].
struct column {
    struct buffer bytes; // owned
    uint32_t count;
    bool has_null;
    bool varies; // not all of its values are the same
    bool is_bytes;
    bool is_places; // where rows lie, as bytes that the server gave (ctid)
};
void column_begin(struct column *column, bool is_bytes); // empties it, keeps the memory
void column_begin_places(struct column *column);         // likewise
void column_done(struct column *column);
void column_add(struct column *column, int64_t value);
void column_add_bytes(struct column *column, struct slice bytes);
void column_add_null(struct column *column);
void column_add_id(struct column *column, struct id id);
void column_add_text(struct column *column, struct slice text); // NULL when it is empty

// Columns of one statement. Which of them hold bytes is a mask of bits by their number.
#define COLUMN_BIT(number) (1u << (number))
void columns_begin(struct column *columns, uint32_t count, uint32_t bytes_mask);

struct parameters {
    int count;
    const char *values[LINK_PARAMETERS_MAX];
    int lengths[LINK_PARAMETERS_MAX];
    int formats[LINK_PARAMETERS_MAX];
    uint64_t numbers[LINK_PARAMETERS_MAX];
};
void parameter_number(struct parameters *parameters, int64_t value);
void parameter_bytes(struct parameters *parameters, struct slice bytes);
void parameter_null(struct parameters *parameters);
void parameter_column(struct parameters *parameters, struct column *column); // until it is sent

// Connects and prepares the statements from `first` to `last`. `settings` is one more statement,
// run first. `first` behind `last`: none are prepared, and link_run and link_ask may be used.
// LINK_OK, or LINK_LOST with `why`.
MUST_CHECK enum link_result link_open(struct link *link, const char *url, const char *settings,
                                      enum sql first, enum sql last, uint64_t wait_ns);
void link_close(struct link *link); // results stay readable until link_forget
void link_done(struct link *link);
// The server's process as it was told at the start; a pooler tells something of its own.
int link_process(const struct link *link);
static inline bool link_is_open(const struct link *link) {
    return link->connection != NULL;
}
// Of an open one that nothing was asked on: whether its server, or what lies between, has ended it
// since.
bool link_has_ended(const struct link *link);

void link_watch(struct link *link, const uint64_t *number, uint64_t value);
bool link_is_called_off(const struct link *link);

bool link_is_idle(const struct link *link); // it is open, and no transaction is begun

// Puts a statement into the flight. `parameters` may be NULL.
void link_send(struct link *link, enum sql statement, const struct parameters *parameters);
// The same with columns of equal length, which are copied. Without a row nothing is sent.
void link_send_columns(struct link *link, enum sql statement, struct column *columns,
                       uint32_t count);
// The same, but that of columns of the mask `once` which do not vary the first value is sent alone:
// the statement knows what to do with it.
void link_send_lean(struct link *link, enum sql statement, struct column *columns,
                    uint32_t count, uint32_t once);
// Rows by COPY, in the transaction that is open, while nothing is in the flight. Columns of the
// mask `shorts` are smallint, and in those of `absent` zero stands for NULL. Waits without a
// deadline: for movers of whole books, not for nodes.
MUST_CHECK enum link_result link_copy(struct link *link, enum sql statement,
                                      const struct column *columns, uint32_t count,
                                      uint32_t shorts, uint32_t absent);
// Ends a unit of the flight: a failure before it does not stop what comes behind it.
void link_sync(struct link *link);
// What is in the flight so far goes out, as far as the line takes it: the server begins with it.
void link_flush(struct link *link);
// Sends what is in the flight and waits for all units of it; what was sent behind the end of the
// last one stays in the flight. Calls `each` for every result that has rows.
// On failure the first one is told. Results stay until link_forget.
MUST_CHECK enum link_result link_collect(struct link *link,
                                         void (*each)(void *context, enum sql statement,
                                                      const struct pg_result *result),
                                         void *context);
// The same of the first unit alone; what is behind it stays in the flight.
MUST_CHECK enum link_result link_collect_unit(struct link *link,
                                              void (*each)(void *context, enum sql statement,
                                                           const struct pg_result *result),
                                              void *context);
// Sends on, and waits so long for the server. False: something has come, or there is nothing to
// wait for any more.
bool link_is_silent(struct link *link, uint64_t wait_ns);
// Whether a unit is on its way that was not collected.
bool link_has_flight(const struct link *link);
void link_forget(struct link *link);
// The same, but for the first `kept` (a `result_count` of before): a round whose commit is being
// looked up on a new connection still reads the rows that it was decided on.
void link_forget_since(struct link *link, uint32_t kept);
// One statement without parameters or rows that is not prepared (migrations). Thread: one.
MUST_CHECK enum link_result link_run(struct link *link, const char *text);
// The same, with the first value of its one row as text.
MUST_CHECK enum link_result link_ask(struct link *link, const char *text, char *ret_text,
                                     size_t text_bytes);

// Reading rows. NULL reads as 0 or as an empty slice. Thread: any, while the result is kept.
int row_count(const struct pg_result *result);
bool row_is_null(const struct pg_result *result, int row, int column);
int64_t row_number(const struct pg_result *result, int row, int column);
struct slice row_bytes(const struct pg_result *result, int row, int column);
struct id row_id(const struct pg_result *result, int row, int column);
