// SPDX-License-Identifier: MIT
// A house for tests of api/: the floor itself between a fake http and a fake engine, with one key
// per role, and the few steps that every test takes.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/secret.h"
#include "api/api.h"
#include "fake_engine.h"
#include "fake_http.h"

#define HOUSE_DEADLINE_MS 300

struct house {
    struct fake_engine *engine;
    struct api *api;
    struct http_handler handler;
    char admin[SECRET_BYTES_MAX + 8]; // "Bearer ..."
    char service[SECRET_BYTES_MAX + 8];
    char auditor[SECRET_BYTES_MAX + 8];
    struct id admin_key, service_key, auditor_key;
    struct id wallet, other; // ids that could be wallets
    char wallet_text[ID_TEXT_BYTES_MAX + 1], other_text[ID_TEXT_BYTES_MAX + 1];
    struct buffer record; // of the last outcome made below
};

// For cmocka's set-up and tear-down.
int house_open(void **state);
int house_open_impatient(void **state); // nothing is carried for longer than a millisecond
int house_close(void **state);

// A request with the service's key, unless `authorization` says otherwise (NULL: none).
struct http_request *house_request(struct house *house, const char *method, const char *path);
struct http_request *house_request_as(const char *authorization, const char *method,
                                      const char *path);
struct http_request *house_post(struct house *house, const char *path, const char *json);
// Hands it over; `house_ask` also ends the pass.
void house_give(struct house *house, struct http_request *request);
void house_ask(struct house *house, struct http_request *request);
// Ends the pass, or wakes the loop, until the request is answered or a second is over.
void house_await(struct house *house, struct http_request *request);

// What the fake engine may decide: an outcome with a record of its kind.
fake_decide house_says_yes;       // wallets, transfers, deposits, keys
fake_decide house_says_yes_again; // the same, as a replay
fake_decide house_says_no;        // insufficient_funds
fake_decide house_reads;          // a wallet with version 7

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_open, house_close)
