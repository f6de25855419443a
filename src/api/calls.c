// SPDX-License-Identifier: MIT
// The pools of calls. Payments and batches have pools of their own, because a batch's arena is five
// hundred times larger and few are under way at once. The last one given back is taken first: its
// memory is still in the cache.
#include "api/call.h"
#include "api/loop.h"
#include "base/ahead.h"
#include "base/memory.h"

#define CALL_AHEAD_BYTES 192 // that a payment takes of its arena

static struct call *call_new(bool is_large) {
    struct call *call = memory_take_zeroed(sizeof(*call));
    arena_init(&call->arena, is_large ? API_BATCH_BLOCK_BYTES : API_CALL_BLOCK_BYTES);
    call->is_large = is_large;
    return call;
}

static void call_free(struct call *call) {
    buffer_done(&call->made);
    arena_done(&call->arena);
    memory_free(call);
}

// The next one to be taken: decoding and deciding fill most of it.
static void call_ahead(const struct call *call) {
    if (call == NULL)
        return;
    arena_ahead(&call->arena, CALL_AHEAD_BYTES);
    if (call->next == NULL)
        return;
    ahead_write(call->next, offsetof(struct call, submission.batch));
    ahead_write(&call->next->command,
                offsetof(struct call, order) - offsetof(struct call, command));
}

struct call *calls_take(struct api_loop *loop, bool is_large) {
    struct call **pool = is_large ? &loop->free_batches : &loop->free_calls;
    struct call *call = *pool;
    if (call == NULL)
        return call_new(is_large);
    CHECK(call->is_large == is_large);
    *pool = call->next;
    if (!is_large)
        call_ahead(call->next);
    loop->free_batch_count -= is_large;
    call->next = NULL;
    return call;
}

void calls_release(struct api_loop *loop, struct call *call) {
    CHECK(call->request == NULL);
    // A secret must not lie about in memory longer than its answer takes.
    if (call->secret_size != 0)
        explicit_bzero(call->secret, sizeof(call->secret));
    call->secret_size = 0;
    call->wants_balance = false;
    call->faults = NULL;
    call->waiting_bytes = 0;
    call->batch = NULL;
    call->whole = NULL;
    made_release(call);
    if (call->is_large && loop->free_batch_count == API_BATCHES_KEPT_MAX) {
        call_free(call);
        return;
    }
    arena_reset(&call->arena);
    struct call **pool = call->is_large ? &loop->free_batches : &loop->free_calls;
    loop->free_batch_count += call->is_large;
    call->next = *pool;
    *pool = call;
}

static void free_chain(struct call *call) {
    while (call != NULL) {
        struct call *next = call->next;
        call_free(call);
        call = next;
    }
}

void calls_free_all(struct api_loop *loop) {
    free_chain(loop->free_calls);
    free_chain(loop->free_batches);
    loop->free_calls = NULL;
    loop->free_batches = NULL;
    loop->free_batch_count = 0;
}
