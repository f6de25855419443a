// SPDX-License-Identifier: MIT
// What both limit programs share: options, the bare second-pass loop on libmicrohttpd and a clean
// stop. They show what this machine gives to a program that does nothing but answer
// (limit_constant.c) or nothing but append, sync and answer (limit_durable.c), so they take no
// short cut that a real server on the same library could not take.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Called for every complete request of a pass, before any of them is answered; `body` is only lent.
typedef void limit_collect(void *context, const uint8_t *body, size_t body_bytes);
// Called once at the end of a pass that has collected something; the answers are sent after it
// returns.
typedef void limit_commit(void *context);

struct limit_options {
    const char *listen; // HOST:PORT, numeric
    const char *file;   // NULL when not given
};

// Reads --listen and --file; exits with a sentence when they make no sense.
struct limit_options limit_read_options(int argument_count, char **arguments, int needs_file);

// Serves until SIGTERM or SIGINT and returns the exit status. Prints "listening" when connections
// are accepted. `collect` and `commit` may be NULL.
int limit_serve(const struct limit_options *options, const char *answer, limit_collect *collect,
                limit_commit *commit, void *context);
