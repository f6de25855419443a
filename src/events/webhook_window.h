// SPDX-License-Identifier: MIT
// The events of one endpoint that were read from the feed and are not all delivered: which may be
// sent now, which must wait, and how far everything is delivered.
//
//   waiting ─▶ sending ─▶ delivered; those at the front leave
//      ▲          │
//      └──────────┘ failed: due again after a while that doubles each time
//
// Events of one wallet are sent one after another, each when the one before it was delivered; those
// of others pass them. Pure but for its memory, which is bounded; time comes in.
#pragma once
#include "base/buffer.h"
#include "base/check.h"
#include "base/id.h"

#define WEBHOOK_WINDOW_EVENTS 512
#define WEBHOOK_WINDOW_BYTES  (1u << 20) // of bodies; one event is taken whatever it has
#define WEBHOOK_TRACE_BYTES   (56 + 512)

enum webhook_item_state { WEBHOOK_WAITING, WEBHOOK_SENDING, WEBHOOK_DELIVERED };

struct webhook_item {
    uint64_t position; // of its record in the feed
    uint64_t time_ms;  // of its record
    uint64_t due_ns;   // not before, by the monotonic clock; 0: at once
    uint32_t attempts; // that failed
    uint8_t state;     // enum webhook_item_state
    struct id wallet;  // zero: the books
    char id[24];
    const char *type;     // static
    uint16_t trace_bytes; // of `trace`, as struct origin keeps it
    char trace[WEBHOOK_TRACE_BYTES];
    struct buffer body; // owned
};

struct webhook_window {
    struct webhook_item *items; // a ring, owned
    uint64_t first, end;        // numbers of items grow; [first, end) are in it
    size_t bytes;               // of bodies
    uint32_t sending;
};

void webhook_window_init(struct webhook_window *window);
void webhook_window_done(struct webhook_window *window);
void webhook_window_clear(struct webhook_window *window); // nothing is on its way any more

static inline struct webhook_item *webhook_window_at(const struct webhook_window *window,
                                                     uint64_t number) {
    CHECK(number >= window->first && number < window->end);
    return &window->items[number % WEBHOOK_WINDOW_EVENTS];
}

// Whether the events of one more record fit.
bool webhook_window_has_room(const struct webhook_window *window);
// A new last item with this body; what else it is the caller writes.
struct webhook_item *webhook_window_add(struct webhook_window *window, struct slice body);

#define WEBHOOK_NONE UINT64_MAX
// The first that may be sent now. `is_probe`: of all that may, that which has waited longest, so
// that one which is refused again and again does not stand for all. WEBHOOK_NONE: none, and
// `ret_due_ns` is when there will be one (UINT64_MAX: when another was delivered).
uint64_t webhook_window_next(const struct webhook_window *window, uint64_t now_ns, bool is_probe,
                             uint64_t *ret_due_ns);
void webhook_window_send(struct webhook_window *window, uint64_t number);
void webhook_window_delivered(struct webhook_window *window, uint64_t number);
void webhook_window_failed(struct webhook_window *window, uint64_t number, uint64_t due_ns);
// The oldest that is not delivered; NULL: all are.
const struct webhook_item *webhook_window_oldest(const struct webhook_window *window);

// How long to wait after so many failures in a row: half a second, doubled with each, at most
// `max_ms`, and of that between half and all, as `chance` says. Pure; thread: any.
uint64_t webhook_backoff_ms(uint32_t failures, uint64_t max_ms, uint64_t chance);
