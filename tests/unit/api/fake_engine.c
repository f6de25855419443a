// SPDX-License-Identifier: MIT
// The stand-in for an engine.
#include "fake_engine.h"

#include "base/memory.h"

static struct fake_engine *fake_of(struct engine *engine) {
    return (struct fake_engine *)engine;
}

static void submit(struct engine *engine, struct round *round) {
    struct fake_engine *fake = fake_of(engine);
    CHECK(fake->waiting_count < FAKE_ROUNDS_MAX);
    fake->waiting[fake->waiting_count++] = round;
    uint32_t count = 0;
    for (struct submission *s = round->first; s != NULL; s = s->next) {
        fake->last = s;
        count += s->count;
    }
    CHECK(count == round->command_count);
    if (fake->publishes_at_once)
        fake_engine_publish(fake);
}

static bool decide_now(struct engine *engine, struct round *round) {
    if (!fake_of(engine)->decides_now)
        return false;
    submit(engine, round);
    return true;
}

static void decide(struct fake_engine *fake, const struct command *command,
                   struct outcome *outcome) {
    memset(outcome, 0, sizeof(*outcome));
    if (fake->decide != NULL) {
        fake->decide(fake->context, command, outcome);
    } else {
        outcome->status = STATUS_busy;
        outcome->refusal.status = STATUS_busy;
    }
}

void fake_engine_publish(struct fake_engine *fake) {
    CHECK(fake->waiting_count > 0);
    struct round *round = fake->waiting[0];
    fake->waiting_count--;
    memmove(fake->waiting, fake->waiting + 1, fake->waiting_count * sizeof(fake->waiting[0]));
    for (struct submission *s = round->first; s != NULL; s = s->next)
        for (uint32_t i = 0; i < s->count; i++) {
            decide(fake, &s->commands[i], &s->outcomes[i]);
            if (s->atomic && s->outcomes[i].status != STATUS_ok) {
                s->batch_outcome = s->outcomes[i];
                s->batch_outcome.refusal.status = s->outcomes[i].status;
                s->batch_outcome.refusal.operation = i;
                break;
            }
        }
    round->times.synced_ns = round->times.decided_ns + fake->sync_ns;
    round->published(round);
}

void fake_engine_publish_all(struct fake_engine *fake) {
    while (fake->waiting_count > 0)
        fake_engine_publish(fake);
}

static enum status list(struct engine *engine, const struct list_query *query,
                        struct page *ret_page) {
    struct fake_engine *fake = fake_of(engine);
    pthread_mutex_lock(&fake->list_gate);
    fake->list_query = *query;
    buffer_reset(&fake->list_owner);
    buffer_add_slice(&fake->list_owner, query->owner);
    pthread_mutex_unlock(&fake->list_gate);
    if (fake->list_status != STATUS_ok)
        return fake->list_status;
    ret_page->items = &fake->entry;
    ret_page->item_count = fake->list_is_empty ? 0 : 1;
    ret_page->next_cursor = 77;
    return STATUS_ok;
}

static enum status balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                              const struct freshness *freshness, struct balance_at *ret) {
    struct fake_engine *fake = fake_of(engine);
    (void)freshness;
    fake->balance_time_ms = time_ms;
    *ret = fake->balance_at;
    return fake->list_status;
}

static uint32_t currencies(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max) {
    struct fake_engine *fake = fake_of(engine);
    CHECK(fake->account_count <= count_max && fake->account_count <= FAKE_ACCOUNTS_MAX);
    memcpy(ret_accounts, fake->accounts, fake->account_count * sizeof(*ret_accounts));
    fake->currencies_asked++;
    return fake->account_count;
}

static bool find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live) {
    struct fake_engine *fake = fake_of(engine);
    for (uint32_t i = 0; i < fake->key_count; i++) {
        if (memcmp(fake->keys[i].secret_hash.bytes, secret_hash->bytes, 32) != 0)
            continue;
        *ret_key = fake->keys[i];
        *ret_live = fake->live[i];
        return true;
    }
    return false;
}

static void stats(struct engine *engine, struct engine_stats *ret_stats) {
    *ret_stats = (struct engine_stats){.rounds = 41, .sync_ns_total = 1500000000, .sync_count = 2};
}

static const struct engine_port port = {
    .submit = submit,
    .decide_now = decide_now,
    .list = list,
    .balance_at = balance_at,
    .find_key = find_key,
    .currencies = currencies,
    .stats = stats,
};

static uint64_t lane(struct engine *engine, const struct submission *submission) {
    (void)engine;
    return (uint64_t)submission->commands[0].amount / 100;
}

void fake_engine_split(struct fake_engine *fake) {
    static struct engine_port split;
    split = port;
    split.lane = lane;
    fake->engine.port = &split;
}

void fake_engine_move_away(struct fake_engine *fake) {
    static struct engine_port away;
    away = port;
    away.decide_now = NULL;
    fake->engine.port = &away;
}

struct fake_engine *fake_engine_open(void) {
    struct fake_engine *fake = memory_take_zeroed(sizeof(*fake));
    static const uint8_t seal[16] = {1, 2, 3};
    fake->engine.port = &port;
    fake->engine.seal = id_seal_make(seal);
    CHECK(pthread_mutex_init(&fake->list_gate, NULL) == 0);
    return fake;
}

void fake_engine_free(struct fake_engine *fake) {
    pthread_mutex_destroy(&fake->list_gate);
    buffer_done(&fake->list_owner);
    memory_free(fake);
}

struct id fake_engine_add_key(struct fake_engine *fake, uint8_t role, struct slice secret) {
    CHECK(fake->key_count < FAKE_KEYS_MAX);
    uint32_t index = fake->key_count++;
    struct key *key = &fake->keys[index];
    key->id = id_make(&fake->engine.seal, 1700000000000, 0, index + 1);
    key->role = role;
    key->secret_hash = sha256_of(secret);
    fake->live[index] = true;
    return key->id;
}
