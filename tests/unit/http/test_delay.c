// SPDX-License-Identifier: MIT
// Attacks http/delay.c: what is held back comes in the end, nothing is read meanwhile, and it
// stands in nobody's way: not in a newcomer's, a neighbour's or the end's.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
#define LIMIT      8
#define DELAY_MS   300
#define FOR_EVER   3600000

static void wait_delayed(struct fixture *fixture, size_t count) {
    uint64_t end_ms = test_now_ms() + 10000;
    while (http_server_stats(fixture->server).answers_delayed < count && test_now_ms() < end_ms)
        test_sleep_ms(1);
    assert_int_equal(http_server_stats(fixture->server).answers_delayed, count);
}

static void test_it_comes_later(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.delay_ms = DELAY_MS});
    char text[512];
    int fd = client_connect(fixture), other = client_connect(fixture);
    uint64_t begin_ms = test_now_ms();
    client_send(fd, POST("/delayed") POST("/now") GET("/delayed"));
    wait_delayed(fixture, 1);
    client_send(other, GET("/now"));
    assert_int_equal(client_code(other), 200);
    assert_int_equal(client_answer(fd, text, sizeof(text)), 429);
    assert_in_range(test_now_ms() - begin_ms, DELAY_MS - 1, 10000);
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    // What was sent behind it was not lost, and is read in its order.
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    assert_int_equal(client_code(fd), 429);
    assert_in_range(test_now_ms() - begin_ms, 2 * DELAY_MS - 1, 20000);
    close(fd);
    close(other);
    fixture_close(fixture);
}

static void test_nothing_is_read_meanwhile(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.delay_ms = FOR_EVER});
    int fd = client_connect(fixture), other = client_connect(fixture);
    client_send(fd, GET("/delayed") GET("/now"));
    wait_delayed(fixture, 1);
    for (unsigned round = 0; round < 50; round++) {
        client_send(fd, GET("/now"));
        client_send(other, GET("/pass"));
        assert_int_equal(client_code(other), 200);
    }
    assert_int_equal(atomic_load(&fixture->requests), 51);
    close(fd);
    close(other);
    fixture_close(fixture);
}

// However many are held back, a newcomer finds a place, and it is theirs that he gets.
static void makes_room(unsigned loops) {
    struct fixture *fixture = fixture_open((struct http_options){
        .delay_ms = FOR_EVER, .connections_max = LIMIT, .loops = loops});
    int fds[LIMIT], idle = client_connect(fixture);
    client_send(idle, GET("/now"));
    assert_int_equal(client_code(idle), 200);
    for (unsigned index = 1; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], GET("/delayed"));
        wait_delayed(fixture, index);
    }
    test_sleep_ms(150); // longer than anybody is spared
    int newcomer = client_connect(fixture);
    client_send(newcomer, GET("/now"));
    assert_int_equal(client_code(newcomer), 200);
    assert_true(client_is_open(idle));
    if (loops == 1) {
        assert_true(client_closed_within(fds[1], 10000));
        for (unsigned index = 2; index < LIMIT; index++)
            assert_true(client_is_open(fds[index]));
    }
    for (unsigned index = 1; index < LIMIT; index++)
        close(fds[index]);
    close(newcomer);
    close(idle);
    fixture_close(fixture);
}

static void test_makes_room(void **state) {
    (void)state;
    makes_room(1);
    makes_room(2);
}

static void test_client_leaves(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.delay_ms = DELAY_MS});
    for (unsigned round = 0; round < 3; round++) {
        int fd = client_connect(fixture);
        client_send(fd, POST("/delayed"));
        wait_delayed(fixture, round + 1);
        if (round == 1) { // a reset, too
            struct linger linger = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        close(fd);
    }
    uint64_t end_ms = test_now_ms() + 10000;
    while (http_server_stats(fixture->server).connections_open > 0 && test_now_ms() < end_ms)
        test_sleep_ms(5);
    assert_int_equal(http_server_stats(fixture->server).connections_open, 0);
    fixture_close(fixture);
}

static void test_the_end_waits_for_nobody(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.delay_ms = FOR_EVER});
    int fds[LIMIT];
    for (unsigned index = 0; index < LIMIT; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], GET("/delayed"));
    }
    wait_delayed(fixture, LIMIT);
    assert_int_equal(http_server_stop(fixture->server, 60000), 0);
    for (unsigned index = 0; index < LIMIT; index++) {
        assert_int_equal(client_code(fds[index]), 429);
        assert_true(client_closed_within(fds[index], 10000));
        close(fds[index]);
    }
    fixture_close(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_comes_later),
        cmocka_unit_test(test_nothing_is_read_meanwhile),
        cmocka_unit_test(test_makes_room),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_the_end_waits_for_nobody),
    };
    return cmocka_run_group_tests_name("http/delay", tests, NULL, NULL);
}
