// SPDX-License-Identifier: MIT
// The fixture of the journal's tests.
#include "journal_support.h"

#include <string.h>

#include "base/memory.h"
#include "engine/embedded/journal/journal_private.h"

static bool seen_record(void *context, uint64_t position, struct slice bytes, uint64_t time_ms) {
    struct seen *seen = context;
    assert_true(seen->count < TEST_RECORDS_MAX);
    seen->positions[seen->count] = position;
    seen->numbers[seen->count] = bench_number_of(bytes);
    seen->times[seen->count] = time_ms;
    seen->count++;
    return seen->count != seen->stop_at;
}

static void seen_segment(void *context, uint64_t segment, uint64_t end_position, uint64_t time_ms) {
    struct seen *seen = context;
    assert_true(end_position > segment * TEST_SEGMENT_BYTES);
    assert_true(end_position <= (segment + 1) * TEST_SEGMENT_BYTES);
    seen->segments_ended++;
}

void bench_init(struct bench *bench, struct disk *disk) {
    memset(bench, 0, sizeof(*bench));
    bench->disk = disk;
    bench->options =
        (struct journal_options){.segment_bytes = TEST_SEGMENT_BYTES, .is_single_threaded = true};
    bench->next_number = 1;
}

void bench_done(struct bench *bench) {
    journal_close(bench->journal);
    bench->journal = NULL;
    bench->disk->driver->done(bench->disk);
    bench->disk = NULL;
}

enum status bench_open_from(struct bench *bench, uint64_t from, struct sha256 chain) {
    uint64_t stop_at = bench->seen.stop_at;
    memset(&bench->seen, 0, sizeof(bench->seen));
    bench->seen.stop_at = stop_at;
    struct journal_replay replay = {
        .from = from,
        .from_chain = chain,
        .record = seen_record,
        .segment_ended = seen_segment,
        .context = &bench->seen,
    };
    return journal_open(bench->disk, &bench->options, &replay, bench->why, sizeof(bench->why),
                        &bench->journal);
}

enum status bench_open(struct bench *bench) {
    return bench_open_from(bench, 0, (struct sha256){{0}});
}

void bench_open_ok(struct bench *bench) {
    enum status status = bench_open(bench);
    if (status != STATUS_ok)
        fail_msg("opening: %s: %s", status_name(status), bench->why);
}

static void bench_replace(struct bench *bench, struct disk *next) {
    if (bench->journal != NULL)
        bench->journal->failure = STATUS_disk_failed; // dead processes write no closing rounds
    journal_close(bench->journal);
    bench->journal = NULL;
    bench->disk->driver->done(bench->disk);
    bench->disk = next;
}

void bench_crash(struct bench *bench, uint64_t seed) {
    bench_replace(bench, fake_disk_crash(bench->disk, seed));
}

void bench_restart(struct bench *bench) {
    bench_replace(bench, fake_disk_restart(bench->disk));
}

uint64_t bench_add(struct bench *bench, size_t size) {
    struct buffer *buffer = journal_round_buffer(bench->journal);
    uint64_t position = journal_next_position(bench->journal);
    uint8_t *bytes = buffer_room(buffer, size);
    uint64_t number = bench->next_number++;
    assert_true(size % 8 == 0 && size >= 64);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t filling = number * UINT64_C(0x9E3779B97F4A7C15) + i;
        memcpy(bytes + i, &filling, 8);
    }
    memcpy(bytes, &(uint64_t){size}, 8);
    memcpy(bytes + 8, &number, 8);
    buffer->size += size;
    return position;
}

enum status bench_round(struct bench *bench, uint64_t time_ms, uint32_t count, size_t size) {
    journal_round_begin(bench->journal, time_ms, count * size);
    for (uint32_t i = 0; i < count; i++)
        (void)bench_add(bench, size); // its position is of interest to few
    return journal_commit(bench->journal);
}

uint64_t bench_number_of(struct slice record) {
    uint64_t number;
    assert_true(record.size >= 64);
    memcpy(&number, record.bytes + 8, 8);
    for (size_t i = 16; i < record.size; i += 8) {
        uint64_t filling = number * UINT64_C(0x9E3779B97F4A7C15) + i;
        assert_memory_equal(record.bytes + i, &filling, 8);
    }
    return number;
}

void bench_assert_seen(const struct bench *bench, uint64_t count) {
    assert_int_equal(bench->seen.count, count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(bench->seen.numbers[i], i + 1);
}

static void place_of(uint64_t position, char ret_name[JOURNAL_SEGMENT_NAME_BYTES],
                     uint64_t *ret_offset) {
    journal_segment_name(position / TEST_SEGMENT_BYTES, ret_name);
    *ret_offset = position % TEST_SEGMENT_BYTES;
}

void bench_peek(struct bench *bench, uint64_t position, void *ret_bytes, size_t size) {
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    uint64_t offset;
    struct disk_file *file;
    size_t got;
    place_of(position, name, &offset);
    assert_int_equal(bench->disk->driver->open(bench->disk, name, false, &file), STATUS_ok);
    assert_int_equal(file->driver->read(file, offset, ret_bytes, size, &got), STATUS_ok);
    assert_int_equal(got, size);
    file->driver->close(file);
}

void bench_poke(struct bench *bench, uint64_t position, const void *bytes, size_t size) {
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    uint64_t offset;
    place_of(position, name, &offset);
    fake_disk_poke(bench->disk, name, offset, slice_of(bytes, size));
}

void bench_flip(struct bench *bench, uint64_t position, uint8_t mask) {
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    uint64_t offset;
    place_of(position, name, &offset);
    fake_disk_flip(bench->disk, name, offset, mask);
}
