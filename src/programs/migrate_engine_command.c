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
#include "move/cold.h"
#include "move/target_postgres.h"
#include "programs/client_progress.h"
#include "programs/commands.h"
#include "programs/serve_options.h"
#include "watch/verify.h"
#include "watch/verify_postgres.h"

struct moving {
    const char *from_data, *to_postgres;
    struct disk *disk;
    int lock;
    struct state_hash source_hash, target_hash;
    struct cold_sum sum;
    struct move_source *source;
    struct target_postgres *postgres;
    struct client_progress progress;
    char why[MOVE_WHY_BYTES];
};

static bool stop(const struct moving *moving, const char *what) {
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

static bool check_report(struct moving *moving, enum status status,
                         const struct integrity_report *books, const char *whose) {
    char what[128];
    if (status == STATUS_ok && books->consistent)
        return true;
    (void)snprintf(moving->why, sizeof(moving->why), "%.*s", (int)sizeof(moving->why) - 1,
                   books->message);
    (void)snprintf(what, sizeof(what), "the books of the %s are not right, nothing was moved",
                   whose);
    return stop(moving, what);
}

static bool verify_source_folder(struct moving *moving) {
    struct verify_report report;
    memset(&report, 0, sizeof(report));
    fprintf(stderr, "Checking %s\n", moving->from_data);
    enum status status = verify_disk(moving->disk, NULL, NULL, &report);
    bool fits = check_report(moving, status, &report.books, "source");
    verify_report_done(&report);
    return fits;
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

static void print_summary(const struct moving *moving, const struct integrity_report *books) {
    printf("Moved %" PRIu64 " records: %" PRIu64 " transactions, %" PRIu64 " wallets, %" PRIu64
           " holds, %" PRIu64 " withdrawals.\n",
           books->record_count, books->transaction_count, moving->target_hash.wallet_count,
           moving->target_hash.hold_count, moving->target_hash.withdrawal_count);
    for (uint32_t i = 0; i < books->currency_count; i++)
        print_currency(&books->currencies[i]);
    print_hash("state hash", &moving->target_hash.hash);
    print_hash("goes on from", &moving->sum.chain);
}

static bool same_hashes(struct moving *moving) {
    if (memcmp(&moving->source_hash.hash, &moving->target_hash.hash,
               sizeof(moving->source_hash.hash)) == 0)
        return true;
    moving->why[0] = '\0';
    return stop(moving, "the state hash of the target is another than that of the source; the "
                        "source is as it was, and nobody can serve the target");
}

// ---- the source: a folder ---------------------------------------------------------------------

static void note_data_keys(void *context, const char *name) {
    bool *has_data_keys = context;
    *has_data_keys = *has_data_keys || strcmp(name, "data_keys") == 0;
}

// The keys do not move along yet, and texts that nobody can open must not move.
static bool refuse_sealed(struct moving *moving) {
    bool has_data_keys = false;
    if (moving->disk->driver->list(moving->disk, note_data_keys, &has_data_keys) != STATUS_ok)
        return stop(moving, "the source folder cannot be read");
    return !has_data_keys ||
           stop(moving, "the texts of these books are encrypted, and their data keys cannot be "
                        "moved yet; they stay where they are");
}

static bool open_folder(struct moving *moving) {
    struct stat found;
    if (stat(moving->from_data, &found) != 0 || !S_ISDIR(found.st_mode))
        return stop(moving, "there is no such folder to move from");
    if (folder_lock(moving->from_data, moving->why, sizeof(moving->why), &moving->lock) !=
        STATUS_ok)
        return stop(moving, "the source is in use");
    if (disk_posix_open(moving->from_data, &moving->disk) != STATUS_ok)
        return stop(moving, "the source folder cannot be opened");
    if (!refuse_sealed(moving))
        return false;
    return verify_source_folder(moving);
}

static bool hash_folder(struct moving *moving) {
    fprintf(stderr, "Hashing %s\n", moving->from_data);
    if (cold_folder_hash(moving->disk, moving->why, &moving->source_hash, &moving->sum) !=
        STATUS_ok)
        return stop(moving, "the source cannot be read");
    if (moving->sum.last_number == 0)
        return stop(moving, "there are no books to move");
    return source_folder_open(moving->disk, moving->why, &moving->source) == STATUS_ok ||
           stop(moving, "the source cannot be read");
}

// ---- the target: a database -------------------------------------------------------------------

static void take_use(void *context, struct id key, uint64_t last_used_ms) {
    target_postgres_use(((struct moving *)context)->postgres, key, last_used_ms);
}

static bool stop_target(struct moving *moving) {
    (void)snprintf(moving->why, sizeof(moving->why), "%s", target_postgres_why(moving->postgres));
    return stop(moving, "the target cannot be filled");
}

static bool fill_postgres(struct moving *moving) {
    struct move_source *source = moving->source;
    struct move_record record;
    enum status status;
    char words[64];
    const struct target_plan plan = {.birth = &source->birth,
                                     .engine = source->engine,
                                     .first_ms = moving->sum.first_ms,
                                     .last_number = moving->sum.last_number,
                                     .slack = moving->sum.slack,
                                     .chain = moving->sum.chain};
    if (target_postgres_begin(moving->postgres, &plan) != STATUS_ok)
        return stop_target(moving);
    fprintf(stderr, "Moving %" PRIu64 " records\n", moving->source_hash.record_count);
    client_progress_begin(&moving->progress, "Moving", source->bytes_total);
    uint64_t count = 0;
    while ((status = source->next(source, &record)) == STATUS_ok) {
        if (target_postgres_take(moving->postgres, &record) != STATUS_ok)
            return stop_target(moving);
        (void)snprintf(words, sizeof(words), "%" PRIu64 " records", ++count);
        client_progress_show(&moving->progress, source->bytes_done, words);
    }
    client_progress_end(&moving->progress);
    if (status != STATUS_end) {
        (void)snprintf(moving->why, sizeof(moving->why), "%s", source->why);
        return stop(moving, "the source cannot be read");
    }
    source_folder_uses(moving->disk, take_use, moving);
    return target_postgres_end(moving->postgres) == STATUS_ok || stop_target(moving);
}

static bool finish_postgres(struct moving *moving) {
    char note[FOLDER_MOVED_BYTES] = "the PostgreSQL books ";
    struct verify_postgres_report report;
    size_t at = strlen(note);
    struct id books = target_postgres_books(moving->postgres);
    fprintf(stderr, "Checking the database\n");
    if (cold_postgres_hash(moving->to_postgres, moving->why, &moving->target_hash) != STATUS_ok)
        return stop(moving, "the target cannot be read");
    enum status status = verify_postgres(moving->to_postgres, &report);
    bool fits = check_report(moving, status, &report.books, "target") && same_hashes(moving);
    for (size_t i = 0; i < sizeof(books.bytes); i++)
        at += (size_t)snprintf(note + at, sizeof(note) - at, "%02x", books.bytes[i]);
    if (fits && folder_moved_write(moving->disk, note) != STATUS_ok)
        fits = stop(moving, "the source cannot be marked as moved");
    if (fits && target_postgres_release(moving->postgres) != STATUS_ok)
        fits = stop_target(moving);
    if (fits)
        print_summary(moving, &report.books);
    verify_postgres_done(&report);
    return fits;
}

static bool folder_to_postgres(struct moving *moving) {
    char note[FOLDER_MOVED_BYTES];
    if (!open_folder(moving) || !hash_folder(moving))
        return false;
    bool again = folder_moved_read(moving->disk, note);
    if (target_postgres_open(moving->to_postgres, &moving->source->birth, again, moving->why,
                             &moving->postgres) != STATUS_ok)
        return stop(moving, "the target cannot be opened");
    return fill_postgres(moving) && finish_postgres(moving);
}

int migrate_engine_run(int argc, char **argv) {
    struct moving moving = {.lock = -1};
    const struct serve_option options[] = {
        {"--from-data", &moving.from_data}, {"--to-postgres", &moving.to_postgres}, {0}};
    if (!serve_options_read(argc, argv, options, NULL))
        return 2;
    if (moving.from_data == NULL || moving.to_postgres == NULL) {
        fprintf(stderr, "florin migrate-engine: say --from-data DIR --to-postgres URL.\n");
        return 2;
    }
    bool moved = folder_to_postgres(&moving);
    client_progress_end(&moving.progress);
    target_postgres_close(moving.postgres);
    if (moving.source != NULL)
        moving.source->close(moving.source);
    if (moving.disk != NULL)
        moving.disk->driver->done(moving.disk);
    folder_unlock(moving.lock);
    return moved ? 0 : 1;
}
