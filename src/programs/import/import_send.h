// SPDX-License-Identifier: MIT
// Sends the batches of an import and learns from their answers. Every operation has a key, so a
// batch whose answer got lost, or that the server was too busy for, is simply sent again.
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"
#include "programs/client/client_connection.h"
#include "programs/client/client_progress.h"
#include "programs/import/import_names.h"
#include "programs/import/import_report.h"
#include "programs/import/import_window.h"

enum import_sent {
    IMPORT_SENT_OK,
    IMPORT_SENT_REFUSED,     // the server wants none of it (said on stderr)
    IMPORT_SENT_NO_ANSWER,   // patience is at its end (said on stderr)
    IMPORT_SENT_INTERRUPTED, // by the user, between two tries
};

struct import_sender {
    struct client_connection *connection; // the caller's, as all pointers here
    struct import_names *names;
    struct import_report *report;
    struct client_progress *progress;
    const volatile sig_atomic_t *is_interrupted;
    struct json_parser *parser;
    bool queues; // the server answers once the batch waits in its queue, and is asked again
    uint32_t patience_s; // how long a batch is tried again and again
    struct buffer body;
};

// Sends both batches, wallets first, and empties the window when all of it was answered.
MUST_CHECK enum import_sent import_sender_send(struct import_sender *sender,
                                               struct import_window *window);
void import_sender_done(struct import_sender *sender);
