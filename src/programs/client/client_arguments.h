// SPDX-License-Identifier: MIT
// From the words of a command line to a request, as the table of sub-commands says. Nothing is sent
// from here.
#pragma once
#include <stdbool.h>

#include "base/buffer.h"
#include "base/check.h"
#include "programs/client/client_connection.h"
#include "programs/client/client_table.h"

struct client_arguments {
    struct client_options options;
    bool json; // the server's bytes as they are
    bool all;  // every page of a list
    bool help;
    const char *if_version;      // NULL: none
    const char *idempotency_key; // NULL for reads; made up when none was given
    const char *subject;         // the value that stands in the path; NULL: none
    struct buffer path;          // with the query, zero-terminated
    struct buffer body;          // empty: none
    char made_key[48];           // behind idempotency_key
};

// `argv[0]` is the last word of the verb itself. False: said on stderr what is wrong.
// Texts point into argv; give the rest back with client_arguments_done in either case.
MUST_CHECK bool client_arguments_parse(const struct client_verb *verb, int argc, char **argv,
                                       struct client_arguments *ret_arguments);
void client_arguments_done(struct client_arguments *arguments);

// Whether argv[*at] is the option `name`, as "--name value" or "--name=value". True: `ret_value` is
// its value (NULL when it is missing) and *at its last word. For the parsers of `import` and `demo`
// too.
bool client_option_take(int argc, char **argv, int *at, const char *name, const char **ret_value);
// Whether the word is one of --url, --key and --data. True: its value is in `options`, or NULL is
// when it is missing and that was said on stderr in `ret_ok`.
bool client_option_take_common(int argc, char **argv, int *at, struct client_options *options,
                               bool *ret_ok);
