// SPDX-License-Identifier: MIT
// Habits against a naive book that keeps every payment and counts anew: windows at all distances,
// the rules' quick gates against the conditions themselves, the latest counterparties, means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/record.h"
#include "ledger/rules.h"
#include "scene.h"

#define PAYMENTS 400
#define START    (UINT64_C(20000) * 86400000)

struct payment_made {
    uint64_t time_ms;
    int64_t amount;
};

struct naive {
    struct payment_made made[PAYMENTS];
    uint32_t count;
    struct id latest[PAYMENTS]; // counterparties, the latest last, each once
    uint32_t latest_count;
    int64_t mean, deviation;
};

static const uint64_t bucket_ms[WINDOW_COUNT] = {600000, 14400000, 86400000};
static const uint64_t buckets[WINDOW_COUNT] = {6, 6, 7};

static struct habit_sum naive_window(const struct naive *naive, int window, uint64_t now_ms) {
    struct habit_sum all = {0, 0};
    uint64_t now = now_ms / bucket_ms[window];
    for (uint64_t step = now + 1 - buckets[window]; step <= now; step++) {
        uint32_t count = 0;
        int64_t sum = 0;
        for (uint32_t i = 0; i < naive->count; i++) {
            if (naive->made[i].time_ms / bucket_ms[window] != step)
                continue;
            count++;
            sum += naive->made[i].amount;
            if (sum > LIMIT_AMOUNT_MAX)
                sum = LIMIT_AMOUNT_MAX;
        }
        all.count += count;
        all.sum = all.sum + sum > LIMIT_AMOUNT_MAX ? LIMIT_AMOUNT_MAX : all.sum + sum;
    }
    return all;
}

static bool naive_knows(const struct naive *naive, struct id counterparty) {
    for (uint32_t i = 0; i < naive->latest_count && i < HABIT_KNOWN; i++)
        if (id_equal(naive->latest[naive->latest_count - 1 - i], counterparty))
            return true;
    return false;
}

static void naive_pay(struct naive *naive, uint64_t time_ms, int64_t amount, struct id to) {
    uint32_t kept = 0;
    naive->made[naive->count++] = (struct payment_made){time_ms, amount};
    for (uint32_t i = 0; i < naive->latest_count; i++)
        if (!id_equal(naive->latest[i], to))
            naive->latest[kept++] = naive->latest[i];
    naive->latest[kept++] = to;
    naive->latest_count = kept;
    int64_t value = amount * HABIT_UNITS;
    int64_t weight = naive->count < 16 ? naive->count : 16;
    int64_t distance = value > naive->mean ? value - naive->mean : naive->mean - value;
    if (naive->count > 1)
        naive->deviation += (distance - naive->deviation) / (weight - 1);
    naive->mean += (value - naive->mean) / weight;
}

static void pay(struct habits *habits, struct naive *naive, uint64_t time_ms, int64_t amount,
                struct id to) {
    uint64_t version = habits->version + 1 + naive->count % 3;
    struct record record = {
        .kind = RECORD_TRANSACTION,
        .operation = COMMAND_TRANSFER,
        .time_ms = time_ms,
        .transaction = {.type = TRANSACTION_TRANSFER,
                        .amount = amount,
                        .debit = {.wallet = scene_id(1), .version = version},
                        .credit = {.wallet = to, .version = version}}};
    habits_see(&record, habits, NULL);
    naive_pay(naive, time_ms, amount, to);
}

// Money comes in: the wallet is awake, and nothing is paid.
static void deposit(struct habits *habits, uint64_t time_ms) {
    struct record record = {.kind = RECORD_TRANSACTION,
                            .operation = COMMAND_DEPOSIT,
                            .time_ms = time_ms,
                            .transaction = {.type = TRANSACTION_DEPOSIT,
                                            .amount = 1,
                                            .credit = {.wallet = scene_id(1),
                                                       .version = habits->version + 1}}};
    habits_see(&record, habits, NULL);
    assert_int_equal(habits->last_ms, time_ms);
    assert_int_equal(habits->deposit_ms, time_ms);
}

// Marks are made of an id's last four bytes but for one bit.
static struct id somebody(uint64_t *stream) {
    struct id id = scene_id(2);
    id.bytes[13] = (uint8_t)(1 + scene_random(stream) % 20);
    return id;
}

// Most payments follow soon; some after hours, some after weeks.
static uint64_t some_span_ms(uint64_t *stream) {
    static const uint64_t most[] = {1000, 60000, 900000, 7200000, 40000000, 90000000, 900000000};
    return scene_random(stream) % most[scene_random(stream) % 7];
}

