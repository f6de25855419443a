// SPDX-License-Identifier: MIT
// Finding the journal's end again. Rounds are checked in their order, read with read(2) so that a
// disk that fails is an error and not a signal. Behind the last right round the verdict falls: a
// torn tail is cut, damage is refused.
//
// What lies behind the last position proven synced may be in the page cache only (a process that
// died after a sync failed leaves it so), so it is written again and synced before anybody gets an
// answer.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/embedded/journal/journal_private.h"
#include "ledger/record.h"

#define WINDOW_BYTES (UINT64_C(4) << 20)

struct scan {
    struct journal *journal;
    const struct journal_replay *replay;
    char *ret_why;
    size_t why_bytes;
    uint64_t number;      // segment being read
    struct buffer window; // its bytes from `window_start` on
    uint64_t window_start;
    uint64_t offset; // in the segment: where the next round is expected
};

struct segment_names {
    uint64_t count;
    bool has_gap;
};

static enum status scan_damaged(struct scan *scan, uint64_t number, uint64_t offset,
                                const char *broken) {
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    journal_segment_name(number, name);
    (void)snprintf(scan->ret_why, scan->why_bytes, "%s, offset %llu: %s", name,
                   (unsigned long long)offset, broken);
    return STATUS_damaged;
}

static uint64_t scan_position(const struct scan *scan, uint64_t offset) {
    return scan->number * scan->journal->options.segment_bytes + offset;
}

static void scan_enter(struct scan *scan, uint64_t number, uint64_t offset) {
    scan->number = number;
    scan->offset = offset;
    buffer_reset(&scan->window);
    scan->window_start = 0;
}

// Points at `size` bytes of the segment, valid until the next call.
static enum status scan_bytes(struct scan *scan, uint64_t offset, uint64_t size,
                              const uint8_t **ret_bytes) {
    uint64_t segment_bytes = scan->journal->options.segment_bytes;
    CHECK(size <= segment_bytes && offset <= segment_bytes - size);
    bool is_there =
        offset >= scan->window_start && offset + size <= scan->window_start + scan->window.size;
    if (!is_there) {
        struct disk_file *file = scan->journal->segments[scan->number].file;
        uint64_t wanted = size > WINDOW_BYTES ? size : WINDOW_BYTES;
        uint64_t room = segment_bytes - offset;
        size_t got;
        wanted = wanted < room ? wanted : room;
        buffer_reset(&scan->window);
        enum status status =
            file->driver->read(file, offset, buffer_room(&scan->window, wanted), wanted, &got);
        if (status != STATUS_ok)
            return status;
        if (got < size)
            return scan_damaged(scan, scan->number, offset + got, "J1: the segment is cut short");
        scan->window.size = got;
        scan->window_start = offset;
    }
    *ret_bytes = scan->window.bytes + (offset - scan->window_start);
    return STATUS_ok;
}

// ---- segments -----------------------------------------------------------------------------------

static void segment_found(void *context, const char *name) {
    struct segment_names *names = context;
    uint64_t number;
    if (!journal_segment_number(name, &number))
        return;
    names->has_gap = names->has_gap || number != names->count;
    if (!names->has_gap)
        names->count++;
}

static enum status segment_open(struct scan *scan, uint64_t number,
                                struct journal_segment_header *ret_header) {
    struct journal *journal = scan->journal;
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    uint8_t block[JOURNAL_BLOCK_BYTES];
    struct disk_file *file;
    const uint8_t *bytes;
    uint64_t size;
    size_t got;
    journal_segment_name(number, name);
    enum status status = journal->disk->driver->open(journal->disk, name, false, &file);
    if (status != STATUS_ok)
        return status;
    const char *broken = NULL;
    status = file->driver->size(file, &size);
    if (status == STATUS_ok)
        status = file->driver->read(file, 0, block, sizeof(block), &got);
    if (status == STATUS_ok && got < sizeof(block))
        broken = "J1: the file is too small for a segment";
    if (status == STATUS_ok && broken == NULL)
        broken = journal_segment_header_read(block, ret_header);
    if (status == STATUS_ok && broken == NULL && number == 0) {
        journal->books = ret_header->books;
        journal->options.segment_bytes = ret_header->segment_bytes;
    }
    if (status == STATUS_ok && broken == NULL) {
        bool is_ours = ret_header->number == number &&
                       memcmp(&ret_header->books, &journal->books, sizeof(journal->books)) == 0 &&
                       ret_header->segment_bytes == journal->options.segment_bytes;
        bool is_sized = size == journal->options.segment_bytes && size % JOURNAL_BLOCK_BYTES == 0 &&
                        size >= 4 * JOURNAL_BLOCK_BYTES;
        broken = !is_ours   ? "J2: the header is one of another segment or other books"
                 : is_sized ? NULL
                            : "J1: the file has not the size of a segment";
    }
    if (status == STATUS_ok && broken != NULL)
        status = scan_damaged(scan, number, 0, broken);
    if (status == STATUS_ok)
        status = file->driver->map(file, journal->options.segment_bytes, &bytes);
    if (status != STATUS_ok) {
        file->driver->close(file);
        return status;
    }
    journal_add_segment(journal, file, bytes);
    return STATUS_ok;
}

