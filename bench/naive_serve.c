// SPDX-License-Identifier: MIT
// What most servers do on PostgreSQL: one SERIALIZABLE transaction per request, on a pool of
// connections, statement by statement, begun again when the database says so. Everything in front
// of it is Florin's own (HTTP, JSON, keys, rules, answers), so only the way of writing differs. It
// has tables of its own, without what several nodes, audits and lists need, and knows transfers
// alone.
//
//   naive_serve --listen HOST:PORT --postgres URL --writers N --wallets COUNT --ids FILE
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/memory.h"
#include "ledger/decide.h"

#define NAIVE_BALANCE     INT64_C(1000000000)
#define NAIVE_WRITERS_MAX 64
#define NAIVE_TRIES_MAX   200

static const char schema[] =
    "DROP SCHEMA IF EXISTS naive CASCADE; CREATE SCHEMA naive; "
    "CREATE TABLE naive.wallets (id bytea PRIMARY KEY, balance bigint NOT NULL, held bigint NOT "
    "NULL, version bigint NOT NULL, number bigint NOT NULL, CHECK (balance >= held)) "
    "WITH (fillfactor = 70); "
    "CREATE TABLE naive.transactions (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "id bytea NOT NULL, time_ms bigint NOT NULL, bytes bytea NOT NULL); "
    "CREATE TABLE naive.postings (wallet bytea, number bigint, transaction bytea NOT NULL, "
    "amount bigint NOT NULL, balance bigint NOT NULL, version bigint NOT NULL, "
    "PRIMARY KEY (wallet, number)); "
    "CREATE TABLE naive.idempotency (key bytea PRIMARY KEY, bytes bytea NOT NULL)";

enum { FIND_KEY, FIND_WALLETS, CHANGE_WALLET, ADD_TRANSACTION, ADD_POSTINGS, ADD_KEY, TEXT_COUNT };
static const char *const texts[TEXT_COUNT] = {
    [FIND_KEY] = "SELECT bytes FROM naive.idempotency WHERE key = $1::bytea",
    [FIND_WALLETS] = "SELECT id, balance, held, version, number FROM naive.wallets WHERE id IN "
                     "($1::bytea, $2::bytea) ORDER BY id FOR UPDATE",
    [CHANGE_WALLET] = "UPDATE naive.wallets SET balance = $2::bigint, version = $3::bigint, "
                      "number = number + 1 WHERE id = $1::bytea",
    [ADD_TRANSACTION] = "INSERT INTO naive.transactions (id, time_ms, bytes) "
                        "VALUES ($1::bytea, $2::bigint, $3::bytea)",
    [ADD_POSTINGS] = "INSERT INTO naive.postings VALUES ($1::bytea, $2::bigint, $3::bytea, "
                     "$4::bigint, $5::bigint, $6::bigint), ($7::bytea, $8::bigint, $3::bytea, "
                     "$9::bigint, $10::bigint, $11::bigint)",
    [ADD_KEY] = "INSERT INTO naive.idempotency VALUES ($1::bytea, $2::bytea)",
};

struct tracked { // a round whose submissions are under way
    struct round *round;
    pthread_mutex_t lock; // of the round's arena
    uint32_t left;        // atomic
};

struct job {
    struct job *next;
    struct tracked *tracked;
    struct submission *submission;
};

struct naive {
    struct engine engine; // first
    const char *url;
    struct key key;
    struct currency_account dollars;
    uint64_t next_locator; // atomic
    uint64_t retries;      // atomic
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job *first, *last;
};

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "naive_serve: %s\n", what);
    exit(1);
}

// ---- one transaction --------------------------------------------------------------------------

struct values {
    int count;
    const char *values[12];
    int lengths[12], formats[12];
    uint64_t numbers[12];
};

static void add_bytes(struct values *values, const void *bytes, size_t size) {
    int i = values->count++;
    values->values[i] = bytes;
    values->lengths[i] = (int)size;
    values->formats[i] = 1;
}

static void add_number(struct values *values, int64_t number) {
    uint64_t *place = &values->numbers[values->count];
    *place = __builtin_bswap64((uint64_t)number);
    add_bytes(values, place, 8);
}

static int64_t number_at(const PGresult *result, int row, int column) {
    uint64_t number;
    memcpy(&number, PQgetvalue(result, row, column), 8);
    return (int64_t)__builtin_bswap64(number);
}

