// SPDX-License-Identifier: MIT
// One endpoint: from the feed into its window, out to it, and its place behind what it has.
//
// Failures are counted twice. Those of an event say when it is tried again. Those of the endpoint,
// of whatever event, say how hard it is tried at all: after the first one only one request at a
// time, of the event that has waited longest. So one event that is refused for ever holds up its
// own wallet, and others go on between its attempts as far as the window reaches.
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "events/webhooks_private.h"

#define CHUNK_BYTES (256u * 1024) // of the feed

// ---- what it is told --------------------------------------------------------------------------

static bool type_fits(const char *pattern, const char *type) {
    size_t size = strlen(pattern);
    if (size >= 2 && strcmp(pattern + size - 2, ".*") == 0)
        return strncmp(pattern, type, size - 1) == 0;
    return strcmp(pattern, type) == 0;
}

bool webhook_wants_type(const struct webhook_endpoint *endpoint, const char *type) {
    bool wanted = endpoint->type_count == 0;
    for (uint32_t i = 0; i < endpoint->type_count && !wanted; i++)
        wanted = type_fits(endpoint->types[i], type);
    return wanted;
}

static bool fits_wallet(const struct webhook_endpoint *endpoint,
                        const struct wallet_facts *wallet) {
    if (endpoint->wallet_kind >= 0 && endpoint->wallet_kind != wallet->kind)
        return false;
    bool fits = endpoint->owner_count == 0;
    for (uint32_t i = 0; i < endpoint->owner_count && !fits; i++)
        fits = slice_equal(slice_of_text(endpoint->owners[i]), wallet->owner);
    return fits;
}