static struct journal_segment_header segment_header(const struct journal *journal,
                                                    uint64_t number) {
    struct journal_segment_header header;
    memcpy(&header, journal->segments[number].bytes, sizeof(header));
    return header;
}

static enum status segments_open(struct scan *scan) {
    struct journal *journal = scan->journal;
    struct segment_names names = {0};
    struct journal_segment_header header;
    enum status status = journal->disk->driver->list(journal->disk, segment_found, &names);
    if (status != STATUS_ok)
        return status;
    if (names.has_gap)
        return scan_damaged(scan, names.count, 0, "J1: the segment is missing");
    for (uint64_t number = 0; number < names.count; number++) {
        status = segment_open(scan, number, &header);
        if (status != STATUS_ok)
            return status;
    }
    if (names.count != 0)
        return STATUS_ok;
    if (scan->replay->from != 0)
        return scan_damaged(scan, 0, 0,
                            "J1: the segment is missing, and a checkpoint says that it was there");
    return STATUS_not_found;
}

// ---- where to begin -----------------------------------------------------------------------------

// The journal stands where a segment begins, as its header says.
static void state_of_segment(struct journal *journal, const struct journal_segment_header *header) {
    journal->chain = header->chain;
    journal->sequence = header->previous_sequence;
    journal->time_ms = header->previous_time_ms;
    journal->last_round = header->previous_round;
    journal->synced = header->previous_end;
}

static void state_of_round(struct journal *journal, const struct journal_round_header *header) {
    journal->chain = header->chain;
    journal->sequence = header->sequence;
    journal->time_ms = header->time_ms;
    journal->last_round = header->position;
    journal->synced = header->synced;
    journal->is_closed = (header->flags & JOURNAL_ROUND_CLOSING) != 0;
}

static bool state_matches_segment(const struct journal *journal,
                                  const struct journal_segment_header *header, uint64_t end) {
    return header->previous_end == end && header->previous_round == journal->last_round &&
           header->previous_sequence == journal->sequence &&
           header->previous_time_ms == journal->time_ms &&
           memcmp(&header->chain, &journal->chain, sizeof(journal->chain)) == 0;
}

static enum status scan_begin(struct scan *scan) {
    struct journal *journal = scan->journal;
    uint64_t from = scan->replay->from;
    uint64_t number = journal_segment_of_end(from, journal->options.segment_bytes);
    uint64_t offset =
        from == 0 ? JOURNAL_BLOCK_BYTES : from - number * journal->options.segment_bytes;
    if (number >= journal_segment_count(journal) || offset % JOURNAL_BLOCK_BYTES != 0)
        return scan_damaged(scan, number, offset,
                            "J1: a checkpoint names a place that the journal does not have");
    if (offset == JOURNAL_BLOCK_BYTES) {
        struct journal_segment_header header = segment_header(journal, number);
        struct journal_segment_header expected = {.chain = journal_chain_begin(journal)};
        state_of_segment(journal, &header);
        bool goes_on = journal->options.moved_ms != 0;
        if (number == 0 && (!state_matches_segment(journal, &expected, header.previous_end) ||
                            header.previous_end != 0 || (header.flags != 0) != goes_on))
            return scan_damaged(scan, 0, 0,
                                "J3: the first segment says that there were rounds before it, or "
                                "others than the file \"books\" says");
    } else {
        struct journal_round_header header;
        if (!journal_round_before(journal, from, &header) ||
            journal_round_end(header.position, header.size) != from)
            return scan_damaged(scan, number, offset,
                                "J4: no round ends where a checkpoint says so");
        state_of_round(journal, &header);
    }
    if (from != 0 &&
        memcmp(&journal->chain, &scan->replay->from_chain, sizeof(journal->chain)) != 0)
        return scan_damaged(scan, number, offset,
                            "J7: the chain is not the one that a checkpoint names");
    scan_enter(scan, number, offset);
    return STATUS_ok;
}

