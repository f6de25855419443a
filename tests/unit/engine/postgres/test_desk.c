// SPDX-License-Identifier: MIT
// The desk without a database: things are found by number and by their whole id, and an atomic
// batch that is refused leaves nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/postgres/desk/desk.h"

static const uint8_t seal_key[16] = {1, 2, 3};

static void desk_make(struct desk *desk) {
    desk_init(desk);
    desk->seal = id_seal_make(seal_key);
    desk->now_ms = 1700000000000;
}

static const struct currency usd = {.code = "USD", .exponent = 2};

static struct command opening(const char *owner) {
    return (struct command){.type = COMMAND_WALLET_OPEN,
                            .currency = usd,
                            .owner = slice_of_text(owner),
                            .slot = id_slot_of_owner(slice_of_text(owner)),
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

static struct digest128 key_of(uint64_t number) {
    return (struct digest128){.low = number, .high = ~number};
}

// Puts an opened wallet where fetching would have put it.
static struct id open_wallet(struct desk *desk, const char *owner, struct engine_stats *stats) {
    struct outcome outcome;
    struct command command = opening(owner);
    desk_decide(desk, &command, false, &outcome, stats);
    assert_int_equal(outcome.status, STATUS_ok);
    struct wallet_row *row = desk->wallets.items[desk->wallets.count - 1];
    row->present = true;
    map_add(&desk->wallet_map, map_slot_number(id_slot(row->wallet.id), row->number), row);
    return row->wallet.id;
}

static struct command deposit(struct id wallet, int64_t amount, const char *bank_id) {
    return (struct command){.type = COMMAND_DEPOSIT,
                            .wallet = wallet,
                            .has_amount = true,
                            .amount = amount,
                            .bank_id = slice_of_text(bank_id),
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
}

static void a_map_finds_what_was_added(void **state) {
    struct map map = {0};
    int things[5000];
    assert_null(map_find(&map, map_number(1)));
    for (uint64_t i = 0; i < 5000; i++)
        map_add(&map, map_number(i), &things[i]);
    for (uint64_t i = 0; i < 5000; i++)
        assert_ptr_equal(map_find(&map, map_number(i)), &things[i]);
    assert_null(map_find(&map, map_number(5000)));
    map_clear(&map);
    assert_null(map_find(&map, map_number(7)));
    map_done(&map);
}

static void a_forged_id_finds_nothing(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    assert_non_null(desk_wallet(&desk, wallet));
    for (int bit = 0; bit < 128; bit++) {
        struct id forged = wallet;
        forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(desk_wallet(&desk, forged));
    }
    desk_done(&desk);
}

static void a_refused_batch_leaves_nothing(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    struct counters before = desk.counters;
    struct wallet_row row_before = *desk_wallet(&desk, wallet);
    uint32_t wallets_before = desk.wallets.count;
    struct command commands[] = {deposit(wallet, 100, "bank-1"), opening("berta"),
                                 deposit(wallet, 5, "bank-1")};
    commands[0].has_key = true;
    commands[0].key = key_of(9);
    commands[1].currency = (struct currency){.code = "JPY"};
    struct outcome outcomes[3];
    struct submission submission = {
        .commands = commands, .outcomes = outcomes, .count = 3, .is_batch = true, .atomic = true};
    desk_decide_submission(&desk, &submission, &stats);
    assert_int_equal(submission.batch_outcome.status, STATUS_duplicate_bank_transaction);
    assert_int_equal(submission.batch_outcome.refusal.operation, 2);
    assert_memory_equal(&desk.counters, &before, sizeof(before));
    assert_memory_equal(desk_wallet(&desk, wallet), &row_before, sizeof(row_before));
    assert_int_equal(desk.wallets.count, wallets_before);
    assert_int_equal(desk.currency_count, 1);
    assert_int_equal(desk.currencies[0].account.deposits, 0);
    // Key and bank id are free again.
    submission.count = 2;
    desk_decide_submission(&desk, &submission, &stats);
    assert_int_equal(submission.batch_outcome.status, STATUS_ok);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 100);
    assert_int_equal(desk.currency_count, 2);
    desk_done(&desk);
}

// As the server tells that it has written the row.
static void put(struct desk *desk, struct head *head) {
    head->is_put = true;
    desk->heads_put++;
}

// What a batch makes of the heads of slots stands when the books end with that batch, and is gone
// when they do not; rows are written when they lag too far.
static void heads_stand_or_go_with_their_batch(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    struct link nowhere = {0};
    desk_make(&desk);
    desk.heads_lag = 1;
    desk_heads_settle(&desk, false);
    assert_true(desk.told.heads && desk.told.head_rows);
    desk_heads_came(&desk);
    uint32_t slot = id_slot(open_wallet(&desk, "anna", &stats));
    struct head *head = &desk.heads[slot];
    for (int round = 1; round <= 4; round++) {
        struct sha256 before = head->chain;
        bool is_lost = round == 2, lags = round == 1 || round == 4;
        const struct sha256 *chains = desk_heads_chain(&desk);
        assert_memory_equal(&chains[0], &head->chain, sizeof(chains[0]));
        desk_heads_write(&desk, &nowhere);
        assert_int_equal(desk.writes_heads, !lags);
        assert_int_equal(desk.heads_sent, lags ? 0 : 1);
        if (!lags)
            put(&desk, head);
        memset(&desk.heads_chain, round, sizeof(desk.heads_chain));
        if (!is_lost) {
            desk.counters.chain = desk.heads_chain;
            if (!lags)
                desk.counters.heads_record = desk.counters.last_record;
        }
        struct sha256 after = head->chain;
        desk_heads_settle(&desk, true);
        assert_int_equal(desk.told.heads, is_lost);
        assert_memory_equal(&head->chain, is_lost ? &before : &after, sizeof(before));
        assert_int_equal(head->unwritten, lags || is_lost ? 1 : 0);
        assert_int_equal(desk.heads_unwritten, head->unwritten);
        desk_heads_came(&desk);
    }
    desk_done(&desk);
}

// A row that somebody has locked stays behind, with what it lacks, and is not tried again before as
// many records have come as rows may lag behind.
static void a_locked_head_stays_behind(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    struct link nowhere = {0};
    desk_make(&desk);
    desk.heads_lag = 1;
    desk_heads_settle(&desk, false);
    desk_heads_came(&desk);
    struct head *head = &desk.heads[id_slot(open_wallet(&desk, "anna", &stats))];
    uint64_t heads_record = desk.heads_record;
    for (int round = 1; round <= 6; round++) {
        bool is_tried = round == 2 || round == 4 || round == 6, is_free = round == 6;
        struct sha256 written = head->written;
        (void)desk_heads_chain(&desk);
        desk_heads_write(&desk, &nowhere);
        assert_int_equal(desk.writes_heads, is_tried);
        if (is_free)
            put(&desk, head);
        memset(&desk.heads_chain, round, sizeof(desk.heads_chain));
        desk.counters.chain = desk.heads_chain;
        desk_heads_settle(&desk, true);
        assert_int_equal(head->unwritten, is_free ? 0 : round);
        assert_int_equal(desk.heads_unwritten, head->unwritten);
        assert_memory_equal(&head->written, is_free ? &head->chain : &written, sizeof(written));
        assert_int_equal(desk.heads_record, is_free ? desk.counters.last_record : heads_record);
        desk.counters.heads_record = desk.heads_record;
        desk_heads_came(&desk);
    }
    desk_done(&desk);
}

static void a_key_twice_in_a_batch_is_one_answer(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    struct command command = deposit(wallet, 100, "bank-1");
    command.has_key = true;
    command.key = key_of(1);
    struct outcome first, second;
    desk_decide(&desk, &command, false, &first, &stats);
    desk_decide(&desk, &command, false, &second, &stats);
    assert_false(first.replayed);
    assert_true(second.replayed);
    assert_int_equal(first.record.size, second.record.size);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 100);
    desk_done(&desk);
}

static void a_blocked_wallet_is_busy_and_unchanged(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats);
    desk_wallet(&desk, wallet)->blocked = true;
    struct command command = deposit(wallet, 100, "bank-1");
    command.has_key = true;
    command.key = key_of(1);
    struct outcome outcome;
    desk_decide(&desk, &command, false, &outcome, &stats);
    assert_int_equal(outcome.status, STATUS_busy);
    assert_int_equal(desk_wallet(&desk, wallet)->wallet.balance, 0);
    // Nothing is remembered: the same request succeeds later.
    desk_wallet(&desk, wallet)->blocked = false;
    desk_decide(&desk, &command, false, &outcome, &stats);
    assert_int_equal(outcome.status, STATUS_ok);
    assert_false(outcome.replayed);
    desk_done(&desk);
}

