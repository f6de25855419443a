// SPDX-License-Identifier: MIT
// Attacks http/listener.c and http/connection.c: who gets in and who has to go, over one loop and
// over several.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LIMIT     8

static void wait_open(struct fixture *fixture, size_t count) {
    uint64_t end_ms = test_now_ms() + 5000;
    while (http_server_stats(fixture->server).connections_open != count && test_now_ms() < end_ms)
        test_sleep_ms(1);
    assert_int_equal(http_server_stats(fixture->server).connections_open, count);
}

// The newcomer is served and exactly `victim` is gone.
static void newcomer_takes_place_of(struct fixture *fixture, int *fds, unsigned victim) {
    int fd = client_connect(fixture);
    client_send(fd, GET("/now"));
    assert_int_equal(client_code(fd), 200);
    assert_true(client_closed_within(fds[victim], 5000));
    for (unsigned index = 0; index < LIMIT; index++)
        if (index != victim)
            assert_true(client_is_open(fds[index]));
    close(fds[victim]);
    fds[victim] = fd;
}

static void test_longest_idle_goes(void **state) {
    struct fixture *fixture = *state;
    int fds[LIMIT];
    for (unsigned index = 0; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        wait_open(fixture, index + 1);
    }
    newcomer_takes_place_of(fixture, fds, 0);
    newcomer_takes_place_of(fixture, fds, 1);
    // Used ones are younger than unused ones.
    client_send(fds[2], GET("/now"));
    assert_int_equal(client_code(fds[2]), 200);
    newcomer_takes_place_of(fixture, fds, 3);
    wait_open(fixture, LIMIT);
    assert_int_equal(http_server_stats(fixture->server).connections_evicted, 3);
    for (unsigned index = 0; index < LIMIT; index++)
        close(fds[index]);
}

static void test_idle_goes_before_half_sent_before_unread(void **state) {
    struct fixture *fixture = *state;
    int fds[LIMIT];
    for (unsigned index = 0; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        wait_open(fixture, index + 1);
        // 0 and 1 half-sent, 2 waiting, the rest idle.
        if (index < 2)
            client_send(fds[index], "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        if (index == 2)
            client_send(fds[index], GET("/later"));
        test_sleep_ms(2);
    }
    fixture_wait_later(fixture, 1);
    test_sleep_ms(50);
    // Newcomers that stay busy push the idle ones out first.
    for (unsigned victim = 3; victim < LIMIT; victim++) {
        int fd = client_connect(fixture);
        client_send(fd, GET("/later"));
        assert_true(client_closed_within(fds[victim], 5000));
        close(fds[victim]);
        fds[victim] = fd;
        fixture_wait_later(fixture, victim - 1);
    }
    assert_true(client_is_open(fds[0]));
    newcomer_takes_place_of(fixture, fds, 0); // the older half-sent one
    assert_true(client_is_open(fds[1]));
    fixture_release(fixture, LIMIT - 2);
    for (unsigned index = 2; index < LIMIT; index++)
        assert_int_equal(client_code(fds[index]), 200);
    for (unsigned index = 0; index < LIMIT; index++)
        close(fds[index]);
}

// Health gets in although every place is taken by one that waits, suspended or not, and none of
// them is lost.
static void test_all_wait(void **state) {
    struct fixture *fixture = *state;
    int fds[LIMIT];
    for (unsigned index = 0; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], GET("/later"));
    }
    fixture_wait_later(fixture, LIMIT);
    for (unsigned round = 0; round < 200; round++) {
        int fd = client_connect(fixture);
        client_send(fd, GET("/now"));
        assert_int_equal(client_code(fd), 200);
        if (round % 2 == 0)
            close(fd); // the others are left open and have to go for the next ones
    }
    assert_true(http_server_stats(fixture->server).connections_open <= LIMIT + 64);
    fixture_release(fixture, LIMIT);
    for (unsigned index = 0; index < LIMIT; index++) {
        assert_int_equal(client_code(fds[index]), 200);
        close(fds[index]);
    }
}

// Even the reserve can be used up by waiting requests; then newcomers queue until an outcome makes
// room.
static void test_reserve_is_used_up(void **state) {
    struct fixture *fixture = *state;
    enum { ALL = LIMIT + 64 };
    int fds[ALL + 1];
    for (unsigned index = 0; index < ALL; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], GET("/later"));
    }
    fixture_wait_later(fixture, ALL);
    fds[ALL] = client_connect(fixture);
    client_send(fds[ALL], GET("/now"));
    test_sleep_ms(100);
    assert_int_equal(http_server_stats(fixture->server).connections_open, ALL);
    fixture_release(fixture, 1);
    assert_int_equal(client_code(fds[ALL]), 200);
    fixture_release(fixture, ALL);
    for (unsigned index = 0; index < ALL; index++)
        assert_int_equal(client_code(fds[index]), 200);
    for (unsigned index = 0; index <= ALL; index++)
        close(fds[index]);
}

