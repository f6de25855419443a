// SPDX-License-Identifier: MIT
// Looks after the relations that are cut by time: partitions are made ahead, and parents analysed,
// by a function of the database that runs with its owner's rights. Whichever node comes first does
// it; the others find nothing to do. A writer that runs out of partitions, because the database's
// clock leapt or nobody looked for months, calls for it and waits.
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/postgres_books.h"

#define TIDY_EVERY_NS UINT64_C(600000000000)
#define TIDY_AGAIN_NS UINT64_C(20000000000) // after a failure
#define USES_EVERY_NS UINT64_C(60000000000)
#define USES_WAIT_NS  UINT64_C(3000000000)
#define USES_STOP_NS  UINT64_C(700000000) // a stop does not wait for a database that is away
#define TIDY_LOOK_NS  UINT64_C(250000000)
#define TIDY_WAIT_NS  UINT64_C(90000000000)

// A lock that is not granted soon is asked for again, so that nobody queues behind it for long.
static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '60s'; "
    "SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '5s'; "
    "SET client_min_messages = warning";

static const char tidy[] =
    "SELECT florin.tidy(greatest((SELECT time_ms FROM florin.books), "
    "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))";

static bool tidy_once(struct books *books) {
    struct link link = {0};
    enum link_result result = link_open(&link, primary_url(&books->primary), settings,
                                        SQL_TURN_BACK, SQL_TURN, TIDY_WAIT_NS);
    if (result == LINK_OK)
        result = link_run(&link, tidy);
    if (result != LINK_OK && signal_gate_sequence(&books->stop) == 0)
        log_line(LOG_WARNING, "postgres", "Partitions could not be looked after: %s", link.why);
    link_done(&link);
    return result == LINK_OK;
}

void *tidier_of_postgres(void *context) {
    struct books *books = context;
    uint64_t next_ns = clock_monotonic_ns() + TIDY_EVERY_NS; // the start has just done it
    uint64_t uses_ns = clock_monotonic_ns() + USES_EVERY_NS;
    while (!signal_gate_wait(&books->stop, 1, TIDY_LOOK_NS)) {
        if (clock_monotonic_ns() >= uses_ns) {
            key_uses_tell(books, USES_WAIT_NS);
            uses_ns = clock_monotonic_ns() + USES_EVERY_NS;
        }
        bool is_wanted = __atomic_exchange_n(&books->partitions_wanted, false, __ATOMIC_ACQ_REL);
        if (!is_wanted && clock_monotonic_ns() < next_ns)
            continue;
        bool is_done = tidy_once(books);
        next_ns = clock_monotonic_ns() + (is_done ? TIDY_EVERY_NS : TIDY_AGAIN_NS);
    }
    key_uses_tell(books, USES_STOP_NS);
    return NULL;
}
