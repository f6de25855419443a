// SPDX-License-Identifier: MIT
// Chooses commands at random and remembers what they made, so that later ones are about something.
#include "day.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BATCH 8

static uint64_t next(struct day *day, uint64_t below) {
    day->random = day->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (day->random >> 33) % below;
}

static void keep(struct id *things, uint32_t *count, struct day *day, struct id id) {
    if (*count < DAY_THINGS_MAX)
        things[(*count)++] = id;
    else
        things[next(day, DAY_THINGS_MAX)] = id;
}

static struct id any(struct day *day, const struct id *things, uint32_t count) {
    return count == 0 ? (struct id){{1}} : things[next(day, count)];
}

static struct slice text(struct day *day, uint32_t place, const char *what) {
    int size = snprintf(day->texts[place], sizeof(day->texts[place]), "%s-%llu", what,
                        (unsigned long long)day->serial++);
    return slice_of(day->texts[place], (size_t)size);
}

static void choose_names(struct day *day, uint32_t place, struct command *command) {
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN:
        command->owner = text(day, place, "owner");
        command->slot = id_slot_of_owner(command->owner);
        command->wallet_kind = next(day, 3) == 0 ? WALLET_MERCHANT : WALLET_CUSTOMER;
        command->credit_limit = next(day, 4) == 0 ? 500 : 0;
        assert_true(
            currency_iso_find(next(day, 8) == 0 ? SLICE("JPY") : SLICE("USD"), &command->currency));
        return;
    case COMMAND_WALLET_CHANGE:
        command->has_status = next(day, 2) == 0;
        // Mostly active, so that the day can go on.
        command->wallet_status = (uint8_t)(next(day, 6) < 4 ? WALLET_ACTIVE : 1 + next(day, 2));
        command->has_credit_limit = next(day, 3) == 0;
        command->credit_limit = (int64_t)next(day, 2000);
        return;
    case COMMAND_WITHDRAWAL:
        if (next(day, 2) == 0)
            command->bank_id = text(day, place, "bank");
        return;
    case COMMAND_DEPOSIT:
    case COMMAND_SETTLE:
        // Sometimes one that is booked already.
        day->serial -= next(day, 16) == 0 && day->serial > 0;
        command->bank_id = text(day, place, "bank");
        return;
    case COMMAND_HOLD:
        command->expires_in_s = 1 + (uint32_t)next(day, 3);
        command->order = SLICE("order");
        return;
    case COMMAND_REFUND: command->reason = SLICE("it broke"); return;
    default: return;
    }
}

static struct id subject_of(struct day *day, enum command_type type) {
    if (type == COMMAND_CAPTURE || type == COMMAND_VOID)
        return any(day, day->holds, day->hold_count);
    if (type == COMMAND_SETTLE || type == COMMAND_FAIL)
        return any(day, day->withdrawals, day->withdrawal_count);
    return any(day, day->purchases, day->purchase_count);
}

static struct command choose(struct day *day, uint32_t place, bool in_batch) {
    static const enum command_type types[] = {
        COMMAND_DEPOSIT,     COMMAND_DEPOSIT,      COMMAND_DEPOSIT,  COMMAND_WITHDRAWAL,
        COMMAND_SETTLE,      COMMAND_FAIL,         COMMAND_PURCHASE, COMMAND_PURCHASE,
        COMMAND_REFUND,      COMMAND_TRANSFER,     COMMAND_TRANSFER, COMMAND_HOLD,
        COMMAND_HOLD,        COMMAND_CAPTURE,      COMMAND_CAPTURE,  COMMAND_VOID,
        COMMAND_WALLET_OPEN, COMMAND_WALLET_CHANGE};
    uint64_t count = sizeof(types) / sizeof(*types) - in_batch;
    enum command_type type = day->wallet_count < 6 ? COMMAND_WALLET_OPEN : types[next(day, count)];
    struct command command = test_command(day->books, type);
    choose_names(day, place, &command);
    command.wallet = any(day, day->wallets, day->wallet_count);
    command.counterparty = any(day, day->wallets, day->wallet_count);
    command.subject = subject_of(day, type);
    command.amount = 1 + (int64_t)next(day, type == COMMAND_DEPOSIT ? 1000 : 200);
    command.has_amount = (type != COMMAND_CAPTURE && type != COMMAND_REFUND) || next(day, 3) != 0;
    command.keep_open = next(day, 2) == 0;
    command.reference = next(day, 3) == 0 ? SLICE("a reference") : slice_of(NULL, 0);
    if (next(day, 2) == 0) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key-%llu",
                       (unsigned long long)(day->serial - next(day, 3)));
        test_command_key(&command, key, command.amount > 0 ? (uint64_t)command.amount : 0);
    }
    return command;
}

