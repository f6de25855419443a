// SPDX-License-Identifier: MIT
// What operators see of an endpoint. Its address may carry a token behind a question mark, so that
// is left out.
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "wire/render.h"

static void add_text(struct buffer *buffer, const char *name, struct slice text) {
    buffer_add_format(buffer, ",\"%s\":", name);
    json_write_text(buffer, text);
}

static void add_time(struct buffer *buffer, const char *name, uint64_t time_ms) {
    char time[CLOCK_TEXT_BYTES];
    if (time_ms == 0)
        return;
    clock_format(time_ms, time);
    buffer_add_format(buffer, ",\"%s\":\"%.*s\"", name, CLOCK_TEXT_BYTES, time);
}

void wire_render_webhook(struct buffer *buffer, const struct wire_webhook *webhook) {
    buffer_add_format(buffer, "{\"name\":\"%s\"", webhook->name);
    add_text(buffer, "url", slice_of(webhook->url, strcspn(webhook->url, "?")));
    if (webhook->type_count != 0) {
        BUFFER_ADD(buffer, ",\"events\":[");
        for (uint32_t i = 0; i < webhook->type_count; i++) {
            if (i != 0)
                BUFFER_ADD(buffer, ",");
            json_write_text(buffer, slice_of_text(webhook->types[i]));
        }
        BUFFER_ADD(buffer, "]");
    }
    buffer_add_format(buffer,
                      ",\"state\":\"%s\",\"position\":%llu,\"feed_end\":%llu,\"waiting\":%llu,"
                      "\"lag_seconds\":%llu",
                      webhook->state, (unsigned long long)webhook->position,
                      (unsigned long long)webhook->feed_end, (unsigned long long)webhook->waiting,
                      (unsigned long long)webhook->lag_s);
    if (webhook->oldest_event != NULL)
        add_text(buffer, "oldest_event", slice_of_text(webhook->oldest_event));
    if (webhook->last_error != NULL)
        add_text(buffer, "last_error", slice_of_text(webhook->last_error));
    add_time(buffer, "last_error_at", webhook->last_error_ms);
    add_time(buffer, "last_delivered_at", webhook->last_delivered_ms);
    BUFFER_ADD(buffer, "}");
}
