// SPDX-License-Identifier: MIT
// Attacks http/target.c: escapes, forms of the target, parameters and their duplicates.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

struct target_case {
    const char *target;
    const char *echoed; // NULL: refused with 400
};

static const struct target_case targets[] = {
    {"/echo", "GET|/echo|"},
    {"/%65cho", "GET|/echo|"},
    {"/ech%6f", "GET|/echo|"},
    {"/ech%6F", "GET|/echo|"},
    {"/echo?", "GET|/echo|"},
    {"/echo?a", "GET|/echo|?a=|"},
    {"/echo?a=", "GET|/echo|?a=|"},
    {"/echo?=b", "GET|/echo|?=b|"},
    {"/echo?a=b&a=c", "GET|/echo|?a=b|?a=c|"},
    {"/echo?a=b=c", "GET|/echo|?a=b=c|"},
    {"/echo?&&a=b&&", "GET|/echo|?a=b|"},
    {"/echo?a+b=c+d", "GET|/echo|?a b=c d|"},
    {"/echo?a%26b=%3d%2B", "GET|/echo|?a&b==+|"},
    {"/echo?a=%0a", "GET|/echo|?a=\n|"},
    {"/echo?a=/?x", "GET|/echo|?a=/?x|"},
    {"http://example.org/echo?a=b", "GET|/echo|?a=b|"},
    {"HTTP://example.org:80/echo", "GET|/echo|"},
    {"https://example.org/echo", "GET|/echo|"},
    {"/ech%", NULL},
    {"/ech%6", NULL},
    {"/ech%6g", NULL},
    {"/ech%g6", NULL},
    {"/ech%-1", NULL},
    {"/ech%%6f", NULL},
    {"/echo%00", NULL},
    {"/echo?a=%", NULL},
    {"/echo?a=%4", NULL},
    {"/echo?%zz=1", NULL},
    {"/echo?a=%00", NULL},
    {"/echo#x", NULL},
    {"/echo?a=b#x", NULL},
    {"/ech\xc3\xb6", NULL},
    {"/echo\x7f", NULL},
    {"/echo\x01", NULL},
    {"echo", NULL},
    {"?a=b", NULL},
    {"example.org:443", NULL},
    {"ftp://example.org/echo", NULL},
    {"**", NULL},
};

static void test_targets(void **state) {
    struct fixture *fixture = *state;
    static char text[4096];
    for (size_t index = 0; index < sizeof(targets) / sizeof(targets[0]); index++) {
        char request[512];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n",
                 targets[index].target);
        int fd = client_connect(fixture);
        client_send(fd, request);
        int code = client_answer(fd, text, sizeof(text));
        if (code != (targets[index].echoed == NULL ? 400 : 200))
            fail_msg("%s: %d", targets[index].target, code);
        if (targets[index].echoed == NULL) {
            assert_true(client_closed_within(fd, 5000));
        } else {
            const char *body = strstr(text, "\r\n\r\n") + 4;
            size_t size = strlen(targets[index].echoed);
            if (strncmp(body, targets[index].echoed, size) != 0 ||
                strncmp(body + size, "Host:", 5) != 0)
                fail_msg("%s: %s", targets[index].target, body);
        }
        close(fd);
    }
}

// Forms that are accepted and name no path of the fixture's.
static void test_other_forms(void **state) {
    struct fixture *fixture = *state;
    static const char *const requests[] = {
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://example.org HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://example.org?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //echo HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t index = 0; index < sizeof(requests) / sizeof(requests[0]); index++) {
        int fd = client_connect(fixture);
        client_send(fd, requests[index]);
        assert_int_equal(client_code(fd), 200);
        close(fd);
    }
    assert_int_equal(atomic_load(&fixture->requests), 4);
}

static void test_many_parameters(void **state) {
    struct fixture *fixture = *state;
    for (unsigned count = 100; count <= 101; count++) {
        char request[1024];
        size_t size = (size_t)sprintf(request, "GET /echo?");
        for (unsigned index = 0; index < count; index++)
            size += (size_t)sprintf(request + size, index == 0 ? "a" : "&a");
        sprintf(request + size, " HTTP/1.1\r\nHost: a\r\n\r\n");
        int fd = client_connect(fixture);
        client_send(fd, request);
        assert_int_equal(client_code(fd), count == 100 ? 200 : 400);
        close(fd);
    }
}

static int open_fixture(void **state) {
    *state = fixture_open((struct http_options){0});
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {FIXTURE_TEST(test_targets), FIXTURE_TEST(test_other_forms),
                                       FIXTURE_TEST(test_many_parameters)};
    return cmocka_run_group_tests_name("http/target", tests, NULL, NULL);
}