// Whoever opens connections without end gets old ones closed, and a client that works is still
// served.
static void test_a_flood(void **state) {
    struct fixture *fixture = *state;
    enum { FLOOD = 400 };
    static int fds[FLOOD];
    unsigned served = 0;
    for (unsigned index = 0; index < FLOOD; index++) {
        fds[index] = client_connect(fixture);
        if (index % 3 == 0)
            client_send(fds[index], "GET /half");
        if (index % 20 == 0) {
            int fd = client_connect(fixture);
            client_send(fd, GET("/pass"));
            served += client_code(fd) == 200;
            close(fd);
        }
    }
    assert_int_equal(served, FLOOD / 20);
    assert_true(http_server_stats(fixture->server).connections_open <= LIMIT + 64);
    test_sleep_ms(400); // the last ones of the flood had a moment to say something
    unsigned open = 0;
    for (unsigned index = 0; index < FLOOD; index++) {
        open += client_is_open(fds[index]);
        close(fds[index]);
    }
    assert_in_range(open, 1, LIMIT);
}

static void test_two_loops_share_the_limit(void **state) {
    (void)state;
    struct fixture *fixture =
        fixture_open((struct http_options){.connections_max = LIMIT, .loops = 2});
    int fds[LIMIT];
    for (unsigned index = 0; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        wait_open(fixture, index + 1);
        client_send(fds[index], GET("/now"));
        assert_int_equal(client_code(fds[index]), 200);
        test_sleep_ms(20);
    }
    for (unsigned victim = 0; victim < LIMIT; victim++) {
        newcomer_takes_place_of(fixture, fds, victim);
        wait_open(fixture, LIMIT);
        test_sleep_ms(20);
    }
    // Both loops work, and what waits on either is woken.
    for (unsigned index = 0; index < LIMIT; index++)
        client_send(fds[index], GET("/later"));
    fixture_wait_later(fixture, LIMIT);
    assert_in_range(fixture->later_count[0], 1, LIMIT - 1);
    assert_in_range(fixture->later_count[1], 1, LIMIT - 1);
    fixture_release(fixture, LIMIT);
    for (unsigned index = 0; index < LIMIT; index++) {
        assert_int_equal(client_code(fds[index]), 200);
        close(fds[index]);
    }
    fixture_close(fixture);
}

// The clients of this test live in a process of their own, because descriptors are what is short.
static int scarce_clients(const struct fixture *fixture) {
    enum { COUNT = 60 };
    int fds[COUNT];
    for (unsigned index = 0; index < COUNT; index++) {
        char text[4096];
        fds[index] = client_connect(fixture);
        if (fds[index] < 0)
            return 1;
        client_send(fds[index], GET("/now"));
        if (client_answer(fds[index], text, sizeof(text)) != 200)
            return 2;
    }
    return 0;
}

static void test_descriptors_are_short(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){0});
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(scarce_clients(fixture));
    int highest = dup(0);
    close(highest);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = {.rlim_cur = (rlim_t)highest + 10, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(http_server_stats(fixture->server).connections_evicted >= 40);
    fixture_close(fixture);
}

// From another address of this machine.
static int connect_from(struct fixture *fixture, const char *source) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fixture->port)};
    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static bool is_exempt(const void *context, const uint8_t address[16]) {
    return address[15] == *(const uint8_t *)context;
}

static void test_one_address_cannot_have_all(void **state) {
    (void)state;
    enum { EACH = 3 };
    const uint8_t free_one = 9;
    const struct http_options options = {.connections_per_address_max = EACH,
                                         .is_exempt = is_exempt,
                                         .exempt_context = &free_one};
    struct fixture *fixture = fixture_open(options);
    int fds[EACH];
    for (int index = 0; index < EACH; index++) {
        fds[index] = connect_from(fixture, "127.0.0.2");
        client_send(fds[index], GET("/now"));
        assert_int_equal(client_code(fds[index]), 200);
    }
    for (int tries = 1; tries <= 20; tries++) {
        int fd = connect_from(fixture, "127.0.0.2");
        assert_true(client_closed_within(fd, 5000));
        close(fd);
        assert_int_equal(http_server_stats(fixture->server).connections_refused, tries);
    }
    int other = connect_from(fixture, "127.0.0.3");
    client_send(other, GET("/now"));
    assert_int_equal(client_code(other), 200);
    int many[2 * EACH];
    for (int index = 0; index < 2 * EACH; index++) {
        many[index] = connect_from(fixture, "127.0.0.9");
        client_send(many[index], GET("/now"));
        assert_int_equal(client_code(many[index]), 200);
    }
    // A place that is left can be taken again.
    close(fds[0]);
    wait_open(fixture, EACH - 1 + 1 + 2 * EACH);
    fds[0] = connect_from(fixture, "127.0.0.2");
    client_send(fds[0], GET("/now"));
    assert_int_equal(client_code(fds[0]), 200);
    for (int index = 0; index < EACH; index++)
        assert_true(client_is_open(fds[index]));
    for (int index = 0; index < EACH; index++)
        close(fds[index]);
    for (int index = 0; index < 2 * EACH; index++)
        close(many[index]);
    close(other);
    fixture_close(fixture);
}

