// SPDX-License-Identifier: MIT
// What a program written by hand for nothing else reaches: batches of transfers on one connection,
// in pipeline mode, with arrays, at SERIALIZABLE, that write the same rows as Florin does into a
// database that `florin migrate` made, in the ways that are known to be fastest: wallets (one
// statement per partition, changed at the place where they were found), records, postings, keys,
// the round and the books; heads of slots as seldom as Florin. No HTTP, no JSON, no rules beyond
// "enough money", no hashes.
//
//   micro_batch --postgres URL --wallets COUNT --batch COUNT --seconds S
//
// Prints one line: operations=N seconds=S rate=N
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORD_BYTES 400 // what a transfer with a key takes
#define BATCH_MAX    4096
#define COLUMNS_MAX  14
#define PARTS        4
#define SLOTS_LAG    8192 // records after which heads of slots are written

enum { BEGIN, BOOKS, KEYS, RECORDS, POSTINGS, ADD_KEYS, SLOTS, ROUND, CHANGE_BOOKS, COMMIT,
       WALLETS, CHANGE = WALLETS + PARTS, TEXT_COUNT = CHANGE + PARTS };

static const char *const texts[WALLETS] = {
    [BEGIN] = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    [BOOKS] = "SELECT last_record, round_count, floor(extract(epoch FROM clock_timestamp()) * "
              "1000)::bigint FROM books FOR UPDATE",
    // Of the last seven days; a hash index takes no array.
    [KEYS] = "SELECT i.key FROM unnest($1::bytea[]) n(key) CROSS JOIN LATERAL (SELECT x.key FROM "
             "idempotency x WHERE x.key = n.key AND x.record >= (extract(epoch FROM now() - "
             "interval '7 days') * 1000)::bigint << 17 OFFSET 0) i",
    // Out of a target list rows come one by one; a function in FROM first stores all of them.
    [RECORDS] = "INSERT INTO records SELECT slot, number, number >> 17, 2, 5, principal, NULL, "
                "NULL, chain, bytes FROM (SELECT unnest($1::bigint[]) AS slot, "
                "unnest($2::bigint[]) AS number, unnest($3::bytea[]) AS principal, "
                "unnest($4::bytea[]) AS chain, unnest($5::bytea[]) AS bytes) n",
    [POSTINGS] = "INSERT INTO postings SELECT slot, wallet, record, number, record >> 17, 5, "
                 "amount, balance, 0, version FROM (SELECT unnest($1::bigint[]) AS slot, "
                 "unnest($2::bigint[]) AS wallet, unnest($3::bigint[]) AS record, "
                 "unnest($4::bigint[]) AS number, unnest($5::bigint[]) AS amount, "
                 "unnest($6::bigint[]) AS balance, unnest($7::bigint[]) AS version) n",
    [ADD_KEYS] = "INSERT INTO idempotency SELECT unnest($1::bytea[]), unnest($2::bigint[]), "
                 "unnest($3::bigint[])",
    [SLOTS] = "UPDATE slots s SET chain = n.chain, last_record = n.last FROM "
              "unnest($1::bigint[], $2::bytea[], $3::bigint[]) n(slot, chain, last) "
              "WHERE s.slot = n.slot",
    [ROUND] = "INSERT INTO rounds VALUES ($1::bigint, $2::bytea, $3::bigint >> 17, $3::bigint, "
              "$4::bigint, decode(repeat('00', 32), 'hex'))",
    [CHANGE_BOOKS] = "UPDATE books SET round_count = $1::bigint, last_record = $2::bigint, "
                     "time_ms = $2::bigint >> 17",
    [COMMIT] = "COMMIT",
};

static const char find_wallets[] =
    "SELECT w.slot::bigint, w.number, w.balance, w.version, w.transaction_count, w.place FROM "
    "(SELECT * FROM unnest($1::bigint[], $2::bigint[]) u(slot, number) ORDER BY slot, number "
    "OFFSET 0) n CROSS JOIN LATERAL (SELECT x.*, x.ctid AS place FROM wallets_%d x WHERE "
    "x.slot = n.slot AND x.number = n.number OFFSET 0 FOR UPDATE) w";
