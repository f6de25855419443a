// SPDX-License-Identifier: MIT
// The configuration: defaults, bounds, and a refusal with a reason for everything it does not know.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "programs/config/config.h"

static char why[512];

static enum status parse(const char *text, struct config *ret_config) {
    why[0] = '\0';
    enum status status = config_parse(slice_of_text(text), ret_config, why, sizeof(why));
    assert_int_equal(status != STATUS_ok, why[0] != '\0');
    return status;
}

static void refuses(const char *text, const char *word) {
    struct config config;
    assert_int_equal(parse(text, &config), STATUS_invalid_request);
    if (strstr(why, word) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, why, word);
}

static void nothing_said_means_defaults(void **state) {
    struct config config;
    assert_int_equal(parse("{}", &config), STATUS_ok);
    uint32_t count;
    const struct setting *settings = config_settings(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (settings[i].kind != SETTING_INTEGER)
            continue;
        uint64_t value;
        memcpy(&value, (const uint8_t *)&config + settings[i].offset, sizeof(value));
        assert_int_equal(value, settings[i].standard);
        assert_in_range(settings[i].standard, settings[i].minimum, settings[i].maximum);
    }
    assert_int_equal(config.currency_count, 0);
    assert_int_equal(config.request_deadline_ms, 10000);
    assert_int_equal(config.connections_max, 4096);
    assert_int_equal(config.idempotency_days, 7);
}

static void every_integer_keeps_its_bounds(void **state) {
    uint32_t count;
    const struct setting *settings = config_settings(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (settings[i].kind != SETTING_INTEGER)
            continue;
        struct config config;
        char text[128];
        const unsigned long long edges[] = {settings[i].minimum, settings[i].maximum};
        for (int k = 0; k < 2; k++) {
            snprintf(text, sizeof(text), "{\"%s\": %llu}", settings[i].name, edges[k]);
            assert_int_equal(parse(text, &config), STATUS_ok);
            uint64_t value;
            memcpy(&value, (const uint8_t *)&config + settings[i].offset, sizeof(value));
            assert_int_equal(value, edges[k]);
            snprintf(text, sizeof(text), "{\"%s\": %llu}", settings[i].name,
                     k == 0 ? edges[k] - 1 : edges[k] + 1);
            refuses(text, settings[i].name);
        }
        static const char *const kinds[] = {
            "1.5", "\"100\"", "null", "-1", "[]", "1e3", "18446744073709551616"};
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            snprintf(text, sizeof(text), "{\"%s\": %s}", settings[i].name, kinds[k]);
            assert_int_equal(parse(text, &config), STATUS_invalid_request);
        }
    }
}

static void unknown_settings_name_the_nearest(void **state) {
    refuses("{\"http_thread\": 2}", "\"http_threads\"");
    refuses("{\"conections_max\": 2}", "\"connections_max\"");
    refuses("{\"currency\": {}}", "\"currencies\"");
    refuses("{\"\": 1}", "There is no setting");
    char text[4096] = "{\"";
    memset(text + 2, 'x', 3000);
    memcpy(text + 3002, "\": 1}", 6);
    refuses(text, "There is no setting");
}

static void what_is_no_object_is_refused(void **state) {
    refuses("", "JSON");
    refuses("{", "JSON");
    refuses("[]", "object");
    refuses("17", "object");
    refuses("{} {}", "JSON");
    refuses("{\"http_threads\": 1, \"http_threads\": 2}", "twice");
}

static void currencies_are_declared(void **state) {
    struct config config;
    assert_int_equal(parse("{\"currencies\": {\"POINTS\": {\"exponent\": 0},"
                           " \"ABCDEFGHIJK9\": {\"exponent\": 8}, \"USD\": {\"exponent\": 2}}}",
                           &config),
                     STATUS_ok);
    assert_int_equal(config.currency_count, 3);
    assert_true(slice_equal(currency_code(&config.currencies[0]), SLICE("POINTS")));
    assert_int_equal(config.currencies[0].exponent, 0);
    assert_true(slice_equal(currency_code(&config.currencies[1]), SLICE("ABCDEFGHIJK9")));
    assert_int_equal(config.currencies[1].exponent, 8);
}

