// SPDX-License-Identifier: MIT
// Rounds: what is decided earlier is seen later in the same round, a full disk refuses writes and
// not reads, and closing ends whatever state the disk is in.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "books_dump.h"
#include "books_support.h"
#include "fake_disk.h"

static void tell(struct round *round) {
    __atomic_store_n((bool *)round->context, true, __ATOMIC_RELEASE);
}

static void submit_all(const struct test_books *books, struct submission *first) {
    bool published = false;
    struct round round;
    round_init(&round);
    round.first = first;
    round.published = tell;
    round.context = &published;
    books->engine->port->submit(books->engine, &round);
    for (int i = 0; i < 20000 && !__atomic_load_n(&published, __ATOMIC_ACQUIRE); i++)
        usleep(1000);
    assert_true(__atomic_load_n(&published, __ATOMIC_ACQUIRE));
    round_done(&round);
}

static void test_reads_see_what_stands_before_them(void **state) {
    struct test_books books;
    struct command commands[7];
    struct outcome outcomes[7];
    struct submission submissions[7];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 100, "b");
    struct id hold = test_hold(&books, ann, shop, 30, 1000);
    for (int i = 0; i < 7; i++) {
        commands[i] = test_command(&books, COMMAND_READ_WALLET);
        commands[i].subject = ann;
        submissions[i] = (struct submission){.commands = &commands[i],
                                             .outcomes = &outcomes[i],
                                             .count = 1,
                                             .next = i < 6 ? &submissions[i + 1] : NULL};
    }
    commands[1] = test_move(&books, COMMAND_TRANSFER, ann, shop, 50);
    commands[3] = test_move(&books, COMMAND_CAPTURE, ann, shop, 10);
    commands[3].subject = hold;
    commands[4].type = COMMAND_READ_HOLD;
    commands[4].subject = hold;
    commands[5] = test_move(&books, COMMAND_TRANSFER, ann, shop, 41); // one too much
    submit_all(&books, submissions);
    assert_int_equal(outcomes[0].wallet.balance, 100);
    assert_int_equal(outcomes[2].wallet.balance, 50);
    assert_int_equal(outcomes[2].version, 4);
    assert_int_equal(outcomes[4].hold.status, HOLD_CAPTURED);
    assert_int_equal(outcomes[4].hold.captured, 10);
    assert_int_equal(test_record(outcomes[4]).kind, RECORD_HOLD); // what opened it
    assert_int_equal(outcomes[5].status, STATUS_insufficient_funds);
    assert_int_equal(outcomes[6].wallet.balance, 40);
    assert_int_equal(outcomes[6].wallet.held, 0);
    test_books_remove(&books);
}