static const char change_wallets[] =
    "UPDATE wallets_%d w SET balance = n.balance, version = n.version, transaction_count = "
    "n.count, last = n.last FROM (SELECT unnest($1::tid[]) AS place, unnest($2::bigint[]) AS "
    "number, unnest($3::bigint[]) AS balance, unnest($4::bigint[]) AS version, "
    "unnest($5::bigint[]) AS count, unnest($6::bigint[]) AS last) n WHERE "
    "w.ctid = n.place AND w.number = n.number";
static const char find_parts[] =
    "SELECT string_agg(p.part::text, '' ORDER BY s.slot) FROM generate_series(0, 1023) s(slot), "
    "generate_series(0, 3) p(part) WHERE satisfies_hash_partition('wallets'::regclass, 4, "
    "p.part, s.slot::smallint)";
static const char set_up[] =
    "SET client_min_messages = warning; SET search_path = florin, pg_catalog; SET jit = off; "
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off";
static const char make_wallets[] =
    "INSERT INTO currencies VALUES (0, 'USD', 2, 0, 0, 0); "
    "INSERT INTO wallets SELECT i %% 1024, i, decode(lpad(to_hex(i), 32, '0'), 'hex'), 'bench', 0, "
    "0, 0, 1000000000, 0, 0, 1, 0, 8, 0, 0, 0, 0 FROM generate_series(1, %llu) i; "
    "INSERT INTO slots SELECT i, decode(repeat('00', 32), 'hex'), 0, 0, 0 FROM "
    "generate_series(0, 1023) i ON CONFLICT DO NOTHING; ANALYZE";

struct column {
    uint8_t *bytes; // owned
    size_t size, capacity;
    uint32_t count;
    int type;
};

struct wallet {
    uint64_t number;
    int64_t balance, version, count;
    uint8_t place[6];
};

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "micro_batch: %s\n", what);
    exit(1);
}

static void put(struct column *column, const void *bytes, size_t size) {
    if (column->size + size > column->capacity) {
        column->capacity = column->capacity * 2 + size + 4096;
        column->bytes = realloc(column->bytes, column->capacity);
        if (column->bytes == NULL)
            fail("out of memory");
    }
    memcpy(column->bytes + column->size, bytes, size);
    column->size += size;
}

static void begin(struct column *columns, const char *kinds) {
    static const uint8_t zero[20];
    for (; *kinds != '\0'; kinds++, columns++) {
        columns->size = 0;
        columns->count = 0;
        columns->type = *kinds == 'b' ? 17 : *kinds == 't' ? 27 : 20; // bytea, tid, bigint
        put(columns, zero, 20);
    }
}

static void add(struct column *column, int64_t value) {
    uint32_t size = __builtin_bswap32(8);
    uint64_t swapped = __builtin_bswap64((uint64_t)value);
    put(column, &size, 4);
    put(column, &swapped, 8);
    column->count++;
}

static void add_bytes(struct column *column, const void *bytes, uint32_t size) {
    uint32_t swapped = __builtin_bswap32(size);
    put(column, &swapped, 4);
    put(column, bytes, size);
    column->count++;
}

static void send(PGconn *connection, int text, struct column *columns, int count) {
    const char *values[COLUMNS_MAX];
    int lengths[COLUMNS_MAX], formats[COLUMNS_MAX];
    char name[8];
    for (int i = 0; i < count; i++) {
        uint32_t head[5] = {1, 0, (uint32_t)columns[i].type, columns[i].count, 1};
        for (int k = 0; k < 5; k++)
            head[k] = __builtin_bswap32(head[k]);
        memcpy(columns[i].bytes, head, sizeof(head));
        values[i] = (const char *)columns[i].bytes;
        lengths[i] = (int)columns[i].size;
        formats[i] = 1;
    }
    snprintf(name, sizeof(name), "m%d", text);
    if (PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) != 1)
        fail(PQerrorMessage(connection));
}

