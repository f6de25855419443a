// SPDX-License-Identifier: MIT
// Networks of addresses, and whose word about a client's address counts. Behind a proxy the peer is
// the proxy, and X-Forwarded-For says for whom it asks; but everybody can send that header. So it
// is read from the right, where the last proxy wrote, and only as far as those who wrote are
// trusted.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define NETWORKS_MAX 16

struct network {
    uint8_t address[16]; // IPv6, or IPv4 mapped
    uint8_t bits;        // of the address that count; of an IPv4 network 96 more
};

// Thread: any. All pure.
// Reads "10.0.0.0/8", "192.0.2.7", "2001:db8::/32"; bits behind the prefix must be zero.
bool network_parse(struct slice text, struct network *ret_network);
// Reads an address alone, also as [::1] and with a port behind it.
bool network_parse_address(struct slice text, uint8_t ret_address[16]);
bool network_has(const struct network *networks, uint32_t count, const uint8_t address[16]);
// The client's address: the peer's, unless that is a trusted proxy's; then the last one of
// `forwarded` (the header's values, joined by commas) that is not. A value that is no address ends
// the search at the one before it.
void network_client(const struct network *trusted, uint32_t count, const uint8_t peer[16],
                    struct slice forwarded, uint8_t ret_address[16]);
