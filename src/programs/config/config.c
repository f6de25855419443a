// SPDX-License-Identifier: MIT
// Reads the configuration by its table of settings.
#include "programs/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "programs/config/config_approvals.h"
#include "programs/config/config_limits.h"
#include "programs/config/config_rates.h"
#include "programs/config/config_roles.h"
#include "programs/config/config_tokens.h"
#include "watch/pattern_settings.h"

#define INTEGER(name, minimum, maximum, standard, sentence)                                        \
    { #name, SETTING_INTEGER, minimum, maximum, standard, offsetof(struct config, name), sentence }

static const struct setting settings[] = {
    {"currencies", SETTING_CURRENCIES, 0, 0, 0, 0,
     "Own currencies beside ISO 4217: an object from a code (3 to 12 of A-Z and 0-9) to its "
     "`exponent` (0 to 8)."},
    INTEGER(
        request_deadline_ms, 100, 600000, 10000,
        "How long a request waits for its outcome before it is answered `busy`, in milliseconds."),
    INTEGER(idempotency_days, 7, 366, 7,
            "How many days an idempotency key is remembered at least."),
    INTEGER(http_threads, 1, 64, 1, "Threads that read requests and write answers."),
    INTEGER(connections_max, 16, 1000000, 4096,
            "Connections at most; beyond it the longest idle one is closed."),
    INTEGER(connections_per_address, 0, 1000000, 1024,
            "Connections of one address at most; more are closed at once. Not of this machine or "
            "of trusted_proxies. 0: no limit."),
    INTEGER(request_head_bytes, 2048, 1 << 20, 4096,
            "Room for a request's head: its bytes, and 64 for each header. Where `tokens` are "
            "configured at least 10240."),
    INTEGER(storage_free_bytes_min, 16 << 20, UINT64_C(1) << 50, 256 << 20,
            "Below so many free bytes on the disk writes are refused as `storage_full`, while "
            "reads go on."),
    INTEGER(postgres_turn, 0, 1, 1,
            "On PostgreSQL: 1, nodes queue for the writer's turn; 0, they get in each other's way "
            "and retry, which is slower and for tests."),
    INTEGER(recount_mib_per_s, 0, 4096, 8,
            "How fast the background recounts all books from their first record, in MiB of records "
            "a second; 0: never."),
    INTEGER(recount_pause_s, 1, 604800, 60,
            "Seconds before the first recount and between two."),
    INTEGER(slow_request_ms, 0, 600000, 1000,
            "A request that takes longer is logged with the time that each step took, in "
            "milliseconds; 0: none is."),
    INTEGER(alarm_stops_payments, 0, 1, 0,
            "1: when the books differ, payments are refused as `payments_stopped` until an admin "
            "posts to /check-integrity/resume."),
    INTEGER(audit_window_s, 1, 3600, 60,
            "Repeated refusals of one principal or address within so many seconds are one entry "
            "of the audit, with a count."),
    INTEGER(audit_retention_days, 0, 36500, 0,
            "For how many days entries of the audit are answered; 0: for ever. The records stay."),
    {"rate_limits", SETTING_RATE_LIMITS, 0, 0, 0, 0,
     "How often keys, roles and addresses may ask: an array of up to 16 objects of `per` (key, "
     "role, address), `requests`, and optionally `seconds` (1), `burst` (as `requests`), `class` "
     "(read, write, any, money, wallets, lists, keys, audit, books) and `role`. None: no limits."},
    {"separate_duties", SETTING_FLAG, 0, 0, 0, offsetof(struct config, separate_duties),
     "true: the role admin, which hands out keys, moves no money."},
    {"seccomp", SETTING_FLAG, 0, 0, 0, offsetof(struct config, seccomp),
     "true: the kernel lets the server make only the system calls that serving needs."},
    {"approvals", SETTING_APPROVALS, 0, 0, 0, 0,
     "What waits for somebody else: `above`, an object from currencies to the amount above which a "
     "payment does, and `expires_in`, for how many seconds (a week)."},
    {"spending_limits", SETTING_LIMITS, 0, 0, 0, 0,
     "What wallets may spend: an array of up to 64 objects of `kind` (customer, merchant), "
     "`currency` and `per_transaction`, `per_day`, `per_month` in minor units, as far as "
     "there are limits."},
    {"patterns", SETTING_PATTERNS, 0, 0, 0, 0,
     "Patterns over several wallets that are looked for behind the feed: an object from "
     "`structuring`, `circle`, `fan-in`, `fan-out`, `shared-bank`, `burst` to what differs from "
     "the standard. None: nobody looks."},
    {"rules", SETTING_RULES, 0, 0, 0, 0,
     "Rules that look at payments (docs/anomalies.md): an object of `file`, `on_error` (closed: "
     "while the file does not load whatever takes money is refused; open) and `expires_in`, for "
     "how many seconds a held payment waits (a day). None: no rules."},
    {"roles", SETTING_ROLES, 0, 0, 0, 0,
     "Roles of one's own: an object from a name to its `number` (16 to 63, stored in keys), "
     "`permissions` and `bound` (to the key's owner; false)."},
    {"postgres_replicas", SETTING_REPLICAS, 0, 0, 0, 0,
     "Streaming standbys that reads may go to: an array of up to 8 connection strings."},
    {"shards", SETTING_SHARDS, 0, 0, 0, 0,
     "Books on several PostgreSQL servers: an array of up to 16 objects of `name` and `url`, a "
     "connection string (docs/shards.md). In place of --postgres."},
    INTEGER(postgres_replica_lag_ms, 100, 600000, 30000,
            "A replica that is further behind is not read from, in milliseconds."),
    INTEGER(postgres_cache_wallets, 0, 10000000, 10000,
            "Wallets kept in memory for reads that allow an age, some 700 bytes each."),
    {"kafka", SETTING_KAFKA, 0, 0, 0, 0,
     "Kafka: an object with `brokers` and what docs/kafka.md lists. None: no Kafka."},
    {"webhooks", SETTING_WEBHOOKS, 0, 0, 0, 0,
     "Endpoints that are told over HTTP what was committed: an array of up to 16 objects of "
     "`name`, `url` and what docs/webhooks.md lists. None: nobody is told."},
    {"rate_limits_redis", SETTING_REDIS, 0, 0, 0, 0,
     "HOST:PORT of a Redis through which several nodes share their limits. None: each node limits "
     "by itself, as it does while Redis is away."},
    {"tls", SETTING_TLS, 0, 0, 0, 0,
     "TLS 1.2 and 1.3 in place of plain HTTP: an object of the paths `certificate` and `key`, and "
     "`client_authority` when clients must show certificates. Read again on SIGHUP and when the "
     "files change."},
    {"trusted_proxies", SETTING_PROXIES, 0, 0, 0, 0,
     "Networks of proxies whose X-Forwarded-For tells the client's address: an array such as "
     "[\"10.0.0.0/8\"]. None: the peer is the client."},
    {"cors_origins", SETTING_ORIGINS, 0, 0, 0, 0,
     "Origins whose pages may call the API from a browser: an array such as "
     "[\"https://shop.example\"]. None: no page of another origin may."},
    {"tokens", SETTING_TOKENS, 0, 0, 0, 0,
     "Whose JSON Web Tokens open doors beside API keys: an array of up to 8 objects of `issuer`, "
     "`audience`, `keys` (a JWK set's path or address), `role` or `role_claim` and `roles`, and "
     "optionally `owner_claim`, `algorithms`, `leeway_s` (30) and `refresh_s` (300)."},
    {"encryption", SETTING_ENCRYPTION, 0, 0, 0, 0,
     "Encrypts free texts (reference, reason, metadata), each owner's under a key of its own: an "
     "object of the path `master_key_file`, and of `old_master_key_file` for the one start that "
     "exchanges it. FLORIN_MASTER_KEY and FLORIN_OLD_MASTER_KEY do the same."},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

const struct setting *config_settings(uint32_t *ret_count) {
    *ret_count = SETTING_COUNT;
    return settings;
}

static uint64_t *integer_of(struct config *config, const struct setting *setting) {
    CHECK(setting->kind == SETTING_INTEGER);
    return (uint64_t *)(void *)((uint8_t *)config + setting->offset);
}

void config_set_defaults(struct config *ret_config) {
    memset(ret_config, 0, sizeof(*ret_config));
    roles_begin(&ret_config->roles);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (settings[i].kind == SETTING_INTEGER)
            *integer_of(ret_config, &settings[i]) = settings[i].standard;
    config_kafka_set_defaults(&ret_config->kafka);
    patterns_set_defaults(ret_config->patterns);
}

// How many single-character edits lead from one name to the other (Levenshtein); names are cut to
// 63 bytes.
static uint32_t edit_distance(struct slice a, struct slice b) {
    uint32_t row[64];
    size_t width = b.size < 63 ? b.size : 63;
    size_t height = a.size < 63 ? a.size : 63;
    for (size_t k = 0; k <= width; k++)
        row[k] = (uint32_t)k;
    for (size_t i = 1; i <= height; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t k = 1; k <= width; k++) {
            uint32_t replaced = diagonal + (a.bytes[i - 1] != b.bytes[k - 1]);
            uint32_t least = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
            diagonal = row[k];
            row[k] = replaced < least ? replaced : least;
        }
    }
    return row[width];
}

static const struct setting *find_setting(struct slice name, const struct setting **ret_nearest) {
    uint32_t nearest_edits = UINT32_MAX;
    *ret_nearest = &settings[0];
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        struct slice known = slice_of_text(settings[i].name);
        if (slice_equal(known, name))
            return &settings[i];
        uint32_t edits = edit_distance(name, known);
        if (edits < nearest_edits) {
            nearest_edits = edits;
            *ret_nearest = &settings[i];
        }
    }
    return NULL;
}

