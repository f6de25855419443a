// SPDX-License-Identifier: MIT
// The writing side. A round is built in one buffer that begins with room for its header, so that a
// commit is one write and one sync; its chain is computed over that same buffer in one pass.
#include "engine/embedded/journal/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/embedded/journal/journal_private.h"
#include "ledger/record.h"

#define ROUND_BYTES_START (UINT64_C(4) << 20)

uint64_t journal_time_ms(const struct journal *journal) {
    return journal->time_ms;
}

enum status journal_room(struct journal *journal, size_t bytes) {
    uint64_t base = (journal_segment_count(journal) - 1) * journal->options.segment_bytes;
    enum status status = journal_supply_room(&journal->supply, bytes);
    return status != STATUS_ok
               ? status
               : journal_supply_secure(&journal->supply, journal->place - base, bytes);
}

bool journal_round_is_open(const struct journal *journal) {
    return journal->is_open;
}

struct buffer *journal_round_buffer(struct journal *journal) {
    CHECK(journal->is_open);
    return &journal->round;
}

uint64_t journal_next_position(const struct journal *journal) {
    CHECK(journal->is_open);
    return journal->place + journal->round.size;
}

uint64_t journal_published(const struct journal *journal) {
    return atomic_load_explicit(&journal->published, memory_order_acquire);
}

void journal_head(const struct journal *journal, uint64_t *ret_end, struct sha256 *ret_chain) {
    *ret_end = journal_published(journal);
    *ret_chain = journal->chain;
}

// Where the segment ends in which the next round would start.
static uint64_t segment_end(const struct journal *journal) {
    return journal_segment_count(journal) * journal->options.segment_bytes;
}

bool journal_round_fits(const struct journal *journal, size_t bytes_max) {
    if (!journal->is_open)
        return true;
    return journal_block_up(journal->place + journal->round.size + bytes_max) <=
           segment_end(journal);
}

// ---- segments -----------------------------------------------------------------------------------

static void segment_header_fill(const struct journal *journal, uint64_t number,
                                struct journal_segment_header *ret_header) {
    *ret_header = (struct journal_segment_header){
        .books = journal->books,
        .number = number,
        .segment_bytes = journal->options.segment_bytes,
        .previous_end = atomic_load_explicit(&journal->published, memory_order_relaxed),
        .previous_round = journal->last_round,
        .previous_sequence = journal->sequence,
        .previous_time_ms = journal->time_ms,
        .chain = journal->chain,
        .flags = number == 0 && journal->options.moved_ms != 0 ? JOURNAL_SEGMENT_GOES_ON : 0,
    };
    journal_segment_header_seal(ret_header);
}

// The header is durable before the file gets its name: a named segment always has one.
static enum status segment_name(struct journal *journal, struct disk_file *file, uint64_t number,
                                const uint8_t **ret_bytes) {
    uint8_t block[JOURNAL_BLOCK_BYTES] = {0};
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    struct journal_segment_header header;
    segment_header_fill(journal, number, &header);
    memcpy(block, &header, sizeof(header));
    enum status status = file->driver->map(file, journal->options.segment_bytes, ret_bytes);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(block, sizeof(block)));
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    journal_segment_name(number, name);
    return status == STATUS_ok
               ? journal->disk->driver->rename(journal->disk, JOURNAL_SPARE_NAME, name)
               : status;
}

enum status journal_take_segment(struct journal *journal) {
    uint64_t number = journal_segment_count(journal);
    struct disk_file *file;
    uint64_t frontier;
    const uint8_t *bytes;
    enum status status = journal_supply_take(&journal->supply, &file, &frontier);
    if (status != STATUS_ok)
        return status;
    status = segment_name(journal, file, number, &bytes);
    if (status != STATUS_ok) {
        file->driver->close(file);
        return status;
    }
    journal_add_segment(journal, file, bytes);
    journal->place = number * journal->options.segment_bytes + JOURNAL_BLOCK_BYTES;
    journal_supply_use(&journal->supply, file, number, JOURNAL_BLOCK_BYTES, frontier);
    return STATUS_ok;
}

