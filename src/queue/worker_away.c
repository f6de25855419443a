// SPDX-License-Identifier: MIT
// Books on several shards, of which some cannot be reached, and books in which somebody has locked
// rows, perhaps in a forgotten psql. Slots whose commands need such a shard or row are set aside
// and what else comes of them is passed over, so that all other slots go on; when its shard or all
// of them answer again their partition is read once more from where these slots stand, in order.
// That a row is free again nobody tells, nor always whether a slot is busy for a lock or for
// another shard that is away: so partitions with such slots are read once more before, too, ever
// more seldom.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/worker_private.h"

#define PATIENCE_NS   UINT64_C(1000000000)  // busy so long is not for a moment
#define ASK_NS        UINT64_C(1000000000)  // between two looks whether all shards are there
#define ASK_SHARE     4                     // or so many times as long as the last look took
#define TRY_SHIFT_MAX 5                     // where all were there: again after 1, 2, 4 ... 32 s
#define RETRY_SHIFT_MAX 20 // where one is away: as long again each time, since more is read again
#define CALM_NS       UINT64_C(60000000000) // what went well for so long begins with 1 s again

// Which slots' shards answer, by one read of each. Returns how many do.
static uint32_t ask_all(struct worker *worker, bool ret_answers[LIMIT_SLOTS]) {
    struct command *commands = memory_take_zeroed(LIMIT_SLOTS * sizeof(*commands));
    struct cursor_wish *wishes = memory_take_zeroed(LIMIT_SLOTS * sizeof(*wishes));
    struct outcome *outcomes = memory_take_zeroed(LIMIT_SLOTS * sizeof(*outcomes));
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        wishes[slot].cursor =
            (struct cursor){.kind = (uint8_t)worker->places, .slot = (uint16_t)slot};
        commands[slot] =
            (struct command){.type = COMMAND_READ_CURSOR,
                             .slot = slot,
                             .cursor = &wishes[slot],
                             .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    }
    struct submission submission = {
        .commands = commands, .outcomes = outcomes, .count = LIMIT_SLOTS, .is_batch = true};
    engine_wait_submit(&worker->wait, &submission);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        ret_answers[slot] = outcomes[slot].status == STATUS_ok;
        count += ret_answers[slot];
    }
    engine_wait_release(&worker->wait);
    memory_free(outcomes);
    memory_free(wishes);
    memory_free(commands);
    return count;
}

static uint32_t at_most(uint32_t tries, uint32_t most) {
    return tries < most ? tries : most;
}

static void say(const struct worker *worker, uint32_t slot, enum worker_wait why) {
    uint32_t partition = worker->slots[slot].partition;
    if (why == WAIT_LOCKED)
        log_line(LOG_WARNING, "queue",
                 "Slot %u in partition %u of %s waits: somebody has locked a row in the database "
                 "that its next command changes, or its place in the table cursors. It is tried "
                 "again until the row is free; docs/postgresql.md says how to find who has it. All "
                 "others go on.",
                 slot, partition, worker->commands_name);
    else
        log_line(LOG_WARNING, "queue",
                 "Of partition %u of %s some slots wait for a shard that is away; all others go "
                 "on.",
                 partition, worker->commands_name);
}

void worker_set_aside(struct worker *worker, uint32_t slot, enum worker_wait why) {
    struct worker_slot *one = &worker->slots[slot];
    struct worker_partition *own = &worker->partitions[one->partition];
    uint64_t now_ns = clock_monotonic_ns();
    for (int32_t i = one->first; i >= 0; i = worker->items[i].next) {
        own->waiting += !worker->items[i].done;
        worker->items[i].done = true;
    }
    one->first = one->last = -1;
    one->busy_ns = 0;
    one->waits = true;
    one->is_away = why == WAIT_AWAY;
    worker->all_answer = worker->answers[slot] = false; // what was asked before says nothing now
    bool is_first = own->waits_since_ns == 0;
    if (is_first && now_ns - own->taken_ns > CALM_NS) {
        own->tries = 0;
        own->waited_since_ns = 0;
    }
    if (is_first) {
        own->waits_until_ns = now_ns + (ASK_NS << at_most(own->tries, TRY_SHIFT_MAX));
        own->tries = at_most(own->tries + 1, RETRY_SHIFT_MAX);
    }
    if (why != WAIT_AWAY && own->retry_ns == 0) // another shard is, or what it changes is locked
        own->retry_ns = now_ns + (ASK_NS << (own->tries - 1));
    if (is_first)
        own->waits_since_ns = own->waited_since_ns != 0 ? own->waited_since_ns : now_ns;
    if (is_first || (why == WAIT_LOCKED && !own->has_locked))
        say(worker, slot, why);
    own->has_locked = own->has_locked || why == WAIT_LOCKED;
}

void worker_set_busy_aside(struct worker *worker) {
    bool answers[LIMIT_SLOTS], any = false;
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t slot = 0; slot < LIMIT_SLOTS && !any; slot++) {
        const struct worker_slot *one = &worker->slots[slot];
        any = one->first >= 0 && one->busy_ns != 0 && now_ns - one->busy_ns > PATIENCE_NS;
    }
    // While all of them are away there is nothing that could go on.
    if (!any || ask_all(worker, answers) == 0)
        return;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct worker_slot *one = &worker->slots[slot];
        bool is_busy =
            one->first >= 0 && one->busy_ns != 0 && now_ns - one->busy_ns > PATIENCE_NS;
        if (worker->partitions[one->partition].ours && !one->waits &&
            (is_busy || !answers[slot]))
            worker_set_aside(worker, slot,
                             !answers[slot]   ? WAIT_AWAY
                             : one->is_locked ? WAIT_LOCKED
                                              : WAIT_BUSY);
    }
}

// Whether one of its slots that were set aside because their shard did not answer has it back.
static bool is_one_back(const struct worker *worker, uint32_t partition) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        const struct worker_slot *one = &worker->slots[slot];
        if (one->partition == partition && one->waits && one->is_away && worker->answers[slot])
            return true;
    }
    return false;
}

const char *worker_begins_again(struct worker *worker, uint32_t partition) {
    const struct worker_partition *own = &worker->partitions[partition];
    uint64_t now_ns = clock_monotonic_ns();
    if (own->waits_since_ns == 0 || now_ns < own->waits_until_ns)
        return NULL;
    if (now_ns >= worker->ask_ns) {
        worker->all_answer = ask_all(worker, worker->answers) == LIMIT_SLOTS;
        uint64_t took_ns = clock_monotonic_ns() - now_ns;
        worker->ask_ns = now_ns + took_ns +
                         (ASK_SHARE * took_ns > ASK_NS ? ASK_SHARE * took_ns : ASK_NS);
    }
    if (worker->all_answer)
        return own->has_locked ? "what its slots wait for may be over" : "all shards answer";
    if (is_one_back(worker, partition))
        return "a shard answers again";
    return own->retry_ns != 0 && now_ns >= own->retry_ns
               ? "some of its slots may wait for no shard any more"
               : NULL;
}
