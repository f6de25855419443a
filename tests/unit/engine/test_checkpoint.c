// SPDX-License-Identifier: MIT
// Checkpoints are written while the writer works, and a start from one ends where a replay of the
// whole journal ends. A damaged one is set aside.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread.h"
#include "books_dump.h"
#include "books_support.h"
#include "engine/embedded/books.h"

enum { SEGMENT_BYTES = 1 << 18, PER_BATCH = 40 };

static void path_of(const struct test_books *books, const char *name, char *ret_path) {
    (void)snprintf(ret_path, 128, "%s/%s", books->folder, name);
}

static bool has_checkpoint(const struct test_books *books) {
    char path[128];
    path_of(books, "checkpoint", path);
    return access(path, F_OK) == 0;
}

struct work {
    struct id ann, shop, hold, purchase, withdrawal;
    uint32_t number;
    char texts[64][16];
};

static void work_open(struct test_books *books, struct work *work) {
    *work = (struct work){0};
    test_books_open(books, SEGMENT_BYTES);
    test_count_habits(books);
    work->ann = test_wallet(books, "ann", WALLET_CUSTOMER);
    work->shop = test_wallet(books, "shop", WALLET_MERCHANT);
    (void)test_deposit(books, work->ann, 1000000000, "first");
    struct command command = test_move(books, COMMAND_PURCHASE, work->ann, work->shop, 1000000);
    work->purchase = test_record(test_submit(books, &command)).transaction.id;
    work->hold = test_hold(books, work->ann, work->shop, 1000000, 100000);
}

static struct slice text_of(struct work *work, const char *prefix) {
    char *text = work->texts[work->number % 64];
    (void)snprintf(text, 16, "%s%u", prefix, work->number++);
    return slice_of_text(text);
}

// A batch of everything: new wallets, holds, partial captures and refunds, changes.
static void work_once(struct test_books *books, struct work *work, bool atomic) {
    struct command commands[PER_BATCH];
    struct outcome outcomes[PER_BATCH];
    for (int i = 0; i < PER_BATCH; i++) {
        commands[i] = test_move(books, COMMAND_TRANSFER, work->ann, work->shop, 1 + i);
        switch (i % 10) {
        case 0: commands[i].type = COMMAND_HOLD, commands[i].expires_in_s = 100000; break;
        case 1: commands[i].type = COMMAND_WITHDRAWAL; break;
        case 2: commands[i].type = COMMAND_REFUND, commands[i].subject = work->purchase; break;
        case 3: commands[i].type = COMMAND_CAPTURE, commands[i].subject = work->hold; break;
        case 4:
            commands[i].type = COMMAND_DEPOSIT;
            commands[i].bank_id = text_of(work, "bank");
            break;
        case 5:
            commands[i].type = COMMAND_WALLET_OPEN;
            commands[i].owner = text_of(work, "owner");
            assert_true(currency_iso_find(SLICE("EUR"), &commands[i].currency));
            break;
        case 6:
            commands[i].type = COMMAND_WALLET_CHANGE;
            commands[i].has_credit_limit = true;
            commands[i].credit_limit = work->number;
            break;
        default: break;
        }
        commands[i].keep_open = true;
    }
    struct outcome whole = test_submit_batch(books, commands, outcomes, PER_BATCH, atomic, NULL);
    if (atomic)
        assert_int_equal(whole.status, STATUS_ok);
    assert_int_equal(outcomes[3].status, STATUS_ok);
}

// Works until a checkpoint was made while it went on.
static void work_until_checkpoint(struct test_books *books, struct work *work) {
    struct engine_stats stats = {0};
    for (int i = 0; i < 3000 && (stats.checkpoint_age_ms == 0 || i < 300); i++) {
        work_once(books, work, i % 3 == 0);
        books->engine->port->stats(books->engine, &stats);
        if (i > 200)
            usleep(1000); // no rest for the index: a segment lasts some twenty batches
    }
    assert_true(has_checkpoint(books));
    for (int i = 0; i < 10; i++)
        work_once(books, work, i % 2 == 0);
}

static void dump(struct test_books *books, struct buffer *buffer) {
    const char *broken = books_audit(books->engine);
    if (broken != NULL)
        fail_msg("%s", broken);
    buffer_reset(buffer);
    books_dump(books->engine, buffer);
}

static void test_a_start_from_it_is_a_replay_of_everything(void **state) {
    struct test_books books;
    struct work work;
    struct buffer before = {0}, after = {0};
    char path[128];
    (void)state;
    work_open(&books, &work);
    work_until_checkpoint(&books, &work);
    for (int round = 0; round < 3; round++) {
        dump(&books, &before);
        test_books_reopen(&books);
        dump(&books, &after);
        if (!books_dump_equal(&before, &after))
            fail_msg("round %d", round);
        for (int i = 0; i < 30; i++)
            work_once(&books, &work, i % 2 == 0);
    }
    dump(&books, &before);
    path_of(&books, "checkpoint", path);
    assert_int_equal(unlink(path), 0);
    test_books_reopen(&books);
    dump(&books, &after);
    assert_true(books_dump_equal(&before, &after));
    assert_int_equal(test_read_wallet(&books, work.ann).status, WALLET_ACTIVE);
    test_books_remove(&books);
    buffer_done(&before);
    buffer_done(&after);
}

