// SPDX-License-Identifier: MIT
// The beat. A read of a cursor costs the writer nothing and no sync, but it has to wait its turn.
#include "api/pulse.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/signal_gate.h"
#include "base/thread.h"
#include "engine/wait.h"

// How often waiting anomalies are counted, and how far: who has more than a page of them knows it.
#define WAITING_BEATS 10
#define WAITING_PAGES_MAX 64

struct pulse {
    struct engine *engine;
    struct recount *recount;
    uint32_t every_ms;
    pthread_t thread;
    struct signal_gate stop; // 1
    struct engine_wait wait; // the thread's own
    struct currency_account *accounts; // likewise
    bool was_off; // the totals did not add up the last time
    _Atomic uint64_t beats, took_us, began_ns; // began_ns 0: no beat is on its way
    atomic_bool is_away;
    pthread_mutex_t lock; // of what follows
    struct currency_account shown[PULSE_CURRENCIES_MAX];
    uint32_t shown_count;
    uint32_t held, flagged; // anomalies that wait, at most LIMIT_PAGE_MAX in all
    bool is_counted;        // at least once
    struct page page;       // the thread's own
};

// What the wallets have more than came in and stayed; what is under way between shards is counted.
static money_total difference_of(const struct currency_account *account) {
    return account->balances - (account->deposits - account->withdrawals + account->transit);
}

static void look_at_totals(struct pulse *pulse) {
    struct engine *engine = pulse->engine;
    char why[160];
    uint32_t count = engine->port->currencies(engine, pulse->accounts, LIMIT_CURRENCIES_MAX);
    bool is_off = false;
    if (count == ENGINE_UNREAD)
        return; // what was seen last is shown on
    for (uint32_t i = 0; i < count && !is_off; i++) {
        const struct currency_account *account = &pulse->accounts[i];
        is_off = difference_of(account) != 0;
        if (is_off)
            (void)snprintf(why, sizeof(why),
                           "the wallets of %.12s together have another sum than what came in and "
                           "stayed",
                           account->currency.code);
    }
    if (is_off && !pulse->was_off)
        recount_alarm(pulse->recount, why);
    pulse->was_off = is_off;
    uint32_t shown = count < PULSE_CURRENCIES_MAX ? count : PULSE_CURRENCIES_MAX;
    CHECK(pthread_mutex_lock(&pulse->lock) == 0);
    memcpy(pulse->shown, pulse->accounts, shown * sizeof(pulse->shown[0]));
    pulse->shown_count = shown;
    CHECK(pthread_mutex_unlock(&pulse->lock) == 0);
}