// From the books, which have it in the record that described the wallet last.
static enum status ask_wallet(const struct webhook_endpoint *endpoint, struct id wallet,
                              struct engine_wait *wait, bool *ret_wanted) {
    struct command command = {.type = COMMAND_READ_WALLET,
                              .subject = wallet,
                              .wallet = wallet,
                              .slot = id_slot(wallet),
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    struct outcome outcome = {0};
    struct submission submission = {.commands = &command, .outcomes = &outcome, .count = 1};
    struct record record;
    const char *why;
    engine_wait_submit(wait, &submission);
    enum status status = (enum status)outcome.status;
    if (status == STATUS_ok && (record_decode(outcome.record, &record, &why) != STATUS_ok ||
                                record.kind != RECORD_WALLET))
        status = STATUS_internal;
    if (status == STATUS_ok)
        *ret_wanted = fits_wallet(endpoint, &record.wallet);
    engine_wait_release(wait);
    return status;
}

enum status webhook_wants_wallet(const struct webhook_endpoint *endpoint, struct id wallet,
                                 struct engine_wait *wait, struct webhook_known *known,
                                 bool *ret_wanted) {
    struct webhook_known *entry = NULL;
    if (endpoint->owner_count == 0 && endpoint->wallet_kind < 0) {
        *ret_wanted = true;
        return STATUS_ok;
    }
    *ret_wanted = false;
    if (id_is_zero(wallet))
        return STATUS_ok;
    if (known != NULL) {
        entry = &known[hash64(slice_of(&wallet, sizeof(wallet)), 0) % WEBHOOK_KNOWN_OWNERS];
        *ret_wanted = entry->is_wanted;
        if (id_equal(entry->wallet, wallet))
            return STATUS_ok;
    }
    enum status status = ask_wallet(endpoint, wallet, wait, ret_wanted);
    if (status == STATUS_ok && entry != NULL)
        *entry = (struct webhook_known){.wallet = wallet, .is_wanted = *ret_wanted};
    return status;
}

// ---- from the feed ----------------------------------------------------------------------------

static void add_item(struct webhook_target *target, const struct record *record,
                     uint64_t position, const struct cloud_event *event) {
    struct webhook_item *item = webhook_window_add(&target->window, event->json);
    struct slice trace = record->origin.trace;
    item->position = position;
    item->time_ms = record->time_ms;
    item->wallet = event->wallet;
    item->type = cloud_event_type(record);
    memcpy(item->id, event->id, sizeof(item->id));
    if (trace.size != 0 && trace.size <= sizeof(item->trace)) {
        memcpy(item->trace, trace.bytes, trace.size);
        item->trace_bytes = (uint16_t)trace.size;
    }
}

// False: not now.
static bool take_events(struct webhook_target *target, const struct record *record,
                        uint64_t position) {
    struct webhooks *webhooks = target->webhooks;
    struct cloud_event events[CLOUD_EVENTS_MAX];
    bool wanted[CLOUD_EVENTS_MAX];
    uint32_t count;
    if (!webhook_wants_type(target->endpoint, cloud_event_type(record)))
        return true;
    if (event_reader_events(&webhooks->reader, record, position, events, &count) != STATUS_ok)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (webhook_wants_wallet(target->endpoint, events[i].wallet, &webhooks->house,
                                 target->known, &wanted[i]) != STATUS_ok)
            return false;
    for (uint32_t i = 0; i < count; i++)
        if (wanted[i])
            add_item(target, record, position, &events[i]);
    return true;
}

static bool take_record(void *context, const struct feed_record *found) {
    struct webhook_target *target = context;
    struct record record;
    const char *why;
    if (!webhook_window_has_room(&target->window))
        return false;
    enum feed_turn turn = feed_order_judge(&target->order, found);
    target->is_stuck = turn == FEED_WAIT;
    if (turn == FEED_PASS)
        target->read = found->next;
    if (turn != FEED_TELL)
        return turn == FEED_PASS;
    if (event_reader_decode(&target->webhooks->reader, found, &record, &why) != STATUS_ok) {
        if (!target->was_damaged)
            log_line(LOG_ERROR, "webhooks", "%s waits: the record at %llu of the feed does not "
                     "decode: %s", target->endpoint->name, (unsigned long long)found->position,
                     why);
        target->was_damaged = target->is_stuck = true;
        return false;
    }
    if (cloud_event_is_told(&record)) {
        target->is_stuck = !take_events(target, &record, found->position);
        if (target->is_stuck)
            return false;
        target->has_passed = true;
    }
    target->read = found->next;
    return true;
}

static void read_feed(struct webhook_target *target, uint64_t now_ns, uint64_t *wake_ns) {
    struct engine *engine = target->webhooks->engine;
    uint64_t next, begun = target->read;
    if (target->read >= target->webhooks->end || !webhook_window_has_room(&target->window))
        return;
    target->is_stuck = false;
    if (now_ns >= target->feed_ns &&
        (!feed_order_begin(&target->order, target->read) ||
         engine->port->feed(engine, target->read, CHUNK_BYTES, take_record, target, &next) !=
             STATUS_ok ||
         target->is_stuck))
        target->feed_ns = now_ns + WEBHOOK_RETRY_NS;
    uint64_t again_ns = target->feed_ns > now_ns ? target->feed_ns
                        : target->read != begun  ? now_ns
                                                 : now_ns + WEBHOOK_IDLE_NS;
    if (again_ns < *wake_ns)
        *wake_ns = again_ns;
}

// ---- its place --------------------------------------------------------------------------------

void webhook_target_forget(struct webhook_target *target) {
    webhook_send_cancel(target);
    webhook_window_clear(&target->window);
    target->has_delivered = target->has_passed = target->wants_gone = false;
}

void webhook_target_begin(struct webhook_target *target) {
    CHECK(webhook_place_is_held(&target->place));
    webhook_target_forget(target);
    target->read = target->place.held.next;
    target->feed_ns = target->resume_ns = target->moved_ns = 0;
    target->failures = 0;
    log_line(LOG_INFO, "webhooks", "Delivering to %s from position %llu on (epoch %llu).",
             target->endpoint->name, (unsigned long long)target->read,
             (unsigned long long)target->place.held.epoch);
}

static void check_held(struct webhook_target *target) {
    if (webhook_place_is_held(&target->place))
        return;
    log_line(LOG_INFO, "webhooks", "The place of %s was taken over or moved by a person.",
             target->endpoint->name);
    webhook_target_forget(target);
    atomic_store(&target->webhooks->look_now, true);
}

void webhook_target_move(struct webhook_target *target, uint64_t now_ns) {
    const struct webhook_item *oldest = webhook_window_oldest(&target->window);
    uint64_t to = oldest != NULL ? oldest->position : target->read;
    target->moved_ns = now_ns;
    if (to <= target->place.held.next)
        return;
    if (webhook_place_move(&target->place, &target->webhooks->wait, to) == STATUS_ok)
        target->has_delivered = target->has_passed = false;
    else
        check_held(target);
}

static void keep_place(struct webhook_target *target, uint64_t now_ns, uint64_t *wake_ns) {
    uint64_t span_ns = target->has_delivered ? WEBHOOK_MOVE_NS : WEBHOOK_PASS_NS;
    bool has_news = target->has_delivered || target->has_passed;
    if (has_news && now_ns - target->moved_ns >= span_ns)
        webhook_target_move(target, now_ns);
    else if (has_news && target->moved_ns + span_ns < *wake_ns)
        *wake_ns = target->moved_ns + span_ns;
    if (!target->webhooks->alone && webhook_window_oldest(&target->window) != NULL &&
        webhook_place_is_due(&target->place, now_ns) &&
        webhook_place_renew(&target->place, &target->webhooks->wait) != STATUS_ok)
        check_held(target);
}

static void end_it(struct webhook_target *target, uint64_t now_ns) {
    if (now_ns < target->feed_ns)
        return;
    webhook_send_cancel(target);
    target->feed_ns = now_ns + WEBHOOK_RETRY_NS;
    if (webhook_place_set_gone(&target->place, &target->webhooks->wait) != STATUS_ok &&
        webhook_place_is_held(&target->place))
        return; // once more
    log_line(LOG_ERROR, "webhooks",
             "%s has answered 410 Gone: nothing is delivered to it until somebody lets it go on "
             "(florin webhooks resume %s).",
             target->endpoint->name, target->endpoint->name);
    webhook_target_forget(target);
}

// ---- out --------------------------------------------------------------------------------------

static void send_some(struct webhook_target *target, uint64_t now_ns, uint64_t *wake_ns) {
    uint32_t limit = target->failures != 0 ? 1 : target->connections;
    uint64_t due_ns = target->resume_ns;
    while (now_ns >= target->resume_ns && target->window.sending < limit) {
        uint64_t number =
            webhook_window_next(&target->window, now_ns, target->failures != 0, &due_ns);
        if (number == WEBHOOK_NONE)
            break;
        webhook_send(target, number);
        *wake_ns = now_ns; // libcurl begins at once
    }
    if (due_ns > now_ns && due_ns < *wake_ns)
        *wake_ns = due_ns;
}

void webhook_target_result(struct webhook_target *target, uint64_t item,
                           enum webhook_result result, const char *why, uint64_t pause_ms) {
    struct webhooks *webhooks = target->webhooks;
    uint64_t now_ns = clock_monotonic_ns(), now_ms = clock_now_ms(), chance;
    bool is_first = target->failures == 0;
    random_fill(&chance, sizeof(chance));
    CHECK(pthread_mutex_lock(&webhooks->lock) == 0);
    target->state.results[result]++;
    if (why == NULL) {
        target->state.delivered_at_ms = now_ms;
    } else {
        (void)snprintf(target->state.error, sizeof(target->state.error), "%s", why);
        target->state.error_at_ms = now_ms;
    }
    CHECK(pthread_mutex_unlock(&webhooks->lock) == 0);
    if (why == NULL) {
        webhook_window_delivered(&target->window, item);
        target->has_delivered = true;
        target->failures = 0;
        return;
    }
    const struct webhook_item *failed = webhook_window_at(&target->window, item);
    uint64_t max_ms = (uint64_t)target->endpoint->retry_s_max * 1000;
    uint64_t item_ms = webhook_backoff_ms(failed->attempts + 1, max_ms, chance);
    if (failed->attempts == 0 && is_first)
        log_line(LOG_WARNING, "webhooks", "%s did not take the event %s: %s. It is tried again.",
                 target->endpoint->name, failed->id, why);
    webhook_window_failed(&target->window, item,
                          now_ns + (item_ms > pause_ms ? item_ms : pause_ms) * 1000000);
    if (now_ns < target->resume_ns)
        return; // one of several at once: it is spared already
    uint64_t spare_ms = webhook_backoff_ms(++target->failures, max_ms, chance >> 8);
    target->resume_ns = now_ns + (spare_ms > pause_ms ? spare_ms : pause_ms) * 1000000;
}

void webhook_target_turn(struct webhook_target *target, uint64_t now_ns, uint64_t *wake_ns) {
    if (target->wants_gone && webhook_place_is_held(&target->place)) {
        end_it(target, now_ns);
        return;
    }
    if (webhook_place_is_held(&target->place))
        read_feed(target, now_ns, wake_ns);
    if (webhook_place_is_held(&target->place))
        keep_place(target, now_ns, wake_ns);
    if (webhook_place_is_held(&target->place))
        send_some(target, now_ns, wake_ns);
}

// ---- what people see --------------------------------------------------------------------------

static enum webhook_health health_of(const struct webhook_target *target,
                                     const struct webhook_item *oldest, uint64_t oldest_ms) {
    const struct webhook_place *place = &target->place;
    if (place->seen.partitions == WEBHOOK_PAUSED)
        return WEBHOOK_IS_PAUSED;
    if (place->seen.partitions == WEBHOOK_GONE)
        return WEBHOOK_IS_GONE;
    if (!webhook_place_is_held(place))
        return WEBHOOK_STANDBY;
    if (target->failures == 0 && (oldest == NULL || oldest->attempts == 0))
        return WEBHOOK_DELIVERING;
    return oldest_ms > (uint64_t)target->endpoint->failing_after_s * 1000 ? WEBHOOK_FAILING
                                                                          : WEBHOOK_RETRYING;
}

void webhook_target_note(struct webhook_target *target, uint64_t now_ms) {
    const struct webhook_item *oldest = webhook_window_oldest(&target->window);
    uint64_t oldest_ms = oldest != NULL && oldest->time_ms < now_ms ? now_ms - oldest->time_ms : 0;
    enum webhook_health health = health_of(target, oldest, oldest_ms);
    struct webhook_state *state = &target->state;
    CHECK(pthread_mutex_lock(&target->webhooks->lock) == 0);
    state->health = health;
    state->position = target->place.seen.next;
    state->end = target->webhooks->end;
    state->waiting = target->window.end - target->window.first;
    state->oldest_ms = oldest_ms;
    memset(state->oldest_id, 0, sizeof(state->oldest_id));
    if (oldest != NULL)
        memcpy(state->oldest_id, oldest->id, sizeof(state->oldest_id));
    CHECK(pthread_mutex_unlock(&target->webhooks->lock) == 0);
    if (health == WEBHOOK_FAILING && !target->was_failing)
        log_line(LOG_ERROR, "webhooks",
                 "%s has not taken the event %s for %llu s: %s. It is tried on and nothing is "
                 "lost, but somebody should look (florin webhooks list).",
                 target->endpoint->name, state->oldest_id,
                 (unsigned long long)(oldest_ms / 1000), state->error);
    if (health == WEBHOOK_DELIVERING && target->was_failing)
        log_line(LOG_INFO, "webhooks", "%s takes events again.", target->endpoint->name);
    if (health == WEBHOOK_FAILING || health == WEBHOOK_DELIVERING)
        target->was_failing = health == WEBHOOK_FAILING;
}
