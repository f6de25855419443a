// SPDX-License-Identifier: MIT
// Numbers of records: rounds of two shards never have one in common, however much they do in a
// millisecond, and however many records a round has.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/postgres/link/number.h"

#define SHARDS 16
#define ROUNDS 400
#define MOST   30000 // records of a round
#define MS     UINT64_C(1700000000000) // divides by 64

static bool is_whole(uint64_t ms) {
    return ms % NUMBER_WHOLE_EVERY == NUMBER_WHOLE_EVERY - 1;
}

static bool is_own(uint64_t number, uint32_t shard) {
    uint64_t ms = number >> NUMBER_TIME_SHIFT;
    return is_whole(ms) ? ms / NUMBER_WHOLE_EVERY % SHARDS == shard
                        : (number >> NUMBER_SHARD_SHIFT) % SHARDS == shard;
}

static void rounds_keep_to_the_numbers_of_their_shard(void **state) {
    (void)state;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        uint64_t last = 0, ms = MS, random = shard + 1;
        for (int i = 0; i < ROUNDS; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            uint64_t most = i % 5 == 0 ? MOST : NUMBER_SHARD_COUNT;
            uint64_t count = 1 + (random >> 33) % most;
            uint64_t first = number_of_round(last, ms, shard, count);
            assert_true(first > last && first >= number_of_time(ms));
            assert_true(is_own(first, shard) && is_own(first + count - 1, shard));
            assert_int_equal(number_shard(first), shard);
            assert_int_equal(number_shard(first + count - 1), shard);
            assert_int_equal(first >> NUMBER_TIME_SHIFT,
                             (first + count - 1) >> NUMBER_TIME_SHIFT);
            uint64_t from = last >> NUMBER_TIME_SHIFT > ms ? last >> NUMBER_TIME_SHIFT : ms;
            assert_true((first >> NUMBER_TIME_SHIFT) - from <= NUMBER_WHOLE_CYCLE);
            last = first + count - 1;
            ms += i % 3; // many rounds in a millisecond
        }
    }
}

static void a_round_goes_on_in_its_millisecond_while_there_is_room(void **state) {
    (void)state;
    uint64_t own = number_of_time(MS) + 3 * NUMBER_SHARD_COUNT;
    assert_int_equal(number_of_round(0, MS, 3, 1), own);
    assert_int_equal(number_of_round(own + 9, MS, 3, 100), own + 10);
    assert_int_equal(number_of_round(own + 9, MS, 3, NUMBER_SHARD_COUNT - 10), own + 10);
    uint64_t next = number_of_time(MS + 1) + 3 * NUMBER_SHARD_COUNT;
    assert_int_equal(number_of_round(own + 9, MS, 3, NUMBER_SHARD_COUNT - 9), next);
    assert_int_equal(number_of_round(own + 9, MS + 1, 3, NUMBER_SHARD_COUNT), next);
}

static void what_was_made_before_is_behind_it(void **state) {
    (void)state;
    // Another shard's numbers, of a round that had too many; and clocks that went back.
    uint64_t beyond = number_of_time(MS) + 5 * NUMBER_SHARD_COUNT + 17;
    assert_int_equal(number_of_round(beyond, MS, 4, 1),
                     number_of_time(MS + 1) + 4 * NUMBER_SHARD_COUNT);
    assert_int_equal(number_of_round(beyond, MS - 50, 6, 1),
                     number_of_time(MS) + 6 * NUMBER_SHARD_COUNT);
}

static void a_round_of_many_records_has_a_millisecond_of_its_own(void **state) {
    (void)state;
    uint64_t many = NUMBER_SHARD_COUNT + 1, third = number_of_time(MS + 3 + 3 * 4);
    assert_int_equal(number_of_round(0, MS, 3, many), third);
    assert_int_equal(number_of_round(third - 1, MS, 3, many), third);
    assert_int_equal(number_of_round(0, MS + 15, 3, many), third);
    assert_int_equal(number_of_round(0, MS + 16, 3, many), third + number_of_time(64));
    // The next such round comes a cycle later, and others behind it.
    assert_int_equal(number_of_round(third + many - 1, MS, 3, many), third + number_of_time(64));
    assert_int_equal(number_of_round(third + many - 1, MS, 3, 1),
                     number_of_time(MS + 16) + 3 * NUMBER_SHARD_COUNT);
    // Nobody else begins in a millisecond that is one shard's.
    assert_int_equal(number_of_round(0, MS + 3, 5, 1),
                     number_of_time(MS + 4) + 5 * NUMBER_SHARD_COUNT);
    uint64_t own = number_of_time(MS + 2) + 5 * NUMBER_SHARD_COUNT;
    assert_int_equal(number_of_round(own + 5, MS + 2, 5, NUMBER_SHARD_COUNT),
                     number_of_time(MS + 4) + 5 * NUMBER_SHARD_COUNT);
}

static void the_time_of_a_round_is_that_of_its_numbers(void **state) {
    (void)state;
    for (uint64_t ms = MS; ms < MS + 8; ms++) {
        uint64_t time_ms = number_round_time(ms);
        assert_in_range(time_ms, ms, ms + 1);
        assert_int_equal(number_round_time(time_ms), time_ms);
        assert_int_equal(number_of_round(0, time_ms, 2, 1) >> NUMBER_TIME_SHIFT, time_ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_keep_to_the_numbers_of_their_shard),
        cmocka_unit_test(a_round_goes_on_in_its_millisecond_while_there_is_room),
        cmocka_unit_test(what_was_made_before_is_behind_it),
        cmocka_unit_test(a_round_of_many_records_has_a_millisecond_of_its_own),
        cmocka_unit_test(the_time_of_a_round_is_that_of_its_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
