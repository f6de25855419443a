// SPDX-License-Identifier: MIT
// Every wallet is read one by one from the API that everybody uses, because a balance that only the
// server's own check sees would prove little.
#include "programs/demo/demo_check.h"

#include <time.h>

#include "base/clock.h"
#include "programs/client/client_json.h"
#include "programs/client/client_text.h"

#define CHECK_EXPIRY_WAIT_MS 10000
#define CHECK_POLL_MS 100

static void check_wallet(struct demo *demo, const struct demo_wallet *wallet) {
    struct json_value answer;
    demo_write(&demo->path, "/v1/wallets/%s", wallet->id);
    const struct demo_call call = {.verb = DEMO_READING, .method = "GET"};
    if (!demo_call(demo, &call, &answer))
        return;
    const struct {
        const char *name;
        int64_t expected;
    } numbers[] = {{"balance", wallet->balance},
                   {"held", wallet->held},
                   {"available", wallet->balance - wallet->held},
                   {"version", (int64_t)wallet->version}};
    for (size_t at = 0; at < sizeof(numbers) / sizeof(numbers[0]); at++) {
        int64_t got = client_json_integer(answer, numbers[at].name, INT64_MIN);
        if (got != numbers[at].expected)
            demo_differs(demo, "%s: %s should be %lld and is %lld", wallet->id, numbers[at].name,
                         (long long)numbers[at].expected, (long long)got);
    }
}

uint32_t demo_check_wallets(struct demo *demo) {
    uint32_t count = demo_wallet_count(&demo->world);
    client_progress_begin(&demo->progress, "checking", count);
    uint32_t at = 0;
    for (; at < count && !demo->is_over; at++) {
        check_wallet(demo, demo_wallet_at(&demo->world, at));
        client_progress_show(&demo->progress, at, "wallets");
    }
    client_progress_end(&demo->progress);
    return at;
}

static bool has_expired(struct demo *demo, const struct demo_hold *hold) {
    struct json_value answer;
    demo_write(&demo->path, "/v1/holds/%s", hold->id);
    const struct demo_call call = {.verb = DEMO_READING, .method = "GET"};
    return demo_call(demo, &call, &answer) &&
           slice_equal(client_json_text(answer, "status"), SLICE("expired"));
}

void demo_check_expiry(struct demo *demo) {
    uint64_t begun_ns = clock_monotonic_ns();
    for (uint32_t at = 0; at < demo_hold_count(&demo->world); at++) {
        struct demo_hold *hold = demo_hold_at(&demo->world, at);
        if (!hold->expires)
            continue;
        while (!has_expired(demo, hold)) {
            const struct timespec pause = {.tv_nsec = CHECK_POLL_MS * 1000000};
            if (demo->is_over)
                return;
            if ((clock_monotonic_ns() - begun_ns) / 1000000 > CHECK_EXPIRY_WAIT_MS) {
                demo_differs(demo, "%s has not expired", hold->id);
                return;
            }
            (void)nanosleep(&pause, NULL); // a shorter pause is fine
        }
        demo_wallet_move(demo_wallet_at(&demo->world, hold->wallet), 0, -hold->remaining);
        hold->remaining = 0;
        hold->is_open = false;
    }
}

bool demo_check_books(struct demo *demo) {
    struct json_value answer;
    const struct demo_call call = {
        .verb = DEMO_READING, .method = "GET", .path = "/check-integrity?depth=full",
        .takes_long = true};
    if (!demo_call(demo, &call, &answer))
        return false;
    if (client_json_bool(answer, "consistent", false))
        return true;
    struct buffer message = {0};
    client_text_add(&message, client_json_text(answer, "message"));
    demo_differs(demo, "check-integrity: %.*s", (int)message.size, (const char *)message.bytes);
    buffer_done(&message);
    return false;
}
