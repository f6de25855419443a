// SPDX-License-Identifier: MIT
// Webhooks: tells endpoints of the configuration over HTTP what the books have committed. Each has
// a place of its own in the feed, which the books keep: events come at least once, in order per
// wallet, and payments never wait. An endpoint that is slow or dead delays only its own.
//
//   standby ─▶ claim ─▶ read the feed into a window ─▶ POST, some at once ─▶ 2xx: move the place
//      ▲                                                  │  ▲
//      └── fenced by another node                         ▼  │ after a while that doubles
//                                            anything else: again       410: gone, until a person
//                                                                       lets it go on
//
// One thread serves all endpoints, with libcurl's multi interface.
#pragma once
#include "engine/engine.h"
#include "engine/wait.h"
#include "events/webhook_signature.h"

#define WEBHOOKS_MAX             16
#define WEBHOOK_NAME_BYTES_MAX   32
#define WEBHOOK_URL_BYTES_MAX    1023
#define WEBHOOK_TYPES_MAX        16
#define WEBHOOK_TYPE_BYTES_MAX   63
#define WEBHOOK_OWNERS_MAX       8
#define WEBHOOK_CONNECTIONS_MAX  16
#define WEBHOOK_ERROR_BYTES      128

// An endpoint as the configuration has it.
struct webhook_endpoint {
    char name[WEBHOOK_NAME_BYTES_MAX + 1]; // of a to z, 0 to 9 and -
    char url[WEBHOOK_URL_BYTES_MAX + 1];
    char ca_file[512]; // "": the system's authorities
    char types[WEBHOOK_TYPES_MAX][WEBHOOK_TYPE_BYTES_MAX + 1]; // whole, or ending in ".*"
    uint32_t type_count;                                       // 0: all
    char owners[WEBHOOK_OWNERS_MAX][4 * 255 + 1];
    uint32_t owner_count;           // 0: wallets of all owners, and the books
    int wallet_kind;                // -1: of all kinds, and the books
    uint32_t timeout_ms;            // of one request
    uint32_t connections;           // requests at once
    uint32_t retry_s_max;           // between two attempts
    uint32_t failing_after_s;       // an event that old whose delivery fails is an alarm
    bool from_beginning;            // a new one is told all that ever was, else what is new
};

enum webhook_health {
    WEBHOOK_STANDBY,    // another node delivers, or none yet
    WEBHOOK_DELIVERING, // all is well
    WEBHOOK_RETRYING,   // the last attempt failed
    WEBHOOK_FAILING,    // and so it has been for long
    WEBHOOK_IS_PAUSED,  // by a person
    WEBHOOK_IS_GONE,    // it answered 410; a person decides
    WEBHOOK_HEALTHS
};
const char *webhook_health_name(enum webhook_health health); // "delivering"; static

// What came of requests.
enum webhook_result {
    WEBHOOK_RESULT_DELIVERED,   // 2xx
    WEBHOOK_RESULT_REFUSED,     // 4xx
    WEBHOOK_RESULT_ERROR,       // any other status
    WEBHOOK_RESULT_TIMEOUT,
    WEBHOOK_RESULT_UNREACHABLE, // no connection, or it ended early; also TLS that cannot be trusted
    WEBHOOK_RESULTS
};
const char *webhook_result_name(enum webhook_result result); // static

struct webhook_state {
    enum webhook_health health;
    uint64_t position, end; // of the feed: delivered up to, and where it ends
    uint64_t waiting;       // events that are read and not delivered
    uint64_t oldest_ms;     // age of the oldest of them; 0: none
    char oldest_id[24];     // of that event; "": none
    uint64_t results[WEBHOOK_RESULTS]; // since this process began
    char error[WEBHOOK_ERROR_BYTES];   // of the last attempt that failed; "": none yet
    uint64_t error_at_ms, delivered_at_ms; // 0: never
};

struct webhooks;
struct webhooks_options {
    struct engine *engine;
    const struct webhook_endpoint *endpoints; // borrowed, with distinct names
    const struct webhook_secrets *secrets;    // of each; copied
    uint32_t count;
    bool alone; // no other node has these books: claims at once
};

// Finds each endpoint's place in the books; that of a new one begins here, so that it is told all
// that is committed later. Starts no thread yet. Thread: the one that starts and stops the server.
struct webhooks *webhooks_open(const struct webhooks_options *options);
void webhooks_start(struct webhooks *webhooks);
// What is on its way is given a second to be answered. The engine must still be open. Accepts NULL.
void webhooks_close(struct webhooks *webhooks);
// From the next request on it is signed with these. Thread: any.
void webhooks_set_secrets(struct webhooks *webhooks, uint32_t index,
                          const struct webhook_secrets *secrets);

// Thread: any; these wait for nothing.
uint32_t webhooks_count(const struct webhooks *webhooks);
const struct webhook_endpoint *webhooks_endpoint(const struct webhooks *webhooks, uint32_t index);
void webhooks_state(struct webhooks *webhooks, uint32_t index, struct webhook_state *ret_state);

enum webhook_verb { WEBHOOK_RESUME, WEBHOOK_PAUSE, WEBHOOK_SKIP, WEBHOOK_REPLAY };
struct webhook_decision {
    enum webhook_verb verb;
    struct slice event; // of a skip: the id of the oldest event that is not delivered
    uint64_t from_ms;   // of a replay: all that was committed since then is told again
    struct origin who;
    struct decision_key key; // each place remembers under it what was decided
};
// What a person decides, for whichever node delivers; *ret_replayed: he had, under the same key,
// and nothing was done again. STATUS_invalid_request: `ret_why` says why
// not; STATUS_busy and the like: the books take nothing now. Thread: any that may wait.
MUST_CHECK enum status webhooks_decide(struct webhooks *webhooks, uint32_t index,
                                       const struct webhook_decision *decision, bool *ret_replayed,
                                       char *ret_why, size_t why_bytes);
