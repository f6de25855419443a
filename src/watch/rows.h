// SPDX-License-Identifier: MIT
// The rows of one SELECT, fetched in slices through a cursor of the transaction, in binary; every
// number is asked for as bigint. For the verifier, which shares no reading code with the engine.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/slice.h"

struct pg_conn; // libpq's
struct pg_result;

#define ROWS_WHY_BYTES 512

struct rows_link {
    struct pg_conn *connection;
    char why[ROWS_WHY_BYTES]; // of the first failure; empty: none
};

// Connects and begins the one transaction that everything is read in. False: see why.
bool rows_link_open(struct rows_link *link, const char *url);
// Whether there are any in that database. False: see why.
bool rows_has_books(struct rows_link *link);
void rows_link_close(struct rows_link *link); // accepts a failed one

struct rows {
    struct rows_link *link;
    const char *name;         // of the cursor
    struct pg_result *result; // owned; the present slice
    int row, count;
    bool is_there; // a row stands; false behind the last one, and after a failure
};

// Stands on the first row. `name` and `select` are static.
void rows_open(struct rows *rows, struct rows_link *link, const char *name, const char *select);
// The same, in an order that an index has: PostgreSQL would sort what it has no statistics of, as
// books that have just come, into files that are as large again.
void rows_open_by_index(struct rows *rows, struct rows_link *link, const char *name,
                        const char *select);
void rows_next(struct rows *rows); // what was read from the row before may be gone
void rows_close(struct rows *rows);

int64_t rows_number(const struct rows *rows, int column); // NULL: 0
struct slice rows_bytes(const struct rows *rows, int column);
struct id rows_id(const struct rows *rows, int column); // zero unless 16 bytes

// One statement with one number as parameter and one value of bytes, kept until the next such call;
// empty: there is none.
struct slice rows_find(struct rows_link *link, struct pg_result **kept, const char *select,
                       int64_t number);
void rows_forget(struct pg_result **kept);