static void send_numbers(PGconn *connection, int text, const int64_t *numbers, int count,
                         const void *token) {
    uint64_t swapped[8];
    const char *values[8];
    int lengths[8], formats[8];
    char name[8];
    for (int i = 0; i < count; i++) {
        bool is_token = token != NULL && i == 1;
        swapped[i] = __builtin_bswap64((uint64_t)numbers[i]);
        values[i] = is_token ? token : (const char *)&swapped[i];
        lengths[i] = is_token ? 16 : 8;
        formats[i] = 1;
    }
    snprintf(name, sizeof(name), "m%d", text);
    if (PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) != 1)
        fail(PQerrorMessage(connection));
}

static int64_t number_at(const PGresult *result, int row, int column) {
    uint64_t number;
    memcpy(&number, PQgetvalue(result, row, column), 8);
    return (int64_t)__builtin_bswap64(number);
}

// The next statement's result; it must be right.
static PGresult *next(PGconn *connection) {
    PGresult *result = PQgetResult(connection);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail(PQresultErrorMessage(result));
    PGresult *end = PQgetResult(connection);
    if (end != NULL)
        fail("two results");
    return result;
}

static void sync(PGconn *connection) {
    PGresult *result = PQgetResult(connection);
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
        fail("no end of a flight");
    PQclear(result);
}

static uint64_t random_below(uint64_t *state, uint64_t bound) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % bound;
}

struct work {
    PGconn *connection;
    uint64_t random, wallet_count, batch, keys;
    uint64_t from[BATCH_MAX], to[BATCH_MAX];
    uint8_t key[BATCH_MAX][16];
    struct wallet *wallets; // by number; what was fetched
    struct column columns[COLUMNS_MAX];
    int64_t slot_last[1024]; // 0: its head is written
    uint64_t unwritten;
    char parts[1025];
};

static void fetch(struct work *work, int64_t *ret_last, int64_t *ret_round, int64_t *ret_clock) {
    struct column *columns = work->columns;
    send(work->connection, BEGIN, NULL, 0);
    send(work->connection, BOOKS, NULL, 0);
    begin(columns, "b");
    for (uint64_t i = 0; i < work->batch; i++) {
        work->from[i] = 1 + random_below(&work->random, work->wallet_count);
        do
            work->to[i] = 1 + random_below(&work->random, work->wallet_count);
        while (work->to[i] == work->from[i]);
        uint64_t key[2] = {random_below(&work->random, UINT64_MAX), work->keys++};
        memcpy(work->key[i], key, 16);
        add_bytes(&columns[0], key, 16);
    }
    send(work->connection, KEYS, columns, 1);
    for (int part = 0; part < PARTS; part++)
        begin(columns + 2 * part, "nn");
    for (uint64_t i = 0; i < work->batch; i++)
        for (int side = 0; side < 2; side++) {
            uint64_t number = side == 0 ? work->from[i] : work->to[i];
            if (work->wallets[number].number != 0)
                continue; // asked for already
            work->wallets[number].number = number;
            int part = work->parts[number % 1024] - '0';
            add(&columns[2 * part], (int64_t)(number % 1024));
            add(&columns[2 * part + 1], (int64_t)number);
        }
    for (int part = 0; part < PARTS; part++)
        send(work->connection, WALLETS + part, columns + 2 * part, 2);
    PQpipelineSync(work->connection);
    PQclear(next(work->connection));
    PGresult *result = next(work->connection);
    *ret_last = number_at(result, 0, 0);
    *ret_round = number_at(result, 0, 1);
    *ret_clock = number_at(result, 0, 2);
    PQclear(result);
    result = next(work->connection);
    if (PQntuples(result) != 0)
        fail("a key was used before");
    PQclear(result);
    for (int part = 0; part < PARTS; part++) {
        result = next(work->connection);
        for (int row = 0; row < PQntuples(result); row++) {
            struct wallet *wallet = &work->wallets[number_at(result, row, 1)];
            wallet->balance = number_at(result, row, 2);
            wallet->version = number_at(result, row, 3);
            wallet->count = number_at(result, row, 4);
            memcpy(wallet->place, PQgetvalue(result, row, 5), sizeof(wallet->place));
        }
        PQclear(result);
    }
    sync(work->connection);
}

