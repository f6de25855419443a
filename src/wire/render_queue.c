// SPDX-License-Identifier: MIT
// What operators see of the queue. Records of it may be any bytes: what is no UTF-8 is shown as
// U+FFFD.
#include "base/clock.h"
#include "wire/render.h"
#include "wire/text.h"

static void render_bytes(struct buffer *buffer, const char *name, struct slice bytes) {
    struct buffer clean = {0};
    buffer_add_format(buffer, ",\"%s\":", name);
    if (text_is_utf8(bytes)) {
        json_write_text(buffer, bytes);
        return;
    }
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.bytes[i] < 0x80)
            buffer_add(&clean, bytes.bytes + i, 1);
        else
            BUFFER_ADD(&clean, "\xef\xbf\xbd");
    json_write_text(buffer, buffer_slice(&clean));
    buffer_done(&clean);
}

static void render_stop(struct buffer *buffer, const struct wire_queue_stop *stop) {
    BUFFER_ADD(buffer, "{");
    if (stop->has_slot)
        buffer_add_format(buffer, "\"slot\":%u,\"record\":%lld,", stop->slot,
                          (long long)stop->record);
    BUFFER_ADD(buffer, "\"why\":");
    json_write_text(buffer, stop->why);
    BUFFER_ADD(buffer, "}");
}

void wire_render_queue_partition(struct buffer *buffer, const struct wire_queue_partition *one) {
    uint64_t high = one->has_log && one->log_ends > 0 ? (uint64_t)one->log_ends : 0;
    buffer_add_format(buffer, "{\"id\":\"%s-%u\",\"topic\":\"%s\",\"partition\":%u", one->topic,
                      one->partition, one->topic, one->partition);
    if (one->principal != NULL)
        buffer_add_format(buffer, ",\"principal\":\"%s\"", one->principal);
    buffer_add_format(buffer, ",\"first\":%llu,\"last\":%llu", (unsigned long long)one->first,
                      (unsigned long long)one->last);
    if (one->has_log)
        buffer_add_format(buffer, ",\"log_begins\":%lld,\"log_ends\":%lld",
                          (long long)one->log_begins, (long long)one->log_ends);
    buffer_add_format(buffer, ",\"waiting\":%llu,\"state\":\"%s\"",
                      (unsigned long long)(high > one->last ? high - one->last : 0), one->state);
    if (one->stop_count != 0) {
        BUFFER_ADD(buffer, ",\"stopped\":[");
        for (uint32_t i = 0; i < one->stop_count; i++) {
            if (i != 0)
                BUFFER_ADD(buffer, ",");
            render_stop(buffer, &one->stops[i]);
        }
        BUFFER_ADD(buffer, "]");
    }
    BUFFER_ADD(buffer, "}");
}

void wire_render_queue_decision(struct buffer *buffer, const char *topic, uint32_t partition,
                                uint64_t next) {
    buffer_add_format(buffer, "{\"id\":\"%s-%u\",\"next\":%llu}", topic, partition,
                      (unsigned long long)next);
}

void wire_render_letter(struct buffer *buffer, const struct wire_letter *letter) {
    char time[CLOCK_TEXT_BYTES];
    buffer_add_format(buffer, "{\"id\":\"%d-%lld\"", letter->partition, (long long)letter->offset);
    render_bytes(buffer, "reason", letter->reason);
    render_bytes(buffer, "topic", letter->topic);
    render_bytes(buffer, "partition", letter->from_partition);
    render_bytes(buffer, "offset", letter->from_offset);
    if (letter->repeats >= 0)
        buffer_add_format(buffer, ",\"repeats\":\"%d-%lld\"", letter->partition,
                          (long long)letter->repeats);
    if (letter->principal.size != 0)
        render_bytes(buffer, "principal", letter->principal);
    render_bytes(buffer, "key", letter->key);
    render_bytes(buffer, "value", letter->value);
    if (letter->time_ms != 0) {
        clock_format(letter->time_ms, time);
        buffer_add_format(buffer, ",\"created_at\":\"%.*s\"", CLOCK_TEXT_BYTES, time);
    }
    BUFFER_ADD(buffer, "}");
}
