// SPDX-License-Identifier: MIT
// The settings of a server. Each is described once, in the table of config.c: name, kind, bounds,
// default and a sentence; reading, refusing, and the documentation walk that table. A configuration
// is a JSON object, and whatever the table does not know is refused, because a mistyped setting
// that is silently ignored is found out in production.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "access/permissions.h"
#include "access/rate_limit.h"
#include "access/rate_share.h"
#include "access/token.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/status.h"
#include "ledger/money.h"
#include "programs/config/config_edge.h"
#include "programs/config/config_encryption.h"
#include "ledger/parked.h"
#include "ledger/spending.h"
#include "programs/config/config_kafka.h"
#include "programs/config/config_rules.h"
#include "programs/config/config_shards.h"
#include "programs/config/config_webhooks.h"
#include "watch/patterns.h"

#define CONFIG_CURRENCIES_MAX 256
#define CONFIG_FILE_BYTES_MAX (256 * 1024)
#define CONFIG_REPLICAS_MAX   8
#define CONFIG_URL_BYTES_MAX  1024

struct config {
    struct currency currencies[CONFIG_CURRENCIES_MAX]; // custom ones, beside ISO 4217
    uint32_t currency_count;
    uint64_t request_deadline_ms;
    uint64_t idempotency_days;
    uint64_t postgres_turn;
    uint64_t http_threads;
    uint64_t connections_max;
    uint64_t connections_per_address;
    uint64_t request_head_bytes;
    uint64_t storage_free_bytes_min;
    uint64_t audit_window_s;
    uint64_t recount_mib_per_s, recount_pause_s, alarm_stops_payments, slow_request_ms;
    uint64_t audit_retention_days;
    struct rate_limit_rule rate_limits[RATE_LIMITS_MAX];
    uint32_t rate_limit_count;
    struct rate_share_place rate_limits_redis; // no address: not shared
    char postgres_replicas[CONFIG_REPLICAS_MAX][CONFIG_URL_BYTES_MAX];
    uint32_t postgres_replica_count;
    uint64_t postgres_replica_lag_ms;
    uint64_t postgres_cache_wallets;
    struct token_issuer issuers[TOKEN_ISSUERS_MAX];
    uint32_t issuer_count;
    struct config_edge edge;
    struct config_encryption encryption;
    bool separate_duties, seccomp;
    struct approval_rules approvals;
    struct spending_limits limits;
    struct config_rules rules;
    struct role_table roles; // the house's, and those of the configuration
    struct config_kafka kafka;
    struct config_shards shards;
    struct config_webhooks webhooks;
    bool has_patterns; // they are looked for
    struct pattern_setting patterns[PATTERN_COUNT];
};

// What a setting holds.
enum setting_kind {
    SETTING_INTEGER,
    SETTING_CURRENCIES,
    SETTING_RATE_LIMITS,
    SETTING_FLAG, // true or false; false by default
    SETTING_ROLES,
    SETTING_REPLICAS,
    SETTING_SHARDS,
    SETTING_KAFKA,
    SETTING_TOKENS,
    SETTING_REDIS,
    SETTING_TLS,
    SETTING_PROXIES,
    SETTING_ORIGINS,
    SETTING_APPROVALS,
    SETTING_ENCRYPTION,
    SETTING_LIMITS,
    SETTING_PATTERNS,
    SETTING_RULES,
    SETTING_WEBHOOKS
};

struct setting {
    const char *name;
    enum setting_kind kind;
    uint64_t minimum, maximum, standard; // of integers
    size_t offset;                       // of integers and flags, in struct config
    const char *sentence;
};

// Thread: any.
const struct setting *config_settings(uint32_t *ret_count); // static storage
void config_set_defaults(struct config *ret_config);
// Reads a JSON text, which needs no padding behind it. STATUS_invalid_request: `ret_why` says in
// one sentence what is wrong and with which setting; `ret_config` is then undefined.
MUST_CHECK enum status config_parse(struct slice text, struct config *ret_config, char *ret_why,
                                    size_t why_bytes);
// Reads a file; like config_parse, and STATUS_not_found when it cannot be read.
MUST_CHECK enum status config_load(const char *path, struct config *ret_config, char *ret_why,
                                   size_t why_bytes);
// Adds the table as lines of text, for `florin help serve`.
void config_describe(struct buffer *buffer);
