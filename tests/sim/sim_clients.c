// SPDX-License-Identifier: MIT
// Clients share the wallets, but each settles, captures and refunds only what it made itself: so
// what may be answered is known although they run at once.
#include <pthread.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "sim.h"

struct owned { // holds, withdrawals or purchases, by the operations that made them
    uint32_t indexes[SIM_OPERATIONS_MAX / 8];
    uint32_t count;
};

struct client {
    struct sim_world *world;
    uint64_t random;
    uint8_t number;
    int64_t operations; // still to be issued
    struct owned holds, withdrawals, purchases;
    int64_t *left; // by operation: of holds, withdrawals, purchases of this client
    uint32_t wallets[SIM_WALLETS_MAX];
    uint32_t wallet_count;
};

static void owned_add(struct owned *owned, uint32_t index) {
    CHECK(owned->count < SIM_OPERATIONS_MAX / 8);
    owned->indexes[owned->count++] = index;
}

static void wallets_find(struct client *client) {
    const struct sim_shared *shared = client->world->shared;
    uint32_t count = __atomic_load_n(&shared->count, __ATOMIC_ACQUIRE);
    client->wallet_count = 0;
    for (uint32_t i = 0; i < count && client->wallet_count < SIM_WALLETS_MAX; i++)
        if (shared->operations[i].type == COMMAND_WALLET_OPEN &&
            __atomic_load_n(&shared->operations[i].state, __ATOMIC_ACQUIRE) == SIM_KNOWN &&
            shared->operations[i].status == STATUS_ok)
            client->wallets[client->wallet_count++] = i;
}

// What this client made in earlier lives and what is left of it.
static void client_remember(struct client *client, const struct sim_model *model) {
    const struct sim_shared *shared = client->world->shared;
    for (uint32_t i = 0; i < shared->count; i++) {
        const struct sim_operation *operation = &shared->operations[i];
        if (operation->client != client->number || operation->state != SIM_KNOWN ||
            operation->status != STATUS_ok)
            continue;
        client->left[i] = model->things[i].left;
        if (operation->type == COMMAND_HOLD && model->things[i].is_open && !operation->brief)
            owned_add(&client->holds, i);
        if (operation->type == COMMAND_WITHDRAWAL && model->things[i].is_open)
            owned_add(&client->withdrawals, i);
        if (operation->type == COMMAND_PURCHASE && model->things[i].left > 0)
            owned_add(&client->purchases, i);
    }
}

static uint32_t any_wallet(struct client *client) {
    return client->wallets[sim_below(&client->random, client->wallet_count)];
}

// Fills an operation on something that the client owns; it is taken off the list, and comes back
// with the answer if anything is left.
static bool make_owned(struct client *client, struct sim_operation *operation) {
    const struct sim_operation *all = client->world->shared->operations;
    struct owned *lists[] = {&client->holds, &client->withdrawals, &client->purchases};
    struct owned *list = lists[sim_below(&client->random, 3)];
    if (list->count == 0)
        return false;
    uint64_t place = sim_below(&client->random, list->count);
    uint32_t about = list->indexes[place];
    list->indexes[place] = list->indexes[--list->count];
    bool second = sim_below(&client->random, 3) == 0;
    operation->about = about;
    operation->payer = all[about].payer;
    operation->payee = all[about].payee;
    operation->amount = 1 + (int64_t)sim_below(&client->random, (uint64_t)client->left[about]);
    operation->keep_open = sim_below(&client->random, 2) == 0;
    if (list == &client->holds)
        operation->type = second ? COMMAND_VOID : COMMAND_CAPTURE;
    else if (list == &client->withdrawals)
        operation->type = second ? COMMAND_FAIL : COMMAND_SETTLE;
    else
        operation->type = COMMAND_REFUND;
    return true;
}

static void make_other(struct client *client, struct sim_operation *operation, uint32_t index) {
    static const enum command_type types[] = {
        COMMAND_DEPOSIT,  COMMAND_DEPOSIT,      COMMAND_WITHDRAWAL, COMMAND_PURCHASE,
        COMMAND_PURCHASE, COMMAND_HOLD,         COMMAND_HOLD,       COMMAND_TRANSFER,
        COMMAND_TRANSFER, COMMAND_WALLET_CHANGE};
    operation->type = (uint8_t)types[sim_below(&client->random, 10)];
    operation->payer = any_wallet(client);
    operation->payee = any_wallet(client);
    operation->amount = 1 + (int64_t)sim_below(&client->random, 300);
    operation->has_bank =
        operation->type == COMMAND_WITHDRAWAL && sim_below(&client->random, 2) == 0;
    if (operation->type == COMMAND_WALLET_CHANGE)
        operation->amount = 1000 + index; // never the one that stands
    if (operation->type == COMMAND_HOLD && client->world->has_brief_holds)
        operation->brief = sim_below(&client->random, 3) == 0;
    bool needs_merchant = operation->type == COMMAND_PURCHASE || operation->type == COMMAND_HOLD;
    for (int i = 0; i < 50 && (operation->payee == operation->payer ||
                               (needs_merchant && operation->payee % 2 != 0));
         i++)
        operation->payee = any_wallet(client);
}