static void remember(struct day *day, const struct command *command,
                     const struct outcome *outcome) {
    if (outcome->status != STATUS_ok || outcome->record.size == 0 || outcome->replayed)
        return;
    struct record record = test_record(*outcome);
    day->done[command->type]++;
    if (record.kind == RECORD_WALLET && record.operation == COMMAND_WALLET_OPEN)
        keep(day->wallets, &day->wallet_count, day, record.wallet.id);
    if (record.kind == RECORD_HOLD && record.operation == COMMAND_HOLD)
        keep(day->holds, &day->hold_count, day, record.hold.id);
    if (record.kind == RECORD_WITHDRAWAL && record.withdrawal.status == WITHDRAWAL_PENDING)
        keep(day->withdrawals, &day->withdrawal_count, day, record.withdrawal.id);
    if (record.kind == RECORD_TRANSACTION && record.transaction.type == TRANSACTION_PURCHASE)
        keep(day->purchases, &day->purchase_count, day, record.transaction.id);
}

void day_init(struct day *day, struct test_books *books, uint64_t seed) {
    memset(day, 0, sizeof(*day));
    day->books = books;
    day->random = seed;
}

static uint32_t go_on_batch(struct day *day) {
    struct command commands[BATCH];
    struct outcome outcomes[BATCH];
    uint32_t count = 1 + (uint32_t)next(day, BATCH);
    bool atomic = next(day, 2) == 0;
    char key[32];
    (void)snprintf(key, sizeof(key), "batch-%llu", (unsigned long long)day->serial);
    for (uint32_t i = 0; i < count; i++)
        commands[i] = choose(day, i, true);
    struct outcome whole = test_submit_batch(day->books, commands, outcomes, count, atomic,
                                             atomic && next(day, 2) == 0 ? key : NULL);
    for (uint32_t i = 0; i < count && (!atomic || whole.status == STATUS_ok); i++)
        remember(day, &commands[i], &outcomes[i]);
    return count;
}

void day_go_on(struct day *day, uint32_t count) {
    for (uint32_t done = 0; done < count;) {
        if (day->wallet_count >= 6 && next(day, 10) == 0) {
            done += go_on_batch(day);
            continue;
        }
        struct command command = choose(day, 0, false);
        struct outcome outcome = test_submit(day->books, &command);
        remember(day, &command, &outcome);
        done++;
    }
}

void day_set_aside(struct day *day, uint32_t count, uint32_t expires_in_s) {
    struct id payer = test_wallet(day->books, "payer", WALLET_CUSTOMER);
    struct id shop = test_wallet(day->books, "shop", WALLET_MERCHANT);
    char bank_id[32];
    (void)snprintf(bank_id, sizeof(bank_id), "aside-%llu", (unsigned long long)day->serial++);
    (void)test_deposit(day->books, payer, 10 * ((int64_t)count + 1), bank_id);
    struct command command = test_command(day->books, COMMAND_HOLD);
    command.wallet = payer;
    command.counterparty = shop;
    command.has_amount = true;
    command.amount = 10;
    command.expires_in_s = expires_in_s;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(test_submit(day->books, &command).status, STATUS_ok);
    command = test_command(day->books, COMMAND_WITHDRAWAL);
    command.wallet = payer;
    command.has_amount = true;
    command.amount = 10;
    assert_int_equal(test_submit(day->books, &command).status, STATUS_ok);
}
