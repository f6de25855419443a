// SPDX-License-Identifier: MIT
// Which of a shard's records may be told: what another shard has made first, it tells first.
#include "events/feed_order.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "events/cloud_event.h"

#define LOOK_BYTES (256u * 1024)

uint32_t feed_sources(struct engine *house, struct feed_source ret_sources[STANDING_PLACES_MAX]) {
    struct engine *parts[STANDING_PLACES_MAX] = {house};
    uint32_t count = 1;
    if (house->port->parts != NULL)
        count = house->port->parts(house, parts, STANDING_PLACES_MAX);
    CHECK(count >= 1 && count <= STANDING_PLACES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct feed_source *source = &ret_sources[i];
        *source = (struct feed_source){.engine = parts[i], .house = house};
        for (uint32_t k = 0; k < count; k++)
            if (k != i)
                source->others[source->other_count++] = parts[k];
    }
    return count;
}

void feed_order_init(struct feed_order *order, const struct feed_source *source, feed_place place,
                     void *context) {
    *order = (struct feed_order){
        .source = source, .place = place, .context = context, .version = -1};
    order->others = memory_take_zeroed((source->other_count + 1) * sizeof(*order->others));
    for (uint32_t i = 0; i < source->other_count; i++)
        engine_wait_init(&order->others[i].wait, source->others[i]);
}

void feed_order_done(struct feed_order *order) {
    for (uint32_t i = 0; order->others != NULL && i < order->source->other_count; i++)
        engine_wait_done(&order->others[i].wait);
    memory_free(order->others);
    order->others = NULL;
}

// Slots have come or gone: who has had them may have something to tell that comes first.
static void take_slots(struct feed_order *order, const struct engine_slots *slots) {
    bool any_came = false;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++)
        any_came = any_came || slots->came_before[slot] != 0;
    for (uint32_t i = 0; i < order->source->other_count; i++) {
        order->others[i].mark = 0;
        order->others[i].is_settled = !any_came;
    }
    order->version = slots->version;
}

bool feed_order_begin(struct feed_order *order, uint64_t position) {
    struct engine *engine = order->source->engine;
    struct engine_slots slots;
    int64_t version;
    if (order->source->other_count == 0)
        return true;
    CHECK(engine->port->slots != NULL && engine->port->slots_version != NULL);
    // The end first: whatever is before it was made with the slots that are asked for then.
    uint64_t end = engine->port->published_end(engine);
    if (position < end || order->version < 0) {
        if (engine->port->slots_version(engine, &version) != STATUS_ok)
            return false;
        if (version != order->version) {
            if (engine->port->slots(engine, &slots) != STATUS_ok)
                return false;
            take_slots(order, &slots);
        }
    }
    order->end = end;
    return true;
}

struct looking {
    uint64_t at, to;
    bool is_over;
};

static bool look(void *context, const struct feed_record *found) {
    struct looking *looking = context;
    struct record record;
    const char *why;
    looking->is_over =
        found->position >= looking->to ||
        (!found->came && (record_decode(found->bytes, &record, &why) != STATUS_ok ||
                          cloud_event_is_told(&record)));
    looking->at = looking->is_over ? found->position : found->next;
    return !looking->is_over;
}

// A place stands behind what was told last, and what is behind that may be nothing to tell: whoever
// holds it need not move it then. Where the first record stands that is to be told, or `to`.
static uint64_t pass_untold(struct engine *engine, uint64_t from, uint64_t to) {
    struct looking looking = {.at = from, .to = to};
    uint64_t begun, next;
    do {
        begun = looking.at;
        if (engine->port->feed(engine, begun, LOOK_BYTES, look, &looking, &next) != STATUS_ok)
            return begun;
    } while (!looking.is_over && looking.at != begun && looking.at < to);
    return looking.is_over && looking.at < to ? looking.at : to;
}

static bool is_told(struct feed_order *order, uint32_t place, uint64_t position) {
    struct feed_other *other = &order->others[place];
    struct engine *engine = order->source->others[place];
    struct cursor_wish wish;
    struct cursor now;
    if (other->is_settled || other->reached >= position)
        return true;
    if (!order->place(order->context, place, &wish) ||
        engine_wait_cursor(&other->wait, COMMAND_READ_CURSOR, &wish, &now) != STATUS_ok)
        return false;
    if (other->mark == 0) // behind that round, so this node knows the end at least as it was then
        other->mark = engine->port->published_end(engine);
    uint64_t to = other->mark < position ? other->mark : position;
    other->reached = now.next < to ? pass_untold(engine, now.next, to) : now.next;
    other->is_settled = other->reached >= other->mark;
    return other->is_settled || other->reached >= position;
}

enum feed_turn feed_order_judge(struct feed_order *order, const struct feed_record *found) {
    if (order->source->other_count == 0)
        return FEED_TELL;
    CHECK(order->version >= 0);
    if (found->came)
        return FEED_PASS;
    if (found->position >= order->end)
        return FEED_WAIT;
    for (uint32_t i = 0; i < order->source->other_count; i++)
        if (!is_told(order, i, found->position))
            return FEED_WAIT;
    return FEED_TELL;
}