// Names come from a file: what is printed of them is cut to a line's length.
#define SHOWN(slice) (int)((slice).size < 64 ? (slice).size : 64), (const char *)(slice).bytes

static bool read_exponent(struct json_value value, uint8_t *ret_exponent) {
    if (json_kind(value) != JSON_OBJECT)
        return false;
    struct json_cursor members = json_members(value);
    struct slice name;
    struct json_value member;
    int64_t exponent = -1;
    uint32_t count = 0;
    while (json_next_member(&members, &name, &member)) {
        count++;
        if (!slice_equal(name, SLICE("exponent")) || json_kind(member) != JSON_INTEGER ||
            !json_integer(member, &exponent))
            return false;
    }
    if (count != 1 || exponent < 0 || exponent > LIMIT_CURRENCY_EXPONENT_MAX)
        return false;
    *ret_exponent = (uint8_t)exponent;
    return true;
}

static bool add_currency(struct config *config, struct slice code, struct json_value value,
                         char *ret_why, size_t why_bytes) {
    struct currency currency = {0};
    if (!currency_code_is_valid(code)) {
        snprintf(ret_why, why_bytes,
                 "currencies: \"%.*s\" is not a code of 3 to 12 of A-Z and 0-9.", SHOWN(code));
        return false;
    }
    memcpy(currency.code, code.bytes, code.size);
    if (!read_exponent(value, &currency.exponent)) {
        snprintf(ret_why, why_bytes,
                 "currencies: %.*s must be like {\"exponent\": 2}, with 0 to %d.", SHOWN(code),
                 LIMIT_CURRENCY_EXPONENT_MAX);
        return false;
    }
    struct currency iso;
    if (currency_iso_find(code, &iso) && iso.exponent != currency.exponent) {
        snprintf(ret_why, why_bytes, "currencies: %.*s belongs to ISO 4217, with exponent %u.",
                 SHOWN(code), iso.exponent);
        return false;
    }
    for (uint32_t i = 0; i < config->currency_count; i++) {
        if (currency_equal(&config->currencies[i], &currency)) {
            snprintf(ret_why, why_bytes, "currencies: %.*s stands there twice.", SHOWN(code));
            return false;
        }
    }
    if (config->currency_count == CONFIG_CURRENCIES_MAX) {
        snprintf(ret_why, why_bytes, "currencies: more than %d.", CONFIG_CURRENCIES_MAX);
        return false;
    }
    config->currencies[config->currency_count++] = currency;
    return true;
}