static void currencies_keep_their_bounds(void **state) {
    refuses("{\"currencies\": []}", "currencies");
    refuses("{\"currencies\": {\"AB\": {\"exponent\": 0}}}", "AB");
    refuses("{\"currencies\": {\"ABCDEFGHIJKLM\": {\"exponent\": 0}}}", "ABCDEFGHIJKLM");
    refuses("{\"currencies\": {\"points\": {\"exponent\": 0}}}", "points");
    refuses("{\"currencies\": {\"POINTS\": {\"exponent\": 9}}}", "POINTS");
    refuses("{\"currencies\": {\"POINTS\": {\"exponent\": -1}}}", "POINTS");
    refuses("{\"currencies\": {\"POINTS\": {}}}", "POINTS");
    refuses("{\"currencies\": {\"POINTS\": {\"exponent\": 1, \"exponent\": 1}}}", "POINTS");
    refuses("{\"currencies\": {\"POINTS\": {\"exponent\": 1, \"name\": \"x\"}}}", "POINTS");
    refuses("{\"currencies\": {\"POINTS\": 2}}", "POINTS");
    refuses("{\"currencies\": {\"USD\": {\"exponent\": 3}}}", "ISO 4217");
    refuses("{\"currencies\": {\"PTS\": {\"exponent\": 0}, \"PTS\": {\"exponent\": 0}}}", "twice");
}

