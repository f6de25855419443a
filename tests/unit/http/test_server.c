// SPDX-License-Identifier: MIT
// Attacks the end of a server: what was fully received is answered, what was not is dropped, nobody
// waits longer than the deadline, and nothing leaks on any way out.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

struct stopping {
    struct fixture *fixture;
    pthread_t thread;
    uint32_t deadline_ms;
    size_t unanswered;
    atomic_bool done;
};

static void *stopping_main(void *context) {
    struct stopping *stopping = context;
    stopping->unanswered = http_server_stop(stopping->fixture->server, stopping->deadline_ms);
    atomic_store(&stopping->done, true);
    return NULL;
}

static void stopping_begin(struct stopping *stopping, struct fixture *fixture,
                           uint32_t deadline_ms) {
    *stopping = (struct stopping){.fixture = fixture, .deadline_ms = deadline_ms};
    assert_int_equal(pthread_create(&stopping->thread, NULL, stopping_main, stopping), 0);
}

static size_t stopping_end(struct stopping *stopping) {
    assert_int_equal(pthread_join(stopping->thread, NULL), 0);
    return stopping->unanswered;
}

static void test_an_idle_server_stops_at_once(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.loops = 3});
    int fd = client_connect(fixture);
    client_send(fd, GET("/now"));
    assert_int_equal(client_code(fd), 200);
    assert_false(http_server_drain_began(fixture->server));
    uint64_t begin_ms = test_now_ms();
    assert_int_equal(http_server_stop(fixture->server, 10000), 0);
    assert_in_range(test_now_ms() - begin_ms, 0, 500);
    assert_true(client_closed_within(fd, 1000));
    assert_true(http_server_drain_began(fixture->server));
    assert_int_equal(client_connect(fixture), -1);
    close(fd);
    fixture_close(fixture);
}

static void test_two_steps(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){0});
    int fd = client_connect(fixture);
    int waiting = client_connect(fixture);
    int half = client_connect(fixture);
    client_send(fd, GET("/now"));
    assert_int_equal(client_code(fd), 200);
    client_send(waiting, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    client_send(half, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    fixture_wait_later(fixture, 1);
    http_server_close_listener(fixture->server);
    http_server_close_listener(fixture->server);
    assert_int_equal(client_connect(fixture), -1);
    // Who is connected is still served, and told to go.
    char text[4096];
    client_send(fd, GET("/pass"));
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_true(client_closed_within(fd, 1000));
    struct stopping stopping;
    stopping_begin(&stopping, fixture, 10000);
    assert_true(client_closed_within(half, 1000));
    test_sleep_ms(100);
    assert_false(atomic_load(&stopping.done));
    fixture_release(fixture, 1);
    assert_int_equal(client_answer(waiting, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "\r\n\r\nok"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_int_equal(stopping_end(&stopping), 0);
    close(fd);
    close(waiting);
    close(half);
    fixture_close(fixture);
}

// Many complete requests on their way at the moment of the stop: all are answered, or never read at
// all.
static void test_requests_on_their_way(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct fixture *fixture = fixture_open((struct http_options){.loops = 1 + round % 2});
        enum { COUNT = 50 };
        int fds[COUNT];
        for (unsigned index = 0; index < COUNT; index++)
            fds[index] = client_connect(fixture);
        for (unsigned index = 0; index < COUNT; index++)
            client_send(fds[index], index % 2 == 0 ? GET("/pass") : GET("/now"));
        assert_int_equal(http_server_stop(fixture->server, 10000), 0);
        for (unsigned index = 0; index < COUNT; index++) {
            // Loopback delivers before send returns, so every one of them was fully received.
            assert_int_equal(client_code(fds[index]), 200);
            close(fds[index]);
        }
        fixture_close(fixture);
    }
}

static void test_the_deadline_ends_it(void **state) {
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        struct fixture *fixture = fixture_open((struct http_options){0});
        enum { COUNT = 5 };
        int fds[COUNT];
        for (unsigned index = 0; index < COUNT; index++) {
            fds[index] = client_connect(fixture);
            client_send(fds[index], GET("/later"));
        }
        fixture_wait_later(fixture, COUNT);
        if (round == 1)
            test_sleep_ms(60); // suspended
        close(fds[0]);
        uint64_t begin_ms = test_now_ms();
        assert_int_equal(http_server_stop(fixture->server, 200), COUNT);
        assert_in_range(test_now_ms() - begin_ms, 199, 1000);
        for (unsigned index = 1; index < COUNT; index++) {
            assert_true(client_closed_within(fds[index], 1000));
            close(fds[index]);
        }
        fixture_close(fixture);
    }
}

static void test_a_client_that_left_is_waited_for(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){0});
    int fd = client_connect(fixture);
    client_send(fd, GET("/later"));
    fixture_wait_later(fixture, 1);
    struct linger linger = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(fd);
    struct stopping stopping;
    stopping_begin(&stopping, fixture, 10000);
    test_sleep_ms(100);
    assert_false(atomic_load(&stopping.done));
    fixture_release(fixture, 1);
    assert_int_equal(stopping_end(&stopping), 0);
    fixture_close(fixture);
}

