// SPDX-License-Identifier: MIT
// Moves one slot after the other: those that were named, or those of a plan.
#include "programs/commands/shards_moves.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/shard/shard_move.h"
#include "engine/postgres/shard/shard_spread.h"

#define WHY_BYTES   512
#define PROGRESS_NS UINT64_C(1000000000)
#define TRIES       5 // of one slot, when a shard was away or busy

// ---- one slot -----------------------------------------------------------------------------------

static bool read_slot(const char **text, uint32_t *ret_slot) {
    uint32_t slot = 0;
    const char *begin = *text;
    for (; **text >= '0' && **text <= '9' && *text - begin < 4; (*text)++)
        slot = slot * 10 + (uint32_t)(**text - '0');
    *ret_slot = slot;
    return *text != begin && slot < LIMIT_SLOTS;
}

bool slot_range_read(const char *text, struct slot_range *ret_range) {
    if (text == NULL || !read_slot(&text, &ret_range->first))
        return false;
    ret_range->last = ret_range->first;
    if (*text == '-' && (text++, !read_slot(&text, &ret_range->last)))
        return false;
    return *text == '\0' && ret_range->first <= ret_range->last;
}

struct mover_run {
    const struct shard_place *places;
    struct shard_lines lines;
    uint64_t told_ns;
    bool is_called_off; // by a signal
};

static void signals(sigset_t *ret_set) {
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGINT);
    (void)sigaddset(ret_set, SIGTERM);
}

// Waits so long; true: somebody wants it to end.
static bool is_called_off(struct mover_run *run, time_t wait_s) {
    sigset_t set;
    const struct timespec wait = {.tv_sec = wait_s};
    signals(&set);
    if (!run->is_called_off && sigtimedwait(&set, NULL, &wait) > 0)
        run->is_called_off = true;
    return run->is_called_off;
}

static void run_begin(struct mover_run *run, const struct shard_place *places, uint32_t count) {
    sigset_t set;
    signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    *run = (struct mover_run){.places = places, .told_ns = clock_monotonic_ns()};
    shard_move_lines(&run->lines, places, count);
}

static bool tell(void *context, const struct shard_move_news *news) {
    struct mover_run *run = context;
    uint64_t now_ns = clock_monotonic_ns();
    if (news->paused_us != 0) {
        printf("slot %u has moved with %llu records; both shards wrote nothing for %llu ms, and "
               "payments between shards waited for %llu ms\n"
               "  %llu rows were read then, for %llu records since the copy before\n",
               news->slot, (unsigned long long)news->all,
               (unsigned long long)(news->paused_us / 1000),
               (unsigned long long)(news->gated_us / 1000), (unsigned long long)news->rows_read,
               (unsigned long long)news->records_since);
        (void)fflush(stdout);
        return true;
    }
    if (now_ns - run->told_ns < PROGRESS_NS)
        return true;
    run->told_ns = now_ns;
    fprintf(stderr, "slot %u: %s, %llu of %llu records\n", news->slot, news->doing,
            (unsigned long long)news->copied, (unsigned long long)news->all);
    return !is_called_off(run, 0);
}

// What is busy is tried again; every try goes on where the one before broke off.
static enum status move_one(struct mover_run *run, uint32_t slot, uint32_t target) {
    char why[WHY_BYTES] = "", told[WHY_BYTES] = "";
    struct shard_move move = {
        .lines = &run->lines, .slot = slot, .target = target, .tell = tell, .context = run};
    enum status status = STATUS_busy;
    for (int i = 0; i < TRIES && status == STATUS_busy && !is_called_off(run, i != 0); i++) {
        status = shard_move(&move, why, sizeof(why));
        if (status != STATUS_ok && strcmp(why, told) != 0)
            fprintf(stderr, "florin shards: slot %u: %s\n", slot, why);
        memcpy(told, why, sizeof(told));
    }
    return status;
}

