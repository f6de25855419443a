// SPDX-License-Identifier: MIT
// What both ways of `florin migrate-engine` share.
#pragma once
#include "move/cold.h"
#include "move/nodes.h"
#include "move/target_folder.h"
#include "move/target_postgres.h"
#include "programs/client/client_progress.h"
#include "watch/integrity.h"
#include "watch/state_hash.h"

struct moving {
    const char *from_data, *to_postgres, *from_postgres, *to_data;
    struct disk *disk; // of a source that is a folder
    int lock;
    struct state_hash source_hash, target_hash;
    struct cold_sum sum;
    struct move_source *source;
    struct target_postgres *postgres;
    struct source_lock *source_lock;
    struct target_folder *folder;
    struct client_progress progress;
    char why[MOVE_WHY_BYTES];
};

// Each says what went wrong, and returns false then.
bool moving_stop(const struct moving *moving, const char *what);
// The books of `whose` are right.
bool moving_check(struct moving *moving, enum status status, const struct integrity_report *books,
                  const char *whose);
bool moving_check_folder(struct moving *moving, struct disk *disk, const char *whose,
                         struct integrity_report *ret_books); // NULL: nobody wants to know
bool moving_check_postgres(struct moving *moving, const char *url, const char *whose,
                           struct integrity_report *ret_books);
bool moving_same_hashes(struct moving *moving);
// Hands out every record; `take` says false when it has stopped.
bool moving_records(struct moving *moving,
                    bool (*take)(struct moving *moving, const struct move_record *record));
void moving_summary(const struct moving *moving, const struct integrity_report *books);

// migrate_engine_back.c: from a database into a folder.
bool postgres_to_folder(struct moving *moving);
