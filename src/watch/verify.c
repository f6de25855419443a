// SPDX-License-Identifier: MIT
// Walks the journal once and adds the books up beside it.
#include "watch/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/id.h"
#include "base/memory.h"
#include "watch/journal_reader.h"
#include "watch/tally.h"

#define RECORD_BYTES_MIN                                                                           \
    184 // of a record that can have a key or bank id: a frame, a key, the smallest facts
#define BOOKS_NAME     "books"
#define PROGRESS_BYTES (UINT64_C(4) << 20)

#define MOVED_TIME_SHIFT 17 // of the numbers that books in a database have

struct moved_transaction {
    uint64_t number, position;
};

struct books_said {
    struct id_seal seal;
    uint64_t moved_ms; // 0: they were born here
    struct sha256 moved_chain;
};

struct verification {
    struct disk *disk;
    struct journal_reader *reader; // owned
    struct books_said said;        // by the file "books"
    struct moved_transaction *moved; // owned; in their order
    uint64_t moved_count, moved_capacity;
    struct tally tally;
    void (*progress)(void *context, const struct verify_progress *progress);
    void *context;
    uint64_t told_bytes;
};

static struct slice record_at(void *context, uint64_t position) {
    const struct verification *verification = context;
    return journal_reader_at(verification->reader, position);
}

// The file "books" (described in engine/embedded/folder.c): magic, version, checksum, id, key of
// the ids' permutation; in version 2 at its end where books that were moved come from.
static enum status read_books(struct disk *disk, char *ret_why, struct books_said *ret_said) {
    uint8_t bytes[104] = {0};
    uint32_t version, crc;
    struct disk_file *file;
    size_t got = 0;
    enum status status = disk->driver->open(disk, BOOKS_NAME, false, &file);
    if (status == STATUS_ok) {
        status = file->driver->read(file, 0, bytes, sizeof(bytes), &got);
        file->driver->close(file);
    }
    if (status != STATUS_ok) {
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "the file \"books\" %s%s",
                       status == STATUS_not_found
                           ? "is not there, and without it no id can be opened; restore it from a "
                             "backup"
                           : "cannot be read: ",
                       status == STATUS_not_found ? "" : status_sentence(status));
        return status;
    }
    memcpy(&version, bytes + 8, sizeof(version));
    memcpy(&crc, bytes + 12, sizeof(crc));
    bool has_moved = version == 2;
    size_t size = has_moved ? 104 : 64;
    if (got < size || version < 1 || version > 2 || memcmp(bytes, "florinbk", 8) != 0 ||
        crc != crc32c(slice_of(bytes + 16, size - 16))) {
        (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES, "the file \"books\" does not hold");
        return STATUS_damaged;
    }
    *ret_said = (struct books_said){.seal = id_seal_make(bytes + 32)};
    if (has_moved) {
        memcpy(&ret_said->moved_ms, bytes + 64, sizeof(ret_said->moved_ms));
        memcpy(&ret_said->moved_chain, bytes + 72, sizeof(ret_said->moved_chain));
    }
    return STATUS_ok;
}

// The journal begins where the file "books" says.
static enum status check_origin(const struct journal_reader_stand *stand,
                                const struct books_said *said, char *ret_why) {
    bool fits = stand->goes_on == (said->moved_ms != 0) &&
                (!stand->goes_on || memcmp(&stand->first_chain, &said->moved_chain,
                                           sizeof(said->moved_chain)) == 0);
    if (fits)
        return STATUS_ok;
    (void)snprintf(ret_why, JOURNAL_READER_WHY_BYTES,
                   "J3: the journal goes on from other books than the file \"books\" says");
    return STATUS_damaged;
}

// ---- what moved in ----------------------------------------------------------------------------

