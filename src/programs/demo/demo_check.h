// SPDX-License-Identifier: MIT
// The end of the demo's day: waits for what ends by itself, then compares the server's books with
// the demo's own.
#pragma once
#include "programs/demo/demo_call.h"

// Counts differences. Returns how many wallets were compared.
uint32_t demo_check_wallets(struct demo *demo);
// Waits until the holds that are to expire have done so.
void demo_check_expiry(struct demo *demo);
// Asks for /check-integrity. True: it says that the books are consistent.
bool demo_check_books(struct demo *demo);
