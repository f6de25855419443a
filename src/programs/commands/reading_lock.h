// SPDX-License-Identifier: MIT
// Keeps a server from starting on a folder while somebody reads its files.
#pragma once

enum {
    READING_LOCK_NONE = -1,  // there is nothing to lock, as on a copy
    READING_LOCK_TAKEN = -2, // a server has it
};

// An open file to be closed when the reading is over, or one of the above. Thread: any.
int reading_lock(const char *folder);
