// SPDX-License-Identifier: MIT
// Which server is the right one. PostgreSQL gives each cluster an identifier and each promotion a
// timeline; a node remembers the highest that it has seen, with the mark that stands there, and
// takes no server that is behind, another one, or a twin that was promoted beside it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/status.h"

#define LINEAGE_TOKEN_BYTES 16

struct lineage {
    uint64_t system;                    // the cluster's identifier; 0: nothing was seen yet
    uint64_t timeline;                  // 0: a standby
    uint8_t token[LINEAGE_TOKEN_BYTES]; // the mark at `timeline`; zeros: not known yet
};

// What a server says of itself.
struct lineage_claim {
    struct lineage now; // its own timeline, and the mark there if there is one
    bool has_mark;      // a mark at the timeline that was remembered
    uint8_t mark[LINEAGE_TOKEN_BYTES];
};

// NULL: the server may be used. Else why not, as a sentence in static storage. Thread: any.
MUST_CHECK const char *lineage_refuses(const struct lineage *seen,
                                       const struct lineage_claim *claim);

// The file `postgres.lineage` of a node's data folder: a line each for system, timeline and token.
// STATUS_ok with zeros when there is none yet; STATUS_damaged when it cannot be understood.
// `folder` NULL: nothing is remembered. Thread: one at a time.
MUST_CHECK enum status lineage_load(const char *folder, struct lineage *ret_seen);
// Durable when it returns ok.
MUST_CHECK enum status lineage_save(const char *folder, const struct lineage *seen);

// For texts that name a lineage: each takes its part off the front. False: it is something else,
// and how far `text` went is not told.
MUST_CHECK bool lineage_take_word(const char **text, const char *word);
MUST_CHECK bool lineage_take_number(const char **text, uint64_t *ret_number); // decimal
MUST_CHECK bool lineage_take_token(const char **text, uint8_t ret_token[LINEAGE_TOKEN_BYTES]);
