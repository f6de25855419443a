// SPDX-License-Identifier: MIT
// Fetches the master key from its file or the environment.
#pragma once
#include <stdbool.h>

#include "programs/config/config_encryption.h"
#include "vault/vault.h"

#define SERVE_MASTER_VARIABLE     "FLORIN_MASTER_KEY"
#define SERVE_OLD_MASTER_VARIABLE "FLORIN_OLD_MASTER_KEY"

// Whether FLORIN_LOST_TEXTS=accepted says that texts whose keys are gone are given up.
bool serve_accepts_lost_texts(void);

// A key is 64 hexadecimal digits, and perhaps the end of a line. Sets `ret_given` when there is
// one; the variables leave the environment. False: said on stderr, never with the key. The caller
// wipes `ret_masters`. Thread: one, at the start.
bool serve_read_masters(const struct config_encryption *encryption,
                        struct vault_masters *ret_masters, bool *ret_given);
