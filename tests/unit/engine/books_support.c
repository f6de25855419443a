// SPDX-License-Identifier: MIT
// Opens books in a temporary folder and waits for the rounds that it submits.
#include "books_support.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/signal_gate.h"

struct waiting {
    struct round round;
    struct signal_gate gate;
};

static void tell(struct round *round) {
    signal_gate_publish(round->context, 1);
}

static void submit_and_wait(const struct test_books *books, struct submission *submission,
                            struct waiting *waiting) {
    round_init(&waiting->round);
    signal_gate_init(&waiting->gate, 0, 0);
    waiting->round.first = submission;
    waiting->round.command_count = submission->count;
    waiting->round.published = tell;
    waiting->round.context = &waiting->gate;
    books->engine->port->submit(books->engine, &waiting->round);
    assert_true(signal_gate_wait(&waiting->gate, 1, UINT64_C(20000000000)));
}

static void submit(const struct test_books *books, struct submission *submission) {
    struct waiting waiting;
    submit_and_wait(books, submission, &waiting);
    round_done(&waiting.round);
}

struct outcome test_submit(const struct test_books *books, const struct command *command) {
    struct command copy = *command;
    struct outcome outcome;
    struct submission submission = {.commands = &copy, .outcomes = &outcome, .count = 1};
    submit(books, &submission);
    return outcome;
}

struct outcome test_submit_parts(const struct test_books *books, const struct command *command,
                                 struct outcome *parts, uint32_t parts_max) {
    struct command copy = *command;
    struct outcome outcome;
    struct submission submission = {.commands = &copy, .outcomes = &outcome, .count = 1};
    struct waiting waiting;
    submit_and_wait(books, &submission, &waiting);
    assert_true(outcome.part_count <= parts_max);
    if (outcome.part_count != 0)
        memcpy(parts, outcome.parts, outcome.part_count * sizeof(*parts));
    outcome.parts = parts; // the round's own go with it
    round_done(&waiting.round);
    return outcome;
}

struct outcome test_submit_batch(const struct test_books *books, struct command *commands,
                                 struct outcome *outcomes, uint32_t count, bool atomic,
                                 const char *key) {
    struct submission submission = {.commands = commands,
                                    .outcomes = outcomes,
                                    .count = count,
                                    .is_batch = true,
                                    .atomic = atomic,
                                    .batch = test_command(books, COMMAND_NONE)};
    if (key != NULL)
        test_command_key(&submission.batch, key, 0);
    submit(books, &submission);
    return submission.batch_outcome;
}

struct outcome test_submit_guarded(const struct test_books *books, const struct cursor_wish *wish,
                                   struct command *commands, struct outcome *outcomes,
                                   uint32_t count) {
    return test_submit_whole(books, wish, NULL, commands, outcomes, count);
}

struct outcome test_submit_whole(const struct test_books *books, const struct cursor_wish *wish,
                                 const struct command *whole, struct command *commands,
                                 struct outcome *outcomes, uint32_t count) {
    struct submission submission = {
        .commands = commands,
        .outcomes = outcomes,
        .count = count,
        .is_batch = true,
        .guarded = true,
        .whole = whole,
        .batch = {.type = COMMAND_CURSOR_MOVE,
                  .cursor = wish,
                  .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}}};
    submit(books, &submission);
    return submission.batch_outcome;
}

static void open_engine(struct test_books *books) {
    char why[512];
    struct embedded_options options = {
        .folder = books->folder,
        .idempotency_days = 7,
        .segment_bytes = books->segment_bytes,
        .checkpoint_bytes = 2 * books->segment_bytes,
        .disk = books->disk,
    };
    enum status status = embedded_open(&options, why, sizeof(why), &books->engine);
    if (status != STATUS_ok)
        fail_msg("%s: %s", status_name(status), why);
}

static void first_key(struct test_books *books) {
    assert_true(embedded_is_new(books->engine));
    struct command command = {.type = COMMAND_KEY_CREATE,
                              .key_role = ROLE_ADMIN,
                              .name = SLICE("first"),
                              .origin = {.principal = SLICE("system")}};
    random_fill(&command.secret_hash, sizeof(command.secret_hash));
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    books->admin = test_record(outcome).api_key.id;
}