// ---- rounds -------------------------------------------------------------------------------------

static const char *round_check_order(const struct journal *journal,
                                     const struct journal_round_header *header) {
    if (header->sequence != journal->sequence + 1)
        return "J5: the round's sequence does not follow the one before";
    if (header->time_ms < journal->time_ms)
        return "J6: the round is older than the one before";
    if (memcmp(&header->previous_chain, &journal->chain, sizeof(journal->chain)) != 0)
        return "J7: the round does not continue the chain";
    if (header->previous_round != journal->last_round)
        return "J7: the round names another one as the one before";
    if (header->synced < journal->synced || header->synced > header->position)
        return "J11: the synced position is impossible";
    return NULL;
}

static const char *round_check_bytes(const struct journal *journal,
                                     const struct journal_round_header *header,
                                     const uint8_t *bytes) {
    uint64_t size = JOURNAL_ROUND_HEADER_BYTES + header->size;
    struct sha256 chain = journal_round_chain(journal->sha, bytes, header->size);
    if (memcmp(&chain, &header->chain, sizeof(chain)) != 0)
        return "J8: the round's bytes do not agree with its chain";
    if (!journal_is_zero(bytes + size, journal_round_end(0, header->size) - size))
        return "J10: the round is not padded with zeros";
    return NULL;
}

static const char *round_check_records(const struct journal_round_header *header,
                                       const uint8_t *bytes) {
    struct slice rest = slice_of(bytes + JOURNAL_ROUND_HEADER_BYTES, header->size);
    uint32_t count = 0;
    while (rest.size != 0) {
        size_t record = record_size(rest);
        if (record == 0)
            return "J9: the records do not fill the round";
        rest = slice_of(rest.bytes + record, rest.size - record);
        count++;
    }
    if (count != header->record_count)
        return "J9: the round has not as many records as it says";
    if ((count == 0) != ((header->flags & JOURNAL_ROUND_CLOSING) != 0))
        return "J9: a round without records is not a closing one, or the other way round";
    return NULL;
}

// `ret_broken`: what is wrong with the round at the scan's place, NULL: nothing. STATUS_damaged: no
// crash can have left it.
static enum status round_check(struct scan *scan, struct journal_round_header *ret_header,
                               const uint8_t **ret_bytes, const char **ret_broken) {
    struct journal *journal = scan->journal;
    uint64_t room = journal->options.segment_bytes - scan->offset;
    if (room < JOURNAL_BLOCK_BYTES) {
        *ret_broken = "J4: the segment is full";
        return STATUS_ok;
    }
    enum status status = scan_bytes(scan, scan->offset, JOURNAL_BLOCK_BYTES, ret_bytes);
    if (status != STATUS_ok)
        return status;
    *ret_broken = journal_round_header_read(*ret_bytes, &journal->books,
                                            scan_position(scan, scan->offset), room, ret_header);
    if (*ret_broken != NULL)
        return STATUS_ok;
    const char *impossible = round_check_order(journal, ret_header);
    if (impossible != NULL)
        return scan_damaged(scan, scan->number, scan->offset, impossible);
    status = scan_bytes(scan, scan->offset, journal_round_end(0, ret_header->size), ret_bytes);
    if (status == STATUS_ok)
        *ret_broken = round_check_bytes(journal, ret_header, *ret_bytes);
    if (status == STATUS_ok && *ret_broken == NULL) {
        impossible = round_check_records(ret_header, *ret_bytes);
        if (impossible != NULL)
            return scan_damaged(scan, scan->number, scan->offset, impossible);
    }
    return status;
}

