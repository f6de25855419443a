// SPDX-License-Identifier: MIT
// The operator's page and what it asks first: files for anybody, under a policy that lets nothing
// else run; and who the key is.
#include "house.h"

#include <stdio.h>

static void the_page_needs_no_key(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(NULL, "GET", "/");
    house_give(house, request);
    assert_int_equal(request->code, 200);
    assert_string_equal(request->content_type, "text/html; charset=utf-8");
    assert_true(fake_answer_has(request, "<title>Florin</title>"));
    const char *policy = fake_answer_header(request, "Content-Security-Policy");
    assert_non_null(strstr(policy, "default-src 'none'"));
    assert_non_null(strstr(policy, "script-src 'self';"));
    assert_null(strstr(policy, "unsafe"));
    assert_string_equal(fake_answer_header(request, "Cache-Control"), "no-cache");
    assert_string_equal(fake_answer_header(request, "X-Content-Type-Options"), "nosniff");
    fake_free(request);
}

static void every_module_is_there_and_imports_what_is_there(void **state) {
    struct house *house = *state;
    static const char *const files[] = {"/web/app.js", "/web/florin.css", "/web/icon.svg",
                                        "/web/lib/preact.js", "/web/lib/hooks.js",
                                        "/web/lib/htm.js", "/web/lib/uplot.js",
                                        "/web/lib/uplot.css", "/web/pages/overview.js"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct http_request *request = house_request_as(NULL, "GET", files[i]);
        house_give(house, request);
        assert_int_equal(request->code, 200);
        // A bare name would need an import map, which the policy forbids.
        assert_false(fake_answer_has(request, "from\"preact\""));
        fake_free(request);
    }
}

static void a_browser_that_has_it_gets_304(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(NULL, "GET", "/web/app.js");
    house_give(house, request);
    char tag[64];
    snprintf(tag, sizeof(tag), "%s", fake_answer_header(request, "ETag"));
    fake_free(request);
    request = house_request_as(NULL, "GET", "/web/app.js");
    fake_header(request, "If-None-Match", tag);
    house_give(house, request);
    assert_int_equal(request->code, 304);
    fake_free(request);
}

static void other_paths_and_methods_are_not_the_page(void **state) {
    struct house *house = *state;
    static const char *const paths[] = {"/web/", "/web/nothing.js", "/web/../ledger", "/index.html",
                                        "/web/lib"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_request *request = house_request_as(NULL, "GET", paths[i]);
        house_give(house, request);
        assert_int_equal(request->code, 401);
        fake_free(request);
    }
    struct http_request *request = house_request_as(NULL, "POST", "/");
    house_give(house, request);
    assert_int_equal(request->code, 401);
    fake_free(request);
}

static void me_says_role_and_permissions(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(house->auditor, "GET", "/v1/me");
    house_give(house, request);
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "\"role\":\"auditor\""));
    assert_true(fake_answer_has(request, "\"books:read\""));
    assert_false(fake_answer_has(request, "payments:write"));
    assert_true(fake_answer_has(request, "{\"currency\":\"JPY\",\"exponent\":0}"));
    assert_false(fake_answer_has(request, "\"USD\""));
    assert_string_equal(fake_answer_header(request, "Cache-Control"), "no-store");
    fake_free(request);
    request = house_request_as(NULL, "GET", "/v1/me");
    house_give(house, request);
    assert_int_equal(request->code, 401);
    fake_free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(the_page_needs_no_key),
        HOUSE_TEST(every_module_is_there_and_imports_what_is_there),
        HOUSE_TEST(a_browser_that_has_it_gets_304),
        HOUSE_TEST(other_paths_and_methods_are_not_the_page),
        HOUSE_TEST(me_says_role_and_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
