// SPDX-License-Identifier: MIT
// Counts what happens and prints it for Prometheus. Names end in their unit; what only grows ends
// in _total.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "api/dependencies.h"
#include "api/loop.h"
#include "api/pulse.h"
#include "api/recount.h"
#include "base/clock.h"
#include "base/metric.h"

static const int codes[METRICS_CODE_COUNT] = {200, 201, 202, 204, 304, 400, 401, 403, 404,
                                              405, 409, 410, 412, 413, 415, 417, 422, 429,
                                              431, 499, 500, 501, 503, 504, 507};

// Upper bounds in microseconds; the last bucket takes the rest.
static const uint64_t duration_bounds_us[METRICS_DURATION_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 2500000, 10000000};

// Commands in a round, upper bounds; the last bucket takes the rest.
static const uint32_t round_bounds[METRICS_ROUND_BUCKETS - 1] = {1,    4,    16,    64,   256,
                                                                 1024, 4096, 16384, 65536};

static uint32_t code_index(int http) {
    for (uint32_t i = 0; i < METRICS_CODE_COUNT; i++)
        if (codes[i] == http)
            return i;
    return code_index(500);
}

void metrics_count_answer(struct metrics *metrics, uint32_t operation_code, int http,
                          uint64_t duration_ns) {
    CHECK(operation_code <= METRICS_OPERATION_UNKNOWN);
    metrics_add(&metrics->answers[operation_code][code_index(http)], 1);
    uint64_t duration_us = duration_ns / 1000;
    uint32_t bucket = 0;
    while (bucket < METRICS_DURATION_BUCKETS - 1 && duration_us > duration_bounds_us[bucket])
        bucket++;
    metrics_add(&metrics->durations[bucket], 1);
    metrics_add(&metrics->duration_us_total, duration_us);
    metrics_add(&metrics->operation_us[operation_code], duration_us);
}

void metrics_count_round_time(struct metrics *metrics, uint64_t duration_ns) {
    uint64_t duration_us = duration_ns / 1000;
    uint32_t bucket = 0;
    while (bucket < METRICS_DURATION_BUCKETS - 1 && duration_us > duration_bounds_us[bucket])
        bucket++;
    metrics_add(&metrics->round_times[bucket], 1);
    metrics_add(&metrics->round_us_total, duration_us);
}

void metrics_count_round(struct metrics *metrics, uint32_t command_count) {
    uint32_t bucket = 0;
    while (bucket < METRICS_ROUND_BUCKETS - 1 && command_count > round_bounds[bucket])
        bucket++;
    metrics_add(&metrics->rounds[bucket], 1);
    metrics_add(&metrics->round_count, 1);
    metrics_add(&metrics->round_commands, command_count);
}

// A counter of all loops together, by its place in struct metrics.
static uint64_t sum(const struct api *api, size_t offset) {
    uint64_t total = 0;
    for (unsigned i = 0; i < api->options.loops; i++) {
        const uint8_t *metrics = (const uint8_t *)&api->loops[i].metrics;
        total +=
            __atomic_load_n((const uint64_t *)(const void *)(metrics + offset), __ATOMIC_RELAXED);
    }
    return total;
}

#define SUM(api, member) sum((api), offsetof(struct metrics, member))

uint64_t api_waiting(const struct api *api) {
    return SUM(api, waiting_calls);
}

// A fraction of seconds from a whole number of smaller units, without floating point.
static void add_seconds(struct buffer *buffer, const char *name, uint64_t value, uint64_t units,
                        int digits) {
    buffer_add_format(buffer, "florin_%s %llu.%0*llu\n", name, (unsigned long long)(value / units),
                      digits, (unsigned long long)(value % units));
}

