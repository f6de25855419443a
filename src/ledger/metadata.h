// SPDX-License-Identifier: MIT
// Free texts by name, encoded so that equal objects are equal bytes: entries sorted by name, each
// as u8 name length, u16 (little endian) value length, name, value. No entries is no bytes.
#pragma once
#include <stdbool.h>

#include "base/slice.h"

// Walks encoded metadata: takes the first entry off `rest`. False at the end. The bytes must have
// been made by metadata encoding (they are checked when a record is decoded). Thread: any.
bool metadata_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value);
// Whether bytes from outside are well-formed metadata, sorted and within bounds.
bool metadata_is_valid(struct slice bytes);