static void places_are_used_while_old_versions_stay(void **state) {
    struct desk desk;
    desk_make(&desk);
    struct row_place place = {{1, 2, 3, 4, 5, 6}}, none = {{0}};
    desk.books_place = place;
    uint32_t used = 0;
    for (desk.counters.rounds = 1; desk.counters.rounds <= 160; desk.counters.rounds++) {
        desk_note_oldest(&desk, 0); // nobody else is there, and what is old is cleaned up
        struct row_place at = desk_books_place(&desk);
        assert_memory_equal(&at, &none, sizeof(at));
        desk_note_oldest(&desk, 5000);
        at = desk_books_place(&desk);
        used += memcmp(&at, &place, sizeof(at)) == 0;
        assert_int_equal(desk.by_place, memcmp(&at, &place, sizeof(at)) == 0);
    }
    assert_int_equal(used, 150); // now and then the index is walked, to clean up what can be
    desk_done(&desk);
}

static void a_snapshot_is_read_or_is_nothing(void **state) {
    struct arrivals_seen seen = arrivals_seen_read(SLICE("100:130:100,117"));
    assert_int_equal(seen.next, 130);
    assert_int_equal(seen.open_count, 2);
    assert_int_equal(seen.open[1], 117);
    seen = arrivals_seen_read(SLICE("130:130:"));
    assert_int_equal(seen.next, 130);
    assert_int_equal(seen.open_count, 0);
    const char *const broken[] = {"", "1", "1:", "1:2", "1:2:x", "1:2:3;4", "a:2:"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        seen = arrivals_seen_read(slice_of_text(broken[i]));
        assert_int_equal(seen.next, 0);
        assert_int_equal(seen.open_count, 0);
    }
    struct buffer many = {0};
    BUFFER_ADD(&many, "1:9:");
    for (int i = 0; i <= ARRIVALS_OPEN_MAX; i++)
        buffer_add_format(&many, i == 0 ? "%d" : ",%d", i);
    seen = arrivals_seen_read(buffer_slice(&many));
    assert_int_equal(seen.next, 0); // then everything is looked at
    buffer_done(&many);
}

