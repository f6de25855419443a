// SPDX-License-Identifier: MIT
// The thread, and what others ask of it.
#include "events/webhooks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "events/webhooks_private.h"

const char *webhook_health_name(enum webhook_health health) {
    static const char *const names[WEBHOOK_HEALTHS] = {
        [WEBHOOK_STANDBY] = "standby",     [WEBHOOK_DELIVERING] = "delivering",
        [WEBHOOK_RETRYING] = "retrying",   [WEBHOOK_FAILING] = "failing",
        [WEBHOOK_IS_PAUSED] = "paused",    [WEBHOOK_IS_GONE] = "gone"};
    CHECK(health < WEBHOOK_HEALTHS);
    return names[health];
}

const char *webhook_result_name(enum webhook_result result) {
    static const char *const names[WEBHOOK_RESULTS] = {
        [WEBHOOK_RESULT_DELIVERED] = "delivered",
        [WEBHOOK_RESULT_REFUSED] = "refused",
        [WEBHOOK_RESULT_ERROR] = "error",
        [WEBHOOK_RESULT_TIMEOUT] = "timeout",
        [WEBHOOK_RESULT_UNREACHABLE] = "unreachable"};
    CHECK(result < WEBHOOK_RESULTS);
    return names[result];
}

// ---- who --------------------------------------------------------------------------------------

static void find_place(struct webhook_target *target) {
    struct webhooks *webhooks = target->webhooks;
    uint64_t begin = target->endpoint->from_beginning
                         ? 0
                         : webhooks->engine->port->published_end(webhooks->engine);
    enum status status = webhook_place_find(&target->place, &webhooks->wait,
                                            target->endpoint->name, begin);
    if (status != STATUS_ok)
        log_line(LOG_WARNING, "webhooks", "%s waits: the books do not keep its place yet: %s",
                 target->endpoint->name, status_sentence(status));
    atomic_store(&target->is_placed, status == STATUS_ok);
    if (webhook_place_is_held(&target->place))
        webhook_target_begin(target);
}

static void look_at(struct webhook_target *target) {
    struct webhooks *webhooks = target->webhooks;
    struct cursor now;
    if (target->place.source == 0) {
        find_place(target);
        return;
    }
    if (webhook_place_read(&target->place, &webhooks->wait, &now) != STATUS_ok)
        return;
    bool was_held = webhook_place_is_held(&target->place);
    bool is_free = webhook_place_look(&target->place, &now, webhooks->alone, &webhooks->reader);
    if (was_held && !webhook_place_is_held(&target->place))
        webhook_target_forget(target);
    if (is_free && webhook_place_claim(&target->place, &webhooks->wait) == STATUS_ok)
        webhook_target_begin(target);
}

// ---- the thread -------------------------------------------------------------------------------

static bool is_sending(const struct webhooks *webhooks) {
    for (uint32_t i = 0; i < webhooks->count; i++)
        if (webhooks->targets[i].window.sending != 0)
            return true;
    return false;
}

static bool is_anything_held(const struct webhooks *webhooks) {
    for (uint32_t i = 0; i < webhooks->count; i++)
        if (webhook_place_is_held(&webhooks->targets[i].place))
            return true;
    return false;
}

static void move_requests(struct webhooks *webhooks, uint64_t wait_ns) {
    int running;
    (void)curl_multi_perform(webhooks->multi, &running);
    webhook_send_take(webhooks);
    (void)curl_multi_poll(webhooks->multi, NULL, 0, (int)((wait_ns + 999999) / 1000000), NULL);
    (void)curl_multi_perform(webhooks->multi, &running);
    webhook_send_take(webhooks);
}

static void turn(struct webhooks *webhooks, uint64_t *look_ns, uint64_t *end_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    if (atomic_exchange(&webhooks->look_now, false) || now_ns >= *look_ns) {
        for (uint32_t i = 0; i < webhooks->count; i++)
            look_at(&webhooks->targets[i]);
        *look_ns = now_ns + WEBHOOK_LOOK_NS;
    }
    bool is_held = is_anything_held(webhooks);
    if (now_ns >= *end_ns) {
        webhooks->end = webhooks->engine->port->published_end(webhooks->engine);
        *end_ns = now_ns + (is_held ? WEBHOOK_IDLE_NS : WEBHOOK_LOOK_NS);
    }
    uint64_t wake_ns = now_ns + (is_held ? WEBHOOK_IDLE_NS : WEBHOOK_RETRY_NS);
    for (uint32_t i = 0; i < webhooks->count; i++) {
        webhook_target_turn(&webhooks->targets[i], now_ns, &wake_ns);
        webhook_target_note(&webhooks->targets[i], clock_now_ms());
    }
    move_requests(webhooks, wake_ns > now_ns ? wake_ns - now_ns : 0);
}