// NULL: begin again.
static PGresult *ask(PGconn *connection, int text, const struct values *values) {
    char name[8];
    snprintf(name, sizeof(name), "n%d", text);
    PGresult *result = PQexecPrepared(connection, name, values->count, values->values,
                                      values->lengths, values->formats, 1);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL || (strcmp(state, "40001") != 0 && strcmp(state, "40P01") != 0))
        fail(PQresultErrorMessage(result));
    PQclear(result);
    return NULL;
}

static bool tell(PGconn *connection, int text, const struct values *values) {
    PGresult *result = ask(connection, text, values);
    PQclear(result);
    return result != NULL;
}

static bool run(PGconn *connection, const char *text) {
    PGresult *result = PQexec(connection, text);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok && (state == NULL || strcmp(state, "40001") != 0))
        fail(PQresultErrorMessage(result));
    ok = ok && strcmp(PQcmdStatus(result), "ROLLBACK") != 0;
    PQclear(result);
    return ok;
}

static void answer(struct tracked *tracked, struct outcome *outcome, struct slice bytes) {
    pthread_mutex_lock(&tracked->lock);
    outcome->record = arena_copy(&tracked->round->arena, bytes);
    pthread_mutex_unlock(&tracked->lock);
}

static void find_wallets(const struct command *command, const PGresult *result,
                         struct docket *docket, struct wallet wallets[2], int64_t numbers[2]) {
    for (int row = 0; row < PQntuples(result); row++) {
        struct id id;
        memcpy(id.bytes, PQgetvalue(result, row, 0), sizeof(id.bytes));
        int side = id_equal(id, command->wallet) ? 0 : 1;
        wallets[side] = (struct wallet){.id = id,
                                        .balance = number_at(result, row, 1),
                                        .held = number_at(result, row, 2),
                                        .version = (uint64_t)number_at(result, row, 3)};
        numbers[side] = number_at(result, row, 4);
        *(side == 0 ? &docket->wallet : &docket->counterparty) = &wallets[side];
    }
}

static bool write_all(PGconn *connection, const struct command *command,
                      const struct record *record, struct slice bytes,
                      const struct wallet wallets[2], const int64_t numbers[2]) {
    const struct transaction_facts *facts = &record->transaction;
    for (int side = 0; side < 2; side++) {
        struct values change = {0};
        add_bytes(&change, wallets[side].id.bytes, 16);
        add_number(&change, wallets[side].balance);
        add_number(&change, (int64_t)wallets[side].version);
        if (!tell(connection, CHANGE_WALLET, &change))
            return false;
    }
    struct values transaction = {0}, postings = {0}, key = {0};
    add_bytes(&transaction, facts->id.bytes, 16);
    add_number(&transaction, (int64_t)record->time_ms);
    add_bytes(&transaction, bytes.bytes, bytes.size);
    add_bytes(&postings, facts->debit.wallet.bytes, 16);
    add_number(&postings, numbers[0] + 1);
    add_bytes(&postings, facts->id.bytes, 16);
    add_number(&postings, -facts->amount);
    add_number(&postings, facts->debit.balance);
    add_number(&postings, (int64_t)facts->debit.version);
    add_bytes(&postings, facts->credit.wallet.bytes, 16);
    add_number(&postings, numbers[1] + 1);
    add_number(&postings, facts->amount);
    add_number(&postings, facts->credit.balance);
    add_number(&postings, (int64_t)facts->credit.version);
    add_bytes(&key, &command->key, sizeof(command->key));
    add_bytes(&key, bytes.bytes, bytes.size);
    return tell(connection, ADD_TRANSACTION, &transaction) &&
           tell(connection, ADD_POSTINGS, &postings) &&
           (!command->has_key || tell(connection, ADD_KEY, &key));
}

