// SPDX-License-Identifier: MIT
// A run's file against the invariants at the top of run.c: what a good one answers, and that no
// changed byte goes unnoticed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/index/run.h"
#include "fake_disk.h"

#define NAME "index/bank-000000000003-000000000005.run"

static uint64_t fingerprint_of(uint64_t kind) {
    return hash64(slice_of(&kind, sizeof(kind)), 7);
}

static int entry_compare(const void *left, const void *right) {
    const struct index_entry *a = left;
    const struct index_entry *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    return (a->position < b->position) - (a->position > b->position);
}

// `count` entries, every fifth under one fingerprint.
static struct index_entry *entries_make(uint64_t count) {
    struct index_entry *entries = memory_take((count + 1) * sizeof(*entries));
    for (uint64_t i = 0; i < count; i++)
        entries[i] = (struct index_entry){.fingerprint = fingerprint_of(i % 5 == 0 ? 0 : i),
                                          .position = 8 * (i + 1)};
    qsort(entries, count, sizeof(*entries), entry_compare);
    return entries;
}

static enum status try_write(struct disk *disk, const struct index_entry *entries, uint64_t count,
                             struct run **ret_run) {
    struct run_writer *writer;
    const struct run_facts facts = {.family = 1,
                                    .entry_count = count,
                                    .first_segment = 3,
                                    .last_segment = 5,
                                    .end_position = 8 * (count + 2),
                                    .oldest_ms = 1000,
                                    .newest_ms = 2000};
    enum status status = run_writer_open(disk, NAME, &facts, &writer);
    if (status != STATUS_ok)
        return status;
    for (uint64_t done = 0, piece = 1; done < count; done += piece, piece = piece * 3 + 1) {
        piece = piece < count - done ? piece : count - done;
        status = run_writer_add(writer, entries + done, piece);
        if (status != STATUS_ok) {
            run_writer_close(writer);
            return status;
        }
    }
    return run_writer_finish(writer, ret_run);
}

static void check_answers(struct run *run, const struct index_entry *entries, uint64_t count) {
    uint64_t position, alarms = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct run_mask mask = run_mask_of(entries[i].fingerprint);
        assert_true(run_may_have(run->blocks, run->block_count, entries[i].fingerprint, &mask));
        assert_int_equal(run_find(run, entries[i].fingerprint, entries[i].position + 1, &position),
                         STATUS_ok);
        assert_int_equal(position, entries[i].position);
        enum status status = run_find(run, entries[i].fingerprint, entries[i].position, &position);
        bool has_older = i + 1 < count && entries[i + 1].fingerprint == entries[i].fingerprint;
        assert_int_equal(status, has_older ? STATUS_ok : STATUS_end);
        if (has_older)
            assert_int_equal(position, entries[i + 1].position);
    }
    for (uint64_t i = count; i < count + 20000; i++) {
        const struct run_mask mask = run_mask_of(fingerprint_of(i + 1000000));
        alarms += run_may_have(run->blocks, run->block_count, fingerprint_of(i + 1000000), &mask);
        assert_int_equal(run_find(run, fingerprint_of(i + 1000000), UINT64_MAX, &position),
                         STATUS_end);
    }
    assert_in_range(alarms, 0, 20000 / 100); // two in a thousand are expected of a full filter
}

static void test_write_and_read(void **state) {
    const uint64_t counts[] = {0, 1, 2, 31, 32, 33, 4095, 4096, 4097, 70000};
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct disk *disk = fake_disk_open(1);
        struct index_entry *entries = entries_make(counts[c]);
        struct run *run;
        assert_int_equal(try_write(disk, entries, counts[c], &run), STATUS_ok);
        check_answers(run, entries, counts[c]);
        run_close(disk, run);
        struct disk *next = fake_disk_crash(disk, c); // it was synced
        disk->driver->done(disk);
        assert_int_equal(run_open(next, NAME, 1, 3, 5, &run), STATUS_ok);
        assert_int_equal(run->facts.entry_count, counts[c]);
        assert_int_equal(run->facts.end_position, 8 * (counts[c] + 2));
        assert_int_equal(run->facts.oldest_ms, 1000);
        assert_int_equal(run->facts.newest_ms, 2000);
        check_answers(run, entries, counts[c]);
        run->is_obsolete = true;
        run_close(next, run);
        assert_int_equal(run_open(next, NAME, 1, 3, 5, &run), STATUS_not_found);
        memory_free(entries);
        next->driver->done(next);
    }
}

static void test_wrong_name(void **state) {
    struct disk *disk = fake_disk_open(2);
    struct index_entry *entries = entries_make(100);
    struct run *run;
    assert_int_equal(try_write(disk, entries, 100, &run), STATUS_ok);
    run_close(disk, run);
    assert_int_equal(run_open(disk, NAME, 2, 3, 5, &run), STATUS_damaged);
    assert_int_equal(run_open(disk, NAME, 1, 4, 5, &run), STATUS_damaged);
    assert_int_equal(run_open(disk, NAME, 1, 3, 6, &run), STATUS_damaged);
    assert_int_equal(run_open(disk, NAME, 1, 3, 5, &run), STATUS_ok);
    run_close(disk, run);
    memory_free(entries);
    disk->driver->done(disk);
}

