// SPDX-License-Identifier: MIT
// Reads the feed as events: what all who tell the world have in common.
#pragma once
#include "engine/engine.h"
#include "events/cloud_event.h"
#include "events/feed_order.h"

struct event_reader {
    struct engine *engine;
    struct feed_source own; // where what a record refers to is looked for
    char source[CLOUD_EVENT_SOURCE]; // of events: the same for all nodes of these books
    struct buffer json;  // of the last events
    struct arena plain;  // the last record, when its texts are sealed
    enum status opened;  // whether they could be opened
};

// Thread: one, all of them. The engines are borrowed.
void event_reader_init(struct event_reader *reader, const struct feed_source *source);
void event_reader_done(struct event_reader *reader);
// What a record of the feed says, with its texts opened; slices live until the next one.
MUST_CHECK enum status event_reader_decode(struct event_reader *reader,
                                           const struct feed_record *found,
                                           struct record *ret_record, const char **ret_why);
// Its events; they live until the next ones. STATUS_busy or the like: not now.
MUST_CHECK enum status event_reader_events(struct event_reader *reader,
                                           const struct record *record, uint64_t position,
                                           struct cloud_event ret_events[CLOUD_EVENTS_MAX],
                                           uint32_t *ret_count);
// From `*from` on: where the first record stands that is told, or where the feed was read to
// without finding one. Whether there is one.
bool event_reader_seek(struct event_reader *reader, uint64_t *from, bool (*is_stopping)(void *),
                       void *context);
