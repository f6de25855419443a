// SPDX-License-Identifier: MIT
// One cursor remembers it, of the kind that endpoints of webhooks have: its slot is found as theirs
// are, by a name that none of them can have, so neither books nor neighbouring versions need to
// know of another kind. What it says itself is only the last of it; each record of it has its key.
#include "queue/retried.h"

#include "base/check.h"
#include "base/hash.h"

#define NAME "dead letters"               // endpoints have no spaces
#define SEED UINT64_C(0x6c657474657273) // of hashes of names; stored, so it never changes

uint64_t retried_topic(const char *name) {
    return hash64(slice_of_text(name), SEED);
}

// STATUS_out_of_place: the slot is an endpoint's.
static enum status look(struct engine_wait *wait, struct cursor_wish *wish) {
    struct cursor now;
    enum status status = engine_wait_cursor(wait, COMMAND_READ_CURSOR, wish, &now);
    if (status == STATUS_ok && now.epoch == 0) {
        status = engine_wait_cursor(wait, COMMAND_CURSOR_CLAIM, wish, &now);
        if (status == STATUS_out_of_place) // somebody was quicker
            status = engine_wait_cursor(wait, COMMAND_READ_CURSOR, wish, &now);
    }
    if (status == STATUS_ok && now.source != wish->cursor.source)
        return STATUS_out_of_place;
    return status;
}

static enum status find(struct engine_wait *wait, struct cursor_wish *ret_wish) {
    uint64_t source = retried_topic(NAME) | 1;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        *ret_wish = (struct cursor_wish){.cursor = {.kind = CURSOR_WEBHOOK,
                                                    .slot = (uint16_t)((source + i) % LIMIT_SLOTS),
                                                    .source = source}};
        enum status status = look(wait, ret_wish);
        if (status != STATUS_out_of_place)
            return status;
    }
    return STATUS_internal; // a thousand names have been used
}

enum status retried_find(struct engine_wait *wait, const struct origin *who,
                         const struct decision_key *key, struct retried *ret_retried) {
    struct cursor_wish wish;
    struct cursor then;
    if (!key->has_key)
        return STATUS_fenced;
    enum status status = find(wait, &wish);
    if (status == STATUS_ok)
        status = engine_wait_decided(wait, CURSOR_WEBHOOK, wish.cursor.slot, who, key, &then);
    if (status == STATUS_ok)
        *ret_retried = (struct retried){.topic = then.checksum,
                                        .partition = (int32_t)then.partitions,
                                        .offset = (int64_t)then.next};
    return status;
}

enum status retried_keep(struct engine_wait *wait, const struct origin *who,
                         const struct decision_key *key, const struct retried *retried) {
    struct cursor_wish wish;
    struct cursor after;
    bool is_replayed;
    if (!key->has_key)
        return STATUS_ok;
    enum status status = find(wait, &wish);
    if (status != STATUS_ok)
        return status;
    wish.cursor.checksum = retried->topic;
    wish.cursor.partitions = (uint32_t)retried->partition;
    wish.cursor.next = (uint64_t)retried->offset;
    return engine_wait_decide(wait, &wish, who, key, &after, &is_replayed);
}
