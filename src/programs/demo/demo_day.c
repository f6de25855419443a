// SPDX-License-Identifier: MIT
// Who does what is drawn from the seed; that it is possible is not looked after, because a day in
// which nobody ever has too little money would test nothing.
#include "programs/demo/demo_day.h"

#include "programs/client/client_json.h"
#include "programs/demo/demo_verbs.h"

#define DAY_BATCH_MAX 500

static int64_t between(struct demo *demo, int64_t least, int64_t most) {
    return demo_random_between(&demo->random, least, most);
}

static bool one_in(struct demo *demo, uint64_t count) {
    return demo_random_below(&demo->random, count) == 0;
}

static uint32_t any_merchant(struct demo *demo) {
    return demo->world.employer_count +
           (uint32_t)demo_random_below(&demo->random, demo->world.merchant_count);
}

static uint32_t first_customer(const struct demo *demo) {
    return demo->world.employer_count + demo->world.merchant_count;
}

static uint32_t any_customer(struct demo *demo) {
    return first_customer(demo) +
           (uint32_t)demo_random_below(&demo->random, demo->world.customer_count);
}

// Sends the batch in demo->body and hands each result to `each`, which returns false at the first
// that is no success.
static void send_batch(struct demo *demo, enum demo_verb verb, uint32_t count, int64_t amount,
                       bool (*each)(struct demo *demo, struct json_value result, uint32_t index,
                                    void *context),
                       void *context) {
    struct json_value answer, results, result;
    const struct demo_call call = {.verb = verb, .path = "/v1/batches", .amount = amount};
    if (!demo_call(demo, &call, &answer))
        return;
    demo->tallies[verb].done += count - 1;
    if (!client_json_find(answer, "results", &results) || json_kind(results) != JSON_ARRAY ||
        json_item_count(results) != count) {
        demo_differs(demo, "a batch of %u was not answered with as many results", count);
        return;
    }
    struct json_cursor cursor = json_items(results);
    for (uint32_t index = 0; json_next_item(&cursor, &result); index++)
        if (!each(demo, result, index, context))
            return;
}

static bool opened(struct demo *demo, struct json_value result, uint32_t index, void *context) {
    (void)index;
    (void)context;
    struct demo_wallet wallet = {.version = 1};
    wallet.is_merchant = slice_equal(client_json_text(result, "kind"), SLICE("merchant"));
    if (!demo_take_id(demo, result, wallet.id))
        return false;
    buffer_add(&demo->world.wallets, &wallet, sizeof(wallet));
    return true;
}

static const char *role_of(const struct demo *demo, uint32_t number) {
    if (number < demo->world.employer_count)
        return "employer";
    return number < first_customer(demo) ? "merchant" : "customer";
}

void demo_day_open(struct demo *demo) {
    uint32_t total = first_customer(demo) + demo->world.customer_count;
    for (uint32_t number = 0; number < total && !demo->is_over;) {
        buffer_reset(&demo->body);
        BUFFER_ADD(&demo->body, "{\"operations\":[");
        uint32_t count = 0;
        for (; count < DAY_BATCH_MAX && number < total; count++, number++) {
            bool is_merchant = role_of(demo, number)[0] == 'm';
            buffer_add_format(&demo->body,
                              "%s{\"type\":\"wallet\",\"owner\":\"%s-%s-%u\",\"currency\":\"%s\","
                              "\"kind\":\"%s\"}",
                              count == 0 ? "" : ",", demo->run, role_of(demo, number), number,
                              DEMO_CURRENCY, is_merchant ? "merchant" : "customer");
        }
        BUFFER_ADD(&demo->body, "]}");
        send_batch(demo, DEMO_OPENING, count, 0, opened, NULL);
        if (demo_wallet_count(&demo->world) != number && !demo->is_over) {
            demo_differs(demo, "not every wallet could be opened");
            demo->is_over = true; // a day without people makes no sense
            demo->over_exit = CLIENT_EXIT_REFUSED;
        }
    }
}

struct salaries {
    uint32_t employer;
    uint32_t first;
    int64_t amounts[DAY_BATCH_MAX];
};

static bool paid(struct demo *demo, struct json_value result, uint32_t index, void *context) {
    const struct salaries *salaries = context;
    if (client_json_text(result, "code").size != 0) {
        demo_differs(demo, "a salary was refused");
        return false;
    }
    demo_wallet_move(demo_wallet_at(&demo->world, salaries->employer), -salaries->amounts[index],
                     0);
    demo_wallet_move(demo_wallet_at(&demo->world, salaries->first + index),
                     salaries->amounts[index], 0);
    return true;
}

// An employer is funded and pays up to DAY_BATCH_MAX customers in one atomic batch: all or nobody.
static void pay_employees(struct demo *demo, uint32_t employer, uint32_t first, uint32_t count) {
    struct salaries salaries = {.employer = employer, .first = first};
    int64_t total = 0;
    for (uint32_t at = 0; at < count; at++) {
        salaries.amounts[at] = between(demo, 40000, 320000);
        total += salaries.amounts[at];
    }
    demo_deposit(demo, employer, total, "payroll account");
    buffer_reset(&demo->body);
    BUFFER_ADD(&demo->body, "{\"atomic\":true,\"operations\":[");
    for (uint32_t at = 0; at < count; at++)
        buffer_add_format(&demo->body,
                          "%s{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\",\"amount\":%lld,"
                          "\"reference\":\"salary\"}",
                          at == 0 ? "" : ",", demo_wallet_at(&demo->world, employer)->id,
                          demo_wallet_at(&demo->world, first + at)->id,
                          (long long)salaries.amounts[at]);
    BUFFER_ADD(&demo->body, "]}");
    send_batch(demo, DEMO_TRANSFER, count, total, paid, &salaries);
}

