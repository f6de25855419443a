// SPDX-License-Identifier: MIT
// A real server on a loopback port and a client that writes raw bytes. What the server does depends
// on the path:
//   /now    is answered inside request()        /pass   inside pass_end()
//   /later  when the test calls fixture_release, from the test's thread
//   /echo   inside pass_end(), with everything that the request said
//   /delayed is answered 429 with its body, when it has been held back
//   /copied/json and /copied/text inside pass_end(), from memory that is overwritten at once
//   /large  inside request(), with fixture->large_bytes bytes
#pragma once
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/server.h"

#define FIXTURE_BODY_LIMIT  100000
#define FIXTURE_WAITING_MAX 8192
#define FIXTURE_LOOPS_MAX   4

struct fixture {
    struct http_server *server;
    uint16_t port;
    size_t large_bytes;
    char *large;
    struct http_request *pass[FIXTURE_LOOPS_MAX][FIXTURE_WAITING_MAX];
    size_t pass_count[FIXTURE_LOOPS_MAX];
    // Held by the handler; touched on the loop's thread only, but for the counts.
    struct http_request *later[FIXTURE_LOOPS_MAX][FIXTURE_WAITING_MAX];
    size_t later_count[FIXTURE_LOOPS_MAX];
    atomic_size_t later_total;
    atomic_size_t release_wanted; // how many /later requests each loop may answer
    atomic_size_t requests;
    atomic_size_t pass_ends;
    atomic_size_t wakes;
    atomic_size_t refusals;
    atomic_size_t ticks;
    atomic_size_t loops_started;
    atomic_size_t loops_ended;
};

// `listen` is filled in. The fixture is big and lives on the heap.
struct fixture *fixture_open(struct http_options options);
void fixture_close(struct fixture *fixture); // stops it, too, and frees it

// A test with a fixture of its own, which the file's open_fixture opens with the file's options.
int fixture_teardown(void **state);
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, fixture_teardown)

// Lets every loop answer up to `count` more of its /later requests, oldest first.
void fixture_release(struct fixture *fixture, size_t count);
void fixture_wait_later(struct fixture *fixture,
                        size_t count); // until that many are held, or fails

int client_connect(const struct fixture *fixture);
void client_send(int fd, const char *text);
void client_send_bytes(int fd, const void *bytes, size_t size);
// Sends byte by byte, `pause_ms` in between; returns how many went out before the server closed.
size_t client_trickle(int fd, const char *text, unsigned pause_ms);
// Reads one answer: its code, or 0 when the connection was closed instead. The whole answer is in
// ret_text.
int client_answer(int fd, char *ret_text, size_t size);
int client_answer_to_head(int fd, char *ret_text, size_t size); // one without a body
int client_code(int fd);                                        // client_answer without the text
// Waits until the server closes; false when it has not within `ms`. Bytes that come are thrown
// away.
bool client_closed_within(int fd, unsigned ms);
bool client_is_open(int fd);
uint64_t test_now_ms(void);
void test_sleep_ms(unsigned ms);
