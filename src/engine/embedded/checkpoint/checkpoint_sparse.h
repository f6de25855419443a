// SPDX-License-Identifier: MIT
// A table of a checkpoint most of whose words are 0. Of each item it has
//
//   u64 which     bit i: the item's i-th word of 64 bits is not 0
//   u64 words[]   those words, in their order
//
// one item behind another, little endian, without item 0. Items have up to 64 words.
#pragma once
#include "base/disk.h"
#include "engine/embedded/state/table.h"

struct sparse_section {
    uint64_t bytes;
    uint32_t crc; // CRC32C of them
};

// Appends items from 1 to `count` (exclusive) at `offset`, which moves on. `chunk` is memory for
// `chunk_bytes`, at least 1 KiB. Thread: any, beside the writer (see table_copy).
MUST_CHECK enum status sparse_write(struct disk_file *file, uint64_t *offset, uint8_t *chunk,
                                    size_t chunk_bytes, const struct table *table, uint32_t count,
                                    uint32_t sequence_offset, struct sparse_section *ret_section);
// Fills items that the table has already, all zero. STATUS_damaged: the bytes do not hold. Thread:
// one, at the start.
MUST_CHECK enum status sparse_read(struct disk_file *file, uint64_t *offset,
                                   const struct sparse_section *section, struct table *table);