void test_books_open(struct test_books *books, uint64_t segment_bytes) {
    *books = (struct test_books){.segment_bytes = segment_bytes};
    (void)snprintf(books->folder, sizeof(books->folder), "/tmp/florin-books-XXXXXX");
    assert_non_null(mkdtemp(books->folder));
    open_engine(books);
    first_key(books);
}

void test_books_open_on(struct test_books *books, struct disk *disk, uint64_t segment_bytes) {
    *books = (struct test_books){.segment_bytes = segment_bytes, .disk = disk};
    open_engine(books);
    first_key(books);
}

void test_books_reopen(struct test_books *books) {
    books->engine->port->close(books->engine);
    open_engine(books);
}

void test_books_remove(struct test_books *books) {
    char line[128];
    books->engine->port->close(books->engine);
    if (books->disk != NULL)
        return;
    (void)snprintf(line, sizeof(line), "rm -rf '%s'", books->folder);
    assert_int_equal(system(line), 0);
}

struct command test_command(const struct test_books *books, enum command_type type) {
    return (struct command){.type = type,
                            .principal_key = books->admin,
                            .origin = {.principal = SLICE("tester"), .role = ROLE_ADMIN}};
}

void test_command_key(struct command *command, const char *key, uint64_t request) {
    command->has_key = true;
    command->key = hash128(slice_of_text(key), 0);
    command->request = (struct digest128){.low = request, .high = command->type};
}

struct record test_record(struct outcome outcome) {
    struct record record;
    const char *why = "";
    if (record_decode(outcome.record, &record, &why) != STATUS_ok)
        fail_msg("%s", why);
    return record;
}

struct command test_move(const struct test_books *books, enum command_type type, struct id wallet,
                         struct id counterparty, int64_t amount) {
    struct command command = test_command(books, type);
    command.wallet = wallet;
    command.counterparty = counterparty;
    command.has_amount = true;
    command.amount = amount;
    return command;
}

struct id test_hold(const struct test_books *books, struct id wallet, struct id merchant,
                    int64_t amount, uint32_t expires_in_s) {
    struct command command = test_move(books, COMMAND_HOLD, wallet, merchant, amount);
    command.expires_in_s = expires_in_s;
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return test_record(outcome).hold.id;
}

void test_count_habits(const struct test_books *books) {
    static const struct rule rule = {.name = "counts",
                                     .action = RULE_FLAG,
                                     .shadow = 1,
                                     .kinds = 3,
                                     .operations = RULE_ON_DEBITS,
                                     .score = 50,
                                     .counts = {3}};
    struct command command = {.type = COMMAND_RULES,
                              .metadata = slice_of(&rule, sizeof(rule)),
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    assert_int_equal(test_submit(books, &command).status, STATUS_ok);
}

struct id test_wallet(const struct test_books *books, const char *owner, enum wallet_kind kind) {
    struct command command = test_command(books, COMMAND_WALLET_OPEN);
    command.owner = slice_of_text(owner);
    command.slot = id_slot_of_owner(command.owner);
    command.wallet_kind = kind;
    assert_true(currency_iso_find(SLICE("USD"), &command.currency));
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return test_record(outcome).wallet.id;
}

struct id test_deposit(const struct test_books *books, struct id wallet, int64_t amount,
                       const char *bank_id) {
    struct command command = test_command(books, COMMAND_DEPOSIT);
    command.wallet = wallet;
    command.has_amount = true;
    command.amount = amount;
    command.bank_id = slice_of_text(bank_id);
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return test_record(outcome).transaction.id;
}

struct wallet test_read_wallet(const struct test_books *books, struct id wallet) {
    struct command command = test_command(books, COMMAND_READ_WALLET);
    command.subject = wallet;
    struct outcome outcome = test_submit(books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    return outcome.wallet;
}

void test_flip(const char *path, off_t offset, uint8_t bits) {
    uint8_t byte;
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= bits;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    assert_int_equal(close(file), 0);
}
