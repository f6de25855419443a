// SPDX-License-Identifier: MIT
// The journal from its first byte to its last. Numbers are read by their offsets as
// journal_format.h draws them; invariants are named as there.
#include "watch/journal_reader.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ledger/record.h"

#define BLOCK          4096
#define WINDOW         (UINT64_C(8) << 20)
#define NAME_BYTES     40
#define SEGMENTS_START 16
#define COPY_NAME      "journal/again.copy"

// Offsets in a segment header.
enum {
    S_CRC = 8,
    S_VERSION = 12,
    S_BOOKS = 16,
    S_NUMBER = 32,
    S_SIZE = 40,
    S_PREVIOUS_END = 48,
    S_PREVIOUS_ROUND = 56,
    S_SEQUENCE = 64,
    S_TIME = 72,
    S_CHAIN = 80,
    S_FLAGS = 112,
    S_ZERO = 116,
    S_END = 128
};
// Offsets in a round header.
enum {
    R_CRC = 8,
    R_ZERO_FRONT = 12,
    R_CHAIN = 16,
    R_PREVIOUS_CHAIN = 48,
    R_BOOKS = 80,
    R_SEQUENCE = 96,
    R_TIME = 104,
    R_POSITION = 112,
    R_PREVIOUS_ROUND = 120,
    R_SYNCED = 128,
    R_SIZE = 136,
    R_COUNT = 140,
    R_VERSION = 144,
    R_FLAGS = 146,
    R_ZERO_BACK = 148,
    R_END = 160
};

struct reader_segment {
    struct disk_file *file; // owned
    const uint8_t *bytes;   // mapped
    uint8_t header[S_END];
};

struct journal_reader {
    struct disk *disk;
    struct sha256_context *sha;      // owned
    struct reader_segment *segments; // owned
    uint64_t segment_count, segment_capacity;
    bool has_gap;
    uint64_t segment_bytes;
    uint8_t books[16];
    struct buffer window; // bytes of the present segment from `window_start` on
    uint64_t window_start;
    uint64_t limit;          // 0: none
    uint64_t number, offset; // where the next round is expected
    bool goes_on; // from other books, whose chain ended at:
    struct sha256 first_chain;
    // What the last round said:
    struct sha256 chain;
    uint64_t sequence, time_ms, last_round, synced;
    uint64_t round_count;
    bool is_closed;
    uint64_t unfinished_bytes;
    // What an interrupted start was about to write again (journal_again.c), when that counts.
    uint64_t copy_number, copy_offset;
    struct buffer copy;
};

