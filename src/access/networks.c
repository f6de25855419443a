// SPDX-License-Identifier: MIT
// Reads and compares networks. IPv4 addresses are their mapped IPv6 ones everywhere.
#include "access/networks.h"

#include <arpa/inet.h>
#include <string.h>

#define TEXT_BYTES_MAX 64

static bool parse_bare(struct slice text, uint8_t ret_address[16], bool *ret_is_four) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[TEXT_BYTES_MAX];
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.bytes, '\0', text.size) != NULL)
        return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    uint8_t four[4];
    *ret_is_four = inet_pton(AF_INET, copy, four) == 1;
    if (*ret_is_four) {
        memcpy(ret_address, mapped, sizeof(mapped));
        memcpy(ret_address + sizeof(mapped), four, sizeof(four));
        return true;
    }
    return inet_pton(AF_INET6, copy, ret_address) == 1;
}

static bool parse_bits(struct slice text, uint32_t bits_max, uint32_t *ret_bits) {
    uint32_t bits = 0;
    if (text.size == 0 || text.size > 3)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
        bits = bits * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    *ret_bits = bits;
    return bits <= bits_max;
}

static bool bit_of(const uint8_t address[16], uint32_t bit) {
    return (address[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

bool network_parse(struct slice text, struct network *ret_network) {
    struct network network = {.bits = 128};
    const uint8_t *slash = text.size == 0 ? NULL : memchr(text.bytes, '/', text.size);
    size_t size = slash == NULL ? text.size : (size_t)(slash - text.bytes);
    bool is_four;
    uint32_t bits;
    if (!parse_bare(slice_of(text.bytes, size), network.address, &is_four))
        return false;
    if (slash != NULL) {
        if (!parse_bits(slice_of(slash + 1, text.size - size - 1), is_four ? 32 : 128, &bits))
            return false;
        network.bits = (uint8_t)(bits + (is_four ? 96 : 0));
    }
    for (uint32_t bit = network.bits; bit < 128; bit++)
        if (bit_of(network.address, bit))
            return false;
    *ret_network = network;
    return true;
}

bool network_parse_address(struct slice text, uint8_t ret_address[16]) {
    bool is_four;
    if (text.size > 1 && text.bytes[0] == '[') {
        const uint8_t *end = memchr(text.bytes, ']', text.size);
        return end != NULL && parse_bare(slice_of(text.bytes + 1, (size_t)(end - text.bytes) - 1),
                                         ret_address, &is_four);
    }
    const uint8_t *colon = text.size == 0 ? NULL : memchr(text.bytes, ':', text.size);
    const uint8_t *dot = text.size == 0 ? NULL : memchr(text.bytes, '.', text.size);
    if (colon != NULL && dot != NULL && dot < colon) // IPv4 and a port
        text.size = (size_t)(colon - text.bytes);
    return parse_bare(text, ret_address, &is_four);
}

bool network_has(const struct network *networks, uint32_t count, const uint8_t address[16]) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bit = 0;
        while (bit < networks[i].bits && bit_of(address, bit) == bit_of(networks[i].address, bit))
            bit++;
        if (bit == networks[i].bits)
            return true;
    }
    return false;
}

void network_client(const struct network *trusted, uint32_t count, const uint8_t peer[16],
                    struct slice forwarded, uint8_t ret_address[16]) {
    memcpy(ret_address, peer, 16);
    size_t end = forwarded.size;
    while (end > 0 && network_has(trusted, count, ret_address)) {
        size_t start = end;
        while (start > 0 && forwarded.bytes[start - 1] != ',')
            start--;
        size_t first = start, last = end;
        while (first < last && (forwarded.bytes[first] == ' ' || forwarded.bytes[first] == '\t'))
            first++;
        while (last > first && (forwarded.bytes[last - 1] == ' ' ||
                                forwarded.bytes[last - 1] == '\t'))
            last--;
        uint8_t address[16];
        if (!network_parse_address(slice_of(forwarded.bytes + first, last - first), address))
            return;
        memcpy(ret_address, address, 16);
        end = start > 0 ? start - 1 : 0;
    }
}
