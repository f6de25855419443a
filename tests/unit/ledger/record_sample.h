// SPDX-License-Identifier: MIT
// Records of every kind with random or extreme contents, the same for the same seed.
#pragma once
#include "base/arena.h"
#include "ledger/record.h"

enum sample_size { SAMPLE_RANDOM, SAMPLE_SMALLEST, SAMPLE_LARGEST };

// Texts lie in `arena`. `kind` is one of enum record_kind.
struct record sample_make(struct arena *arena, uint64_t *stream, uint8_t kind,
                          enum sample_size size);
// The kinds there are, one after another, from 0. False: no more.
bool sample_next_kind(uint8_t *kind);
bool sample_is_kind(uint8_t kind);
// Fails the test where two records differ; both are of the same kind.
void sample_compare(const struct record *a, const struct record *b);
