// SPDX-License-Identifier: MIT
// Arenas: alignment, growth, and that a reset gives the same memory again and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "expect_stop.h"

static void takes_are_aligned_and_apart(void **state) {
    struct arena arena;
    arena_init(&arena, 100); // no multiple of the alignment
    uint8_t *taken[200];
    for (size_t i = 0; i < 200; i++) {
        taken[i] = arena_take(&arena, i % 23);
        assert_int_equal((uintptr_t)taken[i] % 16, 0);
        memset(taken[i], (int)i, i % 23);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t at = 0; at < i % 23; at++)
            assert_int_equal(taken[i][at], (uint8_t)i);
    arena_done(&arena);
}

static void larger_than_a_block(void **state) {
    struct arena arena;
    arena_init(&arena, 64);
    uint8_t *large = arena_take(&arena, 1000);
    uint8_t *small = arena_take(&arena, 8);
    memset(large, 1, 1000);
    memset(small, 2, 8);
    assert_int_equal(large[999], 1);
    arena_done(&arena);
}

static void reset_keeps_only_the_first_block(void **state) {
    struct arena arena;
    arena_init(&arena, 256);
    void *first = arena_take(&arena, 16);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++)
            memset(arena_take(&arena, 48), round, 48);
        memset(arena_take(&arena, 5000), round, 5000);
        arena_reset(&arena);
        assert_ptr_equal(arena_take(&arena, 16), first);
        assert_ptr_equal(arena.first, arena.current);
    }
    arena_done(&arena);
}

// One big request must not make the arena big for ever.
static void big_first_wish_is_not_kept(void **state) {
    struct arena arena;
    arena_init(&arena, 64);
    (void)arena_take(&arena, 100000);
    arena_reset(&arena);
    void *first = arena_take(&arena, 64);
    void *second = arena_take(&arena, 64); // the kept block has room for one only
    assert_ptr_not_equal(first, second);
    assert_ptr_not_equal(arena.first, arena.current);
    arena_done(&arena);
}

static void reset_and_done_of_an_unused_arena(void **state) {
    struct arena arena;
    arena_init(&arena, 64);
    arena_reset(&arena);
    arena_done(&arena);
    arena_done(&arena);
}

static void copies_survive_their_source(void **state) {
    struct arena arena;
    arena_init(&arena, 64);
    char source[] = "ab\0cd";
    struct slice copy = arena_copy(&arena, slice_of(source, 5));
    source[0] = 'x';
    assert_int_equal(copy.size, 5);
    assert_memory_equal(copy.bytes, "ab\0cd", 5);
    struct slice nothing = arena_copy(&arena, slice_of(NULL, 0));
    assert_int_equal(nothing.size, 0);
    arena_done(&arena);
}

static void asking_ahead_changes_nothing(void **state) {
    struct arena arena;
    arena_init(&arena, 64);
    arena_ahead(&arena, 1000); // nothing is there yet, and nothing is made
    assert_null(arena.first);
    char *first = arena_take(&arena, 16);
    first[0] = 'a';
    arena_ahead(&arena, 1000); // also beyond its end
    assert_int_equal(first[0], 'a');
    assert_ptr_equal((char *)arena_take(&arena, 16), first + 16);
    arena_done(&arena);
}

static void take_nonsense(void *context) {
    struct arena arena;
    arena_init(&arena, 64);
    (void)arena_take(&arena, SIZE_MAX - 4); // rounding it up would give a small number
}

static void nonsense_sizes_stop(void **state) {
    expect_stop(take_nonsense, NULL, "PTRDIFF_MAX");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_aligned_and_apart),
        cmocka_unit_test(larger_than_a_block),
        cmocka_unit_test(reset_keeps_only_the_first_block),
        cmocka_unit_test(big_first_wish_is_not_kept),
        cmocka_unit_test(reset_and_done_of_an_unused_arena),
        cmocka_unit_test(copies_survive_their_source),
        cmocka_unit_test(asking_ahead_changes_nothing),
        cmocka_unit_test(nonsense_sizes_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
