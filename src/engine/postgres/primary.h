// SPDX-License-Identifier: MIT
// Which of the configured servers is the primary, and whether it may be used. Every session is
// asked who it has reached before it is trusted, because what stands behind an address changes.
#pragma once
#include <pthread.h>

#include "engine/engine.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/servers.h"

// What a session says of its server.
struct identity {
    struct lineage_claim claim;
    struct position position; // of a primary what is flushed, of a standby what is replayed
};

struct primary {
    struct servers servers;
    const char *folder; // the node's; borrowed; NULL: nothing is remembered
    pthread_mutex_t lock;
    uint32_t place;        // of the server that was chosen
    struct lineage seen;   // what was remembered
    uint64_t generation;   // changes when another server must be chosen; atomic
    uint64_t choice_count; // changes of the server or its timeline since the start
    uint64_t refused_count;
    const char *refused; // why a server was refused last; for telling it once
};

// Reads what the folder remembers. STATUS_invalid_request or STATUS_damaged: `ret_why` says why.
MUST_CHECK enum status primary_init(struct primary *primary, const char *url, const char *folder,
                                    char *ret_why, size_t why_bytes);
void primary_done(struct primary *primary);

// The connection string of the server that was chosen; valid until primary_done. Thread: any.
const char *primary_url(struct primary *primary);
const char *primary_name(struct primary *primary); // likewise, what it is called in logs
uint64_t primary_generation(const struct primary *primary); // thread: any
struct lineage primary_seen(struct primary *primary);       // thread: any

// Asks all servers who they are and chooses the one with the highest timeline that may be used.
// LINK_LOST: none; `ret_why` has a sentence. Nothing is written there. Thread: the writer's.
MUST_CHECK enum link_result primary_choose(struct primary *primary, char *ret_why,
                                           size_t why_bytes);

// Asks a session who it has reached; it must have SQL_IDENTITY prepared. Thread: the link's.
MUST_CHECK enum link_result identity_ask(struct link *link, const struct lineage *seen,
                                         struct identity *ret_identity);

// The writer's session: marks a timeline that is new, waits until everything that can be seen
// there is safe on the synchronous standbys, and remembers. From here on the link is lost when
// another server is to be used. Thread: the writer's.
MUST_CHECK enum link_result primary_admit_writer(struct primary *primary, struct link *link,
                                                 struct position *ret_position);
// A session that reads what is now: the server must be the very one that the writer has admitted.
// Thread: any.
MUST_CHECK enum link_result primary_admit_reader(struct primary *primary, struct link *link);

// From here on the link is lost when another server is to be used, or this one is called off. Also
// of a link that is about to be opened. Thread: the link's.
void primary_watch(const struct primary *primary, struct link *link);
// Whoever waits for the server is lost now, and may turn to it again. Thread: any.
void primary_call_off(struct primary *primary);

// A server with a higher timeline was seen: nothing older is used from now on. Thread: any.
void primary_supersede(struct primary *primary, uint64_t timeline, uint32_t place);
// Asks the server at `place` over a session without prepared statements. Thread: the link's.
MUST_CHECK enum link_result primary_ask_server(struct primary *primary, struct link *link,
                                               struct lineage_claim *ret_claim);