// What is on its way comes back, as far as it does so soon, and places are let go.
static void drain(struct webhooks *webhooks) {
    uint64_t until_ns = clock_monotonic_ns() + WEBHOOK_DRAIN_NS;
    while (is_sending(webhooks) && clock_monotonic_ns() < until_ns)
        move_requests(webhooks, 10000000);
    for (uint32_t i = 0; i < webhooks->count; i++) {
        struct webhook_target *target = &webhooks->targets[i];
        webhook_send_cancel(target);
        if (webhook_place_is_held(&target->place))
            webhook_target_move(target, clock_monotonic_ns());
        if (webhook_place_is_held(&target->place))
            webhook_place_release(&target->place, &webhooks->wait);
    }
}

static void *run(void *context) {
    struct webhooks *webhooks = context;
    uint64_t look_ns = 0, end_ns = 0;
    while (!atomic_load(&webhooks->stopping))
        turn(webhooks, &look_ns, &end_ns);
    drain(webhooks);
    return NULL;
}

// ---- open and close ---------------------------------------------------------------------------

// Where the same endpoint's place is in another shard's feed.
static bool place_of(void *context, uint32_t other, struct cursor_wish *ret_wish) {
    const struct webhook_target *target = context;
    const struct webhooks *webhooks = target->webhooks;
    const struct webhook_target *there =
        &webhooks->others[other]->targets[target - webhooks->targets];
    if (!atomic_load(&there->is_placed))
        return false;
    *ret_wish = (struct cursor_wish){.cursor = {.kind = CURSOR_WEBHOOK, .slot = there->place.slot}};
    return true;
}

static void open_target(struct webhooks *webhooks, uint32_t index,
                        const struct webhooks_options *options) {
    struct webhook_target *target = &webhooks->targets[index];
    target->webhooks = webhooks;
    target->endpoint = &options->endpoints[index];
    target->secrets = options->secrets[index];
    webhook_window_init(&target->window);
    feed_order_init(&target->order, &webhooks->source, place_of, target);
    if (target->endpoint->owner_count != 0 || target->endpoint->wallet_kind >= 0)
        target->known = memory_take_zeroed(WEBHOOK_KNOWN_OWNERS * sizeof(*target->known));
    find_place(target);
    webhook_target_note(target, clock_now_ms());
}

static struct webhooks *open_one(const struct webhooks_options *options,
                                 const struct feed_source *source) {
    struct webhooks *webhooks = memory_take_zeroed(sizeof(*webhooks));
    webhooks->source = *source;
    webhooks->engine = source->engine;
    webhooks->count = options->count;
    webhooks->alone = options->alone;
    engine_wait_init(&webhooks->wait, source->engine);
    engine_wait_init(&webhooks->house, source->house);
    event_reader_init(&webhooks->reader, &webhooks->source);
    webhooks->multi = curl_multi_init();
    CHECK(webhooks->multi != NULL);
    CHECK(pthread_mutex_init(&webhooks->lock, NULL) == 0);
    webhooks->end = source->engine->port->published_end(source->engine);
    for (uint32_t i = 0; i < options->count; i++)
        open_target(webhooks, i, options);
    return webhooks;
}

static void introduce(struct webhooks *first) {
    for (struct webhooks *one = first; one != NULL; one = one->next)
        for (uint32_t i = 0; i < one->source.other_count; i++)
            for (struct webhooks *other = first; other != NULL; other = other->next)
                if (other->engine == one->source.others[i])
                    one->others[i] = other;
}

struct webhooks *webhooks_open(const struct webhooks_options *options) {
    struct feed_source sources[STANDING_PLACES_MAX];
    struct webhooks *first = NULL, **end = &first;
    CHECK(options->count >= 1 && options->count <= WEBHOOKS_MAX);
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    uint32_t count = feed_sources(options->engine, sources);
    for (uint32_t i = 0; i < count; i++) {
        *end = open_one(options, &sources[i]);
        for (uint32_t k = 0; k < options->count; k++) {
            // What an endpoint takes at once is shared out; each shard must have one.
            uint32_t all = options->endpoints[k].connections;
            uint32_t share = all / count + (i < all % count);
            (*end)->targets[k].connections = share == 0 ? 1 : share;
        }
        end = &(*end)->next;
    }
    introduce(first);
    return first;
}

