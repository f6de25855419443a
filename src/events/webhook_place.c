// SPDX-License-Identifier: MIT
// Every write names the epoch that it believes in, so two nodes may both deliver for a moment, but
// only one of them moves the place.
#include "events/webhook_place.h"

#include "base/clock.h"
#include "base/hash.h"

#define SEED     UINT64_C(0x666c6f72696e) // of hashes of names; stored, so it never changes
#define LEASE_NS UINT64_C(10000000000)    // a place that stands still so long is free
#define RENEW_NS UINT64_C(4000000000)
#define LET_GO   UINT64_C(0x6c6574676f000000) // with the epoch in which it was

static struct cursor_wish wish_of(const struct webhook_place *place) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_WEBHOOK,
                                           .slot = place->slot,
                                           .partitions = WEBHOOK_ACTIVE,
                                           .source = place->source,
                                           .epoch = place->held.epoch,
                                           .next = place->held.next,
                                           .checksum = place->held.checksum}};
}

static bool is_passing(enum status status) {
    enum status_class class = status_class(status);
    return class == STATUS_CLASS_BUSY || class == STATUS_CLASS_BROKEN;
}

static void hold(struct webhook_place *place, const struct cursor *cursor) {
    place->held = place->seen = *cursor;
    place->since_ns = place->wrote_ns = clock_monotonic_ns();
}

// ---- finding ----------------------------------------------------------------------------------

static enum status take(struct webhook_place *place, struct engine_wait *wait, uint64_t begin) {
    struct cursor_wish wish = wish_of(place);
    struct cursor cursor;
    wish.cursor.next = begin;
    enum status status = engine_wait_cursor(wait, COMMAND_CURSOR_CLAIM, &wish, &cursor);
    if (status == STATUS_ok)
        hold(place, &cursor);
    return status;
}

enum status webhook_place_find(struct webhook_place *place, struct engine_wait *wait,
                               const char *name, uint64_t begin) {
    uint64_t hash = hash64(slice_of_text(name), SEED);
    *place = (struct webhook_place){.source = hash == 0 ? 1 : hash};
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        struct cursor now;
        place->slot = (uint16_t)((hash + i) % LIMIT_SLOTS);
        enum status status = webhook_place_read(place, wait, &now);
        if (status == STATUS_ok && now.epoch == 0) {
            status = take(place, wait, begin);
            if (status == STATUS_out_of_place) // another was quicker
                status = webhook_place_read(place, wait, &now);
        }
        if (status != STATUS_ok) {
            place->source = 0;
            return status;
        }
        if (webhook_place_is_held(place))
            return STATUS_ok;
        if (now.source == place->source) {
            place->seen = now;
            place->since_ns = clock_monotonic_ns();
            return STATUS_ok;
        }
    }
    place->source = 0;
    return STATUS_internal; // a thousand names have been used
}

enum status webhook_place_read(const struct webhook_place *place, struct engine_wait *wait,
                               struct cursor *ret_cursor) {
    struct cursor_wish wish = {.cursor = {.kind = CURSOR_WEBHOOK, .slot = place->slot}};
    return engine_wait_cursor(wait, COMMAND_READ_CURSOR, &wish, ret_cursor);
}

// ---- who --------------------------------------------------------------------------------------

static bool never(void *context) {
    (void)context;
    return false;
}

bool webhook_place_look(struct webhook_place *place, const struct cursor *now, bool alone,
                        struct event_reader *reader) {
    struct cursor before = place->seen;
    bool was_held = webhook_place_is_held(place);
    bool is_changed = now->epoch != before.epoch || now->next != before.next;
    uint64_t now_ns = clock_monotonic_ns();
    place->seen = *now;
    if (is_changed)
        place->since_ns = now_ns;
    if (was_held && now->epoch == place->held.epoch)
        return false;
    place->held = (struct cursor){0};
    if (now->partitions != WEBHOOK_ACTIVE)
        return false;
    // A person has decided: whoever held it goes on, or anybody when nobody did.
    bool is_decided = (was_held && now->checksum != before.checksum) ||
                      before.partitions != WEBHOOK_ACTIVE;
    if (alone || is_decided || now->checksum == (LET_GO ^ now->epoch))
        return true;
    if (place->untold < now->next || now->checksum != before.checksum)
        place->untold = now->next;
    if (is_changed || !event_reader_seek(reader, &place->untold, never, NULL))
        place->since_ns = now_ns;
    return now_ns - place->since_ns > LEASE_NS;
}

