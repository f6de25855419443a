// SPDX-License-Identifier: MIT
// The desk without a database: things are found by number and by their whole id, and an atomic
// batch that is refused leaves nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/postgres/desk.h"

static const uint8_t seal_key[16] = {1, 2, 3};

static void desk_make(struct desk *desk) {
    desk_init(desk);
    desk->seal = id_seal_make(seal_key);
    desk->now_ms = 1700000000000;
}

static const struct currency usd = {.code = "USD", .exponent = 2};

static struct command opening(const char *owner) {
    return (struct command){.type = COMMAND_WALLET_OPEN,
                            .currency = usd,
                            .owner = slice_of_text(owner),
                            .slot = id_slot_of_owner(slice_of_text(owner)),
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

static struct digest128 key_of(uint64_t number) {
    return (struct digest128){.low = number, .high = ~number};
}

// Puts an opened wallet where fetching would have put it.
static struct id open_wallet(struct desk *desk, const char *owner, struct engine_stats *stats) {
    struct outcome outcome;
    struct command command = opening(owner);
    desk_decide(desk, &command, false, &outcome, stats);
    assert_int_equal(outcome.status, STATUS_ok);
    struct wallet_row *row = desk->wallets.items[desk->wallets.count - 1];
    row->present = true;
    map_add(&desk->wallet_map, map_slot_number(id_slot(row->wallet.id), row->number), row);
    return row->wallet.id;
}

static struct command deposit(struct id wallet, int64_t amount, const char *bank_id) {
    return (struct command){.type = COMMAND_DEPOSIT,
                            .wallet = wallet,
                            .has_amount = true,
                            .amount = amount,
                            .bank_id = slice_of_text(bank_id),
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

static void a_map_finds_what_was_added(void **state) {
    struct map map = {0};
    int things[5000];
    assert_null(map_find(&map, map_number(1)));
    for (uint64_t i = 0; i < 5000; i++)
        map_add(&map, map_number(i), &things[i]);
    for (uint64_t i = 0; i < 5000; i++)
        assert_ptr_equal(map_find(&map, map_number(i)), &things[i]);
    assert_null(map_find(&map, map_number(5000)));
    map_clear(&map);
    assert_null(map_find(&map, map_number(7)));
    map_done(&map);
}

static void a_forged_id_finds_nothing(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    assert_non_null(desk_wallet(&desk, wallet));
    for (int bit = 0; bit < 128; bit++) {
        struct id forged = wallet;
        forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(desk_wallet(&desk, forged));
    }
    desk_done(&desk);
}

static void a_refused_batch_leaves_nothing(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    struct counters before = desk.counters;
    struct wallet_row row_before = *desk_wallet(&desk, wallet);
    uint32_t wallets_before = desk.wallets.count;
    struct command commands[] = {deposit(wallet, 100, "bank-1"), opening("berta"),
                                 deposit(wallet, 5, "bank-1")};
    commands[0].has_key = true;
    commands[0].key = key_of(9);
    commands[1].currency = (struct currency){.code = "JPY"};
    struct outcome outcomes[3];
    struct submission submission = {
        .commands = commands, .outcomes = outcomes, .count = 3, .is_batch = true, .atomic = true};
    desk_decide_submission(&desk, &submission, &stats);
    assert_int_equal(submission.batch_outcome.status, STATUS_duplicate_bank_transaction);
    assert_int_equal(submission.batch_outcome.refusal.operation, 2);
    assert_memory_equal(&desk.counters, &before, sizeof(before));
    assert_memory_equal(desk_wallet(&desk, wallet), &row_before, sizeof(row_before));
    assert_int_equal(desk.wallets.count, wallets_before);
    assert_int_equal(desk.currency_count, 1);
    assert_int_equal(desk.currencies[0].account.deposits, 0);
    // Key and bank id are free again.
    submission.count = 2;
    desk_decide_submission(&desk, &submission, &stats);
    assert_int_equal(submission.batch_outcome.status, STATUS_ok);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 100);
    assert_int_equal(desk.currency_count, 2);
    desk_done(&desk);
}

static void a_key_twice_in_a_batch_is_one_answer(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    struct command command = deposit(wallet, 100, "bank-1");
    command.has_key = true;
    command.key = key_of(1);
    struct outcome first, second;
    desk_decide(&desk, &command, false, &first, &stats);
    desk_decide(&desk, &command, false, &second, &stats);
    assert_false(first.replayed);
    assert_true(second.replayed);
    assert_int_equal(first.record.size, second.record.size);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 100);
    desk_done(&desk);
}

static void a_blocked_wallet_is_busy_and_unchanged(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    desk_wallet(&desk, wallet)->blocked = true;
    struct command command = deposit(wallet, 100, "bank-1");
    command.has_key = true;
    command.key = key_of(1);
    struct outcome outcome;
    desk_decide(&desk, &command, false, &outcome, &stats);
    assert_int_equal(outcome.status, STATUS_busy);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 0);
    // Nothing is remembered: the same request succeeds later.
    desk_wallet(&desk, wallet)->blocked = false;
    desk_decide(&desk, &command, false, &outcome, &stats);
    assert_int_equal(outcome.status, STATUS_ok);
    assert_false(outcome.replayed);
    desk_done(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_finds_what_was_added),
        cmocka_unit_test(a_forged_id_finds_nothing),
        cmocka_unit_test(a_refused_batch_leaves_nothing),
        cmocka_unit_test(a_key_twice_in_a_batch_is_one_answer),
        cmocka_unit_test(a_blocked_wallet_is_busy_and_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