static void kafka_is_described(void **state) {
    struct config config;
    (void)state;
    assert_int_equal(parse("{}", &config), STATUS_ok);
    assert_string_equal(config.kafka.brokers, "");
    assert_int_equal(config.kafka.replicas, 3);
    assert_int_equal(parse("{\"kafka\": {\"brokers\": \"a:1,b:2\", \"partitions\": 4, "
                           "\"events\": false, \"security\": \"SSL\"}}",
                           &config),
                     STATUS_ok);
    assert_string_equal(config.kafka.brokers, "a:1,b:2");
    assert_int_equal(config.kafka.partitions, 4);
    assert_int_equal(config.kafka.events, 0);
    static const char *const wrong[] = {
        "{\"kafka\": 1}",
        "{\"kafka\": {\"broker\": \"a:1\"}}",
        "{\"kafka\": {\"brokers\": \"\"}}",
        "{\"kafka\": {\"partitions\": 0}}",
        "{\"kafka\": {\"events\": 1}}",
        "{\"kafka\": {\"password\": \"x\"}}",
        "{\"kafka\": {\"partitions\": 4, \"partitions\": 4}}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(parse(wrong[i], &config), STATUS_invalid_request);
}

static void kafka_secrets_come_from_the_environment(void **state) {
    struct config config;
    struct kafka_access access;
    char text[256];
    (void)state;
    assert_int_equal(parse("{\"kafka\": {\"brokers\": \"a:1\"}}", &config), STATUS_ok);
    assert_int_equal(setenv("FLORIN_KAFKA_PASSWORD", "s3cret", 1), 0);
    assert_true(config_kafka_access(&config.kafka, &access, text, sizeof(text)));
    assert_string_equal(access.password, "s3cret");
    assert_null(access.security);
    assert_int_equal(unsetenv("FLORIN_KAFKA_PASSWORD"), 0);
    memcpy(config.kafka.password_file, "/no/such/file", 14);
    assert_false(config_kafka_access(&config.kafka, &access, text, sizeof(text)));
    assert_non_null(strstr(text, "/no/such/file"));
}

static void rate_limits_are_declared(void **state) {
    struct config config;
    assert_int_equal(parse("{}", &config), STATUS_ok);
    assert_int_equal(config.rate_limit_count, 0);
    assert_int_equal(parse("{\"rate_limits\": []}", &config), STATUS_ok);
    assert_int_equal(config.rate_limit_count, 0);
    assert_int_equal(
        parse("{\"rate_limits\": [{\"per\": \"key\", \"requests\": 100},"
              " {\"per\": \"role\", \"role\": \"auditor\", \"class\": \"read\", \"requests\": "
              "1000000,"
              " \"seconds\": 3600, \"burst\": 1},"
              " {\"per\": \"address\", \"requests\": 10, \"seconds\": 60, \"burst\": 1000000}]}",
              &config),
        STATUS_ok);
    const struct rate_limit_rule expected[] = {
        {RATE_PER_KEY, RATE_ANY, 0, 100, 1, 100, NULL},
        {RATE_PER_ROLE, RATE_READ, 3, 1000000, 3600, 1, NULL},
        {RATE_PER_ADDRESS, RATE_ANY, 0, 10, 60, 1000000, NULL},
    };
    assert_int_equal(config.rate_limit_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(rate_limit_same(&config.rate_limits[i], &expected[i]));
        assert_int_equal(config.rate_limits[i].requests, expected[i].requests);
        assert_int_equal(config.rate_limits[i].seconds, expected[i].seconds);
        assert_int_equal(config.rate_limits[i].burst, expected[i].burst);
    }
}

static void rate_limits_know_classes_and_own_roles(void **state) {
    struct config config;
    assert_int_equal(
        parse("{\"rate_limits\": [{\"per\": \"key\", \"class\": \"money\", \"requests\": 5},"
              "{\"per\": \"role\", \"role\": \"teller\", \"class\": \"audit\", \"requests\": 6}],"
              "\"roles\": {\"teller\": {\"number\": 17, \"permissions\": [\"audit:read\"]}}}",
              &config),
        STATUS_ok);
    assert_int_equal(config.rate_limits[0].classes, RATE_MONEY);
    assert_int_equal(config.rate_limits[1].classes, RATE_AUDIT);
    assert_int_equal(config.rate_limits[1].role, 17);
    assert_string_equal(config.rate_limits[1].role_name, "teller");
    refuses("{\"rate_limits\": [{\"per\": \"key\", \"class\": \"cheap\", \"requests\": 5}]}",
            "\"money\"");
}

static void roles_are_declared(void **state) {
    struct config config;
    assert_int_equal(parse("{\"roles\": {\"teller\": {\"number\": 16, \"permissions\": "
                           "[\"wallets:read\"]}}, \"separate_duties\": true}",
                           &config),
                     STATUS_ok);
    assert_string_equal(roles_at(&config.roles, 16)->name, "teller");
    assert_false(roles_allow(&config.roles, 1, PERMISSION_TRANSFERS_WRITE));
    refuses("{\"roles\": {\"a\": {\"number\": 16, \"permissions\": [\"wallets:fly\"]}}}",
            "wallets:fly");
    static const char *const names[] = {"admin", "customer", "system", "custom", "A b", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"roles\": {\"%s\": {\"number\": 16, \"permissions\": []}}}",
                 names[i]);
        refuses(text, "roles: ");
    }
    static const char *const numbers[] = {"15", "64", "-1", "16.0", "\"16\""};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"roles\": {\"a\": {\"number\": %s, \"permissions\": []}}}",
                 numbers[i]);
        refuses(text, "roles: ");
    }
    refuses("{\"roles\": {\"a\": {\"number\": 16, \"permissions\": []}, "
            "\"b\": {\"number\": 16, \"permissions\": []}}}",
            "its number");
    refuses("{\"roles\": {\"a\": {\"number\": 16, \"bound\": true, "
            "\"permissions\": [\"deposits:write\"]}}}",
            "bound role");
    refuses("{\"separate_duties\": 1}", "true or false");
}

static void approvals_are_declared(void **state) {
    struct config config;
    assert_int_equal(parse("{\"approvals\": {\"above\": {\"USD\": 0, \"GOLD\": 5}, "
                           "\"expires_in\": 60}, \"currencies\": {\"GOLD\": {\"exponent\": 4}}}",
                           &config),
                     STATUS_ok);
    assert_int_equal(config.approvals.count, 2);
    assert_int_equal(config.approvals.expires_in_s, 60);
    refuses("{\"approvals\": {\"above\": {\"GOLD\": 5}}}", "no currency \"GOLD\"");
    refuses("{\"approvals\": {\"above\": {\"usd\": 5}}}", "no currency \"usd\"");
    refuses("{\"approvals\": {\"above\": {\"USD\": 5, \"USD\": 6}}}", "twice");
    refuses("{\"approvals\": {\"above\": {\"USD\": -1}}}", "USD");
    refuses("{\"approvals\": {\"above\": {\"USD\": 1.5}}}", "USD");
    refuses("{\"approvals\": {\"above\": 7}}", "object");
    refuses("{\"approvals\": {\"expires_in\": 0}}", "expires_in");
    refuses("{\"approvals\": {\"below\": {}}}", "below");
    refuses("{\"spending_limits\": [{\"kind\": \"customer\", \"currency\": \"GOLD\", "
            "\"per_day\": 5}]}",
            "no currency \"GOLD\"");
}

