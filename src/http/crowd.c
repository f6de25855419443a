// SPDX-License-Identifier: MIT
// How many connections an address has open, so that one client cannot have them all. There is no
// list of addresses: each counts in two of many counters, found by two hashes with a secret seed,
// and the smaller of both is how many it has at most. Memory is fixed, nobody waits for a lock, and
// who is not in both counters of somebody who has many is not hindered by him.
#include "base/check.h"
#include "base/hash.h"
#include "http/internal.h"

static struct slice network_of(const uint8_t address[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return slice_of(address, memcmp(address, mapped, sizeof(mapped)) == 0 ? 16 : 8);
}

static bool is_counted(const struct http_server *server, const uint8_t address[16]) {
    const struct http_options *options = &server->options;
    return options->connections_per_address_max != 0 &&
           (options->is_exempt == NULL || !options->is_exempt(options->exempt_context, address));
}

static atomic_uint *counter_of(struct http_server *server, const uint8_t address[16], int row) {
    uint64_t hash = hash64(network_of(address), server->crowd_seed + (uint64_t)row);
    return &server->crowd[row][hash % HTTP_CROWD_COUNTERS];
}

bool crowd_enter(struct http_server *server, const uint8_t address[16]) {
    if (!is_counted(server, address))
        return true;
    unsigned least = UINT32_MAX;
    for (int row = 0; row < HTTP_CROWD_ROWS; row++) {
        unsigned before = atomic_fetch_add(counter_of(server, address, row), 1);
        least = before < least ? before : least;
    }
    if (least < server->options.connections_per_address_max)
        return true;
    crowd_leave(server, address);
    return false;
}

void crowd_leave(struct http_server *server, const uint8_t address[16]) {
    if (!is_counted(server, address))
        return;
    for (int row = 0; row < HTTP_CROWD_ROWS; row++) {
        unsigned before = atomic_fetch_sub(counter_of(server, address, row), 1);
        CHECK(before > 0);
    }
}