static const uint8_t nothing[RECORD_BYTES]; // what texts and hashes are

static void persist_past(struct work *work, int64_t first) {
    struct column *columns = work->columns;
    begin(columns, "nnbbb");
    for (uint64_t i = 0; i < work->batch; i++) {
        int64_t slot = (int64_t)(work->from[i] % 1024), number = first + (int64_t)i;
        work->slot_last[slot] = number;
        add(&columns[0], slot);
        add(&columns[1], number);
        add_bytes(&columns[2], nothing, 30);
        add_bytes(&columns[3], nothing, 32);
        add_bytes(&columns[4], nothing, sizeof(nothing));
    }
    send(work->connection, RECORDS, columns, 5);
    begin(columns, "nnnnnnn");
    for (uint64_t i = 0; i < work->batch; i++)
        for (int side = 0; side < 2; side++) {
            struct wallet *wallet = &work->wallets[side == 0 ? work->from[i] : work->to[i]];
            int64_t amount = side == 0 ? -1 : 1;
            if (wallet->balance + amount < 0)
                fail("a wallet is empty");
            wallet->balance += amount;
            add(&columns[0], (int64_t)(wallet->number % 1024));
            add(&columns[1], (int64_t)wallet->number);
            add(&columns[2], first + (int64_t)i);
            add(&columns[3], ++wallet->count);
            add(&columns[4], amount);
            add(&columns[5], wallet->balance);
            add(&columns[6], ++wallet->version);
        }
    send(work->connection, POSTINGS, columns, 7);
}

static void persist_wallets(struct work *work, int64_t first, int part) {
    struct column *columns = work->columns;
    begin(columns, "tnnnnn");
    for (uint64_t i = 0; i < work->batch; i++)
        for (int side = 0; side < 2; side++) {
            struct wallet *wallet = &work->wallets[side == 0 ? work->from[i] : work->to[i]];
            if (wallet->number == 0 || work->parts[wallet->number % 1024] - '0' != part)
                continue; // written already, or by another statement
            add_bytes(&columns[0], wallet->place, sizeof(wallet->place));
            add(&columns[1], (int64_t)wallet->number);
            add(&columns[2], wallet->balance);
            add(&columns[3], wallet->version);
            add(&columns[4], wallet->count);
            add(&columns[5], first + (int64_t)i);
            wallet->number = 0;
        }
    send(work->connection, CHANGE + part, columns, 6);
}

static bool persist_slots(struct work *work) {
    struct column *columns = work->columns;
    work->unwritten += work->batch;
    if (work->unwritten <= SLOTS_LAG)
        return false;
    work->unwritten = 0;
    begin(columns, "nbn");
    for (int slot = 0; slot < 1024; slot++) {
        if (work->slot_last[slot] == 0)
            continue;
        add(&columns[0], slot);
        add_bytes(&columns[1], nothing, 32);
        add(&columns[2], work->slot_last[slot]);
        work->slot_last[slot] = 0;
    }
    send(work->connection, SLOTS, columns, 3);
    return true;
}

