// SPDX-License-Identifier: MIT
// Damaged requests: valid bodies and queries with bytes changed, cut out, doubled and swapped.
// Seeded, so a failure comes back. Whatever arrives, decoding ends, and says yes, or no with a
// problem document that is JSON; and what it says yes to has texts and amounts within their bounds.
#include "support.h"

#include <string.h>

#include "base/limits.h"
#include "ledger/metadata.h"
#include "wire/operations.h"
#include "wire/problem.h"
#include "wire/text.h"

#define ROUNDS 30000

static struct desk desk;
static uint64_t dice = 20260101;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    return 0;
}

// xorshift64*; a number below `sides`.
static uint32_t roll(uint32_t sides) {
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return (uint32_t)((dice * UINT64_C(2685821657736338717)) >> 33) % sides;
}

static void damage(uint8_t *bytes, size_t *size) {
    static const char pieces[] = "{}[]:,\"\\/\0 0123456789.eE+-tfnu\x7f\x80\xc3\xff&=%+";
    for (uint32_t wounds = roll(4); wounds > 0 && *size > 1; wounds--) {
        size_t at = roll((uint32_t)*size), span = 1 + roll(12);
        if (span > *size - at)
            span = *size - at;
        switch (roll(4)) {
        case 0: bytes[at] = (uint8_t)pieces[roll(sizeof(pieces) - 1)]; break;
        case 1:
            memmove(bytes + at, bytes + at + span, *size - at - span);
            *size -= span;
            break;
        case 2:
            memmove(bytes + at + span, bytes + at, *size - at);
            *size += span;
            break;
        default: memmove(bytes + at, bytes + roll((uint32_t)(*size - span + 1)), span); break;
        }
    }
}

static void expect_problem(const struct wire_faults *faults) {
    struct buffer problem = {0};
    struct json_value value;
    const char *why;
    assert_true(faults->count >= 1 && faults->count <= WIRE_FAULTS_MAX);
    problem_render_faults(&problem, faults, 3);
    struct slice body = desk_body_slice(&desk, buffer_slice(&problem));
    if (!json_parse(desk.context.parser, body, &value, &why))
        fail_msg("%s: %.*s", why, (int)problem.size, (const char *)problem.bytes);
    buffer_done(&problem);
}

static void expect_within_bounds(const struct command *command) {
    const struct slice texts[] = {command->owner,     command->bank_id, command->order,
                                  command->reference, command->reason,  command->name};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(texts[i].size == 0 || (text_is_utf8(texts[i]) && text_is_valid(texts[i])));
    assert_true(metadata_is_valid(command->metadata));
    assert_true(!command->has_amount || amount_is_valid(command->amount));
    assert_true(command->credit_limit >= 0 && command->credit_limit <= LIMIT_AMOUNT_MAX);
    assert_true(command->expires_in_s <= LIMIT_EXPIRES_IN_S_MAX);
    assert_true(command->currency.exponent <= LIMIT_CURRENCY_EXPONENT_MAX);
}

static const struct {
    enum operation_code code;
    const char *body;
} seeds[] = {
    {OPERATION_WALLET_OPEN,
     "{'owner':'ann','currency':'USD','kind':'merchant','credit_limit':9,'metadata':{'a':'b'}}"},
    {OPERATION_WALLET_CHANGE,
     "{'status':'frozen','credit_limit':9007199254740991,'metadata':{},'reason':'\\u00e9'}"},
    {OPERATION_DEPOSIT, "{'wallet':'#W1','amount':1,'bank_transaction_id':'b','reference':'r'}"},
    {OPERATION_REFUND, "{'purchase':'#T1','amount':12,'reason':'r','currency':'POINTS'}"},
    {OPERATION_TRANSFER,
     "{'from':'#W1','to':'#W2','amount':2000,'metadata':{'x':'1','y':'2','z':'\\ud83d\\ude00'}}"},
    {OPERATION_HOLD, "{'wallet':'#W1','merchant':'#W2','amount':5,'expires_in':60,'order':'o'}"},
    {OPERATION_CAPTURE, "{'amount':3,'final':false}"},
    {OPERATION_KEY_CREATE, "{'name':'n','role':'service','owner':'o','expires_in':5}"},
};

