// SPDX-License-Identifier: MIT
// Batches: each operation as if it were alone, whatever the others are.
#include "support.h"

#include <string.h>

#include "wire/digest.h"
#include "wire/queued.h"

static struct desk desk;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    return 0;
}

static enum status decode(const char *body, const char *key, struct wire_batch *ret_batch,
                          struct wire_faults *ret_faults) {
    struct wire_headers headers = {.has_idempotency_key = key != NULL};
    if (key != NULL)
        headers.idempotency_key = slice_of_text(key);
    return wire_decode_batch(&desk.context, &headers, desk_body(&desk, desk_text(&desk, body)),
                             ret_batch, ret_faults);
}

static struct wire_batch expect_batch(const char *body, const char *key) {
    struct wire_batch batch;
    struct wire_faults faults;
    enum status status = decode(body, key, &batch, &faults);
    if (status != STATUS_ok)
        expect_pointers(&faults, "");
    assert_int_equal(status, STATUS_ok);
    return batch;
}

static void expect_whole_refused(const char *body, const char *pointers) {
    struct wire_batch batch;
    struct wire_faults faults;
    if (decode(body, NULL, &batch, &faults) != STATUS_invalid_request)
        fail_msg("expected a refusal of %s", body);
    expect_pointers(&faults, pointers);
}

#define TRANSFER "{'type':'transfer','from':'#W1','to':'#W2','amount':5}"

static void every_type_is_decoded(void **state) {
    struct wire_batch batch = expect_batch(
        "{'operations':["
        "{'type':'wallet','owner':'o','currency':'USD'},"
        "{'type':'deposit','wallet':'#W1','amount':1,'bank_transaction_id':'b'},"
        "{'type':'withdrawal','wallet':'#W1','amount':1},"
        "{'type':'settle','withdrawal':'#D1','bank_transaction_id':'b'},"
        "{'type':'fail','withdrawal':'#D1','reason':'r'},"
        "{'type':'purchase','wallet':'#W1','merchant':'#W2','amount':1},"
        "{'type':'refund','purchase':'#T1'}," TRANSFER ","
        "{'type':'hold','wallet':'#W1','merchant':'#W2','amount':1},"
        "{'type':'capture','hold':'#H1','final':false},"
        "{'type':'void','hold':'#H1'}]}",
        NULL);
    assert_int_equal(batch.count, 11);
    assert_false(batch.atomic);
    for (uint32_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.commands[i].type, COMMAND_WALLET_OPEN + i);
        assert_null(batch.faults[i]);
        assert_false(batch.commands[i].has_key);
    }
    assert_int_equal(batch.commands[0].slot, id_slot_of_owner(SLICE("o")));
    assert_true(id_equal(batch.commands[3].subject, desk_id(&desk, 1)));
    assert_true(id_equal(batch.commands[10].subject, desk_id(&desk, 1)));
    assert_true(batch.commands[9].keep_open);
}

static void type_may_stand_anywhere(void **state) {
    struct wire_batch batch =
        expect_batch("{'atomic':true,'operations':[{'amount':5,'to':'#W2','type':'transfer',"
                     "'idempotency_key':'k','from':'#W1'}]}",
                     NULL);
    assert_true(batch.atomic);
    assert_int_equal(batch.commands[0].type, COMMAND_TRANSFER);
    assert_true(batch.commands[0].has_key);
    assert_false(batch.batch.has_key);
    expect_text(batch.batch.origin.principal, "key_01h455vb4pex5vsknk084sn02q");
}

static void one_bad_operation_does_not_keep_the_others(void **state) {
    struct wire_batch batch = expect_batch(
        "{'operations':[" TRANSFER ",{'type':'transfer','from':'#W1','to':'#W2','amount':0,'x':1},"
        "7,[],null,'transfer',{},{'type':'bogus'},{'type':7},{'type':null},{'type':'wallet'},"
        "{'type':'transfer','type':'transfer','from':'#W1','to':'#W2','amount':5},"
        "{'type':'key','name':'a','role':'admin'}," TRANSFER "]}",
        NULL);
    static const char *const pointers[] = {NULL, "/amount /x", ".", ".", ".", ".", "/type", "/type",
                                           "/type", "/type", "/owner /currency", "/type", "/type",
                                           NULL};
    assert_int_equal(batch.count, 14);
    for (uint32_t i = 0; i < batch.count; i++) {
        if (pointers[i] == NULL) {
            assert_int_equal(batch.commands[i].type, COMMAND_TRANSFER);
            assert_null(batch.faults[i]);
            continue;
        }
        assert_int_equal(batch.commands[i].type, COMMAND_INVALID);
        assert_int_equal(batch.commands[i].door, STATUS_invalid_request);
        expect_text(batch.commands[i].origin.principal, "key_01h455vb4pex5vsknk084sn02q");
        expect_pointers(batch.faults[i], pointers[i]);
    }
}

