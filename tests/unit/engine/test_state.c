// SPDX-License-Identifier: MIT
// What the books keep in memory: due holds in order of time, lists of open holds, refunds by
// purchase, keys by secret, currencies.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/embedded/state/state.h"

static uint64_t pick(uint64_t *stream, uint64_t below) {
    uint64_t value = (*stream += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (value ^ (value >> 31)) % below;
}

static void state_make(struct state *books) {
    struct id_seal seal = id_seal_make((const uint8_t[16]){1, 2, 3});
    state_init(books, &seal);
}

static uint32_t wallet_add(struct state *books) {
    uint32_t index = table_add(&books->wallets);
    state_wallet_at(books, index)->wallet.id = id_make(&books->seal, 1000, 5, index);
    return index;
}

static uint32_t hold_add(struct state *books, uint32_t wallet, uint64_t expires_at_ms) {
    uint32_t index = table_add(&books->holds);
    struct hold_item *item = state_hold_at(books, index);
    item->hold = (struct hold){
        .id = id_make(&books->seal, 1000, 5, index), .amount = 1, .expires_at_ms = expires_at_ms};
    item->wallet = wallet;
    state_hold_list(books, item);
    return index;
}

static uint32_t list_length(const struct state *books, uint32_t wallet) {
    uint32_t length = 0, previous = 0;
    for (uint32_t i = state_wallet_at(books, wallet)->open_holds; i != 0;
         i = state_hold_at(books, i)->next) {
        assert_int_equal(state_hold_at(books, i)->previous, previous);
        previous = i;
        length++;
    }
    return length;
}

// Holds end early at random; the others come up in the order of their times, each once.
static void test_holds_are_due_in_order(void **state) {
    enum { HOLDS = 3000, WALLETS = 5 };
    static struct state books;
    uint64_t stream = 8, last = 0;
    uint32_t open[WALLETS + 1] = {0}, ended = 0, expired = 0;
    (void)state;
    state_make(&books);
    for (int i = 0; i < WALLETS; i++)
        (void)wallet_add(&books);
    for (int i = 0; i < HOLDS; i++) {
        uint32_t wallet = 1 + (uint32_t)pick(&stream, WALLETS);
        (void)hold_add(&books, wallet, 1000 + pick(&stream, 500));
        open[wallet]++;
        if (pick(&stream, 3) == 0) {
            struct hold_item *item =
                state_hold_at(&books, 1 + (uint32_t)pick(&stream, books.holds.count - 1));
            if (item->hold.status == HOLD_OPEN) {
                item->hold.status = HOLD_VOIDED;
                state_hold_list(&books, item);
                state_hold_list(&books, item); // nothing more happens
                open[item->wallet]--;
                ended++;
            }
        }
    }
    for (uint32_t i = 1; i <= WALLETS; i++)
        assert_int_equal(list_length(&books, i), open[i]);
    assert_int_equal(books.hold_open_count, HOLDS - ended);
    assert_int_equal(state_due_first(&books, 999), 0);
    while (state_due_next_ms(&books) != UINT64_MAX) {
        uint64_t next = state_due_next_ms(&books);
        assert_true(next >= last);
        last = next;
        assert_int_equal(state_due_first(&books, next - 1), 0);
        uint32_t index = state_due_first(&books, next);
        struct hold_item *item = state_hold_at(&books, index);
        assert_int_equal(item->hold.expires_at_ms, next);
        item->hold.status = HOLD_EXPIRED;
        state_hold_list(&books, item);
        expired++;
    }
    assert_int_equal(expired, HOLDS - ended);
    assert_int_equal(books.hold_open_count, 0);
    for (uint32_t i = 1; i <= WALLETS; i++)
        assert_int_equal(list_length(&books, i), 0);
    state_done(&books);
}

static void test_refunds_are_found_by_purchase(void **state) {
    enum { PURCHASES = 20000 };
    static struct state books;
    (void)state;
    state_make(&books);
    assert_int_equal(state_refunded(&books, 8, true), 0);
    for (uint64_t i = 1; i <= PURCHASES; i++)
        state_refund_item(&books, i * 4096)->refunded = (int64_t)i;
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= PURCHASES; i++) {
            assert_int_equal(state_refunded(&books, i * 4096, true), i);
            assert_int_equal(state_refunded(&books, i * 4096, false), i);
            assert_int_equal(state_refunded(&books, i * 4096 + 8, true), 0);
        }
        assert_int_equal(books.refunds.count, PURCHASES + 1);
        state_refunds_refresh(&books); // as after a checkpoint was loaded
    }
    state_done(&books);
}

