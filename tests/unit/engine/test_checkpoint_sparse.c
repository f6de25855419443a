// SPDX-License-Identifier: MIT
// Tables that are mostly 0 come back from a checkpoint as they were, whatever the chunks they were
// written in; and what does not hold is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/checkpoint/checkpoint_sparse.h"
#include "fake_disk.h"

enum { ITEMS_MAX = 500, CHUNK_BYTES = 1024 };

static uint64_t stream;

static uint64_t some(uint64_t most) {
    stream = stream * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (stream >> 33) % most;
}

// Items of so many words; the first word is the sequence, which is even.
static void table_fill(struct table *table, uint32_t words, uint32_t count, uint32_t one_in) {
    table_init(table, words * 8, ITEMS_MAX + 2);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *item = table_at(table, table_add(table));
        item[0] = 2 * some(3);
        for (uint32_t k = 1; k < words; k++)
            item[k] = some(one_in) == 0 ? some(UINT32_MAX) << some(32) : 0;
    }
}

static void table_like(struct table *table, const struct table *other) {
    table_init(table, other->item_bytes, other->count_max);
    while (table->count < other->count)
        (void)table_add(table);
}

static enum status read_back(struct disk_file *file, const struct sparse_section *section,
                             const struct table *wanted, bool *ret_same) {
    struct table table;
    uint64_t offset = 3;
    table_like(&table, wanted);
    enum status status = sparse_read(file, &offset, section, &table);
    *ret_same = memcmp(table.bytes + table.item_bytes, wanted->bytes + wanted->item_bytes,
                       (size_t)(wanted->count - 1) * wanted->item_bytes) == 0;
    if (status == STATUS_ok)
        assert_int_equal(offset, 3 + section->bytes);
    table_done(&table);
    return status;
}

static void write_at_3(struct disk *disk, const struct table *table, struct disk_file **ret_file,
                       struct sparse_section *ret_section) {
    uint8_t chunk[CHUNK_BYTES];
    uint64_t offset = 3;
    assert_int_equal(disk->driver->remove(disk, "sparse"), STATUS_ok);
    assert_int_equal(disk->driver->open(disk, "sparse", true, ret_file), STATUS_ok);
    assert_int_equal(sparse_write(*ret_file, &offset, chunk, sizeof(chunk), table, table->count, 0,
                                  ret_section),
                     STATUS_ok);
    assert_int_equal(offset, 3 + ret_section->bytes);
}

static void tables_come_back_as_they_were(void **state) {
    static const uint32_t words[] = {1, 2, 39, 40, 63, 64};
    for (uint32_t i = 0; i < 60; i++) {
        struct disk *disk = fake_disk_open(1);
        struct disk_file *file;
        struct sparse_section section;
        struct table table;
        bool same;
        stream = i;
        table_fill(&table, words[i % 6], (uint32_t)some(ITEMS_MAX), 1 + i % 7);
        write_at_3(disk, &table, &file, &section);
        assert_int_equal(read_back(file, &section, &table, &same), STATUS_ok);
        assert_true(same);
        disk->driver->close(file);
        disk->driver->done(disk);
        table_done(&table);
    }
}

// Whatever bit is another one, and whatever the length is said to be.
static void what_does_not_hold_is_told(void **state) {
    struct disk *disk = fake_disk_open(1);
    struct disk_file *file;
    struct sparse_section section;
    struct table table;
    bool same;
    stream = 7;
    table_fill(&table, 40, 9, 4);
    write_at_3(disk, &table, &file, &section);
    for (uint64_t at = 3; at < 3 + section.bytes; at++) {
        uint8_t right, wrong;
        size_t got;
        assert_int_equal(file->driver->read(file, at, &right, 1, &got), STATUS_ok);
        wrong = (uint8_t)(right ^ 1u << some(8));
        assert_int_equal(file->driver->write(file, at, slice_of(&wrong, 1)), STATUS_ok);
        assert_int_equal(read_back(file, &section, &table, &same), STATUS_damaged);
        assert_int_equal(file->driver->write(file, at, slice_of(&right, 1)), STATUS_ok);
    }
    assert_int_equal(read_back(file, &section, &table, &same), STATUS_ok);
    struct sparse_section other = section;
    for (other.bytes = 0; other.bytes < section.bytes + 20; other.bytes++)
        if (other.bytes != section.bytes)
            assert_int_equal(read_back(file, &other, &table, &same), STATUS_damaged);
    // With the checksum of what is there, too.
    uint8_t *bytes = memory_take(section.bytes);
    size_t got;
    assert_int_equal(file->driver->read(file, 3, bytes, section.bytes, &got), STATUS_ok);
    for (other.bytes = 0; other.bytes < section.bytes; other.bytes++) {
        other.crc = crc32c(slice_of(bytes, other.bytes));
        assert_int_equal(read_back(file, &other, &table, &same), STATUS_damaged);
    }
    memory_free(bytes);
    disk->driver->close(file);
    disk->driver->done(disk);
    table_done(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_come_back_as_they_were),
        cmocka_unit_test(what_does_not_hold_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
