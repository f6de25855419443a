// SPDX-License-Identifier: MIT
// Runs are read as they lie on the disk: little-endian, entries 16 bytes, sorted, so that a search
// touches one place.
//
// The file `<family>-<first segment>-<last segment>.run`:
//
//     offset       bytes     what
//     0            4096      header
//       0            8          magic "FLRNRUN1"
//       8            4          version 1
//       12           4          family (enum index_family)
//       16           8          n, the number of entries
//       24           8          first segment
//       32           8          last segment, inclusive
//       40           8          end: the journal position up to which the run covers
//       48           8          milliseconds: the last round before its first segment (its own last
//                               round when there is none)
//       56           8          milliseconds: the last round of its last segment
//       64           4          CRC-32C of the checksums at the end of the file
//       68           4024       zeros
//       4092         4          CRC-32C of bytes 0 to 4091
//     4096         16 n      entries: fingerprint, position
//     F            64 (b+1)  filter: b = n/32 rounded up, at least 1, blocks, then one with no bits
//                            and first = n; F is the next multiple of 64
//     F+64(b+1)    4 c       CRC-32C of each 65,536 bytes of entries (the last chunk may be
//                            shorter), then of each 65,536 bytes of the filter
//
// A run is valid if and only if
//  1. the file has exactly that size, and the bytes between the entries and F are zero;
//  2. the header's checksum holds, its zeros are zeros, and magic, version, family and segments are
//     those of its name;
//  3. the checksum over the checksums holds, and each of them holds;
//  4. entries are sorted: fingerprints ascend, and the positions under one fingerprint descend; no
//     entry comes twice;
//  5. no position is 0 or at or behind `end`;
//  6. entry i belongs to block floor(fingerprint * b / 2^64); block j's `first` is the number of
//     entries in the blocks before it, and its bits are exactly those that run_mask_of sets for its
//     entries.
// A run under its final name was complete and synced before it got the name.
//
// Opening checks 1, 2, and 3 for the filter. The entries' checksums are checked chunk by chunk when
// they are first looked at, because opening must not read gigabytes; 4 to 6 are what the writer
// asserts.
#include "engine/embedded/index/run.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/index/index_pages.h"
#include "engine/embedded/index/run_format.h"

uint64_t run_block_count(uint64_t entry_count) {
    uint64_t count = (entry_count + RUN_BLOCK_KEYS - 1) / RUN_BLOCK_KEYS;
    return count == 0 ? 1 : count;
}

uint64_t run_chunk_count(uint64_t bytes) {
    return (bytes + RUN_CHUNK_BYTES - 1) / RUN_CHUNK_BYTES;
}

void run_name(char ret_name[RUN_NAME_BYTES], const char *folder, const char *family,
              uint64_t first_segment, uint64_t last_segment) {
    int size = snprintf(ret_name, RUN_NAME_BYTES, "%s%s-%012llu-%012llu.run", folder, family,
                        (unsigned long long)first_segment, (unsigned long long)last_segment);
    CHECK(size > 0);
    CHECK(size < RUN_NAME_BYTES);
}

struct run_layout run_layout_of(uint64_t entry_count) {
    struct run_layout layout;
    layout.entries_bytes = entry_count * sizeof(struct index_entry);
    layout.filter_offset = (RUN_HEADER_BYTES + layout.entries_bytes + 63) / 64 * 64;
    layout.filter_bytes = (run_block_count(entry_count) + 1) * sizeof(struct run_block);
    layout.checksums_offset = layout.filter_offset + layout.filter_bytes;
    layout.checksum_count =
        run_chunk_count(layout.entries_bytes) + run_chunk_count(layout.filter_bytes);
    layout.file_bytes = layout.checksums_offset + layout.checksum_count * sizeof(uint32_t);
    return layout;
}

uint32_t run_header_checksum(const struct run_header *header) {
    return crc32c(slice_of(header, offsetof(struct run_header, checksum)));
}

