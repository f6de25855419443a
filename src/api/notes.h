// SPDX-License-Identifier: MIT
// What the audit would not know without the door: what was read, and what was refused without a
// record. Each loop gathers its notes and sends them along with its next round of writes, at the
// latest after a second, in one command of its own. Nobody waits for them.
//
// Repeated refusals do not flood the journal: of one principal (or of one address without one),
// operation, answer and thing, the first has a note of its own, and those after it within a window
// share another, with a count. Memory is fixed; when there are more kinds of refusals in a window
// than there is room for, the thing is left out first, and then who it was.
//
// Thread: the loop's, for all functions.
#pragma once
#include "api/parts.h"
#include "ledger/note.h"

#define NOTES_REPEATS       1024                    // kinds of refusals in a window, per loop
#define NOTES_PENDING_MAX   ((size_t)1 << 20)       // bytes; what is beyond is counted as lost
#define NOTES_FLYING_MAX    ((uint64_t)1 << 20)     // bytes on their way at once
#define NOTES_EARLY_BYTES   ((size_t)64 << 10)      // from so many on they go by themselves
#define NOTES_WAIT_NS       UINT64_C(1000000000)    // and at the latest after this
#define NOTES_PRINCIPAL_MAX 255

// A refusal that may come again.
struct repeat {
    uint64_t fingerprint; // 0: free
    uint64_t until_ns;    // when its window ends
    struct note note;     // of those after the first; count 0: none yet
    char principal[NOTES_PRINCIPAL_MAX];
    char request_id[LIMIT_REQUEST_ID_BYTES_MAX];
};

struct notes {
    struct buffer pending; // owned; encoded, one behind the other
    uint64_t pending_since_ns;
    uint64_t flying_bytes;
    struct repeat *repeats; // owned; open addressing
    uint32_t repeat_count;
    struct note crowd[STATUS_COUNT]; // by answer: whoever did not find a place
    uint64_t crowd_until_ns;
    uint64_t lost; // since the last note that said so
    uint64_t swept_ns;
};