// Numbers of transactions that moved grow from record to record; so each id leads to one place.
static void note_moved(struct verification *verification, uint64_t position, struct slice bytes) {
    struct record record;
    const char *broken;
    uint64_t locator;
    if (record_decode(bytes, &record, &broken) != STATUS_ok ||
        record.kind != RECORD_TRANSACTION ||
        id_time_ms(record.transaction.id) >= verification->said.moved_ms ||
        !id_open(&verification->said.seal, record.transaction.id, &locator))
        return;
    uint64_t number = (id_time_ms(record.transaction.id) << MOVED_TIME_SHIFT) + locator;
    if (verification->moved_count != 0 &&
        verification->moved[verification->moved_count - 1].number >= number)
        return; // it leads elsewhere, which the tally tells
    if (verification->moved_count == verification->moved_capacity) {
        verification->moved_capacity = verification->moved_capacity * 2 + 4096;
        verification->moved = memory_resize(
            verification->moved, verification->moved_capacity * sizeof(*verification->moved));
    }
    verification->moved[verification->moved_count++] =
        (struct moved_transaction){.number = number, .position = position};
}

static uint64_t find_moved(void *context, struct id transaction) {
    const struct verification *verification = context;
    uint64_t locator, low = 0, high = verification->moved_count;
    if (!id_open(&verification->said.seal, transaction, &locator))
        return 0;
    uint64_t number = (id_time_ms(transaction) << MOVED_TIME_SHIFT) + locator;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (verification->moved[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < verification->moved_count && verification->moved[low].number == number;
    return is_there ? verification->moved[low].position : 0;
}

static void tell_progress(struct verification *verification, bool is_end) {
    struct journal_reader_stand stand;
    journal_reader_stand(verification->reader, &stand);
    if (verification->progress == NULL ||
        (!is_end && stand.bytes_done - verification->told_bytes < PROGRESS_BYTES))
        return;
    verification->told_bytes = stand.bytes_done;
    verification->progress(
        verification->context,
        &(struct verify_progress){.bytes_done = is_end ? stand.journal_bytes : stand.bytes_done,
                                  .bytes_total = stand.journal_bytes,
                                  .record_count = verification->tally.record_count});
}

static bool take_round(struct verification *verification,
                       const struct journal_reader_round *round) {
    struct slice rest = round->records;
    uint64_t position = round->position;
    while (rest.size != 0) {
        size_t size = record_size(rest);
        CHECK(size != 0); // the reader has walked over it
        if (round->time_ms < verification->said.moved_ms)
            note_moved(verification, position, slice_of(rest.bytes, size));
        if (!tally_take(&verification->tally, position, slice_of(rest.bytes, size), round->time_ms))
            return false;
        rest = slice_of(rest.bytes + size, rest.size - size);
        position += size;
    }
    return true;
}

// What the journal or the tally found, with its place, in front of anything that the adding up
// says.
static void tell_damage(struct verify_report *report, const char *why) {
    report->books.consistent = false;
    (void)snprintf(report->books.message, sizeof(report->books.message), "%s", why);
}

static void tell_difference(const struct verification *verification, struct verify_report *report) {
    char place[128];
    journal_reader_place(verification->reader, verification->tally.position, place, sizeof(place));
    report->books.consistent = false;
    (void)snprintf(report->books.message, sizeof(report->books.message), "%s: %s", place,
                   verification->tally.why);
}

static void tell_consistency(struct verify_report *report) {
    (void)snprintf(
        report->books.message, sizeof(report->books.message),
        "The books are right: %llu records in %llu rounds, %llu transactions between %llu wallets.",
        (unsigned long long)report->books.record_count, (unsigned long long)report->round_count,
        (unsigned long long)report->books.transaction_count,
        (unsigned long long)report->books.wallet_count);
}

static enum status verify_journal(struct verification *verification, struct verify_report *report) {
    struct journal_reader_round round;
    struct journal_reader_stand stand;
    char why[JOURNAL_READER_WHY_BYTES] = "";
    enum status status = STATUS_ok;
    while ((status = journal_reader_next(verification->reader, why, &round)) == STATUS_ok) {
        if (!take_round(verification, &round))
            break;
        tell_progress(verification, false);
    }
    if (status != STATUS_ok && status != STATUS_end && status != STATUS_damaged) {
        tell_damage(report, why);
        return status;
    }
    tally_add_up(&verification->tally, &report->books);
    journal_reader_stand(verification->reader, &stand);
    report->books.checks[INTEGRITY_CHAIN].name = "chain";
    report->books.checks[INTEGRITY_CHAIN].count = stand.round_count;
    report->books.checks[INTEGRITY_CHAIN].differences = status == STATUS_damaged;
    report->journal_bytes = stand.journal_bytes;
    report->segment_count = stand.segment_count;
    report->round_count = stand.round_count;
    report->last_time_ms = stand.time_ms;
    report->books.as_of_ms = stand.time_ms;
    report->books.position = stand.bytes_done;
    report->chain = stand.chain;
    report->is_closed = stand.is_closed;
    report->unfinished_bytes = stand.unfinished_bytes;
    if (status == STATUS_damaged)
        tell_damage(report, why);
    else if (verification->tally.is_broken)
        tell_difference(verification, report);
    else if (report->books.consistent)
        tell_consistency(report);
    tell_progress(verification, true);
    return STATUS_ok;
}

static enum status verify_open(struct verification *verification, struct verify_report *report) {
    struct journal_reader_stand stand;
    char why[JOURNAL_READER_WHY_BYTES] = "";
    enum status status = journal_reader_open(verification->disk, why, &verification->reader);
    if (status == STATUS_ok)
        status = read_books(verification->disk, why, &verification->said);
    if (status == STATUS_ok) {
        journal_reader_stand(verification->reader, &stand);
        status = check_origin(&stand, &verification->said, why);
    }
    if (status != STATUS_ok) {
        tell_damage(report, why);
        return status;
    }
    report->goes_on = stand.goes_on;
    report->first_chain = stand.first_chain;
    struct tally_source source = {
        .seal = &verification->said.seal,
        .moved_ms = verification->said.moved_ms,
        .find_position = find_moved,
        .record_at = record_at,
        .context = verification,
        .record_count_max = stand.journal_bytes / RECORD_BYTES_MIN,
    };
    tally_init(&verification->tally, &source);
    return STATUS_ok;
}

enum status verify_disk(struct disk *disk,
                        void (*progress)(void *context, const struct verify_progress *progress),
                        void *context, struct verify_report *ret_report) {
    struct verification *verification = memory_take_zeroed(sizeof(*verification));
    uint64_t started_ns = clock_monotonic_ns();
    memset(ret_report, 0, sizeof(*ret_report));
    verification->disk = disk;
    verification->progress = progress;
    verification->context = context;
    enum status status = verify_open(verification, ret_report);
    if (status == STATUS_ok) {
        status = verify_journal(verification, ret_report);
        tally_done(&verification->tally);
    }
    ret_report->books.took_us = (clock_monotonic_ns() - started_ns) / 1000;
    journal_reader_close(verification->reader);
    memory_free(verification->moved);
    memory_free(verification);
    // Damage is a finding about books that are there.
    return status == STATUS_damaged ? STATUS_ok : status;
}

enum status verify_folder(const char *data_folder,
                          void (*progress)(void *context, const struct verify_progress *progress),
                          void *context, struct verify_report *ret_report) {
    struct disk *disk;
    enum status status = disk_posix_open(data_folder, &disk);
    if (status != STATUS_ok) {
        memset(ret_report, 0, sizeof(*ret_report));
        (void)snprintf(ret_report->books.message, sizeof(ret_report->books.message), "%s",
                       status == STATUS_not_found ? "there is no such folder"
                                                  : status_sentence(status));
        return status;
    }
    status = verify_disk(disk, progress, context, ret_report);
    disk->driver->done(disk);
    return status;
}

void verify_report_done(struct verify_report *report) {
    integrity_report_done(&report->books);
}
