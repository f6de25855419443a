// SPDX-License-Identifier: MIT
// The door: only a whole, known and living key opens it, and the books are not even asked about a
// mistyped one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/authenticate.h"
#include "access/secret.h"

struct books {
    struct sha256 known;
    bool live;
    int asked;
};

static bool books_find(void *context, const struct sha256 *hash, struct principal *ret_principal) {
    struct books *books = context;
    books->asked++;
    if (memcmp(hash->bytes, books->known.bytes, 32) != 0)
        return false;
    *ret_principal = (struct principal){.key = {{7}}, .role = 2, .live = books->live};
    return true;
}

struct door {
    struct sha256_context *hash;
    struct secret_memo memo;
    bool remembers;
    struct books books;
    char header[7 + SECRET_BYTES_MAX + 8];
    size_t secret_size;
};

static int open_door(void **state) {
    static struct door door;
    memset(&door, 0, sizeof(door));
    door.hash = sha256_open();
    memcpy(door.header, "Bearer ", 7);
    door.secret_size = secret_make(SLICE("service"), door.header + 7);
    door.books.known = sha256_of(slice_of(door.header + 7, door.secret_size));
    door.books.live = true;
    *state = &door;
    return 0;
}

static int close_door(void **state) {
    struct door *door = *state;
    sha256_close(door->hash);
    return 0;
}

static enum status knock(struct door *door, struct slice header) {
    struct principal_source source = {.find = books_find, .context = &door->books};
    struct principal principal = {0};
    const char *why = NULL;
    struct authenticator authenticator = {.hash = door->hash,
                                          .memo = door->remembers ? &door->memo : NULL,
                                          .source = &source};
    enum status status = authenticate_bearer(header, &authenticator, 1, &principal, &why);
    if (status == STATUS_ok) {
        assert_int_equal(principal.role, 2);
        assert_int_equal(principal.key.bytes[0], 7);
    } else {
        assert_int_equal(status, STATUS_unauthenticated);
        assert_non_null(why);
        assert_int_equal(principal.role, 0); // untouched
    }
    return status;
}

static void the_books_are_asked_about_a_remembered_secret(void **state) {
    struct door *door = *state;
    struct slice header = slice_of(door->header, 7 + door->secret_size);
    door->remembers = true;
    door->books.live = false;
    assert_int_equal(knock(door, header), STATUS_unauthenticated);
    assert_int_equal(door->memo.size, 0); // of what opens nothing, nothing is kept
    door->books.live = true;
    assert_int_equal(knock(door, header), STATUS_ok);
    assert_int_equal(door->memo.size, door->secret_size);
    assert_int_equal(knock(door, header), STATUS_ok);
    assert_int_equal(door->books.asked, 3);
    door->books.live = false; // revoked
    assert_int_equal(knock(door, header), STATUS_unauthenticated);
    assert_int_equal(door->books.asked, 4);
    door->books.live = true;
    for (size_t i = 7; i < header.size; i++) { // every byte of it counts
        door->header[i]++;
        assert_int_equal(knock(door, header), STATUS_unauthenticated);
        door->header[i]--;
    }
    assert_int_equal(knock(door, slice_of(door->header, header.size - 1)),
                     STATUS_unauthenticated);
    struct books others = {.live = true};
    char other[SECRET_BYTES_MAX];
    assert_int_equal(secret_make(SLICE("service"), other), door->secret_size);
    memcpy(door->header + 7, other, door->secret_size);
    assert_int_equal(knock(door, header), STATUS_unauthenticated);
    others.known = sha256_of(slice_of(other, door->secret_size));
    door->books = others;
    assert_int_equal(knock(door, header), STATUS_ok);
    assert_memory_equal(door->memo.text, other, door->secret_size);
}

static void a_known_key_opens(void **state) {
    struct door *door = *state;
    struct slice header = slice_of(door->header, 7 + door->secret_size);
    assert_int_equal(knock(door, header), STATUS_ok);
    assert_int_equal(knock(door, header), STATUS_ok); // the hash context is reusable
    memcpy(door->header, "bEARER ", 7);
    assert_int_equal(knock(door, header), STATUS_ok);
}

static void spaces_around_are_fine(void **state) {
    struct door *door = *state;
    memmove(door->header + 9, door->header + 7, door->secret_size);
    memcpy(door->header + 7, "  ", 2);
    door->header[9 + door->secret_size] = ' ';
    assert_int_equal(knock(door, slice_of(door->header, 10 + door->secret_size)), STATUS_ok);
}

static void other_schemes_do_not_open(void **state) {
    struct door *door = *state;
    assert_int_equal(knock(door, SLICE("")), STATUS_unauthenticated);
    assert_int_equal(knock(door, SLICE("Bearer")), STATUS_unauthenticated);
    assert_int_equal(knock(door, SLICE("Bearer ")), STATUS_unauthenticated);
    assert_int_equal(knock(door, SLICE("Bearer      ")), STATUS_unauthenticated);
    assert_int_equal(knock(door, SLICE("Basic YWRtaW46YWRtaW4=")), STATUS_unauthenticated);
    assert_int_equal(knock(door, slice_of(door->header + 7, door->secret_size)),
                     STATUS_unauthenticated);
    assert_int_equal(door->books.asked, 0);
}

static void a_mistyped_key_is_not_looked_up(void **state) {
    struct door *door = *state;
    door->header[30] = door->header[30] == 'a' ? 'b' : 'a';
    assert_int_equal(knock(door, slice_of(door->header, 7 + door->secret_size)),
                     STATUS_unauthenticated);
    assert_int_equal(door->books.asked, 0);
}

static void an_unknown_key_does_not_open(void **state) {
    struct door *door = *state;
    size_t size = secret_make(SLICE("service"), door->header + 7);
    assert_int_equal(knock(door, slice_of(door->header, 7 + size)), STATUS_unauthenticated);
    assert_int_equal(door->books.asked, 1);
}

static void a_dead_key_does_not_open(void **state) {
    struct door *door = *state;
    door->books.live = false;
    assert_int_equal(knock(door, slice_of(door->header, 7 + door->secret_size)),
                     STATUS_unauthenticated);
}

#define WITH_DOOR(test) cmocka_unit_test_setup_teardown(test, open_door, close_door)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DOOR(a_known_key_opens),
        WITH_DOOR(the_books_are_asked_about_a_remembered_secret),
        WITH_DOOR(spaces_around_are_fine),
        WITH_DOOR(other_schemes_do_not_open),
        WITH_DOOR(a_mistyped_key_is_not_looked_up),
        WITH_DOOR(an_unknown_key_does_not_open),
        WITH_DOOR(a_dead_key_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
