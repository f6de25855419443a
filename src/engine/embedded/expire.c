// SPDX-License-Identifier: MIT
// Holds whose time is over end first in every round, by recorded commands of the system, so that
// what they held is spendable in that same round and replay needs no clock.
#include "base/check.h"
#include "engine/embedded/books.h"

// ---- holds whose time is over -----------------------------------------------------------------

// The longest that an expiry's record can be: a hold's facts and two short texts.
#define EXPIRY_BYTES_MAX 640

static void expire_hold(struct books *books, uint32_t index) {
    books_make_room(books, EXPIRY_BYTES_MAX);
    struct command command = {
        .type = COMMAND_EXPIRE,
        .subject = state_hold_at(&books->state, index)->hold.id,
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    struct outcome outcome;
    struct record record;
    (void)decide_one(books, &command, false, &outcome, &record);
    CHECK(outcome.status == STATUS_ok);
}

// Nobody came to decide about a payment in time: the system turns it down.
static void expire_parked(struct books *books, uint32_t index) {
    books_make_room(books, EXPIRY_BYTES_MAX);
    struct command command = {
        .type = COMMAND_ANOMALY_REJECT,
        .subject = state_parked_at(&books->state, index)->parked.id,
        .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
    };
    struct outcome outcome;
    struct record record;
    (void)decide_one(books, &command, false, &outcome, &record);
    CHECK(outcome.status == STATUS_ok);
}

static void expire_of_wallet(struct books *books, struct id wallet) {
    struct wallet_item *item = id_is_zero(wallet) ? NULL : state_wallet(&books->state, wallet);
    if (item == NULL)
        return;
    for (uint32_t index = item->open_holds; index != 0;) {
        struct hold_item *hold = state_hold_at(&books->state, index);
        uint32_t next = hold->next;
        if (hold->hold.expires_at_ms <= books->now_ms)
            expire_hold(books, index);
        index = next;
    }
}

// Of the wallets that a command names, the one whose spendable money matters.
static void expire_of_command(struct books *books, const struct command *command) {
    expire_of_wallet(books, command->wallet);
    expire_of_wallet(books, command->counterparty);
    if (command->type == COMMAND_CAPTURE || command->type == COMMAND_VOID ||
        command->type == COMMAND_READ_HOLD) {
        const struct hold_item *hold = state_hold(&books->state, command->subject);
        if (hold != NULL)
            expire_of_wallet(books, hold->hold.wallet);
    }
    if (command->type == COMMAND_REFUND) {
        struct record purchase;
        uint64_t position;
        if (fetch_transaction(books, command->subject, true, &purchase, &position))
            expire_of_wallet(books, purchase.transaction.credit.wallet);
    }
    if (command->type == COMMAND_READ_WALLET)
        expire_of_wallet(books, command->subject);
}

void expire_due(struct books *books, const struct submission *first) {
    struct state *state = &books->state;
    uint32_t index;
    for (int i = 0; i < LIMIT_HELD_OTHERS_EXPIRED_PER_ROUND; i++) {
        if ((index = state_due_first(state, books->now_ms)) == 0)
            return;
        if ((index & DUE_PARKED) != 0)
            expire_parked(books, index & ~DUE_PARKED);
        else
            expire_hold(books, index);
        state_due_pop(state);
    }
    if (state_due_first(state, books->now_ms) == 0)
        return;
    // More are due than a round may expire for everybody: those of the wallets named must not wait.
    for (const struct submission *submission = first; submission != NULL;
         submission = submission->next)
        for (uint32_t i = 0; i < submission->count; i++)
            expire_of_command(books, &submission->commands[i]);
}
