// SPDX-License-Identifier: MIT
// Each verb is the API's own: a path, a body, an expectation.
#include "programs/demo/demo_verbs.h"

#include <string.h>

#define ID(world, wallet) (demo_wallet_at((world), (wallet))->id)

static uint32_t add_purchase(struct demo *demo, struct json_value answer, uint32_t wallet,
                             uint32_t merchant, int64_t amount) {
    struct demo_purchase purchase = {.wallet = wallet, .merchant = merchant, .amount = amount};
    if (!demo_take_id(demo, answer, purchase.id))
        return DEMO_NONE;
    buffer_add(&demo->world.purchases, &purchase, sizeof(purchase));
    return demo_purchase_count(&demo->world) - 1;
}

void demo_deposit(struct demo *demo, uint32_t wallet, int64_t amount, const char *reference) {
    char bank_id[DEMO_ID_BYTES_MAX];
    struct json_value answer;
    demo_make_key(demo, bank_id);
    demo_write(&demo->body,
               "{\"wallet\":\"%s\",\"amount\":%lld,\"bank_transaction_id\":\"bank-%s\","
               "\"reference\":\"%s\"}",
               ID(&demo->world, wallet), (long long)amount, bank_id, reference);
    const struct demo_call call = {.verb = DEMO_DEPOSIT, .path = "/v1/deposits", .amount = amount};
    if (demo_call(demo, &call, &answer))
        demo_wallet_move(demo_wallet_at(&demo->world, wallet), amount, 0);
}

void demo_transfer(struct demo *demo, uint32_t from, uint32_t to, int64_t amount,
                   const char *reference) {
    struct json_value answer;
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":%lld,\"reference\":\"%s\"}",
               ID(&demo->world, from), ID(&demo->world, to), (long long)amount, reference);
    const struct demo_call call = {
        .verb = DEMO_TRANSFER,
        .path = "/v1/transfers",
        .amount = amount,
        .expected = demo_debit_refusal(demo_wallet_at(&demo->world, from), amount)};
    if (!demo_call(demo, &call, &answer))
        return;
    demo_wallet_move(demo_wallet_at(&demo->world, from), -amount, 0);
    demo_wallet_move(demo_wallet_at(&demo->world, to), amount, 0);
}

uint32_t demo_purchase(struct demo *demo, uint32_t wallet, uint32_t merchant, int64_t amount) {
    struct json_value answer;
    demo_write(&demo->body,
               "{\"wallet\":\"%s\",\"merchant\":\"%s\",\"amount\":%lld,\"order\":\"order-%llu\"}",
               ID(&demo->world, wallet), ID(&demo->world, merchant), (long long)amount,
               (unsigned long long)demo->key_count);
    const struct demo_call call = {
        .verb = DEMO_PURCHASE,
        .path = "/v1/purchases",
        .amount = amount,
        .expected = demo_debit_refusal(demo_wallet_at(&demo->world, wallet), amount)};
    if (!demo_call(demo, &call, &answer))
        return DEMO_NONE;
    demo_wallet_move(demo_wallet_at(&demo->world, wallet), -amount, 0);
    demo_wallet_move(demo_wallet_at(&demo->world, merchant), amount, 0);
    return add_purchase(demo, answer, wallet, merchant, amount);
}

