// SPDX-License-Identifier: MIT
// The gate: nobody passes before the number is published, everybody passes after, and waits end.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/signal_gate.h"
#include "expect_stop.h"

#define WAITERS 3
#define ROUNDS 20000
#define MS UINT64_C(1000000)

static void what_is_published_is_open(void **state) {
    struct signal_gate gate;
    signal_gate_init(&gate, 5, 0);
    assert_true(signal_gate_wait(&gate, 5, 0));
    assert_true(signal_gate_wait(&gate, 0, SIGNAL_GATE_WAIT_FOREVER));
    assert_false(signal_gate_wait(&gate, 6, 0));
    signal_gate_publish(&gate, 5);
    signal_gate_publish(&gate, 9); // numbers may be left out
    assert_int_equal(signal_gate_sequence(&gate), 9);
    assert_true(signal_gate_wait(&gate, 7, 0));
    signal_gate_publish(&gate, UINT64_MAX);
    assert_true(signal_gate_wait(&gate, UINT64_MAX, 0));
}

static void waits_end_in_time(void **state) {
    struct signal_gate gate;
    const uint64_t spins_ns[] = {0, SIGNAL_GATE_SPIN_NS_MAX};
    for (size_t i = 0; i < 2; i++) {
        signal_gate_init(&gate, 0, spins_ns[i]);
        uint64_t before_ns = clock_monotonic_ns();
        assert_false(signal_gate_wait(&gate, 1, 30 * MS));
        uint64_t waited_ns = clock_monotonic_ns() - before_ns;
        assert_in_range(waited_ns, 30 * MS, 2000 * MS);
        assert_int_equal(gate.sleepers, 0);
    }
    // A wait shorter than the spin is not made longer by it.
    assert_false(signal_gate_wait(&gate, 1, 1000));
}

struct relay {
    struct signal_gate there;
    struct signal_gate back;
    uint64_t payload[ROUNDS + 1]; // written before the gate opens, read behind it
    unsigned failures;
};

struct waiter {
    pthread_t thread;
    struct relay *relay;
    bool counts;
};

static void *wait_for_rounds(void *context) {
    struct waiter *self = context;
    struct relay *relay = self->relay;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        bool open = signal_gate_wait(&relay->there, round, 20000 * MS);
        bool reached = signal_gate_sequence(&relay->there) >= round;
        if (!open || !reached || relay->payload[round] != round * 3)
            __atomic_fetch_add(&relay->failures, 1, __ATOMIC_RELAXED);
        if (self->counts)
            signal_gate_publish(&relay->back, round);
    }
    return NULL;
}

// One waiter answers through a second gate, so publisher and waiter fall asleep in turns; the
// others only follow.
static void follow_rounds(uint64_t spin_ns) {
    static struct relay relay;
    struct waiter waiters[WAITERS];
    memset(&relay, 0, sizeof(relay));
    signal_gate_init(&relay.there, 0, spin_ns);
    signal_gate_init(&relay.back, 0, spin_ns);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.relay = &relay, .counts = i == 0};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_rounds, &waiters[i]), 0);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        relay.payload[round] = round * 3;
        signal_gate_publish(&relay.there, round);
        assert_true(signal_gate_wait(&relay.back, round, 20000 * MS));
    }
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
    assert_int_equal(relay.failures, 0);
}

static void rounds_without_spinning(void **state) {
    follow_rounds(0);
}

static void rounds_with_spinning(void **state) {
    follow_rounds(5000);
}

static void *publish_later(void *context) {
    const struct timespec pause = {.tv_nsec = 30000000};
    (void)nanosleep(&pause, NULL);
    signal_gate_publish(context, 1); // too little; the sleeper must sleep on
    (void)nanosleep(&pause, NULL);
    signal_gate_publish(context, 2);
    return NULL;
}

static void a_sleeper_without_limit_is_woken(void **state) {
    struct signal_gate gate;
    pthread_t thread;
    signal_gate_init(&gate, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, publish_later, &gate), 0);
    uint64_t before_ns = clock_monotonic_ns();
    assert_true(signal_gate_wait(&gate, 2, SIGNAL_GATE_WAIT_FOREVER));
    assert_true(clock_monotonic_ns() - before_ns >= 59 * MS);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void publish_backwards(void *context) {
    struct signal_gate gate;
    signal_gate_init(&gate, 7, 0);
    signal_gate_publish(&gate, 6);
}

static void spin_too_long(void *context) {
    struct signal_gate gate;
    signal_gate_init(&gate, 7, SIGNAL_GATE_SPIN_NS_MAX + 1);
}

static void misuse_stops(void **state) {
    expect_stop(publish_backwards, NULL, "sequence >= ");
    expect_stop(spin_too_long, NULL, "spin_ns <= ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_open),
        cmocka_unit_test(waits_end_in_time),
        cmocka_unit_test(rounds_without_spinning),
        cmocka_unit_test(rounds_with_spinning),
        cmocka_unit_test(a_sleeper_without_limit_is_woken),
        cmocka_unit_test(misuse_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
