// SPDX-License-Identifier: MIT
// A disk in memory that keeps only what it promised. Writes, truncations, creations and renames are
// held back until a sync; a crash then makes of each held-back piece what a real disk may make of
// it: right, missing, torn or garbage. Calls can be made to fail or to hang, so that a test can
// walk through every one of them.
//
// What it promises, and nothing more:
//  - `sync` makes the contents of that file durable, not its name.
//  - `rename`, `remove`, `sync_folder` and an `open` that creates make all names durable; when one
//    of them fails or the power goes meanwhile, its own change may or may not have been made.
//  - After a failed sync the held-back pieces are lost to later syncs (the kernel forgets them),
//    though reads still see them: each has reached the disk right, not at all, torn or as garbage.
//  - At a crash a sector (512 bytes) touched by a held-back write may become garbage as a whole,
//    neighbours included.
//
// Thread: any, like every driver.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"

#define FAKE_DISK_SECTOR_BYTES 512
// Address space reserved per file, so that maps never move.
#define FAKE_DISK_FILE_BYTES_MAX (UINT64_C(1) << 30)

// An empty disk. `seed` decides what failed calls leave behind. Owned by the caller (driver->done).
struct disk *fake_disk_open(uint64_t seed);

// The power fails now. What was held back is decided by `seed`; the result is the disk that the
// next start finds, owned by the caller. The old disk answers every later call with
// STATUS_disk_failed, so that the program of before can be torn down; its owner still calls
// driver->done.
struct disk *fake_disk_crash(struct disk *disk, uint64_t seed);

// The process dies but the machine lives: everything written is there, and what was held back still
// is. The old disk is left as after fake_disk_crash.
struct disk *fake_disk_restart(struct disk *disk);

// The `call`-th call from now (1: the next) fails with `status`, all others work. 0 forgets it.
// Writes, renames and syncs that fail may have done a part.
void fake_disk_fail_after(struct disk *disk, uint64_t call, enum status status);
// The power goes in the middle of the `call`-th call from now: it may do a part, and it and every
// later call fail with STATUS_disk_failed. fake_disk_crash then gives what the next start finds.
void fake_disk_die_after(struct disk *disk, uint64_t call);
uint64_t fake_disk_calls(struct disk *disk); // how many calls there were, reads included
// How many of them could change something (write, truncate, sync, rename, remove, creating open).
uint64_t fake_disk_changes(struct disk *disk);

// While blocked, sync, rename, remove and sync_folder hang.
void fake_disk_block(struct disk *disk);
void fake_disk_unblock(struct disk *disk);

// Files may not grow beyond this many bytes together: STATUS_storage_full. Starts without a limit.
void fake_disk_limit(struct disk *disk, uint64_t bytes);

// For tests that damage a file: changes bytes in place, both as read and as durable. The range must
// lie in the file.
void fake_disk_poke(struct disk *disk, const char *name, uint64_t offset, struct slice bytes);
// Flips one byte: what is there xor `mask`.
void fake_disk_flip(struct disk *disk, const char *name, uint64_t offset, uint8_t mask);