void demo_day_pay_salaries(struct demo *demo) {
    uint32_t employed = demo->world.customer_count * 2 / 3; // the others live on what they top up
    uint32_t employer = 0;
    for (uint32_t at = 0; at < employed && !demo->is_over; employer++) {
        uint32_t share = (employed + demo->world.employer_count - 1) / demo->world.employer_count;
        uint32_t count = employed - at < share ? employed - at : share;
        count = count < DAY_BATCH_MAX ? count : DAY_BATCH_MAX;
        pay_employees(demo, employer % demo->world.employer_count, first_customer(demo) + at,
                      count);
        at += count;
    }
}

void demo_day_top_up(struct demo *demo) {
    for (uint32_t at = 0; at < demo->world.customer_count && !demo->is_over; at++) {
        // Who has no salary lives on this.
        bool is_employed = at < demo->world.customer_count * 2 / 3;
        if (!is_employed || one_in(demo, 2))
            demo_deposit(demo, first_customer(demo) + at, between(demo, 2000, 30000), "top-up");
        client_progress_show(&demo->progress, at, "top-ups");
    }
}

// Hotels and petrol stations: hold first, then take it in parts, at once, or not at all.
static void shop_with_hold(struct demo *demo, uint32_t customer) {
    int64_t amount = between(demo, 500, 12000);
    uint32_t hold = demo_hold(demo, customer, any_merchant(demo), amount, false);
    if (hold == DEMO_NONE)
        return;
    switch (demo_random_below(&demo->random, 5)) {
    case 0: demo_void(demo, hold); break;
    case 1: // in three parts, the last one smaller than what is left
        demo_capture(demo, hold, amount / 4, false);
        demo_capture(demo, hold, amount / 4, false);
        demo_capture(demo, hold, amount / 8, true);
        break;
    case 2: // half of it, and the rest is given free
        demo_capture(demo, hold, amount / 2, false);
        demo_void(demo, hold);
        break;
    case 3: break; // still open when the day ends
    default: demo_capture(demo, hold, amount, true); break;
    }
}

void demo_day_shop(struct demo *demo) {
    uint32_t baskets = demo->world.customer_count * 4;
    client_progress_begin(&demo->progress, "shopping", baskets);
    for (uint32_t at = 0; at < baskets && !demo->is_over; at++) {
        uint32_t customer = any_customer(demo);
        if (one_in(demo, 4))
            shop_with_hold(demo, customer);
        else
            (void)demo_purchase(demo, customer, any_merchant(demo), between(demo, 99, 6000));
        client_progress_show(&demo->progress, at, "baskets");
    }
    client_progress_end(&demo->progress);
}

void demo_day_give_back(struct demo *demo) {
    uint32_t count = demo_purchase_count(&demo->world);
    for (uint32_t at = 0; at < count && !demo->is_over; at++) {
        if (!one_in(demo, 10))
            continue;
        int64_t amount = demo_purchase_at(&demo->world, at)->amount;
        demo_refund(demo, at, amount - amount / 2);
        if (one_in(demo, 3))
            demo_refund(demo, at, amount / 2 > 0 ? amount / 2 : 1);
        if (one_in(demo, 5)) // by now it may well be more than what is left
            demo_refund(demo, at, amount);
    }
}

void demo_day_give_gifts(struct demo *demo) {
    uint32_t count = demo->world.customer_count / 2;
    for (uint32_t at = 0; at < count && !demo->is_over; at++) {
        uint32_t from = any_customer(demo);
        uint32_t to = any_customer(demo);
        if (from != to)
            demo_transfer(demo, from, to, between(demo, 100, 5000), "happy birthday");
    }
}

static void pay_out(struct demo *demo, uint32_t wallet, int64_t amount) {
    bool at_once = one_in(demo, 5);
    uint32_t withdrawal = demo_withdraw(demo, wallet, amount, at_once);
    if (withdrawal == DEMO_NONE || at_once)
        return;
    switch (demo_random_below(&demo->random, 8)) {
    case 0: break; // the bank takes its time
    case 1:
    case 2: demo_fail(demo, withdrawal); break;
    default: demo_settle(demo, withdrawal); break;
    }
}

void demo_day_pay_out(struct demo *demo) {
    for (uint32_t at = 0; at < demo->world.merchant_count && !demo->is_over; at++) {
        const struct demo_wallet *merchant =
            demo_wallet_at(&demo->world, demo->world.employer_count + at);
        int64_t available = merchant->balance - merchant->held;
        if (available > 0)
            pay_out(demo, demo->world.employer_count + at, (available + 1) / 2);
    }
    for (uint32_t at = 0; at < demo->world.customer_count / 10 && !demo->is_over; at++)
        pay_out(demo, any_customer(demo), between(demo, 500, 60000));
}