// Wherever a byte is wrong or missing, the start finds the same books.
static void test_a_damaged_one_is_set_aside(void **state) {
    struct test_books books;
    struct work work;
    struct buffer before = {0}, after = {0};
    char path[128];
    struct stat file;
    (void)state;
    work_open(&books, &work);
    work_until_checkpoint(&books, &work);
    dump(&books, &before);
    path_of(&books, "checkpoint", path);
    for (int round = 0; round < 24; round++) {
        assert_int_equal(stat(path, &file), 0);
        off_t footer = file.st_size - 4096;
        off_t offset = round < 10 ? footer + round * 30 : footer * (round - 10) / 14 + round;
        books.engine->port->close(books.engine);
        if (round == 9)
            assert_int_equal(truncate(path, 0), 0);
        else if (round == 11)
            assert_int_equal(truncate(path, footer), 0);
        else if (round != 10)
            test_flip(path, offset, 0x10);
        struct embedded_options options = {.folder = books.folder,
                                           .idempotency_days = 7,
                                           .segment_bytes = SEGMENT_BYTES,
                                           .checkpoint_bytes = 2 * SEGMENT_BYTES};
        char why[512];
        assert_int_equal(embedded_open(&options, why, sizeof(why), &books.engine), STATUS_ok);
        dump(&books, &after);
        if (!books_dump_equal(&before, &after))
            fail_msg("round %d", round);
        if (round == 9 || round == 11) { // a new one, for the rounds to come
            assert_int_equal(unlink(path), 0);
            work_until_checkpoint(&books, &work);
            dump(&books, &before);
        } else if (round != 10) {
            test_flip(path, offset, 0x10);
        }
    }
    test_books_remove(&books);
    buffer_done(&before);
    buffer_done(&after);
}

// A checkpoint of this very moment, made by the keeper's own code while nobody else works.
static void checkpoint_now(struct books *inner, void (*before)(struct state *state),
                           void (*after)(struct state *state)) {
    struct landmark landmark = {0};
    assert_int_equal(pthread_mutex_lock(&inner->keeper_lock), 0);
    inner->keeper_stopping = true;
    assert_int_equal(pthread_cond_signal(&inner->keeper_wake), 0);
    assert_int_equal(pthread_mutex_unlock(&inner->keeper_lock), 0);
    assert_int_equal(pthread_join(inner->keeper, NULL), 0);
    struct index_stats stats;
    index_stats(inner->index, &stats);
    for (uint32_t i = 0; i < inner->landmark_count; i++)
        if (inner->landmarks[i].position <= stats.covered_position)
            landmark = inner->landmarks[i];
    assert_true(landmark.position != 0);
    before(&inner->state);
    assert_int_equal(checkpoint_write(inner, &landmark), STATUS_ok);
    after(&inner->state);
    inner->keeper_stopping = false;
    thread_start(&inner->keeper, "keeper", keeper_run, inner);
}

// As when a batch has added them and is taken back a moment later.
static void add_for_a_moment(struct state *state) {
    (void)table_add(&state->wallets);
    (void)table_add(&state->wallets);
    (void)table_add(&state->holds);
    (void)table_add(&state->withdrawals);
    (void)table_add(&state->parked);
    state->currencies[state->currency_count++].currency.code[0] = 'X';
}

static void take_back(struct state *state) {
    table_cut(&state->wallets, state->wallets.count - 2);
    table_cut(&state->holds, state->holds.count - 1);
    table_cut(&state->withdrawals, state->withdrawals.count - 1);
    table_cut(&state->parked, state->parked.count - 1);
    state->currencies[--state->currency_count] = (struct currency_account){0};
}

// As when wallets were counted a moment before the last one was there.
static void hide_wallet(struct state *state) {
    state->wallets.count--;
}

static void show_wallet(struct state *state) {
    state->wallets.count++;
}

// Parts are of different moments. What was there for one of them only, or of which a later part
// speaks already, is the same to the next start.
static void test_parts_of_different_moments_fit(void **state) {
    struct test_books books;
    struct work work;
    struct buffer before = {0}, after = {0};
    char path[128];
    (void)state;
    work_open(&books, &work);
    work_until_checkpoint(&books, &work);
    checkpoint_now((struct books *)books.engine, add_for_a_moment, take_back);
    dump(&books, &before);
    test_books_reopen(&books);
    dump(&books, &after);
    assert_true(books_dump_equal(&before, &after));
    work_until_checkpoint(&books, &work);
    struct id newcomer = test_wallet(&books, "newcomer", WALLET_CUSTOMER);
    (void)test_deposit(&books, newcomer, 1000, "newcomer");
    (void)test_hold(&books, newcomer, work.shop, 10, 100000);
    checkpoint_now((struct books *)books.engine, hide_wallet, show_wallet);
    dump(&books, &before);
    test_books_reopen(&books);
    dump(&books, &after);
    assert_true(books_dump_equal(&before, &after));
    // Nothing that was never there has taken a place: the whole journal says the same.
    books.engine->port->close(books.engine);
    path_of(&books, "checkpoint", path);
    assert_int_equal(unlink(path), 0);
    struct embedded_options options = {.folder = books.folder,
                                       .idempotency_days = 7,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .checkpoint_bytes = 2 * SEGMENT_BYTES};
    char why[512];
    assert_int_equal(embedded_open(&options, why, sizeof(why), &books.engine), STATUS_ok);
    dump(&books, &after);
    assert_true(books_dump_equal(&before, &after));
    test_books_remove(&books);
    buffer_done(&before);
    buffer_done(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_from_it_is_a_replay_of_everything),
        cmocka_unit_test(test_a_damaged_one_is_set_aside),
        cmocka_unit_test(test_parts_of_different_moments_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