void webhooks_start(struct webhooks *webhooks) {
    for (; webhooks != NULL; webhooks = webhooks->next) {
        CHECK(!webhooks->is_started);
        webhooks->is_started = true;
        thread_start(&webhooks->thread, "webhooks", run, webhooks);
    }
}

static void close_one(struct webhooks *webhooks) {
    for (uint32_t i = 0; i < webhooks->count; i++) {
        struct webhook_target *target = &webhooks->targets[i];
        webhook_send_done(target);
        webhook_window_done(&target->window);
        feed_order_done(&target->order);
        memory_free(target->known);
        explicit_bzero(&target->secrets, sizeof(target->secrets));
    }
    CHECK(curl_multi_cleanup(webhooks->multi) == CURLM_OK);
    event_reader_done(&webhooks->reader);
    engine_wait_done(&webhooks->wait);
    engine_wait_done(&webhooks->house);
    (void)pthread_mutex_destroy(&webhooks->lock);
    memory_free(webhooks);
}

void webhooks_close(struct webhooks *webhooks) {
    for (struct webhooks *one = webhooks; one != NULL; one = one->next) {
        atomic_store(&one->stopping, true);
        (void)curl_multi_wakeup(one->multi);
    }
    for (struct webhooks *one = webhooks; one != NULL; one = one->next)
        if (one->is_started) // they look at each other until the last one has ended
            CHECK(pthread_join(one->thread, NULL) == 0);
    while (webhooks != NULL) {
        struct webhooks *one = webhooks;
        webhooks = one->next;
        close_one(one);
    }
}

// ---- what others ask --------------------------------------------------------------------------

void webhooks_set_secrets(struct webhooks *webhooks, uint32_t index,
                          const struct webhook_secrets *secrets) {
    CHECK(index < webhooks->count && secrets->count != 0);
    for (; webhooks != NULL; webhooks = webhooks->next) {
        CHECK(pthread_mutex_lock(&webhooks->lock) == 0);
        webhooks->targets[index].secrets = *secrets;
        CHECK(pthread_mutex_unlock(&webhooks->lock) == 0);
    }
}

uint32_t webhooks_count(const struct webhooks *webhooks) {
    return webhooks->count;
}

const struct webhook_endpoint *webhooks_endpoint(const struct webhooks *webhooks, uint32_t index) {
    CHECK(index < webhooks->count);
    return webhooks->targets[index].endpoint;
}

// The worse of two shards' states, with what both have done. While something waits the place is
// where it waits longest, else where the last shard is.
static void add_state(struct webhook_state *all, const struct webhook_state *one) {
    bool is_behind = one->waiting != 0 && (all->waiting == 0 || one->oldest_ms > all->oldest_ms);
    bool is_idle = one->waiting == 0 && all->waiting == 0;
    if (is_behind || (is_idle && one->position > all->position))
        all->position = one->position;
    if (is_behind) {
        all->oldest_ms = one->oldest_ms;
        memcpy(all->oldest_id, one->oldest_id, sizeof(all->oldest_id));
    }
    all->end = one->end > all->end ? one->end : all->end;
    all->waiting += one->waiting;
    all->health = one->health > all->health ? one->health : all->health;
    for (int i = 0; i < WEBHOOK_RESULTS; i++)
        all->results[i] += one->results[i];
    if (one->error_at_ms > all->error_at_ms) {
        all->error_at_ms = one->error_at_ms;
        memcpy(all->error, one->error, sizeof(all->error));
    }
    if (one->delivered_at_ms > all->delivered_at_ms)
        all->delivered_at_ms = one->delivered_at_ms;
}

void webhooks_state(struct webhooks *webhooks, uint32_t index, struct webhook_state *ret_state) {
    struct webhooks *first = webhooks;
    CHECK(index < webhooks->count);
    for (; webhooks != NULL; webhooks = webhooks->next) {
        CHECK(pthread_mutex_lock(&webhooks->lock) == 0);
        struct webhook_state state = webhooks->targets[index].state;
        CHECK(pthread_mutex_unlock(&webhooks->lock) == 0);
        if (webhooks == first)
            *ret_state = state;
        else
            add_state(ret_state, &state);
    }
}
