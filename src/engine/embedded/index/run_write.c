// SPDX-License-Identifier: MIT
// Entries are written as they come, and because they come in order the filter and the checksums are
// made on the way: no entry is looked at twice and nothing but the filter is kept in memory. It
// becomes the open run's filter.
//
// The steps, so that a crash at any of them leaves no half run under a final name: entries, filter
// and checksums under a temporary name, the header last, sync, rename.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/index/run.h"
#include "engine/embedded/index/run_format.h"

#define RUN_WRITE_BYTES      (16 * RUN_CHUNK_BYTES) // handed to the disk at once
// Synced on the way, so that the last sync is short and the journal's syncs never wait behind a
// long one.
#define RUN_SYNC_BYTES       (4 * RUN_WRITE_BYTES)
#define RUN_TEMPORARY_SUFFIX ".tmp"

struct run_writer {
    struct disk *disk;
    struct run *run; // owned; becomes the result
    char temporary_name[RUN_NAME_BYTES];
    struct index_entry *buffer; // owned, RUN_WRITE_BYTES
    size_t buffer_count;
    uint64_t entry_count; // added so far
    uint64_t bytes_unsynced;
    uint64_t offset; // where the buffer goes
    uint64_t block;  // the filter block being filled
    uint64_t chunk;  // of entries, the next to be written
    struct index_entry last;
};

enum status run_writer_open(struct disk *disk, const char *name, const struct run_facts *facts,
                            struct run_writer **ret_writer) {
    CHECK(facts->first_segment <= facts->last_segment);
    CHECK(facts->oldest_ms <= facts->newest_ms);
    struct run_writer *writer = memory_take_zeroed(sizeof(*writer));
    writer->disk = disk;
    writer->run = run_make(name, facts);
    writer->buffer = memory_take(RUN_WRITE_BYTES);
    writer->offset = RUN_HEADER_BYTES;
    int size = snprintf(writer->temporary_name, RUN_NAME_BYTES, "%s" RUN_TEMPORARY_SUFFIX, name);
    CHECK(size > 0 && size < RUN_NAME_BYTES);
    enum status status = disk->driver->open(disk, writer->temporary_name, true, &writer->run->file);
    if (status == STATUS_ok) // what an earlier attempt left
        status = writer->run->file->driver->truncate(writer->run->file, 0);
    if (status != STATUS_ok)
        run_writer_close(writer);
    else
        *ret_writer = writer;
    return status;
}

void run_writer_close(struct run_writer *writer) {
    if (writer == NULL)
        return;
    if (writer->run != NULL) {
        run_close(writer->disk, writer->run);
        // What stays is removed when the index is opened again.
        (void)writer->disk->driver->remove(writer->disk, writer->temporary_name);
    }
    memory_free(writer->buffer);
    memory_free(writer);
}

static enum status run_writer_put(struct run_writer *writer, const void *bytes, size_t size) {
    struct disk_file *file = writer->run->file;
    enum status status = file->driver->write(file, writer->offset, slice_of(bytes, size));
    if (status != STATUS_ok)
        return status;
    writer->offset += size;
    writer->bytes_unsynced += size;
    if (writer->bytes_unsynced < RUN_SYNC_BYTES)
        return STATUS_ok;
    writer->bytes_unsynced = 0;
    return file->driver->sync(file);
}

static enum status run_writer_flush(struct run_writer *writer) {
    size_t bytes = writer->buffer_count * sizeof(struct index_entry);
    for (size_t offset = 0; offset < bytes; offset += RUN_CHUNK_BYTES) {
        size_t left = bytes - offset;
        struct slice chunk = slice_of((const uint8_t *)writer->buffer + offset,
                                      left < RUN_CHUNK_BYTES ? left : RUN_CHUNK_BYTES);
        writer->run->checksums[writer->chunk++] = crc32c(chunk);
    }
    writer->buffer_count = 0;
    return bytes == 0 ? STATUS_ok : run_writer_put(writer, writer->buffer, bytes);
}

// Takes entries into the filter.
static void run_writer_filter(struct run_writer *writer, const struct index_entry *entries,
                              size_t count) {
    struct run *run = writer->run;
    for (size_t i = 0; i < count; i++) {
        struct index_entry entry = entries[i];
        CHECK(entry.fingerprint > writer->last.fingerprint ||
              (entry.fingerprint == writer->last.fingerprint &&
               (entry.position < writer->last.position || writer->entry_count == 0)));
        CHECK(entry.position != 0 && entry.position < run->facts.end_position);
        uint64_t block = run_block_of(run->block_count, entry.fingerprint);
        while (writer->block < block)
            run->blocks[++writer->block].first = writer->entry_count;
        struct run_mask mask = run_mask_of(entry.fingerprint);
        for (int word = 0; word < RUN_BLOCK_WORDS; word++)
            run->blocks[block].words[word] |= mask.words[word];
        writer->last = entry;
        writer->entry_count++;
    }
}