// Else what is said of one would be another's. One that is away may come back.
static bool are_themselves(const struct shard_place *places, uint32_t count) {
    char why[WHY_BYTES];
    bool all = true;
    for (uint32_t i = 0; i < count; i++) {
        if (shard_is_itself(&places[i], why, sizeof(why)) != STATUS_invalid_request)
            continue;
        fprintf(stderr, "florin shards: %s: %s\n", places[i].name, why);
        all = false;
    }
    return all;
}

int shards_move_slots(const struct shard_place *places, uint32_t count,
                      const struct slot_range *range, const char *target) {
    struct mover_run run;
    uint32_t place = 0;
    while (place < count && strcmp(places[place].name, target) != 0)
        place++;
    if (place == count) {
        fprintf(stderr, "florin shards: no shard is called \"%s\" in the configuration.\n", target);
        return 2;
    }
    if (!are_themselves(places, count))
        return 1;
    run_begin(&run, places, count);
    enum status status = STATUS_ok;
    for (uint32_t slot = range->first; slot <= range->last && status == STATUS_ok; slot++)
        status = is_called_off(&run, 0) ? STATUS_busy : move_one(&run, slot, place);
    shard_lines_done(&run.lines);
    if (status == STATUS_ok)
        printf("slots %u-%u are on \"%s\"\n", range->first, range->last, target);
    else if (status == STATUS_busy)
        fprintf(stderr, "florin shards: stopped; the same command goes on.\n");
    return status == STATUS_ok ? 0 : 1;
}

// ---- all of them --------------------------------------------------------------------------------

static const char *const measures[PLAN_MEASURES] = {"slots", "last 60 s", "records"};

static void print_fullest(const char *when, const struct plan_shares *shares, uint32_t count) {
    printf("%s", when);
    for (int m = 0; m < PLAN_MEASURES; m++) {
        uint32_t fullest = plan_fullest(shares, count, m);
        printf("%s %s %u.%02u", m == 0 ? "" : ",", measures[m], fullest / 100, fullest % 100);
    }
    printf("\n");
}

void shards_print_spread(const struct shard_place *places, uint32_t count) {
    char why[WHY_BYTES];
    struct shard_lines lines;
    struct plan_slot *slots = memory_take_zeroed(LIMIT_SLOTS * sizeof(*slots));
    struct plan *plan = memory_take_zeroed(sizeof(*plan));
    uint32_t closed;
    shard_move_lines(&lines, places, count);
    if (shard_spread_read(&lines, slots, &closed, why, sizeof(why)) == STATUS_ok) {
        plan_make(slots, count, closed, plan);
        print_fullest("The fullest shard, where 1.00 is an even share:", &plan->before, count);
        if (plan->count != 0)
            printf("florin shards balance would move %u slots.\n", plan->count);
    }
    shard_lines_done(&lines);
    memory_free(slots);
    memory_free(plan);
}

// Slots that go the same way on one line, as ranges.
static void print_way(const struct shard_place *places, const struct plan *plan, uint32_t from,
                      uint32_t to) {
    bool goes[LIMIT_SLOTS + 1] = {false};
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->moves[i].from == from && plan->moves[i].to == to)
            goes[plan->moves[i].slot] = ++count != 0;
    if (count == 0)
        return;
    printf("%u from \"%s\" to \"%s\":", count, places[from].name, places[to].name);
    for (uint32_t slot = 0, first = 0; slot < LIMIT_SLOTS; slot++) {
        if (!goes[slot])
            continue;
        if (slot == 0 || !goes[slot - 1])
            first = slot;
        if (goes[slot + 1])
            continue;
        printf(first == slot ? " %u" : " %u-%u", first, slot);
    }
    printf("\n");
}

static void print_plan(const struct shard_place *places, uint32_t count,
                       const struct plan *plan) {
    if (plan->count == 0) {
        printf("Slots, load and size are spread as evenly as they can be.\n");
        print_fullest("The fullest shard, where 1.00 is an even share:", &plan->before, count);
        return;
    }
    printf("%u slots to move:\n", plan->count);
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++)
            print_way(places, plan, from, to);
    printf("The fullest shard, where 1.00 is an even share:\n");
    print_fullest("  now: ", &plan->before, count);
    print_fullest("  then:", &plan->after, count);
    (void)fflush(stdout);
}

