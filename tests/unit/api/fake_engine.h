// SPDX-License-Identifier: MIT
// Stands where the engine stands: keeps the rounds that it is handed until the test says what
// became of them, so that a store can be quick, slow or hanging as the test likes.
#pragma once
#include <pthread.h>

#include "engine/engine.h"

#define FAKE_ROUNDS_MAX 1024
#define FAKE_KEYS_MAX   8
#define FAKE_ACCOUNTS_MAX 4

// Decides one command; the test's.
typedef void fake_decide(void *context, const struct command *command, struct outcome *outcome);

struct fake_engine {
    struct engine engine; // first
    struct round *waiting[FAKE_ROUNDS_MAX];
    uint32_t waiting_count;
    bool publishes_at_once; // inside submit
    uint64_t sync_ns;       // what its syncs take
    bool decides_now; // for whoever brings a round; it is published when the test says so
    fake_decide *decide;    // NULL: every command is refused as busy
    void *context;
    struct submission *last; // as it was submitted
    struct key keys[FAKE_KEYS_MAX];
    bool live[FAKE_KEYS_MAX];
    uint32_t key_count;
    pthread_mutex_t list_gate; // held by the test: lists hang
    enum status list_status;
    struct list_query list_query; // the last one
    struct buffer list_owner;     // what its owner was, copied
    struct entry entry;           // every list's only item
    bool list_is_empty;
    struct balance_at balance_at;
    uint64_t balance_time_ms;
    struct currency_account accounts[FAKE_ACCOUNTS_MAX]; // the running totals
    uint32_t account_count;
    uint32_t currencies_asked; // how often somebody wanted them
};

struct fake_engine *fake_engine_open(void);
void fake_engine_free(struct fake_engine *fake);
// From here on each hundred of an amount is a lane of its own.
void fake_engine_split(struct fake_engine *fake);
// From here on it decides elsewhere, as one whose books are in a database.
void fake_engine_move_away(struct fake_engine *fake);
// Adds a key with that role and secret; returns its id.
struct id fake_engine_add_key(struct fake_engine *fake, uint8_t role, struct slice secret);
// Decides and publishes the oldest waiting round, or all.
void fake_engine_publish(struct fake_engine *fake);
void fake_engine_publish_all(struct fake_engine *fake);