static void persist(struct work *work, int64_t last, int64_t round, int64_t clock) {
    struct column *columns = work->columns;
    int64_t first = clock << 17 > last ? clock << 17 : last + 1;
    persist_past(work, first);
    for (int part = 0; part < PARTS; part++)
        persist_wallets(work, first, part);
    begin(columns, "bnn");
    for (uint64_t i = 0; i < work->batch; i++) {
        add_bytes(&columns[0], work->key[i], 16);
        add(&columns[1], (int64_t)(work->from[i] % 1024));
        add(&columns[2], first + (int64_t)i);
    }
    send(work->connection, ADD_KEYS, columns, 3);
    bool with_slots = persist_slots(work);
    send_numbers(work->connection, ROUND,
                 (int64_t[]){round + 1, 0, first, (int64_t)work->batch}, 4, work->key[0]);
    send_numbers(work->connection, CHANGE_BOOKS,
                 (int64_t[]){round + 1, first + (int64_t)work->batch - 1}, 2, NULL);
    send(work->connection, COMMIT, NULL, 0);
    PQpipelineSync(work->connection);
    // Records, postings, wallets, keys, slots, the round, the books, COMMIT.
    for (int i = 0; i < 6 + PARTS + with_slots; i++)
        PQclear(next(work->connection));
    sync(work->connection);
}

static void prepare(PGconn *connection, int text) {
    char name[8], whole[512];
    snprintf(name, sizeof(name), "m%d", text);
    if (text >= CHANGE)
        snprintf(whole, sizeof(whole), change_wallets, text - CHANGE);
    else if (text >= WALLETS)
        snprintf(whole, sizeof(whole), find_wallets, text - WALLETS);
    else
        snprintf(whole, sizeof(whole), "%s", texts[text]);
    PGresult *result = PQprepare(connection, name, whole, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail(PQresultErrorMessage(result));
    PQclear(result);
}

static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argument_count, char **arguments) {
    static struct work work = {.random = 88172645463325252u};
    const char *url = NULL;
    double seconds = 5;
    for (int i = 1; i + 1 < argument_count; i += 2) {
        if (strcmp(arguments[i], "--postgres") == 0)
            url = arguments[i + 1];
        else if (strcmp(arguments[i], "--wallets") == 0)
            work.wallet_count = strtoull(arguments[i + 1], NULL, 10);
        else if (strcmp(arguments[i], "--batch") == 0)
            work.batch = strtoull(arguments[i + 1], NULL, 10);
        else if (strcmp(arguments[i], "--seconds") == 0)
            seconds = strtod(arguments[i + 1], NULL);
    }
    if (url == NULL || work.wallet_count < 2 || work.batch < 1 || work.batch > BATCH_MAX)
        fail("--postgres, --wallets and --batch (at most 4096) are needed");
    work.wallets = calloc(work.wallet_count + 1, sizeof(struct wallet));
    work.connection = PQconnectdb(url);
    if (work.wallets == NULL || PQstatus(work.connection) != CONNECTION_OK)
        fail("no memory, or no connection");
    char text[1024];
    snprintf(text, sizeof(text), make_wallets, (unsigned long long)work.wallet_count);
    for (int i = 0; i < 2; i++) {
        PGresult *result = PQexec(work.connection, i == 0 ? set_up : text);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            fail(PQresultErrorMessage(result));
        PQclear(result);
    }
    for (int i = 0; i < TEXT_COUNT; i++)
        prepare(work.connection, i);
    PGresult *parts = PQexec(work.connection, find_parts);
    if (PQntuples(parts) != 1 || strlen(PQgetvalue(parts, 0, 0)) != 1024)
        fail("wallets are not in four partitions");
    memcpy(work.parts, PQgetvalue(parts, 0, 0), 1024);
    PQclear(parts);
    PQenterPipelineMode(work.connection);
    uint64_t operations = 0;
    double begun = now_seconds();
    while (now_seconds() - begun < seconds) {
        int64_t last, round, clock;
        fetch(&work, &last, &round, &clock);
        persist(&work, last, round, clock);
        operations += work.batch;
    }
    seconds = now_seconds() - begun;
    printf("operations=%llu seconds=%.2f rate=%.0f\n", (unsigned long long)operations, seconds,
           (double)operations / seconds);
    PQfinish(work.connection);
    return 0;
}