static enum status round_replay(struct scan *scan, const struct journal_round_header *header,
                                const uint8_t *bytes) {
    const struct journal_replay *replay = scan->replay;
    uint64_t place = JOURNAL_ROUND_HEADER_BYTES;
    uint64_t end = place + header->size;
    while (place < end) {
        size_t size = record_size(slice_of(bytes + place, end - place));
        CHECK(size != 0);
        if (replay->record != NULL &&
            !replay->record(replay->context, header->position + place,
                            slice_of(bytes + place, size), header->time_ms)) {
            if (scan->ret_why[0] == '\0')
                return scan_damaged(scan, scan->number, scan->offset + place,
                                    "the record contradicts the books");
            return STATUS_damaged;
        }
        place += size;
    }
    return STATUS_ok;
}

// Takes rounds until one is not right. `ret_broken` says why, STATUS_ok, or the segment's known end
// was reached.
static enum status scan_rounds(struct scan *scan, uint64_t known_end, const char **ret_broken) {
    struct journal *journal = scan->journal;
    *ret_broken = NULL;
    while (scan_position(scan, scan->offset) != known_end) {
        struct journal_round_header header;
        const uint8_t *bytes;
        enum status status = round_check(scan, &header, &bytes, ret_broken);
        if (status != STATUS_ok || *ret_broken != NULL)
            return status;
        status = round_replay(scan, &header, bytes);
        if (status != STATUS_ok)
            return status;
        state_of_round(journal, &header);
        scan->offset += journal_round_end(0, header.size);
    }
    return STATUS_ok;
}

// A segment that has a successor: every round up to the end that the successor names must be right.
static enum status scan_full_segment(struct scan *scan) {
    struct journal *journal = scan->journal;
    struct journal_segment_header next = segment_header(journal, scan->number + 1);
    const char *broken;
    enum status status = scan_rounds(scan, next.previous_end, &broken);
    if (status != STATUS_ok)
        return status;
    if (broken != NULL)
        return scan_damaged(scan, scan->number, scan->offset, broken);
    if (!state_matches_segment(journal, &next, next.previous_end))
        return scan_damaged(scan, scan->number + 1, 0,
                            "J3: the header does not repeat the last round before it");
    if (scan->replay->segment_ended != NULL)
        scan->replay->segment_ended(scan->replay->context, scan->number, next.previous_end,
                                    journal->time_ms);
    return STATUS_ok;
}

// ---- the tail -----------------------------------------------------------------------------------

struct tail {
    uint64_t
        first; // offsets of the bytes that are not zero, by blocks; first == end: there are none
    uint64_t end;
};

// Whether a later round says that the place where the journal seems to end was durable.
static bool tail_proves_damage(const struct scan *scan, const uint8_t *block, uint64_t offset,
                               uint64_t *ret_position) {
    const struct journal *journal = scan->journal;
    struct journal_round_header header;
    if (!journal_round_is_claimed(block) ||
        journal_round_header_read(block, &journal->books, scan_position(scan, offset),
                                  journal->options.segment_bytes - offset, &header) != NULL)
        return false;
    *ret_position = header.position;
    return header.sequence > journal->sequence && header.synced > scan_position(scan, scan->offset);
}

static enum status tail_judge(struct scan *scan, const char *broken, struct tail *ret_tail) {
    uint64_t segment_bytes = scan->journal->options.segment_bytes;
    struct tail tail = {0};
    for (uint64_t offset = scan->offset; offset < segment_bytes;) {
        uint64_t size =
            segment_bytes - offset < WINDOW_BYTES ? segment_bytes - offset : WINDOW_BYTES;
        const uint8_t *bytes;
        enum status status = scan_bytes(scan, offset, size, &bytes);
        if (status != STATUS_ok)
            return status;
        bool is_zero = journal_is_zero(bytes, size);
        for (uint64_t at = 0; !is_zero && at < size; at += JOURNAL_BLOCK_BYTES) {
            uint64_t later;
            if (journal_is_zero(bytes + at, JOURNAL_BLOCK_BYTES))
                continue;
            if (tail_proves_damage(scan, bytes + at, offset + at, &later)) {
                (void)scan_damaged(scan, scan->number, scan->offset, broken);
                size_t used = strlen(scan->ret_why);
                (void)snprintf(
                    scan->ret_why + used, scan->why_bytes - used,
                    " (and no torn tail: the round at offset %llu says that this place was synced)",
                    (unsigned long long)(later % segment_bytes));
                return STATUS_damaged;
            }
            tail.first = tail.end == 0 ? offset + at : tail.first;
            tail.end = offset + at + JOURNAL_BLOCK_BYTES;
        }
        offset += size;
    }
    *ret_tail = tail;
    return STATUS_ok;
}