static void test_keys_and_bank_ids_twice_in_one_round(void **state) {
    struct test_books books;
    struct command commands[4];
    struct outcome outcomes[4];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    for (int i = 0; i < 4; i++) {
        commands[i] = test_move(&books, COMMAND_DEPOSIT, ann, ann, 5);
        commands[i].bank_id = i < 3 ? SLICE("b1") : SLICE("b2");
        test_command_key(&commands[i], i == 2 ? "other" : "same", i < 3 ? 1 : 2);
    }
    (void)test_submit_batch(&books, commands, outcomes, 4, false, NULL);
    assert_int_equal(outcomes[0].status, STATUS_ok);
    assert_false(outcomes[0].replayed);
    assert_int_equal(outcomes[1].status, STATUS_ok);
    assert_true(outcomes[1].replayed);
    assert_true(slice_equal(outcomes[0].record, outcomes[1].record));
    assert_int_equal(outcomes[2].status, STATUS_duplicate_bank_transaction);
    assert_true(id_equal(outcomes[2].refusal.other, test_record(outcomes[0]).transaction.id));
    assert_int_equal(outcomes[3].status, STATUS_idempotency_key_reused);
    assert_int_equal(test_read_wallet(&books, ann).balance, 5);
    // Atomic: the second use of a bank id undoes the first, and both stay free.
    commands[0].has_key = commands[1].has_key = false;
    commands[0].bank_id = commands[1].bank_id = SLICE("b3");
    struct outcome whole = test_submit_batch(&books, commands, outcomes, 2, true, NULL);
    assert_int_equal(whole.status, STATUS_duplicate_bank_transaction);
    assert_int_equal(whole.refusal.operation, 1);
    (void)test_deposit(&books, ann, 1, "b3");
    // A key used within a batch that fails is unused; an operation that is a replay is no effect.
    test_command_key(&commands[0], "fresh", 1);
    commands[0].bank_id = SLICE("b4");
    commands[1] = commands[0];
    commands[2] = test_move(&books, COMMAND_WITHDRAWAL, ann, ann, 1000);
    commands[2].has_key = false;
    whole = test_submit_batch(&books, commands, outcomes, 3, true, NULL);
    assert_int_equal(whole.refusal.operation, 2);
    whole = test_submit_batch(&books, commands, outcomes, 2, true, "whole");
    assert_int_equal(whole.status, STATUS_ok);
    assert_false(outcomes[0].replayed);
    assert_true(outcomes[1].replayed);
    whole = test_submit_batch(&books, commands, outcomes, 2, true, "whole");
    assert_true(whole.replayed && !outcomes[0].replayed && outcomes[1].replayed);
    assert_int_equal(test_read_wallet(&books, ann).balance, 11);
    test_books_remove(&books);
}

// Writes until the disk is full; each refused one is told, and takes no effect.
#define NOTICED_US 1000000

static uint64_t fill(struct test_books *books, struct id ann, int *number,
                     struct command *ret_refused) {
    uint64_t done = 0;
    struct outcome outcome = {0};
    for (int i = 0; i < 20000 && outcome.status != STATUS_storage_full; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "f%d", ++*number);
        *ret_refused = test_move(books, COMMAND_DEPOSIT, ann, ann, 1);
        ret_refused->bank_id = SLICE("");
        ret_refused->type = COMMAND_WALLET_CHANGE;
        ret_refused->has_credit_limit = true;
        ret_refused->credit_limit = *number;
        test_command_key(ret_refused, key, 1);
        outcome = test_submit(books, ret_refused);
        done += outcome.status == STATUS_ok;
    }
    assert_int_equal(outcome.status, STATUS_storage_full);
    return done;
}

static void test_a_full_disk_refuses_writes_and_goes_on(void **state) {
    struct test_books books;
    struct command refused;
    int number = 0;
    struct command commands[2];
    struct outcome outcomes[2];
    (void)state;
    struct disk *disk = fake_disk_open(3);
    test_books_open_on(&books, disk, 1 << 18);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 10, "b");
    fake_disk_limit(disk, 3 << 20);
    uint64_t done = fill(&books, ann, &number, &refused);
    // What the index clears away may make room once more; in the end there is none.
    fake_disk_limit(disk, 4096);
    for (int i = 0; i < 3; i++) {
        usleep(NOTICED_US); // the journal looks at the disk ten times a second, when it is let
        done += fill(&books, ann, &number, &refused);
    }
    assert_true(done > 50);
    struct wallet wallet = test_read_wallet(&books, ann);
    assert_int_equal(wallet.balance, 10);
    assert_int_equal(wallet.version, 2 + done);
    struct engine_stats stats;
    books.engine->port->stats(books.engine, &stats);
    assert_true(stats.storage_full);
    commands[0] = test_move(&books, COMMAND_TRANSFER, ann, shop, 1);
    commands[1] = commands[0];
    struct outcome whole = test_submit_batch(&books, commands, outcomes, 2, true, "atomic");
    assert_int_equal(whole.status, STATUS_storage_full);
    assert_null(books_audit(books.engine));
    // Room again: the refused key was not used up.
    fake_disk_limit(disk, UINT64_MAX);
    struct outcome outcome = {.status = STATUS_storage_full};
    for (int i = 0; i < 500 && outcome.status == STATUS_storage_full; i++) {
        usleep(10000);
        outcome = test_submit(&books, &refused);
    }
    assert_int_equal(outcome.status, STATUS_ok);
    assert_false(outcome.replayed);
    whole = test_submit_batch(&books, commands, outcomes, 2, true, "atomic");
    assert_int_equal(whole.status, STATUS_ok);
    assert_false(whole.replayed);
    test_books_remove(&books);
}

