// SPDX-License-Identifier: MIT
// What the headers of a read allow, and that nobody is allowed less than his own writes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/door.h"
#include "api/loop.h"
#include "api/positions.h"

static struct freshness read_headers(struct positions *positions, const char *cache_control,
                                     const char *position) {
    struct api api = {.positions = positions};
    static struct api_loop loop;
    static struct asking asking;
    asking = (struct asking){.loop = &loop, .principal.who.bytes = {7}};
    struct freshness freshness;
    loop.api = &api;
    if (cache_control != NULL)
        asking.headers.cache_control = slice_of_text(cache_control);
    if (position != NULL)
        asking.headers.position = slice_of_text(position);
    assert_true(freshness_of(&asking, &freshness));
    return freshness;
}

static void cache_control_allows_an_age(void **state) {
    static const struct {
        const char *header;
        uint64_t age_ms;
    } cases[] = {
        {NULL, 0},
        {"", 0},
        {"max-age=0", 0},
        {"max-age=5", 5000},
        {"Max-Age=5", 5000},
        {"no-transform, max-age=7 ", 7000},
        {"max-age=9,max-age=3", 3000},
        {"max-age=5, no-cache", 0},
        {"no-store,max-age=5", 0},
        {"max-age=x", 0},
        {"max-age=-1", 0},
        {"max-age=1.5", 0},
        {"max-age", 0},
        {"max-stale=5", 0},
        {",,, max-age=1,", 1000},
        {"max-age=99999999999999999999999999", 86400000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct freshness freshness = read_headers(NULL, cases[i].header, NULL);
        if (freshness.age_ms_max != cases[i].age_ms)
            fail_msg("\"%s\" allows %llu ms", cases[i].header,
                     (unsigned long long)freshness.age_ms_max);
        assert_true(position_is_none(freshness.after));
    }
}

static void a_position_is_enough(void **state) {
    struct freshness freshness = read_headers(NULL, NULL, "2-1a0");
    assert_int_equal(freshness.after.epoch, 2);
    assert_int_equal(freshness.after.place, 0x1a0);
    assert_true(freshness.age_ms_max == UINT64_MAX);
    freshness = read_headers(NULL, "max-age=4", "2-1a0"); // both hold
    assert_int_equal(freshness.after.place, 0x1a0);
    assert_int_equal(freshness.age_ms_max, 4000);
    freshness = read_headers(NULL, "no-cache", "2-1a0"); // as of now
    assert_int_equal(freshness.age_ms_max, 0);
    freshness = read_headers(NULL, "no-transform", "2-1a0");
    assert_true(freshness.age_ms_max == UINT64_MAX);
}

static void each_shard_has_a_place(void **state) {
    struct freshness freshness = read_headers(NULL, NULL, "a1:3:2-1a0.ffffffff:10:1-0");
    assert_true(freshness.age_ms_max == UINT64_MAX && position_is_none(freshness.after));
    const struct standing_place *place = standing_find(freshness.standing, 0xa1);
    assert_int_equal(place->slots, 3);
    assert_int_equal(place->position.epoch, 2);
    assert_int_equal(place->position.place, 0x1a0);
    place = standing_find(freshness.standing, UINT32_MAX);
    assert_int_equal(place->slots, 16);
    assert_int_equal(place->position.epoch, 1);
    assert_null(standing_find(freshness.standing, 0xa2));
    // One that is said twice counts as the later of the two.
    freshness = read_headers(NULL, NULL, "a1:3:2-1a0.a1:4:2-10");
    assert_int_equal(freshness.standing->count, 1);
    assert_int_equal(freshness.standing->places[0].slots, 4);
    assert_int_equal(freshness.standing->places[0].position.place, 0x1a0);
}

static void own_writes_are_demanded(void **state) {
    struct positions *positions = positions_open();
    struct id key = {.bytes = {7}};
    const struct standing stand = {.count = 1, .places[0] = {.position = {2, 500}}};
    positions_note(positions, key, &stand);
    assert_int_equal(read_headers(positions, "max-age=4", NULL).after.place, 500);
    assert_int_equal(read_headers(positions, NULL, "2-1").after.place, 500);
    assert_int_equal(read_headers(positions, NULL, "3-1").after.epoch, 3);
    assert_true(position_is_none(read_headers(positions, NULL, NULL).after)); // as of now anyway
    positions_close(positions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_control_allows_an_age),
        cmocka_unit_test(a_position_is_enough),
        cmocka_unit_test(each_shard_has_a_place),
        cmocka_unit_test(own_writes_are_demanded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
