// SPDX-License-Identifier: MIT
// The table against itself, and the router against paths that are nearly right.
#include "support.h"

#include <string.h>

#include "wire/operations.h"

static enum status find(const char *method, const char *path, struct route *ret_route) {
    *ret_route = (struct route){0};
    return operation_find(slice_of_text(method), slice_of_text(path), ret_route);
}

// The path of an operation with an id in it.
static const char *path_of(struct desk *desk, const struct operation *operation) {
    static const char *const ids[ID_TYPE_COUNT] = {"#W1", "#T1", "#H1", "#D1", "#K1", "#A1",
                                                    "#F1"};
    struct buffer path = {0};
    const char *hole = strstr(operation->path, "{id}");
    if (hole == NULL)
        return operation->path;
    buffer_add(&path, operation->path, (size_t)(hole - operation->path));
    buffer_add_text(&path, ids[operation->id_type]);
    buffer_add_text(&path, hole + 4);
    buffer_add(&path, "", 1);
    const char *text = desk_text(desk, (const char *)path.bytes);
    buffer_done(&path);
    return text;
}

static void every_operation_is_found_by_its_path(void **state) {
    struct desk desk;
    desk_open(&desk);
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at(code);
        struct route route;
        enum status status = find(operation_method_name(operation->method),
                                  path_of(&desk, operation), &route);
        assert_int_equal(status, STATUS_ok);
        assert_ptr_equal(route.operation, operation);
        if (operation->id_is_owner)
            assert_true(slice_equal(route.token, SLICE("{owner}")));
        else if (operation->has_id && !operation->id_is_token)
            assert_true(id_equal(route.id, desk_id(&desk, 1)));
        if (operation->method == METHOD_GET) {
            assert_int_equal(find("HEAD", path_of(&desk, operation), &route), STATUS_ok);
            assert_ptr_equal(route.operation, operation);
        }
    }
    desk_close(&desk);
}

static void owners_may_have_slashes(void **state) {
    struct route route;
    assert_int_equal(find("DELETE", "/v1/owners/a/b//data/data", &route), STATUS_ok);
    assert_true(slice_equal(route.token, SLICE("a/b//data")));
    assert_int_equal(find("DELETE", "/v1/owners/ann", &route), STATUS_not_found);
    assert_int_equal(find("DELETE", "/v1/owners/data", &route), STATUS_not_found);
    assert_int_equal(find("DELETE", "/v1/owners//data", &route), STATUS_not_found);
    assert_int_equal(find("DELETE", "/v1/owners/ann/other", &route), STATUS_not_found);
    assert_int_equal(find("GET", "/v1/owners/ann/data", &route), STATUS_method_not_allowed);
}

static void rows_agree_with_themselves(void **state) {
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at(code);
        assert_int_equal(operation->code, code);
        assert_non_null(operation->name);
        assert_non_null(operation->summary);
        assert_non_null(operation->permission);
        assert_true(operation->http >= 200 && operation->http < 300);
        const char *opening = strchr(operation->path, '{'), *closing = strchr(operation->path, '}');
        const char *name = operation->id_is_owner ? "{owner}" : "{id}";
        assert_int_equal(operation->has_id, opening != NULL);
        assert_true(opening == NULL || strncmp(opening, name, strlen(name)) == 0);
        assert_string_equal(operation->action,
                            closing == NULL || closing[1] == '\0' ? "" : closing + 2);
        assert_int_equal(operation->is_write, operation->method != METHOD_GET);
        assert_int_equal(operation->takes_body, operation->is_write);
        assert_int_equal(operation->takes_body, operation->body_bytes_max != 0);
        if (operation->takes_if_match)
            assert_true((operation->refusals & STATUS_BIT(STATUS_version_mismatch)) != 0);
        // A command and its operation point at each other.
        if (operation->command != COMMAND_NONE)
            assert_ptr_equal(operation_of_command(operation->command), operation);
        assert_int_equal(operation->batch_type != NULL,
                         operation->command >= COMMAND_WALLET_OPEN &&
                             operation->command <= COMMAND_VOID);
        if (operation->batch_type != NULL) {
            assert_string_equal(operation->batch_type, command_type_name(operation->command));
            assert_ptr_equal(operation_of_batch_type(slice_of_text(operation->batch_type)),
                             operation);
            assert_int_equal(operation->batch_id != NULL, operation->has_id);
        }
        for (unsigned other = 0; other < code; other++) {
            assert_string_not_equal(operation_at(other)->name, operation->name);
            assert_true(operation_at(other)->method != operation->method ||
                        strcmp(operation_at(other)->path, operation->path) != 0);
        }
    }
}

