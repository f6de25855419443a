// SPDX-License-Identifier: MIT
// What a shard needs of its servers so that a promotion loses nothing: of what is decided on one
// shard the others have their part, and must not be the only ones that know of it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/servers.h"
#include "engine/postgres/shard/shard.h"

#define CONNECT_WAIT_NS UINT64_C(3000000000)
#define SETTINGS        3

static const char settings[] =
    "SET statement_timeout = '3s'; SET default_transaction_read_only = on; "
    "SET client_min_messages = warning";

static const char *const names[SETTINGS] = {"max_prepared_transactions", "max_connections",
                                            "max_locks_per_transaction"};

struct server {
    bool is_there, is_standby, has_standbys;
    uint64_t values[SETTINGS];
};

static bool take_server(const char *text, struct server *server) {
    uint64_t is_standby, has_standbys;
    if (!lineage_take_number(&text, &is_standby) || !lineage_take_word(&text, " ") ||
        !lineage_take_number(&text, &has_standbys))
        return false;
    for (int i = 0; i < SETTINGS; i++)
        if (!lineage_take_word(&text, " ") || !lineage_take_number(&text, &server->values[i]))
            return false;
    server->is_standby = is_standby != 0;
    server->has_standbys = has_standbys != 0;
    return *text == '\0';
}

static void look_at(const char *url, struct server *server) {
    struct link link = {0};
    char text[256] = "";
    if (link_open(&link, url, settings, SQL_TURN_BACK, SQL_TURN, CONNECT_WAIT_NS) == LINK_OK) {
        link.deadline_ns = clock_monotonic_ns() + CONNECT_WAIT_NS;
        server->is_there =
            link_ask(&link,
                     "SELECT concat_ws(' ', pg_is_in_recovery()::integer, "
                     "(current_setting('synchronous_standby_names') <> '')::integer, "
                     "current_setting('max_prepared_transactions'), "
                     "current_setting('max_connections'), "
                     "current_setting('max_locks_per_transaction'))",
                     text, sizeof(text)) == LINK_OK &&
            take_server(text, server);
    }
    link_done(&link);
}

static void compare(const struct shard_place *place, const char *name, const struct server *primary,
                    const struct server *standby,
                    void (*tell)(void *context, const char *sentence), void *context) {
    char sentence[512];
    for (int i = 0; i < SETTINGS; i++) {
        if (standby->values[i] >= primary->values[i])
            continue;
        (void)snprintf(sentence, sizeof(sentence),
                       "The standby %s of the shard \"%s\" has %s = %" PRIu64
                       ", its primary %" PRIu64 ": it cannot follow everything and must not be "
                       "promoted. Raise it there and start the standby again.",
                       name, place->name, names[i], standby->values[i], primary->values[i]);
        tell(context, sentence);
    }
}

void shard_judge_servers(const struct shard_place *place,
                         void (*tell)(void *context, const char *sentence), void *context) {
    struct servers servers;
    struct server found[SERVERS_MAX] = {0};
    const struct server *primary = NULL;
    char sentence[512];
    if (servers_parse(place->url, SERVERS_ANY, &servers, sentence, sizeof(sentence)) != STATUS_ok)
        return; // opening it says so
    for (uint32_t i = 0; i < servers.count; i++) {
        look_at(servers.urls[i], &found[i]);
        if (found[i].is_there && !found[i].is_standby)
            primary = &found[i];
    }
    if (primary != NULL && !primary->has_standbys) {
        (void)snprintf(sentence, sizeof(sentence),
                       "The shard \"%s\" has no synchronous standby (synchronous_standby_names is "
                       "empty): should its server be lost, so are the last payments, while other "
                       "shards have their part of those between two.",
                       place->name);
        tell(context, sentence);
    }
    for (uint32_t i = 0; primary != NULL && i < servers.count; i++)
        if (found[i].is_there && found[i].is_standby)
            compare(place, servers.names[i], primary, &found[i], tell, context);
    servers_done(&servers);
}
