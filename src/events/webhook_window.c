// SPDX-License-Identifier: MIT
// A ring whose items keep the memory of their bodies unless it was large.
#include "events/webhook_window.h"

#include "base/memory.h"

#define BODY_BYTES_KEPT 8192
#define BACKOFF_MS      UINT64_C(500)

void webhook_window_init(struct webhook_window *window) {
    *window = (struct webhook_window){
        .items = memory_take_zeroed(WEBHOOK_WINDOW_EVENTS * sizeof(*window->items))};
}

void webhook_window_done(struct webhook_window *window) {
    for (uint32_t i = 0; i < WEBHOOK_WINDOW_EVENTS && window->items != NULL; i++)
        buffer_done(&window->items[i].body);
    memory_free(window->items);
    *window = (struct webhook_window){0};
}

static void drop_body(struct webhook_window *window, struct webhook_item *item) {
    CHECK(window->bytes >= item->body.size);
    window->bytes -= item->body.size;
    if (item->body.capacity > BODY_BYTES_KEPT) {
        buffer_done(&item->body);
        item->body = (struct buffer){0};
    }
    buffer_reset(&item->body);
}

void webhook_window_clear(struct webhook_window *window) {
    for (uint64_t number = window->first; number < window->end; number++)
        drop_body(window, webhook_window_at(window, number));
    window->first = window->end = 0;
    window->sending = 0;
    CHECK(window->bytes == 0);
}

bool webhook_window_has_room(const struct webhook_window *window) {
    return window->end - window->first + 2 <= WEBHOOK_WINDOW_EVENTS &&
           window->bytes < WEBHOOK_WINDOW_BYTES;
}

struct webhook_item *webhook_window_add(struct webhook_window *window, struct slice body) {
    CHECK(window->end - window->first < WEBHOOK_WINDOW_EVENTS);
    uint64_t number = window->end++;
    struct webhook_item *item = webhook_window_at(window, number);
    struct buffer memory = item->body;
    *item = (struct webhook_item){.body = memory};
    buffer_reset(&item->body);
    buffer_add_slice(&item->body, body);
    window->bytes += body.size;
    return item;
}

// Whether one of the same wallet in front of it is not delivered.
static bool is_behind(const struct webhook_window *window, uint64_t number) {
    const struct webhook_item *item = webhook_window_at(window, number);
    for (uint64_t before = window->first; before < number; before++) {
        const struct webhook_item *other = webhook_window_at(window, before);
        if (other->state != WEBHOOK_DELIVERED && id_equal(other->wallet, item->wallet))
            return true;
    }
    return false;
}

uint64_t webhook_window_next(const struct webhook_window *window, uint64_t now_ns, bool is_probe,
                             uint64_t *ret_due_ns) {
    uint64_t found = WEBHOOK_NONE, found_due_ns = UINT64_MAX, due_ns = UINT64_MAX;
    for (uint64_t number = window->first; number < window->end; number++) {
        const struct webhook_item *item = webhook_window_at(window, number);
        if (item->state != WEBHOOK_WAITING || is_behind(window, number))
            continue;
        if (item->due_ns > now_ns) {
            due_ns = item->due_ns < due_ns ? item->due_ns : due_ns;
            continue;
        }
        if (item->due_ns < found_due_ns) {
            found = number;
            found_due_ns = item->due_ns;
        }
        if (!is_probe || found_due_ns == 0)
            break;
    }
    *ret_due_ns = due_ns;
    return found;
}

void webhook_window_send(struct webhook_window *window, uint64_t number) {
    struct webhook_item *item = webhook_window_at(window, number);
    CHECK(item->state == WEBHOOK_WAITING);
    item->state = WEBHOOK_SENDING;
    window->sending++;
}

void webhook_window_delivered(struct webhook_window *window, uint64_t number) {
    struct webhook_item *item = webhook_window_at(window, number);
    CHECK(item->state == WEBHOOK_SENDING && window->sending != 0);
    item->state = WEBHOOK_DELIVERED;
    window->sending--;
    drop_body(window, item);
    while (window->first < window->end &&
           webhook_window_at(window, window->first)->state == WEBHOOK_DELIVERED)
        window->first++;
}

void webhook_window_failed(struct webhook_window *window, uint64_t number, uint64_t due_ns) {
    struct webhook_item *item = webhook_window_at(window, number);
    CHECK(item->state == WEBHOOK_SENDING && window->sending != 0);
    item->state = WEBHOOK_WAITING;
    item->attempts++;
    item->due_ns = due_ns;
    window->sending--;
}

const struct webhook_item *webhook_window_oldest(const struct webhook_window *window) {
    return window->first == window->end ? NULL : webhook_window_at(window, window->first);
}

uint64_t webhook_backoff_ms(uint32_t failures, uint64_t max_ms, uint64_t chance) {
    CHECK(failures != 0 && max_ms != 0);
    uint64_t whole = max_ms;
    if (failures <= 32 && (BACKOFF_MS << (failures - 1)) < max_ms)
        whole = BACKOFF_MS << (failures - 1);
    uint64_t half = whole / 2;
    return half + chance % (whole - half + 1);
}
