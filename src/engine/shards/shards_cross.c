// SPDX-License-Identifier: MIT
// Rounds of one shard that need others, too: a thread for each shard takes those that have gathered
// and carries them through together. It waits for other shards before and behind the round; the
// shard's own writer goes on with everybody else's meanwhile.
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/postgres/crossing.h"
#include "engine/shards/shards_books.h"

#define IDLE_NS    UINT64_C(250000000)
#define RESOLVE_NS UINT64_C(1000000000)

struct cross {
    struct shards *shards;
    uint32_t home;
    struct inbox inbox;
    struct signal_gate stop; // 1: answer what there is and end
    pthread_t thread;
    struct crossing *crossing;
    struct legs *legs;
    struct round group; // of the rounds at hand, as one
    struct round nudge; // without a command
    struct signal_gate published;
    uint64_t turn;
};

static bool books_elsewhere(const struct shards *shards, uint32_t home,
                            const struct command *command) {
    return command->bank_id.size != 0 &&
           shards_owner(shards, id_slot_of_owner(command->bank_id)) != home;
}

static bool pays_elsewhere(const struct shards *shards, uint32_t home,
                           const struct command *command) {
    return (command->type == COMMAND_TRANSFER || command->type == COMMAND_PURCHASE) &&
           !id_is_zero(command->counterparty) &&
           shards_owner(shards, id_slot(command->counterparty)) != home;
}

bool cross_is_needed(const struct shards *shards, uint32_t home, const struct command *command) {
    return books_elsewhere(shards, home, command) || pays_elsewhere(shards, home, command);
}

// ---- outcomes -----------------------------------------------------------------------------------

static bool is_decided(const struct submission *submission, uint32_t place) {
    return submission->again && !submission->atomic && !submission->outcomes[place].aside;
}

// Nothing of a round was done.
static void refuse_round(struct round *round, bool is_elsewhere) {
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        if (s->atomic || s->guarded) {
            outcome_end(&s->batch_outcome, STATUS_busy);
            s->batch_outcome.elsewhere = is_elsewhere;
        }
        for (uint32_t i = 0; i < s->count; i++) {
            if (is_decided(s, i))
                continue;
            outcome_end(&s->outcomes[i], STATUS_busy);
            s->outcomes[i].elsewhere = is_elsewhere;
        }
    }
}

// It is committed where it was decided, but not everywhere yet: the key tells later.
static void leave_open(const struct cross *cross, struct round *round) {
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        bool any = false;
        for (uint32_t i = 0; i < s->count; i++) {
            struct outcome *outcome = &s->outcomes[i];
            if (outcome->status != STATUS_ok || outcome->replayed ||
                !cross_is_needed(cross->shards, cross->home, &s->commands[i]))
                continue;
            any = true;
            if (!s->atomic)
                outcome_end(outcome, STATUS_busy);
        }
        if (s->atomic && any && s->batch_outcome.status == STATUS_ok)
            outcome_end(&s->batch_outcome, STATUS_busy);
    }
}

// What they point at becomes the round's own.
static void keep_outcomes(struct round *round) {
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        if (s->atomic || s->guarded)
            outcome_keep(&s->batch_outcome, &round->arena);
        for (uint32_t i = 0; i < s->count; i++)
            outcome_keep(&s->outcomes[i], &round->arena);
    }
}

// ---- a group ------------------------------------------------------------------------------------

static uint32_t others_of_command(const struct cross *cross, const struct command *command,
                                  uint32_t *facts) {
    const struct shards *shards = cross->shards;
    uint32_t others = 0;
    if (books_elsewhere(shards, cross->home, command)) {
        others |= 1u << shards_owner(shards, id_slot_of_owner(command->bank_id));
        (*facts)++;
    }
    if (pays_elsewhere(shards, cross->home, command)) {
        others |= 1u << shards_owner(shards, id_slot(command->counterparty));
        (*facts)++;
    }
    return others;
}

static uint32_t others_of(const struct cross *cross, const struct round *round,
                          uint32_t *ret_facts) {
    uint32_t others = 0;
    *ret_facts = 0;
    for (const struct submission *s = round->first; s != NULL; s = s->next)
        for (uint32_t i = 0; i < s->count; i++)
            others |= others_of_command(cross, &s->commands[i], ret_facts);
    return others;
}