uint32_t demo_hold(struct demo *demo, uint32_t wallet, uint32_t merchant, int64_t amount,
                   bool expires) {
    struct json_value answer;
    demo_write(&demo->body,
               "{\"wallet\":\"%s\",\"merchant\":\"%s\",\"amount\":%lld,\"expires_in\":%d,"
               "\"order\":\"order-%llu\"}",
               ID(&demo->world, wallet), ID(&demo->world, merchant), (long long)amount,
               expires ? 1 : 86400, (unsigned long long)demo->key_count);
    const struct demo_call call = {
        .verb = DEMO_HOLD,
        .path = "/v1/holds",
        .amount = amount,
        .expected = demo_debit_refusal(demo_wallet_at(&demo->world, wallet), amount)};
    struct demo_hold hold = {.wallet = wallet,
                             .merchant = merchant,
                             .remaining = amount,
                             .is_open = true,
                             .expires = expires};
    if (!demo_call(demo, &call, &answer) || !demo_take_id(demo, answer, hold.id))
        return DEMO_NONE;
    demo_wallet_move(demo_wallet_at(&demo->world, wallet), 0, amount);
    buffer_add(&demo->world.holds, &hold, sizeof(hold));
    return demo_hold_count(&demo->world) - 1;
}

static const char *capture_refusal(struct demo_world *world, const struct demo_hold *hold,
                                   int64_t amount) {
    if (demo_wallet_at(world, hold->wallet)->is_frozen)
        return "wallet_frozen";
    if (!hold->is_open)
        return "hold_not_open";
    return amount > hold->remaining ? "capture_exceeds_hold" : NULL;
}

void demo_capture(struct demo *demo, uint32_t number, int64_t amount, bool is_final) {
    struct json_value answer;
    struct demo_hold *hold = demo_hold_at(&demo->world, number);
    demo_write(&demo->path, "/v1/holds/%s/capture", hold->id);
    demo_write(&demo->body, "{\"amount\":%lld,\"final\":%s}", (long long)amount,
               is_final ? "true" : "false");
    const struct demo_call call = {.verb = DEMO_CAPTURE,
                                   .amount = amount,
                                   .expected = capture_refusal(&demo->world, hold, amount)};
    if (!demo_call(demo, &call, &answer))
        return;
    int64_t freed = is_final ? hold->remaining : amount;
    hold->remaining -= freed;
    hold->is_open = hold->remaining > 0;
    demo_wallet_move(demo_wallet_at(&demo->world, hold->wallet), -amount, -freed);
    demo_wallet_move(demo_wallet_at(&demo->world, hold->merchant), amount, 0);
    (void)add_purchase(demo, answer, hold->wallet, hold->merchant, amount);
}

void demo_void(struct demo *demo, uint32_t number) {
    struct json_value answer;
    struct demo_hold *hold = demo_hold_at(&demo->world, number);
    demo_write(&demo->path, "/v1/holds/%s/void", hold->id);
    demo_write(&demo->body, "{}");
    const struct demo_call call = {.verb = DEMO_VOID,
                                   .amount = hold->remaining,
                                   .expected = hold->is_open ? NULL : "hold_not_open"};
    if (!demo_call(demo, &call, &answer))
        return;
    demo_wallet_move(demo_wallet_at(&demo->world, hold->wallet), 0, -hold->remaining);
    hold->remaining = 0;
    hold->is_open = false;
}

static const char *refund_refusal(struct demo_world *world, const struct demo_purchase *purchase,
                                  int64_t amount) {
    const struct demo_wallet *merchant = demo_wallet_at(world, purchase->merchant);
    if (merchant->is_frozen)
        return "wallet_frozen";
    if (amount > purchase->amount - purchase->refunded)
        return "refund_exceeds_purchase";
    return demo_debit_refusal(merchant, amount);
}

void demo_refund(struct demo *demo, uint32_t number, int64_t amount) {
    struct json_value answer;
    struct demo_purchase *purchase = demo_purchase_at(&demo->world, number);
    demo_write(&demo->body, "{\"purchase\":\"%s\",\"amount\":%lld,\"reason\":\"sent back\"}",
               purchase->id, (long long)amount);
    const struct demo_call call = {.verb = DEMO_REFUND,
                                   .path = "/v1/refunds",
                                   .amount = amount,
                                   .expected = refund_refusal(&demo->world, purchase, amount)};
    if (!demo_call(demo, &call, &answer))
        return;
    purchase->refunded += amount;
    demo_wallet_move(demo_wallet_at(&demo->world, purchase->merchant), -amount, 0);
    demo_wallet_move(demo_wallet_at(&demo->world, purchase->wallet), amount, 0);
}

