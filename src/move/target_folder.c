// SPDX-License-Identifier: MIT
// Records of one millisecond become a round, as long as they are not too many: a round's time is
// that of its records, by which the engine finds a time again. Index and checkpoint are made by the
// first start.
#include "move/target_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "engine/embedded/folder.h"
#include "engine/embedded/journal/journal.h"
#include "ledger/seal.h"
#include "move/lazy_disk.h"

#define ROUND_BYTES_MAX ((size_t)4 << 20)

struct target_folder {
    struct disk *disk, *lazy; // owned
    int lock;
    struct id here;
    bool is_again;
    struct journal *journal; // owned; NULL: not begun, or closed
    struct places places;    // from 8 x numbers to positions
    struct buffer scratch, uses;
    uint64_t time_ms;
    char why[MOVE_WHY_BYTES];
};

const char *target_folder_why(const struct target_folder *target) {
    return target->why;
}

struct id target_folder_books(const struct target_folder *target) {
    return target->here;
}

bool target_folder_is_again(const struct target_folder *target) {
    return target->is_again;
}

struct disk *target_folder_disk(struct target_folder *target) {
    return target->disk;
}

static enum status fail(struct target_folder *target, enum status status, const char *what) {
    if (status != STATUS_ok)
        (void)snprintf(target->why, sizeof(target->why), "%s: %s", what, status_sentence(status));
    return status;
}

// ---- opening ----------------------------------------------------------------------------------

static enum status prepare(struct target_folder *target, const char *folder, struct id from,
                           char *ret_why) {
    struct folder_filling note = {.from = from};
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the folder %.300s cannot be made: %s", folder,
                       strerror(errno));
        return STATUS_invalid_request;
    }
    enum status status = folder_lock(folder, ret_why, MOVE_WHY_BYTES, &target->lock);
    if (status != STATUS_ok)
        return status;
    status = disk_posix_open(folder, &target->disk);
    if (status != STATUS_ok) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the folder %.300s cannot be opened (%s)", folder,
                       status_name(status));
        return status;
    }
    target->is_again = folder_filling_read(target->disk, &note);
    if (target->is_again && !id_equal(note.from, from)) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES,
                       "the folder holds half of other books, whose move broke off: end that, or "
                       "remove the folder");
        return STATUS_invalid_request;
    }
    if (!target->is_again)
        random_fill(&note.here, sizeof(note.here));
    target->here = note.here;
    return folder_empty(target->disk, target->is_again, ret_why, MOVE_WHY_BYTES);
}

enum status target_folder_open(const char *folder, struct id from, char *ret_why,
                               struct target_folder **ret_target) {
    struct target_folder *target = memory_take_zeroed(sizeof(*target));
    target->lock = -1;
    enum status status = prepare(target, folder, from, ret_why);
    if (status != STATUS_ok) {
        target_folder_close(target);
        return status;
    }
    target->lazy = lazy_disk_open(target->disk);
    *ret_target = target;
    return STATUS_ok;
}

// ---- writing ----------------------------------------------------------------------------------

enum status target_folder_begin(struct target_folder *target, const struct move_birth *birth,
                                uint64_t last_number, const struct sha256 *chain) {
    struct folder_filling note = {.from = birth->books, .here = target->here};
    struct birth here = {
        .id = target->here, .hash_seed = birth->hash_seed, .created_ms = birth->created_ms};
    struct origin_of_books origin = {.moved_ms = (last_number >> NUMBER_TIME_SHIFT) + 1,
                                     .chain = *chain};
    struct journal_options options = {.segment_bytes = JOURNAL_SEGMENT_BYTES,
                                      .moved_ms = origin.moved_ms,
                                      .moved_chain = origin.chain,
                                      .is_moving_in = true};
    struct journal_replay replay = {0};
    memcpy(here.seal_key, birth->seal_key, sizeof(here.seal_key));
    enum status status = folder_filling_write(target->disk, &note);
    if (status == STATUS_ok)
        status = folder_birth_write(target->disk, &here, &origin);
    if (status != STATUS_ok)
        return fail(target, status, "the folder cannot be written");
    return journal_open(target->lazy, &options, &replay, target->why, sizeof(target->why),
                        &target->journal);
}

static enum status end_round(struct target_folder *target) {
    if (!journal_round_is_open(target->journal))
        return STATUS_ok;
    return fail(target, journal_commit(target->journal), "the journal cannot be written");
}

enum status target_folder_take(struct target_folder *target, const struct move_record *moved) {
    struct record record = moved->record;
    struct journal *journal = target->journal;
    bool is_open = journal_round_is_open(journal);
    size_t bytes_max = moved->bytes.size + RECORD_AGAIN_BYTES_MAX;
    enum status status = STATUS_ok;
    if (is_open && (record.time_ms != target->time_ms ||
                    journal_round_buffer(journal)->size > ROUND_BYTES_MAX ||
                    !journal_round_fits(journal, bytes_max)))
        status = end_round(target);
    if (status == STATUS_ok)
        status = fail(target, journal_room(journal, bytes_max), "the journal cannot be written");
    if (status != STATUS_ok)
        return status;
    CHECK(record.time_ms >= target->time_ms);
    target->time_ms = record.time_ms;
    if (!journal_round_is_open(journal))
        journal_round_begin(journal, record.time_ms, bytes_max);
    uint64_t position = journal_next_position(journal);
    places_add(&target->places, moved->number * 8, position);
    if (!places_rewrite(&target->places, &record, &target->scratch)) {
        (void)snprintf(target->why, sizeof(target->why),
                       "record %" PRIu64 " names a record that is not there", moved->number);
        return STATUS_damaged;
    }
    size_t size = record_encode_again(&record, moved->bytes, journal_round_buffer(journal));
    CHECK(size <= bytes_max);
    return STATUS_ok;
}

void target_folder_use(struct target_folder *target, const struct key_use *use) {
    buffer_add(&target->uses, use, sizeof(*use));
}

static enum status write_uses(const struct target_folder *target) {
    uint32_t count = (uint32_t)(target->uses.size / sizeof(struct key_use));
    if (count == 0)
        return STATUS_ok;
    return key_uses_file_write(target->disk, (const struct key_use *)target->uses.bytes, count);
}

enum status target_folder_keys(struct target_folder *target, const struct data_keys_copy *keys) {
    return fail(target, data_keys_copy_write(target->disk, keys),
                "the data keys cannot be written");
}

enum status target_folder_end(struct target_folder *target) {
    enum status status = end_round(target);
    journal_close(target->journal);
    target->journal = NULL;
    if (status == STATUS_ok)
        status = fail(target, write_uses(target), "when keys were last used cannot be written");
    if (status != STATUS_ok)
        return status;
    return fail(target, lazy_disk_sync(target->lazy), "the folder cannot be made durable");
}

enum status target_folder_release(struct target_folder *target) {
    return fail(target, folder_filling_end(target->disk), "the folder cannot be opened");
}

void target_folder_close(struct target_folder *target) {
    if (target == NULL)
        return;
    journal_close(target->journal);
    if (target->lazy != NULL)
        target->lazy->driver->done(target->lazy);
    if (target->disk != NULL)
        target->disk->driver->done(target->disk);
    folder_unlock(target->lock);
    places_done(&target->places);
    buffer_done(&target->scratch);
    buffer_done(&target->uses);
    memory_free(target);
}