static void add_answers(const struct api *api, struct buffer *buffer) {
    metric_head(buffer, "requests_total", "counter",
                "Requests answered, by operation and HTTP code.");
    for (uint32_t operation = 0; operation <= OPERATION_COUNT; operation++) {
        const char *name = operation == OPERATION_COUNT
                               ? "unknown"
                               : operation_at((enum operation_code)operation)->name;
        for (uint32_t i = 0; i < METRICS_CODE_COUNT; i++) {
            uint64_t value = sum(api, offsetof(struct metrics, answers) +
                                          (operation * METRICS_CODE_COUNT + i) * sizeof(uint64_t));
            if (value != 0)
                buffer_add_format(buffer,
                                  "florin_requests_total{operation=\"%s\",code=\"%d\"} %llu\n",
                                  name, codes[i], (unsigned long long)value);
        }
    }
}

static void add_histogram(const struct api *api, struct buffer *buffer, const char *name,
                          size_t buckets, uint64_t us_total) {
    static const char *const bounds[METRICS_DURATION_BUCKETS] = {
        "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
        "0.025",  "0.1",     "0.5",    "2.5",   "10",     "+Inf"};
    char sum_name[64];
    uint64_t count = 0;
    for (uint32_t i = 0; i < METRICS_DURATION_BUCKETS; i++) {
        count += sum(api, buckets + i * sizeof(uint64_t));
        buffer_add_format(buffer, "florin_%s_bucket{le=\"%s\"} %llu\n", name, bounds[i],
                          (unsigned long long)count);
    }
    (void)snprintf(sum_name, sizeof(sum_name), "%s_sum", name);
    add_seconds(buffer, sum_name, us_total, 1000000, 6);
    buffer_add_format(buffer, "florin_%s_count %llu\n", name, (unsigned long long)count);
}