// Only a batch behind which nothing of what it saw is left moves the line.
static void what_arrived_is_behind_once_all_is_taken(void **state) {
    struct desk desk;
    struct arrival_row arrivals[2] = {{.is_taken = true}, {.is_taken = false}};
    desk_make(&desk);
    desk.arrivals_seen.next = 7;
    desk_arrivals_settle(&desk); // it did not look
    assert_int_equal(desk.arrivals_taken.next, 0);
    desk.arrivals_asked = true;
    rows_add(&desk.arrivals, &arrivals[0]);
    rows_add(&desk.arrivals, &arrivals[1]);
    desk_arrivals_settle(&desk); // somebody has locked a wallet
    assert_int_equal(desk.arrivals_taken.next, 0);
    arrivals[1].is_taken = true;
    desk_arrivals_settle(&desk);
    assert_int_equal(desk.arrivals_taken.next, 7);
    desk.arrivals_seen.next = 9;
    for (uint32_t i = 2; i < DESK_DUE_MAX; i++)
        rows_add(&desk.arrivals, &arrivals[0]);
    desk_arrivals_settle(&desk); // there may be more
    assert_int_equal(desk.arrivals_taken.next, 7);
    desk_done(&desk);
}

static bool is_known(const struct desk *desk, uint32_t slot, uint64_t version, int64_t balance,
                     uint64_t details, struct wallet_row *asked) {
    struct known_signs signs = {.version = version, .balance = balance, .details = details};
    return desk_known_take(desk, slot, &signs, asked);
}

// What a committed batch left is known by version, balance and details, on one session and of one
// slot.
static void known_wallets_are_those_of_their_version(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct wallet_row *row = desk_wallet(&desk, open_wallet(&desk, "anna", &stats));
    uint32_t slot = id_slot(row->wallet.id);
    struct wallet_row asked = {.number = row->number};
    desk_known_keep(&desk); // without a session nothing is known
    assert_false(desk_knows_wallet(&desk, slot, row->number));
    desk_known_forget(&desk);
    desk_known_keep(&desk); // nor is what was added
    assert_false(desk_knows_wallet(&desk, slot, row->number));
    row->added = false;
    row->wallet.version = row->version_before = 4;
    row->wallet.balance = 70;
    row->last_number = 3;
    row->details = 16;
    row->levels[1] = 800;
    row->blocked = true;
    desk_known_keep(&desk); // somebody else is changing it
    assert_false(desk_knows_wallet(&desk, slot, row->number));
    row->blocked = false;
    desk_known_keep(&desk);
    assert_true(desk_knows_wallet(&desk, slot, row->number));
    assert_false(desk_knows_wallet(&desk, slot + 1, row->number));
    assert_false(is_known(&desk, slot, 5, 70, 16, &asked));
    assert_false(is_known(&desk, slot, 4, 71, 16, &asked));
    assert_false(is_known(&desk, slot, 4, 70, 24, &asked)); // said again, and nothing else
    assert_true(is_known(&desk, slot, 4, 70, 16, &asked));
    assert_memory_equal(&asked.wallet, &row->wallet, sizeof(asked.wallet));
    assert_int_equal(asked.version_before, 4);
    assert_int_equal(asked.last_number, 3);
    assert_int_equal(asked.levels[1], 800);
    assert_int_equal(asked.habits.version, 0);
    row->habits.version = row->wallet.version = 5; // rules began to count
    desk_known_keep(&desk);
    assert_true(is_known(&desk, slot, 5, 70, 16, &asked));
    assert_int_equal(asked.habits.version, 5);
    desk_known_forget(&desk); // another session, perhaps another server
    assert_false(desk_knows_wallet(&desk, slot, row->number));
    assert_false(is_known(&desk, slot, 5, 70, 16, &asked));
    desk_done(&desk);
}

