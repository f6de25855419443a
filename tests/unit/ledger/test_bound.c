// SPDX-License-Identifier: MIT
// Those who are bound to an owner: what is not theirs is not there, what they may see but not do
// is forbidden, and nobody else's trouble is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/bound.h"
#include "scene.h"

// A scene whose payer is ann's and whose shop is the shop's, asked by somebody bound.
static void scene_bound(struct scene *scene, enum command_type type, const char *to) {
    scene_make(scene, type);
    scene->docket.owner_seed = 42;
    scene->payer.owner = owner_mark(42, SLICE("ann"));
    scene->shop.owner = owner_mark(42, SLICE("shop"));
    scene->command.bound_to = slice_of_text(to);
}

static void marks_depend_on_seed_and_owner(void **state) {
    assert_int_equal(owner_mark(1, SLICE("ann")), owner_mark(1, SLICE("ann")));
    assert_int_not_equal(owner_mark(1, SLICE("ann")), owner_mark(2, SLICE("ann")));
    assert_int_not_equal(owner_mark(1, SLICE("ann")), owner_mark(1, SLICE("anna")));
    assert_int_not_equal(owner_mark(0, SLICE("")), 0);
}

static void who_pays_must_be_the_askers(void **state) {
    const enum command_type types[] = {COMMAND_WITHDRAWAL, COMMAND_PURCHASE, COMMAND_TRANSFER,
                                       COMMAND_HOLD, COMMAND_DEPOSIT, COMMAND_WALLET_CHANGE};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct scene own, foreign, missing;
        scene_bound(&own, types[i], "ann");
        assert_int_equal(scene_decide(&own), STATUS_ok);
        scene_bound(&foreign, types[i], "bob");
        assert_int_equal(scene_decide(&foreign), STATUS_not_found);
        scene_bound(&missing, types[i], "bob");
        missing.docket.wallet = NULL;
        assert_int_equal(scene_decide(&missing), STATUS_not_found);
        assert_memory_equal(&foreign.refusal, &missing.refusal, sizeof(struct refusal));
    }
    // Also where another's wallet would pay itself.
    struct scene itself;
    scene_bound(&itself, COMMAND_TRANSFER, "bob");
    itself.command.counterparty = itself.command.wallet;
    itself.docket.counterparty = itself.docket.wallet;
    assert_int_equal(scene_decide(&itself), STATUS_not_found);
}

static void holds_and_sales_are_the_shops_to_end(void **state) {
    const enum command_type types[] = {COMMAND_CAPTURE, COMMAND_VOID};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        scene_bound(&scene, types[i], "shop");
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        scene_bound(&scene, types[i], "ann"); // sees it
        assert_int_equal(scene_decide(&scene), STATUS_forbidden);
        scene_bound(&scene, types[i], "bob");
        assert_int_equal(scene_decide(&scene), STATUS_not_found);
        assert_int_equal(scene.refusal.id_type, ID_HOLD);
    }
    // Of a refund the docket's wallet is the shop that pays.
    struct scene scene;
    scene_bound(&scene, COMMAND_REFUND, "ann");
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene_bound(&scene, COMMAND_REFUND, "shop");
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
    scene_bound(&scene, COMMAND_REFUND, "bob");
    assert_int_equal(scene_decide(&scene), STATUS_not_found);
    assert_int_equal(scene.refusal.id_type, ID_TRANSACTION);
}

static void what_is_no_purchase_is_told_to_its_sides(void **state) {
    struct scene scene;
    for (int own = 0; own < 2; own++) {
        scene_bound(&scene, COMMAND_REFUND, "ann");
        scene.docket.purchase = NULL;
        scene.docket.wallet = scene.docket.counterparty = NULL;
        scene.docket.subject_is_other_transaction = true;
        scene.docket.subject_owners[1] = owner_mark(42, own ? SLICE("ann") : SLICE("bob"));
        assert_int_equal(scene_decide(&scene), own ? STATUS_not_a_purchase : STATUS_not_found);
    }
}

static void the_others_trouble_is_one_word(void **state) {
    struct scene scene;
    struct refusal bare;
    for (int trouble = 0; trouble < 5; trouble++) {
        scene_bound(&scene, trouble == 3 ? COMMAND_PURCHASE : COMMAND_TRANSFER, "ann");
        if (trouble == 0)
            scene.shop.status = WALLET_CLOSED;
        if (trouble == 1)
            scene.shop.balance = LIMIT_AMOUNT_MAX;
        if (trouble == 2)
            scene.shop.currency = 1;
        if (trouble == 3)
            scene.shop.kind = WALLET_CUSTOMER;
        if (trouble == 4)
            scene.docket.counterparty = NULL;
        assert_int_equal(scene_decide(&scene), STATUS_cannot_receive);
        bare = (struct refusal){
            .status = STATUS_cannot_receive, .id_type = ID_WALLET, .id = scene.shop.id};
        assert_memory_equal(&scene.refusal, &bare, sizeof(bare));
    }
    scene_bound(&scene, COMMAND_CAPTURE, "shop");
    scene.payer.status = WALLET_FROZEN;
    assert_int_equal(scene_decide(&scene), STATUS_cannot_pay);
    // One's own trouble is told whole, and so is everything to those who are not bound.
    scene_bound(&scene, COMMAND_TRANSFER, "ann");
    scene.payer.status = WALLET_FROZEN;
    assert_int_equal(scene_decide(&scene), STATUS_wallet_frozen);
    scene_bound(&scene, COMMAND_TRANSFER, "");
    scene.shop.status = WALLET_CLOSED;
    assert_int_equal(scene_decide(&scene), STATUS_wallet_closed);
}

