// SPDX-License-Identifier: MIT
// A number that grows, published by one thread and awaited by others: "round 17 is durable".
// Publishing costs a system call only when somebody sleeps; waiting spins for a few microseconds
// first, because a wake-up costs more than a short wait.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct signal_gate {
    uint64_t sequence; // what has been published; only through atomic operations
    uint32_t turn;     // changes when sleepers are to look again
    uint32_t sleepers;
    uint64_t spin_ns; // never changes
};

#define SIGNAL_GATE_WAIT_FOREVER UINT64_MAX
#define SIGNAL_GATE_SPIN_NS_MAX 20000

// `spin_ns` is how long a waiter looks before it sleeps, at most SIGNAL_GATE_SPIN_NS_MAX; 0 where
// cores are few and others need them. Thread: one, before any other uses the gate. There is nothing
// to free.
void signal_gate_init(struct signal_gate *gate, uint64_t sequence, uint64_t spin_ns);

// `sequence` must not be smaller than the last one. What was written before is visible to whoever
// sees it. Thread: one, always the same.
void signal_gate_publish(struct signal_gate *gate, uint64_t sequence);

// Thread: any.
static inline uint64_t signal_gate_sequence(const struct signal_gate *gate) {
    return __atomic_load_n(&gate->sequence, __ATOMIC_ACQUIRE);
}

// Waits up to `wait_ns` until `sequence` has been published; false when the time is over first.
// Thread: any.
bool signal_gate_wait(struct signal_gate *gate, uint64_t sequence, uint64_t wait_ns);
