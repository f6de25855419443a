// SPDX-License-Identifier: MIT
// Rounds of one shard that need others, too: a thread for each shard takes those that have gathered
// and carries them through together. It waits for other shards before and behind the round; the
// shard's own writer goes on with everybody else's meanwhile.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/shards/shards_books.h"
#include "engine/wait.h"

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

// What a command needs of shards that are not its own.
struct needs {
    struct id wallets[2 + LACKS_WALLETS];
    enum leg_key_use key_uses[2 + LACKS_WALLETS]; // of their owners' keys
    struct slice bank_ids[2];
    uint32_t wallet_count, bank_count;
    bool is_away;  // of an atomic batch: it is at home on another one
    uint32_t slot; // its home
    bool has_thing; // what it names or opens there
    enum leg_thing_kind thing;
    struct id thing_id;  // zero: it opens it
    uint32_t thing_slot;
};

static void need_wallet(const struct shards *shards, uint32_t home, struct id id,
                        enum leg_key_use key_use, struct needs *needs) {
    if (id_is_zero(id) || shards_owner(shards, id_slot(id)) == home)
        return;
    for (uint32_t i = 0; i < needs->wallet_count; i++)
        if (id_equal(needs->wallets[i], id)) { // what it names it may have lacked before, too
            if (needs->key_uses[i] < key_use)
                needs->key_uses[i] = key_use;
            return;
        }
    needs->key_uses[needs->wallet_count] = key_use;
    needs->wallets[needs->wallet_count++] = id;
}

// Whether texts of those whose wallets only the deciding shard knew of may be sealed, or only read:
// of a refund, or of what waits, and of a wallet whose slot has gone and this node has not heard.
static enum leg_key_use key_use_of(const struct command *command, struct id wallet) {
    switch ((enum command_type)command->type) {
    case COMMAND_REFUND:
    case COMMAND_APPROVE:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS: return LEG_KEY_MADE;
    default: break;
    }
    bool seals = id_equal(wallet, command->wallet) && !command_is_read(command->type);
    return seals ? LEG_KEY_MADE : LEG_KEY_READ;
}

static void need_bank_id(const struct shards *shards, uint32_t home, struct slice bank_id,
                         struct needs *needs) {
    if (bank_id.size != 0 && shards_owner(shards, id_slot_of_owner(bank_id)) != home)
        needs->bank_ids[needs->bank_count++] = bank_id;
}

static void need_thing(const struct command *command, struct needs *needs) {
    needs->has_thing = true;
    needs->thing_id = command->subject;
    needs->thing_slot = needs->slot;
    switch ((enum command_type)command->type) {
    case COMMAND_CAPTURE:
    case COMMAND_VOID: needs->thing = LEG_HOLD; return;
    case COMMAND_SETTLE:
    case COMMAND_FAIL: needs->thing = LEG_WITHDRAWAL; return;
    case COMMAND_REFUND: needs->thing = LEG_PURCHASE; return;
    case COMMAND_WALLET_OPEN: needs->thing = LEG_NEW_WALLET; return;
    default: needs->has_thing = false; return;
    }
}

// What a command that waits names elsewhere, itself at home here.
static void need_purchase(const struct shards *shards, uint32_t home, struct id id,
                          struct needs *needs) {
    if (needs->has_thing || id_is_zero(id) || shards_owner(shards, id_slot(id)) == home)
        return;
    needs->has_thing = true;
    needs->thing = LEG_PURCHASE;
    needs->thing_id = id;
    needs->thing_slot = id_slot(id);
}

static struct needs needs_of(const struct shards *shards, uint32_t home,
                             const struct command *command, const struct lacks *lacks) {
    struct needs needs = {.slot = command_home_slot(command)};
    needs.is_away = command->type != COMMAND_INVALID && shards_owner(shards, needs.slot) != home;
    if (needs.is_away) {
        need_wallet(shards, home, command->wallet, LEG_KEY_MADE, &needs);
        need_thing(command, &needs);
    }
    need_bank_id(shards, home, command->bank_id, &needs);
    if (command->type == COMMAND_TRANSFER || command->type == COMMAND_PURCHASE ||
        command->type == COMMAND_HOLD)
        need_wallet(shards, home, command->counterparty, LEG_KEY_UNUSED, &needs);
    if (lacks == NULL)
        return needs;
    need_bank_id(shards, home, lacks->bank_id, &needs);
    need_purchase(shards, home, lacks->purchase, &needs);
    for (int i = 0; i < LACKS_WALLETS; i++)
        need_wallet(shards, home, lacks->wallets[i], key_use_of(command, lacks->wallets[i]),
                    &needs);
    return needs;
}