static bool read_currencies(struct config *config, struct json_value value, char *ret_why,
                            size_t why_bytes) {
    if (json_kind(value) != JSON_OBJECT) {
        snprintf(ret_why, why_bytes,
                 "currencies must be an object such as {\"POINTS\": {\"exponent\": 0}}.");
        return false;
    }
    struct json_cursor members = json_members(value);
    struct slice code;
    struct json_value member;
    while (json_next_member(&members, &code, &member))
        if (!add_currency(config, code, member, ret_why, why_bytes))
            return false;
    return true;
}

static bool read_integer(struct config *config, const struct setting *setting,
                         struct json_value value, char *ret_why, size_t why_bytes) {
    int64_t integer;
    if (json_kind(value) != JSON_INTEGER || !json_integer(value, &integer) || integer < 0 ||
        (uint64_t)integer < setting->minimum || (uint64_t)integer > setting->maximum) {
        snprintf(ret_why, why_bytes, "%s must be an integer from %llu to %llu.", setting->name,
                 (unsigned long long)setting->minimum, (unsigned long long)setting->maximum);
        return false;
    }
    *integer_of(config, setting) = (uint64_t)integer;
    return true;
}

static bool read_flag(struct config *config, const struct setting *setting,
                      struct json_value value, char *ret_why, size_t why_bytes) {
    if (json_kind(value) != JSON_BOOL) {
        snprintf(ret_why, why_bytes, "%s must be true or false.", setting->name);
        return false;
    }
    *((bool *)config + setting->offset) = json_bool(value);
    return true;
}

