// SPDX-License-Identifier: MIT
// The reading side: published records through mapped segments, from any thread and without a lock.
// What is published never changes, and below `published` everything is a header, a round or zeros,
// so a place tells what it is: a record by its size, a round by its magic, the end of a segment's
// rounds by a zero block.
#include <string.h>

#include "base/ahead.h"
#include "base/check.h"
#include "base/memory.h"
#include "engine/embedded/journal/journal_private.h"
#include "ledger/record.h"

#define WALK_POSITIONS_START 64

// Bytes from `position` to the end of what is published in its segment.
static struct slice bytes_at(const struct journal *journal, uint64_t position, uint64_t published) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    uint64_t number = position / segment_bytes;
    uint64_t end = (number + 1) * segment_bytes;
    CHECK(position < published);
    end = end < published ? end : published;
    return slice_of(journal->segments[number].bytes + position % segment_bytes, end - position);
}

struct slice journal_read(const struct journal *journal, uint64_t position) {
    uint64_t published = journal_published(journal);
    uint64_t offset = position % journal->options.segment_bytes;
    if (position % 8 != 0 || position >= published ||
        offset < JOURNAL_BLOCK_BYTES + JOURNAL_ROUND_HEADER_BYTES)
        return slice_of(NULL, 0);
    struct slice rest = bytes_at(journal, position, published);
    size_t size = record_size(rest);
    return slice_of(size == 0 ? NULL : rest.bytes, size);
}

void journal_ahead(const struct journal *journal, uint64_t position) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    if (position < journal_published(journal))
        ahead_read(journal->segments[position / segment_bytes].bytes + position % segment_bytes, 1);
}

bool journal_next(const struct journal *journal, uint64_t position, uint64_t *ret_position,
                  struct slice *ret_bytes, uint64_t *ret_next) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    uint64_t published = journal_published(journal);
    CHECK(position % 8 == 0);
    while (position < published) {
        uint64_t offset = position % segment_bytes;
        if (offset < JOURNAL_BLOCK_BYTES) {
            position += JOURNAL_BLOCK_BYTES - offset;
            continue;
        }
        struct slice rest = bytes_at(journal, position, published);
        bool is_block = offset % JOURNAL_BLOCK_BYTES == 0;
        size_t size = record_size(rest);
        if (size != 0) {
            *ret_position = position;
            *ret_bytes = slice_of(rest.bytes, size);
            *ret_next = position + size;
            return true;
        }
        if (is_block && journal_round_is_claimed(rest.bytes))
            position += JOURNAL_ROUND_HEADER_BYTES;
        else if (is_block)
            position = (position / segment_bytes + 1) * segment_bytes;
        else
            position = journal_block_up(position);
    }
    return false;
}

bool journal_round_before(const struct journal *journal, uint64_t end,
                          struct journal_round_header *ret_header) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    uint64_t number = journal_segment_of_end(end, segment_bytes);
    uint64_t base = number * segment_bytes;
    if (end == 0 || number >= journal_segment_count(journal))
        return false;
    const uint8_t *bytes = journal->segments[number].bytes;
    for (uint64_t offset = (end - 1 - base) & ~(uint64_t)(JOURNAL_BLOCK_BYTES - 1);
         offset >= JOURNAL_BLOCK_BYTES; offset -= JOURNAL_BLOCK_BYTES)
        if (journal_round_is_claimed(bytes + offset) &&
            journal_round_header_read(bytes + offset, &journal->books, base + offset,
                                      segment_bytes - offset, ret_header) == NULL)
            return journal_round_end(ret_header->position, ret_header->size) >= end;
    return false;
}

// ---- walking back -------------------------------------------------------------------------------

void journal_walk_init(struct journal_walk *walk, const struct journal *journal,
                       uint64_t position) {
    uint64_t published = journal_published(journal);
    *walk = (struct journal_walk){
        .journal = journal,
        .before = position < published ? position : published,
    };
}

void journal_walk_done(struct journal_walk *walk) {
    memory_free(walk->positions);
    walk->positions = NULL;
}

static void walk_add(struct journal_walk *walk, uint64_t position) {
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? WALK_POSITIONS_START : walk->capacity * 2;
        walk->positions = memory_resize(walk->positions, walk->capacity * sizeof(*walk->positions));
    }
    walk->positions[walk->count++] = position;
}

