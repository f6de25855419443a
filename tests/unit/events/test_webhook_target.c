// SPDX-License-Identifier: MIT
// Which types of events an endpoint is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "events/cloud_event.h"
#include "events/webhooks_private.h"

static uint32_t wanted(const char *first, const char *second) {
    struct webhook_endpoint endpoint = {.wallet_kind = -1};
    const char *const patterns[] = {first, second};
    uint32_t count = 0;
    for (int i = 0; i < 2 && patterns[i] != NULL; i++)
        memcpy(endpoint.types[endpoint.type_count++], patterns[i], strlen(patterns[i]) + 1);
    for (const char *const *type = cloud_event_types(); *type != NULL; type++)
        count += webhook_wants_type(&endpoint, *type);
    return count;
}

static void test_types(void **state) {
    (void)state;
    assert_int_equal(wanted(NULL, NULL), 25); // all that there are
    assert_int_equal(wanted("florin.*", NULL), 25);
    assert_int_equal(wanted("florin.transaction.*", NULL), 6);
    assert_int_equal(wanted("florin.hold.*", "florin.hold.opened"), 4);
    assert_int_equal(wanted("florin.hold.opened", "florin.integrity.differs"), 2);
    assert_int_equal(wanted("florin.hold", NULL), 0);
    assert_int_equal(wanted("florin.hol.*", NULL), 0);
    assert_int_equal(wanted("florin.hold.opene", "florin.hold.openedd"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
