// SPDX-License-Identifier: MIT
// When a key was last used survives a stop; a file that does not hold is forgotten, and the books
// open all the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "books_support.h"

static const struct sha256 secret = {{7, 7, 7}};

static uint64_t last_used(const struct test_books *books, struct id key) {
    struct list_query query = {.kind = LIST_KEYS, .limit = 50};
    struct page page = {0};
    uint64_t found_ms = UINT64_MAX;
    arena_init(&page.arena, 4096);
    enum status status = books->engine->port->list(books->engine, &query, &page);
    assert_true(status == STATUS_ok || status == STATUS_end);
    for (uint32_t i = 0; i < page.item_count; i++)
        if (id_equal(test_record(page.items[i].outcome).api_key.id, key))
            found_ms = page.items[i].outcome.last_used_at_ms;
    arena_done(&page.arena);
    assert_int_not_equal(found_ms, UINT64_MAX);
    return found_ms;
}

static struct id make_key(const struct test_books *books) {
    struct command command = test_command(books, COMMAND_KEY_CREATE);
    command.key_role = ROLE_SERVICE;
    command.name = SLICE("till");
    command.secret_hash = secret;
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return test_record(outcome).api_key.id;
}

static void use_key(const struct test_books *books, uint64_t now_ms) {
    struct key key;
    bool live = false;
    assert_true(books->engine->port->find_key(books->engine, &secret, now_ms, &key, &live));
    assert_true(live);
}

static void spoil(const struct test_books *books, long offset) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/keys.used", books->folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

static void test_uses_survive_a_stop(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id key = make_key(&books);
    assert_int_equal(last_used(&books, key), 0);
    use_key(&books, 1800000000123);
    assert_int_equal(last_used(&books, key), 1800000000123);
    assert_int_equal(last_used(&books, books.admin), 0);
    test_books_reopen(&books);
    assert_int_equal(last_used(&books, key), 1800000000123);
    assert_int_equal(last_used(&books, books.admin), 0);
    test_books_reopen(&books); // nothing new: the file stays as it is
    assert_int_equal(last_used(&books, key), 1800000000123);
    use_key(&books, 1800000000999);
    test_books_reopen(&books);
    assert_int_equal(last_used(&books, key), 1800000000999);
    test_books_remove(&books);
}

static void test_a_spoilt_file_is_forgotten(void **state) {
    static const long offsets[] = {0, 8, 12, 16, 32, 39};
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id key = make_key(&books);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        use_key(&books, 1800000000000 + i);
        test_books_reopen(&books);
        assert_int_equal(last_used(&books, key), 1800000000000 + i);
        spoil(&books, offsets[i]);
        test_books_reopen(&books);
        assert_int_equal(last_used(&books, key), 0);
    }
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses_survive_a_stop),
        cmocka_unit_test(test_a_spoilt_file_is_forgotten),
    };
    return cmocka_run_group_tests_name("engine_key_uses", tests, NULL, NULL);
}
