// SPDX-License-Identifier: MIT
// The way back of `florin migrate-engine`: from a database into a folder. The database is locked
// against rounds of nodes until the folder is whole; then it is marked, and only then the folder is
// opened.
#include <stdio.h>
#include <string.h>

#include "programs/commands/migrate_engine.h"

static bool stop_source(struct moving *moving) {
    if (moving->source != NULL)
        (void)snprintf(moving->why, sizeof(moving->why), "%s", moving->source->why);
    return moving_stop(moving, "the source cannot be read");
}

static bool stop_target(struct moving *moving) {
    (void)snprintf(moving->why, sizeof(moving->why), "%s", target_folder_why(moving->folder));
    return moving_stop(moving, "the target cannot be filled");
}

static bool open_both(struct moving *moving) {
    struct move_source *source;
    if (source_lock_take(moving->from_postgres, moving->why, &moving->source_lock) != STATUS_ok)
        return moving_stop(moving, "the source cannot be moved");
    if (source_postgres_open(moving->from_postgres, moving->why, &source) != STATUS_ok)
        return moving_stop(moving, "the source cannot be read");
    moving->source = source;
    if (target_folder_open(moving->to_data, source->birth.books, moving->why, &moving->folder) !=
        STATUS_ok)
        return moving_stop(moving, "the target cannot be opened");
    return source_lock_check(moving->source_lock, target_folder_books(moving->folder),
                             moving->why) == STATUS_ok ||
           moving_stop(moving, "the source cannot be moved");
}

static bool check_source(struct moving *moving) {
    if (!moving_check_postgres(moving, moving->from_postgres, "source", NULL))
        return false;
    fprintf(stderr, "Hashing the source\n");
    moving->sum.chain = moving->source->end.chain;
    return cold_postgres_hash(moving->from_postgres, moving->why, &moving->source_hash) ==
               STATUS_ok ||
           moving_stop(moving, "the source cannot be read");
}

static bool take_record(struct moving *moving, const struct move_record *record) {
    return target_folder_take(moving->folder, record) == STATUS_ok || stop_target(moving);
}

static void take_use(void *context, const struct key_use *use) {
    target_folder_use(((struct moving *)context)->folder, use);
}

static bool fill_keys(struct moving *moving) {
    struct data_keys_copy keys;
    enum status status = source_postgres_keys(moving->source, &keys);
    bool fits = status == STATUS_ok || status == STATUS_not_found || stop_source(moving);
    if (status == STATUS_ok)
        fits = target_folder_keys(moving->folder, &keys) == STATUS_ok || stop_target(moving);
    data_keys_copy_done(&keys);
    return fits;
}

static bool fill_folder(struct moving *moving) {
    struct move_source *source = moving->source;
    if (target_folder_begin(moving->folder, &source->birth, source->last_number,
                            &source->end.chain) != STATUS_ok)
        return stop_target(moving);
    if (!moving_records(moving, take_record))
        return false;
    if (source_postgres_uses(source, take_use, moving) != STATUS_ok)
        return stop_source(moving);
    return fill_keys(moving) &&
           (target_folder_end(moving->folder) == STATUS_ok || stop_target(moving));
}

static bool finish_folder(struct moving *moving) {
    struct integrity_report report = {0};
    struct cold_sum sum;
    struct disk *disk = target_folder_disk(moving->folder);
    bool fits = moving_check_folder(moving, disk, "target", &report);
    if (fits && cold_folder_hash(disk, moving->why, &moving->target_hash, &sum) != STATUS_ok)
        fits = moving_stop(moving, "the target cannot be read");
    fits = fits && moving_same_hashes(moving);
    if (fits && source_lock_moved(moving->source_lock, target_folder_books(moving->folder),
                                  moving->why) != STATUS_ok)
        fits = moving_stop(moving, "the source may not be marked as moved; run the same again");
    if (fits && target_folder_release(moving->folder) != STATUS_ok)
        fits = stop_target(moving);
    if (fits)
        moving_summary(moving, &report);
    integrity_report_done(&report);
    return fits;
}

bool postgres_to_folder(struct moving *moving) {
    return open_both(moving) && check_source(moving) && fill_folder(moving) &&
           finish_folder(moving);
}
