// SPDX-License-Identifier: MIT
// The house for tests of api/.
#include "house.h"

#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

static void add_key(struct house *house, uint8_t role, const char *name, char *ret_header,
                    struct id *ret_key) {
    memcpy(ret_header, "Bearer ", 7);
    size_t size = secret_make(slice_of_text(name), ret_header + 7);
    ret_header[7 + size] = '\0';
    *ret_key = fake_engine_add_key(house->engine, role, slice_of(ret_header + 7, size));
}

static void make_wallet(struct house *house, uint64_t locator, struct id *ret_id, char *ret_text) {
    *ret_id = id_make(&house->engine->engine.seal, 1700000000000, 5, locator);
    ret_text[id_format(ID_WALLET, *ret_id, ret_text)] = '\0';
}

static int open_with(void **state, uint32_t round_carried_ms) {
    struct house *house = memory_take_zeroed(sizeof(*house));
    house->engine = fake_engine_open();
    house->engine->context = house;
    house->engine->decide = house_says_yes;
    add_key(house, ROLE_ADMIN, "admin", house->admin, &house->admin_key);
    add_key(house, ROLE_SERVICE, "service", house->service, &house->service_key);
    add_key(house, ROLE_AUDITOR, "auditor", house->auditor, &house->auditor_key);
    make_wallet(house, 11, &house->wallet, house->wallet_text);
    make_wallet(house, 12, &house->other, house->other_text);
    struct api_options options = {
        .engine = &house->engine->engine,
        .loops = 1,
        .request_deadline_ms = HOUSE_DEADLINE_MS,
        .version = "1.2.3",
        .audit_window_s = 60,
        .round_carried_ms = round_carried_ms,
    };
    house->api = api_open(&options);
    house->handler = api_handler(house->api);
    api_attach(house->api, fake_server());
    fake_away(0);
    *state = house;
    return 0;
}

int house_open(void **state) {
    return open_with(state, 3600000);
}

int house_open_impatient(void **state) {
    return open_with(state, 1);
}

int house_close(void **state) {
    struct house *house = *state;
    api_stop(house->api);
    fake_engine_publish_all(house->engine);
    api_close(house->api);
    fake_engine_free(house->engine);
    buffer_done(&house->record);
    memory_free(house);
    return 0;
}

struct http_request *house_request_as(const char *authorization, const char *method,
                                      const char *path) {
    struct http_request *request = fake_request(method, path);
    if (authorization != NULL)
        fake_header(request, "Authorization", authorization);
    return request;
}

struct http_request *house_request(struct house *house, const char *method, const char *path) {
    return house_request_as(house->service, method, path);
}

struct http_request *house_post(struct house *house, const char *path, const char *json) {
    struct http_request *request = house_request(house, "POST", path);
    fake_body(request, json);
    return request;
}

void house_give(struct house *house, struct http_request *request) {
    house->handler.request(house->handler.context, request);
}

void house_ask(struct house *house, struct http_request *request) {
    house_give(house, request);
    house->handler.pass_end(house->handler.context, 0);
}

void house_await(struct house *house, struct http_request *request) {
    uint64_t until_ns = clock_monotonic_ns() + UINT64_C(1000000000);
    while (request->code == 0 && clock_monotonic_ns() < until_ns) {
        house->handler.woken(house->handler.context, 0);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    assert_int_not_equal(request->code, 0);
}

static const struct currency usd = {.code = "USD", .exponent = 2};

static struct record record_of_wallet(const struct house *house, const struct command *command) {
    return (struct record){
        .kind = RECORD_WALLET,
        .wallet = {.id = house->wallet, .currency = usd, .version = 7, .owner = SLICE("ada")}};
}

static struct record record_of_transaction(const struct house *house,
                                           const struct command *command) {
    return (struct record){
        .kind = RECORD_TRANSACTION,
        .transaction = {
            .id = id_make(&house->engine->engine.seal, 1700000000000, 5, 99),
            .type = TRANSACTION_TRANSFER,
            .amount = command->amount,
            .currency = usd,
            .debit = {.wallet = house->wallet, .balance = 5, .version = 3, .number = 1},
            .credit = {.wallet = house->other, .balance = 6, .version = 4, .number = 1}}};
}

static struct record record_of_key(const struct house *house, const struct command *command) {
    return (struct record){.kind = RECORD_KEY,
                           .api_key = {.id = house->admin_key,
                                       .role = ROLE_AUDITOR,
                                       .revoked = command->type == COMMAND_KEY_REVOKE,
                                       .secret_hash = command->secret_hash,
                                       .name = SLICE("till 3")}};
}

void house_says_yes(void *context, const struct command *command, struct outcome *outcome) {
    struct house *house = context;
    struct record record;
    if (command->type == COMMAND_INVALID) {
        outcome->status = command->door;
        outcome->refusal.status = command->door;
        return;
    }
    switch (command->type) {
    case COMMAND_WALLET_OPEN:
    case COMMAND_WALLET_CHANGE:
    case COMMAND_READ_WALLET:
        record = record_of_wallet(house, command);
        outcome->has_version = true;
        outcome->version = 7;
        break;
    case COMMAND_KEY_CREATE:
    case COMMAND_KEY_ROTATE:
    case COMMAND_KEY_REVOKE: record = record_of_key(house, command); break;
    default: record = record_of_transaction(house, command); break;
    }
    record.operation = command->type;
    record.time_ms = 1700000000000;
    record.origin = (struct origin){.principal = SLICE("system")};
    // Outcomes of one round share the buffer, so it must not move between them.
    if (house->record.capacity == 0)
        buffer_room(&house->record, 1 << 20);
    if (house->record.size > 1 << 19)
        buffer_reset(&house->record);
    size_t start = house->record.size;
    size_t size = record_encode(&record, &house->record);
    outcome->record = slice_of(house->record.bytes + start, size);
}

void house_says_yes_again(void *context, const struct command *command, struct outcome *outcome) {
    house_says_yes(context, command, outcome);
    outcome->replayed = outcome->status == STATUS_ok;
}

void house_says_no(void *context, const struct command *command, struct outcome *outcome) {
    struct house *house = context;
    outcome->status = STATUS_insufficient_funds;
    outcome->refusal = (struct refusal){.status = STATUS_insufficient_funds,
                                        .id_type = ID_WALLET,
                                        .id = house->wallet,
                                        .currency = usd,
                                        .asked = 100,
                                        .has = 5};
}

void house_reads(void *context, const struct command *command, struct outcome *outcome) {
    struct house *house = context;
    if (!id_equal(command->subject, house->wallet)) {
        outcome->status = STATUS_not_found;
        outcome->refusal = (struct refusal){
            .status = STATUS_not_found, .id_type = ID_WALLET, .id = command->subject};
        return;
    }
    house_says_yes(context, command, outcome);
    outcome->wallet =
        (struct wallet){.id = house->wallet, .balance = 1234, .held = 34, .version = 7};
}
