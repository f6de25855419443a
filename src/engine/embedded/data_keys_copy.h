// SPDX-License-Identifier: MIT
// The wrapped data keys of books, as they move from one engine to the other: nobody needs the
// master key for that, and nobody learns anything.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/disk.h"
#include "vault/vault.h"

struct data_keys_copy {
    uint64_t plain_until_ms;
    uint8_t proof[VAULT_WRAPPED_BYTES];
    struct vault_key *keys; // owned
    bool *destroyed;        // owned; which of them are
    uint32_t count, capacity;
};

// Reads the file "data_keys". STATUS_not_found: these books are plain. STATUS_damaged: it does not
// hold. Thread: any, here and below.
MUST_CHECK enum status data_keys_copy_read(struct disk *disk, struct data_keys_copy *ret_copy);
// Writes it, where none is.
MUST_CHECK enum status data_keys_copy_write(struct disk *disk, const struct data_keys_copy *copy);
void data_keys_copy_add(struct data_keys_copy *copy, const struct vault_key *key,
                        bool is_destroyed);
void data_keys_copy_done(struct data_keys_copy *copy);
