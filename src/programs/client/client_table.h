// SPDX-License-Identifier: MIT
// Every sub-command of the client, described once: its words, the request it makes and how people
// see the answer. The parser of arguments (client_arguments.c) and the help (client_help.c) read
// nothing but this table.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum client_kind {
    CLIENT_TEXT,     // sent as it is; times and ids too, because the server judges them better
    CLIENT_AMOUNT,   // see client_amount.h
    CLIENT_NUMBER,   // a whole number
    CLIENT_METADATA, // NAME=VALUE, may be given again and again
    CLIENT_FLAG,     // takes no value and sends `constant`
};

enum client_place { CLIENT_IN_PATH, CLIENT_IN_QUERY, CLIENT_IN_BODY };

// A field of the API. Every field can be written as an option, `--bank-transaction-id X`; a
// positional one also bare, in the order of the verb's list.
struct client_field {
    const char *name;     // in the API
    const char *option;   // without dashes; NULL: the name with "-" for "_"
    const char *constant; // of a flag: the JSON value that it sends
    const char *help;     // what it is, no full stop
    enum client_kind kind;
    enum client_place place;
    bool positional;
    bool required;
};

// How people see an answer.
enum client_shape {
    CLIENT_SHOW_OBJECT,  // one thing: its fields below each other
    CLIENT_SHOW_PAGE,    // a page of things: a table
    CLIENT_SHOW_HISTORY, // a page of transactions as the wallet named first sees them
    CLIENT_SHOW_INTEGRITY,
    CLIENT_SHOW_LIMITS, // what a wallet may spend: a table
    CLIENT_SHOW_DONE, // nothing comes back
};

#define CLIENT_FIELDS_MAX 14

struct client_verb {
    const char *noun; // the first word
    const char *verb; // the second word, NULL: none
    const char *method;
    const char *path;     // "{name}" stands for the field of that name
    const char *constant; // a JSON member sent along, NULL: none
    const char *help;     // what it does, one sentence without a full stop
    enum client_shape shape;
    bool takes_version;                                   // If-Match means something to it
    const struct client_field *fields[CLIENT_FIELDS_MAX]; // positional ones first; NULL ends them
};

// Both are static storage. The verbs of one noun stand together, the one without a second word
// first.
const struct client_verb *client_table(size_t *ret_count);
// NULL: the noun has no such verb. `word` may be NULL.
const struct client_verb *client_table_find(const char *noun, const char *word);