static void test_never_started(void **state) {
    (void)state;
    const struct http_handler handler = {.request = (void *)1, .body_limit = (void *)1};
    struct http_options options = {.listen = "127.0.0.1:0", .loops = 2};
    char why[HTTP_WHY_BYTES];
    struct http_server *server = NULL;
    assert_int_equal(http_server_open(&options, &handler, why, &server), STATUS_ok);
    assert_int_equal(http_server_connections_max(server), 4096);
    http_server_close(server);
    assert_int_equal(http_server_open(&options, &handler, why, &server), STATUS_ok);
    assert_int_equal(http_server_stop(server, 1000), 0);
    http_server_close(server);
    http_server_close(NULL);
}

struct hammer {
    struct fixture *fixture;
    atomic_bool stop;
    pthread_t threads[3];
    atomic_size_t answered;
};

static void *hammer_client(void *context) {
    struct hammer *hammer = context;
    while (!atomic_load(&hammer->stop)) {
        int fd = client_connect(hammer->fixture);
        if (fd < 0)
            break;
        char text[4096];
        for (unsigned index = 0; index < 20; index++) {
            client_send(fd, index % 2 == 0 ? GET("/later") : GET("/pass"));
            if (index == 7 && atomic_load(&hammer->answered) % 3 == 0)
                break; // leaves while it waits or before it reads
            if (client_answer(fd, text, sizeof(text)) != 200)
                break;
            atomic_fetch_add(&hammer->answered, 1);
        }
        close(fd);
    }
    return NULL;
}

static void *hammer_waker(void *context) {
    struct hammer *hammer = context;
    while (!atomic_load(&hammer->stop)) {
        fixture_release(hammer->fixture,
                        atomic_load(&hammer->fixture->release_wanted) < 10 ? 2 : 0);
        if (atomic_load(&hammer->answered) % 7 == 0)
            test_sleep_ms(1);
    }
    return NULL;
}

// Everything at once, for the thread sanitizer's eyes: two loops, wakes from elsewhere, clients
// that leave, a stop in the middle.
static void test_everything_at_once(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open(
        (struct http_options){.loops = 2, .connections_max = 16, .suspend_after_ms = 1});
    struct hammer hammer = {.fixture = fixture};
    assert_int_equal(pthread_create(&hammer.threads[0], NULL, hammer_client, &hammer), 0);
    assert_int_equal(pthread_create(&hammer.threads[1], NULL, hammer_client, &hammer), 0);
    assert_int_equal(pthread_create(&hammer.threads[2], NULL, hammer_waker, &hammer), 0);
    test_sleep_ms(1000);
    assert_int_equal(http_server_stop(fixture->server, 10000), 0);
    atomic_store(&hammer.stop, true);
    for (unsigned index = 0; index < 3; index++)
        assert_int_equal(pthread_join(hammer.threads[index], NULL), 0);
    assert_true(atomic_load(&hammer.answered) > 20);
    struct http_stats stats = http_server_stats(fixture->server);
    assert_int_equal(stats.connections_open, 0);
    assert_true(stats.connections_accepted > 2);
    fixture_close(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_server_stops_at_once),
        cmocka_unit_test(test_two_steps),
        cmocka_unit_test(test_requests_on_their_way),
        cmocka_unit_test(test_the_deadline_ends_it),
        cmocka_unit_test(test_a_client_that_left_is_waited_for),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_everything_at_once),
    };
    return cmocka_run_group_tests_name("http/server", tests, NULL, NULL);
}