static void one_number_too_large_spoils_one_operation(void **state) {
    struct wire_batch batch =
        expect_batch("{'operations':[" TRANSFER
                     ",{'type':'transfer','from':'#W1','to':'#W2',"
                     "'amount':99999999999999999999999},{'type':'void','hold':'#H1'}]}",
                     NULL);
    assert_int_equal(batch.commands[0].type, COMMAND_TRANSFER);
    expect_pointers(batch.faults[1], "/amount");
    assert_int_equal(batch.commands[2].type, COMMAND_VOID);
}

static void keys_of_operations_are_texts(void **state) {
    struct wire_batch batch = expect_batch(
        "{'operations':[{'type':'void','hold':'#H1','idempotency_key':''},"
        "{'type':'void','hold':'#H1','idempotency_key':7},"
        "{'type':'void','hold':'#H1','idempotency_key':null},"
        "{'type':'void','hold':'#H1','idempotency_key':'a','idempotency_key':'a'},"
        "{'type':'void','hold':'#H1','idempotency_key':'a'}]}",
        "whole");
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(batch.commands[i].type, COMMAND_INVALID);
        assert_false(batch.commands[i].has_key);
        expect_pointers(batch.faults[i], "/idempotency_key");
    }
    assert_true(digest128_equal(batch.commands[4].key,
                                wire_key_digest(desk.context.origin.principal, SLICE("a"))));
}

// An id in place of a path's is refused as in the path.
static void ids_of_paths_are_fields(void **state) {
    struct wire_batch batch = expect_batch(
        "{'operations':[{'type':'void','hold':'nope'},{'type':'void','hold':'#W1','x':1},"
        "{'type':'void'},{'type':'void','hold':7},{'type':'void','withdrawal':'#D1'},"
        "{'type':'fail','hold':'#H1'},{'type':'void','hold':'#H1','hold':'#H1'},"
        "{'type':'settle','withdrawal':'x'}]}",
        NULL);
    static const struct {
        enum status door;
        const char *pointers;
    } expected[] = {
        {STATUS_not_found, NULL}, {STATUS_not_found, NULL}, {STATUS_invalid_request, "/hold"},
        {STATUS_invalid_request, "/hold"}, {STATUS_invalid_request, "/withdrawal /hold"},
        {STATUS_invalid_request, "/hold /withdrawal"}, {STATUS_invalid_request, "/hold"},
        {STATUS_not_found, NULL},
    };
    for (uint32_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.commands[i].type, COMMAND_INVALID);
        assert_int_equal(batch.commands[i].door, expected[i].door);
        if (expected[i].pointers == NULL)
            assert_null(batch.faults[i]);
        else
            expect_pointers(batch.faults[i], expected[i].pointers);
    }
}

static void permissions_come_before_faults(void **state) {
    desk.context.allowed_commands = UINT64_C(1) << COMMAND_VOID;
    struct wire_batch batch =
        expect_batch("{'operations':[" TRANSFER ",{'type':'transfer'},{'type':'void'},"
                     "{'type':'capture','hold':'nope'},{'type':'bogus'},"
                     "{'type':'void','hold':'#H1'}]}",
                     NULL);
    desk.context.allowed_commands = UINT64_MAX;
    assert_int_equal(batch.commands[0].door, STATUS_forbidden);
    assert_int_equal(batch.commands[1].door, STATUS_forbidden);
    assert_null(batch.faults[1]);
    assert_int_equal(batch.commands[2].door, STATUS_invalid_request);
    assert_int_equal(batch.commands[3].door, STATUS_not_found);
    assert_int_equal(batch.commands[4].door, STATUS_invalid_request);
    assert_int_equal(batch.commands[5].type, COMMAND_VOID);
}

