// SPDX-License-Identifier: MIT
// `florin serve`, and `florin work`, which is the same house without the API: wires it together,
// tells where it listens, and takes it down again in an order in which nobody who was heard stays
// unanswered:
//
//   /readyz says 503 ─▶ nobody can connect ─▶ what was received is decided, durable and answered
//   ─▶ readers end ─▶ the engine closes its books ─▶ exit 0
//
// A store that hangs must not keep the process: a watchdog ends it in time, like a power cut that
// the journal is made for.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/embedded/embedded.h"
#include "engine/postgres/postgres.h"
#include "engine/shards/shards.h"
#include "http/server.h"
#include "http/tls.h"
#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_asking.h"
#include "programs/serve/serve_chain.h"
#include "programs/serve/serve_kafka.h"
#include "programs/serve/serve_filter.h"
#include "programs/serve/serve_harden.h"
#include "programs/serve/serve_key.h"
#include "programs/serve/serve_masters.h"
#include "programs/serve/serve_options.h"
#include "programs/serve/serve_patterns.h"
#include "programs/serve/serve_rules.h"
#include "programs/serve/serve_shards.h"
#include "programs/serve/serve_tokens.h"
#include "programs/serve/serve_webhooks.h"
#include "programs/version.h"

#define WHY_BYTES            512
#define HEAD_BYTES_FOR_TOKENS ((size_t)10 * 1024)
#define STOP_MS_MAX          9500 // of the ten seconds that are promised
#define STOP_HTTP_MS_MAX     8000
#define STOP_OUTCOMES_MS_MAX 7000
#define STOP_GRACE_MS        100 // for those who watch /readyz on a connection that they have

struct serving {
    const char *folder;
    const char *listen;
    const char *config_path;
    const char *postgres; // where the books are; NULL: in the folder
    struct config config;
    const char *kafka_brokers; // NULL: what the configuration says
    struct serve_kafka kafka;
    struct serve_webhooks webhooks;
    struct serve_chain chain;
    struct pattern_watch *patterns; // NULL: nobody looks
    struct serve_rules rules;
    struct engine *engine;
    struct api *api;
    struct http_server *server;
    bool is_worker;                // florin work
    const char *word;              // its name
    struct token_keys *token_keys; // NULL: no tokens open doors
    struct tls *tls;               // NULL: plain HTTP
};

// Makes the folder and those above it that are missing. umask keeps others out.
static bool make_folder(const char *folder) {
    char path[4096];
    size_t size = strlen(folder);
    if (size == 0 || size >= sizeof(path)) {
        fprintf(stderr, "florin: the data folder's name is empty or too long.\n");
        return false;
    }
    memcpy(path, folder, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        char was = path[i];
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            fprintf(stderr, "florin: cannot make the folder %s: %s.\n", path,
                    strerror(errno));
            return false;
        }
        path[i] = was;
    }
    return true;
}