// A hold that is due cannot be expired on a full disk; closing must not wait for it.
static void test_closing_on_a_full_disk_with_a_hold_due(void **state) {
    struct test_books books;
    struct command refused;
    int number = 0;
    (void)state;
    struct disk *disk = fake_disk_open(4);
    test_books_open_on(&books, disk, 1 << 18);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 10, "b");
    (void)test_hold(&books, ann, shop, 5, 4);
    fake_disk_limit(disk, 2 << 20);
    (void)fill(&books, ann, &number, &refused);
    fake_disk_limit(disk, 4096);
    usleep(4500000);
    (void)alarm(20);
    test_books_remove(&books); // closes
    (void)alarm(0);
}

// Rounds that their bringers decide themselves, on several threads, waiting for the disk or not,
// among rounds that the writer's thread takes: every one is decided once.
struct bringer {
    struct test_books *books;
    struct id from, to;
    uint32_t index, now_count;
    pthread_t thread;
};

#define BRINGERS 4
#define BROUGHT  200
#define CROWD    100000
#define BRING_PATIENCE_NS UINT64_C(150000000000)

static void *bring(void *context) {
    struct bringer *bringer = context;
    struct engine *engine = bringer->books->engine;
    for (uint32_t i = 0; i < BROUGHT; i++) {
        struct command command =
            test_move(bringer->books, COMMAND_TRANSFER, bringer->from, bringer->to, 1);
        struct outcome outcome;
        struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
        bool published = false;
        struct round round;
        round_init(&round);
        round.first = &submission;
        round.published = tell;
        round.context = &published;
        // Of every other one the disk may be left to another thread.
        round.crowd = i % 2 == 0 ? 0 : CROWD;
        if (i % 4 != 3 && engine->port->decide_now(engine, &round)) {
            bringer->now_count++;
            assert_true(round.crowd != 0 || published);
        } else {
            engine->port->submit(engine, &round);
        }
        for (int k = 0; k < 20000 && !__atomic_load_n(&published, __ATOMIC_ACQUIRE); k++)
            usleep(1000);
        assert_int_equal(outcome.status, STATUS_ok);
        round_done(&round);
    }
    return NULL;
}

static void test_rounds_decided_by_who_brings_them(void **state) {
    struct test_books books;
    struct bringer bringers[BRINGERS];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id bob = test_wallet(&books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&books, ann, 1000000000, "b");
    for (uint32_t i = 0; i < BRINGERS; i++) {
        bringers[i] = (struct bringer){.books = &books, .from = ann, .to = bob, .index = i};
        assert_int_equal(pthread_create(&bringers[i].thread, NULL, bring, &bringers[i]), 0);
    }
    uint32_t now_count = 0;
    for (uint32_t i = 0; i < BRINGERS; i++) {
        assert_int_equal(pthread_join(bringers[i].thread, NULL), 0);
        now_count += bringers[i].now_count;
    }
    // A disk that is busy with others sends rounds to the thread until some dozens of commits have
    // been quick; not for ever.
    uint32_t more = 0;
    uint64_t patience_ends = clock_monotonic_ns() + BRING_PATIENCE_NS;
    for (; now_count == 0 && clock_monotonic_ns() < patience_ends; more++) {
        (void)bring(&bringers[0]);
        now_count = bringers[0].now_count;
    }
    assert_true(now_count > 0);
    struct command read = test_command(&books, COMMAND_READ_WALLET);
    struct outcome outcome;
    struct submission submission = {.commands = &read, .outcomes = &outcome, .count = 1};
    read.subject = bob;
    submit_all(&books, &submission);
    assert_int_equal(outcome.wallet.balance, (BRINGERS + more) * BROUGHT);
    assert_int_equal(outcome.wallet.version, 1 + (BRINGERS + more) * BROUGHT);
    test_books_remove(&books);
}

