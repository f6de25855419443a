// SPDX-License-Identifier: MIT
// Words to requests: where each field goes, what is refused before anything is sent, and that every
// row of the table of sub-commands makes sense in itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "programs/client/client_arguments.h"
#include "wire/operations.h"

#define WORDS_MAX 16

// Parses words as the shell would hand them over; the first is the verb's last one.
static bool parse(const char *noun, const char *verb, struct client_arguments *arguments,
                  const char *const *words) {
    char *argv[WORDS_MAX] = {(char *)noun};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    return client_arguments_parse(client_table_find(noun, verb), argc, argv, arguments);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect(const char *noun, const char *verb, const char *const *words, const char *path,
                   const char *body) {
    struct client_arguments arguments;
    assert_true(parse(noun, verb, &arguments, words));
    assert_string_equal((const char *)arguments.path.bytes, path);
    assert_int_equal(arguments.body.size, strlen(body));
    assert_memory_equal(arguments.body.bytes, body, strlen(body));
    client_arguments_done(&arguments);
}

static void refuse(const char *noun, const char *verb, const char *const *words) {
    struct client_arguments arguments;
    assert_false(parse(noun, verb, &arguments, words));
    client_arguments_done(&arguments);
}

static void fields_go_where_they_belong(void **state) {
    expect("transfer", NULL, WORDS("a", "b", "5"), "/v1/transfers",
           "{\"from\":\"a\",\"to\":\"b\",\"amount\":5}");
    expect("transfer", NULL, WORDS("--reference", "r", "a", "--amount=5", "b"), "/v1/transfers",
           "{\"from\":\"a\",\"to\":\"b\",\"amount\":5,\"reference\":\"r\"}");
    expect("transfer", NULL, WORDS("--to", "b", "a", "5.00USD"), "/v1/transfers",
           "{\"from\":\"a\",\"to\":\"b\",\"amount\":500,\"currency\":\"USD\"}");
    expect("capture", NULL, WORDS("h", "--keep-open"), "/v1/holds/h/capture", "{\"final\":false}");
    expect("void", NULL, WORDS("h"), "/v1/holds/h/void", "{}");
    expect("wallet", "freeze", WORDS("w", "--reason", "\"x\""), "/v1/wallets/w",
           "{\"status\":\"frozen\",\"reason\":\"\\\"x\\\"\"}");
    expect("wallet", "change", WORDS("w", "--metadata", "a=1", "--metadata", "b="), "/v1/wallets/w",
           "{\"metadata\":{\"a\":\"1\",\"b\":\"\"}}");
    expect("wallet", "change", WORDS("w", "--no-metadata"), "/v1/wallets/w", "{\"metadata\":{}}");
    expect("history", NULL, WORDS("w", "--from", "2026-01-01T00:00:00+01:00", "--limit", "007"),
           "/v1/wallets/w/transactions?from=2026-01-01T00%3A00%3A00%2B01%3A00&limit=7", "");
    expect("wallet", "show", WORDS("../keys?x=1#"), "/v1/wallets/..%2Fkeys%3Fx%3D1%23", "");
    expect("wallet", "show", WORDS("--", "--json"), "/v1/wallets/--json", "");
    expect("check-integrity", NULL, WORDS("--json"), "/check-integrity?depth=full", "");
}

static void wrong_words_are_refused(void **state) {
    refuse("transfer", NULL, WORDS("a", "b"));
    refuse("transfer", NULL, WORDS("a", "b", "5", "c"));
    refuse("transfer", NULL, WORDS("a", "b", "5", "--to", "c"));
    refuse("transfer", NULL, WORDS("a", "b", "5.00USD", "--currency", "EUR"));
    refuse("transfer", NULL, WORDS("a", "b", "5", "--reference"));
    refuse("transfer", NULL, WORDS("a", "b", "5", "--references=x"));
    refuse("transfer", NULL, WORDS("a", "b", "5", "--keep-open"));
    refuse("capture", NULL, WORDS("h", "--keep-open=yes"));
    refuse("capture", NULL, WORDS("h", "--keep-open", "--keep-open"));
    refuse("wallet", "show", WORDS(""));
    refuse("wallet", "show", WORDS("w", "--idempotency-key", "x")); // a read has none
    refuse("wallet", "show", WORDS("w", "--all"));                  // and is no list
    refuse("wallet", "list", WORDS("--limit", "-1"));
    refuse("wallet", "list", WORDS("--limit", "1234567890123456789"));
    refuse("wallet", "change", WORDS("w", "--if-version", "\"7\""));
    refuse("wallet", "change", WORDS("w", "--metadata", "novalue"));
    refuse("deposit", NULL, WORDS("w", "5", "b", "--idempotency-key", "a\r\nX-Evil: 1"));
    refuse("deposit", NULL, WORDS("w", "5", "b", "--url"));
}

static void writes_have_a_key_of_their_own(void **state) {
    struct client_arguments first, second, read;
    assert_true(parse("transfer", NULL, &first, WORDS("a", "b", "5")));
    assert_true(parse("transfer", NULL, &second, WORDS("a", "b", "5")));
    assert_true(parse("wallet", "show", &read, WORDS("w")));
    assert_non_null(first.idempotency_key);
    assert_string_not_equal(first.idempotency_key, second.idempotency_key);
    assert_null(read.idempotency_key);
    client_arguments_done(&first);
    client_arguments_done(&second);
    client_arguments_done(&read);
    assert_true(parse("transfer", NULL, &first, WORDS("a", "b", "5", "--idempotency-key", "mine")));
    assert_string_equal(first.idempotency_key, "mine");
    client_arguments_done(&first);
}

static void every_row_makes_sense(void **state) {
    size_t count;
    const struct client_verb *table = client_table(&count);
    assert_true(count > 20);
    for (size_t at = 0; at < count; at++) {
        const struct client_verb *verb = &table[at];
        bool may_be_optional = false;
        bool has_path_field = false;
        assert_ptr_equal(client_table_find(verb->noun, verb->verb), verb);
        for (size_t place = 0; verb->fields[place] != NULL; place++) {
            const struct client_field *field = verb->fields[place];
            assert_true(place + 1 < CLIENT_FIELDS_MAX);
            // Bare words can only be told apart when those that may be missing come last.
            assert_false(field->positional && field->required && may_be_optional);
            may_be_optional = may_be_optional || !field->required;
            assert_true(field->positional || !field->required);
            assert_true((field->kind == CLIENT_FLAG) == (field->constant != NULL));
            has_path_field = has_path_field || field->place == CLIENT_IN_PATH;
            bool is_read = strcmp(verb->method, "GET") == 0;
            assert_false(field->place == CLIENT_IN_BODY && is_read);
            assert_false(field->place == CLIENT_IN_QUERY && !is_read);
        }
        assert_int_equal(has_path_field, strchr(verb->path, '{') != NULL);
    }
}

// Whether both name the same place, whatever they call the id in it.
static bool same_place(const char *path, const char *other) {
    size_t before = strcspn(path, "{");
    if (before != strcspn(other, "{") || strncmp(path, other, before) != 0)
        return false;
    const char *end = strchr(path, '}'), *other_end = strchr(other, '}');
    return (end == NULL) == (other_end == NULL) && (end == NULL || strcmp(end, other_end) == 0);
}

static const struct operation *operation_of(const struct client_verb *verb) {
    for (int code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at((enum operation_code)code);
        if (strcmp(operation_method_name((enum operation_method)operation->method),
                   verb->method) == 0 &&
            same_place(operation->path, verb->path))
            return operation;
    }
    return NULL;
}

static bool has_field(const struct client_verb *verb, const char *name) {
    for (size_t place = 0; verb->fields[place] != NULL; place++)
        if (strcmp(verb->fields[place]->name, name) == 0)
            return true;
    return false;
}

// Nothing that the API can be asked is missing here, but where a verb says a part of it on purpose.
static void every_field_of_the_api_has_a_word(void **state) {
    size_t count;
    const struct client_verb *table = client_table(&count);
    for (size_t at = 0; at < count; at++) {
        const struct client_verb *verb = &table[at];
        if (verb->constant != NULL || strchr(verb->path, '?') != NULL)
            continue;
        const struct operation *operation = operation_of(verb);
        if (operation == NULL)
            fail_msg("%s %s: no such operation", verb->method, verb->path);
        for (uint16_t i = 0; i < operation->body_count + operation->query_count; i++) {
            const struct field *field = i < operation->body_count
                                            ? operation->body[i]
                                            : operation->query[i - operation->body_count];
            if (!has_field(verb, field->name))
                fail_msg("%s %s has no %s", verb->noun, verb->verb == NULL ? "" : verb->verb,
                         field->name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_go_where_they_belong),
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(writes_have_a_key_of_their_own),
        cmocka_unit_test(every_row_makes_sense),
        cmocka_unit_test(every_field_of_the_api_has_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