static void redis_may_ask_for_a_password(void **state) {
    struct config config;
    assert_int_equal(parse("{\"rate_limits_redis\": \"redis.local:6379\"}", &config), STATUS_ok);
    assert_string_equal(config.rate_limits_redis.address, "redis.local:6379");
    assert_int_equal(parse("{\"rate_limits_redis\": {\"address\": \"[::1]:6380\","
                           "\"user\": \"florin\","
                           "\"password_file\": \"/etc/florin/redis\"}}", &config),
                     STATUS_ok);
    assert_string_equal(config.rate_limits_redis.address, "[::1]:6380");
    assert_string_equal(config.rate_limits_redis.user, "florin");
    assert_string_equal(config.rate_limits_redis.password_file, "/etc/florin/redis");
    refuses("{\"rate_limits_redis\": {\"user\": \"florin\", \"address\": \"a:1\"}}", "HOST:PORT");
    refuses("{\"rate_limits_redis\": {\"password_file\": \"/x\"}}", "HOST:PORT");
    refuses("{\"rate_limits_redis\": {\"address\": \"a:1\", \"password\": \"x\"}}", "HOST:PORT");
    refuses("{\"rate_limits_redis\": \"nowhere\"}", "HOST:PORT");
}

static void rate_limits_keep_their_bounds(void **state) {
    static const char *const bad[][2] = {
        {"{}", "array"},
        {"[1]", "index 0 must be an object"},
        {"[{}]", "needs per and requests"},
        {"[{\"per\": \"key\"}]", "needs per and requests"},
        {"[{\"requests\": 5}]", "needs per and requests"},
        {"[{\"per\": \"keys\", \"requests\": 5}]", "per of the limit"},
        {"[{\"per\": 1, \"requests\": 5}]", "per of the limit"},
        {"[{\"per\": \"key\", \"requests\": 0}]", "requests of the limit"},
        {"[{\"per\": \"key\", \"requests\": 1000001}]", "requests of the limit"},
        {"[{\"per\": \"key\", \"requests\": 1.5}]", "requests of the limit"},
        {"[{\"per\": \"key\", \"requests\": 4294967297}]", "requests of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"seconds\": 0}]", "seconds of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"seconds\": 3601}]", "seconds of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"burst\": 0}]", "burst of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"burst\": 1000001}]", "burst of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"class\": \"reads\"}]", "class of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"role\": \"system\"}]", "role of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"role\": null}]", "role of the limit"},
        {"[{\"per\": \"key\", \"requests\": 5, \"requests\": 6}]", "twice"},
        {"[{\"per\": \"key\", \"requests\": 5, \"rate\": 6}]", "knows only"},
        {"[{\"per\": \"address\", \"requests\": 5, \"class\": \"read\"}]", "neither"},
        {"[{\"per\": \"address\", \"requests\": 5, \"role\": \"admin\"}]", "neither"},
        {"[{\"per\": \"key\", \"requests\": 5}, {\"per\": \"key\", \"requests\": 6}]",
         "index 1 is for"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text), "{\"rate_limits\": %s}", bad[i][0]);
        refuses(text, bad[i][1]);
    }
}

static void there_is_an_end_to_currencies(void **state) {
    struct buffer text = {0};
    for (int count = CONFIG_CURRENCIES_MAX; count <= CONFIG_CURRENCIES_MAX + 1; count++) {
        struct config config;
        buffer_reset(&text);
        BUFFER_ADD(&text, "{\"currencies\": {");
        for (int i = 0; i < count; i++)
            buffer_add_format(&text, "%s\"Q%05d\": {\"exponent\": 1}", i == 0 ? "" : ",", i);
        BUFFER_ADD(&text, "}}");
        enum status status = config_parse(buffer_slice(&text), &config, why, sizeof(why));
        assert_int_equal(status == STATUS_ok, count == CONFIG_CURRENCIES_MAX);
    }
    buffer_done(&text);
}

