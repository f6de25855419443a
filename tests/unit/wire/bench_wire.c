// SPDX-License-Identifier: MIT
// What the hot path costs: routing, decoding one transfer, decoding batches of 1,000, rendering.
// Prints nanoseconds per operation, the best of several rounds; not a test, so nothing fails.
#include <stdio.h>

#include "base/clock.h"
#include "support.h"
#include "wire/digest.h"
#include "wire/operations.h"
#include "wire/render.h"

#define ROUNDS 9
#define BATCH 1000

static struct desk desk;

static void report(const char *what, uint64_t best_ns, uint32_t count) {
    printf("%-40s %8.1f ns\n", what, (double)best_ns / count);
}

static uint64_t better(uint64_t best, uint64_t begun_ns) {
    uint64_t took = clock_monotonic_ns() - begun_ns;
    return took < best ? took : best;
}

static void measure_find(void) {
    const char *paths[] = {"/v1/transfers", desk_text(&desk, "/v1/holds/#H1/capture")};
    for (int i = 0; i < 2; i++) {
        uint64_t best = UINT64_MAX;
        struct slice path = slice_of_text(paths[i]);
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t begun = clock_monotonic_ns();
            for (int j = 0; j < 100000; j++) {
                struct route route;
                CHECK(operation_find(SLICE("POST"), path, &route) == STATUS_ok);
                __asm__ volatile("" ::"r"(route.operation) : "memory");
            }
            best = better(best, begun);
        }
        report(i == 0 ? "find /v1/transfers" : "find /v1/holds/{id}/capture", best, 100000);
    }
}

static void measure_single(void) {
    struct wire_headers headers = {.idempotency_key = SLICE("a-key-of-36-characters-0123456789abc"),
                                   .has_idempotency_key = true};
    struct slice body = desk_body(
        &desk, desk_text(&desk, "{'from':'#W1','to':'#W2','amount':2000,'reference':'order 1'}"));
    uint64_t best = UINT64_MAX;
    struct command command = {0};
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_monotonic_ns();
        for (int i = 0; i < 20000; i++) {
            struct wire_faults faults;
            arena_reset(&desk.arena);
            CHECK(wire_decode_command(&desk.context, operation_at(OPERATION_TRANSFER),
                                      (struct id){{0}}, &headers, body, &command,
                                      &faults) == STATUS_ok);
        }
        best = better(best, begun);
    }
    report("decode one transfer, key and digest", best, 20000);
    best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_monotonic_ns();
        for (int i = 0; i < 20000; i++) {
            command.amount = i;
            struct digest128 digest = digest_command(&command, &desk.arena);
            __asm__ volatile("" ::"r"(digest.low) : "memory");
        }
        best = better(best, begun);
    }
    report("  of which the request's digest", best, 20000);
}

static void measure_batch(void) {
    struct buffer body = {0};
    BUFFER_ADD(&body, "{\"operations\":[");
    for (int i = 0; i < BATCH; i++) {
        if (i != 0)
            BUFFER_ADD(&body, ",");
        const char *operation = desk_text(
            &desk, "{'type':'transfer','from':'#W1','to':'#W2','amount':2000,'idempotency_key':'");
        buffer_add_text(&body, operation);
        buffer_add_format(&body, "batch-7-of-generator-3-%06d\"}", i);
    }
    BUFFER_ADD(&body, "]}");
    struct slice text = desk_body_slice(&desk, buffer_slice(&body));
    struct wire_headers headers = {.has_idempotency_key = false};
    uint64_t best = UINT64_MAX, best_parse = UINT64_MAX;
    for (int round = 0; round < 10 * ROUNDS; round++) {
        struct wire_batch batch;
        struct wire_faults faults;
        struct json_value value;
        const char *why;
        arena_reset(&desk.arena);
        uint64_t begun = clock_monotonic_ns();
        CHECK(wire_decode_batch(&desk.context, &headers, text, &batch, &faults) == STATUS_ok);
        best = better(best, begun);
        CHECK(batch.commands[BATCH - 1].type == COMMAND_TRANSFER);
        begun = clock_monotonic_ns();
        CHECK(json_parse(desk.context.parser, text, &value, &why));
        best_parse = better(best_parse, begun);
    }
    printf("%-40s %8zu bytes\n", "a batch of 1,000 transfers", text.size);
    report("decode it, per transfer", best, BATCH);
    report("  of which the JSON parser", best_parse, BATCH);
    buffer_done(&body);
}

static void measure_render(void) {
    struct record record = {
        .kind = RECORD_TRANSACTION, .operation = COMMAND_TRANSFER, .time_ms = 1767225600001,
        .origin = desk.context.origin,
        .transaction = {.id = desk_id(&desk, 3), .type = TRANSACTION_TRANSFER, .amount = 2000,
                        .currency = {.code = "USD", .exponent = 2},
                        .debit = {.wallet = desk_id(&desk, 1), .balance = 123456, .version = 77},
                        .credit = {.wallet = desk_id(&desk, 2), .balance = 99, .version = 1234},
                        .reference = SLICE("order 1")}};
    struct buffer encoded = {0}, json = {0};
    (void)record_encode(&record, &encoded);
    struct wire_found found = {.record = buffer_slice(&encoded)};
    uint64_t best = UINT64_MAX, best_decode = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_monotonic_ns();
        for (int i = 0; i < 20000; i++) {
            int http;
            buffer_reset(&json);
            CHECK(wire_render_command(&json, COMMAND_TRANSFER, &found, &http) == STATUS_ok);
        }
        best = better(best, begun);
        begun = clock_monotonic_ns();
        for (int i = 0; i < 20000; i++) {
            const char *invariant;
            CHECK(record_decode(found.record, &record, &invariant) == STATUS_ok);
        }
        best_decode = better(best_decode, begun);
    }
    printf("%-40s %8zu bytes\n", "a transfer's answer", json.size);
    report("render it from its encoded record", best, 20000);
    report("  of which decoding the record", best_decode, 20000);
    buffer_done(&encoded);
    buffer_done(&json);
}

int main(void) {
    desk_open(&desk);
    arena_done(&desk.arena);
    arena_init(&desk.arena, 4 * 1024 * 1024);
    measure_find();
    measure_single();
    measure_batch();
    measure_render();
    desk_close(&desk);
    return 0;
}