// Large rounds that come faster than they are decided, every other one told of what was done.
#define LARGE_ROUNDS   8
#define LARGE_COMMANDS 900

struct large {
    struct submission submission; // first
    struct round round;
    uint32_t told;
    bool published;
    struct command commands[LARGE_COMMANDS];
    struct outcome outcomes[LARGE_COMMANDS];
};

static bool is_told(struct submission *submission, uint32_t index, const struct record *record) {
    struct large *large = (struct large *)submission;
    assert_int_equal(index, large->told++);
    assert_false(__atomic_load_n(&large->published, __ATOMIC_ACQUIRE));
    assert_int_equal(record->kind, RECORD_TRANSACTION);
    assert_int_equal(record->transaction.amount, index % 7 + 1);
    return true;
}

static void test_large_rounds_and_what_they_are_told(void **state) {
    static struct large larges[LARGE_ROUNDS];
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id bob = test_wallet(&books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&books, ann, 1000000, "b");
    memset(larges, 0, sizeof(larges));
    for (int i = 0; i < LARGE_ROUNDS; i++) {
        struct large *large = &larges[i];
        for (int k = 0; k < LARGE_COMMANDS; k++)
            large->commands[k] = test_move(&books, COMMAND_TRANSFER, ann, bob, k % 7 + 1);
        large->submission = (struct submission){.commands = large->commands,
                                                .outcomes = large->outcomes,
                                                .count = LARGE_COMMANDS,
                                                .done = i % 2 == 0 ? is_told : NULL};
        round_init(&large->round);
        large->round.first = &large->submission;
        large->round.command_count = LARGE_COMMANDS;
        large->round.published = tell;
        large->round.context = &large->published;
    }
    for (int i = 0; i < LARGE_ROUNDS; i++)
        books.engine->port->submit(books.engine, &larges[i].round);
    for (int i = 0; i < LARGE_ROUNDS; i++) {
        struct large *large = &larges[i];
        for (int k = 0; k < 60000 && !__atomic_load_n(&large->published, __ATOMIC_ACQUIRE); k++)
            usleep(1000);
        assert_true(__atomic_load_n(&large->published, __ATOMIC_ACQUIRE));
        assert_int_equal(large->told, i % 2 == 0 ? LARGE_COMMANDS : 0);
        for (int k = 0; k < LARGE_COMMANDS; k++) {
            assert_int_equal(large->outcomes[k].status, STATUS_ok);
            assert_true(large->outcomes[k].record.size != 0);
            assert_int_equal(large->outcomes[k].record.bytes == NULL, i % 2 == 0);
            if (i % 2 != 0)
                assert_int_equal(test_record(large->outcomes[k]).transaction.amount, k % 7 + 1);
        }
        round_done(&large->round);
    }
    struct engine_stats stats;
    books.engine->port->stats(books.engine, &stats);
    assert_true(stats.batch_commands_last < 2000 + LARGE_COMMANDS);
    int64_t sent = 0;
    for (int k = 0; k < LARGE_COMMANDS; k++)
        sent += LARGE_ROUNDS * (k % 7 + 1);
    assert_int_equal(test_read_wallet(&books, bob).balance, sent);
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_see_what_stands_before_them),
        cmocka_unit_test(test_keys_and_bank_ids_twice_in_one_round),
        cmocka_unit_test(test_a_full_disk_refuses_writes_and_goes_on),
        cmocka_unit_test(test_closing_on_a_full_disk_with_a_hold_due),
        cmocka_unit_test(test_rounds_decided_by_who_brings_them),
        cmocka_unit_test(test_large_rounds_and_what_they_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