// ---- rounds -------------------------------------------------------------------------------------

// Nothing can be returned here, so what goes wrong is the commit's result. The next segment's
// header repeats the last round, so that must have arrived.
static void round_roll(struct journal *journal) {
    uint64_t ended = journal_segment_count(journal) - 1;
    if (journal_commit_wait(journal) != STATUS_ok)
        return;
    journal->failure = journal_take_segment(journal);
    if (journal->failure == STATUS_ok && journal->options.segment_ended != NULL)
        journal->options.segment_ended(journal->options.context, ended, journal_published(journal),
                                       journal->time_ms);
}

void journal_round_begin(struct journal *journal, uint64_t time_ms, size_t bytes_max) {
    if (journal->is_open) {
        CHECK(time_ms == journal->round_time_ms);
        CHECK(journal_round_fits(journal, bytes_max));
        return;
    }
    CHECK(time_ms >= journal->time_ms);
    CHECK(journal_round_end(JOURNAL_BLOCK_BYTES, bytes_max) <= journal->options.segment_bytes);
    if (journal_round_end(journal->place, bytes_max) > segment_end(journal))
        round_roll(journal);
    buffer_reset(&journal->round);
    memset(buffer_room(&journal->round, JOURNAL_ROUND_HEADER_BYTES + bytes_max), 0,
           JOURNAL_ROUND_HEADER_BYTES);
    journal->round.size = JOURNAL_ROUND_HEADER_BYTES;
    journal->round_time_ms = time_ms;
    journal->is_open = true;
}

// The open round is the flight's from here on, and the flight's old buffer the next round's.
static void round_load(struct journal *journal, uint16_t flags) {
    struct journal_flight *flight = &journal->flight;
    uint64_t segment_bytes = journal->options.segment_bytes;
    struct buffer free_buffer = flight->bytes;
    CHECK(!flight->is_flying);
    flight->header = (struct journal_round_header){
        .previous_chain = journal->chain,
        .books = journal->books,
        .sequence = journal->sequence + 1,
        .time_ms = journal->round_time_ms,
        .position = journal->place,
        .previous_round = journal->last_round,
        .synced = journal->synced,
        .size = (uint32_t)(journal->round.size - JOURNAL_ROUND_HEADER_BYTES),
        .flags = flags,
    };
    uint64_t end = journal_round_end(journal->place, flight->header.size);
    CHECK(end <= segment_end(journal));
    (void)buffer_room(&journal->round, end - journal->place - journal->round.size); // for padding
    flight->bytes = journal->round;
    journal->round = free_buffer;
    flight->file = journal->segments[journal->place / segment_bytes].file;
    flight->offset = journal->place % segment_bytes;
    flight->is_flying = true;
    CHECK(flight->offset >= JOURNAL_BLOCK_BYTES);
    journal_supply_claim(&journal->supply, flight->offset + (end - journal->place));
    journal->place = end;
    journal->time_ms = flight->header.time_ms;
}

// What was on its way has arrived: it is published, or the journal has failed.
static void round_land(struct journal *journal) {
    struct journal_flight *flight = &journal->flight;
    const struct journal_round_header *header = &flight->header;
    CHECK(flight->is_flying);
    flight->is_flying = false;
    if (flight->status != STATUS_ok) {
        journal->failure = flight->status;
        return;
    }
    uint64_t end = journal_round_end(header->position, header->size);
    journal->chain = header->chain;
    journal->sequence = header->sequence;
    journal->last_round = header->position;
    journal->is_closed = header->flags != 0;
    journal->synced = end;
    journal->is_new = false;
    atomic_fetch_add_explicit(&journal->stat_rounds, 1, memory_order_relaxed);
    atomic_store_explicit(&journal->published, end, memory_order_release);
    journal_supply_advance(&journal->supply, flight->offset + (end - header->position));
}

