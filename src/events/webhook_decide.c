// SPDX-License-Identifier: MIT
// What people decide about an endpoint. A decision is a record of the books, so every node sees it,
// it survives restarts, and it stands in the audit; whoever delivers notices that its place is
// another's and begins again from there.
#include <stdio.h>

#include "base/clock.h"
#include "events/webhooks_private.h"

#define CHUNK_BYTES (1u << 20) // of the feed
#define TRIES       16         // whoever delivers may move the place meanwhile

struct deciding {
    struct webhooks *webhooks;
    const struct webhook_endpoint *endpoint;
    struct engine_wait wait, house;
    struct event_reader reader;
    char *ret_why;
    size_t why_bytes;

    // Of a skip: what is looked for from the place on.
    struct slice event;
    char first[24]; // the first event that the endpoint is told; "": none
    bool is_it, is_unread;
    uint64_t behind; // it

    // Of a replay.
    uint64_t from_ms, found, read;
    bool has_found;
};

// ---- which to skip ----------------------------------------------------------------------------

// The first record with an event for the endpoint; an event named is in it or not.
static bool look_for_first(void *context, const struct feed_record *found) {
    struct deciding *deciding = context;
    struct cloud_event events[CLOUD_EVENTS_MAX];
    struct record record;
    const char *why;
    uint32_t count = 0;
    bool is_wanted;
    deciding->read = found->next;
    if (found->came)
        return true; // another shard's
    deciding->is_unread = event_reader_decode(&deciding->reader, found, &record, &why) != STATUS_ok;
    if (deciding->is_unread)
        return false;
    if (!cloud_event_is_told(&record) ||
        !webhook_wants_type(deciding->endpoint, cloud_event_type(&record)))
        return true;
    deciding->is_unread = event_reader_events(&deciding->reader, &record, found->position, events,
                                              &count) != STATUS_ok;
    for (uint32_t i = 0; i < count && !deciding->is_unread; i++) {
        deciding->is_unread = webhook_wants_wallet(deciding->endpoint, events[i].wallet,
                                                   &deciding->house, NULL, &is_wanted) != STATUS_ok;
        if (deciding->is_unread || !is_wanted)
            continue;
        if (deciding->first[0] == '\0')
            memcpy(deciding->first, events[i].id, sizeof(deciding->first));
        deciding->is_it = deciding->is_it ||
                          slice_equal(slice_of_text(events[i].id), deciding->event);
    }
    deciding->behind = found->next;
    return !deciding->is_unread && deciding->first[0] == '\0';
}

static enum status find_skip(struct deciding *deciding, uint64_t from, uint64_t *ret_next) {
    struct engine *engine = deciding->webhooks->engine;
    uint64_t begun, next;
    deciding->read = from;
    deciding->first[0] = '\0'; // of an earlier try
    deciding->is_it = false;
    do {
        begun = deciding->read;
        enum status status = engine->port->feed(engine, begun, CHUNK_BYTES, look_for_first,
                                                deciding, &next);
        if (status != STATUS_ok || deciding->is_unread)
            return STATUS_busy;
    } while (deciding->first[0] == '\0' && deciding->read != begun);
    *ret_next = deciding->behind;
    if (deciding->is_it)
        return STATUS_ok;
    if (deciding->first[0] == '\0')
        (void)snprintf(deciding->ret_why, deciding->why_bytes,
                       "is not there: every event of this endpoint is delivered");
    else
        (void)snprintf(deciding->ret_why, deciding->why_bytes,
                       "is not the oldest event that is not delivered, which is %s and alone can "
                       "be skipped",
                       deciding->first);
    return STATUS_invalid_request;
}

// ---- from when to replay ----------------------------------------------------------------------

static bool look_at_time(void *context, const struct feed_record *found) {
    struct deciding *deciding = context;
    struct record record;
    const char *why;
    deciding->read = found->next;
    deciding->is_unread = event_reader_decode(&deciding->reader, found, &record, &why) != STATUS_ok;
    if (deciding->is_unread)
        return false;
    deciding->has_found = record.time_ms >= deciding->from_ms;
    deciding->found = found->position;
    return !deciding->has_found;
}

// Where places count with time any of them can be asked for, so halves are thrown away.
static enum status bisect(struct deciding *deciding, uint64_t *low, uint64_t high) {
    struct engine *engine = deciding->webhooks->engine;
    while (*low + 16 < high) {
        uint64_t middle = (*low + (high - *low) / 2) / 8 * 8, next;
        deciding->has_found = false;
        deciding->read = UINT64_MAX;
        // One record is enough, but that many bytes would mean one at exactly this place.
        if (engine->port->feed(engine, middle, 2, look_at_time, deciding, &next) != STATUS_ok ||
            deciding->is_unread)
            return STATUS_busy;
        if (deciding->has_found || deciding->read == UINT64_MAX)
            high = middle;
        else
            *low = middle;
    }
    return STATUS_ok;
}