static void the_envelope_is_checked_as_a_whole(void **state) {
    expect_whole_refused("", ".");
    expect_whole_refused("[]", ".");
    expect_whole_refused("{", ".");
    expect_whole_refused("{'operations':[" TRANSFER "]} x", ".");
    expect_whole_refused("{}", "/operations");
    expect_whole_refused("{'operations':[]}", "/operations");
    expect_whole_refused("{'operations':{}}", "/operations");
    expect_whole_refused("{'operations':null}", "/operations");
    expect_whole_refused("{'operations':[" TRANSFER "],'atomic':1}", "/atomic");
    expect_whole_refused("{'operations':[" TRANSFER "],'atomic':null}", "/atomic");
    expect_whole_refused("{'operations':[" TRANSFER "],'atomic':true,'atomic':true}", "/atomic");
    expect_whole_refused("{'operations':[" TRANSFER "],'operations':[" TRANSFER "]}",
                         "/operations");
    expect_whole_refused("{'operations':[" TRANSFER "],'idempotency_key':'x'}",
                         "/idempotency_key");
    expect_whole_refused("{'atomic':'yes','x':1}", "/atomic /x /operations");
}

static const char *many(uint32_t count) {
    struct buffer body = {0};
    BUFFER_ADD(&body, "{\"operations\":[");
    for (uint32_t i = 0; i < count; i++)
        buffer_add_text(&body, i == 0 ? "0" : ",0");
    BUFFER_ADD(&body, "]}\0");
    const char *text = (const char *)arena_copy(&desk.arena, buffer_slice(&body)).bytes;
    buffer_done(&body);
    return text;
}

static void ten_thousand_operations_are_enough(void **state) {
    struct wire_batch batch = expect_batch(many(10000), NULL);
    assert_int_equal(batch.count, 10000);
    assert_int_equal(batch.commands[9999].type, COMMAND_INVALID);
    expect_whole_refused(many(10001), "/operations");
}

static void headers_of_batches(void **state) {
    struct wire_batch batch;
    struct wire_faults faults;
    struct wire_headers headers = {.has_if_match = true, .if_match = SLICE("\"1\""),
                                   .has_idempotency_key = true};
    struct slice body = desk_body(&desk, desk_text(&desk, "{'operations':[" TRANSFER "]}"));
    assert_int_equal(wire_decode_batch(&desk.context, &headers, body, &batch, &faults),
                     STATUS_invalid_request);
    expect_pointers(&faults, "/If-Match /Idempotency-Key");
}

static void a_batchs_key_gives_each_operation_one(void **state) {
    const char *body = "{'operations':[" TRANSFER "," TRANSFER
                       ",{'type':'void','hold':'#H1','idempotency_key':'own'},7]}";
    struct wire_batch batch = expect_batch(body, "whole");
    struct slice principal = desk.context.origin.principal;
    assert_true(batch.commands[0].has_key && batch.commands[1].has_key);
    assert_true(digest128_equal(batch.commands[0].key,
                                digest_derived_key(principal, SLICE("whole"), 0)));
    assert_true(digest128_equal(batch.commands[1].key,
                                digest_derived_key(principal, SLICE("whole"), 1)));
    assert_true(digest128_equal(batch.commands[2].key,
                                wire_key_digest(principal, SLICE("own"))));
    assert_false(batch.commands[3].has_key);
    assert_false(batch.batch.has_key);
}

