// SPDX-License-Identifier: MIT
// A disk that syncs at the end and not before: for a folder that counts only when it is whole, as a
// thousand syncs cost more than all the rest. Everything else goes to the disk behind it.
#pragma once
#include "base/check.h"
#include "base/disk.h"

// `disk` is borrowed and must outlive it.
struct disk *lazy_disk_open(struct disk *disk);
// Makes every file of the folder durable, and its names. Files may be open still.
MUST_CHECK enum status lazy_disk_sync(struct disk *lazy);