// False: begin again.
static bool try_once(struct naive *naive, PGconn *connection, struct tracked *tracked,
                     const struct command *command, struct outcome *outcome,
                     struct buffer *buffer) {
    struct values key = {0}, both = {0};
    struct wallet wallets[2];
    int64_t numbers[2];
    memset(outcome, 0, sizeof(*outcome));
    if (!run(connection, "BEGIN ISOLATION LEVEL SERIALIZABLE"))
        return false;
    add_bytes(&key, &command->key, sizeof(command->key));
    PGresult *result = command->has_key ? ask(connection, FIND_KEY, &key) : NULL;
    if (command->has_key && result == NULL)
        return false;
    if (result != NULL && PQntuples(result) == 1) {
        outcome->replayed = true;
        answer(tracked, outcome,
               slice_of(PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)));
        PQclear(result);
        return run(connection, "COMMIT");
    }
    PQclear(result);
    struct docket docket = {.now_ms = clock_now_ms(),
                            .currency = &naive->dollars,
                            .counterparty_currency = &naive->dollars.currency,
                            .keys = &naive->key,
                            .key_count = 1,
                            .principal = &naive->key};
    add_bytes(&both, command->wallet.bytes, 16);
    add_bytes(&both, command->counterparty.bytes, 16);
    result = ask(connection, FIND_WALLETS, &both);
    if (result == NULL)
        return false;
    find_wallets(command, result, &docket, wallets, numbers);
    PQclear(result);
    docket.new_id = id_make(&naive->engine.seal, docket.now_ms, id_slot(command->wallet),
                            __atomic_add_fetch(&naive->next_locator, 1, __ATOMIC_RELAXED));
    struct record record;
    outcome->status = (uint8_t)decide(command, &docket, &record, &outcome->refusal);
    if (outcome->status != STATUS_ok)
        return run(connection, "COMMIT");
    apply(&record, &docket);
    record.transaction.debit.number = (uint32_t)numbers[0] + 1;
    record.transaction.credit.number = (uint32_t)numbers[1] + 1;
    buffer_reset(buffer);
    record_encode(&record, buffer);
    if (!write_all(connection, command, &record, buffer_slice(buffer), wallets, numbers) ||
        !run(connection, "COMMIT"))
        return false;
    answer(tracked, outcome, buffer_slice(buffer));
    return true;
}

static void do_job(struct naive *naive, PGconn *connection, const struct job *job,
                   struct buffer *buffer) {
    struct submission *submission = job->submission;
    struct outcome *outcome = &submission->outcomes[0];
    if (submission->count != 1 || submission->commands[0].type != COMMAND_TRANSFER) {
        memset(outcome, 0, sizeof(*outcome));
        outcome->status = STATUS_internal;
        return;
    }
    for (int tries = 0; tries < NAIVE_TRIES_MAX; tries++) {
        if (try_once(naive, connection, job->tracked, &submission->commands[0], outcome, buffer))
            return;
        PQclear(PQexec(connection, "ROLLBACK"));
        __atomic_add_fetch(&naive->retries, 1, __ATOMIC_RELAXED);
        uint64_t random;
        random_fill(&random, sizeof(random));
        usleep((useconds_t)(random % (500u << (tries < 6 ? tries : 6)))); // with jitter
    }
    outcome->status = STATUS_busy;
}

// ---- the engine's port ------------------------------------------------------------------------

static void *write_forever(void *context) {
    struct naive *naive = context;
    struct buffer buffer = {0};
    PGconn *connection = PQconnectdb(naive->url);
    if (PQstatus(connection) != CONNECTION_OK)
        fail(PQerrorMessage(connection));
    PQclear(PQexec(connection, "SET enable_seqscan = off; SET plan_cache_mode = "
                               "force_generic_plan; SET jit = off; "
                               "SET client_min_messages = error"));
    for (int text = 0; text < TEXT_COUNT; text++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", text);
        PQclear(PQprepare(connection, name, texts[text], 0, NULL));
    }
    for (;;) {
        pthread_mutex_lock(&naive->lock);
        while (naive->first == NULL)
            pthread_cond_wait(&naive->filled, &naive->lock);
        struct job *job = naive->first;
        naive->first = job->next;
        pthread_mutex_unlock(&naive->lock);
        do_job(naive, connection, job, &buffer);
        if (__atomic_sub_fetch(&job->tracked->left, 1, __ATOMIC_ACQ_REL) == 0) {
            struct round *round = job->tracked->round;
            pthread_mutex_destroy(&job->tracked->lock);
            free(job->tracked);
            round->published(round);
        }
        free(job);
    }
}

static void naive_submit(struct engine *engine, struct round *round) {
    struct naive *naive = (struct naive *)engine;
    struct tracked *tracked = malloc(sizeof(*tracked));
    tracked->round = round;
    tracked->left = 0;
    pthread_mutex_init(&tracked->lock, NULL);
    for (struct submission *submission = round->first; submission != NULL;
         submission = submission->next)
        tracked->left++;
    pthread_mutex_lock(&naive->lock);
    for (struct submission *submission = round->first; submission != NULL;
         submission = submission->next) {
        struct job *job = malloc(sizeof(*job));
        *job = (struct job){.tracked = tracked, .submission = submission};
        if (naive->first == NULL)
            naive->first = job;
        else
            naive->last->next = job;
        naive->last = job;
        pthread_cond_signal(&naive->filled);
    }
    pthread_mutex_unlock(&naive->lock);
}