static void trouble_payee(struct scene *scene, int trouble) {
    switch (trouble) {
    case 0: scene->docket.counterparty = NULL; return;
    case 1: scene->shop.status = WALLET_CLOSED; return;
    case 2: scene->shop.balance = LIMIT_AMOUNT_MAX; return;
    case 3: scene->shop.currency = 1; return;
    case 4: scene->shop.kind = WALLET_CUSTOMER; return; // of a purchase
    default: return;
    }
}

static enum status trouble_payer(struct scene *scene, int trouble) {
    switch (trouble) {
    case 0: scene->payer.status = WALLET_CLOSED; return STATUS_wallet_closed;
    case 1: scene->payer.status = WALLET_FROZEN; return STATUS_wallet_frozen;
    case 2: scene->payer.held = scene->payer.balance; return STATUS_insufficient_funds;
    case 3:
        scene->command.has_if_match = true;
        scene->command.if_match = scene->payer.version + 1;
        return STATUS_version_mismatch;
    default:
        scene->command.currency = (struct currency){.code = "EUR", .exponent = 2};
        return STATUS_currency_mismatch;
    }
}

// Whatever is wrong with the payee, or nothing at all: who cannot pay learns nothing of it.
static void ones_own_trouble_comes_first(void **state) {
    for (int own = 0; own < 5; own++) {
        struct refusal alone = {0};
        for (int other = 5; other >= 0; other--) {
            struct scene scene;
            scene_bound(&scene, COMMAND_PURCHASE, "ann");
            trouble_payee(&scene, other);
            enum status expected = trouble_payer(&scene, own);
            assert_int_equal(scene_decide(&scene), expected);
            if (other == 5)
                alone = scene.refusal;
            assert_memory_equal(&scene.refusal, &alone, sizeof(alone));
        }
    }
}

static void answers_are_about_their_wallets(void **state) {
    struct id parties[2], one = {{1}}, two = {{2}}, none = {{0}};
    struct record record = {.kind = RECORD_HOLD, .hold = {.wallet = one, .merchant = two}};
    assert_true(bound_parties(&record, parties));
    assert_true(id_equal(parties[0], one) && id_equal(parties[1], two));
    record = (struct record){.kind = RECORD_WITHDRAWAL, .withdrawal = {.wallet = two}};
    assert_true(bound_parties(&record, parties));
    assert_true(id_equal(parties[0], two) && id_equal(parties[1], none));
    record = (struct record){
        .kind = RECORD_REFUSAL,
        .refusal = {.status = STATUS_insufficient_funds, .id_type = ID_WALLET, .id = one}};
    assert_true(bound_parties(&record, parties));
    assert_true(id_equal(parties[0], one));
    record.refusal.status = STATUS_cannot_receive;
    assert_false(bound_parties(&record, parties));
    record.kind = RECORD_BATCH;
    assert_false(bound_parties(&record, parties));
}

static void if_match_speaks_of_the_askers_wallet(void **state) {
    struct scene scene;
    scene_bound(&scene, COMMAND_CAPTURE, "shop");
    scene.command.has_if_match = true;
    scene.command.if_match = scene.payer.version;
    assert_int_equal(scene_decide(&scene), STATUS_version_mismatch);
    assert_int_equal(scene.refusal.has, scene.shop.version);
    scene.command.if_match = scene.shop.version;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
}

static void wallets_are_opened_for_oneself(void **state) {
    struct scene scene;
    scene_bound(&scene, COMMAND_WALLET_OPEN, "new owner");
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene_bound(&scene, COMMAND_WALLET_OPEN, "ann");
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
    scene_bound(&scene, COMMAND_KEY_CREATE, "ann");
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
}

static void sides_are_hidden_from_the_other(void **state) {
    struct slice me = SLICE("key_me"), you = SLICE("key_you");
    assert_int_equal(owner_hidden(1, 1, 2, me, me), HIDDEN_CREDIT);
    assert_int_equal(owner_hidden(1, 2, 1, me, me), HIDDEN_DEBIT);
    assert_int_equal(owner_hidden(1, 1, 2, me, you), HIDDEN_CREDIT | HIDDEN_WHO);
    assert_int_equal(owner_hidden(1, 1, 1, me, you), 0);
    assert_int_equal(owner_hidden(1, 0, 1, me, you), 0); // the world outside is nobody
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_depend_on_seed_and_owner),
        cmocka_unit_test(who_pays_must_be_the_askers),
        cmocka_unit_test(holds_and_sales_are_the_shops_to_end),
        cmocka_unit_test(what_is_no_purchase_is_told_to_its_sides),
        cmocka_unit_test(the_others_trouble_is_one_word),
        cmocka_unit_test(ones_own_trouble_comes_first),
        cmocka_unit_test(answers_are_about_their_wallets),
        cmocka_unit_test(if_match_speaks_of_the_askers_wallet),
        cmocka_unit_test(wallets_are_opened_for_oneself),
        cmocka_unit_test(sides_are_hidden_from_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
