// SPDX-License-Identifier: MIT
// The books as they are now, in memory: wallets, holds, withdrawals, currencies, keys, and what was
// refunded of which purchase. The writer changes them; other threads take copies (table.h). What
// grows with transactions is not here but in the journal and its index.
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/embedded/moved_ids.h"
#include "engine/embedded/state/table.h"
#include "ledger/decide.h"
#include "ledger/alarm.h"
#include "ledger/habits.h"
#include "ledger/history.h"

// A wallet: what the rules need, and where its story is. Two cache lines.
struct wallet_item {
    struct wallet wallet;
    uint32_t sequence; // see table.h
    uint32_t number;   // of its last transaction; 0: none yet
    uint64_t opened;   // position of the record that opened it
    uint64_t details;  // position of the wallet record that holds its texts as they are now
    uint64_t last;     // position of its last transaction
    uint64_t levels[HISTORY_LEVELS]; // position of its last transaction whose number is a multiple
                                     // of 64, 4096, 262144
    uint32_t open_holds;             // first of the list of its open holds; 0: none
    uint32_t habits;                 // its place among them; 0: none yet
};
static_assert(sizeof(struct wallet_item) == 128, "two cache lines");

struct hold_item {
    struct hold hold;
    uint32_t sequence;
    uint32_t wallet;         // index of the payer
    uint32_t merchant;       // index of the merchant
    uint32_t next, previous; // in the payer's list of open holds
    uint32_t listed;         // 1 while in that list
    uint64_t opened;         // position of the record that opened it
    uint64_t closed;         // position of the last record about it, when that is another one
    uint64_t reserved;
};
static_assert(sizeof(struct hold_item) == 128, "");

struct withdrawal_item {
    struct withdrawal withdrawal;
    uint32_t sequence;
    uint32_t wallet;
    uint64_t opened;
    uint64_t
        closed; // position of the record that settled or failed it; = opened when settled at once
    uint64_t reserved;
};
static_assert(sizeof(struct withdrawal_item) == 80, "");

// What was refunded of a purchase that has refunds.
struct refund_item {
    uint64_t purchase; // position of the purchase
    int64_t refunded;
    uint32_t sequence;
    uint32_t reserved;
};

// A command that waits for a decision, or has had it.
struct parked_item {
    struct parked parked;
    uint32_t sequence;
    uint32_t listed; // 1 once it has its place among what is due
    uint64_t opened; // position of the record that opened it
    uint64_t closed; // position of the decision; 0: none yet
};
static_assert(sizeof(struct parked_item) == 72, "");

// What a wallet that has limits has spent; wallets name theirs by `counters`.
struct spending_item {
    struct spent spent;
    uint32_t sequence;
    uint32_t reserved;
};

// What a wallet usually does; wallets name theirs by `habits`. Five cache lines, and most payments
// touch the first alone.
struct habits_item {
    uint32_t sequence;
    uint32_t reserved;
    struct habits habits;
};
static_assert(sizeof(struct habits_item) == 320, "whole cache lines");
#define HABITS_OFTEN_BYTES (offsetof(struct habits_item, habits) + HABIT_OFTEN_BYTES)
static_assert(HABITS_OFTEN_BYTES == 64, "a cache line");

struct key_item {
    struct key key;
    uint64_t opened;       // position of the record that created it
    uint64_t rotated;      // position of its last rotation; 0: none
    uint64_t last_used_ms; // atomic; kept by checkpoints and key_uses.c
};

// A hold, or, with DUE_PARKED, a payment that is held for review.
#define DUE_PARKED (UINT32_C(1) << 31)
struct due {
    uint64_t expires_at_ms;
    uint32_t thing;
};

struct state {
    struct id_seal seal;
    uint64_t moved_ms; // of things that are older the id does not say the place; 0: there are none
    struct table wallets;     // struct wallet_item
    struct table holds;       // struct hold_item
    struct table withdrawals; // struct withdrawal_item
    struct table refunds;     // struct refund_item
    struct table parked;      // struct parked_item
    struct table spending;    // struct spending_item
    struct table habits;      // struct habits_item

    // Where things are that moved in. Complete before others see the state, and never changed then.
    struct moved_ids moved_wallets, moved_holds, moved_withdrawals, moved_parked;

    // Keys are few and asked for at every request: arrays behind a lock, the rules see `keys` as
    // one array.
    pthread_rwlock_t keys_lock;
    struct key *keys; // owned
    struct key_item *key_items;
    uint32_t key_count, key_capacity;
    struct arena key_texts; // owners of keys: as long as the state

    struct currency_account currencies[LIMIT_CURRENCIES_MAX];
    uint32_t currency_count; // atomic for readers
    uint32_t currency_sequence;

    // Finds refund items by purchase. The writer changes it under the lock; it reads without.
    pthread_mutex_t refunds_lock;
    uint32_t *refund_slots; // open addressing: item indexes, 0: free; owned
    uint32_t refund_slot_count;

    // Places in logs beside the books. The writer changes them under the lock, and reads without.
    pthread_mutex_t cursors_lock;
    struct cursor cursors[CURSOR_COUNT];

