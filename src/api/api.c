// SPDX-License-Identifier: MIT
// Puts the floor together: loops, readers, the permissions of the operations table, and what http/
// calls.
#include "api/call.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/job.h"
#include "api/loop.h"
#include "api/notes.h"
#include "api/positions.h"
#include "api/pulse.h"
#include "api/queueing.h"
#include "api/recount.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/openapi.h"

// Asks the engine for a key, for access/.
static bool find_principal(void *context, const struct sha256 *secret_hash,
                           struct principal *ret_principal) {
    struct engine *engine = context;
    struct key key;
    bool live = false;
    if (!engine->port->find_key(engine, secret_hash, clock_now_ms(), &key, &live))
        return false;
    *ret_principal = (struct principal){
        .key = key.id, .role = key.role, .owner = key.owner, .live = live};
    return true;
}

static void loop_open(struct api *api, unsigned index) {
    struct api_loop *loop = &api->loops[index];
    loop->api = api;
    loop->index = index;
    loop->parser = json_open();
    loop->hash = sha256_open();
    loop->door = (struct authenticator){
        .hash = loop->hash, .memo = &loop->secret, .source = &api->keys};
    if (api->options.issuer_count != 0)
        loop->door.tokens = token_checker_open(api->options.issuers, api->options.issuer_count,
                                               api->options.token_keys);
    inbox_init(&loop->done);
    loop->notes = notes_open();
    random_fill(&loop->request_prefix, sizeof(loop->request_prefix));
}

static void loop_close(struct api_loop *loop) {
    explicit_bzero(&loop->secret, sizeof(loop->secret));
    rounds_free_all(loop);
    queueing_free_all(loop);
    jobs_free_all(loop);
    calls_free_all(loop);
    json_close(loop->parser);
    token_checker_close(loop->door.tokens);
    sha256_close(loop->hash);
    notes_close(loop->notes);
    buffer_done(&loop->rendered);
}

// The operations table speaks in words; here they become sets, once.
static void resolve_role(struct api *api, const struct role_row *role) {
    CHECK(role->number < ROLES_MAX);
    for (uint32_t i = 0; i < OPERATION_COUNT; i++) {
        uint8_t command = operation_at((enum operation_code)i)->command;
        if ((command != COMMAND_NONE || i == OPERATION_BATCH) &&
            roles_allow(&api->roles, role->number, api->permissions[i]))
            api->allowed_commands[role->number] |= UINT64_C(1) << command;
    }
    for (int guard = GUARD_NONE + 1; guard < GUARD_COUNT; guard++) {
        enum permission needed;
        CHECK(permission_find(
            slice_of_text(field_guard_permission((enum field_guard)guard)), &needed));
        if (!roles_allow(&api->roles, role->number, needed))
            api->closed_guards[role->number] |= (uint8_t)(1u << guard);
    }
    struct wire_roles *wire = &api->wire_roles;
    if (role->bound)
        wire->bound |= UINT64_C(1) << role->number;
    if (role->number >= ROLE_CUSTOM)
        wire->customs[wire->custom_count++] =
            (struct wire_role){.name = slice_of_text(role->name), .number = role->number};
}

static void resolve_permissions(struct api *api) {
    for (uint32_t i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = operation_at((enum operation_code)i);
        CHECK(permission_find(slice_of_text(operation->permission), &api->permissions[i]));
    }
    if (api->options.roles != NULL)
        api->roles = *api->options.roles;
    else
        roles_begin(&api->roles);
    for (uint32_t r = 0; r < api->roles.count; r++) {
        if (api->roles.rows[r].number >= ROLE_CUSTOM) // its name lies in the table
            api->roles.rows[r].name = api->roles.names[r];
        resolve_role(api, &api->roles.rows[r]);
    }
}

static_assert(ROLES_MAX == ROLE_MAX + 1 && ROLES_CUSTOM_FIRST == ROLE_CUSTOM, "one range of roles");
static_assert(COMMAND_TYPE_COUNT <= 64, "a type of command has a bit");

static void tell_share(void *context, const char *why) {
    (void)context;
    if (why != NULL)
        log_line(LOG_WARNING, "limits", "Redis is away, so this node limits by itself: %s", why);
    else
        log_line(LOG_INFO, "limits", "Limits are shared through Redis.");
}

