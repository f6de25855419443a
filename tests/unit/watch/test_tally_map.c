// SPDX-License-Identifier: MIT
// The map of things against a list, with ids that collide, and the set of keys against its own
// promises.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "watch/tally_map.h"
#include "watch/tally_seen.h"

#define THINGS 3000

struct thing {
    struct id id;
    uint64_t value;
};

static struct id id_of(uint64_t number, uint64_t ways) {
    struct id id = {{0}};
    uint64_t half = (number % ways) * UINT64_C(0x0123456789abcdef);
    id.bytes[0] = 1;
    memcpy(id.bytes + 1, &number, 6);
    memcpy(id.bytes + 8, &half, sizeof(half));
    return id;
}

// Ids of which many share their random half.
static void test_the_map_finds_what_a_list_finds(void **state) {
    for (uint64_t ways = 1; ways <= 4096; ways *= 8) {
        struct tally_map map;
        uint32_t *indexes = memory_take_zeroed(THINGS * sizeof(*indexes));
        uint64_t random = ways, count = 0;
        tally_map_init(&map, sizeof(struct thing));
        for (uint32_t step = 0; step < (ways < 64 ? 6000 : 40000); step++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            uint64_t number = (random >> 33) % (ways < 64 ? 300 : THINGS);
            struct id id = id_of(number, ways);
            assert_int_equal(tally_map_find(&map, id), indexes[number]);
            if (indexes[number] == 0) {
                indexes[number] = tally_map_add(&map, id);
                struct thing *thing = tally_map_at(&map, indexes[number]);
                assert_int_equal(thing->value, 0);
                thing->value = number;
                count++;
            } else if ((random >> 20 & 3) != 0) {
                const struct thing *thing = tally_map_at(&map, indexes[number]);
                assert_int_equal(thing->value, number);
                tally_map_remove(&map, indexes[number]);
                indexes[number] = 0;
                count--;
            }
            assert_int_equal(map.count, count);
        }
        uint64_t walked = 0;
        for (uint32_t index = 0; (index = tally_map_next(&map, index)) != 0; walked++) {
            const struct thing *thing = tally_map_at(&map, index);
            assert_int_equal(indexes[thing->value], index);
        }
        assert_int_equal(walked, count);
        tally_map_done(&map);
        memory_free(indexes);
    }
}

struct asked {
    const uint64_t *hashes;
    uint64_t hash;
    uint64_t times;
};

static bool is_same(void *context, uint64_t position) {
    struct asked *asked = context;
    asked->times++;
    return asked->hashes[position / 8] == asked->hash;
}

static void test_the_set_knows_each_key_once(void **state) {
    const uint64_t count = 20000;
    struct tally_seen seen;
    uint64_t *hashes = memory_take_zeroed((count + 1) * sizeof(*hashes));
    struct asked asked = {.hashes = hashes};
    tally_seen_init(&seen, count);
    for (uint64_t i = 1; i <= count; i++) {
        hashes[i] = i * UINT64_C(0x9E3779B97F4A7C15);
        if (i % 3 == 0)
            hashes[i] = hashes[i - 1] ^ UINT64_C(1) << 20; // same tag, nearly the same home
        asked.hash = hashes[i];
        assert_false(tally_seen_add(&seen, hashes[i], i * 8, is_same, &asked));
    }
    assert_true(asked.times < count); // mostly not in vain
    for (uint64_t i = 1; i <= count; i += 7) {
        asked.hash = hashes[i];
        assert_true(tally_seen_add(&seen, hashes[i], (count + 1) * 8, is_same, &asked));
    }
    assert_int_equal(seen.count, count);
    tally_seen_done(&seen);
    memory_free(hashes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_map_finds_what_a_list_finds),
        cmocka_unit_test(test_the_set_knows_each_key_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