static bool answer_is_possible(const struct sim_operation *operation) {
    switch ((enum status)operation->status) {
    case STATUS_ok: return true;
    case STATUS_insufficient_funds:
        return operation->type == COMMAND_WITHDRAWAL || operation->type == COMMAND_PURCHASE ||
               operation->type == COMMAND_TRANSFER || operation->type == COMMAND_HOLD ||
               operation->type == COMMAND_REFUND;
    case STATUS_credit_limit_in_use: return operation->type == COMMAND_WALLET_CHANGE;
    case STATUS_same_wallet: return operation->payer == operation->payee;
    case STATUS_not_a_merchant: return operation->payee % 2 != 0;
    default: return false;
    }
}

// Keeps the client's lists: what was made, and what is left of what was used.
static void client_learn(struct client *client, uint32_t index) {
    const struct sim_operation *operation = &client->world->shared->operations[index];
    uint32_t about = operation->about;
    bool done = operation->status == STATUS_ok;
    switch ((enum command_type)operation->type) {
    case COMMAND_HOLD:
        client->left[index] = operation->amount;
        if (done && !operation->brief)
            owned_add(&client->holds, index);
        return;
    case COMMAND_WITHDRAWAL:
        client->left[index] = operation->amount;
        if (done && !operation->has_bank)
            owned_add(&client->withdrawals, index);
        return;
    case COMMAND_PURCHASE:
        client->left[index] = operation->amount;
        if (done)
            owned_add(&client->purchases, index);
        return;
    case COMMAND_CAPTURE:
        if (done)
            client->left[about] -= operation->amount;
        if (!done || (operation->keep_open && client->left[about] > 0))
            owned_add(&client->holds, about);
        return;
    case COMMAND_REFUND:
        if (done)
            client->left[about] -= operation->amount;
        if (client->left[about] > 0)
            owned_add(&client->purchases, about);
        return;
    case COMMAND_VOID:
        if (!done)
            owned_add(&client->holds, about);
        return;
    case COMMAND_SETTLE:
    case COMMAND_FAIL:
        if (!done)
            owned_add(&client->withdrawals, about);
        return;
    default: return;
    }
}

static void issue(struct client *client, uint32_t count) {
    struct sim_world *world = client->world;
    uint32_t first;
    struct sim_operation *operations = sim_operation_take(world, count, &first);
    bool has_owned = false;
    for (uint32_t i = 0; i < count; i++) {
        struct sim_operation *operation = &operations[i];
        operation->client = client->number;
        operation->batch = first;
        if (client->wallet_count < 4 ||
            (client->wallet_count < SIM_WALLETS_MAX / 2 && sim_below(&client->random, 40) == 0))
            operation->type = COMMAND_WALLET_OPEN;
        else if (!has_owned && sim_below(&client->random, 2) == 0)
            has_owned = make_owned(client, operation);
        if (operation->type == COMMAND_NONE)
            make_other(client, operation, first + i);
    }
    operations->batch_count = count == 1 ? 0 : count;
    for (uint32_t i = count; i > 0; i--)
        __atomic_store_n(&operations[i - 1].state, SIM_ISSUED, __ATOMIC_RELEASE);
    sim_submit(world, first);
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_operation *blamed = operations->status == STATUS_ok
                                                 ? &operations[i]
                                                 : &operations[operations->batch_failed];
        if (!answer_is_possible(blamed))
            sim_fail(world, "operation %u (%s) answered %s", first + i,
                     command_type_name((enum command_type)blamed->type),
                     status_name(blamed->status));
        client_learn(client, first + i);
    }
}

static void *client_run(void *context) {
    struct client *client = context;
    struct sim_world *world = client->world;
    while (client->operations > 0) {
        uint32_t count = sim_below(&client->random, 5) == 0
                             ? 2 + (uint32_t)sim_below(&client->random, SIM_BATCH_MAX - 1)
                             : 1;
        if (client->operations % 16 == 0 || client->wallet_count < 4)
            wallets_find(client);
        issue(client, count);
        if (world->is_slow)
            (void)nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
        client->operations -= count;
        if (sim_below(&client->random, 20) == 0) {
            // A retry of something answered long ago.
            uint32_t index = (uint32_t)sim_below(&client->random, world->shared->count);
            const struct sim_operation *operation = &world->shared->operations[index];
            if (__atomic_load_n(&operation->state, __ATOMIC_ACQUIRE) == SIM_KNOWN &&
                operation->batch == index)
                sim_submit(world, index);
        }
    }
    return NULL;
}

void sim_clients_run(struct sim_world *world, uint32_t operations) {
    struct sim_model model;
    struct client *clients = memory_take_zeroed(SIM_CLIENTS * sizeof(*clients));
    pthread_t threads[SIM_CLIENTS];
    sim_model_make(world, &model);
    for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
        struct client *client = &clients[i];
        client->world = world;
        client->number = (uint8_t)i;
        client->random = world->random ^ (i + 1) * UINT64_C(0x517cc1b727220a95);
        client->operations = operations / SIM_CLIENTS;
        client->left = memory_take_zeroed(SIM_OPERATIONS_MAX * sizeof(*client->left));
        client_remember(client, &model);
        wallets_find(client);
    }
    for (uint32_t i = 0; i < SIM_CLIENTS; i++)
        CHECK(pthread_create(&threads[i], NULL, client_run, &clients[i]) == 0);
    for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        memory_free(clients[i].left);
    }
    sim_model_done(&model);
    memory_free(clients);
}
