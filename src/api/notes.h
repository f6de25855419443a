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
#include "api/call.h"
#include "api/door.h"
#include "api/job.h"
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

struct notes *notes_open(void);
void notes_close(struct notes *notes);
// Something that was done at the door, without a record.
void notes_done(struct asking *asking);
// A refusal at the door.
void notes_door(struct asking *asking, enum status status);
// What became of a call or job; also when its request is gone.
void notes_call(struct api_loop *loop, const struct call *call);
// An operation of a batch that is refused at the door, while others go on.
void notes_operation(struct api_loop *loop, const struct operation *batch,
                     const struct command *command);
void notes_call_busy(struct api_loop *loop, const struct call *call); // its deadline was over
void notes_job(struct api_loop *loop, const struct job *job, enum status status);
// One more that waits; there may be no room for it, and then it is counted as lost.
void notes_put(struct api_loop *loop, const struct note *note);
void notes_lose(struct api_loop *loop, uint64_t count);

// notes_send.c
// Adds all notes to the open flight, opening one if need be.
void notes_ride(struct api_loop *loop);
void notes_arrived(struct api_loop *loop, const struct call *call);
bool notes_are_early(const struct api_loop *loop); // so many that they go by themselves
bool notes_are_there(const struct api_loop *loop);
// Ends windows that are over, and opens a flight for notes that have waited long enough; `all`:
// for all that there are. Whether a flight is open now.
bool notes_tick(struct api_loop *loop, bool all);
