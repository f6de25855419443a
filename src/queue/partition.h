// SPDX-License-Identifier: MIT
// Which partition a key belongs to: murmur2 as Kafka's own Java client computes it, so producers
// in any language agree (docs/kafka.md has test vectors).
#pragma once
#include <stdint.h>

#include "base/slice.h"

// Thread: any. Pure.
uint32_t partition_hash(struct slice key);
uint32_t partition_of_key(struct slice key, uint32_t partition_count);
// The key of a home slot: its number as decimal text. Returns the number of bytes.
size_t partition_key_of_slot(uint32_t slot, char ret_text[8]);
// The slot that a key says; false: it is no slot's.
bool partition_slot_of_key(struct slice key, uint32_t *ret_slot);