static bool naive_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                           struct key *ret_key, bool *ret_live) {
    (void)now_ms;
    *ret_key = ((struct naive *)engine)->key; // whoever asks has it
    ret_key->secret_hash = *secret_hash;
    *ret_live = true;
    return true;
}

static void naive_stats(struct engine *engine, struct engine_stats *ret_stats) {
    memset(ret_stats, 0, sizeof(*ret_stats));
    ret_stats->retries_serialization =
        __atomic_load_n(&((struct naive *)engine)->retries, __ATOMIC_RELAXED);
}

static const struct engine_port naive_port = {
    .submit = naive_submit, .find_key = naive_find_key, .stats = naive_stats};

// ---- setting up -------------------------------------------------------------------------------

static void make_wallets(struct naive *naive, uint64_t count, const char *path) {
    PGconn *connection = PQconnectdb(naive->url);
    FILE *file = fopen(path, "w");
    if (PQstatus(connection) != CONNECTION_OK || file == NULL)
        fail("the database or the list of wallets cannot be opened");
    PQclear(PQexec(connection, "SET client_min_messages = warning"));
    run(connection, schema);
    PQclear(PQexec(connection, "COPY naive.wallets FROM STDIN"));
    for (uint64_t i = 1; i <= count; i++) {
        char text[ID_TEXT_BYTES_MAX], line[128];
        struct id id = id_make(&naive->engine.seal, clock_now_ms(), (uint32_t)(i % 1024), i);
        fprintf(file, "%.*s\n", (int)id_format(ID_WALLET, id, text), text);
        int size = snprintf(line, sizeof(line), "\\\\x");
        for (int byte = 0; byte < 16; byte++)
            size += snprintf(line + size, sizeof(line) - (size_t)size, "%02x", id.bytes[byte]);
        size += snprintf(line + size, sizeof(line) - (size_t)size, "\t%lld\t0\t1\t0\n",
                         (long long)NAIVE_BALANCE);
        if (PQputCopyData(connection, line, size) != 1)
            fail("wallets cannot be copied");
    }
    if (PQputCopyEnd(connection, NULL) != 1)
        fail("wallets cannot be copied");
    PQclear(PQgetResult(connection));
    PQclear(PQexec(connection, "ANALYZE naive.wallets"));
    PQfinish(connection);
    fclose(file);
}

int main(int argument_count, char **arguments) {
    static struct naive naive;
    const char *listen = NULL, *ids = NULL;
    uint64_t writers = 0, wallets = 0;
    for (int i = 1; i + 1 < argument_count; i += 2) {
        const char *name = arguments[i], *value = arguments[i + 1];
        if (strcmp(name, "--listen") == 0)
            listen = value;
        else if (strcmp(name, "--postgres") == 0)
            naive.url = value;
        else if (strcmp(name, "--ids") == 0)
            ids = value;
        else if (strcmp(name, "--writers") == 0)
            writers = strtoull(value, NULL, 10);
        else if (strcmp(name, "--wallets") == 0)
            wallets = strtoull(value, NULL, 10);
    }
    if (listen == NULL || naive.url == NULL || ids == NULL || writers == 0 || wallets < 2 ||
        writers > NAIVE_WRITERS_MAX)
        fail("--listen, --postgres, --writers, --wallets and --ids are needed");
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    naive.engine.port = &naive_port;
    naive.engine.seal = id_seal_make((const uint8_t *)"0123456789abcdef");
    naive.next_locator = wallets;
    naive.dollars.currency = (struct currency){.code = "USD", .exponent = 2};
    naive.key.id = id_make(&naive.engine.seal, clock_now_ms(), 0, 1);
    naive.key.role = ROLE_ADMIN;
    pthread_mutex_init(&naive.lock, NULL);
    pthread_cond_init(&naive.filled, NULL);
    make_wallets(&naive, wallets, ids);
    for (uint64_t i = 0; i < writers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, write_forever, &naive) != 0)
            fail("no more threads");
    }
    struct api_options api_options = {.engine = &naive.engine, .loops = 1,
                                      .request_deadline_ms = 10000, .version = "naive",
                                      .audit_window_s = 3600};
    struct api *api = api_open(&api_options);
    struct http_handler handler = api_handler(api);
    struct http_options options = {.listen = listen, .loops = 1, .connections_max = 4096};
    struct http_server *server;
    char why[HTTP_WHY_BYTES] = "";
    if (http_server_open(&options, &handler, why, &server) != STATUS_ok)
        fail(why);
    api_attach(api, server);
    http_server_start(server);
    puts("listening");
    fflush(stdout);
    int number;
    while (sigwait(&signals, &number) != 0)
        continue;
    exit(0); // every answer was committed before it was given
}
