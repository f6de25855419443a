// SPDX-License-Identifier: MIT
// Walks and checks encoded metadata (the format stands in metadata.h). Making it is wire/'s work:
// it knows JSON.
#include "ledger/metadata.h"

#include "base/check.h"
#include "base/limits.h"

#define ENTRY_HEADER_BYTES 3

static bool entry_split(struct slice *rest, struct slice *ret_name, struct slice *ret_value) {
    if (rest->size < ENTRY_HEADER_BYTES)
        return false;
    size_t name_bytes = rest->bytes[0];
    size_t value_bytes = (size_t)rest->bytes[1] | (size_t)rest->bytes[2] << 8;
    if (rest->size - ENTRY_HEADER_BYTES < name_bytes + value_bytes)
        return false;
    *ret_name = slice_of(rest->bytes + ENTRY_HEADER_BYTES, name_bytes);
    *ret_value = slice_of(rest->bytes + ENTRY_HEADER_BYTES + name_bytes, value_bytes);
    size_t taken = ENTRY_HEADER_BYTES + name_bytes + value_bytes;
    *rest = slice_of(rest->bytes + taken, rest->size - taken);
    return true;
}

bool metadata_next(struct slice *rest, struct slice *ret_name, struct slice *ret_value) {
    if (rest->size == 0)
        return false;
    bool whole = entry_split(rest, ret_name, ret_value);
    CHECK(whole);
    return true;
}

bool metadata_is_valid(struct slice bytes) {
    struct slice previous = {0}, name, value;
    for (size_t count = 0; bytes.size != 0; count++) {
        if (count == LIMIT_METADATA_ENTRIES_MAX || !entry_split(&bytes, &name, &value))
            return false;
        if (name.size == 0 || name.size > LIMIT_METADATA_NAME_BYTES_MAX)
            return false;
        if (value.size > LIMIT_METADATA_VALUE_BYTES_MAX)
            return false;
        if (count != 0 && slice_compare(previous, name) >= 0)
            return false;
        previous = name;
    }
    return true;
}
