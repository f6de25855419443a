// SPDX-License-Identifier: MIT
// Whether the server of a shard answers. One that hangs refuses nothing: whoever asks it waits
// until his time is over, and cannot tell it from one that has much to do. So the watcher sends it
// the smallest question there is, on a session of its own. Is that not answered, and is nobody let
// in either, then all sessions with it are called off, and until it answers again nobody turns to
// it.
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/postgres_books.h"

#define ASK_WAIT_NS     UINT64_C(1500000000)
#define CONNECT_WAIT_NS UINT64_C(1200000000)
#define RETURN_WAIT_NS  UINT64_C(3000000000)
#define EVERY_NS        UINT64_C(400000000)
#define SILENT_NS       UINT64_C(2500000000) // one that only starts again is back before

static const char settings[] = "SET client_min_messages = warning; SET statement_timeout = '2s'";

static bool hears(struct books *books, struct link *link, uint64_t connect_wait_ns) {
    if (link_is_open(link) && link_is_called_off(link))
        link_close(link);
    if (!link_is_open(link)) {
        primary_watch(&books->primary, link);
        if (link_open(link, primary_url(&books->primary), settings, SQL_TURN_BACK, SQL_TURN,
                      connect_wait_ns) != LINK_OK)
            return false;
        __atomic_store_n(&books->let_in_ns, clock_monotonic_ns(), __ATOMIC_RELEASE);
    }
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    bool is_heard = link_run(link, "SELECT 1") == LINK_OK;
    if (!is_heard)
        link_close(link);
    return is_heard;
}

static void tell(struct books *books, bool is_silent) {
    const char *name = primary_name(&books->primary);
    if (is_silent)
        log_line(LOG_WARNING, "shards",
                 "The server %s does not answer, and nobody waits for it any more: %s", name,
                 books->vigil.link.why);
    else
        log_line(LOG_INFO, "shards", "The server %s answers again.", name);
}

void vigil_look(struct books *books) {
    struct link *link = &books->vigil.link;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns < books->vigil.next_try_ns)
        return;
    bool was_silent = books_are_silent(books);
    // What was asked may have been lost with its session, or this node was stopped for a while.
    bool is_heard = hears(books, link, was_silent ? RETURN_WAIT_NS : CONNECT_WAIT_NS) ||
                    (!was_silent && hears(books, link, CONNECT_WAIT_NS));
    now_ns = clock_monotonic_ns();
    books->vigil.next_try_ns = now_ns + EVERY_NS;
    if (is_heard || books->heard_ns == 0)
        books->heard_ns = now_ns;
    bool is_silent = !is_heard && now_ns - books->heard_ns >= SILENT_NS;
    if (is_silent == was_silent)
        return;
    __atomic_store_n(&books->is_silent, is_silent, __ATOMIC_RELEASE);
    if (is_silent)
        primary_call_off(&books->primary);
    tell(books, is_silent);
}