// Gathers the positions of the round's records that lie before walk->before.
static void walk_enter_round(struct journal_walk *walk, const struct journal_round_header *header) {
    const struct journal *journal = walk->journal;
    uint64_t position = header->position + JOURNAL_ROUND_HEADER_BYTES;
    uint64_t end = position + header->size;
    const uint8_t *base = journal->segments[position / journal->options.segment_bytes].bytes;
    while (position < end && position < walk->before) {
        size_t size =
            record_size(slice_of(base + position % journal->options.segment_bytes, end - position));
        if (size == 0)
            break; // the disk lost what was right once; the auditor will say so
        walk_add(walk, position);
        position += size;
    }
    walk->round_before = header->previous_round;
    walk->before = header->position;
    walk->is_inside = true;
}

bool journal_walk_previous(struct journal_walk *walk, uint64_t *ret_position,
                           struct slice *ret_bytes) {
    const struct journal *journal = walk->journal;
    uint64_t segment_bytes = journal->options.segment_bytes;
    struct journal_round_header header;
    while (walk->count == 0) {
        if (walk->is_inside && walk->round_before == 0)
            return false;
        if (walk->is_inside) {
            uint64_t offset = walk->round_before % segment_bytes;
            const uint8_t *block =
                journal->segments[walk->round_before / segment_bytes].bytes + offset;
            if (journal_round_header_read(block, &journal->books, walk->round_before,
                                          segment_bytes - offset, &header) != NULL)
                return false;
        } else if (!journal_round_before(journal, walk->before, &header)) {
            // In front of a segment's first round, or behind the last one of it: the header of this
            // or of the next segment knows the round before.
            uint64_t number = journal_segment_of_end(walk->before, segment_bytes);
            bool is_front = walk->before <= number * segment_bytes + JOURNAL_BLOCK_BYTES;
            struct journal_segment_header segment;
            number = is_front ? number : number + 1;
            if (number >= journal_segment_count(journal))
                return false;
            memcpy(&segment, journal->segments[number].bytes, sizeof(segment));
            walk->round_before = segment.previous_round;
            walk->is_inside = true;
            continue;
        }
        walk_enter_round(walk, &header);
    }
    *ret_position = walk->positions[--walk->count];
    *ret_bytes = journal_read(journal, *ret_position);
    return true;
}

// ---- time ---------------------------------------------------------------------------------------

// Where the rounds of a segment end, as far as they are published.
static uint64_t rounds_end(const struct journal *journal, uint64_t number, uint64_t published) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    if (published <= (number + 1) * segment_bytes)
        return published;
    struct journal_segment_header next;
    memcpy(&next, journal->segments[number + 1].bytes, sizeof(next));
    return next.previous_end;
}

// The last segment in front of which every round is earlier.
static uint64_t find_segment(const struct journal *journal, uint64_t time_ms, uint64_t published) {
    uint64_t first = 0;
    uint64_t last = journal_segment_of_end(published, journal->options.segment_bytes);
    while (first < last) {
        uint64_t middle = first + (last - first + 1) / 2;
        struct journal_segment_header header;
        memcpy(&header, journal->segments[middle].bytes, sizeof(header));
        if (header.previous_time_ms < time_ms)
            first = middle;
        else
            last = middle - 1;
    }
    return first;
}

uint64_t journal_find_time(const struct journal *journal, uint64_t time_ms) {
    uint64_t published = journal_published(journal);
    uint64_t number = find_segment(journal, time_ms, published);
    uint64_t low = number * journal->options.segment_bytes + JOURNAL_BLOCK_BYTES;
    uint64_t high = rounds_end(journal, number, published);
    // Rounds that start before `low` are earlier, those that start at or after `high` are not.
    while (low < high) {
        struct journal_round_header header;
        uint64_t middle = low + (high - low) / 2 / JOURNAL_BLOCK_BYTES * JOURNAL_BLOCK_BYTES;
        bool is_there = journal_round_before(journal, middle + JOURNAL_BLOCK_BYTES, &header);
        CHECK(is_there);
        if (header.time_ms < time_ms)
            low = journal_round_end(header.position, header.size);
        else
            high = header.position;
    }
    return low;
}
