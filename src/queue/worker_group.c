// SPDX-License-Identifier: MIT
// A worker that has nothing to do makes sure that somebody has: a group that left partitions to
// nobody is made to share them out again.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "queue/worker_private.h"

#define IDLE_NS UINT64_C(5000000000) // a group that is sharing out has done so by then
#define LOOK_MS 1000

static bool is_idle(const struct worker *worker) {
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours)
            return false;
    return true;
}

void worker_look_at_group(struct worker *worker) {
    uint64_t now_ns = clock_monotonic_ns();
    uint32_t shared_out;
    CHECK(worker->consumer != NULL);
    if (!is_idle(worker)) {
        worker->idle_ns = 0;
        return;
    }
    if (worker->idle_ns == 0)
        worker->idle_ns = now_ns;
    if (now_ns - worker->idle_ns < IDLE_NS)
        return;
    worker->idle_ns = now_ns;
    if (kafka_group_look(worker->consumer, LOOK_MS, &shared_out) != STATUS_ok ||
        shared_out >= worker->reader.partitions)
        return;
    log_line(LOG_WARNING, "queue",
             "The group %s gave %u of the %u partitions of %s to its workers: it shares them out "
             "again.",
             worker->group, shared_out, worker->reader.partitions, worker->commands_name);
    if (!kafka_group_join_again(worker->consumer))
        log_line(LOG_ERROR, "queue", "The group %s cannot be joined again now.", worker->group);
}