static enum status find_replay(struct deciding *deciding, uint64_t *ret_next) {
    struct engine *engine = deciding->webhooks->engine;
    uint64_t end = engine->port->published_end(engine), begun, next, low = 0;
    if (engine->locator_time_shift != 0 && bisect(deciding, &low, end) != STATUS_ok)
        return STATUS_busy;
    deciding->read = low;
    deciding->has_found = false;
    do {
        begun = deciding->read;
        if (engine->port->feed(engine, begun, CHUNK_BYTES, look_at_time, deciding, &next) !=
                STATUS_ok ||
            deciding->is_unread)
            return STATUS_busy;
    } while (!deciding->has_found && deciding->read != begun);
    *ret_next = deciding->has_found ? deciding->found : deciding->read;
    return STATUS_ok;
}

// ---- deciding ---------------------------------------------------------------------------------

static enum status decide(struct deciding *deciding, const struct webhook_target *target,
                          const struct webhook_decision *decision, bool *ret_replayed) {
    if (!atomic_load(&target->is_placed))
        return STATUS_busy;
    struct webhook_place place = {.slot = target->place.slot};
    struct cursor now;
    enum status status = engine_wait_decided(&deciding->wait, CURSOR_WEBHOOK, place.slot,
                                             &decision->who, &decision->key, &now);
    *ret_replayed = status == STATUS_ok;
    if (status != STATUS_fenced)
        return status;
    status = webhook_place_read(&place, &deciding->wait, &now);
    if (status != STATUS_ok)
        return status;
    if (now.epoch == 0)
        return STATUS_busy; // its place is not made yet
    uint64_t next = now.next;
    if (decision->verb == WEBHOOK_SKIP)
        status = find_skip(deciding, now.next, &next);
    if (decision->verb == WEBHOOK_REPLAY)
        status = find_replay(deciding, &next);
    if (status != STATUS_ok)
        return status;
    enum webhook_mode mode = decision->verb == WEBHOOK_PAUSE ? WEBHOOK_PAUSED : WEBHOOK_ACTIVE;
    return webhook_place_decide(&deciding->wait, &now, mode, next, &decision->who, &decision->key,
                                ret_replayed);
}

static bool is_moved(enum status status) {
    return status == STATUS_fenced || status == STATUS_out_of_place;
}

static enum status decide_one(struct webhooks *webhooks, uint32_t index,
                              const struct webhook_decision *decision, bool *ret_replayed,
                              char *ret_why, size_t why_bytes) {
    const struct webhook_target *target = &webhooks->targets[index];
    struct deciding deciding = {.webhooks = webhooks,
                                .endpoint = target->endpoint,
                                .event = decision->event,
                                .from_ms = decision->from_ms,
                                .ret_why = ret_why,
                                .why_bytes = why_bytes};
    engine_wait_init(&deciding.wait, webhooks->engine);
    engine_wait_init(&deciding.house, webhooks->source.house);
    event_reader_init(&deciding.reader, &webhooks->source);
    enum status status = STATUS_fenced;
    for (int i = 0; i < TRIES && is_moved(status); i++)
        status = decide(&deciding, target, decision, ret_replayed);
    event_reader_done(&deciding.reader);
    engine_wait_done(&deciding.house);
    engine_wait_done(&deciding.wait);
    atomic_store(&webhooks->look_now, true);
    (void)curl_multi_wakeup(webhooks->multi);
    return is_moved(status) ? STATUS_busy : status;
}

// An event is of one shard, all else is decided for all of them. What a shard could not do is done
// when the same is decided again.
enum status webhooks_decide(struct webhooks *webhooks, uint32_t index,
                            const struct webhook_decision *decision, bool *ret_replayed,
                            char *ret_why, size_t why_bytes) {
    bool is_skip = decision->verb == WEBHOOK_SKIP;
    enum status all = STATUS_ok;
    CHECK(index < webhooks->count);
    *ret_replayed = true;
    for (; webhooks != NULL; webhooks = webhooks->next) {
        char why[160] = "";
        bool is_replayed = false;
        enum status status =
            decide_one(webhooks, index, decision, &is_replayed, why, sizeof(why));
        if ((is_skip && status == STATUS_ok) || status == STATUS_idempotency_key_reused) {
            *ret_replayed = is_replayed;
            return status;
        }
        *ret_replayed = *ret_replayed && is_replayed;
        if (status == STATUS_ok || all == STATUS_busy)
            continue;
        // Of two sentences the one that names an event.
        if (all == STATUS_ok || strstr(why, "oldest") != NULL)
            (void)snprintf(ret_why, why_bytes, "%s", why);
        all = status;
    }
    return all;
}