uint32_t demo_withdraw(struct demo *demo, uint32_t wallet, int64_t amount, bool at_once) {
    char bank_id[DEMO_ID_BYTES_MAX];
    struct json_value answer;
    demo_make_key(demo, bank_id);
    demo_write(&demo->body, "{\"wallet\":\"%s\",\"amount\":%lld%s%s%s}", ID(&demo->world, wallet),
               (long long)amount, at_once ? ",\"bank_transaction_id\":\"bank-" : "",
               at_once ? bank_id : "", at_once ? "\"" : "");
    const struct demo_call call = {
        .verb = DEMO_WITHDRAWAL,
        .path = "/v1/withdrawals",
        .amount = amount,
        .expected = demo_debit_refusal(demo_wallet_at(&demo->world, wallet), amount)};
    struct demo_withdrawal made = {.wallet = wallet, .amount = amount, .is_pending = !at_once};
    if (!demo_call(demo, &call, &answer) || !demo_take_id(demo, answer, made.id))
        return DEMO_NONE;
    demo_wallet_move(demo_wallet_at(&demo->world, wallet), at_once ? -amount : 0,
                     at_once ? 0 : amount);
    buffer_add(&demo->world.withdrawals, &made, sizeof(made));
    return demo_withdrawal_count(&demo->world) - 1;
}

void demo_settle(struct demo *demo, uint32_t number) {
    char bank_id[DEMO_ID_BYTES_MAX];
    struct json_value answer;
    struct demo_withdrawal *withdrawal = demo_withdrawal_at(&demo->world, number);
    demo_make_key(demo, bank_id);
    demo_write(&demo->path, "/v1/withdrawals/%s/settle", withdrawal->id);
    demo_write(&demo->body, "{\"bank_transaction_id\":\"bank-%s\"}", bank_id);
    const struct demo_call call = {.verb = DEMO_SETTLE,
                                   .amount = withdrawal->amount,
                                   .expected =
                                       withdrawal->is_pending ? NULL : "withdrawal_not_pending"};
    if (!demo_call(demo, &call, &answer))
        return;
    withdrawal->is_pending = false;
    demo_wallet_move(demo_wallet_at(&demo->world, withdrawal->wallet), -withdrawal->amount,
                     -withdrawal->amount);
}

void demo_fail(struct demo *demo, uint32_t number) {
    struct json_value answer;
    struct demo_withdrawal *withdrawal = demo_withdrawal_at(&demo->world, number);
    demo_write(&demo->path, "/v1/withdrawals/%s/fail", withdrawal->id);
    demo_write(&demo->body, "{\"reason\":\"the bank does not know the account\"}");
    const struct demo_call call = {.verb = DEMO_FAIL,
                                   .amount = withdrawal->amount,
                                   .expected =
                                       withdrawal->is_pending ? NULL : "withdrawal_not_pending"};
    if (!demo_call(demo, &call, &answer))
        return;
    withdrawal->is_pending = false;
    demo_wallet_move(demo_wallet_at(&demo->world, withdrawal->wallet), 0, -withdrawal->amount);
}

void demo_set_status(struct demo *demo, uint32_t wallet, const char *status) {
    struct json_value answer;
    demo_write(&demo->path, "/v1/wallets/%s", ID(&demo->world, wallet));
    demo_write(&demo->body, "{\"status\":\"%s\",\"reason\":\"the demo\"}", status);
    const struct demo_call call = {.verb = DEMO_CHANGE, .method = "PATCH"};
    if (!demo_call(demo, &call, &answer))
        return;
    demo_wallet_at(&demo->world, wallet)->is_frozen = strcmp(status, "frozen") == 0;
    demo_wallet_at(&demo->world, wallet)->version++;
}
