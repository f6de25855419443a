// SPDX-License-Identifier: MIT
// Shared by the sources of webhooks: one thread, its endpoints, and requests on their way.
#pragma once
#include <curl/curl.h>
#include <pthread.h>

#include "engine/wait.h"
#include "events/event_reader.h"
#include "events/webhook_place.h"
#include "events/webhook_window.h"
#include "events/webhooks.h"

#define WEBHOOK_IDLE_NS      UINT64_C(50000000)   // between two looks at the feed
#define WEBHOOK_RETRY_NS     UINT64_C(500000000)  // when the books take nothing
#define WEBHOOK_LOOK_NS      UINT64_C(2000000000) // between two looks at the places
#define WEBHOOK_MOVE_NS      UINT64_C(200000000)  // between two moves of a place
#define WEBHOOK_PASS_NS      UINT64_C(5000000000) // likewise, when nothing was delivered
#define WEBHOOK_DRAIN_NS     UINT64_C(1000000000)
#define WEBHOOK_KNOWN_OWNERS 1024 // wallets whose owner and kind are remembered

struct webhook_target;

// A request on its way, or the memory for one.
struct webhook_request {
    struct webhook_target *target;
    CURL *curl; // NULL: not made yet
    struct curl_slist *headers;
    struct buffer text, signature;
    uint64_t item; // of the window
    size_t received;
    bool is_on;
};

// Whether the endpoint is told about a wallet; that never changes.
struct webhook_known {
    struct id wallet;
    bool is_wanted;
};

struct webhook_target {
    struct webhooks *webhooks;
    const struct webhook_endpoint *endpoint;
    struct webhook_place place;
    atomic_bool is_placed; // place.slot is known
    struct webhook_window window;
    struct feed_order order;
    uint32_t connections; // requests at once
    struct webhook_request requests[WEBHOOK_CONNECTIONS_MAX];
    struct webhook_known *known; // owned; NULL: it is told about all
    uint64_t read;        // the next record
    uint64_t feed_ns;     // not to be read before
    uint32_t failures;    // of attempts in a row, whichever the event
    uint64_t resume_ns;   // nothing is sent before
    uint64_t moved_ns;    // when the place was moved last
    bool has_delivered, has_passed; // since then: events were; told records were passed
    bool is_stuck; // a record could not be read, or its wallet, or another shard tells first
    bool was_failing, wants_gone;
    bool was_damaged;     // it has been said
    struct webhook_secrets secrets; // under the lock, like `state`
    struct webhook_state state;
};

// Of books on several shards there is one for each, with the places that its endpoints have in that
// shard's feed; the first is what others know, and the rest hang behind it.
struct webhooks {
    struct engine *engine;
    struct webhooks *next;
    struct feed_source source;
    struct webhooks *others[STANDING_PLACES_MAX]; // as those of `source`
    uint32_t count;
    bool alone, is_started;
    struct engine_wait wait;
    struct engine_wait house; // for asking about wallets, which may be on any shard
    struct event_reader reader;
    CURLM *multi;
    pthread_t thread;
    atomic_bool stopping, look_now;
    uint64_t end; // of the feed, when it was asked last
    pthread_mutex_t lock;
    struct webhook_target targets[WEBHOOKS_MAX];
};

// webhook_target.c. Thread: that of webhooks.
// Whether the endpoint is told about events of this type.
bool webhook_wants_type(const struct webhook_endpoint *endpoint, const char *type);
// And about this wallet. Not ok: the books do not say now. `known` may be NULL.
enum status webhook_wants_wallet(const struct webhook_endpoint *endpoint, struct id wallet,
                                 struct engine_wait *wait, struct webhook_known *known,
                                 bool *ret_wanted);
// Reads the feed, moves the place, sends what may be sent. Lowers `wake_ns` to when there is
// something to do again.
void webhook_target_turn(struct webhook_target *target, uint64_t now_ns, uint64_t *wake_ns);
// The place moves to behind what is delivered.
void webhook_target_move(struct webhook_target *target, uint64_t now_ns);
// What is read and on its way is forgotten: the place is not ours, or another.
void webhook_target_forget(struct webhook_target *target);
// It is ours from here on.
void webhook_target_begin(struct webhook_target *target);
void webhook_target_note(struct webhook_target *target, uint64_t now_ns); // writes its state
// What came of a request. `why` is NULL when it is delivered; `pause_ms`: what the endpoint asked
// to be spared, 0: nothing.
void webhook_target_result(struct webhook_target *target, uint64_t item,
                           enum webhook_result result, const char *why, uint64_t pause_ms);

// webhook_send.c. Thread: that of webhooks.
// Hands an item to libcurl; its webhook_target_result follows.
void webhook_send(struct webhook_target *target, uint64_t item);
// Takes what came back.
void webhook_send_take(struct webhooks *webhooks);
void webhook_send_cancel(struct webhook_target *target); // whatever is on its way
void webhook_send_done(struct webhook_target *target);   // frees
