// SPDX-License-Identifier: MIT
// Notices a pooler between this node and the server that gives sessions away between transactions:
// prepared statements, settings and the writer's turn would be somebody else's the next moment.
//
// Poolers hand out process ids of their own making, so a direct connection is told by one question.
// Behind a pooler one session leaves a mark in its settings, and then others look whether they have
// been given that session while its owner is still there; and its owner whether he still has it,
// for a pooler may give away its sessions in turn.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/link/pooler.h"

#define PROBE_WAIT_NS UINT64_C(5000000000)
#define PROBE_COUNT   8

static const char leave_mark[] =
    "SELECT set_config('florin.mark', pg_backend_pid() || ' ' || clock_timestamp(), false)";
#define MARK "SELECT coalesce(current_setting('florin.mark', true), 'none')"

static bool is_direct(struct link *link) {
    char mine[LINK_WHY_BYTES] = "", theirs[16];
    (void)snprintf(theirs, sizeof(theirs), "%d", link_process(link));
    return link_ask(link, "SELECT pg_backend_pid()", mine, sizeof(mine)) == LINK_OK &&
           strcmp(mine, theirs) == 0;
}

// Whether another connection gets the session with that mark, or may not even have a transaction.
// Stays open, in one.
static bool is_given_away(struct link *other, const char *url, const char *mark) {
    char seen[LINK_WHY_BYTES] = "";
    return link_open(other, url, "SELECT 1", SQL_TURN_BACK, SQL_TURN, PROBE_WAIT_NS) == LINK_OK &&
           (link_ask(other, "BEGIN; " MARK, seen, sizeof(seen)) != LINK_OK ||
            strcmp(seen, mark) == 0);
}

static bool is_kept(struct link *link, const char *mark) {
    char seen[LINK_WHY_BYTES] = "";
    return link_ask(link, MARK, seen, sizeof(seen)) == LINK_OK && strcmp(seen, mark) == 0;
}

enum status pooler_refuse(const char *url, char *ret_why, size_t why_bytes) {
    struct link link = {0}, others[PROBE_COUNT] = {0};
    char mark[LINK_WHY_BYTES] = "";
    enum status status = STATUS_ok;
    // Who cannot connect at all is told so by the first who needs a connection.
    if (link_open(&link, url, "SELECT 1", SQL_TURN_BACK, SQL_TURN, PROBE_WAIT_NS) == LINK_OK &&
        !is_direct(&link) && link_ask(&link, leave_mark, mark, sizeof(mark)) == LINK_OK) {
        for (int i = 0; i < PROBE_COUNT && status == STATUS_ok; i++)
            if (is_given_away(&others[i], url, mark) || !is_kept(&link, mark))
                status = STATUS_invalid_request;
        if (status == STATUS_ok)
            log_line(LOG_WARNING, "postgres",
                     "There is a pooler in front of the server. It seems to keep sessions whole; "
                     "a direct connection is better.");
    }
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes,
                       "There is a pooler in front of the server that gives sessions away between "
                       "transactions. Florin needs sessions of its own: connect directly, or set "
                       "pool_mode = session for this database.");
    for (int i = 0; i < PROBE_COUNT; i++)
        link_done(&others[i]);
    link_done(&link);
    return status;
}
