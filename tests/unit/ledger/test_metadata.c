// SPDX-License-Identifier: MIT
// Encoded metadata: well formed, sorted, within bounds, or not valid.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"
#include "ledger/metadata.h"

static void add(struct buffer *buffer, size_t name_bytes, uint8_t name, size_t value_bytes) {
    uint8_t head[3] = {(uint8_t)name_bytes, (uint8_t)value_bytes, (uint8_t)(value_bytes >> 8)};
    buffer_add(buffer, head, 3);
    memset(buffer_room(buffer, name_bytes + value_bytes), name, name_bytes + value_bytes);
    buffer->size += name_bytes + value_bytes;
}

static bool valid(struct buffer *buffer) {
    // Copied to its exact size, so that the sanitizer sees a step too far.
    uint8_t *copy = memory_take(buffer->size);
    memcpy(copy, buffer->bytes, buffer->size);
    bool is_valid = metadata_is_valid(slice_of(copy, buffer->size));
    memory_free(copy);
    buffer_reset(buffer);
    return is_valid;
}

static void test_bounds(void **state) {
    struct buffer buffer = {0};
    (void)state;
    assert_true(metadata_is_valid((struct slice){0}));
    add(&buffer, 1, 'a', 0);
    assert_true(valid(&buffer));
    add(&buffer, LIMIT_METADATA_NAME_BYTES_MAX, 'a', LIMIT_METADATA_VALUE_BYTES_MAX);
    assert_true(valid(&buffer));
    add(&buffer, LIMIT_METADATA_NAME_BYTES_MAX + 1, 'a', 1);
    assert_false(valid(&buffer));
    add(&buffer, 1, 'a', LIMIT_METADATA_VALUE_BYTES_MAX + 1);
    assert_false(valid(&buffer));
    add(&buffer, 0, 'a', 1);
    assert_false(valid(&buffer));
    buffer_done(&buffer);
}

static void test_order(void **state) {
    struct buffer buffer = {0};
    (void)state;
    add(&buffer, 1, 'a', 1);
    add(&buffer, 2, 'a', 1); // "a" before "aa"
    add(&buffer, 1, 'b', 1);
    assert_true(valid(&buffer));
    add(&buffer, 1, 'b', 1);
    add(&buffer, 1, 'a', 1);
    assert_false(valid(&buffer));
    add(&buffer, 1, 'a', 1);
    add(&buffer, 1, 'a', 2);
    assert_false(valid(&buffer));
    add(&buffer, 1, 0x7f, 1);
    add(&buffer, 1, 0x80, 1); // bytes are compared unsigned
    assert_true(valid(&buffer));
    buffer_done(&buffer);
}

static void test_at_most_so_many_and_cut_anywhere(void **state) {
    struct buffer buffer = {0};
    (void)state;
    for (int count = 31; count <= 33; count++) {
        for (int i = 0; i < count; i++)
            add(&buffer, 1, (uint8_t)(' ' + i), 1);
        assert_int_equal(valid(&buffer), count <= LIMIT_METADATA_ENTRIES_MAX);
    }
    add(&buffer, 5, 'a', 300);
    add(&buffer, 5, 'b', 7);
    size_t whole = buffer.size;
    for (size_t size = 1; size < whole; size++) {
        uint8_t *copy = memory_take(size);
        memcpy(copy, buffer.bytes, size);
        assert_int_equal(metadata_is_valid(slice_of(copy, size)), size == 308);
        memory_free(copy);
    }
    buffer_done(&buffer);
}

static void test_walking(void **state) {
    struct buffer buffer = {0};
    struct slice name, value;
    (void)state;
    add(&buffer, 1, 'a', 256);
    add(&buffer, 2, 'b', 0);
    struct slice rest = buffer_slice(&buffer);
    assert_true(metadata_next(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("a")));
    assert_int_equal(value.size, 256);
    assert_true(metadata_next(&rest, &name, &value));
    assert_true(slice_equal(name, SLICE("bb")));
    assert_int_equal(value.size, 0);
    assert_false(metadata_next(&rest, &name, &value));
    buffer_done(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_at_most_so_many_and_cut_anywhere),
        cmocka_unit_test(test_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
