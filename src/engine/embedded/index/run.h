// SPDX-License-Identifier: MIT
// A run: the sorted entries of one family of the index over some consecutive segments of the
// journal, in a file that never changes. Its bytes and invariants stand at the top of run.c. A
// filter in memory says without touching the file that a fingerprint is not in it, and where its
// entries lie if it is.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"

#define INDEX_POSITION_MAX ((UINT64_C(1) << 63) - 1)

#define RUN_NAME_BYTES    80
#define RUN_HEADER_BYTES  4096
#define RUN_CHUNK_BYTES   (64 * 1024)
#define RUN_CHUNK_ENTRIES (RUN_CHUNK_BYTES / sizeof(struct index_entry))
#define RUN_BLOCK_KEYS                                                                             \
    32 // entries per filter block on average: 16 bits each, two in a thousand false alarms
#define RUN_BLOCK_WORDS 7

struct index_entry {
    uint64_t fingerprint;
    uint64_t position;
};

// A cache line of the filter. The entries are in order of fingerprint and so are the blocks, by the
// fingerprint's highest bits: the entries of a block lie between its `first` and that of the next
// one.
struct run_block {
    uint64_t words[RUN_BLOCK_WORDS]; // each entry sets one bit in each word
    uint64_t first;                  // number of its first entry
};

struct run_facts {
    uint32_t family;
    uint64_t entry_count;
    uint64_t first_segment;
    uint64_t last_segment; // inclusive
    uint64_t end_position; // every entry's position is below
    uint64_t oldest_ms; // time of the last round before the first segment (its own last if there is
                        // none)
    uint64_t newest_ms; // time of the last round of the last segment: no entry is newer
};

struct run {
    char name[RUN_NAME_BYTES];
    struct run_facts facts;
    struct disk_file *file;            // owned
    const struct index_entry *entries; // mapped, valid until close
    struct run_block *blocks;          // owned pages: block_count and one behind them
    uint64_t block_count;
    uint32_t *checksums;       // owned: of each chunk of entries
    uint64_t chunk_count;      // of entries
    _Atomic uint64_t *checked; // owned: a bit per chunk whose checksum was seen to hold
    _Atomic bool is_damaged;   // a chunk's checksum failed
    uint32_t references;       // guarded by the index's lock
    bool is_merging;           // an input of a merge under way; the background's
    bool is_set_aside;         // renamed because it is damaged; the background's
    uint64_t scrubbed;         // chunks before are checked; the background's
    bool is_obsolete;          // its file goes when it is closed; guarded by the index's lock
    struct run *next;          // of a list of the index
};

// The bits that a fingerprint sets in its block.
struct run_mask {
    uint64_t words[RUN_BLOCK_WORDS + 1]; // the last one is 0
};

// Thread: any; the fingerprint's own bits choose the block, so those that choose bits in it are
// mixed first.
static inline struct run_mask run_mask_of(uint64_t fingerprint) {
    uint64_t mixed = fingerprint * UINT64_C(0x9e3779b97f4a7c15);
    struct run_mask mask;
    mixed ^= mixed >> 32;
    for (int i = 0; i < RUN_BLOCK_WORDS; i++)
        mask.words[i] = UINT64_C(1) << (mixed >> (6 * i) & 63);
    mask.words[RUN_BLOCK_WORDS] = 0;
    return mask;
}

static inline uint64_t run_block_of(uint64_t block_count, uint64_t fingerprint) {
    return (uint64_t)((unsigned __int128)fingerprint * block_count >> 64);
}

typedef uint64_t run_vector __attribute__((vector_size(16), may_alias));

// False: the run has no entry of the fingerprint. Thread: any.
static inline bool run_may_have(const struct run_block *blocks, uint64_t block_count,
                                uint64_t fingerprint, const struct run_mask *mask) {
    const run_vector *block = (const run_vector *)&blocks[run_block_of(block_count, fingerprint)];
    const run_vector *wanted = (const run_vector *)mask;
    run_vector missing = (~block[0] & wanted[0]) | (~block[1] & wanted[1]) |
                         (~block[2] & wanted[2]) | (~block[3] & wanted[3]);
    return (missing[0] | missing[1]) == 0;
}

uint64_t run_block_count(uint64_t entry_count);
uint64_t run_chunk_count(uint64_t bytes);
void run_name(char ret_name[RUN_NAME_BYTES], const char *folder, const char *family,
              uint64_t first_segment, uint64_t last_segment);

// Opens the file `name`, which claims to be the run of `family` over the two segments:
// STATUS_damaged when it is not, or when its header, filter or checksums do not hold. Entries are
// checked when they are first read.
MUST_CHECK enum status run_open(struct disk *disk, const char *name, uint32_t family,
                                uint64_t first_segment, uint64_t last_segment,
                                struct run **ret_run);
// Removes the file if the run is obsolete. Accepts NULL.
void run_close(struct disk *disk, struct run *run);

// Takes a file that does not hold out of the way, as "<name>.damaged", for whoever wants to know
// what happened to it.
MUST_CHECK enum status run_set_aside(struct disk *disk, const char *name);

// The highest position below `below` under the fingerprint: ok, STATUS_end when there is none, or
// STATUS_damaged (and is_damaged is set). Looks into the file; ask run_may_have first. Thread: any.
MUST_CHECK enum status run_find(struct run *run, uint64_t fingerprint, uint64_t below,
                                uint64_t *ret_position);

// Whether the checksum of a chunk of entries holds; asked once per chunk. Thread: any.
bool run_check_chunk(struct run *run, uint64_t chunk);

// The memory of a run: filter, checksums and the struct; not the mapped file.
size_t run_bytes(const struct run *run);
uint64_t run_file_bytes(uint64_t entry_count);

// Writes a run. Entries come in order: fingerprints ascending, positions of one descending.
struct run_writer;

// Begins the file `name` under a temporary name. facts->entry_count entries must follow.
MUST_CHECK enum status run_writer_open(struct disk *disk, const char *name,
                                       const struct run_facts *facts,
                                       struct run_writer **ret_writer);
MUST_CHECK enum status run_writer_add(struct run_writer *writer, const struct index_entry *entries,
                                      size_t count);
// Makes the file durable under its name and opens it. The writer is closed in any case.
MUST_CHECK enum status run_writer_finish(struct run_writer *writer, struct run **ret_run);
void run_writer_close(struct run_writer *writer); // gives up; accepts NULL
