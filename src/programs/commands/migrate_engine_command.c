// SPDX-License-Identifier: MIT
// `florin migrate-engine`: moves the books of a stopped server to the other engine.
//
//   the source is checked ─▶ its records are written into the empty target
//   ─▶ the target is checked: the same state hash, and `florin verify`
//   ─▶ the source is marked ─▶ the target is opened
//
// Whatever breaks off in between leaves a source that is as it was, and a target that nobody serves
// until the same command has ended.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "engine/embedded/folder.h"
#include "programs/commands.h"
#include "programs/commands/migrate_engine.h"
#include "programs/commands/verify_told.h"
#include "programs/serve/serve_options.h"
#include "watch/verify.h"

bool moving_stop(const struct moving *moving, const char *what) {
    fprintf(stderr, "florin migrate-engine: %s%s%s\n", what, moving->why[0] != '\0' ? ": " : "",
            moving->why);
    return false;
}

static void print_hash(const char *what, const struct sha256 *hash) {
    printf("  %-12s ", what);
    for (size_t i = 0; i < sizeof(hash->bytes); i++)
        printf("%02x", hash->bytes[i]);
    printf("\n");
}

// ---- checking -----------------------------------------------------------------------------------

bool moving_check(struct moving *moving, enum status status, const struct integrity_report *books,
                  const char *whose) {
    char what[128];
    if (status == STATUS_ok && books->consistent)
        return true;
    (void)snprintf(moving->why, sizeof(moving->why), "%.*s", (int)sizeof(moving->why) - 1,
                   books->message);
    (void)snprintf(what, sizeof(what), "the books of the %s are not right, nothing was moved",
                   whose);
    return moving_stop(moving, what);
}

// What was found out belongs to whoever wanted to know.
static void hand_out(struct integrity_report *books, struct integrity_report *ret_books) {
    if (ret_books != NULL) {
        *ret_books = *books;
        memset(books, 0, sizeof(*books));
    }
}

bool moving_check_folder(struct moving *moving, struct disk *disk, const char *whose,
                         struct integrity_report *ret_books) {
    struct verify_report report;
    memset(&report, 0, sizeof(report));
    fprintf(stderr, "Checking the %s\n", whose);
    enum status status = verify_disk(disk, NULL, NULL, &report);
    bool fits = moving_check(moving, status, &report.books, whose);
    hand_out(&report.books, ret_books);
    verify_report_done(&report);
    return fits;
}

bool moving_check_postgres(struct moving *moving, const char *url, const char *whose,
                           struct integrity_report *ret_books) {
    struct verify_postgres_report report;
    memset(&report, 0, sizeof(report));
    fprintf(stderr, "Checking the %s\n", whose);
    enum status status = verify_postgres_telling(url, &report);
    bool fits = moving_check(moving, status, &report.books, whose);
    hand_out(&report.books, ret_books);
    verify_postgres_done(&report);
    return fits;
}

bool moving_same_hashes(struct moving *moving) {
    if (memcmp(&moving->source_hash.hash, &moving->target_hash.hash,
               sizeof(moving->source_hash.hash)) == 0)
        return true;
    moving->why[0] = '\0';
    return moving_stop(moving, "the state hash of the target is another than that of the source; "
                               "the source is as it was, and nobody can serve the target");
}

bool moving_records(struct moving *moving,
                    bool (*take)(struct moving *moving, const struct move_record *record)) {
    struct move_source *source = moving->source;
    struct move_record record;
    enum status status;
    char words[64];
    uint64_t count = 0;
    fprintf(stderr, "Moving %" PRIu64 " records\n", moving->source_hash.record_count);
    client_progress_begin(&moving->progress, "Moving", source->bytes_total);
    while ((status = source->next(source, &record)) == STATUS_ok) {
        if (!take(moving, &record))
            return false;
        (void)snprintf(words, sizeof(words), "%" PRIu64 " records", ++count);
        client_progress_show(&moving->progress, source->bytes_done, words);
    }
    client_progress_end(&moving->progress);
    if (status == STATUS_end)
        return true;
    (void)snprintf(moving->why, sizeof(moving->why), "%s", source->why);
    return moving_stop(moving, "the source cannot be read");
}

static void print_currency(const struct integrity_currency *currency) {
    struct buffer line = {0};
    struct slice code = currency_code(&currency->currency);
    buffer_add_i128(&line, currency->wallet_balances);
    printf("  %-12.*s %.*s in %" PRIu32 " wallets (minor units)\n", (int)code.size,
           (const char *)code.bytes, (int)line.size, (const char *)line.bytes,
           currency->wallet_count);
    buffer_done(&line);
}

void moving_summary(const struct moving *moving, const struct integrity_report *books) {
    printf("Moved %" PRIu64 " records: %" PRIu64 " transactions, %" PRIu64 " wallets, %" PRIu64
           " holds, %" PRIu64 " withdrawals.\n",
           books->record_count, books->transaction_count, moving->target_hash.wallet_count,
           moving->target_hash.hold_count, moving->target_hash.withdrawal_count);
    for (uint32_t i = 0; i < books->currency_count; i++)
        print_currency(&books->currencies[i]);
    print_hash("state hash", &moving->target_hash.hash);
    print_hash("goes on from", &moving->sum.chain);
}

// ---- the source: a folder ---------------------------------------------------------------------

