// SPDX-License-Identifier: MIT
// Private to the codec: which text of a record stands in which of the seven places. Places 4 to 6
// are free texts: they lie last and together, so that they can be encrypted without touching the
// posting.
#pragma once
#include "ledger/record.h"

enum record_text {
    TEXT_PRINCIPAL,
    TEXT_REQUEST_ID,
    TEXT_NAME,  // owner, bank id, or a key's name
    TEXT_ORDER, // order, a key's owner, or a kept command
    TEXT_REFERENCE,
    TEXT_REASON,
    TEXT_TAIL, // metadata, the positions of a batch, or notes
    RECORD_TEXTS
};

// Thread: any. `collect` fills all places (empty where the kind has none); `spread` is its inverse.
void record_texts_collect(const struct record *record, struct slice ret_texts[RECORD_TEXTS]);
// The request's id, and behind a zero byte its trace.
void record_texts_split_trace(struct record *record, struct slice texts[RECORD_TEXTS]);
// Which part of R5 the texts break, by the record's kind and facts; NULL: none.
const char *record_texts_fault(const struct record *record,
                               const struct slice texts[RECORD_TEXTS]);
void record_texts_spread(struct record *record, const struct slice texts[RECORD_TEXTS]);