struct api *api_open(const struct api_options *options) {
    CHECK(options->engine != NULL);
    CHECK(options->loops >= 1 && options->loops <= HTTP_LOOPS_MAX);
    CHECK(options->request_deadline_ms > 0);
    CHECK(options->audit_window_s >= 1 && options->audit_window_s <= 3600);
    struct api *api = memory_take_zeroed(sizeof(*api));
    api->options = *options;
    if (api->options.round_carried_ms == 0)
        api->options.round_carried_ms = API_CARRIED_MS;
    api->engine = options->engine;
    api->keys = (struct principal_source){.find = find_principal, .context = options->engine};
    api->currencies = (struct wire_currencies){.customs = options->currencies,
                                               .custom_count = options->currency_count};
    api->opened_ns = clock_monotonic_ns();
    atomic_init(&api->stopping, false);
    resolve_permissions(api);
    openapi_render(&api->openapi, options->version, &api->currencies, &api->wire_roles);
    api->recount = recount_open(&(struct recount_options){
        .engine = options->engine,
        .mib_per_s = options->recount_mib_per_s,
        .pause_s = options->recount_pause_s,
        .stops_payments = options->alarm_stops_payments,
        .chain = options->chain,
    });
    if (options->pulse_ms != 0)
        api->pulse = pulse_open(options->engine, api->recount, options->pulse_ms);
    if (options->engine->port->read != NULL)
        api->positions = positions_open();
    if (options->rate_limit_count != 0) {
        uint64_t seed;
        random_fill(&seed, sizeof(seed));
        api->limiter = rate_limiter_open(options->rate_limits, options->rate_limit_count, seed);
        api->patience = limits_open_patience(seed);
        if (options->rate_limits_redis != NULL)
            api->rate_share =
                rate_share_open(api->limiter, options->rate_limits_redis, tell_share, NULL);
    }
    // Each loop begins on a cache line of its own, so that counting in one does not slow another.
    api->loops_memory = memory_take_zeroed((options->loops + 1) * sizeof(*api->loops));
    uintptr_t loops = ((uintptr_t)api->loops_memory + API_LOOP_ALIGNMENT - 1) / API_LOOP_ALIGNMENT *
                      API_LOOP_ALIGNMENT;
    api->loops = (struct api_loop *)loops;
    for (unsigned i = 0; i < options->loops; i++)
        loop_open(api, i);
    readers_open(&api->lists, "lists", API_LIST_THREADS);
    readers_open(&api->totals, "totals", 1);
    readers_open(&api->checks, "checks", 1);
    queueing_open(api);
    return api;
}

struct http_handler api_handler(struct api *api) {
    return (struct http_handler){
        .context = api,
        .body_limit = router_body_limit,
        .request = router_request,
        .pass_end = rounds_pass_end,
        .woken = rounds_woken,
        .tick = rounds_tick,
        .wants_tick = rounds_wants_tick,
        .loop_ended = rounds_loop_ended,
        .refuse = router_refuse,
    };
}

void api_admit(const struct api *api, uint8_t role, struct slice owner, struct wire_context *wire) {
    const struct role_row *row = roles_at(&api->roles, role);
    wire->roles = &api->wire_roles;
    wire->allowed_commands = 0;
    // A bound role without an owner may nothing, nor may one that the configuration has no more.
    if (row == NULL || role >= ROLES_MAX || (row->bound && owner.size == 0))
        return;
    wire->allowed_commands = api->allowed_commands[role];
    wire->closed_guards = api->closed_guards[role];
    if (row->bound)
        wire->bound_to = owner;
}

void api_attach(struct api *api, struct http_server *server) {
    CHECK(server != NULL);
    CHECK(api->server == NULL);
    api->server = server;
}

void api_begin_stop(struct api *api) {
    atomic_store_explicit(&api->stopping, true, memory_order_relaxed);
}

void api_stop(struct api *api) {
    if (api->stopped)
        return;
    api->stopped = true;
    api_begin_stop(api);
    recount_cancel(api->recount); // a check of large books takes longer than a stop may
    readers_close(&api->lists);
    readers_close(&api->totals);
    readers_close(&api->checks);
    queueing_close(api);
    pulse_close(api->pulse);
    api->pulse = NULL;
    recount_close(api->recount);
    api->recount = NULL;
}

void api_close(struct api *api) {
    if (api == NULL)
        return;
    api_stop(api);
    for (unsigned i = 0; i < api->options.loops; i++)
        loop_close(&api->loops[i]);
    memory_free(api->loops_memory);
    positions_close(api->positions);
    rate_share_close(api->rate_share);
    rate_limiter_close(api->limiter);
    rate_limiter_close(api->patience);
    buffer_done(&api->openapi);
    memory_free(api);
}
