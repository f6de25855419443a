// SPDX-License-Identifier: MIT
// One request of the demo: sent, compared with what it must answer, counted.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"
#include "programs/client/client_connection.h"
#include "programs/client/client_progress.h"
#include "programs/demo/demo_world.h"

enum demo_verb {
    DEMO_OPENING,
    DEMO_DEPOSIT,
    DEMO_TRANSFER,
    DEMO_PURCHASE,
    DEMO_HOLD,
    DEMO_CAPTURE,
    DEMO_VOID,
    DEMO_REFUND,
    DEMO_WITHDRAWAL,
    DEMO_SETTLE,
    DEMO_FAIL,
    DEMO_CHANGE,
    DEMO_READING, // not shown
    DEMO_VERB_COUNT
};

struct demo_tally {
    uint64_t done;
    uint64_t refused; // as expected
    int64_t amount;   // minor units, of what was done
};

#define DEMO_CODES_MAX 32
struct demo_code {
    const char *name; // static
    uint64_t count;
};

struct demo {
    struct client_connection *connection;
    struct json_parser *parser;
    struct client_progress progress;
    struct demo_random random;
    struct demo_world world;
    struct demo_tally tallies[DEMO_VERB_COUNT];
    struct demo_code codes[DEMO_CODES_MAX];
    uint32_t code_count;
    uint64_t replay_count;     // retries that were answered with the first answer
    uint64_t difference_count; // answers and balances that were not as expected
    uint64_t key_count;        // makes keys and bank ids unique within the run
    char run[20];              // makes them unique between runs
    bool is_over;              // the server is gone or wants none of it (said on stderr)
    enum client_exit over_exit;
    struct buffer body, path; // of the request being made
    struct buffer answer;     // the last answer's bytes
};

struct demo_call {
    enum demo_verb verb;
    const char *method;     // NULL: POST
    const char *path;       // NULL: what was written into demo->path
    const char *key;        // NULL: a new one
    const char *if_version; // NULL: none
    const char *expected;   // the code of the refusal that must come; NULL: success
    int64_t amount;         // what it moves when it succeeds
    bool must_replay;       // it was done before under this key
    bool takes_long;        // it adds up all that the server has
};

// Sends demo->body. True: it succeeded, as expected, and `ret_answer` is its document until the
// next call. False: it was refused as expected; or it was not as expected, which was counted and
// said; or the demo is over.
bool demo_call(struct demo *demo, const struct demo_call *call, struct json_value *ret_answer);

// Says and counts something that is not as expected.
void demo_differs(struct demo *demo, const char *format, ...) __attribute__((format(printf, 2, 3)));
void demo_count_refusal(struct demo *demo, enum demo_verb verb, const char *code);
// Writes the body or path of the next request.
void demo_write(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// "demo-1f2e3d4c-17", another one each time.
void demo_make_key(struct demo *demo, char ret_key[DEMO_ID_BYTES_MAX]);
// Copies the answer's `id`. False: it has none, which was counted and said.
bool demo_take_id(struct demo *demo, struct json_value answer, char ret_id[DEMO_ID_BYTES_MAX]);
