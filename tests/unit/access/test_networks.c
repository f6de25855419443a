// SPDX-License-Identifier: MIT
// Networks read strictly, and whose word about a client's address counts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "access/networks.h"

static void networks_are_read_strictly(void **state) {
    (void)state;
    struct network network;
    static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.7", "192.0.2.7/32",
                                       "2001:db8::/32", "::/0", "::1"};
    static const char *const bad[] = {"",           "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/",
                                      "10.0.0.0/x", "10.0.0",     "::/129",      "2001:db8::1/32",
                                      "a",          "10.0.0.0/-1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!network_parse(slice_of_text(good[i]), &network))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (network_parse(slice_of_text(bad[i]), &network))
            fail_msg("taken: %s", bad[i]);
}

static const char *client(const char *peer_text, const char *forwarded, const char *expected) {
    static const char *const texts[] = {"10.0.0.0/8", "fd00::/8", "192.0.2.1"};
    struct network trusted[3];
    uint8_t peer[16], found[16], wanted[16];
    for (int i = 0; i < 3; i++)
        assert_true(network_parse(slice_of_text(texts[i]), &trusted[i]));
    assert_true(network_parse_address(slice_of_text(peer_text), peer));
    assert_true(network_parse_address(slice_of_text(expected), wanted));
    network_client(trusted, 3, peer, slice_of_text(forwarded), found);
    return memcmp(found, wanted, 16) == 0 ? NULL : forwarded;
}

static void only_trusted_proxies_are_believed(void **state) {
    (void)state;
    assert_null(client("198.51.100.1", "203.0.113.5", "198.51.100.1")); // not a proxy
    assert_null(client("10.1.1.1", "203.0.113.5", "203.0.113.5"));
    // The client wrote 1.2.3.4 itself.
    assert_null(client("10.1.1.1", "1.2.3.4, 203.0.113.5", "203.0.113.5"));
    assert_null(client("10.1.1.1", "1.2.3.4,203.0.113.5,192.0.2.1 , 10.2.2.2", "203.0.113.5"));
    assert_null(client("fd00::1", "2001:db8::5", "2001:db8::5"));
    assert_null(client("10.1.1.1", "[2001:db8::5]:443", "2001:db8::5"));
    assert_null(client("10.1.1.1", "203.0.113.5:80", "203.0.113.5"));
    assert_null(client("10.1.1.1", "", "10.1.1.1"));
    assert_null(client("10.1.1.1", "unknown", "10.1.1.1"));
    assert_null(client("10.1.1.1", "1.2.3.4, unknown, 10.2.2.2", "10.2.2.2"));
    assert_null(client("10.1.1.1", ",,", "10.1.1.1"));
    assert_null(client("10.1.1.1", "10.3.3.3", "10.3.3.3")); // everybody is a proxy
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read_strictly),
        cmocka_unit_test(only_trusted_proxies_are_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
