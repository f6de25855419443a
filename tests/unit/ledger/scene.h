// SPDX-License-Identifier: MIT
// A little stage for the rules: a payer, a shop, one of everything a command can name, and a
// command that succeeds. Tests break one thing at a time and look at what the rules say.
#pragma once
#include "ledger/decide.h"

struct scene {
    uint64_t now_ms;
    struct currency_account accounts[2]; // USD, EUR
    struct wallet payer, shop;           // the docket's wallet and counterparty, whichever they are
    struct hold hold;
    struct withdrawal withdrawal;
    struct purchase purchase;
    struct key keys[2]; // 0: the principal, an admin; 1: a service key
    struct id bank_owner;
    struct command command;
    struct docket docket;
    struct record record;
    struct refusal refusal;
};

// A seeded stream of numbers (splitmix64).
uint64_t scene_random(uint64_t *stream);
struct id scene_id(uint64_t number);

// Sets the stage for a command of that type, which succeeds as it is.
void scene_make(struct scene *scene, enum command_type type);
// The same scene elsewhere: pointers of the docket follow.
void scene_copy(struct scene *to, const struct scene *from);
enum status scene_decide(struct scene *scene);
// Applies `record` to the scene's things; those that the record makes are zeroed before.
void scene_apply(struct scene *scene, const struct record *record);
// Applies without zeroing anything, as replay does.
void scene_apply_again(struct scene *scene, const struct record *record);
// Whether all things that records change are equal.
bool scene_same(const struct scene *a, const struct scene *b);
