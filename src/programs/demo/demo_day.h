// SPDX-License-Identifier: MIT
// The demo's day, hour by hour.
#pragma once
#include "programs/demo/demo_call.h"

// Opens the wallets of the world: employers, merchants, customers, in that order.
void demo_day_open(struct demo *demo);
void demo_day_pay_salaries(struct demo *demo);
void demo_day_top_up(struct demo *demo);
void demo_day_shop(struct demo *demo);
void demo_day_give_back(struct demo *demo);
void demo_day_give_gifts(struct demo *demo);
void demo_day_pay_out(struct demo *demo);
// What goes wrong in shops, and must be refused or replayed. Uses wallets of its own
// (demo_mistakes.c).
void demo_day_make_mistakes(struct demo *demo);
