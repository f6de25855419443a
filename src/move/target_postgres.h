// SPDX-License-Identifier: MIT
// A database that books move into: empty, or half filled by a move that broke off. Everything is
// written in one transaction, so there is never half of it; and until it has been checked and
// opened nobody serves it.
#pragma once
#include "engine/embedded/data_keys_copy.h"
#include "move/source.h"

struct target_postgres;

// What is known of the books before the first record is written.
struct target_plan {
    const struct move_birth *birth;
    const char *engine;       // that they come from
    uint64_t first_ms;        // time of the first record
    uint64_t last_number;     // of the last one
    uint64_t slack;           // by how much a number is beyond its time at most
    struct sha256 chain;      // where the chain of the source ends
};

// Migrates the schema, refuses books that are there and nodes that are connected, and notes that
// books move in. `again`: only a database that an earlier move of these books has begun to fill
// will do. Statuses and `ret_why` (MOVE_WHY_BYTES) as everywhere. Thread: one per target.
MUST_CHECK enum status target_postgres_open(const char *url, const struct move_birth *birth,
                                            bool again, char *ret_why,
                                            struct target_postgres **ret_target);
MUST_CHECK enum status target_postgres_begin(struct target_postgres *target,
                                             const struct target_plan *plan);
// The next record.
MUST_CHECK enum status target_postgres_take(struct target_postgres *target,
                                            const struct move_record *record);
// When a key was last used. Before the end.
void target_postgres_use(struct target_postgres *target, const struct key_use *use);
// The data keys of encrypted texts. Before the end.
MUST_CHECK enum status target_postgres_keys(struct target_postgres *target,
                                            const struct data_keys_copy *keys);
// All records were taken: what stands now is written, and everything committed.
MUST_CHECK enum status target_postgres_end(struct target_postgres *target);
// Now nodes may serve it.
MUST_CHECK enum status target_postgres_release(struct target_postgres *target);
const char *target_postgres_why(const struct target_postgres *target);
struct id target_postgres_books(const struct target_postgres *target); // the id of its own
void target_postgres_close(struct target_postgres *target); // accepts NULL
