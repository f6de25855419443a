// SPDX-License-Identifier: MIT
// The OpenAPI document: JSON that can be read, complete against the table, with no reference into
// the void; and the lists of members against what the renderers really write.
#include "support.h"

#include <string.h>

#include "wire/objects.h"
#include "wire/openapi.h"
#include "wire/operations.h"
#include "wire/problem.h"
#include "wire/render.h"

static struct desk desk;
static struct buffer document;
static struct json_value root;
static const struct wire_roles roles = {
    .customs = {{.name = {(const uint8_t *)"teller", 6}, .number = 16}}, .custom_count = 1};

static int open_desk(void **state) {
    const char *why;
    desk_open(&desk);
    openapi_render(&document, "1.2.3", desk.context.currencies, &roles);
    return json_parse(desk.context.parser, desk_body_slice(&desk, buffer_slice(&document)), &root,
                      &why)
               ? 0
               : -1;
}

static int close_desk(void **state) {
    desk_close(&desk);
    buffer_done(&document);
    return 0;
}

static bool find_member(struct json_value object, const char *name, struct json_value *ret_value) {
    struct json_cursor cursor = json_members(object);
    struct slice member;
    while (json_next_member(&cursor, &member, ret_value))
        if (slice_equal(member, slice_of_text(name)))
            return true;
    return false;
}

// Walks along names; fails where there is none.
static struct json_value at(struct json_value value, const char *const *names) {
    for (; *names != NULL; names++)
        if (!find_member(value, *names, &value))
            fail_msg("there is no %s", *names);
    return value;
}
#define AT(value, ...) at(value, (const char *const[]){__VA_ARGS__, NULL})

static void it_says_who_it_is(void **state) {
    expect_text(json_text(AT(root, "openapi")), "3.1.0");
    expect_text(json_text(AT(root, "info", "version")), "1.2.3");
    expect_text(json_text(AT(root, "components", "securitySchemes", "key", "scheme")), "bearer");
}

static void every_operation_is_there(void **state) {
    static const char *const methods[METHOD_COUNT] = {"get", "post", "patch", "delete"};
    size_t count = 0;
    struct json_cursor paths = json_members(AT(root, "paths")), members;
    struct slice name;
    struct json_value path, operation;
    while (json_next_member(&paths, &name, &path))
        for (members = json_members(path); json_next_member(&members, &name, &operation);)
            count++;
    assert_int_equal(count, OPERATION_COUNT);
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *row = operation_at(code);
        char http[8];
        (void)snprintf(http, sizeof(http), "%u", row->http);
        operation = AT(root, "paths", row->path, methods[row->method]);
        expect_text(json_text(AT(operation, "operationId")), row->name);
        (void)AT(operation, "responses", http);
        (void)AT(operation, "responses", "500");
        struct json_value security;
        assert_int_equal(find_member(operation, "security", &security), row->is_public);
        struct json_value body;
        assert_int_equal(find_member(operation, "requestBody", &body), row->body_count != 0);
        bool takes_age = !row->is_write && !row->is_public && row->answer != ANSWER_INTEGRITY &&
                         row->answer != ANSWER_PROOF && row->answer != ANSWER_QUEUE &&
                         row->answer != ANSWER_LETTERS && row->answer != ANSWER_WEBHOOKS;
        assert_int_equal(json_item_count(AT(operation, "parameters")),
                         (size_t)row->has_id + row->query_count + row->is_write +
                             row->takes_if_match + 2 * (size_t)takes_age);
    }
}

static void expect_target(struct slice reference) {
    const char *names[5] = {NULL};
    char text[128];
    assert_true(reference.size < sizeof(text) && reference.size > 2);
    memcpy(text, reference.bytes, reference.size);
    text[reference.size] = 0;
    char *rest = text + 2;
    for (int i = 0; i < 4 && rest != NULL; i++)
        names[i] = strsep(&rest, "/");
    (void)at(root, names);
}

// Every "$ref" leads to something that is there.
static size_t walk_references(struct json_value value) {
    size_t count = 0;
    struct slice name;
    struct json_value inner;
    struct json_cursor cursor;
    if (json_kind(value) == JSON_ARRAY) {
        for (cursor = json_items(value); json_next_item(&cursor, &inner);)
            count += walk_references(inner);
    } else if (json_kind(value) == JSON_OBJECT) {
        for (cursor = json_members(value); json_next_member(&cursor, &name, &inner);) {
            if (slice_equal(name, SLICE("$ref"))) {
                expect_target(json_text(inner));
                count++;
            } else {
                count += walk_references(inner);
            }
        }
    }
    return count;
}

static void references_lead_somewhere(void **state) {
    assert_true(walk_references(root) > 200);
}

// No object has a name twice: readers would silently take the last.
static void expect_unique_names(struct json_value value) {
    struct slice name, other;
    struct json_value inner, ignored;
    struct json_cursor cursor;
    if (json_kind(value) == JSON_ARRAY) {
        for (cursor = json_items(value); json_next_item(&cursor, &inner);)
            expect_unique_names(inner);
    } else if (json_kind(value) == JSON_OBJECT) {
        for (cursor = json_members(value); json_next_member(&cursor, &name, &inner);) {
            struct json_cursor rest = cursor;
            while (json_next_member(&rest, &other, &ignored))
                if (slice_equal(name, other))
                    fail_msg("%.*s is there twice", (int)name.size, (const char *)name.bytes);
            expect_unique_names(inner);
        }
    }
}

static void names_are_unique(void **state) {
    expect_unique_names(root);
}

