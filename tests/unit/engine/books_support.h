// SPDX-License-Identifier: MIT
// Books in a temporary folder, and commands that are answered before the call returns.
#pragma once
#include <sys/types.h>

#include "engine/embedded/embedded.h"

struct test_books {
    char folder[64];
    struct engine *engine;
    struct id admin; // the key that commands come with
    uint64_t segment_bytes;
    struct disk *disk; // NULL: the folder; else the engine's, and there is no folder
};

// Makes the folder and the books, with one admin key.
void test_books_open(struct test_books *books, uint64_t segment_bytes);
// The same on a disk in memory, which becomes the engine's.
void test_books_open_on(struct test_books *books, struct disk *disk, uint64_t segment_bytes);
// Closes and opens again, as after a clean stop.
void test_books_reopen(struct test_books *books);
void test_books_remove(struct test_books *books); // closes and deletes the folder

// Turns these bits of one byte of the file around.
void test_flip(const char *path, off_t offset, uint8_t bits);

// A command of the admin, without an idempotency key.
struct command test_command(const struct test_books *books, enum command_type type);
// Remembers the request under a key: `request` stands for what was asked.
void test_command_key(struct command *command, const char *key, uint64_t request);

// Submits and waits. Slices of the outcome live as long as the engine.
struct outcome test_submit(const struct test_books *books, const struct command *command);
// As test_submit; the outcomes of a batch's parts are copied to `parts`.
struct outcome test_submit_parts(const struct test_books *books, const struct command *command,
                                 struct outcome *parts, uint32_t parts_max);
// A batch; `outcomes` has one per command; returns the batch's outcome.
struct outcome test_submit_batch(const struct test_books *books, struct command *commands,
                                 struct outcome *outcomes, uint32_t count, bool atomic,
                                 const char *key);

// Commands that are done only when the cursor's move holds; returns what became of the move.
// `whole`: of an atomic batch; NULL: the commands are decided one by one.
struct outcome test_submit_whole(const struct test_books *books, const struct cursor_wish *wish,
                                 const struct command *whole, struct command *commands,
                                 struct outcome *outcomes, uint32_t count);
struct outcome test_submit_guarded(const struct test_books *books, const struct cursor_wish *wish,
                                   struct command *commands, struct outcome *outcomes,
                                   uint32_t count);

struct record test_record(struct outcome outcome); // decoded, fails the test if it does not hold

// A command that moves an amount: between two wallets, or on one (the other is zero).
struct command test_move(const struct test_books *books, enum command_type type, struct id wallet,
                         struct id counterparty, int64_t amount);

// Shortcuts that must succeed.
// A rule that stops nobody, so that habits are counted.
void test_count_habits(const struct test_books *books);
struct id test_wallet(const struct test_books *books, const char *owner, enum wallet_kind kind);
struct id test_deposit(const struct test_books *books, struct id wallet, int64_t amount,
                       const char *bank_id);
struct id test_hold(const struct test_books *books, struct id wallet, struct id merchant,
                    int64_t amount, uint32_t expires_in_s);
struct wallet test_read_wallet(const struct test_books *books, struct id wallet);
