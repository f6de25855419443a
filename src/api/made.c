// SPDX-License-Identifier: MIT
// Answers that are made where they are decided. The engine tells of each payment that it has just
// done, while its record is near the processor and not encoded yet; so nobody has to read the
// record again, which another thread has written by then, and large batches are rendered beside the
// loop. The answer leaves when the round is durable, like any other. Whatever is more than a
// payment that went well, and so the whole batch that it is part of, is rendered from its records
// once they are there (answers.c, batches.c): both ways give the same bytes, and builds with slow
// checks compare them.
#include "api/call.h"
#include "api/loop.h"
#include "base/ahead.h"

#define KEPT_BYTES_MAX API_BATCH_BLOCK_BYTES

static struct call *call_of(struct submission *submission) {
    return (struct call *)(void *)((uint8_t *)submission - offsetof(struct call, submission));
}

// Thread: the engine's.
static bool made_done(struct submission *submission, uint32_t index, const struct record *record) {
    struct call *call = call_of(submission);
    struct buffer *body = &call->made;
    enum command_type type = (enum command_type)submission->commands[index].type;
    if (call->made_count != index)
        return false; // one before it needs its record
    if (submission->is_batch) {
        // The processor that has sent what was there before is another one.
        ahead_write(buffer_room(body, 0) + API_RESULT_BYTES * 2, API_RESULT_BYTES);
        if (index == 0)
            wire_batch_begin(body);
        wire_batch_result(body, index);
    }
    if (!wire_render_done(body, type, record, submission->outcomes[index].hidden,
                          &call->made_http))
        return false;
    if (++call->made_count == submission->count && submission->is_batch)
        wire_batch_end(body);
    return !MADE_IS_COMPARED;
}

void made_begin(struct call *call) {
    CHECK(call->made_count == 0 && call->made.size == 0);
    call->submission.done = made_done;
    if (call->submission.is_batch)
        (void)buffer_room(&call->made, call->submission.count * API_RESULT_BYTES);
}

void made_check(const struct call *call, struct slice rendered) {
    CHECK(slice_equal(buffer_slice(&call->made), rendered));
}

void made_release(struct call *call) {
    call->made_count = 0;
    call->submission.done = NULL;
    buffer_reset(&call->made);
    if (call->made.capacity > KEPT_BYTES_MAX)
        buffer_done(&call->made);
}
