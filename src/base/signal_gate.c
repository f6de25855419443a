// SPDX-License-Identifier: MIT
// The sleeper counts itself before it looks for the last time, and the publisher looks for sleepers
// after it has published. Both are sequentially consistent, so one of them always sees the other:
// no wake-up is lost, and without sleepers there is no system call.
#include "base/signal_gate.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define SIGNAL_GATE_LOOKS_PER_CLOCK 32 // asking the clock costs as much as several looks

void signal_gate_init(struct signal_gate *gate, uint64_t sequence, uint64_t spin_ns) {
    CHECK(spin_ns <= SIGNAL_GATE_SPIN_NS_MAX);
    *gate = (struct signal_gate){.sequence = sequence, .spin_ns = spin_ns};
}

void signal_gate_publish(struct signal_gate *gate, uint64_t sequence) {
    CHECK(sequence >= __atomic_load_n(&gate->sequence, __ATOMIC_RELAXED));
    __atomic_store_n(&gate->sequence, sequence, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&gate->sleepers, __ATOMIC_SEQ_CST) == 0)
        return;
    __atomic_fetch_add(&gate->turn, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &gate->turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool signal_gate_is_open(const struct signal_gate *gate, uint64_t sequence) {
    return __atomic_load_n(&gate->sequence, __ATOMIC_SEQ_CST) >= sequence;
}

static void signal_gate_breathe(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static bool signal_gate_spin(const struct signal_gate *gate, uint64_t sequence, uint64_t until_ns) {
    do {
        for (int i = 0; i < SIGNAL_GATE_LOOKS_PER_CLOCK; i++) {
            if (signal_gate_is_open(gate, sequence))
                return true;
            signal_gate_breathe();
        }
    } while (clock_monotonic_ns() < until_ns);
    return false;
}

// Sleeps until `turn` changes or the time is over; false when it is. May return early for no
// reason.
static bool signal_gate_sleep(struct signal_gate *gate, uint32_t turn, uint64_t deadline_ns) {
    struct timespec span;
    struct timespec *limit = NULL;
    if (deadline_ns != SIGNAL_GATE_WAIT_FOREVER) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return false;
        uint64_t left_ns = deadline_ns - now_ns;
        span.tv_sec = (time_t)(left_ns / 1000000000);
        span.tv_nsec = (long)(left_ns % 1000000000);
        limit = &span;
    }
    long failed = syscall(SYS_futex, &gate->turn, FUTEX_WAIT_PRIVATE, turn, limit, NULL, 0);
    CHECK(failed == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
    return true;
}

bool signal_gate_wait(struct signal_gate *gate, uint64_t sequence, uint64_t wait_ns) {
    if (signal_gate_is_open(gate, sequence))
        return true;
    if (wait_ns == 0)
        return false;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t deadline_ns =
        wait_ns >= SIGNAL_GATE_WAIT_FOREVER - now_ns ? SIGNAL_GATE_WAIT_FOREVER : now_ns + wait_ns;
    uint64_t spin_ns = gate->spin_ns < wait_ns ? gate->spin_ns : wait_ns;
    if (spin_ns != 0 && signal_gate_spin(gate, sequence, now_ns + spin_ns))
        return true;
    __atomic_fetch_add(&gate->sleepers, 1, __ATOMIC_SEQ_CST);
    bool open = false;
    for (bool waiting = true; waiting && !open;) {
        uint32_t turn = __atomic_load_n(&gate->turn, __ATOMIC_SEQ_CST);
        open = signal_gate_is_open(gate, sequence);
        if (!open)
            waiting = signal_gate_sleep(gate, turn, deadline_ns);
    }
    __atomic_fetch_sub(&gate->sleepers, 1, __ATOMIC_SEQ_CST);
    return open || signal_gate_is_open(gate, sequence);
}
