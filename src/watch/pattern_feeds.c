// SPDX-License-Identifier: MIT
// Each feed is read in chunks, which are copied, and the chunks are merged.
#include "watch/pattern_feeds.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#define CHUNK_BYTES (UINT64_C(1) << 20)
#define CHUNK_COUNT 8192
#define SETTLE_NS   UINT64_C(500000000) // a round takes longer only under stress
#define MARK_MS     60000               // between two marks

void pattern_feeds_open(struct pattern_feeds *feeds, struct engine *house) {
    struct engine *parts[STANDING_PLACES_MAX] = {house};
    feeds->count = 1;
    if (house->port->parts != NULL)
        feeds->count = house->port->parts(house, parts, STANDING_PLACES_MAX);
    CHECK(feeds->count >= 1 && feeds->count <= STANDING_PLACES_MAX);
    feeds->items = memory_take_zeroed(feeds->count * sizeof(*feeds->items));
    for (uint32_t i = 0; i < feeds->count; i++) {
        struct pattern_feed *feed = &feeds->items[i];
        feed->engine = parts[i];
        feed->pending = memory_take(CHUNK_COUNT * sizeof(*feed->pending));
        engine_wait_init(&feed->wait, parts[i]);
    }
}

void pattern_feeds_close(struct pattern_feeds *feeds) {
    for (uint32_t i = 0; i < feeds->count; i++) {
        engine_wait_done(&feeds->items[i].wait);
        buffer_done(&feeds->items[i].bytes);
        memory_free(feeds->items[i].pending);
    }
    memory_free(feeds->items);
}

void pattern_feeds_begin(struct pattern_feeds *feeds) {
    for (uint32_t i = 0; i < feeds->count; i++) {
        struct pattern_feed *feed = &feeds->items[i];
        feed->read = feed->cursor.next;
        feed->count = feed->taken = 0;
        feed->empty_ns = 0;
        feed->mark_first = feed->mark_count = 0;
    }
}

// ---- reading ------------------------------------------------------------------------------------

static bool take_record(void *context, const struct feed_record *found) {
    struct pattern_feed *feed = context;
    struct record record;
    const char *why;
    if (record_decode(found->bytes, &record, &why) != STATUS_ok)
        return false; // the recount tells of damage
    feed->read = found->next;
    if (found->came || record_arrives(&record))
        return true;
    feed->pending[feed->count++] = (struct pattern_pending){.time_ms = record.time_ms,
                                                            .position = found->position,
                                                            .next = found->next,
                                                            .at = feed->bytes.size,
                                                            .size = found->bytes.size};
    buffer_add(&feed->bytes, found->bytes.bytes, found->bytes.size);
    return feed->count < CHUNK_COUNT && feed->bytes.size < CHUNK_BYTES;
}

enum status pattern_feeds_read(struct pattern_feeds *feeds, bool *ret_any) {
    enum status all = STATUS_ok;
    *ret_any = false;
    for (uint32_t i = 0; i < feeds->count; i++) {
        struct pattern_feed *feed = &feeds->items[i];
        uint64_t before = feed->read, next;
        if (feed->taken < feed->count)
            continue;
        feed->count = feed->taken = 0;
        buffer_reset(&feed->bytes);
        uint64_t begun_ns = clock_monotonic_ns();
        feed->end = feed->engine->port->published_end(feed->engine);
        enum status status = feed->engine->port->feed(feed->engine, feed->read, CHUNK_BYTES,
                                                      take_record, feed, &next);
        feed->read_ns = clock_monotonic_ns();
        feed->empty_ns = status == STATUS_ok && feed->read == before ? begun_ns : 0;
        *ret_any = *ret_any || feed->read != before;
        all = status == STATUS_ok ? all : status;
    }
    return all;
}

// ---- handing on ---------------------------------------------------------------------------------

static const struct pattern_pending *head_of(const struct pattern_feed *feed) {
    CHECK(feed->taken <= feed->count);
    return feed->taken == feed->count ? NULL : &feed->pending[feed->taken];
}

struct pattern_feed *pattern_feeds_next(struct pattern_feeds *feeds) {
    struct pattern_feed *first = NULL;
    for (uint32_t i = 0; i < feeds->count; i++) {
        struct pattern_feed *feed = &feeds->items[i];
        if (head_of(feed) != NULL &&
            (first == NULL || head_of(feed)->time_ms < head_of(first)->time_ms))
            first = feed;
    }
    for (uint32_t i = 0; i < feeds->count && first != NULL; i++) {
        const struct pattern_feed *feed = &feeds->items[i];
        if (head_of(feed) == NULL && feed->empty_ns < first->read_ns + SETTLE_NS)
            return NULL; // an earlier one may still come
    }
    return first;
}

uint64_t pattern_feeds_complete_ms(const struct pattern_feeds *feeds) {
    uint64_t newest_ms = 0;
    for (uint32_t i = 0; i < feeds->count; i++) {
        const struct pattern_feed *feed = &feeds->items[i];
        const struct pattern_pending *head = head_of(feed);
        if (feed->cursor.next != 0 && head != NULL && head->time_ms > newest_ms)
            newest_ms = head->time_ms;
    }
    return newest_ms;
}

static void mark(struct pattern_feed *feed, uint64_t at_ms, uint64_t position) {
    struct pattern_mark *last =
        feed->mark_count == 0
            ? NULL
            : &feed->marks[(feed->mark_first + feed->mark_count - 1) % PATTERN_MARKS];
    if (last != NULL && at_ms < last->at_ms + MARK_MS)
        return;
    if (feed->mark_count == PATTERN_MARKS) {
        feed->mark_first++;
        feed->mark_count--;
    }
    feed->marks[(feed->mark_first + feed->mark_count++) % PATTERN_MARKS] =
        (struct pattern_mark){.at_ms = at_ms, .position = position};
}

struct slice pattern_feed_take(struct pattern_feed *feed) {
    const struct pattern_pending *pending = head_of(feed);
    CHECK(pending != NULL);
    mark(feed, pending->time_ms, pending->position);
    feed->taken++;
    return slice_of(feed->bytes.bytes + pending->at, pending->size);
}

uint64_t pattern_feed_position_at(struct pattern_feed *feed, uint64_t at_ms) {
    while (feed->mark_count > 1 &&
           feed->marks[(feed->mark_first + 1) % PATTERN_MARKS].at_ms <= at_ms) {
        feed->mark_first++;
        feed->mark_count--;
    }
    const struct pattern_mark *first = &feed->marks[feed->mark_first % PATTERN_MARKS];
    return feed->mark_count != 0 && first->at_ms <= at_ms ? first->position : 0;
}

void pattern_feeds_stand(const struct pattern_feeds *feeds, uint64_t *ret_position,
                         uint64_t *ret_end) {
    uint64_t position = UINT64_MAX, end = 0;
    for (uint32_t i = 0; i < feeds->count; i++) {
        const struct pattern_feed *feed = &feeds->items[i];
        const struct pattern_pending *head = head_of(feed);
        uint64_t next = head != NULL ? head->position : feed->empty_ns != 0 ? UINT64_MAX
                                                                             : feed->read;
        position = next < position ? next : position;
        end = feed->end > end ? feed->end : end;
    }
    *ret_end = end;
    *ret_position = position < end ? position : end;
}
