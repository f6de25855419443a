// SPDX-License-Identifier: MIT
// Servers that are behind, foreign or twins are refused; what was seen is remembered; connection
// strings come apart into one per server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/postgres/lineage.h"
#include "engine/postgres/servers.h"

static const struct lineage seen = {.system = 77, .timeline = 3, .token = "0123456789abcde"};

static struct lineage_claim claim_of(uint64_t system, uint64_t timeline, const char *mark) {
    struct lineage_claim claim = {.now = {.system = system, .timeline = timeline},
                                  .has_mark = mark != NULL};
    if (mark != NULL)
        memcpy(claim.mark, mark, LINEAGE_TOKEN_BYTES);
    return claim;
}

static void refuses(const struct lineage *before, struct lineage_claim claim, const char *word) {
    const char *why = lineage_refuses(before, &claim);
    if (word == NULL) {
        assert_null(why);
        return;
    }
    assert_non_null(why);
    if (strstr(why, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static void only_the_right_server_is_used(void **state) {
    static const struct lineage nothing;
    struct lineage unmarked = {.system = 77, .timeline = 3};
    refuses(&nothing, claim_of(77, 1, NULL), NULL);
    refuses(&nothing, claim_of(77, 0, NULL), "standby");
    refuses(&seen, claim_of(77, 3, "0123456789abcde"), NULL);
    refuses(&seen, claim_of(77, 4, "0123456789abcde"), NULL);
    refuses(&seen, claim_of(77, 0, "0123456789abcde"), "standby");
    refuses(&seen, claim_of(77, 2, "0123456789abcde"), "behind");
    refuses(&seen, claim_of(78, 3, "0123456789abcde"), "another");
    refuses(&seen, claim_of(77, 3, "0123456789abcdf"), "not taken part");
    refuses(&seen, claim_of(77, 9, NULL), "not taken part");
    refuses(&unmarked, claim_of(77, 3, NULL), NULL);
    refuses(&unmarked, claim_of(77, 2, NULL), "behind");
}

static void write_text(const char *folder, const char *text) {
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/postgres.lineage", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_was_seen_is_remembered(void **state) {
    char folder[] = "/tmp/florin-lineage-XXXXXX";
    struct lineage read;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(lineage_load(folder, &read), STATUS_ok);
    assert_int_equal(read.system, 0);
    for (int i = 0; i < 2; i++) { // again, over what is there
        assert_int_equal(lineage_save(folder, &seen), STATUS_ok);
        assert_int_equal(lineage_load(folder, &read), STATUS_ok);
        assert_memory_equal(&read, &seen, sizeof(seen));
    }
    static const char *const damaged[] = {
        "", "system 77\ntimeline 3\n", "system 0\ntimeline 3\ntoken "
        "30313233343536373839616263646500\n",
        "system 77\ntimeline 3\ntoken 3031323334353637383961626364650\n",
        "system 77\ntimeline 3\ntoken 30313233343536373839616263646500\nx"};
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        write_text(folder, damaged[i]);
        assert_int_equal(lineage_load(folder, &read), STATUS_damaged);
    }
    char command[96];
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(lineage_load(NULL, &read), STATUS_ok);
    assert_int_equal(lineage_save(NULL, &seen), STATUS_ok);
}

static void each_host_becomes_a_server(void **state) {
    char why[256] = "";
    struct servers servers;
    assert_int_equal(servers_parse("postgresql://u:p%27w@a:1,b:2/books?connect_timeout=3&"
                                   "target_session_attrs=any",
                                   SERVERS_PRIMARY, &servers, why, sizeof(why)),
                     STATUS_ok);
    assert_int_equal(servers.count, 2);
    assert_string_equal(servers.urls[1],
                        "user='u' password='p\\'w' connect_timeout='3' dbname='books' host='b' "
                        "port='2' target_session_attrs='read-write' ");
    assert_string_equal(servers.names[0], "a:1");
    servers_done(&servers);
    assert_int_equal(servers_parse("host=/run/a,b hostaddr=,10.0.0.1 port=77", SERVERS_ANY,
                                   &servers, why, sizeof(why)),
                     STATUS_ok);
    assert_int_equal(servers.count, 2);
    assert_string_equal(servers.urls[0],
                        "host='/run/a' port='77' target_session_attrs='any' ");
    assert_string_equal(servers.urls[1], "host='b' hostaddr='10.0.0.1' port='77' "
                                         "target_session_attrs='any' ");
    servers_done(&servers);
    assert_int_equal(servers_parse("dbname=books", SERVERS_ANY, &servers, why, sizeof(why)),
                     STATUS_ok);
    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.names[0], "default");
    servers_done(&servers);
}

static void other_strings_are_refused(void **state) {
    static const char *const bad[] = {"host", "no such=1", "host=a,b,c port=1,2",
                                      "host=a,b hostaddr=1.2.3.4",
                                      "host=a,b,c,d,e,f,g,h,i"};
    struct servers servers;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char why[256] = "";
        assert_int_equal(servers_parse(bad[i], SERVERS_ANY, &servers, why, sizeof(why)),
                         STATUS_invalid_request);
        assert_true(why[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_server_is_used),
        cmocka_unit_test(what_was_seen_is_remembered),
        cmocka_unit_test(each_host_becomes_a_server),
        cmocka_unit_test(other_strings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
