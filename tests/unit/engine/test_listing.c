// SPDX-License-Identifier: MIT
// Lists while others write: they show what is durable and whole, never half of a change and never
// what a failed batch did. Pages together hold everything once.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "books_support.h"
#include "engine/embedded/books.h"

static struct list_query query_of(enum list_kind kind) {
    return (struct list_query){.kind = kind,
                               .wallet_kind = -1,
                               .status = -1,
                               .type = -1,
                               .to_ms = UINT64_MAX,
                               .limit = 50};
}

// Counts the items over all pages; `each` looks at them.
static uint32_t list_all(const struct test_books *books, struct list_query query,
                         void (*each)(void *context, const struct outcome *outcome),
                         void *context) {
    uint32_t found = 0, pages = 0;
    do {
        struct page page = {0};
        arena_init(&page.arena, 4096);
        assert_int_equal(books->engine->port->list(books->engine, &query, &page), STATUS_ok);
        assert_true(page.item_count <= query.limit);
        for (uint32_t i = 0; each != NULL && i < page.item_count; i++)
            each(context, &page.items[i].outcome);
        found += page.item_count;
        query.cursor = page.next_cursor;
        arena_done(&page.arena);
        assert_true(++pages < 100000);
    } while (query.cursor != 0);
    return found;
}

static struct id wallet_in(const struct test_books *books, const char *owner, const char *code) {
    struct command command = test_command(books, COMMAND_WALLET_OPEN);
    command.owner = slice_of_text(owner);
    command.slot = id_slot_of_owner(command.owner);
    assert_true(currency_iso_find(slice_of_text(code), &command.currency));
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return test_record(outcome).wallet.id;
}

// One bank id, once per currency, in pages of every size.
static void test_a_bank_id_in_many_currencies(void **state) {
    static const char *const codes[] = {"USD", "EUR", "CHF", "JPY", "KWD"};
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    for (int i = 0; i < 5; i++) {
        struct id wallet = wallet_in(&books, "owner", codes[i]);
        (void)test_deposit(&books, wallet, 100, "in");
        struct command command = test_move(&books, COMMAND_WITHDRAWAL, wallet, wallet, 10);
        command.bank_id = SLICE("out");
        assert_int_equal(test_submit(&books, &command).status, STATUS_ok);
    }
    for (uint32_t limit = 1; limit <= 6; limit++) {
        struct list_query query = query_of(LIST_WITHDRAWALS);
        query.limit = limit;
        query.bank_id = SLICE("out");
        assert_int_equal(list_all(&books, query, NULL, NULL), 5);
        query.kind = LIST_TRANSACTIONS;
        assert_int_equal(list_all(&books, query, NULL, NULL), 5);
        query.bank_id = SLICE("in");
        assert_int_equal(list_all(&books, query, NULL, NULL), 5);
        query.kind = LIST_WITHDRAWALS;
        assert_int_equal(list_all(&books, query, NULL, NULL), 0);
        query = query_of(LIST_WALLETS);
        query.limit = limit;
        query.owner = SLICE("owner");
        assert_int_equal(list_all(&books, query, NULL, NULL), 5);
        query.status = WALLET_FROZEN;
        assert_int_equal(list_all(&books, query, NULL, NULL), 0);
    }
    test_books_remove(&books);
}

struct newest_first {
    struct id ids[512];
    uint32_t count;
};

static void collect_wallets(void *context, const struct outcome *outcome) {
    struct newest_first *seen = context;
    struct record record = test_record(*outcome);
    assert_int_equal(record.kind, RECORD_WALLET);
    assert_true(id_equal(record.wallet.id, outcome->wallet.id));
    assert_int_equal(outcome->version, outcome->wallet.version);
    seen->ids[seen->count++] = outcome->wallet.id;
}

static void test_pages_hold_everything_once(void **state) {
    struct test_books books;
    struct id made[120];
    (void)state;
    test_books_open(&books, 0);
    for (int i = 0; i < 120; i++) {
        char owner[16];
        (void)snprintf(owner, sizeof(owner), "o%d", i % 7);
        made[i] = test_wallet(&books, owner, i % 3 == 0 ? WALLET_MERCHANT : WALLET_CUSTOMER);
    }
    static const uint32_t limits[] = {1, 2, 7, 119, 120, 121, 1000};
    for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
        struct newest_first seen = {.count = 0};
        struct list_query query = query_of(LIST_WALLETS);
        query.limit = limits[l];
        assert_int_equal(list_all(&books, query, collect_wallets, &seen), 120);
        for (int i = 0; i < 120; i++)
            assert_true(id_equal(seen.ids[i], made[119 - i]));
        query.wallet_kind = WALLET_MERCHANT;
        seen.count = 0;
        assert_int_equal(list_all(&books, query, collect_wallets, &seen), 40);
        query.owner = SLICE("o0");
        seen.count = 0;
        assert_int_equal(list_all(&books, query, collect_wallets, &seen), 6);
    }
    test_books_remove(&books);
}

