// SPDX-License-Identifier: MIT
// Answers that are ready before they are known. The library makes an object of every answer and of
// each of its headers, a dozen pieces of heap for one payment. But most answers are a small body
// with a type and nothing else, their sizes are few, and an object whose bytes are ours can be sent
// again with other bytes in it: so each loop keeps them by size, the last used first.
//
//   kept by its size ─▶ filled, queued ─▶ its request has ended ─▶ kept
//
// 1. An object is of one request at a time: its bytes do not change while they are being sent.
// 2. The library holds a reference of its own while it sends; ours is given back at the loop's end.
#include <string.h>

#include "base/ahead.h"
#include "base/check.h"
#include "base/memory.h"
#include "http/internal.h"

#define READY_TYPE      "application/json"
#define READY_BYTES_MAX 1024 // of a body
#define READY_KEPT_MAX  4096 // about 4 MiB in a loop
// What the library touches of its object for an answer; only ever asked for ahead.
#define READY_RESPONSE_BYTES 192

struct ready_answer {
    struct ready_answer *next; // of those kept
    struct MHD_Response *response;
    size_t size;
    uint8_t body[];
};

struct ready_answers {
    size_t count; // kept or in use
    struct ready_answer *kept[READY_BYTES_MAX + 1];
};

struct ready_answers *ready_open(void) {
    return memory_take_zeroed(sizeof(struct ready_answers));
}

static struct ready_answer *ready_make(struct ready_answers *all, size_t size) {
    if (all->count == READY_KEPT_MAX)
        return NULL;
    struct ready_answer *answer = memory_take(sizeof(*answer) + size);
    *answer = (struct ready_answer){.size = size};
    answer->response = MHD_create_response_from_buffer(size, answer->body, MHD_RESPMEM_PERSISTENT);
    CHECK(answer->response != NULL);
    CHECK(MHD_add_response_header(answer->response, "Content-Type", READY_TYPE) == MHD_YES);
    all->count++;
    return answer;
}

struct ready_answer *ready_take(struct ready_answers *all, const char *content_type,
                                struct slice body) {
    if (body.size > READY_BYTES_MAX || content_type == NULL ||
        strcmp(content_type, READY_TYPE) != 0)
        return NULL;
    struct ready_answer *answer = all->kept[body.size];
    if (answer != NULL) {
        all->kept[body.size] = answer->next;
        if (answer->next != NULL) // many answers have one size
            ahead_write(answer->next, sizeof(*answer) + body.size);
    } else {
        answer = ready_make(all, body.size);
    }
    if (answer != NULL && body.size != 0)
        memcpy(answer->body, body.bytes, body.size);
    return answer;
}

struct MHD_Response *ready_response(struct ready_answer *answer) {
    return answer->response;
}

void ready_ahead(const struct ready_answer *answer) {
    ahead_read(answer->body, answer->size);
    ahead_write(answer->response, READY_RESPONSE_BYTES);
}

void ready_give(struct ready_answers *all, struct ready_answer *answer) {
    CHECK(answer->size <= READY_BYTES_MAX);
    answer->next = all->kept[answer->size];
    all->kept[answer->size] = answer;
}

void ready_close(struct ready_answers *all) {
    for (size_t size = 0; all != NULL && size <= READY_BYTES_MAX; size++) {
        while (all->kept[size] != NULL) {
            struct ready_answer *answer = all->kept[size];
            all->kept[size] = answer->next;
            MHD_destroy_response(answer->response);
            memory_free(answer);
            all->count--;
        }
    }
    CHECK(all == NULL || all->count == 0); // every request has ended
    memory_free(all);
}