static bool read_replicas(struct config *config, struct json_value value, char *ret_why,
                          size_t why_bytes) {
    struct json_value item;
    bool ok = json_kind(value) == JSON_ARRAY;
    struct json_cursor items = {0};
    if (ok)
        items = json_items(value);
    while (ok && json_next_item(&items, &item)) {
        struct slice url = json_kind(item) == JSON_TEXT ? json_text(item) : (struct slice){0};
        ok = config->postgres_replica_count < CONFIG_REPLICAS_MAX && url.size != 0 &&
             url.size < CONFIG_URL_BYTES_MAX && memchr(url.bytes, 0, url.size) == NULL;
        if (ok)
            memcpy(config->postgres_replicas[config->postgres_replica_count++], url.bytes,
                   url.size);
    }
    if (!ok)
        snprintf(ret_why, why_bytes,
                 "postgres_replicas must be an array of at most %d connection strings, each of "
                 "fewer than %d bytes.",
                 CONFIG_REPLICAS_MAX, CONFIG_URL_BYTES_MAX);
    return ok;
}

static bool read_setting(struct config *config, const struct setting *setting,
                         struct json_value value, char *ret_why, size_t why_bytes) {
    switch (setting->kind) {
    case SETTING_INTEGER: return read_integer(config, setting, value, ret_why, why_bytes);
    case SETTING_CURRENCIES: return read_currencies(config, value, ret_why, why_bytes);
    case SETTING_RATE_LIMITS:
        return config_read_rates(value, &config->roles, config->rate_limits,
                                 &config->rate_limit_count, ret_why, why_bytes);
    case SETTING_FLAG: return read_flag(config, setting, value, ret_why, why_bytes);
    case SETTING_RULES: return config_read_rules(value, &config->rules, ret_why, why_bytes);
    case SETTING_LIMITS: return config_read_limits(value, &config->limits, ret_why, why_bytes);
    case SETTING_PATTERNS:
        config->has_patterns = true;
        return pattern_settings_read(value, config->patterns, ret_why, why_bytes);
    case SETTING_APPROVALS:
        return config_read_approvals(value, &config->approvals, ret_why, why_bytes);
    case SETTING_ROLES: return true; // see read_roles_first
    case SETTING_SHARDS: return config_read_shards(value, &config->shards, ret_why, why_bytes);
    case SETTING_REPLICAS: return read_replicas(config, value, ret_why, why_bytes);
    case SETTING_KAFKA: return config_read_kafka(value, &config->kafka, ret_why, why_bytes);
    case SETTING_WEBHOOKS:
        return config_read_webhooks(value, &config->webhooks, ret_why, why_bytes);
    case SETTING_REDIS:
        return config_read_redis(value, &config->rate_limits_redis, ret_why, why_bytes);
    case SETTING_TLS: return config_read_tls(value, &config->edge, ret_why, why_bytes);
    case SETTING_PROXIES: return config_read_proxies(value, &config->edge, ret_why, why_bytes);
    case SETTING_ORIGINS: return config_read_origins(value, &config->edge, ret_why, why_bytes);
    case SETTING_ENCRYPTION:
        return config_read_encryption(value, &config->encryption, ret_why, why_bytes);
    case SETTING_TOKENS:
        return config_read_tokens(value, config->issuers, &config->issuer_count, ret_why,
                                  why_bytes);
    }
    UNREACHABLE("a setting of no kind");
}

// Limits name roles, wherever those stand.
static bool read_roles_first(struct json_value root, struct config *config, char *ret_why,
                             size_t why_bytes) {
    struct json_cursor members = json_members(root);
    struct slice name;
    struct json_value value;
    while (json_next_member(&members, &name, &value))
        if (slice_equal(name, SLICE("roles")))
            return config_read_roles(value, &config->roles, ret_why, why_bytes);
    return true;
}

// A limit in a currency that there is not would limit nothing, and nobody would notice.
static bool currency_is_there(const struct config *config, const struct currency *currency,
                              const char *setting, char *ret_why, size_t why_bytes) {
    struct currency found;
    struct slice code = currency_code(currency);
    bool is_there = currency_iso_find(code, &found);
    for (uint32_t i = 0; !is_there && i < config->currency_count; i++)
        is_there = currency_equal(&config->currencies[i], currency);
    if (!is_there)
        snprintf(ret_why, why_bytes,
                 "%s: there is no currency \"%.*s\"; it is neither in ISO 4217 nor in currencies.",
                 setting, SHOWN(code));
    return is_there;
}