static void add_durations(const struct api *api, struct buffer *buffer) {
    metric_head(buffer, "request_duration_seconds", "histogram",
                "From a request's last byte to its answer.");
    add_histogram(api, buffer, "request_duration_seconds", offsetof(struct metrics, durations),
                  SUM(api, duration_us_total));
    metric_head(buffer, "round_duration_seconds", "histogram",
                "From a round's leaving for the engine until it is durable and told.");
    add_histogram(api, buffer, "round_duration_seconds", offsetof(struct metrics, round_times),
                  SUM(api, round_us_total));
    metric_head(buffer, "operation_seconds_total", "counter",
                "Time from last byte to answer, of all requests of an operation together.");
    for (uint32_t i = 0; i <= OPERATION_COUNT; i++) {
        uint64_t us = sum(api, offsetof(struct metrics, operation_us) + i * sizeof(uint64_t));
        if (us != 0)
            buffer_add_format(
                buffer, "florin_operation_seconds_total{operation=\"%s\"} %llu.%06llu\n",
                i == OPERATION_COUNT ? "unknown" : operation_at((enum operation_code)i)->name,
                (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
    }
    metric_value(buffer, "slow_requests_total", "counter",
                 "Requests that took longer than slow_request_ms; the log has their steps.",
                 SUM(api, slow_requests));
}

// Of the whole process, as the kernel counts it: the second number of statm, in pages.
static void add_memory(struct buffer *buffer) {
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    const char *digit = size <= 0 ? NULL : strchr(text, ' ');
    uint64_t pages = 0;
    if (digit == NULL)
        return;
    for (digit++; *digit >= '0' && *digit <= '9'; digit++)
        pages = pages * 10 + (uint64_t)(*digit - '0');
    metric_value(buffer, "memory_resident_bytes", "gauge", "Memory of the process in use.",
                 pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void add_rounds(const struct api *api, struct buffer *buffer) {
    metric_head(buffer, "round_commands", "histogram", "Commands that travelled in one round.");
    uint64_t count = 0;
    for (uint32_t i = 0; i < METRICS_ROUND_BUCKETS; i++) {
        count += sum(api, offsetof(struct metrics, rounds) + i * sizeof(uint64_t));
        if (i < METRICS_ROUND_BUCKETS - 1)
            buffer_add_format(buffer, "florin_round_commands_bucket{le=\"%u\"} %llu\n",
                              round_bounds[i], (unsigned long long)count);
        else
            buffer_add_format(buffer, "florin_round_commands_bucket{le=\"+Inf\"} %llu\n",
                              (unsigned long long)count);
    }
    buffer_add_format(buffer, "florin_round_commands_sum %llu\n",
                      (unsigned long long)SUM(api, round_commands));
    buffer_add_format(buffer, "florin_round_commands_count %llu\n", (unsigned long long)count);
    metric_value(buffer, "requests_waiting", "gauge", "Requests whose outcome is not known yet.",
                 api_waiting(api));
    metric_value(buffer, "request_deadlines_missed_total", "counter",
                 "Requests answered busy because they waited too long.",
                 SUM(api, deadlines_missed));
}

static void add_notes(const struct api *api, struct buffer *buffer) {
    metric_value(buffer, "audit_notes_total", "counter",
                 "Entries of the audit that are no record of their own: reads and refusals.",
                 SUM(api, notes));
    metric_value(buffer, "audit_notes_lost_total", "counter",
                 "Requests whose note could not be kept, because none could be written.",
                 SUM(api, notes_lost));
}

static void add_limits(const struct api *api, struct buffer *buffer) {
    if (api->limiter == NULL)
        return;
    metric_head(buffer, "requests_limited_total", "counter",
                "Requests refused because they came too often, by limit.");
    for (uint32_t i = 0; i < rate_limiter_rule_count(api->limiter); i++)
        buffer_add_format(
            buffer, "florin_requests_limited_total{limit=\"%s\"} %llu\n",
            rate_limiter_rule_name(api->limiter, i),
            (unsigned long long)sum(api, offsetof(struct metrics, limited) + i * sizeof(uint64_t)));
}

static void add_retries(struct buffer *buffer, const char *reason, uint64_t value) {
    buffer_add_format(buffer, "florin_engine_retries_total{reason=\"%s\"} %llu\n", reason,
                      (unsigned long long)value);
}

static void add_share(const struct api *api, struct buffer *buffer) {
    if (api->rate_share == NULL)
        return;
    struct rate_share_state state = rate_share_state(api->rate_share);
    metric_value(buffer, "rate_limits_shared", "gauge",
                 "1 while limits are shared through Redis; 0: each node limits by itself.",
                 state.shared);
    metric_value(buffer, "rate_limits_redis_failures_total", "counter",
                 "How often Redis could not be asked.", state.failures);
    metric_value(buffer, "rate_limits_dropped_total", "counter",
                 "Tokens that were not told to Redis for want of room.", state.dropped);
}

static void add_tokens(const struct api *api, struct buffer *buffer) {
    struct token_checker_stats total = {0};
    if (api->options.issuer_count == 0)
        return;
    for (unsigned i = 0; i < api->options.loops; i++) {
        struct token_checker_stats stats = token_checker_stats(api->loops[i].door.tokens);
        total.remembered += stats.remembered;
        total.checked += stats.checked;
        total.refused += stats.refused;
        total.put_off += stats.put_off;
    }
    metric_value(buffer, "tokens_remembered_total", "counter", "Tokens that were known already.",
                 total.remembered);
    metric_value(buffer, "tokens_checked_total", "counter", "Tokens checked and taken.",
                 total.checked);
    metric_value(buffer, "tokens_refused_total", "counter", "Tokens refused.", total.refused);
    metric_value(buffer, "tokens_put_off_total", "counter",
                 "Tokens answered busy: their key was being fetched, or too many were new.",
                 total.put_off);
    metric_head(buffer, "token_keys", "gauge", "Keys of an issuer of tokens that can be used.");
    for (uint32_t i = 0; i < api->options.issuer_count; i++)
        buffer_add_format(buffer, "florin_token_keys{issuer=\"%u\"} %llu\n", i,
                          (unsigned long long)token_keys_state(api->options.token_keys, i).keys);
    metric_head(buffer, "token_keys_failures_total", "counter",
                "How often an issuer's keys could not be read.");
    for (uint32_t i = 0; i < api->options.issuer_count; i++)
        buffer_add_format(
            buffer, "florin_token_keys_failures_total{issuer=\"%u\"} %llu\n", i,
            (unsigned long long)token_keys_state(api->options.token_keys, i).failures);
}

static void add_shards(const struct engine_stats *stats, struct buffer *buffer) {
    if (stats->shard_count == 0)
        return;
    metric_value(buffer, "shards", "gauge", "Servers that the books lie on.", stats->shard_count);
    metric_value(buffer, "shards_away", "gauge",
                 "Shards that hang or cannot be reached, as this node finds; others go on.",
                 stats->shards_away);
    metric_value(buffer, "legs_in_doubt", "gauge",
                 "Prepared transactions of these books on any shard, when last looked at.",
                 stats->legs_in_doubt);
    metric_value(buffer, "legs_resolved_total", "counter",
                 "Legs that another node had left behind and this one has finished.",
                 stats->legs_resolved);
    metric_value(buffer, "legs_missing", "gauge",
                 "Legs that were decided and are nowhere; anything but 0 is an alarm.",
                 stats->legs_missing);
    metric_value(buffer, "shards_unsafe", "gauge",
                 "Shards without a synchronous standby, or with one that cannot follow, when this "
                 "node was started.",
                 stats->shards_unsafe);
}

static void add_engine(const struct api *api, struct buffer *buffer) {
    struct engine_stats stats;
    memset(&stats, 0, sizeof(stats));
    api->engine->port->stats(api->engine, &stats);
    add_shards(&stats, buffer);
    metric_value(buffer, "engine_rounds_total", "counter", "Rounds decided.", stats.rounds);
    metric_value(buffer, "engine_commands_total", "counter", "Commands decided.", stats.commands);
    metric_value(buffer, "engine_refusals_total", "counter", "Commands refused.", stats.refusals);
    metric_value(buffer, "engine_replays_total", "counter",
                 "Commands answered from an idempotency key.", stats.replays);
    metric_value(buffer, "engine_records_total", "counter", "Records written.", stats.records);
    metric_head(buffer, "engine_sync_duration_seconds", "summary", "Time in syncs of the journal.");
    add_seconds(buffer, "engine_sync_duration_seconds_sum", stats.sync_ns_total, 1000000000, 9);
    buffer_add_format(buffer, "florin_engine_sync_duration_seconds_count %llu\n",
                      (unsigned long long)stats.sync_count);
    metric_value(buffer, "journal_bytes", "gauge", "Bytes in the journal.", stats.journal_bytes);
    metric_value(buffer, "index_backlog_bytes", "gauge", "Index entries not sealed yet.",
                 stats.index_backlog_bytes);
    metric_value(buffer, "index_runs", "gauge", "Sealed runs of the index.", stats.index_run_count);
    metric_value(buffer, "index_keys", "gauge", "Keys in the index.", stats.index_key_count);
    metric_value(buffer, "wallets", "gauge", "Wallets.", stats.wallet_count);
    metric_value(buffer, "holds", "gauge", "Holds.", stats.hold_count);
    metric_value(buffer, "holds_open", "gauge", "Holds that are open.", stats.hold_open_count);
    metric_value(buffer, "withdrawals", "gauge", "Withdrawals.", stats.withdrawal_count);
    metric_value(buffer, "transactions", "gauge", "Transactions.", stats.transaction_count);
    metric_value(buffer, "keys", "gauge", "API keys.", stats.key_count);
    metric_head(buffer, "checkpoint_age_seconds", "gauge", "Since the last checkpoint.");
    add_seconds(buffer, "checkpoint_age_seconds", stats.checkpoint_age_ms, 1000, 3);
    metric_value(buffer, "engine_batch_commands_last", "gauge", "Commands behind the last sync.",
                 stats.batch_commands_last);
    metric_value(buffer, "memory_state_bytes", "gauge", "Memory of the books' state.",
                 stats.memory_state_bytes);
    metric_value(buffer, "memory_index_bytes", "gauge", "Memory of the index.",
                 stats.memory_index_bytes);
    metric_head(buffer, "engine_retries_total", "counter",
                "Rounds begun again by the database's word, by reason.");
    add_retries(buffer, "serialization", stats.retries_serialization);
    add_retries(buffer, "deadlock", stats.retries_deadlock);
    add_retries(buffer, "timeout", stats.retries_timeout);
    metric_value(buffer, "engine_connections_lost_total", "counter",
                 "Connections of the writer that were lost with a round under way.",
                 stats.connections_lost);
    metric_value(buffer, "engine_commits_looked_up_total", "counter",
                 "Commits that nobody answered and whose outcome was looked up.",
                 stats.commits_looked_up);
    metric_value(buffer, "engine_set_aside_total", "counter",
                 "Commands that waited aside because somebody else had locked a row.",
                 stats.set_aside);
    metric_value(buffer, "engine_rounds_ahead_total", "counter",
                 "Rounds decided on what the last one left, which the database proved.",
                 stats.ahead);
    metric_value(buffer, "engine_rounds_ahead_opened_total", "counter",
                 "Those of them that the database was at work on while the last was committed.",
                 stats.ahead_opened);
    metric_value(buffer, "engine_rounds_ahead_beside_total", "counter",
                 "Those of them whose keys another session had looked for meanwhile.",
                 stats.ahead_beside);
    metric_value(buffer, "engine_rounds_ahead_failed_total", "counter",
                 "Rounds decided on what was not so any more, and begun again.",
                 stats.ahead_failed);
    metric_value(buffer, "storage_full", "gauge",
                 "1 while writes are refused for want of disk space.", stats.storage_full);
}

// Of engines that have other servers.
static void add_servers(const struct api *api, struct buffer *buffer) {
    struct engine_stats stats;
    memset(&stats, 0, sizeof(stats));
    if (api->positions == NULL)
        return;
    api->engine->port->stats(api->engine, &stats);
    metric_value(buffer, "postgres_timeline", "gauge", "Timeline of the primary.", stats.epoch);
    metric_value(buffer, "postgres_failovers_total", "counter",
                 "Changes to another timeline since the start.", stats.failovers);
    metric_value(buffer, "postgres_servers_refused_total", "counter",
                 "Servers that were not used: standbys, old or foreign ones.",
                 stats.servers_refused);
    metric_head(buffer, "postgres_reads_total", "counter",
                "Reads beside the writer, by where they were answered.");
    buffer_add_format(buffer,
                      "florin_postgres_reads_total{from=\"primary\"} %llu\n"
                      "florin_postgres_reads_total{from=\"replica\"} %llu\n"
                      "florin_postgres_reads_total{from=\"cache\"} %llu\n",
                      (unsigned long long)stats.reads_primary,
                      (unsigned long long)stats.reads_replica,
                      (unsigned long long)stats.reads_cached);
    metric_value(buffer, "postgres_cache_misses_total", "counter",
                 "Wallets that were asked of the cache and were not there, or too old.",
                 stats.cache_misses);
    metric_value(buffer, "postgres_cache_wallets", "gauge", "Wallets in the cache.",
                 stats.cache_wallets);
    if (stats.replica_count == 0)
        return;
    metric_head(buffer, "postgres_replica_used", "gauge", "1: reads may go to that replica.");
    for (uint32_t i = 0; i < stats.replica_count; i++)
        buffer_add_format(buffer, "florin_postgres_replica_used{replica=\"%s\"} %d\n",
                          stats.replicas[i].name, stats.replicas[i].is_used);
    metric_head(buffer, "postgres_replica_lag_seconds", "gauge",
                "How far it is behind the primary; missing while nobody knows.");
    for (uint32_t i = 0; i < stats.replica_count; i++)
        if (stats.replicas[i].lag_ms != UINT64_MAX)
            buffer_add_format(buffer,
                              "florin_postgres_replica_lag_seconds{replica=\"%s\"} %llu.%03llu\n",
                              stats.replicas[i].name,
                              (unsigned long long)(stats.replicas[i].lag_ms / 1000),
                              (unsigned long long)(stats.replicas[i].lag_ms % 1000));
    metric_head(buffer, "postgres_replica_reads_total", "counter", "Reads that it has answered.");
    for (uint32_t i = 0; i < stats.replica_count; i++)
        buffer_add_format(buffer, "florin_postgres_replica_reads_total{replica=\"%s\"} %llu\n",
                          stats.replicas[i].name,
                          (unsigned long long)stats.replicas[i].read_count);
}

// Bounded by the number of rules.
static void add_rules(const struct api *api, struct buffer *buffer) {
    struct engine_stats stats;
    memset(&stats, 0, sizeof(stats));
    api->engine->port->stats(api->engine, &stats);
    metric_value(buffer, "rules_version", "gauge",
                 "Of the set of rules for payments that is in force; 0: there never were any.",
                 stats.rules_version);
    metric_value(buffer, "rules_failed", "gauge",
                 "1 while payments are refused because the file of rules does not load.",
                 atomic_load(&api->engine->rules_failed));
    if (stats.rule_count == 0)
        return;
    metric_head(buffer, "rule_hits_total", "counter",
                "Payments that a rule has hit on this server since it is in force.");
    for (uint32_t i = 0; i < stats.rule_count; i++)
        buffer_add_format(
            buffer,
            "florin_rule_hits_total{rule=\"%s\",action=\"%s\",shadow=\"%s\"} %llu\n",
            stats.rules[i].name, rule_action_name((enum rule_action)stats.rules[i].action),
            stats.rules[i].shadow ? "true" : "false", (unsigned long long)stats.rules[i].hits);
}

static void add_http(const struct api *api, struct buffer *buffer) {
    struct http_stats stats = http_server_stats(api->server);
    metric_value(buffer, "http_connections", "gauge", "Open connections.", stats.connections_open);
    metric_value(buffer, "http_connections_accepted_total", "counter", "Connections accepted.",
                 stats.connections_accepted);
    metric_value(buffer, "http_connections_evicted_total", "counter",
                 "Idle connections closed for newcomers.", stats.connections_evicted);
    metric_value(buffer, "http_connections_refused_total", "counter",
                 "Connections closed because their address had too many.",
                 stats.connections_refused);
    metric_value(buffer, "http_requests_refused_total", "counter",
                 "Requests refused before they were understood.", stats.requests_refused);
    metric_value(buffer, "http_requests_timed_out_total", "counter",
                 "Requests that were not complete in time.", stats.requests_timed_out);
    metric_value(buffer, "http_answers_timed_out_total", "counter",
                 "Answers that were not taken in time.", stats.answers_timed_out);
    metric_value(buffer, "http_answers_delayed_total", "counter",
                 "Refusals held back because too many were asked for.", stats.answers_delayed);
    metric_value(buffer, "http_answers_dropped_total", "counter", "Answers whose client had left.",
                 stats.answers_dropped);
}

void metrics_render(struct api *api, struct buffer *buffer) {
    metric_head(buffer, "build_info", "gauge", "The version that runs.");
    buffer_add_format(buffer, "florin_build_info{version=\"%s\"} 1\n", api->options.version);
    metric_head(buffer, "uptime_seconds", "gauge", "Since the server was started.");
    add_seconds(buffer, "uptime_seconds", (clock_monotonic_ns() - api->opened_ns) / 1000000, 1000,
                3);
    add_answers(api, buffer);
    add_durations(api, buffer);
    add_rounds(api, buffer);
    add_limits(api, buffer);
    add_notes(api, buffer);
    add_share(api, buffer);
    if (api->recount != NULL)
        recount_metrics(api->recount, buffer);
    add_tokens(api, buffer);
    add_engine(api, buffer);
    add_servers(api, buffer);
    add_rules(api, buffer);
    add_http(api, buffer);
    add_memory(buffer);
    if (api->pulse != NULL)
        pulse_metrics(api->pulse, buffer);
    dependencies_metrics(api, buffer);
    if (api->options.metrics_more != NULL)
        api->options.metrics_more(api->options.metrics_context, buffer);
}
