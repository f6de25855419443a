// SPDX-License-Identifier: MIT
// What was carried over, read from the rows of a database by a verifier.
#pragma once
#include "watch/opening.h"
#include "watch/rows.h"

// Where history begins, as its row says; zero: at the first record.
void opening_rows_archive(struct rows_link *link, struct cursor *ret_archive);
// Takes over everything that was carried over to the line, and adds it to the digest in `sha`.
// False: some of it cannot be.
MUST_CHECK bool opening_rows_take(struct rows_link *link, uint64_t line, struct tally *tally,
                                  struct tally_map *numbers, struct opening_frame *frame,
                                  struct sha256_context *sha);
