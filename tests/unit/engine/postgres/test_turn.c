// SPDX-License-Identifier: MIT
// Whoever writes has the writer's turn, which may be there already, asked for behind the batch
// before; and a batch that only reads gives back what nobody needs, since no COMMIT of a write
// follows that would. No batch of today's node meets that, so nothing else plays it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/postgres/desk/desk.h"

static enum sql sent[4];
static uint32_t sent_count;

void __wrap_link_send(struct link *link, enum sql statement, const struct parameters *parameters);
void __wrap_link_sync(struct link *link);

void __wrap_link_send(struct link *link, enum sql statement, const struct parameters *parameters) {
    (void)link;
    assert_null(parameters);
    assert_true(sent_count < 4);
    sent[sent_count++] = statement;
}

void __wrap_link_sync(struct link *link) {
    __wrap_link_send(link, SQL_SYNC, NULL);
}

// What goes out, SQL_COUNT: nothing. A unit of its own, so that its failure fails nothing else.
static enum sql taken(bool takes_turn, bool has_writes, bool has_turn) {
    static struct desk desk;
    struct link link = {0};
    sent_count = 0;
    desk.takes_turn = takes_turn;
    desk.has_writes = has_writes;
    desk.has_turn = has_turn;
    desk_turn_take(&desk, &link);
    assert_false(desk.has_turn);
    assert_true(sent_count == 0 || (sent_count == 2 && sent[1] == SQL_SYNC));
    return sent_count == 0 ? SQL_COUNT : sent[0];
}

static void a_batch_that_writes_has_the_turn(void **state) {
    assert_int_equal(taken(true, true, false), SQL_TURN);
    assert_int_equal(taken(true, true, true), SQL_COUNT);
}

static void a_batch_that_reads_gives_it_back(void **state) {
    assert_int_equal(taken(true, false, true), SQL_TURN_BACK);
    assert_int_equal(taken(true, false, false), SQL_COUNT);
}

static void switched_off_nobody_takes_it(void **state) {
    assert_int_equal(taken(false, true, false), SQL_COUNT);
    assert_int_equal(taken(false, false, false), SQL_COUNT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_writes_has_the_turn),
        cmocka_unit_test(a_batch_that_reads_gives_it_back),
        cmocka_unit_test(switched_off_nobody_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