enum status run_writer_add(struct run_writer *writer, const struct index_entry *entries,
                           size_t count) {
    CHECK(writer->entry_count + count <= writer->run->facts.entry_count);
    run_writer_filter(writer, entries, count);
    while (count > 0) {
        size_t room = RUN_WRITE_BYTES / sizeof(*entries) - writer->buffer_count;
        size_t piece = count < room ? count : room;
        memcpy(writer->buffer + writer->buffer_count, entries, piece * sizeof(*entries));
        writer->buffer_count += piece;
        entries += piece;
        count -= piece;
        if (piece < room)
            continue;
        enum status status = run_writer_flush(writer);
        if (status != STATUS_ok)
            return status;
    }
    return STATUS_ok;
}

// The filter and the checksums, which begin behind a little padding.
static enum status run_writer_put_filter(struct run_writer *writer) {
    static const uint8_t zeros[64];
    struct run *run = writer->run;
    struct run_layout layout = run_layout_of(run->facts.entry_count);
    const uint8_t *filter = (const uint8_t *)run->blocks;
    enum status status = STATUS_ok;
    while (writer->block < run->block_count)
        run->blocks[++writer->block].first = writer->entry_count;
    CHECK(writer->chunk == run->chunk_count);
    CHECK(layout.filter_offset - writer->offset < sizeof(zeros));
    if (layout.filter_offset > writer->offset)
        status = run_writer_put(writer, zeros, layout.filter_offset - writer->offset);
    for (uint64_t offset = 0; status == STATUS_ok && offset < layout.filter_bytes;
         offset += RUN_CHUNK_BYTES) {
        uint64_t left = layout.filter_bytes - offset;
        struct slice chunk =
            slice_of(filter + offset, left < RUN_CHUNK_BYTES ? left : RUN_CHUNK_BYTES);
        run->checksums[writer->chunk++] = crc32c(chunk);
        status = run_writer_put(writer, chunk.bytes, chunk.size);
    }
    if (status == STATUS_ok)
        status = run_writer_put(writer, run->checksums, layout.checksum_count * sizeof(uint32_t));
    CHECK_IMPLIES(status == STATUS_ok, writer->chunk == layout.checksum_count);
    CHECK_IMPLIES(status == STATUS_ok, writer->offset == layout.file_bytes);
    return status;
}

static enum status run_writer_put_header(struct run_writer *writer) {
    const struct run_facts *facts = &writer->run->facts;
    struct run_layout layout = run_layout_of(facts->entry_count);
    struct run_header header = {
        .magic = RUN_MAGIC,
        .version = RUN_VERSION,
        .family = facts->family,
        .entry_count = facts->entry_count,
        .first_segment = facts->first_segment,
        .last_segment = facts->last_segment,
        .end_position = facts->end_position,
        .oldest_ms = facts->oldest_ms,
        .newest_ms = facts->newest_ms,
        .checksums_checksum =
            crc32c(slice_of(writer->run->checksums, layout.checksum_count * sizeof(uint32_t))),
    };
    header.checksum = run_header_checksum(&header);
    struct disk_file *file = writer->run->file;
    return file->driver->write(file, 0, slice_of(&header, sizeof(header)));
}

enum status run_writer_finish(struct run_writer *writer, struct run **ret_run) {
    struct run *run = writer->run;
    struct disk *disk = writer->disk;
    CHECK(writer->entry_count == run->facts.entry_count);
    enum status status = run_writer_flush(writer);
    if (status == STATUS_ok)
        status = run_writer_put_filter(writer);
    if (status == STATUS_ok)
        status = run_writer_put_header(writer);
    if (status == STATUS_ok)
        status = run->file->driver->sync(run->file);
    if (status == STATUS_ok)
        status = disk->driver->rename(disk, writer->temporary_name, run->name);
    if (status == STATUS_ok)
        status = run_map(run);
    if (status == STATUS_ok) {
        memset((void *)run->checked, 0xff,
               (run->chunk_count / 64 + 1) * sizeof(uint64_t)); // we wrote them ourselves
        *ret_run = run;
        writer->run = NULL;
    }
    run_writer_close(writer);
    return status;
}