static void add_facts(struct cross *cross, const struct round *round) {
    struct legs *legs = cross->legs;
    for (const struct submission *s = round->first; s != NULL; s = s->next)
        for (uint32_t i = 0; i < s->count; i++) {
            const struct command *command = &s->commands[i];
            if (books_elsewhere(cross->shards, cross->home, command)) {
                CHECK(legs->fact_count < LEGS_FACTS_MAX);
                legs->facts[legs->fact_count++] = (struct leg_fact){
                    .bank_id = command->bank_id,
                    .part = shards_owner(cross->shards, id_slot_of_owner(command->bank_id))};
            }
            if (pays_elsewhere(cross->shards, cross->home, command)) {
                CHECK(legs->wallet_count < LEGS_WALLETS_MAX);
                legs->wallets[legs->wallet_count++] = (struct leg_wallet){
                    .id = command->counterparty,
                    .part = shards_owner(cross->shards, id_slot(command->counterparty))};
            }
        }
}

static void group_published(struct round *round) {
    struct cross *cross = round->context;
    signal_gate_publish(&cross->published, ++cross->turn);
}

static uint32_t facts_of(const struct legs *legs) {
    return legs->fact_count + legs->wallet_count;
}

// Those of the list that need the same other shards as the first, as far as there is room. Returns
// the others.
static struct inbox_node *take_group(struct cross *cross, struct inbox_node *first,
                                     struct inbox_node **ret_group) {
    struct inbox_node *rest = NULL, **rest_end = &rest, **end = ret_group;
    uint32_t wanted, facts;
    wanted = others_of(cross, round_of(first), &facts);
    while (first != NULL) {
        struct inbox_node *node = first;
        first = first->next;
        node->next = NULL;
        uint32_t others = others_of(cross, round_of(node), &facts);
        bool fits = others == wanted && facts_of(cross->legs) + facts <= LEGS_FACTS_MAX;
        if (fits)
            add_facts(cross, round_of(node));
        struct inbox_node ***place = fits ? &end : &rest_end;
        **place = node;
        *place = &node->next;
    }
    *end = NULL;
    return rest;
}

// One round of all of them; their own lists are put back behind it.
static void decide_group(struct cross *cross, struct inbox_node *group) {
    struct engine *engine = cross->shards->parts[cross->home];
    struct submission **end = &cross->group.first;
    cross->group.legs = facts_of(cross->legs) == 0 ? NULL : cross->legs;
    cross->group.command_count = 0;
    for (struct inbox_node *node = group; node != NULL; node = node->next) {
        *end = round_of(node)->first;
        cross->group.command_count += round_of(node)->command_count;
        while (*end != NULL)
            end = &(*end)->next;
    }
    uint64_t turn = cross->turn + 1;
    engine->port->submit(engine, &cross->group);
    (void)signal_gate_wait(&cross->published, turn, SIGNAL_GATE_WAIT_FOREVER);
    struct submission *next = cross->group.first;
    for (struct inbox_node *node = group; node != NULL; node = node->next) {
        struct round *round = round_of(node);
        struct round *behind = node->next == NULL ? NULL : round_of(node->next);
        CHECK(round->first == next);
        struct submission *last = round->first;
        while (last->next != NULL && (behind == NULL || last->next != behind->first))
            last = last->next;
        next = last->next;
        last->next = NULL;
        round->times = cross->group.times;
    }
}

// What has arrived is in the books of the others before anybody is answered.
static void let_arrive(struct cross *cross) {
    for (uint32_t i = 0; i < cross->shards->count; i++) {
        struct engine *part = cross->shards->parts[i];
        if ((cross->legs->parts >> i & 1) == 0 || cross->legs->wallet_count == 0)
            continue;
        uint64_t turn = cross->turn + 1;
        part->port->submit(part, &cross->nudge);
        (void)signal_gate_wait(&cross->published, turn, SIGNAL_GATE_WAIT_FOREVER);
        round_release(&cross->nudge);
    }
}