static void check_field(const struct field *field) {
    static const uint8_t sizes[] = {[FIELD_ID] = sizeof(struct id),
                                    [FIELD_TEXT] = sizeof(struct slice),
                                    [FIELD_PLAIN] = sizeof(struct slice),
                                    [FIELD_CURRENCY] = sizeof(struct currency),
                                    [FIELD_METADATA] = sizeof(struct slice),
                                    [FIELD_TIME] = 8,
                                    [FIELD_CURSOR] = sizeof(struct wire_cursor),
                                    [FIELD_ANY_ID] = sizeof(struct id)};
    assert_int_equal(field->name_size, strlen(field->name));
    assert_true(strlen(field->sentence) > 3);
    assert_false(field->required && field->has_standard);
    assert_int_equal(field->kind == FIELD_WORD, field->words != NULL);
    if (field->kind == FIELD_INTEGER) {
        assert_true(field->minimum < field->maximum);
        assert_true(field->size == 8 || field->size == 4 || field->size == 1);
        assert_true(field->size == 8 || field->maximum <= UINT32_MAX);
        assert_true(field->size != 1 || field->maximum <= UINT8_MAX);
        if (field->has_standard)
            assert_true(field->standard >= field->minimum && field->standard <= field->maximum);
    } else if (field->kind == FIELD_WORD || field->kind == FIELD_BOOL) {
        assert_true(field->size <= 4);
    } else if (field->kind != FIELD_OPERATIONS) {
        assert_int_equal(field->size, sizes[field->kind]);
    }
}

static void fields_agree_with_themselves(void **state) {
    for (unsigned code = 0; code < OPERATION_COUNT; code++) {
        const struct operation *operation = operation_at(code);
        for (uint32_t i = 0; i < operation->body_count; i++)
            check_field(operation->body[i]);
        for (uint32_t i = 0; i < operation->query_count; i++)
            check_field(operation->query[i]);
        for (uint32_t i = 0; i < operation->body_count; i++)
            for (uint32_t j = 0; j < i; j++)
                assert_string_not_equal(operation->body[i]->name, operation->body[j]->name);
    }
    check_field(operation_batch_id_field(operation_at(OPERATION_CAPTURE)));
    check_field(operation_batch_id_field(operation_at(OPERATION_SETTLE)));
}

// The words of the table are those of the ledger, in the ledger's order.
static void words_are_the_ledgers(void **state) {
    const struct operation *wallets = operation_at(OPERATION_WALLET_LIST);
    for (int i = 0; wallets->query[1]->words[i] != NULL; i++)
        assert_string_equal(wallets->query[1]->words[i], wallet_kind_name(i));
    for (int i = 0; wallets->query[2]->words[i] != NULL; i++)
        assert_string_equal(wallets->query[2]->words[i], wallet_status_name(i));
    const struct field *hold_status = operation_at(OPERATION_HOLD_LIST)->query[2];
    for (int i = 0; hold_status->words[i] != NULL; i++)
        assert_string_equal(hold_status->words[i], hold_status_name(i));
    const struct field *withdrawal = operation_at(OPERATION_WITHDRAWAL_LIST)->query[1];
    for (int i = 0; withdrawal->words[i] != NULL; i++)
        assert_string_equal(withdrawal->words[i], withdrawal_status_name(i));
    const struct field *type = operation_at(OPERATION_TRANSACTION_LIST)->query[0];
    for (int i = 0; type->words[i] != NULL; i++)
        assert_string_equal(type->words[i], transaction_type_name(type->word_base + i));
    const struct field *role = operation_at(OPERATION_KEY_CREATE)->body[1];
    for (int i = 0; role->words[i] != NULL; i++)
        assert_string_equal(role->words[i], role_name(role->word_base + i));
}

static void other_paths_are_not_found(void **state) {
    static const char *const paths[] = {
        "", "/", "v1", "/v1", "/v1/", "/v1//", "/v1/wallet", "/v1/walletss", "/v1/wallets/",
        "//v1/wallets", "/V1/wallets", "/v1/Wallets", "/v2/wallets", "/v1/transfers/#T1",
        "/v1/wallets/#W1/", "/v1/wallets/#W1/balance/", "/v1/wallets/#W1/balance/x",
        "/v1/wallets/#W1/x", "/v1/wallets//balance", "/v1/holds/#H1/capture/", "/healthz/",
        "/check-integrity/", "/healthzz", "/v1/healthz", "/openapi.json?", "/v1/keys/#K1/x",
        "/v1/wallets/#W1/transactions/#T1", "/v1/batches/#T1", "/v1/transfers/",
    };
    static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT", ""};
    struct desk desk;
    desk_open(&desk);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
            struct route route;
            if (find(methods[j], desk_text(&desk, paths[i]), &route) != STATUS_not_found)
                fail_msg("%s %s was found", methods[j], paths[i]);
        }
    }
    desk_close(&desk);
}

