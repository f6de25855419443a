// SPDX-License-Identifier: MIT
// Holds and withdrawals leave memory some time after they ended, and nobody notices: what is asked
// about them is answered as before, also after a start, and when their files are gone.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "books_dump.h"
#include "books_support.h"
#include "engine/embedded/books.h"

enum { SEGMENT_BYTES = 1 << 18, PER_BATCH = 60, BATCHES_MAX = 4000 };

struct shop {
    struct test_books books;
    struct id ann, shop, pending; // the last is a withdrawal
    struct id first;              // the first hold
    uint32_t made, captured;      // holds that are over
};

static const struct books *inner(const struct shop *shop) {
    return (const struct books *)shop->books.engine;
}

static uint32_t away(const struct ended *ended) {
    return __atomic_load_n(&ended->away_count, __ATOMIC_RELAXED);
}

// Holds that are captured or voided at once, and withdrawals that are settled or failed.
static void trade(struct shop *shop) {
    struct command holds[PER_BATCH], ends[PER_BATCH];
    struct outcome outcomes[PER_BATCH];
    for (int i = 0; i < PER_BATCH; i++) {
        holds[i] = test_move(&shop->books, i % 2 == 0 ? COMMAND_HOLD : COMMAND_WITHDRAWAL,
                             shop->ann, i % 2 == 0 ? shop->shop : (struct id){0}, 1 + i);
        holds[i].expires_in_s = 100000;
    }
    (void)test_submit_batch(&shop->books, holds, outcomes, PER_BATCH, false, NULL);
    for (int i = 0; i < PER_BATCH; i++) {
        struct record record = test_record(outcomes[i]);
        bool is_hold = record.kind == RECORD_HOLD, is_captured = is_hold && i % 4 == 0;
        ends[i] = test_command(&shop->books, is_captured ? COMMAND_CAPTURE
                                             : is_hold   ? COMMAND_VOID
                                                         : COMMAND_FAIL);
        ends[i].subject = is_hold ? record.hold.id : record.withdrawal.id;
        if (shop->made == 0)
            shop->first = record.hold.id;
        shop->made += is_hold;
        shop->captured += is_captured;
    }
    (void)test_submit_batch(&shop->books, ends, outcomes, PER_BATCH, false, NULL);
    for (int i = 0; i < PER_BATCH; i++)
        assert_int_equal(outcomes[i].status, STATUS_ok);
}

// Until so many chunks of each have left.
static void trade_until(struct shop *shop, uint32_t chunks) {
    const struct books *books = inner(shop);
    for (int i = 0; i < BATCHES_MAX && (away(&books->ended_holds) < chunks ||
                                        away(&books->ended_withdrawals) < chunks);
         i++) {
        trade(shop);
        if (i > 200)
            usleep(2000); // checkpoints are made beside us
    }
    assert_true(away(&books->ended_holds) >= chunks);
    assert_true(away(&books->ended_withdrawals) >= chunks);
}

static void shop_open(struct shop *shop) {
    *shop = (struct shop){0};
    test_books_open(&shop->books, SEGMENT_BYTES);
    shop->ann = test_wallet(&shop->books, "ann", WALLET_CUSTOMER);
    shop->shop = test_wallet(&shop->books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&shop->books, shop->ann, 1000000000, "first");
    struct command command =
        test_move(&shop->books, COMMAND_WITHDRAWAL, shop->ann, (struct id){0}, 5);
    struct outcome outcome = test_submit(&shop->books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    shop->pending = test_record(outcome).withdrawal.id;
}

static bool lies_in_file(const char *name) {
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL)
        found = found || strstr(line, name) != NULL;
    assert_int_equal(fclose(maps), 0);
    return found;
}

static uint32_t count_holds(const struct shop *shop, int status) {
    struct list_query query = {.kind = LIST_HOLDS,
                               .wallet = shop->ann,
                               .wallet_kind = -1,
                               .status = status,
                               .type = -1,
                               .to_ms = UINT64_MAX,
                               .limit = 700};
    uint32_t found = 0;
    do {
        struct page page = {0};
        arena_init(&page.arena, 4096);
        assert_int_equal(
            shop->books.engine->port->list(shop->books.engine, &query, &page), STATUS_ok);
        for (uint32_t i = 0; i < page.item_count; i++) {
            const struct outcome *outcome = &page.items[i].outcome;
            struct record record = test_record(*outcome);
            assert_int_equal(outcome->hold.status, status);
            assert_true(record.kind == RECORD_HOLD && id_equal(record.hold.id, outcome->hold.id));
        }
        found += page.item_count;
        query.cursor = page.next_cursor;
        arena_done(&page.arena);
    } while (query.cursor != 0);
    return found;
}

