// SPDX-License-Identifier: MIT
// GET /readyz: the truth about each thing that this server stands on, without asking any of them:
// each has somebody who looks at it all the time. Not ready means that a load balancer should look
// elsewhere: the server stops, the store hangs, or writes must go through a queue that is away.
#include "api/dependencies.h"
#include "api/loop.h"
#include "api/pulse.h"
#include "base/metric.h"

#define FOUND_MAX 24 // 8 of them issuers of tokens

// Half of what a request waits is a store that hangs.
static struct api_dependency store_of(struct api *api) {
    struct api_dependency store = {.name = "store", .status = "ok", .is_up = true,
                                   .is_needed = true};
    struct pulse_state state;
    pulse_state_of(api->pulse, &state);
    if (state.waits_ms > api->options.request_deadline_ms / 2) {
        store.status = "hangs";
        store.is_up = false;
    } else if (state.is_away) {
        store.status = "away";
        store.is_up = false;
    } else if (state.beats == 0) {
        store.status = "starting";
    }
    return store;
}

// Of books on several servers; what does not need those that are away goes on.
static bool shards_are_up(struct api *api, bool *ret_has_shards) {
    struct engine_stats stats;
    memset(&stats, 0, sizeof(stats));
    api->engine->port->stats(api->engine, &stats);
    *ret_has_shards = stats.shard_count != 0;
    return stats.shards_away == 0;
}

static uint32_t find_all(struct api *api, struct api_dependency *ret_found) {
    uint32_t count = 0;
    if (api->pulse != NULL)
        ret_found[count++] = store_of(api);
    bool has_shards, up_shards = shards_are_up(api, &has_shards);
    if (has_shards)
        ret_found[count++] = (struct api_dependency){
            .name = "shards", .status = up_shards ? "ok" : "away", .is_up = up_shards};
    if (api->rate_share != NULL) {
        bool up = rate_share_state(api->rate_share).shared;
        ret_found[count++] =
            (struct api_dependency){.name = "redis", .status = up ? "ok" : "away", .is_up = up};
    }
    for (uint32_t i = 0; i < api->options.issuer_count; i++) {
        bool up = token_keys_state(api->options.token_keys, i).keys != 0;
        ret_found[count++] = (struct api_dependency){
            .name = "token_keys", .status = up ? "ok" : "away", .is_up = up};
    }
    // Whatever takes money is refused meanwhile; reads and deposits go on.
    if (atomic_load_explicit(&api->engine->rules_failed, memory_order_relaxed))
        ret_found[count++] = (struct api_dependency){.name = "rules", .status = "failed"};
    if (api->options.dependencies != NULL)
        count += api->options.dependencies(api->options.metrics_context, ret_found + count,
                                           FOUND_MAX - count);
    CHECK(count <= FOUND_MAX);
    return count;
}

bool dependencies_render(struct api *api, struct buffer *buffer) {
    struct api_dependency found[FOUND_MAX];
    uint32_t count = find_all(api, found);
    bool is_stopping = atomic_load_explicit(&api->stopping, memory_order_relaxed), is_up = true;
    for (uint32_t i = 0; i < count; i++)
        is_up = is_up && (found[i].is_up || !found[i].is_needed);
    BUFFER_ADD(buffer, "{\"status\":");
    json_write_text(buffer, is_stopping ? SLICE("stopping")
                            : is_up     ? SLICE("ready")
                                        : SLICE("unavailable"));
    BUFFER_ADD(buffer, ",\"dependencies\":[");
    for (uint32_t i = 0; i < count; i++) {
        buffer_add_text(buffer, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_write_text(buffer, slice_of_text(found[i].name));
        BUFFER_ADD(buffer, ",\"status\":");
        json_write_text(buffer, slice_of_text(found[i].status));
        BUFFER_ADD(buffer, "}");
    }
    BUFFER_ADD(buffer, "]}");
    return is_up && !is_stopping;
}

void dependencies_metrics(struct api *api, struct buffer *buffer) {
    struct api_dependency found[FOUND_MAX];
    uint32_t count = find_all(api, found);
    metric_head(buffer, "dependency_up", "gauge",
                "1 while that which this server stands on answers.");
    for (uint32_t i = 0; i < count; i++) {
        bool is_told = false; // several issuers are one line: down when one is
        bool up = true;
        for (uint32_t k = 0; k < count; k++) {
            if (strcmp(found[k].name, found[i].name) != 0)
                continue;
            is_told = is_told || k < i;
            up = up && found[k].is_up;
        }
        if (!is_told)
            buffer_add_format(buffer, "florin_dependency_up{dependency=\"%s\"} %d\n",
                              found[i].name, up);
    }
}