static void assert_windows_agree(const struct habits *habits, const struct naive *naive,
                                 uint64_t now_ms) {
    for (int window = 0; window < WINDOW_COUNT; window++) {
        struct habit_sum is = habits_window(habits, (enum habit_window)window, now_ms);
        struct habit_sum wanted = naive_window(naive, window, now_ms);
        assert_int_equal(is.count, wanted.count);
        assert_int_equal(is.sum, wanted.sum);
        assert_true(is.count <= habits_count_most(habits, (enum habit_window)window));
    }
}

static void they_are_what_a_naive_book_counts(void **state) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct habits habits = {0};
        struct naive naive = {0};
        uint64_t stream = seed, now_ms = START + some_span_ms(&stream);
        // Huge amounts in some lives, so that sums stop at the highest.
        int64_t most = seed % 4 == 0 ? LIMIT_AMOUNT_MAX : 100000;
        while (naive.count < PAYMENTS) {
            struct id to = somebody(&stream);
            now_ms += some_span_ms(&stream);
            assert_windows_agree(&habits, &naive, now_ms);
            assert_int_equal(habits_knows(&habits, to), naive_knows(&naive, to));
            assert_int_equal(habits_known_count(&habits), naive.latest_count < HABIT_KNOWN
                                                              ? naive.latest_count
                                                              : HABIT_KNOWN);
            if (scene_random(&stream) % 5 == 0) {
                deposit(&habits, now_ms);
                assert_windows_agree(&habits, &naive, now_ms);
                now_ms += some_span_ms(&stream);
                assert_windows_agree(&habits, &naive, now_ms);
            }
            pay(&habits, &naive, now_ms, 1 + (int64_t)(scene_random(&stream) % (uint64_t)most), to);
            assert_true(habits_are_valid(&habits));
            assert_int_equal(habits.mean, naive.mean);
            assert_int_equal(habits.deviation, naive.deviation);
            assert_windows_agree(&habits, &naive, now_ms);
        }
    }
}

// A rule by itself has one gate of each kind and no company; in a set the gates are those of all.
static void assert_same_alone(const struct rule_set *set, const struct payment *payment,
                              const struct habits *habits) {
    struct verdict together;
    uint64_t apart = 0;
    rules_judge(set, payment, habits, &together);
    for (uint32_t i = 0; i < set->count; i++) {
        struct rule_set one = {.count = 1, .version = 1};
        struct verdict alone;
        one.rules[0] = set->rules[i];
        rules_prepare(&one);
        // Without gates every condition is looked at.
        for (int kind = 0; kind < 2; kind++)
            for (int operation = 0; operation < 6; operation++)
                one.plans[kind][operation] =
                    (struct rule_plan){.rules = one.plans[kind][operation].rules};
        rules_judge(&one, payment, habits, &alone);
        apart |= alone.hits << i;
    }
    assert_int_equal(together.hits, apart);
}

static uint32_t some_of(uint64_t *stream, uint32_t most) {
    return scene_random(stream) % 3 == 0 ? 1 + (uint32_t)(scene_random(stream) % most) : 0;
}

static void some_rules(uint64_t *stream, struct rule_set *ret_set) {
    const char *why;
    *ret_set = (struct rule_set){.count = RULES_MAX, .version = 1};
    for (uint32_t i = 0; i < ret_set->count; i++) {
        struct rule *rule = &ret_set->rules[i];
        *rule = (struct rule){.action = (uint8_t)(RULE_FLAG + scene_random(stream) % 3),
                              .kinds = (uint8_t)(1 + scene_random(stream) % 3),
                              .operations = (uint8_t)(1 + scene_random(stream) % RULE_ON_DEBITS),
                              .score = 50,
                              .currency_count = 1,
                              .currencies = {"USD"},
                              .amount = some_of(stream, 100000),
                              .mean_percent = some_of(stream, 800),
                              .payments_before = some_of(stream, 30),
                              .drained_percent = some_of(stream, 120),
                              .dormant_s = some_of(stream, 100000)};
        rule->name[0] = (char)('a' + i / 26);
        rule->name[1] = (char)('a' + i % 26);
        for (int window = 0; window < WINDOW_COUNT; window++)
            rule->counts[window] = some_of(stream, 20);
        if (rule->mean_percent == 0 && rule->drained_percent == 0)
            rule->amount = 1;
    }
    assert_true(rules_are_valid(ret_set, &why));
    rules_prepare(ret_set);
}