static void ids_that_no_such_thing_can_have_are_not_found(void **state) {
    static const char *const ids[] = {
        "#T1", "x", "wallet_", "#W1x", "WALLET_01h455vb4pex5vsknk084sn02q",
        "wallet_01h455vb4pex5vsknk084sn02u", "wallet_81h455vb4pex5vsknk084sn02q",
        "wallet-01h455vb4pex5vsknk084sn02q",
    };
    struct desk desk;
    desk_open(&desk);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char path[128];
        struct route route;
        (void)snprintf(path, sizeof(path), "/v1/wallets/%s", desk_text(&desk, ids[i]));
        assert_int_equal(find("GET", path, &route), STATUS_not_found);
        assert_null(route.operation);
        assert_int_equal(find("PATCH", path, &route), STATUS_not_found);
        // What the path takes does not hang on its id.
        assert_int_equal(find("PUT", path, &route), STATUS_method_not_allowed);
        assert_string_equal(route.allow, "GET, HEAD, PATCH");
    }
    desk_close(&desk);
}

static void other_methods_are_told_what_is_allowed(void **state) {
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"PUT", "/v1/wallets", "GET, HEAD, POST"},
        {"get", "/v1/wallets", "GET, HEAD, POST"},
        {"DELETE", "/v1/wallets/#W1", "GET, HEAD, PATCH"},
        {"POST", "/v1/wallets/#W1/balance", "GET, HEAD"},
        {"GET", "/v1/transfers", "POST"},
        {"HEAD", "/v1/transfers", "POST"},
        {"GET", "/v1/holds/#H1/void", "POST"},
        {"POST", "/v1/keys/#K1", "GET, HEAD, DELETE"},
        {"POST", "/check-integrity", "GET, HEAD"},
        {"OPTIONS", "/openapi.json", "GET, HEAD"},
    };
    struct desk desk;
    desk_open(&desk);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route route;
        enum status status = find(cases[i].method, desk_text(&desk, cases[i].path), &route);
        assert_int_equal(status, STATUS_method_not_allowed);
        assert_string_equal(route.allow, cases[i].allow);
    }
    desk_close(&desk);
}

// Whatever 26 digits fit 128 bits may be asked for; that nobody made it is for the ledger to say.
static void ids_that_nobody_made_are_ids(void **state) {
    static const char *const texts[] = {"wallet_00000000000000000000000000",
                                        "wallet_7zzzzzzzzzzzzzzzzzzzzzzzzz",
                                        "wallet_01234567890123456789012345"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct id id;
        char written[ID_TEXT_BYTES_MAX];
        assert_true(operation_parse_id(ID_WALLET, slice_of_text(texts[i]), &id));
        size_t size = id_format(ID_WALLET, id, written);
        expect_text(slice_of(written, size), texts[i]);
        assert_false(operation_parse_id(ID_HOLD, slice_of_text(texts[i]), &id));
    }
}

static void types_of_batches_are_exact(void **state) {
    static const char *const others[] = {"", "transfers", "Transfer", "transfe", "change", "key",
                                         "batch", "none", "expire"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(operation_of_batch_type(slice_of_text(others[i])));
    assert_null(operation_of_batch_type(SLICE("hold\0")));
    assert_null(operation_of_batch_type(slice_of(NULL, 0)));
}

static void statuses_hold_what_the_door_adds(void **state) {
#define MAY(status) STATUS_BIT(STATUS_##status)
    status_set transfer = operation_statuses(operation_at(OPERATION_TRANSFER));
    assert_true((transfer & MAY(unauthenticated)) != 0);
    assert_true((transfer & MAY(unsupported_media_type)) != 0);
    assert_true((transfer & MAY(insufficient_funds)) != 0);
    assert_true((transfer & MAY(not_a_merchant)) == 0);
    status_set health = operation_statuses(operation_at(OPERATION_HEALTH));
    assert_true((health & MAY(unauthenticated)) == 0);
    assert_true((health & MAY(invalid_request)) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_found_by_its_path),
        cmocka_unit_test(owners_may_have_slashes),
        cmocka_unit_test(rows_agree_with_themselves),
        cmocka_unit_test(fields_agree_with_themselves),
        cmocka_unit_test(words_are_the_ledgers),
        cmocka_unit_test(other_paths_are_not_found),
        cmocka_unit_test(ids_that_no_such_thing_can_have_are_not_found),
        cmocka_unit_test(other_methods_are_told_what_is_allowed),
        cmocka_unit_test(ids_that_nobody_made_are_ids),
        cmocka_unit_test(types_of_batches_are_exact),
        cmocka_unit_test(statuses_hold_what_the_door_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
