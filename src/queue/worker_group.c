// SPDX-License-Identifier: MIT
// What a worker looks at beside its own partitions. One that has nothing to do makes sure that
// somebody has: a group that left partitions to nobody is made to share them out again. And all
// stop when the topic has another number of partitions than was agreed on: keys are others' then.
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "queue/worker_private.h"

#define IDLE_NS UINT64_C(5000000000) // a group that is sharing out has done so by then
#define LOOK_MS 1000
#define COUNT_NS UINT64_C(10000000000)

static bool is_idle(const struct worker *worker) {
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours)
            return false;
    return true;
}

void worker_say_count(const struct worker *worker, char *ret_why, size_t why_bytes) {
    (void)snprintf(ret_why, why_bytes,
                   "the topic has %u partitions, but %u are configured, and the order of commands "
                   "depends on it: let nobody write, drain the topic and change both",
                   worker->count, worker->reader.partitions);
}

static void look_at_count(struct worker *worker) {
    uint64_t now_ns = clock_monotonic_ns();
    uint32_t count;
    char why[256];
    if (now_ns - worker->counted_ns < COUNT_NS)
        return;
    worker->counted_ns = now_ns;
    if (kafka_topic_count(worker->producer, worker->commands_name, LOOK_MS, &count) != STATUS_ok ||
        count == 0)
        return;
    worker->count = count;
    if (count == worker->reader.partitions)
        return;
    worker_say_count(worker, why, sizeof(why));
    for (uint32_t i = 0; i < worker->reader.partitions; i++)
        if (worker->partitions[i].ours &&
            (!worker->partitions[i].stopped || worker->partitions[i].passes)) {
            worker_settle(worker, i);
            worker->partitions[i].passes = false;
            worker_stop_partition(worker, i, why);
        }
}

void worker_look_at_group(struct worker *worker) {
    look_at_count(worker);
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
