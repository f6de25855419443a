// SPDX-License-Identifier: MIT
// A journal is walked as files, behind the engine's back; a database as `florin verify` does, in
// one snapshot.
#include "programs/serve/serve_chain.h"

#include <stdio.h>

#include "engine/postgres/postgres.h"
#include "engine/postgres/shard/shard.h"
#include "watch/verify_postgres.h"

static enum status prove_journal(void *context, struct chain_walk *walk) {
    const struct serve_chain *chain = context;
    struct disk *disk;
    uint64_t end = chain->engine->port->published_end(chain->engine);
    enum status status = disk_posix_open(chain->folder, &disk);
    if (status != STATUS_ok)
        return status;
    status = chain_walk_journal(disk, end, walk);
    disk->driver->done(disk);
    return status;
}

static enum status prove_part(struct engine *engine, struct chain_walk *walk) {
    struct verify_postgres_report report;
    // Of several servers the one whose books are served; another may be an old primary.
    enum status status = verify_postgres(postgres_primary_url(engine), NULL, NULL, &report);
    walk->round_count += report.round_count;
    walk->key_count += report.key_count;
    if (walk->holds && !report.books.consistent)
        (void)snprintf(walk->message, sizeof(walk->message), "%s", report.books.message);
    walk->holds = walk->holds && report.books.consistent;
    verify_postgres_done(&report);
    return status;
}

static enum status prove_postgres(void *context, struct chain_walk *walk) {
    const struct serve_chain *chain = context;
    struct engine *parts[SHARDS_MAX] = {chain->engine};
    uint32_t count = chain->engine->port->parts == NULL
                         ? 1
                         : chain->engine->port->parts(chain->engine, parts, SHARDS_MAX);
    enum status status = STATUS_ok;
    walk->round_count = walk->key_count = 0;
    walk->holds = walk->has_keys = true;
    for (uint32_t i = 0; i < count && status == STATUS_ok; i++)
        status = prove_part(parts[i], walk);
    return status;
}

struct chain_prover serve_chain_prover(struct serve_chain *chain) {
    return (struct chain_prover){
        .context = chain,
        .prove = chain->is_in_databases ? prove_postgres : prove_journal,
    };
}
