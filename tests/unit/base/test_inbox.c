// SPDX-License-Identifier: MIT
// The queue between threads: nothing is lost, doubled or overtaken, waits end when they should, and
// a sleeping consumer is woken by whatever push comes first.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/inbox.h"

#define PRODUCERS 3
#define NODES_PER_PRODUCER 60000
#define MS UINT64_C(1000000)

struct letter {
    struct inbox_node node; // first, so that a node is its letter
    unsigned producer;
    unsigned number;
};

struct producer {
    pthread_t thread;
    struct inbox *inbox;
    struct letter *letters;
    unsigned index;
    unsigned pause_every; // 0: never
};

static void *produce(void *context) {
    struct producer *self = context;
    for (unsigned i = 0; i < NODES_PER_PRODUCER; i++) {
        self->letters[i].producer = self->index;
        self->letters[i].number = i;
        inbox_push(self->inbox, &self->letters[i].node);
        if (self->pause_every != 0 && i % self->pause_every == 0) {
            const struct timespec pause = {.tv_nsec = 20000};
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

// The consumer sleeps often, because producers pause: every kind of interleaving occurs.
static void consume_from_many(unsigned pause_every) {
    struct inbox inbox;
    struct producer producers[PRODUCERS];
    unsigned next[PRODUCERS] = {0};
    unsigned left = PRODUCERS * NODES_PER_PRODUCER;
    inbox_init(&inbox);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.inbox = &inbox, .index = i, .pause_every = pause_every};
        producers[i].letters = test_malloc(sizeof(struct letter) * NODES_PER_PRODUCER);
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    while (left != 0) {
        struct inbox_node *node = inbox_take_all(&inbox, 5000 * MS);
        assert_non_null(node); // a lost wake-up would show here
        for (; node != NULL; node = node->next) {
            struct letter *letter = (struct letter *)node;
            assert_in_range(letter->producer, 0, PRODUCERS - 1);
            assert_int_equal(letter->number, next[letter->producer]++);
            left--;
        }
    }
    assert_null(inbox_take_all(&inbox, 0));
    for (unsigned i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        test_free(producers[i].letters);
    }
}

static void many_producers_at_full_speed(void **state) {
    consume_from_many(0);
}

static void many_producers_that_pause(void **state) {
    consume_from_many(50);
}

static void order_of_arrival(void **state) {
    struct inbox inbox;
    struct inbox_node nodes[5];
    inbox_init(&inbox);
    for (size_t i = 0; i < 5; i++)
        inbox_push(&inbox, &nodes[i]);
    struct inbox_node *node = inbox_take_all(&inbox, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(node, &nodes[i]);
        node = node->next;
    }
    assert_null(node);
    assert_null(inbox_take_all(&inbox, 0));
    inbox_push(&inbox, &nodes[3]); // a node may come again
    node = inbox_take_all(&inbox, INBOX_WAIT_FOREVER);
    assert_ptr_equal(node, &nodes[3]);
    assert_null(node->next);
}

static void the_newest_is_seen_and_stays(void **state) {
    struct inbox inbox;
    struct inbox_node nodes[2];
    inbox_init(&inbox);
    assert_null(inbox_newest(&inbox));
    assert_true(inbox_is_empty(&inbox));
    for (int i = 0; i < 2; i++) {
        inbox_push(&inbox, &nodes[i]);
        assert_ptr_equal(inbox_newest(&inbox), &nodes[i]);
    }
    assert_ptr_equal(inbox_take_all(&inbox, 0), &nodes[0]);
    assert_null(inbox_newest(&inbox));
    assert_null(inbox_take_all(&inbox, MS)); // also behind a sleep
    assert_null(inbox_newest(&inbox));
}

static void waits_end_in_time(void **state) {
    struct inbox inbox;
    inbox_init(&inbox);
    uint64_t before_ns = clock_monotonic_ns();
    assert_null(inbox_take_all(&inbox, 0));
    assert_true(clock_monotonic_ns() - before_ns < 5 * MS);
    before_ns = clock_monotonic_ns();
    assert_null(inbox_take_all(&inbox, 30 * MS));
    uint64_t waited_ns = clock_monotonic_ns() - before_ns;
    assert_in_range(waited_ns, 30 * MS, 2000 * MS);
    // After a wait that ended for nothing everything works as before.
    struct inbox_node node;
    inbox_push(&inbox, &node);
    assert_ptr_equal(inbox_take_all(&inbox, 0), &node);
}

static uint64_t cpu_ns(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 * MS +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void an_idle_consumer_costs_nothing(void **state) {
    struct inbox inbox;
    inbox_init(&inbox);
    uint64_t before_ns = cpu_ns();
    assert_null(inbox_take_all(&inbox, 200 * MS));
    assert_true(cpu_ns() - before_ns < 20 * MS);
}

static void *push_later(void *context) {
    struct inbox *inbox = context;
    static struct inbox_node node;
    const struct timespec pause = {.tv_nsec = 30000000};
    (void)nanosleep(&pause, NULL);
    inbox_push(inbox, &node);
    return NULL;
}

static void a_sleeper_without_limit_is_woken(void **state) {
    struct inbox inbox;
    pthread_t thread;
    inbox_init(&inbox);
    assert_int_equal(pthread_create(&thread, NULL, push_later, &inbox), 0);
    assert_non_null(inbox_take_all(&inbox, INBOX_WAIT_FOREVER));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

// Waits of a few microseconds end while pushes come in, so the mark is taken back and replaced at
// once.
static void waits_that_end_while_pushed(void **state) {
    struct inbox inbox;
    struct producer producer = {.inbox = &inbox, .pause_every = 3};
    unsigned next = 0;
    inbox_init(&inbox);
    producer.letters = test_malloc(sizeof(struct letter) * NODES_PER_PRODUCER);
    assert_int_equal(pthread_create(&producer.thread, NULL, produce, &producer), 0);
    uint64_t deadline_ns = clock_monotonic_ns() + 60000 * MS;
    while (next < NODES_PER_PRODUCER && clock_monotonic_ns() < deadline_ns) {
        struct inbox_node *node = inbox_take_all(&inbox, 1 + next % 80000);
        for (; node != NULL; node = node->next)
            assert_int_equal(((struct letter *)node)->number, next++);
    }
    assert_int_equal(next, NODES_PER_PRODUCER);
    assert_int_equal(pthread_join(producer.thread, NULL), 0);
    test_free(producer.letters);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_producers_at_full_speed),
        cmocka_unit_test(many_producers_that_pause),
        cmocka_unit_test(order_of_arrival),
        cmocka_unit_test(the_newest_is_seen_and_stays),
        cmocka_unit_test(waits_end_in_time),
        cmocka_unit_test(an_idle_consumer_costs_nothing),
        cmocka_unit_test(a_sleeper_without_limit_is_woken),
        cmocka_unit_test(waits_that_end_while_pushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
