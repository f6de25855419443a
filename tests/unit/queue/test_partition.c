// SPDX-License-Identifier: MIT
// Keys and partitions as Kafka's Java client has them: its own test vectors, and those of
// docs/kafka.md.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "queue/partition.h"

static void test_vectors_of_the_java_client(void **state) {
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_int_equal((int32_t)partition_hash(slice_of_text(vectors[i].key)), vectors[i].hash);
}

static void test_slots_are_their_own_keys(void **state) {
    char text[8];
    uint32_t slot;
    (void)state;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        size_t size = partition_key_of_slot(i, text);
        assert_true(partition_slot_of_key(slice_of(text, size), &slot));
        assert_int_equal(slot, i);
        assert_true(partition_of_key(slice_of(text, size), 12) < 12);
    }
    static const char *const others[] = {"", "01", "1024", "12345", "-1", "1 ", "a", "+1", "00"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(partition_slot_of_key(slice_of_text(others[i]), &slot));
}

static void test_every_partition_has_slots(void **state) {
    uint32_t counts[64] = {0};
    char text[8];
    (void)state;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++)
        counts[partition_of_key(slice_of(text, partition_key_of_slot(i, text)), 64)]++;
    for (int i = 0; i < 64; i++)
        assert_true(counts[i] > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_java_client),
        cmocka_unit_test(test_slots_are_their_own_keys),
        cmocka_unit_test(test_every_partition_has_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
