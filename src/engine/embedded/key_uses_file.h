// SPDX-License-Identifier: MIT
// The file "keys.used", little endian: magic (8), count of entries (u32), CRC32C of the entries
// (u32), then for each key its id (16) and when it was last used (u64, ms). It proves nothing, so
// one that does not hold is only forgotten.
#pragma once
#include <assert.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "base/id.h"

#define KEY_USES_NAME "keys.used"
#define KEY_USES_MAX  (UINT32_C(1) << 20) // entries

struct key_use {
    struct id key;
    uint64_t last_used_ms;
};
static_assert(sizeof(struct key_use) == 24, "an entry has no padding");

// Hands out every entry. STATUS_not_found: nothing was ever written. STATUS_damaged: it does not
// hold, and nothing was handed out; nobody has to care. Thread: any, here and below.
enum status key_uses_file_read(struct disk *disk,
                               void (*each)(void *context, const struct key_use *use),
                               void *context);
// In place of what was there, whole or not at all; of more than KEY_USES_MAX the first.
MUST_CHECK enum status key_uses_file_write(struct disk *disk, const struct key_use *uses,
                                           uint32_t count);
