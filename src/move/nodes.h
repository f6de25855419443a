// SPDX-License-Identifier: MIT
// Databases that must not be served while books move.
#pragma once
#include "engine/postgres/link/link.h"
#include "move/source.h"

extern const char plain_settings[];
// A connection on which statements run one by one. STATUS_busy: there is none.
MUST_CHECK enum status plain_open(const char *url, char *ret_why, struct link *link);
MUST_CHECK enum status plain_run(struct link *link, const char *text, char *ret_why);
MUST_CHECK enum status plain_number(struct link *link, const char *query, char *ret_why,
                                    uint64_t *ret_number);
// STATUS_busy while nodes are connected.
MUST_CHECK enum status nodes_refuse(struct link *link, char *ret_why);

// A database whose books are about to move out: nobody can write to it while this is held, and
// when the process dies nothing has happened. Thread: one.
struct source_lock;
// Brings its schema up to date first. STATUS_invalid_request: these books cannot move.
MUST_CHECK enum status source_lock_take(const char *url, char *ret_why,
                                        struct source_lock **ret_lock);
// Where they went: STATUS_ok if nowhere, or to the books with that id.
MUST_CHECK enum status source_lock_check(struct source_lock *lock, struct id to, char *ret_why);
// From now on they are served there; and nobody is held up any more.
MUST_CHECK enum status source_lock_moved(struct source_lock *lock, struct id to, char *ret_why);
void source_lock_close(struct source_lock *lock); // accepts NULL
