// SPDX-License-Identifier: MIT
// Which payment between shards has but one of its sides, or two that differ. Sums over all of them
// tell that there is one (struct integrity_pairs); who wants to know which reads the records again.
#pragma once
#include "engine/engine.h"

#define PAIRS_SENTENCE_BYTES 320

// Looks at payments that were decided before `until_ms`. True: there is one, and `ret_sentence`
// names it and the wallet whose side is missing. Reads all records of all parts; thread: any.
bool pairs_name(struct engine *const *parts, uint32_t count, uint64_t until_ms,
                char ret_sentence[PAIRS_SENTENCE_BYTES]);
