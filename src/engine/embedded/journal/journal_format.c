// SPDX-License-Identifier: MIT
// Reading and sealing of the headers that journal_format.h describes, apart from files and threads.
#include "engine/embedded/journal/journal_format.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define CRC_START   12
#define CHAIN_START 48
#define HALF_STEP   128 // a half is whole blocks of SHA-256
#define NAME_PREFIX "journal/"
#define NAME_SUFFIX ".segment"
#define NAME_DIGITS 20

void journal_segment_name(uint64_t number, char ret_name[JOURNAL_SEGMENT_NAME_BYTES]) {
    int size = snprintf(ret_name, JOURNAL_SEGMENT_NAME_BYTES, NAME_PREFIX "%020llu" NAME_SUFFIX,
                        (unsigned long long)number);
    CHECK(size > 0 && size < JOURNAL_SEGMENT_NAME_BYTES);
}

bool journal_segment_number(const char *name, uint64_t *ret_number) {
    char again[JOURNAL_SEGMENT_NAME_BYTES];
    size_t prefix = sizeof(NAME_PREFIX) - 1;
    uint64_t number = 0;
    if (strncmp(name, NAME_PREFIX, prefix) != 0 ||
        strlen(name) != prefix + NAME_DIGITS + sizeof(NAME_SUFFIX) - 1)
        return false;
    for (size_t i = prefix; i < prefix + NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    // Writing it again refuses a wrong suffix and numbers beyond 64 bits.
    journal_segment_name(number, again);
    if (strcmp(name, again) != 0)
        return false;
    *ret_number = number;
    return true;
}

struct sha256 journal_chain_first(const struct journal_books *books) {
    uint8_t bytes[14 + sizeof(books->bytes)] = "florin journal";
    memcpy(bytes + 14, books->bytes, sizeof(books->bytes));
    return sha256_of(slice_of(bytes, sizeof(bytes)));
}

void journal_segment_header_seal(struct journal_segment_header *header) {
    header->magic = JOURNAL_SEGMENT_MAGIC;
    header->version = JOURNAL_FORMAT_VERSION;
    header->crc =
        crc32c(slice_of((const uint8_t *)header + CRC_START, sizeof(*header) - CRC_START));
}

const char *journal_segment_header_read(const uint8_t *block,
                                        struct journal_segment_header *ret_header) {
    struct journal_segment_header header;
    memcpy(&header, block, sizeof(header));
    if (header.magic != JOURNAL_SEGMENT_MAGIC)
        return "J2: no segment begins here";
    if (header.crc != crc32c(slice_of(block + CRC_START, sizeof(header) - CRC_START)))
        return "J2: the segment header's checksum does not agree";
    if (header.version != JOURNAL_FORMAT_VERSION)
        return "J2: the segment has a version that is not known";
    if ((header.flags & ~(uint32_t)JOURNAL_SEGMENT_GOES_ON) != 0 ||
        (header.flags != 0 && header.number != 0))
        return "J2: the segment has a flag that is not known";
    if (!journal_is_zero(header.zero, sizeof(header.zero)) ||
        !journal_is_zero(block + sizeof(header), JOURNAL_BLOCK_BYTES - sizeof(header)))
        return "J2: the segment header is not followed by zeros";
    *ret_header = header;
    return NULL;
}

struct sha256 journal_round_chain(struct sha256_context *sha, const uint8_t *bytes, size_t size) {
    const uint8_t *records = bytes + JOURNAL_ROUND_HEADER_BYTES;
    size_t first = size / HALF_STEP * (HALF_STEP / 2);
    struct sha256 halves[2];
    sha256_pair(sha, slice_of(records, first), slice_of(records + first, size - first), halves);
    sha256_begin(sha);
    sha256_add(sha, slice_of(bytes + CHAIN_START, JOURNAL_ROUND_HEADER_BYTES - CHAIN_START));
    sha256_add(sha, slice_of(halves, sizeof(halves)));
    return sha256_end(sha);
}

void journal_round_seal(struct sha256_context *sha, struct journal_round_header *header,
                        uint8_t *bytes) {
    CHECK(header->position % JOURNAL_BLOCK_BYTES == 0);
    CHECK(header->synced <= header->position);
    header->magic = JOURNAL_ROUND_MAGIC;
    header->version = JOURNAL_FORMAT_VERSION;
    memcpy(bytes, header, sizeof(*header));
    header->chain = journal_round_chain(sha, bytes, header->size);
    memcpy(bytes, header, sizeof(*header));
    header->crc = crc32c(slice_of(bytes + CRC_START, sizeof(*header) - CRC_START));
    memcpy(bytes, header, sizeof(*header));
}

const char *journal_round_header_read(const uint8_t *block, const struct journal_books *books,
                                      uint64_t position, uint64_t room,
                                      struct journal_round_header *ret_header) {
    struct journal_round_header header;
    memcpy(&header, block, sizeof(header));
    if (header.magic != JOURNAL_ROUND_MAGIC)
        return "J4: no round begins here";
    if (header.crc != crc32c(slice_of(block + CRC_START, sizeof(header) - CRC_START)))
        return "J4: the round header's checksum does not agree";
    if (header.version != JOURNAL_FORMAT_VERSION || (header.flags & ~JOURNAL_ROUND_CLOSING) != 0)
        return "J4: the round has a version or flag that is not known";
    if (header.zero_front != 0 || header.zero_middle != 0 || header.zero_back != 0)
        return "J4: the round header's reserved bytes are not zero";
    if (memcmp(&header.books, books, sizeof(*books)) != 0)
        return "J4: the round is one of other books";
    if (header.position != position)
        return "J4: the round was written for another position";
    if (header.size % 8 != 0 || journal_round_end(0, header.size) > room)
        return "J4: the round does not fit into its segment";
    *ret_header = header;
    return NULL;
}

bool journal_is_zero(const uint8_t *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}