static void test_addresses_that_make_no_sense(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        ":",
                                        ":80",
                                        "localhost:1",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:x",
                                        "127.0.0.1:99999",
                                        "300.0.0.1:0",
                                        "[::1:0",
                                        "127.0.0.1:80:80"};
    struct fixture *fixture = fixture_open((struct http_options){0});
    const struct http_handler handler = {.request = (void *)1, .body_limit = (void *)1};
    char why[HTTP_WHY_BYTES];
    struct http_server *server = NULL;
    for (size_t index = 0; index < sizeof(wrong) / sizeof(wrong[0]); index++) {
        struct http_options options = {.listen = wrong[index]};
        why[0] = '\0';
        if (http_server_open(&options, &handler, why, &server) != STATUS_invalid_request)
            fail_msg("%s was accepted", wrong[index]);
        assert_non_null(strstr(why, wrong[index]));
    }
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", fixture->port);
    struct http_options options = {.listen = taken};
    assert_int_equal(http_server_open(&options, &handler, why, &server), STATUS_busy);
    assert_non_null(strstr(why, taken));
    assert_null(server);
    fixture_close(fixture);
}

struct address_seen {
    uint8_t bytes[16];
};

static size_t address_limit(void *context, struct slice method, struct slice path) {
    (void)context, (void)method, (void)path;
    return 0;
}

static void address_request(void *context, struct http_request *request) {
    struct address_seen *seen = context;
    memcpy(seen->bytes, http_address(request), 16);
    http_answer(request, 204, NULL, (struct slice){0});
}

static void test_addresses_of_clients(void **state) {
    (void)state;
    static const uint8_t four[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    static const uint8_t six[16] = {[15] = 1};
    static const char *const listens[] = {"127.0.0.1:0", "[::1]:0"};
    for (unsigned index = 0; index < 2; index++) {
        struct address_seen seen = {{0}};
        const struct http_handler handler = {
            .context = &seen, .request = address_request, .body_limit = address_limit};
        struct http_options options = {.listen = listens[index]};
        char why[HTTP_WHY_BYTES];
        struct http_server *server = NULL;
        if (http_server_open(&options, &handler, why, &server) != STATUS_ok) {
            assert_int_equal(index, 1); // a machine without IPv6
            continue;
        }
        http_server_start(server);
        struct sockaddr_in6 to_six = {.sin6_family = AF_INET6,
                                      .sin6_port = htons(http_server_port(server))};
        to_six.sin6_addr = in6addr_loopback;
        struct sockaddr_in to_four = {.sin_family = AF_INET,
                                      .sin_port = htons(http_server_port(server))};
        to_four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(index == 0 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
        assert_int_equal(index == 0 ? connect(fd, (struct sockaddr *)&to_four, sizeof(to_four))
                                    : connect(fd, (struct sockaddr *)&to_six, sizeof(to_six)),
                         0);
        client_send(fd, GET("/"));
        char text[512];
        assert_int_equal(client_answer_to_head(fd, text, sizeof(text)), 204);
        assert_memory_equal(seen.bytes, index == 0 ? four : six, 16);
        close(fd);
        assert_int_equal(http_server_stop(server, 1000), 0);
        http_server_close(server);
    }
}

static int open_fixture(void **state) {
    *state = fixture_open((struct http_options){.connections_max = LIMIT});
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_longest_idle_goes),
        FIXTURE_TEST(test_idle_goes_before_half_sent_before_unread),
        FIXTURE_TEST(test_all_wait),
        FIXTURE_TEST(test_reserve_is_used_up),
        FIXTURE_TEST(test_a_flood),
        cmocka_unit_test(test_two_loops_share_the_limit),
        cmocka_unit_test(test_descriptors_are_short),
        cmocka_unit_test(test_one_address_cannot_have_all),
        cmocka_unit_test(test_addresses_that_make_no_sense),
        cmocka_unit_test(test_addresses_of_clients),
    };
    return cmocka_run_group_tests_name("http/listener", tests, NULL, NULL);
}