// Many wallets put each other out, and none is taken for another; what somebody has locked, or lies
// nobody knows where, is not decided on unseen.
static void known_wallets_put_each_other_out(void **state) {
    enum { COUNT = 2000 };
    struct desk desk;
    struct engine_stats stats = {0};
    desk_make(&desk);
    struct wallet_row *row = desk_wallet(&desk, open_wallet(&desk, "anna", &stats));
    uint32_t slot = id_slot(row->wallet.id);
    uint64_t first = row->number;
    row->added = false;
    desk_known_forget(&desk);
    for (uint64_t i = 0; i < COUNT; i++) {
        row->number = first + i;
        row->wallet.version = row->version_before = i + 1;
        row->is_placed = i % 2 == 0;
        desk_known_keep(&desk);
        assert_true(desk_knows_wallet(&desk, slot, first + i));
        assert_int_equal(desk_knows_place(&desk, slot, first + i), i % 2 == 0);
    }
    uint32_t known = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        struct wallet_row asked = {.number = first + i};
        struct known_signs signs = {
            .version = i + 1, .balance = row->wallet.balance, .details = row->details};
        known += desk_known_take(&desk, slot, &signs, &asked);
        signs.version++;
        assert_false(desk_known_take(&desk, slot, &signs, &asked));
    }
    assert_in_range(known, 8, COUNT);
    assert_true(desk_knows_wallet(&desk, slot, row->number)); // the last stays
    row->blocked = true;
    desk_known_keep(&desk); // nobody shall wait for it
    assert_false(desk_knows_wallet(&desk, slot, row->number));
    desk_done(&desk);
}

// What was decided without a look stands only where each thing that it rests on is written.
static void what_is_not_written_is_not_proved(void **state) {
    struct desk desk;
    struct engine_stats stats = {0};
    struct outcome outcome;
    desk_make(&desk);
    struct id wallet = open_wallet(&desk, "anna", &stats), other = open_wallet(&desk, "b", &stats);
    struct wallet_row *rows[] = {desk_wallet(&desk, wallet), desk_wallet(&desk, other)};
    for (int i = 0; i < 2; i++)
        rows[i]->added = rows[i]->changed = false;
    desk.ahead.is_on = false;
    assert_false(desk_ahead_is_in_vain(&desk)); // it was looked for
    desk.ahead.is_on = true;
    assert_true(desk_ahead_is_in_vain(&desk));
    assert_false(desk.ahead.is_on);
    struct command command = deposit(wallet, 5, "bank-1");
    desk_decide(&desk, &command, false, &outcome, &stats);
    desk.ahead.is_on = true;
    assert_true(desk_ahead_is_in_vain(&desk)); // the other one was only seen
    command = deposit(other, 5, "bank-2");
    desk_decide(&desk, &command, false, &outcome, &stats);
    desk.ahead.is_on = true;
    assert_false(desk_ahead_is_in_vain(&desk));
    assert_true(desk.ahead.is_on);
    desk.ahead.pause = 0;
    desk_ahead_failed(&desk);
    desk_ahead_failed(&desk);
    assert_int_equal(desk.ahead.pause, 1); // and longer, the more often it fails
    desk_ahead_failed(&desk);
    assert_int_equal(desk.ahead.pause, 3);
    for (int i = 0; i < 10; i++)
        desk_ahead_failed(&desk);
    assert_int_equal(desk.ahead.pause, 64);
    desk_done(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_finds_what_was_added),
        cmocka_unit_test(a_forged_id_finds_nothing),
        cmocka_unit_test(a_refused_batch_leaves_nothing),
        cmocka_unit_test(heads_stand_or_go_with_their_batch),
        cmocka_unit_test(a_locked_head_stays_behind),
        cmocka_unit_test(a_key_twice_in_a_batch_is_one_answer),
        cmocka_unit_test(a_blocked_wallet_is_busy_and_unchanged),
        cmocka_unit_test(places_are_used_while_old_versions_stay),
        cmocka_unit_test(a_snapshot_is_read_or_is_nothing),
        cmocka_unit_test(what_arrived_is_behind_once_all_is_taken),
        cmocka_unit_test(known_wallets_are_those_of_their_version),
        cmocka_unit_test(known_wallets_put_each_other_out),
        cmocka_unit_test(what_is_not_written_is_not_proved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
