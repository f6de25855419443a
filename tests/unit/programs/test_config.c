// SPDX-License-Identifier: MIT
// The configuration: defaults, bounds, and a refusal with a reason for everything it does not know.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "programs/config.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_means_defaults),
        cmocka_unit_test(every_integer_keeps_its_bounds),
        cmocka_unit_test(unknown_settings_name_the_nearest),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(currencies_are_declared),
        cmocka_unit_test(currencies_keep_their_bounds),
        cmocka_unit_test(there_is_an_end_to_currencies),
        cmocka_unit_test(a_missing_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
