// SPDX-License-Identifier: MIT
// A key's own writes are remembered, and what the table cannot hold makes answers stricter.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/positions.h"

static struct id key_of(uint64_t number) {
    struct id id = {.bytes = {1}};
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static void note(struct positions *positions, uint64_t key, uint32_t shard, uint64_t epoch,
                 uint64_t place) {
    const struct standing stand = {
        .count = 1, .places[0] = {.shard = shard, .slots = 5, .position = {epoch, place}}};
    positions_note(positions, key_of(key), &stand);
}

static struct position get(struct positions *positions, uint64_t key, uint32_t shard) {
    struct standing stand = {.count = 0};
    assert_true(positions_get(positions, key_of(key), &stand));
    const struct standing_place *place = standing_find(&stand, shard);
    if (place != NULL)
        assert_int_equal(place->slots, 0); // whatever they are
    return place == NULL ? (struct position){0} : place->position;
}

static void the_latest_is_kept(void **state) {
    struct positions *positions = positions_open();
    assert_true(position_is_none(get(positions, 1, 0)));
    note(positions, 1, 0, 1, 50);
    note(positions, 1, 0, 1, 40); // another loop was faster
    assert_int_equal(get(positions, 1, 0).place, 50);
    note(positions, 1, 0, 2, 10); // a new timeline is later
    assert_int_equal(get(positions, 1, 0).epoch, 2);
    assert_int_equal(get(positions, 1, 0).place, 10);
    positions_close(positions);
}

static void each_shard_has_its_own(void **state) {
    struct positions *positions = positions_open();
    for (uint32_t shard = 1; shard <= STANDING_PLACES_MAX; shard++)
        note(positions, 1, shard, 1, 100 + shard);
    note(positions, 1, 3, 1, 7);
    note(positions, 1, 4, 1, 777);
    assert_int_equal(get(positions, 1, 1).place, 101);
    assert_int_equal(get(positions, 1, 3).place, 103);
    assert_int_equal(get(positions, 1, 4).place, 777);
    assert_int_equal(get(positions, 1, STANDING_PLACES_MAX).place, 100 + STANDING_PLACES_MAX);
    // What a client says of other shards has no room beside that.
    struct standing said = {
        .count = 1, .places[0] = {.shard = 99, .slots = 1, .position = {1, 1}}};
    assert_false(positions_get(positions, key_of(1), &said));
    assert_int_equal(said.count, STANDING_PLACES_MAX);
    positions_close(positions);
}

static void nobody_is_forgotten_to_his_harm(void **state) {
    struct positions *positions = positions_open();
    enum { KEYS = 20000 };
    for (uint64_t i = 0; i < KEYS; i++)
        note(positions, i, (uint32_t)(i % 3), 1, i + 1);
    for (uint64_t i = 0; i < KEYS; i++)
        assert_true(
            position_reaches(get(positions, i, (uint32_t)(i % 3)), (struct position){1, i + 1}));
    // The last ones are still known exactly.
    assert_int_equal(get(positions, KEYS - 1, (KEYS - 1) % 3).place, KEYS);
    positions_close(positions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_is_kept),
        cmocka_unit_test(each_shard_has_its_own),
        cmocka_unit_test(nobody_is_forgotten_to_his_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