// What is left out of the plan, and what to do instead.
static void tell_closed(const struct shard_place *places, uint32_t count, uint32_t closed,
                        const struct plan_slot *slots) {
    if (slots[0].owner < count)
        printf("Slot 0 stays on \"%s\": keys, rules and notes of the audit are made where it is.\n",
               places[slots[0].owner].name);
    for (uint32_t i = 0; i < count; i++)
        if ((closed >> i & 1) != 0)
            printf("The slots of \"%s\" stay, and none come there: history of it was archived, and "
                   SHARD_ARCHIVED_INSTEAD ".\n", places[i].name);
    (void)fflush(stdout);
}

static bool is_planned(const struct plan *plan, uint32_t slot, uint32_t to) {
    bool found = false;
    for (uint32_t i = 0; i < plan->count && !found; i++)
        found = plan->moves[i].slot == slot && plan->moves[i].to == to;
    return found;
}

// What an earlier run has begun to copy and the plan has no use for, and what one that was killed
// has not deleted where a slot was before.
static void forget_others(struct mover_run *run, const struct plan_slot *slots,
                          const struct plan *plan) {
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        for (uint32_t place = 0; slots[slot].left >> place != 0; place++) {
            char why[WHY_BYTES] = "";
            struct shard_move move = {.lines = &run->lines, .slot = slot, .target = place};
            if ((slots[slot].left >> place & 1) != 0 && !is_planned(plan, slot, place) &&
                shard_move_forget(&move, why, sizeof(why)) != STATUS_ok)
                fprintf(stderr, "florin shards: slot %u: %s\n", slot, why);
        }
}

static int carry_out(struct mover_run *run, const struct plan *plan) {
    uint32_t done = 0, refused = 0;
    enum status status = STATUS_ok;
    for (uint32_t i = 0; i < plan->count && status != STATUS_busy; i++) {
        const struct plan_move *move = &plan->moves[i];
        status = is_called_off(run, 0) ? STATUS_busy : move_one(run, move->slot, move->to);
        done += status == STATUS_ok;
        refused += status == STATUS_invalid_request;
    }
    printf("%u of %u slots have moved.\n", done, plan->count);
    if (refused != 0)
        printf("%u slots stay where they are, for the reasons above.\n", refused);
    if (done + refused < plan->count)
        fprintf(stderr, "florin shards: stopped; the same command goes on.\n");
    return done == plan->count ? 0 : 1;
}

int shards_balance(const struct shard_place *places, uint32_t count, bool is_plan_only) {
    char why[WHY_BYTES] = "";
    struct mover_run run;
    int result = 1;
    uint32_t closed = 0;
    if (is_plan_only && !are_themselves(places, count))
        return 1;
    struct plan_slot *slots = memory_take_zeroed(LIMIT_SLOTS * sizeof(*slots));
    struct plan *plan = memory_take_zeroed(sizeof(*plan));
    run_begin(&run, places, count);
    // Makes a shard of an empty database that was added, and carries out what was decided.
    enum status status = is_plan_only ? STATUS_ok : shards_prepare(places, count, why, sizeof(why));
    if (status == STATUS_ok)
        status = shard_spread_read(&run.lines, slots, &closed, why, sizeof(why));
    if (status != STATUS_ok) {
        fprintf(stderr, "florin shards: %s\n", why);
    } else {
        plan_make(slots, count, closed, plan);
        print_plan(places, count, plan);
        tell_closed(places, count, closed, slots);
        result = 0;
    }
    if (status == STATUS_ok && !is_plan_only) {
        forget_others(&run, slots, plan);
        result = plan->count == 0 ? 0 : carry_out(&run, plan);
    }
    shard_lines_done(&run.lines);
    memory_free(slots);
    memory_free(plan);
    return result;
}