static void round_commit(struct journal *journal, uint16_t flags) {
    round_load(journal, flags);
    journal_flight_store(&journal->flight);
    round_land(journal);
    // The buffer that is in the processor's caches is used again.
    struct buffer warm = journal->flight.bytes;
    journal->flight.bytes = journal->round;
    journal->round = warm;
}

static bool round_closes_with_content(struct journal *journal) {
    CHECK(journal->is_open);
    journal->is_open = false;
    return journal->failure == STATUS_ok && journal->round.size > JOURNAL_ROUND_HEADER_BYTES;
}

enum status journal_commit(struct journal *journal) {
    enum status earlier = journal_commit_wait(journal);
    if (round_closes_with_content(journal) && earlier == STATUS_ok)
        round_commit(journal, 0);
    return journal->failure;
}

enum status journal_commit_begin(struct journal *journal) {
    enum status earlier = journal_commit_wait(journal);
    if (!round_closes_with_content(journal) || earlier != STATUS_ok)
        return journal->failure;
    round_load(journal, 0);
    if (journal->options.is_single_threaded)
        journal_flight_store(&journal->flight);
    else
        journal_flight_start(&journal->flight);
    return STATUS_ok;
}

bool journal_commit_is_over(const struct journal *journal) {
    return journal_flight_is_over(&journal->flight);
}

enum status journal_commit_wait(struct journal *journal) {
    if (journal->flight.is_flying) {
        journal_flight_wait(&journal->flight);
        round_land(journal);
    }
    return journal->failure;
}

// The record at `position` of a round that starts at `start` and lies in `bytes`.
static struct slice read_buffer(const struct buffer *bytes, uint64_t start, uint64_t position) {
    uint64_t offset = position - start;
    if (position % 8 != 0 || offset < JOURNAL_ROUND_HEADER_BYTES || offset >= bytes->size)
        return slice_of(NULL, 0);
    struct slice rest = slice_of(bytes->bytes + offset, bytes->size - offset);
    size_t size = record_size(rest);
    return slice_of(size == 0 ? NULL : rest.bytes, size);
}

struct slice journal_read_open(const struct journal *journal, uint64_t position) {
    const struct journal_flight *flight = &journal->flight;
    if (journal->is_open && position >= journal->place)
        return read_buffer(&journal->round, journal->place, position);
    if (flight->is_flying && position >= flight->header.position)
        return read_buffer(&flight->bytes, flight->header.position, position);
    return journal_read(journal, position);
}

// ---- opening and closing ------------------------------------------------------------------------

static void journal_free(struct journal *journal) {
    journal_flight_wait(&journal->flight);
    journal_supply_close(&journal->supply);
    for (uint64_t i = 0; i < journal_segment_count(journal); i++)
        journal->segments[i].file->driver->close(journal->segments[i].file);
    memory_free(journal->segments);
    sha256_close(journal->sha);
    journal_flight_done(&journal->flight);
    buffer_done(&journal->round);
    memory_free(journal);
}

static enum status journal_create(struct journal *journal) {
    random_fill(&journal->books, sizeof(journal->books));
    journal->chain = journal_chain_begin(journal);
    enum status status = journal_take_segment(journal);
    if (status == STATUS_ok) {
        journal->synced = journal->place;
        atomic_store(&journal->published, journal->place);
    }
    return status;
}

struct sha256 journal_chain_begin(const struct journal *journal) {
    return journal->options.moved_ms != 0 ? journal->options.moved_chain
                                          : journal_chain_first(&journal->books);
}

// Goes on in the last segment that there is.
static void journal_resume(struct journal *journal) {
    uint64_t number = journal_segment_count(journal) - 1;
    uint64_t head = journal->place - number * journal->options.segment_bytes;
    journal_supply_use(&journal->supply, journal->segments[number].file, number, head, head);
}