static bool is_stale(const struct legs *legs) {
    for (uint32_t i = 0; i < legs->fact_count; i++)
        if (legs->facts[i].is_elsewhere)
            return true;
    for (uint32_t i = 0; i < legs->wallet_count; i++)
        if (legs->wallets[i].is_elsewhere)
            return true;
    return false;
}

static void run_group(struct cross *cross, struct inbox_node *group) {
    struct legs *legs = cross->legs;
    bool crosses = facts_of(legs) != 0;
    enum status status = crosses ? crossing_begin(cross->crossing, legs) : STATUS_ok;
    bool stale = status == STATUS_ok && is_stale(legs);
    bool decides = status == STATUS_ok && !stale;
    if (decides)
        decide_group(cross, group);
    if (status == STATUS_ok && crosses)
        status = crossing_end(cross->crossing, legs);
    if (decides && status == STATUS_ok && legs->is_committed)
        let_arrive(cross);
    while (group != NULL) {
        struct round *round = round_of(group);
        group = group->next; // it is the caller's again once it is told
        if (!decides)
            refuse_round(round, stale);
        else if (status != STATUS_ok && legs->is_committed)
            leave_open(cross, round);
        keep_outcomes(round);
        round->published(round);
    }
    round_release(&cross->group);
}

static void *cross_main(void *context) {
    struct cross *cross = context;
    for (;;) {
        bool stopping = signal_gate_sequence(&cross->stop) != 0;
        struct inbox_node *rest = inbox_take_all(&cross->inbox, stopping ? 0 : IDLE_NS);
        if (rest == NULL && stopping)
            return NULL;
        while (rest != NULL) {
            struct inbox_node *group = NULL;
            cross->legs->fact_count = cross->legs->wallet_count = cross->legs->parts = 0;
            cross->legs->is_committed = false;
            rest = take_group(cross, rest, &group);
            run_group(cross, group);
        }
    }
}

// ---- opening ------------------------------------------------------------------------------------

struct cross *cross_open(struct shards *shards, uint32_t home) {
    struct cross *cross = memory_take_zeroed(sizeof(*cross));
    cross->shards = shards;
    cross->home = home;
    cross->legs = memory_take_zeroed(sizeof(*cross->legs));
    cross->crossing = crossing_open(shards->parts, shards->places, shards->count, home);
    inbox_init(&cross->inbox);
    signal_gate_init(&cross->stop, 0, 0);
    signal_gate_init(&cross->published, 0, 0);
    round_init(&cross->group);
    cross->group.published = group_published;
    cross->group.context = cross;
    round_init(&cross->nudge);
    cross->nudge.published = group_published;
    cross->nudge.context = cross;
    cross->legs->wallets = memory_take_zeroed(LEGS_WALLETS_MAX * sizeof(*cross->legs->wallets));
    thread_start(&cross->thread, "cross", cross_main, cross);
    return cross;
}

void cross_close(struct cross *cross) {
    if (cross == NULL)
        return;
    signal_gate_publish(&cross->stop, 1);
    CHECK(pthread_join(cross->thread, NULL) == 0);
    crossing_close(cross->crossing);
    round_done(&cross->group);
    round_done(&cross->nudge);
    memory_free(cross->legs->wallets);
    memory_free(cross->legs);
    memory_free(cross);
}

void cross_submit(struct cross *cross, struct round *round) {
    inbox_push(&cross->inbox, &round->node);
}

// ---- what was left behind -----------------------------------------------------------------------

void *shards_resolver(void *context) {
    struct shards *shards = context;
    struct resolver *resolver =
        resolver_open(shards->parts, shards->places, shards->count);
    do {
        struct resolver_news news;
        if (resolver_turn(resolver, &news) == STATUS_ok) // else some shard was not asked
            __atomic_store_n(&shards->legs_missing, news.missing, __ATOMIC_RELAXED);
        __atomic_store_n(&shards->legs_in_doubt, news.in_doubt, __ATOMIC_RELAXED);
        (void)__atomic_fetch_add(&shards->legs_resolved, news.resolved, __ATOMIC_RELAXED);
    } while (!signal_gate_wait(&shards->stop, 1, RESOLVE_NS));
    resolver_close(resolver);
    return NULL;
}
