// SPDX-License-Identifier: MIT
// A connection string that names several hosts, taken apart into one string per server, so that
// each can be asked who it is. Thread: any.
#pragma once
#include <stdint.h>

#include "base/check.h"
#include "base/status.h"

#define SERVERS_MAX      8
#define SERVER_NAME_MAX  64

struct servers {
    uint32_t count;
    char *urls[SERVERS_MAX];                   // owned
    char names[SERVERS_MAX][SERVER_NAME_MAX]; // host:port, for people
};

// What `target_session_attrs` of each becomes; what the string itself says of it does not count.
enum servers_wish { SERVERS_PRIMARY, SERVERS_ANY };

// A string that names no host, or leaves that to a service or the environment, is one server.
// STATUS_invalid_request: `ret_why` has a sentence, and there is nothing to release.
MUST_CHECK enum status servers_parse(const char *url, enum servers_wish wish,
                                     struct servers *ret_servers, char *ret_why, size_t why_bytes);
void servers_done(struct servers *servers);
