// SPDX-License-Identifier: MIT
// The header of a run's file as it lies on the disk; what it means stands at the top of run.c. Only
// run.c and run_write.c know it.
#pragma once
#include <stdint.h>

#include "engine/embedded/index/run.h"

#define RUN_MAGIC   UINT64_C(0x314e55524e524c46) // "FLRNRUN1"
#define RUN_VERSION 1

struct run_header {
    uint64_t magic;
    uint32_t version;
    uint32_t family;
    uint64_t entry_count;
    uint64_t first_segment;
    uint64_t last_segment;
    uint64_t end_position;
    uint64_t oldest_ms;
    uint64_t newest_ms;
    uint32_t checksums_checksum; // of the checksums at the end of the file
    uint8_t zeros[RUN_HEADER_BYTES - 8 * 8 - 2 * 4];
    uint32_t checksum; // of all header bytes before
};

_Static_assert(sizeof(struct run_header) == RUN_HEADER_BYTES, "a header has no padding");
_Static_assert(sizeof(struct index_entry) == 16, "an entry has no padding");
_Static_assert(sizeof(struct run_block) == 64, "a block is a cache line");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "runs are read as they lie on the disk");

// Where things lie in the file.
struct run_layout {
    uint64_t entries_bytes; // at RUN_HEADER_BYTES
    uint64_t filter_offset;
    uint64_t filter_bytes;
    uint64_t checksums_offset;
    uint64_t checksum_count; // chunks of entries, then chunks of the filter
    uint64_t file_bytes;
};

struct run_layout run_layout_of(uint64_t entry_count);
uint32_t run_header_checksum(const struct run_header *header);
// A run in memory with room for its filter and checksums, not yet filled.
struct run *run_make(const char *name, const struct run_facts *facts);
// Maps the entries of an open file.
MUST_CHECK enum status run_map(struct run *run);