static void gates_never_stop_what_would_hit(void **state) {
    static const struct currency dollars = {.code = "USD", .exponent = 2};
    static struct rule_set set;
    uint64_t hits = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct habits habits = {0};
        struct naive naive = {0};
        uint64_t stream = 1000 + seed, now_ms = START;
        some_rules(&stream, &set);
        while (naive.count < PAYMENTS) {
            struct id to = somebody(&stream);
            int64_t amount = 1 + (int64_t)(scene_random(&stream) % 100000);
            now_ms += some_span_ms(&stream);
            struct payment payment = {
                .operation = (uint8_t)(1u << scene_random(&stream) % 5),
                .wallet_kind = (uint8_t)(scene_random(&stream) % 2),
                .amount = amount,
                .available = amount + (int64_t)(scene_random(&stream) % 100000) - 1000,
                .currency = &dollars,
                .counterparty = to,
                .now_ms = now_ms};
            struct verdict verdict;
            assert_same_alone(&set, &payment, &habits);
            rules_judge(&set, &payment, &habits, &verdict);
            hits += verdict.hits != 0;
            pay(&habits, &naive, now_ms, amount, to);
        }
    }
    assert_true(hits > 100); // and of 4,000
    assert_true(hits < 4000);
}

static void assert_taken(struct slice bytes, const struct habits *habits) {
    struct habits taken, hashed = habits_of_bytes(bytes);
    memset(&taken, 0xAA, sizeof(taken));
    assert_true(habits_take(bytes, &taken));
    assert_memory_equal(&taken, habits, sizeof(taken));
    assert_memory_equal(&hashed, habits, sizeof(hashed));
}

static void packed_and_unpacked_they_are_the_same(void **state) {
    size_t most = 0, least = sizeof(struct habits);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct habits habits = {0};
        struct naive naive = {0};
        uint64_t stream = 500 + seed, now_ms = START;
        while (naive.count < PAYMENTS) {
            struct habits_packed packed;
            if (scene_random(&stream) % 9 == 0)
                deposit(&habits, now_ms += some_span_ms(&stream));
            now_ms += some_span_ms(&stream);
            pay(&habits, &naive, now_ms, 1 + (int64_t)(scene_random(&stream) % 100000),
                somebody(&stream));
            struct slice bytes = habits_pack(&habits, &packed);
            assert_taken(bytes, &habits);
            assert_taken(slice_of(&habits, sizeof(habits)), &habits); // as they were kept before
            most = bytes.size > most ? bytes.size : most;
            least = bytes.size < least ? bytes.size : least;
        }
    }
    assert_true(least < 70); // of a new one
    assert_true(most < sizeof(struct habits));
}

// Whatever is in a row, its size says how it is kept.
static void each_set_of_words_packs(void **state) {
    const uint32_t words = sizeof(struct habits) / sizeof(uint64_t);
    uint64_t stream = 7, one[sizeof(struct habits) / sizeof(uint64_t)];
    for (uint32_t round = 0; round < 2000; round++) {
        struct habits habits;
        struct habits_packed packed;
        uint32_t used = 0, share = round % 5; // none of them, some, most, all
        for (uint32_t i = 0; i < words; i++) {
            one[i] = scene_random(&stream) % 4 < share ? scene_random(&stream) | 1 : 0;
            used += one[i] != 0;
        }
        memcpy(&habits, one, sizeof(habits));
        struct slice bytes = habits_pack(&habits, &packed);
        assert_int_equal(bytes.size, 5 + 8 * used);
        assert_true(bytes.size != sizeof(habits));
        assert_taken(bytes, &habits);
    }
}

static void what_is_neither_kind_is_refused(void **state) {
    static const struct habits none;
    struct habits habits = {.version = 5, .last_ms = START, .mean = 160, .payments = 1}, taken;
    struct habits_packed packed;
    size_t size = habits_pack(&habits, &packed).size;
    assert_int_equal(size, 5 + 4 * 8);
    assert_false(habits_take(slice_of(NULL, 0), &taken));
    for (size_t other = 0; other < size + 9; other++) {
        uint8_t bytes[sizeof(packed.bytes)] = {0};
        memcpy(bytes, packed.bytes, size);
        assert_int_equal(habits_take(slice_of(bytes, other), &taken), other == size);
        if (other != size)
            assert_memory_equal(&taken, &none, sizeof(taken));
    }
    for (uint32_t bit = 0; bit < 40; bit++) { // a word more, or less, or one that there is not
        packed.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(habits_take(slice_of(packed.bytes, size), &taken));
        packed.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(habits_take(slice_of(packed.bytes, size), &taken));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_what_a_naive_book_counts),
        cmocka_unit_test(gates_never_stop_what_would_hit),
        cmocka_unit_test(packed_and_unpacked_they_are_the_same),
        cmocka_unit_test(each_set_of_words_packs),
        cmocka_unit_test(what_is_neither_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
