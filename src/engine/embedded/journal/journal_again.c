// SPDX-License-Identifier: MIT
// Writes again what may be in the page cache only. The blocks may as well be on the disk and hold
// acknowledged records, and a write that the power interrupts can spoil them; so what is to be
// written is first kept in a file of its own, and a start that finds such a file finishes what an
// interrupted one began.
//
// The file `journal/again.copy`: the header below, zeros to 4096, then the bytes. It counts if and
// only if
//   A1  magic and version are right and the checksum agrees
//   A2  it is of these books
//   A3  the SHA-256 of its bytes is the one that the header names
// Otherwise it was torn while it was written, and what it was to protect was not touched yet.
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/embedded/journal/journal_private.h"

#define COPY_NAME  "journal/again.copy"
#define COPY_MAGIC UINT64_C(0x50434e49524f4c46) // "FLORINCP"

struct copy_header {
    uint64_t magic;
    uint32_t crc; // of what follows
    uint32_t version;
    struct journal_books books;
    uint64_t number; // of the segment
    uint64_t offset; // in its file
    uint64_t size;
    struct sha256 sha;
};
static_assert(sizeof(struct copy_header) == 88, "the header has no padding");

static uint32_t copy_crc(const struct copy_header *header) {
    return crc32c(slice_of((const uint8_t *)header + 12, sizeof(*header) - 12));
}

static enum status copy_write(struct journal *journal, uint64_t number, uint64_t offset,
                              struct slice bytes) {
    uint8_t block[JOURNAL_BLOCK_BYTES] = {0};
    struct disk_file *file;
    struct copy_header header = {
        .magic = COPY_MAGIC,
        .version = JOURNAL_FORMAT_VERSION,
        .books = journal->books,
        .number = number,
        .offset = offset,
        .size = bytes.size,
        .sha = sha256_of(bytes),
    };
    header.crc = copy_crc(&header);
    memcpy(block, &header, sizeof(header));
    enum status status = journal->disk->driver->open(journal->disk, COPY_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->write(file, JOURNAL_BLOCK_BYTES, bytes);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(block, sizeof(block)));
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    file->driver->close(file);
    return status;
}

// Reads what a copy holds; `ret_bytes` is empty when it does not count.
static enum status copy_read(const struct journal *journal, struct disk_file *file,
                             struct copy_header *ret_header, struct buffer *ret_bytes) {
    uint64_t file_bytes;
    size_t got;
    buffer_reset(ret_bytes);
    enum status status = file->driver->size(file, &file_bytes);
    if (status == STATUS_ok)
        status = file->driver->read(file, 0, ret_header, sizeof(*ret_header), &got);
    if (status != STATUS_ok)
        return status;
    if (got != sizeof(*ret_header) || ret_header->magic != COPY_MAGIC ||
        ret_header->version != JOURNAL_FORMAT_VERSION || ret_header->crc != copy_crc(ret_header) ||
        memcmp(&ret_header->books, &journal->books, sizeof(journal->books)) != 0 ||
        file_bytes < JOURNAL_BLOCK_BYTES || file_bytes - JOURNAL_BLOCK_BYTES < ret_header->size)
        return STATUS_ok;
    status = file->driver->read(file, JOURNAL_BLOCK_BYTES, buffer_room(ret_bytes, ret_header->size),
                                ret_header->size, &got);
    if (status != STATUS_ok || got != ret_header->size)
        return status;
    struct sha256 sha = sha256_of(slice_of(ret_bytes->bytes, got));
    if (memcmp(&sha, &ret_header->sha, sizeof(sha)) == 0)
        ret_bytes->size = got;
    return STATUS_ok;
}

static enum status segment_write(const struct journal *journal, uint64_t number, uint64_t offset,
                                 struct slice bytes) {
    struct disk_file *file = journal->segments[number].file;
    enum status status = file->driver->write(file, offset, bytes);
    return status == STATUS_ok ? file->driver->sync(file) : status;
}

enum status journal_again_finish(struct journal *journal) {
    struct disk_file *file;
    struct copy_header header;
    struct buffer bytes = {0};
    enum status status = journal->disk->driver->open(journal->disk, COPY_NAME, false, &file);
    if (status != STATUS_ok)
        return status == STATUS_not_found ? STATUS_ok : status;
    status = copy_read(journal, file, &header, &bytes);
    file->driver->close(file);
    bool counts = bytes.size != 0 && header.number < journal_segment_count(journal) &&
                  header.offset >= JOURNAL_BLOCK_BYTES &&
                  header.offset + bytes.size <= journal->options.segment_bytes;
    if (status == STATUS_ok && counts)
        status = segment_write(journal, header.number, header.offset, buffer_slice(&bytes));
    buffer_done(&bytes);
    return status == STATUS_ok ? journal->disk->driver->remove(journal->disk, COPY_NAME) : status;
}

enum status journal_again_write(struct journal *journal, uint64_t number, uint64_t offset,
                                uint64_t size) {
    struct disk_file *file = journal->segments[number].file;
    struct buffer bytes = {0};
    size_t got;
    CHECK(offset >= JOURNAL_BLOCK_BYTES && offset + size <= journal->options.segment_bytes);
    enum status status = file->driver->read(file, offset, buffer_room(&bytes, size), size, &got);
    if (status == STATUS_ok && got != size)
        status = STATUS_disk_failed;
    if (status == STATUS_ok) {
        bytes.size = size;
        status = copy_write(journal, number, offset, buffer_slice(&bytes));
        // Books on a full disk can still be read. Devices that replace a block whole lose nothing
        // by it.
        if (status == STATUS_storage_full) {
            log_line(LOG_WARNING, "journal",
                     "no room for a copy of the last round while it is written again");
            status = STATUS_ok;
        }
    }
    if (status == STATUS_ok)
        status = segment_write(journal, number, offset, buffer_slice(&bytes));
    buffer_done(&bytes);
    return status == STATUS_ok ? journal->disk->driver->remove(journal->disk, COPY_NAME) : status;
}