static void an_atomic_batch_keeps_its_key(void **state) {
    const char *format = "{'atomic':true,'operations':[" TRANSFER
                         ",{'type':'void','hold':'#H1','idempotency_key':'own'}]}";
    struct wire_batch batch = expect_batch(format, "whole");
    assert_false(batch.commands[0].has_key);
    assert_true(batch.commands[1].has_key);
    assert_true(batch.batch.has_key);
    assert_true(digest128_equal(batch.batch.key, wire_key_digest(desk.context.origin.principal,
                                                                 SLICE("whole"))));
    struct wire_batch same = expect_batch(
        "{'operations':[{'to':'#W2','from':'#W1','type':'transfer','amount':5},"
        "{'idempotency_key':'own','hold':'#H1','type':'void'}],'atomic':true}",
        "another");
    assert_true(digest128_equal(batch.batch.request, same.batch.request));
    static const char *const others[] = {
        "{'atomic':true,'operations':[" TRANSFER ",{'type':'void','hold':'#H1'}]}",
        "{'atomic':true,'operations':[" TRANSFER
        ",{'type':'void','hold':'#H2','idempotency_key':'own'}]}",
        "{'atomic':true,'operations':[{'type':'void','hold':'#H1','idempotency_key':'own'},"
        TRANSFER "]}",
        "{'atomic':true,'operations':[" TRANSFER "]}",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(digest128_equal(batch.batch.request,
                                     expect_batch(others[i], "whole").batch.request));
}

// Alone, in a batch and with other spacing it is one request.
static void alone_or_in_a_batch_is_the_same_request(void **state) {
    static const struct {
        enum operation_code code;
        const char *alone, *batched;
    } cases[] = {
        {OPERATION_TRANSFER, "{'from':'#W1','to':'#W2','amount':5}",
         "{'type':'transfer','amount':5,'from':'#W1','to':'#W2','idempotency_key':'k'}"},
        {OPERATION_CAPTURE, "{'amount':3,'final':true}",
         "{'type':'capture','amount':3,'hold':'#H5','idempotency_key':'k'}"},
        {OPERATION_VOID, "", "{'type':'void','hold':'#H5','idempotency_key':'k'}"},
        {OPERATION_SETTLE, "{'bank_transaction_id':'b'}",
         "{'type':'settle','withdrawal':'#D5','bank_transaction_id':'b','idempotency_key':'k'}"},
        {OPERATION_WALLET_OPEN, "{'owner':'o','currency':'USD'}",
         "{'type':'wallet','kind':'customer','owner':'o','currency':'USD',"
         "'idempotency_key':'k'}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct command alone;
        struct wire_faults faults;
        assert_int_equal(
            desk_decode(&desk, cases[i].code, cases[i].alone, "k", &alone, &faults), STATUS_ok);
        char body[512];
        (void)snprintf(body, sizeof(body), "{'operations':[%s]}", cases[i].batched);
        struct wire_batch batch = expect_batch(body, NULL);
        assert_int_equal(batch.commands[0].type, alone.type);
        assert_true(digest128_equal(batch.commands[0].request, alone.request));
        assert_true(digest128_equal(batch.commands[0].key, alone.key));
        assert_memory_equal(&batch.commands[0].subject, &alone.subject, sizeof(struct id));
        assert_int_equal(batch.commands[0].slot, alone.slot);
    }
}

// An operation of a batch as a record of the queue, read again.
static void expect_same_in_queue(const struct command *wanted, struct json_value operation,
                                 const char *key, uint32_t index) {
    struct buffer record = {0};
    struct command command;
    struct wire_batch whole;
    struct wire_faults faults;
    struct slice own = wire_own_key(operation);
    bool derives = own.size == 0;
    wire_render_queued_operation(&record, operation, derives ? slice_of_text(key) : own,
                                 derives ? index : WIRE_NO_BATCH_INDEX);
    enum status status = wire_decode_queued(&desk.context,
                                            desk_body_slice(&desk, buffer_slice(&record)),
                                            &command, &whole, &faults);
    assert_int_equal(whole.count, 0);
    if (status != STATUS_ok)
        expect_pointers(&faults, "");
    assert_int_equal(command.type, wanted->type);
    assert_true(digest128_equal(command.key, wanted->key));
    assert_true(digest128_equal(command.request, wanted->request));
    assert_int_equal(command_home_slot(&command), command_home_slot(wanted));
    buffer_done(&record);
}

static void queued_or_not_is_the_same_operation(void **state) {
    static const char body[] =
        "{'operations':[" TRANSFER ","
        "{'idempotency_key':'own','type':'transfer','from':'#W1','to':'#W2','amount':5,"
        "'reference':'a\\u0022b\\\\ é'},"
        "{'type':'wallet','owner':'o','currency':'USD','metadata':{'a':'b','c\\u005c':'d'}},"
        "{'type':'capture','hold':'#H1','final':false},"
        "{'type':'void','hold':'#H1'}]}";
    struct wire_batch batch = expect_batch(body, "whole");
    for (uint32_t i = 0; i < batch.count; i++) {
        // Reading a record takes the parser, so each is found again.
        struct wire_batch again = expect_batch(body, "whole");
        struct json_cursor cursor = json_items(again.operations);
        struct json_value operation;
        for (uint32_t at = 0; at <= i; at++)
            assert_true(json_next_item(&cursor, &operation));
        expect_same_in_queue(&batch.commands[i], operation, "whole", i);
    }
}

static enum status decode_record(const char *record, struct command *ret_command,
                                 struct wire_batch *ret_batch, struct wire_faults *ret_faults) {
    return wire_decode_queued(&desk.context, desk_body(&desk, desk_text(&desk, record)),
                              ret_command, ret_batch, ret_faults);
}

static void an_atomic_batch_is_one_record(void **state) {
    static const char body[] = "{'atomic':true,'operations':[" TRANSFER "," TRANSFER "]}";
    struct wire_batch direct = expect_batch(body, "k"), keyless = expect_batch(body, NULL), queued;
    struct command command;
    struct wire_faults faults;
    assert_int_equal(decode_record("{'type':'batch','idempotency_key':'k','atomic':true,"
                                   "'operations':[" TRANSFER "," TRANSFER "]}", &command, &queued,
                                   &faults), STATUS_ok);
    assert_int_equal(queued.count, 2);
    assert_true(command.queued && command.has_key);
    assert_true(digest128_equal(command.key, direct.batch.key));
    assert_true(digest128_equal(command.request, direct.batch.request));
    wire_give_batch_key(&keyless, SLICE("k"), &desk.arena);
    assert_true(digest128_equal(keyless.batch.key, direct.batch.key));
    assert_true(digest128_equal(keyless.batch.request, direct.batch.request));
    static const struct {
        const char *record, *pointers;
    } wrong[] = {
        {"{'type':'batch','atomic':true,'operations':[" TRANSFER "]}", "/idempotency_key"},
        {"{'type':'batch','idempotency_key':'k','operations':[" TRANSFER "]}", "/atomic"},
        {"{'type':'batch','idempotency_key':'k','atomic':true}", "/operations"},
        {"{'type':'batch','type':'batch','idempotency_key':'k','atomic':true,'operations':["
         TRANSFER "]}", "/type"},
        {"{'type':'batch','idempotency_key':'k','atomic':true,'operations':[" TRANSFER
         ",{'type':'void'}]}", "/operations/1/hold"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(decode_record(wrong[i].record, &command, &queued, &faults),
                         STATUS_invalid_request);
        assert_int_equal(queued.count, 0);
        expect_pointers(&faults, wrong[i].pointers);
    }
}

static void places_in_batches_have_bounds(void **state) {
    static const char *const places[] = {"-1", "10000", "'0'", "0.5", "null", "4294967296"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char body[256];
        struct command command;
        struct wire_batch whole;
        struct wire_faults faults;
        (void)snprintf(body, sizeof(body),
                       "{'type':'void','hold':'#H1','idempotency_key':'k','batch_index':%s}",
                       places[i]);
        assert_int_equal(wire_decode_queued(&desk.context,
                                            desk_body(&desk, desk_text(&desk, body)), &command,
                                            &whole, &faults), STATUS_invalid_request);
        expect_pointers(&faults, "/batch_index");
    }
    expect_whole_refused("{'operations':[" TRANSFER "],'batch_index':0}", "/batch_index");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_decoded),
        cmocka_unit_test(type_may_stand_anywhere),
        cmocka_unit_test(one_bad_operation_does_not_keep_the_others),
        cmocka_unit_test(one_number_too_large_spoils_one_operation),
        cmocka_unit_test(keys_of_operations_are_texts),
        cmocka_unit_test(ids_of_paths_are_fields),
        cmocka_unit_test(permissions_come_before_faults),
        cmocka_unit_test(the_envelope_is_checked_as_a_whole),
        cmocka_unit_test(ten_thousand_operations_are_enough),
        cmocka_unit_test(headers_of_batches),
        cmocka_unit_test(a_batchs_key_gives_each_operation_one),
        cmocka_unit_test(an_atomic_batch_keeps_its_key),
        cmocka_unit_test(alone_or_in_a_batch_is_the_same_request),
        cmocka_unit_test(queued_or_not_is_the_same_operation),
        cmocka_unit_test(an_atomic_batch_is_one_record),
        cmocka_unit_test(places_in_batches_have_bounds),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