// What a crash left of a round that nobody was answered from becomes zero again, or it could one
// day be mistaken.
static enum status tail_cut(struct scan *scan, const struct tail *tail, const char *broken) {
    struct journal *journal = scan->journal;
    struct disk_file *file = journal->segments[scan->number].file;
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    enum status status = STATUS_ok;
    struct buffer zeros = {0};
    if (tail->end == 0)
        return STATUS_ok;
    journal_segment_name(scan->number, name);
    log_line(LOG_WARNING, "journal",
             "cut a torn tail of %llu bytes behind round %llu: %s, offset %llu: %s",
             (unsigned long long)(tail->end - scan->offset), (unsigned long long)journal->sequence,
             name, (unsigned long long)scan->offset, broken);
    memset(buffer_room(&zeros, WINDOW_BYTES), 0, WINDOW_BYTES);
    for (uint64_t offset = tail->first; status == STATUS_ok && offset < tail->end;
         offset += WINDOW_BYTES) {
        uint64_t size = tail->end - offset < WINDOW_BYTES ? tail->end - offset : WINDOW_BYTES;
        status = file->driver->write(file, offset, slice_of(zeros.bytes, size));
    }
    buffer_done(&zeros);
    return status == STATUS_ok ? file->driver->sync(file) : status;
}

// ---- what may not be on the disk yet ------------------------------------------------------------

// `head`: offset in the last segment where the next round will start.
static enum status rewrite_unproven(struct journal *journal, uint64_t head) {
    uint64_t segment_bytes = journal->options.segment_bytes;
    uint64_t last = journal_segment_count(journal) - 1;
    uint64_t first = journal_segment_of_end(journal->synced, segment_bytes);
    for (uint64_t number = first; number <= last; number++) {
        uint64_t start = number == first && journal->synced != 0
                             ? journal->synced - number * segment_bytes
                             : JOURNAL_BLOCK_BYTES;
        uint64_t end = number == last ? head
                                      : segment_header(journal, number + 1).previous_end -
                                            number * segment_bytes;
        enum status status =
            start < end ? journal_again_write(journal, number, start, end - start) : STATUS_ok;
        if (status != STATUS_ok)
            return status;
    }
    return STATUS_ok;
}

static enum status scan_last_segment(struct scan *scan) {
    struct journal *journal = scan->journal;
    const char *broken;
    struct tail tail;
    enum status status = scan_rounds(scan, UINT64_MAX, &broken);
    if (status == STATUS_ok)
        status = tail_judge(scan, broken, &tail);
    if (status == STATUS_ok)
        status = tail_cut(scan, &tail, broken);
    if (status != STATUS_ok)
        return status;
    uint64_t head = scan->offset;
    journal->place = scan_position(scan, head);
    // An empty segment behind others: the last durable round ended in the one before.
    uint64_t end = head != JOURNAL_BLOCK_BYTES || scan->number == 0
                       ? journal->place
                       : segment_header(journal, scan->number).previous_end;
    status = rewrite_unproven(journal, head);
    journal->synced = end;
    atomic_store_explicit(&journal->published, end, memory_order_release);
    return status;
}

enum status journal_recover(struct journal *journal, const struct journal_replay *replay,
                            char *ret_why, size_t why_bytes) {
    struct scan scan = {
        .journal = journal, .replay = replay, .ret_why = ret_why, .why_bytes = why_bytes};
    enum status status = segments_open(&scan);
    if (status == STATUS_ok)
        status = journal_again_finish(journal);
    if (status == STATUS_ok)
        status = scan_begin(&scan);
    while (status == STATUS_ok && scan.number + 1 < journal_segment_count(journal)) {
        status = scan_full_segment(&scan);
        if (status == STATUS_ok)
            scan_enter(&scan, scan.number + 1, JOURNAL_BLOCK_BYTES);
    }
    if (status == STATUS_ok)
        status = scan_last_segment(&scan);
    buffer_done(&scan.window);
    return status;
}
