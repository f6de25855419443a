// SPDX-License-Identifier: MIT
// Builds the stage: numbers are small and different from each other, so that a wrong one shows.
#include "scene.h"

uint64_t scene_random(uint64_t *stream) {
    uint64_t value = (*stream += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

struct id scene_id(uint64_t number) {
    struct id id = {.bytes = {0xF1, 0x0A}};
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static struct currency currency_of(struct slice code) {
    struct currency currency;
    CHECK(currency_iso_find(code, &currency));
    return currency;
}

static const struct id_seal seal; // keys of zeros

static void docket_link(struct scene *scene, enum command_type type) {
    struct docket *docket = &scene->docket;
    *docket = (struct docket){
        .now_ms = scene->now_ms,
        .keys = scene->keys,
        .key_count = 2,
        .principal = &scene->keys[0],
        .new_id = scene_id(100),
        .new_transaction = scene_id(101),
        .seal = &seal,
        .owner = SLICE("owner"),
        .currency = &scene->accounts[0],
    };
    bool is_of_key =
        type == COMMAND_KEY_CREATE || type == COMMAND_KEY_REVOKE || type == COMMAND_KEY_ROTATE;
    if (is_of_key)
        docket->key = &scene->keys[1];
    if (is_of_key || type == COMMAND_WALLET_OPEN)
        return;
    docket->wallet = &scene->payer;
    if (type == COMMAND_PURCHASE || type == COMMAND_TRANSFER || type == COMMAND_HOLD ||
        type == COMMAND_REFUND || type == COMMAND_CAPTURE || type == COMMAND_VOID ||
        type == COMMAND_EXPIRE) {
        docket->counterparty = &scene->shop;
        docket->counterparty_currency = &scene->accounts[scene->shop.currency].currency;
    }
    if (type == COMMAND_CAPTURE || type == COMMAND_VOID || type == COMMAND_EXPIRE)
        docket->hold = &scene->hold;
    if (type == COMMAND_EXPIRE)
        scene->hold.expires_at_ms = scene->now_ms;
    if (type == COMMAND_SETTLE || type == COMMAND_FAIL)
        docket->withdrawal = &scene->withdrawal;
    if (type == COMMAND_REFUND)
        docket->purchase = &scene->purchase;
}

static void command_make(struct scene *scene, enum command_type type) {
    struct command *command = &scene->command;
    *command = (struct command){
        .type = (uint8_t)type,
        .principal_key = scene->keys[0].id,
        .wallet = scene->payer.id,
        .counterparty = scene->shop.id,
        .subject = scene_id(7),
        .has_amount = type != COMMAND_SETTLE && type != COMMAND_FAIL && type != COMMAND_VOID,
        .amount = 30,
        .expires_in_s = 60,
        .origin = {.principal = SLICE("key_1"), .role = ROLE_ADMIN},
    };
    if (type == COMMAND_HOLD || type == COMMAND_CAPTURE || type == COMMAND_VOID ||
        type == COMMAND_EXPIRE)
        command->subject = scene->hold.id;
    if (type == COMMAND_DEPOSIT || type == COMMAND_SETTLE)
        command->bank_id = SLICE("bank-1");
    if (type == COMMAND_WALLET_OPEN) {
        command->currency = scene->accounts[0].currency;
        command->owner = SLICE("new owner");
    }
    if (type == COMMAND_WALLET_CHANGE) {
        command->has_credit_limit = true;
        command->credit_limit = 500;
    }
    if (type == COMMAND_KEY_CREATE)
        command->key_role = ROLE_SERVICE;
}

void scene_make(struct scene *scene, enum command_type type) {
    *scene = (struct scene){.now_ms = 1000000, .bank_owner = scene_id(900)};
    scene->accounts[0] = (struct currency_account){
        .currency = currency_of(SLICE("USD")), .deposits = 10000, .withdrawals = 7000};
    scene->accounts[1] = (struct currency_account){.currency = currency_of(SLICE("EUR"))};
    scene->payer = (struct wallet){
        .id = scene_id(1), .balance = 1000, .held = 140, .credit_limit = 0, .version = 5};
    scene->shop =
        (struct wallet){.id = scene_id(2), .balance = 2000, .version = 9, .kind = WALLET_MERCHANT};
    scene->hold = (struct hold){.id = scene_id(3),
                                .wallet = scene->payer.id,
                                .merchant = scene->shop.id,
                                .amount = 100,
                                .captured = 10,
                                .expires_at_ms = scene->now_ms + 1};
    scene->withdrawal =
        (struct withdrawal){.id = scene_id(4), .wallet = scene->payer.id, .amount = 50};
    // Of a refund the shop's wallet is the payer: the docket's `wallet` pays.
    scene->purchase = (struct purchase){.id = scene_id(7),
                                        .wallet = scene->shop.id,
                                        .merchant = scene->payer.id,
                                        .amount = 80,
                                        .refunded = 20};
    scene->keys[0] = (struct key){.id = scene_id(10), .role = ROLE_ADMIN};
    scene->keys[1] = (struct key){.id = scene_id(11), .role = ROLE_SERVICE};
    docket_link(scene, type);
    command_make(scene, type);
}

void scene_copy(struct scene *to, const struct scene *from) {
    *to = *from;
    docket_link(to, (enum command_type)from->command.type);
    to->docket.metadata = from->docket.metadata;
    if (from->docket.bank_transaction != NULL)
        to->docket.bank_transaction = &to->bank_owner;
}

enum status scene_decide(struct scene *scene) {
    return decide(&scene->command, &scene->docket, &scene->record, &scene->refusal);
}

void scene_apply(struct scene *scene, const struct record *record) {
    if (record->operation == COMMAND_HOLD) {
        scene->hold = (struct hold){0};
        scene->docket.hold = &scene->hold;
    }
    if (record->operation == COMMAND_WITHDRAWAL) {
        scene->withdrawal = (struct withdrawal){0};
        scene->docket.withdrawal = &scene->withdrawal;
    }
    if (record->operation == COMMAND_WALLET_OPEN) {
        scene->payer = (struct wallet){0};
        scene->docket.wallet = &scene->payer;
    }
    if (record->operation == COMMAND_KEY_CREATE)
        scene->keys[1] = (struct key){0};
    apply(record, &scene->docket);
}

void scene_apply_again(struct scene *scene, const struct record *record) {
    struct docket all = scene->docket;
    all.wallet = &scene->payer;
    all.counterparty = &scene->shop;
    all.hold = &scene->hold;
    all.withdrawal = &scene->withdrawal;
    all.purchase = &scene->purchase;
    all.key = &scene->keys[1];
    all.currency = &scene->accounts[0];
    apply(record, &all);
}

static bool wallet_same(const struct wallet *a, const struct wallet *b) {
    return id_equal(a->id, b->id) && a->balance == b->balance && a->held == b->held &&
           a->credit_limit == b->credit_limit && a->version == b->version &&
           a->currency == b->currency && a->kind == b->kind && a->status == b->status;
}

bool scene_same(const struct scene *a, const struct scene *b) {
    return wallet_same(&a->payer, &b->payer) && wallet_same(&a->shop, &b->shop) &&
           a->accounts[0].deposits == b->accounts[0].deposits &&
           a->accounts[0].withdrawals == b->accounts[0].withdrawals &&
           id_equal(a->hold.id, b->hold.id) && a->hold.amount == b->hold.amount &&
           a->hold.captured == b->hold.captured && a->hold.status == b->hold.status &&
           a->hold.expires_at_ms == b->hold.expires_at_ms &&
           id_equal(a->withdrawal.id, b->withdrawal.id) &&
           a->withdrawal.amount == b->withdrawal.amount &&
           a->withdrawal.status == b->withdrawal.status &&
           a->purchase.refunded == b->purchase.refunded && id_equal(a->keys[1].id, b->keys[1].id) &&
           a->keys[1].role == b->keys[1].role && a->keys[1].revoked == b->keys[1].revoked &&
           a->keys[1].expires_at_ms == b->keys[1].expires_at_ms;
}