// ---- beside a writer

struct beside {
    struct test_books books;
    struct id ann, bob, shop, purchase; // bob has made a purchase and nothing else
    bool stop;                          // atomic
    uint64_t looks;
    const char *broken;
};

// Whole batches change ann's version by 40 and nothing in sum; those that fail would leave holds,
// withdrawals and a refund.
static void *write_beside(void *context) {
    struct beside *beside = context;
    struct command commands[40];
    struct outcome outcomes[40];
    const struct test_books *books = &beside->books;
    for (int round = 0; round < 300; round++) {
        bool fails = round % 2 == 0;
        for (int i = 0; i < 40; i++)
            commands[i] = i % 2 == 0
                              ? test_move(books, COMMAND_TRANSFER, beside->ann, beside->shop, 10)
                              : test_move(books, COMMAND_TRANSFER, beside->shop, beside->ann, 10);
        for (int i = 0; fails && i < 36; i += 4) {
            commands[i].type = COMMAND_HOLD;
            commands[i].expires_in_s = 100000;
            commands[i + 2].type = COMMAND_WITHDRAWAL;
        }
        if (fails) {
            commands[1].type = COMMAND_REFUND;
            commands[1].subject = beside->purchase;
            commands[39].amount = LIMIT_AMOUNT_MAX;
        }
        struct outcome whole = test_submit_batch(books, commands, outcomes, 40, true, NULL);
        if ((whole.status != STATUS_ok) != fails || (fails && whole.refusal.operation != 39))
            __atomic_store_n(&beside->broken, "a batch goes wrong", __ATOMIC_RELEASE);
    }
    __atomic_store_n(&beside->stop, true, __ATOMIC_RELEASE);
    return NULL;
}

static void look_at(void *context, const struct outcome *outcome) {
    struct beside *beside = context;
    struct record record;
    const char *why;
    if (record_decode(outcome->record, &record, &why) != STATUS_ok) {
        beside->broken = "a listed record does not hold";
        return;
    }
    if (record.kind == RECORD_WALLET && outcome->wallet.version > 2 &&
        id_equal(outcome->wallet.id, beside->ann) && (outcome->wallet.version - 2) % 40 != 0)
        beside->broken = "a wallet is shown in the middle of a batch";
    if (record.kind == RECORD_TRANSACTION && outcome->refunded != 0)
        beside->broken = "a refund is shown that never was";
    if (record.kind == RECORD_HOLD)
        beside->broken = "a hold is shown that never was";
    beside->looks++;
}

static void read_beside(struct beside *beside, enum list_kind kind, struct id wallet) {
    struct list_query query = query_of(kind);
    struct page page = {0};
    query.wallet = wallet;
    query.limit = 20;
    arena_init(&page.arena, 4096);
    enum status status = beside->books.engine->port->list(beside->books.engine, &query, &page);
    if (status != STATUS_ok)
        beside->broken = "a list is refused";
    for (uint32_t i = 0; i < page.item_count; i++)
        look_at(beside, &page.items[i].outcome);
    arena_done(&page.arena);
}

static void *read_run(void *context) {
    struct beside *beside = context;
    struct id none = {{0}};
    while (!__atomic_load_n(&beside->stop, __ATOMIC_ACQUIRE) && beside->broken == NULL) {
        read_beside(beside, LIST_WALLETS, none);
        read_beside(beside, LIST_TRANSACTIONS, beside->ann);
        read_beside(beside, LIST_TRANSACTIONS, beside->bob);
        read_beside(beside, LIST_TRANSACTIONS, none);
        read_beside(beside, LIST_HOLDS, none);
        struct balance_at at;
        const struct engine_port *port = beside->books.engine->port;
        if (port->balance_at(beside->books.engine, beside->ann, UINT64_MAX, NULL, &at) != STATUS_ok)
            beside->broken = "a balance is refused";
    }
    return NULL;
}

