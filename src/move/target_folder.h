// SPDX-License-Identifier: MIT
// A folder that books move into: a new one, an empty one, or one that an earlier move of the same
// books has begun to fill, which begins again. A note in it keeps servers away until all was
// checked, and nothing is synced before the end.
#pragma once
#include "engine/embedded/data_keys_copy.h"
#include "move/source.h"

struct target_folder;

// Makes the folder, takes its lock, refuses one with other things. `here` is the id that the books
// have in it: the same again when a move begins again. `is_again` says so. Statuses and `ret_why`
// (MOVE_WHY_BYTES) as everywhere. Thread: one per target.
MUST_CHECK enum status target_folder_open(const char *folder, struct id from, char *ret_why,
                                          struct target_folder **ret_target);
struct id target_folder_books(const struct target_folder *target);
bool target_folder_is_again(const struct target_folder *target);
struct disk *target_folder_disk(struct target_folder *target); // to check what is there

// `last_number` is that of the last record that will come: what is made here later is later.
// `chain`: where the source ends.
MUST_CHECK enum status target_folder_begin(struct target_folder *target,
                                           const struct move_birth *birth, uint64_t last_number,
                                           const struct sha256 *chain);
MUST_CHECK enum status target_folder_take(struct target_folder *target,
                                          const struct move_record *record);
void target_folder_use(struct target_folder *target, const struct key_use *use);
MUST_CHECK enum status target_folder_keys(struct target_folder *target,
                                          const struct data_keys_copy *keys);
// All records were taken: the journal is closed and everything durable.
MUST_CHECK enum status target_folder_end(struct target_folder *target);
// Now a server may open it.
MUST_CHECK enum status target_folder_release(struct target_folder *target);
const char *target_folder_why(const struct target_folder *target);
void target_folder_close(struct target_folder *target); // accepts NULL