static void test_things_are_found_by_their_own_ids_only(void **state) {
    static struct state books;
    (void)state;
    state_make(&books);
    uint32_t wallet = wallet_add(&books), hold = hold_add(&books, wallet, 5);
    struct id id = state_wallet_at(&books, wallet)->wallet.id;
    assert_ptr_equal(state_wallet(&books, id), state_wallet_at(&books, wallet));
    assert_ptr_equal(state_hold(&books, state_hold_at(&books, hold)->hold.id),
                     state_hold_at(&books, hold));
    assert_int_equal(state_wallet_index(&books, state_wallet_at(&books, wallet)), wallet);
    // Another time or slot with the same place, a place that is not taken, and any flipped bit.
    assert_null(state_wallet(&books, id_make(&books.seal, 1001, 5, wallet)));
    assert_null(state_wallet(&books, id_make(&books.seal, 1000, 6, wallet)));
    assert_null(state_wallet(&books, id_make(&books.seal, 1000, 5, wallet + 1)));
    assert_null(state_wallet(&books, id_make(&books.seal, 1000, 5, 0)));
    assert_null(state_wallet(&books, id_make(&books.seal, 1000, 5, ID_LOCATOR_MAX)));
    assert_null(state_wallet(&books, (struct id){{0}}));
    assert_null(state_withdrawal(&books, id));
    for (int bit = 0; bit < 128; bit++) {
        struct id forged = id;
        forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(state_wallet(&books, forged));
    }
    state_done(&books);
}

static void test_keys_are_found_by_their_secret(void **state) {
    static struct state books;
    struct key key;
    bool live;
    (void)state;
    state_make(&books);
    for (uint32_t i = 0; i < 300; i++) {
        struct sha256 hash = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        assert_int_equal(state_key_add(&books), i);
        // Not before it is published.
        assert_false(state_key_find(&books, &hash, 50, &key, &live));
        books.key_items[i].key = (struct key){.id = id_make(&books.seal, 1000, 0, i + 1),
                                              .secret_hash = hash,
                                              .role = i == 0 ? ROLE_ADMIN : ROLE_SERVICE,
                                              .expires_at_ms = i == 7 ? 100 : 0};
        state_key_publish(&books, i);
    }
    for (uint32_t i = 0; i < 300; i++) {
        struct sha256 hash = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        assert_true(state_key_find(&books, &hash, 100, &key, &live));
        assert_true(id_equal(key.id, books.keys[i].id));
        assert_int_equal(live, i != 7);
        assert_ptr_equal(state_key_item(&books, key.id), &books.key_items[i]);
        assert_int_equal(books.key_items[i].last_used_ms, 100);
    }
    assert_false(state_key_find(&books, &(struct sha256){{0, 0, 2}}, 100, &key, &live));
    assert_null(state_key_item(&books, id_make(&books.seal, 1000, 0, 301)));
    state_done(&books);
}

static void test_currencies(void **state) {
    static struct state books;
    static struct currency_account copies[LIMIT_CURRENCIES_MAX];
    uint16_t index = 77;
    (void)state;
    state_make(&books);
    for (uint32_t i = 0; i < LIMIT_CURRENCIES_MAX + 1; i++) {
        struct currency currency = {.exponent = 2};
        memcpy(currency.code, "C", 1);
        currency.code[1] = (char)('A' + i % 26);
        currency.code[2] = (char)('A' + i / 26 % 26);
        currency.code[3] = (char)('A' + i / 676);
        assert_null(state_currency(&books, &currency, false, &index));
        struct currency_account *account = state_currency(&books, &currency, true, &index);
        if (i == LIMIT_CURRENCIES_MAX) {
            assert_null(account);
            break;
        }
        assert_int_equal(index, i);
        assert_ptr_equal(state_currency(&books, &currency, true, &index), account);
    }
    assert_int_equal(state_currencies_copy(&books, copies, 3), 3);
    assert_int_equal(state_currencies_copy(&books, copies, LIMIT_CURRENCIES_MAX),
                     LIMIT_CURRENCIES_MAX);
    state_done(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_are_due_in_order),
        cmocka_unit_test(test_refunds_are_found_by_purchase),
        cmocka_unit_test(test_things_are_found_by_their_own_ids_only),
        cmocka_unit_test(test_keys_are_found_by_their_secret),
        cmocka_unit_test(test_currencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