static void schemas_have_the_fields_of_the_table(void **state) {
    struct json_value schema = AT(root, "components", "schemas", "TransferRequest");
    assert_int_equal(json_item_count(AT(schema, "required")), 3);
    assert_false(json_bool(AT(schema, "additionalProperties")));
    const struct operation *transfer = operation_at(OPERATION_TRANSFER);
    for (uint32_t i = 0; i < transfer->body_count; i++)
        expect_text(json_text(AT(schema, "properties", transfer->body[i]->name, "description")),
                    transfer->body[i]->sentence);
    schema = AT(root, "components", "schemas", "Operation_capture");
    expect_text(json_text(AT(schema, "properties", "type", "const")), "capture");
    (void)AT(schema, "properties", "hold");
    (void)AT(schema, "properties", "idempotency_key");
    assert_int_equal(json_item_count(AT(schema, "required")), 2);
    int64_t limit;
    assert_true(json_integer(AT(root, "components", "schemas", "HoldRequest", "properties",
                                "expires_in", "default"), &limit));
    assert_int_equal(limit, 604800);
}

// Members that a renderer wrote, in order, are members of the list, in its order, and none that is
// required is missing.
static void expect_members(const char *object_name, const struct buffer *json) {
    const struct object *object = object_find(object_name);
    struct json_value value;
    const char *why;
    struct json_parser *parser = json_open();
    struct buffer padded = {0};
    buffer_add_slice(&padded, buffer_slice(json));
    (void)buffer_room(&padded, JSON_PADDING);
    assert_true(json_parse(parser, buffer_slice(&padded), &value, &why));
    struct json_cursor cursor = json_members(value);
    struct slice name;
    uint32_t next = 0;
    while (json_next_member(&cursor, &name, &value)) {
        while (next < object->member_count &&
               !slice_equal(slice_of_text(object->members[next].name), name)) {
            if (!object->members[next].optional)
                fail_msg("%s of %s is missing", object->members[next].name, object_name);
            next++;
        }
        if (next == object->member_count)
            fail_msg("%.*s is not a member of %s", (int)name.size, (const char *)name.bytes,
                     object_name);
        next++;
    }
    for (; next < object->member_count; next++)
        assert_true(object->members[next].optional);
    buffer_done(&padded);
    json_close(parser);
}

static void lists_of_members_are_true(void **state) {
    struct buffer json = {0};
    struct slice metadata = SLICE("\x01\x01\0a1");
    struct record record = {
        .kind = RECORD_WALLET, .origin = desk.context.origin,
        .wallet = {.id = desk_id(&desk, 1), .owner = SLICE("o"), .metadata = metadata}};
    wire_render_wallet(&json, &record, NULL);
    expect_members("Wallet", &json);
    record = (struct record){
        .kind = RECORD_TRANSACTION, .origin = desk.context.origin,
        .transaction = {.id = desk_id(&desk, 1), .type = TRANSACTION_PURCHASE, .amount = 1,
                        .debit = {.wallet = desk_id(&desk, 2)}, .subject = desk_id(&desk, 3),
                        .bank_id = SLICE("b"), .order = SLICE("o"), .reference = SLICE("r"),
                        .reason = SLICE("r"), .metadata = metadata}};
    buffer_reset(&json);
    wire_render_transaction(&json, &record, NULL, 0, 0);
    expect_members("Transaction", &json);
    record.transaction.type = TRANSACTION_WITHDRAWAL;
    buffer_reset(&json);
    wire_render_withdrawal(&json, &record, NULL, NULL, NULL);
    expect_members("Withdrawal", &json);
    record = (struct record){.kind = RECORD_HOLD, .origin = desk.context.origin,
                             .hold = {.id = desk_id(&desk, 1), .order = SLICE("o"),
                                      .reference = SLICE("r"), .metadata = metadata}};
    buffer_reset(&json);
    wire_render_hold(&json, &record, NULL, NULL);
    expect_members("Hold", &json);
    record = (struct record){.kind = RECORD_KEY,
                             .api_key = {.id = desk_id(&desk, 1), .role = ROLE_ADMIN,
                                         .name = SLICE("n"), .owner = SLICE("o"),
                                         .previous_until_ms = 1, .expires_at_ms = 1},
                             .operation = COMMAND_KEY_ROTATE};
    buffer_reset(&json);
    wire_render_key(&json, &record, NULL, 1, NULL, SLICE("secret"));
    expect_members("Key", &json);
    struct wire_balance balance = {.currency = {.code = "USD"}, .version = 1, .is_now = true};
    buffer_reset(&json);
    wire_render_balance(&json, &balance);
    expect_members("Balance", &json);
    struct wire_integrity integrity = {.message = SLICE("m")};
    buffer_reset(&json);
    wire_render_integrity(&json, &integrity);
    expect_members("Integrity", &json);
    buffer_reset(&json);
    wire_page_begin(&json);
    const struct sha256 list = {{0}};
    wire_page_end(&json, &desk.seal, &list, 1, 1);
    expect_members("WalletPage", &json);
    struct wire_faults faults = {0};
    wire_fault_add(&desk.arena, &faults, SLICE("/a"), SLICE("b"));
    buffer_reset(&json);
    problem_render_faults(&json, &faults, 1);
    expect_members("Problem", &json);
    buffer_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_who_it_is),
        cmocka_unit_test(every_operation_is_there),
        cmocka_unit_test(references_lead_somewhere),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(schemas_have_the_fields_of_the_table),
        cmocka_unit_test(lists_of_members_are_true),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