static void damaged_bodies(void **state) {
    uint32_t fine = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t pick = roll(sizeof(seeds) / sizeof(seeds[0]));
        const char *text = desk_text(&desk, seeds[pick].body);
        uint8_t bytes[1024];
        size_t size = strlen(text);
        memcpy(bytes, text, size);
        damage(bytes, &size);
        struct wire_headers headers = {.idempotency_key = SLICE("k"),
                                       .has_idempotency_key = true};
        struct command command;
        struct wire_faults faults;
        enum status status = wire_decode_command(
            &desk.context, operation_at(seeds[pick].code), desk_id(&desk, 1), &headers,
            desk_body_slice(&desk, slice_of(bytes, size)), &command, &faults);
        if (status == STATUS_ok) {
            expect_within_bounds(&command);
            fine++;
        } else {
            expect_problem(&faults);
        }
        arena_reset(&desk.arena);
    }
    // Neither all nor none survive, or the damage is not worth its name.
    assert_true(fine > ROUNDS / 10 && fine < ROUNDS * 9 / 10);
}

static void damaged_batches(void **state) {
    const char *format =
        "{'operations':[{'type':'transfer','from':'#W1','to':'#W2','amount':5,"
        "'idempotency_key':'k'},{'type':'void','hold':'#H1'},{'type':'capture','hold':'#H1',"
        "'amount':4,'final':true},{'type':'wallet','owner':'o','currency':'EUR'}],'atomic':true}";
    for (int round = 0; round < ROUNDS / 2; round++) {
        const char *text = desk_text(&desk, format);
        uint8_t bytes[1024];
        size_t size = strlen(text);
        memcpy(bytes, text, size);
        damage(bytes, &size);
        struct wire_headers headers = {.idempotency_key = SLICE("k"),
                                       .has_idempotency_key = true};
        struct wire_batch batch;
        struct wire_faults faults;
        enum status status = wire_decode_batch(
            &desk.context, &headers, desk_body_slice(&desk, slice_of(bytes, size)), &batch,
            &faults);
        if (status != STATUS_ok)
            expect_problem(&faults);
        for (uint32_t i = 0; status == STATUS_ok && i < batch.count; i++) {
            bool is_invalid = batch.commands[i].type == COMMAND_INVALID;
            bool has_faults = batch.faults[i] != NULL;
            assert_true(is_invalid || !has_faults);
            if (has_faults)
                expect_problem(batch.faults[i]);
            if (!is_invalid)
                expect_within_bounds(&batch.commands[i]);
        }
        arena_reset(&desk.arena);
    }
}

static void damaged_queries(void **state) {
    static const char *const queries[] = {
        "type=deposit&initiated_by=key_1&bank_transaction_id=b%2F1&order=%C3%A9&from=2026-01-01",
        "to=2026-01-02T03:04:05.678%2B02:00&limit=1000&cursor=0123456789abc&type=refund"};
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[512];
        const char *text = queries[roll(2)];
        size_t size = strlen(text);
        memcpy(bytes, text, size);
        damage(bytes, &size);
        struct wire_parameter parameters[8];
        uint32_t count =
            wire_split_query(&desk.arena, slice_of(bytes, size), parameters, 8);
        struct wire_query query;
        struct wire_faults faults;
        enum status status =
            wire_decode_query(&desk.context, operation_at(OPERATION_TRANSACTION_LIST), parameters,
                              count < 8 ? count : 8, &query, &faults);
        if (status != STATUS_ok)
            expect_problem(&faults);
        else
            assert_true(query.limit >= 1 && query.limit <= LIMIT_PAGE_MAX);
        arena_reset(&desk.arena);
    }
}

static void damaged_paths(void **state) {
    const char *path = desk_text(&desk, "/v1/wallets/#W1/transactions");
    char kept[128];
    size_t kept_size = strlen(path);
    memcpy(kept, path, kept_size);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[256];
        size_t size = kept_size;
        memcpy(bytes, kept, size);
        damage(bytes, &size);
        struct route route = {0};
        enum status status = operation_find(SLICE("GET"), slice_of(bytes, size), &route);
        assert_true(status == STATUS_ok || status == STATUS_not_found ||
                    status == STATUS_method_not_allowed);
        assert_int_equal(status == STATUS_ok, route.operation != NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_bodies),
        cmocka_unit_test(damaged_batches),
        cmocka_unit_test(damaged_queries),
        cmocka_unit_test(damaged_paths),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
