// SPDX-License-Identifier: MIT
// Sums over all shards. These are asked one after the other, and a slot that goes from one to
// another meanwhile would be in the sums twice, or not at all; and between the two commits of its
// move it is on neither, for as long as it takes to finish what a mover has left behind. So slots
// are looked at before and behind: what is summed in between has each of them once.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/crossing/transit.h"
#include "engine/shards/shards_books.h"

#define WHOLE_PAUSE_NS   UINT64_C(50000000)
#define SUM_TRIES        3
#define TRANSIT_TRIES    5
#define TRANSIT_PAUSE_NS UINT64_C(100000000)
#define TRANSIT_WAIT_NS  UINT64_C(5000000000) // for slots that go to and fro

static_assert(SHARDS_MAX <= ENGINE_PARTS_MAX, "each shard is a part");

// ---- slots --------------------------------------------------------------------------------------

// One look at each shard, one after the other: a slot that goes from one that is asked later to one
// that was asked before is on neither.
static enum status look(struct shards *shards, struct engine_whole *ret_whole) {
    struct engine_slots *slots = memory_take_zeroed(sizeof(*slots));
    bool owned[LIMIT_SLOTS] = {false};
    enum status status = STATUS_ok;
    *ret_whole = (struct engine_whole){.nobodys = LIMIT_SLOTS};
    for (uint32_t i = 0; i < shards->count && status == STATUS_ok; i++) {
        status = shards->parts[i]->port->slots(shards->parts[i], slots);
        ret_whole->versions[i] = slots->version;
        for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
            owned[slot] = owned[slot] || !slots->away[slot];
    }
    memory_free(slots);
    for (uint32_t slot = 0; slot < LIMIT_SLOTS && status == STATUS_ok; slot++)
        if (!owned[slot]) {
            ret_whole->nobodys = slot;
            return STATUS_busy;
        }
    return status == STATUS_ok ? STATUS_ok : STATUS_busy;
}

enum status shards_whole(struct engine *engine, uint64_t wait_ns,
                         struct engine_whole *ret_whole) {
    struct shards *shards = shards_of(engine);
    uint64_t until_ns = clock_monotonic_ns() + wait_ns;
    enum status status;
    do
        status = look(shards, ret_whole);
    while (ret_whole->nobodys != LIMIT_SLOTS && clock_monotonic_ns() < until_ns &&
           !signal_gate_wait(&shards->stop, 1, WHOLE_PAUSE_NS));
    return status;
}

// Whether each slot is, and was between the two looks, where it was at the first.
static bool stood_still(struct shards *shards, const struct engine_whole *before) {
    struct engine_whole now;
    return look(shards, &now) == STATUS_ok &&
           memcmp(now.versions, before->versions, sizeof(now.versions)) == 0;
}

// ---- totals -------------------------------------------------------------------------------------

static void add_currency(struct currency_account *accounts, uint32_t *count, uint32_t count_max,
                         const struct currency_account *more) {
    uint32_t at = 0;
    while (at < *count && strncmp(accounts[at].currency.code, more->currency.code,
                                  sizeof(more->currency.code)) != 0)
        at++;
    if (at == count_max)
        return;
    if (at == *count) {
        accounts[(*count)++] = *more;
        return;
    }
    accounts[at].wallet_count += more->wallet_count;
    accounts[at].deposits += more->deposits;
    accounts[at].withdrawals += more->withdrawals;
    accounts[at].balances += more->balances;
    accounts[at].transit += more->transit;
}

static uint32_t sum(struct shards *shards, struct currency_account *ret_accounts,
                    uint32_t count_max) {
    struct currency_account *some = memory_take_zeroed(count_max * sizeof(*some));
    uint32_t count = 0;
    bool is_read = true;
    for (uint32_t i = 0; i < shards->count && is_read; i++) {
        uint32_t found = shards->parts[i]->port->currencies(shards->parts[i], some, count_max);
        is_read = found != ENGINE_UNREAD;
        for (uint32_t k = 0; is_read && k < found; k++)
            add_currency(ret_accounts, &count, count_max, &some[k]);
    }
    memory_free(some);
    return is_read ? count : ENGINE_UNREAD;
}

uint32_t shards_currencies(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max) {
    struct shards *shards = shards_of(engine);
    struct engine_whole before;
    for (int tries = 0; tries < SUM_TRIES && look(shards, &before) == STATUS_ok; tries++) {
        uint32_t count = sum(shards, ret_accounts, count_max);
        if (count == ENGINE_UNREAD || stood_still(shards, &before))
            return count;
    }
    return ENGINE_UNREAD;
}

// ---- what is under way --------------------------------------------------------------------------

static bool differs(const struct in_flight *found) {
    for (uint32_t i = 0; i < found->currency_count; i++)
        if (found->currencies[i].difference != 0)
            return true;
    return false;
}

// `ret_settled`: no slot changed hands meanwhile. What one takes along is in transit between its
// two commits, too, and nobody knows how much it is.
static enum status look_between(struct shards *shards, struct in_flight *ret_found,
                                bool *ret_settled) {
    struct engine_whole before;
    uint8_t owners[LIMIT_SLOTS];
    bool is_whole = look(shards, &before) == STATUS_ok;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        owners[slot] = (uint8_t)shards_owner(shards, slot);
    enum status status = transit_read(shards->transit, owners, ret_found);
    *ret_settled = is_whole && status == STATUS_ok && stood_still(shards, &before);
    return status;
}

// A difference that is none is gone when one looks again, however long a look takes: only for slots
// that go to and fro nobody waits longer.
enum status shards_in_flight(struct engine *engine, struct in_flight *ret_found) {
    struct shards *shards = shards_of(engine);
    uint64_t until_ns = clock_monotonic_ns() + TRANSIT_WAIT_NS;
    enum status status = STATUS_busy;
    CHECK(pthread_mutex_lock(&shards->transit_lock) == 0);
    for (int tries = 0; tries < TRANSIT_TRIES;) {
        bool is_settled;
        status = look_between(shards, ret_found, &is_settled);
        if (status == STATUS_ok && !differs(ret_found))
            break;
        tries += is_settled || status != STATUS_ok;
        if (!is_settled)
            status = STATUS_busy;
        if (!is_settled && clock_monotonic_ns() > until_ns)
            break;
        if (signal_gate_wait(&shards->stop, 1, TRANSIT_PAUSE_NS)) {
            status = STATUS_busy;
            break;
        }
    }
    CHECK(pthread_mutex_unlock(&shards->transit_lock) == 0);
    return status;
}
