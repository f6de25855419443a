// SPDX-License-Identifier: MIT
// What "the same request" means, as 128 bits. For this folder only.
#pragma once
#include "base/arena.h"
#include "base/hash.h"
#include "ledger/command.h"

// The digest of a decoded command: equal for the same operation, path and fields with defaults
// filled in, whatever their order, and whether alone or in a batch. Thread: the arena's.
struct digest128 digest_command(const struct command *command, struct arena *arena);

// The digest of an atomic batch: of its operations' digests and keys, in order.
struct digest128 digest_batch(const struct command *commands, uint32_t count, struct arena *arena);

// The key of an operation without one, from its batch's key and its index.
struct digest128 digest_derived_key(struct slice principal, struct slice key, uint32_t index);
