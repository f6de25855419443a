// SPDX-License-Identifier: MIT
// Between the parts of the tally.
#pragma once
#include "watch/tally.h"

// Notes the difference, about one of the checks. Always false.
bool tally_differs(struct tally *tally, uint32_t check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same, beginning with the id of what it is about.
bool tally_differs_about(struct tally *tally, uint32_t check, enum id_type type, struct id id,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));
// Whether a number of the record is the one that was derived; `what` says what a wallet has.
bool tally_expect(struct tally *tally, uint32_t check, const char *what, struct id wallet,
                  int64_t derived, int64_t found);

// The wallet that a record names, with the currency of its facts: 0 and a difference when there is
// none.
uint32_t tally_find_wallet(struct tally *tally, struct id id, const struct currency *currency);
// Whether what is in the slot of that id came along with it, this record included.
// The totals of a currency, of which perhaps only other shards have wallets. NULL: there are too
// many; then it is broken.
struct tally_currency *tally_currency_of_others(struct tally *tally,
                                                const struct currency *currency);
bool tally_came_here(const struct tally *tally, struct id id);
// What holds for every wallet after every record. `wallet` as it will be.
bool tally_wallet_holds(struct tally *tally, const struct tally_wallet *wallet);
// The wallet's balance, held money and version after the record.
bool tally_wallet_set(struct tally *tally, struct tally_wallet *wallet, int64_t balance_change,
                      int64_t held_change, int64_t balance, int64_t held, uint64_t version);
// Whether a fresh id can be one: made in this round, for this slot, not known.
bool tally_id_is_new(struct tally *tally, const struct tally_map *map, enum id_type type,
                     struct id id, uint32_t slot);

// tally_money.c
bool tally_take_transaction(struct tally *tally, const struct transaction_facts *facts);
// tally_held.c
bool tally_take_hold(struct tally *tally, const struct hold_facts *facts);
bool tally_take_review(struct tally *tally, const struct parked_facts *facts);
bool tally_take_withdrawal(struct tally *tally, const struct withdrawal_facts *facts);
