// SPDX-License-Identifier: MIT
// An atomic batch that fails leaves everything as it was, whatever it did before it failed.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "books_dump.h"
#include "books_support.h"
#include "engine/embedded/books.h"

enum { WALLETS = 6, HOLDS = 400, OPERATIONS = 12 };

struct world {
    struct test_books books;
    uint64_t stream;
    struct id wallets[WALLETS]; // the last two are merchants
    struct id holds[HOLDS], purchases[HOLDS], withdrawals[HOLDS];
    uint32_t hold_count, purchase_count, withdrawal_count;
    uint32_t bank_ids;
    char texts[4096][16]; // bank ids and owners live as long as the test
    uint32_t text_count;
};

static uint64_t pick(struct world *world, uint64_t below) {
    uint64_t value = (world->stream += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (value ^ (value >> 31)) % below;
}

static struct slice fresh_text(struct world *world, const char *prefix) {
    char *text = world->texts[world->text_count % 4096];
    (void)snprintf(text, 16, "%s%u", prefix, world->text_count++);
    return slice_of_text(text);
}

static struct id any(struct world *world, const struct id *ids, uint32_t count) {
    return count == 0 ? (struct id){{0}} : ids[pick(world, count)];
}

static struct command random_command(struct world *world) {
    static const enum command_type types[] = {
        COMMAND_DEPOSIT,  COMMAND_WITHDRAWAL, COMMAND_SETTLE,        COMMAND_FAIL,
        COMMAND_PURCHASE, COMMAND_REFUND,     COMMAND_TRANSFER,      COMMAND_HOLD,
        COMMAND_CAPTURE,  COMMAND_VOID,       COMMAND_WALLET_CHANGE, COMMAND_WALLET_OPEN,
        COMMAND_HOLD,     COMMAND_PURCHASE};
    enum command_type type = types[pick(world, sizeof(types) / sizeof(types[0]))];
    struct command command =
        test_move(&world->books, type, world->wallets[pick(world, WALLETS)],
                  world->wallets[pick(world, WALLETS)], 1 + (int64_t)pick(world, 50));
    if (type == COMMAND_PURCHASE || type == COMMAND_HOLD)
        command.counterparty = world->wallets[WALLETS - 1 - pick(world, 2)];
    command.expires_in_s = 1000000;
    command.keep_open = pick(world, 2) == 0;
    if (type == COMMAND_HOLD || type == COMMAND_CAPTURE || type == COMMAND_VOID)
        command.subject = any(world, world->holds, world->hold_count);
    if (type == COMMAND_REFUND)
        command.subject = any(world, world->purchases, world->purchase_count);
    if (type == COMMAND_SETTLE || type == COMMAND_FAIL)
        command.subject = any(world, world->withdrawals, world->withdrawal_count);
    if (type == COMMAND_DEPOSIT || type == COMMAND_SETTLE ||
        (type == COMMAND_WITHDRAWAL && pick(world, 2) == 0))
        command.bank_id = fresh_text(world, "bank");
    if (type == COMMAND_WALLET_CHANGE) {
        command.has_credit_limit = true;
        command.credit_limit = 1000 + (int64_t)pick(world, 50);
        command.has_metadata = pick(world, 2) == 0;
    }
    if (type == COMMAND_WALLET_OPEN) {
        static const char *const codes[] = {"USD", "EUR", "JPY", "CHF", "KWD", "SEK"};
        command.owner = fresh_text(world, "owner");
        assert_true(currency_iso_find(slice_of_text(codes[pick(world, 6)]), &command.currency));
    }
    if (pick(world, 3) == 0) {
        char key[24];
        (void)snprintf(key, sizeof(key), "k%llu", (unsigned long long)pick(world, UINT64_MAX));
        test_command_key(&command, key, 1);
    }
    return command;
}

static void remember(struct world *world, const struct outcome *outcome) {
    if (outcome->status != STATUS_ok || outcome->replayed)
        return;
    struct record record = test_record(*outcome);
    if (record.operation == COMMAND_HOLD && world->hold_count < HOLDS)
        world->holds[world->hold_count++] = record.hold.id;
    if (record.kind == RECORD_TRANSACTION && record.transaction.type == TRANSACTION_PURCHASE &&
        world->purchase_count < HOLDS)
        world->purchases[world->purchase_count++] = record.transaction.id;
    if (record.operation == COMMAND_WITHDRAWAL && record.kind == RECORD_WITHDRAWAL &&
        world->withdrawal_count < HOLDS)
        world->withdrawals[world->withdrawal_count++] = record.withdrawal.id;
}

static void world_open(struct world *world, uint64_t seed) {
    *world = (struct world){.stream = seed};
    test_books_open(&world->books, 1 << 20);
    for (int i = 0; i < WALLETS; i++) {
        char owner[16];
        (void)snprintf(owner, sizeof(owner), "first%d", i);
        world->wallets[i] =
            test_wallet(&world->books, owner, i < WALLETS - 2 ? WALLET_CUSTOMER : WALLET_MERCHANT);
        (void)test_deposit(&world->books, world->wallets[i], 2000, owner);
    }
}

static void dump(struct world *world, struct buffer *buffer) {
    const char *broken = books_audit(world->books.engine);
    if (broken != NULL)
        fail_msg("%s", broken);
    buffer_reset(buffer);
    books_dump(world->books.engine, buffer);
}

// Random batches with a command at the end that nothing can satisfy.
static void test_a_failed_batch_leaves_no_trace(void **state) {
    static struct world world;
    struct buffer before = {0}, after = {0};
    int undone = 0;
    (void)state;
    world_open(&world, 4711);
    test_count_habits(&world.books);
    for (int round = 0; round < 250; round++) {
        struct command commands[OPERATIONS + 1];
        struct outcome outcomes[OPERATIONS + 1];
        uint32_t count = 0;
        dump(&world, &before);
        // Ones that are refused alone are left out by trying prefixes: the batch fails where it
        // must.
        for (; count < OPERATIONS; count++)
            commands[count] = random_command(&world);
        commands[count] = test_move(&world.books, COMMAND_TRANSFER, world.wallets[0],
                                    world.wallets[1], LIMIT_AMOUNT_MAX);
        struct outcome whole =
            test_submit_batch(&world.books, commands, outcomes, count + 1, true, NULL);
        assert_int_not_equal(whole.status, STATUS_ok);
        undone += whole.refusal.operation > 3;
        dump(&world, &after);
        if (!books_dump_equal(&before, &after))
            fail_msg("round %d, undone from operation %u", round, whole.refusal.operation);
        // Go on working: what was undone can still be done, one by one.
        (void)test_submit_batch(&world.books, commands, outcomes, count, false, NULL);
        for (uint32_t i = 0; i < count; i++)
            remember(&world, &outcomes[i]);
    }
    assert_true(undone > 25);
    dump(&world, &before);
    test_books_reopen(&world.books);
    dump(&world, &after);
    assert_true(books_dump_equal(&before, &after));
    test_books_remove(&world.books);
    buffer_done(&before);
    buffer_done(&after);
}

// Holds made, captured and voided in one batch, beside others that were there before.
static void test_lists_of_open_holds_are_put_right(void **state) {
    static struct world world;
    struct buffer before = {0}, after = {0};
    struct id holds[5];
    (void)state;
    world_open(&world, 1);
    struct id ann = world.wallets[0], shop = world.wallets[WALLETS - 1];
    for (int i = 0; i < 5; i++)
        holds[i] = test_hold(&world.books, ann, shop, 10 + i, 1000 - (uint32_t)i * 100);
    dump(&world, &before);
    for (int closed = 0; closed < 32; closed++) { // any set of the five is closed, in the batch
        struct command commands[16];
        struct outcome outcomes[16];
        uint32_t count = 0;
        for (int i = 0; i < 5; i++) {
            commands[count] = test_move(&world.books, COMMAND_HOLD, ann, shop, 3);
            commands[count++].expires_in_s = 50;
            if ((closed >> i & 1) == 0)
                continue;
            commands[count] =
                test_move(&world.books, i % 2 == 0 ? COMMAND_VOID : COMMAND_CAPTURE, ann, shop, 2);
            commands[count].keep_open = i == 3;
            commands[count++].subject = holds[i];
        }
        commands[count++] = test_command(&world.books, COMMAND_INVALID);
        commands[count - 1].door = STATUS_invalid_request;
        struct outcome whole =
            test_submit_batch(&world.books, commands, outcomes, count, true, "b");
        assert_int_equal(whole.status, STATUS_invalid_request);
        assert_int_equal(whole.refusal.operation, count - 1);
        dump(&world, &after);
        assert_true(books_dump_equal(&before, &after));
    }
    test_books_remove(&world.books);
    buffer_done(&before);
    buffer_done(&after);
}

// A purchase and its refund in one batch: the id is foretold, as ids are made of time and place.
static void test_a_refund_within_the_batch_is_undone(void **state) {
    static struct world world;
    struct buffer before = {0}, after = {0};
    struct outcome outcomes[3], whole;
    struct command commands[3];
    (void)state;
    world_open(&world, 2);
    struct id ann = world.wallets[0], shop = world.wallets[WALLETS - 1];
    const struct engine *engine = world.books.engine;
    commands[0] = test_move(&world.books, COMMAND_PURCHASE, ann, shop, 100);
    commands[1] = test_move(&world.books, COMMAND_REFUND, ann, shop, 60);
    commands[2] = test_command(&world.books, COMMAND_INVALID);
    commands[2].door = STATUS_invalid_request;
    dump(&world, &before);
    // The first try fails and tells where the purchase would be; later ones guess when.
    whole = test_submit_batch(&world.books, commands, outcomes, 3, true, NULL);
    assert_int_equal(whole.refusal.operation, 1);
    uint64_t position = outcomes[0].record.size;
    int tries = 0;
    for (; tries < 5000 && whole.refusal.operation != 2; tries++) {
        commands[1].subject = id_make(&engine->seal, clock_now_ms(), id_slot(ann), position / 8);
        whole = test_submit_batch(&world.books, commands, outcomes, 3, true, NULL);
    }
    assert_int_equal(whole.refusal.operation, 2);
    dump(&world, &after);
    assert_true(books_dump_equal(&before, &after));
    // A purchase that now takes that very place has no refunds.
    whole = test_submit_batch(&world.books, commands, outcomes, 1, true, NULL);
    assert_int_equal(whole.status, STATUS_ok);
    struct command refund = test_command(&world.books, COMMAND_REFUND);
    refund.subject = test_record(outcomes[0]).transaction.id;
    struct outcome outcome = test_submit(&world.books, &refund);
    assert_int_equal(outcome.status, STATUS_ok);
    assert_int_equal(test_record(outcome).transaction.amount, 100);
    test_books_remove(&world.books);
    buffer_done(&before);
    buffer_done(&after);
}

// Who read an item's sequence before it was undone must notice that it was used again.
static void test_sequences_never_go_back(void **state) {
    static struct world world;
    struct outcome outcomes[2];
    struct command commands[2];
    (void)state;
    world_open(&world, 3);
    struct books *books = (struct books *)world.books.engine;
    commands[0] = test_command(&world.books, COMMAND_WALLET_OPEN);
    commands[0].owner = SLICE("x");
    assert_true(currency_iso_find(SLICE("USD"), &commands[0].currency));
    commands[1] = test_command(&world.books, COMMAND_INVALID);
    commands[1].door = STATUS_invalid_request;
    uint32_t last = 0, place = books->state.wallets.count;
    const struct wallet_item *item = (const struct wallet_item *)books->state.wallets.bytes + place;
    for (int round = 0; round < 3; round++) {
        (void)test_submit_batch(&world.books, commands, outcomes, 2, true, NULL);
        assert_true(item->sequence > last);
        last = item->sequence;
    }
    (void)test_wallet(&world.books, "y", WALLET_CUSTOMER);
    assert_true(item->sequence > last);
    test_books_remove(&world.books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_batch_leaves_no_trace),
        cmocka_unit_test(test_lists_of_open_holds_are_put_right),
        cmocka_unit_test(test_a_refund_within_the_batch_is_undone),
        cmocka_unit_test(test_sequences_never_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
