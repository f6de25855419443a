// SPDX-License-Identifier: MIT
// A loop that goes on while its thread is held up. The handler may do at a pass's end what waits
// for a disk, because then a round costs no change of threads. But a disk may hang, and health must
// be answered all the same: so each loop has a second thread that looks every few milliseconds
// whether the first has come back. If not, it turns the loop from there on, and the first, when it
// returns at last, stands by in its place.
//
//   turning ─▶ blocked (between http_block_begin and http_block_end) ─▶ turning
//                 └─▶ relieved by the other, who turns now ─▶ standing by ─▶ ...
//
// 1. `blocked_ns` is what the two threads agree by: whoever makes the time in it 0 turns the loop.
// 2. A loop that has been taken over is not blocked again before the first thread is back: the
//    handler sees to that, because it only waits while nothing older is under way. So two suffice.
// 3. Who stands by sleeps for good when nothing has happened for a while. He says so before he
//    looks for the last time, and who blocks says that before he looks whether somebody sleeps; so
//    one of them sees the other.
#include <errno.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/internal.h"

#define RELIEF_LOOK_NS           UINT64_C(4000000)
#define RELIEF_BLOCKED_NS        UINT64_C(5000000) // longer than a quick disk ever takes
#define RELIEF_LOOKS_UNTIL_SLEEP 25

void relief_open(struct relief *relief) {
    pthread_condattr_t monotonic;
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&relief->lock, NULL) == 0);
    CHECK(pthread_cond_init(&relief->changed, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

void relief_close(struct relief *relief) {
    (void)pthread_cond_destroy(&relief->changed); // nobody waits any more
    (void)pthread_mutex_destroy(&relief->lock);
}

static void relief_lock(struct relief *relief) {
    CHECK(pthread_mutex_lock(&relief->lock) == 0);
}

static void relief_unlock(struct relief *relief) {
    CHECK(pthread_mutex_unlock(&relief->lock) == 0);
}

static void relief_wake(struct relief *relief) {
    relief_lock(relief);
    relief->woken = true;
    CHECK(pthread_cond_broadcast(&relief->changed) == 0);
    relief_unlock(relief);
}

uint64_t http_block_begin(struct http_server *server, unsigned index) {
    CHECK(index < server->loop_count);
    struct http_loop *loop = &server->loops[index];
    struct relief *relief = &loop->relief;
    CHECK(pthread_equal(pthread_self(), loop->self));
    CHECK(atomic_load_explicit(&relief->blocked_ns, memory_order_relaxed) == 0);
    if (!relief->has_threads || atomic_load_explicit(&server->stop_ns, memory_order_relaxed) != 0)
        return 0;
    uint64_t count = atomic_load_explicit(&relief->blocks, memory_order_relaxed);
    atomic_store_explicit(&relief->blocks, count + 1, memory_order_relaxed);
    uint64_t begun_ns = clock_monotonic_ns();
    atomic_store(&relief->blocked_ns, begun_ns);
    if (atomic_load(&relief->asleep) && atomic_exchange(&relief->asleep, false))
        relief_wake(relief);
    return begun_ns;
}

bool http_block_end(struct http_server *server, unsigned index, uint64_t begun) {
    struct relief *relief = &server->loops[index].relief;
    // The other may be blocked himself by now, with a later time.
    return atomic_compare_exchange_strong(&relief->blocked_ns, &begun, 0);
}

// Waits a few milliseconds; false when the loop has ended.
static bool relief_pause(struct relief *relief) {
    uint64_t until_ns = clock_monotonic_ns() + RELIEF_LOOK_NS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    int waited = 0;
    relief_lock(relief);
    while (!relief->over && waited == 0)
        waited = pthread_cond_timedwait(&relief->changed, &relief->lock, &until);
    bool over = relief->over;
    relief_unlock(relief);
    CHECK(waited == 0 || waited == ETIMEDOUT);
    return !over;
}

// Sleeps until somebody may be held up again; false when the loop has ended.
static bool relief_sleep(struct relief *relief) {
    atomic_store(&relief->asleep, true);
    bool quiet = atomic_load(&relief->blocked_ns) == 0;
    if (!quiet && atomic_exchange(&relief->asleep, false))
        return true;
    // Who has cleared the mark wakes, or has woken.
    relief_lock(relief);
    while (!relief->woken && !relief->over)
        CHECK(pthread_cond_wait(&relief->changed, &relief->lock) == 0);
    relief->woken = false;
    bool over = relief->over;
    relief_unlock(relief);
    return !over;
}

bool relief_wait(struct relief *relief) {
    uint64_t blocks = 0;
    unsigned looks = 0;
    for (bool goes_on = true; goes_on;) {
        uint64_t since_ns = atomic_load(&relief->blocked_ns);
        if (since_ns != 0 && clock_monotonic_ns() >= since_ns + RELIEF_BLOCKED_NS &&
            atomic_compare_exchange_strong(&relief->blocked_ns, &since_ns, 0))
            return true;
        uint64_t now_blocks = atomic_load_explicit(&relief->blocks, memory_order_relaxed);
        looks = now_blocks != blocks || since_ns != 0 ? 0 : looks + 1;
        blocks = now_blocks;
        goes_on = looks < RELIEF_LOOKS_UNTIL_SLEEP ? relief_pause(relief) : relief_sleep(relief);
    }
    return false;
}

void relief_end(struct relief *relief) {
    relief_lock(relief);
    relief->over = true;
    CHECK(pthread_cond_broadcast(&relief->changed) == 0);
    relief_unlock(relief);
}

void relief_await_end(struct relief *relief) {
    relief_lock(relief);
    while (!relief->over)
        CHECK(pthread_cond_wait(&relief->changed, &relief->lock) == 0);
    relief_unlock(relief);
}