    // The set of rules in force. The writer changes it under the lock, and reads without.
    struct alarm_state alarm; // likewise
    pthread_mutex_t rules_lock; // of both
    struct rule_set rules;

    struct due
        *due; // binary heap by time, entries of closed holds are skipped when they come up; owned
    uint32_t due_count, due_capacity;

    uint64_t transaction_count; // atomic for readers
    uint64_t hold_open_count;
};

// Thread: one, before others see it.
void state_init(struct state *state, const struct id_seal *seal);
void state_done(struct state *state);
void state_empty(struct state *state); // as it was after state_init; its books stay

// Where in its table a thing is that has this id; false when no such id was ever made. What is
// there may be another thing, or nothing. Thread: any.
bool state_place(const struct state *state, const struct moved_ids *moved, struct id id,
                 uint64_t *ret_place);
// What moved in is found again after tables were loaded. Thread: one, at the start.
void state_moved_refresh(struct state *state);

// Items by id: NULL when there is none (a forged id too). Thread: the writer.
struct wallet_item *state_wallet(const struct state *state, struct id id);
struct hold_item *state_hold(const struct state *state, struct id id);
struct withdrawal_item *state_withdrawal(const struct state *state, struct id id);
struct parked_item *state_parked(const struct state *state, struct id id);
static inline struct spending_item *state_spending_at(const struct state *state, uint32_t index) {
    return (struct spending_item *)table_at(&state->spending, index);
}
static inline struct habits_item *state_habits_at(const struct state *state, uint32_t index) {
    return (struct habits_item *)table_at(&state->habits, index);
}
static inline struct parked_item *state_parked_at(const struct state *state, uint32_t index) {
    return (struct parked_item *)table_at(&state->parked, index);
}
static inline struct wallet_item *state_wallet_at(const struct state *state, uint32_t index) {
    return (struct wallet_item *)table_at(&state->wallets, index);
}
static inline struct hold_item *state_hold_at(const struct state *state, uint32_t index) {
    return (struct hold_item *)table_at(&state->holds, index);
}
static inline struct withdrawal_item *state_withdrawal_at(const struct state *state,
                                                          uint32_t index) {
    return (struct withdrawal_item *)table_at(&state->withdrawals, index);
}
uint32_t state_wallet_index(const struct state *state, const struct wallet_item *item);
uint32_t state_hold_index(const struct state *state, const struct hold_item *item);

// The account of a currency, made when it is new. `ret_index` is what wallets keep. Thread: the
// writer. More than LIMIT_CURRENCIES_MAX: NULL.
struct currency_account *state_currency(struct state *state, const struct currency *currency,
                                        bool make, uint16_t *ret_index);
// Adds up what all wallets have, per currency. Thread: one, at the start.
void state_currencies_add_up(struct state *state);
// Copies all accounts; thread: any.
uint32_t state_currencies_copy(struct state *state, struct currency_account *ret_accounts,
                               uint32_t count_max);

// What was refunded of the purchase at that position. Thread: any with `locked`; the writer
// without. Other threads never see what a batch has not finished, but must settle before they tell.
int64_t state_refunded(struct state *state, uint64_t purchase, bool locked);
// Thread: the writer. Returns the item, made when it is new.
struct refund_item *state_refund_item(struct state *state, uint64_t purchase);
// The map is made anew after items were loaded. Thread: one, at the start.
void state_refunds_refresh(struct state *state);

// Keys. Adding takes the lock itself; the index counts from 0.
uint32_t state_key_add(struct state *state);
struct key_item *state_key_item(const struct state *state, struct id id); // writer
bool state_key_find(struct state *state, const struct sha256 *secret_hash, uint64_t now_ms,
                    struct key *ret_key,
                    bool *ret_live); // any thread
bool state_key_by_id(struct state *state, struct id id, uint64_t now_ms, struct key *ret_key,
                     bool *ret_live); // any thread
// Keeps the owner of a key for as long as the state lives. Thread: the writer, or one at the start.
void state_key_own(struct state *state, uint32_t index, struct slice owner);
// After key_items[index].key was changed: the rules' array follows. Thread: the writer.
void state_key_publish(struct state *state, uint32_t index);

// Gives every cursor its kind and slot. Thread: one, at the start.
void state_cursors_name(struct state *state);

// Puts a hold that is open into its payer's list and the heap of due times, or takes a closed one
// out of the list; does nothing where that is already so. Thread: the writer.
void state_hold_list(struct state *state, struct hold_item *item);
// Puts a payment that is held for review into the heap of due times, once.
void state_parked_list(struct state *state, struct parked_item *item);
// The next hold (or held payment: DUE_PARKED) whose time is over, without taking it; 0: none is due
// at that time. Entries of
// holds that are no longer open are dropped on the way. Thread: the writer.
uint32_t state_due_first(struct state *state, uint64_t now_ms);
void state_due_pop(struct state *state);
// When the next open hold is due; UINT64_MAX: never.
uint64_t state_due_next_ms(struct state *state);
