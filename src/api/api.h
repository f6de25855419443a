// SPDX-License-Identifier: MIT
// From requests to commands and from outcomes to answers. api/ stands between http/, which knows
// bytes, and the engine, which knows the books: it asks who is there and what he may do, decodes,
// sends rounds, and renders what became of them.
//
// Threads. Everything of a loop is touched by its HTTP thread alone. Three things cross: rounds go
// to the engine and come back through the loop's inbox (rounds.c); lists and checks go to reader
// threads and come back the same way (readers.c); counters are read by whichever loop answers
// /metrics (metrics.h).
#pragma once
#include <stdint.h>

#include "access/networks.h"
#include "access/permissions.h"
#include "access/rate_limit.h"
#include "access/rate_share.h"
#include "access/token_keys.h"
#include "api/recount.h"
#include "engine/engine.h"
#include "http/server.h"
#include "ledger/money.h"
#include "events/webhooks.h"
#include "queue/console.h"
#include "queue/queue.h"
#include "wire/decode.h"

#define API_ORIGIN_BYTES 256 // with the zero at its end

struct api;
struct spending_limits; // ledger/spending.h

// Something that the server stands on, as whoever looks at it all the time sees it.
struct api_dependency {
    const char *name, *status; // words; static
    bool is_up;
    bool is_needed; // without it the server is not ready
};

// Everything is borrowed and must outlive the api.
struct api_options {
    struct engine *engine;
    const struct currency *currencies; // of the configuration, beside ISO 4217
    uint32_t currency_count;
    unsigned loops;                            // of the server that it will answer for
    uint32_t request_deadline_ms;              // a request that waits longer is answered `busy`
    // How long what comes while a round is at the disk stays here to be one round behind it [3].
    uint32_t round_carried_ms;
    const char *version;                       // Florin's
    const struct rate_limit_rule *rate_limits; // only read by api_open; none is no cost
    uint32_t rate_limit_count;
    const struct rate_share_place *rate_limits_redis; // where nodes share them; NULL: they do not
    const struct spending_limits *spending_limits; // to be shown; NULL: there are none
    const struct role_table *roles; // NULL: the house's own
    struct queue *queue; // where writes can be queued; NULL: nowhere
    const struct console *console; // where operators look at the queue; NULL: there is none
    struct webhooks *webhooks;     // NULL: there are no endpoints
    bool queue_writes;   // queue every write that can be
    bool queue_direct;   // while no broker can be reached, go without
    // Adds lines to /metrics; NULL: none. Thread: any loop's.
    void (*metrics_more)(void *context, struct buffer *buffer);
    void *metrics_context;
    // What else the server stands on; fills at most `max`. NULL: nothing. With metrics_context.
    uint32_t (*dependencies)(void *context, struct api_dependency *ret_found, uint32_t max);
    uint32_t pulse_ms;        // how often the store is looked at; 0: never
    uint32_t slow_request_ms; // a request that takes longer is logged; 0: none
    uint32_t recount_mib_per_s, recount_pause_s; // see recount.h
    bool alarm_stops_payments;
    struct chain_prover chain; // see recount.h
    uint32_t audit_retention_days; // older entries of the audit are not answered; 0: all are
    uint32_t audit_window_s; // repeated refusals within it are one note of the audit
    const struct token_issuer *issuers; // whose tokens open doors; with roles resolved
    uint32_t issuer_count;              // 0: only API keys do
    struct token_keys *token_keys;      // of the issuers; NULL without
    const struct network *trusted_proxies; // whose X-Forwarded-For counts
    uint32_t trusted_proxy_count;
    const char (*cors_origins)[API_ORIGIN_BYTES]; // whose pages may call from a browser
    uint32_t cors_origin_count;
    bool monitors_only; // a worker: health, readiness and metrics, and no API
    bool is_encrypted; // browsers are told never to come without TLS again
};

// Thread: the one that starts and stops the server, as for all functions here. `api_open` starts
// the reader threads.
struct api *api_open(const struct api_options *options);
struct http_handler api_handler(struct api *api);
// What somebody of that role may have carried out from the queue, into the context that his command
// is decoded with; `owner` is his key's. Thread: any.
void api_admit(const struct api *api, uint8_t role, struct slice owner, struct wire_context *wire);
// Which server to wake. Must be called before http_server_start.
void api_attach(struct api *api, struct http_server *server);
// Stopping: api_begin_stop, then stop the server, api_stop, close the engine, close the server,
// api_close. From here on /readyz answers 503 and a check of the books is cut short. Thread: any.
void api_begin_stop(struct api *api);
// How many requests wait for their outcome right now. Thread: any.
uint64_t api_waiting(const struct api *api);
// Ends the reader threads, which use the engine. The server must have stopped.
void api_stop(struct api *api);
// The engine must have been closed: no round is on its way. Accepts NULL.
void api_close(struct api *api);