static void a_missing_file_is_told(void **state) {
    struct config config;
    assert_int_equal(config_load("/no/such/file", &config, why, sizeof(why)), STATUS_not_found);
    assert_non_null(strstr(why, "No such file"));
    assert_int_equal(config_load("/", &config, why, sizeof(why)), STATUS_not_found);
}

static void shards_have_names_and_urls(void **state) {
    struct config config;
    assert_int_equal(parse("{\"shards\": [{\"name\": \"a-1\", \"url\": \"host=a\"}, "
                           "{\"url\": \"host=b\", \"name\": \"b_2\"}]}",
                           &config),
                     STATUS_ok);
    assert_int_equal(config.shards.count, 2);
    assert_string_equal(config.shards.items[1].name, "b_2");
    assert_string_equal(config.shards.items[1].url, "host=b");
    assert_int_equal(config.shards.items[1].replica_count, 0);
    assert_int_equal(parse("{\"shards\": [{\"name\": \"a\", \"url\": \"host=a\", \"replicas\": "
                           "[\"host=c\", \"host=d\"]}]}",
                           &config),
                     STATUS_ok);
    assert_int_equal(config.shards.items[0].replica_count, 2);
    assert_string_equal(config.shards.items[0].replicas[1], "host=d");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\", \"replicas\": \"y\"}]}",
            "up to 4 connection strings");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\", \"replicas\": [\"\"]}]}",
            "up to 4 connection strings");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\", \"replicas\": "
            "[\"1\", \"2\", \"3\", \"4\", \"5\"]}]}",
            "up to 4 connection strings");
    refuses("{\"shards\": []}", "1 to 16");
    refuses("{\"shards\": {\"name\": \"a\", \"url\": \"x\"}}", "shards must be like");
    refuses("{\"shards\": [{\"name\": \"a\"}]}", "shards must be like");
    refuses("{\"shards\": [{\"name\": \"A\", \"url\": \"x\"}]}", "small letters");
    refuses("{\"shards\": [{\"name\": \"-a\", \"url\": \"x\"}]}", "beginning with");
    refuses("{\"shards\": [{\"name\": \"a'b\", \"url\": \"x\"}]}", "small letters");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\", \"size\": 1}]}", "must be like");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\"}, {\"name\": \"a\", \"url\": "
            "\"y\"}]}",
            "each name once");
    refuses("{\"shards\": [{\"name\": \"a\", \"url\": \"x\"}, {\"name\": \"b\", \"url\": "
            "\"x\"}]}",
            "each name once");
}

static void replicas_are_connection_strings(void **state) {
    struct config config;
    assert_int_equal(parse("{\"postgres_replicas\": [\"host=a\", \"postgresql://b/c\"]}", &config),
                     STATUS_ok);
    assert_int_equal(config.postgres_replica_count, 2);
    assert_string_equal(config.postgres_replicas[1], "postgresql://b/c");
    refuses("{\"postgres_replicas\": \"host=a\"}", "array");
    refuses("{\"postgres_replicas\": [\"\"]}", "array");
    refuses("{\"postgres_replicas\": [7]}", "array");
    refuses("{\"postgres_replicas\": [\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
            "at most 8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_means_defaults),
        cmocka_unit_test(every_integer_keeps_its_bounds),
        cmocka_unit_test(unknown_settings_name_the_nearest),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(currencies_are_declared),
        cmocka_unit_test(currencies_keep_their_bounds),
        cmocka_unit_test(rate_limits_are_declared),
        cmocka_unit_test(kafka_is_described),
        cmocka_unit_test(kafka_secrets_come_from_the_environment),
        cmocka_unit_test(rate_limits_keep_their_bounds),
        cmocka_unit_test(rate_limits_know_classes_and_own_roles),
        cmocka_unit_test(roles_are_declared),
        cmocka_unit_test(approvals_are_declared),
        cmocka_unit_test(redis_may_ask_for_a_password),
        cmocka_unit_test(shards_have_names_and_urls),
        cmocka_unit_test(replicas_are_connection_strings),
        cmocka_unit_test(there_is_an_end_to_currencies),
        cmocka_unit_test(a_missing_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
