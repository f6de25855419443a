// SPDX-License-Identifier: MIT
// Plans of which slots move: they even out slots, load and size, touch no more than they must, and
// are the same for the same books.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/postgres/shard/shard_plan.h"

struct books {
    struct plan_slot slots[LIMIT_SLOTS];
    struct plan plan;
};

static struct books *books_on(uint32_t shards) {
    struct books *books = calloc(1, sizeof(*books));
    assert_non_null(books);
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        books->slots[i] = (struct plan_slot){.owner = (uint8_t)(i * shards / LIMIT_SLOTS),
                                             .begun = SHARD_NOBODY,
                                             .stays = i == 0,
                                             .load = 50,
                                             .size = 2000};
    return books;
}

// Carries the plan out; nothing moves twice, nor what stays, nor from where it is not.
static void carry_out(struct books *books, uint32_t shards) {
    bool moved[LIMIT_SLOTS] = {false};
    plan_make(books->slots, shards, 0, &books->plan);
    for (uint32_t i = 0; i < books->plan.count; i++) {
        const struct plan_move *move = &books->plan.moves[i];
        assert_false(moved[move->slot] || books->slots[move->slot].stays);
        assert_int_equal(books->slots[move->slot].owner, move->from);
        assert_true(move->to < shards && move->to != move->from);
        books->slots[move->slot].owner = move->to;
        moved[move->slot] = true;
    }
}

static void is_even(const struct books *books, uint32_t shards, uint32_t most) {
    for (int m = 0; m < PLAN_MEASURES; m++)
        assert_in_range(plan_fullest(&books->plan.after, shards, m), 100, most);
}

static void what_is_even_stays(void **state) {
    (void)state;
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        struct books *books = books_on(shards);
        plan_make(books->slots, shards, 0, &books->plan);
        assert_int_equal(books->plan.count, 0);
        free(books);
    }
}

static void an_empty_shard_gets_its_share(void **state) {
    (void)state;
    struct books *books = books_on(2);
    carry_out(books, 3);
    assert_in_range(books->plan.count, 330, 342);
    is_even(books, 3, 103);
    for (uint32_t i = 0; i < books->plan.count; i++)
        assert_int_equal(books->plan.moves[i].to, 2);
    // Carried out, there is nothing to do; half of it carried out, the rest is.
    plan_make(books->slots, 3, 0, &books->plan);
    assert_int_equal(books->plan.count, 0);
    free(books);
}

// What was archived there neither goes nor does anything come to it.
static void a_closed_shard_is_left_alone(void **state) {
    (void)state;
    struct books *books = books_on(2);
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        books->slots[i].stays = books->slots[i].stays || books->slots[i].owner == 1;
    books->slots[5].begun = 1;
    plan_make(books->slots, 3, 1u << 1, &books->plan);
    assert_in_range(books->plan.count, 170, 257);
    for (uint32_t i = 0; i < books->plan.count; i++) {
        assert_int_equal(books->plan.moves[i].from, 0);
        assert_int_equal(books->plan.moves[i].to, 2);
    }
    free(books);
}

static void a_plan_broken_off_goes_on(void **state) {
    (void)state;
    struct books *books = books_on(2);
    plan_make(books->slots, 3, 0, &books->plan);
    uint32_t all = books->plan.count, half = all / 2;
    for (uint32_t i = 0; i < half; i++)
        books->slots[books->plan.moves[i].slot].owner = books->plan.moves[i].to;
    books->slots[777].begun = 2; // in the middle of that one
    carry_out(books, 3);
    assert_int_equal(books->plan.count, all - half);
    assert_int_equal(books->plan.moves[0].slot, 777);
    is_even(books, 3, 103);
    free(books);
}

static void load_and_size_are_spread_too(void **state) {
    (void)state;
    struct books *books = books_on(4);
    uint64_t random = 99;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) { // few slots have most, and most of them are on one
        random = random * 6364136223846793005 + 1442695040888963407;
        books->slots[i].load = random >> 33 & 63;
        books->slots[i].size = random >> 43 & 4095;
        if (i < 256 && i % 8 == 0)
            books->slots[i].load += 2000;
        if (i >= 768 && i % 4 == 0)
            books->slots[i].size += 90000;
    }
    carry_out(books, 4);
    assert_true(plan_fullest(&books->plan.before, 4, PLAN_LOAD) > 200);
    assert_true(plan_fullest(&books->plan.before, 4, PLAN_SIZE) > 200);
    is_even(books, 4, 105);
    free(books);
}

// One slot has more than a shard's share of the load: others make room for it.
static void a_hot_slot_keeps_its_shard_to_itself(void **state) {
    (void)state;
    struct books *books = books_on(2);
    books->slots[5].load = 1000000;
    carry_out(books, 2);
    assert_int_equal(books->slots[5].owner, 0);
    assert_true(books->plan.count > 0);
    for (uint32_t i = 0; i < books->plan.count; i++)
        assert_int_equal(books->plan.moves[i].to, 1);
    free(books);
}

// Of ten payments a minute nobody can say which slots they are in.
static void too_little_says_nothing(void **state) {
    (void)state;
    struct books *books = books_on(2);
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        books->slots[i].load = books->slots[i].size = i < 10;
    plan_make(books->slots, 2, 0, &books->plan);
    assert_int_equal(books->plan.count, 0);
    assert_int_equal(plan_fullest(&books->plan.before, 2, PLAN_LOAD), 100);
    free(books);
}

static void the_same_books_have_the_same_plan(void **state) {
    (void)state;
    struct books *one = books_on(3), *two = books_on(3);
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        one->slots[i].size = two->slots[i].size = i * 37 % 5000;
    plan_make(one->slots, 5, 0, &one->plan);
    plan_make(two->slots, 5, 0, &two->plan);
    assert_true(one->plan.count > 0);
    assert_memory_equal(&one->plan, &two->plan, sizeof(one->plan));
    free(one);
    free(two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_even_stays),
        cmocka_unit_test(an_empty_shard_gets_its_share),
        cmocka_unit_test(a_closed_shard_is_left_alone),
        cmocka_unit_test(a_plan_broken_off_goes_on),
        cmocka_unit_test(load_and_size_are_spread_too),
        cmocka_unit_test(a_hot_slot_keeps_its_shard_to_itself),
        cmocka_unit_test(too_little_says_nothing),
        cmocka_unit_test(the_same_books_have_the_same_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