// False: not now.
static bool write_news(struct pulse *pulse, const struct recount_news *news) {
    struct command command = {
        .type = COMMAND_ALARM,
        .alarm = news->status,
        .stops = news->stops,
        .reason = slice_of_text(news->message),
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    return engine_wait_command(&pulse->wait, &command, NULL) == STATUS_ok;
}

static void tell_news(struct pulse *pulse) {
    struct recount_news news;
    while (recount_news(pulse->recount, &news) && write_news(pulse, &news))
        recount_news_written(pulse->recount);
}

// Up to a page's worth; pages may be short. False: not now.
static bool count_pending(struct pulse *pulse, enum parked_cause cause, uint32_t *ret_count) {
    struct list_query query = {.kind = LIST_ANOMALIES,
                               .status = PARKED_PENDING,
                               .wallet_kind = -1,
                               .type = (int)cause,
                               .outcome = -1,
                               .to_ms = UINT64_MAX,
                               .limit = LIMIT_PAGE_MAX};
    *ret_count = 0;
    for (int pages = 0; pages < WAITING_PAGES_MAX; pages++) {
        arena_reset(&pulse->page.arena);
        if (pulse->engine->port->list(pulse->engine, &query, &pulse->page) != STATUS_ok)
            return false;
        *ret_count += pulse->page.item_count;
        query.cursor = pulse->page.next_cursor;
        if (query.cursor == 0 || *ret_count >= LIMIT_PAGE_MAX)
            break;
    }
    if (*ret_count > LIMIT_PAGE_MAX)
        *ret_count = LIMIT_PAGE_MAX;
    return true;
}

// Each kind apart: held money must be seen behind any number of findings.
static void count_waiting(struct pulse *pulse) {
    uint32_t held, flagged;
    if (!count_pending(pulse, PARKED_FOR_REVIEW, &held) ||
        !count_pending(pulse, PARKED_FLAGGED, &flagged))
        return;
    CHECK(pthread_mutex_lock(&pulse->lock) == 0);
    pulse->held = held;
    pulse->flagged = flagged;
    pulse->is_counted = true;
    CHECK(pthread_mutex_unlock(&pulse->lock) == 0);
}

static void beat(struct pulse *pulse) {
    const struct cursor_wish wish = {.cursor = {.kind = CURSOR_EVENTS}};
    struct cursor cursor;
    uint64_t began_ns = clock_monotonic_ns();
    atomic_store(&pulse->began_ns, began_ns);
    enum status status =
        engine_wait_cursor(&pulse->wait, COMMAND_READ_CURSOR, &wish, &cursor);
    enum status_class class = status_class(status);
    bool is_away = class == STATUS_CLASS_BUSY || class == STATUS_CLASS_BROKEN;
    if (!is_away) {
        look_at_totals(pulse);
        tell_news(pulse);
        if (atomic_load(&pulse->beats) % WAITING_BEATS == 0)
            count_waiting(pulse);
    }
    atomic_store(&pulse->is_away, is_away);
    atomic_store(&pulse->took_us, (clock_monotonic_ns() - began_ns) / 1000);
    atomic_store(&pulse->began_ns, 0);
    atomic_fetch_add(&pulse->beats, 1);
}

static void *pulse_main(void *context) {
    struct pulse *pulse = context;
    while (signal_gate_sequence(&pulse->stop) == 0) {
        beat(pulse);
        (void)signal_gate_wait(&pulse->stop, 1, (uint64_t)pulse->every_ms * 1000000);
    }
    return NULL;
}

struct pulse *pulse_open(struct engine *engine, struct recount *recount, uint32_t every_ms) {
    struct pulse *pulse = memory_take_zeroed(sizeof(*pulse));
    CHECK(every_ms > 0);
    pulse->engine = engine;
    pulse->recount = recount;
    pulse->every_ms = every_ms;
    pulse->accounts = memory_take_zeroed(LIMIT_CURRENCIES_MAX * sizeof(*pulse->accounts));
    signal_gate_init(&pulse->stop, 0, 0);
    engine_wait_init(&pulse->wait, engine);
    arena_init(&pulse->page.arena, 16 * 1024);
    CHECK(pthread_mutex_init(&pulse->lock, NULL) == 0);
    thread_start(&pulse->thread, "pulse", pulse_main, pulse);
    return pulse;
}

void pulse_close(struct pulse *pulse) {
    if (pulse == NULL)
        return;
    signal_gate_publish(&pulse->stop, 1);
    CHECK(pthread_join(pulse->thread, NULL) == 0);
    engine_wait_done(&pulse->wait);
    pthread_mutex_destroy(&pulse->lock);
    arena_done(&pulse->page.arena);
    memory_free(pulse->accounts);
    memory_free(pulse);
}

void pulse_state_of(struct pulse *pulse, struct pulse_state *ret_state) {
    uint64_t began_ns = atomic_load(&pulse->began_ns), now_ns = clock_monotonic_ns();
    *ret_state = (struct pulse_state){
        .beats = atomic_load(&pulse->beats),
        .took_us = atomic_load(&pulse->took_us),
        .waits_ms = began_ns != 0 && began_ns < now_ns ? (now_ns - began_ns) / 1000000 : 0,
        .is_away = atomic_load(&pulse->is_away),
    };
}

enum total { TOTAL_BALANCES, TOTAL_DEPOSITS, TOTAL_WITHDRAWALS, TOTAL_DIFFERENCE, TOTAL_EXPONENT,
             TOTAL_COUNT };

static money_total total_of(const struct currency_account *account, enum total total) {
    switch (total) {
    case TOTAL_BALANCES: return account->balances;
    case TOTAL_DEPOSITS: return account->deposits;
    case TOTAL_WITHDRAWALS: return account->withdrawals;
    case TOTAL_DIFFERENCE: return difference_of(account);
    case TOTAL_EXPONENT: return account->currency.exponent;
    case TOTAL_COUNT: break;
    }
    UNREACHABLE("an unknown total");
}

// The difference is told, too: Prometheus counts in floating point, and knows nothing of what is
// under way between shards.
static void add_totals(const struct currency_account *accounts, uint32_t count,
                       struct buffer *buffer) {
    static const struct {
        const char *name, *help;
    } totals[TOTAL_COUNT] = {
        [TOTAL_BALANCES] = {"balances", "What all wallets have together, in minor units."},
        [TOTAL_DEPOSITS] = {"deposits", "All that ever came in, in minor units."},
        [TOTAL_WITHDRAWALS] = {"withdrawals", "All that ever went out, in minor units."},
        [TOTAL_DIFFERENCE] = {"difference", "What the wallets have more than came in and stayed, "
                                            "in minor units; anything but 0 is an alarm."},
        [TOTAL_EXPONENT] = {"exponent", "Digits of the currency behind the point: as many minor "
                                        "units as ten to this make one."},
    };
    char name[32];
    for (int n = 0; n < TOTAL_COUNT; n++) {
        (void)snprintf(name, sizeof(name), "money_%s", totals[n].name);
        metric_head(buffer, name, "gauge", totals[n].help);
        for (uint32_t i = 0; i < count; i++) {
            buffer_add_format(buffer, "florin_%s{currency=\"%.12s\"} ", name,
                              accounts[i].currency.code);
            buffer_add_i128(buffer, total_of(&accounts[i], (enum total)n));
            BUFFER_ADD(buffer, "\n");
        }
    }
}

void pulse_metrics(struct pulse *pulse, struct buffer *buffer) {
    struct pulse_state state;
    pulse_state_of(pulse, &state);
    uint64_t took_us = state.waits_ms * 1000 > state.took_us ? state.waits_ms * 1000
                                                              : state.took_us;
    metric_head(buffer, "store_answer_seconds", "gauge",
                "How long the store took to answer a small read, or has been taking.");
    buffer_add_format(buffer, "florin_store_answer_seconds %llu.%06llu\n",
                      (unsigned long long)(took_us / 1000000),
                      (unsigned long long)(took_us % 1000000));
    CHECK(pthread_mutex_lock(&pulse->lock) == 0);
    add_totals(pulse->shown, pulse->shown_count, buffer);
    uint32_t waiting[] = {pulse->held, pulse->flagged};
    if (pulse->is_counted) {
        metric_head(buffer, "anomalies_waiting", "gauge",
                    "Payments that are held, and findings, that nobody has decided; up to 1000 "
                    "of each.");
        for (int i = 0; i < 2; i++)
            buffer_add_format(buffer, "florin_anomalies_waiting{action=\"%s\"} %u\n",
                              i == 0 ? "hold" : "flag", waiting[i]);
    }
    CHECK(pthread_mutex_unlock(&pulse->lock) == 0);
}