// Pages that are touched now are not faulted in by the first big rounds.
static void round_touch(struct buffer *round) {
    memset(buffer_room(round, ROUND_BYTES_START), 0, ROUND_BYTES_START);
}

enum status journal_open(struct disk *disk, const struct journal_options *options,
                         const struct journal_replay *replay, char *ret_why, size_t why_bytes,
                         struct journal **ret_journal) {
    CHECK(why_bytes >= 256);
    CHECK(options->segment_bytes % JOURNAL_BLOCK_BYTES == 0);
    struct journal *journal = memory_take_zeroed(sizeof(*journal));
    ret_why[0] = '\0';
    journal->disk = disk;
    journal->options = *options;
    journal->is_new = true;
    journal->sha = sha256_open();
    journal_flight_init(&journal->flight);
    journal->flight.arrived = options->arrived;
    journal->flight.context = options->context;
    journal->segments = memory_take_zeroed(JOURNAL_SEGMENTS_MAX * sizeof(*journal->segments));
    enum status status = journal_supply_clear(disk);
    if (status == STATUS_ok)
        status = journal_recover(journal, replay, ret_why, why_bytes);
    bool is_fresh = status == STATUS_not_found;
    if (status == STATUS_ok || is_fresh)
        journal_supply_open(&journal->supply, disk, journal->options.segment_bytes,
                            options->free_bytes_min, !options->is_single_threaded);
    if (is_fresh)
        status = journal_create(journal);
    else if (status == STATUS_ok)
        journal_resume(journal);
    if (status != STATUS_ok) {
        if (ret_why[0] == '\0')
            (void)snprintf(ret_why, why_bytes, "the journal could not be read or written: %s",
                           status_name(status));
        journal_free(journal);
        return status;
    }
    round_touch(&journal->round);
    *ret_journal = journal;
    return STATUS_ok;
}

// Nothing was promised about it, so when it cannot be written the next start merely looks as after
// a crash.
static void journal_write_closing(struct journal *journal) {
    bool is_closed_already = journal->is_new && (journal->is_closed || journal->last_round == 0);
    if (is_closed_already)
        return;
    // Behind what moved in, so that nothing which is made here can be as old.
    uint64_t moved_ms = journal->options.is_moving_in ? journal->options.moved_ms : 0;
    CHECK(moved_ms == 0 || moved_ms >= journal->time_ms);
    journal_round_begin(journal, moved_ms != 0 ? moved_ms : journal->time_ms, 0);
    journal->is_open = false;
    if (journal->failure == STATUS_ok)
        round_commit(journal, JOURNAL_ROUND_CLOSING);
    if (journal->failure != STATUS_ok)
        log_line(LOG_WARNING, "journal", "the closing round could not be written: %s",
                 status_sentence(journal->failure));
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    CHECK(!journal->is_open || journal->failure != STATUS_ok ||
          journal->round.size == JOURNAL_ROUND_HEADER_BYTES);
    journal->is_open = false;
    if (journal_commit_wait(journal) == STATUS_ok)
        journal_write_closing(journal);
    journal_free(journal);
}

void journal_stats(const struct journal *journal, struct journal_stats *ret_stats) {
    uint64_t segments = journal_segment_count(journal);
    *ret_stats = (struct journal_stats){
        .bytes = segments * journal->options.segment_bytes,
        .segments = segments,
        .rounds = atomic_load_explicit(&journal->stat_rounds, memory_order_relaxed),
        .sync_count = atomic_load_explicit(&journal->flight.stat_syncs, memory_order_relaxed),
        .sync_ns_total = atomic_load_explicit(&journal->flight.stat_sync_ns, memory_order_relaxed),
        .sync_ns_max =
            atomic_load_explicit(&journal->flight.stat_sync_ns_max, memory_order_relaxed),
        .storage_full = journal_supply_is_full(&journal->supply),
    };
}