static bool read_words(int argc, char **argv, struct serving *serving) {
    const struct serve_option options[] = {{"--data", &serving->folder},
                                           {"--listen", &serving->listen},
                                           {"--config", &serving->config_path},
                                           {"--postgres", &serving->postgres},
                                           {"--kafka", &serving->kafka_brokers},
                                           {0}};
    if (!serve_options_read(argc, argv, options, NULL))
        return false;
    config_set_defaults(&serving->config);
    char why[WHY_BYTES];
    if (serving->config_path != NULL &&
        config_load(serving->config_path, &serving->config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin %s: %s: %s\n", serving->word, serving->config_path, why);
        return false;
    }
    serve_fill_may_ask(&serving->config.roles, &serving->config.approvals);
    if (serving->kafka_brokers != NULL &&
        !config_kafka_set_brokers(&serving->config.kafka, serving->kafka_brokers)) {
        fprintf(stderr, "florin %s: --kafka needs \"host:port,host:port\".\n", serving->word);
        return false;
    }
    if (!serve_shards_fit(&serving->config, serving->word, &serving->postgres))
        return false;
    if (serving->is_worker) {
        serving->config.kafka.work = 1;
        serving->config.kafka.commands = 0; // it has no door
    }
    if (serving->is_worker && serving->config.kafka.brokers[0] == '\0') {
        fprintf(stderr, "florin work: say --kafka BROKERS, or --config FILE with the setting kafka."
                        "\n");
        return false;
    }
    return true;
}

// The books are in one database, or in several.
static bool is_in_databases(const struct serving *serving) {
    return serving->postgres != NULL || serve_has_shards(&serving->config);
}

static bool is_new_in_databases(const struct serving *serving) {
    return serve_has_shards(&serving->config) ? shards_is_new(serving->engine)
                                              : postgres_is_new(serving->engine);
}

static bool open_postgres(struct serving *serving, const struct vault_masters *masters) {
    char why[WHY_BYTES] = "";
    const char *replicas[CONFIG_REPLICAS_MAX + SHARD_REPLICAS_MAX];
    uint32_t replica_count = serve_shards_replicas(&serving->config, replicas);
    for (uint32_t i = 0; i < serving->config.postgres_replica_count; i++)
        replicas[replica_count++] = serving->config.postgres_replicas[i];
    struct postgres_options options = {
        .url = serving->postgres,
        .currencies = serving->config.currencies,
        .currency_count = serving->config.currency_count,
        .without_turn = serving->config.postgres_turn == 0,
        .folder = serving->folder,
        .replicas = replicas,
        .replica_count = replica_count,
        .idempotency_days = (uint32_t)serving->config.idempotency_days,
        .cache_wallets = (uint32_t)serving->config.postgres_cache_wallets,
        .replica_lag_ms_max = serving->config.postgres_replica_lag_ms,
        .approvals = &serving->config.approvals,
        .limits = serving->config.limits.count != 0 ? &serving->config.limits : NULL,
        .masters = masters,
        .review_expires_s = serving->config.rules.expires_in_s,
    };
    enum status status =
        serve_has_shards(&serving->config)
            ? serve_shards_open(&serving->config, &options, why, sizeof(why), &serving->engine)
            : postgres_open(&options, why, sizeof(why), &serving->engine);
    if (status == STATUS_ok)
        return true;
    fprintf(stderr, "florin %s: cannot open the books in PostgreSQL: %s\n", serving->word, why);
    return false;
}

static bool open_embedded(struct serving *serving, const struct vault_masters *masters) {
    char why[WHY_BYTES] = "";
    struct embedded_options options = {
        .folder = serving->folder,
        .currencies = serving->config.currencies,
        .currency_count = serving->config.currency_count,
        .idempotency_days = (uint32_t)serving->config.idempotency_days,
        .free_bytes_min = serving->config.storage_free_bytes_min,
        .approvals = &serving->config.approvals,
        .limits = serving->config.limits.count != 0 ? &serving->config.limits : NULL,
        .masters = masters,
        .lost_texts_accepted = serve_accepts_lost_texts(),
        .review_expires_s = serving->config.rules.expires_in_s,
    };
    enum status status = embedded_open(&options, why, sizeof(why), &serving->engine);
    if (status == STATUS_ok)
        return true;
    fprintf(stderr, "florin %s: cannot open the books in %s: %s\n", serving->word, serving->folder,
            why[0] != '\0' ? why : status_sentence(status));
    return false;
}

static bool open_engine(struct serving *serving) {
    struct vault_masters masters = {0};
    bool is_encrypted = false, is_open = false;
    if (serve_read_masters(&serving->config.encryption, &masters, &is_encrypted))
        is_open = is_in_databases(serving)
                      ? open_postgres(serving, is_encrypted ? &masters : NULL)
                      : open_embedded(serving, is_encrypted ? &masters : NULL);
    explicit_bzero(&masters, sizeof(masters));
    return is_open;
}

// The key's file is written before its record: a crash between the two leaves a file that the next
// start replaces, and never a key that nobody knows.
static bool make_first_key(struct serving *serving, struct serve_secret *ret_secret) {
    struct serve_secret secret = serve_secret_make(ROLE_ADMIN);
    struct serve_key_wish wish = {.name = SLICE("first admin key"), .role = ROLE_ADMIN};
    enum status status = serve_key_write(serving->folder, &secret);
    if (status == STATUS_ok)
        status = serve_key_create(serving->engine, &wish, &secret, NULL);
    if (status != STATUS_ok) {
        fprintf(stderr, "florin serve: cannot make the first admin key: %s\n",
                status_sentence(status));
        return false;
    }
    *ret_secret = secret;
    explicit_bzero(&secret, sizeof(secret));
    return true;
}

static void add_metrics(void *context, struct buffer *buffer) {
    struct serving *serving = context;
    serve_kafka_metrics(&serving->kafka, buffer);
    serve_patterns_metrics(serving->patterns, buffer);
    serve_webhooks_metrics(&serving->webhooks, buffer);
}

static uint32_t find_dependencies(void *context, struct api_dependency *ret_found, uint32_t max) {
    struct serving *serving = context;
    uint32_t count = serve_kafka_dependencies(&serving->kafka, ret_found, max);
    return count + serve_webhooks_dependencies(&serving->webhooks, ret_found + count, max - count);
}

// Tokens are long.
static size_t head_bytes_max(const struct config *config) {
    size_t least = config->issuer_count != 0 ? HEAD_BYTES_FOR_TOKENS : 0;
    return config->request_head_bytes > least ? config->request_head_bytes : least;
}

// Behind a proxy everybody has its address; and on this machine nobody is kept out.
static bool is_exempt(const void *context, const uint8_t address[16]) {
    static const struct network loopback[] = {
        {.address = {[10] = 0xff, [11] = 0xff, [12] = 127}, .bits = 104},
        {.address = {[15] = 1}, .bits = 128},
    };
    const struct config_edge *edge = context;
    return network_has(loopback, 2, address) ||
           network_has(edge->trusted_proxies, edge->trusted_proxy_count, address);
}

static bool open_server(struct serving *serving) {
    serving->chain =
        (struct serve_chain){serving->engine, serving->folder, is_in_databases(serving)};
    struct api_options api_options = {
        .engine = serving->engine,
        .currencies = serving->config.currencies,
        .currency_count = serving->config.currency_count,
        .loops = (unsigned)serving->config.http_threads,
        .request_deadline_ms = (uint32_t)serving->config.request_deadline_ms,
        .version = version_text(),
        .rate_limits = serving->config.rate_limits,
        .rate_limit_count = serving->config.rate_limit_count,
        .rate_limits_redis = serving->config.rate_limits_redis.address[0] != '\0'
                                 ? &serving->config.rate_limits_redis
                                 : NULL,
        .spending_limits = &serving->config.limits,
        .roles = &serving->config.roles,
        .queue = serving->kafka.queue,
        .console = serving->kafka.console.topic_count == 0 ? NULL : &serving->kafka.console,
        .webhooks = serving->webhooks.webhooks,
        .queue_writes = serving->config.kafka.queue_writes != 0,
        .queue_direct = serving->config.kafka.direct != 0,
        .metrics_more = add_metrics,
        .metrics_context = serving,
        .dependencies = find_dependencies,
        .pulse_ms = 1000,
        .slow_request_ms = (uint32_t)serving->config.slow_request_ms,
        .recount_mib_per_s = (uint32_t)serving->config.recount_mib_per_s,
        .recount_pause_s = (uint32_t)serving->config.recount_pause_s,
        .chain = serve_chain_prover(&serving->chain),
        .alarm_stops_payments = serving->config.alarm_stops_payments == 1,
        .audit_retention_days = (uint32_t)serving->config.audit_retention_days,
        .audit_window_s = (uint32_t)serving->config.audit_window_s,
        .issuers = serving->config.issuers,
        .issuer_count = serving->config.issuer_count,
        .token_keys = serving->token_keys,
        .trusted_proxies = serving->config.edge.trusted_proxies,
        .trusted_proxy_count = serving->config.edge.trusted_proxy_count,
        .cors_origins = (const char(*)[API_ORIGIN_BYTES])serving->config.edge.cors_origins,
        .cors_origin_count = serving->config.edge.cors_origin_count,
        .is_encrypted = serving->tls != NULL,
        .monitors_only = serving->is_worker,
    };
    serving->api = api_open(&api_options);
    struct http_handler handler = api_handler(serving->api);
    struct http_options options = {
        .listen = serving->listen,
        .loops = (unsigned)serving->config.http_threads,
        .connections_max = (unsigned)serving->config.connections_max,
        .connections_per_address_max = (unsigned)serving->config.connections_per_address,
        .head_bytes_max = head_bytes_max(&serving->config),
        .is_exempt = is_exempt,
        .exempt_context = &serving->config.edge,
        .tls = serving->tls,
    };
    char why[HTTP_WHY_BYTES] = "";
    if (http_server_open(&options, &handler, why, &serving->server) != STATUS_ok) {
        fprintf(stderr, "florin %s: %s\n", serving->word, why);
        return false;
    }
    if (serving->tls != NULL)
        tls_forget_key_text(serving->tls);
    unsigned connections_max = http_server_connections_max(serving->server);
    if (connections_max < options.connections_max)
        log_line(LOG_WARNING, "serve", "Only %u connections: the system grants no more open files.",
                 connections_max);
    api_attach(serving->api, serving->server);
    return true;
}

// Host and port as they are, which matters when port 0 took a free one.
static void tell_address(const struct serving *serving) {
    const char *colon = strrchr(serving->listen, ':');
    int host_bytes = colon == NULL ? 0 : (int)(colon - serving->listen);
    printf("Florin %s %s %s://%.*s:%u with its books in %s\n", version_text(),
           serving->is_worker ? "carries the queue out and tells its health at" : "serves",
           serving->tls != NULL ? "https" : "http", host_bytes, serving->listen,
           http_server_port(serving->server),
           is_in_databases(serving) ? "PostgreSQL" : serving->folder);
}

// Without the library's buffer, which would keep what went through it.
static void tell_key(const struct serving *serving, const struct serve_secret *secret) {
    char line[SECRET_BYTES_MAX + 32];
    int size = snprintf(line, sizeof(line), "Admin API key: %.*s\n", (int)secret->size,
                        secret->text);
    CHECK(size > 0 && (size_t)size < sizeof(line));
    fflush(stdout);
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    // What systemd's journal gets stays there and is read by others.
    if (getenv("JOURNAL_STREAM") == NULL)
        (void)fwrite(line, 1, (size_t)size, stdout);
    else
        printf("The admin API key is not told to the journal.\n");
    explicit_bzero(line, sizeof(line));
    printf("It lies in %s/admin.key\n", serving->folder);
}

static bool open_tls(struct serving *serving) {
    char why[TLS_WHY_BYTES] = "";
    if (serving->config.edge.tls.certificate[0] == '\0' ||
        tls_open(&serving->config.edge.tls, why, &serving->tls) == STATUS_ok)
        return true;
    fprintf(stderr, "florin %s: tls: %s\n", serving->word, why);
    return false;
}

// A certificate that was renewed is shown to the next client, without a restart.
static void reload_tls(const struct serving *serving) {
    char why[TLS_WHY_BYTES] = "";
    if (serving->tls == NULL)
        return;
    if (tls_reload(serving->tls, why) == STATUS_ok)
        log_line(LOG_INFO, "serve", "The certificate was read again.");
    else
        log_line(LOG_WARNING, "serve", "The certificate of before stays: %s", why);
}

static void wait_for_signal(struct serving *serving, const sigset_t *signals) {
    const struct timespec second = {.tv_sec = 1};
    int number = SIGHUP;
    while (number != SIGTERM && number != SIGINT) {
        bool looks = serving->tls != NULL || serving->config.rules.file[0] != '\0' ||
                     serve_webhooks_is_looking(&serving->webhooks);
        number = sigtimedwait(signals, NULL, looks ? &second : NULL);
        bool idle = number < 0 && errno == EAGAIN;
        if (number == SIGHUP ||
            (idle && serving->tls != NULL && tls_files_changed(serving->tls)))
            reload_tls(serving);
        if (number == SIGHUP || idle)
            serve_webhooks_look(&serving->webhooks);
        if (number == SIGHUP)
            serve_rules_reload(&serving->rules);
        else if (idle)
            serve_rules_look(&serving->rules);
    }
    log_line(LOG_INFO, "serve", "Stopping on %s.", number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void *watchdog_main(void *context) {
    (void)context;
    struct timespec time = {.tv_sec = STOP_MS_MAX / 1000, .tv_nsec = STOP_MS_MAX % 1000 * 1000000L};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
    log_line(
        LOG_ERROR, "serve",
        "The store did not let go within %d ms; ending without it. Nothing acknowledged is lost.",
        STOP_MS_MAX);
    _exit(1);
}

static void watchdog_start(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, watchdog_main, NULL) == 0)
        (void)pthread_detach(thread); // it ends with the process
}

static uint64_t ms_since(uint64_t begun_ns) {
    return (clock_monotonic_ns() - begun_ns) / 1000000;
}

// As long as somebody waits for an outcome, connections stay, and whoever watches /readyz on one
// that he has learns that this server is going.
static void wait_for_outcomes(const struct serving *serving, uint64_t begun_ns) {
    if (http_server_stats(serving->server).connections_open == 0)
        return;
    while (ms_since(begun_ns) < STOP_GRACE_MS ||
           (api_waiting(serving->api) > 0 && ms_since(begun_ns) < STOP_OUTCOMES_MS_MAX))
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static int stop(struct serving *serving) {
    uint64_t begun_ns = clock_monotonic_ns();
    watchdog_start();
    api_begin_stop(serving->api);
    http_server_close_listener(serving->server);
    wait_for_outcomes(serving, begun_ns);
    uint64_t used_ms = ms_since(begun_ns);
    uint32_t left_ms = used_ms < STOP_HTTP_MS_MAX ? STOP_HTTP_MS_MAX - (uint32_t)used_ms : 1;
    size_t unanswered = http_server_stop(serving->server, left_ms);
    if (unanswered != 0)
        log_line(LOG_ERROR, "serve", "%zu requests stay unanswered; a retry with its key tells.",
                 unanswered);
    api_stop(serving->api);
    serve_rules_tell(&serving->rules, NULL);
    pattern_watch_close(serving->patterns);
    serving->patterns = NULL;
    serve_webhooks_close(&serving->webhooks);
    serve_kafka_close(&serving->kafka);
    serve_rules_close(&serving->rules);
    serving->engine->port->close(serving->engine);
    serving->engine = NULL;
    log_line(LOG_INFO, "serve", "Stopped within %llu ms.", (unsigned long long)ms_since(begun_ns));
    return unanswered == 0 ? 0 : 1;
}

// Accepts a half-built house.
static void take_down(struct serving *serving) {
    if (serving->api != NULL)
        api_stop(serving->api);
    serve_rules_tell(&serving->rules, NULL);
    pattern_watch_close(serving->patterns);
    serving->patterns = NULL;
    serve_webhooks_close(&serving->webhooks);
    serve_kafka_close(&serving->kafka);
    serve_rules_close(&serving->rules);
    if (serving->engine != NULL)
        serving->engine->port->close(serving->engine);
    http_server_close(serving->server);
    api_close(serving->api);
    token_keys_close(serving->token_keys);
    tls_close(serving->tls);
}

static bool build_up(struct serving *serving) {
    if (!make_folder(serving->folder) || !serve_check_folder(serving->folder) ||
        !open_engine(serving))
        return false;
    if (!open_tls(serving))
        return false;
    if (!serve_open_tokens(&serving->config, &serving->token_keys) ||
        !serve_kafka_prepare(&serving->kafka, &serving->config, serving->engine) ||
        !serve_webhooks_prepare(&serving->webhooks, &serving->config, serving->engine,
                                !is_in_databases(serving)) ||
        !open_server(serving))
        return false;
    struct serve_secret secret;
    bool is_new = !serving->is_worker && (is_in_databases(serving)
                                              ? is_new_in_databases(serving)
                                              : embedded_is_new(serving->engine));
    if (is_new && !make_first_key(serving, &secret))
        return false;
    if (!serving->is_worker || serving->config.rules.file[0] != '\0')
        serve_rules_open(&serving->rules, &serving->config, serving->engine);
    if (!serve_kafka_open(&serving->kafka, &serving->config, serving->engine, serving->api,
                          !is_in_databases(serving)))
        return false;
    serve_webhooks_start(&serving->webhooks);
    serving->patterns =
        serve_patterns_open(&serving->config, serving->engine, !is_in_databases(serving));
    serve_rules_tell(&serving->rules, serving->patterns);
    http_server_start(serving->server);
    tell_address(serving);
    if (is_new)
        tell_key(serving, &secret);
    explicit_bzero(&secret, sizeof(secret));
    fflush(stdout);
    return true;
}

static int run(int argc, char **argv, const struct serving *house) {
    struct serving serving = *house;
    if (!read_words(argc, argv, &serving))
        return 2;
    umask(077); // the books are nobody else's
    serve_forbid_dumps();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    // Blocked in every thread from the start, so that only the wait below takes them.
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    int result = 1;
    if (serving.config.seccomp && !serve_filter_calls(serving.word))
        return result;
    if (build_up(&serving)) {
        wait_for_signal(&serving, &signals);
        result = stop(&serving);
    }
    take_down(&serving);
    return result;
}

int serve_run(int argc, char **argv) {
    struct serving serving = {
        .folder = SERVE_FOLDER_DEFAULT, .listen = "127.0.0.1:8080", .word = "serve"};
    return run(argc, argv, &serving);
}

int work_run(int argc, char **argv) {
    struct serving serving = {.folder = SERVE_FOLDER_DEFAULT,
                              .listen = "127.0.0.1:8081",
                              .word = "work",
                              .is_worker = true};
    return run(argc, argv, &serving);
}
