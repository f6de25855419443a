// SPDX-License-Identifier: MIT
// What happens in the demo's day, one function each: it predicts from the demo's own world whether
// the server must agree, asks the server, and does the same in its world. Wallets, holds and so on
// are numbers of the world's arrays.
#pragma once
#include "programs/demo/demo_call.h"

#define DEMO_NONE UINT32_MAX

void demo_deposit(struct demo *demo, uint32_t wallet, int64_t amount, const char *reference);
void demo_transfer(struct demo *demo, uint32_t from, uint32_t to, int64_t amount,
                   const char *reference);
// Return the new one's number, or DEMO_NONE when it was (rightly) refused.
uint32_t demo_purchase(struct demo *demo, uint32_t wallet, uint32_t merchant, int64_t amount);
uint32_t demo_hold(struct demo *demo, uint32_t wallet, uint32_t merchant, int64_t amount,
                   bool expires);
uint32_t demo_withdraw(struct demo *demo, uint32_t wallet, int64_t amount, bool at_once);
void demo_capture(struct demo *demo, uint32_t hold, int64_t amount, bool is_final);
void demo_void(struct demo *demo, uint32_t hold);
void demo_refund(struct demo *demo, uint32_t purchase, int64_t amount);
void demo_settle(struct demo *demo, uint32_t withdrawal);
void demo_fail(struct demo *demo, uint32_t withdrawal);
void demo_set_status(struct demo *demo, uint32_t wallet, const char *status);