// Invariants 1 to 3: whatever byte is changed, either opening or the first look at the place says
// so.
static void test_every_byte(void **state) {
    struct disk *disk = fake_disk_open(3);
    enum { COUNT = 301 }; // so that there is padding between entries and filter
    struct index_entry *entries = entries_make(COUNT);
    struct run *run;
    uint64_t position, size;
    assert_int_equal(try_write(disk, entries, COUNT, &run), STATUS_ok);
    size = run_file_bytes(run->facts.entry_count);
    run_close(disk, run);
    for (uint64_t offset = 0; offset < size; offset++) {
        uint8_t mask = (uint8_t)(1 << (offset % 8));
        bool in_entries = offset >= RUN_HEADER_BYTES &&
                          offset < RUN_HEADER_BYTES + COUNT * sizeof(struct index_entry);
        fake_disk_flip(disk, NAME, offset, mask);
        enum status status = run_open(disk, NAME, 1, 3, 5, &run);
        if (status == STATUS_ok) {
            status = run_find(run, entries[7].fingerprint, UINT64_MAX, &position);
            assert_int_equal(atomic_load(&run->is_damaged), status == STATUS_damaged);
            assert_int_equal(run_find(run, entries[7].fingerprint, UINT64_MAX, &position), status);
            run_close(disk, run);
            // The checksums of entries are only used with them, but are covered by their own.
            assert_true(in_entries);
        }
        assert_int_equal(status, STATUS_damaged);
        fake_disk_flip(disk, NAME, offset, mask);
    }
    assert_int_equal(run_open(disk, NAME, 1, 3, 5, &run), STATUS_ok);
    run_close(disk, run);
    memory_free(entries);
    disk->driver->done(disk);
}

static void test_wrong_size(void **state) {
    struct disk *disk = fake_disk_open(4);
    struct index_entry *entries = entries_make(50);
    struct disk_file *file;
    struct run *run;
    assert_int_equal(try_write(disk, entries, 50, &run), STATUS_ok);
    uint64_t size = run_file_bytes(run->facts.entry_count);
    run_close(disk, run);
    const uint64_t sizes[] = {size + 1, size - 1, size - 4, 4097, 4096, 4095, 1, 0};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(disk->driver->open(disk, NAME, false, &file), STATUS_ok);
        assert_int_equal(disk->driver->truncate(file, sizes[i]), STATUS_ok);
        disk->driver->close(file);
        assert_int_equal(run_open(disk, NAME, 1, 3, 5, &run), STATUS_damaged);
    }
    memory_free(entries);
    disk->driver->done(disk);
}

// A far chunk is damaged: the others go on to answer.
static void test_damage_is_local(void **state) {
    enum { COUNT = 3 * RUN_CHUNK_ENTRIES };
    struct disk *disk = fake_disk_open(5);
    struct index_entry *entries = memory_take(COUNT * sizeof(*entries));
    struct run *run;
    uint64_t position;
    for (uint64_t i = 0; i < COUNT; i++)
        entries[i] = (struct index_entry){.fingerprint = fingerprint_of(i), .position = i + 1};
    qsort(entries, COUNT, sizeof(*entries), entry_compare);
    assert_int_equal(try_write(disk, entries, COUNT, &run), STATUS_ok);
    run_close(disk, run);
    fake_disk_flip(disk, NAME, RUN_HEADER_BYTES + 2 * RUN_CHUNK_BYTES + 17, 0x40);
    assert_int_equal(run_open(disk, NAME, 1, 3, 5, &run), STATUS_ok);
    assert_int_equal(run_find(run, entries[5].fingerprint, UINT64_MAX, &position), STATUS_ok);
    assert_false(atomic_load(&run->is_damaged));
    assert_int_equal(run_find(run, entries[COUNT - 5].fingerprint, UINT64_MAX, &position),
                     STATUS_damaged);
    assert_true(atomic_load(&run->is_damaged));
    assert_int_equal(run_find(run, entries[5].fingerprint, UINT64_MAX, &position), STATUS_ok);
    run_close(disk, run);
    memory_free(entries);
    disk->driver->done(disk);
}

// Writing fails, or the power goes, at each call in turn: there is the whole run or none.
static void test_every_call(void **state) {
    struct index_entry *entries = entries_make(5000);
    for (uint64_t call = 1;; call++) {
        struct disk *disk = fake_disk_open(call);
        struct run *run = NULL;
        bool dies = call % 2 == 0;
        if (dies)
            fake_disk_die_after(disk, (call + 1) / 2);
        else
            fake_disk_fail_after(disk, (call + 1) / 2, STATUS_storage_full);
        enum status status = try_write(disk, entries, 5000, &run);
        if (status == STATUS_ok)
            run_close(disk, run);
        else
            assert_int_equal(status, dies ? STATUS_disk_failed : STATUS_storage_full);
        struct disk *next = fake_disk_crash(disk, call);
        disk->driver->done(disk);
        enum status found = run_open(next, NAME, 1, 3, 5, &run);
        assert_true(found == STATUS_ok || (status != STATUS_ok && found == STATUS_not_found));
        if (found == STATUS_ok) {
            check_answers(run, entries, 5000);
            run_close(next, run);
        }
        next->driver->done(next);
        if (status == STATUS_ok && dies)
            break;
    }
    memory_free(entries);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),  cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_every_byte),      cmocka_unit_test(test_wrong_size),
        cmocka_unit_test(test_damage_is_local), cmocka_unit_test(test_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
