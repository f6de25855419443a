// SPDX-License-Identifier: MIT
// A journal on the lying disk, for its tests: small segments, records that know their number, and a
// place where replay writes down what it was given.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/disk.h"
#include "engine/embedded/journal/journal.h"
#include "engine/embedded/journal/journal_format.h"
#include "fake_disk.h"

#define TEST_SEGMENT_BYTES (UINT64_C(64) << 10)
#define TEST_RECORDS_MAX   20000

struct seen {
    uint64_t count;
    uint64_t segments_ended;
    uint64_t stop_at; // the record at which replay refuses; 0: none
    uint64_t positions[TEST_RECORDS_MAX];
    uint64_t numbers[TEST_RECORDS_MAX];
    uint64_t times[TEST_RECORDS_MAX];
};

struct bench {
    struct disk *disk;
    struct journal *journal;
    struct seen seen;
    struct journal_options options;
    char why[256];
    uint64_t next_number; // of the next record
};

void bench_init(struct bench *bench, struct disk *disk);
void bench_done(struct bench *bench); // closes cleanly what is open, and the disk

// Opens from the beginning or from a checkpoint, into bench->seen.
enum status bench_open(struct bench *bench);
enum status bench_open_from(struct bench *bench, uint64_t from, struct sha256 chain);
void bench_open_ok(struct bench *bench);
// The power goes, or only the process dies; the journal and the old disk are torn down.
void bench_crash(struct bench *bench, uint64_t seed);
void bench_restart(struct bench *bench);

// Appends a record of `size` bytes (multiple of 8, >= 64) with the next number; returns its
// position.
uint64_t bench_add(struct bench *bench, size_t size);
// One round of `count` records of `size` bytes. Returns the commit's status.
enum status bench_round(struct bench *bench, uint64_t time_ms, uint32_t count, size_t size);

uint64_t bench_number_of(struct slice record);
// Records 1 to `count`, each once, in order.
void bench_assert_seen(const struct bench *bench, uint64_t count);

// The file of a position and the bytes there, as the disk has them now.
void bench_peek(struct bench *bench, uint64_t position, void *ret_bytes, size_t size);
void bench_poke(struct bench *bench, uint64_t position, const void *bytes, size_t size);
void bench_flip(struct bench *bench, uint64_t position, uint8_t mask);
