// SPDX-License-Identifier: MIT
// A stack that producers push onto with compare-and-swap and that the consumer takes whole and
// turns around. Taking whole is also why there is no ABA problem: nobody ever pops a single node.
//
// The consumer goes to sleep by replacing an empty head (NULL) by a mark. So exactly one producer,
// the one that replaces the mark by its node, knows that somebody must be woken, and all others pay
// nothing.
//
// 1. Only the consumer puts the mark, and only over NULL.
// 2. Whoever replaces the mark sets `awake` afterwards and then wakes. The consumer clears `awake`
//    before it looks at the head for the last time, so either it sees the node, or the wait ends at
//    once.
// 3. A late waker of an earlier sleep can only end a later sleep too early, and the consumer looks
//    again.
#include "base/inbox.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

// An address that is no node's. A node is compared with it, never read through it.
static struct inbox_node *inbox_sleep_mark(const struct inbox *inbox) {
    return (struct inbox_node *)(void *)&inbox->awake;
}

// Puts `head` where `*expected` was; false, with what is there in `*expected`, when it was not.
static bool inbox_replace_head(struct inbox *inbox, struct inbox_node **expected,
                               struct inbox_node *head) {
    return __atomic_compare_exchange_n(&inbox->head, expected, head, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

void inbox_init(struct inbox *inbox) {
    *inbox = (struct inbox){.head = NULL, .awake = 0};
}

void inbox_push(struct inbox *inbox, struct inbox_node *node) {
    CHECK(node != NULL);
    struct inbox_node *mark = inbox_sleep_mark(inbox);
    struct inbox_node *head = __atomic_load_n(&inbox->head, __ATOMIC_RELAXED);
    do {
        node->next = head == mark ? NULL : head;
    } while (!inbox_replace_head(inbox, &head, node));
    if (head == mark) {
        __atomic_store_n(&inbox->awake, 1, __ATOMIC_SEQ_CST);
        (void)syscall(SYS_futex, &inbox->awake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

const struct inbox_node *inbox_newest(const struct inbox *inbox) {
    const struct inbox_node *head = __atomic_load_n(&inbox->head, __ATOMIC_ACQUIRE);
    return head == inbox_sleep_mark(inbox) ? NULL : head;
}

bool inbox_is_empty(const struct inbox *inbox) {
    return inbox_newest(inbox) == NULL;
}

// False when the time is over. May also return early for no reason.
static bool inbox_wait(struct inbox *inbox, uint64_t deadline_ns) {
    struct timespec span;
    struct timespec *limit = NULL;
    if (deadline_ns != INBOX_WAIT_FOREVER) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return false;
        uint64_t left_ns = deadline_ns - now_ns;
        span.tv_sec = (time_t)(left_ns / 1000000000);
        span.tv_nsec = (long)(left_ns % 1000000000);
        limit = &span;
    }
    long failed = syscall(SYS_futex, &inbox->awake, FUTEX_WAIT_PRIVATE, 0, limit, NULL, 0);
    CHECK(failed == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
    return true;
}

// Returns when a node is there or the time is over; the mark is gone then.
static void inbox_sleep(struct inbox *inbox, uint64_t wait_ns) {
    struct inbox_node *mark = inbox_sleep_mark(inbox);
    struct inbox_node *empty = NULL;
    uint64_t now_ns = wait_ns == INBOX_WAIT_FOREVER ? 0 : clock_monotonic_ns();
    uint64_t deadline_ns =
        wait_ns >= INBOX_WAIT_FOREVER - now_ns ? INBOX_WAIT_FOREVER : now_ns + wait_ns;
    if (!inbox_replace_head(inbox, &empty, mark))
        return; // a node came between
    for (bool waiting = true; waiting;) {
        __atomic_store_n(&inbox->awake, 0, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&inbox->head, __ATOMIC_SEQ_CST) != mark)
            return;
        waiting = inbox_wait(inbox, deadline_ns);
    }
    // A node may replace the mark at this very moment, and then it stays.
    struct inbox_node *expected = mark;
    (void)inbox_replace_head(inbox, &expected, NULL);
}

struct inbox_node *inbox_take_all(struct inbox *inbox, uint64_t wait_ns) {
    if (wait_ns != 0 && __atomic_load_n(&inbox->head, __ATOMIC_RELAXED) == NULL)
        inbox_sleep(inbox, wait_ns);
    // An exchange costs a bus lock even when there is nothing to take.
    if (__atomic_load_n(&inbox->head, __ATOMIC_RELAXED) == NULL)
        return NULL;
    struct inbox_node *newest = __atomic_exchange_n(&inbox->head, NULL, __ATOMIC_ACQUIRE);
    CHECK(newest != inbox_sleep_mark(inbox));
    struct inbox_node *oldest = NULL;
    while (newest != NULL) {
        struct inbox_node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