static bool open_folder(struct moving *moving) {
    struct stat found;
    struct folder_filling half;
    if (stat(moving->from_data, &found) != 0 || !S_ISDIR(found.st_mode))
        return moving_stop(moving, "there is no such folder to move from");
    if (folder_lock(moving->from_data, moving->why, sizeof(moving->why), &moving->lock) !=
        STATUS_ok)
        return moving_stop(moving, "the source is in use");
    if (disk_posix_open(moving->from_data, &moving->disk) != STATUS_ok)
        return moving_stop(moving, "the source folder cannot be opened");
    if (folder_filling_read(moving->disk, &half))
        return moving_stop(moving, "books are moving into the source and are not whole yet: end "
                                   "that move first");
    return moving_check_folder(moving, moving->disk, "source", NULL);
}

static bool hash_folder(struct moving *moving) {
    fprintf(stderr, "Hashing %s\n", moving->from_data);
    if (cold_folder_hash(moving->disk, moving->why, &moving->source_hash, &moving->sum) !=
        STATUS_ok)
        return moving_stop(moving, "the source cannot be read");
    if (moving->sum.last_number == 0)
        return moving_stop(moving, "there are no books to move");
    return source_folder_open(moving->disk, moving->why, &moving->source) == STATUS_ok ||
           moving_stop(moving, "the source cannot be read");
}

// ---- the target: a database -------------------------------------------------------------------

static void take_use(void *context, const struct key_use *use) {
    target_postgres_use(((struct moving *)context)->postgres, use);
}

static bool stop_target(struct moving *moving) {
    (void)snprintf(moving->why, sizeof(moving->why), "%s", target_postgres_why(moving->postgres));
    return moving_stop(moving, "the target cannot be filled");
}

static bool take_record(struct moving *moving, const struct move_record *record) {
    return target_postgres_take(moving->postgres, record) == STATUS_ok || stop_target(moving);
}

static bool fill_keys(struct moving *moving) {
    struct data_keys_copy keys;
    enum status status = data_keys_copy_read(moving->disk, &keys);
    if (status == STATUS_not_found)
        return true;
    if (status != STATUS_ok) {
        (void)snprintf(moving->why, sizeof(moving->why), "%s", status_sentence(status));
        return moving_stop(moving, "the file \"data_keys\" of the source does not hold");
    }
    bool fits =
        target_postgres_keys(moving->postgres, &keys) == STATUS_ok || stop_target(moving);
    data_keys_copy_done(&keys);
    return fits;
}

static bool fill_postgres(struct moving *moving) {
    struct move_source *source = moving->source;
    const struct target_plan plan = {.birth = &source->birth,
                                     .engine = source->engine,
                                     .first_ms = moving->sum.first_ms,
                                     .last_number = moving->sum.last_number,
                                     .slack = moving->sum.slack,
                                     .chain = moving->sum.chain};
    if (target_postgres_begin(moving->postgres, &plan) != STATUS_ok)
        return stop_target(moving);
    if (!moving_records(moving, take_record) || !fill_keys(moving))
        return false;
    (void)key_uses_file_read(moving->disk, take_use, moving);
    return target_postgres_end(moving->postgres) == STATUS_ok || stop_target(moving);
}

static bool finish_postgres(struct moving *moving) {
    char note[FOLDER_MOVED_BYTES], books[MOVE_HEX_BYTES];
    struct integrity_report report = {0};
    move_hex(target_postgres_books(moving->postgres), books);
    (void)snprintf(note, sizeof(note), "the PostgreSQL books %s", books);
    if (cold_postgres_hash(moving->to_postgres, moving->why, &moving->target_hash) != STATUS_ok)
        return moving_stop(moving, "the target cannot be read");
    bool fits = moving_check_postgres(moving, moving->to_postgres, "target", &report) &&
                moving_same_hashes(moving);
    if (fits && folder_moved_write(moving->disk, note) != STATUS_ok)
        fits = moving_stop(moving, "the source cannot be marked as moved");
    if (fits && target_postgres_release(moving->postgres) != STATUS_ok)
        fits = stop_target(moving);
    if (fits)
        moving_summary(moving, &report);
    integrity_report_done(&report);
    return fits;
}

static bool folder_to_postgres(struct moving *moving) {
    char note[FOLDER_MOVED_BYTES];
    if (!open_folder(moving) || !hash_folder(moving))
        return false;
    bool again = folder_moved_read(moving->disk, note);
    if (target_postgres_open(moving->to_postgres, &moving->source->birth, again, moving->why,
                             &moving->postgres) != STATUS_ok)
        return moving_stop(moving, "the target cannot be opened");
    return fill_postgres(moving) && finish_postgres(moving);
}

int migrate_engine_run(int argc, char **argv) {
    struct moving moving = {.lock = -1};
    const struct serve_option options[] = {{"--from-data", &moving.from_data},
                                           {"--to-postgres", &moving.to_postgres},
                                           {"--from-postgres", &moving.from_postgres},
                                           {"--to-data", &moving.to_data},
                                           {0}};
    if (!serve_options_read(argc, argv, options, NULL))
        return 2;
    bool there = moving.from_data != NULL && moving.to_postgres != NULL;
    bool back = moving.from_postgres != NULL && moving.to_data != NULL;
    if (there == back || (moving.from_data != NULL) != (moving.to_postgres != NULL) ||
        (moving.from_postgres != NULL) != (moving.to_data != NULL)) {
        fprintf(stderr, "florin migrate-engine: say --from-data DIR --to-postgres URL, or "
                        "--from-postgres URL --to-data DIR.\n");
        return 2;
    }
    bool moved = there ? folder_to_postgres(&moving) : postgres_to_folder(&moving);
    client_progress_end(&moving.progress);
    target_postgres_close(moving.postgres);
    target_folder_close(moving.folder);
    if (moving.source != NULL)
        moving.source->close(moving.source);
    source_lock_close(moving.source_lock);
    if (moving.disk != NULL)
        moving.disk->driver->done(moving.disk);
    folder_unlock(moving.lock);
    return moved ? 0 : 1;
}