static uint64_t u64_at(const uint8_t *bytes, size_t offset) {
    uint64_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static uint32_t u32_at(const uint8_t *bytes, size_t offset) {
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static uint16_t u16_at(const uint8_t *bytes, size_t offset) {
    return (uint16_t)(bytes[offset] | bytes[offset + 1] << 8);
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static uint64_t blocks(uint64_t size) {
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static void name_of(uint64_t number, char ret_name[NAME_BYTES]) {
    (void)snprintf(ret_name, NAME_BYTES, "journal/%020llu.segment", (unsigned long long)number);
}

static enum status damaged(uint64_t number, uint64_t offset, const char *broken, char *ret_why) {
    char name[NAME_BYTES];
    name_of(number, name);
    (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "%s, offset %llu: %s", name,
                   (unsigned long long)offset, broken);
    return STATUS_damaged;
}

static enum status failed(enum status status, char *ret_why) {
    if (status == STATUS_not_found)
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES,
                       "there is no journal in it; the data folder of a server has one");
    else if (status != STATUS_ok && status != STATUS_damaged && status != STATUS_end)
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "the journal cannot be read: %s",
                       status_sentence(status));
    return status;
}

// ---- segments -----------------------------------------------------------------------------------

// Names come in order, so a dense numbering is one that counts up.
static void segment_found(void *context, const char *found) {
    struct journal_reader *reader = context;
    char name[NAME_BYTES];
    name_of(reader->segment_count, name);
    size_t size = strlen(name);
    if (strncmp(found, "journal/", 8) != 0 || strlen(found) != size ||
        strcmp(found + size - 8, ".segment") != 0)
        return;
    if (strspn(found + 8, "0123456789") != 20)
        return;
    if (strcmp(found, name) != 0)
        reader->has_gap = true;
    else if (!reader->has_gap)
        reader->segment_count++;
}

static const char *header_check(struct journal_reader *reader, uint64_t number,
                                const uint8_t *block, uint64_t size) {
    if (memcmp(block, "FLORINSG", 8) != 0)
        return "J2: no segment begins here";
    if (u32_at(block, S_CRC) != crc32c(slice_of(block + S_VERSION, S_END - S_VERSION)))
        return "J2: the segment header's checksum does not agree";
    if (u32_at(block, S_VERSION) != 1 || !is_zero(block + S_ZERO, BLOCK - S_ZERO))
        return "J2: the segment header has a version or bytes that are not known";
    if (u32_at(block, S_FLAGS) > (number == 0 ? 1 : 0))
        return "J2: the segment has a flag that is not known";
    if (number == 0) {
        memcpy(reader->books, block + S_BOOKS, sizeof(reader->books));
        reader->segment_bytes = u64_at(block, S_SIZE);
    }
    if (u64_at(block, S_NUMBER) != number ||
        memcmp(block + S_BOOKS, reader->books, sizeof(reader->books)) != 0 ||
        u64_at(block, S_SIZE) != reader->segment_bytes)
        return "J2: the header is one of another segment or other books";
    if (size != reader->segment_bytes || size % BLOCK != 0 || size < 4 * BLOCK)
        return "J1: the file has not the size of a segment";
    return NULL;
}

static enum status segment_open(struct journal_reader *reader, uint64_t number, char *ret_why) {
    struct reader_segment *segment = &reader->segments[number];
    uint8_t block[BLOCK];
    char name[NAME_BYTES];
    uint64_t size;
    size_t got;
    name_of(number, name);
    enum status status = reader->disk->driver->open(reader->disk, name, false, &segment->file);
    if (status != STATUS_ok)
        return status;
    status = segment->file->driver->size(segment->file, &size);
    if (status == STATUS_ok)
        status = segment->file->driver->read(segment->file, 0, block, sizeof(block), &got);
    if (status != STATUS_ok)
        return status;
    const char *broken = got < sizeof(block) ? "J1: the file is too small for a segment"
                                             : header_check(reader, number, block, size);
    if (broken != NULL)
        return damaged(number, 0, broken, ret_why);
    memcpy(segment->header, block, sizeof(segment->header));
    return segment->file->driver->map(segment->file, size, &segment->bytes);
}

// What a start that was interrupted wanted to write again stands in a file of its own; the place
// may be torn.
static enum status copy_read(struct journal_reader *reader) {
    uint8_t header[88];
    struct disk_file *file;
    uint64_t size;
    size_t got = 0;
    enum status status = reader->disk->driver->open(reader->disk, COPY_NAME, false, &file);
    if (status != STATUS_ok)
        return status == STATUS_not_found ? STATUS_ok : status;
    status = file->driver->size(file, &size);
    if (status == STATUS_ok)
        status = file->driver->read(file, 0, header, sizeof(header), &got);
    bool counts =
        status == STATUS_ok && got == sizeof(header) && memcmp(header, "FLORINCP", 8) == 0 &&
        u32_at(header, 8) == crc32c(slice_of(header + 12, sizeof(header) - 12)) &&
        u32_at(header, 12) == 1 && memcmp(header + 16, reader->books, sizeof(reader->books)) == 0 &&
        size >= BLOCK && u64_at(header, 48) <= size - BLOCK;
    if (counts) {
        uint64_t wanted = u64_at(header, 48);
        status = file->driver->read(file, BLOCK, buffer_room(&reader->copy, wanted), wanted, &got);
        struct sha256 sha = sha256_of(slice_of(reader->copy.bytes, got));
        reader->copy.size = got == wanted && memcmp(&sha, header + 56, sizeof(sha)) == 0 ? got : 0;
        reader->copy_number = u64_at(header, 32);
        reader->copy_offset = u64_at(header, 40);
    }
    file->driver->close(file);
    return status;
}

static enum status reader_begin(struct journal_reader *reader, char *ret_why) {
    uint8_t seed[14 + 16] = "florin journal";
    enum status status = reader->disk->driver->list(reader->disk, segment_found, reader);
    if (status != STATUS_ok)
        return status;
    if (reader->has_gap)
        return damaged(reader->segment_count, 0, "J1: the segment is missing", ret_why);
    if (reader->segment_count == 0)
        return STATUS_not_found;
    reader->segments = memory_take_zeroed(reader->segment_count * sizeof(*reader->segments));
    for (uint64_t number = 0; status == STATUS_ok && number < reader->segment_count; number++)
        status = segment_open(reader, number, ret_why);
    if (status == STATUS_ok)
        status = copy_read(reader);
    if (status != STATUS_ok)
        return status;
    memcpy(seed + 14, reader->books, sizeof(reader->books));
    reader->chain = sha256_of(slice_of(seed, sizeof(seed)));
    reader->offset = BLOCK;
    const uint8_t *header = reader->segments[0].header;
    reader->goes_on = u32_at(header, S_FLAGS) == 1;
    if (reader->goes_on)
        memcpy(&reader->chain, header + S_CHAIN, sizeof(reader->chain));
    reader->first_chain = reader->chain;
    if (!is_zero(header + S_PREVIOUS_END, S_CHAIN - S_PREVIOUS_END) ||
        memcmp(header + S_CHAIN, &reader->chain, sizeof(reader->chain)) != 0)
        return damaged(0, 0, "J3: the first segment says that there were rounds before it",
                       ret_why);
    return STATUS_ok;
}

enum status journal_reader_open(struct disk *disk, char *ret_why,
                                struct journal_reader **ret_reader) {
    struct journal_reader *reader = memory_take_zeroed(sizeof(*reader));
    reader->disk = disk;
    reader->sha = sha256_open();
    enum status status = failed(reader_begin(reader, ret_why), ret_why);
    if (status != STATUS_ok) {
        journal_reader_close(reader);
        return status;
    }
    *ret_reader = reader;
    return STATUS_ok;
}

void journal_reader_close(struct journal_reader *reader) {
    if (reader == NULL)
        return;
    for (uint64_t i = 0; reader->segments != NULL && i < reader->segment_count; i++)
        if (reader->segments[i].file != NULL)
            reader->segments[i].file->driver->close(reader->segments[i].file);
    memory_free(reader->segments);
    sha256_close(reader->sha);
    buffer_done(&reader->window);
    buffer_done(&reader->copy);
    memory_free(reader);
}

// ---- bytes --------------------------------------------------------------------------------------

static void lay_copy_over(struct journal_reader *reader) {
    uint64_t start = reader->copy_offset, end = start + reader->copy.size;
    uint64_t window_end = reader->window_start + reader->window.size;
    if (reader->copy.size == 0 || reader->copy_number != reader->number)
        return;
    uint64_t from = start > reader->window_start ? start : reader->window_start;
    uint64_t to = end < window_end ? end : window_end;
    if (from < to)
        memcpy(reader->window.bytes + (from - reader->window_start),
               reader->copy.bytes + (from - start), to - from);
}

// Points at `size` bytes of the present segment, valid until the next call.
static enum status read_bytes(struct journal_reader *reader, uint64_t offset, uint64_t size,
                              char *ret_why, const uint8_t **ret_bytes) {
    CHECK(size <= reader->segment_bytes && offset <= reader->segment_bytes - size);
    if (offset < reader->window_start ||
        offset + size > reader->window_start + reader->window.size) {
        struct disk_file *file = reader->segments[reader->number].file;
        uint64_t room = reader->segment_bytes - offset;
        uint64_t wanted = size > WINDOW ? size : WINDOW;
        size_t got;
        wanted = wanted < room ? wanted : room;
        buffer_reset(&reader->window);
        enum status status =
            file->driver->read(file, offset, buffer_room(&reader->window, wanted), wanted, &got);
        if (status != STATUS_ok)
            return status;
        if (got < size)
            return damaged(reader->number, offset + got, "J1: the segment is cut short", ret_why);
        reader->window.size = got;
        reader->window_start = offset;
        lay_copy_over(reader);
    }
    *ret_bytes = reader->window.bytes + (offset - reader->window_start);
    return STATUS_ok;
}

static uint64_t position_of(const struct journal_reader *reader, uint64_t offset) {
    return reader->number * reader->segment_bytes + offset;
}

struct slice journal_reader_at(const struct journal_reader *reader, uint64_t position) {
    uint64_t number = position / reader->segment_bytes, offset = position % reader->segment_bytes;
    if (position % 8 != 0 || number >= reader->segment_count || offset < BLOCK + R_END)
        return slice_of(NULL, 0);
    struct slice rest =
        slice_of(reader->segments[number].bytes + offset, reader->segment_bytes - offset);
    size_t size = record_size(rest);
    return slice_of(size == 0 ? NULL : rest.bytes, size);
}

void journal_reader_place(const struct journal_reader *reader, uint64_t position, char *ret_text,
                          size_t text_bytes) {
    char name[NAME_BYTES];
    name_of(position / reader->segment_bytes, name);
    (void)snprintf(ret_text, text_bytes, "%s, offset %llu", name,
                   (unsigned long long)(position % reader->segment_bytes));
}

void journal_reader_stand(const struct journal_reader *reader,
                          struct journal_reader_stand *ret_stand) {
    *ret_stand = (struct journal_reader_stand){
        .journal_bytes = reader->segment_count * reader->segment_bytes,
        .bytes_done = position_of(reader, reader->offset),
        .segment_count = reader->segment_count,
        .round_count = reader->round_count,
        .time_ms = reader->time_ms,
        .chain = reader->chain,
        .goes_on = reader->goes_on,
        .first_chain = reader->first_chain,
        .is_closed = reader->is_closed,
        .unfinished_bytes = reader->unfinished_bytes,
    };
}

// ---- rounds -------------------------------------------------------------------------------------

static const char *round_header_check(const struct journal_reader *reader, const uint8_t *block,
                                      uint64_t offset) {
    if (memcmp(block, "FLORINRD", 8) != 0)
        return "J4: no round begins here";
    if (u32_at(block, R_CRC) != crc32c(slice_of(block + R_ZERO_FRONT, R_END - R_ZERO_FRONT)))
        return "J4: the round header's checksum does not agree";
    if (u16_at(block, R_VERSION) != 1 || u16_at(block, R_FLAGS) > 1 ||
        u32_at(block, R_ZERO_FRONT) != 0 || !is_zero(block + R_ZERO_BACK, R_END - R_ZERO_BACK))
        return "J4: the round has a version, flag or bytes that are not known";
    if (memcmp(block + R_BOOKS, reader->books, sizeof(reader->books)) != 0)
        return "J4: the round is one of other books";
    if (u64_at(block, R_POSITION) != position_of(reader, offset))
        return "J4: the round was written for another position";
    if (u32_at(block, R_SIZE) % 8 != 0 ||
        blocks(R_END + (uint64_t)u32_at(block, R_SIZE)) > reader->segment_bytes - offset)
        return "J4: the round does not fit into its segment";
    return NULL;
}

// What a crash cannot leave behind in a round whose header is right.
static const char *round_order_check(const struct journal_reader *reader, const uint8_t *block) {
    if (u64_at(block, R_SEQUENCE) != reader->sequence + 1)
        return "J5: the round's sequence does not follow the one before";
    if (u64_at(block, R_TIME) < reader->time_ms)
        return "J6: the round is older than the one before";
    if (memcmp(block + R_PREVIOUS_CHAIN, &reader->chain, sizeof(reader->chain)) != 0)
        return "J7: the round does not continue the chain";
    if (u64_at(block, R_PREVIOUS_ROUND) != reader->last_round)
        return "J7: the round names another one as the one before";
    if (u64_at(block, R_SYNCED) < reader->synced ||
        u64_at(block, R_SYNCED) > u64_at(block, R_POSITION))
        return "J11: the synced position is impossible";
    return NULL;
}

static struct sha256 sha_of(struct sha256_context *sha, const uint8_t *bytes, uint64_t size) {
    sha256_begin(sha);
    sha256_add(sha, slice_of(bytes, size));
    return sha256_end(sha);
}

static const char *round_bytes_check(const struct journal_reader *reader, const uint8_t *bytes) {
    uint64_t records = u32_at(bytes, R_SIZE), size = R_END + records;
    uint64_t half = records / 128 * 64;
    const struct sha256 halves[2] = {sha_of(reader->sha, bytes + R_END, half),
                                     sha_of(reader->sha, bytes + R_END + half, records - half)};
    sha256_begin(reader->sha);
    sha256_add(reader->sha, slice_of(bytes + R_PREVIOUS_CHAIN, R_END - R_PREVIOUS_CHAIN));
    sha256_add(reader->sha, slice_of(halves, sizeof(halves)));
    struct sha256 chain = sha256_end(reader->sha);
    if (memcmp(&chain, bytes + R_CHAIN, sizeof(chain)) != 0)
        return "J8: the round's bytes do not agree with its chain";
    if (!is_zero(bytes + size, blocks(size) - size))
        return "J10: the round is not padded with zeros";
    return NULL;
}

static const char *round_records_check(const uint8_t *bytes) {
    struct slice rest = slice_of(bytes + R_END, u32_at(bytes, R_SIZE));
    uint32_t count = 0;
    for (; rest.size != 0; count++) {
        size_t size = record_size(rest);
        if (size == 0)
            return "J9: the records do not fill the round";
        rest = slice_of(rest.bytes + size, rest.size - size);
    }
    if (count != u32_at(bytes, R_COUNT))
        return "J9: the round has not as many records as it says";
    if ((count == 0) != (u16_at(bytes, R_FLAGS) == 1))
        return "J9: a round without records is not a closing one, or the other way round";
    return NULL;
}

// `ret_torn`: what a crash may have left unfinished here; NULL: the round is right, and `ret_bytes`
// has it.
static enum status round_read(struct journal_reader *reader, char *ret_why,
                              const uint8_t **ret_bytes, const char **ret_torn) {
    const char *broken;
    *ret_torn = "J4: the segment is full";
    if (reader->offset == reader->segment_bytes)
        return STATUS_ok;
    enum status status = read_bytes(reader, reader->offset, BLOCK, ret_why, ret_bytes);
    if (status != STATUS_ok)
        return status;
    *ret_torn = round_header_check(reader, *ret_bytes, reader->offset);
    if (*ret_torn != NULL)
        return STATUS_ok;
    broken = round_order_check(reader, *ret_bytes);
    if (broken != NULL)
        return damaged(reader->number, reader->offset, broken, ret_why);
    uint64_t size = blocks(R_END + (uint64_t)u32_at(*ret_bytes, R_SIZE));
    status = read_bytes(reader, reader->offset, size, ret_why, ret_bytes);
    if (status != STATUS_ok)
        return status;
    *ret_torn = round_bytes_check(reader, *ret_bytes);
    broken = *ret_torn == NULL ? round_records_check(*ret_bytes) : NULL;
    return broken == NULL ? STATUS_ok : damaged(reader->number, reader->offset, broken, ret_why);
}

// ---- ends ---------------------------------------------------------------------------------------

// Behind the place where the journal seems to end there may be nothing that says it was durable.
static enum status tail_check(struct journal_reader *reader, const char *torn, char *ret_why) {
    uint64_t last = reader->offset;
    for (uint64_t offset = reader->offset; offset < reader->segment_bytes;) {
        uint64_t size =
            reader->segment_bytes - offset < WINDOW ? reader->segment_bytes - offset : WINDOW;
        const uint8_t *bytes;
        enum status status = read_bytes(reader, offset, size, ret_why, &bytes);
        if (status != STATUS_ok)
            return status;
        bool is_empty = is_zero(bytes, size);
        for (uint64_t at = 0; !is_empty && at < size; at += BLOCK) {
            if (is_zero(bytes + at, BLOCK))
                continue;
            last = offset + at + BLOCK;
            if (round_header_check(reader, bytes + at, offset + at) == NULL &&
                u64_at(bytes + at, R_SEQUENCE) > reader->sequence &&
                u64_at(bytes + at, R_SYNCED) > position_of(reader, reader->offset))
                return damaged(reader->number, reader->offset, torn, ret_why);
        }
        offset += size;
    }
    reader->unfinished_bytes = last - reader->offset;
    return STATUS_end;
}

// The present segment's rounds are over: on to the next one, which must say the same.
static enum status segment_end(struct journal_reader *reader, char *ret_why) {
    const uint8_t *header = reader->segments[reader->number + 1].header;
    if (u64_at(header, S_PREVIOUS_END) != position_of(reader, reader->offset) ||
        u64_at(header, S_PREVIOUS_ROUND) != reader->last_round ||
        u64_at(header, S_SEQUENCE) != reader->sequence ||
        u64_at(header, S_TIME) != reader->time_ms ||
        memcmp(header + S_CHAIN, &reader->chain, sizeof(reader->chain)) != 0)
        return damaged(reader->number + 1, 0,
                       "J3: the header does not repeat the last round before it", ret_why);
    uint64_t rest = reader->segment_bytes - reader->offset;
    for (uint64_t at = 0; at < rest; at += WINDOW) {
        const uint8_t *bytes;
        uint64_t size = rest - at < WINDOW ? rest - at : WINDOW;
        enum status status = read_bytes(reader, reader->offset + at, size, ret_why, &bytes);
        if (status != STATUS_ok)
            return status;
        if (!is_zero(bytes, size))
            return damaged(reader->number, reader->offset + at,
                           "J12: there is something behind the last round", ret_why);
    }
    reader->number++;
    reader->offset = BLOCK;
    reader->window_start = 0;
    buffer_reset(&reader->window);
    return STATUS_ok;
}

static void round_take(struct journal_reader *reader, const uint8_t *bytes,
                       struct journal_reader_round *ret_round) {
    uint32_t size = u32_at(bytes, R_SIZE);
    memcpy(&reader->chain, bytes + R_CHAIN, sizeof(reader->chain));
    reader->sequence = u64_at(bytes, R_SEQUENCE);
    reader->time_ms = u64_at(bytes, R_TIME);
    reader->last_round = u64_at(bytes, R_POSITION);
    reader->synced = u64_at(bytes, R_SYNCED);
    reader->is_closed = u16_at(bytes, R_FLAGS) == 1;
    reader->round_count++;
    reader->offset += blocks(R_END + (uint64_t)size);
    *ret_round = (struct journal_reader_round){
        .position = reader->last_round + R_END,
        .time_ms = reader->time_ms,
        .records = slice_of(bytes + R_END, size),
    };
}

void journal_reader_limit(struct journal_reader *reader, uint64_t position) {
    reader->limit = position;
}

enum status journal_reader_next(struct journal_reader *reader, char *ret_why,
                                struct journal_reader_round *ret_round) {
    enum status status = STATUS_ok;
    while (status == STATUS_ok) {
        const uint8_t *bytes;
        const char *torn;
        if (reader->limit != 0 && position_of(reader, reader->offset) >= reader->limit)
            return STATUS_end;
        bool is_last = reader->number + 1 == reader->segment_count;
        uint64_t known_end =
            is_last ? 0 : u64_at(reader->segments[reader->number + 1].header, S_PREVIOUS_END);
        if (!is_last && position_of(reader, reader->offset) == known_end) {
            status = segment_end(reader, ret_why);
            continue;
        }
        status = round_read(reader, ret_why, &bytes, &torn);
        if (status == STATUS_ok && torn != NULL)
            status = is_last ? tail_check(reader, torn, ret_why)
                             : damaged(reader->number, reader->offset, torn, ret_why);
        if (status != STATUS_ok)
            break;
        round_take(reader, bytes, ret_round);
        if (ret_round->records.size != 0)
            return STATUS_ok;
    }
    return failed(status, ret_why);
}