struct run *run_make(const char *name, const struct run_facts *facts) {
    struct run_layout layout = run_layout_of(facts->entry_count);
    struct run *run = memory_take_zeroed(sizeof(*run));
    CHECK(strlen(name) < RUN_NAME_BYTES);
    memcpy(run->name, name, strlen(name) + 1);
    run->facts = *facts;
    run->block_count = run_block_count(facts->entry_count);
    run->chunk_count = run_chunk_count(layout.entries_bytes);
    run->blocks = index_pages_take(layout.filter_bytes);
    run->checksums = memory_take_zeroed(layout.checksum_count * sizeof(uint32_t));
    run->checked = memory_take_zeroed((run->chunk_count / 64 + 1) * sizeof(uint64_t));
    return run;
}

enum status run_map(struct run *run) {
    const uint8_t *bytes;
    struct run_layout layout = run_layout_of(run->facts.entry_count);
    enum status status =
        run->file->driver->map(run->file, RUN_HEADER_BYTES + layout.entries_bytes, &bytes);
    if (status == STATUS_ok)
        run->entries = (const struct index_entry *)(bytes + RUN_HEADER_BYTES);
    return status;
}

// All of the bytes or STATUS_damaged.
static enum status run_read(struct disk_file *file, uint64_t offset, void *bytes, size_t size) {
    size_t got;
    enum status status = file->driver->read(file, offset, bytes, size, &got);
    return status != STATUS_ok ? status : got == size ? STATUS_ok : STATUS_damaged;
}

static bool run_header_holds(const struct run_header *header, uint64_t file_bytes) {
    if (header->magic != RUN_MAGIC || header->version != RUN_VERSION)
        return false;
    if (header->checksum != run_header_checksum(header))
        return false;
    for (size_t i = 0; i < sizeof(header->zeros); i++)
        if (header->zeros[i] != 0)
            return false;
    if (header->entry_count > file_bytes / sizeof(struct index_entry))
        return false;
    return run_layout_of(header->entry_count).file_bytes == file_bytes;
}

static enum status run_read_header(struct disk_file *file, struct run_header *ret_header) {
    uint64_t file_bytes;
    enum status status = file->driver->size(file, &file_bytes);
    if (status == STATUS_ok)
        status = run_read(file, 0, ret_header, sizeof(*ret_header));
    if (status != STATUS_ok)
        return status;
    return run_header_holds(ret_header, file_bytes) ? STATUS_ok : STATUS_damaged;
}

static bool run_filter_holds(const struct run *run, const struct run_layout *layout) {
    const uint8_t *filter = (const uint8_t *)run->blocks;
    const uint32_t *checksum = run->checksums + run->chunk_count;
    for (uint64_t offset = 0; offset < layout->filter_bytes; offset += RUN_CHUNK_BYTES) {
        uint64_t left = layout->filter_bytes - offset;
        if (crc32c(slice_of(filter + offset, left < RUN_CHUNK_BYTES ? left : RUN_CHUNK_BYTES)) !=
            *checksum++)
            return false;
    }
    return run->blocks[run->block_count].first == run->facts.entry_count;
}

static enum status run_read_rest(struct run *run, const struct run_header *header) {
    static const uint8_t zeros[64];
    struct run_layout layout = run_layout_of(run->facts.entry_count);
    uint8_t padding[64];
    size_t padding_bytes = layout.filter_offset - RUN_HEADER_BYTES - layout.entries_bytes;
    struct slice checksums = slice_of(run->checksums, layout.checksum_count * sizeof(uint32_t));
    CHECK(padding_bytes < sizeof(padding));
    enum status status =
        run_read(run->file, layout.filter_offset - padding_bytes, padding, padding_bytes);
    if (status == STATUS_ok)
        status = run_read(run->file, layout.filter_offset, run->blocks, layout.filter_bytes);
    if (status == STATUS_ok)
        status = run_read(run->file, layout.checksums_offset, run->checksums, checksums.size);
    if (status != STATUS_ok)
        return status;
    if (memcmp(padding, zeros, padding_bytes) != 0 ||
        crc32c(checksums) != header->checksums_checksum)
        return STATUS_damaged;
    return run_filter_holds(run, &layout) ? run_map(run) : STATUS_damaged;
}

