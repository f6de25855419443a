// SPDX-License-Identifier: MIT
// What every test of wire/ needs: a context to decode in, ids, padded bodies, and ways to say what
// is expected of a result in one line.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "ledger/record.h"
#include "wire/decode.h"

// A desk at which requests are decoded. `body_room` keeps the padded copy of the last body.
struct desk {
    struct arena arena;
    struct id_seal seal;
    struct wire_currencies currencies;
    struct wire_context context;
    struct buffer body_room;
};

void desk_open(struct desk *desk);
void desk_close(struct desk *desk);

// A body with the padding that the parser wants behind it; valid until the next one.
struct slice desk_body(struct desk *desk, const char *body);
struct slice desk_body_slice(struct desk *desk, struct slice body);

// Ids of these books: number 1 is always the same wallet, and so on.
struct id desk_id(const struct desk *desk, uint64_t number);
// Formats `format` with every #W, #T, #H, #D, #K and a digit behind it replaced by the id of that
// type and number, and every ' by ". The text belongs to the arena.
const char *desk_text(struct desk *desk, const char *format);

// Decodes a body of an operation without headers, or with an Idempotency-Key when `key` is given.
enum status desk_decode(struct desk *desk, enum operation_code code, const char *body,
                        const char *key, struct command *ret_command,
                        struct wire_faults *ret_faults);
// Expects that a body is refused with exactly these pointers, separated by blanks, in any order.
void expect_faults(struct desk *desk, enum operation_code code, const char *body,
                   const char *pointers);
void expect_pointers(const struct wire_faults *faults, const char *pointers);
// Expects that a body is fine.
struct command expect_decoded(struct desk *desk, enum operation_code code, const char *body);

void expect_text(struct slice text, const char *expected);
void expect_buffer(const struct buffer *buffer, const char *expected);