static enum status submit_about(const struct shop *shop, enum command_type type, struct id subject,
                                struct outcome *ret_outcome) {
    struct command command = test_command(&shop->books, type);
    command.subject = subject;
    *ret_outcome = test_submit(&shop->books, &command);
    return (enum status)ret_outcome->status;
}

static void ask(const struct shop *shop) {
    struct outcome outcome;
    assert_int_equal(submit_about(shop, COMMAND_READ_HOLD, shop->first, &outcome), STATUS_ok);
    assert_int_equal(outcome.hold.status, HOLD_CAPTURED);
    assert_int_equal(outcome.hold.captured, outcome.hold.amount);
    assert_true(id_equal(test_record(outcome).hold.id, shop->first));
    assert_int_equal(submit_about(shop, COMMAND_CAPTURE, shop->first, &outcome),
                     STATUS_hold_not_open);
    assert_int_equal(submit_about(shop, COMMAND_VOID, shop->first, &outcome), STATUS_hold_not_open);
    assert_int_equal(count_holds(shop, HOLD_CAPTURED), shop->captured);
    assert_int_equal(count_holds(shop, HOLD_VOIDED), shop->made - shop->captured);
    assert_int_equal(count_holds(shop, HOLD_OPEN), 0);
}

static void dump(const struct shop *shop, struct buffer *buffer) {
    const char *broken = books_audit(shop->books.engine);
    if (broken != NULL)
        fail_msg("%s", broken);
    buffer_reset(buffer);
    books_dump(shop->books.engine, buffer);
}

static void test_nobody_notices(void **state) {
    struct shop shop;
    struct buffer before = {0}, after = {0};
    (void)state;
    shop_open(&shop);
    const struct books *books = inner(&shop);
    trade_until(&shop, 4);
    assert_true(lies_in_file("ended.holds"));
    assert_true(lies_in_file("ended.withdrawals"));
    assert_true(ended_is_away(&books->ended_holds, 1));
    // Beside one that is pending everything stays.
    assert_false(ended_is_away(&books->ended_withdrawals, 2));
    assert_true(ended_memory_bytes(&books->ended_holds) + 4 * 256 * sizeof(struct hold_item) <=
                (uint64_t)table_count(&books->state.holds) * sizeof(struct hold_item));
    ask(&shop);
    for (int round = 0; round < 3; round++) {
        dump(&shop, &before);
        test_books_reopen(&shop.books);
        books = inner(&shop);
        assert_true(away(&books->ended_holds) >= 4);
        assert_true(lies_in_file("ended.holds"));
        dump(&shop, &after);
        if (!books_dump_equal(&before, &after))
            fail_msg("round %d", round);
        ask(&shop);
        trade_until(&shop, away(&books->ended_holds) + 1);
    }
    struct outcome outcome;
    assert_int_equal(submit_about(&shop, COMMAND_FAIL, shop.pending, &outcome), STATUS_ok);
    for (int i = 0; i < BATCHES_MAX && !ended_is_away(&books->ended_withdrawals, 2); i++) {
        trade(&shop);
        usleep(1000);
    }
    assert_true(ended_is_away(&books->ended_withdrawals, 2));
    assert_int_equal(submit_about(&shop, COMMAND_FAIL, shop.pending, &outcome),
                     STATUS_withdrawal_not_pending);
    test_books_remove(&shop.books);
    assert_false(lies_in_file("ended.holds"));
    buffer_done(&before);
    buffer_done(&after);
}

// The journal has everything: the next start reads it again, and what has ended leaves once more.
static void test_their_files_are_derived(void **state) {
    struct shop shop;
    struct buffer before = {0}, after = {0};
    char path[128], why[512];
    (void)state;
    shop_open(&shop);
    for (int round = 0; round < 4; round++) {
        trade_until(&shop, 2);
        dump(&shop, &before);
        (void)snprintf(path, sizeof(path), "%s/%s", shop.books.folder,
                       round % 2 == 0 ? "ended.holds" : "ended.withdrawals");
        shop.books.engine->port->close(shop.books.engine);
        if (round < 2)
            test_flip(path, round == 0 ? 5000 : 256 * 80 + 300, 0x10);
        else
            assert_int_equal(round == 2 ? unlink(path) : truncate(path, 4096), 0);
        struct embedded_options options = {.folder = shop.books.folder,
                                           .idempotency_days = 7,
                                           .segment_bytes = SEGMENT_BYTES,
                                           .checkpoint_bytes = 2 * SEGMENT_BYTES};
        assert_int_equal(embedded_open(&options, why, sizeof(why), &shop.books.engine), STATUS_ok);
        assert_int_equal(away(&inner(&shop)->ended_holds), 0);
        dump(&shop, &after);
        if (!books_dump_equal(&before, &after))
            fail_msg("round %d", round);
        ask(&shop);
    }
    test_books_remove(&shop.books);
    buffer_done(&before);
    buffer_done(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_notices),
        cmocka_unit_test(test_their_files_are_derived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
