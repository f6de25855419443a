// SPDX-License-Identifier: MIT
// Tries again, with a pause of random length.
#include "engine/postgres/link/patience.h"

#include <string.h>

#include "base/hash.h"
#include "base/signal_gate.h"

#define LOCK_TRIES_MAX    60
#define LOCK_PAUSE_NS_MAX UINT64_C(500000000)

// A transaction that was begun, if there is one; what it failed of still stands.
static bool roll_back(struct link *link) {
    char state[sizeof(link->state)];
    if (link_is_idle(link))
        return true;
    memcpy(state, link->state, sizeof(state));
    bool ok = link_run(link, "ROLLBACK") == LINK_OK;
    memcpy(link->state, state, sizeof(state));
    return ok;
}

enum link_result link_run_patiently(struct link *link, const char *text) {
    return link_ask_patiently(link, text, NULL, 0);
}

enum link_result link_ask_patiently(struct link *link, const char *text, char *ret_text,
                                    size_t text_bytes) {
    enum link_result result = LINK_REFUSED;
    for (uint32_t tries = 0; tries < LOCK_TRIES_MAX; tries++) {
        struct signal_gate never;
        uint64_t random;
        result = link_ask(link, text, ret_text, text_bytes);
        bool is_locked = strcmp(link->state, "55P03") == 0 || strcmp(link->state, "40P01") == 0 ||
                         strcmp(link->state, "40001") == 0;
        if (result != LINK_REFUSED || !is_locked)
            return result;
        if (!roll_back(link))
            return LINK_LOST;
        random_fill(&random, sizeof(random));
        signal_gate_init(&never, 0, 0);
        (void)signal_gate_wait(&never, 1, random % LOCK_PAUSE_NS_MAX);
    }
    return result;
}