enum status webhook_place_claim(struct webhook_place *place, struct engine_wait *wait) {
    struct cursor_wish wish = wish_of(place);
    struct cursor cursor;
    CHECK(!webhook_place_is_held(place));
    wish.cursor.next = 0;
    enum status status = engine_wait_cursor(wait, COMMAND_CURSOR_CLAIM, &wish, &cursor);
    if (status == STATUS_ok)
        hold(place, &cursor);
    return status;
}

// ---- writing ----------------------------------------------------------------------------------

// After a write that was not confirmed: a commit whose answer was lost stands as it was wished.
static enum status find_out(struct webhook_place *place, struct engine_wait *wait,
                            enum status status, const struct cursor *wanted) {
    struct cursor now;
    if (is_passing(status) || webhook_place_read(place, wait, &now) != STATUS_ok)
        return status;
    bool is_there = now.epoch == wanted->epoch && now.next == wanted->next &&
                    now.partitions == wanted->partitions && now.checksum == wanted->checksum;
    if (is_there) {
        hold(place, &now);
        return STATUS_ok;
    }
    place->held = (struct cursor){0};
    return status;
}

static enum status write_place(struct webhook_place *place, struct engine_wait *wait,
                               enum command_type type, const struct cursor_wish *wish) {
    struct cursor cursor, wanted = wish->cursor;
    CHECK(webhook_place_is_held(place));
    enum status status = engine_wait_cursor(wait, type, wish, &cursor);
    if (status == STATUS_ok) {
        hold(place, &cursor);
        return status;
    }
    if (type == COMMAND_CURSOR_RESET)
        wanted.epoch++;
    return find_out(place, wait, status, &wanted);
}

enum status webhook_place_move(struct webhook_place *place, struct engine_wait *wait,
                               uint64_t next) {
    struct cursor_wish wish = wish_of(place);
    wish.from = place->held.next;
    wish.cursor.next = next;
    return write_place(place, wait, COMMAND_CURSOR_MOVE, &wish);
}

enum status webhook_place_renew(struct webhook_place *place, struct engine_wait *wait) {
    struct cursor_wish wish = wish_of(place);
    return write_place(place, wait, COMMAND_CURSOR_RESET, &wish);
}

enum status webhook_place_set_gone(struct webhook_place *place, struct engine_wait *wait) {
    struct cursor_wish wish = wish_of(place);
    wish.cursor.partitions = WEBHOOK_GONE;
    enum status status = write_place(place, wait, COMMAND_CURSOR_RESET, &wish);
    if (status == STATUS_ok)
        place->held = (struct cursor){0};
    return status;
}

void webhook_place_release(struct webhook_place *place, struct engine_wait *wait) {
    struct cursor_wish wish = wish_of(place);
    wish.cursor.checksum = LET_GO ^ (wish.cursor.epoch + 1);
    (void)write_place(place, wait, COMMAND_CURSOR_RESET, &wish); // else its lease runs out
    place->held = (struct cursor){0};
}

bool webhook_place_is_due(const struct webhook_place *place, uint64_t now_ns) {
    return webhook_place_is_held(place) && now_ns - place->wrote_ns > RENEW_NS;
}

enum status webhook_place_decide(struct engine_wait *wait, const struct cursor *from,
                                 enum webhook_mode mode, uint64_t next,
                                 const struct origin *who, const struct decision_key *key,
                                 bool *ret_replayed) {
    struct cursor_wish wish = {.cursor = *from};
    struct cursor after;
    do
        random_fill(&wish.cursor.checksum, sizeof(wish.cursor.checksum));
    while (wish.cursor.checksum == 0 || wish.cursor.checksum == from->checksum);
    wish.cursor.partitions = mode;
    wish.cursor.next = next;
    return engine_wait_decide(wait, &wish, who, key, &after, ret_replayed);
}
