// SPDX-License-Identifier: MIT
// One connection of the command line to a Florin server: where it is, who asks, and requests one
// after another. Retrying is for the caller, who knows whether it is safe; only when a kept
// connection turns out to have been closed does libcurl send once more, so every write that moves
// money carries an idempotency key.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

// What the process answers to its shell.
enum client_exit {
    CLIENT_EXIT_OK = 0,
    CLIENT_EXIT_REFUSED = 1,       // the server said no, or the books are not what they should be
    CLIENT_EXIT_USAGE = 2,         // the words or the file were wrong; nothing was sent
    CLIENT_EXIT_NO_CONNECTION = 3, // the server could not be reached or did not answer
    CLIENT_EXIT_INTERRUPTED = 130, // by the user's signal, as shells say it
};

// As given on the command line; NULL where nothing was given. Owned by the caller.
struct client_options {
    const char *url;         // else FLORIN_URL, else http://127.0.0.1:8080
    const char *key;         // else the data folder's admin.key if that was given, else FLORIN_KEY
    const char *data_folder; // else ./florin-data, when no key was found before
};

struct client_request {
    const char *method;
    const char *path;            // with its query, begins with "/"
    struct slice body;           // empty: none
    const char *idempotency_key; // NULL: none
    const char *if_version;      // NULL: none; digits, sent as If-Match
    const char *prefer;          // NULL: none
    bool takes_long;             // as long as the books are large
};

struct client_answer {
    int http; // status code
    struct slice
        body;      // JSON_PADDING readable bytes follow; lives until the connection's next request
    bool replayed; // Idempotent-Replayed: true
    uint32_t retry_after_s; // 0: not said
};

enum client_reach {
    CLIENT_ANSWERED,
    CLIENT_NOT_REACHED, // nothing was sent
    CLIENT_LOST,        // sent at least in part; whether it took effect is not known
};

struct client_connection;

// Finds address and key; connects at the first request. False: said on stderr what is missing.
// A connection without a key is fine (the server answers `unauthenticated`). Thread: one at a time.
MUST_CHECK bool client_connection_open(const struct client_options *options,
                                       struct client_connection **ret_connection);
void client_connection_close(struct client_connection *connection); // accepts NULL

enum client_reach client_connection_send(struct client_connection *connection,
                                         const struct client_request *request,
                                         struct client_answer *ret_answer);

const char *client_connection_url(const struct client_connection *connection);
const char *
client_connection_key(const struct client_connection *connection); // "" when there is none
const char *
client_connection_key_source(const struct client_connection *connection); // for messages
// Why the last request was not answered, as a sentence without a full stop.
const char *client_connection_trouble(const struct client_connection *connection);
// Says on stderr that the server cannot be reached, and what to do.
void client_connection_complain(const struct client_connection *connection);