static void test_nothing_that_was_undone_is_ever_seen(void **state) {
    static struct beside beside;
    pthread_t reader, writer;
    (void)state;
    beside = (struct beside){.stop = false};
    test_books_open(&beside.books, 1 << 20);
    beside.ann = test_wallet(&beside.books, "ann", WALLET_CUSTOMER);
    beside.shop = test_wallet(&beside.books, "shop", WALLET_MERCHANT);
    beside.bob = test_wallet(&beside.books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&beside.books, beside.ann, 5000, "b1");
    (void)test_deposit(&beside.books, beside.bob, 1000, "b2");
    struct command command =
        test_move(&beside.books, COMMAND_PURCHASE, beside.bob, beside.shop, 1000);
    beside.purchase = test_record(test_submit(&beside.books, &command)).transaction.id;
    assert_int_equal(pthread_create(&reader, NULL, read_run, &beside), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_beside, &beside), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(pthread_join(reader, NULL), 0);
    if (beside.broken != NULL)
        fail_msg("%s", beside.broken);
    assert_true(beside.looks > 100);
    test_books_remove(&beside.books);
}

enum { CROWD = 1000, CROWDS = 41 }; // more than twice what is looked at for a page

static uint32_t pages_until_end(const struct test_books *books, struct list_query query,
                                uint32_t *ret_found) {
    uint32_t pages = 0, empty = 0;
    *ret_found = 0;
    do {
        struct page page = {0};
        arena_init(&page.arena, 4096);
        assert_int_equal(books->engine->port->list(books->engine, &query, &page), STATUS_ok);
        *ret_found += page.item_count;
        empty += page.item_count == 0;
        assert_true(query.cursor == 0 || page.next_cursor < query.cursor);
        query.cursor = page.next_cursor;
        arena_done(&page.arena);
        pages++;
    } while (query.cursor != 0);
    assert_true(empty >= pages - 2); // all that is wanted stands at both ends
    return pages;
}

// Two of each are wanted, the first and the last, and tens of thousands lie between them. A page
// gives up on the way, says that there is more, and the next one goes on where it stopped.
static void test_rare_ones_are_found_behind_many(void **state) {
    static struct command commands[CROWD];
    static struct outcome outcomes[CROWD];
    struct test_books books;
    uint32_t found;
    (void)state;
    test_books_open(&books, 0);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id bob = test_wallet(&books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&books, ann, 100000000, "first");
    (void)test_hold(&books, ann, shop, 1, 100000);
    for (int crowd = 0; crowd < CROWDS * 3; crowd++) {
        for (int i = 0; i < CROWD; i++) {
            commands[i] = test_move(&books, COMMAND_TRANSFER, ann, bob, 1);
            commands[i].origin.principal = SLICE("robot");
            if (crowd % 3 == 1)
                commands[i] = test_move(&books, COMMAND_HOLD, bob, shop, 1);
            if (crowd % 3 == 2) {
                commands[i] = test_command(&books, COMMAND_WALLET_OPEN);
                commands[i].owner = SLICE("crowd");
                assert_true(currency_iso_find(SLICE("USD"), &commands[i].currency));
            }
            commands[i].expires_in_s = 100000;
        }
        (void)test_submit_batch(&books, commands, outcomes, CROWD, false, NULL);
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(outcomes[i].status, STATUS_ok);
    }
    (void)test_wallet(&books, "second", WALLET_MERCHANT);
    (void)test_hold(&books, ann, shop, 1, 100000);
    (void)test_deposit(&books, ann, 1, "last");
    struct list_query query = query_of(LIST_WALLETS);
    query.wallet_kind = WALLET_MERCHANT;
    assert_true(pages_until_end(&books, query, &found) >= 3);
    assert_int_equal(found, 2);
    query = query_of(LIST_HOLDS);
    query.wallet = ann;
    assert_true(pages_until_end(&books, query, &found) >= 3);
    assert_int_equal(found, 2);
    query = query_of(LIST_TRANSACTIONS);
    query.initiated_by = SLICE("tester");
    assert_true(pages_until_end(&books, query, &found) >= 3);
    assert_int_equal(found, 2);
    query.wallet = ann;
    query.initiated_by = SLICE("");
    query.type = TRANSACTION_DEPOSIT;
    assert_true(pages_until_end(&books, query, &found) >= 3);
    assert_int_equal(found, 2);
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bank_id_in_many_currencies),
        cmocka_unit_test(test_pages_hold_everything_once),
        cmocka_unit_test(test_nothing_that_was_undone_is_ever_seen),
        cmocka_unit_test(test_rare_ones_are_found_behind_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