static bool currencies_are_there(const struct config *config, char *ret_why, size_t why_bytes) {
    for (uint32_t i = 0; i < config->approvals.count; i++)
        if (!currency_is_there(config, &config->approvals.items[i].currency, "approvals", ret_why,
                               why_bytes))
            return false;
    for (uint32_t i = 0; i < config->limits.count; i++)
        if (!currency_is_there(config, &config->limits.items[i].currency, "spending_limits",
                               ret_why, why_bytes))
            return false;
    return true;
}

static bool read_settings(struct json_value root, struct config *config, char *ret_why,
                          size_t why_bytes) {
    if (!read_roles_first(root, config, ret_why, why_bytes))
        return false;
    bool seen[SETTING_COUNT] = {false};
    struct json_cursor members = json_members(root);
    struct slice name;
    struct json_value value;
    while (json_next_member(&members, &name, &value)) {
        const struct setting *nearest;
        const struct setting *setting = find_setting(name, &nearest);
        if (setting == NULL) {
            snprintf(ret_why, why_bytes, "There is no setting \"%.*s\"; the nearest is \"%s\".",
                     SHOWN(name), nearest->name);
            return false;
        }
        if (seen[setting - settings]) {
            snprintf(ret_why, why_bytes, "%s stands there twice.", setting->name);
            return false;
        }
        seen[setting - settings] = true;
        if (!read_setting(config, setting, value, ret_why, why_bytes))
            return false;
    }
    if (config->separate_duties)
        roles_separate_duties(&config->roles);
    return currencies_are_there(config, ret_why, why_bytes);
}

enum status config_parse(struct slice text, struct config *ret_config, char *ret_why,
                         size_t why_bytes) {
    CHECK(why_bytes > 0);
    config_set_defaults(ret_config);
    struct buffer padded = {0};
    buffer_add_slice(&padded, text);
    memset(buffer_room(&padded, JSON_PADDING), 0, JSON_PADDING);
    struct json_parser *parser = json_open();
    struct json_value root;
    const char *why;
    bool ok = json_parse(parser, buffer_slice(&padded), &root, &why);
    if (!ok) {
        uint32_t line = json_fault_of(buffer_slice(&padded)).line;
        if (line != 0)
            snprintf(ret_why, why_bytes, "Line %" PRIu32 " is not JSON: %s", line, why);
        else
            snprintf(ret_why, why_bytes, "It is not JSON: %s", why);
    } else if (json_kind(root) != JSON_OBJECT) {
        snprintf(ret_why, why_bytes, "It must be a JSON object.");
        ok = false;
    } else {
        ok = read_settings(root, ret_config, ret_why, why_bytes);
    }
    json_close(parser);
    buffer_done(&padded);
    return ok ? STATUS_ok : STATUS_invalid_request;
}

enum status config_load(const char *path, struct config *ret_config, char *ret_why,
                        size_t why_bytes) {
    CHECK(path != NULL);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        snprintf(ret_why, why_bytes, "It cannot be read: %s.", strerror(errno));
        return STATUS_not_found;
    }
    struct buffer text = {0};
    ssize_t size;
    do {
        size = read(file, buffer_room(&text, 4096), 4096);
        text.size += size > 0 ? (size_t)size : 0;
    } while ((size > 0 && text.size <= CONFIG_FILE_BYTES_MAX) || (size < 0 && errno == EINTR));
    int failure = errno;
    close(file);
    enum status status = STATUS_not_found;
    if (size < 0)
        snprintf(ret_why, why_bytes, "It cannot be read: %s.", strerror(failure));
    else if (text.size > CONFIG_FILE_BYTES_MAX)
        snprintf(ret_why, why_bytes, "It is larger than %d bytes.", CONFIG_FILE_BYTES_MAX);
    else
        status = config_parse(buffer_slice(&text), ret_config, ret_why, why_bytes);
    buffer_done(&text);
    return status;
}

void config_describe(struct buffer *buffer) {
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];
        buffer_add_format(buffer, "  %s", setting->name);
        if (setting->kind == SETTING_INTEGER)
            buffer_add_format(
                buffer, " (%llu to %llu, default %llu)", (unsigned long long)setting->minimum,
                (unsigned long long)setting->maximum, (unsigned long long)setting->standard);
        buffer_add_format(buffer, "\n      %s\n", setting->sentence);
        if (setting->kind == SETTING_KAFKA)
            config_kafka_describe(buffer);
    }
}