enum status run_open(struct disk *disk, const char *name, uint32_t family, uint64_t first_segment,
                     uint64_t last_segment, struct run **ret_run) {
    struct disk_file *file;
    struct run_header header;
    enum status status = disk->driver->open(disk, name, false, &file);
    if (status != STATUS_ok)
        return status;
    status = run_read_header(file, &header);
    if (status == STATUS_ok && (header.family != family || header.first_segment != first_segment ||
                                header.last_segment != last_segment))
        status = STATUS_damaged;
    if (status != STATUS_ok) {
        file->driver->close(file);
        return status;
    }
    const struct run_facts facts = {
        .family = family,
        .entry_count = header.entry_count,
        .first_segment = first_segment,
        .last_segment = last_segment,
        .end_position = header.end_position,
        .oldest_ms = header.oldest_ms,
        .newest_ms = header.newest_ms,
    };
    struct run *run = run_make(name, &facts);
    run->file = file;
    status = run_read_rest(run, &header);
    if (status != STATUS_ok)
        run_close(disk, run);
    else
        *ret_run = run;
    return status;
}

enum status run_set_aside(struct disk *disk, const char *name) {
    char aside[RUN_NAME_BYTES + 8];
    int size = snprintf(aside, sizeof(aside), "%s.damaged", name);
    CHECK(size > 0 && (size_t)size < sizeof(aside));
    return disk->driver->rename(disk, name, aside);
}

void run_close(struct disk *disk, struct run *run) {
    if (run == NULL)
        return;
    CHECK(run->references == 0);
    if (run->file != NULL)
        run->file->driver->close(run->file);
    // A file that stays because removing failed is found and removed when the index is opened
    // again.
    if (run->is_obsolete)
        (void)disk->driver->remove(disk, run->name);
    index_pages_give(run->blocks, (run->block_count + 1) * sizeof(struct run_block));
    memory_free(run->checksums);
    memory_free((void *)run->checked);
    memory_free(run);
}

bool run_check_chunk(struct run *run, uint64_t chunk) {
    uint64_t bit = UINT64_C(1) << (chunk % 64);
    CHECK(chunk < run->chunk_count);
    if ((atomic_load_explicit(&run->checked[chunk / 64], memory_order_relaxed) & bit) != 0)
        return true;
    uint64_t first = chunk * RUN_CHUNK_ENTRIES;
    uint64_t left = run->facts.entry_count - first;
    uint64_t count = left < RUN_CHUNK_ENTRIES ? left : RUN_CHUNK_ENTRIES;
    if (crc32c(slice_of(&run->entries[first], count * sizeof(struct index_entry))) !=
        run->checksums[chunk]) {
        atomic_store_explicit(&run->is_damaged, true, memory_order_relaxed);
        return false;
    }
    atomic_fetch_or_explicit(&run->checked[chunk / 64], bit, memory_order_relaxed);
    return true;
}

enum status run_find(struct run *run, uint64_t fingerprint, uint64_t below,
                     uint64_t *ret_position) {
    const struct run_block *block = &run->blocks[run_block_of(run->block_count, fingerprint)];
    uint64_t low = block[0].first;
    uint64_t high = block[1].first;
    CHECK(low <= high && high <= run->facts.entry_count);
    if (low == high)
        return STATUS_end;
    for (uint64_t chunk = low / RUN_CHUNK_ENTRIES; chunk <= (high - 1) / RUN_CHUNK_ENTRIES; chunk++)
        if (!run_check_chunk(run, chunk))
            return STATUS_damaged;
    while (low <
           high) { // the first entry of the fingerprint, or behind it, whose position is below
        uint64_t middle = low + (high - low) / 2;
        const struct index_entry *entry = &run->entries[middle];
        if (entry->fingerprint < fingerprint ||
            (entry->fingerprint == fingerprint && entry->position >= below))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == block[1].first || run->entries[low].fingerprint != fingerprint)
        return STATUS_end;
    *ret_position = run->entries[low].position;
    return STATUS_ok;
}

size_t run_bytes(const struct run *run) {
    struct run_layout layout = run_layout_of(run->facts.entry_count);
    return sizeof(*run) + layout.filter_bytes + layout.checksum_count * sizeof(uint32_t) +
           run->chunk_count / 8;
}

uint64_t run_file_bytes(uint64_t entry_count) {
    return run_layout_of(entry_count).file_bytes;
}