// Whether the key of an operation away from its home may have been used there.
static bool has_far_key(const struct needs *needs, const struct command *command) {
    return needs->is_away && command->has_key;
}

bool cross_is_needed(const struct shards *shards, uint32_t home, const struct command *command,
                     const struct lacks *lacks) {
    struct needs needs = needs_of(shards, home, command, lacks);
    return needs.wallet_count + needs.bank_count != 0 || needs.is_away || needs.has_thing;
}

static uint32_t others_needed(const struct shards *shards, const struct needs *needs) {
    uint32_t others = needs->is_away ? 1u << shards_owner(shards, needs->slot) : 0;
    if (needs->has_thing)
        others |= 1u << shards_owner(shards, needs->thing_slot);
    for (uint32_t i = 0; i < needs->bank_count; i++)
        others |= 1u << shards_owner(shards, id_slot_of_owner(needs->bank_ids[i]));
    for (uint32_t i = 0; i < needs->wallet_count; i++)
        others |= 1u << shards_owner(shards, id_slot(needs->wallets[i]));
    return others;
}

uint32_t cross_others(const struct shards *shards, uint32_t home, const struct command *command,
                      const struct lacks *lacks) {
    struct needs needs = needs_of(shards, home, command, lacks);
    return others_needed(shards, &needs);
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
static void leave_open(struct round *round) {
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        bool any = false;
        if (s->whole != NULL)
            continue;
        for (uint32_t i = 0; i < s->count; i++) {
            struct outcome *outcome = &s->outcomes[i];
            if (outcome->status != STATUS_ok || !outcome->crosses)
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
        for (uint32_t i = 0; s->whole != NULL && i < s->count; i++)
            if (s->batch_outcome.elsewhere)
                outcome_keep_lacks(&s->outcomes[i], &round->arena);
        for (uint32_t i = 0; s->whole == NULL && i < s->count; i++)
            outcome_keep(&s->outcomes[i], &round->arena);
    }
}

// ---- a group ------------------------------------------------------------------------------------

struct facts { // how many a round needs at most
    uint32_t banks, wallets, keys, things;
};

static uint32_t others_of(const struct cross *cross, const struct round *round,
                          struct facts *ret_facts) {
    uint32_t others = 0;
    *ret_facts = (struct facts){0};
    for (const struct submission *s = round->first; s != NULL; s = s->next)
        for (uint32_t i = 0; i < s->count; i++) {
            struct needs needs =
                needs_of(cross->shards, cross->home, &s->commands[i], s->outcomes[i].lacks);
            others |= others_needed(cross->shards, &needs);
            ret_facts->banks += needs.bank_count;
            ret_facts->wallets += needs.wallet_count + // and whose it is
                                  (needs.has_thing && needs.thing <= LEG_WITHDRAWAL);
            ret_facts->keys += has_far_key(&needs, &s->commands[i]);
            ret_facts->things += needs.has_thing;
        }
    return others;
}

// Whether one of the last few is that wallet already: batches name the same ones again and again.
static bool is_added(struct legs *legs, struct id wallet, enum leg_key_use key_use) {
    uint32_t first = legs->wallet_count > 8 ? legs->wallet_count - 8 : 0;
    for (uint32_t i = first; i < legs->wallet_count; i++) {
        if (!id_equal(legs->wallets[i].id, wallet))
            continue;
        if (legs->wallets[i].key_use < key_use)
            legs->wallets[i].key_use = key_use;
        return true;
    }
    return false;
}

// Likewise of what it names; what it opens is another one each time.
static bool is_named(const struct legs *legs, enum leg_thing_kind kind, struct id id) {
    uint32_t first = legs->thing_count > 8 ? legs->thing_count - 8 : 0;
    for (uint32_t i = first; i < legs->thing_count && kind != LEG_NEW_WALLET; i++)
        if (legs->things[i].kind == kind && id_equal(legs->things[i].id, id))
            return true;
    return false;
}

static void add_thing(struct cross *cross, const struct command *command,
                      const struct needs *needs) {
    struct legs *legs = cross->legs;
    if (!needs->has_thing || is_named(legs, needs->thing, needs->thing_id))
        return;
    CHECK(legs->thing_count < LEGS_THINGS_MAX);
    legs->things[legs->thing_count++] =
        (struct leg_thing){.kind = needs->thing,
                           .id = needs->thing_id,
                           .slot = needs->thing_slot,
                           .owner = command->owner,
                           .part = shards_owner(cross->shards, needs->thing_slot)};
}

static void add_facts_of(struct cross *cross, const struct command *command,
                         const struct needs *needs) {
    struct legs *legs = cross->legs;
    uint32_t home = needs->slot;
    add_thing(cross, command, needs);
    CHECK(legs->fact_count + needs->bank_count <= LEGS_FACTS_MAX);
    CHECK(legs->wallet_count + needs->wallet_count <= LEGS_WALLETS_MAX);
    if (has_far_key(needs, command)) {
        CHECK(legs->key_count < LEGS_KEYS_MAX);
        legs->keys[legs->key_count++] = (struct leg_key){
            .key = command->key, .slot = home, .part = shards_owner(cross->shards, home)};
    }
    for (uint32_t i = 0; i < needs->bank_count; i++)
        legs->facts[legs->fact_count++] = (struct leg_fact){
            .bank_id = needs->bank_ids[i],
            .part = shards_owner(cross->shards, id_slot_of_owner(needs->bank_ids[i]))};
    for (uint32_t i = 0; i < needs->wallet_count; i++) {
        if (is_added(legs, needs->wallets[i], needs->key_uses[i]))
            continue;
        legs->wallets[legs->wallet_count++] = (struct leg_wallet){
            .id = needs->wallets[i],
            .key_use = needs->key_uses[i],
            .part = shards_owner(cross->shards, id_slot(needs->wallets[i]))};
    }
}

static void add_facts(struct cross *cross, const struct round *round) {
    for (const struct submission *s = round->first; s != NULL; s = s->next)
        for (uint32_t i = 0; i < s->count; i++) {
            struct needs needs =
                needs_of(cross->shards, cross->home, &s->commands[i], s->outcomes[i].lacks);
            add_facts_of(cross, &s->commands[i], &needs);
        }
}

static void group_published(struct round *round) {
    struct cross *cross = round->context;
    signal_gate_publish(&cross->published, ++cross->turn);
}

static uint32_t facts_of(const struct legs *legs) {
    return legs->fact_count + legs->wallet_count + legs->key_count + legs->thing_count;
}

// Whether a round that needs so many goes along.
static bool has_room(const struct legs *legs, const struct facts *facts) {
    return legs->fact_count + facts->banks <= LEGS_FACTS_MAX &&
           legs->wallet_count + facts->wallets <= LEGS_WALLETS_MAX &&
           legs->key_count + facts->keys <= LEGS_KEYS_MAX &&
           legs->thing_count + facts->things <= LEGS_THINGS_MAX;
}

// Those of the list that need the same other shards as the first, as far as there is room. Returns
// the others.
static struct inbox_node *take_group(struct cross *cross, struct inbox_node *first,
                                     struct inbox_node **ret_group) {
    struct inbox_node *rest = NULL, **rest_end = &rest, **end = ret_group;
    struct facts facts;
    uint32_t wanted = others_of(cross, round_of(first), &facts);
    while (first != NULL) {
        struct inbox_node *node = first;
        first = first->next;
        node->next = NULL;
        uint32_t others = others_of(cross, round_of(node), &facts);
        bool fits = others == wanted && has_room(cross->legs, &facts);
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

// What has arrived is in the books of the others before anybody is answered. STATUS_busy: it is
// not, since a server has gone, or somebody has locked a wallet in between.
static enum status let_arrive(struct cross *cross) {
    uint64_t since_ns = clock_monotonic_ns();
    bool all = true;
    for (uint32_t i = 0; i < cross->shards->count; i++) {
        struct engine *part = cross->shards->parts[i];
        if ((cross->legs->parts >> i & 1) == 0 ||
            cross->legs->wallet_count + cross->legs->thing_count == 0)
            continue;
        uint64_t turn = cross->turn + 1;
        part->port->submit(part, &cross->nudge);
        (void)signal_gate_wait(&cross->published, turn, SIGNAL_GATE_WAIT_FOREVER);
        round_release(&cross->nudge);
        all = crossing_has_arrived(cross->crossing, cross->legs, i, since_ns) && all;
    }
    return all ? STATUS_ok : STATUS_busy;
}

static bool is_stale(const struct legs *legs) {
    for (uint32_t i = 0; i < legs->fact_count; i++)
        if (legs->facts[i].is_elsewhere)
            return true;
    for (uint32_t i = 0; i < legs->wallet_count; i++)
        if (legs->wallets[i].is_elsewhere)
            return true;
    for (uint32_t i = 0; i < legs->key_count; i++)
        if (legs->keys[i].is_elsewhere)
            return true;
    for (uint32_t i = 0; i < legs->thing_count; i++)
        if (legs->things[i].is_elsewhere)
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
        status = let_arrive(cross);
    while (group != NULL) {
        struct round *round = round_of(group);
        group = group->next; // it is the caller's again once it is told
        if (!decides)
            refuse_round(round, stale);
        else if (status != STATUS_ok && legs->is_committed)
            leave_open(round);
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
            cross->legs->key_count = cross->legs->thing_count = 0;
            arena_reset(&cross->legs->arena);
            cross->legs->is_committed = false;
            rest = take_group(cross, rest, &group);
            if (group != NULL) {
                run_group(cross, group);
                continue;
            }
            struct round *round = round_of(rest); // it needs more than fits into any group
            rest = rest->next;
            refuse_round(round, false);
            round->published(round);
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
    cross->legs->keys = memory_take_zeroed(LEGS_KEYS_MAX * sizeof(*cross->legs->keys));
    cross->legs->things = memory_take_zeroed(LEGS_THINGS_MAX * sizeof(*cross->legs->things));
    arena_init(&cross->legs->arena, 4096);
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
    memory_free(cross->legs->keys);
    memory_free(cross->legs->things);
    arena_done(&cross->legs->arena);
    memory_free(cross->legs);
    memory_free(cross);
}

void cross_submit(struct cross *cross, struct round *round) {
    inbox_push(&cross->inbox, &round->node);
}

// ---- what was left behind -----------------------------------------------------------------------

// A held refund whose time is over and whose money is on another shard than it waits on: the writer
// there can end it no more than anybody's approval of it.
static void end_due(struct shards *shards, struct resolver *resolver, struct engine_wait *wait) {
    struct resolver_due due[RESOLVER_DUE_MAX];
    for (uint32_t place = 0; place < shards->count; place++) {
        uint32_t count = resolver_due(resolver, place, due);
        for (uint32_t i = 0; i < count && !shards_are_stopping(shards); i++) {
            struct command command = {.type = COMMAND_ANOMALY_REJECT,
                                      .subject = due[i].id,
                                      .origin = {.principal = SLICE("system"),
                                                 .role = ROLE_SYSTEM}};
            if (shards_owner(shards, id_slot(due[i].id)) == place &&
                shards_owner(shards, id_slot(due[i].wallet)) != place)
                (void)engine_wait_command(wait, &command, NULL); // if not now, in a second
        }
    }
}

void *shards_resolver(void *context) {
    struct shards *shards = context;
    struct engine_wait wait;
    engine_wait_init(&wait, &shards->engine);
    struct resolver *resolver =
        resolver_open(shards->parts, shards->places, shards->count);
    do {
        struct resolver_news news;
        if (resolver_turn(resolver, &news) == STATUS_ok) // else some shard was not asked
            __atomic_store_n(&shards->legs_missing, news.missing, __ATOMIC_RELAXED);
        __atomic_store_n(&shards->legs_in_doubt, news.in_doubt, __ATOMIC_RELAXED);
        (void)__atomic_fetch_add(&shards->legs_resolved, news.resolved, __ATOMIC_RELAXED);
        end_due(shards, resolver, &wait);
    } while (!signal_gate_wait(&shards->stop, 1, RESOLVE_NS));
    resolver_close(resolver);
    engine_wait_done(&wait);
    __atomic_store_n(&shards->resolver_is_over, true, __ATOMIC_RELEASE);
    return NULL;
}
